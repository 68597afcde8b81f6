/*
 * streams.c
 *	  How do many streams share one temporary file?
 *
 * Chunks are written at the end of the file as they fill, so writing is
 * sequential; where each went is remembered, four bytes a chunk.  A stream that
 * has a file for itself is its file, and nothing is remembered.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "compat.h"
#include "rows.h"
#include "streams.h"

#define MOST_CHUNK_BYTES BLCKSZ
#define LEAST_CHUNK_BYTES 1024

typedef struct Stream
{
	uint64		length;
	uint8	   *buffer;			/* the chunk being written, or NULL */
	uint32	   *chunks;			/* where they are in the file */
	uint32		chunk_count;
	uint32		chunk_room;
} Stream;

struct VegoStreams
{
	BufFile    *file;
	bool		shared;
	uint32		count;
	Size		chunk_bytes;
	uint32		next_chunk;		/* of the file */
	MemoryContext context;
	Stream	   *streams;

	/* reading */
	const Stream *reading;
	uint64		at;
};

static VegoStreams *
make_streams(uint32 count, Size buffer_bytes)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "vego streams",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	VegoStreams *streams = palloc0(sizeof(VegoStreams));

	streams->context = context;
	streams->count = count;
	streams->chunk_bytes = MOST_CHUNK_BYTES;
	while (streams->chunk_bytes > LEAST_CHUNK_BYTES &&
		   streams->chunk_bytes * count > buffer_bytes)
		streams->chunk_bytes /= 2;
	streams->streams = vego_allocate_zero(count, sizeof(Stream));
	MemoryContextSwitchTo(old);
	return streams;
}

VegoStreams *
vego_streams_new(uint32 count, Size buffer_bytes)
{
	VegoStreams *streams = make_streams(count, buffer_bytes);
	MemoryContext old = MemoryContextSwitchTo(streams->context);

	streams->file = BufFileCreateTemp(false);
	MemoryContextSwitchTo(old);
	return streams;
}

VegoStreams *
vego_streams_new_shared(SharedFileSet *set, const char *name)
{
	VegoStreams *streams = make_streams(1, MOST_CHUNK_BYTES);
	MemoryContext old = MemoryContextSwitchTo(streams->context);

	streams->file = vego_compat_create_file(set, name);
	streams->shared = true;
	MemoryContextSwitchTo(old);
	return streams;
}

VegoStreams *
vego_streams_open_shared(SharedFileSet *set, const char *name, uint64 length)
{
	VegoStreams *streams = make_streams(1, MOST_CHUNK_BYTES);
	MemoryContext old = MemoryContextSwitchTo(streams->context);

	streams->file = vego_compat_open_file(set, name);
	streams->streams[0].length = length;
	MemoryContextSwitchTo(old);
	return streams;
}

/* Remembers where the next chunk of a stream goes. */
static void
note_chunk(VegoStreams *streams, Stream *stream)
{
	if (streams->count == 1)
		return;
	if (stream->chunk_count == stream->chunk_room)
	{
		stream->chunk_room = Max(16, stream->chunk_room * 2);
		stream->chunks = stream->chunks == NULL ?
			MemoryContextAlloc(streams->context,
							   stream->chunk_room * sizeof(uint32)) :
			repalloc_huge(stream->chunks,
						  (Size) stream->chunk_room * sizeof(uint32));
	}
	stream->chunks[stream->chunk_count++] = streams->next_chunk++;
}

/* Writes what is in the buffer of a stream, which is a chunk or its last. */
static void
write_chunk(VegoStreams *streams, Stream *stream)
{
	note_chunk(streams, stream);
	BufFileWrite(streams->file, stream->buffer, streams->chunk_bytes);
	CHECK_FOR_INTERRUPTS();
}

void
vego_streams_append(VegoStreams *streams, uint32 number, const void *data,
					Size bytes)
{
	Stream	   *stream = &streams->streams[number];
	const uint8 *from = data;

	Assert(number < streams->count);
	if (stream->buffer == NULL)
		stream->buffer = MemoryContextAllocZero(streams->context,
												streams->chunk_bytes);
	while (bytes > 0)
	{
		Size		used = stream->length % streams->chunk_bytes;
		Size		part = Min(bytes, streams->chunk_bytes - used);

		memcpy(stream->buffer + used, from, part);
		stream->length += part;
		from += part;
		bytes -= part;
		if (used + part == streams->chunk_bytes)
			write_chunk(streams, stream);
	}
}

void
vego_streams_seal(VegoStreams *streams)
{
	for (uint32 i = 0; i < streams->count; i++)
	{
		Stream	   *stream = &streams->streams[i];

		if (stream->buffer == NULL)
			continue;
		if (stream->length % streams->chunk_bytes > 0)
			write_chunk(streams, stream);
		pfree(stream->buffer);
		stream->buffer = NULL;
	}
	if (streams->shared)
		vego_compat_export_file(streams->file);
}

uint64
vego_streams_length(const VegoStreams *streams, uint32 stream)
{
	return streams->streams[stream].length;
}

void
vego_streams_rewind(VegoStreams *streams, uint32 stream)
{
	Assert(stream < streams->count);
	streams->reading = &streams->streams[stream];
	streams->at = 0;
}

void
vego_streams_read(VegoStreams *streams, void *data, Size bytes)
{
	const Stream *stream = streams->reading;
	uint8	   *to = data;

	if (streams->at + bytes > stream->length)
		elog(ERROR, "a temporary file of the build ends too early");
	while (bytes > 0)
	{
		Size		used = streams->at % streams->chunk_bytes;
		Size		part = Min(bytes, streams->chunk_bytes - used);
		uint32		chunk = (uint32) (streams->at / streams->chunk_bytes);

		if (used == 0)
		{
			off_t		offset;

			if (stream->chunks)
				chunk = stream->chunks[chunk];
			offset = (off_t) chunk * streams->chunk_bytes;

			CHECK_FOR_INTERRUPTS();
			if (BufFileSeek(streams->file, 0, offset, SEEK_SET) != 0)
				ereport(ERROR,
						(errcode_for_file_access(),
						 errmsg("could not seek in a temporary file: %m")));
		}
		if (BufFileRead(streams->file, to, part) != part)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read from a temporary file")));
		streams->at += part;
		to += part;
		bytes -= part;
	}
}

void
vego_streams_free(VegoStreams *streams)
{
	BufFileClose(streams->file);
	MemoryContextDelete(streams->context);
}
