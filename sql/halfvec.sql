-- What is particular to half precision: rounding, range, and what is computed.

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

-- Every half that is finite and not below 0, as a double and as it is: a
-- multiple of 2^-24.
CREATE TEMP TABLE halves AS
SELECT e * 1024 + f AS bits,
	   CASE WHEN e = 0 THEN f * 2.0::float8 ^ -24
			ELSE (1024 + f) * 2.0::float8 ^ (e - 25) END AS x,
	   (CASE WHEN e = 0 THEN f ELSE (1024 + f) * (1::bigint << (e - 1)) END)::numeric
			* 0.000000059604644775390625 AS exact
FROM generate_series(0, 30) e, generate_series(0, 1023) f;

SELECT '[1,2,3]'::halfvec, E' \t\n[ 1 ,\r2\x0b,\f3 ] '::halfvec;
SELECT '[1.,.5,+2,-3.25,1e2,1E-2,1e+3,007,0x1p3]'::halfvec;

-- Output is the shortest decimal that reads back as the same half.
SELECT '[0.1,0.3333333333333333,1000.5,2049,6e-5,0.0001,0.00012345,1.2345]'::halfvec;
SELECT '[65504,-65504,0.00006103515625,5.9604644775390625e-8,-0]'::halfvec;

-- Every half comes back from its text, and no text is longer than that of the
-- float it is; none with fewer decimal places reads back.
SELECT count(*), bool_and(x::text::float8 = x) AS doubles,
	   bool_and(('[' || x || ']')::halfvec::vector = ARRAY[x]::vector) AS read,
	   bool_and(ARRAY[x]::halfvec::text::halfvec::vector = ARRAY[x]::vector) AS reads_back,
	   bool_and(length(ARRAY[x]::halfvec::text) <= length(ARRAY[x]::vector::text)) AS shorter
FROM halves;
WITH written AS (
	SELECT x, trim('[]' FROM ARRAY[x]::halfvec::text) AS text FROM halves
)
SELECT count(*) FILTER (WHERE ('[' || round(x::numeric, places - 1) || ']')::halfvec::real[] = ARRAY[x]::real[]) AS too_long
FROM written, LATERAL (SELECT length(split_part(text, '.', 2)) AS places) p
WHERE text LIKE '%.%' AND text NOT LIKE '%e%';

-- Halfway between two halves goes to the even one; ever so slightly above it
-- or below, to the other, even where a double cannot tell.
WITH midpoint AS (
	SELECT a.x AS low, b.x AS high, a.bits % 2 = 0 AS low_is_even,
		   (a.exact + b.exact) * 0.5 AS middle
	FROM halves a JOIN halves b ON b.bits = a.bits + 1
	WHERE a.bits % 7 = 0 OR a.bits < 1030
)
SELECT count(*) > 5000 AS many,
	   bool_and(('[' || middle || ']')::halfvec = ARRAY[CASE WHEN low_is_even THEN low ELSE high END]::halfvec) AS tie,
	   bool_and(('[' || middle || '00000000000000000000000001]')::halfvec = ARRAY[high]::halfvec) AS above,
	   bool_and(ARRAY[middle - 1e-40]::halfvec = ARRAY[low]::halfvec) AS below,
	   bool_and(ARRAY[middle::float8]::halfvec = ARRAY[CASE WHEN low_is_even THEN low ELSE high END]::halfvec) AS double_tie
FROM midpoint;

-- The casts of numeric[] and double precision[] agree with the text, those of
-- real[] and vector with double precision[]: each rounds once.
WITH sample AS (
	SELECT round((sin(i) * 2::float8 ^ (i % 40 - 24))::numeric, 12) AS x FROM generate_series(1, 20000) i
)
SELECT bool_and(('[' || x || ']')::halfvec = ARRAY[x]::halfvec) AS numerics,
	   bool_and(('[' || x || ']')::halfvec = ARRAY[x::float8]::halfvec) AS doubles,
	   bool_and(ARRAY[x::real]::halfvec = ARRAY[x::real::float8]::halfvec) AS reals,
	   bool_and(ARRAY[x::real]::vector::halfvec = ARRAY[x::real::float8]::halfvec) AS vectors
FROM sample;

-- The range: what rounds to infinity is refused, with the type's name.
SELECT '[65519,-65519,65519.99999999999999999999]'::halfvec;
SELECT '[2.98023223876953125e-8,2.980232238769531251e-8,-1e-400]'::halfvec;
SELECT statement, pg_temp.failure('SELECT ' || statement)
FROM unnest(ARRAY[$$'[65520]'::halfvec$$, $$'[1,-65520]'::halfvec$$, $$'[4e38]'::halfvec$$,
				  $$'[1e400]'::halfvec$$, $$'[NaN]'::halfvec$$, $$'[-inf]'::halfvec$$,
				  $$'{65520}'::real[]::halfvec$$, $$'{-65520}'::int[]::halfvec$$,
				  $$'{1e300}'::float8[]::halfvec$$, $$'{65520}'::numeric[]::halfvec$$,
				  $$'[65520]'::vector::halfvec$$, $$'[1,1e38]'::vector::halfvec$$,
				  $$'{3:65520}/5'::sparsevec::halfvec$$]) statement;
SELECT '{65519}'::real[]::halfvec, '[65519]'::vector::halfvec, '{1:65519}/1'::sparsevec::halfvec;

-- Not halfvecs.
SELECT text, pg_temp.failure(format('SELECT %L::halfvec', text))
FROM unnest(ARRAY['', '1', '{1:2}/3', '[', '[1', '[1,]', '[1 2]', '[1]]', '[a]', '[1e]', '[]']) text;

-- Arithmetic rounds once and stays in the range.
SELECT '[1,2,3]'::halfvec + '[10,20,-30]' AS sum,
	   '[1,2,3]'::halfvec - '[10,20,-30]' AS difference,
	   '[1,2,3]'::halfvec * '[10,20,-30]' AS product,
	   '[1,2,3]'::halfvec || '[10]' AS concatenation;
SELECT '[2048,2048]'::halfvec + '[1,3]', '[65504]'::halfvec - '[65504]',
	   '[6e-8]'::halfvec * '[0.6]', '[0]'::halfvec * '[-1]';
SELECT statement, pg_temp.failure('SELECT ' || statement)
FROM unnest(ARRAY[$$'[65504]'::halfvec + '[16]'$$, $$'[-65504]'::halfvec - '[65504]'$$,
				  $$'[256]'::halfvec * '[256]'$$, $$'[6e-8]'::halfvec * '[0.4]'$$,
				  $$'[1,2]'::halfvec + '[1]'$$, $$'[1,2]'::halfvec * '[1]'$$,
				  $$array_fill(1, ARRAY[8000])::halfvec || array_fill(1, ARRAY[8001])::halfvec$$]) statement;
SELECT bool_and(('[' || a || ']')::halfvec + ARRAY[b]::halfvec = ARRAY[a + b]::halfvec) AS sums,
	   bool_and(('[' || a || ']')::halfvec - ARRAY[b]::halfvec = ARRAY[a - b]::halfvec) AS differences,
	   bool_and(('[' || a || ']')::halfvec * ARRAY[b]::halfvec = ARRAY[a * b]::halfvec) AS products
FROM (SELECT a.x AS a, b.x * CASE WHEN b.bits % 2 = 0 THEN 1 ELSE -1 END AS b FROM halves a JOIN halves b
	  ON (a.bits * 12343 + 77) % 31744 = b.bits WHERE a.x * b.x BETWEEN 1e-6 AND 60000 AND a.x + b.x < 65504) pair;

-- Distances against double precision: all lengths, and the longest of the
-- largest.
CREATE TEMP TABLE pairs AS
SELECT n, size, a, b, a::real[] AS x, b::real[] AS y
FROM unnest(ARRAY[1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 100, 129, 1000, 4097]) n,
	 unnest(ARRAY[1, 1e-7, 1e-4, 1e4, 65504]) size,
	 LATERAL (SELECT ARRAY(SELECT sin(i + n) * size FROM generate_series(1, n) i)::halfvec AS a,
					 ARRAY(SELECT cos(i * i) * size FROM generate_series(1, n) i)::halfvec AS b) v;
SELECT count(*),
	   max(abs((a <-> b) - l2) / nullif(l2, 0)) < 1e-5 AS l2,
	   max(abs((a <#> b) + ip) / nullif(norms, 0)) < 1e-5 AS ip,
	   max(abs((a <=> b) - (1 - ip / nullif(norms, 0)))) < 1e-5 AS cosine,
	   max(abs((a <+> b) - l1) / nullif(l1, 0)) < 1e-5 AS l1,
	   max(abs(l2_norm(a) - norm) / nullif(norm, 0)) < 1e-12 AS norm
FROM pairs, LATERAL (
	SELECT sqrt(sum((x::float8 - y) ^ 2)) AS l2, sum(x::float8 * y) AS ip,
		   sum(abs(x::float8 - y)) AS l1, sqrt(sum(x::float8 ^ 2)) AS norm,
		   sqrt(sum(x::float8 ^ 2)) * sqrt(sum(y::float8 ^ 2)) AS norms
	FROM unnest(x, y) AS xy (x, y)) reference;
SELECT bool_and(a <-> b = b <-> a AND a <#> b = b <#> a AND a <=> b = b <=> a AND a <+> b = b <+> a) AS symmetric,
	   bool_and(a <-> a = 0 AND a <+> a = 0) AS zero,
	   bool_and(a <=> a BETWEEN 0 AND 1e-5 OR l2_norm(a) = 0) AS cosine_self
FROM pairs;
SELECT abs((a <-> b) / (131008 * sqrt(16000)) - 1) < 1e-6 AS l2, abs((a <#> b) / (65504.0 * 65504 * 16000) - 1) < 1e-6 AS ip,
	abs((a <=> b) - 2) < 1e-6 AS cosine, abs((a <+> b) / (131008.0 * 16000) - 1) < 1e-6 AS l1
FROM (SELECT array_fill(65504, ARRAY[16000])::halfvec AS a,
			 array_fill(-65504, ARRAY[16000])::halfvec AS b) longest;
-- whatever the processor
SET vego.simd = scalar;
SELECT abs((a <-> b) / (131008 * sqrt(16000)) - 1) < 1e-6 AS l2, abs((a <#> b) / (65504.0 * 65504 * 16000) - 1) < 1e-6 AS ip,
	abs((a <=> b) - 2) < 1e-6 AS cosine, abs((a <+> b) / (131008.0 * 16000) - 1) < 1e-6 AS l1
FROM (SELECT array_fill(65504, ARRAY[16000])::halfvec AS a,
			 array_fill(-65504, ARRAY[16000])::halfvec AS b) longest;
RESET vego.simd;

SELECT l2_normalize('[3,-4]'::halfvec), l2_normalize('[65504]'::halfvec), l2_normalize('[-6e-8,0]'::halfvec);
SELECT start, count, subvector('[1,2,3,4,5]'::halfvec, start, count)
FROM (VALUES (1, 5), (5, 1), (2, 3), (3, 9), (0, 2), (2, 2147483647)) a (start, count);
SELECT pg_temp.failure($$SELECT subvector('[1,2,3]'::halfvec, 4, 1)$$);
SELECT binary_quantize('[1,0,-1,0.5,-0,6e-8,-6e-8,3]'::halfvec);

-- sum and avg: exact where a half would stop at 2048; only the result may
-- leave the range.
SELECT sum(v), avg(v) FROM unnest(ARRAY['[1,2,3]', NULL, '[3,5,-7]']::halfvec[]) v;
SELECT sum(v), avg(v) FROM unnest(ARRAY[]::halfvec[]) v;
SELECT sum(v) FROM unnest(ARRAY['[2048]', '[1]', '[1]']::halfvec[]) v;
SELECT avg(v) FROM unnest(ARRAY['[65504]', '[65504]']::halfvec[]) v;
SELECT sum(ARRAY[i]::halfvec) OVER (ORDER BY i) FROM generate_series(1, 3) i;
SELECT statement, pg_temp.failure('SELECT ' || statement)
FROM unnest(ARRAY[$$sum(v) FROM unnest(ARRAY['[65504]', '[65504]']::halfvec[]) v$$,
				  $$avg(v) FROM unnest(ARRAY['[1,2]', '[1]']::halfvec[]) v$$,
				  $$halfvec_accum('{}', '[1]')$$, $$halfvec_combine('{1,2}', '{1,2,3}')$$,
				  $$halfvec_avg('{1,NaN}')$$, $$halfvec_sum('{1,65520}')$$]) statement;
CREATE TABLE vego_half_items (id int, v halfvec(3));
INSERT INTO vego_half_items SELECT i, ARRAY[i % 2000, -1, i % 7]::halfvec FROM generate_series(1, 10000) i;
ANALYZE vego_half_items;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT avg(v) FROM vego_half_items;
SELECT avg(v) FROM vego_half_items;
SELECT sum(v) FROM vego_half_items WHERE id % 1000 = 1;
RESET max_parallel_workers_per_gather;
DROP TABLE vego_half_items;
