# The server is killed at random moments, again and again: nothing committed is
# lost, and the index is as good as a fresh one.
#
# Writers own disjoint ids and print what was committed to files outside the
# server, so what the table must hold is known to the last statement; only the
# statement under way at the kill may have happened or not.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use VegoTest;

my $rounds = rounds(10, 200);
my $writers = 8;
my $base_rows = 8_000;
my $ids_per_writer = 100_000;

# Queries that recall is measured with, and how far it may be below that of a
# fresh index: 100 queries tell two indexes apart to some 0.004 only.
my ($queries, $tolerance) = long_run() ? (400, 0.01) : (100, 0.02);

test_seed();
my $node = new_vego_node('crash', conf => <<'CONF');
shared_buffers = 32MB
wal_level = replica
max_wal_size = 64MB
min_wal_size = 32MB
checkpoint_timeout = 30s
bgwriter_delay = 10ms
CONF

make_salted_items($node, 'items', $base_rows);
$node->safe_psql('postgres', <<'SQL');
CREATE INDEX items_v ON items USING vego_hnsw (v vector_l2_ops);
CREATE TABLE refilled (LIKE items INCLUDING ALL);
CREATE INDEX refilled_v ON refilled USING vego_hnsw (v vector_l2_ops);
CREATE UNLOGGED TABLE scratch (LIKE items INCLUDING ALL);
CREATE INDEX scratch_v ON scratch USING vego_hnsw (v vector_l2_ops);
INSERT INTO scratch SELECT * FROM items WHERE id <= 500;
CREATE TABLE kinds (LIKE items INCLUDING ALL);
INSERT INTO kinds SELECT * FROM items WHERE id <= 800;
SQL
my @kinds = make_other_indexes($node, 'kinds');

# Salts of the rows of each writer, by id.  The base rows are shared out.
my @ledger = map { {} } 1 .. $writers;
$ledger[ $_ % $writers ]{$_} = 0 for 1 .. $base_rows;
my @next_id = map { $_ * $ids_per_writer } 1 .. $writers;

# The statements of a writer, each with what it makes of the rows.
sub plan_statements
{
	my ($writer, $count) = @_;
	my %rows = %{ $ledger[$writer] };
	my @ids = keys %rows;
	my @plan;

	@ids = sort { $a <=> $b } @ids;
	while (@plan < $count)
	{
		my $dice = rand;

		if ($dice < 0.45 || @ids < 100)
		{
			my $id = $next_id[$writer]++;

			push @plan, [ $id, 0, "INSERT INTO items SELECT * FROM test_row($id, 0)" ];
			push @ids, $id;
			$rows{$id} = 0;
			next;
		}
		my $place = int(rand(@ids));
		my $id = $ids[$place];

		if ($dice < 0.7)
		{
			push @plan, [ $id, undef, "DELETE FROM items WHERE id = $id" ];
			$ids[$place] = $ids[-1];
			pop @ids;
			delete $rows{$id};
		}
		elsif ($dice < 0.9)
		{
			my $salt = ++$rows{$id};

			push @plan, [ $id, $salt,
				"UPDATE items SET (id, salt, touched, v) = (SELECT * FROM test_row($id, $salt)) WHERE id = $id" ];
		}
		else
		{
			push @plan, [ $id, $rows{$id},
				"UPDATE items SET touched = touched + 1 WHERE id = $id" ];
		}
	}
	return \@plan;
}

my $folder = $PostgreSQL::Test::Utils::tmp_check;

# Runs psql over statements, with its output going to a file.
sub start_psql
{
	my ($name, $statements) = @_;
	my $script = "$folder/$name.sql";
	my $output = "$folder/$name.out";

	open my $file, '>', $script or die "$script: $!";
	print $file $statements;
	close $file;
	my $run = IPC::Run::start(
		[ 'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1',
			'-d', $node->connstr('postgres'), '-f', $script ],
		'<', \undef, '>', $output, '2>', "$folder/$name.err");
	return { run => $run, output => $output, errors => "$folder/$name.err" };
}

# The lines of a killed psql's output that are whole.
sub lines_of
{
	my ($file) = @_;

	return $file =~ /^(.*)\n/mg;
}

sub errors_besides_the_kill
{
	my ($psql) = @_;

	return join '', grep { /ERROR|PANIC/ || /FATAL/ && !/in recovery mode/ }
	  map { "$_\n" } split /\n/, slurp_file($psql->{errors});
}

# Carries the acknowledged part of a plan into the ledger, and returns the
# statement whose fate is not known.
sub settle
{
	my ($writer, $plan, $done) = @_;

	foreach my $i (0 .. $done - 1)
	{
		my ($id, $salt) = @{ $plan->[$i] };

		if (defined $salt) { $ledger[$writer]{$id} = $salt }
		else { delete $ledger[$writer]{$id} }
	}
	return $plan->[$done];
}

# Compares table and ledger; undecided statements are settled by what is there.
sub lost_rows
{
	my (@undecided) = @_;
	my %table = map { split /\|/ } split /\n/,
	  $node->safe_psql('postgres', 'SELECT id, salt FROM items');
	my @lost;

	foreach my $writer (0 .. $writers - 1)
	{
		my $rows = $ledger[$writer];

		if ($undecided[$writer])
		{
			my ($id, $salt) = @{ $undecided[$writer] };
			my $now = $table{$id} // 'none';

			if ($now eq ($salt // 'none'))
			{
				if (defined $salt) { $rows->{$id} = $salt }
				else { delete $rows->{$id} }
			}
		}
		foreach my $id (keys %$rows)
		{
			my $salt = delete $table{$id};

			push @lost, "id $id: salt $rows->{$id} committed, "
			  . ($salt // 'nothing') . ' found'
			  if !defined $salt || $salt != $rows->{$id};
		}
	}
	push @lost, map { "id $_: found, but was not committed" } keys %table;
	return join "\n", @lost[ 0 .. ($#lost < 9 ? $#lost : 9) ];
}

sub check_everything
{
	my ($name, @undecided) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is(lost_rows(@undecided), '', "$name: table and ledger agree");
	index_is_clean($node, 'items_v', $name);
	index_is_clean($node, 'refilled_v', "$name, filled and emptied");
	index_is_clean($node, $_, "$name, $_") foreach @kinds;

	my $rows = 0;

	$rows += keys %$_ for @ledger;
	is($node->safe_psql('postgres', q{
			SET enable_seqscan = off;
			SET vego."order" = relaxed;
			SELECT count(*), count(DISTINCT id),
				count(*) FILTER (WHERE v = test_vector(id + salt * 1000000))
			FROM (SELECT id, salt, v FROM items
				  ORDER BY v <-> test_vector(-1) LIMIT 1000000) x}),
		"$rows|$rows|$rows", "$name: the index finds every row, once");

	# a fresh index on the same rows, for comparison only
	my ($lived, $fresh) = split /\n/, $node->safe_psql('postgres', qq{
		SELECT test_recall('items', '<->', 10, 100)
			FROM test_truth('items', '<->', $queries, 10);
		BEGIN;
		DROP INDEX items_v;
		CREATE INDEX fresh_v ON items USING vego_hnsw (v vector_l2_ops);
		SELECT test_recall('items', '<->', 10, 100);
		ROLLBACK});

	cmp_ok($lived, '>=', $fresh - $tolerance,
		sprintf '%s: recall %.4f is that of a fresh index, %.4f',
		$name, $lived, $fresh);
	return;
}

sub check_unlogged
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is($node->safe_psql('postgres', q{
			SET enable_seqscan = off;
			SELECT count(*) FROM
				(SELECT * FROM scratch ORDER BY v <-> test_vector(-1) LIMIT 10) x}),
		0, "$name: the unlogged index is empty");
	index_is_clean($node, 'scratch_v', "$name, unlogged");
	is($node->safe_psql('postgres', q{
			INSERT INTO scratch SELECT * FROM items WHERE id % 20 = 0;
			SET enable_seqscan = off;
			SET vego."order" = relaxed;
			SELECT count(*) = (SELECT count(*) FROM scratch) FROM
				(SELECT * FROM scratch ORDER BY v <-> test_vector(-1)
				 LIMIT 100000) x}),
		't', "$name: the unlogged index can be used");
	return;
}

my @helpers = (
	[ vacuum => "VACUUM (INDEX_CLEANUP ON) items;\nSELECT pg_sleep(0.05);\n" ],
	[ build => <<'SQL' ],
CREATE INDEX built_v ON items USING vego_hnsw (v vector_cosine_ops);
DROP INDEX built_v;
CREATE INDEX CONCURRENTLY built_v ON items USING vego_hnsw (v vector_l1_ops);
DROP INDEX built_v;
SQL
	[ refill => <<'SQL' ],
DELETE FROM refilled;
VACUUM (INDEX_CLEANUP ON) refilled;
INSERT INTO refilled SELECT r.* FROM generate_series(1, 100) i, test_row(i, 0) r;
SELECT pg_sleep(0.1);
SQL
	[ kinds => <<'SQL' ],
INSERT INTO kinds SELECT r.* FROM generate_series(1, 10) i,
	test_row((random() * 1500)::bigint, i) r ON CONFLICT DO NOTHING;
DELETE FROM kinds WHERE hashint8(id + salt) & 15 = (random() * 15)::int;
VACUUM (INDEX_CLEANUP ON) kinds;
INSERT INTO kinds SELECT r.* FROM generate_series(1, 50) i,
	test_row((random() * 1500)::bigint, i) r ON CONFLICT DO NOTHING;
SQL
	[ unlogged => <<'SQL' ],
INSERT INTO scratch SELECT r.* FROM generate_series(1, 50) i,
	test_row(1000000 + i + (random() * 1000000000)::bigint, 0) r
	ON CONFLICT DO NOTHING;
SQL
	[ checkpoint => "SELECT pg_sleep(0.7);\nCHECKPOINT;\n" ]);

# Everything runs until the code ends it; returns the undecided statements.
sub run_until
{
	my ($name, $kill) = @_;
	my @plans = map { plan_statements($_, 3000) } 0 .. $writers - 1;
	my @psql;

	foreach my $writer (0 .. $writers - 1)
	{
		my $number = 0;

		push @psql, start_psql("writer_$writer",
			join '', map { $_->[2] . ' RETURNING ' . $number++ . ";\n" }
			  @{ $plans[$writer] });
	}
	my @others = map { start_psql($_->[0], $_->[1] x 2000) } @helpers;

	$kill->();
	$_->{run}->finish for @psql, @others;
	my $complaints = join '', map { errors_besides_the_kill($_) } @psql,
	  @others;
	my @undecided;
	my $committed = 0;

	foreach my $writer (0 .. $writers - 1)
	{
		my @done = lines_of(slurp_file($psql[$writer]{output}));

		# every statement met its row, in turn
		$complaints .= "writer $writer: statement $#done gave $done[-1]\n"
		  if @done && $done[-1] != $#done;
		$committed += @done;
		push @undecided, settle($writer, $plans[$writer], scalar @done);
	}
	is($complaints, '', "$name: no errors before the kill");
	note("$name: $committed statements committed");
	return @undecided;
}

# From some rounds on the indexes keep the vectors themselves.
sub keep_exact
{
	my ($mode) = @_;

	foreach my $index (qw(items_v refilled_v scratch_v))
	{
		$node->safe_psql('postgres', qq{
			ALTER INDEX $index SET (exact = $mode);
			REINDEX INDEX $index});
	}
	return;
}

my %exact_from = (
	1 + int($rounds / 3) => 'zstd',
	1 + int(2 * $rounds / 3) => 'plain');

foreach my $round (1 .. $rounds)
{
	my $name = "round $round";

	keep_exact($exact_from{$round}) if $exact_from{$round};
	my @undecided = run_until($name, sub {
		sleep 0.3 + rand 2.2;
		kill_server_group($node);
	});

	$node->start;
	$node->safe_psql('postgres', 'DROP INDEX IF EXISTS built_v');
	check_everything($name, @undecided);
	check_unlogged($name);
}

# A single backend is killed within an insert; the server starts itself anew.
$node->append_conf('postgresql.conf', 'restart_after_crash = on');
$node->reload;
my @undecided = run_until('backend', sub {
	my $victim;

	sleep 0.5;
	poll_until(sub {
		$victim = $node->safe_psql('postgres', q{
			SELECT pid FROM pg_stat_activity
			WHERE state = 'active' AND query LIKE 'INSERT INTO items%'
			LIMIT 1});
		return $victim ne '';
	}, 20);
	kill 'KILL', $victim if $victim;
	ok($victim, 'a backend was killed within an insert');
});

ok($node->poll_query_until('postgres', 'SELECT true'),
	'the server came back by itself');
$node->safe_psql('postgres', 'DROP INDEX IF EXISTS built_v');
check_everything('backend', @undecided);
check_unlogged('backend');

# and all of it can be vacuumed and written on
$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) items');
check_everything('vacuumed');
is($node->safe_psql('postgres', q{
		SELECT exact_vectors = nodes AND exact <> 'off' FROM vego_stats('items_v')}),
	't', 'vacuumed: no vector is left that belongs to no node');

$node->stop;
done_testing();
