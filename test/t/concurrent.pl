# Writers, vacuum and scans at once: no errors, no row lost, found twice or
# found wrong.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use VegoTest;

# For so many seconds, and until so many rows have been written, which takes a
# slow machine longer.
my $seconds = 14;
my $rows_wanted = 2_000;
my $patience = 300;
my $rows = 10_000;

# 100 queries tell the recall of two indexes apart to some 0.004.
my $tolerance = 0.02;

test_seed();
my $node = new_vego_node('concurrent', conf => <<'CONF');
shared_buffers = 64MB
max_connections = 30
deadlock_timeout = 100ms
CONF

sub everything_is_found
{
	my ($name) = @_;
	my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM items');

	index_is_clean($node, 'items_v', $name);
	is($node->safe_psql('postgres', q{
			SET enable_seqscan = off;
			SET vego."order" = relaxed;
			SELECT count(*), count(DISTINCT id) FROM
				(SELECT id FROM items ORDER BY v <-> test_vector(-1)
				 LIMIT 1000000) x}),
		"$rows|$rows", "$name: every row is found, once");
	is($node->safe_psql('postgres', q{
			SELECT count(*) FROM items
			WHERE v <> test_vector(id + salt * 1000000)}),
		0, "$name: every row has the vector of its id");
	return;
}

# Besides those that the table begins with.
sub rows_written
{
	return $node->safe_psql('postgres', qq{
		SELECT n_tup_ins + n_tup_upd + n_tup_del - $rows FROM pg_stat_user_tables
		WHERE relname = 'items'});
}

foreach my $exact ('off', 'zstd', 'plain')
{
	$node->safe_psql('postgres', 'DROP TABLE IF EXISTS items');
	make_salted_items($node, 'items', $rows);
	$node->safe_psql('postgres',
		"CREATE INDEX items_v ON items USING vego_hnsw (v vector_l2_ops) WITH (exact = $exact)");

	my $writers = start_load($node, 4, {
		# as the ids are few, rows are deleted that others are about to update
		q{\set id random(1, 30000)
			INSERT INTO items SELECT * FROM test_row(:id, 0) ON CONFLICT DO NOTHING;
		} => 8,
		q{\set id random(1, 30000)
			DELETE FROM items WHERE id BETWEEN :id AND :id + 2;
		} => 4,
		q{\set id random(1, 30000)
			UPDATE items SET salt = salt + 1, v = test_vector(id + (salt + 1) * 1000000)
				WHERE id = :id;
		} => 4,
		# the same vector again, perhaps on another page
		q{\set id random(1, 30000)
			UPDATE items SET touched = touched + 1 WHERE id = :id;
		} => 2,
		q{\set id random(1, 30000)
			BEGIN;
			SAVEPOINT one;
			INSERT INTO items SELECT * FROM test_row(:id + 500000, 0);
			ROLLBACK TO one;
			INSERT INTO items SELECT * FROM test_row(:id, 0) ON CONFLICT DO NOTHING;
			COMMIT;
		} => 1,
		q{\set id random(1, 30000)
			BEGIN;
			INSERT INTO items SELECT * FROM test_row(:id + 600000, 0);
			ROLLBACK;
		} => 1 });
	my $vacuum = start_load($node, 1, {
		"VACUUM (INDEX_CLEANUP ON) items;\n\\sleep 50 ms\n" => 1 });
	my $scans = start_load($node, 2, {
		q{\set query random(1, 1000000)
			SELECT test_scan_is_right('items', :query, 20);
		} => 9,
		q{\set query random(1, 1000000)
			SELECT test_scan_is_right('items', :query, 300);
		} => 1 });

	# a statement that waits for a lock in each of so many samples hangs
	my %waits;
	my $longest_wait = 0;
	my $begun = time();

	while (time() < $begun + $seconds ||
		rows_written() < $rows_wanted && time() < $begun + $patience)
	{
		sleep 1;
		my %before = %waits;

		%waits = map { $_ => 1 + ($before{$_} // 0) } split /\n/,
		  $node->safe_psql('postgres', q{
			SELECT pid || ' ' || wait_event || ' ' || query_start
			FROM pg_stat_activity
			WHERE wait_event_type IN ('LWLock', 'BufferPin', 'Lock')
				AND backend_type = 'client backend'});
		foreach my $samples (values %waits)
		{
			$longest_wait = $samples if $samples > $longest_wait;
		}
	}
	cmp_ok($longest_wait, '<', 5, "$exact: nobody waits long for a lock");
	ok(load_is_running($writers), "$exact: writers still run");
	ok(load_is_running($vacuum), "$exact: vacuum still runs");
	ok(load_is_running($scans), "$exact: scans still run");
	is(stop_load($scans), '', "$exact: scans without errors");
	is(stop_load($writers), '', "$exact: writers without errors");
	is(stop_load($vacuum), '', "$exact: vacuum without errors");
	wait_until_alone($node);

	my $done = rows_written();
	note("$done rows written");
	cmp_ok($done, '>=', $rows_wanted, "$exact: a good number of rows were written");

	everything_is_found("$exact, quiet");
	$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) items');
	everything_is_found("$exact, vacuumed");

	make_truth($node, 'items', queries => 100);
	my $lived = recall($node, 'items', 100);
	$node->safe_psql('postgres', 'REINDEX INDEX items_v');
	my $fresh = recall($node, 'items', 100);

	cmp_ok($lived, '>=', $fresh - $tolerance,
		sprintf '%s: recall %.4f is that of a fresh index, %.4f',
		$exact, $lived, $fresh);
}

$node->stop;
done_testing();
