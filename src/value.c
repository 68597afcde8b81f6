/*
 * value.c
 *	  What can be indexed, and how?
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "utils/lsyscache.h"

#include "nodes.h"
#include "options.h"
#include "value.h"

/*
 * Candidates for a row's links: so many up to a count of rows, and half as many
 * again for each time there are so many times more.
 */
#define FEWEST_CANDIDATES 64
#define FEWEST_FOR_ROWS 200000.0
#define MORE_FOR_TIMES 4.0
#define MOST_CANDIDATES 200

/*
 * An insert sees what one search finds, where a build sees several leaves and
 * its successors.  With so many times the candidates it finds as good links.
 */
#define INSERT_CANDIDATES 1.5

void
vego_value_report_dims(Relation index, int dims, const char *what,
					   int value_dims)
{
	int32		column_dims = TupleDescAttr(RelationGetDescr(index),
											0)->atttypmod;

	getBaseTypeAndTypmod(TupleDescAttr(RelationGetDescr(index), 0)->atttypid,
						 &column_dims);
	if (column_dims == value_dims)
		vego_report_corrupted(index, 0, -1,
							  "meta page has other dimensions than the column");
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("index \"%s\" has %d dimensions, but the %s has %d",
					RelationGetRelationName(index), dims, what, value_dims)));
}

const char *
vego_value_meta_fault(const VegoOpclass *opclass, const VegoMeta *meta)
{
	const VegoIndexedType *type = opclass->type;

	if (meta->metric != opclass->metric)
		return "meta page has another metric than the operator class";
	if (type->bits == VEGO_BITS_CHOSEN ?
		meta->bits != 8 && meta->bits != 4 : meta->bits != type->bits)
		return "meta page has a code width that the indexed type has not";
	if (meta->exact != VEGO_EXACT_OFF &&
		(meta->element_bytes != type->element_bytes ||
		 meta->value_bytes != vego_value_most_bytes(opclass, meta->dims)))
		return "meta page has other sizes of vectors than the operator class";
	return NULL;
}

VegoContents
vego_value_contents(Relation index, const VegoOpclass *opclass, Datum value,
					int dims)
{
	VegoContents contents = opclass->type->contents(value);

	if (contents.dims != dims)
		vego_value_report_dims(index, dims, opclass->type->name,
							   contents.dims);
	return contents;
}

VegoExactValue
vego_value_bytes(const VegoOpclass *opclass, Datum value)
{
	VegoExactValue bytes;

	bytes.bytes = opclass->type->bytes(value, &bytes.length);
	return bytes;
}

/* The largest m with which a slot of so many dimensions fits a page. */
static int
largest_m(const VegoShape *shape)
{
	int			m = VEGO_MAX_M;

	while (m > 0 && vego_slot_bytes(shape->dims, shape->bits, m,
									shape->exact) > VEGO_PAGE_ROOM)
		m--;
	return m;
}

/* The most dimensions with which a slot of that m fits a page. */
static int
most_dims(const VegoShape *shape, int m)
{
	return (VEGO_PAGE_ROOM - vego_slot_bytes(0, shape->bits, m,
											 shape->exact)) /
		4 * 4 * 8 / shape->bits;
}

/* What the type prescribes, else what was asked for, else 8. */
static int
choose_bits(const char *what, const VegoIndexedType *type, int given)
{
	if (type->bits == VEGO_BITS_CHOSEN)
		return given > 0 ? given : 8;
	if (given > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s on type %s cannot have bits = %d", what,
						type->name, given),
				 errhint("Only vectors are quantized; leave bits out.")));
	return type->bits;
}

static void
report_dims(const char *what, const VegoShape *shape)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("%s cannot have more than %d dimensions with bits = %d",
					what, most_dims(shape, VEGO_MIN_M), shape->bits),
			 shape->bits == 8 ?
			 errhint("Use WITH (bits = 4), or index fewer dimensions.") :
			 errhint("Index fewer dimensions.")));
}

static void
report_m(const char *what, const VegoShape *shape, int m_ceiling)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("%s of %d dimensions cannot have m = %d with bits = %d",
					what, shape->dims, shape->m, shape->bits),
			 errdetail("A node must fit a page."),
			 shape->bits == 8 ?
			 errhint("Use an m of at most %d, or WITH (bits = 4).",
					 m_ceiling) :
			 errhint("Use an m of at most %d.", m_ceiling)));
}

VegoShape
vego_shape_choose(const char *what, const VegoIndexedType *type,
				  VegoShape wanted)
{
	VegoShape	shape = wanted;
	int			m_ceiling;

	shape.bits = choose_bits(what, type, wanted.bits);
	if (shape.dims > type->max_dims)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s cannot have more than %d dimensions", what,
						type->max_dims),
				 errhint("Index fewer dimensions.")));

	m_ceiling = largest_m(&shape);
	if (m_ceiling < VEGO_MIN_M)
		report_dims(what, &shape);
	if (shape.m > m_ceiling)
		report_m(what, &shape, m_ceiling);
	if (shape.m == 0)
		shape.m = Min(VEGO_DEFAULT_M, m_ceiling);
	return shape;
}

VegoShape
vego_shape(Relation index, const VegoOpclass *opclass)
{
	const char *name = RelationGetRelationName(index);
	Form_pg_attribute column = TupleDescAttr(RelationGetDescr(index), 0);
	VegoShape	wanted = {
		column->atttypmod, vego_options_bits(index), vego_options_m(index),
		vego_options_exact(index)
	};

	getBaseTypeAndTypmod(column->atttypid, &wanted.dims);
	if (wanted.dims < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column of index \"%s\" does not have dimensions",
						name),
				 errhint("Give the column a type such as %s(3), or index an expression cast to it.",
						 opclass->type->name)));
	return vego_shape_choose(psprintf("index \"%s\"", name), opclass->type,
							 wanted);
}

/* Candidates for a row's links in a build of so many rows. */
static double
candidates_for(double rows)
{
	double		times = Max(1.0, rows / FEWEST_FOR_ROWS);
	double		wanted = FEWEST_CANDIDATES *
		(1.0 + 0.5 * log(times) / log(MORE_FOR_TIMES));

	return Min(wanted, MOST_CANDIDATES);
}

int
vego_ef_construction_for(int given, double rows)
{
	return given > 0 ? given : (int) candidates_for(rows);
}

int
vego_ef_construction(Relation index, double rows)
{
	return vego_ef_construction_for(vego_options_ef_construction(index), rows);
}

int
vego_insert_ef_construction(Relation index, double rows)
{
	int			given = vego_options_ef_construction(index);

	return given > 0 ? given : (int) (INSERT_CANDIDATES * candidates_for(rows));
}
