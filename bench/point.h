/*
 * point.h
 *	  One measured point: a CSV row.  Every program prints the same columns.
 */
#ifndef POINT_H
#define POINT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Point
{
	const char *commit;
	const char *server;			/* version, or "none" for a library */
	const char *system;			/* vego, pgvector, hnswlib, faiss ... */
	const char *settings;
	const char *data;
	size_t		rows;
	int			k;
	double		build_s;
	double		bytes_per_vector;	/* of the index */
	int			clients;
	int			ef;
	double		recall;
	double		qps;			/* of all clients together */
	double		p50_us;
	double		p99_us;
	double		recall_p5;		/* that a twentieth of the queries stay below */
} Point;

static inline const char *
cpu_model(void)
{
	static char model[128] = "unknown";
	char		line[256];
	FILE	   *cpus = fopen("/proc/cpuinfo", "r");

	while (cpus != NULL && fgets(line, sizeof(line), cpus) != NULL)
		if (strncmp(line, "model name", 10) == 0 && strchr(line, ':') != NULL)
		{
			snprintf(model, sizeof(model), "%s", strchr(line, ':') + 2);
			model[strcspn(model, "\n,")] = '\0';
			break;
		}
	if (cpus != NULL)
		fclose(cpus);
	return model;
}

static inline int
compare_hits(const void *a, const void *b)
{
	return *(const int32_t *) a - *(const int32_t *) b;
}

/*
 * Sets both recalls from the hits of each query, which are sorted here.
 */
static inline void
set_recall(Point *point, int32_t *hits, size_t nqueries)
{
	size_t		sum = 0;

	qsort(hits, nqueries, sizeof(*hits), compare_hits);
	for (size_t q = 0; q < nqueries; q++)
		sum += hits[q];
	point->recall = (double) sum / ((double) nqueries * point->k);
	point->recall_p5 = (double) hits[nqueries / 20] / point->k;
}

static inline void
print_point_header(void)
{
	printf("commit,cpu,server,system,settings,data,rows,k,build_s,"
		   "bytes_per_vector,clients,ef,recall,qps,p50_us,p99_us,recall_p5\n");
}

static inline void
print_point(const Point *point)
{
	printf("%s,%s,%s,%s,%s,%s,%zu,%d,%.3f,%.1f,%d,%d,%.5f,%.1f,%.1f,%.1f,"
		   "%.3f\n",
		   point->commit, cpu_model(), point->server, point->system,
		   point->settings, point->data, point->rows, point->k,
		   point->build_s, point->bytes_per_vector, point->clients,
		   point->ef, point->recall, point->qps, point->p50_us,
		   point->p99_us, point->recall_p5);
	fflush(stdout);
}

#endif							/* POINT_H */
