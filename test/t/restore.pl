# An index comes back in other ways than by recovery from a kill: its pages were
# torn when the power went; a base backup taken under load is rolled forward to
# some moment; what was made was never in WAL (wal_level = minimal); or it is
# another index, on the subscriber of a logical replication.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use VegoTest;

my $rounds = rounds(1, 20);
my $targets = rounds(2, 20);

test_seed();

# Each index is sound, and the first finds every row.
sub is_whole
{
	my ($node, $name, $table, @indexes) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $rows = $node->safe_psql('postgres', "SELECT count(*) FROM $table");

	index_is_clean($node, $_, "$name, $_") foreach @indexes;
	is($node->safe_psql('postgres', qq{
			SET enable_seqscan = off;
			SET vego."order" = relaxed;
			SELECT count(*), count(DISTINCT id) FROM
				(SELECT id FROM $table ORDER BY v <-> test_vector(-1)) x}),
		"$rows|$rows", "$name: every row is found, once");
	return $rows;
}

# Torn pages.  What was changed since the checkpoint is in WAL as a whole page, so
# it does not matter what the disk has of it.
my $torn = PostgreSQL::Test::Cluster->new('torn');

$torn->init(extra => ['--data-checksums']);
$torn->append_conf('postgresql.conf', <<'CONF');
fsync = off
autovacuum = off
checkpoint_timeout = 1h
max_wal_size = 2GB
shared_buffers = 64MB
CONF
$torn->start;
install_vego_helpers($torn);
$torn->safe_psql('postgres', 'CREATE EXTENSION pageinspect');
make_items($torn, 'items', 1_000);
$torn->safe_psql('postgres',
	'CREATE INDEX items_v ON items USING vego_hnsw (v vector_l2_ops) WITH (exact = zstd)');
my @torn_indexes = ('items_v', make_other_indexes($torn, 'items'));

sub tear_pages
{
	my ($redo) = @_;
	my @pages = map { [ split /\|/ ] } split /\n/, $torn->safe_psql('postgres', qq{
		SELECT pg_relation_filepath(c.oid), block
		FROM pg_class c JOIN pg_am a ON a.oid = relam AND amname = 'vego_hnsw',
			generate_series(0, pg_relation_size(c.oid) / 8192 - 1) block,
			page_header(get_raw_page(relname, block)) h
		WHERE h.lsn > '$redo'});

	kill_server_group($torn);
	foreach my $page (@pages)
	{
		my ($file, $block) = @$page;
		my $bytes = 512 * (1 + int rand 8);
		my $at = 512 * int rand(17 - $bytes / 512);

		open my $out, '+<:raw', $torn->data_dir . "/$file" or die "$file: $!";
		seek $out, $block * 8192 + $at, 0;
		print $out join '', map { chr int rand 256 } 1 .. $bytes;
		close $out;
	}
	$torn->start;
	return scalar @pages;
}

foreach my $round (1 .. $rounds)
{
	my $first = 10_000 * $round;

	$torn->safe_psql('postgres', 'CHECKPOINT');
	my $redo = $torn->safe_psql('postgres', 'SELECT redo_lsn FROM pg_control_checkpoint()');

	$torn->safe_psql('postgres', qq{
		DELETE FROM items WHERE id % 5 = $round % 5;
		VACUUM (INDEX_CLEANUP ON) items;
		INSERT INTO items SELECT i, test_vector(i)
			FROM generate_series($first, $first + 199) i});
	my $pages = tear_pages($redo);

	note("$pages pages were torn");
	cmp_ok($pages, '>=', 50, "torn, round $round: there were many pages");
	is_whole($torn, "torn, round $round", 'items', @torn_indexes);
}
$torn->stop;

# A backup under load, rolled forward.
my $primary = new_vego_node('primary', allows_streaming => 1, conf => <<'CONF');
shared_buffers = 32MB
CONF
$primary->enable_archiving;
$primary->restart;
make_salted_items($primary, 'items', 1_000);
$primary->safe_psql('postgres',
	'CREATE INDEX items_v ON items USING vego_hnsw (v vector_l2_ops) WITH (exact = plain)');
my @indexes = ('items_v', make_other_indexes($primary, 'items'));
my $load = start_load($primary, 3, {
	q{\set id random(1, 4000)
		INSERT INTO items SELECT * FROM test_row(:id, 0) ON CONFLICT DO NOTHING;
	} => 6,
	q{\set id random(1, 4000)
		DELETE FROM items WHERE id BETWEEN :id AND :id + 2;
	} => 3,
	q{VACUUM (INDEX_CLEANUP ON) items;
	} => 1 });

sub bytes_of_wal
{
	return $primary->safe_psql('postgres',
		q{SELECT pg_current_wal_flush_lsn() - '0/0'});
}

sleep 0.5;
$primary->backup('under_load');
my $from = bytes_of_wal();
sleep 2;
my $to = bytes_of_wal();

ok(load_is_running($load), 'backup: the load goes on');
is(stop_load($load), '', 'backup: the load meets no error');
wait_until_alone($primary);
$primary->safe_psql('postgres', 'SELECT pg_switch_wal()');
foreach my $target (1 .. $targets)
{
	my $lsn = $primary->safe_psql('postgres',
		sprintf q{SELECT '0/0'::pg_lsn + %d}, $from + rand($to - $from));
	my $name = "backup, rolled forward to $lsn";
	my $copy = PostgreSQL::Test::Cluster->new("copy_$target");

	$copy->init_from_backup($primary, 'under_load', has_restoring => 1,
		standby => 0);
	$copy->append_conf('postgresql.conf',
		"recovery_target_lsn = '$lsn'\nrecovery_target_action = promote");
	$copy->start;
	$copy->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()')
	  or die 'recovery does not end';
	is_whole($copy, $name, 'items', @indexes);
	$copy->safe_psql('postgres', q{
		DELETE FROM items WHERE id % 3 = 0;
		VACUUM (INDEX_CLEANUP ON) items;
		INSERT INTO items SELECT r.* FROM generate_series(5001, 5100) i, test_row(i, 0) r});
	is_whole($copy, "$name, written on", 'items', @indexes);
	$copy->stop('immediate');
	$copy->clean_node;
}
$primary->stop;

# No WAL of what a transaction has made; at its end it is on disk, or is logged
# as whole pages where it is small.
my $minimal = new_vego_node('minimal', conf => <<'CONF');
wal_level = minimal
max_wal_senders = 0
shared_buffers = 16MB
CONF

make_items($minimal, 'filled', 100);
$minimal->safe_psql('postgres',
	'CREATE INDEX filled_v ON filled USING vego_hnsw (v vector_l2_ops)');
foreach my $threshold ('0', '2GB')
{
	my $name = "minimal, wal_skip_threshold = $threshold";

	$minimal->safe_psql('postgres', qq{
		SET wal_skip_threshold = '$threshold';
		BEGIN;
		DROP TABLE IF EXISTS made;
		CREATE TABLE made (id bigint, v vector(128));
		INSERT INTO made SELECT i, test_vector(i) FROM generate_series(1, 600) i;
		CREATE INDEX made_v ON made USING vego_hnsw (v vector_l2_ops) WITH (exact = zstd);
		INSERT INTO made SELECT i, test_vector(i) FROM generate_series(601, 700) i;
		TRUNCATE filled;
		INSERT INTO filled SELECT * FROM made WHERE id <= 300;
		COMMIT;
		REINDEX INDEX made_v;
		INSERT INTO made SELECT i, test_vector(i) FROM generate_series(701, 720) i});
	kill_server_group($minimal);
	$minimal->start;
	is(is_whole($minimal, "$name, made", 'made', 'made_v'), 720,
		"$name: rows made are there");
	is(is_whole($minimal, "$name, filled", 'filled', 'filled_v'), 300,
		"$name: rows filled in are there");
}
$minimal->stop;

# Logical replication, in text and in binary: long vectors that updates leave
# as they are, a column that is added, all types.
my $publisher = new_vego_node('publisher', conf => "wal_level = logical\n",
	allows_streaming => 'logical');
my $subscriber = new_vego_node('subscriber');
my $table = 'CREATE TABLE %s (id int PRIMARY KEY, n int, v vector(700),
	h halfvec(700), s sparsevec(700), b bit(700))';

$publisher->safe_psql('postgres', q{
	CREATE FUNCTION new_rows(rel regclass, first int, last int) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		EXECUTE format('INSERT INTO %s SELECT i, 0, x, x, x, binary_quantize(x)
			FROM generate_series(%s, %s) i, test_vector(i, 700) x', rel, first, last);
	END $$});
foreach my $form ('by_text', 'by_binary')
{
	my $binary = $form eq 'by_binary' ? 'true' : 'false';
	my $sum = "SELECT count(*), sum(hashtext(t::text)) FROM $form t";

	$_->safe_psql('postgres', sprintf $table, $form) foreach $publisher, $subscriber;
	$publisher->safe_psql('postgres', qq{
		SELECT new_rows('$form', 1, 200);
		CREATE PUBLICATION $form FOR TABLE $form});
	$subscriber->safe_psql('postgres', qq{
		CREATE INDEX ${form}_v ON $form USING vego_hnsw (v vector_cosine_ops) WITH (exact = plain);
		CREATE INDEX ${form}_h ON $form USING vego_hnsw (h halfvec_l2_ops) WITH (exact = zstd);
		CREATE INDEX ${form}_s ON $form USING vego_hnsw (s sparsevec_ip_ops);
		CREATE INDEX ${form}_b ON $form USING vego_hnsw (b bit_hamming_ops)});
	$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION $form CONNECTION '"
		  . $publisher->connstr . " dbname=postgres' PUBLICATION $form WITH (binary = $binary)");
	$subscriber->poll_query_until('postgres', q{
		SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate NOT IN ('r', 's')})
	  or die 'the table is not copied';
	$publisher->safe_psql('postgres', qq{
		SELECT new_rows('$form', 201, 300);
		UPDATE $form SET n = n + 1 WHERE id % 3 = 0;
		UPDATE $form SET v = v + v, h = h + h WHERE id % 7 = 0;
		UPDATE $form SET id = id + 1000 WHERE id % 11 = 0;
		DELETE FROM $form WHERE id % 5 = 0});
	$_->safe_psql('postgres', "ALTER TABLE $form ADD more vector(3)")
	  foreach $subscriber, $publisher;
	$publisher->safe_psql('postgres', qq{
		UPDATE $form SET more = '[1,2,3]' WHERE id % 2 = 0});
	$publisher->wait_for_catchup($form);
	is($subscriber->safe_psql('postgres', $sum),
		$publisher->safe_psql('postgres', $sum), "subscription, $form: the same rows");
	index_is_clean($subscriber, "${form}_$_", "subscription, $form, $_")
	  foreach qw(v h s b);
	is($subscriber->safe_psql('postgres', qq{
			SET enable_seqscan = off;
			SET vego."order" = relaxed;
			SELECT count(*) = (SELECT count(*) FROM $form) FROM
				(SELECT id FROM $form ORDER BY v <=> test_vector(-1, 700)) x}),
		't', "subscription, $form: every row is found");
	$subscriber->safe_psql('postgres', "VACUUM (INDEX_CLEANUP ON) $form");
	index_is_clean($subscriber, "${form}_$_", "subscription, $form, $_, vacuumed")
	  foreach qw(v h s b);
	$subscriber->safe_psql('postgres', "DROP SUBSCRIPTION $form");
}
unlike(slurp_file($subscriber->logfile), qr/PANIC|TRAP|terminated by signal/,
	'the subscriber complained of nothing');
$_->stop foreach $subscriber, $publisher;
done_testing();
