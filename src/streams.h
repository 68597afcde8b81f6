/*
 * streams.h
 *	  Many byte streams in one temporary file.
 *
 * Streams are written all at once, a little of each in any order, then read one
 * after the other.  A stream is a list of chunks of the file, and one chunk is
 * in memory for each stream that is being written, so that hundreds of streams
 * need little of it.  The file counts against temp_file_limit and is gone when
 * the statement is, however that ends.
 */
#ifndef VEGO_STREAMS_H
#define VEGO_STREAMS_H

#include "storage/sharedfileset.h"

typedef struct VegoStreams VegoStreams;

/* Chunks being written take about so many bytes of memory together. */
extern VegoStreams *vego_streams_new(uint32 count, Size buffer_bytes);

/*
 * One stream in a file that processes share: one writes and seals it, then
 * another opens it, knowing its length.
 */
extern VegoStreams *vego_streams_new_shared(SharedFileSet *set,
											const char *name);
extern VegoStreams *vego_streams_open_shared(SharedFileSet *set,
											 const char *name, uint64 length);

extern void vego_streams_append(VegoStreams *streams, uint32 stream,
								const void *data, Size bytes);

/* Nothing will be appended any more; only now streams can be read. */
extern void vego_streams_seal(VegoStreams *streams);

/* Bytes appended to a stream. */
extern uint64 vego_streams_length(const VegoStreams *streams, uint32 stream);

/* Reading goes on from the front of this stream. */
extern void vego_streams_rewind(VegoStreams *streams, uint32 stream);

/* The next bytes of the stream; it is an error if there are fewer. */
extern void vego_streams_read(VegoStreams *streams, void *data, Size bytes);

extern void vego_streams_free(VegoStreams *streams);

#endif							/* VEGO_STREAMS_H */
