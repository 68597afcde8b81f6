/* vego_pgvector: vego indexes on columns of pgvector's types */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION vego_pgvector" to load this file. \quit

-- vego and pgvector define types, functions and operators of the same names,
-- each in a schema of its own, and which schemas these are is known only now.
-- So nothing is found by name alone: an operator is the one that belongs to the
-- extension vector, whatever else has its name, and a class is made by a
-- statement with every name qualified.
--
-- A class orders by pgvector's operator and measures by the function behind it,
-- so an index gives the order that sorting gives.  Values lie on disk as vego's
-- do, which is why vego's support functions understand them.
DO $do$
DECLARE
	vego pg_catalog.oid;
	pgvector pg_catalog.oid;
	pgvector_version pg_catalog.text;
	vego_schema pg_catalog.name;
	pgvector_schema pg_catalog.name;
	class pg_catalog.record;
	made pg_catalog.int4 := 0;
BEGIN
	SELECT e.oid, n.nspname INTO STRICT vego, vego_schema
	FROM pg_catalog.pg_extension AS e
	JOIN pg_catalog.pg_namespace AS n
		ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
	WHERE e.extname OPERATOR(pg_catalog.=) 'vego'::pg_catalog.name;

	SELECT e.oid, n.nspname, e.extversion
	INTO STRICT pgvector, pgvector_schema, pgvector_version
	FROM pg_catalog.pg_extension AS e
	JOIN pg_catalog.pg_namespace AS n
		ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
	WHERE e.extname OPERATOR(pg_catalog.=) 'vector'::pg_catalog.name;

	IF vego_schema OPERATOR(pg_catalog.=) pg_catalog.current_schema() THEN
		RAISE EXCEPTION USING
			ERRCODE = 'duplicate_object',
			MESSAGE = pg_catalog.format(
				'schema "%s" already has operator classes of these names, those of vego',
				vego_schema),
			HINT = pg_catalog.format(
				'Use the schema of pgvector: CREATE EXTENSION vego_pgvector SCHEMA %I;',
				pgvector_schema);
	END IF;

	FOR class IN
		WITH classes (name, operator, type, support, is_default, meaning) AS (VALUES
			('vector_l2_ops', '<->', 'vector',
			 'vego_vector_l2_support', 'DEFAULT', 'Euclidean distance'),
			('vector_ip_ops', '<#>', 'vector',
			 'vego_vector_ip_support', '', 'negative inner product'),
			('vector_cosine_ops', '<=>', 'vector',
			 'vego_vector_cosine_support', '', 'cosine distance'),
			('vector_l1_ops', '<+>', 'vector',
			 'vego_vector_l1_support', '', 'taxicab distance'),
			('halfvec_l2_ops', '<->', 'halfvec',
			 'vego_halfvec_l2_support', 'DEFAULT', 'Euclidean distance'),
			('halfvec_ip_ops', '<#>', 'halfvec',
			 'vego_halfvec_ip_support', '', 'negative inner product'),
			('halfvec_cosine_ops', '<=>', 'halfvec',
			 'vego_halfvec_cosine_support', '', 'cosine distance'),
			('halfvec_l1_ops', '<+>', 'halfvec',
			 'vego_halfvec_l1_support', '', 'taxicab distance'),
			('sparsevec_l2_ops', '<->', 'sparsevec',
			 'vego_sparsevec_l2_support', 'DEFAULT', 'Euclidean distance'),
			('sparsevec_ip_ops', '<#>', 'sparsevec',
			 'vego_sparsevec_ip_support', '', 'negative inner product'),
			('sparsevec_cosine_ops', '<=>', 'sparsevec',
			 'vego_sparsevec_cosine_support', '', 'cosine distance'),
			('sparsevec_l1_ops', '<+>', 'sparsevec',
			 'vego_sparsevec_l1_support', '', 'taxicab distance'),
			-- the default for bit strings is vego's own
			('bit_hamming_ops', '<~>', 'bit',
			 'vego_bit_hamming_support', '', 'Hamming distance'),
			('bit_jaccard_ops', '<%>', 'bit',
			 'vego_bit_jaccard_support', '', 'Jaccard distance')
		)
		SELECT c.name, c.is_default,
			   pg_catalog.format('%s by pgvector''s %s', c.meaning, c.operator) AS comment,
			   pg_catalog.format('%I.%I', tn.nspname, t.typname) AS type,
			   pg_catalog.format('%I.%s', orn.nspname, o.oprname) AS operator,
			   pg_catalog.format('%I.%I', dn.nspname, d.proname) AS distance,
			   pg_catalog.format('%I.%I', sn.nspname, s.proname) AS support
		FROM classes AS c
		JOIN pg_catalog.pg_operator AS o
			ON o.oprname OPERATOR(pg_catalog.=) c.operator::pg_catalog.name
			AND o.oprleft OPERATOR(pg_catalog.=) o.oprright
		JOIN pg_catalog.pg_namespace AS orn
			ON orn.oid OPERATOR(pg_catalog.=) o.oprnamespace
		JOIN pg_catalog.pg_depend AS of_pgvector
			ON of_pgvector.classid OPERATOR(pg_catalog.=)
				'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid
			AND of_pgvector.objid OPERATOR(pg_catalog.=) o.oid
			AND of_pgvector.refclassid OPERATOR(pg_catalog.=)
				'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid
			AND of_pgvector.refobjid OPERATOR(pg_catalog.=) pgvector
			AND of_pgvector.deptype OPERATOR(pg_catalog.=) 'e'::pg_catalog."char"
		JOIN pg_catalog.pg_type AS t
			ON t.oid OPERATOR(pg_catalog.=) o.oprleft
			AND t.typname OPERATOR(pg_catalog.=) c.type::pg_catalog.name
		JOIN pg_catalog.pg_namespace AS tn
			ON tn.oid OPERATOR(pg_catalog.=) t.typnamespace
		JOIN pg_catalog.pg_proc AS d
			ON d.oid OPERATOR(pg_catalog.=) o.oprcode::pg_catalog.oid
		JOIN pg_catalog.pg_namespace AS dn
			ON dn.oid OPERATOR(pg_catalog.=) d.pronamespace
		JOIN pg_catalog.pg_proc AS s
			ON s.proname OPERATOR(pg_catalog.=) c.support::pg_catalog.name
		JOIN pg_catalog.pg_namespace AS sn
			ON sn.oid OPERATOR(pg_catalog.=) s.pronamespace
		JOIN pg_catalog.pg_depend AS of_vego
			ON of_vego.classid OPERATOR(pg_catalog.=)
				'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid
			AND of_vego.objid OPERATOR(pg_catalog.=) s.oid
			AND of_vego.refclassid OPERATOR(pg_catalog.=)
				'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid
			AND of_vego.refobjid OPERATOR(pg_catalog.=) vego
			AND of_vego.deptype OPERATOR(pg_catalog.=) 'e'::pg_catalog."char"
	LOOP
		EXECUTE pg_catalog.format(
			'CREATE OPERATOR CLASS %1$I %2$s FOR TYPE %3$s USING vego_hnsw AS '
			'OPERATOR 1 %4$s (%3$s, %3$s) FOR ORDER BY pg_catalog.float_ops, '
			'FUNCTION 1 %5$s(%3$s, %3$s), '
			'FUNCTION 2 %6$s(pg_catalog.internal)',
			class.name, class.is_default, class.type, class.operator,
			class.distance, class.support);
		EXECUTE pg_catalog.format(
			'COMMENT ON OPERATOR CLASS %I USING vego_hnsw IS %L',
			class.name, class.comment);
		EXECUTE pg_catalog.format(
			'COMMENT ON OPERATOR FAMILY %I USING vego_hnsw IS %L',
			class.name, class.comment);
		made := made OPERATOR(pg_catalog.+) 1;
	END LOOP;

	-- All there are, 14, since pgvector 0.7.
	IF made OPERATOR(pg_catalog.=) 0 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'feature_not_supported',
			MESSAGE = pg_catalog.format(
				'extension "vector" %s has no operators of pgvector',
				pgvector_version);
	ELSIF made OPERATOR(pg_catalog.<) 14 THEN
		RAISE NOTICE USING
			MESSAGE = pg_catalog.format(
				'extension "vector" %s has operators for %s of 14 operator classes',
				pgvector_version, made),
			HINT = 'For the others, ALTER EXTENSION vector UPDATE to 0.7 or later, and create vego_pgvector again.';
	END IF;
END
$do$;
