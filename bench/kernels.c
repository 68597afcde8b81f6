/*
 * kernels.c
 *	  Times every kernel of every table this CPU runs.
 *
 * Stands alone, without PostgreSQL:
 *
 *	 cc -O2 -Isrc bench/kernels.c src/simd/kernels_*.c -lm -o kernels-bench
 *	 ./kernels-bench [table ...]
 *
 * Data lie in the first-level cache; GB/s counts the bytes of all arrays that
 * a call reads.  GMAC/s, for block_dots, counts multiplications.
 */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "simd/kernels.h"

#define MAX_LENGTH 1536
#define BATCH 12
#define LEAF_ROWS 1000
#define MAX_LEAF_LENGTH 768
#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

static float x[MAX_LENGTH];
static float y[MAX_LENGTH];
static float out[MAX_LENGTH];
static uint8_t a[MAX_LENGTH + BATCH];
static uint8_t b[MAX_LENGTH + BATCH];
static int8_t high[MAX_LENGTH];
static int8_t low[MAX_LENGTH];
static int32_t marks[MAX_LENGTH];
static int32_t found[MAX_LENGTH];
static int32_t least[VEGO_BLOCK_COLUMNS];
static int32_t dots[LEAF_ROWS * VEGO_BLOCK_COLUMNS];
static VegoBlockRow rows[BATCH];
static VegoBlockColumns columns;

/* What is added here cannot be left out by the compiler. */
static volatile double sink;

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double) time.tv_sec * 1e9 + (double) time.tv_nsec;
}

/* Each makes many calls; their results do not wait for one another. */
typedef double (*Calls) (const VegoKernels *k, int n, int calls);

#define CALLS(name, call) \
static double \
call_##name(const VegoKernels *k, int n, int calls) \
{ \
	double		sum = 0; \
 \
	for (int i = 0; i < calls; i++) \
		sum += (double) (call); \
	return sum; \
}

static float
cosine(const VegoKernels *k, int n)
{
	float		sums[3];

	k->cosine_sums(x, y, n, sums);
	return sums[0];
}

static float
centre(const VegoKernels *k, int n)
{
	float		smallest;
	float		largest;

	k->centre(x, y, 0.5f, n, out, &smallest, &largest);
	return smallest + largest;
}

static int64_t
quantize(const VegoKernels *k, int n)
{
	int64_t		squares;
	static uint8_t code[MAX_LENGTH];

	return k->quantize(x, n, -1, 127.5f, 255, code, &squares) + squares;
}

/* As many codes as a search typically scores when it expands a node. */
static float
query_dots(void (*kernel) (const uint8_t *const *codes, int count,
						   const int8_t *high, const int8_t *low, int bytes,
						   int64_t *dots), int count, int bytes)
{
	const uint8_t *codes[BATCH];
	int64_t		sums[BATCH];

	for (int i = 0; i < count; i++)
		codes[i] = a + i;
	kernel(codes, count, high, low, bytes, sums);
	return (float) sums[count - 1];
}

static int32_t
code_dots(const VegoKernels *k, int n)
{
	const uint8_t *const others[] = {b, b + 1, b + 2, b + 3};
	int32_t		dots[4];

	k->code_dots8(a, others, n, dots);
	return dots[0] + dots[3];
}

/* As long as a block is wide, whatever n, and as many rows. */
static float
block_marks(const VegoKernels *k, int n)
{
	VegoBlockMarks out = {found, VEGO_BLOCK_COLUMNS, least, 0};

	(void) n;
	k->block_marks(dots, rows, BATCH, &columns, 0, 1, 2047, &out);
	return (float) found[0];
}

static float
sort_marks(const VegoKernels *k, int n)
{
	k->sort_marks(marks, n, found);
	return (float) found[0];
}

CALLS(l2_squared, k->l2_squared(x, y, n))
CALLS(dot, k->dot(x, y, n))
CALLS(l1, k->l1(x, y, n))
CALLS(cosine_sums, cosine(k, n))
CALLS(centre, centre(k, n))
CALLS(quantize, quantize(k, n))
CALLS(query_dot8, query_dots(k->query_dots8, 1, n))
CALLS(query_dots8, query_dots(k->query_dots8, BATCH, n))
CALLS(query_dot4, query_dots(k->query_dots4, 1, n / 2))
CALLS(query_dots4, query_dots(k->query_dots4, BATCH, n / 2))
CALLS(query_l1_8, k->query_l1_8(a, x, -1, 0.01f, n))
CALLS(query_l1_4, k->query_l1_4(a, x, -1, 0.1f, n))
CALLS(code_dot8, k->code_dot8(a, b, n))
CALLS(code_dots8, code_dots(k, n))
CALLS(code_dot4, k->code_dot4(a, b, n / 2))
CALLS(block_marks, block_marks(k, n))
CALLS(marks_below, k->marks_below(marks, n, 20 << 20, found))
CALLS(count_below, k->count_below(marks, n, 20 << 20))
CALLS(sort_marks, sort_marks(k, n))

static const struct
{
	const char *name;
	Calls		calls;
	double		bytes;			/* a dimension */
}			kernels[] =
{
	{"l2_squared", call_l2_squared, 8},
	{"dot", call_dot, 8},
	{"l1", call_l1, 8},
	{"cosine_sums", call_cosine_sums, 8},
	{"centre", call_centre, 8},
	{"quantize", call_quantize, 4},
	{"query_dots8 x1", call_query_dot8, 3},
	{"query_dots8 x12", call_query_dots8, BATCH + 2},
	{"query_dots4 x1", call_query_dot4, 2.5},
	{"query_dots4 x12", call_query_dots4, BATCH / 2.0 + 2},
	{"query_l1_8", call_query_l1_8, 5},
	{"query_l1_4", call_query_l1_4, 4.5},
	{"code_dot8", call_code_dot8, 2},
	{"code_dots8 x4", call_code_dots8, 5},
	{"code_dot4", call_code_dot4, 1},
	{"marks_below", call_marks_below, 4},
	{"count_below", call_count_below, 4}
};

/* Nanoseconds a call, the best of several tries. */
static double
time_calls(Calls calls, const VegoKernels *k, int n)
{
	double		best = 1e30;
	int			count = 200000 / (n + 200) * 10;

	for (int try = 0; try < 15; try++)
	{
		double		begin = now();
		double		each;

		sink += calls(k, n, count);
		each = (now() - begin) / count;
		best = each < best ? each : best;
	}
	return best;
}

/* All pairs of a leaf, packing included or not. */
static void
bench_leaf(const VegoKernels *k, int n)
{
	size_t		packed_bytes = vego_block_packed_bytes(n);
	int			blocks = (LEAF_ROWS + VEGO_BLOCK_COLUMNS - 1) /
		VEGO_BLOCK_COLUMNS;
	uint8_t    *leaf = malloc((size_t) LEAF_ROWS * n);
	int8_t	   *rows = malloc(LEAF_ROWS * vego_block_stride(n));
	uint8_t    *packed = malloc(blocks * packed_bytes);
	double		best = 1e30;
	double		best_packing = 1e30;

	if (leaf == NULL || rows == NULL || packed == NULL)
		exit(2);
	for (int i = 0; i < LEAF_ROWS * n; i++)
		leaf[i] = (uint8_t) rand();

	for (int try = 0; try < 10; try++)
	{
		double		begin = now();
		double		packing;

		vego_block_pack_rows(leaf, n, LEAF_ROWS, n, rows);
		for (int i = 0; i < blocks; i++)
		{
			int			first = i * VEGO_BLOCK_COLUMNS;
			int			count = LEAF_ROWS - first < VEGO_BLOCK_COLUMNS ?
				LEAF_ROWS - first : VEGO_BLOCK_COLUMNS;

			vego_block_pack_columns(leaf + (size_t) first * n, n, count, n,
									packed + i * packed_bytes);
		}
		packing = now() - begin;
		best_packing = packing < best_packing ? packing : best_packing;

		begin = now();
		for (int i = 0; i < blocks; i++)
		{
			k->block_dots(rows, LEAF_ROWS, packed + i * packed_bytes, n, dots);
			sink += dots[i];
		}
		begin = now() - begin;
		best = begin < best ? begin : best;
	}
	printf("%-8s block_dots of %d rows, %4d dimensions: %7.1f GMAC/s; "
		   "packing takes %.1f%% of the time\n", k->name, LEAF_ROWS, n,
		   (double) blocks * VEGO_BLOCK_COLUMNS * LEAF_ROWS * n / best,
		   100 * best_packing / (best + best_packing));
	free(leaf);
	free(rows);
	free(packed);
}

static void
bench_table(const VegoKernels *k)
{
	static const int lengths[] = {32, 100, 128, 768, 1536};

	printf("%-8s %-15s", k->name, "ns (GB/s) for n");
	for (size_t l = 0; l < lengthof(lengths); l++)
		printf(" %9d        ", lengths[l]);
	printf("\n");
	for (size_t i = 0; i < lengthof(kernels); i++)
	{
		printf("%-8s %-15s", k->name, kernels[i].name);
		for (size_t l = 0; l < lengthof(lengths); l++)
		{
			double		ns = time_calls(kernels[i].calls, k, lengths[l]);

			printf(" %9.1f (%5.1f)", ns,
				   kernels[i].bytes * lengths[l] / ns);
		}
		printf("\n");
	}
	printf("%-8s %-15s %9.1f\n", k->name, "block_marks",
		   time_calls(call_block_marks, k, VEGO_BLOCK_COLUMNS));
	printf("%-8s %-15s %9.1f of 24\n", k->name, "sort_marks",
		   time_calls(call_sort_marks, k, 24));
	bench_leaf(k, 128);
	bench_leaf(k, MAX_LEAF_LENGTH);
}

int
main(int argc, char **argv)
{
	static const char *const names[] = {"scalar", "avx2", "avx512", "amx",
		"neon"};

	for (int i = 0; i < MAX_LENGTH; i++)
	{
		x[i] = (float) rand() / (float) RAND_MAX * 2 - 1;
		y[i] = (float) rand() / (float) RAND_MAX * 2 - 1;
		marks[i] = (int32_t) ((rand() & 0x3FF) << 20) + i;
		a[i] = (uint8_t) rand();
		b[i] = (uint8_t) rand();
		high[i] = (int8_t) (rand() % 255 - 127);
		low[i] = (int8_t) (rand() % 128 - 64);
	}
	for (size_t i = 0; i < lengthof(names); i++)
	{
		const VegoKernels *k = vego_kernels_find(names[i]);
		bool		wanted = argc == 1;

		for (int arg = 1; arg < argc; arg++)
			wanted = wanted || strcmp(argv[arg], names[i]) == 0;
		if (wanted && k != NULL)
			bench_table(k);
	}
	return 0;
}
