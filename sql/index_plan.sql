-- What a plan computes of the distances: those that are read.
CREATE SCHEMA index_plan;
SET search_path = index_plan, vego_test, public;
SET client_min_messages = warning;

CREATE TABLE items (id int PRIMARY KEY, v vector(8), part int);
INSERT INTO items SELECT i, vector_of(i, 8), i % 2 FROM generate_series(1, 2000) i;
CREATE INDEX ON items USING vego_hnsw (v);
ANALYZE items;
SET enable_seqscan = off;

-- The nodes of a plan, and the columns of its index scans.
CREATE FUNCTION columns(statement text, OUT nodes text, OUT columns text)
LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF, FORMAT json) ' || statement INTO plan;
	SELECT string_agg(node #>> '{}', ' > ') INTO nodes
	FROM jsonb_path_query(plan, 'strict $.**."Node Type"', silent => true) node;
	SELECT string_agg(node ->> 'Output', ' ') INTO columns
	FROM jsonb_path_query(plan, 'strict $.**', silent => true) node WHERE node ? 'Order By';
END
$$;

-- Nobody reads the distance.
SELECT (columns(statement)).* FROM (VALUES
	('SELECT id FROM items ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'' LIMIT 5'),
	('SELECT id FROM items ORDER BY ''[1,2,3,4,5,6,7,8]'' <-> v LIMIT 5'),
	('SELECT id FROM items ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'''),
	('SELECT id FROM items WHERE part = 1 ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'' OFFSET 2 LIMIT 5'),
	('SELECT id FROM items ORDER BY v <-> (SELECT v FROM items WHERE id = 7) LIMIT 5'),
	('SELECT id FROM items ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'' LIMIT 5 FOR UPDATE'),
	('SELECT id FROM (SELECT id, part, v <-> ''[1,2,3,4,5,6,7,8]'' AS d FROM items
		ORDER BY d LIMIT 5) s WHERE part = 1'),
	('SELECT array(SELECT id FROM items ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'' LIMIT 5)'),
	('SELECT (SELECT id FROM items ORDER BY v <-> q.v LIMIT 1) FROM items q WHERE id < 9'),
	('WITH near AS MATERIALIZED (SELECT id FROM items ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'' LIMIT 5)
		SELECT max(id) FROM near'),
	('SELECT q.id, near.id FROM items q, LATERAL
		(SELECT id FROM items ORDER BY v <-> q.v LIMIT 1) near WHERE q.id < 9'),
	('SELECT near.id, other.id FROM (SELECT id, part FROM items
		ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'' LIMIT 50) near JOIN items other USING (part)'),
	('SELECT max(part) FROM (SELECT part FROM items
		ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'' LIMIT 50) s'),
	('(SELECT id FROM items ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'' LIMIT 5) UNION ALL
		(SELECT id FROM items ORDER BY v <-> ''[8,7,6,5,4,3,2,1]'' LIMIT 5)'),
	('INSERT INTO items SELECT id + 10000, v, part FROM items
		ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'' LIMIT 5'),
	('CREATE TABLE copy AS SELECT id FROM items ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'' LIMIT 5'),
	('DECLARE c SCROLL CURSOR FOR SELECT id FROM items
		ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'' LIMIT 5')) s (statement);

-- Somebody does: the result, ties, a sort, a window, groups, conditions, joins.
-- A change keeps whole rows to look at them again; at the last two, another
-- node computes the distance.
SELECT (columns(statement)).* FROM (VALUES
	('SELECT id, v <-> ''[1,2,3,4,5,6,7,8]'' FROM items ORDER BY 2 LIMIT 5'),
	('SELECT id FROM items ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'' FETCH FIRST 5 ROWS WITH TIES'),
	('SELECT id FROM items ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'', id LIMIT 5'),
	('SELECT id, rank() OVER (ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'') FROM items
		ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'' LIMIT 5'),
	('SELECT DISTINCT ON (v <-> ''[1,2,3,4,5,6,7,8]'') id FROM items
		ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'' LIMIT 5'),
	('SELECT id FROM (SELECT id, v <-> ''[1,2,3,4,5,6,7,8]'' AS d FROM items
		ORDER BY d LIMIT 5) s WHERE d < 3'),
	('SELECT s FROM (SELECT id, v <-> ''[1,2,3,4,5,6,7,8]'' AS d FROM items
		ORDER BY d LIMIT 5) s'),
	('SELECT id FROM (SELECT id, v <-> ''[1,2,3,4,5,6,7,8]'' AS d FROM items
		ORDER BY d LIMIT 5) s ORDER BY d DESC'),
	('SELECT near.id FROM items JOIN (SELECT id, v <-> ''[1,2,3,4,5,6,7,8]'' AS d FROM items
		ORDER BY d LIMIT 5) near ON items.id = d'),
	('SELECT d, count(*) FROM (SELECT v <-> ''[1,2,3,4,5,6,7,8]'' AS d FROM items
		ORDER BY d LIMIT 50) s GROUP BY d'),
	('SELECT max(d) FROM (SELECT v <-> ''[1,2,3,4,5,6,7,8]'' AS d FROM items
		ORDER BY d LIMIT 50) s'),
	('SELECT part, d, count(*) FROM (SELECT part, v <-> ''[1,2,3,4,5,6,7,8]'' AS d FROM items
		ORDER BY d LIMIT 50) s GROUP BY GROUPING SETS (part, d)'),
	('SELECT q.id, near.id FROM items q, LATERAL (SELECT id, v <-> q.v AS d FROM items
		ORDER BY d LIMIT 3) near WHERE q.id < 9 AND d > 0'),
	('SELECT near.d, other.id FROM (SELECT v <-> ''[1,2,3,4,5,6,7,8]'' AS d FROM items
		ORDER BY d LIMIT 5) near, LATERAL (SELECT id FROM items WHERE id = d OFFSET 0) other'),
	('DELETE FROM items WHERE id IN (SELECT id FROM items
		ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'' LIMIT 5)'),
	('SELECT id, generate_series(1, 2) FROM items
		ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'' LIMIT 5'),
	('SELECT id FROM items WHERE current_user <> ''nobody''
		ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'' LIMIT 5')) s (statement);

-- Partitions are merged by the distance; one alone is not.
CREATE TABLE parted (id int, v vector(8), part int) PARTITION BY LIST (part);
CREATE TABLE parted_0 PARTITION OF parted FOR VALUES IN (0);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
INSERT INTO parted SELECT * FROM items;
CREATE INDEX ON parted USING vego_hnsw (v);
ANALYZE parted;
SELECT (columns(statement)).* FROM (VALUES
	('SELECT id FROM parted ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'' LIMIT 5'),
	('SELECT id FROM parted WHERE part = 1 ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'' LIMIT 5')) s (statement);

-- Another access method's order is not ours.
CREATE TABLE points AS SELECT i AS id, point(i, i) AS p FROM generate_series(1, 2000) i;
CREATE INDEX ON points USING gist (p);
SELECT (columns('SELECT id FROM points ORDER BY p <-> ''(5,5)'' LIMIT 3')).*;

-- Expressions and partial indexes.
CREATE TABLE loose (id int, v vector);
INSERT INTO loose SELECT id, v FROM items;
CREATE INDEX ON loose USING vego_hnsw ((v::vector(8))) WHERE id > 100;
ANALYZE loose;
SELECT (columns('SELECT id FROM loose WHERE id > 100
	ORDER BY v::vector(8) <-> ''[1,2,3,4,5,6,7,8]'' LIMIT 5')).*;

-- The rows are those of a sort, through every way to ask for them.
SET plan_cache_mode = force_generic_plan;
CREATE FUNCTION sorted(query vector, count int) RETURNS int[] LANGUAGE sql
SET enable_indexscan = off AS $$
	SELECT array_agg(id) FROM (SELECT id FROM items ORDER BY v <-> query LIMIT count) s
$$;
PREPARE near(vector, int) AS SELECT id FROM items ORDER BY v <-> $1 LIMIT $2;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE near('[1,2,3,4,5,6,7,8]', 10);
CREATE TEMP TABLE prepared AS EXECUTE near(vector_of(-1, 8), 10);
SELECT array(TABLE prepared) = sorted(vector_of(-1, 8), 10) AS same;
SELECT count(*) AS rows, count(*) FILTER (WHERE
	array(SELECT id FROM items ORDER BY v <-> q LIMIT 10) = sorted(q, 10)) AS same
FROM unnest(queries_of(20, 8)) q;
CREATE FUNCTION locked() RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
	ids int[];
	item record;
BEGIN
	FOR item IN SELECT id FROM items ORDER BY v <-> vector_of(-2, 8) LIMIT 10 FOR UPDATE LOOP
		ids := ids || item.id;
	END LOOP;
	RETURN ids;
END
$$;
SELECT locked() = sorted(vector_of(-2, 8), 10) AS same;
BEGIN;
DECLARE near SCROLL CURSOR FOR SELECT id FROM items ORDER BY v <-> '[1,2,3,4,5,6,7,8]' LIMIT 5;
MOVE ALL near;
FETCH ABSOLUTE 2 near \gset
SELECT :id = (sorted('[1,2,3,4,5,6,7,8]', 5))[2] AS same;
ROLLBACK;
SELECT count(*), bool_and(d = v <-> vector_of(-3, 8)) AS same FROM
	(SELECT v, v <-> vector_of(-3, 8) AS d FROM items ORDER BY d LIMIT 10) s;

-- The query's faults are still reported, and NULL still orders nothing.
SELECT refusal('SELECT id FROM items ORDER BY v <-> ''[1,2,3]'' LIMIT 5');
SELECT refusal('SELECT id FROM items ORDER BY v <-> (SELECT vector_of(1, 9)) LIMIT 5');
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> (SELECT NULL::vector) LIMIT 5) s;

DROP SCHEMA index_plan CASCADE;
