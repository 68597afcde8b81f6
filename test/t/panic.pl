# The server ends before and after each kind of WAL record that vego writes, or
# a statement fails there: what was committed is there, and indexes are sound.
#
# Kinds of records are read from the source, so that none can be left out.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VegoTest;

my $rounds = rounds(1, 10);
my $rows = 600;

test_seed();
my $node = new_vego_node('panic', conf => <<'CONF');
shared_buffers = 16MB
wal_level = replica
CONF

plan skip_all => 'vego has no failure points (VEGO_FAILURE_POINTS)'
  if $node->psql('postgres', q{LOAD 'vego'; SHOW vego.failure}) != 0;

my @records = map { lc } slurp_file("$FindBin::RealBin/../../src/record.h") =~
  /^\s*VEGO_RECORD_(\w+),/mg;

cmp_ok(scalar(@records), '>=', 17, 'records are known from the source');

# Narrow vectors, so that a page holds many nodes; their norms grow with ids.
$node->safe_psql('postgres', <<SQL);
CREATE FUNCTION narrow(id bigint) RETURNS vector LANGUAGE sql IMMUTABLE AS
	'SELECT (test_vector(\$1, 8) OPERATOR(public.+)
		array_fill((\$1 / 100000.0)::real, ARRAY[8])::vector)::vector(8)';
CREATE SEQUENCE ids;
CREATE TABLE items (id bigint PRIMARY KEY DEFAULT nextval('ids'), v vector(8));
CREATE FUNCTION new_rows(count bigint) RETURNS void LANGUAGE sql AS \$\$
	INSERT INTO items SELECT id, narrow(id)
		FROM (SELECT nextval('ids') AS id FROM generate_series(1, count)) x \$\$;
SELECT new_rows($rows);
CREATE INDEX items_coded ON items USING vego_hnsw (v vector_l2_ops) WITH (m = 4);
CREATE INDEX items_plain ON items USING vego_hnsw (v vector_ip_ops) WITH (exact = plain);
CREATE INDEX items_zstd ON items USING vego_hnsw ((v::halfvec(8)) halfvec_l2_ops) WITH (exact = zstd);
CREATE INDEX items_sparse ON items USING vego_hnsw ((v::sparsevec(8)) sparsevec_l2_ops);
CREATE INDEX items_bits ON items USING vego_hnsw ((binary_quantize(v)::bit(8)) bit_hamming_ops);
CREATE TABLE few (id bigint PRIMARY KEY, v vector(8));
CREATE INDEX few_v ON few USING vego_hnsw (v vector_l2_ops) WITH (exact = plain);
CREATE INDEX few_ip ON few USING vego_hnsw (v vector_ip_ops);
CREATE SEQUENCE norms START 10;
SQL
my @indexes = map { "items_$_" } qw(coded plain zstd sparse bits);

# As many rows as in the beginning, and then most of them deleted.
my $refill = qq{
	DELETE FROM items WHERE id % 2 = 0;
	VACUUM (INDEX_CLEANUP ON) items;
	SELECT new_rows($rows - (SELECT count(*) FROM items));};
my $insert = 'SELECT new_rows(400);';
my $delete = "$refill DELETE FROM items WHERE hashint8(id) % 4 <> 0;";
my $vacuum = 'VACUUM (INDEX_CLEANUP ON) items;';
my $build = 'CREATE INDEX made ON items USING vego_hnsw (v vector_l1_ops)';

# What reaches each kind of record, and what is done before that.
my %reached_by = (
	meta => [ '', $build ],
	init_meta => [ '', 'CREATE UNLOGGED TABLE made (LIKE items INCLUDING ALL)' ],
	pages => [ '', $build ],
	all_pages => [ '', "$build WITH (exact = zstd)" ],
	(map { $_ => [ $refill, $insert ] }
		qw(vector vector_page node node_page links_back signposts)),
	entry => [ q{
		INSERT INTO few SELECT id, narrow(id) FROM generate_series(1, 5) id;
		DELETE FROM few;}, 'VACUUM (INDEX_CLEANUP ON) few;' ],
	# each time a longer vector than there was
	radius => [ '', q{INSERT INTO few SELECT 1000 + n, array_fill(pow(1.5, n)::real, ARRAY[8])
		FROM nextval('norms') n;} ],
	# so few remain that some are cut off
	binding => [ $delete =~ s/% 4/% 32/r, $vacuum ],
	(map { $_ => [ $delete, $vacuum ] }
		qw(bury repair relink signposts vectors_gone free)));

# How often, where that is more than once for sure.
my %times = (meta => 2, init_meta => 5, vector => 200, node => 200, links_back => 200,
	vector_page => 2, node_page => 2, bury => 3, repair => 3, vectors_gone => 2, free => 3);

sub contents
{
	return $node->safe_psql('postgres', q{
		SELECT count(*), sum(hashtext(id || ' ' || v::text)) FROM items
		UNION ALL SELECT count(*), sum(hashtext(id || ' ' || v::text)) FROM few});
}

sub all_is_well
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @findings = map { index_findings($node, $_, 'error') } @indexes, 'few_v', 'few_ip';
	my $missed = $node->safe_psql('postgres', q{
		SET enable_seqscan = off;
		SET vego."order" = relaxed;
		SELECT count(*) - (SELECT count(*) FROM items) FROM
			(SELECT id FROM items ORDER BY v <-> narrow(1)) x});

	return is(join('', @findings, $missed), '0', "$name: indexes are clean");
}

# A session in which something is to go wrong, while this one may do more.
sub start_session
{
	my ($failure, $statement) = @_;
	my $session = { stdout => '', stderr => '' };

	$session->{run} = IPC::Run::start(
		[ 'psql', '-X', '-q', '-d', $node->connstr('postgres'),
			'-c', "LOAD 'vego'", '-c', "SET vego.failure = '$failure'",
			'-c', $statement ],
		'<', \undef, '>', \$session->{stdout}, '2>', \$session->{stderr});
	return $session;
}

# Runs what reaches the record, with something going wrong there; what was
# committed before that stays, and nothing else.
sub go_wrong
{
	my ($action, $when, $record, $nth) = @_;
	my $name = "$action $when $record $nth";
	my ($prepare, $statement) = @{ $reached_by{$record} };
	my ($before, $session, $said);

	$node->safe_psql('postgres', $prepare) if $prepare;
	$before = contents();
	$session = start_session("$action $when $record $nth", $statement);
	$session->{run}->finish;
	$said = $session->{stderr};
	like($said, qr/ERROR:  vego.failure: error|PANIC:  vego.failure: panic/,
		"$name: the place was met");
	start_after_crash($node) if $action eq 'panic';
	is(contents(), $before, "$name: rows are what was committed");
	all_is_well($name);
	return;
}

# The level of a row, which follows from its place in the table, as vego has it.
sub level_of
{
	my ($offset, $block) = @_;
	my $level = 0;
	my $scramble = sub {
		my ($h) = @_;

		$h ^= $h >> 16;
		$h = ($h * 0x85ebca6b) & 0xffffffff;
		$h ^= $h >> 13;
		$h = ($h * 0xc2b2ae35) & 0xffffffff;
		return $h ^ $h >> 16;
	};
	my $dice = $scramble->(($block // 0) * 293 + $offset);

	while ($dice % 32 == 0)
	{
		$dice = $scramble->($dice ^ 0x5bd1e995);
		$level++;
	}
	return $level;
}

# Inserts a row of looped, which waits when level 0 is linked; vacuums meanwhile.
sub insert_around_vacuum
{
	my ($id, $and_then) = @_;
	my $keeper = $node->background_psql('postgres');
	my $session;

	$keeper->query_safe('SELECT pg_advisory_lock(8346)');
	$session = start_session("wait after links_back$and_then",
		"INSERT INTO looped VALUES ($id, narrow($id))");
	$node->poll_query_until('postgres', q{
		SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted})
	  or die 'nobody waits';
	$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) looped');
	$keeper->quit;
	$session->{run}->finish;
	return $session->{stderr};
}

# A node would link to itself if one that it has chosen is freed, and it gets the
# slot.  To have a node's upper slot be the next that is free, it was inserted
# when one before its lower slot was free.  The server ends when it is written.
sub test_self_link
{
	my ($first, $makes_room, $chosen) = grep { level_of($_) == 1 } 1 .. 250;
	my $fill = sub {
		my ($from, $to) = @_;
		return "INSERT INTO looped SELECT i, NULL FROM generate_series($from, $to - 1) i;";
	};

	$node->safe_psql('postgres', "
		CREATE TABLE looped (id int, v vector(8));
		CREATE INDEX looped_v ON looped USING vego_hnsw (v vector_l2_ops);
		INSERT INTO looped VALUES (1, narrow(1));"
		  . $fill->(2, $first)
		  . "INSERT INTO looped VALUES ($first, narrow($first));"
		  . $fill->($first + 1, $makes_room)
		  . "INSERT INTO looped VALUES ($makes_room, narrow($makes_room));"
		  . $fill->($makes_room + 1, $chosen)
		  . "DELETE FROM looped WHERE id = $makes_room");
	is(insert_around_vacuum($chosen, ''), '', 'self link: an insert around a vacuum');
	$node->safe_psql('postgres', "DELETE FROM looped WHERE id = $chosen");
	like(insert_around_vacuum($chosen, ', panic after node 2'),
		qr/PANIC:  vego.failure/, 'self link: the upper slot was written');
	start_after_crash($node);
	is($node->safe_psql('postgres', 'SELECT count(v) FROM looped'), 2,
		'self link: rows are what was committed');
	is(index_findings($node, 'looped_v', 'error'), '',
		'self link: the index is clean');
	return;
}

# An insert that makes an entry of a higher level: whichever record is its last,
# no node is above the entry, and the index can be used.
sub test_higher_entry
{
	my ($offset) = grep { level_of($_) == 1 } 2 .. 200;
	my ($block, $high_offset) = map { @$_ } grep { level_of($_->[1], $_->[0]) == 2 }
	  map { my $block = $_; map { [ $block, $_ ] } 2 .. 200 } 1 .. 9;

	$node->safe_psql('postgres', q{
		CREATE TABLE taller (id int, v vector(8));
		CREATE INDEX taller_v ON taller USING vego_hnsw (v vector_l2_ops);
		CREATE FUNCTION fill_to(place tid) RETURNS void LANGUAGE plpgsql AS $$
		DECLARE
			last tid := '(0,0)';
		BEGIN
			WHILE last < place LOOP
				INSERT INTO taller VALUES (0, NULL) RETURNING ctid INTO last;
			END LOOP;
		END $$});
	foreach my $record ('node 1', 'node 2', 'node 3', 'entry 1')
	{
		foreach my $when (qw(before after))
		{
			my $name = "higher entry, $when $record";
			my $session;

			$node->safe_psql('postgres', "
				TRUNCATE taller;
				INSERT INTO taller SELECT i, narrow(i) FROM generate_series(1, 5) i;
				SELECT fill_to('(0,@{[ $offset - 1 ]})');
				INSERT INTO taller VALUES (6, narrow(6));
				SELECT fill_to('($block,@{[ $high_offset - 1 ]})')");
			$session = start_session("error $when $record",
				'INSERT INTO taller VALUES (7, narrow(7))');
			$session->{run}->finish;
			like($session->{stderr}, qr/ERROR:  vego.failure/,
				"$name: the place was met");
			is($node->safe_psql('postgres',
					q{SELECT entry_level FROM vego_stats('taller_v')}),
				"$when $record" eq 'after entry 1' ? 2 : 1, "$name: the level");
			is(index_findings($node, 'taller_v', 'error'), '',
				"$name: the index is clean");
			$node->safe_psql('postgres', '
				INSERT INTO taller SELECT i, narrow(i) FROM generate_series(8, 20) i');
			is(index_findings($node, 'taller_v', 'error'), '',
				"$name: and after it has been written on");
		}
	}
	return;
}

is(join(' ', grep { !exists $reached_by{$_} } @records), '',
	'something reaches each kind of record');
test_self_link();
test_higher_entry();
foreach my $round (1 .. $rounds)
{
	foreach my $record (@records)
	{
		foreach my $when (qw(before after))
		{
			my $nth = $round == 1 ? 1 : 1 + int rand($times{$record} // 1);

			go_wrong($_, $when, $record, $nth) foreach qw(error panic);
		}
	}
}

# and all of it is still used and vacuumed
$node->safe_psql('postgres', "$delete $vacuum $insert");
all_is_well('in the end');
is(join(' ', map { $node->safe_psql('postgres', "
		SELECT CASE WHEN exact_vectors <> nodes THEN '$_' END FROM vego_stats('$_')")
	} qw(items_plain items_zstd)), ' ', 'no vector is left that belongs to no node');

$node->stop;
done_testing();
