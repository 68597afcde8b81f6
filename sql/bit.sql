-- Distances of bit strings.

CREATE FUNCTION pg_temp.failure(statement text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM);
END
$$;

SELECT B'1100' <~> B'1010' AS hamming, B'1100' <%> B'1010' AS jaccard;
SELECT hamming_distance('111', '100'), jaccard_distance('1111', '1110');
SELECT a, b, a <~> b AS hamming, a <%> b AS jaccard
FROM (VALUES (B'', B''), (B'0', B'0'), (B'1', B'0'), (B'1', B'1'), (B'0000', B'0000'),
			 (B'1111', B'1111'), (B'111100001', B'000011110')) pair (a, b);
SELECT B'1'::bit(1) <~> NULL AS hamming, NULL <%> B'1'::bit(1) AS jaccard;
SELECT statement, pg_temp.failure('SELECT ' || statement)
FROM unnest(ARRAY[$$B'11' <~> B'111'$$, $$B'11' <%> B''$$, $$hamming_distance('1', '11')$$]) statement;

-- Against counting one by one, at many lengths.
SELECT count(*), bool_and(a <~> b = apart) AS hamming,
	   bool_and(a <%> b = CASE WHEN shared = 0 THEN 1 ELSE 1 - shared / (shared + apart) END) AS jaccard
FROM unnest(ARRAY[1, 7, 8, 9, 63, 64, 65, 127, 255, 256, 257, 511, 513, 1000, 1024, 4099, 64000]) n,
	 LATERAL (SELECT string_agg((sin(i::float8 * n) > 0)::int::text, '' ORDER BY i)::varbit AS a,
					 string_agg((cos(i::float8 * i) > 0.3)::int::text, '' ORDER BY i)::varbit AS b,
					 count(*) FILTER (WHERE (sin(i::float8 * n) > 0) <> (cos(i::float8 * i) > 0.3)) AS apart,
					 (count(*) FILTER (WHERE sin(i::float8 * n) > 0 AND cos(i::float8 * i) > 0.3))::float8 AS shared
			  FROM generate_series(1, n) i) strings;

-- As binary_quantize makes them.
SELECT binary_quantize('[1,-1,2,-3]'::vector)::bit(4) <~> binary_quantize('[1,1,2,3]'::halfvec)::bit(4) AS hamming;
