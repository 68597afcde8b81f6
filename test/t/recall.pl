# What the index finds: built, inserted into, deleted from, and turned over.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VegoTest;

# Recall of one index way may be this much below that of another; 200 queries
# tell them apart to some 0.005.
my $tolerance = 0.015;
my @widths = (40, 100, 200);

my $node = new_vego_node('recall', conf => 'shared_buffers = 256MB');

sub recalls
{
	my ($table, $op) = @_;

	return map { recall($node, $table, $_, op => $op) } @widths;
}

sub recalls_at_least
{
	my ($name, $found, $wanted, $tolerated) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	foreach my $i (0 .. $#widths)
	{
		cmp_ok($found->[$i], '>=', $wanted->[$i] - $tolerated,
			sprintf '%s: recall@10 at ef_search %d is %.4f, %.4f wanted',
			$name, $widths[$i], $found->[$i], $wanted->[$i]);
	}
	return;
}

make_items($node, 'items', 20_000);
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE part AS SELECT * FROM items WHERE id <= 10000;
ALTER TABLE part ADD PRIMARY KEY (id);
CREATE TABLE filled (LIKE part INCLUDING ALL);
VACUUM ANALYZE part;
SQL

# Built, and inserted into an empty index.  The floors are for these rows:
# far below them no graph search works as it should.
foreach my $case (
	[ 'vector_l2_ops', '<->', 8, [ 0.95, 0.98, 0.99 ] ],
	[ 'vector_l2_ops', '<->', 4, [ 0.93, 0.97, 0.98 ] ],
	[ 'vector_cosine_ops', '<=>', 8, [ 0.95, 0.98, 0.99 ] ],
	[ 'vector_ip_ops', '<#>', 8, [ 0.90, 0.96, 0.98 ] ],
	[ 'vector_l1_ops', '<+>', 8, [ 0.93, 0.97, 0.98 ] ])
{
	my ($class, $op, $bits, $floors) = @$case;

	# a build lets every row choose beacons among the longest of all
	my $below_built = $op eq '<#>' ? 0.015 : $tolerance;
	my $name = "$class, $bits bits";

	$node->safe_psql('postgres', qq{
		DROP INDEX IF EXISTS part_v, filled_v;
		TRUNCATE filled;
		CREATE INDEX part_v ON part USING vego_hnsw (v $class)
			WITH (bits = $bits);
		CREATE INDEX filled_v ON filled USING vego_hnsw (v $class)
			WITH (bits = $bits);
		INSERT INTO filled SELECT * FROM part;
		VACUUM ANALYZE filled});
	make_truth($node, 'part', op => $op);
	my @built = recalls('part', $op);
	my @inserted = recalls('filled', $op);

	recalls_at_least("$name, built", \@built, $floors, 0);
	recalls_at_least("$name, inserted", \@inserted, \@built, $below_built);
	index_is_clean($node, 'part_v', "$name, built");
	index_is_clean($node, 'filled_v', "$name, inserted");
}

# Compares the index with a fresh one on the same rows, which it becomes.
sub as_good_as_fresh
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	index_is_clean($node, 'items_v', $name);
	make_truth($node, 'items');
	my @found = recalls('items', '<->');
	my $bytes = $node->safe_psql('postgres',
		q{SELECT pg_relation_size('items_v')});

	$node->safe_psql('postgres', 'REINDEX INDEX items_v');
	my @fresh = recalls('items', '<->');
	my $fresh_bytes = $node->safe_psql('postgres',
		q{SELECT pg_relation_size('items_v')});

	recalls_at_least($name, \@found, \@fresh, $tolerance);
	index_is_clean($node, 'items_v', "$name, fresh");
	return $bytes / $fresh_bytes;
}

sub vacuum
{
	$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) items');
	is( $node->safe_psql('postgres',
			q{SELECT dead_slots FROM vego_stats('items_v')}),
		0,
		'no slot is dead after a vacuum');
	return;
}

$node->safe_psql('postgres',
	'CREATE INDEX items_v ON items USING vego_hnsw (v vector_l2_ops)');
foreach my $percent (10, 50)
{
	$node->safe_psql('postgres',
		"DELETE FROM items WHERE hashint8extended(id, $percent) & 1023 < $percent * 10.24");
	vacuum();
	as_good_as_fresh("$percent % deleted");
}

# The rows that went are replaced, and a fifth goes at a time.
$node->safe_psql('postgres', q{
	INSERT INTO items SELECT i, test_vector(i)
		FROM generate_series(100001, 112000) i;
	VACUUM ANALYZE items;
	REINDEX INDEX items_v});
foreach my $generation (1 .. 5)
{
	my $first = 200_000 + $generation * 10_000;

	my $deleted = $node->safe_psql('postgres', qq{
		WITH gone AS (DELETE FROM items
			WHERE hashint8extended(id, $generation) & 1023 < 205 RETURNING 1)
		SELECT count(*) FROM gone});
	vacuum();
	index_is_clean($node, 'items_v', "generation $generation, vacuumed");
	$node->safe_psql('postgres', qq{
		INSERT INTO items SELECT i, test_vector(i)
			FROM generate_series($first, $first + $deleted - 1) i});
	index_is_clean($node, 'items_v', "generation $generation, refilled");
}
my $growth = as_good_as_fresh('5 generations');

diag(sprintf 'size after 5 generations: %.3f of a fresh index', $growth);
cmp_ok($growth, '<=', 1.25, '5 generations: the index has not grown');

# Emptied and filled again.
$node->safe_psql('postgres', q{
	CREATE TABLE kept AS SELECT * FROM items WHERE id % 2 = 0;
	DELETE FROM items});
vacuum();
index_is_clean($node, 'items_v', 'emptied');
$node->safe_psql('postgres', 'INSERT INTO items SELECT * FROM kept');
$growth = as_good_as_fresh('filled again');

$node->stop;
done_testing();
