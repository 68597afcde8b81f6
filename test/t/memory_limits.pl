# What statements take of memory while they run: scans that go on no more than
# work_mem, inserts the same however many rows, vacuum what it needs for each
# slot.  A limit on the process's data makes more than that an error.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::BackgroundPsql ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VegoTest;

# So many that what waits in a scan of all would take several times work_mem.
my $rows = 60_000;
my $work_mem = 256;

# What does not depend on rows: the plan, the query, tapes of a sort, and what
# allocators keep for themselves.
my $slack = 768;

if (system('prlimit --version >/dev/null 2>&1') != 0)
{
	plan skip_all => 'there is no prlimit';
}
test_seed();
my $node = new_vego_node('memory_limits', conf => <<CONF);
shared_buffers = 128MB
work_mem = ${work_mem}kB
maintenance_work_mem = 256MB
enable_seqscan = off
enable_sort = off
CONF

# Clusters of rows with a little noise; `same` has one vector, and one in so many
# others.
$node->safe_psql('postgres', qq{
	CREATE TABLE items AS SELECT i AS id,
			(array(SELECT (hashint8extended(d, i % 50) & 1023) / 256.0 +
				(hashint8extended(i, d) & 1023) / 1024.0
				FROM generate_series(1, 4) d))::vector(4) AS v
		FROM generate_series(1, $rows) i;
	CREATE TABLE same AS SELECT i AS id,
			('[1,2,3,' || i / ($rows - 100) || ']')::vector(4) AS v
		FROM generate_series(1, $rows) i;
	CREATE TABLE apart AS SELECT i AS id,
			format('{%s:1,%s:1}/30000', i % 20000 + 1, i % 9999 + 20001)::sparsevec(30000) AS v
		FROM generate_series(1, $rows) i;
	CREATE INDEX items_v ON items USING vego_hnsw (v);
	CREATE INDEX same_v ON same USING vego_hnsw (v);
	CREATE INDEX apart_v ON apart USING vego_hnsw (v sparsevec_cosine_ops);
	VACUUM ANALYZE items, same, apart});

sub kilobytes_of_data
{
	my ($pid) = @_;

	return slurp_file("/proc/$pid/status") =~ /^VmData:\s+(\d+) kB/m ? $1 : die;
}

# What a statement says of errors if its session, warmed up by another, may take
# so many kilobytes more.
sub said_within
{
	my ($kilobytes, $settings, $warming, $statement) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	my $limit;
	my $said;

	$session->query_safe("$settings; $warming");
	$limit = 1024 * (kilobytes_of_data($pid) + $kilobytes);
	system('prlimit', "--pid=$pid", "--data=$limit") == 0 or die 'prlimit fails';
	$session->{stderr} = '';
	$session->query($statement);
	$said = $session->{stderr};
	$session->{stderr} = '';
	$session->quit;
	return $said;
}

# Bits and list of what a scan has met, and where pages are, which a session
# keeps: half a byte a row, and ten a page.
my $of_index = $rows / 1024;

sub scan_gets_by
{
	my ($name, $statement, %more) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is(said_within($work_mem + $of_index + $slack + ($more{table} // 0),
			$more{settings} // '', <<SQL, $statement), '', $name);
SELECT id FROM items ORDER BY v <-> '[1,1,1,1]' LIMIT 1;
SELECT id FROM apart ORDER BY v <=> '{1:1}/30000' LIMIT 1
SQL
	return;
}

my $all = q{SELECT count(*), count(d) FROM
	(SELECT v <-> '[2,2,2,2]' AS d FROM items ORDER BY v <-> '[2,2,2,2]' OFFSET 0) x};

foreach my $case (
	[ 'off', 8 ],
	[ 'plain', 8 ],
	[ 'off', 4 ])
{
	my ($exact, $bits) = @$case;
	my $name = "exact = $exact, $bits bits";

	$node->safe_psql('postgres', qq{
		ALTER INDEX items_v SET (exact = $exact, bits = $bits);
		REINDEX INDEX items_v});
	scan_gets_by("$name: a scan of all rows", $all);
	scan_gets_by("$name: in relaxed order", $all,
		settings => q{SET vego."order" = relaxed});
	scan_gets_by("$name: rows that are few", q{
		SELECT id FROM items WHERE id % 30000 = 777 ORDER BY v <-> '[2,2,2,2]' LIMIT 10});
}
scan_gets_by('a scan for each of five', q{
	SELECT i, (SELECT count(*) FROM
		(SELECT FROM items ORDER BY v <-> array_fill(i::real, ARRAY[4])::vector OFFSET 0) x)
	FROM generate_series(1, 5) i});
scan_gets_by('rows that are all the same', q{
	SELECT count(*) FROM (SELECT FROM same ORDER BY v <-> '[1,1,1,1]' OFFSET 0) x});
scan_gets_by('rows that have nothing in common with the query', q{
	SELECT count(*) FROM (SELECT FROM apart ORDER BY v <=> '{30000:1}/30000' OFFSET 0) x},
	table => 512);

# Were it not for work_mem it would be more.
like(said_within($work_mem + $of_index + $slack, "SET work_mem = '1GB'",
		q{SELECT id FROM items ORDER BY v <-> '[1,1,1,1]' LIMIT 1}, $all),
	qr/out of memory/, 'where there is more it is taken');

# What has been sorted comes in order, and each row once: all of them in relaxed order,
# in strict order all but those withheld.
foreach my $kilobytes (64, 1024)
{
	foreach my $case (
		[ 'items', q{v <-> '[2,2,2,2]'} ],
		[ 'same', q{v <-> '[1,1,1,1]'} ],
		[ 'apart', q{v <=> '{1:1,30000:1}/30000'} ])
	{
		my ($table, $distance) = @$case;
		my $name = "$table, work_mem = $kilobytes kB";
		my $out = $node->safe_psql('postgres', qq{
			SET work_mem = '${kilobytes}kB';
			SELECT count(*), count(DISTINCT id), coalesce(every(d >= before), false) FROM
				(SELECT id, d, lag(d) OVER () AS before FROM
					(SELECT id, $distance AS d FROM $table ORDER BY $distance) x) y;
			SELECT rows_withheld FROM vego_stats('${table}_v');
			SET vego."order" = relaxed;
			SELECT count(*), count(DISTINCT id) FROM
				(SELECT id FROM $table ORDER BY $distance) x});
		my ($strict, $withheld, $relaxed) = split /\n/, $out;
		my ($count, $distinct, $in_order) = split /\|/, $strict;

		is($in_order, 't', "$name: rows are in order");
		is($distinct, $count, "$name: each comes once");
		is($count + $withheld, $rows, "$name: none is lost");
		is($relaxed, "$rows|$rows", "$name: all come in relaxed order");
	}
}

# Writing.
is(said_within($of_index + 2 * $slack, '', q{INSERT INTO items SELECT -id, v FROM items WHERE id = 7},
		q{INSERT INTO items SELECT -id, v FROM items WHERE id <= 3000}),
	'', 'many rows are inserted in the memory of a few');
$node->safe_psql('postgres', 'DELETE FROM items WHERE id % 3 = 0');
is(said_within(1024 + 9 * $rows * 33 / 32 / 1024 + $of_index + 2 * $slack,
		q{SET maintenance_work_mem = '1MB'}, 'SELECT 1', 'VACUUM (INDEX_CLEANUP ON) items'),
	'', 'vacuum takes nine bytes a slot');
index_is_clean($node, 'items_v', 'after all that');

$node->stop;
done_testing();
