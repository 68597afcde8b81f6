# Rows come in exact order, LIMITs are filled, and few rows are read for it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VegoTest;

my $rows = 20_000;
my $node = new_vego_node('order', conf => 'shared_buffers = 128MB');

make_items($node, 'items', $rows);
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE narrow AS TABLE items;
ALTER TABLE narrow ADD PRIMARY KEY (id);
CREATE INDEX items_v ON items USING vego_hnsw (v vector_l2_ops);
CREATE INDEX narrow_v ON narrow USING vego_hnsw (v vector_l2_ops)
	WITH (bits = 4);
VACUUM ANALYZE items, narrow;
SQL
ok( uses_index_scan(
		$node, 'items_v',
		'SELECT id FROM items ORDER BY v <-> test_vector(-1) LIMIT 10'),
	'the index gives the order');

# Runs scans and asserts what holds for all of them.
my $first_query = 1000;

sub scans_are_right
{
	my ($name, $table, $op, $scans, $filled, $widths) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($done, $seen, $out_of_order, $wrong, $duplicates, $unfilled) =
	  split /\|/, $node->safe_psql('postgres', qq{
		SELECT * FROM test_scans('$table', '$op', $scans,
			'{1,5,10,40,100,300,1000}', '{$widths}', $filled, $first_query)});

	$first_query += $scans;
	note("$name: $seen rows of $done scans");
	is($done, $scans, "$name: all scans ended");
	is($out_of_order, 0, "$name: no row out of order");
	is($wrong, 0, "$name: distances are the operator's");
	is($duplicates, 0, "$name: no row twice");
	is($unfilled, 0, "$name: every LIMIT is filled");
	return;
}

scans_are_right('8 bits', 'items', '<->', 6000, $rows, '10,40');
scans_are_right('4 bits', 'narrow', '<->', 2000, $rows, '10,40');

foreach my $class (
	[ 'vector_ip_ops', '<#>', 'plain' ],
	[ 'vector_cosine_ops', '<=>', 'zstd' ],
	[ 'vector_l1_ops', '<+>', 'off' ])
{
	my ($name, $op, $exact) = @$class;

	$node->safe_psql('postgres', qq{
		DROP INDEX narrow_v;
		CREATE INDEX narrow_v ON narrow USING vego_hnsw (v $name)
			WITH (exact = $exact)});
	scans_are_right($name, 'narrow', $op, 700, $rows, '10,40');
}

# What a LIMIT costs.  Counters are those of a session and an index.
sub cost_of_limit
{
	my ($limit, $queries) = @_;
	my $counters = q{
		SELECT rows_fetched || ' ' || rows_returned || ' ' || rows_withheld
			FROM vego_stats('items_v')};
	my $out = $node->safe_psql('postgres', qq{
		SET enable_seqscan = off;
		$counters;
		SELECT count(d) FROM generate_series(1, $queries) i,
			test_vector(-i) q,
			LATERAL (SELECT v <-> q AS d FROM items ORDER BY v <-> q
					 LIMIT $limit) x;
		$counters});
	my ($before, $found, $after) = split /\n/, $out;
	my @before = split / /, $before;
	my @after = split / /, $after;
	my ($fetched, $returned, $withheld) =
	  map { $after[$_] - $before[$_] } 0 .. 2;

	is($found, $queries * $limit, "LIMIT $limit: all rows came");
	is($returned, $queries * $limit, "LIMIT $limit: rows_returned counts them");
	diag(sprintf 'LIMIT %d: %.2f heap rows read a scan, %d of %d rows withheld (%.4f %%)',
		$limit, $fetched / $queries, $withheld, $returned,
		100.0 * $withheld / $returned);
	return ($fetched / $queries, $withheld / $returned);
}

my ($fetched, $withheld) = cost_of_limit(10, 2000);
cmp_ok($fetched, '<=', 1.5 * 10 + 5, 'LIMIT 10: few heap rows read');
cmp_ok($fetched, '>=', 10, 'LIMIT 10: every row is read from the heap');
cmp_ok($withheld, '<', 0.001, 'LIMIT 10: few rows withheld');
($fetched, $withheld) = cost_of_limit(100, 1000);
cmp_ok($fetched, '<=', 1.5 * 100 + 5, 'LIMIT 100: few heap rows read');

# Rows so near each other that codes of 4 bits cannot tell them apart: a short
# LIMIT fetches no more of them than ef_search.
$node->safe_psql('postgres', q{
	CREATE TABLE close AS
		SELECT i AS id,
			(v + ('[' || repeat('0,', 127) || i * 1e-6 || ']')::vector)::vector(128) AS v
		FROM generate_series(1, 8000) i, test_vector(i % 20) v;
	CREATE INDEX close_v ON close USING vego_hnsw (v vector_l2_ops)
		WITH (bits = 4)});
$fetched = $node->safe_psql('postgres', q{
	SET enable_seqscan = off;
	SET vego.ef_search = 40;
	CREATE TEMP TABLE nearest AS
		SELECT i, id FROM generate_series(0, 19) i, test_vector(i) q,
			LATERAL (SELECT id FROM close ORDER BY v <-> q LIMIT 10) x;
	SELECT rows_fetched / 20.0 FROM vego_stats('close_v')});
cmp_ok($fetched, '<=', 50, 'rows that look alike: no more are fetched');
diag("$fetched rows fetched of rows that look alike");
$node->safe_psql('postgres', 'DROP TABLE close');

# relaxed order withholds nothing
is( $node->safe_psql('postgres', q{
		SET enable_seqscan = off;
		SET vego."order" = relaxed;
		SET vego.ef_search = 10;
		CREATE TEMP TABLE relaxed AS
			SELECT i, id FROM generate_series(1, 100) i, test_vector(-i) q,
				LATERAL (SELECT id FROM items ORDER BY v <-> q LIMIT 300) x;
		SELECT rows_withheld FROM vego_stats('items_v');
		SELECT count(*) = count(DISTINCT (i, id)), count(*) FROM relaxed}),
	"0\nt|30000",
	'relaxed order returns every row found, once');

# the whole table comes in order, and each row once
is( $node->safe_psql('postgres', q{
		SET enable_seqscan = off;
		SET vego."order" = relaxed;
		SELECT count(*), count(DISTINCT id) FROM
			(SELECT id FROM items ORDER BY v <-> test_vector(-7)
			 LIMIT 1000000) x}),
	"$rows|$rows",
	'a scan without end returns the whole table');

# Half of the rows near the queries die, and no vacuum runs.
make_truth($node, 'items', queries => 100);
$node->safe_psql('postgres', q{
	DELETE FROM items WHERE id IN (
		SELECT id FROM generate_series(1, 100) i, test_vector(-i) q,
			LATERAL (SELECT id, row_number() OVER () AS place FROM
				(SELECT id FROM items ORDER BY v <-> q LIMIT 200) x) y
		WHERE place % 2 = 1)});
my $alive = $node->safe_psql('postgres', 'SELECT count(*) FROM items');

cmp_ok($alive, '<', $rows - 3000, 'many rows near the queries are dead');
$first_query = 1;
scans_are_right('half dead', 'items', '<->', 700, $alive, '10,40');
make_truth($node, 'items', queries => 100);
cmp_ok(recall($node, 'items', 40), '>=', 0.85,
	'half dead: the rows alive are found');

# All rows near a query die: the scan has to go far for its first row.
$node->safe_psql('postgres', q{
	DELETE FROM items WHERE id IN
		(SELECT id FROM items ORDER BY v <-> test_vector(-5) LIMIT 2000)});
$alive = $node->safe_psql('postgres', 'SELECT count(*) FROM items');
$first_query = 5;
scans_are_right('all near dead', 'items', '<->', 70, $alive, '10,40');

# The same where the index has the vectors, and sees none of the rows.
$node->safe_psql('postgres', q{
	ALTER INDEX items_v SET (exact = zstd);
	REINDEX INDEX items_v;
	DELETE FROM items WHERE id IN
		(SELECT id FROM items ORDER BY v <-> test_vector(-9) LIMIT 2000)});
$alive = $node->safe_psql('postgres', 'SELECT count(*) FROM items');
$first_query = 9;
scans_are_right('all near dead, exact vectors', 'items', '<->', 70, $alive,
	'10,40');

$node->stop;
done_testing();
