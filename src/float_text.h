/*
 * float_text.h
 *	  Reading a float from text, as strtof does but faster.
 *
 * libc only, so that it can be fuzzed outside the server.
 */
#ifndef VEGO_FLOAT_TEXT_H
#define VEGO_FLOAT_TEXT_H

typedef enum VegoFloatVerdict
{
	VEGO_FLOAT_READ,			/* value is set; may be a spelled-out NaN or
								 * infinity */
	VEGO_FLOAT_NOT_A_NUMBER,	/* no number starts here */
	VEGO_FLOAT_TOO_LARGE		/* finite in the text, not in a float */
} VegoFloatVerdict;

typedef struct VegoFloatText
{
	const char *end;			/* just behind the number */
	float		value;
	VegoFloatVerdict verdict;
} VegoFloatText;

/*
 * Reads the number at the start of a NUL-terminated text: what strtof in the C
 * locale reads, to the bit.  A number too small for a float becomes a zero of
 * its sign.  Sets errno.
 */
extern VegoFloatText vego_float_from_text(const char *text);

#endif							/* VEGO_FLOAT_TEXT_H */
