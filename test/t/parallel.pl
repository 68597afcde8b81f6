# Several processes build an index as one does: the same graph, whatever the
# operator class; and whatever happens to them, the build ends.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use VegoTest;

# An end must come within so many seconds, on a busy machine as well.
my $patience = 120;

test_seed();
my $node = new_vego_node('parallel', conf => <<'CONF');
shared_buffers = 256MB
maintenance_work_mem = 512MB
max_worker_processes = 8
max_parallel_workers = 8
max_parallel_maintenance_workers = 2
wal_level = replica
restart_after_crash = on
CONF

make_items($node, 'items', 20_000);
$node->safe_psql('postgres', <<'SQL');
ALTER TABLE items SET (parallel_workers = 2);
CREATE TABLE many AS
	SELECT a.id * 3 + i AS id,
		(CASE i WHEN 0 THEN a.v ELSE a.v + (b.v - c.v) * w END)::vector(128) AS v
	FROM items a
		CROSS JOIN generate_series(0, 2) i
		CROSS JOIN (SELECT array_fill(0.3::real, ARRAY[128])::vector AS w) w
		JOIN items b ON b.id = (a.id + i * 7) % 20000 + 1
		JOIN items c ON c.id = (a.id + i * 13) % 20000 + 1;
ALTER TABLE many SET (parallel_workers = 1);
VACUUM ANALYZE many;
SQL

# Runs statements and returns how many processes say that they built, "" for
# one alone, and what else was said.
sub build_with
{
	my ($workers, $statements) = @_;
	my ($stdout, $stderr);
	my $result = $node->psql('postgres', "
			SET max_parallel_maintenance_workers = $workers;
			SET client_min_messages = debug1;
			$statements",
		stdout => \$stdout, stderr => \$stderr,
		timeout => $patience);

	die "$statements: $stderr" if $result != 0;
	return ($stderr =~ /is built by (\d) processes/ ? $1 : '', $stderr);
}

# What one can know of a graph without looking at every page.
sub graph_of
{
	my ($index) = @_;

	return $node->safe_psql('postgres', qq{
		SELECT nodes, levels, upper_nodes, mean_degree, min_degree,
			max_degree, bytes FROM vego_stats('$index')});
}

# The same graph with any number of processes.
foreach my $case (
	[ 'vector_l2_ops', '<->', '(v vector_l2_ops)' ],
	[ 'vector_cosine_ops', '<=>', '(v vector_cosine_ops) WITH (bits = 4)' ],
	[ 'vector_ip_ops', '<#>', '(v vector_ip_ops)' ],
	[ 'vector_l1_ops', '<+>', '(v vector_l1_ops)' ])
{
	my ($class, $op, $what) = @$case;
	my %graphs;
	my %recalls;

	make_truth($node, 'items', op => $op, queries => 50);
	foreach my $workers (0, 1, 2)
	{
		my ($processes) = build_with($workers, "
			DROP INDEX IF EXISTS items_v;
			CREATE INDEX items_v ON items USING vego_hnsw $what");

		is($processes, $workers ? $workers + 1 : '',
			"$class: $workers workers take part");
		index_is_clean($node, 'items_v', "$class, $workers workers");
		$graphs{ graph_of('items_v') } = 1;
		$recalls{ recall($node, 'items', 40, op => $op) } = 1;
	}
	is(scalar(keys %graphs), 1, "$class: the graph is the same");
	is(scalar(keys %recalls), 1, "$class: answers are the same")
	  or diag(join ' ', keys %recalls);
	cmp_ok((keys %recalls)[0], '>=', 0.9, "$class: recall");
}

# Copies, NULLs, a zero vector that cosine leaves out, a partial index, an
# expression, an unlogged table, a table whose rows are toasted, and rows around
# few others, whose leaf is the second for all and far too large.
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION twice(v vector) RETURNS vector
	LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	'SELECT v OPERATOR(public.+) v';
CREATE FUNCTION twice_here(v vector) RETURNS vector
	LANGUAGE plpgsql IMMUTABLE PARALLEL RESTRICTED AS
	'BEGIN RETURN v OPERATOR(public.+) v; END';
CREATE UNLOGGED TABLE odd WITH (parallel_workers = 2) AS
	SELECT id, CASE WHEN id % 10 = 0 THEN NULL
		WHEN id % 10 = 1 THEN array_fill(0::real, ARRAY[128])::vector
		WHEN id % 10 < 5 THEN test_vector(id % 7) ELSE v END::vector(128) AS v
	FROM items;
CREATE TABLE wide WITH (parallel_workers = 2) AS
	SELECT id, array_cat(array_cat(v::real[], v::real[]),
		array_cat(array_cat(v::real[], v::real[]), v::real[]))::vector(640) AS v
	FROM items WHERE id <= 12000;
ALTER TABLE wide ALTER v SET STORAGE EXTERNAL;
UPDATE wide SET id = id;
CREATE TABLE around WITH (parallel_workers = 2) AS
	SELECT id, (v * array_fill(0.1::real, ARRAY[128])::vector +
		array_cat(array_append(array_fill(0::real, ARRAY[i]),
			CASE WHEN i > 0 THEN 20::real ELSE 0 END),
			array_fill(0::real, ARRAY[127 - i]))::vector)::vector(128) AS v
	FROM items JOIN generate_series(0, 19) i ON id % 20 = i;
SQL
foreach my $case (
	[ 'copies, NULLs and zeros', 3, 'odd', '(v vector_cosine_ops)' ],
	[ 'partial', 3, 'items', '(v vector_l2_ops) WHERE id % 3 > 0' ],
	[ 'expression', 3, 'items', '((twice(v)::vector(128)) vector_l2_ops)' ],
	[ 'expression of this process', '', 'items', '((twice_here(v)::vector(128)) vector_l2_ops)' ],
	[ 'toasted', 3, 'wide', '(v vector_l2_ops)' ],
	[ 'a large leaf', 3, 'around', '(v vector_l2_ops)' ],
	[ 'exact vectors', 3, 'wide', '(v vector_l2_ops) WITH (exact = zstd)' ])
{
	my ($name, $wanted, $table, $what) = @$case;
	my ($processes) = build_with(2,
		"CREATE INDEX one ON $table USING vego_hnsw $what");

	is($processes, $wanted, "$name: processes");
	index_is_clean($node, 'one', $name);
	my $graph = graph_of('one');

	build_with(0, 'REINDEX INDEX one');
	is(graph_of('one'), $graph, "$name: the graph is that of one process");
	$node->safe_psql('postgres', 'DROP INDEX one');
}

# Where there can be no workers, one process builds.
my ($processes) = build_with(2, q{
	CREATE TEMP TABLE mine AS SELECT * FROM items;
	ALTER TABLE mine SET (parallel_workers = 2);
	CREATE INDEX mine_v ON mine USING vego_hnsw (v vector_l2_ops);
	SET client_min_messages = warning;
	SELECT 1 / (count(*) = 0)::int FROM vego_check('mine_v')});
is($processes, '', 'temporary table: one process');
($processes) = build_with(2,
	'SET max_parallel_workers = 0; REINDEX INDEX items_v');
is($processes, 1, 'no worker to be had: one process');
index_is_clean($node, 'items_v', 'no worker to be had');
($processes) = build_with(2, 'CREATE TABLE few AS SELECT * FROM items LIMIT 500;
	ALTER TABLE few SET (parallel_workers = 2);
	CREATE INDEX few_v ON few USING vego_hnsw (v vector_l2_ops)');
is($processes, '', 'few rows: one process');
index_is_clean($node, 'few_v', 'few rows');
($processes) = build_with(2, 'TRUNCATE few; REINDEX INDEX few_v');
is($processes, '', 'no rows: one process');

# No shared memory from the first: posix segments may not be longer than files.
my $graph = graph_of('items_v');
my $limit = '\setenv PID :pid
	\! prlimit --pid $PID --fsize=%s:unlimited';
my $of_rows = 'CREATE INDEX %s ON items USING vego_hnsw (v vector_l1_ops)
	WITH (ef_construction = 600)';

SKIP:
{
	skip 'no prlimit', 4 if system('prlimit --version >/dev/null 2>&1') != 0;
	my $said;

	build_with(0, sprintf $of_rows, 'whole');
	# room for rows and for pages, but not for candidates
	($processes, $said) = build_with(2, 'SELECT pg_backend_pid() AS pid \gset
		' . sprintf($limit, 24_000_000) . "\n" . sprintf($of_rows, 'cut'));
	like($said, qr/without shared memory/, 'memory refused: it was');
	is($processes, 3, 'memory refused: there were workers');
	index_is_clean($node, 'cut', 'memory refused');
	is(graph_of('cut'), graph_of('whole'), 'memory refused: the graph is the same');
	$node->safe_psql('postgres', 'DROP INDEX cut, whole');
}

# A broken HOT chain is noticed whoever reads it.
my $reader = $node->background_psql('postgres');

$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM many');
$node->safe_psql('postgres', q{
	CREATE TABLE hot WITH (parallel_workers = 1, fillfactor = 50) AS SELECT * FROM items;
	UPDATE hot SET v = v WHERE id = 19999});
($processes) = build_with(1, 'CREATE INDEX hot_v ON hot USING vego_hnsw (v vector_l2_ops)');
is($node->safe_psql('postgres', q{
	SELECT indcheckxmin FROM pg_index WHERE indexrelid = 'hot_v'::regclass}),
	't', 'a broken HOT chain is noticed');
$reader->query_safe('COMMIT');
$reader->quit;

# Concurrent builds, while others write.
my $load = start_load($node, 2, {
	q{\set id random(1, 20000)
		UPDATE items SET v = test_vector(id + 100000) WHERE id = :id;
	} => 1 });
($processes) = build_with(2, 'DROP INDEX items_v');
foreach my $statement ('CREATE INDEX CONCURRENTLY items_v ON items
		USING vego_hnsw (v vector_l2_ops)',
	'REINDEX INDEX CONCURRENTLY items_v')
{
	($processes) = build_with(2, $statement);
	is($processes, 3, "$statement: processes");
}
ok(load_is_running($load), 'writers go on');
is(stop_load($load), '', 'writers meet no error');
index_is_clean($node, 'items_v', 'concurrent builds');

# Begins a build in the background; ends when the code says so.
my $statement = 'CREATE INDEX many_v ON many USING vego_hnsw (v vector_l2_ops)';

sub begin_build
{
	my $build = { stdout => '', stderr => '' };

	$build->{run} = IPC::Run::start(
		[ 'psql', '-X', '-q', '-c', $statement, $node->connstr('postgres') ],
		'<', \undef, '>', \$build->{stdout}, '2>', \$build->{stderr},
		IPC::Run::timeout($patience));
	return $build;
}

sub worker_pid
{
	return $node->safe_psql('postgres', q{
		SELECT pid FROM pg_stat_activity
		WHERE backend_type = 'parallel worker' AND query LIKE 'CREATE INDEX%'
		LIMIT 1});
}

# A build under way and its worker, some time after that was seen.  A build may
# be over before anyone has looked, and then the next one is begun.
sub begin_build_and_await
{
	my ($delay) = @_;

	foreach (1 .. 20)
	{
		my $build = begin_build();
		my $pid = '';

		poll_until(sub {
			$build->{run}->pump_nb if $build->{run}->pumpable;
			return ($pid = worker_pid()) ne '' || !$build->{run}->pumpable;
		}, $patience);
		sleep $delay;
		return ($build, $pid) if $pid ne '';
		$build->{run}->finish;
		$node->safe_psql('postgres', 'DROP INDEX IF EXISTS many_v');
	}
	die 'no build has a worker';
}

# A worker that is told to end: the error is its leader's.
my $ended = 0;

foreach my $delay (0, 0.05, 0.2, 0.5, (0) x 10)
{
	last if $ended >= 2 && $delay == 0;
	my ($build, $pid) = begin_build_and_await($delay);

	# it may have ended by itself
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");

	my $success = eval { $build->{run}->finish };
	fail("the build does not end: $@") if $@;
	if (!$success)
	{
		$ended++;
		like($build->{stderr}, qr/terminating .* due to administrator command/,
			'a worker ends: the leader says so');
	}
	$node->safe_psql('postgres', 'DROP INDEX IF EXISTS many_v');
}
cmp_ok($ended, '>=', 2, 'some builds met the end of a worker');

# A leader that is cancelled takes its workers with it.
my ($build, $worker);

foreach (1 .. 20)
{
	($build, $worker) = begin_build_and_await(0.1);
	$node->safe_psql('postgres', q{
		SELECT pg_cancel_backend(pid) FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND query LIKE 'CREATE INDEX%'});
	last if !$build->{run}->finish;
	$node->safe_psql('postgres', 'DROP INDEX many_v');
}
like($build->{stderr}, qr/canceling statement due to user request/,
	'a leader is cancelled');
ok(poll_until(sub { worker_pid() eq '' }, 30), 'its workers end');
is($node->safe_psql('postgres', q{
		SELECT count(*) FROM pg_class WHERE relname = 'many_v'}), 0,
	'there is no index');

# A worker that is killed: the server starts again, and nothing is left.
foreach (1 .. 20)
{
	($build, $worker) = begin_build_and_await(0.1);
	kill 'KILL', $worker;
	last if !$build->{run}->finish;
	$node->safe_psql('postgres', 'DROP INDEX many_v');
}
like($build->{stderr}, qr/server closed the connection|connection to server was lost/,
	'a worker is killed: the client learns of it');
ok(poll_until(sub { $node->psql('postgres', 'SELECT 1') == 0 }, 60),
	'the server is there again');
is($node->safe_psql('postgres', 'SELECT count(*) FROM many'), 60_000,
	'the table is whole');
($processes) = build_with(1, $statement);
is($processes, 2, 'the next build has its worker');
index_is_clean($node, 'many_v', 'the next build');
unlike(slurp_file($node->logfile), qr/leak|still referenced|PANIC|TRAP/,
	'the server complained of nothing');

$node->stop;
done_testing();
