# What happens to an index in its life beside reading and writing: it is created
# and rebuilt concurrently among writers, its rows belong to prepared
# transactions, also over a crash, it is dumped and restored, its database is
# copied.  What one session can show alone is in sql/index_ddl.sql.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use VegoTest;

my $rounds = rounds(5, 300);

test_seed();
my $node = new_vego_node('lifecycle', conf => <<'CONF');
shared_buffers = 64MB
max_connections = 40
max_prepared_transactions = 10
max_parallel_maintenance_workers = 2
min_parallel_table_scan_size = 256kB
CONF

# A row of all types, which follows from its id and its salt.
$node->safe_psql('postgres', <<'SQL');
CREATE TYPE every AS (v vector, h halfvec, s sparsevec, b bit(24));
CREATE FUNCTION every(id bigint, salt bigint) RETURNS every LANGUAGE sql AS $$
	SELECT v, v, (v - array_fill(0.5::real, ARRAY[24])::vector)::sparsevec,
		binary_quantize(v - array_fill(0.5::real, ARRAY[24])::vector)
	FROM test_vector(id + salt * 1000000, 24) v
$$;
CREATE TABLE items (id bigint PRIMARY KEY, salt bigint, touched int DEFAULT 0,
	v vector(24), h halfvec(24), s sparsevec(24), b bit(24)) WITH (fillfactor = 70);
INSERT INTO items SELECT 1000000 * (i % 8) + i, 0, 0, (every(1000000 * (i % 8) + i, 0)).*
	FROM generate_series(1, 2000) i;
VACUUM ANALYZE items;
SQL

sub nothing_is_wrong
{
	my ($index, $name) = @_;
	my $findings = index_findings($node, $index, 'error');

	is($findings, '', "$name: each row once") if $findings ne '';
	return $findings eq '';
}

# Writers of disjoint ids, with savepoints and updates in place.
my $writers = start_load($node, 8, {
	q{\set id 1000000 * :client_id + random(1, 400)
		INSERT INTO items SELECT :id, 0, 0, (every(:id, 0)).* ON CONFLICT DO NOTHING;
	} => 4,
	q{\set id 1000000 * :client_id + random(1, 400)
		BEGIN;
		SAVEPOINT one;
		INSERT INTO items SELECT :id, 1, 0, (every(:id, 1)).* ON CONFLICT DO NOTHING;
		SAVEPOINT two;
		UPDATE items SET salt = 7, (v, h, s, b) = (SELECT (every(:id, 7)).*) WHERE id = :id;
		DELETE FROM items WHERE id = :id + 1;
		ROLLBACK TO two;
		UPDATE items SET touched = touched + 1 WHERE id = :id;
		RELEASE one;
		SAVEPOINT three;
		INSERT INTO items SELECT :id + 2000, 0, 0, (every(:id + 2000, 0)).* ON CONFLICT DO NOTHING;
		ROLLBACK TO three;
		COMMIT;
	} => 4,
	q{\set id 1000000 * :client_id + random(1, 400)
		UPDATE items SET touched = touched + 1 WHERE id BETWEEN :id AND :id + 5;
	} => 4,
	q{\set id 1000000 * :client_id + random(1, 400)
		UPDATE items SET salt = salt + 1, (v, h, s, b) = (SELECT (every(id, salt + 1)).*)
			WHERE id = :id;
	} => 3,
	q{\set id 1000000 * :client_id + random(1, 400)
		DELETE FROM items WHERE id BETWEEN :id AND :id + 2;
	} => 1,
	q{\set id 1000000 * :client_id + random(1, 400)
		BEGIN;
		UPDATE items SET touched = touched + 1 WHERE id = :id;
		INSERT INTO items SELECT :id + 3000, 0, 0, (every(:id + 3000, 0)).*;
		ROLLBACK;
	} => 1 }, '--rate=400');
my $vacuum = start_load($node, 1,
	{ "VACUUM (INDEX_CLEANUP ON) items;\n\\sleep 300 ms\n" => 1 });

my @columns = (
	map { ([ v => "vector_${_}_ops" ], [ h => "halfvec_${_}_ops" ],
			[ s => "sparsevec_${_}_ops" ]) } qw(l2 ip cosine l1));
push @columns, [ b => 'bit_hamming_ops' ], [ b => 'bit_jaccard_ops' ],
  [ '(v::halfvec(24))' => 'halfvec_l2_ops' ];
my @exact = qw(off plain zstd);
my ($done, $sound) = (0, 0);

foreach my $round (1 .. $rounds)
{
	# all columns and options by turns, all pairs in time
	my ($column, $opclass) = @{ $columns[ $round * 4 % @columns ] };
	my $exact = $exact[ ($round + int($round / @columns)) % 3 ];
	my $bits = $opclass =~ /^(vector|halfvec)/ && $round % 2 ? 4 : 8;
	my $options = "exact = $exact" . ($bits == 4 ? ', bits = 4' : '');
	my $where = $round % 7 == 3 ? 'WHERE id % 3 > 0' : '';
	my $name = "round $round, $column $opclass, $options $where";

	$node->safe_psql('postgres', qq{
		CREATE INDEX CONCURRENTLY built ON items USING vego_hnsw ($column $opclass)
			WITH ($options) $where});
	my $clean = nothing_is_wrong('built', "$name, created");

	$node->safe_psql('postgres', $round % 5
		? 'REINDEX INDEX CONCURRENTLY built'
		: 'REINDEX TABLE CONCURRENTLY items');
	$clean &= nothing_is_wrong('built', "$name, rebuilt");
	$node->safe_psql('postgres', 'DROP INDEX CONCURRENTLY built');
	$done++;
	$sound++ if $clean;
	last if !load_is_running($writers) || !load_is_running($vacuum);
}
ok(load_is_running($writers), 'writers still run');
ok(load_is_running($vacuum), 'vacuum still runs');
is(stop_load($writers), '', 'writers without errors');
is(stop_load($vacuum), '', 'vacuum without errors');
wait_until_alone($node);
is($done, $rounds, 'all rounds were run');
is($sound, $rounds, "each row was in the index once, after each of $rounds rounds");
my ($hot, $written) = split /\|/, $node->safe_psql('postgres', q{
	SELECT n_tup_hot_upd, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables
	WHERE relname = 'items'});
note("$written rows written, $hot updated in place");
cmp_ok($hot, '>', 20 * $rounds, 'rows were updated in place');

# Prepared transactions: their rows are there when they commit and not before,
# whatever happens in between.
my $rows = $node->safe_psql('postgres', q{
	DELETE FROM items WHERE id % 1000000 > 1000;
	CREATE INDEX items_v ON items USING vego_hnsw (v vector_l2_ops) WITH (exact = zstd);
	CREATE INDEX items_b ON items USING vego_hnsw (b bit_hamming_ops);
	SELECT count(*) FROM items});

sub found_rows
{
	return $node->safe_psql('postgres', q{
		SET enable_seqscan = off;
		SET vego."order" = relaxed;
		SELECT count(*), count(DISTINCT id) FROM
			(SELECT id FROM items ORDER BY v <-> test_vector(-1, 24) LIMIT 1000000) x});
}

sub prepared_is_right
{
	my ($expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is(found_rows(), "$expected|$expected", "$name: what is committed is found, once");
	index_is_clean($node, $_, "$name, $_") foreach 'items_v', 'items_b';
	return;
}

foreach my $name ('kept', 'gone')
{
	my $from = $name eq 'kept' ? 10_000_001 : 20_000_001;

	$node->safe_psql('postgres', qq{
		BEGIN;
		INSERT INTO items SELECT i, 0, 0, (every(i, 0)).*
			FROM generate_series($from, $from + 99) i;
		SAVEPOINT one;
		INSERT INTO items SELECT i, 0, 0, (every(i, 0)).*
			FROM generate_series($from + 100, $from + 199) i;
		ROLLBACK TO one;
		UPDATE items SET salt = 1, (v, h, s, b) = (SELECT (every(id, 1)).*)
			WHERE id BETWEEN $from AND $from + 9;
		PREPARE TRANSACTION '$name'});
}
prepared_is_right($rows, 'prepared');
$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) items');
prepared_is_right($rows, 'prepared, vacuumed');
kill_server_group($node);
$node->start;
prepared_is_right($rows, 'prepared, crashed');
$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) items');

# an index that is created meanwhile waits for them
my ($output, $errors) = ('', '');
my $creation = IPC::Run::start(
	[ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c',
		'CREATE INDEX CONCURRENTLY items_h ON items USING vego_hnsw (h halfvec_ip_ops)' ],
	'<', \undef, '>', \$output, '2>', \$errors);

ok($node->poll_query_until('postgres', q{
		SELECT count(*) > 0 FROM pg_stat_activity
		WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'}),
	'a concurrent build waits for prepared transactions');
$node->safe_psql('postgres', q{COMMIT PREPARED 'kept'});
$node->safe_psql('postgres', q{ROLLBACK PREPARED 'gone'});
$creation->finish;
is($errors, '', 'the concurrent build ends');
index_is_clean($node, 'items_h', 'built beside prepared transactions');
$rows += 100;
prepared_is_right($rows, 'decided');
$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) items');
prepared_is_right($rows, 'decided, vacuumed');

# Dumped and restored: the extension in a schema of its own, all types and
# options, partitions, expressions.
$node->safe_psql('postgres', 'CREATE DATABASE source');
$node->safe_psql('source', <<'SQL');
CREATE SCHEMA ext;
CREATE EXTENSION vego SCHEMA ext;
CREATE SCHEMA app;
SET search_path = app, ext;
CREATE DOMAIN unit AS vector(8) CHECK (vector_norm(VALUE) > 0);
CREATE TABLE kinds (id int PRIMARY KEY, v vector(8) DEFAULT '[1,2,3,4,5,6,7,8]', h halfvec(8),
	s sparsevec(8), b bit(8), many vector(8)[], u unit,
	norm vector(8) GENERATED ALWAYS AS (l2_normalize(v)) STORED,
	CHECK (v <-> '[0,0,0,0,0,0,0,0]' >= 0));
INSERT INTO kinds SELECT i, v, v, v, binary_quantize(v), ARRAY[v, v + v], v
	FROM generate_series(1, 1000) i,
		LATERAL (SELECT array_agg(sin(i * k)::real) FROM generate_series(1, 8) k) q (a),
		LATERAL (SELECT a::vector(8)) w (v);
INSERT INTO kinds VALUES (1001, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE INDEX kinds_v ON kinds USING vego_hnsw (v vector_cosine_ops)
	WITH (m = 8, ef_construction = 32, bits = 4, exact = zstd, ef_search = 100);
CREATE INDEX kinds_h ON kinds USING vego_hnsw (h halfvec_l1_ops) WITH (exact = plain);
CREATE INDEX kinds_s ON kinds USING vego_hnsw (s sparsevec_ip_ops);
CREATE INDEX kinds_b ON kinds USING vego_hnsw (b bit_jaccard_ops);
CREATE INDEX kinds_half ON kinds USING vego_hnsw ((v::halfvec(8)) halfvec_l2_ops) WHERE id % 2 = 0;
CREATE INDEX kinds_part ON kinds USING vego_hnsw ((subvector(v, 1, 3)::vector(3)));
CREATE INDEX kinds_order ON kinds (v);
CREATE VIEW near AS SELECT id FROM kinds ORDER BY v <=> '[1,2,3,4,5,6,7,8]' LIMIT 10;
CREATE MATERIALIZED VIEW kept AS SELECT id, norm FROM kinds;
CREATE INDEX kept_norm ON kept USING vego_hnsw (norm vector_ip_ops);
CREATE TABLE parts (id int, v vector(8)) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (500);
CREATE TABLE parts_2 PARTITION OF parts DEFAULT;
CREATE INDEX parts_v ON parts USING vego_hnsw (v) WITH (bits = 4);
INSERT INTO parts SELECT id, v FROM kinds WHERE v IS NOT NULL;
CREATE FUNCTION nearest(vector) RETURNS int LANGUAGE sql STABLE SET search_path = app, ext
	AS 'SELECT id FROM kinds ORDER BY v <=> $1 LIMIT 1';
CREATE AGGREGATE app.total(vector) (SFUNC = vector_add, STYPE = vector);
SQL

my $folder = $PostgreSQL::Test::Utils::tmp_check;
my @dump = ('pg_dump', '-d', $node->connstr('source'));

sub schema_of
{
	my ($database) = @_;
	my ($stdout) = run_command(
		[ 'pg_dump', '-s', '-d', $node->connstr($database) ]);

	# lines that newer servers put around each dump
	$stdout =~ s/^\\(un)?restrict .*\n//mg;
	return $stdout;
}

# What can be asked of the tables, and of their indexes.
my $contents = q{
	SET search_path = app, ext;
	SET enable_seqscan = off;
	SELECT md5(string_agg(k::text, ';' ORDER BY id)) FROM kinds k;
	SELECT md5(string_agg(p::text, ';' ORDER BY id)) FROM parts p;
	SELECT count(*) FROM near;
	SELECT nearest(v) = id FROM kinds WHERE id = 77;
	SELECT count(*), bool_and(indisvalid) FROM pg_index WHERE indexrelid::regclass::text ~ '^(kinds|parts|kept)';
	SELECT c.relname, f.* FROM pg_class c JOIN pg_am a ON a.oid = relam, vego_check(c.oid) f
		WHERE amname = 'vego_hnsw' AND relkind = 'i' AND severity = 'error'};
my $recall = q{
	SET search_path = app, ext;
	SET enable_seqscan = off;
	CREATE TEMP TABLE found AS SELECT q.id, x.id AS near FROM kinds q,
		LATERAL (SELECT id FROM kinds ORDER BY v <=> q.v LIMIT 10) x WHERE q.id <= 100;
	SET enable_seqscan = on;
	SET enable_indexscan = off;
	SELECT count(f.near) / 1000.0 FROM kinds q CROSS JOIN
		LATERAL (SELECT id FROM kinds ORDER BY v <=> q.v LIMIT 10) x
		LEFT JOIN found f ON f.id = q.id AND f.near = x.id WHERE q.id <= 100};
my $schema = schema_of('source');
my $expected = $node->safe_psql('source', $contents);
my $source_recall = $node->safe_psql('source', $recall);

command_ok([ @dump, '-f', "$folder/plain.sql" ], 'dump as text');
command_ok([ @dump, '-Fc', '-f', "$folder/custom" ], 'dump as archive');
command_ok([ @dump, '-Fd', '-j', 2, '-f', "$folder/folder" ], 'dump in parallel');

my %restores = (
	plain => [ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null',
		'-f', "$folder/plain.sql" ],
	custom => [ 'pg_restore', '-1', "$folder/custom" ],
	parallel => [ 'pg_restore', '-j', 3, "$folder/folder" ]);

foreach my $way (sort keys %restores)
{
	my ($program, @arguments) = @{ $restores{$way} };

	$node->safe_psql('postgres', "CREATE DATABASE restored_$way");
	command_ok([ $program, '-d', $node->connstr("restored_$way"), @arguments ],
		"$way: restored");
	is(schema_of("restored_$way"), $schema, "$way: the same schema");
	is($node->safe_psql("restored_$way", $contents), $expected,
		"$way: the same contents, and sound indexes");
	cmp_ok($node->safe_psql("restored_$way", $recall), '>=', $source_recall - 0.01,
		"$way: recall is that of the source, $source_recall");
}

# The database is copied, block by block through WAL or file by file.
foreach my $strategy ('wal_log', 'file_copy')
{
	$node->safe_psql('postgres',
		"CREATE DATABASE copy_$strategy TEMPLATE source STRATEGY $strategy");
	is($node->safe_psql("copy_$strategy", $contents), $expected,
		"copied by $strategy: the same contents, and sound indexes");
	$node->safe_psql("copy_$strategy", q{
		SET search_path = app, ext;
		UPDATE kinds SET v = v + '[1,1,1,1,1,1,1,1]';
		VACUUM kinds});
}
is($node->safe_psql('source', $contents), $expected,
	'the source does not change with its copies');

$node->stop;
done_testing();
