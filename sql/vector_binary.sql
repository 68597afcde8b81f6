-- How a vector is written in binary: int16 dim, int16 0, float4 x dim.

SELECT vector_send('[1,-2,0.5]');
SELECT vector_send('[-0,1e-45,3.4028235e38]');

CREATE TEMP TABLE received (v vector);
CREATE TEMP TABLE received_three (v vector(3));

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
