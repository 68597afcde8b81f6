-- Indexes on halfvec, sparsevec and bit: built, filled by inserts, vacuumed,
-- with vectors in the index, as expressions; against sorting all rows.

SET client_min_messages = warning;
-- small enough that a thousand rows are walked, not read one and all
SET vego.ef_search = 20;

CREATE FUNCTION pg_temp.failure(statement text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(hint, ''));
END
$$;

CREATE TABLE vego_types (id int PRIMARY KEY, v vector(24));
SELECT setseed(0.4);
INSERT INTO vego_types
SELECT i, array_agg(CASE WHEN random() < 0.4 THEN 0 ELSE random() - 0.5 + (i % 7) * 0.1 END)::vector
FROM generate_series(1, 1000) i, generate_series(1, 24) GROUP BY i;

-- The expressions that are indexed, and by which operators and classes.
CREATE TEMP TABLE classes (expression text, operator text, class text);
INSERT INTO classes VALUES
	('v::halfvec(24)', '<->', 'halfvec_l2_ops'), ('v::halfvec(24)', '<#>', 'halfvec_ip_ops'),
	('v::halfvec(24)', '<=>', 'halfvec_cosine_ops'), ('v::halfvec(24)', '<+>', 'halfvec_l1_ops'),
	('v::sparsevec(24)', '<->', 'sparsevec_l2_ops'), ('v::sparsevec(24)', '<#>', 'sparsevec_ip_ops'),
	('v::sparsevec(24)', '<=>', 'sparsevec_cosine_ops'), ('v::sparsevec(24)', '<+>', 'sparsevec_l1_ops'),
	('binary_quantize(v)::bit(24)', '<~>', 'bit_hamming_ops'),
	('binary_quantize(v)::bit(24)', '<%>', 'bit_jaccard_ops'),
	('subvector(v, 1, 8)::vector(8)', '<->', 'vector_l2_ops');

CREATE FUNCTION pg_temp.index_name(class text) RETURNS text
LANGUAGE sql AS $$ SELECT 'vego_types_' || class $$;

CREATE FUNCTION pg_temp.make_indexes(options text DEFAULT '') RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	c record;
BEGIN
	FOR c IN SELECT * FROM classes LOOP
		EXECUTE format('DROP INDEX IF EXISTS %I', pg_temp.index_name(c.class));
		EXECUTE format('CREATE INDEX %I ON vego_types USING vego_hnsw ((%s) %s) %s',
			pg_temp.index_name(c.class), c.expression, c.class, options);
	END LOOP;
END
$$;

-- How many of ten neighbours an index finds, by distance, and whether the plan
-- uses an index at all; -1 when what it returns is not in order.
CREATE FUNCTION pg_temp.recall(c classes, neighbours int DEFAULT 10) RETURNS float8
LANGUAGE plpgsql AS $$
DECLARE
	query text;
	statement text;
	plan json;
	farthest float8;
	found float8[];
	hits int := 0;
	queries int := 0;
BEGIN
	FOR query IN EXECUTE format('SELECT (%s)::text FROM vego_types WHERE id %% 100 = 8', c.expression) LOOP
		SET LOCAL enable_seqscan = on;
		SET LOCAL enable_indexscan = off;
		EXECUTE format('SELECT max(d) FROM (SELECT (%s) %s %L AS d FROM vego_types ORDER BY d LIMIT %s) nearest',
			c.expression, c.operator, query, neighbours) INTO farthest;
		SET LOCAL enable_seqscan = off;
		SET LOCAL enable_indexscan = on;
		statement := format('SELECT (%1$s) %2$s %3$L AS d FROM vego_types ORDER BY (%1$s) %2$s %3$L LIMIT %4$s',
			c.expression, c.operator, query, neighbours);
		EXECUTE 'EXPLAIN (FORMAT json) ' || statement INTO plan;
		ASSERT plan::text LIKE '%Index Scan%', plan;
		EXECUTE format('SELECT array_agg(d) FROM (%s) nearest', statement) INTO found;
		ASSERT cardinality(found) = neighbours;
		IF found <> ARRAY(SELECT d FROM unnest(found) d ORDER BY d) THEN
			RETURN -1;
		END IF;
		queries := queries + 1;
		hits := hits + (SELECT count(*) FROM unnest(found) d WHERE d <= farthest + 1e-9);
	END LOOP;
	RETURN hits::float8 / (queries * neighbours);
END
$$;

-- What is found, of what vego_check complains, and how the codes are.
CREATE FUNCTION pg_temp.verdict(class text, OUT found bool, OUT findings bigint, OUT bits int, OUT metric text)
LANGUAGE sql AS $$
	SELECT pg_temp.recall(c) >= 0.9, (SELECT count(*) FROM vego_check(pg_temp.index_name(class)::regclass)),
		   s.bits, s.metric
	FROM classes c, vego_stats(pg_temp.index_name(class)::regclass) s WHERE c.class = verdict.class
$$;

-- What has its values in half precision is coded as the vector is, and found so.
UPDATE vego_types SET v = v::halfvec::vector;
VACUUM vego_types;
CREATE FUNCTION pg_temp.answers(expression text, class text, operator text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	ids text;
BEGIN
	EXECUTE format('CREATE INDEX vego_types_only ON vego_types USING vego_hnsw ((%s) %s)', expression, class);
	SET LOCAL enable_seqscan = off;
	EXECUTE format('SELECT string_agg(n.ids, ''|'' ORDER BY q.id) FROM vego_types q, LATERAL (SELECT string_agg(id::text, '' '') AS ids
		FROM (SELECT id FROM vego_types ORDER BY (%1$s) %2$s (SELECT %3$s FROM vego_types x WHERE x.id = q.id) LIMIT 20) y) n
		WHERE q.id %% 100 = 8', expression, operator, replace(expression, 'v::', 'x.v::')) INTO ids;
	DROP INDEX vego_types_only;
	RETURN ids;
END
$$;
SELECT metric, pg_temp.answers('v::vector(24)', 'vector_' || metric || '_ops', operator) =
	pg_temp.answers('v::halfvec(24)', 'halfvec_' || metric || '_ops', operator) AS same
FROM (VALUES ('l2', '<->'), ('ip', '<#>'), ('cosine', '<=>'), ('l1', '<+>')) c (metric, operator);

SELECT pg_temp.make_indexes();
SELECT class, v.* FROM classes, pg_temp.verdict(class) v ORDER BY class COLLATE "C";

-- Rows that come, go and change; then a vacuum.
DELETE FROM vego_types WHERE id % 3 = 1;
INSERT INTO vego_types
SELECT i, array_agg(CASE WHEN random() < 0.4 THEN 0 ELSE random() - 0.5 + (i % 7) * 0.1 END)::vector
FROM generate_series(1001, 1300) i, generate_series(1, 24) GROUP BY i;
UPDATE vego_types SET v = v + v WHERE id % 5 = 2;
SELECT class, v.* FROM classes, pg_temp.verdict(class) v ORDER BY class COLLATE "C";
VACUUM vego_types;
SELECT class, v.* FROM classes, pg_temp.verdict(class) v ORDER BY class COLLATE "C";

-- Vectors in the index.
SELECT pg_temp.make_indexes('WITH (exact = plain)');
SELECT class, v.* FROM classes, pg_temp.verdict(class) v ORDER BY class COLLATE "C";
INSERT INTO vego_types SELECT id + 10000, v FROM vego_types WHERE id % 100 = 3;
SELECT class, v.findings FROM classes, pg_temp.verdict(class) v ORDER BY class COLLATE "C";
SELECT pg_temp.make_indexes('WITH (exact = zstd)');
SELECT class, v.found, v.findings FROM classes, pg_temp.verdict(class) v ORDER BY class COLLATE "C";

-- From nothing, by inserts alone.
TRUNCATE vego_types;
SELECT pg_temp.make_indexes();
INSERT INTO vego_types
SELECT i, array_agg(CASE WHEN random() < 0.4 THEN 0 ELSE random() - 0.5 + (i % 7) * 0.1 END)::vector
FROM generate_series(1, 800) i, generate_series(1, 24) GROUP BY i;
SELECT class, v.* FROM classes, pg_temp.verdict(class) v ORDER BY class COLLATE "C";

-- Builds by several processes, and of more rows than memory is allowed for.  What
-- inner product finds depends on who reads which rows; it is to be sound.
SET vego.ef_search = 100;
DROP TABLE vego_types;
CREATE TABLE vego_types (id int PRIMARY KEY, v vector(24));
INSERT INTO vego_types
SELECT i, array_agg((i % 7) * 0.1 + CASE WHEN random() < 0.4 THEN 0 ELSE random() - 0.5 END)::vector
FROM generate_series(1, 12000) i, generate_series(1, 24) GROUP BY i;
DELETE FROM vego_types WHERE id % 100 = 8 AND id > 300;
ALTER TABLE vego_types SET (parallel_workers = 2);
SET max_parallel_maintenance_workers = 2;
SELECT pg_temp.make_indexes();
SELECT class, v.found OR v.metric = 'ip' AS found, v.findings, v.bits, v.metric
FROM classes, pg_temp.verdict(class) v ORDER BY class COLLATE "C";
SET maintenance_work_mem = '1MB';
SELECT pg_temp.make_indexes();
SELECT class, v.found OR v.metric = 'ip' AS found, v.findings, v.bits, v.metric
FROM classes, pg_temp.verdict(class) v ORDER BY class COLLATE "C";
RESET maintenance_work_mem;
SET vego.ef_search = 20;
RESET max_parallel_maintenance_workers;
DROP TABLE vego_types;

-- Zero, NULL, the largest and the smallest of each type.
CREATE TABLE vego_edges (id int, h halfvec(3), s sparsevec(1000000000), b bit(70));
INSERT INTO vego_edges VALUES
	(1, '[0,0,0]', '{}/1000000000', repeat('0', 70)::bit(70)),
	(2, '[65504,-65504,6e-8]', '{1:3e38,1000000000:-3e38}/1000000000', repeat('1', 70)::bit(70)),
	(3, '[6e-8,0,0]', '{1:1e-45}/1000000000', repeat('01', 35)::bit(70)),
	(4, '[1,2,3]', '{1:1,2:2}/1000000000', repeat('0011', 18)::bit(70)),
	(5, NULL, NULL, NULL);
CREATE INDEX vego_edges_h ON vego_edges USING vego_hnsw (h halfvec_l2_ops);
CREATE INDEX vego_edges_hc ON vego_edges USING vego_hnsw (h halfvec_cosine_ops);
CREATE INDEX vego_edges_s ON vego_edges USING vego_hnsw (s sparsevec_l2_ops);
CREATE INDEX vego_edges_sc ON vego_edges USING vego_hnsw (s sparsevec_cosine_ops);
CREATE INDEX vego_edges_s1 ON vego_edges USING vego_hnsw (s sparsevec_l1_ops);
CREATE INDEX vego_edges_si ON vego_edges USING vego_hnsw (s sparsevec_ip_ops);
CREATE INDEX vego_edges_b ON vego_edges USING vego_hnsw (b bit_hamming_ops);
CREATE INDEX vego_edges_bj ON vego_edges USING vego_hnsw (b bit_jaccard_ops);
INSERT INTO vego_edges SELECT id + 10, h, s, b FROM vego_edges;
SET enable_seqscan = off;
SELECT array_agg(id) FROM (SELECT id FROM vego_edges ORDER BY h <-> '[0,0,0]', id LIMIT 8) x;
SELECT array_agg(id) FROM (SELECT id FROM vego_edges ORDER BY h <=> '[1,2,3]', id LIMIT 8) x;
SELECT array_agg(id) FROM (SELECT id FROM vego_edges ORDER BY s <-> '{1:1,2:2}/1000000000', id LIMIT 8) x;
SELECT array_agg(id) FROM (SELECT id FROM vego_edges ORDER BY s <=> '{1:1}/1000000000', id LIMIT 8) x;
SELECT array_agg(id) FROM (SELECT id FROM vego_edges ORDER BY s <+> '{}/1000000000', id LIMIT 8) x;
SELECT array_agg(id) FROM (SELECT id FROM vego_edges ORDER BY s <#> '{1:1}/1000000000', id LIMIT 8) x;
SELECT array_agg(id) FROM (SELECT id FROM vego_edges ORDER BY b <~> repeat('1', 70)::bit(70), id LIMIT 8) x;
SELECT array_agg(id) FROM (SELECT id FROM vego_edges ORDER BY b <%> repeat('0011', 18)::bit(70), id LIMIT 8) x;
SELECT count(*) FROM (SELECT id FROM vego_edges ORDER BY s <=> '{}/1000000000') x;
SELECT count(*) FROM (SELECT id FROM vego_edges ORDER BY b <%> repeat('0', 70)::bit(70)) x;
RESET enable_seqscan;
SELECT x, c.finding FROM unnest(ARRAY['vego_edges_h', 'vego_edges_hc', 'vego_edges_s', 'vego_edges_sc',
	'vego_edges_s1', 'vego_edges_si', 'vego_edges_b', 'vego_edges_bj']::regclass[]) x, vego_check(x) c;
DROP TABLE vego_edges;

-- Limits: dimensions of a column, of a page; options that mean nothing.
SELECT pg_temp.failure(format('CREATE TABLE vego_limits (v %s)', type)) FROM unnest(ARRAY['halfvec(16001)', 'sparsevec(1000000001)']) type;
CREATE TABLE vego_limits (h halfvec(16000), s sparsevec, b bit(64000), c bit(64001), any_length varbit);
SELECT statement, pg_temp.failure('CREATE INDEX ON vego_limits USING vego_hnsw ' || statement)
FROM unnest(ARRAY['(h halfvec_l2_ops)', '(h halfvec_l2_ops) WITH (bits = 4)', '(s sparsevec_l2_ops)',
	'((s::sparsevec(5)) sparsevec_l2_ops)', '((s::sparsevec(5)) sparsevec_l2_ops) WITH (bits = 8)',
	'(b bit_hamming_ops)', '(b bit_jaccard_ops) WITH (m = 16)', '(b bit_hamming_ops) WITH (m = 100)',
	'(b bit_hamming_ops) WITH (bits = 4)', '(c bit_hamming_ops)', '(any_length bit_hamming_ops)',
	'(s halfvec_l2_ops)', '(h vector_l2_ops)']) statement;
INSERT INTO vego_limits (h, s, b)
SELECT array_fill(1, ARRAY[16000])::halfvec, '{3:1}/5', B'1'::bit(64000);
SELECT pg_temp.failure($$INSERT INTO vego_limits (s) VALUES ('{3:1}/6')$$);
DROP TABLE vego_limits;

-- Domains, members of arrays and of composite values, columns without dimensions.
CREATE DOMAIN vego_half AS halfvec(3);
CREATE DOMAIN vego_sparse3 AS sparsevec(3) CHECK (l2_norm(VALUE) < 100);
CREATE TYPE vego_pair AS (h halfvec(3), b bit(3));
CREATE TABLE vego_forms (id int, d vego_half, s vego_sparse3, a halfvec[], p vego_pair, h halfvec);
INSERT INTO vego_forms
SELECT i, ARRAY[i, 1, 0], ARRAY[0, i % 50, 1]::vector::sparsevec, ARRAY[ARRAY[i, 0]::halfvec, ARRAY[1, i, 2]::halfvec],
	ROW(ARRAY[2, i, i], (i % 8)::bit(3))::vego_pair, CASE i % 2 WHEN 0 THEN ARRAY[i, 1] ELSE ARRAY[i, 1, 2] END
FROM generate_series(1, 60) i;
INSERT INTO vego_forms VALUES (61);
SELECT pg_temp.failure('CREATE INDEX ON vego_forms USING vego_hnsw ' || statement)
FROM unnest(ARRAY['(d halfvec_l2_ops)', '(s sparsevec_ip_ops)', '(((a[2])::halfvec(3)) halfvec_l2_ops)', '(((p).h) halfvec_l1_ops)',
	'(((p).b) bit_hamming_ops)', '((h::halfvec(3)) halfvec_cosine_ops) WHERE vector_dims(h) = 3', '((h::halfvec(3)) halfvec_cosine_ops)']) statement;
INSERT INTO vego_forms SELECT id + 100, d, s, a, p, h FROM vego_forms;
SET enable_seqscan = off;
SELECT array_agg(id) FROM (SELECT id FROM vego_forms ORDER BY d <-> '[7,1,0]', id LIMIT 4) x;
SELECT array_agg(id) FROM (SELECT id FROM vego_forms ORDER BY s <#> '{2:1}/3', id LIMIT 4) x;
SELECT array_agg(id) FROM (SELECT id FROM vego_forms ORDER BY (a[2])::halfvec(3) <-> '[1,20,2]', id LIMIT 4) x;
SELECT array_agg(id) FROM (SELECT id FROM vego_forms ORDER BY (p).h <+> '[2,60,60]', id LIMIT 4) x;
SELECT array_agg(id) FROM (SELECT id FROM vego_forms ORDER BY (p).b <~> '111', id LIMIT 14) x;
SELECT array_agg(id) FROM (SELECT id FROM vego_forms WHERE vector_dims(h) = 3 ORDER BY h::halfvec(3) <=> '[59,1,2]', id LIMIT 4) x;
RESET enable_seqscan;
SELECT indexrelid::regclass, finding FROM pg_index, vego_check(indexrelid) WHERE indrelid = 'vego_forms'::regclass;
DROP TABLE vego_forms;
DROP TYPE vego_pair;
DROP DOMAIN vego_half, vego_sparse3;

-- Sparse vectors of a thousand elements and of the most.
CREATE TABLE vego_sparse (id int, s sparsevec(100000));
INSERT INTO vego_sparse
SELECT i, ('{' || string_agg(j * (i % 50 + 1) || ':' || 1 + (i * j) % 17, ',') || '}/100000')::sparsevec
FROM generate_series(1, 60) i, generate_series(1, 1000) j GROUP BY i;
INSERT INTO vego_sparse
SELECT 61, ('{' || string_agg(j || ':' || 1 + j % 3, ',') || '}/100000')::sparsevec
FROM generate_series(1, 16000) j;
CREATE INDEX vego_sparse_index ON vego_sparse USING vego_hnsw (s sparsevec_l2_ops);
SET enable_seqscan = off;
SELECT bool_and((SELECT n.id FROM vego_sparse n ORDER BY n.s <-> q.s LIMIT 1) = q.id) AS itself FROM vego_sparse q;
SELECT count(*) FROM (SELECT id FROM vego_sparse ORDER BY s <-> '{1:1}/100000') x;
RESET enable_seqscan;
SELECT finding FROM vego_check('vego_sparse_index');
DROP TABLE vego_sparse;
RESET vego.ef_search;
RESET client_min_messages;
