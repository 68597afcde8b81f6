-- What a statement has needed for a row goes with the row: a statement of many
-- rows takes hardly more memory than one of a few.
CREATE SCHEMA index_memory;
SET search_path = index_memory, vego_test, public;
SET client_min_messages = warning;

-- An indexed expression is computed by whoever looks at a row, and each fiftieth
-- time notes what memory the session uses.  It must look as if it did nothing, but
-- sequences may be set.
CREATE SEQUENCE calls;
CREATE SEQUENCE least;
CREATE SEQUENCE most;
CREATE FUNCTION watched(v vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	bytes bigint;
BEGIN
	IF nextval('index_memory.calls') % 50 = 0 THEN
		bytes := (SELECT sum(used_bytes) FROM pg_backend_memory_contexts);
		PERFORM setval('index_memory.most', greatest(bytes, (SELECT last_value FROM index_memory.most)));
		IF (SELECT last_value FROM index_memory.least) = 1 THEN
			PERFORM setval('index_memory.least', bytes);
		END IF;
	END IF;
	RETURN v;
END
$$;
CREATE FUNCTION growth(statement text, OUT rows_seen bool, OUT little bool)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
	PERFORM setval('calls', 1), setval('least', 1), setval('most', 1);
	EXECUTE statement;
	SELECT calls.last_value >= 400, most.last_value - least.last_value < 1500000
	INTO rows_seen, little FROM calls, least, most;
END
$$;

-- vectors of 6 kB, which lie out of line, and take 3 MB
CREATE TABLE items (id int, v vector(1500));
INSERT INTO items SELECT i, vector_of(i, 1500) FROM generate_series(1, 500) i;
SELECT count(watched(v)) FROM items WHERE id <= 200;
SELECT n, g.* FROM unnest(ARRAY[
	'CREATE INDEX items_v ON items USING vego_hnsw ((watched(v)::vector(1500)) vector_l2_ops) WITH (bits = 4)',
	'INSERT INTO items SELECT i, vector_of(i, 1500) FROM generate_series(501, 1000) i',
	'SELECT FROM items ORDER BY watched(v)::vector(1500) <-> vector_of(-1, 1500)',
	'SELECT vego_check(''items_v'')',
	'SELECT vego_recall(''items_v'', 5)']) WITH ORDINALITY s (statement, n), growth(statement) g;

DROP SCHEMA index_memory CASCADE;
