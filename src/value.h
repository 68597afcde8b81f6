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

/* Candidates for a row's links in an index of so many rows. */
extern int	vego_ef_construction(Relation index, double rows);

#endif							/* VEGO_VALUE_H */
