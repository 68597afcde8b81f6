/*
 * graph_select.c
 *	  Whom does a node link to?
 */
#include "postgres.h"

#include "graph_select.h"

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

int
vego_select_neighbours(const VegoCoder *coder, VegoCandidate *candidates,
					   int count, int limit)
{
	double		slack = vego_code_slack(coder);
	int			chosen = 0;
	int			binding_ahead = 0;

	for (int i = 0; i < count; i++)
		binding_ahead += candidates[i].binding;

	for (int i = 0; i < count && chosen < limit; i++)
	{
		VegoCandidate candidate = candidates[i];
		bool		shadowed = false;

		if (candidate.binding)
			binding_ahead--;
		else if (chosen + binding_ahead >= limit)
			continue;			/* the room left is taken */

		for (int j = 0; j < chosen && !candidate.binding && !shadowed; j++)
			shadowed = slack * vego_code_distance(coder,
												  candidate.factors, candidate.code,
												  candidates[j].factors,
												  candidates[j].code)
				< candidate.distance;
		if (!shadowed)
		{
			candidates[i] = candidates[chosen];
			candidates[chosen++] = candidate;
		}
	}
	return chosen;
}
