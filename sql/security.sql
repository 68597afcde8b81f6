-- What those may do who own nothing, and what awaits an extension's script on
-- the search path of who installs it.
CREATE SCHEMA security_test;
SET search_path = security_test, public;
SET client_min_messages = warning;

CREATE FUNCTION run(statement text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
END
$$;
-- What a function takes, as CREATE FUNCTION wants it.
CREATE FUNCTION arguments(pg_proc) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(CASE WHEN $1.provariadic <> 0 AND n = $1.pronargs THEN 'VARIADIC ' ELSE '' END
		|| format_type(t, NULL), ', ' ORDER BY n)
	FROM unnest($1.proargtypes::oid[]) WITH ORDINALITY a (t, n)
$$;
CREATE VIEW functions AS
SELECT p.oid::regprocedure AS function, arguments(p) AS arguments, p.* FROM pg_proc p
JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
WHERE e.extname ~ '^vego';
-- Nothing is leakproof, or runs as another than its caller.
SELECT function FROM functions WHERE proleakproof OR prosecdef OR proconfig IS NOT NULL;

-- What does more than compute from its arguments, and can be called from SQL,
-- looks at tables.  Nobody may who was not let, and then only the owner.
CREATE VIEW looking AS
SELECT * FROM functions
WHERE (provolatile <> 'i' OR 'regclass'::regtype = ANY (proargtypes::oid[]))
	AND NOT 'internal'::regtype = ANY (proargtypes::oid[]);
SELECT count(*) > 1 AS some FROM looking;
SELECT function FROM looking WHERE has_function_privilege('public', oid, 'EXECUTE');

CREATE ROLE regress_vego_stranger;
CREATE ROLE regress_vego_keeper;
GRANT USAGE ON SCHEMA security_test TO regress_vego_stranger;
GRANT USAGE, CREATE ON SCHEMA security_test TO regress_vego_keeper;
SET ROLE regress_vego_keeper;
CREATE TABLE kept (id int, v vector(3));
INSERT INTO kept SELECT i, ARRAY[i, i % 3, 1]::vector FROM generate_series(1, 100) i;
CREATE INDEX kept_index ON kept USING vego_hnsw (v);
RESET ROLE;

-- A call of a function about that index.
CREATE FUNCTION call_of(called regprocedure) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	arguments text[] := '{}';
	type regtype;
BEGIN
	FOREACH type IN ARRAY (SELECT proargtypes::regtype[] FROM pg_proc WHERE oid = called) LOOP
		arguments := arguments || CASE type
			WHEN 'regclass'::regtype THEN '''security_test.kept_index'''
			WHEN 'boolean'::regtype THEN 'true'
			WHEN 'integer'::regtype THEN '5'
			WHEN 'bigint'::regtype THEN '5'
			WHEN 'text'::regtype THEN '''x'''
			WHEN 'vector[]'::regtype THEN 'ARRAY[''[1,2,3]''::public.vector]'
		END;
		IF arguments[cardinality(arguments)] IS NULL THEN
			RAISE 'here is no example of an argument of type %', type;
		END IF;
	END LOOP;
	RETURN format('SELECT count(*) FROM %s(%s)', called::regproc, array_to_string(arguments, ', '));
END
$$;
CREATE FUNCTION outcome(statement text, role name) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('role', role, true);
	BEGIN
		EXECUTE statement;
	EXCEPTION WHEN OTHERS THEN
		PERFORM set_config('role', 'none', true);
		RETURN SQLSTATE || ' ' || SQLERRM;
	END;
	PERFORM set_config('role', 'none', true);
	RETURN 'done';
END
$$;
CREATE TABLE calls AS SELECT function, call_of(function) AS call FROM looking;
SELECT function, outcome FROM calls, outcome(call, 'regress_vego_stranger')
WHERE outcome NOT LIKE '42501 permission denied for function%';
SELECT count(run(format('GRANT EXECUTE ON FUNCTION %s TO regress_vego_stranger, regress_vego_keeper', function))) > 1 AS granted
FROM calls;
SELECT function, outcome FROM calls, outcome(call, 'regress_vego_stranger')
WHERE call LIKE '%kept_index%' AND outcome NOT LIKE '42501 must be owner of %';
SELECT function, outcome FROM calls, outcome(call, 'regress_vego_keeper')
WHERE outcome <> 'done';
DROP TABLE kept;
DROP OWNED BY regress_vego_stranger, regress_vego_keeper;
DROP ROLE regress_vego_stranger, regress_vego_keeper;

-- An enemy owns the schema that the extension goes to.  Each thing of the
-- extension that he can make before it, he makes: that stops the script.
CREATE TABLE forestalled AS
SELECT format('CREATE FUNCTION trap.%I(%s) RETURNS int LANGUAGE internal AS ''any_in''',
	proname, arguments) AS statement
FROM functions
WHERE NOT EXISTS (SELECT FROM unnest(proargtypes::oid[]) a
	WHERE (SELECT typnamespace FROM pg_type WHERE oid = a) <> 'pg_catalog'::regnamespace)
UNION ALL
SELECT format('CREATE OPERATOR trap.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = trap.biteq)',
	oprname, oprleft::regtype, oprright::regtype)
FROM pg_operator
WHERE oprcode IN (SELECT oid FROM functions)
	AND oprleft::regtype::text = 'bit' AND oprright::regtype::text = 'bit'
UNION ALL
SELECT format(kind, typname)
FROM pg_type, unnest('{CREATE TYPE trap.%I,CREATE TYPE trap.%I AS (x int),CREATE DOMAIN trap.%I AS int,CREATE TABLE trap.%I ()}'::text[]) kind
WHERE typinput IN (SELECT oid FROM functions);
CREATE TABLE script AS
SELECT regexp_replace(replace(
		pg_read_file(setting || '/extension/vego--' || default_version || '.sql'),
		'MODULE_PATHNAME', '$libdir/vego'), '^\\.*$', '', 'gn') AS script
FROM pg_config, pg_available_extensions
WHERE pg_config.name = 'SHAREDIR' AND pg_available_extensions.name = 'vego';

BEGIN;
DROP EXTENSION vego CASCADE;
CREATE SCHEMA trap;
CREATE FUNCTION trap.biteq(bit, bit) RETURNS boolean LANGUAGE internal AS 'biteq';
CREATE FUNCTION forestall(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	BEGIN
		CREATE EXTENSION vego SCHEMA trap;
		RAISE 'installed all the same' USING ERRCODE = 'ZZ000';
	EXCEPTION WHEN OTHERS THEN
		RAISE '%', SQLERRM USING ERRCODE = SQLSTATE;
	END;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
SELECT count(*) > 30 AS many FROM forestalled;
SELECT statement, outcome FROM forestalled, forestall(statement) outcome
WHERE outcome !~ '^(42710|42723) .* already ';

-- Names that are the server's, he makes as well.  The extension does not see
-- even those that come first on the path, before the server's own.
CREATE SCHEMA shadows;
CREATE TABLE words AS
SELECT DISTINCT w[1] AS word FROM script, regexp_matches(script, '[a-z_0-9]+', 'g') w;
SELECT count(run(format('CREATE DOMAIN shadows.%I AS pg_catalog.int4 NOT NULL', typname))) > 10 AS types
FROM pg_type JOIN words ON typname = word
WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'p');
SELECT count(run(format('CREATE FUNCTION shadows.%I(%s) RETURNS pg_catalog.int4 LANGUAGE internal AS ''any_in''',
	proname, arguments(p)))) > 10 AS functions
FROM pg_proc p JOIN words ON proname = word
WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f';
CREATE TABLE operators AS
SELECT oprname, format_type(oprleft, NULL) AS l, format_type(oprright, NULL) AS r
FROM pg_operator
WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprname IN ('=', '<>', '||', '~') AND oprleft <> 0;
SELECT count(run(format('CREATE FUNCTION shadows.caught(%s, %s) RETURNS pg_catalog.bool LANGUAGE internal AS ''any_in''', l, r))) > 10 AS functions
FROM (SELECT DISTINCT l, r FROM operators) o;
SELECT count(run(format('CREATE OPERATOR shadows.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = shadows.caught)', oprname, l, r))) > 10 AS operators
FROM operators;
CREATE TABLE shadowed AS
SELECT 'pg_type'::regclass AS class, oid FROM pg_type WHERE typnamespace = 'shadows'::regnamespace
UNION ALL SELECT 'pg_proc', oid FROM pg_proc WHERE pronamespace = 'shadows'::regnamespace
UNION ALL SELECT 'pg_operator', oid FROM pg_operator WHERE oprnamespace = 'shadows'::regnamespace;
SAVEPOINT before_script;
DO $$
DECLARE
	script text := (SELECT script FROM security_test.script);
BEGIN
	CREATE SCHEMA target;
	PERFORM pg_catalog.set_config('search_path', 'target, shadows, pg_catalog', true);
	EXECUTE script;
	PERFORM pg_catalog.set_config('search_path', 'security_test', true);
END $$;
SELECT count(*) > 100 AS many FROM pg_proc WHERE pronamespace = 'target'::regnamespace;
SELECT pg_describe_object(classid, objid, objsubid) AS captured, pg_describe_object(refclassid, refobjid, refobjsubid) AS by
FROM pg_depend
WHERE (refclassid, refobjid) IN (SELECT class, oid FROM shadowed)
	AND (classid, objid) NOT IN (SELECT class, oid FROM shadowed);
ROLLBACK TO before_script;
-- a script that was careless would be seen
CREATE SCHEMA target;
SET LOCAL search_path = target, shadows, pg_catalog;
CREATE FUNCTION careless(pg_catalog.int4) RETURNS text LANGUAGE internal AS 'any_in';
SAVEPOINT careless;
SELECT format('%s', 1);
ROLLBACK TO careless;
SET LOCAL search_path = security_test, pg_catalog;
SELECT count(*) FROM pg_depend
WHERE (refclassid, refobjid) IN (SELECT class, oid FROM shadowed)
	AND (classid, objid) NOT IN (SELECT class, oid FROM shadowed);
-- nor are types of the session's temporary schema taken for its own
CREATE TEMP TABLE vector (x int);
CREATE TEMP TABLE halfvec (x int);
CREATE TEMP TABLE sparsevec (x int);
CREATE SCHEMA free;
CREATE EXTENSION vego SCHEMA free;
SELECT pg_describe_object(classid, objid, objsubid) FROM pg_depend
WHERE refclassid = 'pg_type'::regclass AND classid <> 'pg_class'::regclass
	AND refobjid IN ('pg_temp.vector'::regtype, 'pg_temp.halfvec'::regtype, 'pg_temp.sparsevec'::regtype)
	AND deptype <> 'i';
ROLLBACK;

DROP SCHEMA security_test CASCADE;
