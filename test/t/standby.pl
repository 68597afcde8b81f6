# A standby that replays everything under consistency checks has the same
# index, byte for byte, gives the same answers, and can take over.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use VegoTest;

my $seconds = rounds(25, 1800);
my $scans_wanted = 500;

test_seed();
my $primary = new_vego_node('primary', allows_streaming => 1, conf => <<'CONF');
shared_buffers = 64MB
max_connections = 40
max_wal_size = 2GB
wal_consistency_checking = 'all'
# full images of every page changed: a slow standby must find them all
wal_keep_size = 20GB
CONF

make_salted_items($primary, 'items', 6_000);
$primary->safe_psql('postgres', <<'SQL');
CREATE INDEX items_v ON items USING vego_hnsw (v vector_l2_ops) WITH (exact = zstd);
CREATE TABLE refilled (LIKE items INCLUDING ALL);
CREATE INDEX refilled_v ON refilled USING vego_hnsw (v vector_l2_ops) WITH (exact = plain);
CREATE UNLOGGED TABLE before (LIKE items INCLUDING ALL);
CREATE INDEX before_v ON before USING vego_hnsw (v vector_l2_ops) WITH (exact = zstd);
INSERT INTO before SELECT * FROM items WHERE id <= 100;
SQL
$primary->safe_psql('postgres', q{
	CREATE TABLE kinds (LIKE items INCLUDING ALL);
	INSERT INTO kinds SELECT * FROM items WHERE id <= 1000});
my @kinds = make_other_indexes($primary, 'kinds');

$primary->backup('base');

my $standby = PostgreSQL::Test::Cluster->new('standby');

$standby->init_from_backup($primary, 'base', has_streaming => 1);
# replay waits for queries and cancels none
$standby->append_conf('postgresql.conf', <<'CONF');
max_standby_streaming_delay = -1
hot_standby_feedback = off
CONF
$standby->start;
$primary->safe_psql('postgres', <<'SQL');
CREATE UNLOGGED TABLE after (LIKE items INCLUDING ALL);
INSERT INTO after SELECT * FROM items WHERE id <= 300;
CREATE INDEX after_v ON after USING vego_hnsw (v vector_l2_ops);
SQL
$primary->wait_for_catchup($standby);

# pgbench writes a line for each, some time later.
sub scans_logged
{
	my $lines = 0;

	foreach my $log (glob "$PostgreSQL::Test::Utils::tmp_check/scans*")
	{
		$lines += () = slurp_file($log) =~ /\n/g;
	}
	return $lines;
}

# of pgbench, which ends by itself otherwise
my @long_enough = ('-T', $seconds + 120);

my %loads = (
	writers => start_load($primary, 3, {
		q{\set id random(1, 20000)
			INSERT INTO items SELECT * FROM test_row(:id, 0) ON CONFLICT DO NOTHING;
		} => 6,
		q{\set id random(1, 20000)
			DELETE FROM items WHERE id BETWEEN :id AND :id + 2;
		} => 3,
		q{\set id random(1, 20000)
			UPDATE items SET salt = salt + 1, v = test_vector(id + (salt + 1) * 1000000)
				WHERE id = :id;
		} => 3,
		q{\set id random(1, 20000)
			UPDATE items SET touched = touched + 1 WHERE id = :id;
		} => 1 }, @long_enough),
	vacuum => start_load($primary, 1, {
		"VACUUM (INDEX_CLEANUP ON) items;\n\\sleep 100 ms\n" => 1 }, @long_enough),
	kinds => start_load($primary, 1, {
		q{\set id random(1, 2000)
			INSERT INTO kinds SELECT r.* FROM generate_series(:id, :id + 4) i,
				test_row(i, :id) r ON CONFLICT DO NOTHING;
		} => 20,
		q{\set id random(1, 2000)
			DELETE FROM kinds WHERE id BETWEEN :id AND :id + 9;
		} => 10,
		q{VACUUM (INDEX_CLEANUP ON) kinds;
		} => 1 }, @long_enough),
	# empties an index and fills it again, entry and all
	refill => start_load($primary, 1, {
		q{INSERT INTO refilled SELECT r.* FROM generate_series(1, 100) i, test_row(i, 0) r;
			DELETE FROM refilled;
			VACUUM (INDEX_CLEANUP ON) refilled;
			\sleep 50 ms
		} => 1 }, @long_enough),
	# What is built anew concurrently is not of the table that the standby scans:
	# it does not wait for a standby's scans, and the server refuses one that was
	# planned with the index that went ("could not open relation").
	builds => start_load($primary, 1, {
		q{CREATE INDEX built_v ON items USING vego_hnsw (v vector_cosine_ops) WITH (bits = 4);
			\sleep 300 ms
			REINDEX INDEX built_v;
			\sleep 300 ms
			DROP INDEX built_v;
			\sleep 300 ms
			CREATE INDEX CONCURRENTLY built_v ON items USING vego_hnsw (v vector_ip_ops);
			REINDEX INDEX CONCURRENTLY refilled_v;
			DROP INDEX built_v;
		} => 1 }, @long_enough));
my $scans = start_load($standby, 2, {
	q{\set query random(1, 1000000)
		SELECT test_scan_is_right('items', :query, 20);
	} => 9,
	q{\set query random(1, 1000000)
		SELECT test_scan_is_right('items', :query, 300);
	} => 1 }, @long_enough, '--log', "--log-prefix=$PostgreSQL::Test::Utils::tmp_check/scans");
my $begun = time();

# and until replay has met so many scans, which takes a slow machine longer
while (time() < $begun + $seconds ||
	scans_logged() < $scans_wanted && time() < $begun + $seconds + 100)
{
	sleep 0.5;
	last if grep { !load_is_running($_) } values %loads, $scans;
}
ok(load_is_running($_->[1]), "$_->[0] still runs")
  foreach (map { [ $_, $loads{$_} ] } sort keys %loads), [ 'standby scans', $scans ];
is(stop_load($loads{$_}), '', "$_ without errors") foreach sort keys %loads;
is(stop_load($scans), '', 'scans on the standby without errors');

note(scans_logged() . ' scans on the standby during replay');
cmp_ok(scans_logged(), '>=', $scans_wanted, 'a good number of scans met replay');

# replay that meets an inconsistent page ends the standby
my ($status) = $standby->psql('postgres', 'SELECT true');

if (!is($status, 0, 'the standby is alive'))
{
	diag(join "\n", grep { /FATAL|PANIC|CONTEXT/ } split /\n/,
		slurp_file($standby->logfile));
	$standby->_update_pid(0);
	done_testing();
	exit 1;
}

# what the loads left half done ends first
wait_until_alone($primary);
$primary->safe_psql('postgres', q{
	DROP INDEX IF EXISTS built_v, built_v_ccnew, refilled_v_ccnew, refilled_v_ccold;
	CREATE INDEX built_v ON items USING vego_hnsw (v vector_l1_ops) WITH (bits = 4);
	INSERT INTO refilled SELECT * FROM items WHERE id <= 500
		ON CONFLICT DO NOTHING});
# A standby's scan is not told which rows are dead to everybody, so with some in
# the index it may withhold a row that the primary's returns.
$primary->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) items');
$primary->wait_for_catchup($standby);

my @indexes = (qw(items_v refilled_v built_v), @kinds);

index_is_clean($primary, $_, "primary $_") foreach @indexes;
index_is_clean($standby, $_, "standby $_") foreach @indexes;

my $answers = q{
	SET enable_seqscan = off;
	SELECT md5(string_agg(i || ' ' || id || ' ' || d, ',' ORDER BY i, place))
	FROM generate_series(1, 100) i, test_vector(-i) q,
		LATERAL (SELECT id, d, row_number() OVER () AS place FROM
			(SELECT id, v OPERATOR q AS d FROM items
			 ORDER BY v OPERATOR q LIMIT 20) x) y};

foreach my $operator ('<->', '<+>')
{
	my $statement = $answers =~ s/OPERATOR/$operator/gr;

	is($standby->safe_psql('postgres', $statement),
		$primary->safe_psql('postgres', $statement),
		"both give the same answers to $operator");
}
make_truth($primary, 'items', queries => 100);
$primary->wait_for_catchup($standby);
is(recall($standby, 'items', 40), recall($primary, 'items', 40),
	'both have the same recall');

my $log = slurp_file($standby->logfile);

# the scans were told to end
$log =~ s/^.*FATAL:  connection to client lost\n//mg;
unlike($log, qr/inconsistent page|PANIC|FATAL|ERROR/,
	'replay met no inconsistency');

# Byte for byte, once both have written everything.  Not the same are the
# place in WAL, the checksum, and what lies between pd_lower and pd_upper.
my %files = map {
	$_ => $primary->safe_psql('postgres', "SELECT pg_relation_filepath('$_')")
} @indexes;

$primary->stop('fast');
$standby->stop('fast');

sub masked_page
{
	my ($page) = @_;
	my ($lower, $upper) = unpack 'x12 S S', $page;

	substr($page, 0, 10) = "\0" x 10;
	substr($page, $lower, $upper - $lower) = "\0" x ($upper - $lower)
	  if $lower > 0 && $lower <= $upper && $upper <= length $page;
	return $page;
}

sub differing_blocks
{
	my ($file) = @_;
	my @images = map { slurp_file($_->data_dir . "/$file") } $primary, $standby;
	my $blocks = length($images[0]) / 8192;
	my @different;

	return 'lengths differ' if length $images[0] != length $images[1];
	foreach my $block (0 .. $blocks - 1)
	{
		my @pages = map { masked_page(substr $_, $block * 8192, 8192) } @images;

		push @different, $block if $pages[0] ne $pages[1];
	}
	note("$file: $blocks blocks");
	return join ' ', @different;
}

is(differing_blocks($files{$_}), '', "$_ is the same on both") foreach @indexes;

# The standby takes over.
$standby->start;
$standby->promote;
foreach my $table ('before', 'after')
{
	is($standby->safe_psql('postgres', qq{
			SET enable_seqscan = off;
			SELECT count(*) FROM
				(SELECT * FROM $table ORDER BY v <-> test_vector(-1) LIMIT 10) x}),
		0, "promoted: unlogged table \"$table\" is empty");
	is($standby->safe_psql('postgres', qq{
			INSERT INTO $table SELECT * FROM items LIMIT 400;
			SET enable_seqscan = off;
			SET vego."order" = relaxed;
			SELECT count(*) FROM
				(SELECT * FROM $table ORDER BY v <-> test_vector(-1)
				 LIMIT 100000) x}),
		400, "promoted: its index can be used");
	index_is_clean($standby, "${table}_v", 'promoted');
}
$standby->safe_psql('postgres', q{
	DELETE FROM items WHERE id % 3 = 0;
	VACUUM (INDEX_CLEANUP ON) items;
	INSERT INTO items SELECT r.* FROM generate_series(30001, 31000) i, test_row(i, 0) r});
index_is_clean($standby, $_, "promoted, written on: $_") foreach @indexes;

$standby->stop;
done_testing();
