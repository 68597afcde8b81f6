-- How values are written in binary: vector and halfvec as int16 dim, int16 0
-- and the elements, sparsevec as int32 dim, int32 nnz, int32 0, the indices from
-- 0, and their values.

SELECT vector_send('[1,-2,0.5]');
SELECT vector_send('[-0,1e-45,3.4028235e38]');
SELECT halfvec_send('[1,-2,0.5]');
SELECT halfvec_send('[-0,6e-8,65504]');
SELECT sparsevec_send('{1:1,3:-2,1000000000:0.5}/1000000000');
SELECT sparsevec_send('{}/5');

CREATE TEMP TABLE received (v vector);
CREATE TEMP TABLE received_three (v vector(3));
CREATE TEMP TABLE received_half (v halfvec);
CREATE TEMP TABLE received_half_three (v halfvec(3));
CREATE TEMP TABLE received_sparse (v sparsevec);
CREATE TEMP TABLE received_sparse_three (v sparsevec(3));

-- Sends a field through COPY, as a client would, and shows what arrives, or
-- the error.
CREATE FUNCTION pg_temp.receive(field bytea, target text DEFAULT 'received')
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message bytea;
	octal text;
	result text;
	detail text;
BEGIN
	message := '\x5047434f50590aff0d0a00'	-- signature
		|| '\x00000000'::bytea || '\x00000000'		-- flags, no extension
		|| '\x0001' || int4send(length(field)) || field	-- one row of one field
		|| '\xffff';		-- end
	SELECT string_agg('\' || (byte >> 6) || (byte >> 3 & 7) || (byte & 7), ''
					  ORDER BY i)
	INTO octal
	FROM generate_series(0, length(message) - 1) i,
		 LATERAL (SELECT get_byte(message, i) AS byte) b;
	EXECUTE 'TRUNCATE ' || target;
	EXECUTE format('COPY %s FROM PROGRAM %L WITH (FORMAT binary)',
				   target, 'printf ''' || octal || '''');
	EXECUTE 'SELECT v FROM ' || target INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''));
END
$$;

SELECT pg_temp.receive('\x0003 0000 3f800000 c0000000 3f000000');

-- What is sent is received, to the bit.
SELECT text, pg_temp.receive(vector_send(text::vector)) = text AS same
FROM unnest(ARRAY['[1]', '[-0]', '[1e-45,-1e-45]', '[3.4028235e+38]',
				  '[0.1,0.2,0.3]', '[1.1754944e-38]']) text;
WITH sample AS (
	SELECT array_agg((sin(i) * 2::float8 ^ (i % 250 - 125))::real)::vector AS v
	FROM generate_series(1, 1000) i
)
SELECT pg_temp.receive(vector_send(v)) = v::text AS same FROM sample;

-- Dimensions.
SELECT pg_temp.receive('\x0000 0000');
SELECT pg_temp.receive('\xffff 0000 3f800000');
SELECT pg_temp.receive('\x8000 0000');
SELECT pg_temp.receive('\x3e81 0000');
SELECT pg_temp.receive('\x7fff 0000 3f800000');

-- The unused field.
SELECT pg_temp.receive('\x0001 0001 3f800000');
SELECT pg_temp.receive('\x0001 ffff 3f800000');

-- Too short and too long.
SELECT pg_temp.receive('\x');
SELECT pg_temp.receive('\x0001');
SELECT pg_temp.receive('\x0001 00');
SELECT pg_temp.receive('\x0001 0000');
SELECT pg_temp.receive('\x0002 0000 3f800000');
SELECT pg_temp.receive('\x0002 0000 3f800000 3f8000');
SELECT pg_temp.receive('\x0001 0000 3f800000 00');
SELECT pg_temp.receive('\x0001 0000 3f800000 3f800000');

-- NaN, quiet, signalling and negative; infinities.
SELECT pg_temp.receive('\x0001 0000 7fc00000');
SELECT pg_temp.receive('\x0001 0000 7f800001');
SELECT pg_temp.receive('\x0001 0000 ffffffff');
SELECT pg_temp.receive('\x0002 0000 3f800000 7f800000');
SELECT pg_temp.receive('\x0001 0000 ff800000');

-- The type modifier.
SELECT pg_temp.receive(vector_send('[1,2,3]'), 'received_three');
SELECT pg_temp.receive(vector_send('[1,2]'), 'received_three');

--
-- halfvec
--
SELECT pg_temp.receive('\x0003 0000 3c00 c000 3800', 'received_half');
SELECT text, pg_temp.receive(halfvec_send(text::halfvec), 'received_half') = text AS same
FROM unnest(ARRAY['[1]', '[-0]', '[6e-08,-6e-08]', '[65504]', '[0.1,0.2,0.3]']) text;

-- Every half there is, but NaN and infinity, in seven parts.
SELECT bool_and(pg_temp.receive(halfvec_send(v), 'received_half') = v::text) AS same,
	   sum(vector_dims(v)) AS halves
FROM (SELECT array_agg(sign * CASE WHEN e = 0 THEN f * 2.0::float8 ^ -24
							ELSE (1024 + f) * 2.0::float8 ^ (e - 25) END)::halfvec AS v
	  FROM generate_series(0, 30) e, generate_series(0, 1023) f, unnest(ARRAY[1, -1]) sign
	  GROUP BY f % 7) parts;

-- The same mistakes.
SELECT field, pg_temp.receive(field, 'received_half')
FROM unnest(ARRAY['\x0000 0000', '\xffff 0000 3c00', '\x3e81 0000', '\x0001 0001 3c00', '\x',
	'\x0001 0000', '\x0002 0000 3c00', '\x0001 0000 3c', '\x0001 0000 3c00 3c00',
	'\x0001 0000 3f800000',
	'\x0001 0000 7c00', '\x0001 0000 fc00', '\x0001 0000 7e00', '\x0001 0000 7c01',
	'\x0001 0000 ffff']::bytea[]) field;
SELECT pg_temp.receive(halfvec_send('[1,2,3]'), 'received_half_three');
SELECT pg_temp.receive(halfvec_send('[1,2]'), 'received_half_three');

--
-- sparsevec
--
SELECT pg_temp.receive('\x00000005 00000002 00000000 00000000 00000004 3f800000 c0000000', 'received_sparse');
SELECT text, pg_temp.receive(sparsevec_send(text::sparsevec), 'received_sparse') = text AS same
FROM unnest(ARRAY['{}/1', '{}/1000000000', '{1:1}/1', '{1:1e-45,7:-3.4028235e+38}/9',
				  '{1000000000:0.1}/1000000000']) text;

-- Dimensions, elements, the reserved part; lengths.
SELECT field, pg_temp.receive(field, 'received_sparse')
FROM unnest(ARRAY['\x00000000 00000000 00000000', '\xffffffff 00000000 00000000',
	'\x3b9aca01 00000000 00000000', '\x00000005 ffffffff 00000000',
	'\x00000005 00003e81 00000000', '\x00000005 00000000 00000001',
	'\x', '\x00000005 00000000', '\x00000005 00000001 00000000',
	'\x00000005 00000001 00000000 00000000', '\x00000005 00000000 00000000 00',
	'\x00000005 00000001 00000000 00000000 3f800000 00']::bytea[]) field;

-- Indices beyond the dimensions, not ascending, twice; zeros, NaN, infinity.
SELECT field, pg_temp.receive(field, 'received_sparse')
FROM unnest(ARRAY['\x00000005 00000001 00000000 00000005 3f800000',
	'\x00000005 00000001 00000000 ffffffff 3f800000',
	'\x00000005 00000002 00000000 00000003 00000002 3f800000 3f800000',
	'\x00000005 00000002 00000000 00000003 00000003 3f800000 3f800000',
	'\x00000005 00000001 00000000 00000000 00000000',
	'\x00000005 00000001 00000000 00000000 80000000',
	'\x00000005 00000001 00000000 00000000 7fc00000',
	'\x00000005 00000001 00000000 00000000 7f800000']::bytea[]) field;
SELECT pg_temp.receive(sparsevec_send('{2:1}/3'), 'received_sparse_three');
SELECT pg_temp.receive(sparsevec_send('{2:1}/2'), 'received_sparse_three');
