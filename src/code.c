/*
 * code.c
 *	  How is a value coded, and how far apart are two codes?
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "code_sparse.h"
#include "simd/kernels.h"

/* A query value is step * (128 * high + low), |128 * high + low| <= this. */
#define QUERY_TOP (127 * 128 + 63)

/* What a code stands for is not scaled by more than this to fit its vector. */
#define WIDEST_SCALE 1.5

static inline bool
is_sparse(const VegoCoder *coder)
{
	return coder->bits == VEGO_BITS_SPARSE;
}

int
vego_code_bytes(int dims, int bits)
{
	switch (bits)
	{
		case VEGO_BITS_SPARSE:
			return VEGO_SPARSE_CODE_BYTES;
		case 1:
			return (dims + BITS_PER_BYTE - 1) / BITS_PER_BYTE;
		case 4:
			return (dims + 1) / 2;
		default:
			return dims;
	}
}

void
vego_coder_init(VegoCoder *coder, VegoMetric metric, int dims, int bits,
				double radius, const float *centre)
{
	coder->metric = metric;
	coder->dims = dims;
	coder->bits = bits;
	coder->code_bytes = vego_code_bytes(dims, bits);
	coder->block_dims = is_sparse(coder) ? VEGO_SPARSE_BLOCK_DIMS : dims;
	coder->radius = radius;
	coder->centre = centre;
}

/*
 * The last byte of the step of a code of four bits is |e|^2, with x + e what the
 * code of x stands for, by dimension and in units of step^2 / ERROR_UNITS.
 * Rounding gives a quarter of step^2 at most.
 */
#define ERROR_UNITS 1020

static float
with_square_error(float step, double error)
{
	uint32		bits;

	memcpy(&bits, &step, sizeof(bits));
	bits &= ~(uint32) PG_UINT8_MAX;
	bits |= (uint32) ceil(Min(Max(error * ERROR_UNITS, 0.0), PG_UINT8_MAX));
	memcpy(&step, &bits, sizeof(step));
	return step;
}

/* In units of step^2, by dimension. */
static inline double
square_error(const VegoFactors *factors)
{
	uint32		bits;

	memcpy(&bits, &factors->step, sizeof(bits));
	return (bits & PG_UINT8_MAX) * (1.0 / ERROR_UNITS);
}

/*
 * Centred values of x, of x / |x| under cosine, and their range.  Differences
 * of the largest floats may overflow: then they are clamped, which leaves the
 * order of everything that does not.
 */
static bool
centre_values(const VegoCoder *coder, const float *x, float *out,
			  float *smallest, float *largest)
{
	int			n = coder->dims;
	double		scale = 1.0;

	if (coder->metric == VEGO_COSINE)
	{
		double		norm2 = vego_kernels->dot(x, x, n);

		/* the range in which neither squares nor 1 / norm leave fp32 */
		if (!(norm2 > 1e-30 && norm2 < 1e30))
		{
			norm2 = 0.0;
			for (int i = 0; i < n; i++)
				norm2 += (double) x[i] * x[i];
		}
		if (norm2 == 0.0)
			return false;
		scale = 1.0 / sqrt(norm2);
	}

	if (scale <= FLT_MAX)
		vego_kernels->centre(x, coder->centre, (float) scale, n, out,
							 smallest, largest);
	else
		*smallest = *largest = NAN;	/* go the careful way */

	if (!(*smallest >= -FLT_MAX && *largest <= FLT_MAX))
	{
		*smallest = FLT_MAX;
		*largest = -FLT_MAX;
		for (int i = 0; i < n; i++)
		{
			double		value = x[i] * scale -
				(coder->centre ? coder->centre[i] : 0.0);

			out[i] = (float) Max(-FLT_MAX, Min(FLT_MAX, value));
			*smallest = Min(*smallest, out[i]);
			*largest = Max(*largest, out[i]);
		}
	}
	return true;
}

/* The square of what a code stands for. */
static double
decoded_square(int n, double lo, double step, int64 sum, int64 squares)
{
	double		square = n * lo * lo + 2.0 * lo * step * sum +
		step * step * squares;

	return Max(square, 0.0);
}

/*
 * Makes the most of a code of four bits, whose errors are large.
 *
 * With x the vector and y = x + e what its code stands for, y is scaled so that
 * x.y = x.x: then e is orthogonal to x, and does not make products with x, and
 * with what is near x, larger or smaller.  And since errors differ between
 * vectors by more than rounding alone tells (what is close to 0 in a vector with
 * a few large elements is rounded to the same), |e|^2 is noted, in the last
 * byte of the step, which that changes by less than a 30,000th.
 */
static void
fit_factors(const VegoCoder *coder, const float *x, const uint8 *wide,
			int64 sum, int64 squares, float *lo, float *step)
{
	int			n = coder->dims;
	double		square = 0.0;
	double		product = 0.0;
	double		scale = 1.0;
	double		error;

	for (int i = 0; i < n; i++)
	{
		square += (double) x[i] * x[i];
		product += x[i] * (*lo + (double) *step * wide[i]);
	}
	if (coder->metric != VEGO_L1 && product > 0.0)
		scale = Min(Max(square / product, 1.0 / WIDEST_SCALE), WIDEST_SCALE);
	if (fabs(*lo) * scale > FLT_MAX / 2 || *step * scale < FLT_MIN)
		scale = 1.0;
	*lo = (float) (*lo * scale);
	*step = (float) (*step * scale);
	error = decoded_square(n, *lo, *step, sum, squares) -
		2.0 * product * scale + square;
	*step = with_square_error(*step, error / (n * (double) *step * *step));
}

bool
vego_encode_dense(const VegoCoder *coder, const float *x, float *scratch,
				  VegoFactors *factors, uint8 *code)
{
	int			n = coder->dims;
	int			top = coder->bits == 8 ? 255 : 15;
	float		lo;
	float		hi;
	float		inverse_step;
	double		range;
	int64		sum;
	int64		squares;

	if (!centre_values(coder, x, scratch, &lo, &hi))
		return false;

	/* halve first where the range of the largest floats would overflow */
	range = (double) hi - lo;
	if (range > FLT_MAX)
	{
		for (int i = 0; i < n; i++)
			scratch[i] *= 0.5f;
		lo *= 0.5f;
		hi *= 0.5f;
	}
	factors->step = (float) (((double) hi - lo) / top);
	if (factors->step < FLT_MIN)
		factors->step = 0.0f;

	inverse_step = factors->step > 0.0f ? 1.0f / factors->step : 0.0f;
	if (coder->bits == 8)
		sum = vego_kernels->quantize(scratch, n, lo, inverse_step, top, code,
									 &squares);
	else
	{
		int			bytes = coder->code_bytes;
		uint8	   *wide = (uint8 *) (scratch + n);

		sum = vego_kernels->quantize(scratch, n, lo, inverse_step, top, wide,
									 &squares);
		for (int j = 0; j < bytes; j++)
			code[j] = wide[j] | (bytes + j < n ? wide[bytes + j] << 4 : 0);
		if (factors->step > 0.0f)
			fit_factors(coder, scratch, wide, sum, squares, &lo,
						&factors->step);
	}

	if (range > FLT_MAX)
	{
		lo *= 2.0f;
		factors->step *= 2.0f;
	}
	factors->lo = lo;
	factors->mean = (float) (lo + (double) factors->step * sum / n);
	factors->norm = (float) Min(sqrt(decoded_square(n, lo, factors->step, sum,
													squares)), FLT_MAX);
	return true;
}

/*
 * A string of bits is its own code; those behind its end are 0.  Only cosine's
 * distance, which stands for Jaccard's between nodes, wants a norm of 1.
 */
static void
encode_bits(const VegoCoder *coder, const uint8 *bits, VegoFactors *factors,
			uint8 *code)
{
	int			n = coder->dims;
	double		ones = vego_kernels->bits_shared(bits, bits,
												 coder->code_bytes);

	memcpy(code, bits, coder->code_bytes);
	factors->lo = 0.0f;
	factors->step = 1.0f;
	factors->norm = (float) sqrt(ones);
	if (coder->metric == VEGO_JACCARD && ones > 0.0)
	{
		factors->step = (float) (1.0 / sqrt(ones));
		factors->norm = 1.0f;
	}
	factors->mean = (float) (factors->step * ones / n);
}

bool
vego_encode(const VegoCoder *coder, const VegoContents *contents,
			void *scratch, VegoFactors *factors, uint8 *code)
{
	if (is_sparse(coder))
		return vego_sparse_encode(coder, contents, scratch, factors, code);
	if (coder->bits == 1)
	{
		encode_bits(coder, contents->bits, factors, code);
		return true;
	}
	return vego_encode_dense(coder, contents->x, scratch, factors, code);
}

Size
vego_encode_scratch_bytes(const VegoCoder *coder)
{
	return is_sparse(coder) ? vego_sparse_scratch_bytes(coder) :
		coder->dims * (sizeof(float) + sizeof(uint8));
}

static inline int
code_element(const VegoCoder *coder, const uint8 *code, int i)
{
	if (coder->bits == 8)
		return code[i];
	if (coder->bits == 1)
		return code[i / BITS_PER_BYTE] >> (BITS_PER_BYTE - 1 -
										   i % BITS_PER_BYTE) & 1;
	return i < coder->code_bytes ?
		code[i] & 0x0F : code[i - coder->code_bytes] >> 4;
}

VegoFactors
vego_code_unpack(const VegoCoder *coder, const VegoFactors *factors,
				 const uint8 *code, uint8 *bytes)
{
	if (is_sparse(coder))
		return vego_sparse_unpack(factors, code, bytes);
	if (coder->bits == 8)
		memcpy(bytes, code, coder->dims);
	else if (coder->bits == 1)
	{
		for (int i = 0; i < coder->dims; i++)
			bytes[i] = code_element(coder, code, i);
	}
	else
	{
		int			half = coder->code_bytes;

		for (int j = 0; j < half; j++)
			bytes[j] = code[j] & 0x0F;
		for (int j = half; j < coder->dims; j++)
			bytes[j] = code[j - half] >> 4;
	}
	return *factors;
}

float
vego_code_error(const VegoCoder *coder, const VegoFactors *factors)
{
	if (is_sparse(coder))
		return vego_sparse_error(factors);
	if (coder->bits == 4)
		return factors->step * sqrtf(12.0f * square_error(factors));
	return coder->bits == 1 ? 0.0f : factors->step;
}

void
vego_decode(const VegoCoder *coder, const VegoFactors *factors,
			const uint8 *code, float *x)
{
	for (int i = 0; i < coder->dims; i++)
	{
		double		value = factors->lo +
			(double) factors->step * code_element(coder, code, i);

		x[i] = (float) Max(-FLT_MAX, Min(FLT_MAX, value));
	}
}

/* Whatever is not a number is far; so is whatever is beyond all numbers. */
static inline double
rank_or_far(double rank)
{
	return fabs(rank) <= DBL_MAX ? rank : DBL_MAX;
}

int32
vego_code_dot(const VegoCoder *coder, const uint8 *a, const uint8 *b)
{
	switch (coder->bits)
	{
		case 1:
			return vego_kernels->bits_shared(a, b, coder->code_bytes);
		case 4:
			return vego_kernels->code_dot4(a, b, coder->code_bytes);
		default:
			return vego_kernels->code_dot8(a, b, coder->dims);
	}
}

double
vego_code_product(const VegoCoder *coder,
				  const VegoFactors *a_factors, const uint8 *a_code,
				  const VegoFactors *b_factors, const uint8 *b_code)
{
	double		n = coder->dims;
	double		dot;

	if (is_sparse(coder))
		return vego_sparse_product(a_factors, a_code, b_factors, b_code);
	dot = vego_code_dot(coder, a_code, b_code);
	return dot * a_factors->step * b_factors->step +
		n * a_factors->lo * b_factors->mean +
		n * ((double) a_factors->mean - a_factors->lo) * b_factors->lo;
}

double
vego_code_distance(const VegoCoder *coder,
				   const VegoFactors *a_factors, const uint8 *a_code,
				   const VegoFactors *b_factors, const uint8 *b_code)
{
	double		distance;
	double		lift;

	if (coder->metric == VEGO_HAMMING)
		return vego_kernels->bits_apart(a_code, b_code, coder->code_bytes);
	if (is_sparse(coder))
	{
		distance = vego_sparse_distance(coder, a_factors, b_factors,
										vego_sparse_shared(coder, a_factors,
														   a_code, b_factors,
														   b_code));
		return rank_or_far(Max(distance, 0.0));
	}
	if (coder->metric == VEGO_L1)
	{
		distance = 0.0;
		for (int i = 0; i < coder->dims; i++)
			distance += fabs(a_factors->lo - (double) b_factors->lo +
							 (double) a_factors->step * code_element(coder, a_code, i) -
							 (double) b_factors->step * code_element(coder, b_code, i));
		return rank_or_far(distance);
	}

	lift = vego_lift(coder, a_factors) - vego_lift(coder, b_factors);
	distance = (double) a_factors->norm * a_factors->norm +
		(double) b_factors->norm * b_factors->norm + lift * lift -
		2.0 * vego_code_product(coder, a_factors, a_code, b_factors, b_code);

	return rank_or_far(Max(distance, 0.0));
}

void
vego_query_init(VegoQuery *query, const VegoCoder *coder)
{
	/* the padding dimension of an odd number of four-bit codes stays 0 */
	size_t		padded = (size_t) coder->dims + 1;

	memset(query, 0, sizeof(*query));
	query->coder = coder;
	query->square_spread = sqrt(coder->dims / 180.0);
	if (is_sparse(coder))
	{
		/* all places, for a torn code may have any */
		query->values = palloc0(VEGO_SPARSE_PLACES * sizeof(float));
		query->signposts = palloc(vego_sparse_query_bytes());
	}
	else if (coder->bits == 1)
		query->bits = palloc0(coder->code_bytes);
	else
	{
		query->values = palloc0(padded * sizeof(float));
		query->high = palloc0(padded);
		query->low = palloc0(padded);
	}
}

/* Quantizes the query's values, whose largest magnitude is given. */
static void
quantize_query(VegoQuery *query, double largest)
{
	int			n = query->coder->dims;
	double		inverse;
	double		sum = 0.0;
	double		norm2 = 0.0;

	query->step = largest / QUERY_TOP;
	inverse = largest > 0.0 ? QUERY_TOP / largest : 0.0;
	for (int i = 0; i < n; i++)
	{
		double		value = query->values[i];
		int			whole = (int) rint(value * inverse);
		int			high;

		whole = Max(-QUERY_TOP, Min(QUERY_TOP, whole));
		high = (whole + 64) >> 7;
		query->high[i] = (int8) high;
		query->low[i] = (int8) (whole - high * 128);
		sum += value;
		norm2 += value * value;
	}
	query->sum = sum;
	query->norm = sqrt(norm2);
}

static bool
set_dense(VegoQuery *query, const float *x)
{
	float		smallest;
	float		largest;

	if (!centre_values(query->coder, x, query->values, &smallest, &largest))
		return false;
	quantize_query(query, Max(fabs(smallest), fabs(largest)));
	return true;
}

static void
set_dense_code(VegoQuery *query, const VegoFactors *factors, const uint8 *code)
{
	const VegoCoder *coder = query->coder;
	double		largest = 0.0;

	vego_decode(coder, factors, code, query->values);
	for (int i = 0; i < coder->dims; i++)
		largest = Max(largest, fabs(query->values[i]));
	quantize_query(query, largest);
}

/* A bit string's step and norm are those of its code. */
static void
set_bits(VegoQuery *query, const uint8 *bits)
{
	VegoFactors factors;

	encode_bits(query->coder, bits, &factors, query->bits);
	query->step = factors.step;
	query->norm = factors.norm;
}

bool
vego_query_set(VegoQuery *query, const VegoContents *contents)
{
	const VegoCoder *coder = query->coder;

	query->rank_metric = coder->metric == VEGO_COSINE ? VEGO_L2 : coder->metric;
	query->lift = 0.0;
	query->error_dims = coder->bits == 4 ? coder->dims : 0;
	if (is_sparse(coder))
		return vego_sparse_query(query, contents);
	if (coder->bits != 1)
		return set_dense(query, contents->x);
	set_bits(query, contents->bits);
	return true;
}

/* What the code stands for. */
static void
set_code(VegoQuery *query, const VegoFactors *factors, const uint8 *code)
{
	if (is_sparse(query->coder))
		vego_sparse_query_code(query, factors, code);
	else if (query->coder->bits == 1)
		set_bits(query, code);
	else
		set_dense_code(query, factors, code);
}

void
vego_query_set_code(VegoQuery *query, const VegoFactors *factors,
					const uint8 *code)
{
	const VegoCoder *coder = query->coder;

	query->rank_metric = coder->metric == VEGO_L1 ||
		coder->metric == VEGO_HAMMING ? coder->metric : VEGO_L2;
	query->lift = vego_lift(coder, factors);
	query->error_dims = 0;
	set_code(query, factors, code);
}

void
vego_query_set_product(VegoQuery *query, const VegoFactors *factors,
					   const uint8 *code)
{
	Assert(query->coder->metric == VEGO_INNER_PRODUCT);
	query->rank_metric = VEGO_INNER_PRODUCT;
	query->lift = 0.0;
	set_code(query, factors, code);
}

/* The sum in double precision, for values whose sum leaves fp32. */
static double
careful_l1(const VegoQuery *query, const VegoFactors *factors,
		   const uint8 *code)
{
	double		sum = 0.0;

	for (int i = 0; i < query->coder->dims; i++)
		sum += fabs(query->values[i] - (double) factors->lo -
					(double) factors->step * code_element(query->coder, code, i));
	return rank_or_far(sum);
}

static double
l1_rank(const VegoQuery *query, const VegoFactors *factors, const uint8 *code)
{
	const VegoCoder *coder = query->coder;
	float		sum = coder->bits == 8 ?
		vego_kernels->query_l1_8(code, query->values, factors->lo,
								 factors->step, coder->dims) :
		vego_kernels->query_l1_4(code, query->values, factors->lo,
								 factors->step, coder->dims);

	return sum <= FLT_MAX ? sum : careful_l1(query, factors, code);
}

/* The rank for a dot product of the query and what the code stands for. */
static inline double
rank_of_dot(const VegoQuery *query, const VegoFactors *factors, double dot)
{
	const VegoCoder *coder = query->coder;
	double		rank;

	if (query->rank_metric == VEGO_INNER_PRODUCT)
		return rank_or_far(-dot);

	rank = query->norm * query->norm +
		(double) factors->norm * factors->norm - 2.0 * dot;
	if (query->error_dims > 0)
		rank -= query->error_dims * square_error(factors) *
			factors->step * factors->step;
	if (coder->metric == VEGO_INNER_PRODUCT)
	{
		double		lift = vego_lift(coder, factors) - query->lift;

		rank += lift * lift;
	}
	return rank_or_far(rank);
}

static double
sparse_rank(const VegoQuery *query, const VegoFactors *factors,
			const uint8 *code)
{
	if (query->rank_metric == VEGO_L1)
		return rank_or_far(vego_sparse_query_l1(query, factors, code));
	return rank_of_dot(query, factors,
					   vego_sparse_query_dot(query, factors, code));
}

/* In the arithmetic of the operators, to the bit, where those rank. */
static double
bits_rank(const VegoQuery *query, const VegoFactors *factors,
		  const uint8 *code)
{
	int			bytes = query->coder->code_bytes;
	double		shared;
	double		apart;

	if (query->rank_metric == VEGO_HAMMING)
		return vego_kernels->bits_apart(query->bits, code, bytes);
	shared = vego_kernels->bits_shared(query->bits, code, bytes);
	if (query->rank_metric == VEGO_L2)
		return rank_of_dot(query, factors,
						   shared * query->step * factors->step);
	apart = vego_kernels->bits_apart(query->bits, code, bytes);
	return shared == 0.0 ? 1.0 : 1.0 - shared / (shared + apart);
}

void
vego_query_ranks(const VegoQuery *query, const VegoFactors *const *factors,
				 const uint8 *const *codes, int count, double *ranks)
{
	const VegoCoder *coder = query->coder;
	int64		products[VEGO_QUERY_RANKS];

	Assert(count <= VEGO_QUERY_RANKS);
	if (is_sparse(coder) || coder->bits == 1)
	{
		for (int i = 0; i < count; i++)
			ranks[i] = is_sparse(coder) ?
				sparse_rank(query, factors[i], codes[i]) :
				bits_rank(query, factors[i], codes[i]);
		return;
	}
	if (query->rank_metric == VEGO_L1)
	{
		for (int i = 0; i < count; i++)
			ranks[i] = l1_rank(query, factors[i], codes[i]);
		return;
	}

	if (coder->bits == 8)
		vego_kernels->query_dots8(codes, count, query->high, query->low,
								  coder->dims, products);
	else
		vego_kernels->query_dots4(codes, count, query->high, query->low,
								  coder->code_bytes, products);
	for (int i = 0; i < count; i++)
		ranks[i] = rank_of_dot(query, factors[i],
							   factors[i]->lo * query->sum +
							   products[i] * query->step * factors[i]->step);
}

double
vego_query_rank(const VegoQuery *query, const VegoFactors *factors,
				const uint8 *code)
{
	double		rank;

	vego_query_ranks(query, &factors, &code, 1, &rank);
	return rank;
}

/*
 * With x the vector, x + e what its code stands for, and e's elements
 * independent and uniform within +-step/2:
 *
 *	 |q - x - e|^2 = |q - x|^2 - 2 (q - x).e + |e|^2
 *
 * where (q - x).e has the deviation |q - x| step / sqrt(12), and |e|^2 the
 * mean n step^2 / 12 and the deviation step^2 sqrt(n / 180), unless it is
 * known.  Solving for |q - x| with both errors at their worst gives the bound.
 * It holds for q = x as well, where a bound that subtracts a multiple of step
 * from the estimated distance would not.
 */
static double
dense_bound(const VegoQuery *query, double rank, float step,
			double deviations)
{
	double		n = query->coder->dims;
	double		sigma = step * (1.0 / sqrt(12.0));
	double		slip = query->step * (1.0 / sqrt(12.0));
	double		rest;
	double		distance;

	switch (query->coder->metric)
	{
		case VEGO_INNER_PRODUCT:
			return rank - deviations * query->norm * (sigma + slip);

		case VEGO_L1:
			/* where a difference is below step, its error has a mean */
			return rank - n * step / 4 - deviations * sigma * sqrt(n);

		default:
			break;
	}

	rest = rank - deviations * 2.0 * query->norm * slip;
	/* where |e|^2 is known, at its most, it is not in the rank */
	if (query->error_dims == 0)
		rest -= n * sigma * sigma +
			deviations * step * (double) step * query->square_spread;
	/* and what fp32 factors lose of the squared norms */
	rest -= query->norm * query->norm * FLT_EPSILON;
	if (rest <= 0.0)
		return 0.0;
	distance = sqrt(rest + deviations * deviations * sigma * sigma)
		- deviations * sigma;
	distance = Max(distance, 0.0);
	return query->coder->metric == VEGO_COSINE ?
		distance * distance / 2.0 : distance;
}

/* Norms are exact; all error is that of the dot product or, for L1, like it. */
static double
sparse_bound(const VegoQuery *query, double rank, float error,
			 double deviations)
{
	double		margin = deviations * error * query->norm;

	switch (query->coder->metric)
	{
		case VEGO_INNER_PRODUCT:
			return rank - margin;

		case VEGO_L1:
			return rank - deviations * error *
				sqrt((double) VEGO_SPARSE_ENTRIES);

		case VEGO_COSINE:
			return Max(rank / 2.0 - margin, 0.0);

		default:
			return sqrt(Max(rank - 2.0 * margin, 0.0));
	}
}

double
vego_query_bound(const VegoQuery *query, double rank, float error,
				 double deviations)
{
	if (query->coder->bits == 1)
		return rank;
	return is_sparse(query->coder) ?
		sparse_bound(query, rank, error, deviations) :
		dense_bound(query, rank, error, deviations);
}
