# Statements by chance, from sqlsmith, over tables with all types and indexes:
# the server lives, and no error of vego's is an internal one.
#
# VEGO_ROUNDS is in minutes here.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use VegoTest;

if (system('command -v sqlsmith >/dev/null') != 0)
{
	plan skip_all => 'sqlsmith is not installed';
}

my $seconds = 60 * rounds(20, 20);
my $seed = test_seed();
my $node = new_vego_node('sqlsmith', conf => <<'CONF');
shared_buffers = 128MB
restart_after_crash = off
log_error_verbosity = verbose
log_line_prefix = '%e '
log_min_messages = error
log_min_error_statement = error
CONF

# An ordinary user, who owns tables and may change them.
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE smith LOGIN;
ALTER ROLE smith SET statement_timeout = '2s';
GRANT CREATE ON SCHEMA public TO smith;
SET ROLE smith;
CREATE TABLE dense (id int PRIMARY KEY, v vector(16), other vector(16), n float8);
CREATE TABLE halves (id int PRIMARY KEY, v halfvec(16), other halfvec);
CREATE TABLE sparse (id int PRIMARY KEY, v sparsevec(1000), n int);
CREATE TABLE strings (id int PRIMARY KEY, v bit(64), other vector);
INSERT INTO dense SELECT i, test_vector(i, 16), test_vector(-i, 16), i / 7.0
	FROM generate_series(1, 2000) i;
INSERT INTO halves SELECT id, v::halfvec, other::halfvec FROM dense;
INSERT INTO sparse SELECT i, format('{%s:1.5,%s:-2,%s:0.25}/1000', 1 + i % 300, 400 + i % 77, 500 + i % 499)::sparsevec, i
	FROM generate_series(1, 2000) i;
INSERT INTO strings SELECT id, binary_quantize(test_vector(id, 64) - test_vector(1, 64))::bit(64), v FROM dense;
UPDATE dense SET v = NULL WHERE id % 50 = 0;
CREATE INDEX ON dense USING vego_hnsw (v vector_l2_ops);
CREATE INDEX ON dense USING vego_hnsw (other vector_cosine_ops) WITH (bits = 4, exact = zstd);
CREATE INDEX ON dense USING vego_hnsw (((v + other)::vector(16)) vector_ip_ops) WHERE n > 10;
CREATE INDEX ON halves USING vego_hnsw (v halfvec_l1_ops) WITH (exact = plain);
CREATE INDEX ON sparse USING vego_hnsw (v sparsevec_l2_ops);
CREATE INDEX ON strings USING vego_hnsw (v bit_jaccard_ops);
ANALYZE;
SQL

# sqlsmith goes on until it is told to end.  One whose server has gone away
# ends by itself.
my $end = time() + $seconds;
my $log = PostgreSQL::Test::Utils::tempdir() . '/sqlsmith';
my $run = IPC::Run::start(
	[ 'sqlsmith', '--seed=' . $seed, '--verbose', '--exclude-catalog',
		sprintf '--target=host=%s port=%d user=smith dbname=postgres',
		$node->host, $node->port ],
	'>', $log, '2>', "$log.err");

while (time() < $end && $run->pumpable)
{
	$run->pump_nb;
	sleep 0.5;
}
my $went_on = $run->pumpable;
$run->signal('KILL');
eval { $run->finish };
ok($went_on, 'sqlsmith ran to its end');
is($node->safe_psql('postgres', 'SELECT 1'), 1, 'the server lives');
foreach my $index (split /\n/, $node->safe_psql('postgres', q{
		SELECT indexrelid::regclass FROM pg_index JOIN pg_class ON oid = indexrelid
		WHERE relam = (SELECT oid FROM pg_am WHERE amname = 'vego_hnsw')}))
{
	index_is_clean($node, $index, $index);
}

# An error has its code in front and, on a later line, where it was raised.
my %sources = map { s{.*/}{}r => 1 } glob "$FindBin::RealBin/../../src/*.c";
my (%codes, %messages);
my @internal;
my ($code, $message) = ('', '');

foreach my $line (split /\n/, slurp_file($node->logfile))
{
	if ($line =~ /^(\S{5}) (?:ERROR|FATAL|PANIC):\s+(.*)/)
	{
		($code, $message) = ($1, $2);
		$codes{$code}++;
		# of the same kind, whatever names and numbers are in it
		$messages{"$code " . $message =~ s/"[^"]*"|\d+/?/gr}++;
	}
	push @internal, "$message ($1)"
	  if $line =~ /LOCATION:\s+(.*)/ && $code eq 'XX000' && $1 =~ /(\w+\.c):/ && $sources{$1};
}
diag('errors by code: ' . join ', ', map { "$_ $codes{$_}" } sort keys %codes);
foreach my $kind (sort { $messages{$b} <=> $messages{$a} } keys %messages)
{
	last if $messages{$kind} < 100;
	diag("$messages{$kind} times $kind");
}
diag("once or more $_") foreach grep { /^XX/ } sort keys %messages;
diag((slurp_file("$log.err") =~ /.*queries: (\d+)/s)[0] // 'no', ' statements')
  if -s "$log.err";
is("@internal", '', 'no internal error comes from vego');
unlike(slurp_file($node->logfile), qr/terminated by signal|TRAP:/, 'nothing has crashed');

$node->stop;
done_testing();
