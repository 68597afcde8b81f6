-- Tables of which the files here hold an index each, NAME_v in VERSION/NAME.gz.
-- Rows get the same row pointers wherever this is run, so an index file of one
-- server fits the table of another.  What is here must not change: old files
-- would no longer fit.
CREATE FUNCTION golden_vector(i int, dims int) RETURNS real[]
LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg(((i * 7919 + j * j * i * 31 + j * 104729) % 9973) / 9973.0 ORDER BY j)::real[]
	FROM generate_series(1, dims) j
$$;

CREATE TABLE vector_8 (id int, v vector(8)) WITH (autovacuum_enabled = off);
CREATE TABLE vector_4 (LIKE vector_8) WITH (autovacuum_enabled = off);
CREATE TABLE plain (LIKE vector_8) WITH (autovacuum_enabled = off);
CREATE TABLE zstd (id int, v vector(16)) WITH (autovacuum_enabled = off);
CREATE TABLE half (id int, v halfvec(8)) WITH (autovacuum_enabled = off);
CREATE TABLE sparse (id int, v sparsevec(8)) WITH (autovacuum_enabled = off);
CREATE TABLE bits (id int, v bit(64)) WITH (autovacuum_enabled = off);

CREATE PROCEDURE golden_fill(first int, last int) LANGUAGE sql AS $$
	INSERT INTO vector_8 SELECT i, golden_vector(i, 8)::vector FROM generate_series(first, last) i;
	INSERT INTO vector_4 SELECT i, golden_vector(i, 8)::vector FROM generate_series(first, last) i;
	INSERT INTO plain SELECT i, golden_vector(i, 8)::vector FROM generate_series(first, last) i;
	INSERT INTO half SELECT i, golden_vector(i, 8)::vector::halfvec FROM generate_series(first, last) i;
	INSERT INTO sparse SELECT i, golden_vector(i, 8)::vector::sparsevec FROM generate_series(first, last) i;
	INSERT INTO bits SELECT i, (i * 2654435761::bigint)::bit(64) FROM generate_series(first, last) i;
$$;

CALL golden_fill(1, 50);
-- enough for a dictionary
INSERT INTO zstd SELECT i, golden_vector(i, 16)::vector FROM generate_series(1, 100) i;
CREATE INDEX vector_8_v ON vector_8 USING vego_hnsw (v vector_l2_ops) WITH (m = 4);
CREATE INDEX vector_4_v ON vector_4 USING vego_hnsw (v vector_cosine_ops) WITH (m = 4, bits = 4);
CREATE INDEX plain_v ON plain USING vego_hnsw (v vector_ip_ops) WITH (m = 4, exact = plain);
CREATE INDEX zstd_v ON zstd USING vego_hnsw (v vector_l2_ops) WITH (m = 4, exact = zstd);
CREATE INDEX half_v ON half USING vego_hnsw (v halfvec_l2_ops) WITH (m = 4);
CREATE INDEX sparse_v ON sparse USING vego_hnsw (v sparsevec_l2_ops) WITH (m = 4);
CREATE INDEX bits_v ON bits USING vego_hnsw (v bit_hamming_ops) WITH (m = 4);
CALL golden_fill(51, 60);
INSERT INTO zstd SELECT i, golden_vector(i, 16)::vector FROM generate_series(101, 110) i;
