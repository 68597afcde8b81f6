-- What holds for every type: the same statements with each of them.

-- What a statement returns, or SQLSTATE, message and detail of its error.
CREATE FUNCTION pg_temp.result(statement text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	result text;
	detail text;
BEGIN
	IF statement ~ '^SELECT|RETURNING' THEN
		EXECUTE statement INTO result;
		RETURN coalesce(result, 'NULL');
	END IF;
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''));
END
$$;

-- Two values of three dimensions, zero, and one of two dimensions; in a
-- template they are $a, $b, $z and $s, and the type is $type.
CREATE TEMP TABLE types (type text PRIMARY KEY, a text, b text, z text, s text);
INSERT INTO types VALUES
	('vector', '[1,0,-3]', '[0,2,4]', '[0,0,0]', '[1,2]'),
	('halfvec', '[1,0,-3]', '[0,2,4]', '[0,0,0]', '[1,2]'),
	('sparsevec', '{1:1,3:-3}/3', '{2:2,3:4}/3', '{}/3', '{1:1,2:2}/2');

CREATE FUNCTION pg_temp.fill(template text, t types) RETURNS text
LANGUAGE sql AS $$
	SELECT replace(replace(replace(replace(replace(template, '$a', quote_literal(t.a)),
		'$b', quote_literal(t.b)), '$z', quote_literal(t.z)), '$s', quote_literal(t.s)),
		'$type', t.type)
$$;

-- Distances and norms, NULL, and zero.
SELECT template, array_agg(DISTINCT pg_temp.result(pg_temp.fill(template, t))) AS results
FROM types t, unnest(ARRAY[
	'SELECT $a::$type <-> $b', 'SELECT $a::$type <#> $b', 'SELECT $a::$type <=> $b',
	'SELECT $a::$type <+> $b',
	'SELECT l2_distance($a::$type, $b)', 'SELECT inner_product($a::$type, $b)',
	'SELECT cosine_distance($a::$type, $b)', 'SELECT l1_distance($a::$type, $b)',
	'SELECT $a::$type <-> $a', 'SELECT $a::$type <=> $a', 'SELECT $a::$type <+> $a',
	'SELECT $a::$type <=> $z', 'SELECT $z::$type <=> $z', 'SELECT $z::$type <-> $z',
	'SELECT $z::$type <#> $a', 'SELECT $z::$type <+> $z',
	'SELECT $a::$type <-> NULL', 'SELECT NULL::$type <#> $a', 'SELECT NULL::$type <=> NULL',
	'SELECT l2_norm($b::$type)', 'SELECT l2_norm($z::$type)', 'SELECT l2_norm(NULL::$type)',
	'SELECT vector_dims($a::$type)',
	'SELECT l2_normalize($z::$type) = $z', 'SELECT l2_normalize(NULL::$type)',
	'SELECT abs(l2_norm(l2_normalize($b::$type)) - 1) < 1e-3']) WITH ORDINALITY template (template, n)
GROUP BY template, n ORDER BY n;

-- Order, as of arrays.
SELECT template, array_agg(DISTINCT pg_temp.result(pg_temp.fill(template, t))) AS results
FROM types t, unnest(ARRAY[
	'SELECT $a::$type < $b', 'SELECT $a::$type <= $b', 'SELECT $a::$type = $b',
	'SELECT $a::$type <> $b', 'SELECT $a::$type >= $b', 'SELECT $a::$type > $b',
	'SELECT $a::$type = $a', 'SELECT $a::$type <= $a', 'SELECT $a::$type <> $a',
	'SELECT $type_cmp($a, $b)', 'SELECT $type_cmp($b, $a)', 'SELECT $type_cmp($a, $a)',
	'SELECT $type_cmp($z, $a)', 'SELECT $type_cmp($s, $a)', 'SELECT $type_cmp($s, $z)',
	'SELECT $type_cmp($b, $z)', 'SELECT $a::$type < NULL']) WITH ORDINALITY template (template, n)
GROUP BY template, n ORDER BY n;

-- Sorting, grouping and a unique btree index, against arrays of the same.
DO $$
DECLARE
	t record;
	wrong bigint;
BEGIN
	PERFORM setseed(0.5);
	FOR t IN SELECT type FROM types LOOP
		EXECUTE format('CREATE TEMP TABLE order_%1$s (id int GENERATED ALWAYS AS IDENTITY,
			a real[], v %1$s)', t.type);
		EXECUTE format('INSERT INTO order_%s (a)
			SELECT ARRAY(SELECT floor(random() * 3) - 1 FROM generate_series(1, 1 + i %% 4))
			FROM generate_series(1, 200) i', t.type);
		EXECUTE format('UPDATE order_%1$s SET v = a::%1$s', t.type);
		EXECUTE format('SELECT count(*) FROM order_%1$s a, order_%1$s b
			WHERE %1$s_cmp(a.v, b.v) <> btarraycmp(a.a, b.a)', t.type) INTO wrong;
		RAISE NOTICE '%: % of 40000 in another order', t.type, wrong;
		EXECUTE format('CREATE UNIQUE INDEX ON order_%s (v, id)', t.type);
		SET LOCAL enable_seqscan = off;
		EXECUTE format('SELECT (SELECT count(*) FROM order_%1$s WHERE v >= low AND v < high)
			- (SELECT count(*) FROM order_%1$s WHERE a >= ''{0}'' AND a < ''{1,0}'')
			FROM (SELECT ''{0}''::real[]::%1$s AS low, ''{1,0}''::real[]::%1$s AS high) range',
			t.type) INTO wrong;
		SET LOCAL enable_seqscan = on;
		RAISE NOTICE '%: % found wrongly by index', t.type, wrong;
		EXECUTE format('SELECT (SELECT count(DISTINCT v) FROM order_%1$s)
			- (SELECT count(DISTINCT a) FROM order_%1$s)', t.type) INTO wrong;
		RAISE NOTICE '%: % groups too many', t.type, wrong;
	END LOOP;
END
$$;

-- Mismatches and limits: every error names the type, or the counts.
SELECT type, template, pg_temp.result(pg_temp.fill(template, t)) AS result
FROM types t, unnest(ARRAY[
	'SELECT $a::$type <-> $s', 'SELECT $a::$type <#> $s', 'SELECT $a::$type <=> $s',
	'SELECT $a::$type <+> $s',
	'SELECT $a::$type(3)', 'SELECT $a::$type(2)', 'SELECT $s::$type::$type(3)',
	'SELECT NULL::$type(0)', 'SELECT NULL::$type(-1)', 'SELECT NULL::$type(1, 2)',
	'SELECT NULL::$type(''x'')', 'SELECT format_type(''$type''::regtype, 7)',
	'SELECT ''''::$type', 'SELECT ''x''::$type', 'SELECT ''{}''::real[]::$type',
	'SELECT ''{1,NULL}''::real[]::$type', 'SELECT ''{{1},{2}}''::int[]::$type',
	'SELECT ''{1,NaN}''::real[]::$type', 'SELECT ''{1,-Infinity}''::float8[]::$type',
	'SELECT ''{1,2}''::int[]::$type(3)', 'SELECT ''{1e39}''::float8[]::$type',
	'SELECT ''{-1e39}''::numeric[]::$type', 'SELECT ''{NaN}''::numeric[]::$type'
	]) WITH ORDINALITY template (template, n)
ORDER BY n, type;
SELECT type, dims, pg_temp.result(format('SELECT vector_dims(array_fill(0, ARRAY[%s])::%s)',
	dims, type)) AS filled, pg_temp.result(format('SELECT NULL::%s(%s)', type, dims)) AS modifier
FROM types, unnest(ARRAY[16000, 16001, 1000000]) dims ORDER BY dims, type;

-- From and to each other: the numbers stay, and so does the length asked for.
SELECT t.type AS source, u.type AS target,
	   pg_temp.result(format('SELECT %L::%s::%s(3)', t.a, t.type, u.type)) AS result,
	   pg_temp.result(format('SELECT %L::%s::%s = %L', t.a, t.type, u.type, u.a)) AS equal,
	   pg_temp.result(format('SELECT %L::%s::%s(2)', t.a, t.type, u.type)) AS other_length,
	   pg_temp.result(format('SELECT NULL::%s::%s', t.type, u.type)) AS nothing
FROM types t, types u ORDER BY 1, 2;
SELECT type, source, pg_temp.result(format('SELECT ''{1,0,-3}''::%s[]::%s(3) = %L',
	source, type, a)) AS equal
FROM types, unnest(ARRAY['int', 'real', 'double precision', 'numeric']) source;
SELECT '[1,0,-3]'::vector::real[], '[1,0,-3]'::halfvec::real[];

-- In columns: with and without a length, of domains, arrays and composites;
-- defaults, NOT NULL, ALTER, and values that live in TOAST.
DO $$
DECLARE
	t types;
	template text;
BEGIN
	FOR t IN SELECT * FROM types LOOP
		FOREACH template IN ARRAY ARRAY[
			'CREATE DOMAIN $type_domain AS $type(3) CHECK (l2_norm(VALUE) > 0)',
			'CREATE TYPE $type_composite AS (id int, v $type(3), w $type_domain)',
			'CREATE TEMP TABLE column_$type (id int GENERATED ALWAYS AS IDENTITY,
				any_length $type, three $type(3) DEFAULT $a, many $type(3)[], d $type_domain,
				c $type_composite)',
			'CREATE TEMP TABLE long_$type (id int, v $type(4000))',
			'INSERT INTO long_$type SELECT i, array_fill(i, ARRAY[4000])::$type
				FROM generate_series(1, 5) i'] LOOP
			EXECUTE pg_temp.fill(template, t);
		END LOOP;
	END LOOP;
END
$$;
SELECT type, template, pg_temp.result(pg_temp.fill(template, t)) AS result
FROM types t, unnest(ARRAY[
	'INSERT INTO column_$type DEFAULT VALUES RETURNING three',
	'INSERT INTO column_$type (any_length) VALUES ($a), ($s), (NULL)',
	'INSERT INTO column_$type (three) VALUES ($s)',
	'INSERT INTO column_$type (three) SELECT any_length FROM column_$type',
	'INSERT INTO column_$type (many) VALUES (ARRAY[$a, $b, NULL]::$type[]) RETURNING many',
	'INSERT INTO column_$type (many) VALUES (ARRAY[$a, $s]::$type[])',
	'SELECT many[2] FROM column_$type WHERE many IS NOT NULL',
	'SELECT $b::$type = ANY (many) FROM column_$type WHERE many IS NOT NULL',
	'INSERT INTO column_$type (d) VALUES ($b) RETURNING d',
	'INSERT INTO column_$type (d) VALUES ($z)',
	'INSERT INTO column_$type (d) VALUES ($s)',
	'SELECT d <-> $b FROM column_$type WHERE d IS NOT NULL',
	'INSERT INTO column_$type (c) VALUES (ROW(1, $a, $b)) RETURNING c',
	'INSERT INTO column_$type (c) VALUES (ROW(1, $s, $b))',
	'INSERT INTO column_$type (c) VALUES (ROW(1, $a, $z))',
	'SELECT (c).v <+> (c).w FROM column_$type WHERE c IS NOT NULL',
	'SELECT row_to_json(c) FROM column_$type WHERE c IS NOT NULL',
	'ALTER TABLE column_$type ALTER any_length TYPE $type(3)',
	'ALTER TABLE column_$type ALTER any_length TYPE real[] USING NULL',
	'SELECT count(*) FROM long_$type a, long_$type b WHERE a.v = b.v AND (a.v <-> b.v) = 0',
	'SELECT id FROM long_$type ORDER BY v <+> array_fill(4, ARRAY[4000])::$type, id LIMIT 1'
	]) WITH ORDINALITY template (template, n)
ORDER BY n, type;

-- Text and back, of odd numbers of all sizes.
SELECT type, pg_temp.result(format('SELECT bool_and(v::text::%1$s = v AND v::text::%1$s::text = v::text)
	FROM (SELECT array_agg((sin(i) * 2::float8 ^ (i %% 30 - 15))::real)::%1$s AS v
		  FROM generate_series(1, 3000) i GROUP BY i %% 7) sample', type)) AS reads_back
FROM types;

SET client_min_messages = warning;
DROP DOMAIN vector_domain, halfvec_domain, sparsevec_domain CASCADE;
DROP TYPE vector_composite, halfvec_composite, sparsevec_composite CASCADE;
