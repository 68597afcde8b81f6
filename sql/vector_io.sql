-- How a vector is written as text, and the type's modifier.

-- What a statement raises: SQLSTATE, message, detail.
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

-- White space is welcome around brackets, numbers and commas.
SELECT '[1,2,3]'::vector;
SELECT E' \t\n[ 1 ,\r2\x0b,\f3 ] '::vector;
SELECT NULL::vector;

-- What strtof reads, we read.
SELECT '[1.,.5,+2,-3.25,1e2,1E-2,1e+3,007,0x1p3]'::vector;

-- Output is the shortest decimal that reads back as the same float.
SELECT '[0.1,0.3333333333333333,1e20,1e-25,123456789,16777216]'::vector;

-- The largest and the smallest: FLT_MAX, FLT_MIN, the smallest subnormal.
SELECT '[3.4028235e38,-3.4028235e38,1.1754944e-38,1.4e-45]'::vector;
SELECT '[340282346638528859811704183484516925440]'::vector;

-- Beyond them: an error above, a zero of the same sign below.
SELECT pg_temp.failure($$SELECT '[1,4e38]'::vector$$);
SELECT pg_temp.failure($$SELECT '[-1e400 ,1]'::vector$$);
SELECT pg_temp.failure($$SELECT '[1e99999]'::vector$$);
SELECT '[1e-46,-1e-46,0,-0,0e99999]'::vector;

-- FLT_MAX and a half unit rounds to infinity, anything less to FLT_MAX.
SELECT '[340282356779733661637539395458142568447]'::vector;
SELECT pg_temp.failure(
	$$SELECT '[340282356779733661637539395458142568448]'::vector$$);

-- Halfway between two floats goes to the even one; ever so slightly above it
-- goes up, even where a double would hide the difference: above 2^53, floats
-- are 2^30 apart, and 2^53 + 2^29 + 1 is not a double.
SELECT '[16777217,16777219,16777217.0000000001]'::vector;
SELECT '[9007199791611904,9007199791611905]'::vector;

-- The text of any real is read as core reads it.
WITH sample AS (
	SELECT (sin(i) * 2::float8 ^ (i % 250 - 125))::real AS x
	FROM generate_series(1, 20000) i
)
SELECT count(*) FILTER (WHERE ('[' || x || ']')::vector <> ARRAY[x]::vector) AS read,
	   count(*) FILTER (WHERE ARRAY[x]::vector::text <> '[' || x || ']') AS written
FROM sample;

-- So is the text of any double, whatever its number of digits.
WITH sample AS (
	SELECT round(sin(i)::numeric * sqrt(i::numeric) * 10.0 ^ (i % 20 - 10), i % 30)::text AS x
	FROM generate_series(1, 20000) i
)
SELECT count(*) FILTER (WHERE ('[' || x || ']')::vector <> ARRAY[x::real]::vector) AS read
FROM sample;

-- Not numbers that a vector may hold.
SELECT pg_temp.failure($$SELECT '[NaN]'::vector$$);
SELECT pg_temp.failure($$SELECT '[1,-nan]'::vector$$);
SELECT pg_temp.failure($$SELECT '[Infinity]'::vector$$);
SELECT pg_temp.failure($$SELECT '[-inf]'::vector$$);

-- Not vectors.
SELECT text, pg_temp.failure(format('SELECT %L::vector', text))
FROM unnest(ARRAY['', ' ', '1', '{1,2}', '(1)', '[', '[1', '[1,', '[1,]',
				  '[,1]', '[1,,2]', '[1 2]', '[1;2]', '[1]]', '[1] x', '[1],[2]',
				  '[[1]]', '[a]', '[1a]', '[+-1]', '[.]', '[e5]', '[1e]',
				  '[1e+]', '[0x]', '[1.2.3]', '[--1]', '["1"]', '[null]',
				  '[1,2', 'x[1]']) text;

-- 1 to 16,000 dimensions.
SELECT pg_temp.failure($$SELECT '[]'::vector$$);
SELECT pg_temp.failure($$SELECT ' [ ] '::vector$$);
SELECT vector_dims(('[0' || repeat(',1', 15999) || ']')::vector);
SELECT pg_temp.failure($$SELECT ('[0' || repeat(',1', 16000) || ']')::vector$$);
SELECT length(('[' || repeat('-1.0000001e-30,', 15999) || '0]')::vector::text);

-- The type modifier.
CREATE TEMP TABLE items (any_length vector, three vector(3), longest vector(16000));
SELECT attname, format_type(atttypid, atttypmod)
FROM pg_attribute WHERE attrelid = 'items'::regclass AND attnum > 0;
INSERT INTO items (any_length, three) VALUES ('[1]', '[1,2,3]'), ('[1,2]', NULL);
SELECT * FROM items;
SELECT pg_temp.failure($$INSERT INTO items (three) VALUES ('[1,2,3,4]')$$);
SELECT pg_temp.failure($$SELECT '[1,2]'::vector(3)$$);
SELECT modifier, pg_temp.failure(format('SELECT NULL::vector(%s)', modifier))
FROM unnest(ARRAY['1', '16000', '0', '-1', '16001', '1, 2', '''three''',
				  '99999999999']) modifier;

-- Numbers of a list are those they are alone, whatever their lengths, spaces
-- and place in the list.
SELECT setseed(0.3);
WITH numbers AS MATERIALIZED (
	SELECT list, (ARRAY[
		(random() - 0.5)::real::text, (random() - 0.5)::text, (random() * 1000 - 500)::int::text,
		round((random() * 10)::numeric, (random() * 40)::int)::text,
		((random() - 0.5)::real * 1e-30)::text, '-.' || (random() * 1e9)::int,
		'+1234567890123456789012345678' || '.5e-2' || (random() * 9)::int,
		(random() * 1e9)::int || '.' || (random() * 1e9)::int || 'E-' || (random() * 20)::int,
		'000000000000000000000001.50000000000000000000000000000', '0x1p-3', '7.'
	])[1 + (random() * 10)::int] AS number
	FROM generate_series(1, 500) list, generate_series(1, 1 + list % 40)
), lists AS (
	SELECT list, array_agg((('[' || number || ']')::vector::real[])[1]) AS alone,
		   '[' || string_agg(number, ',') || ']' AS dense,
		   '[ ' || string_agg(number, CASE list % 3 WHEN 0 THEN ', ' WHEN 1 THEN ' ,' ELSE E'\t,\n' END)
			   || ' ]' AS spaced
	FROM numbers GROUP BY list
)
SELECT count(*), bool_and(dense::vector::real[] = alone) AS dense,
	   bool_and(spaced::vector::real[] = alone) AS spaced
FROM lists;
WITH numbers AS MATERIALIZED (
	SELECT list, ((random() - 0.5) * power(10, (random() * 12 - 8)::int))::text AS number
	FROM generate_series(1, 500) list, generate_series(1, 1 + list % 40)
), lists AS (
	SELECT list, array_agg((('[' || number || ']')::halfvec::real[])[1]) AS alone,
		   '[' || string_agg(number, ',') || ']' AS dense
	FROM numbers GROUP BY list
)
SELECT count(*), bool_and(dense::halfvec::real[] = alone) AS dense FROM lists;
SELECT ('[' || repeat('0.5,', 15999) || '1]')::vector::real[] = array_fill(0.5::real, ARRAY[15999]) || 1::real AS most;
SELECT ending, left(pg_temp.failure(format('SELECT (''['' || repeat(''0.5,'', 16000) || %L)::vector', ending)), 70)
FROM unnest(ARRAY['1]', 'x]']) ending;
SELECT list, pg_temp.failure(format('SELECT %L::vector', list))
FROM unnest(ARRAY['[0.5,0.5,]', '[0.5,,0.5]', '[0.5, 0.25,nan]', '[0.5 0.25,1]', '[0.5,0.25', '[0.5,1e39,1]']) list;
SELECT pg_temp.failure($$SELECT '[0.5,65520,1]'::halfvec$$);
