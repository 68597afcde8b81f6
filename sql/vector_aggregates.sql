-- sum and avg.

CREATE FUNCTION pg_temp.failure(statement text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM);
END
$$;

SELECT sum(v), avg(v) FROM unnest(ARRAY['[1,2,3]', '[3,5,-7]']::vector[]) v;
SELECT sum(v), avg(v) FROM unnest(ARRAY['[1,2,3]']::vector[]) v;

-- NULLs do not count, and of nothing there is nothing.
SELECT sum(v), avg(v) FROM unnest(ARRAY['[1,2]', NULL, '[4,4]']::vector[]) v;
SELECT sum(v), avg(v) FROM unnest(ARRAY[NULL]::vector[]) v;
SELECT sum(v), avg(v) FROM unnest(ARRAY[]::vector[]) v;

SELECT pg_temp.failure($$SELECT sum(v) FROM unnest(ARRAY['[1,2,3]', '[1,2,3,4]']::vector[]) v$$);
SELECT pg_temp.failure($$SELECT avg(v) FROM unnest(ARRAY['[1,2,3]', '[1]']::vector[]) v$$);

-- The sum may leave the range of a float on the way, but not at the end.
SELECT avg(v) FROM unnest(ARRAY['[3e38,-3e38]', '[3e38,-3e38]']::vector[]) v;
SELECT sum(v) FROM unnest(ARRAY['[3e38]', '[3e38]', '[-3e38]']::vector[]) v;
SELECT pg_temp.failure($$SELECT sum(v) FROM unnest(ARRAY['[3e38]', '[3e38]']::vector[]) v$$);
SELECT pg_temp.failure($$SELECT sum(v) FROM unnest(ARRAY['[-3e38]', '[-3e38]']::vector[]) v$$);

-- Summing is exact where a float would stop at 2^24.
SELECT sum(v) = '[16777218]' AS sum
FROM unnest(ARRAY['[16777216]', '[1]', '[1]']::vector[]) v;

-- DISTINCT, ORDER BY, FILTER, groups and windows.
SELECT sum(DISTINCT v), avg(v ORDER BY v), sum(v) FILTER (WHERE v > '[1]')
FROM unnest(ARRAY['[1]', '[1]', '[4]']::vector[]) v;
SELECT i % 3 AS g, sum(ARRAY[i, -i]::vector), avg(ARRAY[i, -i]::vector)
FROM generate_series(1, 9) i GROUP BY 1 ORDER BY 1;
SELECT i, sum(ARRAY[i]::vector) OVER (ORDER BY i) AS running,
	   avg(ARRAY[i]::vector) OVER (ORDER BY i ROWS 1 PRECEDING) AS moving
FROM generate_series(1, 4) i;

-- In parallel, where some workers see no row.
CREATE TABLE vego_aggregate_items (id int, v vector(3));
INSERT INTO vego_aggregate_items
SELECT i, ARRAY[i, -i, i % 7]::vector FROM generate_series(1, 10000) i;
ANALYZE vego_aggregate_items;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT sum(v), avg(v) FROM vego_aggregate_items;
SELECT sum(v), avg(v) FROM vego_aggregate_items;
SELECT sum(v), avg(v) FROM vego_aggregate_items WHERE id = 1;
SELECT sum(v), avg(v) FROM vego_aggregate_items WHERE id = 0;
RESET max_parallel_workers_per_gather;
DROP TABLE vego_aggregate_items;

-- The functions may be called with anything.
SELECT vector_accum('{0}', '[1,2]'), vector_accum('{1,1,2}', '[3,4]');
SELECT vector_combine('{0}', '{0}'), vector_combine('{0}', '{1,2}'),
	   vector_combine('{1,2}', '{0}'), vector_combine('{1,2}', '{2,5}');
SELECT vector_avg('{0}'), vector_sum('{0}'), vector_avg('{2,3,5}'), vector_sum('{2,3,5}');
SELECT vector_accum(NULL, '[1]'), vector_avg(NULL), vector_sum(NULL);
SELECT call, pg_temp.failure('SELECT ' || call)
FROM unnest(ARRAY[$$vector_accum('{}', '[1]')$$,
				  $$vector_accum('{NULL}', '[1]')$$,
				  $$vector_accum('{{1,2},{3,4}}', '[1]')$$,
				  $$vector_accum('{1,2}', '[1,2]')$$,
				  $$vector_combine('{1,2}', '{1,2,3}')$$,
				  $$vector_combine('{1,2}', '{}')$$,
				  $$vector_avg('{}')$$,
				  $$vector_avg('{0,1}')$$,
				  $$vector_avg('{0,0}')$$,
				  $$vector_avg('{NaN,1}')$$,
				  $$vector_avg('{1,NaN}')$$,
				  $$vector_sum('{1,Infinity}')$$,
				  $$vector_sum('{1,-1e39}')$$]) call;
SELECT vector_dims(vector_sum(array_fill(1::float8, ARRAY[16001])));
SELECT pg_temp.failure($$SELECT vector_sum(array_fill(1::float8, ARRAY[16002]))$$);

-- A state that is stored is not changed by the call that reads it.  (It is too
-- long for a short header, so that the call sees the stored bytes themselves.)
CREATE TEMP TABLE states AS SELECT 1::float8 || array_fill(5::float8, ARRAY[20]) AS s;
SELECT vector_accum(s, array_fill(1, ARRAY[20])::vector) AS accum,
	   vector_combine(s, s) AS combine FROM states;
SELECT s FROM states;
