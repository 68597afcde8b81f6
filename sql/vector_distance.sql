-- Distances, in and beyond the range of single precision.

CREATE FUNCTION pg_temp.failure(statement text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM);
END
$$;

-- 5; 11; 1 - 0; 3 + 4.
SELECT l2_distance('[1,2]'::vector, '[4,6]'), inner_product('[1,2]'::vector, '[3,4]'),
	   cosine_distance('[1,0]'::vector, '[0,5]'), l1_distance('[1,2]'::vector, '[-2,-2]');
SELECT '[1,2]'::vector <-> '[4,6]' AS l2, '[1,2]'::vector <#> '[3,4]' AS negative_ip,
	   '[1,0]'::vector <=> '[0,5]' AS cosine, '[1,2]'::vector <+> '[-2,-2]' AS l1;
SELECT '[1]'::vector <-> NULL, '[1]'::vector <#> NULL, NULL::vector <=> '[1]',
	   NULL::vector <+> '[1]';

-- Cosine: 0 along, 2 against, and nothing for a vector without direction.
SELECT '[1,2]'::vector <=> '[2,4]' AS along, '[1,2]'::vector <=> '[-1,-2]' AS against,
	   '[1,1]'::vector <=> '[0,0]' AS zero, '[0,0]'::vector <=> '[0,0]' AS zeros;

-- No product of 0 is written -0.
SELECT '[1,0]'::vector <#> '[0,1]' AS negative_ip;

SELECT operator, pg_temp.failure(
	format('SELECT ''[1,2,3]''::vector %s ''[1,2,3,4]''', operator))
FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) operator;
SELECT function, pg_temp.failure(
	format('SELECT %s(''[1,2,3]''::vector, ''[1]'')', function))
FROM unnest(ARRAY['l2_distance', 'inner_product', 'cosine_distance', 'l1_distance']) function;

-- Above the range: squares of 1e20 overflow a float, sums of 3e38 do too, and
-- infinities of both signs would make NaN.
SELECT ('[1e20,0]'::vector <-> '[0,1e20]')::real AS l2_1e20,
	   (('[3e38]'::vector <-> '[-3e38]') / 1e38)::real AS l2_6e38,
	   (('[3e38]'::vector <+> '[-3e38]') / 1e38)::real AS l1_6e38,
	   (('[1e20,1e20]'::vector <#> '[1e20,0]') / 1e40)::real AS ip_1e40,
	   '[3e38,3e38]'::vector <#> '[3e38,-3e38]' AS ip_cancels,
	   '[3e38]'::vector <=> '[3e38]' AS cosine_same,
	   ('[3e38,0]'::vector <=> '[3e38,3e38]')::real AS cosine_45_degrees;

-- Below the range: squares of 1e-25 underflow to 0.
SELECT ('[3e-25,0]'::vector <-> '[0,4e-25]')::real AS l2_5e_25,
	   ('[1e-45]'::vector <-> '[0]')::real AS l2_smallest,
	   ('[1e-45]'::vector <+> '[-1e-45]')::real AS l1_2_smallest,
	   ('[1e-25]'::vector <#> '[1e-25]') < 0 AS ip_counts,
	   '[1e-25]'::vector <=> '[1e-25]' AS cosine_same,
	   ('[1e-45,0]'::vector <=> '[1e-45,1e-45]')::real AS cosine_45_degrees,
	   '[1e-45]'::vector <=> '[-3e38]' AS cosine_against;

-- So order survives at every size.
SELECT size,
	   array_agg(i ORDER BY v <-> '[0,0]', i) = ARRAY[1,2,3,4,5] AS l2,
	   array_agg(i ORDER BY v <#> q, i) = ARRAY[5,4,3,2,1] AS ip,
	   array_agg(i ORDER BY v <=> q, i) = ARRAY[1,2,3,4,5] AS cosine,
	   array_agg(i ORDER BY v <+> '[0,0]', i) = ARRAY[1,2,3,4,5] AS l1
FROM unnest(ARRAY[1, 1e-10, 1e-19, 1e-20, 1e-25, 1e-38, 1e-43, 1e10, 1e19, 1e20, 6e37]::real[]) size,
	 generate_series(1, 5) i,
	 LATERAL (SELECT ARRAY[size, size * (i - 1)]::vector AS v,
					 ARRAY[size, size / 8]::vector AS q) r
GROUP BY size ORDER BY size;

-- Against double precision, at every size and many lengths: the relative error
-- (for a.b and cosine relative to |a||b|) stays near that of a float sum.
CREATE TEMP TABLE pairs AS
SELECT n, size,
	   ARRAY(SELECT (sin(i + n) * size)::real FROM generate_series(1, n) i) AS a,
	   ARRAY(SELECT (cos(i * i) * size)::real FROM generate_series(1, n) i) AS b
FROM unnest(ARRAY[1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 100, 129, 1000, 4097]) n,
	 unnest(ARRAY[1, 1e-40, 1e-30, 1e-20, 1e-18, 1e-10, 1e10, 1e18, 1e20, 1e38]) size;

SELECT count(*),
	   max(abs((a::vector <-> b::vector) - l2) / l2) < 1e-5 AS l2,
	   max(abs((a::vector <#> b::vector) + ip) / norms) < 1e-5 AS ip,
	   max(abs((a::vector <=> b::vector) - (1 - ip / norms))) < 1e-5 AS cosine,
	   max(abs((a::vector <+> b::vector) - l1) / l1) < 1e-5 AS l1
FROM pairs, LATERAL (
	SELECT sqrt(sum((x::float8 - y) ^ 2)) AS l2, sum(x::float8 * y) AS ip,
		   sum(abs(x::float8 - y)) AS l1,
		   sqrt(sum(x::float8 ^ 2)) * sqrt(sum(y::float8 ^ 2)) AS norms
	FROM unnest(a, b) AS xy (x, y)) reference;

-- Symmetric, exact at 0, and a cosine never leaves 0 .. 2.
SELECT bool_and(a::vector <-> b::vector = b::vector <-> a::vector) AS l2,
	   bool_and(a::vector <#> b::vector = b::vector <#> a::vector) AS ip,
	   bool_and(a::vector <=> b::vector = b::vector <=> a::vector) AS cosine,
	   bool_and(a::vector <+> b::vector = b::vector <+> a::vector) AS l1,
	   bool_and(a::vector <-> a::vector = 0) AS l2_self,
	   bool_and(a::vector <=> a::vector BETWEEN 0 AND 1e-5) AS cosine_self,
	   bool_and(a::vector <+> a::vector = 0) AS l1_self,
	   bool_and(a::vector <=> l2_normalize(a::vector) BETWEEN 0 AND 1e-5) AS cosine_along,
	   bool_and(a::vector <=> '[0]'::vector - l2_normalize(a::vector) BETWEEN 2 - 1e-5 AND 2)
		   FILTER (WHERE n = 1) AS cosine_against
FROM pairs;

-- The longest.
SELECT a <-> b AS l2, a <#> b AS ip, a <=> b AS cosine, a <+> b AS l1
FROM (SELECT array_fill(1, ARRAY[16000])::vector AS a,
			 array_fill(-1, ARRAY[16000])::vector AS b) longest;

-- Toasted arguments.
CREATE TEMP TABLE toasted (v vector(3000));
INSERT INTO toasted SELECT array_fill(i, ARRAY[3000])::vector FROM generate_series(1, 3) i;
SELECT v <+> array_fill(0, ARRAY[3000])::vector AS l1 FROM toasted ORDER BY 1;
