-- Deleted rows: before a vacuum, after it, and when others come in their place.
CREATE SCHEMA index_vacuum;
SET search_path = index_vacuum, vego_test, public;
SET client_min_messages = warning;

CREATE TABLE items (id int, v vector(8)) WITH (autovacuum_enabled = off);
INSERT INTO items SELECT i, vector_of(i, 8) FROM generate_series(1, 2000) i;
CREATE INDEX items_index ON items USING vego_hnsw (v);

-- A part.
DELETE FROM items WHERE id % 10 = 0;
VACUUM (INDEX_CLEANUP on) items;
SELECT recall >= 0.98 AS good, fewest, inversions, repeats, wrong FROM compare('items', '<->', queries_of(25, 8), 10);
SELECT faults('items_index');

-- Half, then the other half: whoever was the entry is gone by then.
DELETE FROM items WHERE id % 2 = 0;
VACUUM (INDEX_CLEANUP on) items;
SELECT recall >= 0.98 AS good, fewest, inversions, repeats, wrong FROM compare('items', '<->', queries_of(25, 8), 10);
SELECT faults('items_index');
INSERT INTO items SELECT i, vector_of(i, 8) FROM generate_series(2, 2000, 2) i;
DELETE FROM items WHERE id % 2 = 1;
VACUUM (INDEX_CLEANUP on) items;
SELECT recall >= 0.98 AS good, fewest, inversions, repeats, wrong FROM compare('items', '<->', queries_of(25, 8), 10);
SELECT faults('items_index');

-- All that is near the queries.
DELETE FROM items WHERE id IN (SELECT near.id FROM unnest(queries_of(5, 8)) q,
	LATERAL (SELECT id FROM items ORDER BY v <-> q LIMIT 100) near);
SELECT recall >= 0.98 AS good, fewest, inversions, repeats, wrong FROM compare('items', '<->', queries_of(5, 8), 10);
VACUUM (INDEX_CLEANUP on) items;
SELECT recall >= 0.98 AS good, fewest, inversions, repeats, wrong FROM compare('items', '<->', queries_of(5, 8), 10);
SELECT faults('items_index');

-- All but one, then all.
DELETE FROM items WHERE id <> 1000;
VACUUM (INDEX_CLEANUP on) items;
SET enable_seqscan = off;
SELECT id FROM items ORDER BY v <-> vector_of(-1, 8);
SELECT faults('items_index');
DELETE FROM items;
SELECT id FROM items ORDER BY v <-> vector_of(-1, 8);
VACUUM (INDEX_CLEANUP on) items;
VACUUM (INDEX_CLEANUP on) items;
SELECT id FROM items ORDER BY v <-> vector_of(-1, 8);
RESET enable_seqscan;
SELECT faults('items_index');

-- Refilled, it is as large as before, and as good; again and again.
INSERT INTO items SELECT i, vector_of(i, 8) FROM generate_series(1, 2000) i;
SELECT pg_relation_size('items_index') AS size \gset
SELECT recall >= 0.98 AS good, fewest, inversions, repeats, wrong FROM compare('items', '<->', queries_of(25, 8), 10);
SELECT faults('items_index');
DELETE FROM items;
VACUUM (INDEX_CLEANUP on) items;
INSERT INTO items SELECT i, vector_of(i, 8) FROM generate_series(2001, 4000) i;
SELECT pg_relation_size('items_index') <= 1.02 * :size AS as_large;
SELECT recall >= 0.98 AS good, fewest, inversions, repeats, wrong FROM compare('items', '<->', queries_of(25, 8), 10);
SELECT faults('items_index');
DELETE FROM items WHERE id <= 3000;
VACUUM (INDEX_CLEANUP on) items;
INSERT INTO items SELECT i, vector_of(i, 8) FROM generate_series(4001, 5000) i;
DELETE FROM items WHERE id <= 4000;
VACUUM (INDEX_CLEANUP on) items;
INSERT INTO items SELECT i, vector_of(i, 8) FROM generate_series(5001, 6000) i;
SELECT pg_relation_size('items_index') <= 1.05 * :size AS as_large;
SELECT recall >= 0.98 AS good, fewest, inversions, repeats, wrong FROM compare('items', '<->', queries_of(25, 8), 10);
SELECT faults('items_index');

-- Filled while all that is there is dead.
DELETE FROM items;
INSERT INTO items SELECT i, vector_of(i, 8) FROM generate_series(1, 500) i;
SELECT recall >= 0.98 AS good, fewest, inversions, repeats, wrong FROM compare('items', '<->', queries_of(25, 8), 10);
VACUUM (INDEX_CLEANUP on) items;
SELECT recall >= 0.98 AS good, fewest, inversions, repeats, wrong FROM compare('items', '<->', queries_of(25, 8), 10);
SELECT faults('items_index');

-- A vacuum that leaves indexes alone, and one that looks at nothing.
DELETE FROM items WHERE id % 3 = 0;
VACUUM (INDEX_CLEANUP off) items;
INSERT INTO items SELECT i, vector_of(i, 8) FROM generate_series(501, 800) i;
SELECT recall >= 0.98 AS good, fewest, inversions, repeats, wrong FROM compare('items', '<->', queries_of(25, 8), 10);
VACUUM (INDEX_CLEANUP on) items;
VACUUM items;
VACUUM (FREEZE, ANALYZE) items;
SELECT recall >= 0.98 AS good, fewest, inversions, repeats, wrong FROM compare('items', '<->', queries_of(25, 8), 10);
SELECT faults('items_index');
SELECT reltuples = (SELECT count(*) FROM items) AS counted FROM pg_class WHERE oid = 'items_index'::regclass;

-- What a rolled back insert leaves goes, too.
SELECT pg_relation_size('items_index') AS size \gset
BEGIN;
INSERT INTO items SELECT i, vector_of(i, 8) FROM generate_series(801, 1200) i;
ROLLBACK;
VACUUM (INDEX_CLEANUP on) items;
INSERT INTO items SELECT i, vector_of(i, 8) FROM generate_series(801, 1200) i;
SELECT recall >= 0.98 AS good, fewest, inversions, repeats, wrong FROM compare('items', '<->', queries_of(25, 8), 10);
SELECT faults('items_index');

-- Several indexes, with parallel workers.
SET min_parallel_index_scan_size = 0;
CREATE INDEX items_ip ON items USING vego_hnsw (v vector_ip_ops);
CREATE INDEX items_cosine ON items USING vego_hnsw (v vector_cosine_ops) WITH (bits = 4);
CREATE INDEX items_l1 ON items USING vego_hnsw (v vector_l1_ops);
DELETE FROM items WHERE id % 4 = 0;
VACUUM (INDEX_CLEANUP on, PARALLEL 2) items;
INSERT INTO items SELECT i, vector_of(i, 8) FROM generate_series(1201, 1500) i;
SELECT operator, recall >= 0.98 AS good, fewest, inversions, repeats, wrong
FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) AS operator,
	compare('items', operator, queries_of(25, 8), 10);
SELECT faults(indexrelid::regclass) FROM pg_index WHERE indrelid = 'items'::regclass;

-- Rows that are dead take nothing from a limit: half of those around the
-- queries, and all of those next to them.
CREATE TABLE crowd (id int, v vector(8)) WITH (autovacuum_enabled = off);
INSERT INTO crowd SELECT i, vector_of(i, 8) FROM generate_series(1, 5000) i;
CREATE INDEX crowd_index ON crowd USING vego_hnsw (v);
DELETE FROM crowd WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER () AS n FROM
	(SELECT id FROM crowd ORDER BY v <-> vector_of(-1, 8) LIMIT 3000) s) s WHERE n % 2 = 0 OR n <= 200);
SET vego.ef_search = 10;
SELECT k, fewest, inversions, repeats, wrong
FROM unnest(ARRAY[10, 30, 100, 300, 1000]) AS k, compare('crowd', '<->', queries_of(1, 8), k);
VACUUM (INDEX_CLEANUP on) crowd;
SELECT k, fewest, inversions, repeats, wrong
FROM unnest(ARRAY[10, 30, 100, 300, 1000]) AS k, compare('crowd', '<->', queries_of(1, 8), k);
RESET vego.ef_search;
SELECT faults('crowd_index');
DROP TABLE crowd;

-- The same vector many times: built, inserted, most of it deleted.
CREATE TABLE same (id int, v vector(8)) WITH (autovacuum_enabled = off);
INSERT INTO same SELECT i, '[1,2,3,4,5,6,7,8]' FROM generate_series(1, 20000) i;
CREATE INDEX same_index ON same USING vego_hnsw (v);
SELECT recall, fewest, inversions, repeats, wrong FROM compare('same', '<->', queries_of(1, 8), 30000);
INSERT INTO same SELECT i, '[1,2,3,4,5,6,7,8]' FROM generate_series(20001, 20500) i;
INSERT INTO same SELECT i, vector_of(i, 8) FROM generate_series(20501, 20600) i;
SELECT recall, fewest, inversions, repeats, wrong FROM compare('same', '<->', queries_of(1, 8), 30000);
SELECT recall >= 0.98 AS good, fewest, inversions, repeats, wrong FROM compare('same', '<->', queries_of(10, 8), 10);
SELECT faults('same_index');
DELETE FROM same WHERE id % 100 <> 0;
VACUUM (INDEX_CLEANUP on) same;
SELECT recall, fewest, inversions, repeats, wrong FROM compare('same', '<->', queries_of(1, 8), 30000);
SELECT faults('same_index');
-- filled from nothing by inserts alone
TRUNCATE same;
INSERT INTO same SELECT i, '[1,2,3,4,5,6,7,8]' FROM generate_series(1, 2000) i;
SELECT recall, fewest, inversions, repeats, wrong FROM compare('same', '<->', queries_of(1, 8), 30000);
SELECT faults('same_index');

-- One row in a hundred is a copy.
TRUNCATE same;
INSERT INTO same SELECT i, vector_of(CASE WHEN i % 100 = 0 THEN i / 1000 ELSE i END, 8) FROM generate_series(1, 5000) i;
REINDEX INDEX same_index;
SELECT recall >= 0.98 AS good, fewest, inversions, repeats, wrong FROM compare('same', '<->', queries_of(25, 8), 10);
SELECT count(*) FILTER (WHERE v = vector_of(3, 8)) AS copies FROM
	(SELECT v FROM same ORDER BY v <-> vector_of(3, 8) LIMIT 20) s;
SELECT faults('same_index');

DROP SCHEMA index_vacuum CASCADE;
