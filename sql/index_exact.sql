-- Exact vectors in the index: the same rows in the same order, from its pages.
CREATE SCHEMA index_exact;
SET search_path = index_exact, vego_test, public;
SET client_min_messages = warning;

-- Values that compress well, so that coded and plain vectors both occur.
CREATE FUNCTION whole_vector(seed int, dims int) RETURNS vector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
	SELECT array_agg((hashint4(hashint4(seed) # j) & 127)::real)::vector
	FROM generate_series(1, dims) j
$$;

SELECT options, refusal(format('CREATE TABLE t (v vector(3)); CREATE INDEX ON t USING vego_hnsw (v) WITH (%s); DROP TABLE t', options))
FROM unnest(ARRAY['exact = off', 'exact = plain', 'exact = zstd', 'exact = ZSTD',
	'exact = on', 'exact', 'exact = lz4']) AS options;

-- What must hold of the figures of any index.
CREATE FUNCTION oddities(index regclass) RETURNS SETOF text
LANGUAGE sql AS $$
	SELECT o FROM vego_stats(index) s,
	LATERAL (VALUES
		('vectors', exact_vectors <> nodes * (exact <> 'off')::int),
		('slots', slots <> nodes + upper_nodes + dead_slots + free_slots),
		('bytes', bytes <> pg_relation_size(index) OR exact_bytes >= bytes),
		('free', exact_free_bytes NOT BETWEEN 0 AND exact_bytes)
	) v (o, wrong)
	WHERE wrong
$$;

-- Every operator, both ways, for values that compress and values that do not:
-- a build, inserts, updates, deletes before and after vacuum.
CREATE FUNCTION lived(maker text, dims int, operator text, class text, exact text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	step text;
	result record;
	fault text;
BEGIN
	EXECUTE format('CREATE TABLE lived (id int, v vector(%s)) WITH (autovacuum_enabled = off)', dims);
	EXECUTE format('INSERT INTO lived SELECT i, %s(i, %s) FROM generate_series(1, 600) i', maker, dims);
	EXECUTE format('CREATE INDEX lived_v ON lived USING vego_hnsw (v %s) WITH (exact = %s)', class, exact);
	FOREACH step IN ARRAY ARRAY[
		'SELECT 1',
		'INSERT INTO lived SELECT i, %1$s(i, %2$s) FROM generate_series(601, 800) i',
		'UPDATE lived SET v = %1$s(id + 10000, %2$s) WHERE id %% 7 = 0',
		'DELETE FROM lived WHERE id %% 3 = 0']
	LOOP
		EXECUTE format(step, maker, dims);
		SELECT * INTO result FROM compare('lived', operator, queries_of(10, dims), 10);
		SELECT string_agg(f, '; ') INTO fault FROM faults('lived_v') f;
		IF result.recall < 0.9 OR result.fewest <> 10 OR
			result.inversions + result.repeats + result.wrong > 0 OR fault IS NOT NULL THEN
			RETURN format('%s: %s %s', step, result, fault);
		END IF;
	END LOOP;
	RETURN 'good';
END
$$;
\pset format unaligned
\pset tuples_only on
SELECT format('SELECT %L, lived(%L, %s, %L, %L, %L)', concat_ws(' ', maker, class, exact), maker, dims, operator, class, exact),
	'VACUUM (INDEX_CLEANUP ON) lived',
	format('SELECT recall >= 0.9, fewest, inversions, repeats, wrong FROM compare(''lived'', %L, queries_of(10, %s), 10)', operator, dims),
	'SELECT faults(''lived_v'')', 'SELECT oddities(''lived_v'')', 'DROP TABLE lived'
FROM (VALUES ('<->', 'vector_l2_ops'), ('<#>', 'vector_ip_ops'),
	('<=>', 'vector_cosine_ops'), ('<+>', 'vector_l1_ops')) AS c (operator, class),
	(VALUES ('vector_of', 8), ('whole_vector', 100)) AS m (maker, dims),
	unnest(ARRAY['plain', 'zstd']) AS exact
ORDER BY 1
\gexec
\pset tuples_only off
\pset format aligned

-- Sizes: plain takes what the values take, zstd less.
CREATE TABLE items (id int, v vector(100)) WITH (autovacuum_enabled = off);
INSERT INTO items SELECT i, whole_vector(i, 100) FROM generate_series(1, 4000) i;
CREATE INDEX items_off ON items USING vego_hnsw (v);
CREATE INDEX items_plain ON items USING vego_hnsw (v) WITH (exact = plain);
CREATE INDEX items_zstd ON items USING vego_hnsw (v) WITH (exact = zstd);
SELECT index, exact, exact_vectors, round(exact_bytes / 8192.0 / 10) * 10 AS tens_of_pages
FROM unnest('{items_off,items_plain}'::regclass[]) index, vego_stats(index);
SELECT p.exact_bytes > 2.5 * z.exact_bytes AS compressed
FROM vego_stats('items_plain') p, vego_stats('items_zstd') z;
SELECT oddities(index) FROM unnest('{items_off,items_plain,items_zstd}'::regclass[]) index;

-- No row is fetched for its distance; what the scan returns, it returns.
DROP INDEX items_off, items_plain;
SET enable_seqscan = off;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> whole_vector(-1, 100) LIMIT 10) s;
SELECT rows_fetched, exact_reads >= 10 AS exact_reads, rows_returned FROM vego_stats('items_zstd');

-- Rows that a snapshot does not see are not returned, and a LIMIT is filled
-- from behind them: deleted by others or oneself, not yet vacuumed or just now.
CREATE FUNCTION nearest(k int) RETURNS int[] LANGUAGE sql STABLE AS $$
	SELECT array_agg(id) FROM (SELECT id FROM items ORDER BY v <-> whole_vector(-2, 100) LIMIT k) s
$$;
SET vego.ef_search = 2000;
SELECT nearest(400) AS all_ids \gset
DELETE FROM items WHERE id = ANY((:'all_ids'::int[])[1:50]);
SELECT nearest(100) = (:'all_ids'::int[])[51:150] AS behind;
-- what is dead to everybody is known to be after the first scan
SELECT nearest(100) = (:'all_ids'::int[])[51:150] AS behind;
BEGIN;
DELETE FROM items WHERE id = ANY((:'all_ids'::int[])[51:100]);
SELECT nearest(100) = (:'all_ids'::int[])[101:200] AS behind;
ROLLBACK;
SELECT nearest(100) = (:'all_ids'::int[])[51:150] AS back;
BEGIN;
DECLARE old_sight CURSOR FOR SELECT id FROM items ORDER BY v <-> whole_vector(-2, 100);
DELETE FROM items WHERE id = ANY((:'all_ids'::int[])[51:100]);
INSERT INTO items SELECT -i, whole_vector(-2, 100) FROM generate_series(1, 20) i;
FETCH 1 FROM old_sight;
SELECT id < 0 AS own FROM items ORDER BY v <-> whole_vector(-2, 100) LIMIT 1;
ROLLBACK;
SELECT (:'all_ids'::int[])[51] AS nearest;
RESET enable_seqscan;
RESET vego.ef_search;

-- Room is used again.
SELECT exact_bytes AS bytes FROM vego_stats('items_zstd') \gset
DELETE FROM items WHERE id % 20 > 0;
VACUUM (INDEX_CLEANUP ON) items;
SELECT exact_vectors, exact_free_bytes > 0.9 * exact_bytes AS free FROM vego_stats('items_zstd');
INSERT INTO items SELECT i, whole_vector(i, 100) FROM generate_series(5001, 8800) i;
SELECT exact_bytes <= :bytes * 1.1 AS kept, exact_vectors FROM vego_stats('items_zstd');
SELECT faults('items_zstd'), oddities('items_zstd');

-- A build in little memory has the same vectors.
SET maintenance_work_mem = '1MB';
REINDEX INDEX items_zstd;
RESET maintenance_work_mem;
SELECT faults('items_zstd'), oddities('items_zstd');

-- The mode is the build's.
SELECT pg_relation_size('items_zstd') AS size \gset
ALTER INDEX items_zstd SET (exact = off);
SELECT severity, finding FROM vego_check('items_zstd') WHERE code = 'I2';
SELECT exact FROM vego_stats('items_zstd');
INSERT INTO items VALUES (9000, whole_vector(9000, 100));
SELECT faults('items_zstd');
REINDEX INDEX items_zstd;
SELECT exact, exact_vectors, exact_bytes, pg_relation_size('items_zstd') < :size AS smaller FROM vego_stats('items_zstd');
DROP TABLE items;

-- Made empty, emptied, and made again in one transaction.
CREATE TABLE items (id int, v vector(20)) WITH (autovacuum_enabled = off);
CREATE INDEX items_v ON items USING vego_hnsw (v vector_cosine_ops) WITH (exact = zstd);
SELECT exact, exact_vectors, exact_bytes FROM vego_stats('items_v');
SELECT recall, fewest FROM compare('items', '<=>', queries_of(1, 20), 10);
INSERT INTO items VALUES (-1, NULL), (-2, array_fill(0, ARRAY[20])::vector);
INSERT INTO items SELECT i, whole_vector(i, 20) FROM generate_series(1, 500) i;
SELECT exact_vectors FROM vego_stats('items_v');
SELECT recall, fewest, inversions, repeats, wrong FROM compare('items', '<=>', queries_of(10, 20), 10);
BEGIN;
TRUNCATE items;
INSERT INTO items SELECT i, vector_of(i, 20) FROM generate_series(1, 300) i;
SELECT recall, fewest, inversions, repeats, wrong FROM compare('items', '<=>', queries_of(10, 20), 10);
TRUNCATE items;
INSERT INTO items SELECT i, whole_vector(i, 20) FROM generate_series(1, 200) i;
SELECT recall, fewest, inversions, repeats, wrong FROM compare('items', '<=>', queries_of(10, 20), 10);
COMMIT;
SELECT faults('items_v');
REINDEX INDEX items_v;
SELECT recall, fewest, inversions, repeats, wrong FROM compare('items', '<=>', queries_of(10, 20), 10);
SELECT faults('items_v');
DROP TABLE items;

-- A vector of several pages, and one that leaves a part of a page.
CREATE TABLE items (id int, v vector(16000)) WITH (autovacuum_enabled = off);
INSERT INTO items SELECT i, vector_of(i, 16000) FROM generate_series(1, 12) i;
CREATE INDEX items_plain ON items USING vego_hnsw (v) WITH (exact = plain, bits = 4, m = 2);
SELECT recall, fewest, inversions, repeats, wrong FROM compare('items', '<->', queries_of(2, 16000), 5);
CREATE INDEX items_zstd ON items USING vego_hnsw (v) WITH (exact = zstd, bits = 4, m = 2);
INSERT INTO items SELECT i, vector_of(i, 16000) FROM generate_series(13, 20) i;
SELECT index, exact_vectors, exact_bytes / 8192 BETWEEN 125 AND 160 AS packed
FROM unnest('{items_plain,items_zstd}'::regclass[]) index, vego_stats(index);
DELETE FROM items WHERE id % 2 = 0;
VACUUM (INDEX_CLEANUP ON) items;
SELECT index, exact_vectors, exact_bytes / 8192 BETWEEN 125 AND 160 AS packed
FROM unnest('{items_plain,items_zstd}'::regclass[]) index, vego_stats(index);
SELECT faults(index) FROM unnest('{items_plain,items_zstd}'::regclass[]) index;
DROP INDEX items_plain;
SELECT recall, fewest, inversions, repeats, wrong FROM compare('items', '<->', queries_of(2, 16000), 5);
DROP TABLE items;

CREATE TABLE items (id int, v vector(1536)) WITH (autovacuum_enabled = off);
INSERT INTO items SELECT i, vector_of(i, 1536) FROM generate_series(1, 60) i;
CREATE INDEX items_v ON items USING vego_hnsw (v) WITH (exact = plain);
INSERT INTO items SELECT i, vector_of(i, 1536) FROM generate_series(61, 120) i;
SELECT exact_vectors, exact_bytes / 8192 BETWEEN 120 AND 122 AS whole FROM vego_stats('items_v');
SELECT recall, fewest, inversions, repeats, wrong FROM compare('items', '<->', queries_of(2, 1536), 10);
SELECT faults('items_v');
DROP TABLE items;

-- An expression, a predicate, a domain; unlogged and temporary tables.
CREATE DOMAIN eight AS vector(8);
CREATE UNLOGGED TABLE items (id int, v vector(16), w eight);
INSERT INTO items SELECT i, vector_of(i, 16), vector_of(i, 8) FROM generate_series(1, 500) i;
CREATE INDEX items_part ON items USING vego_hnsw ((subvector(v, 1, 8)::vector(8)) vector_ip_ops) WITH (exact = zstd) WHERE id % 2 = 0;
CREATE INDEX items_w ON items USING vego_hnsw ((w::vector(8))) WITH (exact = plain);
INSERT INTO items SELECT i, vector_of(i, 16), vector_of(i, 8) FROM generate_series(501, 600) i;
SELECT recall, fewest, inversions, repeats, wrong
FROM compare('items WHERE id % 2 = 0', '<#>', queries_of(10, 8), 10, '(subvector(v, 1, 8)::vector(8))');
SELECT recall, fewest, inversions, repeats, wrong
FROM compare('items', '<->', queries_of(10, 8), 10, '(w::vector(8))');
SELECT faults('items_part'), faults('items_w');
CREATE TEMPORARY TABLE short_lived (id int, v vector(16));
CREATE INDEX short_lived_v ON short_lived USING vego_hnsw (v) WITH (exact = zstd);
INSERT INTO short_lived SELECT id, v FROM items;
SELECT recall, fewest, inversions, repeats, wrong FROM compare('short_lived', '<->', queries_of(10, 16), 10);
DELETE FROM short_lived WHERE id <= 300;
VACUUM (INDEX_CLEANUP ON) short_lived;
SELECT faults('short_lived_v');
DROP TABLE short_lived;

DROP SCHEMA index_exact CASCADE;
