# What runs out is reported, and nothing else happens: memory at every
# allocation of vego, disk, shared memory.  And what is not short is not
# wasted: scans and inserts take no more memory the more of them there are.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::BackgroundPsql ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VegoTest;

my $most_allocations = rounds(150, 20_000);
my $full_disks = rounds(4, 50);
my $rescans = rounds(20_000, 500_000);
my $inserts = rounds(4_000, 30_000);

test_seed();

# The library that lets a process run out of disk, and its orders.
my $folder = $PostgreSQL::Test::Utils::tmp_check;
my $shim = "$folder/shim.so";
my $orders = "$folder/orders";

# Processes have the file mapped, so it must never be shorter.
sub give_order
{
	open my $file, (-e $orders ? '+<:raw' : '>:raw'), $orders
	  or die "$orders: $!";
	print $file pack('l4', @_, 0);
	close $file;
	return;
}

sub calls_failed
{
	return unpack 'x12 l', slurp_file($orders);
}

give_order(0, 0, 0);
system('gcc', '-shared', '-fPIC', '-O1', '-Wall', '-o', $shim,
	"$FindBin::RealBin/../lib/shim.c", '-ldl') == 0
  or die 'shim.c does not compile';
$ENV{VEGO_SHIM} = $orders;
$ENV{LD_PRELOAD} = $shim;
my $node = new_vego_node('resources', conf => <<'CONF');
shared_buffers = 64MB
maintenance_work_mem = 64MB
max_parallel_maintenance_workers = 1
CONF
delete $ENV{LD_PRELOAD};

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_buffercache;
CREATE TABLE items (id bigint PRIMARY KEY, v vector(128));
INSERT INTO items SELECT i, test_vector(i) FROM generate_series(1, 1000) i;
CREATE INDEX items_v ON items USING vego_hnsw (v vector_l2_ops) WITH (exact = zstd);
CREATE SEQUENCE ids START 100001;
SQL
my @indexes = ('items_v', make_other_indexes($node, 'items'));

# Locks and pins that the session still holds, in a line of its own; none.
my $nothing_held = q{
	SELECT 'held', locktype FROM pg_locks
		WHERE pid = pg_backend_pid() AND locktype IN ('page', 'extend', 'tuple');
	SELECT 'pinned', relfilenode, relblocknumber FROM pg_buffercache
		WHERE pinning_backends > 0 AND relfilenode IN
			(SELECT relfilenode FROM pg_class WHERE relname LIKE 'items%');
};

# Every allocation of a statement fails once: the Nth in the Nth round, until
# the statement succeeds.  Each round is a session of its own, so that what is
# made once for a session is made in each.
sub fail_allocations
{
	my ($name, $statement, $prepare) = @_;
	my $failed = 0;
	my $faults = '';
	my $succeeded = 0;

	for (my $n = 1; $n <= $most_allocations && !$succeeded; $n += 25)
	{
		my $script = "\\set VERBOSITY sqlstate\n";
		my ($stdout, $stderr);

		foreach my $nth ($n .. $n + 24)
		{
			$script .= "\\c\nLOAD 'vego';\nSET client_min_messages = warning;\n"
			  . ($prepare // '') . "
				SET vego.failing_allocation = $nth;
				\\o /dev/null\n$statement;\n\\o
				\\set state :SQLSTATE
				SET vego.failing_allocation = 0;\n$nothing_held
				SELECT CASE :'state' WHEN '53200' THEN 'failed'
					WHEN '00000' THEN 'succeeded' ELSE 'wrong' END;\n";
		}
		$node->psql('postgres', $script, on_error_stop => 0,
			stdout => \$stdout, stderr => \$stderr);
		$failed += () = $stdout =~ /^failed$/mg;
		$succeeded = $stdout =~ /^succeeded$/m;
		$stdout = join "\n", grep { !/^(?:failed|succeeded|)$/ } split /\n/, $stdout;
		$stderr =~ s/^psql:.* ERROR:  53200\n?//mg;
		$faults .= "$stdout$stderr";
		last if $faults ne '';
	}
	is(substr($faults, 0, 1000), '', "$name: nothing but the error, nothing held");
	note("$name: $failed allocations failed",
		$succeeded ? ', then it succeeded' : '');
	cmp_ok($failed, '>', 3, "$name: allocations failed");
	ok($succeeded || !long_run(), "$name: and each did") if $most_allocations >= 20_000;
	index_is_clean($node, $_, $name) foreach @indexes;
	return;
}

SKIP:
{
	skip 'vego has no failure points (VEGO_FAILURE_POINTS)', 1
	  if $node->psql('postgres', q{LOAD 'vego'; SHOW vego.failing_allocation}) != 0;

	fail_allocations('insert', q{INSERT INTO items SELECT id, test_vector(id)
		FROM (SELECT nextval('ids') AS id FROM generate_series(1, 2)) x});
	fail_allocations("scan by $_->[0]",
		"SELECT FROM (SELECT id FROM items ORDER BY $_->[1] LIMIT 20) x",
		'SET enable_seqscan = off;')
	  foreach (
		[ 'l2', 'v <-> test_vector(-1)' ],
		[ 'halfvec', 'v::halfvec(128) <-> test_vector(-1)::halfvec(128)' ],
		[ 'sparsevec', 'v::sparsevec(128) <=> test_vector(-1)::sparsevec(128)' ],
		[ 'bit', 'binary_quantize(v)::bit(128) <~> binary_quantize(test_vector(-1))::bit(128)' ]);
	fail_allocations('vacuum', 'VACUUM (INDEX_CLEANUP ON) items',
		q{DELETE FROM items WHERE id IN (SELECT id FROM items ORDER BY hashint8(id) LIMIT 3);
			INSERT INTO items SELECT id, test_vector(id)
			FROM (SELECT nextval('ids') AS id FROM generate_series(1, 3)) x;});
	fail_allocations('build', 'CREATE INDEX items_made ON items USING vego_hnsw (v vector_l1_ops)
		WITH (exact = zstd) WHERE id % 4 = 0', 'DROP INDEX IF EXISTS items_made;');
	fail_allocations('build of sparse vectors', 'CREATE INDEX items_made ON items
		USING vego_hnsw ((v::sparsevec(128)) sparsevec_ip_ops) WHERE id % 8 = 0', 'DROP INDEX IF EXISTS items_made;');
	fail_allocations('check', q{SELECT FROM vego_check('items_v', true)});
	fail_allocations('values', q{SELECT '[1,2,3]'::vector, '{1:2}/3'::sparsevec,
		'[1,2]'::halfvec::vector, '[1,2,3]'::vector + '[1,2,3]'});
}
$node->safe_psql('postgres', 'DROP INDEX IF EXISTS items_made');

# Files of tables and indexes, but not of free space maps and the like.
sub files_of_database
{
	my ($oid) = split /\n/, $node->safe_psql('postgres', q{
		CHECKPOINT; SELECT oid FROM pg_database WHERE datname = 'postgres'});

	return join ' ', sort grep { m{/\d+$} } glob $node->data_dir . "/base/$oid/*";
}

sub temporary_files
{
	my @files = glob($node->data_dir . '/base/pgsql_tmp/*');

	return scalar @files;
}

# A disk that is full after so many writes of a statement.
sub fill_disk
{
	my ($name, $writes, $statement) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	my ($stdout, $stderr);

	give_order($pid, 1, $writes);
	$session->{stderr} = '';
	$session->query($statement);
	$stderr = $session->{stderr};
	$session->{stderr} = '';
	give_order(0, 0, 0);
	is($session->query_safe('SELECT 1'), 1, "$name: the session goes on");
	$session->quit;
	return $stderr;
}

my $files = files_of_database();
my $full = 0;

foreach my $round (1 .. $full_disks)
{
	my $writes = int(rand(60));

	foreach my $with ('', 'WITH (exact = zstd)', 'WITH (exact = plain)')
	{
		my $name = "full disk after $writes writes, build $with";
		my $said = fill_disk($name, $writes, "SET maintenance_work_mem = '1MB';
			CREATE INDEX items_made ON items USING vego_hnsw (v vector_l2_ops) $with;");

		if ($said =~ /ERROR/)
		{
			$full++;
			like($said, qr/No space left on device/, "$name: it says so");
		}
		$node->safe_psql('postgres', 'DROP INDEX IF EXISTS items_made');
		is(files_of_database(), $files, "$name: no file is left");
		is(temporary_files(), 0, "$name: no temporary file is left");
	}

	my $name = "full disk after $writes writes, insert";
	my $said = fill_disk($name, $writes, q{
		INSERT INTO items SELECT id, test_vector(id)
		FROM (SELECT nextval('ids') AS id FROM generate_series(1, 500)) x;});

	if ($said =~ /ERROR/)
	{
		$full++;
		like($said, qr/No space left on device/, "$name: it says so");
	}
	index_is_clean($node, $_, $name) foreach @indexes;
	$node->safe_psql('postgres', 'DELETE FROM items WHERE id > 1000;
		VACUUM (INDEX_CLEANUP ON) items');
}
cmp_ok($full, '>', $full_disks, 'disks were full');
index_is_clean($node, $_, 'after full disks') foreach @indexes;

# Shared memory that is refused, at one segment or the next: the build goes on.
make_items($node, 'many', 6_000);
$node->safe_psql('postgres', 'ALTER TABLE many SET (parallel_workers = 1)');
my $refused = 0;

foreach my $granted (0 .. 6)
{
	my $name = "$granted segments of shared memory";
	my $session = $node->background_psql('postgres');

	$node->safe_psql('postgres', 'DROP INDEX IF EXISTS many_v');
	give_order($session->query_safe('SELECT pg_backend_pid()'), 2, $granted);
	$session->query_safe(
		'CREATE INDEX many_v ON many USING vego_hnsw (v vector_l2_ops)');
	$refused++ if calls_failed() > 0;
	give_order(0, 0, 0);
	$session->quit;
	index_is_clean($node, 'many_v', $name);
}
cmp_ok($refused, '>=', 2, 'shared memory was refused');

# Memory that a session has of its own, of whatever kind.
sub private_bytes
{
	my ($pid) = @_;
	my $status = slurp_file("/proc/$pid/smaps_rollup");

	return $status =~ /^Anonymous:\s+(\d+) kB/m ? 1024 * $1 : 0;
}

# What doing something many times leaves behind in a session and transaction
# that has done it a few times before.  And what one statement holds at its end
# beyond what it held when it had done it a few times: memory_at sees to it that
# both are noted, since what a statement wastes goes when it ends.
my $within = "SELECT current_setting('test.last')::bigint - current_setting('test.first')::bigint";

sub growth_of
{
	my ($function, $times) = @_;
	my $tenth = int($times / 10);
	my $session = $node->background_psql('postgres');
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	my $before;

	$session->set_query_timer_restart;
	$session->query_safe("SET enable_seqscan = off; BEGIN; SELECT $function(2000)");
	# what grows with the index comes in steps, and seldom later
	$session->query_safe("SELECT $function($tenth)") foreach 1 .. 4;
	$before = private_bytes($pid);
	$session->query_safe("SELECT $function($tenth)") foreach 1 .. 10;
	my $growth = private_bytes($pid) - $before;
	my $held = $session->query_safe($within);
	$session->query_safe('ROLLBACK');
	$session->quit;
	return ($growth, $held);
}

# A query that is another one for each i, so that no join keeps its answers.
$node->safe_psql('postgres', q{
	CREATE TABLE queries AS SELECT i, test_vector(-i) AS q FROM generate_series(1, 64) i;
	CREATE FUNCTION memory_at(i int, times int) RETURNS boolean LANGUAGE plpgsql AS $$
	BEGIN
		IF i IN (times / 10, times) THEN
			PERFORM set_config(CASE i WHEN times THEN 'test.last' ELSE 'test.first' END,
				(SELECT sum(total_bytes)::text FROM pg_backend_memory_contexts), false);
		END IF;
		RETURN true;
	END $$;
	CREATE FUNCTION rescan(times int) RETURNS bigint LANGUAGE sql
	SET enable_material = off SET enable_memoize = off AS $$
		SELECT sum(x.id) FROM generate_series(1, times) n, LATERAL
			(SELECT id FROM items ORDER BY v <-> (SELECT q FROM queries WHERE i = n % 64 + 1) LIMIT 1) x
		WHERE memory_at(n, times) $$;
	CREATE FUNCTION insert_more(times int) RETURNS void LANGUAGE sql AS $$
		INSERT INTO items SELECT nextval('ids') AS id, test_vector(currval('ids'))
		FROM generate_series(1, times) n WHERE memory_at(n, times) $$});
foreach my $case ([ 'rescans', 'rescan', $rescans ], [ 'inserts', 'insert_more', $inserts ])
{
	my ($name, $function, $times) = @$case;
	my ($growth, $held) = growth_of($function, $times);

	note("$times $name: $growth bytes; within a statement $held");
	cmp_ok($growth, '<', 1024 * 1024, "$times $name take no more memory than a few");
	cmp_ok($held, '<', 128 * 1024, "$name: nor do many in one statement");
}
foreach my $kind (
	[ 'halfvec', 'v::halfvec(128) <-> q::halfvec(128)' ],
	[ 'sparsevec', 'v::sparsevec(128) <=> q::sparsevec(128)' ],
	[ 'bit', 'binary_quantize(v)::bit(128) <~> binary_quantize(q)::bit(128)' ])
{
	my ($name, $order) = @$kind;

	$order =~ s/\bq\b/(SELECT q FROM queries WHERE i = n % 64 + 1)/;
	my $held = $node->safe_psql('postgres', qq{
		SET enable_seqscan = off;
		SET enable_material = off;
		SET enable_memoize = off;
		SELECT FROM (SELECT count(x.id) FROM generate_series(1, 2000) n,
			LATERAL (SELECT id FROM items ORDER BY $order LIMIT 1) x
			WHERE memory_at(n, 2000)) y;
		$within});

	$held =~ s/^\s+//;
	cmp_ok($held, '<', 128 * 1024, "rescans by $name: nor do many in one statement");
}

# A scan of the whole index, and one as wide as can be.
foreach my $case (
	[ 'a scan of the whole index', 'SET vego.ef_search = 1000; SELECT count(*) FROM
		(SELECT id FROM many ORDER BY v <-> test_vector(-1)) x', 300 ],
	[ 'a scan as wide as can be', 'SET vego.ef_search = 10000; SELECT count(*) FROM
		(SELECT id FROM many ORDER BY v <-> test_vector(-1) LIMIT 10) x', 300 ])
{
	my ($name, $statement, $bytes_a_row) = @$case;
	my $session = $node->background_psql('postgres');
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	my $before;
	my $peak;

	$session->query_safe('SET enable_seqscan = off; SELECT id FROM many ORDER BY v <-> test_vector(-1) LIMIT 1');
	$before = private_bytes($pid);
	# the most there was, as the server's allocator keeps little
	$session->query_safe($statement);
	my ($high) = slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m;
	$peak = 1024 * $high - $before;
	note("$name of 6,000 rows: $peak bytes are kept");
	cmp_ok($peak, '<', 1024 * 1024 + 6_000 * $bytes_a_row, "$name keeps little");
	$session->quit;
}
unlike(slurp_file($node->logfile), qr/leak|still referenced|PANIC|TRAP|terminated by signal/,
	'the server complained of nothing');

$node->stop;
done_testing();
