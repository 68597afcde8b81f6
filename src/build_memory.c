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
memory_needed(const VegoCoder *coder, const VegoPartitionOptions *options,
			  uint32 rows)
{
	Size		own = rows * vego_rowstore_row_bytes(coder);
	Size		graph = rows * sizeof(uint32) +
		vego_partition_memory(coder, rows, options);

	if (options->processes == 1)
		return own + graph;
	return own + Max(own, graph + graph / GAPS_SHARE);
}

uint32
vego_build_rows_in_memory(VegoBuild *build)
{
	VegoPartitionOptions options = vego_build_options(build);
	uint32		low = 0;
	uint32		high = VEGO_MOST_ROWS;

	while (low < high)
	{
		uint32		middle = low + (high - low + 1) / 2;

		options.ef_construction = vego_ef_construction(build->index, middle);
		if (memory_needed(&build->coder, &options, middle) <=
			vego_build_memory())
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

/* Several processes may leave the rest of a step unused, each of them. */
Size
vego_build_memory_for(const VegoCoder *coder,
					  const VegoPartitionOptions *options, uint32 rows)
{
	uint32		unused = options->processes == 1 ? 0 :
		options->processes * VEGO_POOL_STEP;

	return Max(memory_needed(coder, options, rows + unused), LEAST_MEMORY);
}
