/*
 * truth.c
 *	  The exact nearest rows of every query, by brute force.
 *
 *	truth FOLDER [l2|ip|cosine [K [THREADS]]]
 *
 * Reads base and query vectors of the folder (.fvecs or .bvecs); writes truth.ivecs (row
 * numbers, nearest first, ties by number) and truth.fvecs (their distances;
 * squared for l2).
 */
#include <pthread.h>
#include <string.h>

#include "fvecs.h"

#define MAX_THREADS 64
#define QUERIES_AT_ONCE 16		/* share one pass over the base */

typedef struct Hit
{
	double		distance;
	int32_t		row;
} Hit;

static Rows base;
static Rows queries;
static char metric = 'l';
static int	k = 100;
static int	nthreads = 2;
static Hit *hits;				/* k per query */

static int
farther(Hit a, Hit b)
{
	return a.distance > b.distance ||
		(a.distance == b.distance && a.row > b.row);
}

/* Keeps the nearest k of those offered, sorted. */
static void
offer(Hit *best, int *count, Hit hit)
{
	int			at;

	if (*count == k)
	{
		if (!farther(best[k - 1], hit))
			return;
		(*count)--;
	}
	for (at = (*count)++; at > 0 && farther(best[at - 1], hit); at--)
		best[at] = best[at - 1];
	best[at] = hit;
}

static void *
answer(void *first_group)
{
	size_t		first = (size_t) first_group * QUERIES_AT_ONCE;
	size_t		stride = (size_t) nthreads * QUERIES_AT_ONCE;

	for (size_t start = first; start < queries.count; start += stride)
	{
		size_t		end = start + QUERIES_AT_ONCE;
		int			count[QUERIES_AT_ONCE] = {0};

		if (end > queries.count)
			end = queries.count;
		for (size_t row = 0; row < base.count; row++)
			for (size_t q = start; q < end; q++)
			{
				Hit			hit;

				hit.row = (int32_t) row;
				hit.distance = true_distance(metric, float_row(queries, q),
											 float_row(base, row),
											 base.width);
				offer(hits + q * k, &count[q - start], hit);
			}
	}
	return NULL;
}

static FILE *
create(const char *folder, const char *name)
{
	char		path[4096];
	FILE	   *out;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	out = fopen(path, "wb");
	if (out == NULL)
	{
		perror(path);
		exit(1);
	}
	return out;
}

static void
write_hits(const char *folder)
{
	FILE	   *ids = create(folder, "truth.ivecs");
	FILE	   *distances = create(folder, "truth.fvecs");
	int32_t    *row = malloc(4 * (size_t) k);
	float	   *distance = malloc(4 * (size_t) k);

	for (size_t q = 0; q < queries.count; q++)
	{
		for (int i = 0; i < k; i++)
		{
			row[i] = hits[q * k + i].row;
			distance[i] = (float) hits[q * k + i].distance;
		}
		write_row(ids, row, k);
		write_row(distances, distance, k);
	}
	if (fclose(ids) != 0 || fclose(distances) != 0)
	{
		perror(folder);
		exit(1);
	}
}

int
main(int argc, char **argv)
{
	pthread_t	threads[MAX_THREADS];

	if (argc < 2)
	{
		fprintf(stderr, "usage: truth FOLDER [l2|ip|cosine [K [THREADS]]]\n");
		return 2;
	}
	if (argc > 2)
		metric = argv[2][0];
	if (argc > 3)
		k = atoi(argv[3]);
	if (argc > 4)
		nthreads = atoi(argv[4]);
	base = map_vectors(argv[1], "base");
	queries = map_vectors(argv[1], "query");
	if (base.width != queries.width || (size_t) k > base.count ||
		k < 1 || nthreads < 1 || nthreads > MAX_THREADS ||
		strchr("lic", metric) == NULL)
	{
		fprintf(stderr, "truth: the files or the options do not fit\n");
		return 2;
	}

	hits = malloc(queries.count * k * sizeof(Hit));
	for (int i = 0; i < nthreads; i++)
		pthread_create(&threads[i], NULL, answer, (void *) (size_t) i);
	for (int i = 0; i < nthreads; i++)
		pthread_join(threads[i], NULL);
	write_hits(argv[1]);
	return 0;
}
