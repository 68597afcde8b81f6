-- vego_estimate: beside the sizes of indexes that are built, and the memory
-- that builds turn out to need.
SET client_min_messages = warning;
CREATE SCHEMA estimate_test;
SET search_path = estimate_test, vego_test, public;
-- one process, so that it is known how many there are
SET max_parallel_maintenance_workers = 0;

CREATE FUNCTION count_of(arguments text) RETURNS int LANGUAGE sql IMMUTABLE AS $$
	SELECT (regexp_match(arguments, '^\d+'))[1]::int
$$;

-- Shapes, as arguments of the function and as an index on some rows.
CREATE TABLE shapes (arguments text, type text, options text);
INSERT INTO shapes VALUES
('0, 128', 'vector', ''),
('1, 3', 'vector', ''),
('33, 3', 'vector', ''),
('3000, 3', 'vector', ''),
('3000, 3, bits => 4', 'vector', 'bits = 4'),
('3000, 3, m => 2, exact => ''plain''', 'vector', 'm = 2, exact = plain'),
('3000, 3, m => 100', 'vector', 'm = 100'),
('1000, 100', 'vector', ''),
('1000, 100, bits => 4, exact => ''plain''', 'vector', 'bits = 4, exact = plain'),
('1000, 100, type => ''halfvec'', bits => 4', 'halfvec', 'bits = 4'),
('1000, 100, type => ''halfvec'', exact => ''plain''', 'halfvec', 'exact = plain'),
('1000, 100, type => ''bit''', 'bit', ''),
('1000, 100, type => ''bit'', exact => ''plain''', 'bit', 'exact = plain'),
('1000, 100, type => ''sparsevec''', 'sparsevec', ''),
('200, 768, exact => ''plain''', 'vector', 'exact = plain'),
('200, 1536, m => 8, exact => ''plain''', 'vector', 'm = 8, exact = plain'),
('100, 2500, exact => ''plain''', 'vector', 'exact = plain'),
('50, 8100', 'vector', ''),
('20, 16000, bits => 4', 'vector', 'bits = 4');

CREATE FUNCTION build(arguments text, type text, options text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	dims int := (regexp_match(arguments, ', (\d+)'))[1];
BEGIN
	EXECUTE format('CREATE TABLE built AS SELECT %s::%s(%s) AS v FROM generate_series(1, %s) i',
		CASE type WHEN 'bit' THEN format('binary_quantize(vector_of(i, %s))', dims)
			ELSE format('vector_of(i, %s)', dims) END,
		type, dims, count_of(arguments));
	EXECUTE format('CREATE INDEX built_v ON built USING vego_hnsw (v %s_ops) %s',
		type || CASE type WHEN 'bit' THEN '_hamming' ELSE '_l2' END, 'WITH (' || nullif(options, '') || ')');
	RETURN pg_relation_size('built_v');
END
$$;
CREATE FUNCTION estimate(arguments text, OUT index_bytes bigint, OUT build_memory bigint) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT * FROM vego_estimate(%s)', arguments) INTO index_bytes, build_memory;
END
$$;
CREATE TABLE sizes (arguments text, bytes bigint);
DO $$
DECLARE
	shape shapes;
BEGIN
	FOR shape IN SELECT * FROM shapes LOOP
		INSERT INTO sizes VALUES (shape.arguments, build(shape.arguments, shape.type, shape.options));
		DROP TABLE built;
	END LOOP;
END
$$;
SELECT arguments, index_bytes, bytes FROM sizes, estimate(arguments)
WHERE abs(index_bytes - bytes) > bytes * 0.02 OR index_bytes % 8192 <> 0;
SELECT count(*), count(DISTINCT bytes) > 12 AS various FROM sizes;
-- compressed vectors take no more than plain ones
CREATE TABLE built AS SELECT vector_of(i % 5, 300)::vector(300) AS v FROM generate_series(1, 200) i;
CREATE INDEX built_v ON built USING vego_hnsw (v) WITH (exact = zstd);
SELECT pg_relation_size('built_v') <= zstd.index_bytes AS within, zstd = plain AS as_plain
FROM vego_estimate(200, 300, exact => 'zstd') zstd, vego_estimate(200, 300, exact => 'plain') plain;
DROP TABLE built;

-- A build that has the memory needs no files, one that has less does.
CREATE FUNCTION needs_files(memory bigint, options text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('maintenance_work_mem', memory || 'B', true), set_config('temp_file_limit', '0', true);
	DROP INDEX IF EXISTS many_v;
	EXECUTE 'CREATE INDEX many_v ON many USING vego_hnsw (v) ' || options;
	RETURN false;
EXCEPTION WHEN configuration_limit_exceeded THEN
	RETURN true;
END
$$;
CREATE TABLE many AS SELECT vector_of(i, 8)::vector(8) AS v FROM generate_series(1, 12000) i;
SELECT arguments, needs_files(build_memory, options) AS with_it, needs_files(build_memory - 4096, options) AS with_less
FROM (VALUES ('12000, 8, processes => 1', ''),
	('12000, 8, m => 8, ef_construction => 200, processes => 1', 'WITH (m = 8, ef_construction = 200)'),
	('12000, 8, bits => 4, processes => 1', 'WITH (bits = 4)')) o (arguments, options),
	estimate(arguments);
-- by two processes, which need 32 MB each to be planned, and take some rows
-- before others can
ALTER TABLE many SET (parallel_workers = 1);
SET max_parallel_maintenance_workers = 1;
SELECT build_memory > 67108864 AS enough_for_two, needs_files(build_memory, options) AS with_it,
	needs_files(build_memory / 100 * 95, options) AS with_less
FROM (VALUES ('12000, 8, m => 2, ef_construction => 1500, processes => 2', 'WITH (m = 2, ef_construction = 1500)')) o (arguments, options),
	estimate(arguments);
-- fewer processes need no more than was asked for
SET max_parallel_maintenance_workers = 0;
SELECT needs_files(build_memory, '') FROM vego_estimate(12000, 8);

-- It grows with all that it should grow with.
SELECT what FROM (VALUES
	('rows', '20000, 100'), ('dimensions', '10000, 104'), ('m', '10000, 100, m => 20'),
	('processes', '10000, 100, processes => 4'), ('candidates', '10000, 100, ef_construction => 200')) v (what, arguments),
	estimate(arguments) more, vego_estimate(10000, 100) than
WHERE more.build_memory <= than.build_memory OR more.index_bytes < than.index_bytes;
-- by rows up to the most, without overflow
SELECT rows, index_bytes BETWEEN rows * 284 AND rows * 310 AS bytes, build_memory BETWEEN rows * 500 AND rows * 2000 AS memory
FROM unnest('{1000000,10000000,100000000,1073741823}'::bigint[]) rows, vego_estimate(rows, 128);
SELECT index_bytes > 8e12 AS bytes, build_memory > 1e13 AS memory
FROM vego_estimate(1073741823, 7000, m => 100, ef_construction => 2000, processes => 1025);

-- Anyone may ask: nothing is looked at.
SELECT provolatile, proparallel, has_function_privilege('public', oid, 'EXECUTE') AS public
FROM pg_proc WHERE proname = 'vego_estimate';

SELECT call, refusal('SELECT vego_estimate(' || call || ')')
FROM unnest(ARRAY['-1, 3', '1073741824, 3', 'NULL, 3', '5, 0', '5, -3', '5, NULL', '5, 16001', '5, 9000', '5, 2000000000',
	'5, 3, bits => 5', '5, 3, bits => 0', '5, 3, ''bit'', bits => 8', '5, 3, m => 1', '5, 3, m => 101', '5, 8000, m => 100',
	'5, 3, ef_construction => 3', '5, 3, ef_construction => 2001', '5, 3, exact => ''lz4''', '5, 3, exact => NULL',
	'5, 3, ''text''', '5, 3, NULL', '5, 64001, ''bit''', '5, 3, ''sparsevec'', exact => ''plain''',
	'5, 3, processes => 0', '5, 3, processes => 1026', '5, 3, processes => NULL',
	'1073741823, 16000, bits => 4, exact => ''plain''']) call;

DROP SCHEMA estimate_test CASCADE;
