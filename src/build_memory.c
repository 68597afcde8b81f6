/*
 * build_memory.c
 *	  How many rows can be built in memory?
 */
#include "postgres.h"

#include "miscadmin.h"

#include "build.h"

/* Below this a build does not get by; maintenance_work_mem may be less. */
#define LEAST_MEMORY (3 * 1024 * 1024)

/* Bytes that all processes of a build may take together. */
Size
vego_build_memory(void)
{
	return Max((Size) maintenance_work_mem * 1024, LEAST_MEMORY);
}

/* Of shared memory, about one part in so many is gaps between arrays. */
#define GAPS_SHARE 6

/*
 * What so many rows need: the rows themselves, twice while processes hand them
 * over, then the graph (partition.h) and a number for each row.
 */
static Size
memory_needed(VegoBuild *build, uint32 rows)
{
	VegoPartitionOptions options = vego_build_options(build);
	Size		own = rows * vego_rowstore_row_bytes(&build->coder);
	Size		graph = rows * sizeof(uint32);

	options.ef_construction = vego_ef_construction(build->index, rows);
	graph += vego_partition_memory(&build->coder, rows, &options);
	if (build->team == NULL)
		return own + graph;
	return own + Max(own, graph + graph / GAPS_SHARE);
}

uint32
vego_build_rows_in_memory(VegoBuild *build)
{
	uint32		low = 0;
	uint32		high = VEGO_NO_NODE / 2;

	while (low < high)
	{
		uint32		middle = low + (high - low + 1) / 2;

		if (memory_needed(build, middle) <= vego_build_memory())
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}
