/*
 * estimate.c
 *	  What will an index take, before it is made?
 *
 * Only what a build goes by is asked: the geometry of pages, how vectors are
 * put on them, and the memory that decides whether there will be shards.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "postmaster/bgworker_internals.h"
#include "utils/builtins.h"

#include "build.h"
#include "inspect.h"
#include "options.h"
#include "value.h"

#define ESTIMATE_COLUMNS 2

/* Pages filled to find out how many vectors there are on one. */
#define SAMPLE_PAGES 256

/* As CREATE INDEX would have it; 0 stands for automatic. */
typedef struct IndexPlan
{
	uint32		rows;
	const VegoIndexedType *type;
	VegoShape	shape;
	int			ef_construction;
	int			processes;
} IndexPlan;

/* Slots of all levels, one level behind the other. */
static BlockNumber
node_blocks(const IndexPlan *plan, const VegoGeometry *geometry)
{
	VegoNodeId	nodes = 0;

	for (uint32 level = plan->rows; level > 0; level = vego_nodes_above(level))
		nodes += level;
	return nodes == 0 ? 0 :
		vego_node_block(geometry, nodes - 1) + 1 - geometry->first_block;
}

/*
 * Pages of vectors of that many bytes.  Some are filled as a build fills them;
 * the others will be like these.
 */
static uint64
exact_blocks(uint32 rows, int bytes)
{
	PGAlignedBlock page;
	VegoExactStored stored = {.bytes = palloc0(bytes), .length = bytes};
	uint32		done = 0;
	uint64		pages = 0;

	ItemPointerSet(&stored.head.tid, 0, FirstOffsetNumber);
	for (; done < rows && pages < SAMPLE_PAGES; done++)
	{
		VegoExactPlace place = {0};
		int			left = stored.length;

		for (bool fresh = pages == 0; left > 0; fresh = true)
		{
			if (fresh)
			{
				vego_page_init(page.data, VEGO_PAGE_EXACT);
				pages++;
			}
			left = vego_exact_put(page.data, 0, &stored, left, &place);
		}
		CHECK_FOR_INTERRUPTS();
	}
	return done == 0 ? 0 : (pages * rows + done - 1) / done;
}

static int64
index_bytes(const IndexPlan *plan)
{
	const VegoShape *shape = &plan->shape;
	VegoGeometry geometry;
	uint64		blocks;

	vego_geometry_init(&geometry, shape->dims, shape->bits, shape->m,
					   shape->exact);
	blocks = (uint64) geometry.first_block + node_blocks(plan, &geometry);
	if (shape->exact != VEGO_EXACT_OFF)
		blocks += exact_blocks(plan->rows,
							   plan->type->most_bytes(shape->dims));
	if (blocks > MaxBlockNumber)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("an index of %u rows would be larger than a relation can be",
						plan->rows),
				 errhint("Partition the table.")));
	return (int64) (blocks * BLCKSZ);
}

/* What maintenance_work_mem must be, in whole kilobytes. */
static int64
build_memory(const IndexPlan *plan)
{
	VegoCoder	coder;
	VegoPartitionOptions options = {0};
	Size		bytes;

	/* of what the metric decides nothing is looked at */
	vego_coder_init(&coder, VEGO_L2, plan->shape.dims, plan->shape.bits, 0.0,
					NULL);
	options.m = plan->shape.m;
	options.ef_construction = vego_ef_construction_for(plan->ef_construction,
													   plan->rows);
	options.processes = plan->processes;
	bytes = vego_build_memory_for(&coder, &options, plan->rows);
	return (int64) TYPEALIGN64(1024, bytes);
}

static char *
read_name(FunctionCallInfo fcinfo, int number, const char *name,
		  const char *valid)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s cannot be NULL", name),
				 errhint("Valid values are %s.", valid)));
	return text_to_cstring(PG_GETARG_TEXT_PP(number));
}

static void
report_name(const char *name, const char *value, const char *valid)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s = \"%s\" is not known", name, value),
			 errhint("Valid values are %s.", valid)));
}

static const VegoIndexedType *
read_type(FunctionCallInfo fcinfo, int number)
{
	const char *valid = "\"vector\", \"halfvec\", \"sparsevec\" and \"bit\"";
	const char *name = read_name(fcinfo, number, "type", valid);
	const VegoIndexedType *type = vego_indexed_type(name);

	if (type == NULL)
		report_name("type", name, valid);
	return type;
}

/* A storage parameter that may be left out, which is 0. */
static int
read_option(FunctionCallInfo fcinfo, int number, const char *name, int least,
			int most)
{
	if (PG_ARGISNULL(number))
		return 0;
	return vego_argument(name, false, PG_GETARG_INT32(number), least, most);
}

static int
read_bits(FunctionCallInfo fcinfo, int number)
{
	int			bits = PG_ARGISNULL(number) ? 0 : PG_GETARG_INT32(number);

	if (!PG_ARGISNULL(number) && bits != 8 && bits != 4)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bits = %d is out of range", bits),
				 errhint("Valid values are 8 and 4.")));
	return bits;
}

static VegoExactMode
read_exact(FunctionCallInfo fcinfo, int number, const VegoIndexedType *type)
{
	const char *valid = "\"off\", \"plain\" and \"zstd\"";
	const char *name = read_name(fcinfo, number, "exact", valid);
	VegoExactMode exact;

	if (!vego_exact_mode(name, &exact))
		report_name("exact", name, valid);
	if (exact != VEGO_EXACT_OFF && type->bits == VEGO_BITS_SPARSE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("what exact vectors of type %s take depends on their elements",
						type->name),
				 errhint("Estimate with exact = off, and add some 30 bytes a row and 8 an element.")));
	return exact;
}

PG_FUNCTION_INFO_V1(vego_estimate);

/*
 * vego_estimate(1000000, 768, bits => 4)
 *
 * For an index that is built on so many rows, of a vector each.  With
 * exact = zstd it will not be larger than is said, which is what it is with
 * plain: how much smaller the vectors tell.  Fewer processes than given need
 * less memory.
 */
Datum
vego_estimate(PG_FUNCTION_ARGS)
{
	IndexPlan	plan;
	VegoShape	wanted;
	TupleDesc	columns;
	Datum		values[ESTIMATE_COLUMNS];
	bool		isnull[ESTIMATE_COLUMNS] = {false};

	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE ||
		columns->natts != ESTIMATE_COLUMNS)
		elog(ERROR, "return type must be a row of estimates");

	plan.rows = vego_argument("rows", PG_ARGISNULL(0), PG_GETARG_INT64(0), 0,
							  VEGO_MOST_ROWS);
	plan.type = read_type(fcinfo, 2);
	wanted.dims = vego_argument("dimensions", PG_ARGISNULL(1),
								PG_GETARG_INT32(1), 1, plan.type->max_dims);
	wanted.bits = read_bits(fcinfo, 3);
	wanted.m = read_option(fcinfo, 4, "m", VEGO_MIN_M, VEGO_MAX_M);
	plan.ef_construction = read_option(fcinfo, 5, "ef_construction",
									   VEGO_MIN_EF_CONSTRUCTION,
									   VEGO_MAX_EF_CONSTRUCTION);
	wanted.exact = read_exact(fcinfo, 6, plan.type);
	plan.processes = vego_argument("processes", PG_ARGISNULL(7),
								   PG_GETARG_INT32(7), 1,
								   MAX_PARALLEL_WORKER_LIMIT + 1);
	plan.shape = vego_shape_choose("an index", plan.type, wanted);

	values[0] = Int64GetDatum(index_bytes(&plan));
	values[1] = Int64GetDatum(build_memory(&plan));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(columns),
													  values, isnull)));
}
