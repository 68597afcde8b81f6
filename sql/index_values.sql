-- Values at the edges of what a float can hold, and at the ends of the lengths.
CREATE SCHEMA index_values;
SET search_path = index_values, vego_test, public;
SET client_min_messages = warning;

-- Each class on one table: half is there when the indexes are built, half is
-- inserted.  Queries are rows.
CREATE FUNCTION edges(dims int, of text, rows int DEFAULT 300, options text DEFAULT 'bits = 8',
					  operators text[] DEFAULT '{<->,<#>,<=>,<+>}')
RETURNS TABLE (operator text, good bool, fewest int, inversions int, repeats int, wrong int, faults bigint)
LANGUAGE plpgsql AS $$
DECLARE
	class text;
BEGIN
	EXECUTE format('CREATE TABLE edge (id int, v vector(%s))', dims);
	EXECUTE format('INSERT INTO edge SELECT i, (%s)::vector FROM generate_series(1, %s) i', of, rows / 2);
	CREATE TEMP TABLE classes ON COMMIT DROP AS SELECT c.operator, c.class
		FROM (VALUES ('<->', 'l2'), ('<#>', 'ip'), ('<=>', 'cosine'), ('<+>', 'l1')) AS c (operator, class)
		WHERE c.operator = ANY (operators);
	FOR class IN SELECT c.class FROM classes c LOOP
		EXECUTE format('CREATE INDEX edge_%s ON edge USING vego_hnsw (v vector_%1$s_ops) WITH (%s)', class, options);
	END LOOP;
	EXECUTE format('INSERT INTO edge SELECT i, (%s)::vector FROM generate_series(%s, %s) i', of, rows / 2 + 1, rows);
	FOR operator, class IN SELECT * FROM classes LOOP
		SELECT c.recall >= 0.95, c.fewest, c.inversions, c.repeats, c.wrong
		INTO good, fewest, inversions, repeats, wrong
		FROM compare('edge', operator, (SELECT array_agg(v) FROM edge WHERE id IN (1, 2, rows)), 10) c;
		SELECT count(*) INTO faults FROM faults(('edge_' || class)::regclass);
		RETURN NEXT;
	END LOOP;
	DROP TABLE edge, classes;
END
$$;

-- A vector whose elements look random in -1 .. 1, times a factor.
CREATE FUNCTION times(i int, dims int, factor float8) RETURNS real[] LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((e * factor)::real) FROM unnest(vector_of(i, dims)::real[]) e
$$;

-- Large and small.
SELECT factor, e.* FROM unnest(ARRAY['1e-25', '1e-15', '1e20', '1e37']) AS factor,
	edges(8, format('times(i, 8, %s)', factor)) AS e;
SELECT factor, e.* FROM unnest(ARRAY['1e-15', '1e37']) AS factor,
	edges(8, format('times(i, 8, %s)', factor), options => 'bits = 4') AS e;
-- from one end to the other
SELECT * FROM edges(8, 'times(i, 8, 3.4028234e38)', operators => '{<->,<=>}');
SELECT * FROM edges(8, 'times(i, 8, 10 ^ (i % 30 - 15))', operators => '{<->,<=>,<+>}');
-- whose sums leave a float
SELECT bits, e.* FROM unnest(ARRAY[8, 4]) AS bits,
	edges(8, 'times(i, 8, 1.5e38)', options => 'bits = ' || bits, operators => '{<+>}') AS e;
-- with too few digits left for a code, the order is right still
SELECT factor, operator, fewest, inversions, repeats, wrong, faults FROM unnest(ARRAY['1e-38', '1e-41']) AS factor,
	edges(8, format('times(i, 8, %s)', factor)) AS e;
-- not around the origin
SELECT * FROM edges(8, 'vector_of(i, 8) + ''[10,10,10,10,10,10,10,10]''');
-- one element dwarfs the others
SELECT * FROM edges(8, '(i * 1e10)::real || times(i, 7, 1)');

-- Lengths at which kernels begin and end.
SELECT dims, bool_and(good) AS good, min(fewest) AS fewest, sum(inversions) AS inversions,
	sum(repeats) AS repeats, sum(wrong) AS wrong, sum(faults) AS faults
FROM unnest(ARRAY[1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1000, 2000]) AS dims,
	edges(dims, format('vector_of(i, %s)', dims), 60) AS e
GROUP BY dims ORDER BY dims;
SELECT dims, bool_and(good) AS good, min(fewest) AS fewest, sum(inversions) AS inversions,
	sum(repeats) AS repeats, sum(wrong) AS wrong, sum(faults) AS faults
FROM unnest(ARRAY[1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 1001]) AS dims,
	edges(dims, format('vector_of(i, %s)', dims), 60, 'bits = 4') AS e
GROUP BY dims ORDER BY dims;

-- All elements equal, few values, zeros and ones, one that is not zero.
SELECT * FROM edges(8, 'array_fill(i::real, ARRAY[8])');
SELECT * FROM edges(8, 'array_fill(1::real, ARRAY[8])');
SELECT * FROM edges(64, 'ARRAY(SELECT (i * j) % 7 FROM generate_series(1, 64) j)');
SELECT * FROM edges(64, 'ARRAY(SELECT (i >> (j % 9)) & 1 FROM generate_series(1, 64) j)');
SELECT * FROM edges(300, 'ARRAY(SELECT (i = j)::int * i FROM generate_series(1, 300) j)');

-- Zeros: nothing is known of their direction, all else is as usual.
SELECT * FROM edges(8, 'array_fill((i % 2)::real, ARRAY[8])', operators => '{<->,<#>,<+>}');
CREATE TABLE zeros (id int, v vector(3));
INSERT INTO zeros SELECT i, '[0,0,0]' FROM generate_series(1, 50) i;
CREATE INDEX zeros_index ON zeros USING vego_hnsw (v vector_cosine_ops);
SET enable_seqscan = off;
SELECT id FROM zeros ORDER BY v <=> '[1,2,3]';
INSERT INTO zeros VALUES (51, '[1,1,1]'), (52, '[0,0,0]'), (53, '[-1e-45,0,0]'), (54, '[0,0,3e38]');
SELECT id FROM zeros ORDER BY v <=> '[1,2,3]';
SELECT faults('zeros_index');
REINDEX INDEX zeros_index;
SELECT id FROM zeros ORDER BY v <=> '[1,2,3]';
SELECT faults('zeros_index');
-- minus zero is zero
SELECT count(*) FROM (SELECT id FROM zeros ORDER BY v <=> '[-0,0,-0]') s;

-- A few elements are far larger than the others, in some rows more than in others: four bits cost
-- these more, and their distances are estimated as well as others'.
CREATE FUNCTION tailed(i int, tail float8) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((sign(e) * (1.02 - abs(e)) ^ (-tail))::real)::vector
	FROM unnest(vector_of(i % 300, 64)::real[]::float8[]) e
$$;
CREATE TABLE tails (id int, v vector(64));
INSERT INTO tails SELECT i, tailed(i, (1 + i % 3) * 0.75) + vector_of(i, 64) FROM generate_series(1, 1200) i;
CREATE INDEX tails_l2 ON tails USING vego_hnsw (v vector_l2_ops) WITH (bits = 4);
CREATE INDEX tails_cosine ON tails USING vego_hnsw (v vector_cosine_ops) WITH (bits = 4);
SELECT operator, recall >= 0.997 AS good, fewest, inversions, repeats, wrong
FROM unnest(ARRAY['<->', '<=>']) AS operator,
	compare('tails', operator, (SELECT array_agg(tailed(i, (1 + i % 3) * 0.75) + vector_of(-i, 64))
		FROM generate_series(1, 100) i), 10);

-- Rows far outside of what the index was built on.
CREATE TABLE moved (id int, v vector(8));
INSERT INTO moved SELECT i, vector_of(i, 8) FROM generate_series(1, 300) i;
CREATE INDEX moved_l2 ON moved USING vego_hnsw (v);
CREATE INDEX moved_cosine ON moved USING vego_hnsw (v vector_cosine_ops);
CREATE INDEX moved_l1 ON moved USING vego_hnsw (v vector_l1_ops);
INSERT INTO moved SELECT i, vector_of(i, 8) + array_fill(1000, ARRAY[8])::vector FROM generate_series(301, 600) i;
SELECT operator, recall >= 0.95 AS good, fewest, inversions, repeats, wrong
FROM unnest(ARRAY['<->', '<=>', '<+>']) AS operator,
	compare('moved', operator, queries_of(10, 8) ||
		(SELECT array_agg(q + array_fill(1000, ARRAY[8])::vector) FROM unnest(queries_of(10, 8)) q), 10);
SELECT faults(indexrelid::regclass) FROM pg_index WHERE indrelid = 'moved'::regclass;
-- queries far outside of the rows
SELECT operator, recall >= 0.95 AS good, fewest, inversions, repeats, wrong
FROM unnest(ARRAY['<->', '<=>', '<+>']) AS operator,
	compare('moved', operator, (SELECT array_agg(times(-i, 8, factor)::vector)
		FROM generate_series(1, 3) i, unnest(ARRAY[1e6, 1e37, 1e-30]) factor), 10);

DROP SCHEMA index_values CASCADE;
