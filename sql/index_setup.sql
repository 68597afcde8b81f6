-- What the tests of the index share, in a schema of its own.

CREATE SCHEMA vego_test;
SET search_path = vego_test, public;

-- Vectors that look random and are the same everywhere, elements in -1 .. 1.
CREATE FUNCTION vector_of(seed int, dims int) RETURNS vector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
	SELECT array_agg((hashint4(hashint4(seed) # j) / 2147483648.0)::real)::vector
	FROM generate_series(1, dims) j
$$;

-- Queries that are not among vector_of(1 ..).
CREATE FUNCTION queries_of(count int, dims int) RETURNS vector[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
	SELECT array_agg(vector_of(-i, dims)) FROM generate_series(1, count) i
$$;

-- Asks each query of the index and of the table, and compares: which share of
-- the true first k the index found, the fewest rows it returned, how often a
-- row came after a farther one, came twice, or with another distance than the
-- operator's.  `source` is what follows FROM; rows have an id.
CREATE FUNCTION compare(source text, operator text, queries vector[], k int,
						expression text DEFAULT 'v',
						OUT recall float8, OUT fewest int, OUT inversions int,
						OUT repeats int, OUT wrong int)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_sort = off SET enable_indexscan = on AS $$
DECLARE
	search text := format(
		'SELECT id, %s %s $1 AS d FROM %s ORDER BY %1$s %2$s $1 LIMIT $2',
		expression, operator, source);
	collect text := format(
		'SELECT coalesce(array_agg(id), ''{}'') AS ids, coalesce(array_agg(d), ''{}'') AS ds FROM (%s) s',
		search);
	query vector;
	plan text;
	found record;
	exact record;
	distances float8[];
	hits int := 0;
	all_hits int := 0;
BEGIN
	inversions := 0;
	repeats := 0;
	wrong := 0;
	FOREACH query IN ARRAY queries LOOP
		IF plan IS NULL THEN
			EXECUTE 'EXPLAIN (FORMAT json) ' || search INTO plan USING query, k;
			IF plan NOT LIKE '%"Order By"%' OR plan LIKE '%"Sort"%' THEN
				RAISE EXCEPTION 'no index gives the order of: %', search;
			END IF;
		END IF;
		EXECUTE collect INTO found USING query, k;
		PERFORM set_config('enable_indexscan', 'off', true),
				set_config('enable_seqscan', 'on', true),
				set_config('enable_sort', 'on', true);
		EXECUTE collect INTO exact USING query, k;
		EXECUTE format(
			'SELECT array_agg(d ORDER BY n) FROM unnest($2) WITH ORDINALITY AS f (id, n)
			 JOIN (SELECT id, %s %s $1 AS d FROM %s) AS t USING (id)',
			expression, operator, source)
			INTO distances USING query, found.ids;
		PERFORM set_config('enable_indexscan', 'on', true),
				set_config('enable_seqscan', 'off', true),
				set_config('enable_sort', 'off', true);

		fewest := least(fewest, cardinality(found.ids));
		wrong := wrong + (distances IS DISTINCT FROM nullif(found.ds, '{}'))::int;
		SELECT inversions + count(*) FILTER (WHERE d < before),
			   hits + count(*) FILTER (WHERE d <= exact.ds[cardinality(exact.ds)])
		INTO inversions, hits
		FROM (SELECT d, lag(d) OVER (ORDER BY n) AS before
			  FROM unnest(found.ds) WITH ORDINALITY AS f (d, n)) AS f;
		SELECT repeats + cardinality(found.ids) - count(DISTINCT id)
		INTO repeats FROM unnest(found.ids) AS id;
		all_hits := all_hits + cardinality(exact.ds);
	END LOOP;
	recall := CASE WHEN all_hits = 0 THEN 1 ELSE hits / all_hits::float8 END;
END
$$;

-- The plan of a statement, without costs.
CREATE FUNCTION plan_of(statement text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || statement;
END
$$;

-- What is said of a statement that is refused.
CREATE FUNCTION refusal(statement text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT,
		detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ' ' || message || coalesce(' / ' || nullif(detail, ''), '')
		|| coalesce(' / ' || nullif(hint, ''), '');
END
$$;

-- What is wrong with an index; no rows when nothing is.
CREATE FUNCTION faults(index regclass) RETURNS SETOF text
LANGUAGE sql AS $$
	SELECT format('%s at %s, %s: %s', code, block, slot, finding)
	FROM vego_check(index) WHERE severity = 'error'
$$;

-- A comparison without an index would prove nothing.
CREATE TABLE helped (id int, v vector(3));
SELECT refusal($$SELECT compare('helped', '<->', queries_of(1, 3), 5)$$);
SELECT refusal('SELECT 1 / 0'), refusal('SELECT 1');
SELECT vector_of(1, 2) <> vector_of(2, 2) AS differ, vector_dims(vector_of(1, 5));
DROP TABLE helped;
