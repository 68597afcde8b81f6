-- The order is exact, however far a scan goes on.
CREATE SCHEMA index_order;
SET search_path = index_order, vego_test, public;
SET client_min_messages = warning;

-- Clusters that touch.
CREATE FUNCTION clustered(seed int, dims int) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT vector_of(hashint4(seed) % 20, dims) * array_fill(2, ARRAY[dims])::vector + vector_of(seed, dims)
$$;
CREATE TABLE items (id int, part int, v vector(10));
INSERT INTO items SELECT i, i % 4, clustered(i, 10) FROM generate_series(1, 4000) i;
CREATE TABLE asked AS SELECT i AS id, clustered(-i, 10) AS q FROM generate_series(1, 1000) i;
CREATE INDEX items_l2 ON items USING vego_hnsw (v vector_l2_ops);
CREATE INDEX items_ip ON items USING vego_hnsw (v vector_ip_ops);
CREATE INDEX items_cosine ON items USING vego_hnsw (v vector_cosine_ops) WITH (bits = 4);
CREATE INDEX items_l1 ON items USING vego_hnsw (v vector_l1_ops);

-- Of so many scans: fewest rows, rows behind farther ones, rows seen twice.
CREATE FUNCTION ordered(operator text, k int, queries int, source text DEFAULT 'items',
						OUT scans int, OUT fewest int, OUT inversions int, OUT repeats int)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_sort = off AS $$
BEGIN
	EXECUTE format('
		SELECT count(*), min(count), sum(inversions), sum(repeats) FROM (
			SELECT asked.id, count(near.id), count(*) FILTER (WHERE d < before) AS inversions,
				count(*) - count(DISTINCT near.id) AS repeats
			FROM (SELECT * FROM asked WHERE id <= %s) asked, LATERAL (
				SELECT id, d, lag(d) OVER () AS before FROM (
					SELECT id, v %s q AS d FROM %s ORDER BY v %2$s q LIMIT %4$s) s) near
			GROUP BY asked.id) s', queries, operator, source, k)
	INTO scans, fewest, inversions, repeats;
END
$$;
SELECT operator, o.* FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) AS operator, ordered(operator, 10, 500) o;
SET vego.ef_search = 10;
SELECT operator, o.* FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) AS operator, ordered(operator, 100, 100) o;
SET vego.ef_search = 1;
SELECT operator, o.* FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) AS operator, ordered(operator, 20, 100) o;
RESET vego.ef_search;

-- Whole scans: strict order leaves out the few rows that are found late,
-- relaxed order has them, late.
SELECT operator, scans, fewest >= 3900 AS nearly_all, inversions, repeats
FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) AS operator, ordered(operator, 10000, 5);
SET vego."order" = relaxed;
SELECT operator, scans, fewest, inversions <= 5 * 100 AS few_late, repeats
FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) AS operator, ordered(operator, 10000, 5);
-- relaxed or not, a distance is that of the operator
SET vego.ef_search = 1;
SELECT fewest, repeats, wrong FROM compare('items', '<->', queries_of(20, 10), 100);
RESET vego.ef_search;
RESET vego."order";

-- A candidate's bound is not beyond its distance.  In a small index, where all
-- nodes are met, the exact order then rests on nothing else: it has all rows, and
-- none is found late.  Rows are as near each other as codes tell, and nearer.
CREATE FUNCTION crowded(seed int, dims int) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT vector_of(hashint4(seed) % 20, dims) +
		vector_of(seed, dims) * array_fill((10 ^ -(abs(seed) % 4))::real, ARRAY[dims])::vector
$$;
CREATE TABLE few (id int, v vector(24));
INSERT INTO few SELECT i, crowded(i, 24) FROM generate_series(1, 1000) i;
CREATE FUNCTION in_full(expression text, class text, operator text, options text,
						OUT fewest int, OUT inversions int)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_sort = off AS $$
BEGIN
	EXECUTE format('CREATE INDEX few_index ON few USING vego_hnsw ((%s) %s) %s',
				   expression, class, options);
	EXECUTE format('
		SELECT min(count), sum(inversions) FROM (
			SELECT asked.id, count(d), count(*) FILTER (WHERE d < before) AS inversions
			FROM (SELECT i AS id, crowded(i, 24) AS v FROM generate_series(-3, 4) i) asked, LATERAL (
				SELECT d, lag(d) OVER () AS before FROM (
					SELECT (%1$s) %2$s (%3$s) AS d FROM few ORDER BY (%1$s) %2$s (%3$s)) s) near
			GROUP BY asked.id) s', expression, operator, replace(expression, 'v::', 'asked.v::'))
	INTO fewest, inversions;
	DROP INDEX few_index;
END
$$;
SET vego.ef_search = 100;
SELECT expression, operator, options, f.*
FROM (VALUES ('v::vector(24)', 'vector'), ('v::halfvec(24)', 'halfvec'), ('v::sparsevec(24)', 'sparsevec')) types (expression, type),
	(VALUES ('l2', '<->'), ('ip', '<#>'), ('cosine', '<=>'), ('l1', '<+>')) metrics (metric, operator),
	(VALUES (''), ('WITH (bits = 4)'), ('WITH (exact = plain)')) o (options),
	in_full(expression, format('%s_%s_ops', type, metric), operator, options) f
WHERE (type = 'vector' OR options = '') AND (metric = 'l2' OR options NOT LIKE '%exact%');
RESET vego.ef_search;

-- With a filter, a scan goes on until enough rows pass it.
SELECT o.* FROM ordered('<->', 10, 200, 'items WHERE part = 2') o;
SELECT o.* FROM ordered('<->', 10, 50, 'items WHERE id % 100 = 7') o;

-- Merging partitions relies on the order of each.
CREATE TABLE parts (id int, part int, v vector(10)) PARTITION BY LIST (part);
SELECT format('CREATE TABLE parts_%s PARTITION OF parts FOR VALUES IN (%1$s)', n) FROM generate_series(0, 3) n \gexec
CREATE INDEX parts_index ON parts USING vego_hnsw (v);
INSERT INTO parts SELECT * FROM items;
SELECT o.* FROM ordered('<->', 10, 300, 'parts') o;
SELECT o.* FROM ordered('<->', 200, 20, 'parts') o;
SELECT recall >= 0.98 AS good, fewest, inversions, repeats, wrong
FROM compare('parts', '<->', (SELECT array_agg(q) FROM asked WHERE id <= 25), 10);
-- so does sorting by a second key within equal distances
SET enable_seqscan = off;
SET enable_sort = off;
INSERT INTO items SELECT 10000 - id, 0, v FROM items WHERE id BETWEEN 1 AND 40 ORDER BY id;
SELECT count(*) AS out_of_order FROM (
	SELECT id, d, lag(id) OVER () AS id_before, lag(d) OVER () AS d_before FROM (
		SELECT id, v <-> (SELECT v FROM items WHERE id = 1) AS d FROM items
		ORDER BY v <-> (SELECT v FROM items WHERE id = 1), id LIMIT 500) s) s
WHERE (d_before, id_before) > (d, id);

DROP SCHEMA index_order CASCADE;
