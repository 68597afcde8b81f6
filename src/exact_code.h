/*
 * exact_code.h
 *	  Exact vectors as bytes: coded small, and back to the last bit.
 *
 * The bytes of a vector's elements are dealt out to planes, the first bytes of
 * all elements, then the second ones, and so on: what is alike in elements,
 * their exponents, comes together.  Each plane is kept in the way that takes
 * least room:
 *
 *	 0, byte			all bytes are this one
 *	 n, n bytes			as they are, n being their number
 *	 length, frame		compressed by libzstd; the frame's first four bytes,
 *						the same in all frames, are left out
 *
 * Lengths are two bytes.  Frames may refer to a dictionary of their plane.
 *
 * Nothing here knows pages.  zstd allocates its own memory.  Dictionaries live as
 * long as the codec; what decodes, and what encodes for the codecs that did so
 * last, for the life of the backend.
 */
#ifndef VEGO_EXACT_CODE_H
#define VEGO_EXACT_CODE_H

#include "postgres.h"

/* Dictionaries of all planes fit one item (exact_page.h). */
#define VEGO_CODEC_DICTIONARY_BYTES 512
#define VEGO_CODEC_DICTIONARIES_ROOM \
	(4 * (VEGO_CODEC_DICTIONARY_BYTES + (int) sizeof(uint16)))

/* Room in front of what is decoded: the four bytes that frames leave out. */
#define VEGO_CODEC_SLACK 8

typedef struct VegoCodec VegoCodec;

/*
 * A codec for elements of so many bytes, with the dictionaries of a build (no
 * bytes: none).  NULL when these are damaged.  It lives until it is freed, or
 * its parent is.
 */
extern VegoCodec *vego_codec_make(MemoryContext parent, int element_bytes,
								  const char *dictionaries, int length);
extern void vego_codec_free(VegoCodec *codec);

/*
 * Codes elements into `coded`, which has room for them and VEGO_CODEC_SLACK
 * more.  The length, or 0 when coded they would not be smaller.
 */
extern int	vego_codec_encode(VegoCodec *codec, const char *elements,
							  int bytes, char *coded);

/*
 * Decodes exactly so many bytes; `coded` is written to, also VEGO_CODEC_SLACK
 * bytes before it.  What is wrong with it, or NULL.
 */
extern const char *vego_codec_decode(const VegoCodec *codec, char *coded,
									 int length, char *elements, int bytes);

/*
 * Makes dictionaries from samples, vectors of so many bytes each, and tries
 * them on every other of them: a plane gets one where that pays.  Returns
 * their length, 0 when no plane does.
 */
extern int	vego_codec_train(int element_bytes, const char *samples,
							 int count, int bytes, char *dictionaries);

#endif							/* VEGO_EXACT_CODE_H */
