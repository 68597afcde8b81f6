-- Arithmetic and order.

CREATE FUNCTION pg_temp.failure(statement text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM);
END
$$;

SELECT '[1,2,3]'::vector + '[10,20,-30]' AS sum,
	   '[1,2,3]'::vector - '[10,20,-30]' AS difference,
	   '[1,2,3]'::vector * '[10,20,-30]' AS product,
	   '[1,2,3]'::vector || '[10]' AS concatenation;
SELECT '[1]'::vector + NULL, '[1]'::vector - NULL, '[1]'::vector * NULL,
	   '[1]'::vector || NULL;

-- Mismatched dimensions, except where they need not match.
SELECT operator, pg_temp.failure(
	format('SELECT ''[1,2,3]''::vector %s ''[1,2,3,4]''', operator))
FROM unnest(ARRAY['+', '-', '*', '||']) operator;

-- The edges of a float.
SELECT '[3.4028235e38]'::vector + '[0]', '[3.4028235e38]'::vector + '[-3.4028235e38]',
	   '[1e-45]'::vector - '[1e-45]', '[1e-45]'::vector * '[1]', '[0]'::vector * '[-1]';
SELECT pg_temp.failure($$SELECT '[1,3.4028235e38]'::vector + '[1,3.4028235e38]'$$);
SELECT pg_temp.failure($$SELECT '[-3e38]'::vector - '[3e38]'$$);
SELECT pg_temp.failure($$SELECT '[1e20]'::vector * '[-1e20]'$$);
SELECT pg_temp.failure($$SELECT '[1e-25]'::vector * '[1e-25]'$$);
SELECT vector_dims(array_fill(1, ARRAY[8000])::vector || array_fill(1, ARRAY[8000])::vector);
SELECT pg_temp.failure(
	$$SELECT array_fill(1, ARRAY[8000])::vector || array_fill(1, ARRAY[8001])::vector$$);

-- Order: the first elements that differ decide; a beginning is less than the
-- whole; -0 equals 0.
SELECT a, b, vector_cmp(a, b) AS cmp,
	   a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt
FROM (VALUES
	('[1,2]'::vector, '[1,2]'::vector), ('[1,2]', '[1,3]'), ('[2,1]', '[1,9]'),
	('[1,2]', '[1,2,-5]'), ('[1,2,-5]', '[1,2]'), ('[2]', '[1,5,5]'),
	('[-0]', '[0]'), ('[1e-45]', '[0]'), ('[-3.4028235e38]', '[3.4028235e38]'))
	AS pair (a, b);
SELECT '[1]'::vector < NULL, NULL::vector = NULL;

-- As arrays are ordered.
CREATE TEMP TABLE items (id int GENERATED ALWAYS AS IDENTITY, v vector);
INSERT INTO items (v)
SELECT ARRAY(SELECT floor(random() * 3) FROM generate_series(1, 1 + i % 4))::vector
FROM generate_series(1, 300) i;
SELECT count(*) FROM items a, items b
WHERE vector_cmp(a.v, b.v) <> btarraycmp(a.v::real[], b.v::real[]);

-- Sorting, grouping and a btree index, also on vectors that live in TOAST.
SELECT array_agg(v ORDER BY v) = ARRAY['[-1]','[0,1]','[1]','[1,0]','[2]']::vector[] AS sorted
FROM unnest(ARRAY['[2]','[1,0]','[-1]','[1]','[0,1]']::vector[]) v;
SELECT count(DISTINCT v) = (SELECT count(*) FROM (SELECT v FROM items GROUP BY v) g) AS same
FROM items;
CREATE UNIQUE INDEX ON items (v, id);
ANALYZE items;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT FROM items WHERE v = '[1,1]';
SELECT (SELECT count(*) FROM items WHERE v = '[1,1]') =
	   (SELECT count(*) FROM items WHERE v::text = '[1,1]') AS same;
SELECT (SELECT count(*) FROM items WHERE v > '[1]' AND v <= '[1,1]') =
	   (SELECT count(*) FROM items WHERE v::real[] > '{1}' AND v::real[] <= '{1,1}') AS same;
RESET enable_seqscan;
SET enable_hashjoin = off;
SET enable_nestloop = off;
EXPLAIN (COSTS OFF) SELECT FROM items a JOIN items b ON a.v = b.v;
SELECT (SELECT count(*) FROM items a JOIN items b ON a.v = b.v) =
	   (SELECT sum(n * n) FROM (SELECT count(*) n FROM items GROUP BY v) g) AS same;
RESET enable_hashjoin;
RESET enable_nestloop;
CREATE TEMP TABLE toasted (v vector(3000));
INSERT INTO toasted SELECT array_fill(i % 3, ARRAY[3000])::vector FROM generate_series(1, 9) i;
SELECT a.v = b.v AS equal, count(*) FROM toasted a, toasted b GROUP BY 1 ORDER BY 1;
