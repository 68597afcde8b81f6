-- What cannot be indexed or asked, and what is said about it.
CREATE SCHEMA index_errors;
SET search_path = index_errors, vego_test, public;
SET client_min_messages = warning;

-- The column, or the expression, must say how many dimensions there are.
CREATE TABLE free (id int, v vector);
INSERT INTO free VALUES (1, '[1,2,3]'), (2, '[1,2]');
SELECT refusal('CREATE INDEX free_index ON free USING vego_hnsw (v)');
SELECT refusal('CREATE INDEX free_index ON free USING vego_hnsw ((v::vector(3)))');
SELECT refusal('CREATE INDEX free_index ON free USING vego_hnsw ((v::vector(3))) WHERE vector_dims(v) = 3');
SELECT refusal('CREATE INDEX free_index_2 ON free USING vego_hnsw (l2_normalize(v))');

-- Rows that do not fit.
SELECT refusal($$INSERT INTO free VALUES (3, '[4,5,6]')$$);
SELECT refusal($$INSERT INTO free VALUES (3, '[4,5,6,7]')$$);
CREATE TABLE three (id int, v vector(3));
CREATE INDEX three_index ON three USING vego_hnsw (v);
SELECT refusal($$INSERT INTO three VALUES (1, '[1,2]')$$);
SELECT refusal($$INSERT INTO three VALUES (1, '[1,2,3,4]')$$);
SELECT refusal($$INSERT INTO three VALUES (1, '[1,2,NaN]')$$);
SELECT refusal($$INSERT INTO three VALUES (1, '[1,2,3]')$$);
SELECT refusal($$UPDATE three SET v = v || v$$);
ALTER TABLE three ADD w vector;
CREATE INDEX three_cast ON three USING vego_hnsw ((w::vector(2)));
SELECT refusal($$INSERT INTO three VALUES (2, '[1,2,3]', '[1]')$$);
SELECT refusal($$INSERT INTO three VALUES (2, '[1,2,3]', '[1,2]')$$);
SELECT id FROM three ORDER BY v <-> '[0,0,0]';
SELECT faults('three_index'), faults('three_cast');

-- Queries that do not fit: through the index as through the operator.
SET enable_seqscan = off;
SELECT refusal($$SELECT id FROM three ORDER BY v <-> '[1,2]'$$);
SELECT refusal($$SELECT id FROM three ORDER BY v <-> '[1,2,3,4]' LIMIT 1$$);
SELECT refusal($$SELECT id FROM three ORDER BY v <-> '[1,2,3]' LIMIT 1$$);
SET enable_seqscan = on;
SET enable_indexscan = off;
SELECT refusal($$SELECT id FROM three ORDER BY v <-> '[1,2]'$$);
RESET enable_indexscan;
SET enable_seqscan = off;
-- of the empty index too
DELETE FROM three;
SELECT refusal($$SELECT id FROM three ORDER BY v <-> '[1,2]'$$);
TRUNCATE three;
SELECT refusal($$SELECT id FROM three ORDER BY v <-> '[1,2]'$$);
-- and the session goes on after an error in the middle of a scan
INSERT INTO three SELECT i, vector_of(i, 3) FROM generate_series(1, 20) i;
SELECT refusal($$SELECT 1 / (id - 20) FROM three ORDER BY v <-> '[0,0,0]'$$);
SELECT refusal($$SELECT (SELECT id FROM three ORDER BY v <-> q LIMIT 1)
	FROM (VALUES ('[1,2,3]'::vector), ('[1,2]')) AS q (q)$$);
SELECT count(*) FROM (SELECT id FROM three ORDER BY v <-> '[0,0,0]') s;
RESET enable_seqscan;

-- A node must fit a page: the limits by bits and m, and their neighbours.
CREATE FUNCTION refusal_of(dims int, options text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	said text;
BEGIN
	EXECUTE format('CREATE TABLE page_limits (v vector(%s))', dims);
	said := refusal(format('CREATE INDEX page_index ON page_limits USING vego_hnsw (v) WITH (%s)', options));
	DROP TABLE page_limits;
	RETURN said;
END
$$;
SELECT dims, options, regexp_replace(refusal_of(dims, options), '(than|most) [0-9]+', '\1 N') FROM (VALUES
	(2000, 'bits = 8'), (7900, 'bits = 8'), (16000, 'bits = 8'), (16000, 'bits = 4'),
	(2000, 'm = 100'), (8000, 'm = 100'), (16000, 'bits = 4, m = 100')) AS l (dims, options);
-- the most dimensions that the message names are accepted, one more is not
CREATE FUNCTION most_dims(options text) RETURNS int LANGUAGE sql AS $$
	SELECT substring(refusal_of(16000, options) FROM 'more than ([0-9]+) dimensions')::int
$$;
SELECT refusal_of(most_dims('bits = 8'), 'bits = 8, m = 2');
SELECT refusal_of(most_dims('bits = 8') + 1, 'bits = 8, m = 2') LIKE '54000 %' AS refused;
-- so is the largest m
CREATE FUNCTION most_m(dims int, options text) RETURNS int LANGUAGE sql AS $$
	SELECT substring(refusal_of(dims, options || ', m = 100') FROM 'an m of at most ([0-9]+)')::int
$$;
SELECT dims, bits, refusal_of(dims, format('bits = %s, m = %s', bits, most_m)),
	refusal_of(dims, format('bits = %s, m = %s', bits, most_m + 1)) LIKE '54000 %' AS refused
FROM (VALUES (7500, 8), (7990, 8), (15500, 4), (16000, 4)) AS l (dims, bits),
	most_m(dims, 'bits = ' || bits);
-- the hint is right, too
SELECT refusal_of(7990, 'bits = 4, m = 100');

-- The widest vectors work.
CREATE TABLE widest (id int, v vector(16000));
INSERT INTO widest SELECT i, vector_of(i, 16000) FROM generate_series(1, 10) i;
CREATE INDEX widest_index ON widest USING vego_hnsw (v) WITH (bits = 4);
INSERT INTO widest SELECT i, vector_of(i, 16000) FROM generate_series(11, 15) i;
SELECT recall, fewest, inversions, repeats, wrong
FROM compare('widest', '<->', queries_of(2, 16000), 20);
SELECT faults('widest_index');
DROP TABLE widest;
CREATE TABLE widest (id int, v vector(7900));
INSERT INTO widest SELECT i, vector_of(i, 7900) FROM generate_series(1, 10) i;
CREATE INDEX widest_index ON widest USING vego_hnsw (v vector_cosine_ops);
INSERT INTO widest SELECT i, vector_of(i, 7900) FROM generate_series(11, 15) i;
SELECT recall, fewest, inversions, repeats, wrong
FROM compare('widest', '<=>', queries_of(2, 7900), 20);
SELECT faults('widest_index');

-- A build that stops leaves nothing behind, and the next one succeeds.
CREATE TABLE stops (id int, v vector);
INSERT INTO stops SELECT i, vector_of(i, 3) FROM generate_series(1, 500) i;
INSERT INTO stops VALUES (501, '[1]');
SELECT refusal('CREATE INDEX stops_index ON stops USING vego_hnsw ((v::vector(3)))');
SELECT to_regclass('stops_index');
DELETE FROM stops WHERE id = 501;
SELECT refusal('CREATE INDEX stops_index ON stops USING vego_hnsw ((v::vector(3)))');
SELECT recall, fewest, inversions, repeats, wrong
FROM compare('stops', '<->', queries_of(5, 3), 10, 'v::vector(3)');

-- It is an access method of indexes.
SELECT refusal('CREATE TABLE other (v vector(3)) USING vego_hnsw');

DROP SCHEMA index_errors CASCADE;
