-- What is particular to sparse vectors: indices, limits, and what is computed.

CREATE FUNCTION pg_temp.failure(statement text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''));
END
$$;

-- White space is welcome everywhere between numbers; indices come in any
-- order; zeros are dropped.
SELECT '{1:1.5,3:2}/5'::sparsevec;
SELECT E' \t{ 1 : 1.5\n, 3\r:\x0b2 }\f/ 5 '::sparsevec;
SELECT '{3:2,1:1.5,2:-1}/5'::sparsevec;
SELECT '{1:0,2:-0,3:1,4:0e99}/5'::sparsevec;
SELECT '{}/5'::sparsevec, '{ }/1'::sparsevec, '{+1:+1e2}/+7'::sparsevec, '{0005:.5}/005'::sparsevec;
SELECT '{1:0.1,2:3.4028235e38,3:1e-45,4:16777217}/4'::sparsevec;
SELECT '{1000000000:1}/1000000000'::sparsevec;

-- Not sparsevecs.
SELECT text, pg_temp.failure(format('SELECT %L::sparsevec', text))
FROM unnest(ARRAY['', '[1,2]', '{', '{}', '{}/', '{1}/1', '{1:}/1', '{:1}/1', '{1:1', '{1:1,}/1',
				  '{,}/1', '{1:1;2:1}/2', '{1:1}/1x', '{1:1}/1 1', '{a:1}/1', '{1:a}/1', '{1.5:1}/2',
				  '{1:1}}/1', '{1:1}1/1', '{1:1}/a', '{1:1}/-', '{-:1}/1']) text;

-- Indices 1 to the number of dimensions, each once; dimensions 1 to 1e9.
SELECT text, pg_temp.failure(format('SELECT %L::sparsevec', text))
FROM unnest(ARRAY['{0:1}/5', '{-1:1}/5', '{6:1}/5', '{2147483647:1}/5', '{2147483648:1}/5',
				  '{99999999999999999999:1}/5', '{-99999999999999999999:1}/5',
				  '{1:1,1:2}/5', '{2:1,1:1,2:1}/5',
				  '{}/0', '{}/-1', '{}/1000000001', '{}/99999999999999999999', '{}/-99999999999999999999',
				  '{1:NaN}/1', '{1:-inf}/1', '{1:4e38}/1', '{1:1e-46}/1', '{1:-1e-400}/1']) text;

-- At most 16,000 elements that are not 0.
CREATE FUNCTION pg_temp.sparse(elements int, zeros int) RETURNS text
LANGUAGE sql AS $$
	SELECT '{' || string_agg(i || ':' || CASE WHEN i <= elements THEN 1 ELSE 0 END, ',' ORDER BY -i)
		|| '}/1000000000' FROM generate_series(1, elements + zeros) i
$$;
SELECT pg_column_size(pg_temp.sparse(16000, 0)::sparsevec);
SELECT l2_norm(pg_temp.sparse(16000, 100)::sparsevec);
SELECT pg_temp.failure($$SELECT pg_temp.sparse(16001, 0)::sparsevec$$);
SELECT pg_temp.failure($$SELECT array_fill(1, ARRAY[16001])::sparsevec$$);
SELECT (array_fill(0, ARRAY[20000]) || ARRAY[7])::sparsevec;
SELECT pg_temp.failure($$SELECT '{}/16001'::sparsevec::vector$$);
SELECT pg_temp.failure($$SELECT '{}/16001'::sparsevec::halfvec$$);
SELECT vector_dims('{16000:1}/16000'::sparsevec::vector);
SELECT array_fill(1, ARRAY[16000])::vector::sparsevec::halfvec::sparsevec::vector = array_fill(1, ARRAY[16000])::vector AS same;

-- The modifier.
SELECT format_type('sparsevec'::regtype, 1000000000);
SELECT modifier, pg_temp.failure(format('SELECT NULL::sparsevec(%s)', modifier))
FROM unnest(ARRAY['1', '1000000000', '0', '1000000001', '1, 2']) modifier;

-- Casts drop zeros and put them back.
SELECT '[0,1.5,0,-0,2]'::vector::sparsevec, '[0,1.5,0,-0,2]'::halfvec::sparsevec,
	   '{2:1.5,5:2}/5'::sparsevec::vector, '{2:1.5,5:2}/5'::sparsevec::halfvec,
	   ARRAY[0,1,0]::sparsevec, '{0,1e-46,1}'::float8[]::sparsevec;

-- Distances, against the same vectors written out.
CREATE TEMP TABLE pairs AS
SELECT i, size, a::sparsevec AS a, b::sparsevec AS b, a::vector AS x, b::vector AS y
FROM generate_series(1, 50) i, unnest(ARRAY[1, 1e-30, 1e30]::real[]) size,
	 LATERAL (SELECT array_agg((CASE WHEN j * j % (i + 2) < 3 THEN sin(i * j) ELSE 0 END * size)::real) AS a,
					 array_agg((CASE WHEN j * i % 7 < 2 THEN cos(i + j) ELSE 0 END * size)::real) AS b
			  FROM generate_series(1, 10 * i) j) dense;
SELECT count(*),
	   max(abs((a <-> b) - (x <-> y)) / (x <-> y)) < 1e-5 AS l2,
	   max(abs((a <#> b) - (x <#> y)) / (vector_norm(x) * vector_norm(y))) < 1e-5 AS ip,
	   max(abs((a <=> b) - (x <=> y))) < 1e-5 AS cosine,
	   max(abs((a <+> b) - (x <+> y)) / (x <+> y)) < 1e-5 AS l1,
	   max(abs(l2_norm(a) - vector_norm(x)) / vector_norm(x)) < 1e-12 AS norm,
	   bool_and(l2_normalize(a)::vector = l2_normalize(x)) AS normalized,
	   bool_and(a <-> b = b <-> a AND a <#> b = b <#> a AND a <=> b = b <=> a AND a <+> b = b <+> a) AS symmetric,
	   bool_and(a <-> a = 0 AND a <+> a = 0 AND a <=> a BETWEEN 0 AND 1e-15) AS self
FROM pairs;

-- No product of 0 is written -0; the largest floats; elements that vanish.
SELECT '{1:1}/2'::sparsevec <#> '{2:1}/2' AS nothing_shared,
	   (('{1:3e38}/2'::sparsevec <-> '{1:-3e38}/2') / 1e38)::real AS l2_6e38,
	   '{1:3e38}/2'::sparsevec <=> '{1:3e38,2:1e-45}/2' AS cosine,
	   (('{1:3e38}/9'::sparsevec <#> '{1:3e38}/9') / 1e76)::real AS ip;
SELECT l2_normalize('{1:3e38,2:1e-37}/2'::sparsevec), l2_normalize('{5:1e-45}/7'::sparsevec);

-- Order counts zeros: against the same vectors written out.
CREATE TEMP TABLE items AS
SELECT ARRAY(SELECT floor(random() * 3) - 1 FROM generate_series(1, 1 + i % 5))::vector AS v
FROM generate_series(1, 200) i;
SELECT count(*) FROM items a, items b
WHERE sparsevec_cmp(a.v, b.v) <> vector_cmp(a.v, b.v)
   OR (a.v::sparsevec < b.v) <> (a.v < b.v) OR (a.v::sparsevec = b.v) <> (a.v = b.v)
   OR (a.v::sparsevec >= b.v) <> (a.v >= b.v);
