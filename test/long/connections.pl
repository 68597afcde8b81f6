# Two hundred connections that each read and write a thousand indexes: what vego
# keeps in a connection is bounded, however many indexes it has seen.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::BackgroundPsql ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VegoTest;

my $connections = rounds(20, 200);
my $indexes = 1_000;
my $most_bytes = 4 * 1024 * 1024;

test_seed();
my $node = new_vego_node('connections', conf => <<"CONF");
shared_buffers = 256MB
max_connections = @{[ $connections + 20 ]}
max_locks_per_transaction = 256
CONF

# Tables by number, with indexes of three kinds by turns.
$node->safe_psql('postgres', <<SQL);
DO \$\$ BEGIN
	FOR i IN 1 .. $indexes LOOP
		EXECUTE format('CREATE TABLE many_%1\$s (id int, v vector(64));
			INSERT INTO many_%1\$s SELECT i, test_vector(i + %1\$s, 64) FROM generate_series(1, 120) i;
			CREATE INDEX many_%1\$s_v ON many_%1\$s USING vego_hnsw (v vector_l2_ops)
				WITH (exact = %2\$s)', i, (ARRAY['zstd', 'plain', 'off'])[1 + i % 3]);
		IF i % 50 = 0 THEN COMMIT; END IF;
	END LOOP;
END \$\$;

-- A scan and an insert in each table, and the same without an index of vego.
CREATE FUNCTION use_all(write boolean, use_index boolean) RETURNS bigint LANGUAGE plpgsql AS \$\$
DECLARE
	found bigint := 0;
	id int;
BEGIN
	PERFORM set_config('enable_seqscan', (NOT use_index)::text, true),
		set_config('enable_indexscan', use_index::text, true);
	FOR i IN 1 .. $indexes LOOP
		EXECUTE format('SELECT id FROM many_%s ORDER BY v <-> test_vector(-1, 64) LIMIT 1', i) INTO id;
		found := found + (id IS NOT NULL)::int;
		IF write THEN
			EXECUTE format('INSERT INTO many_%1\$s SELECT 1, v FROM many_%1\$s LIMIT 1', i);
		END IF;
	END LOOP;
	RETURN found;
END \$\$;
SQL

# Of vego are its own memory contexts, what it keeps in the topmost, and what
# libzstd has allocated behind the server's back.
my $contexts = q{
	SELECT sum(total_bytes) FILTER (WHERE name LIKE 'vego%' OR name = 'TopMemoryContext'),
		sum(total_bytes) FROM pg_backend_memory_contexts};

sub private_bytes
{
	my ($pid) = @_;
	my $status = slurp_file("/proc/$pid/smaps_rollup");

	return $status =~ /^Anonymous:\s+(\d+) kB/m ? 1024 * $1 : 0;
}

sub vego_bytes
{
	my ($session, $statement) = @_;
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	my ($ours, $all) = split /\|/, $session->query_safe($contexts);
	my $private = private_bytes($pid);

	is($session->query_safe($statement), $indexes, 'every index was used')
	  if $statement;
	my ($ours_now, $all_now) = split /\|/, $session->query_safe($contexts);
	my $outside = private_bytes($pid) - $private - ($all_now - $all);

	return ($ours_now - $ours, $outside > 0 ? $outside : 0);
}

my @sessions = map { $node->background_psql('postgres') } 1 .. $connections;
my ($most, $most_outside) = (0, 0);

$_->set_query_timer_restart foreach @sessions;

foreach my $session (@sessions)
{
	# the relation cache of all tables and indexes, and what it is to use them
	$session->query_safe('SELECT use_all(false, false)');
	my ($inside, $outside) = vego_bytes($session,
		'SELECT use_all(true, true)');

	$most = $inside if $inside > $most;
	$most_outside = $outside if $outside > $most_outside;
}
note("$connections connections, $indexes indexes: at most $most bytes in contexts, ",
	"$most_outside outside");
cmp_ok($most + $most_outside, '<=', $most_bytes,
	'no connection keeps more than 4 MB for vego');
# each has its own time, which has been running since it was last used
foreach my $session (@sessions)
{
	$session->{timeout}->start;
	$session->quit;
}
$node->stop;
done_testing();
