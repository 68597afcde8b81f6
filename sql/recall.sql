-- vego_recall: beside what SQL says, on indexes of every type, and refusals.
SET client_min_messages = warning;
CREATE SCHEMA recall_test;
SET search_path = recall_test, vego_test, public;

CREATE TABLE rows (id int, v vector(24), b bit(64)) WITH (autovacuum_enabled = off);
CREATE INDEX l2 ON rows USING vego_hnsw (v) WITH (m = 4, ef_construction = 8);
SELECT vego_recall('l2') AS empty;
INSERT INTO rows SELECT i, vector_of(i, 24), (hashint8(i)::bit(32) || hashint8(-i)::bit(32))::bit(64)
FROM generate_series(1, 800) i;
INSERT INTO rows SELECT i, NULL, NULL FROM generate_series(801, 810) i;
INSERT INTO rows SELECT i, array_fill(0::real, ARRAY[24])::vector, 0::bit(64) FROM generate_series(811, 815) i;
DELETE FROM rows WHERE id % 5 = 0;
UPDATE rows SET v = vector_of(-id, 24) WHERE id % 7 = 0 AND id <= 800;

CREATE INDEX half ON rows USING vego_hnsw ((v::halfvec(24)) halfvec_cosine_ops) WITH (exact = zstd);
CREATE INDEX sparse ON rows USING vego_hnsw ((v::sparsevec(24)) sparsevec_ip_ops);
CREATE INDEX bits ON rows USING vego_hnsw (b bit_jaccard_ops);
CREATE INDEX hamming ON rows USING vego_hnsw (b bit_hamming_ops);
CREATE INDEX cosine ON rows USING vego_hnsw (v vector_cosine_ops) WITH (bits = 4, exact = plain);
CREATE INDEX part ON rows USING vego_hnsw (v vector_l1_ops) WHERE id % 3 = 0;
CREATE INDEX none ON rows USING vego_hnsw (v) WHERE id < 0;

-- as wide as the table
SELECT index, vego_recall(index::regclass, 40, 10, 10000)
FROM unnest('{l2,half,sparse,bits,hamming,cosine,part,none}'::text[]) index;
-- fewer rows than asked for
SELECT vego_recall('part', 10, 1000, 10000), vego_recall('part', 10000, 1, 10000);
DROP INDEX half, sparse, bits, hamming, cosine, none;

-- every row a query: what SQL finds, by the same widths
CREATE FUNCTION by_hand(ef int, k int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	query vector;
	farthest float8;
	wanted int := 0;
	found int := 0;
BEGIN
	PERFORM set_config('vego.ef_search', ef::text, true);
	FOR query IN SELECT v FROM rows WHERE v IS NOT NULL LOOP
		SELECT max(d) INTO farthest FROM
			(SELECT v <-> query AS d FROM rows WHERE v IS NOT NULL ORDER BY (v <-> query) + 0 LIMIT k) s;
		wanted := wanted + k;
		found := found + (SELECT count(*) FROM
			(SELECT v <-> query AS d FROM rows ORDER BY v <-> query LIMIT k) s WHERE d <= farthest);
	END LOOP;
	RETURN found / wanted::float8;
END
$$;
SET enable_seqscan = off;
SET jit = off;
SELECT ef, vego_recall('l2', 10000, 10, ef) = by_hand(ef, 10) AS same, vego_recall('l2', 10000, 10, ef) BETWEEN 0.1 AND 0.999 AS some
FROM unnest('{1,5}'::int[]) ef;
RESET enable_seqscan;
RESET jit;

-- chosen rows are the same each time, and not all alike
SELECT vego_recall('l2', 50, 10, 1) = vego_recall('l2', 50, 10, 1) AS again,
	count(DISTINCT vego_recall('l2', q, 10, 1)) > 1 AS others
FROM generate_series(50, 54) q;
SELECT vego_recall('l2', 200, 10, 1) < vego_recall('l2', 200, 10, 200) AS wider_finds_more;

-- without ef, what a scan would use
ALTER INDEX l2 SET (ef_search = 3);
SELECT vego_recall('l2') = vego_recall('l2', ef => 3) AS own,
	vego_recall('l2', ef => 200) > vego_recall('l2') AS given;
ALTER INDEX l2 RESET (ef_search);
SET vego.ef_search = 7;
SELECT vego_recall('l2') = vego_recall('l2', ef => 7) AS session, current_setting('vego.ef_search');
RESET vego.ef_search;

-- what this snapshot sees: not what was deleted, also what is not committed
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT vego_recall('part', 10000, 1000, 10000);
DELETE FROM rows WHERE id % 2 = 0;
INSERT INTO rows SELECT -3 * i, vector_of(2000 + i, 24) FROM generate_series(1, 50) i;
SELECT vego_recall('part', 10000, 1000, 10000);
ROLLBACK;

-- expressions run as the owner, and only owners may ask
CREATE ROLE regress_vego_asker;
GRANT USAGE, CREATE ON SCHEMA recall_test TO regress_vego_asker;
SET ROLE regress_vego_asker;
CREATE TABLE asked (v vector(3), note text);
CREATE FUNCTION who(v vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_setting('recall_test.tell', true) = 'yes' THEN
		RAISE '% is here, on %', current_user, current_setting('search_path');
	END IF;
	RETURN v;
END
$$;
CREATE INDEX asked_v ON asked USING vego_hnsw ((who(v)::vector(3)) vector_l2_ops);
INSERT INTO asked SELECT ARRAY[i, i % 7, 1]::vector, 'x' FROM generate_series(1, 100) i;
SELECT vego_recall('asked_v');
RESET ROLE;
SELECT vego_recall('asked_v');
SET recall_test.tell = 'yes';
SELECT vego_recall('asked_v');
RESET recall_test.tell;
SELECT current_user = session_user AS same_user, current_setting('search_path');
GRANT EXECUTE ON FUNCTION vego_recall(regclass, int, int, int) TO regress_vego_asker;
SET ROLE regress_vego_asker;
SELECT vego_recall('asked_v');
SELECT vego_recall('l2');
RESET ROLE;
REVOKE ALL ON FUNCTION vego_recall(regclass, int, int, int) FROM regress_vego_asker;
DROP OWNED BY regress_vego_asker;
DROP ROLE regress_vego_asker;

-- refusals
CREATE INDEX tree ON rows (id);
CREATE TABLE parted (v vector(3)) PARTITION BY LIST (v);
CREATE INDEX parted_v ON parted USING vego_hnsw (v);
SELECT call, refusal('SELECT vego_recall(' || call || ')')
FROM unnest(ARRAY['''l2'', 0', '''l2'', 10001', '''l2'', k => 1001', '''l2'', k => -1', '''l2'', queries => NULL',
	'''l2'', k => NULL', '''l2'', ef => 0', '''l2'', ef => 10001', '''tree''', '''rows''', '''parted_v''']) call;
SELECT vego_recall(NULL);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'l2'::regclass;
SELECT refusal('SELECT vego_recall(''l2'')');

DROP SCHEMA recall_test CASCADE;
