-- The index through everything that can be done to it and to its table.
CREATE SCHEMA index_ddl;
SET search_path = index_ddl, vego_test, public;
SET client_min_messages = warning;

-- The answers and the structure of an index on v.
CREATE FUNCTION state_of(index regclass, dims int, operator text DEFAULT '<->') RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	result record;
	fault text;
BEGIN
	SELECT recall >= 0.98 AS good, fewest, inversions, repeats, wrong INTO result
	FROM pg_index, compare(indrelid::regclass::text, operator, queries_of(10, dims), 10)
	WHERE indexrelid = index;
	SELECT string_agg(f, '; ') INTO fault FROM faults(index) f;
	RETURN concat_ws(' ', CASE WHEN (result.good, result.fewest, result.inversions,
		result.repeats, result.wrong) = (true, 10, 0, 0, 0) THEN 'good'
		ELSE result::text END, fault);
END
$$;

CREATE TABLE items (id int PRIMARY KEY, gone text, kind int, v vector(6));
ALTER TABLE items DROP gone;
INSERT INTO items SELECT i, i % 4, vector_of(i, 6) FROM generate_series(1, 1000) i;

-- Concurrently: created, rebuilt, dropped.
CREATE INDEX CONCURRENTLY items_index ON items USING vego_hnsw (v);
SELECT indisvalid, state_of('items_index', 6) FROM pg_index WHERE indexrelid = 'items_index'::regclass;
INSERT INTO items SELECT i, i % 4, vector_of(i, 6) FROM generate_series(1001, 1100) i;
REINDEX INDEX CONCURRENTLY items_index;
SELECT state_of('items_index', 6);
REINDEX TABLE CONCURRENTLY items;
SELECT state_of('items_index', 6);
REINDEX TABLE items;
SELECT state_of('items_index', 6);
DROP INDEX CONCURRENTLY items_index;

-- In the transaction that made the table, and rolled back.
BEGIN;
CREATE TABLE brief (id int, v vector(6));
CREATE INDEX brief_index ON brief USING vego_hnsw (v);
INSERT INTO brief SELECT i, vector_of(i, 6) FROM generate_series(1, 50) i;
SAVEPOINT a;
TRUNCATE brief;
INSERT INTO brief SELECT i, vector_of(i, 6) FROM generate_series(1, 20) i;
SELECT state_of('brief_index', 6);
ROLLBACK TO a;
SELECT state_of('brief_index', 6), count(*) FROM brief;
DROP INDEX brief_index;
CREATE INDEX brief_index ON brief USING vego_hnsw (v);
SELECT state_of('brief_index', 6);
ROLLBACK;

-- After updates in place the old versions still count for older snapshots.
CREATE TABLE chains (id int, n int, v vector(6)) WITH (fillfactor = 50);
INSERT INTO chains SELECT i, 0, vector_of(i, 6) FROM generate_series(1, 200) i;
UPDATE chains SET n = 1;
UPDATE chains SET n = 2 WHERE id % 2 = 0;
CREATE INDEX chains_index ON chains USING vego_hnsw (v);
UPDATE chains SET n = 3 WHERE id % 3 = 0;
UPDATE chains SET n = 4, v = v + v WHERE id % 5 = 0;
SELECT state_of('chains_index', 6);
VACUUM chains;
SELECT state_of('chains_index', 6);

-- Partial, on an expression, both.
CREATE INDEX partial_index ON items USING vego_hnsw (v) WHERE kind = 1;
SET enable_seqscan = off;
SELECT plan_of($$SELECT id FROM items ORDER BY v <-> '[0,0,0,0,0,0]' LIMIT 5$$) NOT LIKE '%Index Scan using partial%' AS unused LIMIT 1;
SELECT plan_of($$SELECT id FROM items WHERE kind = 1 ORDER BY v <-> '[0,0,0,0,0,0]' LIMIT 5$$);
RESET enable_seqscan;
SELECT recall >= 0.99 AS good, fewest, inversions, repeats, wrong
FROM compare('items WHERE kind = 1', '<->', queries_of(10, 6), 10);
UPDATE items SET kind = 1 WHERE kind = 2 AND id % 3 = 0;
UPDATE items SET kind = 0 WHERE kind = 1 AND id % 5 = 0;
SELECT recall >= 0.99 AS good, fewest, inversions, repeats, wrong
FROM compare('items WHERE kind = 1', '<->', queries_of(10, 6), 10);
SELECT faults('partial_index');
DROP INDEX partial_index;
CREATE INDEX part_index ON items USING vego_hnsw ((subvector(v, 1, 3)::vector(3)) vector_ip_ops);
SELECT recall >= 0.99 AS good, fewest, inversions, repeats, wrong
FROM compare('items', '<#>', queries_of(10, 3), 10, 'subvector(v, 1, 3)::vector(3)');
UPDATE items SET v = vector_of(id + 5000, 6) WHERE id % 7 = 0;
SELECT recall >= 0.99 AS good, fewest, inversions, repeats, wrong
FROM compare('items', '<#>', queries_of(10, 3), 10, 'subvector(v, 1, 3)::vector(3)');
SELECT faults('part_index');
DROP INDEX part_index;
CREATE INDEX unit_index ON items USING vego_hnsw ((l2_normalize(v)::vector(6))) WHERE kind <> 3;
SELECT recall >= 0.99 AS good, fewest, inversions, repeats, wrong
FROM compare('items WHERE kind <> 3', '<->', queries_of(10, 6), 10, 'l2_normalize(v)::vector(6)');
SELECT faults('unit_index');
DROP INDEX unit_index;

-- Rewritten: VACUUM FULL, CLUSTER, a new type, a new column with a value.
CREATE INDEX items_index ON items USING vego_hnsw (v);
VACUUM FULL items;
SELECT state_of('items_index', 6);
CLUSTER items USING items_pkey;
SELECT state_of('items_index', 6);
SELECT refusal('ALTER TABLE items ALTER v TYPE vector(5)');
ALTER TABLE items ALTER v TYPE vector(5) USING subvector(v, 2, 5);
SELECT state_of('items_index', 5);
SELECT refusal('ALTER TABLE items ALTER v TYPE real[]') ~ '^42' AS no_class_for_arrays;
-- the server keeps an index whose column loses its dimensions, unasked: it
-- serves on, and only what would rebuild it is refused
SELECT refusal('ALTER TABLE items ALTER v TYPE vector');
SELECT recall >= 0.98 AS good, fewest, inversions, repeats, wrong
FROM compare('items', '<->', queries_of(10, 5), 10);
SELECT refusal($$INSERT INTO items VALUES (5000, 1, '[1,2,3,4]')$$);
SELECT refusal('REINDEX INDEX items_index');
SELECT refusal('TRUNCATE items');
ALTER TABLE items ALTER v TYPE vector(5);
SELECT state_of('items_index', 5);
ALTER TABLE items ADD note text DEFAULT clock_timestamp()::text;
SELECT state_of('items_index', 5);
ALTER TABLE items ALTER kind TYPE bigint;
SELECT state_of('items_index', 5);
ALTER TABLE items RENAME v TO w;
ALTER TABLE items RENAME w TO v;
ALTER INDEX items_index RENAME TO items_renamed;
SELECT state_of('items_renamed', 5);
TRUNCATE items;
SET enable_seqscan = off;
SELECT id FROM items ORDER BY v <-> '[1,1,1,1,1]';
RESET enable_seqscan;
INSERT INTO items (id, v) SELECT i, vector_of(i, 5) FROM generate_series(1, 300) i;
SELECT state_of('items_renamed', 5);
ALTER TABLE items DROP v;
SELECT to_regclass('items_renamed');

-- How the values are stored does not matter.
CREATE TABLE stored (id int, v vector(700));
CREATE INDEX stored_index ON stored USING vego_hnsw (v);
INSERT INTO stored SELECT i, vector_of(i, 700) FROM generate_series(1, 20) i;
ALTER TABLE stored ALTER v SET STORAGE plain;
INSERT INTO stored SELECT i, vector_of(i, 700) FROM generate_series(21, 40) i;
ALTER TABLE stored ALTER v SET STORAGE main;
INSERT INTO stored SELECT i, array_fill(i::real, ARRAY[700])::vector FROM generate_series(41, 60) i;
ALTER TABLE stored ALTER v SET STORAGE extended;
INSERT INTO stored SELECT i, array_fill(i::real, ARRAY[700])::vector FROM generate_series(61, 80) i;
INSERT INTO stored SELECT i, vector_of(i, 700) FROM generate_series(81, 100) i;
SELECT count(DISTINCT pg_column_size(v)) > 2 AS various FROM stored;
SELECT recall, fewest, inversions, repeats, wrong FROM compare('stored', '<->', queries_of(5, 700), 200);
REINDEX INDEX stored_index;
SELECT recall, fewest, inversions, repeats, wrong FROM compare('stored', '<->', queries_of(5, 700), 200);
SELECT faults('stored_index');
-- a short header, too
CREATE TABLE short (id int, v vector(3));
CREATE INDEX short_index ON short USING vego_hnsw (v);
INSERT INTO short SELECT i, vector_of(i, 3) FROM generate_series(1, 100) i;
SELECT DISTINCT pg_column_size(v) FROM short;
SELECT state_of('short_index', 3);

-- A generated column, a domain, a view, a materialized view.
CREATE TABLE generated (id int, parts real[], v vector(3) GENERATED ALWAYS AS (parts::vector(3)) STORED);
CREATE INDEX generated_index ON generated USING vego_hnsw (v vector_l1_ops);
INSERT INTO generated SELECT i, vector_of(i, 3) FROM generate_series(1, 300) i;
UPDATE generated SET parts = vector_of(id + 1000, 3) WHERE id % 3 = 0;
SELECT state_of('generated_index', 3, '<+>');
CREATE DOMAIN embedding AS vector(3) CHECK (vector_norm(VALUE) < 100);
CREATE TABLE of_domain (id int, v embedding);
INSERT INTO of_domain SELECT i, vector_of(i, 3) FROM generate_series(1, 300) i;
SELECT refusal('CREATE INDEX domain_index ON of_domain USING vego_hnsw (v)');
CREATE INDEX domain_cast ON of_domain USING vego_hnsw ((v::vector(3)));
SELECT recall >= 0.99 AS good, fewest, inversions, repeats, wrong
FROM compare('of_domain', '<->', queries_of(10, 3), 10, 'v::vector(3)');
CREATE VIEW seen AS SELECT id, v FROM short WHERE id > 50;
SELECT recall >= 0.99 AS good, fewest, inversions, repeats, wrong
FROM compare('seen', '<->', queries_of(10, 3), 10);
CREATE MATERIALIZED VIEW kept AS SELECT id, v FROM short;
CREATE INDEX kept_index ON kept USING vego_hnsw (v);
CREATE UNIQUE INDEX ON kept (id);
SELECT state_of('kept_index', 3);
DELETE FROM short WHERE id % 2 = 0;
REFRESH MATERIALIZED VIEW kept;
SELECT state_of('kept_index', 3);
DELETE FROM short WHERE id % 3 = 0;
REFRESH MATERIALIZED VIEW CONCURRENTLY kept;
SELECT state_of('kept_index', 3);

-- Partitions: rows of all come in one order.
CREATE TABLE parts (id int, v vector(6)) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (500);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (500) TO (1000);
INSERT INTO parts SELECT i, vector_of(i, 6) FROM generate_series(0, 999) i;
CREATE INDEX parts_index ON parts USING vego_hnsw (v);
CREATE TABLE parts_3 (id int, v vector(6));
INSERT INTO parts_3 SELECT i, vector_of(i, 6) FROM generate_series(1000, 1499) i;
ALTER TABLE parts ATTACH PARTITION parts_3 FOR VALUES FROM (1000) TO (1500);
ANALYZE parts;
SELECT plan_of($$SELECT id FROM parts ORDER BY v <-> '[1,1,1,1,1,1]' LIMIT 10$$);
SELECT recall >= 0.99 AS good, fewest, inversions, repeats, wrong
FROM compare('parts', '<->', queries_of(10, 6), 10);
SET vego."order" = relaxed;
SELECT recall, fewest, repeats, wrong FROM compare('parts', '<->', queries_of(2, 6), 2000);
RESET vego."order";
UPDATE parts SET id = (id + 500) % 1500 WHERE id % 10 = 0;
SET vego."order" = relaxed;
SELECT recall, fewest, repeats, wrong FROM compare('parts', '<->', queries_of(2, 6), 2000);
RESET vego."order";
SET enable_seqscan = off;
SELECT plan_of($$SELECT id FROM parts WHERE id < 500 ORDER BY v <-> '[1,1,1,1,1,1]' LIMIT 10$$);
RESET enable_seqscan;
REINDEX INDEX parts_index;
ALTER TABLE parts DETACH PARTITION parts_2;
SELECT recall >= 0.99 AS good, fewest, inversions, repeats, wrong
FROM compare('parts', '<->', queries_of(10, 6), 10);
SELECT state_of('parts_2_v_idx', 6);
SELECT faults(relid) FROM pg_partition_tree('parts_index') WHERE isleaf;

-- Unlogged, logged, and back.
CREATE UNLOGGED TABLE swift (id int, v vector(6));
INSERT INTO swift SELECT i, vector_of(i, 6) FROM generate_series(1, 300) i;
CREATE INDEX swift_index ON swift USING vego_hnsw (v vector_cosine_ops);
INSERT INTO swift SELECT i, vector_of(i, 6) FROM generate_series(301, 400) i;
SELECT state_of('swift_index', 6, '<=>');
ALTER TABLE swift SET LOGGED;
SELECT state_of('swift_index', 6, '<=>'), relpersistence FROM pg_class WHERE oid = 'swift_index'::regclass;
ALTER TABLE swift SET UNLOGGED;
INSERT INTO swift SELECT i, vector_of(i, 6) FROM generate_series(401, 500) i;
SELECT state_of('swift_index', 6, '<=>'), relpersistence FROM pg_class WHERE oid = 'swift_index'::regclass;

-- Temporary, by what happens at commit.
CREATE TEMP TABLE passing (id int, v vector(6));
CREATE INDEX passing_index ON passing USING vego_hnsw (v);
INSERT INTO passing SELECT i, vector_of(i, 6) FROM generate_series(1, 500) i;
DELETE FROM passing WHERE id % 2 = 0;
VACUUM passing;
INSERT INTO passing SELECT i, vector_of(i, 6) FROM generate_series(501, 700) i;
SELECT state_of('passing_index', 6);
CREATE TEMP TABLE emptied (id int, v vector(6)) ON COMMIT DELETE ROWS;
CREATE INDEX emptied_index ON emptied USING vego_hnsw (v);
BEGIN;
INSERT INTO emptied SELECT i, vector_of(i, 6) FROM generate_series(1, 100) i;
SELECT state_of('emptied_index', 6);
COMMIT;
SET enable_seqscan = off;
SELECT id FROM emptied ORDER BY v <-> '[0,0,0,0,0,0]';
RESET enable_seqscan;
BEGIN;
INSERT INTO emptied SELECT i, vector_of(i, 6) FROM generate_series(1, 30) i;
SELECT state_of('emptied_index', 6);
COMMIT;
BEGIN;
CREATE TEMP TABLE dropped (id int, v vector(6)) ON COMMIT DROP;
CREATE INDEX dropped_index ON dropped USING vego_hnsw (v);
INSERT INTO dropped SELECT i, vector_of(i, 6) FROM generate_series(1, 100) i;
SELECT state_of('dropped_index', 6);
COMMIT;
SELECT to_regclass('dropped_index');

-- Another tablespace.
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE vego_space LOCATION '';
ALTER INDEX swift_index SET TABLESPACE vego_space;
SELECT state_of('swift_index', 6, '<=>');
ALTER TABLE swift SET TABLESPACE vego_space;
REINDEX (TABLESPACE pg_default) INDEX swift_index;
SELECT state_of('swift_index', 6, '<=>');
DROP TABLE swift;
CREATE INDEX chains_there ON chains USING vego_hnsw (v vector_ip_ops) TABLESPACE vego_space;
SELECT state_of('chains_there', 6, '<#>');
DROP INDEX chains_there;
DROP TABLESPACE vego_space;

-- Subtransactions within each other, more than the server keeps in shared
-- memory; some fail by themselves, and one with all that is in it.
CREATE TABLE nested (id int, v vector(6));
CREATE INDEX nested_index ON nested USING vego_hnsw (v) WITH (exact = plain);
CREATE FUNCTION nest(depth int, deepest int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO nested VALUES (depth, vector_of(depth, 6));
	BEGIN
		INSERT INTO nested VALUES (depth + 1000, vector_of(depth + 1000, 6));
		IF depth % 3 = 0 THEN
			RAISE 'away with it';
		END IF;
	EXCEPTION WHEN raise_exception THEN
		UPDATE nested SET v = vector_of(depth + 2000, 6) WHERE id = depth;
	END;
	IF depth < deepest THEN
		BEGIN
			PERFORM nest(depth + 1, deepest);
			IF deepest - depth = 10 THEN
				RAISE 'away with ten';
			END IF;
		EXCEPTION WHEN raise_exception THEN
			INSERT INTO nested VALUES (depth + 2000, vector_of(depth + 3000, 6));
		END;
	END IF;
END
$$;
SELECT nest(start, start + 80) FROM generate_series(0, 320, 80) start;
SELECT count(*), count(DISTINCT id) FROM nested;
SELECT state_of('nested_index', 6);
VACUUM nested;
SELECT state_of('nested_index', 6);

-- Errors after the index has its entry: in a trigger, in a constraint at commit.
CREATE TABLE guarded (id int, v vector(6));
CREATE INDEX guarded_index ON guarded USING vego_hnsw (v) WITH (exact = zstd);
CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.id % 10 = tg_argv[0]::int THEN
		RAISE 'row % is not wanted', NEW.id;
	END IF;
	RETURN NULL;
END
$$;
CREATE TRIGGER guard AFTER INSERT ON guarded FOR EACH ROW EXECUTE FUNCTION guard(7);
CREATE CONSTRAINT TRIGGER guard_later AFTER INSERT OR UPDATE ON guarded
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION guard(9);
SELECT refusal(format('INSERT INTO guarded VALUES (%s, vector_of(%1$s, 6))', i))
FROM generate_series(1, 8) i;
INSERT INTO guarded SELECT i, vector_of(i, 6) FROM generate_series(10, 16) i;
INSERT INTO guarded SELECT i, vector_of(i, 6) FROM generate_series(20, 27) i;
BEGIN;
INSERT INTO guarded VALUES (29, vector_of(29, 6));
UPDATE guarded SET v = v + v, id = id + 3 WHERE id = 16;
COMMIT;
SELECT recall, fewest, inversions, repeats, wrong FROM compare('guarded', '<->', queries_of(5, 6), 100);
SELECT faults('guarded_index');
VACUUM guarded;
INSERT INTO guarded SELECT i, vector_of(i, 6) FROM generate_series(30, 36) i;
SELECT recall, fewest, inversions, repeats, wrong FROM compare('guarded', '<->', queries_of(5, 6), 100);

-- A partition that brings its index with it.
CREATE TABLE rooted (id int, v vector(6)) PARTITION BY LIST ((id % 2));
CREATE TABLE even (id int, v vector(6));
INSERT INTO even SELECT i, vector_of(i, 6) FROM generate_series(2, 200, 2) i;
CREATE INDEX even_index ON even USING vego_hnsw (v vector_cosine_ops);
CREATE TABLE odd PARTITION OF rooted FOR VALUES IN (1) PARTITION BY RANGE (id);
CREATE TABLE odd_all PARTITION OF odd DEFAULT;
INSERT INTO rooted SELECT i, vector_of(i, 6) FROM generate_series(1, 200, 2) i;
CREATE INDEX rooted_index ON ONLY rooted USING vego_hnsw (v vector_cosine_ops);
CREATE INDEX odd_index ON odd USING vego_hnsw (v vector_cosine_ops);
ALTER TABLE rooted ATTACH PARTITION even FOR VALUES IN (0);
SELECT indisvalid FROM pg_index WHERE indexrelid = 'rooted_index'::regclass;
ALTER INDEX rooted_index ATTACH PARTITION odd_index;
SELECT relid, isleaf FROM pg_partition_tree('rooted_index') ORDER BY relid::regclass::text;
SELECT indisvalid FROM pg_index WHERE indexrelid = 'rooted_index'::regclass;
SELECT recall >= 0.99 AS good, fewest, inversions, repeats, wrong
FROM compare('rooted', '<=>', queries_of(10, 6), 10);

-- The extension goes only with what needs it, and then all of it.
BEGIN;
CREATE TABLE needs (id int, v vector(6), bits bit(8));
CREATE INDEX needs_index ON needs USING vego_hnsw (bits bit_hamming_ops);
\set VERBOSITY terse
SAVEPOINT a;
DROP EXTENSION vego;
ROLLBACK TO a;
DROP EXTENSION vego CASCADE;
SELECT attname, atttypid::regtype FROM pg_attribute
WHERE attrelid = 'needs'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
SELECT to_regclass('needs_index'), to_regclass('chains_index'), to_regclass('chains') IS NOT NULL AS kept;
SELECT count(*) FROM pg_am WHERE amname = 'vego_hnsw';
CREATE EXTENSION vego SCHEMA public;
ALTER TABLE needs ADD v vector(6);
CREATE INDEX needs_index ON needs USING vego_hnsw (v);
INSERT INTO needs SELECT i, i::bit(8), ARRAY[i, 2, 3, 4, 5, 6]::vector FROM generate_series(1, 50) i;
SET LOCAL enable_seqscan = off;
SELECT id FROM needs ORDER BY v <-> '[7,2,3,4,5,6]' LIMIT 1;
ROLLBACK;
SELECT state_of('chains_index', 6);
\set VERBOSITY default

-- LIKE and dumps see what was said.
CREATE INDEX said ON chains USING vego_hnsw (v vector_cosine_ops) WITH (m = 8, ef_construction = 32, bits = 4, ef_search = 20) WHERE n > 1;
SELECT pg_get_indexdef('said'::regclass);
CREATE TABLE copied (LIKE chains INCLUDING ALL);
SELECT regexp_replace(pg_get_indexdef(indexrelid), 'INDEX [^ ]+', 'INDEX ...')
FROM pg_index WHERE indrelid = 'copied'::regclass ORDER BY 1;

-- Every operator class is sound, also in the eyes of the server.
SELECT opcname, opcdefault, amvalidate(c.oid) FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
WHERE amname = 'vego_hnsw' AND opcintype = 'vector'::regtype ORDER BY 1;
SELECT count(*) FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
WHERE amname = 'vego_hnsw' AND NOT amvalidate(c.oid);
-- one that is not is found out
CREATE OPERATOR CLASS unsound FOR TYPE real[] USING vego_hnsw AS FUNCTION 1 vector_dims(vector);
SET client_min_messages = info;
SELECT amvalidate(oid) FROM pg_opclass WHERE opcname = 'unsound';
SET client_min_messages = warning;

DROP SCHEMA index_ddl CASCADE;
