/*
 * code_sparse.c
 *	  How is a sparse vector coded, and how far apart are two such codes?
 */
#include "postgres.h"

#include <float.h>

#include "common/hashfn.h"

#include "code_sparse.h"

#define TOP 127					/* of a value */

/* An element at its place, with its sign. */
typedef struct Entry
{
	uint16		place;
	float		value;
} Entry;

static inline Entry
entry_of(const VegoCoder *coder, int32 index, double value)
{
	uint32		hash;
	Entry		entry;

	if (coder->dims <= VEGO_SPARSE_PLACES)
	{
		entry.place = (uint16) index;
		entry.value = (float) value;
		return entry;
	}
	hash = murmurhash32((uint32) index);
	entry.place = (uint16) (hash >> 16);
	entry.value = (float) (hash & 1 ? value : -value);
	return entry;
}

Size
vego_sparse_scratch_bytes(const VegoCoder *coder)
{
	/* entries, and their sizes while the largest are chosen */
	return VEGO_SPARSE_MOST_ELEMENTS * (sizeof(Entry) + sizeof(float));
}

static int
compare_places(const void *a, const void *b)
{
	return (int) ((const Entry *) a)->place - ((const Entry *) b)->place;
}

static int
compare_sizes(const void *a, const void *b)
{
	float		x = *(const float *) a;
	float		y = *(const float *) b;

	return (x < y) - (x > y);
}

static int
compare_entries(const void *a, const void *b)
{
	float		x = fabsf(((const Entry *) a)->value);
	float		y = fabsf(((const Entry *) b)->value);

	return x != y ? (x < y) - (x > y) : compare_places(a, b);
}

/* What a value's norms are, and the scale that makes the norm 1 for cosine. */
typedef struct Norms
{
	double		scale;
	double		l1;
	double		l2;
} Norms;

/* False for a zero vector under cosine. */
static bool
measure(const VegoCoder *coder, const VegoContents *contents, Norms *norms)
{
	double		l1 = 0.0;
	double		l2 = 0.0;

	for (int i = 0; i < contents->count; i++)
	{
		l1 += fabs(contents->x[i]);
		l2 += (double) contents->x[i] * contents->x[i];
	}
	l2 = sqrt(l2);
	norms->scale = 1.0;
	if (coder->metric == VEGO_COSINE)
	{
		if (l2 == 0.0)
			return false;
		norms->scale = 1.0 / l2;
	}
	norms->l1 = Min(l1 * norms->scale, FLT_MAX);
	norms->l2 = Min(l2 * norms->scale, FLT_MAX);
	return true;
}

/* The elements by place, those of one place added up; returns how many. */
static int
collect(const VegoCoder *coder, const VegoContents *contents, double scale,
		Entry *entries)
{
	int			count = 0;

	for (int i = 0; i < contents->count; i++)
		entries[i] = entry_of(coder, contents->indices[i],
							  contents->x[i] * scale);
	qsort(entries, contents->count, sizeof(Entry), compare_places);
	for (int i = 0; i < contents->count; i++)
	{
		if (count > 0 && entries[count - 1].place == entries[i].place)
			entries[count - 1].value =
				Max(-FLT_MAX, Min(FLT_MAX, (double) entries[count - 1].value +
								  entries[i].value));
		else
			entries[count++] = entries[i];
	}
	return count;
}

/* Keeps as many as a code holds, the largest, in order; returns how many. */
static int
keep_largest(Entry *entries, int count, float *sizes)
{
	float		limit;
	int			equal = VEGO_SPARSE_ENTRIES;
	int			kept = 0;

	if (count <= VEGO_SPARSE_ENTRIES)
		return count;
	for (int i = 0; i < count; i++)
		sizes[i] = fabsf(entries[i].value);
	qsort(sizes, count, sizeof(float), compare_sizes);
	limit = sizes[VEGO_SPARSE_ENTRIES - 1];
	for (int i = 0; i < VEGO_SPARSE_ENTRIES && sizes[i] > limit; i++)
		equal--;
	for (int i = 0; i < count; i++)
	{
		float		size = fabsf(entries[i].value);

		if (size > limit || (size == limit && equal-- > 0))
			entries[kept++] = entries[i];
	}
	return kept;
}

/* Writes a code's entries; returns the squared norm of what they stand for. */
static double
write_entries(const Entry *entries, int count, float step, uint8 *code)
{
	VegoSparseGroup *groups = (VegoSparseGroup *) code;
	double		inverse = step > 0.0f ? 1.0 / step : 0.0;
	double		squares = 0.0;
	int			used = 0;

	memset(code, 0, VEGO_SPARSE_CODE_BYTES);
	for (int i = 0; i < count; i++)
	{
		int			value = (int) rint(entries[i].value * inverse);
		VegoSparseGroup *group = &groups[used / VEGO_SPARSE_GROUP];

		value = Max(-TOP, Min(TOP, value));
		if (value == 0)
			continue;
		group->places[used % VEGO_SPARSE_GROUP] = entries[i].place;
		group->values[used % VEGO_SPARSE_GROUP] = value;
		squares += (double) value * value;
		used++;
	}
	return squares * step * step;
}

bool
vego_sparse_encode(const VegoCoder *coder, const VegoContents *contents,
				   void *scratch, VegoFactors *factors, uint8 *code)
{
	Entry	   *entries = scratch;
	float	   *sizes = (float *) (entries + contents->count);
	Norms		norms;
	int			count;
	float		largest = 0.0f;
	double		coded;

	if (!measure(coder, contents, &norms))
		return false;
	count = collect(coder, contents, norms.scale, entries);
	count = keep_largest(entries, count, sizes);
	for (int i = 0; i < count; i++)
		largest = Max(largest, fabsf(entries[i].value));
	factors->step = largest / TOP;
	if (factors->step < FLT_MIN)
		factors->step = 0.0f;
	coded = write_entries(entries, count, factors->step, code);
	factors->lo = (float) norms.l1;
	factors->norm = (float) norms.l2;
	factors->mean = count < contents->count ?
		(float) sqrt(Max(0.0, norms.l2 * norms.l2 - coded)) : 0.0f;
	return true;
}

/*
 * A place's dimension in blocks, and its sign there.  The first places, all of
 * an index of few dimensions, have dimensions of their own.
 */
static inline int
block_dim(int place, uint32 hash)
{
	return place < VEGO_SPARSE_BLOCK_DIMS ? place :
		(int) (hash % VEGO_SPARSE_BLOCK_DIMS);
}

static inline int
block_value(uint32 hash, int value)
{
	return (int32) hash < 0 ? value : -value;
}

VegoFactors
vego_sparse_unpack(const VegoFactors *factors, const uint8 *code, uint8 *bytes)
{
	int			values[VEGO_SPARSE_BLOCK_DIMS] = {0};
	int			largest = TOP;
	int			sum = 0;
	int64		squares = 0;
	double		step;
	VegoFactors result;

	for (int i = 0; vego_sparse_value(code, i) != 0; i++)
	{
		int			place = vego_sparse_place(code, i);
		uint32		hash = murmurhash32(place);
		int		   *value = &values[block_dim(place, hash)];

		*value += block_value(hash, vego_sparse_value(code, i));
		largest = Max(largest, abs(*value));
	}
	for (int d = 0; d < VEGO_SPARSE_BLOCK_DIMS; d++)
	{
		int			value = values[d] * TOP / largest;

		bytes[d] = (uint8) (value + TOP + 1);
		sum += value;
		squares += value * value;
	}
	step = (double) factors->step * largest / TOP;
	result.step = (float) step;
	result.lo = (float) (-step * (TOP + 1));
	result.mean = (float) (step * sum / VEGO_SPARSE_BLOCK_DIMS);
	result.norm = (float) Min(step * sqrt((double) squares), FLT_MAX);
	return result;
}

/*
 * Rounding errors are those of a dense code.  Of the elements that are missing
 * a query meets but a few: how many of them nobody knows, and it is taken for
 * the share that it would have of as many random ones.
 */
float
vego_sparse_error(const VegoFactors *factors)
{
	double		rounding = factors->step / sqrt(12.0);
	double		rest = factors->mean / sqrt((double) VEGO_SPARSE_ENTRIES);

	return (float) sqrt(rounding * rounding + rest * rest);
}

/* ----------------------------------------------------------------
 *		Two codes
 * ----------------------------------------------------------------
 */

/* The sum of step over the elements of places that both codes have. */
static pg_attribute_always_inline double
sum_shared(const VegoFactors *a_factors, const uint8 *a_code,
		   const VegoFactors *b_factors, const uint8 *b_code,
		   double (*step) (double x, double y))
{
	double		sum = 0.0;
	int			i = 0;
	int			j = 0;
	int			a_value = vego_sparse_value(a_code, 0);
	int			b_value = vego_sparse_value(b_code, 0);

	while (a_value != 0 && b_value != 0)
	{
		int			a_place = vego_sparse_place(a_code, i);
		int			b_place = vego_sparse_place(b_code, j);

		if (a_place == b_place)
			sum += step((double) a_factors->step * a_value,
						(double) b_factors->step * b_value);
		if (a_place <= b_place)
			a_value = vego_sparse_value(a_code, ++i);
		if (b_place <= a_place)
			b_value = vego_sparse_value(b_code, ++j);
	}
	return sum;
}

static inline double
product_step(double x, double y)
{
	return x * y;
}

double
vego_sparse_product(const VegoFactors *a_factors, const uint8 *a_code,
					const VegoFactors *b_factors, const uint8 *b_code)
{
	return sum_shared(a_factors, a_code, b_factors, b_code, product_step);
}

double
vego_sparse_shared(const VegoCoder *coder, const VegoFactors *a_factors,
				   const uint8 *a_code, const VegoFactors *b_factors,
				   const uint8 *b_code)
{
	return coder->metric == VEGO_L1 ?
		sum_shared(a_factors, a_code, b_factors, b_code,
				   vego_sparse_l1_shared) :
		sum_shared(a_factors, a_code, b_factors, b_code, product_step);
}

/*
 * The norm of a code's elements; 0 where they are nothing beside those that are
 * missing.
 */
static inline double
coded_norm(const VegoFactors *factors)
{
	double		norm2 = (double) factors->norm * factors->norm -
		(double) factors->mean * factors->mean;

	return norm2 > 0.0 ? sqrt(norm2) : 0.0;
}

/*
 * What the missing elements of two vectors add to the product of the others:
 * as much as if their directions differed as those of the others do.
 */
static inline double
guess_product(double product, double norms, double rests)
{
	return norms > 0.0 ?
		Max(-1.0, Min(1.0, product / norms)) * rests : 0.0;
}

double
vego_sparse_distance(const VegoCoder *coder, const VegoFactors *a,
					 const VegoFactors *b, double shared)
{
	double		lift;

	if (coder->metric == VEGO_L1)
		return (double) a->lo + b->lo - shared;
	if (a->mean > 0.0f && b->mean > 0.0f)
		shared += guess_product(shared, coded_norm(a) * coded_norm(b),
								(double) a->mean * b->mean);
	lift = vego_lift(coder, a) - vego_lift(coder, b);
	return (double) a->norm * a->norm + (double) b->norm * b->norm +
		lift * lift - 2.0 * shared;
}

/* All zero but for the code that is laid out. */
static float laid[VEGO_SPARSE_PLACES];

void
vego_sparse_lay(const VegoFactors *factors, const uint8 *code)
{
	for (int i = 0; vego_sparse_value(code, i) != 0; i++)
		laid[vego_sparse_place(code, i)] =
			factors->step * vego_sparse_value(code, i);
}

void
vego_sparse_take_up(const uint8 *code)
{
	for (int i = 0; vego_sparse_value(code, i) != 0; i++)
		laid[vego_sparse_place(code, i)] = 0.0f;
}

double
vego_sparse_shared_with_laid(const VegoCoder *coder,
							 const VegoFactors *factors, const uint8 *code)
{
	double		sum = 0.0;
	int			value;

	if (coder->metric == VEGO_L1)
	{
		for (int i = 0; (value = vego_sparse_value(code, i)) != 0; i++)
			sum += vego_sparse_l1_shared(laid[vego_sparse_place(code, i)],
										 (double) factors->step * value);
		return sum;
	}
	for (int i = 0; (value = vego_sparse_value(code, i)) != 0; i++)
		sum += (double) laid[vego_sparse_place(code, i)] * value;
	return sum * factors->step;
}

/* ----------------------------------------------------------------
 *		A query and a code
 * ----------------------------------------------------------------
 */

/* Entries, as many sizes, and the signposts. */
Size
vego_sparse_query_bytes(void)
{
	return VEGO_SPARSE_MOST_ELEMENTS * (sizeof(Entry) + sizeof(float)) +
		VEGO_SPARSE_ENTRIES * sizeof(uint32);
}

/* Fills the table with entries, and finds the signposts of the largest. */
static void
set_entries(VegoQuery *query, Entry *entries, int count)
{
	float	   *sizes = (float *) (entries + count);

	memset(query->values, 0, vego_sparse_places(query->coder->dims) *
		   sizeof(float));
	for (int i = 0; i < count; i++)
		query->values[entries[i].place] = entries[i].value;
	count = keep_largest(entries, count, sizes);
	qsort(entries, count, sizeof(Entry), compare_entries);
	for (int i = 0; i < count; i++)
		query->signposts[i] = vego_sparse_signpost(entries[i].place,
												   entries[i].value > 0.0f);
	query->signpost_count = count;
}

static Entry *
query_entries(VegoQuery *query)
{
	return (Entry *) (query->signposts + VEGO_SPARSE_ENTRIES);
}

bool
vego_sparse_query(VegoQuery *query, const VegoContents *contents)
{
	Entry	   *entries = query_entries(query);
	Norms		norms;

	if (!measure(query->coder, contents, &norms))
		return false;
	set_entries(query, entries,
				collect(query->coder, contents, norms.scale, entries));
	query->sum = norms.l1;
	query->norm = norms.l2;
	query->step = 0.0;
	return true;
}

void
vego_sparse_query_code(VegoQuery *query, const VegoFactors *factors,
					   const uint8 *code)
{
	Entry	   *entries = query_entries(query);
	int			count = 0;

	for (; vego_sparse_value(code, count) != 0; count++)
	{
		entries[count].place = vego_sparse_place(code, count);
		entries[count].value = factors->step * vego_sparse_value(code, count);
	}
	set_entries(query, entries, count);
	query->sum = factors->lo;
	query->norm = factors->norm;
	query->step = 0.0;
}

double
vego_sparse_query_dot(const VegoQuery *query, const VegoFactors *factors,
					  const uint8 *code)
{
	double		sum = 0.0;
	double		met = 0.0;
	int			value;
	double		rest;

	for (int i = 0; (value = vego_sparse_value(code, i)) != 0; i++)
	{
		double		x = query->values[vego_sparse_place(code, i)];

		sum += x * value;
		met += x * x;
	}
	sum *= factors->step;
	if (factors->mean == 0.0f || met == 0.0)
		return sum;
	rest = query->norm * query->norm - met;
	return sum + guess_product(sum, coded_norm(factors) * sqrt(met),
							   factors->mean * sqrt(Max(rest, 0.0)));
}

double
vego_sparse_query_l1(const VegoQuery *query, const VegoFactors *factors,
					 const uint8 *code)
{
	double		shared = 0.0;
	double		met = 0.0;
	double		coded = 0.0;
	int			value;

	for (int i = 0; (value = vego_sparse_value(code, i)) != 0; i++)
	{
		double		x = query->values[vego_sparse_place(code, i)];
		double		y = (double) factors->step * value;

		shared += vego_sparse_l1_shared(x, y);
		met += fabs(x);
		coded += fabs(y);
	}

	/* of what is missing, as large a part is shared */
	if (factors->mean > 0.0f && met + coded > 0.0)
		shared += 2.0 * shared / (met + coded) *
			Max(0.0, Min(query->sum - met, factors->lo - coded));
	return query->sum + factors->lo - shared;
}
