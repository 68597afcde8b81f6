/*
 * opclass.h
 *	  What an operator class tells the access method.
 *
 * Support function 1 is the distance of the class's operator, a function of
 * two values of the indexed type to double precision.  Support function 2
 * takes and returns internal: a pointer to one of these, which lives as long
 * as the library.
 */
#ifndef VEGO_OPCLASS_H
#define VEGO_OPCLASS_H

#include "access/genam.h"
#include "utils/rel.h"

#include "code.h"

#define VEGO_DISTANCE_PROC 1
#define VEGO_SUPPORT_PROC 2
#define VEGO_PROCS 2

struct VegoType;

/* Bits a dimension are the user's choice. */
#define VEGO_BITS_CHOSEN (-1)

/* A type whose values can be indexed. */
typedef struct VegoIndexedType
{
	const char *name;
	int			max_dims;
	int			bits;			/* of codes (code.h), or VEGO_BITS_CHOSEN */

	/*
	 * What is in a value, detoasted by the caller; points into the value or to
	 * new memory.
	 */
	VegoContents (*contents) (Datum value);

	/*
	 * For exact vectors in the index: the bytes of an element, the most bytes
	 * of a value's elements, all of them (pointing into the value), and the
	 * value that has them; 0 where there is none of so many dimensions.
	 */
	int			element_bytes;
	int			(*most_bytes) (int dims);
	const char *(*bytes) (Datum value, int *length);
	Datum		(*restore) (const char *bytes, int length, int dims);

	/* As its functions know it; NULL for a type of the server. */
	const struct VegoType *type;
} VegoIndexedType;

/* By that name, or NULL. */
extern const VegoIndexedType *vego_indexed_type(const char *name);

typedef struct VegoOpclass
{
	VegoMetric	metric;
	const VegoIndexedType *type;
} VegoOpclass;

/* Errors when the class has no support function or one of another library. */
extern const VegoOpclass *vego_opclass(Relation index);

#endif							/* VEGO_OPCLASS_H */
