# Nodes are read without pins where they can be, and that changes no answer:
# not in quiet, not beside writers, and not when pages come and go.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use VegoTest;

# Recall may be so much lower beside writers than in quiet.
my $tolerance = 0.02;
# Eviction is seen at so many blocks; what a slow machine may take for them.
my $blocks_wanted = 20_000;
my $patience = 200;

test_seed();
my $node = new_vego_node('reading', conf => <<'CONF');
shared_buffers = 128MB
max_connections = 30
CONF

make_salted_items($node, 'items', 20_000);
$node->safe_psql('postgres', <<'SQL');
CREATE INDEX items_v ON items USING vego_hnsw (v vector_l2_ops);
-- an update of touched is a new row version, and a new node
CREATE INDEX ON items (touched);
CREATE TABLE other AS SELECT i, repeat('x', 500) AS filler
	FROM generate_series(1, 20000) i;
VACUUM ANALYZE items, other;
SQL
make_truth($node, 'items', queries => 200);

# One session, which has met every page before it counts.
my $searches = q{
	SELECT md5(string_agg(i || ' ' || id || ' ' || d, ',' ORDER BY i, place))
	FROM generate_series(1, 1000) i, test_vector(-i) q,
		LATERAL (SELECT id, d, row_number() OVER () AS place FROM
			(SELECT id, v <-> q AS d FROM items ORDER BY v <-> q LIMIT 20) x) y};
my $counters = q{
	SELECT ranked_by_hint, ranked_by_pin, reads, pins, expanded, searches,
		rows_fetched, rows_returned, rows_withheld FROM vego_stats('items_v')};
my @out = split /\n/, $node->safe_psql('postgres', qq{
	SET enable_seqscan = off;
	$searches; $counters;
	$searches; $counters;
	SET vego.pinned_reads = on;
	$searches; $counters});
my ($hinted_answer, $pinned_answer) = @out[ 2, 4 ];
my @at = map { [ split /\|/ ] } @out[ 1, 3, 5 ];
my @hinted = map { $at[1][$_] - $at[0][$_] } 0 .. 8;
my @pinned = map { $at[2][$_] - $at[1][$_] } 0 .. 8;
my $share = $hinted[0] / ($hinted[0] + $hinted[1] || 1);

diag(sprintf '%.1f nodes scored a search, %.3f %% of them by hint; '
	  . '%.1f expanded, %.1f read', ($hinted[0] + $hinted[1]) / 1000,
	100 * $share, $hinted[4] / 1000, $hinted[2] / 1000);
cmp_ok($hinted[0], '>', 100_000, 'searches score nodes');
cmp_ok($share, '>', 0.99, 'nearly all nodes are scored by hint');
is($hinted[3], $hinted[1] + $hinted[2], 'a pin for each that is not');

# What is read: the nodes whose rows are fetched, and one in eight, so that
# the index keeps its place in the cache.
cmp_ok($hinted[2], '>=', $hinted[6] + $hinted[4] / 9, 'enough nodes are read');
cmp_ok($hinted[2], '<=', $hinted[6] + $hinted[4] / 7 + 1000,
	'few others are read');
is($pinned[0], 0, 'pinned_reads: no hints');
is($pinned[1], $hinted[0] + $hinted[1], 'pinned_reads: as many nodes scored');
is($pinned[2], $pinned[4] + $pinned[6], 'pinned_reads: all expanded are read');
is("@pinned[4..8]", "@hinted[4..8]", 'pinned_reads: the same work otherwise');
is($pinned_answer, $hinted_answer, 'pinned_reads: the same answers');
is($out[0], $hinted_answer, 'the first searches gave the same answers');

# Temporary tables live elsewhere, and are never read by hint.
is($node->safe_psql('postgres', q{
		CREATE TEMP TABLE mine AS SELECT id, v FROM items WHERE id <= 2000;
		CREATE INDEX mine_v ON mine USING vego_hnsw (v vector_l2_ops);
		SET enable_seqscan = off;
		CREATE TEMP TABLE found AS
			SELECT i, id, d FROM generate_series(1, 50) i, test_vector(-i) q,
				LATERAL (SELECT id, v <-> q AS d FROM mine
						 ORDER BY v <-> q LIMIT 10) x;
		SELECT count(*), (SELECT ranked_by_hint FROM vego_stats('mine_v')),
			(SELECT ranked_by_pin > 1000 FROM vego_stats('mine_v')) FROM found}),
	'500|0|t', 'a temporary index is read under pins');

sub blocks_read
{
	return $node->safe_psql('postgres', q{
		SELECT idx_blks_read FROM pg_statio_user_indexes
		WHERE indexrelname = 'items_v'});
}

# Every row keeps its vector below, so the true answers stay.  What can be
# found is what is found under pins and in quiet, before or after.  It goes on
# for so many seconds, and until so many blocks have been read.
sub churn_and_search
{
	my ($name, $seconds, $blocks_wanted, %more) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $before = recall($node, 'items', 40, pinned => 1);
	my $read_before = blocks_read();
	my %loads = (
		writers => start_load($node, 2, {
			q{\set id random(1, 20000)
				UPDATE items SET touched = touched + 1 WHERE id = :id;
			} => 1 }),
		vacuum => start_load($node, 1, {
			"VACUUM (INDEX_CLEANUP ON) items;\n\\sleep 200 ms\n" => 1 }),
		scans => start_load($node, 2, {
			q{\set query random(1, 1000000)
				SELECT test_scan_is_right('items', :query, 20);
			} => 9,
			q{\set query random(1, 1000000)
				SELECT test_scan_is_right('items', :query, 200);
			} => 1 }),
		%more);
	my $lowest = 1;
	my $end = time() + $seconds;

	while (time() < $end || time() < $end + $patience &&
		blocks_read() - $read_before < $blocks_wanted)
	{
		my $recall = recall($node, 'items', 40);

		$lowest = $recall if $recall < $lowest;
	}
	ok(load_is_running($loads{$_}), "$name: $_ still run")
	  foreach sort keys %loads;
	is(stop_load($loads{$_}), '', "$name: $_ without errors")
	  foreach sort keys %loads;
	wait_until_alone($node);
	my $after = recall($node, 'items', 40, pinned => 1);
	my $quiet = $before < $after ? $before : $after;

	cmp_ok($lowest, '>=', $quiet - $tolerance,
		sprintf '%s: recall %.4f is near that in quiet, %.4f before and %.4f after',
		$name, $lowest, $before, $after);
	index_is_clean($node, 'items_v', $name);
	return blocks_read() - $read_before;
}

churn_and_search('beside writers', 12, 0);

# The smallest cache, in which pages replace each other all the time.
$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) items');
$node->append_conf('postgresql.conf', 'shared_buffers = 1MB');
$node->restart;
cmp_ok($node->safe_psql('postgres', q{SELECT pg_relation_size('items_v')}),
	'>', 4 * 1024 * 1024, 'the index is far larger than the cache');
my $read = churn_and_search('under eviction', 15, $blocks_wanted,
	readers => start_load($node, 2, {
		"SELECT sum(length(filler)) FROM other;\n" => 1 }));

note("$read blocks of the index were read in");
cmp_ok($read, '>=', $blocks_wanted, 'pages of the index came and went');
my %found = map {
	my ($answer, $prefetches) = split /\n/, $node->safe_psql('postgres', qq{
		SET enable_seqscan = off; $_; $searches;
		SELECT prefetches FROM vego_stats('items_v');});
	$_ => { answer => $answer, prefetches => $prefetches };
} ('SET effective_io_concurrency = 1', 'SET effective_io_concurrency = 0',
	'SET vego.pinned_reads = on');
my ($prefetching, $not_prefetching, $pinned) =
  @found{ 'SET effective_io_concurrency = 1',
	'SET effective_io_concurrency = 0', 'SET vego.pinned_reads = on' };

is($prefetching->{answer}, $pinned->{answer},
	'under eviction: pinned_reads gives the same answers');
is($not_prefetching->{answer}, $pinned->{answer},
	'under eviction: and so do pages read one after the other');
# How many depends on the clock, but a connection begins by asking.
cmp_ok($prefetching->{prefetches}, '>', 0,
	'pages are asked for before they are needed');
is($not_prefetching->{prefetches}, 0, 'unless that is switched off');

$node->stop;
done_testing();
