/*
 * float_text.h
 *	  Numbers of single and of half precision as text.
 *
 * libc only, so that it can be fuzzed outside the server.
 */
#ifndef VEGO_FLOAT_TEXT_H
#define VEGO_FLOAT_TEXT_H

#include "simd/half.h"

typedef enum VegoFloatVerdict
{
	VEGO_FLOAT_READ,			/* value is set; may be a spelled-out NaN or
								 * infinity */
	VEGO_FLOAT_NOT_A_NUMBER,	/* no number starts here */
	VEGO_FLOAT_TOO_LARGE,		/* finite in the text, not in that precision */
	VEGO_FLOAT_TOO_SMALL		/* not 0 in the text; value is a zero of its
								 * sign */
} VegoFloatVerdict;

typedef struct VegoFloatText
{
	const char *end;			/* just behind the number */
	float		value;
	VegoFloatVerdict verdict;
} VegoFloatText;

/*
 * Reads the number at the start of a NUL-terminated text: what strtof in the C
 * locale reads, to the bit.  Sets errno.
 */
extern VegoFloatText vego_float_from_text(const char *text);

/*
 * The same, rounded once to the nearest number of half precision, ties to
 * even; it is infinite from 65520 on.
 */
extern VegoFloatText vego_half_from_text(const char *text);

/*
 * Reads numbers with a comma and perhaps a space behind each, up to `room` of
 * them, and moves *list to the first that is not read: what has no comma, is not
 * finite, is no number, or takes longer to read.  Returns how many were read.
 * The text ends at `end` with its NUL.
 */
extern int	vego_floats_from_text(const char **list, const char *end,
								  float *values, int room);
extern int	vego_halves_from_text(const char **list, const char *end,
								  float *values, int room);

/*
 * Writes the shortest decimal that reads back as the same half, and of those
 * the nearest, without a NUL; returns its length.  As core writes floats:
 * 1.5, 0.0001, 6e-08.  The half must be finite.
 */
extern int	vego_half_to_text(VegoHalf half, char *text);

#define VEGO_HALF_TEXT_BYTES 16

#endif							/* VEGO_FLOAT_TEXT_H */
