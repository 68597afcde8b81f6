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
 * Higher levels look for repetitions, which floats do not have; all gain is
 * in the entropy of the plane of exponents, and level 1 has that.
 */
#define ZSTD_LEVEL 1

/* What is the same in all frames, and left out. */
#define MAGIC_BYTES 4

/* Fewer samples make no dictionary. */
#define LEAST_SAMPLES 100

/* A dictionary pays when it saves this part of a plane. */
#define LEAST_SAVING (1.0 / 64)

struct VegoCodec
{
	MemoryContext context;		/* its own */
	MemoryContextCallback at_end;
	int			element_bytes;
	ZSTD_CDict *compress[VEGO_EXACT_MAX_PLANES];	/* or NULL */
	ZSTD_DDict *decompress[VEGO_EXACT_MAX_PLANES];
};

/* One of each for all codecs of the backend. */
static ZSTD_CCtx *compressor;
static ZSTD_DCtx *decompressor;

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

static void
need_contexts(void)
{
	if (compressor == NULL)
	{
		compressor = ZSTD_createCCtx();
		if (compressor == NULL)
			report_no_memory();
		ZSTD_CCtx_setParameter(compressor, ZSTD_c_compressionLevel,
							   ZSTD_LEVEL);
		/* which dictionary it was is known from the index */
		ZSTD_CCtx_setParameter(compressor, ZSTD_c_dictIDFlag, 0);
	}
	if (decompressor == NULL)
		decompressor = ZSTD_createDCtx();
	if (decompressor == NULL)
		report_no_memory();
}

/* Whatever ends the codec's memory context ends what zstd allocated too. */
static void
free_dictionaries(void *arg)
{
	VegoCodec  *codec = arg;

	for (int plane = 0; plane < VEGO_EXACT_MAX_PLANES; plane++)
	{
		ZSTD_freeCDict(codec->compress[plane]);
		ZSTD_freeDDict(codec->decompress[plane]);
	}
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
	MemoryContext context = AllocSetContextCreate(parent, "vego codec",
												  ALLOCSET_SMALL_SIZES);
	VegoCodec  *codec = MemoryContextAllocZero(context, sizeof(VegoCodec));
	const char *at = dictionaries;
	const char *end = at + length;

	codec->context = context;
	codec->at_end.func = free_dictionaries;
	codec->at_end.arg = codec;
	MemoryContextRegisterResetCallback(context, &codec->at_end);
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
		codec->compress[plane] = ZSTD_createCDict(at, bytes, ZSTD_LEVEL);
		codec->decompress[plane] = ZSTD_createDDict(at, bytes);
		if (codec->compress[plane] == NULL ||
			codec->decompress[plane] == NULL)
		{
			/* these fail for a damaged dictionary too, and do not say so */
			vego_codec_free(codec);
			return NULL;
		}
		at += bytes;
	}
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
encode_plane(ZSTD_CDict *dictionary, const char *bytes, int count, char *at)
{
	size_t		length;

	if (all_alike(bytes, count))
	{
		at = put_length(at, 0);
		*at = bytes[0];
		return at + 1;
	}

	/* a frame that did not fit would leave the last dictionary in place */
	ZSTD_CCtx_reset(compressor, ZSTD_reset_session_only);
	ZSTD_CCtx_refCDict(compressor, dictionary);
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
vego_codec_encode(const VegoCodec *codec, const char *elements, int bytes,
				  char *coded)
{
	int			width = codec->element_bytes;
	int			count = bytes / width;
	char	   *plane_bytes;
	char	   *at = coded;

	if (bytes % width != 0 || count < 1 || count > PG_UINT16_MAX)
		return 0;
	need_contexts();
	plane_bytes = room_for_planes(count);
	for (int plane = 0; plane < width; plane++)
	{
		/* what has been saved so far must leave room for a whole plane */
		if (at - coded > plane * count + VEGO_CODEC_SLACK -
			(int) sizeof(uint16))
			return 0;
		split_plane(elements, width, plane, count, plane_bytes);
		at = encode_plane(codec->compress[plane], plane_bytes, count, at);
	}
	return at - coded < bytes ? at - coded : 0;
}

/* Planes of usual elements go back without a loop over planes. */
static void
join_planes(char *const *planes, int width, int count, char *restrict elements)
{
	if (width == 4)
	{
		const char *p0 = planes[0];
		const char *p1 = planes[1];
		const char *p2 = planes[2];
		const char *p3 = planes[3];

		for (int i = 0; i < count; i++)
		{
			elements[4 * i] = p0[i];
			elements[4 * i + 1] = p1[i];
			elements[4 * i + 2] = p2[i];
			elements[4 * i + 3] = p3[i];
		}
		return;
	}
	for (int plane = 0; plane < width; plane++)
		for (int i = 0; i < count; i++)
			elements[i * width + plane] = planes[plane][i];
}

/*
 * Decodes the plane that begins at *at, and moves *at behind it.  False when
 * it is damaged.
 */
static bool
decode_plane(ZSTD_DDict *dictionary, char **at, const char *end, int count,
			 char *room)
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
	done = dictionary ?
		ZSTD_decompress_usingDDict(decompressor, room, count,
								   bytes - MAGIC_BYTES, length + MAGIC_BYTES,
								   dictionary) :
		ZSTD_decompressDCtx(decompressor, room, count,
							bytes - MAGIC_BYTES, length + MAGIC_BYTES);
	return done == count;
}

const char *
vego_codec_decode(const VegoCodec *codec, char *coded, int length,
				  char *elements, int bytes)
{
	int			width = codec->element_bytes;
	int			count = bytes / width;
	char	   *planes[VEGO_EXACT_MAX_PLANES];
	char	   *room;
	char	   *at = coded;

	if (bytes % width != 0 || count < 1 || count > PG_UINT16_MAX)
		return "coded vector has an impossible length";
	need_contexts();
	room = room_for_planes(bytes);
	for (int plane = 0; plane < width; plane++)
	{
		planes[plane] = room + plane * count;
		if (!decode_plane(codec->decompress[plane], &at, coded + length,
						  count, planes[plane]))
			return "coded vector cannot be decoded";
	}
	if (at != coded + length)
		return "coded vector has bytes left over";
	join_planes(planes, width, count, elements);
	return NULL;
}

/* What one plane of the odd samples takes with a dictionary, or without. */
static double
plane_size(ZSTD_CDict *dictionary, const char *plane, int samples, int count,
		   char *room)
{
	double		size = 0.0;

	for (int i = 1; i < samples; i += 2)
		size += encode_plane(dictionary, plane + (size_t) i * count, count,
							 room) - room;
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
		ZSTD_CDict *compress = ZSTD_createCDict(dictionary, length,
												ZSTD_LEVEL);

		if (compress)
		{
			double		without = plane_size(NULL, plane, samples, count,
											 room);

			if (plane_size(compress, plane, samples, count, room) <
				without * (1.0 - LEAST_SAVING))
				result = length;
			ZSTD_CCtx_reset(compressor, ZSTD_reset_session_only);
			ZSTD_CCtx_refCDict(compressor, NULL);
			ZSTD_freeCDict(compress);
		}
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

	need_contexts();
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
