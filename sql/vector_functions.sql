-- vector_dims, vector_norm, l2_normalize, subvector, binary_quantize.

CREATE FUNCTION pg_temp.failure(statement text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM);
END
$$;

SELECT vector_dims('[1]'::vector), vector_dims('[1,2,3]'::vector), vector_dims(NULL::vector);

SELECT vector_norm('[3,-4]'), vector_norm('[0,0]'), vector_norm('[1]'), vector_norm(NULL);

-- Norms whose square no float can hold: 5e20, 5e-25, 5e38, and 2^-149, which
-- is 1e-45 as a real.
SELECT vector_norm('[3e20,4e20]')::real AS large,
	   vector_norm('[3e-25,4e-25]')::real AS small,
	   (vector_norm('[3e38,-3.4e38]') / 1e38)::numeric(6,4) AS beyond_float,
	   vector_norm('[1e-45]')::real AS smallest;

SELECT l2_normalize('[3,-4]'::vector), l2_normalize('[0,0]'::vector), l2_normalize('[5]'::vector), l2_normalize(NULL::vector);
SELECT l2_normalize('[3e20,4e20]'::vector), l2_normalize('[3e38]'::vector), l2_normalize('[-1e-45,0]'::vector),
	   l2_normalize('[3e-30,4e-30]'::vector);
SELECT bool_and(abs(vector_norm(l2_normalize(v)) - 1) < 1e-6) AS unit
FROM (SELECT array_agg(random() - 0.5)::vector AS v
	  FROM generate_series(1, 5000) i GROUP BY i % 10) sample;

-- From a start, counted from 1, as many as a count, as far as they exist.
SELECT start, count, subvector('[1,2,3,4,5]'::vector, start, count)
FROM (VALUES (1, 5), (1, 1), (5, 1), (2, 3), (3, 9), (0, 2), (-1, 4),
			 (1, 2147483647), (2, 2147483647)) a (start, count);
SELECT subvector(NULL::vector, 1, 1), subvector('[1]'::vector, NULL, 1), subvector('[1]'::vector, 1, NULL);
SELECT start, count, pg_temp.failure(
	format('SELECT subvector(''[1,2,3,4,5]''::vector, %s, %s)', start, count))
FROM (VALUES (1, 0), (1, -1), (6, 1), (0, 1), (-1, 2), (-2147483648, 2147483647),
			 (2147483647, 2147483647), (1, -2147483648),
			 (-2147483648, -2147483648)) a (start, count);

-- One bit an element, set where it is above 0; bytes are filled from the left.
SELECT binary_quantize('[1,0,-1,0.5,-0,1e-45,-1e-45,3]'::vector), binary_quantize('[-1]'::vector),
	   binary_quantize('[0,0,0,0,0,0,0,0,1]'::vector), binary_quantize(NULL::vector);
SELECT length(b), bit_count(b) FROM (
	SELECT binary_quantize(array_agg(CASE WHEN i % 3 = 0 THEN 1 ELSE -1 END)::vector) b
	FROM generate_series(1, 16000) i) sample;
SELECT binary_quantize('[1,-1,1]'::vector)::bit(3) = B'101' AS equal;
