/* vego: vectors and an index for nearest neighbours */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION vego" to load this file. \quit

-- How this script stays safe on a search path that others may write to:
-- every name that is not ours is qualified; ours are created, never replaced,
-- so that one that exists already is an error; and a function, operator or
-- type of ours is found by its exact argument types, in the first schema of
-- the path, which is the one it was just created in.

-- pgvector defines the same names; the two can live in one database, but not
-- in one schema.
DO $do$
DECLARE
	existing pg_catalog.oid;
	owner pg_catalog.name;
BEGIN
	SELECT t.oid INTO existing
	FROM pg_catalog.pg_type AS t
	JOIN pg_catalog.pg_namespace AS n
		ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
	WHERE n.nspname OPERATOR(pg_catalog.=) pg_catalog.current_schema()
	  AND t.typname OPERATOR(pg_catalog.=) 'vector'::pg_catalog.name;

	IF NOT FOUND THEN
		RETURN;
	END IF;

	SELECT e.extname INTO owner
	FROM pg_catalog.pg_depend AS d
	JOIN pg_catalog.pg_extension AS e
		ON e.oid OPERATOR(pg_catalog.=) d.refobjid
	WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid
	  AND d.objid OPERATOR(pg_catalog.=) existing
	  AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid
	  AND d.deptype OPERATOR(pg_catalog.=) 'e'::pg_catalog."char";

	IF owner OPERATOR(pg_catalog.=) 'vector'::pg_catalog.name THEN
		RAISE EXCEPTION USING
			ERRCODE = 'duplicate_object',
			MESSAGE = pg_catalog.format(
				'schema "%s" already has a type "vector", that of pgvector',
				pg_catalog.current_schema()),
			DETAIL = 'Both extensions define it, so each needs a schema of its own.',
			HINT = 'Use another schema: CREATE SCHEMA vego; CREATE EXTENSION vego SCHEMA vego;';
	END IF;
	RAISE EXCEPTION USING
		ERRCODE = 'duplicate_object',
		MESSAGE = pg_catalog.format(
			'schema "%s" already has a type "vector"',
			pg_catalog.current_schema()),
		HINT = 'Use another schema: CREATE SCHEMA vego; CREATE EXTENSION vego SCHEMA vego;';
END
$do$;

--
-- The type vector
--

CREATE TYPE vector;

CREATE FUNCTION vector_in(pg_catalog.cstring, pg_catalog.oid, pg_catalog.int4)
	RETURNS vector
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_vector_from_text';
COMMENT ON FUNCTION vector_in(pg_catalog.cstring, pg_catalog.oid, pg_catalog.int4) IS
	'I/O';

CREATE FUNCTION vector_out(vector)
	RETURNS pg_catalog.cstring
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_vector_to_text';
COMMENT ON FUNCTION vector_out(vector) IS
	'I/O';

CREATE FUNCTION vector_recv(pg_catalog.internal, pg_catalog.oid, pg_catalog.int4)
	RETURNS vector
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_vector_from_wire';
COMMENT ON FUNCTION vector_recv(pg_catalog.internal, pg_catalog.oid, pg_catalog.int4) IS
	'I/O';

CREATE FUNCTION vector_send(vector)
	RETURNS pg_catalog.bytea
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_vector_to_wire';
COMMENT ON FUNCTION vector_send(vector) IS
	'I/O';

CREATE FUNCTION vector_typmod_in(pg_catalog.cstring[])
	RETURNS pg_catalog.int4
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_vector_typmod_in';
COMMENT ON FUNCTION vector_typmod_in(pg_catalog.cstring[]) IS
	'I/O typmod';

CREATE TYPE vector (
	INPUT = vector_in,
	OUTPUT = vector_out,
	RECEIVE = vector_recv,
	SEND = vector_send,
	TYPMOD_IN = vector_typmod_in,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = pg_catalog.int4,
	STORAGE = external
);
COMMENT ON TYPE vector IS
	'single-precision vector of 1 to 16000 dimensions, such as [1,2,3]';

--
-- vector: casts
--

CREATE FUNCTION vector(vector, pg_catalog.int4, pg_catalog.bool)
	RETURNS vector
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_vector_coerce';
COMMENT ON FUNCTION vector(vector, pg_catalog.int4, pg_catalog.bool) IS
	'adjust vector() to typmod length';

CREATE FUNCTION array_to_vector(pg_catalog.int4[], pg_catalog.int4, pg_catalog.bool)
	RETURNS vector
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_vector_from_array';
COMMENT ON FUNCTION array_to_vector(pg_catalog.int4[], pg_catalog.int4, pg_catalog.bool) IS
	'convert array to vector';

CREATE FUNCTION array_to_vector(pg_catalog.float4[], pg_catalog.int4, pg_catalog.bool)
	RETURNS vector
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_vector_from_array';
COMMENT ON FUNCTION array_to_vector(pg_catalog.float4[], pg_catalog.int4, pg_catalog.bool) IS
	'convert array to vector';

CREATE FUNCTION array_to_vector(pg_catalog.float8[], pg_catalog.int4, pg_catalog.bool)
	RETURNS vector
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_vector_from_array';
COMMENT ON FUNCTION array_to_vector(pg_catalog.float8[], pg_catalog.int4, pg_catalog.bool) IS
	'convert array to vector';

CREATE FUNCTION array_to_vector(pg_catalog."numeric"[], pg_catalog.int4, pg_catalog.bool)
	RETURNS vector
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_vector_from_array';
COMMENT ON FUNCTION array_to_vector(pg_catalog."numeric"[], pg_catalog.int4, pg_catalog.bool) IS
	'convert array to vector';

CREATE FUNCTION vector_to_float4(vector, pg_catalog.int4, pg_catalog.bool)
	RETURNS pg_catalog.float4[]
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_vector_to_float4_array';
COMMENT ON FUNCTION vector_to_float4(vector, pg_catalog.int4, pg_catalog.bool) IS
	'convert vector to real[]';

CREATE CAST (vector AS vector)
	WITH FUNCTION vector(vector, pg_catalog.int4, pg_catalog.bool)
	AS IMPLICIT;
COMMENT ON CAST (vector AS vector) IS
	'check the number of dimensions';

CREATE CAST (vector AS pg_catalog.float4[])
	WITH FUNCTION vector_to_float4(vector, pg_catalog.int4, pg_catalog.bool)
	AS IMPLICIT;
COMMENT ON CAST (vector AS pg_catalog.float4[]) IS
	'the elements, unchanged';

CREATE CAST (pg_catalog.int4[] AS vector)
	WITH FUNCTION array_to_vector(pg_catalog.int4[], pg_catalog.int4, pg_catalog.bool)
	AS ASSIGNMENT;
COMMENT ON CAST (pg_catalog.int4[] AS vector) IS
	'each element rounded to single precision';

CREATE CAST (pg_catalog.float4[] AS vector)
	WITH FUNCTION array_to_vector(pg_catalog.float4[], pg_catalog.int4, pg_catalog.bool)
	AS ASSIGNMENT;
COMMENT ON CAST (pg_catalog.float4[] AS vector) IS
	'the elements, unchanged';

CREATE CAST (pg_catalog.float8[] AS vector)
	WITH FUNCTION array_to_vector(pg_catalog.float8[], pg_catalog.int4, pg_catalog.bool)
	AS ASSIGNMENT;
COMMENT ON CAST (pg_catalog.float8[] AS vector) IS
	'each element rounded to single precision';

CREATE CAST (pg_catalog."numeric"[] AS vector)
	WITH FUNCTION array_to_vector(pg_catalog."numeric"[], pg_catalog.int4, pg_catalog.bool)
	AS ASSIGNMENT;
COMMENT ON CAST (pg_catalog."numeric"[] AS vector) IS
	'each element rounded to single precision';

--
-- vector: distances
--

CREATE FUNCTION vego_vector_distance_support(pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_vector_distance_support';
COMMENT ON FUNCTION vego_vector_distance_support(pg_catalog.internal) IS
	'tells the planner what a distance costs';

CREATE FUNCTION l2_distance(vector, vector)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	SUPPORT vego_vector_distance_support
	AS 'MODULE_PATHNAME', 'vego_vector_l2_distance';
COMMENT ON FUNCTION l2_distance(vector, vector) IS
	'Euclidean distance';

CREATE FUNCTION inner_product(vector, vector)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	SUPPORT vego_vector_distance_support
	AS 'MODULE_PATHNAME', 'vego_vector_inner_product';
COMMENT ON FUNCTION inner_product(vector, vector) IS
	'inner product';

CREATE FUNCTION cosine_distance(vector, vector)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	SUPPORT vego_vector_distance_support
	AS 'MODULE_PATHNAME', 'vego_vector_cosine_distance';
COMMENT ON FUNCTION cosine_distance(vector, vector) IS
	'cosine distance, 1 - cos of the angle';

CREATE FUNCTION l1_distance(vector, vector)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	SUPPORT vego_vector_distance_support
	AS 'MODULE_PATHNAME', 'vego_vector_l1_distance';
COMMENT ON FUNCTION l1_distance(vector, vector) IS
	'taxicab distance';

CREATE FUNCTION vector_negative_inner_product(vector, vector)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	SUPPORT vego_vector_distance_support
	AS 'MODULE_PATHNAME', 'vego_vector_negative_inner_product';
COMMENT ON FUNCTION vector_negative_inner_product(vector, vector) IS
	'implementation of <#> operator';

CREATE OPERATOR <-> (
	LEFTARG = vector, RIGHTARG = vector,
	FUNCTION = l2_distance,
	COMMUTATOR = <->
);
COMMENT ON OPERATOR <-> (vector, vector) IS
	'Euclidean distance';

CREATE OPERATOR <#> (
	LEFTARG = vector, RIGHTARG = vector,
	FUNCTION = vector_negative_inner_product,
	COMMUTATOR = <#>
);
COMMENT ON OPERATOR <#> (vector, vector) IS
	'negative inner product';

CREATE OPERATOR <=> (
	LEFTARG = vector, RIGHTARG = vector,
	FUNCTION = cosine_distance,
	COMMUTATOR = <=>
);
COMMENT ON OPERATOR <=> (vector, vector) IS
	'cosine distance';

CREATE OPERATOR <+> (
	LEFTARG = vector, RIGHTARG = vector,
	FUNCTION = l1_distance,
	COMMUTATOR = <+>
);
COMMENT ON OPERATOR <+> (vector, vector) IS
	'taxicab distance';

--
-- vector: functions
--

CREATE FUNCTION vector_dims(vector)
	RETURNS pg_catalog.int4
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_vector_dims';
COMMENT ON FUNCTION vector_dims(vector) IS
	'number of dimensions';

CREATE FUNCTION vector_norm(vector)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_vector_norm';
COMMENT ON FUNCTION vector_norm(vector) IS
	'Euclidean norm';

CREATE FUNCTION l2_norm(vector)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_vector_norm';
COMMENT ON FUNCTION l2_norm(vector) IS
	'Euclidean norm';

CREATE FUNCTION l2_normalize(vector)
	RETURNS vector
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_vector_l2_normalize';
COMMENT ON FUNCTION l2_normalize(vector) IS
	'vector of the same direction with Euclidean norm 1';

CREATE FUNCTION subvector(vector, pg_catalog.int4, pg_catalog.int4)
	RETURNS vector
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_vector_subvector';
COMMENT ON FUNCTION subvector(vector, pg_catalog.int4, pg_catalog.int4) IS
	'elements from a start (counted from 1), as many as a count';

CREATE FUNCTION binary_quantize(vector)
	RETURNS pg_catalog."bit"
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_vector_binary_quantize';
COMMENT ON FUNCTION binary_quantize(vector) IS
	'one bit an element, set where it is above 0';

--
-- vector: arithmetic
--

CREATE FUNCTION vector_add(vector, vector)
	RETURNS vector
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_vector_add';
COMMENT ON FUNCTION vector_add(vector, vector) IS
	'implementation of + operator';

CREATE FUNCTION vector_sub(vector, vector)
	RETURNS vector
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_vector_sub';
COMMENT ON FUNCTION vector_sub(vector, vector) IS
	'implementation of - operator';

CREATE FUNCTION vector_mul(vector, vector)
	RETURNS vector
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_vector_mul';
COMMENT ON FUNCTION vector_mul(vector, vector) IS
	'implementation of * operator';

CREATE FUNCTION vector_concat(vector, vector)
	RETURNS vector
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_vector_concat';
COMMENT ON FUNCTION vector_concat(vector, vector) IS
	'implementation of || operator';

CREATE OPERATOR + (
	LEFTARG = vector, RIGHTARG = vector,
	FUNCTION = vector_add,
	COMMUTATOR = +
);
COMMENT ON OPERATOR + (vector, vector) IS
	'add element by element';

CREATE OPERATOR - (
	LEFTARG = vector, RIGHTARG = vector,
	FUNCTION = vector_sub
);
COMMENT ON OPERATOR - (vector, vector) IS
	'subtract element by element';

CREATE OPERATOR * (
	LEFTARG = vector, RIGHTARG = vector,
	FUNCTION = vector_mul,
	COMMUTATOR = *
);
COMMENT ON OPERATOR * (vector, vector) IS
	'multiply element by element';

CREATE OPERATOR || (
	LEFTARG = vector, RIGHTARG = vector,
	FUNCTION = vector_concat
);
COMMENT ON OPERATOR || (vector, vector) IS
	'concatenate';

--
-- vector: order, as of arrays: the first elements that differ decide
--

CREATE FUNCTION vector_lt(vector, vector)
	RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_vector_lt';
COMMENT ON FUNCTION vector_lt(vector, vector) IS
	'implementation of < operator';

CREATE FUNCTION vector_le(vector, vector)
	RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_vector_le';
COMMENT ON FUNCTION vector_le(vector, vector) IS
	'implementation of <= operator';

CREATE FUNCTION vector_eq(vector, vector)
	RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_vector_eq';
COMMENT ON FUNCTION vector_eq(vector, vector) IS
	'implementation of = operator';

CREATE FUNCTION vector_ne(vector, vector)
	RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_vector_ne';
COMMENT ON FUNCTION vector_ne(vector, vector) IS
	'implementation of <> operator';

CREATE FUNCTION vector_ge(vector, vector)
	RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_vector_ge';
COMMENT ON FUNCTION vector_ge(vector, vector) IS
	'implementation of >= operator';

CREATE FUNCTION vector_gt(vector, vector)
	RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_vector_gt';
COMMENT ON FUNCTION vector_gt(vector, vector) IS
	'implementation of > operator';

CREATE FUNCTION vector_cmp(vector, vector)
	RETURNS pg_catalog.int4
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_vector_cmp';
COMMENT ON FUNCTION vector_cmp(vector, vector) IS
	'less-equal-greater';

CREATE OPERATOR < (
	LEFTARG = vector, RIGHTARG = vector,
	FUNCTION = vector_lt,
	COMMUTATOR = >,
	NEGATOR = >=,
	RESTRICT = pg_catalog.scalarltsel,
	JOIN = pg_catalog.scalarltjoinsel
);
COMMENT ON OPERATOR < (vector, vector) IS
	'less than';

CREATE OPERATOR <= (
	LEFTARG = vector, RIGHTARG = vector,
	FUNCTION = vector_le,
	COMMUTATOR = >=,
	NEGATOR = >,
	RESTRICT = pg_catalog.scalarlesel,
	JOIN = pg_catalog.scalarlejoinsel
);
COMMENT ON OPERATOR <= (vector, vector) IS
	'less than or equal';

CREATE OPERATOR = (
	LEFTARG = vector, RIGHTARG = vector,
	FUNCTION = vector_eq,
	COMMUTATOR = =,
	NEGATOR = <>,
	RESTRICT = pg_catalog.eqsel,
	JOIN = pg_catalog.eqjoinsel,
	MERGES
);
COMMENT ON OPERATOR = (vector, vector) IS
	'equal';

CREATE OPERATOR <> (
	LEFTARG = vector, RIGHTARG = vector,
	FUNCTION = vector_ne,
	COMMUTATOR = <>,
	NEGATOR = =,
	RESTRICT = pg_catalog.neqsel,
	JOIN = pg_catalog.neqjoinsel
);
COMMENT ON OPERATOR <> (vector, vector) IS
	'not equal';

CREATE OPERATOR >= (
	LEFTARG = vector, RIGHTARG = vector,
	FUNCTION = vector_ge,
	COMMUTATOR = <=,
	NEGATOR = <,
	RESTRICT = pg_catalog.scalargesel,
	JOIN = pg_catalog.scalargejoinsel
);
COMMENT ON OPERATOR >= (vector, vector) IS
	'greater than or equal';

CREATE OPERATOR > (
	LEFTARG = vector, RIGHTARG = vector,
	FUNCTION = vector_gt,
	COMMUTATOR = <,
	NEGATOR = <=,
	RESTRICT = pg_catalog.scalargtsel,
	JOIN = pg_catalog.scalargtjoinsel
);
COMMENT ON OPERATOR > (vector, vector) IS
	'greater than';

CREATE OPERATOR FAMILY vector_ops USING btree;
COMMENT ON OPERATOR FAMILY vector_ops USING btree IS
	'order of vectors, element by element';

CREATE OPERATOR CLASS vector_ops
	DEFAULT FOR TYPE vector USING btree FAMILY vector_ops AS
	OPERATOR 1 < (vector, vector),
	OPERATOR 2 <= (vector, vector),
	OPERATOR 3 = (vector, vector),
	OPERATOR 4 >= (vector, vector),
	OPERATOR 5 > (vector, vector),
	FUNCTION 1 vector_cmp(vector, vector);
COMMENT ON OPERATOR CLASS vector_ops USING btree IS
	'order of vectors, element by element';

--
-- vector: aggregates
--

CREATE FUNCTION vector_accum(pg_catalog.float8[], vector)
	RETURNS pg_catalog.float8[]
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10
	AS 'MODULE_PATHNAME', 'vego_vector_accum';
COMMENT ON FUNCTION vector_accum(pg_catalog.float8[], vector) IS
	'aggregate transition function';

CREATE FUNCTION vector_combine(pg_catalog.float8[], pg_catalog.float8[])
	RETURNS pg_catalog.float8[]
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10
	AS 'MODULE_PATHNAME', 'vego_vector_combine';
COMMENT ON FUNCTION vector_combine(pg_catalog.float8[], pg_catalog.float8[]) IS
	'aggregate combine function';

CREATE FUNCTION vector_avg(pg_catalog.float8[])
	RETURNS vector
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_vector_avg';
COMMENT ON FUNCTION vector_avg(pg_catalog.float8[]) IS
	'aggregate final function';

CREATE FUNCTION vector_sum(pg_catalog.float8[])
	RETURNS vector
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_vector_sum';
COMMENT ON FUNCTION vector_sum(pg_catalog.float8[]) IS
	'aggregate final function';

CREATE AGGREGATE avg(vector) (
	SFUNC = vector_accum,
	STYPE = pg_catalog.float8[],
	FINALFUNC = vector_avg,
	COMBINEFUNC = vector_combine,
	INITCOND = '{0}',
	PARALLEL = safe
);
COMMENT ON AGGREGATE avg(vector) IS
	'the average of all vectors, element by element';

CREATE AGGREGATE sum(vector) (
	SFUNC = vector_accum,
	STYPE = pg_catalog.float8[],
	FINALFUNC = vector_sum,
	COMBINEFUNC = vector_combine,
	INITCOND = '{0}',
	PARALLEL = safe
);
COMMENT ON AGGREGATE sum(vector) IS
	'the sum of all vectors, element by element';

--
-- The type halfvec
--

CREATE TYPE halfvec;

CREATE FUNCTION halfvec_in(pg_catalog.cstring, pg_catalog.oid, pg_catalog.int4)
	RETURNS halfvec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_halfvec_from_text';
COMMENT ON FUNCTION halfvec_in(pg_catalog.cstring, pg_catalog.oid, pg_catalog.int4) IS
	'I/O';

CREATE FUNCTION halfvec_out(halfvec)
	RETURNS pg_catalog.cstring
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_halfvec_to_text';
COMMENT ON FUNCTION halfvec_out(halfvec) IS
	'I/O';

CREATE FUNCTION halfvec_recv(pg_catalog.internal, pg_catalog.oid, pg_catalog.int4)
	RETURNS halfvec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_halfvec_from_wire';
COMMENT ON FUNCTION halfvec_recv(pg_catalog.internal, pg_catalog.oid, pg_catalog.int4) IS
	'I/O';

CREATE FUNCTION halfvec_send(halfvec)
	RETURNS pg_catalog.bytea
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_halfvec_to_wire';
COMMENT ON FUNCTION halfvec_send(halfvec) IS
	'I/O';

CREATE FUNCTION halfvec_typmod_in(pg_catalog.cstring[])
	RETURNS pg_catalog.int4
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_halfvec_typmod_in';
COMMENT ON FUNCTION halfvec_typmod_in(pg_catalog.cstring[]) IS
	'I/O typmod';

CREATE TYPE halfvec (
	INPUT = halfvec_in,
	OUTPUT = halfvec_out,
	RECEIVE = halfvec_recv,
	SEND = halfvec_send,
	TYPMOD_IN = halfvec_typmod_in,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = pg_catalog.int4,
	STORAGE = external
);
COMMENT ON TYPE halfvec IS
	'half-precision vector of 1 to 16000 dimensions, such as [1,2,3]';

--
-- halfvec: casts
--

CREATE FUNCTION halfvec(halfvec, pg_catalog.int4, pg_catalog.bool)
	RETURNS halfvec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_halfvec_coerce';
COMMENT ON FUNCTION halfvec(halfvec, pg_catalog.int4, pg_catalog.bool) IS
	'adjust halfvec() to typmod length';

CREATE FUNCTION array_to_halfvec(pg_catalog.int4[], pg_catalog.int4, pg_catalog.bool)
	RETURNS halfvec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_halfvec_from_array';
COMMENT ON FUNCTION array_to_halfvec(pg_catalog.int4[], pg_catalog.int4, pg_catalog.bool) IS
	'convert array to halfvec';

CREATE FUNCTION array_to_halfvec(pg_catalog.float4[], pg_catalog.int4, pg_catalog.bool)
	RETURNS halfvec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_halfvec_from_array';
COMMENT ON FUNCTION array_to_halfvec(pg_catalog.float4[], pg_catalog.int4, pg_catalog.bool) IS
	'convert array to halfvec';

CREATE FUNCTION array_to_halfvec(pg_catalog.float8[], pg_catalog.int4, pg_catalog.bool)
	RETURNS halfvec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_halfvec_from_array';
COMMENT ON FUNCTION array_to_halfvec(pg_catalog.float8[], pg_catalog.int4, pg_catalog.bool) IS
	'convert array to halfvec';

CREATE FUNCTION array_to_halfvec(pg_catalog."numeric"[], pg_catalog.int4, pg_catalog.bool)
	RETURNS halfvec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_halfvec_from_array';
COMMENT ON FUNCTION array_to_halfvec(pg_catalog."numeric"[], pg_catalog.int4, pg_catalog.bool) IS
	'convert array to halfvec';

CREATE FUNCTION halfvec_to_float4(halfvec, pg_catalog.int4, pg_catalog.bool)
	RETURNS pg_catalog.float4[]
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_halfvec_to_float4_array';
COMMENT ON FUNCTION halfvec_to_float4(halfvec, pg_catalog.int4, pg_catalog.bool) IS
	'convert halfvec to real[]';

CREATE CAST (halfvec AS halfvec)
	WITH FUNCTION halfvec(halfvec, pg_catalog.int4, pg_catalog.bool)
	AS IMPLICIT;
COMMENT ON CAST (halfvec AS halfvec) IS
	'check the number of dimensions';

CREATE CAST (halfvec AS pg_catalog.float4[])
	WITH FUNCTION halfvec_to_float4(halfvec, pg_catalog.int4, pg_catalog.bool)
	AS ASSIGNMENT;
COMMENT ON CAST (halfvec AS pg_catalog.float4[]) IS
	'the elements, unchanged';

CREATE CAST (pg_catalog.int4[] AS halfvec)
	WITH FUNCTION array_to_halfvec(pg_catalog.int4[], pg_catalog.int4, pg_catalog.bool)
	AS ASSIGNMENT;
COMMENT ON CAST (pg_catalog.int4[] AS halfvec) IS
	'each element rounded to half precision';

CREATE CAST (pg_catalog.float4[] AS halfvec)
	WITH FUNCTION array_to_halfvec(pg_catalog.float4[], pg_catalog.int4, pg_catalog.bool)
	AS ASSIGNMENT;
COMMENT ON CAST (pg_catalog.float4[] AS halfvec) IS
	'each element rounded to half precision';

CREATE CAST (pg_catalog.float8[] AS halfvec)
	WITH FUNCTION array_to_halfvec(pg_catalog.float8[], pg_catalog.int4, pg_catalog.bool)
	AS ASSIGNMENT;
COMMENT ON CAST (pg_catalog.float8[] AS halfvec) IS
	'each element rounded to half precision';

CREATE CAST (pg_catalog."numeric"[] AS halfvec)
	WITH FUNCTION array_to_halfvec(pg_catalog."numeric"[], pg_catalog.int4, pg_catalog.bool)
	AS ASSIGNMENT;
COMMENT ON CAST (pg_catalog."numeric"[] AS halfvec) IS
	'each element rounded to half precision';

--
-- halfvec: distances
--

CREATE FUNCTION vego_halfvec_distance_support(pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_halfvec_distance_support';
COMMENT ON FUNCTION vego_halfvec_distance_support(pg_catalog.internal) IS
	'tells the planner what a distance costs';

CREATE FUNCTION l2_distance(halfvec, halfvec)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	SUPPORT vego_halfvec_distance_support
	AS 'MODULE_PATHNAME', 'vego_halfvec_l2_distance';
COMMENT ON FUNCTION l2_distance(halfvec, halfvec) IS
	'Euclidean distance';

CREATE FUNCTION inner_product(halfvec, halfvec)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	SUPPORT vego_halfvec_distance_support
	AS 'MODULE_PATHNAME', 'vego_halfvec_inner_product';
COMMENT ON FUNCTION inner_product(halfvec, halfvec) IS
	'inner product';

CREATE FUNCTION cosine_distance(halfvec, halfvec)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	SUPPORT vego_halfvec_distance_support
	AS 'MODULE_PATHNAME', 'vego_halfvec_cosine_distance';
COMMENT ON FUNCTION cosine_distance(halfvec, halfvec) IS
	'cosine distance, 1 - cos of the angle';

CREATE FUNCTION l1_distance(halfvec, halfvec)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	SUPPORT vego_halfvec_distance_support
	AS 'MODULE_PATHNAME', 'vego_halfvec_l1_distance';
COMMENT ON FUNCTION l1_distance(halfvec, halfvec) IS
	'taxicab distance';

CREATE FUNCTION halfvec_negative_inner_product(halfvec, halfvec)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	SUPPORT vego_halfvec_distance_support
	AS 'MODULE_PATHNAME', 'vego_halfvec_negative_inner_product';
COMMENT ON FUNCTION halfvec_negative_inner_product(halfvec, halfvec) IS
	'implementation of <#> operator';

CREATE OPERATOR <-> (
	LEFTARG = halfvec, RIGHTARG = halfvec,
	FUNCTION = l2_distance,
	COMMUTATOR = <->
);
COMMENT ON OPERATOR <-> (halfvec, halfvec) IS
	'Euclidean distance';

CREATE OPERATOR <#> (
	LEFTARG = halfvec, RIGHTARG = halfvec,
	FUNCTION = halfvec_negative_inner_product,
	COMMUTATOR = <#>
);
COMMENT ON OPERATOR <#> (halfvec, halfvec) IS
	'negative inner product';

CREATE OPERATOR <=> (
	LEFTARG = halfvec, RIGHTARG = halfvec,
	FUNCTION = cosine_distance,
	COMMUTATOR = <=>
);
COMMENT ON OPERATOR <=> (halfvec, halfvec) IS
	'cosine distance';

CREATE OPERATOR <+> (
	LEFTARG = halfvec, RIGHTARG = halfvec,
	FUNCTION = l1_distance,
	COMMUTATOR = <+>
);
COMMENT ON OPERATOR <+> (halfvec, halfvec) IS
	'taxicab distance';

--
-- halfvec: functions
--

CREATE FUNCTION vector_dims(halfvec)
	RETURNS pg_catalog.int4
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_halfvec_dims';
COMMENT ON FUNCTION vector_dims(halfvec) IS
	'number of dimensions';

CREATE FUNCTION l2_norm(halfvec)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_halfvec_norm';
COMMENT ON FUNCTION l2_norm(halfvec) IS
	'Euclidean norm';

CREATE FUNCTION l2_normalize(halfvec)
	RETURNS halfvec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_halfvec_l2_normalize';
COMMENT ON FUNCTION l2_normalize(halfvec) IS
	'vector of the same direction with Euclidean norm 1';

CREATE FUNCTION subvector(halfvec, pg_catalog.int4, pg_catalog.int4)
	RETURNS halfvec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_halfvec_subvector';
COMMENT ON FUNCTION subvector(halfvec, pg_catalog.int4, pg_catalog.int4) IS
	'elements from a start (counted from 1), as many as a count';

CREATE FUNCTION binary_quantize(halfvec)
	RETURNS pg_catalog."bit"
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_halfvec_binary_quantize';
COMMENT ON FUNCTION binary_quantize(halfvec) IS
	'one bit an element, set where it is above 0';

--
-- halfvec: arithmetic
--

CREATE FUNCTION halfvec_add(halfvec, halfvec)
	RETURNS halfvec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_halfvec_add';
COMMENT ON FUNCTION halfvec_add(halfvec, halfvec) IS
	'implementation of + operator';

CREATE FUNCTION halfvec_sub(halfvec, halfvec)
	RETURNS halfvec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_halfvec_sub';
COMMENT ON FUNCTION halfvec_sub(halfvec, halfvec) IS
	'implementation of - operator';

CREATE FUNCTION halfvec_mul(halfvec, halfvec)
	RETURNS halfvec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_halfvec_mul';
COMMENT ON FUNCTION halfvec_mul(halfvec, halfvec) IS
	'implementation of * operator';

CREATE FUNCTION halfvec_concat(halfvec, halfvec)
	RETURNS halfvec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_halfvec_concat';
COMMENT ON FUNCTION halfvec_concat(halfvec, halfvec) IS
	'implementation of || operator';

CREATE OPERATOR + (
	LEFTARG = halfvec, RIGHTARG = halfvec,
	FUNCTION = halfvec_add,
	COMMUTATOR = +
);
COMMENT ON OPERATOR + (halfvec, halfvec) IS
	'add element by element';

CREATE OPERATOR - (
	LEFTARG = halfvec, RIGHTARG = halfvec,
	FUNCTION = halfvec_sub
);
COMMENT ON OPERATOR - (halfvec, halfvec) IS
	'subtract element by element';

CREATE OPERATOR * (
	LEFTARG = halfvec, RIGHTARG = halfvec,
	FUNCTION = halfvec_mul,
	COMMUTATOR = *
);
COMMENT ON OPERATOR * (halfvec, halfvec) IS
	'multiply element by element';

CREATE OPERATOR || (
	LEFTARG = halfvec, RIGHTARG = halfvec,
	FUNCTION = halfvec_concat
);
COMMENT ON OPERATOR || (halfvec, halfvec) IS
	'concatenate';

--
-- halfvec: order, as of arrays: the first elements that differ decide
--

CREATE FUNCTION halfvec_lt(halfvec, halfvec)
	RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_halfvec_lt';
COMMENT ON FUNCTION halfvec_lt(halfvec, halfvec) IS
	'implementation of < operator';

CREATE FUNCTION halfvec_le(halfvec, halfvec)
	RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_halfvec_le';
COMMENT ON FUNCTION halfvec_le(halfvec, halfvec) IS
	'implementation of <= operator';

CREATE FUNCTION halfvec_eq(halfvec, halfvec)
	RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_halfvec_eq';
COMMENT ON FUNCTION halfvec_eq(halfvec, halfvec) IS
	'implementation of = operator';

CREATE FUNCTION halfvec_ne(halfvec, halfvec)
	RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_halfvec_ne';
COMMENT ON FUNCTION halfvec_ne(halfvec, halfvec) IS
	'implementation of <> operator';

CREATE FUNCTION halfvec_ge(halfvec, halfvec)
	RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_halfvec_ge';
COMMENT ON FUNCTION halfvec_ge(halfvec, halfvec) IS
	'implementation of >= operator';

CREATE FUNCTION halfvec_gt(halfvec, halfvec)
	RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_halfvec_gt';
COMMENT ON FUNCTION halfvec_gt(halfvec, halfvec) IS
	'implementation of > operator';

CREATE FUNCTION halfvec_cmp(halfvec, halfvec)
	RETURNS pg_catalog.int4
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_halfvec_cmp';
COMMENT ON FUNCTION halfvec_cmp(halfvec, halfvec) IS
	'less-equal-greater';

CREATE OPERATOR < (
	LEFTARG = halfvec, RIGHTARG = halfvec,
	FUNCTION = halfvec_lt,
	COMMUTATOR = >,
	NEGATOR = >=,
	RESTRICT = pg_catalog.scalarltsel,
	JOIN = pg_catalog.scalarltjoinsel
);
COMMENT ON OPERATOR < (halfvec, halfvec) IS
	'less than';

CREATE OPERATOR <= (
	LEFTARG = halfvec, RIGHTARG = halfvec,
	FUNCTION = halfvec_le,
	COMMUTATOR = >=,
	NEGATOR = >,
	RESTRICT = pg_catalog.scalarlesel,
	JOIN = pg_catalog.scalarlejoinsel
);
COMMENT ON OPERATOR <= (halfvec, halfvec) IS
	'less than or equal';

CREATE OPERATOR = (
	LEFTARG = halfvec, RIGHTARG = halfvec,
	FUNCTION = halfvec_eq,
	COMMUTATOR = =,
	NEGATOR = <>,
	RESTRICT = pg_catalog.eqsel,
	JOIN = pg_catalog.eqjoinsel,
	MERGES
);
COMMENT ON OPERATOR = (halfvec, halfvec) IS
	'equal';

CREATE OPERATOR <> (
	LEFTARG = halfvec, RIGHTARG = halfvec,
	FUNCTION = halfvec_ne,
	COMMUTATOR = <>,
	NEGATOR = =,
	RESTRICT = pg_catalog.neqsel,
	JOIN = pg_catalog.neqjoinsel
);
COMMENT ON OPERATOR <> (halfvec, halfvec) IS
	'not equal';

CREATE OPERATOR >= (
	LEFTARG = halfvec, RIGHTARG = halfvec,
	FUNCTION = halfvec_ge,
	COMMUTATOR = <=,
	NEGATOR = <,
	RESTRICT = pg_catalog.scalargesel,
	JOIN = pg_catalog.scalargejoinsel
);
COMMENT ON OPERATOR >= (halfvec, halfvec) IS
	'greater than or equal';

CREATE OPERATOR > (
	LEFTARG = halfvec, RIGHTARG = halfvec,
	FUNCTION = halfvec_gt,
	COMMUTATOR = <,
	NEGATOR = <=,
	RESTRICT = pg_catalog.scalargtsel,
	JOIN = pg_catalog.scalargtjoinsel
);
COMMENT ON OPERATOR > (halfvec, halfvec) IS
	'greater than';

CREATE OPERATOR FAMILY halfvec_ops USING btree;
COMMENT ON OPERATOR FAMILY halfvec_ops USING btree IS
	'order of vectors, element by element';

CREATE OPERATOR CLASS halfvec_ops
	DEFAULT FOR TYPE halfvec USING btree FAMILY halfvec_ops AS
	OPERATOR 1 < (halfvec, halfvec),
	OPERATOR 2 <= (halfvec, halfvec),
	OPERATOR 3 = (halfvec, halfvec),
	OPERATOR 4 >= (halfvec, halfvec),
	OPERATOR 5 > (halfvec, halfvec),
	FUNCTION 1 halfvec_cmp(halfvec, halfvec);
COMMENT ON OPERATOR CLASS halfvec_ops USING btree IS
	'order of vectors, element by element';

--
-- halfvec: aggregates
--

CREATE FUNCTION halfvec_accum(pg_catalog.float8[], halfvec)
	RETURNS pg_catalog.float8[]
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10
	AS 'MODULE_PATHNAME', 'vego_halfvec_accum';
COMMENT ON FUNCTION halfvec_accum(pg_catalog.float8[], halfvec) IS
	'aggregate transition function';

CREATE FUNCTION halfvec_combine(pg_catalog.float8[], pg_catalog.float8[])
	RETURNS pg_catalog.float8[]
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10
	AS 'MODULE_PATHNAME', 'vego_halfvec_combine';
COMMENT ON FUNCTION halfvec_combine(pg_catalog.float8[], pg_catalog.float8[]) IS
	'aggregate combine function';

CREATE FUNCTION halfvec_avg(pg_catalog.float8[])
	RETURNS halfvec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_halfvec_avg';
COMMENT ON FUNCTION halfvec_avg(pg_catalog.float8[]) IS
	'aggregate final function';

CREATE FUNCTION halfvec_sum(pg_catalog.float8[])
	RETURNS halfvec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_halfvec_sum';
COMMENT ON FUNCTION halfvec_sum(pg_catalog.float8[]) IS
	'aggregate final function';

CREATE AGGREGATE avg(halfvec) (
	SFUNC = halfvec_accum,
	STYPE = pg_catalog.float8[],
	FINALFUNC = halfvec_avg,
	COMBINEFUNC = halfvec_combine,
	INITCOND = '{0}',
	PARALLEL = safe
);
COMMENT ON AGGREGATE avg(halfvec) IS
	'the average of all vectors, element by element';

CREATE AGGREGATE sum(halfvec) (
	SFUNC = halfvec_accum,
	STYPE = pg_catalog.float8[],
	FINALFUNC = halfvec_sum,
	COMBINEFUNC = halfvec_combine,
	INITCOND = '{0}',
	PARALLEL = safe
);
COMMENT ON AGGREGATE sum(halfvec) IS
	'the sum of all vectors, element by element';

--
-- The type sparsevec
--

CREATE TYPE sparsevec;

CREATE FUNCTION sparsevec_in(pg_catalog.cstring, pg_catalog.oid, pg_catalog.int4)
	RETURNS sparsevec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_sparsevec_from_text';
COMMENT ON FUNCTION sparsevec_in(pg_catalog.cstring, pg_catalog.oid, pg_catalog.int4) IS
	'I/O';

CREATE FUNCTION sparsevec_out(sparsevec)
	RETURNS pg_catalog.cstring
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_sparsevec_to_text';
COMMENT ON FUNCTION sparsevec_out(sparsevec) IS
	'I/O';

CREATE FUNCTION sparsevec_recv(pg_catalog.internal, pg_catalog.oid, pg_catalog.int4)
	RETURNS sparsevec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_sparsevec_from_wire';
COMMENT ON FUNCTION sparsevec_recv(pg_catalog.internal, pg_catalog.oid, pg_catalog.int4) IS
	'I/O';

CREATE FUNCTION sparsevec_send(sparsevec)
	RETURNS pg_catalog.bytea
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_sparsevec_to_wire';
COMMENT ON FUNCTION sparsevec_send(sparsevec) IS
	'I/O';

CREATE FUNCTION sparsevec_typmod_in(pg_catalog.cstring[])
	RETURNS pg_catalog.int4
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_sparsevec_typmod_in';
COMMENT ON FUNCTION sparsevec_typmod_in(pg_catalog.cstring[]) IS
	'I/O typmod';

CREATE TYPE sparsevec (
	INPUT = sparsevec_in,
	OUTPUT = sparsevec_out,
	RECEIVE = sparsevec_recv,
	SEND = sparsevec_send,
	TYPMOD_IN = sparsevec_typmod_in,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = pg_catalog.int4,
	STORAGE = external
);
COMMENT ON TYPE sparsevec IS
	'sparse single-precision vector of 1 to 1000000000 dimensions, such as {1:1.5,3:2}/5';

--
-- sparsevec: casts
--

CREATE FUNCTION sparsevec(sparsevec, pg_catalog.int4, pg_catalog.bool)
	RETURNS sparsevec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_sparsevec_coerce';
COMMENT ON FUNCTION sparsevec(sparsevec, pg_catalog.int4, pg_catalog.bool) IS
	'adjust sparsevec() to typmod length';

CREATE FUNCTION array_to_sparsevec(pg_catalog.int4[], pg_catalog.int4, pg_catalog.bool)
	RETURNS sparsevec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_sparsevec_from_array';
COMMENT ON FUNCTION array_to_sparsevec(pg_catalog.int4[], pg_catalog.int4, pg_catalog.bool) IS
	'convert array to sparsevec';

CREATE FUNCTION array_to_sparsevec(pg_catalog.float4[], pg_catalog.int4, pg_catalog.bool)
	RETURNS sparsevec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_sparsevec_from_array';
COMMENT ON FUNCTION array_to_sparsevec(pg_catalog.float4[], pg_catalog.int4, pg_catalog.bool) IS
	'convert array to sparsevec';

CREATE FUNCTION array_to_sparsevec(pg_catalog.float8[], pg_catalog.int4, pg_catalog.bool)
	RETURNS sparsevec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_sparsevec_from_array';
COMMENT ON FUNCTION array_to_sparsevec(pg_catalog.float8[], pg_catalog.int4, pg_catalog.bool) IS
	'convert array to sparsevec';

CREATE FUNCTION array_to_sparsevec(pg_catalog."numeric"[], pg_catalog.int4, pg_catalog.bool)
	RETURNS sparsevec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_sparsevec_from_array';
COMMENT ON FUNCTION array_to_sparsevec(pg_catalog."numeric"[], pg_catalog.int4, pg_catalog.bool) IS
	'convert array to sparsevec';

CREATE CAST (sparsevec AS sparsevec)
	WITH FUNCTION sparsevec(sparsevec, pg_catalog.int4, pg_catalog.bool)
	AS IMPLICIT;
COMMENT ON CAST (sparsevec AS sparsevec) IS
	'check the number of dimensions';

CREATE CAST (pg_catalog.int4[] AS sparsevec)
	WITH FUNCTION array_to_sparsevec(pg_catalog.int4[], pg_catalog.int4, pg_catalog.bool)
	AS ASSIGNMENT;
COMMENT ON CAST (pg_catalog.int4[] AS sparsevec) IS
	'each element rounded to single precision, without zeros';

CREATE CAST (pg_catalog.float4[] AS sparsevec)
	WITH FUNCTION array_to_sparsevec(pg_catalog.float4[], pg_catalog.int4, pg_catalog.bool)
	AS ASSIGNMENT;
COMMENT ON CAST (pg_catalog.float4[] AS sparsevec) IS
	'the elements, without zeros';

CREATE CAST (pg_catalog.float8[] AS sparsevec)
	WITH FUNCTION array_to_sparsevec(pg_catalog.float8[], pg_catalog.int4, pg_catalog.bool)
	AS ASSIGNMENT;
COMMENT ON CAST (pg_catalog.float8[] AS sparsevec) IS
	'each element rounded to single precision, without zeros';

CREATE CAST (pg_catalog."numeric"[] AS sparsevec)
	WITH FUNCTION array_to_sparsevec(pg_catalog."numeric"[], pg_catalog.int4, pg_catalog.bool)
	AS ASSIGNMENT;
COMMENT ON CAST (pg_catalog."numeric"[] AS sparsevec) IS
	'each element rounded to single precision, without zeros';

--
-- sparsevec: distances
--

CREATE FUNCTION vego_sparsevec_distance_support(pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_sparsevec_distance_support';
COMMENT ON FUNCTION vego_sparsevec_distance_support(pg_catalog.internal) IS
	'tells the planner what a distance costs';

CREATE FUNCTION l2_distance(sparsevec, sparsevec)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	SUPPORT vego_sparsevec_distance_support
	AS 'MODULE_PATHNAME', 'vego_sparsevec_l2_distance';
COMMENT ON FUNCTION l2_distance(sparsevec, sparsevec) IS
	'Euclidean distance';

CREATE FUNCTION inner_product(sparsevec, sparsevec)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	SUPPORT vego_sparsevec_distance_support
	AS 'MODULE_PATHNAME', 'vego_sparsevec_inner_product';
COMMENT ON FUNCTION inner_product(sparsevec, sparsevec) IS
	'inner product';

CREATE FUNCTION cosine_distance(sparsevec, sparsevec)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	SUPPORT vego_sparsevec_distance_support
	AS 'MODULE_PATHNAME', 'vego_sparsevec_cosine_distance';
COMMENT ON FUNCTION cosine_distance(sparsevec, sparsevec) IS
	'cosine distance, 1 - cos of the angle';

CREATE FUNCTION l1_distance(sparsevec, sparsevec)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	SUPPORT vego_sparsevec_distance_support
	AS 'MODULE_PATHNAME', 'vego_sparsevec_l1_distance';
COMMENT ON FUNCTION l1_distance(sparsevec, sparsevec) IS
	'taxicab distance';

CREATE FUNCTION sparsevec_negative_inner_product(sparsevec, sparsevec)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	SUPPORT vego_sparsevec_distance_support
	AS 'MODULE_PATHNAME', 'vego_sparsevec_negative_inner_product';
COMMENT ON FUNCTION sparsevec_negative_inner_product(sparsevec, sparsevec) IS
	'implementation of <#> operator';

CREATE OPERATOR <-> (
	LEFTARG = sparsevec, RIGHTARG = sparsevec,
	FUNCTION = l2_distance,
	COMMUTATOR = <->
);
COMMENT ON OPERATOR <-> (sparsevec, sparsevec) IS
	'Euclidean distance';

CREATE OPERATOR <#> (
	LEFTARG = sparsevec, RIGHTARG = sparsevec,
	FUNCTION = sparsevec_negative_inner_product,
	COMMUTATOR = <#>
);
COMMENT ON OPERATOR <#> (sparsevec, sparsevec) IS
	'negative inner product';

CREATE OPERATOR <=> (
	LEFTARG = sparsevec, RIGHTARG = sparsevec,
	FUNCTION = cosine_distance,
	COMMUTATOR = <=>
);
COMMENT ON OPERATOR <=> (sparsevec, sparsevec) IS
	'cosine distance';

CREATE OPERATOR <+> (
	LEFTARG = sparsevec, RIGHTARG = sparsevec,
	FUNCTION = l1_distance,
	COMMUTATOR = <+>
);
COMMENT ON OPERATOR <+> (sparsevec, sparsevec) IS
	'taxicab distance';

--
-- sparsevec: functions
--

CREATE FUNCTION vector_dims(sparsevec)
	RETURNS pg_catalog.int4
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_sparsevec_dims';
COMMENT ON FUNCTION vector_dims(sparsevec) IS
	'number of dimensions';

CREATE FUNCTION l2_norm(sparsevec)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_sparsevec_norm';
COMMENT ON FUNCTION l2_norm(sparsevec) IS
	'Euclidean norm';

CREATE FUNCTION l2_normalize(sparsevec)
	RETURNS sparsevec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_sparsevec_l2_normalize';
COMMENT ON FUNCTION l2_normalize(sparsevec) IS
	'vector of the same direction with Euclidean norm 1';

--
-- sparsevec: order, as of arrays: zeros count, and the first dimensions that differ decide
--

CREATE FUNCTION sparsevec_lt(sparsevec, sparsevec)
	RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_sparsevec_lt';
COMMENT ON FUNCTION sparsevec_lt(sparsevec, sparsevec) IS
	'implementation of < operator';

CREATE FUNCTION sparsevec_le(sparsevec, sparsevec)
	RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_sparsevec_le';
COMMENT ON FUNCTION sparsevec_le(sparsevec, sparsevec) IS
	'implementation of <= operator';

CREATE FUNCTION sparsevec_eq(sparsevec, sparsevec)
	RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_sparsevec_eq';
COMMENT ON FUNCTION sparsevec_eq(sparsevec, sparsevec) IS
	'implementation of = operator';

CREATE FUNCTION sparsevec_ne(sparsevec, sparsevec)
	RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_sparsevec_ne';
COMMENT ON FUNCTION sparsevec_ne(sparsevec, sparsevec) IS
	'implementation of <> operator';

CREATE FUNCTION sparsevec_ge(sparsevec, sparsevec)
	RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_sparsevec_ge';
COMMENT ON FUNCTION sparsevec_ge(sparsevec, sparsevec) IS
	'implementation of >= operator';

CREATE FUNCTION sparsevec_gt(sparsevec, sparsevec)
	RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_sparsevec_gt';
COMMENT ON FUNCTION sparsevec_gt(sparsevec, sparsevec) IS
	'implementation of > operator';

CREATE FUNCTION sparsevec_cmp(sparsevec, sparsevec)
	RETURNS pg_catalog.int4
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_sparsevec_cmp';
COMMENT ON FUNCTION sparsevec_cmp(sparsevec, sparsevec) IS
	'less-equal-greater';

CREATE OPERATOR < (
	LEFTARG = sparsevec, RIGHTARG = sparsevec,
	FUNCTION = sparsevec_lt,
	COMMUTATOR = >,
	NEGATOR = >=,
	RESTRICT = pg_catalog.scalarltsel,
	JOIN = pg_catalog.scalarltjoinsel
);
COMMENT ON OPERATOR < (sparsevec, sparsevec) IS
	'less than';

CREATE OPERATOR <= (
	LEFTARG = sparsevec, RIGHTARG = sparsevec,
	FUNCTION = sparsevec_le,
	COMMUTATOR = >=,
	NEGATOR = >,
	RESTRICT = pg_catalog.scalarlesel,
	JOIN = pg_catalog.scalarlejoinsel
);
COMMENT ON OPERATOR <= (sparsevec, sparsevec) IS
	'less than or equal';

CREATE OPERATOR = (
	LEFTARG = sparsevec, RIGHTARG = sparsevec,
	FUNCTION = sparsevec_eq,
	COMMUTATOR = =,
	NEGATOR = <>,
	RESTRICT = pg_catalog.eqsel,
	JOIN = pg_catalog.eqjoinsel,
	MERGES
);
COMMENT ON OPERATOR = (sparsevec, sparsevec) IS
	'equal';

CREATE OPERATOR <> (
	LEFTARG = sparsevec, RIGHTARG = sparsevec,
	FUNCTION = sparsevec_ne,
	COMMUTATOR = <>,
	NEGATOR = =,
	RESTRICT = pg_catalog.neqsel,
	JOIN = pg_catalog.neqjoinsel
);
COMMENT ON OPERATOR <> (sparsevec, sparsevec) IS
	'not equal';

CREATE OPERATOR >= (
	LEFTARG = sparsevec, RIGHTARG = sparsevec,
	FUNCTION = sparsevec_ge,
	COMMUTATOR = <=,
	NEGATOR = <,
	RESTRICT = pg_catalog.scalargesel,
	JOIN = pg_catalog.scalargejoinsel
);
COMMENT ON OPERATOR >= (sparsevec, sparsevec) IS
	'greater than or equal';

CREATE OPERATOR > (
	LEFTARG = sparsevec, RIGHTARG = sparsevec,
	FUNCTION = sparsevec_gt,
	COMMUTATOR = <,
	NEGATOR = <=,
	RESTRICT = pg_catalog.scalargtsel,
	JOIN = pg_catalog.scalargtjoinsel
);
COMMENT ON OPERATOR > (sparsevec, sparsevec) IS
	'greater than';

CREATE OPERATOR FAMILY sparsevec_ops USING btree;
COMMENT ON OPERATOR FAMILY sparsevec_ops USING btree IS
	'order of vectors, element by element';

CREATE OPERATOR CLASS sparsevec_ops
	DEFAULT FOR TYPE sparsevec USING btree FAMILY sparsevec_ops AS
	OPERATOR 1 < (sparsevec, sparsevec),
	OPERATOR 2 <= (sparsevec, sparsevec),
	OPERATOR 3 = (sparsevec, sparsevec),
	OPERATOR 4 >= (sparsevec, sparsevec),
	OPERATOR 5 > (sparsevec, sparsevec),
	FUNCTION 1 sparsevec_cmp(sparsevec, sparsevec);
COMMENT ON OPERATOR CLASS sparsevec_ops USING btree IS
	'order of vectors, element by element';

--
-- Casts between the types: implicit towards fewer bytes, as client libraries
-- expect
--

CREATE FUNCTION vector_to_halfvec(vector, pg_catalog.int4, pg_catalog.bool)
	RETURNS halfvec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_halfvec_from_vector';
COMMENT ON FUNCTION vector_to_halfvec(vector, pg_catalog.int4, pg_catalog.bool) IS
	'convert vector to halfvec';

CREATE CAST (vector AS halfvec)
	WITH FUNCTION vector_to_halfvec(vector, pg_catalog.int4, pg_catalog.bool)
	AS IMPLICIT;
COMMENT ON CAST (vector AS halfvec) IS
	'each element rounded to half precision';

CREATE FUNCTION halfvec_to_vector(halfvec, pg_catalog.int4, pg_catalog.bool)
	RETURNS vector
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_vector_from_halfvec';
COMMENT ON FUNCTION halfvec_to_vector(halfvec, pg_catalog.int4, pg_catalog.bool) IS
	'convert halfvec to vector';

CREATE CAST (halfvec AS vector)
	WITH FUNCTION halfvec_to_vector(halfvec, pg_catalog.int4, pg_catalog.bool)
	AS ASSIGNMENT;
COMMENT ON CAST (halfvec AS vector) IS
	'the elements, unchanged';

CREATE FUNCTION vector_to_sparsevec(vector, pg_catalog.int4, pg_catalog.bool)
	RETURNS sparsevec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_vector_to_sparsevec';
COMMENT ON FUNCTION vector_to_sparsevec(vector, pg_catalog.int4, pg_catalog.bool) IS
	'convert vector to sparsevec';

CREATE CAST (vector AS sparsevec)
	WITH FUNCTION vector_to_sparsevec(vector, pg_catalog.int4, pg_catalog.bool)
	AS IMPLICIT;
COMMENT ON CAST (vector AS sparsevec) IS
	'the elements, without zeros';

CREATE FUNCTION sparsevec_to_vector(sparsevec, pg_catalog.int4, pg_catalog.bool)
	RETURNS vector
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_vector_from_sparsevec';
COMMENT ON FUNCTION sparsevec_to_vector(sparsevec, pg_catalog.int4, pg_catalog.bool) IS
	'convert sparsevec to vector';

CREATE CAST (sparsevec AS vector)
	WITH FUNCTION sparsevec_to_vector(sparsevec, pg_catalog.int4, pg_catalog.bool)
	AS ASSIGNMENT;
COMMENT ON CAST (sparsevec AS vector) IS
	'the elements, with zeros between them';

CREATE FUNCTION halfvec_to_sparsevec(halfvec, pg_catalog.int4, pg_catalog.bool)
	RETURNS sparsevec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_halfvec_to_sparsevec';
COMMENT ON FUNCTION halfvec_to_sparsevec(halfvec, pg_catalog.int4, pg_catalog.bool) IS
	'convert halfvec to sparsevec';

CREATE CAST (halfvec AS sparsevec)
	WITH FUNCTION halfvec_to_sparsevec(halfvec, pg_catalog.int4, pg_catalog.bool)
	AS IMPLICIT;
COMMENT ON CAST (halfvec AS sparsevec) IS
	'the elements, without zeros';

CREATE FUNCTION sparsevec_to_halfvec(sparsevec, pg_catalog.int4, pg_catalog.bool)
	RETURNS halfvec
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 2
	AS 'MODULE_PATHNAME', 'vego_halfvec_from_sparsevec';
COMMENT ON FUNCTION sparsevec_to_halfvec(sparsevec, pg_catalog.int4, pg_catalog.bool) IS
	'convert sparsevec to halfvec';

CREATE CAST (sparsevec AS halfvec)
	WITH FUNCTION sparsevec_to_halfvec(sparsevec, pg_catalog.int4, pg_catalog.bool)
	AS ASSIGNMENT;
COMMENT ON CAST (sparsevec AS halfvec) IS
	'each element rounded to half precision, with zeros between them';

--
-- Bit strings
--

CREATE FUNCTION hamming_distance(pg_catalog."bit", pg_catalog."bit")
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_bit_hamming_distance';
COMMENT ON FUNCTION hamming_distance(pg_catalog."bit", pg_catalog."bit") IS
	'number of bits that differ';

CREATE FUNCTION jaccard_distance(pg_catalog."bit", pg_catalog."bit")
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
	AS 'MODULE_PATHNAME', 'vego_bit_jaccard_distance';
COMMENT ON FUNCTION jaccard_distance(pg_catalog."bit", pg_catalog."bit") IS
	'of the bits set in either, the part not set in both';

CREATE OPERATOR <~> (
	LEFTARG = pg_catalog."bit", RIGHTARG = pg_catalog."bit",
	FUNCTION = hamming_distance,
	COMMUTATOR = <~>
);
COMMENT ON OPERATOR <~> (pg_catalog."bit", pg_catalog."bit") IS
	'Hamming distance';

CREATE OPERATOR <%> (
	LEFTARG = pg_catalog."bit", RIGHTARG = pg_catalog."bit",
	FUNCTION = jaccard_distance,
	COMMUTATOR = <%>
);
COMMENT ON OPERATOR <%> (pg_catalog."bit", pg_catalog."bit") IS
	'Jaccard distance';

--
-- The access method vego_hnsw
--

CREATE FUNCTION vego_hnsw_handler(pg_catalog.internal)
	RETURNS pg_catalog.index_am_handler
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'vego_hnsw_handler';
COMMENT ON FUNCTION vego_hnsw_handler(pg_catalog.internal) IS
	'vego_hnsw index access method handler';

CREATE ACCESS METHOD vego_hnsw TYPE INDEX HANDLER vego_hnsw_handler;
COMMENT ON ACCESS METHOD vego_hnsw IS
	'nearest neighbours in exact order, from an HNSW graph over quantized vectors';

CREATE FUNCTION vego_vector_l2_support(pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_vector_l2_support';
COMMENT ON FUNCTION vego_vector_l2_support(pg_catalog.internal) IS
	'vego_hnsw support';

CREATE FUNCTION vego_vector_ip_support(pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_vector_ip_support';
COMMENT ON FUNCTION vego_vector_ip_support(pg_catalog.internal) IS
	'vego_hnsw support';

CREATE FUNCTION vego_vector_cosine_support(pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_vector_cosine_support';
COMMENT ON FUNCTION vego_vector_cosine_support(pg_catalog.internal) IS
	'vego_hnsw support';

CREATE FUNCTION vego_vector_l1_support(pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_vector_l1_support';
COMMENT ON FUNCTION vego_vector_l1_support(pg_catalog.internal) IS
	'vego_hnsw support';

CREATE OPERATOR CLASS vector_l2_ops
	DEFAULT FOR TYPE vector USING vego_hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY pg_catalog.float_ops,
	FUNCTION 1 l2_distance(vector, vector),
	FUNCTION 2 vego_vector_l2_support(pg_catalog.internal);
COMMENT ON OPERATOR CLASS vector_l2_ops USING vego_hnsw IS
	'Euclidean distance, <->';
COMMENT ON OPERATOR FAMILY vector_l2_ops USING vego_hnsw IS
	'Euclidean distance, <->';

CREATE OPERATOR CLASS vector_ip_ops
	FOR TYPE vector USING vego_hnsw AS
	OPERATOR 1 <#> (vector, vector) FOR ORDER BY pg_catalog.float_ops,
	FUNCTION 1 vector_negative_inner_product(vector, vector),
	FUNCTION 2 vego_vector_ip_support(pg_catalog.internal);
COMMENT ON OPERATOR CLASS vector_ip_ops USING vego_hnsw IS
	'negative inner product, <#>';
COMMENT ON OPERATOR FAMILY vector_ip_ops USING vego_hnsw IS
	'negative inner product, <#>';

CREATE OPERATOR CLASS vector_cosine_ops
	FOR TYPE vector USING vego_hnsw AS
	OPERATOR 1 <=> (vector, vector) FOR ORDER BY pg_catalog.float_ops,
	FUNCTION 1 cosine_distance(vector, vector),
	FUNCTION 2 vego_vector_cosine_support(pg_catalog.internal);
COMMENT ON OPERATOR CLASS vector_cosine_ops USING vego_hnsw IS
	'cosine distance, <=>; zero vectors are not indexed';
COMMENT ON OPERATOR FAMILY vector_cosine_ops USING vego_hnsw IS
	'cosine distance, <=>';

CREATE OPERATOR CLASS vector_l1_ops
	FOR TYPE vector USING vego_hnsw AS
	OPERATOR 1 <+> (vector, vector) FOR ORDER BY pg_catalog.float_ops,
	FUNCTION 1 l1_distance(vector, vector),
	FUNCTION 2 vego_vector_l1_support(pg_catalog.internal);
COMMENT ON OPERATOR CLASS vector_l1_ops USING vego_hnsw IS
	'taxicab distance, <+>';
COMMENT ON OPERATOR FAMILY vector_l1_ops USING vego_hnsw IS
	'taxicab distance, <+>';

CREATE FUNCTION vego_halfvec_l2_support(pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_halfvec_l2_support';
COMMENT ON FUNCTION vego_halfvec_l2_support(pg_catalog.internal) IS
	'vego_hnsw support';

CREATE FUNCTION vego_halfvec_ip_support(pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_halfvec_ip_support';
COMMENT ON FUNCTION vego_halfvec_ip_support(pg_catalog.internal) IS
	'vego_hnsw support';

CREATE FUNCTION vego_halfvec_cosine_support(pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_halfvec_cosine_support';
COMMENT ON FUNCTION vego_halfvec_cosine_support(pg_catalog.internal) IS
	'vego_hnsw support';

CREATE FUNCTION vego_halfvec_l1_support(pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_halfvec_l1_support';
COMMENT ON FUNCTION vego_halfvec_l1_support(pg_catalog.internal) IS
	'vego_hnsw support';

CREATE OPERATOR CLASS halfvec_l2_ops
	DEFAULT FOR TYPE halfvec USING vego_hnsw AS
	OPERATOR 1 <-> (halfvec, halfvec) FOR ORDER BY pg_catalog.float_ops,
	FUNCTION 1 l2_distance(halfvec, halfvec),
	FUNCTION 2 vego_halfvec_l2_support(pg_catalog.internal);
COMMENT ON OPERATOR CLASS halfvec_l2_ops USING vego_hnsw IS
	'Euclidean distance, <->';
COMMENT ON OPERATOR FAMILY halfvec_l2_ops USING vego_hnsw IS
	'Euclidean distance, <->';

CREATE OPERATOR CLASS halfvec_ip_ops
	FOR TYPE halfvec USING vego_hnsw AS
	OPERATOR 1 <#> (halfvec, halfvec) FOR ORDER BY pg_catalog.float_ops,
	FUNCTION 1 halfvec_negative_inner_product(halfvec, halfvec),
	FUNCTION 2 vego_halfvec_ip_support(pg_catalog.internal);
COMMENT ON OPERATOR CLASS halfvec_ip_ops USING vego_hnsw IS
	'negative inner product, <#>';
COMMENT ON OPERATOR FAMILY halfvec_ip_ops USING vego_hnsw IS
	'negative inner product, <#>';

CREATE OPERATOR CLASS halfvec_cosine_ops
	FOR TYPE halfvec USING vego_hnsw AS
	OPERATOR 1 <=> (halfvec, halfvec) FOR ORDER BY pg_catalog.float_ops,
	FUNCTION 1 cosine_distance(halfvec, halfvec),
	FUNCTION 2 vego_halfvec_cosine_support(pg_catalog.internal);
COMMENT ON OPERATOR CLASS halfvec_cosine_ops USING vego_hnsw IS
	'cosine distance, <=>; zero vectors are not indexed';
COMMENT ON OPERATOR FAMILY halfvec_cosine_ops USING vego_hnsw IS
	'cosine distance, <=>';

CREATE OPERATOR CLASS halfvec_l1_ops
	FOR TYPE halfvec USING vego_hnsw AS
	OPERATOR 1 <+> (halfvec, halfvec) FOR ORDER BY pg_catalog.float_ops,
	FUNCTION 1 l1_distance(halfvec, halfvec),
	FUNCTION 2 vego_halfvec_l1_support(pg_catalog.internal);
COMMENT ON OPERATOR CLASS halfvec_l1_ops USING vego_hnsw IS
	'taxicab distance, <+>';
COMMENT ON OPERATOR FAMILY halfvec_l1_ops USING vego_hnsw IS
	'taxicab distance, <+>';

CREATE FUNCTION vego_sparsevec_l2_support(pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_sparsevec_l2_support';
COMMENT ON FUNCTION vego_sparsevec_l2_support(pg_catalog.internal) IS
	'vego_hnsw support';

CREATE FUNCTION vego_sparsevec_ip_support(pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_sparsevec_ip_support';
COMMENT ON FUNCTION vego_sparsevec_ip_support(pg_catalog.internal) IS
	'vego_hnsw support';

CREATE FUNCTION vego_sparsevec_cosine_support(pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_sparsevec_cosine_support';
COMMENT ON FUNCTION vego_sparsevec_cosine_support(pg_catalog.internal) IS
	'vego_hnsw support';

CREATE FUNCTION vego_sparsevec_l1_support(pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_sparsevec_l1_support';
COMMENT ON FUNCTION vego_sparsevec_l1_support(pg_catalog.internal) IS
	'vego_hnsw support';

CREATE OPERATOR CLASS sparsevec_l2_ops
	DEFAULT FOR TYPE sparsevec USING vego_hnsw AS
	OPERATOR 1 <-> (sparsevec, sparsevec) FOR ORDER BY pg_catalog.float_ops,
	FUNCTION 1 l2_distance(sparsevec, sparsevec),
	FUNCTION 2 vego_sparsevec_l2_support(pg_catalog.internal);
COMMENT ON OPERATOR CLASS sparsevec_l2_ops USING vego_hnsw IS
	'Euclidean distance, <->';
COMMENT ON OPERATOR FAMILY sparsevec_l2_ops USING vego_hnsw IS
	'Euclidean distance, <->';

CREATE OPERATOR CLASS sparsevec_ip_ops
	FOR TYPE sparsevec USING vego_hnsw AS
	OPERATOR 1 <#> (sparsevec, sparsevec) FOR ORDER BY pg_catalog.float_ops,
	FUNCTION 1 sparsevec_negative_inner_product(sparsevec, sparsevec),
	FUNCTION 2 vego_sparsevec_ip_support(pg_catalog.internal);
COMMENT ON OPERATOR CLASS sparsevec_ip_ops USING vego_hnsw IS
	'negative inner product, <#>';
COMMENT ON OPERATOR FAMILY sparsevec_ip_ops USING vego_hnsw IS
	'negative inner product, <#>';

CREATE OPERATOR CLASS sparsevec_cosine_ops
	FOR TYPE sparsevec USING vego_hnsw AS
	OPERATOR 1 <=> (sparsevec, sparsevec) FOR ORDER BY pg_catalog.float_ops,
	FUNCTION 1 cosine_distance(sparsevec, sparsevec),
	FUNCTION 2 vego_sparsevec_cosine_support(pg_catalog.internal);
COMMENT ON OPERATOR CLASS sparsevec_cosine_ops USING vego_hnsw IS
	'cosine distance, <=>; zero vectors are not indexed';
COMMENT ON OPERATOR FAMILY sparsevec_cosine_ops USING vego_hnsw IS
	'cosine distance, <=>';

CREATE OPERATOR CLASS sparsevec_l1_ops
	FOR TYPE sparsevec USING vego_hnsw AS
	OPERATOR 1 <+> (sparsevec, sparsevec) FOR ORDER BY pg_catalog.float_ops,
	FUNCTION 1 l1_distance(sparsevec, sparsevec),
	FUNCTION 2 vego_sparsevec_l1_support(pg_catalog.internal);
COMMENT ON OPERATOR CLASS sparsevec_l1_ops USING vego_hnsw IS
	'taxicab distance, <+>';
COMMENT ON OPERATOR FAMILY sparsevec_l1_ops USING vego_hnsw IS
	'taxicab distance, <+>';

CREATE FUNCTION vego_bit_hamming_support(pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_bit_hamming_support';
COMMENT ON FUNCTION vego_bit_hamming_support(pg_catalog.internal) IS
	'vego_hnsw support';

CREATE FUNCTION vego_bit_jaccard_support(pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'vego_bit_jaccard_support';
COMMENT ON FUNCTION vego_bit_jaccard_support(pg_catalog.internal) IS
	'vego_hnsw support';

CREATE OPERATOR CLASS bit_hamming_ops
	DEFAULT FOR TYPE pg_catalog."bit" USING vego_hnsw AS
	OPERATOR 1 <~> (pg_catalog."bit", pg_catalog."bit") FOR ORDER BY pg_catalog.float_ops,
	FUNCTION 1 hamming_distance(pg_catalog."bit", pg_catalog."bit"),
	FUNCTION 2 vego_bit_hamming_support(pg_catalog.internal);
COMMENT ON OPERATOR CLASS bit_hamming_ops USING vego_hnsw IS
	'Hamming distance, <~>';
COMMENT ON OPERATOR FAMILY bit_hamming_ops USING vego_hnsw IS
	'Hamming distance, <~>';

CREATE OPERATOR CLASS bit_jaccard_ops
	FOR TYPE pg_catalog."bit" USING vego_hnsw AS
	OPERATOR 1 <%> (pg_catalog."bit", pg_catalog."bit") FOR ORDER BY pg_catalog.float_ops,
	FUNCTION 1 jaccard_distance(pg_catalog."bit", pg_catalog."bit"),
	FUNCTION 2 vego_bit_jaccard_support(pg_catalog.internal);
COMMENT ON OPERATOR CLASS bit_jaccard_ops USING vego_hnsw IS
	'Jaccard distance, <%>';
COMMENT ON OPERATOR FAMILY bit_jaccard_ops USING vego_hnsw IS
	'Jaccard distance, <%>';

--
-- Looking into an index
--

CREATE FUNCTION vego_check(
	index pg_catalog.regclass,
	heapallindexed pg_catalog.bool DEFAULT true,
	OUT code pg_catalog.text,
	OUT severity pg_catalog.text,
	OUT block pg_catalog.int8,
	OUT slot pg_catalog.int4,
	OUT finding pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE COST 1000000 ROWS 1
	AS 'MODULE_PATHNAME', 'vego_check';
COMMENT ON FUNCTION vego_check(pg_catalog.regclass, pg_catalog.bool) IS
	'what is wrong with a vego_hnsw index; no row of severity error when it is sound';
REVOKE EXECUTE ON FUNCTION vego_check(pg_catalog.regclass, pg_catalog.bool)
	FROM PUBLIC;

CREATE FUNCTION vego_recall(
	index pg_catalog.regclass,
	queries pg_catalog.int4 DEFAULT 100,
	k pg_catalog.int4 DEFAULT 10,
	ef pg_catalog.int4 DEFAULT NULL)
	RETURNS pg_catalog.float8
	LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000
	AS 'MODULE_PATHNAME', 'vego_recall';
COMMENT ON FUNCTION vego_recall(pg_catalog.regclass, pg_catalog.int4, pg_catalog.int4, pg_catalog.int4) IS
	'share of the true nearest rows that a vego_hnsw index finds, with rows of its table as queries';
REVOKE EXECUTE ON FUNCTION vego_recall(pg_catalog.regclass, pg_catalog.int4, pg_catalog.int4, pg_catalog.int4)
	FROM PUBLIC;

CREATE FUNCTION vego_estimate(
	"rows" pg_catalog.int8,
	dimensions pg_catalog.int4,
	type pg_catalog.text DEFAULT 'vector',
	bits pg_catalog.int4 DEFAULT NULL,
	m pg_catalog.int4 DEFAULT NULL,
	ef_construction pg_catalog.int4 DEFAULT NULL,
	exact pg_catalog.text DEFAULT 'off',
	processes pg_catalog.int4 DEFAULT 3,
	OUT index_bytes pg_catalog.int8,
	OUT build_memory pg_catalog.int8)
	RETURNS pg_catalog.record
	LANGUAGE c IMMUTABLE PARALLEL SAFE COST 1000
	AS 'MODULE_PATHNAME', 'vego_estimate';
COMMENT ON FUNCTION vego_estimate(pg_catalog.int8, pg_catalog.int4, pg_catalog.text, pg_catalog.int4, pg_catalog.int4, pg_catalog.int4, pg_catalog.text, pg_catalog.int4) IS
	'bytes of a vego_hnsw index that is to be built, and of maintenance_work_mem to build it in memory';

CREATE FUNCTION vego_stats(
	index pg_catalog.regclass,
	OUT nodes pg_catalog.int8,
	OUT levels pg_catalog.int4,
	OUT upper_nodes pg_catalog.int8,
	OUT dead_slots pg_catalog.int8,
	OUT free_slots pg_catalog.int8,
	OUT slots pg_catalog.int8,
	OUT mean_degree pg_catalog.float8,
	OUT min_degree pg_catalog.int4,
	OUT max_degree pg_catalog.int4,
	OUT dimensions pg_catalog.int4,
	OUT bits pg_catalog.int4,
	OUT m pg_catalog.int4,
	OUT metric pg_catalog.text,
	OUT entry_level pg_catalog.int4,
	OUT bytes pg_catalog.int8,
	OUT bytes_per_node pg_catalog.float8,
	OUT fill pg_catalog.float8,
	OUT ranked_by_hint pg_catalog.int8,
	OUT ranked_by_pin pg_catalog.int8,
	OUT expanded pg_catalog.int8,
	OUT reads pg_catalog.int8,
	OUT pins pg_catalog.int8,
	OUT prefetches pg_catalog.int8,
	OUT searches pg_catalog.int8,
	OUT rows_fetched pg_catalog.int8,
	OUT rows_returned pg_catalog.int8,
	OUT rows_withheld pg_catalog.int8,
	OUT exact pg_catalog.text,
	OUT exact_vectors pg_catalog.int8,
	OUT exact_bytes pg_catalog.int8,
	OUT exact_free_bytes pg_catalog.int8,
	OUT exact_reads pg_catalog.int8)
	RETURNS pg_catalog.record
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED COST 100000
	AS 'MODULE_PATHNAME', 'vego_stats';
COMMENT ON FUNCTION vego_stats(pg_catalog.regclass) IS
	'size and shape of a vego_hnsw index, and what this connection has done with it';
REVOKE EXECUTE ON FUNCTION vego_stats(pg_catalog.regclass)
	FROM PUBLIC;
