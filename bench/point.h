/*
 * point.h
 *	  One measured point: a CSV row.  Every program prints the same columns.
 */
#ifndef POINT_H
#define POINT_H

#include <stdio.h>
#include <string.h>

typedef struct Point
{
	const char *commit;
	const char *server;			/* version, or "none" for a library */
	const char *system;			/* vego, pgvector, hnswlib */
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

static inline void
print_point_header(void)
{
	printf("commit,cpu,server,system,settings,data,rows,k,build_s,"
		   "bytes_per_vector,clients,ef,recall,qps,p50_us,p99_us\n");
}

static inline void
print_point(const Point *point)
{
	printf("%s,%s,%s,%s,%s,%s,%zu,%d,%.3f,%.1f,%d,%d,%.5f,%.1f,%.1f,%.1f\n",
		   point->commit, cpu_model(), point->server, point->system,
		   point->settings, point->data, point->rows, point->k,
		   point->build_s, point->bytes_per_vector, point->clients,
		   point->ef, point->recall, point->qps, point->p50_us,
		   point->p99_us);
	fflush(stdout);
}

#endif							/* POINT_H */
