-- Casts between vectors and arrays, and to a length.

CREATE FUNCTION pg_temp.failure(statement text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''));
END
$$;

SELECT ARRAY[1,2,-3]::vector;
SELECT ARRAY[1.5,2.25,-3]::real[]::vector;
SELECT ARRAY[1.5,2.25,-3]::double precision[]::vector;
SELECT ARRAY[1.5,2.25,-3]::numeric[]::vector;
SELECT '[1.5,2.25,-3]'::vector::real[];

-- Each element is rounded once.  16777217 is halfway between two floats.  The
-- numeric is a little above halfway, by less than a double can tell.
SELECT ARRAY[16777217, 2147483647, -2147483648]::vector;
SELECT ARRAY[16777217, 0.1, 1e-46, -1e-46]::double precision[]::vector;
SELECT ARRAY[16777217, 16777217.00000000000000000001, 1e-46]::numeric[]::vector;

-- Any lower bound will do; the one that comes back is 1.
SELECT array_dims('[5:6]={1,2}'::int[]::vector::real[]);

-- Both ways and back.
SELECT (a::vector)::real[] = a AS same
FROM (SELECT array_agg((sin(i) * 2::float8 ^ (i % 250 - 125))::real) a
	  FROM generate_series(1, 16000) i) sample;

-- Assignment casts serve INSERT; the cast to real[] also serves expressions.
CREATE TEMP TABLE items (v vector(2));
INSERT INTO items VALUES (ARRAY[1,2]), (ARRAY[1.5,2.5]),
	('{3,4}'::real[]), ('{5,6}'::double precision[]);
CREATE FUNCTION pg_temp.last_of(a real[]) RETURNS real
LANGUAGE sql AS 'SELECT a[cardinality(a)]';
SELECT v, pg_temp.last_of(v) FROM items;
SELECT pg_temp.failure($$INSERT INTO items VALUES (ARRAY[1,2,3])$$);

-- NULL, and NULL in it.
SELECT NULL::int[]::vector, NULL::vector::real[];
SELECT type, pg_temp.failure(format('SELECT ''{1,NULL}''::%s[]::vector', type))
FROM unnest(ARRAY['int', 'real', 'double precision', 'numeric']) type;

-- An array that had a NULL and has none now is fine.
SELECT (('{1,NULL,3}'::int[])[1:1] || 2)::vector;

-- The wrong shape.
SELECT type, pg_temp.failure(format('SELECT ''{{1,2},{3,4}}''::%s[]::vector', type))
FROM unnest(ARRAY['int', 'real', 'double precision', 'numeric']) type;
SELECT type, pg_temp.failure(format('SELECT ''{}''::%s[]::vector', type))
FROM unnest(ARRAY['int', 'real', 'double precision', 'numeric']) type;
SELECT vector_dims(array_fill(1, ARRAY[16000])::vector);
SELECT type, pg_temp.failure(
	format('SELECT array_fill(1::%s, ARRAY[16001])::vector', type))
FROM unnest(ARRAY['int', 'real', 'double precision', 'numeric']) type;

-- Not numbers that a vector may hold.
SELECT type, value, pg_temp.failure(format('SELECT ARRAY[%L]::%s[]::vector', value, type))
FROM unnest(ARRAY['real', 'double precision', 'numeric']) type,
	 unnest(ARRAY['NaN', 'Infinity', '-Infinity']) value;
SELECT type, pg_temp.failure(format('SELECT ARRAY[1, -1e39]::%s[]::vector', type))
FROM unnest(ARRAY['double precision', 'numeric']) type;

-- To a length.
SELECT v::vector(2) FROM items LIMIT 1;
SELECT pg_temp.failure($$SELECT v::vector(3) FROM items$$);
SELECT pg_temp.failure($$SELECT ARRAY[1,2]::vector(3)$$);
SELECT pg_temp.failure($$ALTER TABLE items ALTER v TYPE vector(3)$$);
ALTER TABLE items ALTER v TYPE vector;
INSERT INTO items VALUES ('[1,2,3]');
SELECT pg_temp.failure($$ALTER TABLE items ALTER v TYPE vector(2)$$);
