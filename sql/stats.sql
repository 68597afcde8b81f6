-- vego_stats: figures that must agree with the table and with each other.
SET client_min_messages = warning;
CREATE SCHEMA stats_test;
SET search_path = stats_test, public;

CREATE FUNCTION some_vector(seed int, dims int) RETURNS vector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
	SELECT array_agg((hashint4(hashint4(seed) # j) / 2147483648.0)::real)::vector
	FROM generate_series(1, dims) j
$$;

-- What must hold of any index.
CREATE FUNCTION oddities(index regclass) RETURNS SETOF text
LANGUAGE sql AS $$
	SELECT o FROM vego_stats(index) s,
	LATERAL (VALUES
		('slots do not add up', slots <> nodes + upper_nodes + dead_slots + free_slots),
		('bytes', bytes <> pg_relation_size(index)),
		('bytes a node', bytes_per_node <> bytes / nullif(nodes, 0)::float8),
		('degrees', min_degree > mean_degree OR mean_degree > max_degree OR max_degree > 2 * m),
		('fill', fill NOT BETWEEN 0 AND 1),
		('levels', levels <> coalesce(entry_level + 1, 0) OR (levels > 1) <> (upper_nodes > 0))
	) v (o, wrong)
	WHERE wrong
$$;

CREATE TABLE rows (id int, v vector(10)) WITH (autovacuum_enabled = off);
CREATE INDEX rows_v ON rows USING vego_hnsw (v vector_l1_ops) WITH (m = 6, bits = 4);

-- empty
SELECT nodes, levels, upper_nodes, dead_slots, free_slots, slots, mean_degree,
	min_degree, max_degree, dimensions, bits, m, metric, entry_level,
	bytes_per_node, fill
FROM vego_stats('rows_v') \gx
SELECT oddities('rows_v');

-- one row
INSERT INTO rows VALUES (0, some_vector(0, 10)), (-1, NULL);
SELECT nodes, levels, min_degree, max_degree, entry_level FROM vego_stats('rows_v');

-- many, and then fewer
INSERT INTO rows SELECT i, some_vector(i, 10) FROM generate_series(1, 1999) i;
SELECT nodes, levels > 1 AS levels, min_degree > 0 AS linked FROM vego_stats('rows_v');
SELECT oddities('rows_v');
DELETE FROM rows WHERE id % 2 = 0;
SELECT nodes, dead_slots, free_slots < 200 AS few_free FROM vego_stats('rows_v');
VACUUM (INDEX_CLEANUP ON) rows;
SELECT nodes, dead_slots, free_slots >= 1000 AS many_free FROM vego_stats('rows_v');
SELECT oddities('rows_v');

-- built, of each metric
CREATE INDEX rows_l2 ON rows USING vego_hnsw (v vector_l2_ops);
CREATE INDEX rows_ip ON rows USING vego_hnsw (v vector_ip_ops);
CREATE INDEX rows_cosine ON rows USING vego_hnsw (v vector_cosine_ops);
SELECT index, nodes, levels, upper_nodes, dead_slots, dimensions, bits, m, metric, s.odd
FROM unnest('{rows_l2,rows_ip,rows_cosine}'::regclass[]) index, vego_stats(index),
	LATERAL (SELECT array_agg(o) AS odd FROM oddities(index) o) s;

-- what this connection did with the index
CREATE TABLE seen AS SELECT * FROM vego_stats('rows_l2');
SET enable_seqscan = off;
SELECT count(*) FROM (SELECT FROM rows ORDER BY v <-> some_vector(-5, 10) LIMIT 10) s;
SELECT a.searches - b.searches AS searches,
	a.rows_returned - b.rows_returned AS returned,
	a.rows_fetched - b.rows_fetched >= 10 AS fetched,
	a.rows_withheld - b.rows_withheld AS withheld,
	a.expanded - b.expanded >= 10 AS expanded,
	a.reads > b.reads AS reads,
	a.pins > b.pins AND
		a.pins - b.pins <= a.reads - b.reads + a.ranked_by_pin - b.ranked_by_pin AS pins,
	a.ranked_by_hint + a.ranked_by_pin > b.ranked_by_hint + b.ranked_by_pin AS ranked
FROM vego_stats('rows_l2') a, seen b;

-- the way of reading that tests can choose
TRUNCATE seen;
INSERT INTO seen SELECT * FROM vego_stats('rows_l2');
SET vego.pinned_reads = on;
SELECT count(*) FROM (SELECT FROM rows ORDER BY v <-> some_vector(-6, 10) LIMIT 10) s;
SELECT a.ranked_by_hint - b.ranked_by_hint AS by_hint, a.ranked_by_pin > b.ranked_by_pin AS by_pin,
	a.reads - b.reads >= a.expanded - b.expanded + 10 AS reads
FROM vego_stats('rows_l2') a, seen b;
RESET vego.pinned_reads;

-- a row that is dead to everybody is not returned, though the scan has not seen that
CREATE TEMPORARY TABLE few AS SELECT * FROM rows WHERE v IS NOT NULL;
CREATE INDEX few_v ON few USING vego_hnsw (v) WITH (exact = plain);
DELETE FROM few WHERE id % 4 = 1;
SELECT count(*) FROM (SELECT FROM few ORDER BY v <-> some_vector(-7, 10)) s;
SELECT nodes, rows_returned, rows_withheld FROM vego_stats('few_v');

-- what the server counts of any index: each search, so that one that is never
-- used can be told from one that is
BEGIN;
SELECT pg_stat_get_xact_numscans('rows_l2'::regclass) AS scans,
	pg_stat_get_xact_tuples_returned('rows_l2'::regclass) AS entries \gset
SELECT count(*) FROM generate_series(1, 3) i,
	LATERAL (SELECT FROM rows ORDER BY v <-> some_vector(-i, 10) LIMIT 10) s;
SELECT pg_stat_get_xact_numscans('rows_l2'::regclass) - :scans AS scans,
	pg_stat_get_xact_tuples_returned('rows_l2'::regclass) - :entries AS entries;
COMMIT;
SELECT vego_stats(NULL);
SELECT vego_stats('rows');

DROP SCHEMA stats_test CASCADE;
