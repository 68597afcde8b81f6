/*
 * graph_select.c
 *	  Whom does a node link to?
 */
#include "postgres.h"

#include "code_sparse.h"
#include "graph_select.h"
#include "simd/kernels.h"

static int
compare_candidates(const void *a, const void *b)
{
	const VegoCandidate *ca = a;
	const VegoCandidate *cb = b;

	if (ca->distance != cb->distance)
		return ca->distance < cb->distance ? -1 : 1;
	if (ca->id != cb->id)
		return ca->id < cb->id ? -1 : 1;
	return 0;
}

void
vego_candidates_sort(VegoCandidate *candidates, int count)
{
	qsort(candidates, count, sizeof(VegoCandidate), compare_candidates);
}

/*
 * A candidate made ready to be compared with many others: vego_code_distance,
 * with what depends on one of the two computed once.
 */
typedef struct Prepared
{
	const uint8 *code;
	double		norm2;
	double		lo;
	double		sum;			/* of the decoded values */
	double		rest;			/* sum - n * lo */
	double		step;
	double		lift;
} Prepared;

static Prepared
prepare(const VegoCoder *coder, const VegoCandidate *candidate)
{
	const VegoFactors *factors = candidate->factors;
	double		n = coder->dims;
	Prepared	prepared;

	prepared.code = candidate->code;
	prepared.norm2 = (double) factors->norm * factors->norm;
	prepared.lo = factors->lo;
	prepared.sum = n * factors->mean;
	prepared.rest = n * ((double) factors->mean - factors->lo);
	prepared.step = factors->step;
	prepared.lift = vego_lift(coder, factors);
	return prepared;
}

/* Candidates are compared with so many chosen ones at a time. */
#define TOGETHER 4

/* Dot products of a code and up to TOGETHER others; there are as many codes. */
static inline void
code_dots(const VegoCoder *coder, const uint8 *code,
		  const uint8 *const others[TOGETHER], int32 dots[TOGETHER])
{
	if (coder->bits == 8)
		vego_kernels->code_dots8(code, others, coder->dims, dots);
	else
		for (int k = 0; k < TOGETHER; k++)
			dots[k] = vego_code_dot(coder, code, others[k]);
}

static inline double
prepared_distance(const Prepared *a, const Prepared *b, double dot)
{
	double		lift = a->lift - b->lift;

	dot = dot * a->step * b->step + a->lo * b->sum + a->rest * b->lo;
	return a->norm2 + b->norm2 - 2.0 * dot + lift * lift;
}

/* The same under L1, where one of the two is decoded. */
static inline double
l1_distance(const VegoCoder *coder, const float *values, const Prepared *b)
{
	return coder->bits == 8 ?
		vego_kernels->query_l1_8(b->code, values, (float) b->lo,
								 (float) b->step, coder->dims) :
		vego_kernels->query_l1_4(b->code, values, (float) b->lo,
								 (float) b->step, coder->dims);
}

/* Some of those chosen so far. */
typedef struct Chosen
{
	int			count;
	Prepared	prepared[2 * VEGO_MAX_M];
	const VegoFactors *factors[2 * VEGO_MAX_M];
	const uint8 *codes[2 * VEGO_MAX_M + TOGETHER];
} Chosen;

static void
add_chosen(Chosen *chosen, const VegoCandidate *candidate,
		   const Prepared *prepared)
{
	chosen->prepared[chosen->count] = *prepared;
	chosen->factors[chosen->count] = candidate->factors;

	/* as many codes as are compared with at a time */
	for (int k = 0; k < TOGETHER; k++)
		chosen->codes[chosen->count + k] = candidate->code;
	chosen->count++;
}

/* Is one of them nearer to the candidate than this, by the slack? */
static bool
is_shadowed(const VegoCoder *coder, const Chosen *chosen,
			const Prepared *candidate, double distance)
{
	double		slack = vego_code_slack(coder);

	for (int j = 0; j < chosen->count; j += TOGETHER)
	{
		int			n = Min(TOGETHER, chosen->count - j);
		int32		dots[TOGETHER];

		code_dots(coder, candidate->code, chosen->codes + j, dots);
		for (int k = 0; k < n; k++)
			if (slack * prepared_distance(candidate, &chosen->prepared[j + k],
										  dots[k]) < distance)
				return true;
	}
	return false;
}

/* The same under L1; values are the candidate's, decoded. */
static bool
is_shadowed_l1(const VegoCoder *coder, const Chosen *chosen,
			   const float *values, double distance)
{
	double		slack = vego_code_slack(coder);

	for (int j = 0; j < chosen->count; j++)
		if (slack * l1_distance(coder, values, &chosen->prepared[j]) < distance)
			return true;
	return false;
}

/* The same of sparse codes. */
static bool
is_shadowed_sparse(const VegoCoder *coder, const Chosen *chosen,
				   const VegoCandidate *candidate)
{
	double		slack = vego_code_slack(coder);
	bool		shadowed = false;

	vego_sparse_lay(candidate->factors, candidate->code);
	for (int j = 0; j < chosen->count && !shadowed; j++)
	{
		double		shared = vego_sparse_shared_with_laid(coder,
														  chosen->factors[j],
														  chosen->codes[j]);

		shadowed = slack * vego_sparse_distance(coder, candidate->factors,
												chosen->factors[j], shared) <
			candidate->distance;
	}
	vego_sparse_take_up(candidate->code);
	return shadowed;
}

/* By whatever the codes need; values are scratch for L1. */
static bool
is_hidden(const VegoCoder *coder, const Chosen *chosen,
		  const VegoCandidate *candidate, const Prepared *prepared,
		  const float *values)
{
	if (coder->bits == VEGO_BITS_SPARSE)
		return is_shadowed_sparse(coder, chosen, candidate);
	if (values)
		return is_shadowed_l1(coder, chosen, values, candidate->distance);
	return is_shadowed(coder, chosen, prepared, candidate->distance);
}

/*
 * Asks for what stands so many candidates further.  A few are enough, and all of
 * them together, of wide codes, are more than the cache nearest to the processor
 * holds beside those chosen, which every candidate is compared with.
 */
#define CANDIDATES_AHEAD 4

static inline void
prefetch_candidate(const VegoCoder *coder, const VegoCandidate *candidate)
{
	int			bytes = Min(coder->code_bytes, VEGO_PREFETCHED_BYTES);

	for (int at = 0; at < bytes; at += 64)
		__builtin_prefetch(candidate->code + at);
	__builtin_prefetch(candidate->factors);
}

int
vego_select_neighbours(const VegoCoder *coder, VegoCandidate *candidates,
					   int count, int limit)
{
	Chosen		apart;
	Chosen		others;
	int			chosen = 0;
	int			binding_ahead = 0;
	bool		sparse = coder->bits == VEGO_BITS_SPARSE;
	float	   *values = coder->metric == VEGO_L1 && !sparse ?
		palloc(coder->dims * sizeof(float)) : NULL;

	Assert(limit <= lengthof(others.prepared));
	apart.count = others.count = 0;
	for (int i = 0; i < count; i++)
		binding_ahead += candidates[i].binding;

	for (int i = 0; i < count && chosen < limit; i++)
	{
		VegoCandidate candidate = candidates[i];
		Prepared	self;
		bool		shadowed = false;

		if (i + CANDIDATES_AHEAD < count)
			prefetch_candidate(coder, &candidates[i + CANDIDATES_AHEAD]);
		if (candidate.binding)
			binding_ahead--;
		else if (chosen + binding_ahead >= limit)
			continue;			/* the room left is taken */

		self = prepare(coder, &candidate);
		if (values && !candidate.binding)
			vego_decode(coder, candidate.factors, candidate.code, values);
		if (!candidate.binding)
			shadowed = is_hidden(coder, &others, &candidate, &self, values) ||
				(!candidate.apart &&
				 is_hidden(coder, &apart, &candidate, &self, values));
		if (!shadowed)
		{
			candidates[i] = candidates[chosen];
			candidates[chosen++] = candidate;
			add_chosen(candidate.apart ? &apart : &others, &candidate, &self);
		}
	}
	if (values)
		pfree(values);
	return chosen;
}
