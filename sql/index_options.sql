-- What can be set, between which limits, and what the access method refuses.
CREATE SCHEMA index_options;
SET search_path = index_options, vego_test, public;
SET client_min_messages = warning;

CREATE TABLE items (id int, v vector(8));
INSERT INTO items SELECT i, vector_of(i, 8) FROM generate_series(1, 1000) i;

-- Storage parameters: limits, garbage, names.
SELECT options, refusal(format('CREATE INDEX ON items USING vego_hnsw (v) WITH (%s)', options))
FROM unnest(ARRAY[
	'm = 2', 'm = 100', 'm = 0', 'm = 1', 'm = 101', 'm = -1', 'm = many', 'm',
	'm = 99999999999',
	'ef_construction = 4', 'ef_construction = 2000', 'ef_construction = 0',
	'ef_construction = 3', 'ef_construction = 2001', 'ef_construction = -1',
	'bits = 8', 'bits = 4', 'bits = 5', 'bits = 3', 'bits = 9', 'bits = 0', 'bits = ''''',
	'ef_search = 1', 'ef_search = 10000', 'ef_search = 0', 'ef_search = -1', 'ef_search = 10001',
	'm = 8, m = 9', 'M = 8', 'lists = 100', 'fillfactor = 90',
	'm = 8, ef_construction = 32, bits = 4, ef_search = 20'
]) AS options;
SELECT reloptions, count(*) FROM pg_class
WHERE relnamespace = 'index_options'::regnamespace AND relkind = 'i'
GROUP BY 1 ORDER BY 1;
SELECT faults(indexrelid::regclass) FROM pg_index WHERE indrelid = 'items'::regclass;
INSERT INTO items SELECT i, vector_of(i, 8) FROM generate_series(1001, 1500) i;
SELECT faults(indexrelid::regclass) FROM pg_index WHERE indrelid = 'items'::regclass;
DROP TABLE items;

-- Every combination of graph and code finds what is near, a thin graph most.
CREATE TABLE items (id int, v vector(8));
INSERT INTO items SELECT i, vector_of(i, 8) FROM generate_series(1, 1000) i;
CREATE FUNCTION rebuilt(options text, operator text, class text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result record;
BEGIN
	EXECUTE format('CREATE INDEX built ON items USING vego_hnsw (v %s) WITH (%s)', class, options);
	SELECT * INTO result FROM compare('items', operator, queries_of(10, 8), 10);
	DROP INDEX built;
	IF result.recall < 0.9 OR result.fewest <> 10 OR result.inversions + result.repeats + result.wrong > 0 THEN
		RETURN result;
	END IF;
	RETURN 'good';
END
$$;
SELECT class, bits, rebuilt(format('bits = %s, m = %s', bits, m), operator, class), m
FROM (VALUES ('<->', 'vector_l2_ops'), ('<#>', 'vector_ip_ops'),
	('<=>', 'vector_cosine_ops'), ('<+>', 'vector_l1_ops')) AS c (operator, class),
	unnest(ARRAY[4, 8]) AS bits, unnest(ARRAY[4, 100]) AS m;

-- ef_search of the index goes before the setting, and needs no rebuild.
CREATE INDEX items_index ON items USING vego_hnsw (v);
SELECT pg_relation_filenode('items_index') AS before \gset
ALTER INDEX items_index SET (ef_search = 200);
SELECT reloptions FROM pg_class WHERE oid = 'items_index'::regclass;
SELECT recall, fewest, inversions, repeats, wrong FROM compare('items', '<->', queries_of(20, 8), 10);
ALTER INDEX items_index RESET (ef_search);
SELECT reloptions FROM pg_class WHERE oid = 'items_index'::regclass;
SELECT pg_relation_filenode('items_index') = :before AS kept;
SELECT refusal('ALTER INDEX items_index SET (ef_search = 10001)');
-- bits and m take effect with the next rebuild
SELECT pg_relation_size('items_index') AS size \gset
ALTER INDEX items_index SET (bits = 4, m = 4);
SELECT recall >= 0.95 AS good, fewest, inversions, repeats, wrong FROM compare('items', '<->', queries_of(20, 8), 10);
INSERT INTO items VALUES (2000, vector_of(2000, 8));
SELECT faults('items_index');
REINDEX INDEX items_index;
SELECT pg_relation_size('items_index') < :size AS smaller;
SELECT recall >= 0.95 AS good, fewest, inversions, repeats, wrong FROM compare('items', '<->', queries_of(20, 8), 10);
SELECT faults('items_index');

-- Settings.
SELECT name, boot_val, min_val, max_val, enumvals, context, vartype
FROM pg_settings WHERE name LIKE 'vego.%' AND name NOT LIKE 'vego.fail%' ORDER BY name;
SELECT statement, refusal(statement) FROM unnest(ARRAY[
	'SET vego.ef_search = 1', 'SET vego.ef_search = 10000', 'SET vego.ef_search = 0',
	'SET vego.ef_search = 10001', 'SET vego.ef_search = wide',
	'SET vego."order" = strict', 'SET vego."order" = RELAXED', 'SET vego."order" = loose',
	'SET vego.simd = auto', 'SET vego.simd = scalar', 'SET vego.simd = mmx', 'SET vego.simd = ''''',
	'SET vego.pinned_reads = on', 'SET vego.pinned_reads = maybe',
	'SET vego.unknown = 1']) AS statement;
RESET ALL;
SET search_path = index_options, vego_test, public;
SET client_min_messages = warning;

-- They last as long as other settings do.
BEGIN;
SET LOCAL vego.ef_search = 100;
SHOW vego.ef_search;
COMMIT;
SHOW vego.ef_search;
CREATE FUNCTION searching_wide() RETURNS text LANGUAGE sql SET vego.ef_search = 123
	AS $$SELECT current_setting('vego.ef_search')$$;
SELECT searching_wide(), current_setting('vego.ef_search');
CREATE ROLE vego_wide;
ALTER ROLE vego_wide SET vego.ef_search = 77;
SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'vego_wide'::regrole;
DROP ROLE vego_wide;

-- With the narrowest search rows still come, in order, as many as are asked for.
SET vego.ef_search = 1;
SELECT fewest, inversions, repeats, wrong FROM compare('items', '<->', queries_of(20, 8), 100);
SET vego.ef_search = 10000;
SELECT recall, fewest, inversions, repeats, wrong FROM compare('items', '<->', queries_of(20, 8), 100);
RESET vego.ef_search;

-- How nodes are read and compared changes no answer.
CREATE FUNCTION answers() RETURNS int[] LANGUAGE sql STABLE AS $$
	SELECT array_agg(near.id) FROM generate_series(1, 50) q,
		LATERAL (SELECT id FROM items ORDER BY v <-> vector_of(-q, 8) LIMIT 20) near
$$;
SET vego.ef_search = 400;
SET enable_seqscan = off;
SELECT plan_of('SELECT answers()') IS NOT NULL AS planned, answers() AS answers \gset
SET vego.pinned_reads = on;
SELECT answers() = :'answers' AS same;
SET vego.pinned_reads = off;
SET vego.simd = scalar;
SELECT answers() = :'answers' AS same;
RESET vego.simd;
RESET vego.ef_search;
RESET enable_seqscan;

-- Refused: what the order of distances has no sense of.
SELECT statement, refusal(statement) FROM unnest(ARRAY[
	'CREATE UNIQUE INDEX ON items USING vego_hnsw (v)',
	'CREATE INDEX ON items USING vego_hnsw (v) INCLUDE (id)',
	'CREATE INDEX ON items USING vego_hnsw (v, v)',
	'CREATE INDEX ON items USING vego_hnsw (v ASC)',
	'CREATE INDEX ON items USING vego_hnsw (v DESC)',
	'CREATE INDEX ON items USING vego_hnsw (v NULLS FIRST)',
	'CREATE INDEX ON items USING vego_hnsw (id)',
	'CREATE INDEX ON items USING vego_hnsw (v vector_ops)',
	'CREATE INDEX ON items USING vego_hnsw (v vector_l3_ops)',
	'ALTER TABLE items ADD EXCLUDE USING vego_hnsw (v WITH <->)',
	'ALTER TABLE items ADD EXCLUDE USING vego_hnsw (v WITH =)',
	'CLUSTER items USING items_index'
]) AS statement;

-- What the server says of the access method and of an index.
SELECT property, pg_indexam_has_property(oid, property) AS of_am
FROM pg_am, unnest(ARRAY['can_order', 'can_unique', 'can_multi_col', 'can_exclude', 'can_include']) AS property
WHERE amname = 'vego_hnsw';
SELECT property, pg_index_has_property('items_index'::regclass, property) AS of_index
FROM unnest(ARRAY['clusterable', 'index_scan', 'bitmap_scan', 'backward_scan']) AS property;
SELECT property, pg_index_column_has_property('items_index'::regclass, 1, property) AS of_column
FROM unnest(ARRAY['asc', 'orderable', 'returnable', 'search_array', 'search_nulls']) AS property;

-- A scroll cursor goes backwards over what core keeps, not through the index.
BEGIN;
SET LOCAL enable_seqscan = off;
DECLARE both_ways SCROLL CURSOR FOR SELECT id FROM items ORDER BY v <-> vector_of(5, 8);
FETCH 3 FROM both_ways;
FETCH BACKWARD 2 FROM both_ways;
ROLLBACK;

-- Parallel plans of other parts of a query do not disturb.
CREATE FUNCTION parallel_sum() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT sum(near.id) FROM (SELECT id, v FROM items WHERE id <= 200) q,
		LATERAL (SELECT id FROM items ORDER BY v <-> q.v LIMIT 1) near
$$;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET enable_sort = off;
SELECT parallel_sum() = 200 * 201 / 2 AS right;
SET force_parallel_mode = on;
SELECT parallel_sum() = 200 * 201 / 2 AS right;
SELECT id FROM items ORDER BY v <-> vector_of(7, 8) LIMIT 1;
RESET force_parallel_mode;

DROP SCHEMA index_options CASCADE;
