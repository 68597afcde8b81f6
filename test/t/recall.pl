# What the index finds: built, inserted into, deleted from, and turned over.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VegoTest;

my $generations = rounds(5, 20);
my $copies = rounds(20_000, 100_000);

# Recall of one index may be this much below that of another.  200 queries tell
# them apart to some 0.004, and another processor, which rounds otherwise, makes
# others; the long run asks more, and for more.
my ($queries, $tolerance) = long_run() ? (1000, 0.01) : (200, 0.02);
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

	# a build sees all rows, an insert those before it
	my $below_built = $tolerance + 0.005;
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
	make_truth($node, 'part', op => $op, queries => $queries);
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
	my ($name, $below) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	index_is_clean($node, 'items_v', $name);
	make_truth($node, 'items', queries => $queries);
	my @found = recalls('items', '<->');
	my $bytes = $node->safe_psql('postgres',
		q{SELECT pg_relation_size('items_v')});

	$node->safe_psql('postgres', 'REINDEX INDEX items_v');
	my @fresh = recalls('items', '<->');
	my $fresh_bytes = $node->safe_psql('postgres',
		q{SELECT pg_relation_size('items_v')});

	recalls_at_least($name, \@found, \@fresh, $below // $tolerance);
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

$node->safe_psql('postgres', q{
	CREATE TABLE whole AS TABLE items;
	CREATE INDEX items_v ON items USING vego_hnsw (v vector_l2_ops)});
foreach my $percent (10, 50, 75, 90)
{
	$node->safe_psql('postgres', qq{
		TRUNCATE items;
		INSERT INTO items SELECT * FROM whole;
		REINDEX INDEX items_v;
		DELETE FROM items WHERE hashint8extended(id, $percent) & 1023 < $percent * 10.24});
	vacuum();
	as_good_as_fresh("$percent % deleted");
}

# The rows that went are replaced, and a fifth goes at a time.
$node->safe_psql('postgres', q{
	TRUNCATE items;
	INSERT INTO items SELECT * FROM whole WHERE id <= 14000;
	VACUUM ANALYZE items;
	REINDEX INDEX items_v});
foreach my $generation (1 .. $generations)
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

# all rows have come by inserts now, among rows of which some had gone
my $growth = as_good_as_fresh("$generations generations", $tolerance + 0.005);

diag(sprintf 'size after %d generations: %.3f of a fresh index', $generations, $growth);
cmp_ok($growth, '<=', 1.25, "$generations generations: the index has not grown");

# Emptied and filled again.
$node->safe_psql('postgres', q{
	CREATE TABLE kept AS TABLE items;
	DELETE FROM items});
vacuum();
index_is_clean($node, 'items_v', 'emptied');
$node->safe_psql('postgres', 'INSERT INTO items SELECT * FROM kept');
$growth = as_good_as_fresh('filled again');
diag(sprintf 'size when filled again: %.3f of a fresh index', $growth);
cmp_ok($growth, '<=', 1.02, 'filled again: the index has not grown');

# Half of what is near a query is dead, and nothing has been vacuumed.
$node->safe_psql('postgres', q{
	TRUNCATE items;
	INSERT INTO items SELECT * FROM whole WHERE id <= 14000;
	REINDEX INDEX items_v});
foreach my $limit (10, 100)
{
	is($node->safe_psql('postgres', qq{
		BEGIN;
		DELETE FROM items WHERE id IN
			(SELECT id FROM (SELECT id, row_number() OVER (ORDER BY v <-> test_vector(-1)) AS n
				FROM items) x WHERE n <= 1000 AND n % 2 = 0);
		SET LOCAL enable_seqscan = off;
		SELECT count(DISTINCT id), every(d <= far) FROM
			(SELECT id, v <-> test_vector(-1) AS d FROM items
			 ORDER BY v <-> test_vector(-1) LIMIT $limit) x,
			(SELECT max(d) AS far FROM
				(SELECT v <-> test_vector(-1) AS d FROM items
				 ORDER BY (v <-> test_vector(-1)) + 0 LIMIT $limit * 1.2) y) z;
		ROLLBACK}),
		"$limit|t", "half dead around the query: LIMIT $limit is filled");
}

# The level that the place of a row gives it.  Rows above level 0 are few, and
# all others can do without them.
sub hash
{
	my ($h) = @_;

	$h ^= $h >> 16;
	$h = $h * 0x85ebca6b & 0xffffffff;
	$h ^= $h >> 13;
	$h = $h * 0xc2b2ae35 & 0xffffffff;
	return $h ^ $h >> 16;
}

sub is_above_level_0
{
	my ($ctid) = @_;
	my ($block, $offset) = $ctid =~ /(\d+),(\d+)/;

	return hash($block * 293 + $offset) % 32 == 0;
}

$node->safe_psql('postgres', q{
	TRUNCATE filled;
	DROP INDEX filled_v;
	CREATE INDEX filled_v ON filled USING vego_hnsw (v vector_l2_ops);
	INSERT INTO filled SELECT * FROM whole WHERE id <= 5000});
my @above = grep { is_above_level_0($_) }
  split /\n/, $node->safe_psql('postgres', 'SELECT ctid FROM filled');

{
	my $name = 'all above level 0';

	is($node->safe_psql('postgres', q{SELECT entry_level FROM vego_stats('filled_v')}) > 0,
		1, 'there are rows above level 0');
	$node->safe_psql('postgres', 'DELETE FROM filled WHERE ctid IN ('
		  . join(',', map { "'$_'" } @above) . ')');
	index_is_clean($node, 'filled_v', "$name deleted");
	$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) filled');
	is($node->safe_psql('postgres', q{
			SELECT entry_level, upper_nodes FROM vego_stats('filled_v')}),
		'0|0', "$name deleted: only level 0 is left");
	index_is_clean($node, 'filled_v', "$name deleted, vacuumed");
	$node->safe_psql('postgres', q{
		INSERT INTO filled SELECT * FROM whole WHERE id BETWEEN 5001 AND 6000;
		VACUUM (INDEX_CLEANUP ON) filled});
	index_is_clean($node, 'filled_v', "$name deleted, refilled");
	make_truth($node, 'filled', queries => 100);
	cmp_ok(recall($node, 'filled', 100), '>=', 0.98, "$name deleted: rows are found");
}

# Rows that are all equal.
$node->safe_psql('postgres', qq{
	CREATE TABLE equals AS SELECT i AS id, test_vector(7)::vector(128) AS v
		FROM generate_series(1, $copies) i;
	CREATE INDEX equals_v ON equals USING vego_hnsw (v vector_l2_ops)});
sub equals_are_found
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	index_is_clean($node, 'equals_v', $name);
	foreach my $limit (10, 1000, 1_000_000)
	{
		is($node->safe_psql('postgres', qq{
			SET enable_seqscan = off;
			SELECT count(DISTINCT id) = least($limit, (SELECT count(*) FROM equals)) FROM
				(SELECT id FROM equals ORDER BY v <-> test_vector(-1) LIMIT $limit) x}),
			't', "$name: LIMIT $limit is filled");
	}
	return;
}

equals_are_found("$copies equal rows");
$node->safe_psql('postgres', q{
	DELETE FROM equals WHERE id % 2 = 0;
	VACUUM (INDEX_CLEANUP ON) equals});
equals_are_found('equal rows, half deleted');
$node->safe_psql('postgres', q{
	INSERT INTO equals SELECT -i, test_vector(7) FROM generate_series(1, 2000) i});
equals_are_found('equal rows, more inserted');

# An insert does not go through all of them to find one that has room: it looks
# at what its search is wide, and at a few more.
my ($before, $after) = split /\n/, $node->safe_psql('postgres', q{
	TRUNCATE equals;
	INSERT INTO equals SELECT i, v FROM generate_series(1, 6000) i, test_vector(7) v;
	SELECT expanded FROM vego_stats('equals_v');
	INSERT INTO equals SELECT -i, v FROM generate_series(1, 2000) i, test_vector(7) v;
	SELECT expanded FROM vego_stats('equals_v')});
my $looked_at = ($after - $before) / 2000;
diag(sprintf '%.1f nodes expanded for each equal row inserted', $looked_at);
cmp_ok($looked_at, '<=', 2 * 96, 'equal rows: an insert looks at few');
equals_are_found('equal rows, all inserted');

# Other types: three quarters go.
$node->safe_psql('postgres', q{
	CREATE TABLE halves AS SELECT id, v::halfvec(128) AS v FROM whole WHERE id <= 4000;
	CREATE INDEX halves_v ON halves USING vego_hnsw (v halfvec_l2_ops);
	CREATE TABLE sparse AS SELECT id, v::sparsevec(128) AS v FROM whole WHERE id <= 4000;
	CREATE INDEX sparse_v ON sparse USING vego_hnsw (v sparsevec_l2_ops);
	CREATE TABLE strings AS SELECT id, binary_quantize(v - (SELECT avg(v) FROM whole))::bit(128) AS v
		FROM whole WHERE id <= 4000;
	CREATE INDEX strings_v ON strings USING vego_hnsw (v bit_hamming_ops)});
foreach my $kind ([ 'halves', '<->' ], [ 'sparse', '<->' ], [ 'strings', '<~>' ])
{
	my ($table, $op) = @$kind;

	$node->safe_psql('postgres', qq{
		DELETE FROM $table WHERE id % 4 > 0;
		VACUUM (INDEX_CLEANUP ON) $table});
	index_is_clean($node, "${table}_v", "$table, three quarters deleted");
	is($node->safe_psql('postgres', qq{
		SET enable_seqscan = off;
		SET vego.ef_search = 200;
		SELECT avg((SELECT count(*) FROM
				(SELECT v $op q.v AS d FROM $table ORDER BY v $op q.v LIMIT 10) x
				WHERE d <= far)) >= 9.8
		FROM (SELECT id, v FROM $table ORDER BY id LIMIT 50) q,
			LATERAL (SELECT max(d) AS far FROM
				(SELECT v $op q.v AS d FROM $table ORDER BY (v $op q.v) + 0 LIMIT 10) y) z}),
		't', "$table, three quarters deleted: rows are found");
}

$node->stop;
done_testing();
