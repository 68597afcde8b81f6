/*
 * exact_code.c
 *	  How do exact vectors become few bytes, and these the vectors again?
 */
#include "postgres.h"

#include <zdict.h>
#include <zstd.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "exact_code.h"
#include "page.h"

/*
 * Floats have no repetitions worth the name; all gain is in the entropy of a
 * plane.  So the fastest way to look for repetitions, and only for long ones:
 * short ones cost more than they save, in bytes and when they are decoded.
 */
#define ZSTD_LEVEL 1
#define ZSTD_LEAST_MATCH 7

/* What is the same in all frames, and left out. */
#define MAGIC_BYTES 4

/* Fewer samples make no dictionary. */
#define LEAST_SAMPLES 100

/*
 * A dictionary is kept unless a plane takes so much more with it: frames that
 * use its Huffman table have none of their own, which takes as long to read as
 * all that it decodes.
 */
#define DICTIONARY_PRICE (1.0 / 50)

struct VegoCodec
{
	MemoryContext context;		/* its own */
	MemoryContextCallback at_end;
	uint64		number;			/* no other codec of this backend has it */
	int			element_bytes;

	/* by plane; NULL where there is no dictionary */
	const char *dictionary[VEGO_EXACT_MAX_PLANES];
	int			dictionary_bytes[VEGO_EXACT_MAX_PLANES];
	ZSTD_DDict *decoding[VEGO_EXACT_MAX_PLANES];
};

static uint64 codecs_made;

/*
 * What compresses takes 80 kB a plane and more, so only the codecs that have
 * encoded last have it, the very last one first.
 */
#define MOST_COMPRESSING 2

typedef struct Compressors
{
	uint64		codec;			/* by number */
	ZSTD_CCtx  *plane[VEGO_EXACT_MAX_PLANES];	/* made when needed */
} Compressors;

static Compressors compressing[MOST_COMPRESSING];

/*
 * For all codecs of the backend, one a plane: zstd goes slowly about the first
 * frame after a change of dictionaries.
 */
static ZSTD_DCtx *decompressor[VEGO_EXACT_MAX_PLANES];

/* Planes on their way, palloc'd for the backend's life; grows. */
static char *planes_room;
static int	planes_room_bytes;

static void
report_no_memory(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of memory"),
			 errdetail("libzstd could not allocate what it works with.")));
}

static char *
room_for_planes(int bytes)
{
	if (bytes > planes_room_bytes)
	{
		char	   *room = MemoryContextAlloc(TopMemoryContext, bytes);

		if (planes_room)
			pfree(planes_room);
		planes_room = room;
		planes_room_bytes = bytes;
	}
	return planes_room;
}

static ZSTD_CCtx *
make_compressor(const char *dictionary, int bytes)
{
	ZSTD_CCtx  *compressor = ZSTD_createCCtx();

	if (compressor == NULL)
		report_no_memory();
	ZSTD_CCtx_setParameter(compressor, ZSTD_c_compressionLevel, ZSTD_LEVEL);
	ZSTD_CCtx_setParameter(compressor, ZSTD_c_minMatch, ZSTD_LEAST_MATCH);
	/* which dictionary it was is known from the index */
	ZSTD_CCtx_setParameter(compressor, ZSTD_c_dictIDFlag, 0);
	if (bytes > 0 &&
		ZSTD_isError(ZSTD_CCtx_loadDictionary(compressor, dictionary, bytes)))
	{
		ZSTD_freeCCtx(compressor);
		report_no_memory();
	}
	return compressor;
}

/* Makes the codec the first of those that have compressors. */
static void
bring_forward(const VegoCodec *codec)
{
	Compressors own = {codec->number};
	int			at = 0;

	while (at < MOST_COMPRESSING - 1 && compressing[at].codec != codec->number)
		at++;
	if (compressing[at].codec == codec->number)
		own = compressing[at];
	else
		for (int plane = 0; plane < VEGO_EXACT_MAX_PLANES; plane++)
			ZSTD_freeCCtx(compressing[at].plane[plane]);
	memmove(&compressing[1], &compressing[0], at * sizeof(Compressors));
	compressing[0] = own;
}

static ZSTD_CCtx *
compressor_of(const VegoCodec *codec, int plane)
{
	ZSTD_CCtx **compressor = &compressing[0].plane[plane];

	if (compressing[0].codec != codec->number)
		bring_forward(codec);
	if (*compressor == NULL)
		*compressor = make_compressor(codec->dictionary[plane],
									  codec->dictionary_bytes[plane]);
	return *compressor;
}

static ZSTD_DCtx *
decompressor_of(int plane)
{
	if (decompressor[plane] == NULL)
		decompressor[plane] = ZSTD_createDCtx();
	if (decompressor[plane] == NULL)
		report_no_memory();
	return decompressor[plane];
}

/* Whatever ends the codec's memory context ends what zstd allocated too. */
static void
free_zstd(void *arg)
{
	VegoCodec  *codec = arg;

	for (int plane = 0; plane < VEGO_EXACT_MAX_PLANES; plane++)
		ZSTD_freeDDict(codec->decoding[plane]);
}

void
vego_codec_free(VegoCodec *codec)
{
	if (codec)
		MemoryContextDelete(codec->context);
}

VegoCodec *
vego_codec_make(MemoryContext parent, int element_bytes,
				const char *dictionaries, int length)
{
	/* an error on the way ends it with what the caller works in */
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "vego codec",
												  ALLOCSET_SMALL_SIZES);
	VegoCodec  *codec = MemoryContextAllocZero(context, sizeof(VegoCodec));
	char	   *at = MemoryContextAlloc(context, length + 1);
	const char *end = at + length;

	if (length > 0)				/* or there may be no array at all */
		memcpy(at, dictionaries, length);
	codec->context = context;
	codec->at_end.func = free_zstd;
	codec->at_end.arg = codec;
	MemoryContextRegisterResetCallback(context, &codec->at_end);
	codec->number = ++codecs_made;
	codec->element_bytes = element_bytes;
	for (int plane = 0; plane < element_bytes && length > 0; plane++)
	{
		uint16		bytes = 0;

		if (end - at >= sizeof(bytes))
			memcpy(&bytes, at, sizeof(bytes));
		if (end - at < sizeof(bytes) + bytes)
		{
			vego_codec_free(codec);
			return NULL;
		}
		at += sizeof(bytes);
		if (bytes == 0)
			continue;
		codec->dictionary[plane] = at;
		codec->dictionary_bytes[plane] = bytes;
		codec->decoding[plane] = ZSTD_createDDict(at, bytes);
		if (codec->decoding[plane] == NULL)
		{
			/* it does not say why: is the dictionary one at all? */
			if (!ZDICT_isError(ZDICT_getDictHeaderSize(at, bytes)))
				report_no_memory();
			vego_codec_free(codec);
			return NULL;
		}
		at += bytes;
	}
	MemoryContextSetParent(context, parent);
	return codec;
}

static void
split_plane(const char *elements, int width, int plane, int count,
			char *bytes)
{
	for (int i = 0; i < count; i++)
		bytes[i] = elements[i * width + plane];
}

static bool
all_alike(const char *bytes, int count)
{
	return memcmp(bytes, bytes + 1, count - 1) == 0;
}

static char *
put_length(char *at, uint16 length)
{
	memcpy(at, &length, sizeof(length));
	return at + sizeof(length);
}

/*
 * Codes one plane of n bytes, and returns what is behind it.  There is room
 * for all of them and the length.  Whatever zstd complains of, a plane can be
 * kept as it is.
 */
static char *
encode_plane(ZSTD_CCtx *compressor, const char *bytes, int count, char *at)
{
	size_t		length;

	if (all_alike(bytes, count))
	{
		at = put_length(at, 0);
		*at = bytes[0];
		return at + 1;
	}

	length = ZSTD_compress2(compressor, at + sizeof(uint16), count, bytes,
							count);
	if (!ZSTD_isError(length) && length > MAGIC_BYTES)
	{
		length -= MAGIC_BYTES;
		at = put_length(at, length);
		memmove(at, at + MAGIC_BYTES, length);
		return at + length;
	}
	at = put_length(at, count);
	memcpy(at, bytes, count);
	return at + count;
}

int
vego_codec_encode(VegoCodec *codec, const char *elements, int bytes,
				  char *coded)
{
	int			width = codec->element_bytes;
	int			count = bytes / width;
	char	   *plane_bytes;
	char	   *at = coded;

	if (bytes % width != 0 || count < 1 || count > PG_UINT16_MAX)
		return 0;
	plane_bytes = room_for_planes(count);
	for (int plane = 0; plane < width; plane++)
	{
		/* what has been saved so far must leave room for a whole plane */
		if (at - coded > plane * count + VEGO_CODEC_SLACK -
			(int) sizeof(uint16))
			return 0;
		split_plane(elements, width, plane, count, plane_bytes);
		at = encode_plane(compressor_of(codec, plane), plane_bytes, count,
						  at);
	}
	return at - coded < bytes ? at - coded : 0;
}

/* Four planes, an element at a time. */
static void
join_four(const uint8 *planes, int count, char *elements)
{
	for (int i = 0; i < count; i++)
	{
		uint32		element = planes[i] | planes[count + i] << 8 |
			planes[2 * count + i] << 16 |
			(uint32) planes[3 * count + i] << 24;

		memcpy(elements + i * sizeof(element), &element, sizeof(element));
	}
}

/* The bytes of elements, from planes that lie one behind the other. */
static void
join_planes(const char *planes, int width, int count, char *elements)
{
#ifndef WORDS_BIGENDIAN
	if (width == 4)
	{
		join_four((const uint8 *) planes, count, elements);
		return;
	}
#endif
	for (int plane = 0; plane < width; plane++)
		for (int i = 0; i < count; i++)
			elements[i * width + plane] = planes[plane * count + i];
}

/*
 * Decodes the plane that begins at *at, and moves *at behind it.  False when
 * it is damaged.
 */
static bool
decode_plane(const VegoCodec *codec, int plane, char **at, const char *end,
			 int count, char *room)
{
	static const unsigned char magic[MAGIC_BYTES] = {0x28, 0xB5, 0x2F, 0xFD};
	char	   *bytes = *at + sizeof(uint16);
	uint16		length;
	size_t		done;

	if (bytes > end)
		return false;
	memcpy(&length, *at, sizeof(length));
	*at = bytes + Max(length, 1);
	if (*at > end)
		return false;
	if (length == 0)
	{
		memset(room, *bytes, count);
		return true;
	}
	if (length == count)
	{
		memcpy(room, bytes, count);
		return true;
	}

	/* over what has been read, or the caller's slack */
	memcpy(bytes - MAGIC_BYTES, magic, MAGIC_BYTES);
	/* without a dictionary as well */
	done = ZSTD_decompress_usingDDict(decompressor_of(plane), room, count,
									  bytes - MAGIC_BYTES,
									  length + MAGIC_BYTES,
									  codec->decoding[plane]);
	return done == count;
}

const char *
vego_codec_decode(const VegoCodec *codec, char *coded, int length,
				  char *elements, int bytes)
{
	int			width = codec->element_bytes;
	int			count = bytes / width;
	char	   *room;
	char	   *at = coded;

	if (bytes % width != 0 || count < 1 || count > PG_UINT16_MAX)
		return "coded vector has an impossible length";
	room = room_for_planes(bytes);
	for (int plane = 0; plane < width; plane++)
		if (!decode_plane(codec, plane, &at, coded + length, count,
						  room + plane * count))
			return "coded vector cannot be decoded";
	if (at != coded + length)
		return "coded vector has bytes left over";
	join_planes(room, width, count, elements);
	return NULL;
}

/* What one plane of the odd samples takes with a dictionary, or without. */
static double
plane_size(const char *dictionary, int bytes, const char *plane, int samples,
		   int count, char *room)
{
	ZSTD_CCtx  *compressor = make_compressor(dictionary, bytes);
	double		size = 0.0;

	for (int i = 1; i < samples; i += 2)
		size += encode_plane(compressor, plane + (size_t) i * count, count,
							 room) - room;
	ZSTD_freeCCtx(compressor);
	return size;
}

/* The dictionary of one plane, or no bytes where it does not pay. */
static int
train_plane(const char *plane, int samples, int count, char *dictionary)
{
	size_t	   *sizes = palloc(samples * sizeof(size_t));
	char	   *even = palloc((size_t) (samples + 1) / 2 * count);
	char	   *room = palloc(count + VEGO_CODEC_SLACK);
	size_t		length;
	int			result = 0;

	for (int i = 0; i < samples; i += 2)
	{
		memcpy(even + (size_t) i / 2 * count, plane + (size_t) i * count,
			   count);
		sizes[i / 2] = count;
	}
	length = ZDICT_trainFromBuffer(dictionary, VEGO_CODEC_DICTIONARY_BYTES,
								   even, sizes, (samples + 1) / 2);
	if (!ZDICT_isError(length))
	{
		double		without = plane_size(NULL, 0, plane, samples, count, room);
		double		with = plane_size(dictionary, length, plane, samples,
									  count, room);

		/* the same: noise, or all alike, and no frame at all */
		if (with != without && with < without * (1.0 + DICTIONARY_PRICE))
			result = length;
	}
	pfree(room);
	pfree(even);
	pfree(sizes);
	return result;
}

int
vego_codec_train(int element_bytes, const char *samples, int count, int bytes,
				 char *dictionaries)
{
	int			elements = bytes / element_bytes;
	char	   *plane = palloc((size_t) count * elements);
	char	   *at = dictionaries;
	int			found = 0;

	for (int k = 0; k < element_bytes && count >= LEAST_SAMPLES &&
		 element_bytes <= 4; k++)
	{
		int			length;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < count; i++)
			split_plane(samples + (size_t) i * bytes, element_bytes, k,
						elements, plane + (size_t) i * elements);
		length = train_plane(plane, count, elements, at + sizeof(uint16));
		at = put_length(at, length) + length;
		found += length;
	}
	pfree(plane);
	return found > 0 ? at - dictionaries : 0;
}
