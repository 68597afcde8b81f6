# Recovery to every place in the WAL of a workload where a record of an index
# ends: the index is sound there, on a standby that goes from one to the next,
# and on servers that have recovered from a crash at that place.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use VegoTest;

# So many places for the standby, or all; one in fifty for servers that crash.
my $standby_places = rounds(300, 1_000_000);
my $primary_places = $standby_places / 50;
my $segment_bytes = 16 * 1024 * 1024;

test_seed();
my $node = new_vego_node('origin', allows_streaming => 1, conf => <<'CONF');
shared_buffers = 16MB
wal_keep_size = 1GB
CONF

# Pages are small for nodes of 64 dimensions, so there are many.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE items (id int PRIMARY KEY, v vector(64));
CREATE FUNCTION new_rows(first int, last int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO items SELECT i, test_vector(i, 64) FROM generate_series(first, last) i $$;
SELECT new_rows(1, 150);
CREATE INDEX items_l2 ON items USING vego_hnsw (v vector_l2_ops) WITH (m = 4);
CREATE INDEX items_ip ON items USING vego_hnsw (v vector_ip_ops) WITH (exact = plain, bits = 4);
CREATE INDEX items_half ON items USING vego_hnsw ((v::halfvec(64)) halfvec_l2_ops) WITH (exact = zstd);
CREATE INDEX items_sparse ON items USING vego_hnsw ((v::sparsevec(64)) sparsevec_l2_ops);
CREATE INDEX items_bits ON items USING vego_hnsw ((binary_quantize(v)::bit(64)) bit_hamming_ops);
SQL
$node->backup('base');
my $start = $node->lsn('insert');

# Inserts, a vacuum of most rows, slots filled again, the entry gone, an empty
# index, an index built, and one built on an empty table.
foreach my $statement (
	'SELECT new_rows(151, 180)',
	'DELETE FROM items WHERE id % 4 <> 0',
	'VACUUM (INDEX_CLEANUP ON) items',
	'SELECT new_rows(201, 240)',
	'CREATE INDEX items_l1 ON items USING vego_hnsw (v vector_l1_ops) WITH (exact = plain)',
	'DELETE FROM items',
	'VACUUM (INDEX_CLEANUP ON) items',
	'SELECT new_rows(301, 380)',
	'CREATE UNLOGGED TABLE gone (LIKE items INCLUDING ALL)',
	'REINDEX INDEX items_ip')
{
	$node->safe_psql('postgres', $statement);
}
# what ends the workload is known to be on disk
my $end = $node->safe_psql('postgres', 'SELECT pg_current_wal_flush_lsn()');
my $origin_wal = $node->data_dir . '/pg_wal';

sub number_of
{
	my ($high, $low) = split m{/}, shift;

	return hex($high) * 2**32 + hex $low;
}

sub lsn_of
{
	my ($number) = @_;

	return sprintf '%X/%X', int($number / 2**32), $number % 2**32;
}

# Where records begin, in order; and which are of an index.
my ($dump, $complaint) = run_command([ 'pg_waldump', '-p', $origin_wal,
	'-s', $start, '-e', $end ]);
my @begins;
my @places;
my %records;

foreach my $line (split /\n/, $dump)
{
	my ($manager, $lsn) = $line =~ /^rmgr: (\S+) .*lsn: ([0-9A-F]+\/[0-9A-F]+),/ or next;
	my $of_index = $manager eq 'Generic'
	  || $manager eq 'XLOG' && $line =~ /desc: FPI / && $line =~ m{rel \d+/\d+/(\d+)};

	push @begins, number_of($lsn);
	next unless $of_index;
	# a record ends where the next begins
	push @places, scalar @begins;
	$records{$manager}++;
}
push @begins, number_of($end);
@places = map { $begins[$_] } grep { $_ < @begins } @places;
note(scalar(@places), ' places, ', join ', ', map { "$records{$_} $_" } sort keys %records);
cmp_ok(scalar(@places), '>', 300, 'there are many places to stop');

# Copies WAL from one place to another; what lies behind it is zero.
sub copy_wal
{
	my ($folder, $from, $to) = @_;

	while ($from < $to)
	{
		my $number = int($from / $segment_bytes);
		my $name = sprintf '00000001%08X%08X', int($number / 256), $number % 256;
		my $offset = $from % $segment_bytes;
		my $length = $to - $from;
		my $bytes;

		$length = $segment_bytes - $offset if $length > $segment_bytes - $offset;
		open my $in, '<:raw', "$origin_wal/$name" or die "$origin_wal/$name: $!";
		seek $in, $offset, 0;
		read($in, $bytes, $length) == $length or die "$name: $!";
		close $in;
		if (!-e "$folder/pg_wal/$name")
		{
			open my $new, '>:raw', "$folder/pg_wal/$name" or die $!;
			truncate $new, $segment_bytes;
			close $new;
		}
		open my $out, '+<:raw', "$folder/pg_wal/$name" or die $!;
		seek $out, $offset, 0;
		print $out $bytes;
		close $out;
		$from += $length;
	}
	return;
}

# Sound: no finding, and every row is found by each index.  On a standby a
# transaction under way at the place may lock a table or index for itself.
my $locked = 0;

sub faults_of
{
	my ($server) = @_;
	my ($stdout, $stderr);

	$server->psql('postgres', q{
		SET lock_timeout = '10ms';
		SET enable_seqscan = off;
		SET vego."order" = relaxed;
		SELECT c.relname, f.code, f.finding
			FROM pg_class c
			JOIN pg_index i ON i.indexrelid = c.oid AND i.indisvalid
			JOIN pg_am a ON a.oid = c.relam AND a.amname = 'vego_hnsw',
			LATERAL vego_check(c.oid, true) f
			WHERE c.relpersistence = 'p' AND f.severity = 'error';
		SELECT 'rows', n, l2 FROM
			(SELECT count(id) AS n FROM items) n,
			(SELECT count(*) AS l2 FROM
				(SELECT id FROM items ORDER BY v <-> test_vector(-1, 64)) x) l2
			WHERE n <> l2}, stdout => \$stdout, stderr => \$stderr);
	# psql ends at the first error: what follows in its text belongs to it
	$locked++ if $stderr =~ s/^.*canceling statement due to lock timeout.*\z//ms;
	return $stdout . $stderr;
}

# The standby is given WAL as far as a place, again and again.
my $standby = PostgreSQL::Test::Cluster->new('standby');
my @chosen = sort { $a <=> $b } $standby_places > @places ? @places :
  (map { $places[ rand @places ] } 1 .. $standby_places);
my $given = int(number_of($start) / $segment_bytes) * $segment_bytes;
my $faults = '';

$standby->init_from_backup($node, 'base');
$standby->set_standby_mode;
$standby->append_conf('postgresql.conf', <<'CONF');
wal_retrieve_retry_interval = 1ms
recovery_prefetch = off
CONF
copy_wal($standby->data_dir, $given, number_of($start));
$given = number_of($start);
$standby->start;

my $session = $standby->background_psql('postgres');

$session->set_query_timer_restart;
foreach my $place (@chosen)
{
	# less the header of a page that may lie between two records
	my $lsn = lsn_of($place - 40);

	copy_wal($standby->data_dir, $given, $place);
	$given = $place;
	poll_until(sub {
		return $session->query_safe("SELECT pg_last_wal_replay_lsn() >= '$lsn'") eq 't';
	}, 60) or die "the standby does not get to $lsn";
	$faults .= faults_of($standby);
	last if $faults ne '';
}
$session->quit;
is($faults, '', 'the standby is sound at each of ' . @chosen . ' places');
note("$locked times something was locked");
cmp_ok($locked, '<', @chosen / 4, 'most of them could be looked at');
$standby->stop('immediate');

# Servers that crashed there: a copy of the backup, with WAL that ends there.
$primary_places = 60 if $primary_places > 60;
foreach my $round (1 .. $primary_places)
{
	my $place = $places[ rand @places ];
	my $name = lsn_of($place);
	my $copy = PostgreSQL::Test::Cluster->new("crashed_$round");

	$copy->init_from_backup($node, 'base');
	copy_wal($copy->data_dir,
		int(number_of($start) / $segment_bytes) * $segment_bytes, $place);
	$copy->start;
	is(faults_of($copy), '', "$name: the recovered server is sound");
	$copy->safe_psql('postgres', q{
		DELETE FROM items WHERE id % 3 = 0;
		VACUUM (INDEX_CLEANUP ON) items;
		SELECT new_rows(1001, 1020)});
	is(faults_of($copy), '', "$name: and after it has been written on");
	$copy->stop('immediate');
	$copy->clean_node;
}

$node->stop;
done_testing();
