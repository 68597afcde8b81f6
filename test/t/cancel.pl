# Whatever is under way can be cancelled at any moment: the error comes soon,
# nothing stays locked, half made or on disk, and the session goes on.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use VegoTest;

# Far above what is aimed at (99 of 100 within 0.1 s, all within 0.25 s), so
# that a busy machine does not fail the test.
my $longest_allowed = 1.0;

# How often each kind of statement is cancelled; those of which the long run
# makes more kinds are built less often in the short one.
my $rounds = rounds(20, 200);
my $variants = rounds(4, 100);

test_seed();
my $node = new_vego_node('cancel', conf => <<'CONF');
shared_buffers = 256MB
maintenance_work_mem = 256MB
wal_level = replica
CONF

# 20,000 rows made one by one, the others from pairs of them.
make_items($node, 'items', 20_000);
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE many AS
	SELECT a.id * 5 + i AS id,
		(CASE i WHEN 0 THEN a.v ELSE a.v + (b.v - c.v) * w END)::vector(128) AS v
	FROM items a
		CROSS JOIN generate_series(0, 4) i
		CROSS JOIN (SELECT array_fill(0.3::real, ARRAY[128])::vector AS w) w
		JOIN items b ON b.id = (a.id + i * 7) % 20000 + 1
		JOIN items c ON c.id = (a.id + i * 13) % 20000 + 1;
CREATE INDEX items_v ON items USING vego_hnsw (v vector_l2_ops);
CREATE TABLE filled (LIKE items);
CREATE INDEX filled_v ON filled USING vego_hnsw (v vector_l2_ops);
VACUUM ANALYZE many, items;
SQL
make_truth($node, 'items', queries => 50);
my $recall = recall($node, 'items', 100);

# hundreds of statements go by
{
	no warnings 'redefine';
	*PostgreSQL::Test::BackgroundPsql::note = sub { };
}

my $session = $node->background_psql('postgres', on_error_stop => 0);
my $control = $node->background_psql('postgres', on_error_stop => 1);

# what ends a session that hangs is for each statement, not for all of them
$_->set_query_timer_restart foreach $session, $control;
my $pid = $session->query_safe('SELECT pg_backend_pid()');

# In the long run somebody keeps each of two cores busy.
my @burners = map {
	my $burner = fork() // die $!;

	exec 'perl', '-e', 'alarm 5400; 1 while 1' or exit 1 if $burner == 0;
	$burner;
} 1 .. (long_run() ? 2 : 0);
END
{
	my $status = $?;

	kill 'KILL', @burners if @burners;
	$? = $status;
}

# what comes on stderr shall be errors only
$session->query_safe('SET client_min_messages = error');
my %times;
my %phases;

# Runs a statement and cancels it after so many seconds, or lets its own
# timeout do that, or waits for a phase of a build and cancels it then.
# Returns whether it was cancelled; it may have ended before.
sub cancel_after
{
	my ($kind, $seconds, $statement, $how) = @_;
	my $timeout = int($seconds * 1000) || 1;
	my $wanted = $how =~ /^phase (.*)/ ? $1 : '';

	$session->{timeout}->start;
	$session->{stdout} = '';
	$session->{stderr} = '';
	$session->{stdin} .= "SET statement_timeout = $timeout;\n"
	  if $how eq 'timeout';
	$session->{stdin} .= "\\echo begins\n$statement;\n\\echo ended\n";
	$session->{run}->pump until $session->{stdout} =~ /begins\n/;
	my $moment = time() + $seconds;

	if ($how ne 'timeout')
	{
		my $found = '';

		# the statement may end by itself
		while (time() < $moment && $session->{stdout} !~ /ended\n/)
		{
			$session->{run}->pump_nb;
			sleep 0.001 if $wanted eq '';
			$found = $control->query_safe(qq{
				SELECT phase, pg_cancel_backend(pid)
				FROM pg_stat_progress_create_index
				WHERE pid = $pid AND phase LIKE '%$wanted%'}) if $wanted ne '';
			last if $found ne '';
		}
		$found = $control->query_safe(qq{
			SELECT (SELECT phase FROM pg_stat_progress_create_index
					WHERE pid = $pid), pg_cancel_backend($pid)})
		  if $found eq '' && $session->{stdout} !~ /ended\n/;

		$moment = time();
		$found =~ s/\|.*//;
		$phases{$found}++ if $found ne '';
	}
	$session->{run}->pump until $session->{stdout} =~ /ended\n/;
	my $took = time() - $moment;
	my $complaint = $session->{stderr};

	$session->{stdout} = '';
	$session->{stderr} = '';
	$session->query_safe('SET statement_timeout = 0');
	return 0 if $complaint eq '';
	die "$statement: $complaint"
	  if $complaint !~ /canceling statement due to (user request|statement timeout)/;
	push @{ $times{$kind} }, $took;
	return 1;
}

# Holds the session locks, or waits for any?
sub locks_left
{
	return $control->query_safe(qq{
		SELECT count(*) FROM pg_locks WHERE pid = $pid AND
			(locktype IN ('page', 'extend', 'tuple') OR relation IN
				('items'::regclass, 'filled'::regclass, 'many'::regclass))});
}

# Files of the database that no relation has; empty ones only wait for the
# next checkpoint.
sub leftover_files
{
	return $node->safe_psql('postgres', q{
		SELECT string_agg(file, ' ') FROM
			(SELECT oid, 'base/' || oid AS folder FROM pg_database
			 WHERE datname = current_database()) d,
			pg_ls_dir(folder) file
		WHERE file ~ '^[0-9]+'
			AND (pg_stat_file(folder || '/' || file, true)).size > 0
			AND NOT EXISTS (SELECT FROM pg_class
				WHERE pg_relation_filenode(oid) = substring(file, '^[0-9]+')::oid)})
	  . $node->safe_psql('postgres', 'SELECT string_agg(name, \' \') FROM pg_ls_tmpdir()');
}

sub report
{
	my ($kind, $cancelled, $tried) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @times = sort { $a <=> $b } @{ $times{$kind} // [0] };
	my $longest = $times[-1];

	diag(sprintf '%s: %d of %d cancelled, 99 of 100 within %.0f ms, all within %.0f ms',
		$kind, $cancelled, $tried, 1000 * $times[ int(0.99 * $#times) ],
		1000 * $longest);
	cmp_ok($cancelled, '>=', $tried / 2, "$kind: most were cancelled");
	cmp_ok($longest, '<=', $longest_allowed, "$kind: the error comes soon");
	return;
}

# Cancels a statement so many times, at any moment of the seconds that it takes.
# If it came to its end, it may have to be undone before it can be said again.
sub cancel_often
{
	my ($kind, $times, $statement, $least, $most, $undo) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $cancelled = 0;
	my $locks = 0;

	foreach my $i (1 .. $times)
	{
		$cancelled += cancel_after($kind, $least + rand($most - $least), $statement,
			$i % 4 == 0 ? 'timeout' : 'cancel');
		$locks += locks_left();
		$session->query_safe($undo) if $undo;
	}
	report($kind, $cancelled, $times);
	is($locks, 0, "$kind: nothing stays locked");
	return;
}

# Builds.  How long one takes says where to cancel the others.
my $build = 'CREATE INDEX many_v ON many USING vego_hnsw (v vector_l2_ops)';
my $begun = time();

$session->query_safe($build);
my $whole = time() - $begun;

note(sprintf 'a build takes %.2f s', $whole);
$session->query_safe('DROP INDEX many_v; CHECKPOINT');
my $cancelled = 0;
my $locks = 0;

# in the phases first, and then at any moment; short ones are not always met
my @ways = (
	(map { "phase $_" } 'scanning', 'partitioning', 'choosing', 'linking',
		'attaching', 'upper', 'writing'),
	('cancel') x ($rounds - 9), ('timeout') x 2);

foreach my $way (@ways)
{
	$cancelled += cancel_after('build',
		$way =~ /^phase/ ? 30 : $whole * (0.05 + rand 0.85), $build, $way);
	$locks += locks_left();
	$session->query_safe('DROP INDEX IF EXISTS many_v');
}
report('build', $cancelled, scalar @ways);
is($locks, 0, 'build: nothing stays locked');
is(leftover_files(), '', 'build: no file is left');
note("cancelled in: $_ ($phases{$_} times)") foreach sort keys %phases;
cmp_ok(scalar(keys %phases), '>=', 4, 'build: several phases were cancelled');
is($session->query_safe(q{SELECT count(*) FROM many}), 100_000,
	'build: the next statement works');

# Builds of other kinds, each of which takes as long as one to its end.
foreach my $variant (
	[ 'build in shards', q{SET maintenance_work_mem = '12MB'}, '' ],
	[ 'build by three', q{SET max_parallel_maintenance_workers = 2;
		ALTER TABLE many SET (parallel_workers = 2)}, '' ],
	[ 'build with exact vectors', 'SELECT 1', ' WITH (exact = zstd)' ])
{
	my ($kind, $setting, $options) = @$variant;

	$session->query_safe($setting);
	$begun = time();
	$session->query_safe($build . $options);
	$whole = time() - $begun;
	$session->query_safe('DROP INDEX many_v');
	cancel_often($kind, $variants, $build . $options, 0.05 * $whole, 0.9 * $whole,
		'DROP INDEX IF EXISTS many_v');
	$session->query_safe('RESET maintenance_work_mem; RESET max_parallel_maintenance_workers;
		ALTER TABLE many RESET (parallel_workers); DROP INDEX IF EXISTS many_v');
	ok(poll_until(sub { $control->query_safe(q{
			SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'}) == 0 }),
		"$kind: no worker is left");
}
$session->query_safe('CHECKPOINT');
is(leftover_files(), '', 'builds of other kinds: no file is left');

# A rebuild that is cancelled leaves the old index as it was.
my $file = $node->safe_psql('postgres', q{SELECT pg_relation_filepath('items_v')});

$begun = time();
$session->query_safe('BEGIN; REINDEX INDEX items_v; ROLLBACK');
$whole = time() - $begun;
$cancelled = 0;
$cancelled += cancel_after('rebuild', $whole * (0.05 + rand 0.85),
	'REINDEX INDEX items_v', 'cancel') foreach 1 .. $variants;
report('rebuild', $cancelled, $variants);
is($node->safe_psql('postgres', q{SELECT pg_relation_filepath('items_v')}),
	$file, 'rebuild: the old index is in place') if $cancelled == $variants;
index_is_clean($node, 'items_v', 'rebuild');
is(recall($node, 'items', 100), $recall, 'rebuild: the old index answers');
is(leftover_files(), '', 'rebuild: no file is left');

# Inserts of many rows in one statement.
cancel_often('insert', $rounds, 'INSERT INTO filled SELECT * FROM items', 0.05, 0.6);
index_is_clean($node, 'filled_v', 'insert');
is($session->query_safe('SELECT count(*) FROM filled') % 20_000, 0,
	'insert: all rows or none are there');
$session->query_safe(q{
	TRUNCATE filled;
	INSERT INTO filled SELECT * FROM items WHERE id <= 1000});
index_is_clean($node, 'filled_v', 'insert, truncated and filled');

# Vacuum goes on where it was cancelled, so the next one has less to do; when one
# has come to its end, some rows are deleted and written again.
my $rewrite = q{
	WITH gone AS (DELETE FROM items WHERE id % 8 = 3 RETURNING *)
	INSERT INTO items SELECT * FROM gone};

$session->query_safe('DELETE FROM items WHERE id % 5 < 2');
$session->query_safe('VACUUM (INDEX_CLEANUP ON) items');
$session->query_safe($rewrite);
$begun = time();
$session->query_safe('VACUUM (INDEX_CLEANUP ON) items');
$whole = time() - $begun;
$session->query_safe($rewrite);
$cancelled = 0;
my $vacuums = 0;

while ($cancelled < $rounds && $vacuums < 3 * $rounds)
{
	$vacuums++;
	if (cancel_after('vacuum', $whole * (0.03 + rand 0.6),
			'VACUUM (INDEX_CLEANUP ON) items',
			$vacuums % 4 == 0 ? 'timeout' : 'cancel'))
	{
		$cancelled++;
	}
	else
	{
		$session->query_safe($rewrite);
	}
	$locks += locks_left();
	index_is_clean($node, 'items_v', "vacuum $vacuums") if $vacuums <= 10;
}
report('vacuum', $cancelled, $rounds);
is($locks, 0, 'vacuum: nothing stays locked');
$session->query_safe('VACUUM (INDEX_CLEANUP ON) items');
index_is_clean($node, 'items_v', 'vacuum, to its end');
is($node->safe_psql('postgres', q{SELECT dead_slots FROM vego_stats('items_v')}),
	0, 'vacuum: no slot stays dead');
make_truth($node, 'items', queries => 50);
my $mended = recall($node, 'items', 100);

# Scans.
$session->query_safe('SET enable_seqscan = off; SET vego.ef_search = 10000');
cancel_often('scan', $rounds, q{SELECT count(*) FROM generate_series(1, 200) i, LATERAL
	(SELECT id FROM items ORDER BY v <-> test_vector(-i) LIMIT 3000 + 0 * i) x}, 0.02, 0.2);
is($session->query_safe(q{
		SELECT count(*) FROM
			(SELECT id FROM items ORDER BY v <-> test_vector(-1) LIMIT 100) x}),
	100, 'scan: the next one works');

# And what looks at a whole index.
$session->query_safe('RESET vego.ef_search');
foreach my $inspection (
	[ 'check', q{SELECT count(*) FROM generate_series(1, 40) i,
		LATERAL vego_check('items_v', i > 0)} ],
	[ 'recall', q{SELECT sum(vego_recall('items_v', 100 + 0 * i)) FROM generate_series(1, 40) i} ],
	[ 'statistics', q{SELECT count(vego_stats(('items_v' || left(i::text, 0))::regclass))
		FROM generate_series(1, 1000) i} ])
{
	my ($kind, $statement) = @$inspection;

	cancel_often($kind, $rounds, $statement, 0.01, 0.3);
}

# No pin is left either: with one, a page could not be cleaned up or dropped.
$node->safe_psql('postgres', q{
	SET lock_timeout = '5s';
	SET statement_timeout = '20s';
	VACUUM (FREEZE, INDEX_CLEANUP ON) items, filled;
	REINDEX INDEX items_v});
cmp_ok($mended, '>=', recall($node, 'items', 100) - 0.01,
	'vacuum in pieces left as good an index as a fresh one');
$session->quit;
$control->quit;
$node->safe_psql('postgres', 'DROP TABLE many, filled; CHECKPOINT');
is(leftover_files(), '', 'no file is left');
unlike(slurp_file($node->logfile), qr/leak|still referenced|PANIC|TRAP/,
	'the server complained of nothing');

$node->stop;
done_testing();
