-- What the catalog says of the type's functions, and where they can live.

-- Those that take or return a vector.
CREATE TEMP VIEW vector_functions AS
SELECT p.* FROM pg_proc p
JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
  AND ('vector'::regtype = p.prorettype OR 'vector'::regtype = ANY (p.proargtypes)
	   OR p.proname LIKE 'vector\_%')
  AND p.prokind = 'f';

-- Immutable, so that indexes may rely on them; strict; safe in parallel; and
-- none leakproof, for errors and timing speak of values.
SELECT count(*) > 0 AS some,
	   bool_and(provolatile = 'i') AS immutable, bool_and(proisstrict) AS strict,
	   bool_and(proparallel = 's') AS parallel_safe, bool_or(proleakproof) AS leakproof
FROM vector_functions;
SELECT proparallel FROM pg_proc WHERE prokind = 'a' AND 'vector'::regtype = ANY (proargtypes);

SELECT typstorage, typalign, typlen, typcategory, typispreferred
FROM pg_type WHERE oid = 'vector'::regtype;

-- The order operators take part in a btree class that core finds sound.
SELECT opcname, opcdefault, amvalidate(c.oid)
FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
WHERE opcintype = 'vector'::regtype AND amname = 'btree';

-- Every operator whose order of arguments does not matter says so, and every
-- test has its opposite.
SELECT oprname FROM pg_operator
WHERE oprleft = 'vector'::regtype AND oprright = 'vector'::regtype AND oprcom = 0
ORDER BY 1;
SELECT oprname FROM pg_operator
WHERE oprleft = 'vector'::regtype AND oprresult = 'bool'::regtype AND oprnegate = 0;

-- Every object of the extension is described.
SELECT pg_describe_object(d.classid, d.objid, 0) AS undescribed
FROM pg_depend d
WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
  AND d.refobjid = (SELECT refobjid FROM pg_depend
					WHERE classid = 'pg_type'::regclass AND objid = 'vector'::regtype
					  AND deptype = 'e')
  AND obj_description(d.objid, d.classid::regclass::name) IS NULL;

-- The extension moves to another schema, whole.
BEGIN;
CREATE SCHEMA vego_elsewhere;
ALTER EXTENSION vego SET SCHEMA vego_elsewhere;
SELECT '[3,4]'::vego_elsewhere.vector OPERATOR(vego_elsewhere.<->) '[0,0]';
ROLLBACK;

-- It refuses a schema that has a type of this name, and says where to go.
BEGIN;
SET LOCAL client_min_messages = warning;
DROP EXTENSION vego CASCADE;
CREATE SCHEMA vego_taken CREATE TABLE vector (x int);
SAVEPOINT before_create;
\set SHOW_CONTEXT never
CREATE EXTENSION vego SCHEMA vego_taken;
ROLLBACK TO before_create;
CREATE SCHEMA vego_free;
CREATE EXTENSION vego SCHEMA vego_free;
SELECT '[3,4]'::vego_free.vector;
ROLLBACK;
