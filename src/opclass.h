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

#include "metric.h"

#define VEGO_DISTANCE_PROC 1
#define VEGO_SUPPORT_PROC 2
#define VEGO_PROCS 2

typedef struct VegoOpclass
{
	VegoMetric	metric;
	const char *type_name;
	int			max_dims;

	/*
	 * The elements of a value, detoasted by the caller: as many as *dims says.
	 * Points into the value.
	 */
	const float *(*elements) (Datum value, int *dims);

	/*
	 * For exact vectors in the index: the bytes of an element, all bytes of
	 * the elements of a value (pointing into it), and the value that has them.
	 */
	int			element_bytes;
	const char *(*bytes) (Datum value, int *length);
	Datum		(*restore) (const char *bytes, int length);
} VegoOpclass;

/* Errors when the class has no support function or one of another library. */
extern const VegoOpclass *vego_opclass(Relation index);

#endif							/* VEGO_OPCLASS_H */
