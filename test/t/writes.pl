# What writing costs and leaves behind: rows one by one, many in a statement,
# after errors; the WAL they take; and what vacuum does to recall.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VegoTest;

my $node = new_vego_node('writes', conf => <<'CONF');
shared_buffers = 256MB
# WAL as it is far from a checkpoint
full_page_writes = off
CONF
my $rows = 8_000;

# 200 queries tell the recall of two indexes apart to some 0.003, and another
# processor, which rounds otherwise, makes others.
my $tolerance = 0.015;

make_items($node, 'items', $rows);
make_truth($node, 'items');

# An empty table with an index, and the same without.
sub make_empty
{
	$node->safe_psql('postgres', q{
		DROP TABLE IF EXISTS filled, bare;
		CREATE TABLE filled (LIKE items);
		CREATE TABLE bare (LIKE items);
		CREATE INDEX filled_v ON filled USING vego_hnsw (v vector_l2_ops)
			WITH (m = 16, ef_construction = 64)});
	return;
}

sub is_filled
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	index_is_clean($node, 'filled_v', $name);
	is($node->safe_psql('postgres', 'SELECT count(*) FROM filled'),
		$rows, "$name: all rows are there");
	return recall($node, 'filled', 40);
}

# One row a statement, all in one, and COPY.
my $file = "$PostgreSQL::Test::Utils::tmp_check/items.copy";
my %recall;

$node->safe_psql('postgres', "COPY items TO '$file' (FORMAT binary)");
foreach my $way (
	[ 'single rows', q{
		DO $$
		DECLARE
			item record;
		BEGIN
			FOR item IN SELECT * FROM items LOOP
				INSERT INTO filled VALUES (item.id, item.v);
			END LOOP;
		END $$} ],
	[ 'one statement', 'INSERT INTO filled SELECT * FROM items' ],
	[ 'COPY', "COPY filled FROM '$file' (FORMAT binary)" ])
{
	my ($name, $statement) = @$way;

	make_empty();
	$node->safe_psql('postgres', $statement);
	$recall{$name} = is_filled($name);
}
foreach my $name ('one statement', 'COPY')
{
	cmp_ok(abs($recall{$name} - $recall{'single rows'}), '<=', $tolerance,
		sprintf '%s: recall %.4f is that of single rows, %.4f',
		$name, $recall{$name}, $recall{'single rows'});
}

# Errors within statements, caught; a trigger that inserts where its own
# statement does; the index made anew between statements of one transaction.
make_empty();
$node->safe_psql('postgres', q{
	CREATE FUNCTION insert_beside() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF NEW.id % 10 = 0 AND pg_trigger_depth() = 1 THEN
			INSERT INTO filled SELECT id, v FROM items
				WHERE items.id = NEW.id + 1;
			BEGIN
				INSERT INTO filled SELECT 0, NEW.v FROM generate_series(1, 3) i
					WHERE 1 / (i - 3) < 0;
			EXCEPTION WHEN division_by_zero THEN
			END;
		END IF;
		RETURN NEW;
	END $$;
	CREATE TRIGGER beside BEFORE INSERT ON filled
		FOR EACH ROW EXECUTE FUNCTION insert_beside()});
is( $node->psql('postgres', q{
		BEGIN;
		INSERT INTO filled SELECT * FROM items WHERE id <= 100 AND id % 10 <> 1;
		TRUNCATE filled;
		INSERT INTO filled SELECT * FROM items WHERE id <= 1000 AND id % 10 <> 1;
		SAVEPOINT one;
		INSERT INTO filled SELECT * FROM items WHERE id <= 2000;
		ROLLBACK TO one;
		REINDEX INDEX filled_v;
		INSERT INTO filled SELECT * FROM items WHERE id > 1000 AND id % 10 <> 1;
		COMMIT}),
	0, 'statements after errors, truncation and REINDEX');
# the first row has no one before it to bring it along
$node->safe_psql('postgres',
	'INSERT INTO filled SELECT * FROM items WHERE id = 1');
cmp_ok(abs(is_filled('after errors') - $recall{'single rows'}), '<=', $tolerance,
	'after errors: recall is that of single rows');
$node->safe_psql('postgres', 'VACUUM filled');
is_filled('after errors, vacuumed');

# What one row costs, in a graph that has a few thousand.
sub wal_of
{
	my ($statement) = @_;

	return $node->safe_psql('postgres', qq{
		SELECT pg_current_wal_insert_lsn() AS before \\gset
		$statement;
		SELECT round(pg_current_wal_insert_lsn() - :'before')});
}

make_empty();
$node->safe_psql('postgres', q{
	INSERT INTO filled SELECT * FROM items WHERE id <= 6000});
my $insert = 'SELECT * FROM items WHERE id BETWEEN 6001 AND 7000';
my $per_row = (wal_of("INSERT INTO filled $insert") -
	wal_of("INSERT INTO bare $insert")) / 1000;

note("index WAL of an inserted row: $per_row bytes");
cmp_ok($per_row, '<=', 650, 'an insert writes little WAL');
cmp_ok($per_row, '>=', 200, 'an insert writes all of its node');

# Vacuum: recall stays, and what it writes is in proportion to what went.
make_empty();
$node->safe_psql('postgres', q{
	INSERT INTO filled SELECT * FROM items;
	DELETE FROM filled WHERE hashint8extended(id, 10) & 1023 < 102});
make_truth($node, 'filled');
my $before = recall($node, 'filled', 40);
my $vacuum_wal = wal_of('VACUUM (INDEX_CLEANUP ON) filled');
my $after = recall($node, 'filled', 40);
my $gone = $rows - $node->safe_psql('postgres', 'SELECT count(*) FROM filled');

index_is_clean($node, 'filled_v', 'vacuumed');
cmp_ok($after, '>=', $before - $tolerance,
	sprintf 'vacuumed: recall %.4f, before %.4f', $after, $before);
note('WAL of vacuum for a row that went: ' . $vacuum_wal / $gone . ' bytes');
cmp_ok($vacuum_wal / $gone, '<=', 2_000, 'vacuum writes little WAL');

$node->stop;
done_testing();
