-- What the catalog says of the types' functions, and where they can live.

CREATE TEMP VIEW types AS
SELECT unnest(ARRAY['vector', 'halfvec', 'sparsevec']::regtype[]) AS type;

-- Those that take or return one of them, or distances of bit strings.
CREATE TEMP VIEW type_functions AS
SELECT p.* FROM pg_proc p
JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
  AND (p.prorettype IN (SELECT type FROM types)
	   OR p.proargtypes::oid[] && ARRAY(SELECT type::oid FROM types)
	   OR p.proargtypes::oid[] && ARRAY['bit'::regtype::oid]
	   OR p.proname ~ '^(vector|halfvec|sparsevec)_')
  AND p.prokind = 'f';

-- Immutable, so that indexes may rely on them; strict; safe in parallel; and
-- none leakproof, for errors and timing speak of values.
SELECT count(*) > 100 AS many,
	   bool_and(provolatile = 'i') AS immutable, bool_and(proisstrict) AS strict,
	   bool_and(proparallel = 's') AS parallel_safe, bool_or(proleakproof) AS leakproof
FROM type_functions;
SELECT type, a.proname, a.proparallel, aggcombinefn <> 0 AS partial
FROM types JOIN pg_proc a ON type = ANY (proargtypes) AND prokind = 'a'
JOIN pg_aggregate ON aggfnoid = a.oid ORDER BY 1, 2;

SELECT type, typstorage, typalign, typlen, typcategory, typispreferred,
	   typsend <> 0 AND typreceive <> 0 AS binary, typmodin <> 0 AS modifier
FROM types JOIN pg_type ON oid = type;

-- The casts, and that no cast goes round them: i(mplicit), a(ssignment).
SELECT castsource::regtype AS source, casttarget::regtype AS target, castcontext, castmethod
FROM pg_cast
WHERE castsource IN (SELECT type FROM types) OR casttarget IN (SELECT type FROM types)
ORDER BY castsource::regtype::text COLLATE "C", casttarget::regtype::text COLLATE "C";

-- The order operators take part in a btree class that core finds sound.
SELECT opcname, opcdefault, amvalidate(c.oid)
FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
WHERE opcintype IN (SELECT type FROM types) AND amname = 'btree' ORDER BY 1;

-- Every type has the operators it should.
SELECT type, array_agg(oprname::text COLLATE "C" ORDER BY oprname::text COLLATE "C") AS operators
FROM types JOIN pg_operator ON oprleft = type AND oprright = type
GROUP BY type ORDER BY type;

-- Every operator whose order of arguments does not matter says so, and every
-- test has its opposite.
SELECT oprname, array_agg(oprleft::regtype ORDER BY oprleft) FROM pg_operator
WHERE oprleft IN (SELECT type FROM types) AND oprcom = 0
GROUP BY oprname ORDER BY 1;
SELECT oprname FROM pg_operator
WHERE oprleft IN (SELECT type FROM types) AND oprresult = 'bool'::regtype AND oprnegate = 0;

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
SELECT '[3,4]'::vego_elsewhere.vector::vego_elsewhere.halfvec::vego_elsewhere.sparsevec;
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
