-- Which plan is taken, and that costs are numbers: nothing here is timed.
CREATE SCHEMA index_cost;
SET search_path = index_cost, vego_test, public;
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;

-- Narrow rows; rows with a vector out of line, and one that just fits.
CREATE TABLE narrow (id int, part int, v vector(16));
INSERT INTO narrow SELECT i, hashint4(i) & 1023, vector_of(i, 16) FROM generate_series(1, 10000) i;
CREATE TABLE wide (id int, part int, v vector(768));
INSERT INTO wide SELECT i, hashint4(i) & 1023, v || v || v || v || v || v || v || v
FROM generate_series(1, 2000) i, LATERAL (SELECT vector_of(i, 96) AS v) s;
CREATE TABLE inline (id int, part int, v vector(384));
INSERT INTO inline SELECT id, part, subvector(v, 1, 384) FROM wide;
CREATE INDEX narrow_near ON narrow USING vego_hnsw (v);
CREATE INDEX narrow_part ON narrow (part);
CREATE INDEX wide_near ON wide USING vego_hnsw (v);
CREATE INDEX wide_part ON wide (part);
CREATE INDEX inline_near ON inline USING vego_hnsw (v);
VACUUM ANALYZE narrow, wide, inline;

-- What a plan reads with: the names of its indexes, or its scan.
CREATE FUNCTION way(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) ' || statement INTO plan;
	RETURN coalesce(
		(SELECT string_agg(node #>> '{}', ' ') FROM jsonb_path_query(plan, 'strict $.**."Index Name"', silent => true) node),
		(SELECT string_agg(node #>> '{}', ' ') FROM jsonb_path_query(plan, 'strict $.**."Node Type"', silent => true) node
		 WHERE node #>> '{}' LIKE '%Scan'));
END
$$;
-- Costs to the first row and to the last, as long as they are numbers.
CREATE FUNCTION costs(statement text, OUT first float8, OUT last float8) LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) ' || statement INTO plan;
	first := plan #>> '{0,Plan,Startup Cost}';
	last := plan #>> '{0,Plan,Total Cost}';
	IF NOT (first >= 0 AND first <= last AND last < 1e9) THEN
		RAISE EXCEPTION 'costs % to % of: %', first, last, statement;
	END IF;
END
$$;

-- The nearest few of all, and of a good share, come from the index.
SELECT kind, way(format('SELECT id FROM %s ORDER BY v <-> (SELECT v FROM %1$s WHERE id = 1 LIMIT 1) LIMIT 10', kind))
FROM unnest(ARRAY['narrow', 'wide', 'inline']) kind;
SELECT kind, taken, way(format('SELECT id FROM %s %s ORDER BY v <-> array_fill(0.5, ARRAY[%s])::vector LIMIT %s',
	kind, condition, dims, taken))
FROM (VALUES ('narrow', 16), ('wide', 768), ('inline', 384)) k (kind, dims),
	 (VALUES (1, ''), (10, ''), (10, 'WHERE part < 512')) t (taken, condition);

-- Everything is sorted, and few rows that another index knows.
SELECT kind, way(format('SELECT id FROM %s ORDER BY v <-> array_fill(0.5, ARRAY[%s])::vector', kind, dims))
FROM (VALUES ('narrow', 16), ('wide', 768), ('inline', 384)) k (kind, dims);
SELECT kind, taken, way(format('SELECT id FROM %s WHERE part = 7 ORDER BY v <-> array_fill(0.5, ARRAY[%s])::vector LIMIT %s',
	kind, dims, taken))
FROM (VALUES ('narrow', 16), ('wide', 768)) k (kind, dims), (VALUES (1), (10), (1000)) t (taken);

-- Not without an order, even where all else is disabled and every row of a
-- partial index is asked for.
CREATE INDEX wide_half ON wide USING vego_hnsw (v) WHERE id > 1000;
SET enable_seqscan = off;
SELECT way('SELECT count(*) FROM wide WHERE id > 1000'), way('SELECT v FROM wide WHERE id > 1000');
RESET enable_seqscan;
-- of two, the smaller
SELECT way('SELECT id FROM wide WHERE id > 1000 ORDER BY v <-> array_fill(0.5, ARRAY[768])::vector LIMIT 10');
DROP INDEX wide_half;

-- More costs more: a wider search, more rows, fewer that pass, a longer vector.
CREATE FUNCTION cost(statement text, ef int DEFAULT 40) RETURNS float8 LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('vego.ef_search', ef::text, true),
			set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
			set_config('enable_sort', 'off', true);
	RETURN (costs(statement)).last;
END
$$;
SELECT cost('SELECT id FROM narrow ORDER BY v <-> vector_of(-1, 16) LIMIT 10') < cost('SELECT id FROM narrow ORDER BY v <-> vector_of(-1, 16) LIMIT 10', 80) AS wider,
	   cost('SELECT id FROM narrow ORDER BY v <-> vector_of(-1, 16) LIMIT 10') < cost('SELECT id FROM narrow ORDER BY v <-> vector_of(-1, 16) LIMIT 100') AS more,
	   cost('SELECT id FROM narrow ORDER BY v <-> vector_of(-1, 16) LIMIT 10') < cost('SELECT id FROM narrow WHERE part < 100 ORDER BY v <-> vector_of(-1, 16) LIMIT 10') AS fewer;
ALTER INDEX narrow_near SET (ef_search = 100);
SELECT cost('SELECT id FROM narrow ORDER BY v <-> vector_of(-1, 16) LIMIT 10', 100) = cost('SELECT id FROM narrow ORDER BY v <-> vector_of(-1, 16) LIMIT 10') AS of_the_index;
ALTER INDEX narrow_near RESET (ef_search);
SELECT (costs('SELECT v <-> v FROM narrow')).last / 10000 < (costs('SELECT v <-> v FROM inline')).last / 2000 AS longer,
	   2 * (costs('SELECT v <-> v FROM inline')).last < (costs('SELECT v <-> v FROM wide')).last AS out_of_line;

-- Numbers, whatever there is to go by.
CREATE TABLE few (id int, v vector(3), w vector);
CREATE INDEX ON few USING vego_hnsw (v);
CREATE INDEX ON few USING vego_hnsw ((w::vector(4))) WHERE id > 5;
SET enable_seqscan = off;
CREATE FUNCTION all_costs() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT way(s) FROM unnest(ARRAY[
		'SELECT id FROM few ORDER BY v <-> ''[1,2,3]'' LIMIT 1',
		'SELECT id FROM few WHERE id > 5 ORDER BY w::vector(4) <-> ''[1,2,3,4]''']) s, costs(s)
$$;
SELECT all_costs();
ANALYZE few;
SELECT all_costs();
INSERT INTO few SELECT i, vector_of(i, 3), vector_of(i, 4) FROM generate_series(1, 1000) i;
SELECT all_costs();
VACUUM ANALYZE few;
SELECT all_costs();
SET vego.ef_search = 10000;
SET cpu_operator_cost = 0;
SELECT all_costs();
SET random_page_cost = 0;
SET seq_page_cost = 0;
SET effective_cache_size = 1;
SELECT all_costs();
RESET cpu_operator_cost;
RESET random_page_cost;
SELECT all_costs();
RESET ALL;
SET client_min_messages = warning;

DROP SCHEMA index_cost CASCADE;
