# BesidePgvector.pm: vego's indexes on columns of pgvector's types, checked alike
# with pgvector itself and with what stands in for it.
#
# The stand-in is an extension of the same name that defines pgvector's types
# and operators by vego's C functions: values of the same form on disk, in types
# that are not vego's, and functions without anything for the planner.  It is a
# version of its own, so that it can lie beside pgvector in the server's folder.
package BesidePgvector;

use strict;
use warnings;

use Exporter qw(import);
use File::Spec;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VegoTest;

our @EXPORT = qw(pgvector_is_installed install_stand_in remove_stand_in
  check_beside_pgvector);

my $stand_in_version = 'standin';

sub extension_file
{
	my ($name) = @_;
	my ($sharedir) = run_command([ 'pg_config', '--sharedir' ]);

	return File::Spec->catfile($sharedir, 'extension', $name);
}

sub pgvector_is_installed
{
	return -e extension_file('vector.control');
}

# The script of the stand-in.
sub stand_in_script
{
	my %elements = (vector => 'dense', halfvec => 'dense', sparsevec => 'sparse');
	my @distances = (
		[ '<->', 'l2_distance' ],
		[ '<#>', '%s_negative_inner_product' ],
		[ '<=>', 'cosine_distance' ],
		[ '<+>', 'l1_distance' ]);
	my $as = "LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS '\$libdir/vego',";
	my $script = '';

	my $define_operator = sub {
		my ($type, $operator, $function, $symbol) = @_;

		$script .= <<SQL;
CREATE FUNCTION $function($type, $type) RETURNS float8 $as '$symbol';
CREATE OPERATOR $operator (LEFTARG = $type, RIGHTARG = $type,
	FUNCTION = $function, COMMUTATOR = $operator);
SQL
	};

	foreach my $type (sort keys %elements)
	{
		$script .= <<SQL;
CREATE TYPE $type;
CREATE FUNCTION ${type}_in(cstring, oid, int4) RETURNS $type
	$as 'vego_${type}_from_text';
CREATE FUNCTION ${type}_out($type) RETURNS cstring $as 'vego_${type}_to_text';
CREATE FUNCTION ${type}_recv(internal, oid, int4) RETURNS $type
	$as 'vego_${type}_from_wire';
CREATE FUNCTION ${type}_send($type) RETURNS bytea $as 'vego_${type}_to_wire';
CREATE FUNCTION ${type}_typmod_in(cstring[]) RETURNS int4
	$as 'vego_${type}_typmod_in';
CREATE TYPE $type (INPUT = ${type}_in, OUTPUT = ${type}_out,
	RECEIVE = ${type}_recv, SEND = ${type}_send, TYPMOD_IN = ${type}_typmod_in,
	STORAGE = external);
CREATE FUNCTION $type($type, int4, bool) RETURNS $type $as 'vego_${type}_coerce';
CREATE CAST ($type AS $type) WITH FUNCTION $type($type, int4, bool) AS IMPLICIT;
SQL
		foreach my $distance (@distances)
		{
			my $function = sprintf $distance->[1], $type;
			my $symbol = sprintf $distance->[1], 'vego';

			$symbol =~ s/^vego_//;
			$define_operator->($type, $distance->[0], $function,
				"vego_${type}_$symbol");
		}
	}
	$define_operator->('bit', '<~>', 'hamming_distance',
		'vego_bit_hamming_distance');
	$define_operator->('bit', '<%>', 'jaccard_distance',
		'vego_bit_jaccard_distance');
	return $script;
}

my @stand_in_files;

# Returns the version to be created.
sub install_stand_in
{
	my %files = ("vector--$stand_in_version.sql" => stand_in_script());

	$files{'vector.control'} =
	  "default_version = '$stand_in_version'\nrelocatable = true\n"
	  unless pgvector_is_installed();
	foreach my $name (keys %files)
	{
		my $file = extension_file($name);

		append_to_file($file, $files{$name});
		push @stand_in_files, $file;
	}
	return $stand_in_version;
}

sub remove_stand_in
{
	unlink @stand_in_files;
	@stand_in_files = ();
	return;
}

END { remove_stand_in() }

# Class, column, operator; which of them are defaults.
my @classes = (
	[ 'vector_l2_ops', 'v', '<->', 1 ],
	[ 'vector_ip_ops', 'v', '<#>', 0 ],
	[ 'vector_cosine_ops', 'v', '<=>', 0 ],
	[ 'vector_l1_ops', 'v', '<+>', 0 ],
	[ 'halfvec_l2_ops', 'h', '<->', 1 ],
	[ 'halfvec_ip_ops', 'h', '<#>', 0 ],
	[ 'halfvec_cosine_ops', 'h', '<=>', 0 ],
	[ 'halfvec_l1_ops', 'h', '<+>', 0 ],
	[ 'sparsevec_l2_ops', 's', '<->', 1 ],
	[ 'sparsevec_ip_ops', 's', '<#>', 0 ],
	[ 'sparsevec_cosine_ops', 's', '<=>', 0 ],
	[ 'sparsevec_l1_ops', 's', '<+>', 0 ],
	[ 'bit_hamming_ops', 'b', '<~>', 0 ],
	[ 'bit_jaccard_ops', 'b', '<%>', 0 ]);

# The same rows twice: in pgvector's types in public.items, where users of
# pgvector have them, and in vego's in vego.items.
my $setup = <<'SQL';
CREATE SCHEMA test;

CREATE FUNCTION test.numbers(id int, dims int) RETURNS vego.vector
LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((CASE WHEN hashint8extended(d, id) & 3 = 0 THEN 0 ELSE
		(hashint8extended(d, id & 15) & 65535) / 65536.0 - 0.5 +
		(hashint8extended(d, id) >> 8 & 65535) / 98304.0 END)::real ORDER BY d)::vego.vector
	FROM generate_series(1, dims) d
$$;

CREATE TABLE vego.items (id int PRIMARY KEY, v vego.vector(48), h vego.halfvec(48),
	s vego.sparsevec(48), b bit(48));
CREATE TABLE public.items (id int PRIMARY KEY, v public.vector(48), h public.halfvec(48),
	s public.sparsevec(48), b bit(48));

CREATE FUNCTION test.fill(first int, last int) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO vego.items
	SELECT id, x, x, x, vego.binary_quantize(x)
	FROM generate_series(first, last) id, test.numbers(id, 48) x;
	INSERT INTO public.items
	SELECT id, v::text::public.vector, h::text::public.halfvec, s::text::public.sparsevec, b
	FROM vego.items WHERE id BETWEEN first AND last
$$;

CREATE FUNCTION test.distances(statement text, by_index bool) RETURNS float8[]
LANGUAGE plpgsql AS $$
DECLARE
	plan text;
	result float8[];
BEGIN
	PERFORM set_config('enable_seqscan', (NOT by_index)::text, true),
			set_config('enable_sort', (NOT by_index)::text, true),
			set_config('enable_indexscan', by_index::text, true);
	EXECUTE format('EXPLAIN (FORMAT json) %s', statement) INTO plan;
	IF by_index AND plan NOT LIKE '%"Order By"%' THEN
		RAISE EXCEPTION 'no index gives the order of: %', statement;
	END IF;
	EXECUTE format('SELECT array_agg(d) FROM (%s) s', statement) INTO result;
	RETURN result;
END
$$;

-- 25 queries of rows in that schema, asked as its users do: which share of the
-- true first ten the index found, and how often its rows were not in the order
-- of the operator, or fewer than ten.
CREATE FUNCTION test.measure(schema text, col text, operator text,
							 OUT recall float8, OUT disorders int, OUT short int)
LANGUAGE plpgsql AS $$
DECLARE
	query text;
	statement text;
	found float8[];
	exact float8[];
	hits int := 0;
	queries int := 0;
BEGIN
	disorders := 0;
	short := 0;
	PERFORM set_config('search_path', schema, true);
	FOR query IN EXECUTE format('SELECT %I::text FROM test.queries', col) LOOP
		statement := format('SELECT %1$I %2$s %3$L AS d FROM items ORDER BY %1$I %2$s %3$L LIMIT 10',
			col, operator, query);
		found := test.distances(statement, true);
		exact := test.distances(statement, false);
		queries := queries + 1;
		hits := hits + (SELECT count(*) FROM unnest(found) d WHERE d <= exact[10]);
		short := short + (cardinality(found) < 10)::int;
		disorders := disorders + (found <> ARRAY(SELECT d FROM unnest(found) d ORDER BY d))::int;
	END LOOP;
	recall := hits / (queries * 10.0);
END
$$;

CREATE FUNCTION test.undescribed() RETURNS SETOF text
LANGUAGE sql AS $$
	SELECT pg_describe_object(d.classid, d.objid, 0)
	FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
	WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
	  AND e.extname IN ('vego', 'vego_pgvector')
	  AND obj_description(d.objid, d.classid::regclass::name) IS NULL
$$;

SELECT test.fill(1, 2000);
CREATE TABLE test.queries AS
SELECT x AS v, x::vego.halfvec AS h, x::vego.sparsevec AS s, vego.binary_quantize(x)::bit(48) AS b
FROM generate_series(1, 25) i, test.numbers(-i, 48) x;
ANALYZE;
SQL

my ($node, $database);

sub sql
{
	my ($statement) = @_;

	return $node->safe_psql($database, $statement);
}

sub refusal
{
	my ($statement) = @_;
	my ($status, $output, $error) = $node->psql($database,
		"\\set VERBOSITY verbose\n$statement");

	return $error;
}

# Everything in the order a user might meet it.
sub check_beside_pgvector
{
	my ($version);

	($node, $version) = @_;
	$database = 'beside';
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	sql('CREATE EXTENSION vector' . ($version ? " VERSION $version" : ''));

	check_conflict();
	sql($setup);
	check_capture();
	sql('CREATE EXTENSION vego_pgvector');
	check_catalog();
	check_indexes();
	check_paths();
	check_plans();
	check_extremes();
	check_dump($version);
	check_move($version);
	check_drop();
	return;
}

# Two types of one name need two schemas.
sub check_conflict
{
	my $error = refusal('CREATE EXTENSION vego');

	like($error, qr/42710: schema "public" already has a type "vector", that of pgvector/,
		'vego is refused where the types of pgvector are');
	like($error, qr/HINT:  Use another schema: CREATE SCHEMA vego; CREATE EXTENSION vego SCHEMA vego;/,
		'and told where to go');
	sql('CREATE SCHEMA vego; CREATE EXTENSION vego SCHEMA vego');

	$error = refusal('CREATE EXTENSION vego_pgvector SCHEMA vego');
	like($error, qr/42710: schema "vego" already has operator classes of these names/,
		'vego_pgvector is refused where the classes of vego are');
	like($error, qr/HINT:  Use the schema of pgvector: CREATE EXTENSION vego_pgvector SCHEMA public;/,
		'and told where to go');
	return;
}

# Names of the schema that the script runs in are not taken for what they look
# like.
sub check_capture
{
	is( sql(<<'SQL'), '14|0', 'nothing in a hostile schema is captured');
BEGIN;
CREATE SCHEMA hostile;
SET LOCAL search_path = hostile, public;
CREATE FUNCTION hostile.trap(anyelement, anyelement) RETURNS bool LANGUAGE plpgsql
	AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE FUNCTION hostile.trap(text, name) RETURNS bool LANGUAGE plpgsql
	AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE FUNCTION hostile.trap(oid, regproc) RETURNS bool LANGUAGE plpgsql
	AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE OPERATOR hostile.= (LEFTARG = anyelement, RIGHTARG = anyelement, FUNCTION = hostile.trap);
CREATE OPERATOR hostile.= (LEFTARG = text, RIGHTARG = name, FUNCTION = hostile.trap);
CREATE OPERATOR hostile.= (LEFTARG = oid, RIGHTARG = regproc, FUNCTION = hostile.trap);
CREATE FUNCTION hostile.format(text, text) RETURNS text LANGUAGE plpgsql
	AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE FUNCTION hostile.format(text, name, name) RETURNS text LANGUAGE plpgsql
	AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE FUNCTION hostile.format(text, text, text) RETURNS text LANGUAGE plpgsql
	AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE TYPE hostile.vector AS (x int);
CREATE FUNCTION hostile.l2_distance(public.vector, public.vector) RETURNS float8
	LANGUAGE plpgsql IMMUTABLE STRICT AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE OPERATOR hostile.<-> (LEFTARG = public.vector, RIGHTARG = public.vector,
	FUNCTION = hostile.l2_distance);
CREATE OPERATOR FAMILY hostile.float_ops USING btree;
CREATE EXTENSION vego_pgvector SCHEMA hostile;
SET LOCAL search_path = pg_catalog;
SELECT count(DISTINCT o.oid),
	   count(*) FILTER (WHERE (o.opcnamespace::regnamespace::text, r.oprnamespace::regnamespace::text,
		   f.opfnamespace::regnamespace::text, d.pronamespace::regnamespace::text, s.pronamespace::regnamespace::text)
		   <> ('hostile', 'public', 'pg_catalog', 'public', 'vego'))
FROM pg_depend e JOIN pg_opclass o ON e.classid = 'pg_opclass'::regclass AND e.objid = o.oid
JOIN pg_amop ap ON amopfamily = o.opcfamily JOIN pg_operator r ON r.oid = amopopr
JOIN pg_opfamily f ON f.oid = amopsortfamily
JOIN pg_amproc p1 ON p1.amprocfamily = o.opcfamily AND p1.amprocnum = 1 JOIN pg_proc d ON d.oid = p1.amproc
JOIN pg_amproc p2 ON p2.amprocfamily = o.opcfamily AND p2.amprocnum = 2 JOIN pg_proc s ON s.oid = p2.amproc
WHERE e.refclassid = 'pg_extension'::regclass AND e.deptype = 'e'
  AND e.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'vego_pgvector');
ROLLBACK;
SQL
	return;
}

sub check_catalog
{
	my $defaults = join "\n", sort map { $_->[0] } grep { $_->[3] } @classes;

	is( sql(<<'SQL'), "14|t|t", 'the classes are sound, and in the schema of pgvector');
SELECT count(*), bool_and(amvalidate(o.oid)), bool_and(opcnamespace = 'public'::regnamespace)
FROM pg_opclass o JOIN pg_am a ON a.oid = opcmethod AND amname = 'vego_hnsw'
WHERE pg_describe_object('pg_opclass'::regclass, o.oid, 0) NOT LIKE '%vego.%'
  AND opcnamespace <> 'vego'::regnamespace
SQL
	is( sql(<<'SQL'), $defaults, 'L2 is the default of each type of pgvector');
SELECT opcname FROM pg_opclass JOIN pg_am a ON a.oid = opcmethod AND amname = 'vego_hnsw'
WHERE opcnamespace = 'public'::regnamespace AND opcdefault ORDER BY opcname COLLATE "C"
SQL
	is(sql('SELECT * FROM test.undescribed()'), '',
		'every object of both extensions has a comment');
	is( sql(<<'SQL'), 'operator class vector_l1_ops for access method vego_hnsw',
BEGIN;
COMMENT ON OPERATOR CLASS public.vector_l1_ops USING vego_hnsw IS NULL;
SELECT * FROM test.undescribed();
ROLLBACK;
SQL
		'and one without would be found');
	return;
}

# Each class: made by one statement, as good as vego's own on the same rows,
# through changes and vacuum.
sub check_indexes
{
	my $measure = sub {
		my ($schema, $class) = @_;
		my ($recall, $disorders, $short) = split /\|/, sql(
			"SELECT * FROM test.measure('$schema', '$class->[1]', '$class->[2]')");

		is("$disorders $short", '0 0',
			"$schema.$class->[0]: in order, and ten rows");
		return $recall;
	};
	my $find = sub {
		my ($when) = @_;

		foreach my $class (@classes)
		{
			my $recall = $measure->('public', $class);

			cmp_ok($recall, '>=', 0.93, "$class->[0] $when: recall is $recall");
		}
	};
	my $clean = sub {
		my ($when) = @_;

		is( sql(q{SELECT indexname, c.* FROM pg_indexes,
				vego.vego_check(indexname::regclass) c
				WHERE indexdef LIKE '%USING vego_hnsw%' AND c.severity = 'error'
				LIMIT 5}),
			'', "$when: the indexes are clean");
	};

	foreach my $class (@classes)
	{
		foreach my $schema ('public', 'vego')
		{
			sql("SET search_path = $schema; CREATE INDEX items_$class->[0]
				ON items USING vego_hnsw ($class->[1] $class->[0])");
		}
	}
	$find->('built');
	foreach my $class (@classes)
	{
		my ($theirs, $ours) = map { ($measure->($_, $class))[0] } 'public', 'vego';

		cmp_ok(abs($theirs - $ours), '<=', 0.02,
			"$class->[0]: recall is that of vego's own type, $ours");
		sql("DROP INDEX vego.items_$class->[0]");
	}

	sql(q{DELETE FROM public.items WHERE id % 3 = 1});
	sql('SELECT test.fill(2001, 2400)');
	sql(q{UPDATE public.items p SET v = q.v, h = q.h, s = q.s, b = q.b
		FROM public.items q WHERE q.id = p.id + 3 AND p.id % 50 = 2});
	sql('VACUUM ANALYZE public.items');
	$clean->('changed and vacuumed');
	$find->('changed and vacuumed');

	sql('REINDEX TABLE public.items');
	sql('REINDEX INDEX CONCURRENTLY public.items_vector_l2_ops');
	$clean->('made again');
	$find->('made again');
	return;
}

# Which extension's names come first decides for classes, not for operators.
sub check_paths
{
	foreach my $path ('public, vego', 'vego, public')
	{
		is( sql(qq{SET search_path = $path; SET enable_seqscan = off;
				EXPLAIN (COSTS OFF) SELECT id FROM public.items ORDER BY v <-> '}
			  . zeros(48)
			  . q{' LIMIT 3}) =~ /Index Scan using items_vector_l2_ops on items/,
			1, "the operator is that of the column's type with search_path = $path");
	}
	is( sql(q{SET search_path = vego, public;
		CREATE TABLE public.few (v public.vector(3));
		CREATE INDEX few_v ON public.few USING vego_hnsw (v);
		SELECT opcnamespace::regnamespace FROM pg_index JOIN pg_opclass o ON o.oid = indclass[0]
		WHERE indexrelid = 'public.few_v'::regclass}),
		'public', 'without a class, the default is that of the type');
	like(refusal('SET search_path = vego, public;
			CREATE INDEX ON public.few USING vego_hnsw (v vector_l2_ops)'),
		qr/42804: operator class "vector_l2_ops" does not accept data type public.vector/,
		"vego's class of the same name is no class for it");
	like(refusal(q{INSERT INTO public.few VALUES ('[1,2,3]');
			SET enable_seqscan = off;
			SELECT * FROM public.few ORDER BY v <-> '[1,2]' LIMIT 1}),
		qr/22000: index "few_v" has 3 dimensions, but the query has 2/,
		'a query of other dimensions is refused');
	sql('DROP TABLE public.few');
	return;
}

sub zeros
{
	my ($count) = @_;

	return '[' . join(',', (0.25) x $count) . ']';
}

# The planner takes the index by itself, even where distances of pgvector look
# cheap because their vectors are out of line; and only for an order.
sub check_plans
{
	sql(<<'SQL');
CREATE TABLE public.wide (id int PRIMARY KEY, v public.vector(768));
INSERT INTO public.wide SELECT id, test.numbers(id, 768)::text::public.vector
FROM generate_series(1, 2000) id;
CREATE INDEX wide_v ON public.wide USING vego_hnsw (v vector_l2_ops);
VACUUM ANALYZE public.wide;
SQL
	foreach my $table ([ 'items', 48 ], [ 'wide', 768 ])
	{
		my $query = zeros($table->[1]);

		like( sql("EXPLAIN (COSTS OFF) SELECT id FROM $table->[0]
				ORDER BY v <-> '$query' LIMIT 10"),
			qr/Index Scan using (?:items_vector_l2_ops|wide_v)/,
			"$table->[0]: the index is used for the nearest");
		unlike( sql("EXPLAIN (COSTS OFF) SELECT id FROM $table->[0]
				WHERE v <-> '$query' < 1"),
			qr/vector_l2_ops|wide_v/, "$table->[0]: and not without an order");
	}
	unlike( sql(q{LOAD 'vego'; EXPLAIN (VERBOSE, COSTS OFF)
			SELECT id FROM wide ORDER BY v <-> '} . zeros(768) . q{' LIMIT 10}),
		qr/Output: id, \(.*<->/, 'a distance that nobody reads is not computed again');
	sql('DROP TABLE public.wide');
	return;
}

# Distances that single precision does not hold, as pgvector has them: infinite,
# or no number at all.
sub check_extremes
{
	foreach my $operator ('<->', '<#>', '<=>', '<+>')
	{
		my %class = ('<->' => 'l2', '<#>' => 'ip', '<=>' => 'cosine', '<+>' => 'l1');
		my $query = "v $operator '[3e38,-3e38,1]'";

		is( sql(<<SQL), 't', "$operator: the largest numbers are in order");
CREATE TABLE extremes (id int, v public.vector(3));
INSERT INTO extremes VALUES (1, '[3e38,3e38,1]'), (2, '[-3e38,3e38,0]'), (3, '[1,2,3]'),
	(4, '[1e-45,0,0]'), (5, '[1e-30,1e-30,-1e-30]'), (6, '[3e38,-3e38,0]'), (7, '[-1,-2,-3]'),
	(8, '[2e38,-1e38,7]'), (9, NULL), (10, '[1e20,0,0]');
CREATE INDEX ON extremes USING vego_hnsw (v vector_$class{$operator}_ops);
SET enable_sort = off;
SET enable_seqscan = off;
CREATE TEMP TABLE by_index AS SELECT row_number() OVER () AS n, * FROM
	(SELECT $query AS d FROM extremes ORDER BY $query) x;
SELECT array_agg(d ORDER BY n) = array_agg(d ORDER BY d) AND count(*) = 9 FROM by_index;
SQL
		sql('DROP TABLE extremes');
	}
	return;
}

# What pg_dump writes makes the same again.
sub check_dump
{
	my ($version) = @_;
	my $dump = $PostgreSQL::Test::Utils::tmp_check . '/beside.sql';
	my $nearest = q{SET search_path = public; SET enable_sort = off; SET enable_seqscan = off;
		SELECT array_agg(d) FROM (SELECT v <-> (SELECT v FROM items WHERE id = 2) AS d FROM items ORDER BY d LIMIT 10) x};
	my $before = sql($nearest);

	$node->command_ok(
		[ 'pg_dump', '-f', $dump, $node->connstr($database) ],
		'the database is dumped');
	# a dump names no version, so the stand-in is restored as it was made
	if ($version)
	{
		my $text = slurp_file($dump);

		$text =~ s/(CREATE EXTENSION IF NOT EXISTS vector) WITH SCHEMA public/$1 WITH SCHEMA public VERSION $version/;
		unlink $dump;
		append_to_file($dump, $text);
	}
	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	$node->command_ok(
		[
			'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d',
			$node->connstr('restored'), '-f', $dump
		],
		'and restored');
	$database = 'restored';
	is(sql($nearest), $before, 'and answers as before');
	is( sql(q{SELECT count(*), bool_and(indisvalid) FROM pg_index JOIN pg_class c ON c.oid = indexrelid
			JOIN pg_am a ON a.oid = relam WHERE amname = 'vego_hnsw'}),
		@classes . '|t', 'with all indexes');
	$database = 'beside';
	return;
}

# The other way: a column becomes one of vego's type.  The stand-in has no cast
# to arrays.
sub check_move
{
	my ($version) = @_;
	my $between = $version ? 'text' : 'real[]';

	foreach my $column ([ 'v', 'vector' ], [ 'h', 'halfvec' ])
	{
		my ($name, $type) = @$column;

		is( sql(qq{CREATE TABLE moved AS SELECT id, $name, ${name}::text AS t FROM items;
			ALTER TABLE moved ALTER $name TYPE vego.$type(48) USING ${name}::${between}::vego.$type;
			CREATE INDEX ON moved USING vego_hnsw ($name);
			SELECT count(*) > 0 AND bool_and($name OPERATOR(vego.=) t::vego.$type) FROM moved;
			DROP TABLE moved}),
			't', "a column of $type moves to vego's type");
	}
	return;
}

# Nothing that is in use goes without CASCADE, and what goes takes the indexes
# with it, not the rows.
sub check_drop
{
	foreach my $extension ('vector', 'vego', 'vego_pgvector')
	{
		like(refusal("DROP EXTENSION $extension"), qr/2BP01: cannot drop extension $extension/,
			"$extension is not dropped while it is used");
	}
	sql('CREATE INDEX ON vego.items USING vego_hnsw (v);
		DROP EXTENSION vego_pgvector CASCADE');
	is( sql(q{SELECT count(*) FILTER (WHERE schemaname = 'public'), count(*) FILTER (WHERE schemaname = 'vego'),
			(SELECT count(*) > 0 FROM public.items) FROM pg_indexes WHERE indexdef LIKE '%vego_hnsw%'}),
		'0|1|t', 'CASCADE takes its indexes and no other');
	sql('CREATE EXTENSION vego_pgvector;
		CREATE INDEX ON items USING vego_hnsw (v vector_l2_ops);
		DROP EXTENSION vego CASCADE');
	is( sql(q{SELECT string_agg(extname, ' ' ORDER BY extname), (SELECT count(*) > 0 FROM public.items)
			FROM pg_extension WHERE extname <> 'plpgsql'}),
		'vector|t', 'vego goes, and the rows of pgvector stay');
	sql('CREATE EXTENSION vego SCHEMA vego; CREATE EXTENSION vego_pgvector;
		CREATE INDEX ON items USING vego_hnsw (v vector_l2_ops)');
	sql('DROP EXTENSION vector CASCADE');
	is( sql(q{SELECT string_agg(extname, ' ' ORDER BY extname),
			(SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%vego_hnsw%')
			FROM pg_extension WHERE extname <> 'plpgsql'}),
		'vego|0', 'pgvector goes, and vego_pgvector with it');
	return;
}

1;
