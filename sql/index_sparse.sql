-- Sparse vectors as texts make them: a few words each of many, rare ones heavy,
-- so that most pairs have nothing in common and are equally far.
SET client_min_messages = warning;

-- The words of a text; what is common is light.
CREATE FUNCTION pg_temp.text_of(seed int, words int) RETURNS text
LANGUAGE sql AS $$
	SELECT '{' || string_agg(word || ':' || round((0.3 + word / 3000.0)::numeric, 3), ',') || '}'
	FROM (SELECT DISTINCT floor(words * random() ^ 3)::int + 1 AS word
		  FROM generate_series(1, 3 + seed % 9)) w
$$;

CREATE TABLE texts (id int, v sparsevec(3000), w sparsevec(2000000));
CREATE TABLE queries (id int, v sparsevec(3000), w sparsevec(2000000));
SELECT setseed(0.1);
INSERT INTO texts (id, v) SELECT i, l2_normalize((pg_temp.text_of(i, 3000) || '/3000')::sparsevec) FROM generate_series(1, 4000) i;
INSERT INTO queries (id, v) SELECT i, l2_normalize((pg_temp.text_of(i, 3000) || '/3000')::sparsevec) FROM generate_series(1, 60) i;
-- The same words in a space of two million, where places are hashed.
CREATE FUNCTION pg_temp.spread(v sparsevec) RETURNS sparsevec
LANGUAGE sql AS $$
	SELECT ('{' || string_agg(split_part(e, ':', 1)::int * 661 || ':' || split_part(e, ':', 2), ',') || '}/2000000')::sparsevec
	FROM unnest(string_to_array(split_part(trim(leading '{' FROM v::text), '}', 1), ',')) e
$$;
UPDATE texts SET w = pg_temp.spread(v);
UPDATE queries SET w = pg_temp.spread(v);
VACUUM ANALYZE texts;

-- Of the ten nearest of each query, how many an index finds at the default
-- settings; -1 where it returns them out of order.
CREATE FUNCTION pg_temp.recall(operator text, name text DEFAULT 'v') RETURNS float8
LANGUAGE plpgsql AS $$
DECLARE
	query record;
	farthest float8;
	found float8[];
	hits int := 0;
	queries int := 0;
BEGIN
	FOR query IN EXECUTE format('SELECT %s::text AS q FROM queries', name) LOOP
		SET LOCAL enable_indexscan = off;
		SET LOCAL enable_seqscan = on;
		EXECUTE format('SELECT max(d) FROM (SELECT %s %s %L AS d FROM texts ORDER BY d LIMIT 10) x', name, operator, query.q)
			INTO farthest;
		SET LOCAL enable_indexscan = on;
		SET LOCAL enable_seqscan = off;
		EXECUTE format('SELECT array_agg(d) FROM (SELECT %1$s %2$s %3$L AS d FROM texts ORDER BY %1$s %2$s %3$L LIMIT 10) x',
			name, operator, query.q) INTO found;
		ASSERT cardinality(found) = 10;
		IF found <> ARRAY(SELECT d FROM unnest(found) d ORDER BY d) THEN
			RETURN -1;
		END IF;
		queries := queries + 1;
		hits := hits + (SELECT count(*) FROM unnest(found) d WHERE d <= farthest + 1e-6);
	END LOOP;
	RETURN hits::float8 / (10 * queries);
END
$$;

CREATE FUNCTION pg_temp.verdict(statement text, operator text, name text DEFAULT 'v', wanted float8 DEFAULT 0.95,
	OUT good bool, OUT findings bigint)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	good := pg_temp.recall(operator, name) >= wanted;
	SELECT count(*) INTO findings FROM vego_check('texts_index');
END
$$;

SELECT operator, v.* FROM (VALUES ('l2', '<->'), ('ip', '<#>'), ('l1', '<+>'), ('cosine', '<=>')) c (class, operator),
	pg_temp.verdict(format('DROP INDEX IF EXISTS texts_index; CREATE INDEX texts_index ON texts USING vego_hnsw (v sparsevec_%s_ops)',
		class), operator, wanted => CASE class WHEN 'l1' THEN 0.9 ELSE 0.95 END) v;
-- rows that go and change; signposts to them with them
DELETE FROM texts WHERE id % 3 = 1;
UPDATE texts SET v = l2_normalize((pg_temp.text_of(id, 3000) || '/3000')::sparsevec) WHERE id % 6 = 2;
VACUUM texts;
SELECT * FROM pg_temp.verdict('', '<=>');
-- all rows go, and others come: no signpost points to what is there
DELETE FROM texts;
VACUUM texts;
INSERT INTO texts (id, v) SELECT i, l2_normalize((pg_temp.text_of(i, 3000) || '/3000')::sparsevec) FROM generate_series(1, 2500) i;
SELECT * FROM pg_temp.verdict('', '<=>');
-- more than memory is allowed for: rows of one rare word have several shards
INSERT INTO texts (id, v) SELECT i, l2_normalize((pg_temp.text_of(i, 3000) || '/3000')::sparsevec) FROM generate_series(2501, 6000) i;
SELECT * FROM pg_temp.verdict('SET maintenance_work_mem = ''1MB''; REINDEX INDEX texts_index; RESET maintenance_work_mem', '<=>', wanted => 0.8);
-- places that are hashed
UPDATE texts SET w = pg_temp.spread(v);
SELECT * FROM pg_temp.verdict('DROP INDEX texts_index; CREATE INDEX texts_index ON texts USING vego_hnsw (w sparsevec_cosine_ops)',
	'<=>', 'w');
-- an index that is not logged has its signposts after a crash as well
CREATE UNLOGGED TABLE unlogged_texts (v sparsevec(3000));
CREATE INDEX unlogged_index ON unlogged_texts USING vego_hnsw (v sparsevec_l2_ops);
INSERT INTO unlogged_texts SELECT v FROM texts LIMIT 50;
SELECT finding FROM vego_check('unlogged_index');
DROP TABLE texts, queries, unlogged_texts;
RESET client_min_messages;
