# Scans on a standby while the slots they walk over are freed and filled again:
# each gives visible rows only, each once, in the order of their distances, and
# fails for nothing but the conflict that the server documents.
#
# On the primary half the groups of rows are deleted, vacuumed away and inserted
# again, each with a new salt and in one transaction, so that rows of a group
# with two salts betray one that the snapshot does not see.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use VegoTest;

my $scans_wanted = rounds(15_000, 1_000_000);
my $scans_a_call = 100;
my $scanners = 2;
my $refills = 20;
my $rows = 1_600;

test_seed();
my $primary = new_vego_node('primary', allows_streaming => 1, conf => <<'CONF');
shared_buffers = 32MB
wal_keep_size = 20GB
CONF

# Small dimensions and pools, so that the graph is walked and scans are many.
$primary->safe_psql('postgres', <<SQL);
CREATE TABLE queries AS
	SELECT array_agg(test_vector(-i, 16)) AS q FROM generate_series(1, 64) i;
CREATE TABLE coded (id int PRIMARY KEY, grp int, salt int, v vector(16));
INSERT INTO coded SELECT i, i % 8, 0, test_vector(i, 16)
	FROM generate_series(1, $rows) i;
CREATE TABLE exact (LIKE coded INCLUDING ALL);
INSERT INTO exact SELECT * FROM coded;
CREATE INDEX coded_v ON coded USING vego_hnsw (v vector_l2_ops);
CREATE INDEX exact_v ON exact USING vego_hnsw (v vector_l2_ops) WITH (exact = plain);
SQL

# So many scans, each compared with what other indexes say of the same snapshot;
# one in a hundred returns the whole table.
foreach my $table (qw(coded exact))
{
	$primary->safe_psql('postgres', <<SQL);
CREATE FUNCTION scan_$table(scans int, first int) RETURNS int LANGUAGE plpgsql
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS \$\$
DECLARE
	queries vector[] := (SELECT q FROM queries);
	found record;
	query vector;
BEGIN
	FOR i IN first .. first + scans - 1 LOOP
		query := queries[1 + i % 64];
		PERFORM set_config('vego.ef_search', (10 + i % 3 * 15)::text, true);
		IF i % 100 = 0 THEN
			PERFORM set_config('vego.order', 'relaxed', true);
			SELECT count(*) AS seen, 0::bigint AS late, 0::bigint AS wrong,
				count(*) - count(DISTINCT id) AS twice,
				count(DISTINCT (grp, salt)) - count(DISTINCT grp) AS torn,
				(SELECT count(*) FROM $table) AS wanted
			INTO found
			FROM (SELECT id, grp, salt FROM $table ORDER BY v <-> query) x;
			PERFORM set_config('vego.order', 'strict', true);
		ELSE
			SELECT count(*) AS seen,
				count(*) FILTER (WHERE d < before) AS late,
				count(*) FILTER (WHERE d IS DISTINCT FROM wanted) AS wrong,
				count(*) - count(DISTINCT id) AS twice,
				count(DISTINCT (grp, salt)) - count(DISTINCT grp) AS torn,
				10::bigint AS wanted
			INTO found
			FROM (SELECT *, lag(d) OVER () AS before,
					(SELECT i.v <-> query FROM $table i
					 WHERE i.id = x.id AND i.salt = x.salt) AS wanted
				FROM (SELECT id, grp, salt, v <-> query AS d FROM $table
					ORDER BY v <-> query LIMIT 10) x) y;
		END IF;
		IF found.seen <> found.wanted OR
			found.late + found.wrong + found.twice + found.torn > 0 THEN
			RAISE 'scan % of $table: %', i, found;
		END IF;
	END LOOP;
	RETURN scans;
END \$\$;
SQL
}
$primary->backup('base');

my $standby = PostgreSQL::Test::Cluster->new('standby');

$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);

my %bytes = map { $_ => $primary->safe_psql('postgres',
	"SELECT pg_relation_size('${_}_v')") } qw(coded exact);

# Deletes half the groups, whichever the client's dice say, and refills them.
my $refill = join '', map { <<SQL } qw(coded exact);
\\set one random(0, 1)
\\set two random(0, 1)
DELETE FROM $_ WHERE grp % 4 IN (:one, 2 + :two);
VACUUM (INDEX_CLEANUP ON) $_;
INSERT INTO $_ SELECT i, i % 8, :round, test_vector(i + :round * 100000::bigint, 16)
	FROM generate_series(1, $rows) i WHERE i % 4 IN (:one, 2 + :two);
\\set round :round + 1
SQL
my $round = 1;
my $calls = 0;
my $folder = $PostgreSQL::Test::Utils::tmp_check;

# A session that scans until it is told to end, and what it said so far.
sub start_scanner
{
	my ($name) = @_;
	my $script = "$folder/$name.sql";
	my $statements = "\\set VERBOSITY terse\n";

	foreach (1 .. 2000)
	{
		my $table = $calls % 2 ? 'coded' : 'exact';

		$statements .= sprintf "SELECT 'scans', scan_%s(%d, %d);\n", $table,
		  $scans_a_call, $calls++ * $scans_a_call;
	}
	open my $file, '>', $script or die "$script: $!";
	print $file $statements;
	close $file;
	my $scanner = { stdout => '', stderr => '' };
	$scanner->{run} = IPC::Run::start(
		[ 'psql', '-X', '-q', '-A', '-t', '-d', $standby->connstr('postgres'),
			'-f', $script ],
		'<', \undef, '>', \$scanner->{stdout}, '2>', \$scanner->{stderr});
	return $scanner;
}

# What the documented conflict says of a statement, and of a connection.
my $conflict = qr/^psql:.*(?:ERROR:  canceling statement|FATAL:  terminating connection) due to conflict with recovery\n/m;
my $lost = qr/^(?:psql:.*(?:connection to server was lost|no connection to the server|server closed the connection unexpectedly).*\n|\s+(?:This probably means|before or while processing).*\n)/m;

foreach my $case (
	[ 'replay waits for scans', 'max_standby_streaming_delay = -1' ],
	[ 'replay cancels scans', 'max_standby_streaming_delay = 0' ],
	[ 'with feedback', "max_standby_streaming_delay = 0\nhot_standby_feedback = on" ])
{
	my ($name, $conf) = @$case;
	my $wanted = $scans_wanted / 3;
	my $scans = 0;
	my ($conflicts, $faults) = (0, '');
	my $stall = 0;

	$standby->append_conf('postgresql.conf',
		"wal_receiver_status_interval = 1s\nhot_standby_feedback = off\n$conf");
	$standby->reload;

	# the load before may have ended with half the rows gone
	$primary->safe_psql('postgres', qq{
		INSERT INTO $_ SELECT i, i % 8, $round, test_vector(i + $round * 100000::bigint, 16)
		FROM generate_series(1, $rows) i ON CONFLICT DO NOTHING}) foreach qw(coded exact);
	$round++;
	$primary->wait_for_catchup($standby);
	my $before = $standby->safe_psql('postgres', 'SELECT max(salt) FROM coded');
	my $load = start_load($primary, 1, { $refill => 1 }, "--define=round=$round");
	my @scanners = map { start_scanner("scanner_$_") } 1 .. $scanners;
	my ($salt, $since) = ($before, time());

	while (($scans < $wanted || $salt - $before < $refills) && $faults eq '' &&
		load_is_running($load))
	{
		sleep 0.2;
		my $now;

		# this query may be cancelled as well
		($salt, $since) = ($now, time())
		  if $standby->psql('postgres', 'SELECT max(salt) FROM coded',
			stdout => \$now) == 0 && $now ne $salt;
		$stall = time() - $since if time() - $since > $stall;
		foreach my $scanner (@scanners)
		{
			my $ended = !$scanner->{run}->pumpable;

			$scanner->{run}->pump_nb unless $ended;
			$scans += $1 while $scanner->{stdout} =~ s/^scans\|(\d+)\n//m;
			$conflicts++ while $scanner->{stderr} =~ s/$conflict//;
			1 while $scanner->{stderr} =~ s/$lost//;
			$faults .= $scanner->{stderr};
			next unless $ended;
			eval { $scanner->{run}->finish };
			$scanner = start_scanner('scanner_again_' . $calls);
		}
	}
	ok(load_is_running($load), "$name: rows still come and go");
	foreach my $scanner (@scanners)
	{
		$scanner->{run}->kill_kill;
		$conflicts++ while $scanner->{stderr} =~ s/$conflict//;
		$faults .= $scanner->{stderr};
	}
	is(stop_load($load), '', "$name: no errors on the primary");
	wait_until_alone($primary);
	is(substr($faults, 0, 2000), '', "$name: no wrong scan, and no error but the conflict");
	note("$name: $scans scans, $conflicts conflicts, ",
		$salt - $before, ' times refilled, replay stood still for at most ',
		sprintf('%.1f s', $stall));
	cmp_ok($scans, '>=', $wanted, "$name: so many scans met replay");
	cmp_ok($salt - $before, '>=', $refills, "$name: slots were filled again");
	is($conflicts, 0, "$name: no conflict") if $conf =~ /-1/;

	# feedback keeps dead rows for a second, in which many come and go
	foreach my $table ($conf =~ /feedback/ ? () : qw(coded exact))
	{
		cmp_ok($primary->safe_psql('postgres',
			"SELECT pg_relation_size('${table}_v')"), '<', 1.6 * $bytes{$table},
			"$name: $table: slots and vectors took the room of others");
	}
	$round = 1 + $primary->safe_psql('postgres',
		'SELECT max(salt) FROM (TABLE coded UNION ALL TABLE exact) x');
}

$primary->wait_for_catchup($standby);
foreach my $table (qw(coded exact))
{
	index_is_clean($primary, "${table}_v", 'primary');
	index_is_clean($standby, "${table}_v", 'standby');
}
unlike(slurp_file($standby->logfile), qr/PANIC|FATAL:  (?!terminating connection due to conflict|connection to client lost)/,
	'the standby complained of nothing');

$standby->stop;
$primary->stop;
done_testing();
