/*
 * value.h
 *	  A column's value as the index sees it, and the constants of a new index.
 */
#ifndef VEGO_VALUE_H
#define VEGO_VALUE_H

#include "exact_value.h"
#include "opclass.h"

/*
 * The contents of a value to be indexed, detoasted, in the current memory
 * context.  Error ERRCODE_DATA_EXCEPTION when it has not that many dimensions.
 */
extern VegoContents vego_value_contents(Relation index,
										const VegoOpclass *opclass,
										Datum value, int dims);

/*
 * Says that a value has other dimensions than the index: an error of whoever
 * has brought it, unless the column has the value's.
 */
extern void vego_value_report_dims(Relation index, int dims,
								   const char *what,
								   int value_dims) pg_attribute_noreturn();

/*
 * What is wrong with the constants of an index of that class, beyond what
 * vego_meta_fault says, or NULL.
 */
extern const char *vego_value_meta_fault(const VegoOpclass *opclass,
										 const VegoMeta *meta);

/* The bytes of a detoasted value's elements, for the index to keep. */
extern VegoExactValue vego_value_bytes(const VegoOpclass *opclass,
									   Datum value);

/* How many these can be at most. */
static inline int
vego_value_most_bytes(const VegoOpclass *opclass, int dims)
{
	return opclass->type->most_bytes(dims);
}

/* What a new index is made with. */
typedef struct VegoShape
{
	int32		dims;
	int			bits;
	int			m;
	VegoExactMode exact;
} VegoShape;

/*
 * Dimensions from the column, the rest from storage parameters or chosen.
 * Errors: a column without dimensions; more than a page can hold.
 */
extern VegoShape vego_shape(Relation index, const VegoOpclass *opclass);

/*
 * The same without an index: bits and m that are 0 are chosen.  Errors begin
 * with what it is that has that shape.
 */
extern VegoShape vego_shape_choose(const char *what,
								   const VegoIndexedType *type,
								   VegoShape wanted);

/*
 * Candidates for a row's links in an index of so many rows: in a build, and in
 * an insert, which has more unless the index says how many.
 */
extern int	vego_ef_construction(Relation index, double rows);
extern int	vego_ef_construction_for(int given, double rows);
extern int	vego_insert_ef_construction(Relation index, double rows);

#endif							/* VEGO_VALUE_H */
