-- Rows come in order of distance, whatever happens to the table.
CREATE SCHEMA index_basic;
SET search_path = index_basic, vego_test, public;
SET client_min_messages = warning;

CREATE TABLE items (id int PRIMARY KEY, v vector(8), note text);
INSERT INTO items SELECT i, vector_of(i, 8) FROM generate_series(1, 2000) i;
CREATE INDEX items_l2 ON items USING vego_hnsw (v);
ANALYZE items;

-- The planner takes the index for an order with a limit, and only then.
SELECT plan_of($$SELECT id FROM items ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 10$$);
SELECT plan_of($$SELECT id FROM items ORDER BY '[1,1,1,1,1,1,1,1]' <-> v LIMIT 10$$);
SELECT plan_of($$SELECT id FROM items WHERE id <> 5
				 ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 10$$);
SELECT plan_of('SELECT count(v) FROM items');
SELECT plan_of($$SELECT id FROM items ORDER BY v <=> '[1,1,1,1,1,1,1,1]' LIMIT 10$$);
SELECT plan_of($$SELECT id FROM items WHERE v <-> '[1,1,1,1,1,1,1,1]' < 1$$);
SELECT plan_of($$SELECT id FROM items ORDER BY v <-> '[1,1,1,1,1,1,1,1]' DESC LIMIT 10$$);

-- Not for an order that it does not have, even where nothing else is cheap.
SET enable_seqscan = off;
SELECT plan_of($$SELECT id FROM items ORDER BY v <=> '[1,1,1,1,1,1,1,1]' LIMIT 10$$);
SELECT plan_of($$SELECT id FROM items WHERE v <-> '[1,1,1,1,1,1,1,1]' < 1$$);
SELECT plan_of($$SELECT v FROM items$$);
RESET enable_seqscan;
CREATE FUNCTION by_two() RETURNS int[] LANGUAGE sql STABLE AS $$
	SELECT array_agg(id) FROM (SELECT id FROM items
		ORDER BY v <-> vector_of(-1, 8), v <-> vector_of(-2, 8) LIMIT 5) s
$$;
SELECT by_two() = (SELECT array_agg(id) FROM (SELECT id FROM items
	ORDER BY v <-> vector_of(-1, 8) LIMIT 5) s) AS equal;

-- Each operator class, with its own index only.
SELECT recall >= 0.99 AS good, fewest, inversions, repeats, wrong
FROM compare('items', '<->', queries_of(50, 8), 10);
DROP INDEX items_l2;
CREATE INDEX ON items USING vego_hnsw (v vector_ip_ops);
SELECT recall >= 0.99 AS good, fewest, inversions, repeats, wrong
FROM compare('items', '<#>', queries_of(50, 8), 10);
SELECT faults('items_v_idx');
DROP INDEX items_v_idx;
CREATE INDEX ON items USING vego_hnsw (v vector_cosine_ops);
SELECT recall >= 0.99 AS good, fewest, inversions, repeats, wrong
FROM compare('items', '<=>', queries_of(50, 8), 10);
SELECT faults('items_v_idx');
DROP INDEX items_v_idx;
CREATE INDEX ON items USING vego_hnsw (v vector_l1_ops);
SELECT recall >= 0.99 AS good, fewest, inversions, repeats, wrong
FROM compare('items', '<+>', queries_of(50, 8), 10);
SELECT faults('items_v_idx');
DROP INDEX items_v_idx;

-- Four indexes on one column, each serves its operator.
CREATE INDEX items_l2 ON items USING vego_hnsw (v vector_l2_ops);
CREATE INDEX items_ip ON items USING vego_hnsw (v vector_ip_ops);
CREATE INDEX items_cosine ON items USING vego_hnsw (v vector_cosine_ops);
CREATE INDEX items_l1 ON items USING vego_hnsw (v vector_l1_ops);
SELECT operator, plan_of(format(
	'SELECT id FROM items ORDER BY v %s ''[1,1,1,1,1,1,1,1]'' LIMIT 10', operator)) AS plan
FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) AS operator;

-- Rows that change: new, moved, moved in an indexed column, gone.
INSERT INTO items SELECT i, vector_of(i, 8) FROM generate_series(2001, 2500) i;
UPDATE items SET v = vector_of(id + 10000, 8) WHERE id % 5 = 0;
UPDATE items SET note = 'in place' WHERE id % 3 = 0;
UPDATE items SET id = id + 100000 WHERE id % 7 = 0;
DELETE FROM items WHERE id % 11 = 0;
SELECT operator, recall >= 0.98 AS good, fewest, inversions, repeats, wrong
FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) AS operator,
	compare('items', operator, queries_of(25, 8), 10);

-- What is rolled back is not there, with or without a savepoint.
BEGIN;
INSERT INTO items SELECT 200000 + i, vector_of(-i, 8) FROM generate_series(1, 25) i;
SELECT recall >= 0.98 AS good, fewest, wrong FROM compare('items', '<->', queries_of(25, 8), 1);
SAVEPOINT a;
DELETE FROM items;
SELECT id FROM items ORDER BY v <-> vector_of(-1, 8) LIMIT 1;
ROLLBACK TO a;
SELECT id FROM items ORDER BY v <-> vector_of(-1, 8) LIMIT 1;
ROLLBACK;
SELECT id >= 200000 AS ghost FROM items ORDER BY v <-> vector_of(-1, 8) LIMIT 1;
SELECT recall >= 0.98 AS good, fewest, inversions, repeats, wrong
FROM compare('items', '<->', queries_of(25, 8), 10);
SELECT faults(i::text::regclass) FROM unnest(ARRAY['items_l2', 'items_ip', 'items_cosine', 'items_l1']) i;

-- Errors after the index has taken the row, at many depths: one row stays.
CREATE FUNCTION dive(depth int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO items VALUES (-depth, vector_of(-1, 8));
	IF depth > 1 THEN
		PERFORM dive(depth - 1);
	END IF;
	PERFORM 1 / (depth % 10);
EXCEPTION WHEN division_by_zero THEN
END
$$;
BEGIN;
SELECT dive(81);
SELECT count(*) FILTER (WHERE v = vector_of(-1, 8)) AS copies FROM
	(SELECT v FROM items ORDER BY v <-> vector_of(-1, 8) LIMIT 100) s;
ROLLBACK;
SELECT faults('items_l2');

-- A limit beyond the table: every row once.  In strict order a row that is
-- found late stays out, but hardly any is.
SELECT count(*) AS rows FROM items \gset
SET vego."order" = relaxed;
SELECT operator, fewest = :rows AS all, repeats, wrong
FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) AS operator,
	compare('items', operator, queries_of(2, 8), 5000);
RESET vego."order";
SELECT operator, fewest >= 0.99 * :rows AS nearly_all, inversions, repeats, wrong
FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) AS operator,
	compare('items', operator, queries_of(2, 8), 5000);

-- Rescans: many queries in one statement.
SET enable_seqscan = off;
SELECT plan_of('SELECT q.id, near.id FROM items q, LATERAL
	(SELECT id FROM items ORDER BY v <-> q.v LIMIT 1) near WHERE q.id < 500');
SELECT count(*), count(*) FILTER (WHERE near.id = q.id) AS itself
FROM items q, LATERAL (SELECT id FROM items ORDER BY v <-> q.v LIMIT 1) near
WHERE q.id <= 1000;
-- each as good as on its own; the sum keeps the index out of the exact answer
SELECT count(*) >= 0.98 * 500 AS good FROM unnest(queries_of(50, 8)) AS q,
	LATERAL (SELECT v <-> q AS d FROM items ORDER BY v <-> q LIMIT 10) AS near
WHERE d <= (SELECT max(d) FROM (SELECT v <-> q AS d FROM items ORDER BY (v <-> q) + 0 LIMIT 10) s);

-- Cursors: in parts, two at once, and to the end.
CREATE TABLE exact AS SELECT id, row_number() OVER (ORDER BY v <-> vector_of(-1, 8)) AS place FROM items;
CREATE FUNCTION fetched(cursor refcursor, count int) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
	ids int[];
	item record;
BEGIN
	FOR i IN 1 .. count LOOP
		FETCH cursor INTO item;
		EXIT WHEN NOT FOUND;
		ids := ids || item.id;
	END LOOP;
	RETURN ids;
END
$$;
BEGIN;
SET LOCAL vego."order" = relaxed;
DECLARE one CURSOR FOR SELECT id, v <-> vector_of(-1, 8) AS d FROM items ORDER BY v <-> vector_of(-1, 8);
DECLARE two CURSOR FOR SELECT id FROM items ORDER BY v <-> vector_of(-2, 8);
SELECT fetched('one', 3) || fetched('one', 2) = (SELECT array_agg(id ORDER BY place) FROM exact WHERE place <= 5) AS first_5;
SELECT cardinality(fetched('two', 100)) AS other;
SELECT fetched('one', 5) = (SELECT array_agg(id ORDER BY place) FROM exact WHERE place BETWEEN 6 AND 10) AS next_5;
SELECT cardinality(fetched('one', 10000)) + 10 = :rows AS to_the_end, fetched('one', 1) AS past_it;
MOVE 100 IN two;
SELECT cardinality(fetched('two', 10000)) + 200 = :rows AS to_the_end;
ROLLBACK;
DROP TABLE exact;

-- One that scrolls keeps what it has read; one that outlives its transaction is
-- read to its end when that commits.
CREATE TABLE found AS SELECT id, row_number() OVER () AS place
FROM (SELECT id FROM items ORDER BY v <-> vector_of(-1, 8) LIMIT 20) s;
BEGIN;
DECLARE back SCROLL CURSOR FOR SELECT id FROM items ORDER BY v <-> vector_of(-1, 8) LIMIT 20;
DECLARE held CURSOR WITH HOLD FOR SELECT id FROM items ORDER BY v <-> vector_of(-1, 8) LIMIT 20;
MOVE ABSOLUTE 15 IN back;
SELECT fetched('back', 5) = (SELECT array_agg(id ORDER BY place) FROM found WHERE place > 15) AS last_5;
MOVE BACKWARD 18 IN back;
SELECT fetched('back', 3) = (SELECT array_agg(id ORDER BY place) FROM found WHERE place BETWEEN 3 AND 5) AS back_again;
SELECT fetched('held', 5) = (SELECT array_agg(id ORDER BY place) FROM found WHERE place <= 5) AS first_5;
COMMIT;
BEGIN;
DELETE FROM items WHERE id IN (SELECT id FROM found WHERE place BETWEEN 6 AND 12);
SELECT fetched('held', 100) = (SELECT array_agg(id ORDER BY place) FROM found WHERE place > 5) AS rest;
ROLLBACK;
CLOSE held;
DROP FUNCTION fetched;
DROP TABLE found;

-- Prepared statements: custom and generic plans answer alike.
PREPARE near(vector) AS SELECT id FROM items ORDER BY v <-> $1 LIMIT 5;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE near('[1,1,1,1,1,1,1,1]');
CREATE TEMP TABLE generic AS EXECUTE near('[1,1,1,1,1,1,1,1]');
SET plan_cache_mode = force_custom_plan;
CREATE TEMP TABLE custom AS EXECUTE near('[1,1,1,1,1,1,1,1]');
SELECT array(TABLE generic) = array(TABLE custom) AS alike;
RESET plan_cache_mode;
DEALLOCATE near;
DROP TABLE generic, custom;

-- No row of a whole scan comes after a farther one.
SELECT count(*) FROM (SELECT d, lag(d) OVER () AS before FROM
	(SELECT v <+> vector_of(-3, 8) AS d FROM items ORDER BY v <+> vector_of(-3, 8)) s) s
WHERE d < before;

-- No rows, one row, and rows that come after the index.
CREATE TABLE few (id int, v vector(3));
CREATE INDEX few_index ON few USING vego_hnsw (v vector_l2_ops);
SELECT plan_of('SELECT id FROM few ORDER BY v <-> ''[0,0,0]''');
SELECT id FROM few ORDER BY v <-> '[0,0,0]';
INSERT INTO few VALUES (1, '[1,2,3]');
SELECT id FROM few ORDER BY v <-> '[0,0,0]';
REINDEX INDEX few_index;
SELECT id FROM few ORDER BY v <-> '[0,0,0]';
INSERT INTO few SELECT i, vector_of(i, 3) FROM generate_series(2, 1000) i;
SELECT recall >= 0.99 AS good, fewest, inversions, repeats, wrong
FROM compare('few', '<->', queries_of(50, 3), 10);
SET vego."order" = relaxed;
SELECT recall, fewest, repeats, wrong FROM compare('few', '<->', queries_of(2, 3), 2000);
RESET vego."order";
SELECT faults('few_index');

-- Rows without a vector are not in the index.
TRUNCATE few;
INSERT INTO few VALUES (1, '[1,1,1]'), (2, NULL), (3, '[3,3,3]');
SELECT id FROM few ORDER BY v <-> '[0,0,0]';
REINDEX INDEX few_index;
SELECT id FROM few ORDER BY v <-> '[0,0,0]';
UPDATE few SET v = NULL WHERE id = 1;
UPDATE few SET v = '[2,2,2]' WHERE id = 2;
SELECT id FROM few ORDER BY v <-> '[0,0,0]';
SELECT id FROM few WHERE v IS NULL;
SELECT faults('few_index');

-- A query that is NULL orders nothing: rows come in any order.
SELECT plan_of('SELECT id FROM few ORDER BY v <-> (SELECT NULL::vector)');
SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM few ORDER BY v <-> (SELECT NULL::vector)) s;
SELECT q, array_agg(near.id ORDER BY near.id)
FROM (VALUES (1, '[0,0,0]'::vector), (2, NULL), (3, '[9,9,9]')) AS q (n, q),
	LATERAL (SELECT id FROM few ORDER BY v <-> q LIMIT 1) near GROUP BY n, q HAVING q IS NOT NULL ORDER BY n;

-- So does a zero vector under cosine; rows that are zero are not in the index.
DROP INDEX few_index;
CREATE INDEX few_index ON few USING vego_hnsw (v vector_cosine_ops);
INSERT INTO few VALUES (4, '[0,0,0]'), (5, '[-1,0,0]'), (6, '[2,0,0]');
SELECT id, round((v <=> '[1,0,0]')::numeric, 6) AS distance FROM few ORDER BY v <=> '[1,0,0]' LIMIT 3;
SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM few ORDER BY v <=> '[0,0,0]') s;
SELECT faults('few_index');
REINDEX INDEX few_index;
SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM few ORDER BY v <=> '[0,0,0]') s;
SELECT id FROM few ORDER BY v <=> '[-1,0.1,0]' LIMIT 1;
SELECT faults('few_index');

-- What the catalog says of a column, and of what a build is about.
SELECT property, pg_index_column_has_property('few_index', 1, property)
FROM unnest(ARRAY['distance_orderable', 'orderable', 'returnable', 'search_nulls']) property;
SELECT phase, pg_indexam_progress_phasename(oid, phase)
FROM pg_am, generate_series(1, 14) phase WHERE amname = 'vego_hnsw' ORDER BY phase;

DROP SCHEMA index_basic CASCADE;
