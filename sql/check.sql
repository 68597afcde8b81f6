-- vego_check on sound indexes of every shape, and whom it refuses.  What it
-- says of damaged ones is in test/t/damage.pl.
SET client_min_messages = warning;
CREATE SCHEMA check_test;
SET search_path = check_test, public;

CREATE FUNCTION some_vector(seed int, dims int) RETURNS vector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
	SELECT array_agg((hashint4(hashint4(seed) # j) / 2147483648.0)::real)::vector
	FROM generate_series(1, dims) j
$$;

CREATE TABLE rows (id int PRIMARY KEY, v vector(24)) WITH (autovacuum_enabled = off);
INSERT INTO rows SELECT i, some_vector(i, 24) FROM generate_series(1, 3000) i;
INSERT INTO rows SELECT i, NULL FROM generate_series(3001, 3010) i;
INSERT INTO rows SELECT i, array_fill(0::real, ARRAY[24])::vector FROM generate_series(3011, 3020) i;

-- built
CREATE INDEX l2 ON rows USING vego_hnsw (v vector_l2_ops);
CREATE INDEX ip ON rows USING vego_hnsw (v vector_ip_ops);
CREATE INDEX cosine ON rows USING vego_hnsw (v vector_cosine_ops);
CREATE INDEX l1 ON rows USING vego_hnsw (v vector_l1_ops) WITH (m = 4);
CREATE INDEX narrow ON rows USING vego_hnsw (v vector_l2_ops) WITH (bits = 4, m = 3);
CREATE INDEX expression ON rows USING vego_hnsw ((subvector(v, 3, 7)::vector(7)) vector_l2_ops);
CREATE INDEX partial ON rows USING vego_hnsw (v vector_cosine_ops) WHERE id % 3 = 0;
CREATE INDEX none ON rows USING vego_hnsw (v vector_l2_ops) WHERE id < 0;

CREATE VIEW indexes AS
	SELECT c.oid::regclass AS index FROM pg_class c JOIN pg_am a ON a.oid = c.relam
	WHERE amname = 'vego_hnsw' AND relkind = 'i'
	  AND (relnamespace = 'check_test'::regnamespace OR relpersistence = 't');
SELECT count(*) FROM indexes;
SELECT index, f.* FROM indexes, vego_check(index) f;
SELECT index, nodes FROM indexes, vego_stats(index) ORDER BY index::text;

-- inserted into
INSERT INTO rows SELECT i, some_vector(i, 24) FROM generate_series(4001, 4500) i;
UPDATE rows SET v = some_vector(-id, 24) WHERE id % 10 = 0 AND id <= 3000;
UPDATE rows SET id = id + 10000 WHERE id % 10 = 1;
SELECT index, f.* FROM indexes, vego_check(index) f;

-- rows that are gone, before and after vacuum; freed slots used again
DELETE FROM rows WHERE id % 4 = 0;
SELECT index, f.* FROM indexes, vego_check(index) f WHERE severity = 'error';
VACUUM (INDEX_CLEANUP ON) rows;
SELECT index, f.* FROM indexes, vego_check(index) f WHERE severity = 'error';
INSERT INTO rows SELECT i, some_vector(i, 24) FROM generate_series(5001, 5500) i;
SELECT index, f.* FROM indexes, vego_check(index) f WHERE severity = 'error';

-- rows that never were
BEGIN;
INSERT INTO rows SELECT i, some_vector(i, 24) FROM generate_series(6001, 6300) i;
SELECT index, f.* FROM indexes, vego_check(index) f WHERE severity = 'error';
ROLLBACK;
SELECT index, f.* FROM indexes, vego_check(index) f WHERE severity = 'error';
VACUUM (INDEX_CLEANUP ON) rows;

-- an older snapshot than the index: its rows are those of a newer one
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) > 0 FROM rows;
INSERT INTO rows SELECT i, some_vector(i, 24) FROM generate_series(6401, 6410) i;
SELECT index, f.* FROM indexes, vego_check(index) f WHERE severity = 'error';
COMMIT;

-- filled from empty; emptied; filled again
CREATE TABLE filled (id int, v vector(3));
CREATE INDEX filled_v ON filled USING vego_hnsw (v vector_l2_ops) WITH (m = 2);
SELECT * FROM vego_check('filled_v');
INSERT INTO filled SELECT i, some_vector(i, 3) FROM generate_series(1, 1) i;
SELECT * FROM vego_check('filled_v');
INSERT INTO filled SELECT i, some_vector(i, 3) FROM generate_series(2, 2000) i;
SELECT * FROM vego_check('filled_v');
DELETE FROM filled;
SELECT * FROM vego_check('filled_v') WHERE severity = 'error';
VACUUM (INDEX_CLEANUP ON) filled;
SELECT * FROM vego_check('filled_v') WHERE severity = 'error';
INSERT INTO filled SELECT i, some_vector(i, 3) FROM generate_series(1, 500) i;
SELECT * FROM vego_check('filled_v') WHERE severity = 'error';
TRUNCATE filled;
SELECT * FROM vego_check('filled_v');

-- longer and longer vectors, from none on
CREATE TABLE longer (id int, v vector(3));
CREATE INDEX longer_v ON longer USING vego_hnsw (v vector_ip_ops);
INSERT INTO longer SELECT i, ARRAY[i, 0, 1]::real[]::vector FROM generate_series(1, 300) i;
SELECT * FROM vego_check('longer_v');

-- emptied and filled by the transaction that made it: another build in the same
-- file, of which this session must not remember the dictionary
BEGIN;
CREATE TABLE again (id int, v vector(64));
INSERT INTO again SELECT i, some_vector(i, 64) FROM generate_series(1, 300) i;
CREATE INDEX again_v ON again USING vego_hnsw (v vector_l2_ops) WITH (exact = zstd);
INSERT INTO again SELECT i, some_vector(i, 64) FROM generate_series(301, 310) i;
TRUNCATE again;
INSERT INTO again SELECT i, some_vector(i, 64) FROM generate_series(1, 300) i;
SELECT * FROM vego_check('again_v');
COMMIT;

-- many rows alike
CREATE TABLE alike (id int, v vector(5));
CREATE INDEX alike_v ON alike USING vego_hnsw (v vector_l2_ops) WITH (m = 2);
INSERT INTO alike SELECT i, '[1,2,3,4,5]' FROM generate_series(1, 500) i;
SELECT * FROM vego_check('alike_v');
REINDEX INDEX alike_v;
SELECT * FROM vego_check('alike_v');

-- more dimensions than one meta page and one slot a page
CREATE TABLE wide (id int, v vector(7000));
INSERT INTO wide SELECT i, some_vector(i, 7000) FROM generate_series(1, 20) i;
CREATE INDEX wide_v ON wide USING vego_hnsw (v vector_l2_ops);
INSERT INTO wide SELECT i, some_vector(i, 7000) FROM generate_series(21, 30) i;
SELECT * FROM vego_check('wide_v');

-- unlogged and temporary tables; built concurrently
CREATE UNLOGGED TABLE unlogged (id int, v vector(3));
CREATE INDEX unlogged_v ON unlogged USING vego_hnsw (v vector_l2_ops);
INSERT INTO unlogged SELECT i, some_vector(i, 3) FROM generate_series(1, 500) i;
SELECT * FROM vego_check('unlogged_v');
CREATE TEMP TABLE passing (id int, v vector(3));
INSERT INTO passing SELECT i, some_vector(i, 3) FROM generate_series(1, 500) i;
CREATE INDEX passing_v ON passing USING vego_hnsw (v vector_l2_ops);
DELETE FROM passing WHERE id % 2 = 0;
VACUUM (INDEX_CLEANUP ON) passing;
INSERT INTO passing SELECT i, some_vector(i, 3) FROM generate_series(501, 1000) i;
SELECT * FROM vego_check('passing_v') WHERE severity = 'error';
CREATE INDEX CONCURRENTLY later ON rows USING vego_hnsw (v vector_l2_ops);
SELECT * FROM vego_check('later') WHERE severity = 'error';

-- rows that the index should have and has not: the catalog is made to lie
CREATE TABLE partly (id int, v vector(3));
INSERT INTO partly SELECT i, some_vector(i, 3) FROM generate_series(1, 10) i;
CREATE INDEX partly_v ON partly USING vego_hnsw (v vector_l2_ops);
UPDATE pg_index SET indisready = false WHERE indexrelid = 'partly_v'::regclass;
INSERT INTO partly SELECT i, some_vector(i, 3) FROM generate_series(11, 12) i;
UPDATE pg_index SET indisready = true WHERE indexrelid = 'partly_v'::regclass;
SELECT * FROM vego_check('partly_v');
SELECT * FROM vego_check('partly_v', heapallindexed => false);

-- so many that they are only counted
UPDATE pg_index SET indisready = false WHERE indexrelid = 'partly_v'::regclass;
INSERT INTO partly SELECT i, some_vector(i, 3) FROM generate_series(13, 150) i;
UPDATE pg_index SET indisready = true WHERE indexrelid = 'partly_v'::regclass;
SELECT count(*), max(finding) FILTER (WHERE finding NOT LIKE 'row %') FROM vego_check('partly_v');

-- storage parameters that are not those of the build
ALTER INDEX l2 SET (m = 7);
SELECT * FROM vego_check('l2') WHERE code = 'I2';

-- code in the index runs as the table's owner, and cannot leave a setting
CREATE ROLE regress_vego_owner;
GRANT USAGE, CREATE ON SCHEMA check_test TO regress_vego_owner;
SET ROLE regress_vego_owner;
CREATE FUNCTION who_runs(v vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_setting('check_test.tell', true) = 'yes' THEN
		RAISE WARNING 'run by %, path %', current_user, current_setting('search_path');
		PERFORM pg_catalog.set_config('check_test.kept', 'behind', false);
		PERFORM pg_catalog.set_config('check_test.tell', 'no', false);
	END IF;
	RETURN v;
END $$;
CREATE TABLE owned (id int, v vector(3));
INSERT INTO owned SELECT i, some_vector(i, 3) FROM generate_series(1, 5) i;
CREATE INDEX owned_v ON owned USING vego_hnsw ((who_runs(v)::vector(3)) vector_l2_ops);
RESET ROLE;
SET check_test.tell = 'yes';
SET check_test.kept = '';
\set VERBOSITY terse
SELECT * FROM vego_check('owned_v');
SELECT current_setting('check_test.kept') = '' AS nothing_kept, current_setting('search_path'), current_user = session_user AS same_user;
SET check_test.tell = 'no';

-- only owners may look, and only those who were let
SET ROLE regress_vego_owner;
SELECT * FROM vego_check('owned_v');
SELECT nodes FROM vego_stats('owned_v');
RESET ROLE;
GRANT EXECUTE ON FUNCTION vego_check(regclass, boolean), vego_stats(regclass) TO regress_vego_owner;
SET ROLE regress_vego_owner;
SELECT * FROM vego_check('owned_v');
SELECT nodes FROM vego_stats('owned_v');
SELECT * FROM vego_check('l2');
SELECT nodes FROM vego_stats('l2');
RESET ROLE;

-- what is no such index
SELECT * FROM vego_check('rows');
SELECT * FROM vego_check('rows_pkey');
SELECT * FROM vego_check(0);
SELECT * FROM vego_check(NULL);
CREATE TABLE parts (id int, v vector(3)) PARTITION BY LIST (id);
CREATE TABLE part PARTITION OF parts DEFAULT;
CREATE INDEX parts_v ON parts USING vego_hnsw (v vector_l2_ops);
SELECT * FROM vego_check('parts_v');
SELECT * FROM vego_check('part_v_idx');
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'part_v_idx'::regclass;
SELECT * FROM vego_check('part_v_idx');

-- refused to everyone by default, every function of this kind
SELECT p.oid::regprocedure FROM pg_proc p
WHERE proname IN ('vego_check', 'vego_stats')
  AND has_function_privilege('pg_monitor', p.oid, 'EXECUTE');

DROP SCHEMA check_test CASCADE;
REVOKE ALL ON FUNCTION vego_check(regclass, boolean), vego_stats(regclass) FROM regress_vego_owner;
DROP ROLE regress_vego_owner;
