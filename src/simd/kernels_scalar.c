/*
 * kernels_scalar.c
 *	  The kernels in plain C: the definition of what the others compute.
 *
 * Written for the reader, not from the template, so that the tests compare
 * two things and not one with itself.  Packing is here too: it has no other
 * version, being copying.
 *
 * Sums are of double precision.  The other kernels have many partial sums, each
 * of few elements; one alone of 16,000 elements would be off in the fourth
 * digit.
 */
#include <string.h>

#include "simd/kernels.h"

static float
l2_squared(const float *a, const float *b, int n)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += (a[i] - b[i]) * (a[i] - b[i]);
	return (float) sum;
}

static float
dot(const float *a, const float *b, int n)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += a[i] * b[i];
	return (float) sum;
}

static float
l1(const float *a, const float *b, int n)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += __builtin_fabsf(a[i] - b[i]);
	return (float) sum;
}

static void
cosine_sums(const float *a, const float *b, int n, float sums[3])
{
	sums[0] = dot(a, b, n);
	sums[1] = dot(a, a, n);
	sums[2] = dot(b, b, n);
}

static float
half_l2_squared(const VegoHalf *a, const VegoHalf *b, int n)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
	{
		float		difference = vego_half_to_float(a[i]) -
			vego_half_to_float(b[i]);

		sum += difference * difference;
	}
	return (float) sum;
}

static float
half_dot(const VegoHalf *a, const VegoHalf *b, int n)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += vego_half_to_float(a[i]) * vego_half_to_float(b[i]);
	return (float) sum;
}

static float
half_l1(const VegoHalf *a, const VegoHalf *b, int n)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += __builtin_fabsf(vego_half_to_float(a[i]) -
							   vego_half_to_float(b[i]));
	return (float) sum;
}

static void
half_cosine_sums(const VegoHalf *a, const VegoHalf *b, int n, float sums[3])
{
	sums[0] = half_dot(a, b, n);
	sums[1] = half_dot(a, a, n);
	sums[2] = half_dot(b, b, n);
}

static void
halves_to_floats(const VegoHalf *x, int n, float *out)
{
	for (int i = 0; i < n; i++)
		out[i] = vego_half_to_float(x[i]);
}

static void
floats_to_halves(const float *x, int n, VegoHalf *out)
{
	for (int i = 0; i < n; i++)
		out[i] = vego_half_from_double(x[i]);
}

static void
add_to_sums(const float *x, int n, double *sums)
{
	for (int i = 0; i < n; i++)
		sums[i] += x[i];
}

static void
half_add_to_sums(const VegoHalf *x, int n, double *sums)
{
	for (int i = 0; i < n; i++)
		sums[i] += vego_half_to_float(x[i]);
}

static int32_t
bits_shared(const uint8_t *a, const uint8_t *b, int bytes)
{
	int32_t		count = 0;

	for (int i = 0; i < bytes; i++)
		count += __builtin_popcount(a[i] & b[i]);
	return count;
}

static int32_t
bits_apart(const uint8_t *a, const uint8_t *b, int bytes)
{
	int32_t		count = 0;

	for (int i = 0; i < bytes; i++)
		count += __builtin_popcount(a[i] ^ b[i]);
	return count;
}

static void
centre(const float *x, const float *centre, float scale, int n, float *out,
	   float *smallest, float *largest)
{
	*smallest = __builtin_inff();
	*largest = -__builtin_inff();
	for (int i = 0; i < n; i++)
	{
		float		v = x[i] * scale - (centre != NULL ? centre[i] : 0.0f);

		out[i] = v;
		*smallest = v < *smallest ? v : *smallest;
		*largest = v > *largest ? v : *largest;
	}
}

/*
 * Adding 2^23 leaves no bits for a fraction, so the addition itself rounds,
 * halves to even as rint does, without a call into the mathematical library.
 */
static int
round_to_code(float v, float top)
{
	volatile float rounded;

	v = v > 0 ? v : 0;
	v = v < top ? v : top;
	rounded = v + 8388608.0f;
	return (int) (rounded - 8388608.0f);
}

static int64_t
quantize(const float *x, int n, float lo, float inverse_step, int top,
		 uint8_t *code, int64_t *squares)
{
	int64_t		sum = 0;

	*squares = 0;
	for (int i = 0; i < n; i++)
	{
		int			c = round_to_code((x[i] - lo) * inverse_step,
									  (float) top);

		code[i] = (uint8_t) c;
		sum += c;
		*squares += c * c;
	}
	return sum;
}

static void
query_dots8(const uint8_t *const *codes, int count, const int8_t *high,
			const int8_t *low, int n, int64_t *dots)
{
	for (int c = 0; c < count; c++)
	{
		const uint8_t *code = codes[c];
		int64_t		sum = 0;

		for (int i = 0; i < n; i++)
			sum += code[i] * (128 * high[i] + low[i]);
		dots[c] = sum;
	}
}

static void
query_dots4(const uint8_t *const *codes, int count, const int8_t *high,
			const int8_t *low, int bytes, int64_t *dots)
{
	for (int c = 0; c < count; c++)
	{
		const uint8_t *code = codes[c];
		int64_t		sum = 0;

		for (int i = 0; i < bytes; i++)
		{
			sum += (code[i] & 15) * (128 * high[i] + low[i]);
			sum += (code[i] >> 4) * (128 * high[bytes + i] + low[bytes + i]);
		}
		dots[c] = sum;
	}
}

static float
query_l1_8(const uint8_t *code, const float *query, float lo, float step,
		   int n)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += __builtin_fabsf(query[i] - (lo + step * code[i]));
	return (float) sum;
}

static float
query_l1_4(const uint8_t *code, const float *query, float lo, float step,
		   int n)
{
	int			bytes = (n + 1) / 2;
	double		sum = 0;

	for (int i = 0; i < n; i++)
	{
		int			c = i < bytes ? code[i] & 15 : code[i - bytes] >> 4;

		sum += __builtin_fabsf(query[i] - (lo + step * c));
	}
	return (float) sum;
}

static int32_t
code_dot8(const uint8_t *a, const uint8_t *b, int n)
{
	int32_t		sum = 0;

	for (int i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

static void
code_dots8(const uint8_t *a, const uint8_t *const b[4], int n,
		   int32_t dots[4])
{
	for (int k = 0; k < 4; k++)
		dots[k] = code_dot8(a, b[k], n);
}

static int32_t
code_dot4(const uint8_t *a, const uint8_t *b, int bytes)
{
	int32_t		sum = 0;

	for (int i = 0; i < bytes; i++)
	{
		sum += (a[i] & 15) * (b[i] & 15);
		sum += (a[i] >> 4) * (b[i] >> 4);
	}
	return sum;
}

static void
block_dots(const int8_t *rows, int row_count, const uint8_t *packed, int n,
		   int32_t *dots)
{
	size_t		stride = vego_block_stride(n);
	int32_t		sums[VEGO_BLOCK_COLUMNS];

	memcpy(sums, packed + stride * VEGO_BLOCK_COLUMNS, sizeof(sums));
	for (int r = 0; r < row_count; r++)
	{
		int32_t    *out = dots + (size_t) r * VEGO_BLOCK_COLUMNS;
		const uint8_t *column = packed;

		/* A row's signed byte is its code - 128. */
		for (int c = 0; c < VEGO_BLOCK_COLUMNS; c++)
			out[c] = 128 * sums[c];
		for (size_t i = 0; i < stride; i += 4)
		{
			const int8_t *row = rows + (size_t) r * stride + i;

			for (int c = 0; c < VEGO_BLOCK_COLUMNS; c++, column += 4)
				out[c] += row[0] * column[0] + row[1] * column[1] +
					row[2] * column[2] + row[3] * column[3];
		}
	}
}

static void
row_marks(const int32_t *dots, const VegoBlockRow *row,
		  const VegoBlockColumns *columns, int32_t first, int32_t places,
		  int32_t *marks, int32_t *least)
{
	for (int c = 0; c < VEGO_BLOCK_COLUMNS; c++)
	{
		float		product = row->lo * columns->sum[c] +
			row->rest * columns->lo[c] +
			row->step * columns->step[c] * (float) dots[c] +
			row->lift * columns->lift[c];
		float		distance = row->norm2 + columns->norm2[c] - 2 * product;

		distance = distance > 0 ? distance : 0;
		memcpy(&marks[c], &distance, sizeof(float));
		marks[c] = (marks[c] & ~places) | ((first + c) & places);
		least[c] = marks[c] < least[c] ? marks[c] : least[c];
	}
}

static void
block_marks(const int32_t *dots, const VegoBlockRow *rows, int row_count,
			const VegoBlockColumns *columns, int32_t first, int32_t next,
			int32_t places, const VegoBlockMarks *out)
{
	for (int r = 0; r < row_count; r++)
		row_marks(dots + r * VEGO_BLOCK_COLUMNS, &rows[r], columns,
				  first - r * next, places, out->marks + r * out->stride,
				  out->least + r * out->least_stride);
}

static int
marks_below(const int32_t *marks, int count, int32_t limit, int32_t *found)
{
	int			n = 0;

	for (int i = 0; i < count; i++)
	{
		if (marks[i] < limit)
			found[n++] = marks[i];
	}
	return n;
}

static int
count_below(const int32_t *marks, int count, int32_t limit)
{
	int			n = 0;

	for (int i = 0; i < count; i++)
		n += marks[i] < limit;
	return n;
}

static void
sort_marks(int32_t *marks, int count, int32_t *sorted)
{
	for (int i = 0; i < count; i++)
	{
		int			j = i;

		for (; j > 0 && sorted[j - 1] > marks[i]; j--)
			sorted[j] = sorted[j - 1];
		sorted[j] = marks[i];
	}
}

const VegoKernels vego_kernels_scalar = {
	.name = "scalar",
	.l2_squared = l2_squared,
	.dot = dot,
	.l1 = l1,
	.cosine_sums = cosine_sums,
	.half_l2_squared = half_l2_squared,
	.half_dot = half_dot,
	.half_l1 = half_l1,
	.half_cosine_sums = half_cosine_sums,
	.halves_to_floats = halves_to_floats,
	.floats_to_halves = floats_to_halves,
	.add_to_sums = add_to_sums,
	.half_add_to_sums = half_add_to_sums,
	.bits_shared = bits_shared,
	.bits_apart = bits_apart,
	.centre = centre,
	.quantize = quantize,
	.query_dots8 = query_dots8,
	.query_dots4 = query_dots4,
	.query_l1_8 = query_l1_8,
	.query_l1_4 = query_l1_4,
	.code_dot8 = code_dot8,
	.code_dot4 = code_dot4,
	.code_dots8 = code_dots8,
	.block_dots = block_dots,
	.block_marks = block_marks,
	.marks_below = marks_below,
	.count_below = count_below,
	.sort_marks = sort_marks,
};

/* The sum of the eight bytes of a word. */
static inline int32_t
sum_of_bytes(uint64_t word)
{
	const uint64_t every_other = UINT64_C(0x00FF00FF00FF00FF);
	uint64_t	pairs = (word & every_other) + (word >> 8 & every_other);

	/* The multiplication adds up all four in the highest. */
	return (int32_t) (pairs * UINT64_C(0x0001000100010001) >> 48);
}

/* Spreads a code over its column, four bytes a line; returns their sum. */
static int32_t
pack_column(const uint8_t *code, int n, uint8_t *column)
{
	const size_t step = 4 * VEGO_BLOCK_COLUMNS;
	int32_t		sum = 0;
	int			i = 0;

	for (; i + 8 <= n; i += 8, column += 2 * step)
	{
		uint64_t	word;

		memcpy(&word, code + i, 8);
		memcpy(column, code + i, 4);
		memcpy(column + step, code + i + 4, 4);
		sum += sum_of_bytes(word);
	}
	for (; i < n; i += 4, column += step)
	{
		uint64_t	word = 0;

		memcpy(&word, code + i, n - i < 4 ? (size_t) (n - i) : 4);
		memcpy(column, (uint8_t *) &word, 4);
		sum += sum_of_bytes(word);
	}
	return sum;
}

void
vego_block_pack_columns(const uint8_t *codes, size_t stride, int count, int n,
						uint8_t *packed)
{
	int32_t		sums[VEGO_BLOCK_COLUMNS] = {0};

	if (count < VEGO_BLOCK_COLUMNS)
		memset(packed, 0, vego_block_packed_bytes(n));
	for (int c = 0; c < count; c++)
		sums[c] = pack_column(codes + (size_t) c * stride, n, packed + 4 * c);
	memcpy(packed + vego_block_stride(n) * VEGO_BLOCK_COLUMNS, sums,
		   sizeof(sums));
}

void
vego_block_pack_rows(const uint8_t *codes, size_t stride, int count, int n,
					 int8_t *rows)
{
	size_t		row_stride = vego_block_stride(n);
	size_t		length = (size_t) n;

	for (int r = 0; r < count; r++)
	{
		const uint8_t *code = codes + (size_t) r * stride;
		int8_t	   *row = rows + (size_t) r * row_stride;
		size_t		i = 0;

		for (; i + 8 <= length; i += 8)
		{
			uint64_t	word;

			memcpy(&word, code + i, 8);
			word ^= UINT64_C(0x8080808080808080);
			memcpy(row + i, &word, 8);
		}
		for (; i < length; i++)
			row[i] = (int8_t) (code[i] ^ 0x80);
		for (; i < row_stride; i++)
			row[i] = 0;
	}
}
