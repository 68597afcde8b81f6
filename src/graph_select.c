/*
 * graph_select.c
 *	  Whom does a node link to?
 */
#include "postgres.h"

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

static inline double
prepared_distance(const VegoCoder *coder, const Prepared *a, const Prepared *b)
{
	double		dot = coder->bits == 8 ?
		vego_kernels->code_dot8(a->code, b->code, coder->dims) :
		vego_kernels->code_dot4(a->code, b->code, coder->code_bytes);
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

int
vego_select_neighbours(const VegoCoder *coder, VegoCandidate *candidates,
					   int count, int limit)
{
	double		slack = vego_code_slack(coder);
	Prepared	prepared[2 * VEGO_MAX_M];	/* the chosen ones */
	int			chosen = 0;
	int			binding_ahead = 0;
	float	   *values = coder->metric == VEGO_L1 ?
		palloc(coder->dims * sizeof(float)) : NULL;

	Assert(limit <= lengthof(prepared));
	for (int i = 0; i < count; i++)
		binding_ahead += candidates[i].binding;

	for (int i = 0; i < count && chosen < limit; i++)
	{
		VegoCandidate candidate = candidates[i];
		Prepared	self;
		bool		shadowed = false;

		if (candidate.binding)
			binding_ahead--;
		else if (chosen + binding_ahead >= limit)
			continue;			/* the room left is taken */

		self = prepare(coder, &candidate);
		if (values)
			vego_decode(coder, candidate.factors, candidate.code, values);
		for (int j = 0; j < chosen && !candidate.binding && !shadowed; j++)
		{
			double		apart = values ?
				l1_distance(coder, values, &prepared[j]) :
				prepared_distance(coder, &self, &prepared[j]);

			shadowed = slack * apart < candidate.distance;
		}
		if (!shadowed)
		{
			candidates[i] = candidates[chosen];
			prepared[chosen] = self;
			candidates[chosen++] = candidate;
		}
	}
	if (values)
		pfree(values);
	return chosen;
}
