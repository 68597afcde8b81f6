# A standby takes over while the primary is being written to, and the old
# primary, rewound, becomes its standby; then they change places again.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use File::Copy qw(copy);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use VegoTest;

my $rounds = rounds(2, 20);

test_seed();
my $primary = new_vego_node('one', allows_streaming => 1, conf => <<'CONF');
shared_buffers = 32MB
wal_keep_size = 20GB
wal_log_hints = on
CONF

make_salted_items($primary, 'items', 2_000);
$primary->safe_psql('postgres', q{
	CREATE INDEX items_v ON items USING vego_hnsw (v vector_l2_ops)});
my @indexes = ('items_v', make_other_indexes($primary, 'items'));

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('two');

$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

sub start_writers
{
	my ($node) = @_;

	return start_load($node, 3, {
		q{\set id random(1, 4000)
			INSERT INTO items SELECT * FROM test_row(:id, 0) ON CONFLICT DO NOTHING;
		} => 6,
		q{\set id random(1, 4000)
			DELETE FROM items WHERE id BETWEEN :id AND :id + 2;
		} => 3,
		q{\set id random(1, 4000)
			UPDATE items SET salt = salt + 1, v = test_vector(id + (salt + 1) * 1000000)
				WHERE id = :id;
		} => 3,
		q{VACUUM (INDEX_CLEANUP ON) items;
		} => 1 });
}

# The old primary has records that the new one never got, so it is rewound.
sub rejoin
{
	my ($old, $new) = @_;
	my $folder = $old->data_dir;
	my $kept = $PostgreSQL::Test::Utils::tmp_check . '/postgresql.conf';

	copy("$folder/postgresql.conf", $kept);
	# up to 15 pg_rewind takes the new timeline from the last checkpoint
	$new->safe_psql('postgres', 'CHECKPOINT');
	command_ok([ 'pg_rewind', '--no-sync', '--target-pgdata', $folder,
			'--source-server', $new->connstr('postgres') ],
		'the old primary is rewound');
	copy($kept, "$folder/postgresql.conf");
	$old->append_conf('postgresql.conf',
		"primary_conninfo = '" . $new->connstr . "'");
	$old->set_standby_mode;
	$old->start;
	$new->wait_for_catchup($old);
	return;
}

foreach my $round (1 .. $rounds)
{
	my $name = "round $round";
	my $killed_first = rand() < 0.5;
	my $writers = start_writers($primary);
	my $scans = start_load($standby, 1, {
		q{\set query random(1, 1000000)
			SELECT test_scan_is_right('items', :query, 20);
		} => 1 });

	sleep 0.5 + rand 1.5;
	ok(load_is_running($writers), "$name: there are writers");
	kill_server_group($primary) if $killed_first;
	$standby->promote;
	kill_server_group($primary) unless $killed_first;
	stop_load($writers);
	ok(load_is_running($scans), "$name: scans go on");
	index_is_clean($standby, $_, "$name, promoted: $_") foreach @indexes;

	my $more = start_writers($standby);

	sleep 0.5 + rand 1;
	is(stop_load($more), '', "$name: the new primary takes writes");
	is(stop_load($scans), '', "$name: scans without errors");
	wait_until_alone($standby);
	index_is_clean($standby, $_, "$name, written on: $_") foreach @indexes;
	rejoin($primary, $standby);
	index_is_clean($primary, $_, "$name, rejoined: $_") foreach @indexes;
	($primary, $standby) = ($standby, $primary);
}

$_->stop foreach $standby, $primary;
done_testing();
