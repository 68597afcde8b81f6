-- vego_recall: beside what SQL says, on indexes of every type, and refusals.
SET client_min_messages = warning;
CREATE SCHEMA recall_test;
SET search_path = recall_test, public;

CREATE FUNCTION some_vector(seed int, dims int) RETURNS vector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
	SELECT array_agg((hashint4(hashint4(seed) # j) / 2147483648.0)::real)::vector
	FROM generate_series(1, dims) j
$$;

CREATE TABLE rows (id int, v vector(24), b bit(64)) WITH (autovacuum_enabled = off);
CREATE INDEX l2 ON rows USING vego_hnsw (v) WITH (m = 4, ef_construction = 8);
SELECT vego_recall('l2') AS empty;
INSERT INTO rows SELECT i, some_vector(i, 24), (hashint8(i)::bit(32) || hashint8(-i)::bit(32))::bit(64)
FROM generate_series(1, 1500) i;
INSERT INTO rows SELECT i, NULL, NULL FROM generate_series(1501, 1510) i;
INSERT INTO rows SELECT i, array_fill(0::real, ARRAY[24])::vector, 0::bit(64) FROM generate_series(1511, 1520) i;
DELETE FROM rows WHERE id % 5 = 0;
UPDATE rows SET v = some_vector(-id, 24) WHERE id % 7 = 0 AND id <= 1500;

CREATE INDEX half ON rows USING vego_hnsw ((v::halfvec(24)) halfvec_cosine_ops) WITH (exact = zstd);
CREATE INDEX sparse ON rows USING vego_hnsw ((v::sparsevec(24)) sparsevec_ip_ops);
CREATE INDEX bits ON rows USING vego_hnsw (b bit_jaccard_ops);
CREATE INDEX hamming ON rows USING vego_hnsw (b bit_hamming_ops);
CREATE INDEX cosine ON rows USING vego_hnsw (v vector_cosine_ops) WITH (bits = 4, exact = plain);
CREATE INDEX part ON rows USING vego_hnsw (v vector_l1_ops) WHERE id % 3 = 0;
CREATE INDEX none ON rows USING vego_hnsw (v) WHERE id < 0;

-- as wide as the table
SELECT index, vego_recall(index::regclass, 40, 10, 2000)
FROM unnest('{l2,half,sparse,bits,hamming,cosine,part,none}'::text[]) index;

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
		SET LOCAL enable_seqscan = off;
		found := found + (SELECT count(*) FROM
			(SELECT v <-> query AS d FROM rows ORDER BY v <-> query LIMIT k) s WHERE d <= farthest);
	END LOOP;
	RETURN found / wanted::float8;
END
$$;
DROP INDEX none;
SELECT vego_recall('l2', 10000, 10, ef) = by_hand(ef, 10) AS same FROM unnest('{1,20}'::int[]) ef;
SELECT vego_recall('l2', 300, 10, 1) < vego_recall('l2', 300, 10, 200) AS wider_finds_more;

-- without ef, what a scan would use
ALTER INDEX l2 SET (ef_search = 3);
SELECT vego_recall('l2') = vego_recall('l2', ef => 3) AS own,
	vego_recall('l2', ef => 200) > vego_recall('l2') AS given;
ALTER INDEX l2 RESET (ef_search);
SET vego.ef_search = 7;
SELECT vego_recall('l2') = vego_recall('l2', ef => 7) AS session;
SET vego.order = relaxed;
SELECT vego_recall('l2', 20, 10, 2000), current_setting('vego.order');

-- fewer rows than asked for
SELECT vego_recall('part', 10, 1000, 2000);

-- refusals
SELECT vego_recall('l2', 0);
SELECT vego_recall('l2', k => 1001);
SELECT vego_recall('l2', queries => NULL);
SELECT vego_recall('l2', ef => 0);
SELECT vego_recall(NULL);
CREATE INDEX tree ON rows (id);
SELECT vego_recall('tree');
SELECT vego_recall('rows');
CREATE TABLE parted (v vector(3)) PARTITION BY LIST (v);
CREATE INDEX parted_v ON parted USING vego_hnsw (v);
SELECT vego_recall('parted_v');
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'l2'::regclass;
SELECT vego_recall('l2');

DROP SCHEMA recall_test CASCADE;
