/*
 * opclass.c
 *	  What do the operator classes mean, and what is in the values they index?
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/varbit.h"

#include "code_sparse.h"
#include "opclass.h"
#include "sparsevec.h"
#include "vector.h"

/* Bit strings beyond this have no slot that fits a page. */
#define MAX_BITS 64000

StaticAssertDecl(VEGO_SPARSE_MOST_ELEMENTS == VEGO_SPARSEVEC_MAX_ELEMENTS,
				 "any sparsevec can be coded");

/* ----------------------------------------------------------------
 *		vector and halfvec
 * ----------------------------------------------------------------
 */

static VegoContents
vector_contents(Datum value)
{
	Vector	   *vector = vego_vector_from_datum(&vego_type_vector, value);
	VegoContents contents = {vector->dim, .x = vector->x};

	return contents;
}

static VegoContents
halfvec_contents(Datum value)
{
	Vector	   *halfvec = vego_vector_from_datum(&vego_type_halfvec, value);
	float	   *x = palloc(halfvec->dim * sizeof(float));
	VegoContents contents = {halfvec->dim, .x = x};

	vego_vector_load(&vego_type_halfvec, halfvec, 0, halfvec->dim, x);
	return contents;
}

static int
dense_bytes(const VegoType *type, int dims)
{
	return (int) (vego_vector_size(type, dims) - offsetof(Vector, x));
}

static int
vector_most_bytes(int dims)
{
	return dense_bytes(&vego_type_vector, dims);
}

static int
halfvec_most_bytes(int dims)
{
	return dense_bytes(&vego_type_halfvec, dims);
}

static const char *
vector_bytes(Datum value, int *length)
{
	Vector	   *vector = (Vector *) DatumGetPointer(value);

	*length = (int) (VARSIZE(vector) - offsetof(Vector, x));
	return (const char *) vector->x;
}

static Datum
restore_dense(const VegoType *type, const char *bytes, int length, int dims)
{
	Vector	   *vector;

	if (length != dense_bytes(type, dims))
		return (Datum) 0;
	vector = vego_vector_create(type, dims);
	memcpy(vector->x, bytes, length);
	return PointerGetDatum(vector);
}

static Datum
vector_restore(const char *bytes, int length, int dims)
{
	return restore_dense(&vego_type_vector, bytes, length, dims);
}

static Datum
halfvec_restore(const char *bytes, int length, int dims)
{
	return restore_dense(&vego_type_halfvec, bytes, length, dims);
}

static const VegoIndexedType indexed_vector = {
	"vector", VEGO_VECTOR_MAX_DIMS, VEGO_BITS_CHOSEN, vector_contents,
	sizeof(float), vector_most_bytes, vector_bytes, vector_restore,
	&vego_type_vector
};

static const VegoIndexedType indexed_halfvec = {
	"halfvec", VEGO_VECTOR_MAX_DIMS, VEGO_BITS_CHOSEN, halfvec_contents,
	sizeof(VegoHalf), halfvec_most_bytes, vector_bytes, halfvec_restore,
	&vego_type_halfvec
};

/* ----------------------------------------------------------------
 *		sparsevec
 * ----------------------------------------------------------------
 */

#define ELEMENT_BYTES (sizeof(int32) + sizeof(float))

static VegoContents
sparsevec_contents(Datum value)
{
	SparseVector *vector = vego_sparsevec_from_datum(value);
	VegoContents contents = {
		vector->dim, .x = vego_sparsevec_values(vector),
		.count = vector->nnz, .indices = vector->indices
	};

	return contents;
}

static int
sparsevec_most_bytes(int dims)
{
	return Min(dims, VEGO_SPARSEVEC_MAX_ELEMENTS) * ELEMENT_BYTES;
}

static const char *
sparsevec_bytes(Datum value, int *length)
{
	SparseVector *vector = (SparseVector *) DatumGetPointer(value);

	*length = vector->nnz * ELEMENT_BYTES;
	return (const char *) vector->indices;
}

static Datum
sparsevec_restore(const char *bytes, int length, int dims)
{
	SparseVector *vector;

	if (length % ELEMENT_BYTES != 0 || length > sparsevec_most_bytes(dims))
		return (Datum) 0;
	vector = vego_sparsevec_create(dims, length / ELEMENT_BYTES);
	memcpy(vector->indices, bytes, length);
	return PointerGetDatum(vector);
}

static const VegoIndexedType indexed_sparsevec = {
	"sparsevec", VEGO_SPARSEVEC_MAX_DIMS, VEGO_BITS_SPARSE,
	sparsevec_contents, sizeof(float), sparsevec_most_bytes, sparsevec_bytes,
	sparsevec_restore, &vego_type_sparsevec
};

/* ----------------------------------------------------------------
 *		bit
 * ----------------------------------------------------------------
 */

static VegoContents
bit_contents(Datum value)
{
	VarBit	   *bits = DatumGetVarBitP(value);
	VegoContents contents = {VARBITLEN(bits), .bits = VARBITS(bits)};

	return contents;
}

static int
bit_most_bytes(int dims)
{
	return (dims + BITS_PER_BYTE - 1) / BITS_PER_BYTE;
}

static const char *
bit_bytes(Datum value, int *length)
{
	VarBit	   *bits = DatumGetVarBitP(value);

	*length = VARBITBYTES(bits);
	return (const char *) VARBITS(bits);
}

static Datum
bit_restore(const char *bytes, int length, int dims)
{
	VarBit	   *bits;

	if (length != bit_most_bytes(dims))
		return (Datum) 0;
	bits = palloc(VARBITTOTALLEN(dims));
	SET_VARSIZE(bits, VARBITTOTALLEN(dims));
	VARBITLEN(bits) = dims;
	memcpy(VARBITS(bits), bytes, length);
	return VarBitPGetDatum(bits);
}

static const VegoIndexedType indexed_bit = {
	"bit", MAX_BITS, 1, bit_contents, 1, bit_most_bytes, bit_bytes, bit_restore,
	NULL
};

const VegoIndexedType *
vego_indexed_type(const char *name)
{
	static const VegoIndexedType *const types[] = {
		&indexed_vector, &indexed_halfvec, &indexed_sparsevec, &indexed_bit
	};

	for (int i = 0; i < lengthof(types); i++)
		if (strcmp(types[i]->name, name) == 0)
			return types[i];
	return NULL;
}

/* ----------------------------------------------------------------
 *		The classes
 * ----------------------------------------------------------------
 */

/* The support function vego_TYPE_NAME_support of a class of that metric. */
#define SUPPORT_FUNCTION(type, name, metric) \
PG_FUNCTION_INFO_V1(vego_##type##_##name##_support); \
Datum \
vego_##type##_##name##_support(PG_FUNCTION_ARGS) \
{ \
	static const VegoOpclass opclass = {metric, &indexed_##type}; \
 \
	PG_RETURN_POINTER(&opclass); \
}

#define SUPPORT_FUNCTIONS(type) \
SUPPORT_FUNCTION(type, l2, VEGO_L2) \
SUPPORT_FUNCTION(type, ip, VEGO_INNER_PRODUCT) \
SUPPORT_FUNCTION(type, cosine, VEGO_COSINE) \
SUPPORT_FUNCTION(type, l1, VEGO_L1)

SUPPORT_FUNCTIONS(vector)
SUPPORT_FUNCTIONS(halfvec)
SUPPORT_FUNCTIONS(sparsevec)
SUPPORT_FUNCTION(bit, hamming, VEGO_HAMMING)
SUPPORT_FUNCTION(bit, jaccard, VEGO_JACCARD)

const VegoOpclass *
vego_opclass(Relation index)
{
	FmgrInfo   *proc = index_getprocinfo(index, 1, VEGO_SUPPORT_PROC);

	return (const VegoOpclass *)
		DatumGetPointer(FunctionCall1(proc, PointerGetDatum(NULL)));
}
