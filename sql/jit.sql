-- Expressions that the server compiles, functions of vego inlined, give what
-- they give otherwise.  Only exported symbols of the library can be found then.
CREATE SCHEMA jit_test;
SET search_path = jit_test, public;
SET client_min_messages = warning;

CREATE TABLE samples AS
SELECT i, v AS vector, v::halfvec AS halfvec, v::sparsevec AS sparsevec, b AS bit, q AS query
FROM generate_series(1, 20) i,
	LATERAL (SELECT ARRAY[i, i % 3, -i, 0.5]::vector, i::bit(4)) x (v, b),
	LATERAL (SELECT '[1,2,3,4]'::vector) y (q);

-- Every operator, and every function of one argument, over the samples of its
-- type.
CREATE FUNCTION answers() RETURNS TABLE (type regtype, expressions bigint, answer text)
LANGUAGE plpgsql AS $$
DECLARE
	samples_of record;
BEGIN
	FOR samples_of IN
		SELECT t AS type, count(*) AS expressions,
			string_agg(e, ', ' ORDER BY e COLLATE "C") AS list
		FROM unnest('{vector,halfvec,sparsevec,bit}'::regtype[]) t,
			LATERAL (
				SELECT format('%s %s %s', t, oprname,
						CASE WHEN t = 'bit'::regtype THEN quote_literal('1010')
						ELSE format('query::%s', t) END)
				FROM pg_operator
				WHERE oprleft = t AND oprright = t AND
					(oprcode IN (SELECT objid FROM pg_depend
						WHERE deptype = 'e' AND classid = 'pg_proc'::regclass))
				UNION ALL
				SELECT format('%s(%s)', proname, t) FROM pg_proc
				WHERE pronargs = 1 AND proargtypes[0] = t AND prokind = 'f' AND
					prorettype NOT IN ('cstring'::regtype, 'internal'::regtype) AND
					oid IN (SELECT objid FROM pg_depend
						WHERE deptype = 'e' AND classid = 'pg_proc'::regclass)
			) f (e)
		GROUP BY t ORDER BY t::text COLLATE "C"
	LOOP
		type := samples_of.type;
		expressions := samples_of.expressions;
		EXECUTE format('SELECT string_agg(s::text, '';'' ORDER BY s) FROM (SELECT i, %s FROM samples) s',
			samples_of.list) INTO answer;
		RETURN NEXT;
	END LOOP;
END $$;

SET jit = off;
CREATE TABLE interpreted AS SELECT * FROM answers();
SET jit = on;
SET jit_above_cost = 0;
SET jit_inline_above_cost = 0;
SET jit_optimize_above_cost = 0;
CREATE TABLE compiled AS SELECT * FROM answers();
SELECT type, i.expressions > CASE type WHEN 'bit'::regtype THEN 1 ELSE 10 END AS many,
	i.answer = c.answer AS same
FROM interpreted i FULL JOIN compiled c USING (type) ORDER BY type::text COLLATE "C";

DROP SCHEMA jit_test CASCADE;
