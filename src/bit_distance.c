/*
 * bit_distance.c
 *	  How far apart are two bit strings?
 *
 * Functions of core's type bit; both raise 22000 for lengths that differ.  The
 * bits behind the last are 0 in every bit string, so whole bytes are counted.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/varbit.h"

#include "simd/kernels.h"

static void
check_same_length(const VarBit *a, const VarBit *b)
{
	if (VARBITLEN(a) != VARBITLEN(b))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different bit lengths %d and %d",
						VARBITLEN(a), VARBITLEN(b))));
}

/* How many bits differ? */
PG_FUNCTION_INFO_V1(vego_bit_hamming_distance);
Datum
vego_bit_hamming_distance(PG_FUNCTION_ARGS)
{
	VarBit	   *a = PG_GETARG_VARBIT_P(0);
	VarBit	   *b = PG_GETARG_VARBIT_P(1);

	check_same_length(a, b);
	PG_RETURN_FLOAT8(vego_kernels->bits_apart(VARBITS(a), VARBITS(b),
											  VARBITBYTES(a)));
}

/*
 * What part of the bits that are set in either is not set in both?  1 when
 * none is set in both, even if none is set at all.
 */
PG_FUNCTION_INFO_V1(vego_bit_jaccard_distance);
Datum
vego_bit_jaccard_distance(PG_FUNCTION_ARGS)
{
	VarBit	   *a = PG_GETARG_VARBIT_P(0);
	VarBit	   *b = PG_GETARG_VARBIT_P(1);
	double		shared;
	double		apart;

	check_same_length(a, b);
	shared = vego_kernels->bits_shared(VARBITS(a), VARBITS(b), VARBITBYTES(a));
	apart = vego_kernels->bits_apart(VARBITS(a), VARBITS(b), VARBITBYTES(a));
	PG_RETURN_FLOAT8(shared == 0 ? 1 : 1 - shared / (shared + apart));
}
