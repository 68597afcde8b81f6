# VegoTest.pm: what the TAP tests have in common.
#
# Vectors are a function of an id and a dimension count, so every session makes
# the same vector for the same id, and a test can tell from a row alone what
# its vector must be.  They come in 16 clusters, with noise whose variance
# falls from one dimension to the next as that of real embeddings does: nearest
# neighbours are hard enough to find that a damaged graph shows in recall.
#
# Randomness in a test comes from test_seed(), which prints the seed;
# VEGO_SEED=... repeats a run.  How often a test repeats itself comes from
# rounds(): a few times in the short run, many in the long one.
package VegoTest;

use strict;
use warnings;

use Exporter qw(import);
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(test_seed rounds long_run new_vego_node install_vego_helpers
  make_items make_salted_items make_other_indexes make_truth recall index_is_clean index_findings
  start_load load_is_running stop_load
  wait_until_alone kill_server_group server_children start_after_crash
  uses_index_scan poll_until);

# The seed of this run, printed so that a failure can be repeated.
sub test_seed
{
	my $seed = $ENV{VEGO_SEED} // int(time() * 1000) % 1_000_000_007;

	srand($seed);
	diag("VEGO_SEED=$seed");
	return $seed;
}

# Is this test/run --long?
sub long_run
{
	return $ENV{VEGO_LONG} // 0;
}

# Rounds in the short and in the long run; VEGO_ROUNDS=... overrides both.
sub rounds
{
	my ($short, $long) = @_;

	return $ENV{VEGO_ROUNDS} // (long_run() ? $long : $short);
}

# An initialized, running server with vego and the functions below.  Settings
# that make a test slow without making it stricter are off.
sub new_vego_node
{
	my ($name, %params) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(allows_streaming => $params{allows_streaming} // 0);
	$node->append_conf('postgresql.conf', <<'CONF');
fsync = off
jit = off
autovacuum = off
max_wal_size = 2GB
max_parallel_workers_per_gather = 0
log_statement = none
log_min_messages = warning
restart_after_crash = off
CONF
	$node->append_conf('postgresql.conf', $params{conf}) if $params{conf};
	$node->start;
	install_vego_helpers($node);
	return $node;
}

sub install_vego_helpers
{
	my ($node) = @_;

	$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION IF NOT EXISTS vego;

-- The vector of an id; negative ids serve as queries.
CREATE FUNCTION test_vector(id bigint, dims int DEFAULT 128) RETURNS vector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT array_agg(
		((hashint8extended(d, cluster) & 65535) / 65536.0::float8 +
		 (((noise & 65535) + (noise >> 16 & 65535) + (noise >> 32 & 65535)) /
		  65536.0::float8 - 1.5) * 2 / (1 + d / 32.0::float8))::real
		ORDER BY d)::vector
	FROM (SELECT hashint8extended(id, 7) & 15 AS cluster OFFSET 0) c,
		 generate_series(1, dims) d, hashint8extended(d, id) noise
$$;

-- Queries and their exact nearest distances, filled by test_truth.
CREATE TABLE test_queries (query int PRIMARY KEY, q vector, nearest float8[]);

CREATE FUNCTION test_truth(rel regclass, op text, queries int, k int,
						   filter text DEFAULT 'true')
RETURNS void LANGUAGE plpgsql SET enable_indexscan = off AS $$
BEGIN
	DELETE FROM test_queries;
	EXECUTE format($q$
		INSERT INTO test_queries
		SELECT i, q, (SELECT array_agg(d ORDER BY d) FROM
					  (SELECT v %2$s q AS d FROM %1$s WHERE %5$s
					   ORDER BY v %2$s q LIMIT %4$s) x)
		FROM generate_series(1, %3$s) i, test_vector(-i) q $q$,
		rel, op, queries, k, filter);
	ANALYZE test_queries;
END $$;

-- Which part of the true nearest k the index finds; a tie counts as found.
CREATE FUNCTION test_recall(rel regclass, op text, k int, ef int)
RETURNS float8 LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	query record;
	hits int;
	total_hits bigint := 0;
	total bigint := 0;
BEGIN
	PERFORM set_config('vego.ef_search', ef::text, true);
	FOR query IN SELECT q, nearest FROM test_queries LOOP
		EXECUTE format('SELECT count(*) FROM
			(SELECT v %2$s $1 AS d FROM %1$s ORDER BY v %2$s $1 LIMIT %3$s) x
			WHERE d <= $2 + 1e-9 * abs($2)', rel, op, k)
			INTO hits USING query.q, query.nearest[k];
		total_hits := total_hits + least(hits, k);
		total := total + k;
	END LOOP;
	RETURN total_hits::float8 / total;
END $$;

-- A row of make_salted_items: its vector follows from its id and its salt.
CREATE FUNCTION test_row(id bigint, salt bigint,
						 OUT id bigint, OUT salt bigint, OUT touched bigint,
						 OUT v vector)
LANGUAGE sql AS $$
	SELECT $1, $2, 0::bigint, test_vector($1 + $2 * 1000000) $$;

-- One scan of such a table, which fails unless its rows are in order, none
-- comes twice, and each has the vector of its id.
CREATE FUNCTION test_scan_is_right(rel regclass, query bigint, wanted int)
RETURNS int LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	rows_seen int;
	faults text;
BEGIN
	EXECUTE format('
		SELECT count(*), string_agg(format(''id %%s salt %%s distance %%s after %%s'',
				id, salt, d, before), ''; '') FILTER (WHERE d < before OR
				v <> test_vector(id + salt * 1000000) OR times > 1)
		FROM (SELECT *, count(*) OVER (PARTITION BY id) AS times
			FROM (SELECT *, lag(d) OVER () AS before FROM
				(SELECT id, salt, v, v <-> $1 AS d FROM %s
				 ORDER BY v <-> $1 LIMIT $2) x) y) z', rel)
		INTO rows_seen, faults USING test_vector(-query), wanted;
	IF faults IS NOT NULL THEN
		RAISE 'scan of query % gave wrong rows: %', query, faults;
	END IF;
	RETURN rows_seen;
END $$;

-- What a run of scans gave.  A row is out of order when its distance is below
-- that of the row before it.
CREATE TYPE test_scan_result AS (
	scans bigint, rows_seen bigint, out_of_order bigint, wrong_distance bigint,
	duplicates bigint, unfilled bigint);

-- Scans with limits and widths by turns, each of a query of its own; every
-- tenth is a cursor that is fetched from row by row.  `filled` rows are
-- known to exist.
CREATE FUNCTION test_scans(rel regclass, op text, scans int, limits int[],
						   widths int[], filled int, first_query int DEFAULT 1)
RETURNS test_scan_result LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	result test_scan_result := (0, 0, 0, 0, 0, 0);
	statement text := format(
		'SELECT id, v, v %2$s $1 AS d FROM %1$s ORDER BY v %2$s $1', rel, op);
	summary text := format('
		SELECT count(*) AS rows,
			count(*) FILTER (WHERE d < before) AS out_of_order,
			count(*) FILTER (WHERE wanted IS DISTINCT FROM d) AS wrong,
			count(*) - count(DISTINCT id) AS duplicates
		FROM (SELECT id, d, lag(d) OVER () AS before,
				CASE WHEN $2 > 100 THEN d ELSE
					(SELECT i.v %s $1 FROM %s i WHERE i.id = x.id) END AS wanted
			FROM (%s LIMIT $2) x) y', op, rel, statement);
	cursor_rows refcursor;
	q vector;
	row_limit int;
	seen record;
	item record;
	last float8;
	ids bigint[];
BEGIN
	FOR i IN 0 .. scans - 1 LOOP
		q := test_vector(-first_query - i);
		row_limit := limits[1 + i % array_length(limits, 1)];
		PERFORM set_config('vego.ef_search',
			widths[1 + i / array_length(limits, 1) %
				   array_length(widths, 1)]::text, true);
		IF i % 10 = 9 THEN
			last := '-Infinity';
			ids := '{}';
			OPEN cursor_rows FOR EXECUTE statement USING q;
			FOR j IN 1 .. row_limit LOOP
				FETCH cursor_rows INTO item;
				EXIT WHEN NOT FOUND;
				result.rows_seen := result.rows_seen + 1;
				IF item.d < last THEN
					result.out_of_order := result.out_of_order + 1;
				END IF;
				last := item.d;
				ids := ids || item.id;
			END LOOP;
			CLOSE cursor_rows;
			result.duplicates := result.duplicates + coalesce(array_length(ids, 1), 0) -
				(SELECT count(DISTINCT id) FROM unnest(ids) id);
			IF coalesce(array_length(ids, 1), 0) < least(row_limit, filled) THEN
				result.unfilled := result.unfilled + 1;
			END IF;
		ELSE
			EXECUTE summary INTO seen USING q, row_limit;
			result.rows_seen := result.rows_seen + seen.rows;
			result.out_of_order := result.out_of_order + seen.out_of_order;
			result.wrong_distance := result.wrong_distance + seen.wrong;
			result.duplicates := result.duplicates + seen.duplicates;
			IF seen.rows < least(row_limit, filled) THEN
				result.unfilled := result.unfilled + 1;
			END IF;
		END IF;
		result.scans := result.scans + 1;
	END LOOP;
	RETURN result;
END $$;
SQL
	return;
}

# A table of vectors with the ids 1 to $count.
sub make_items
{
	my ($node, $table, $count, %options) = @_;
	my $dims = $options{dims} // 128;
	my $kind = $options{unlogged} ? 'UNLOGGED' : '';
	my $type = $options{type} // 'vector';

	$node->safe_psql('postgres', <<SQL);
CREATE $kind TABLE $table (id bigint PRIMARY KEY, v $type($dims));
INSERT INTO $table SELECT i, test_vector(i, $dims)::$type
	FROM generate_series(1, $count) i;
VACUUM ANALYZE $table;
SQL
	return;
}

# A table for writers: rows change their vector with their salt.
sub make_salted_items
{
	my ($node, $table, $count, %options) = @_;
	my $kind = $options{unlogged} ? 'UNLOGGED' : '';

	$node->safe_psql('postgres', <<SQL);
CREATE $kind TABLE $table (id bigint PRIMARY KEY, salt bigint, touched bigint,
	v vector(128)) WITH (fillfactor = 90);
INSERT INTO $table SELECT r.* FROM generate_series(1, $count) i, test_row(i, 0) r;
VACUUM ANALYZE $table;
SQL
	return;
}

# Indexes on the vectors of a table, 128 dimensions, of the other types and
# options than vector_l2_ops alone shows; returns their names.
sub make_other_indexes
{
	my ($node, $table) = @_;
	my %indexes = (
		ip => '(v vector_ip_ops) WITH (bits = 4, m = 8)',
		half => '((v::halfvec(128)) halfvec_l2_ops) WITH (exact = zstd)',
		sparse => '((v::sparsevec(128)) sparsevec_cosine_ops)',
		bits => '((binary_quantize(v)::bit(128)) bit_hamming_ops) WITH (exact = plain)');

	$node->safe_psql('postgres',
		"CREATE INDEX ${table}_$_ ON $table USING vego_hnsw $indexes{$_}")
	  foreach sort keys %indexes;
	return map { "${table}_$_" } sort keys %indexes;
}

# Computes the exact answers that recall() compares with.
sub make_truth
{
	my ($node, $table, %options) = @_;
	my $op = $options{op} // '<->';
	my $queries = $options{queries} // 200;
	my $k = $options{k} // 10;

	$node->safe_psql('postgres',
		"SELECT test_truth('$table', '$op', $queries, $k)");
	return;
}

sub recall
{
	my ($node, $table, $ef, %options) = @_;
	my $op = $options{op} // '<->';
	my $k = $options{k} // 10;
	my $pinned = $options{pinned} ? 'on' : 'off';

	return $node->safe_psql('postgres', "SET vego.pinned_reads = $pinned;
		SELECT test_recall('$table', '$op', $k, $ef)");
}

# What vego_check says, one finding a line.
sub index_findings
{
	my ($node, $index, $severity, %options) = @_;
	my $heap = $options{heapallindexed} // 'true';

	return $node->safe_psql(
		'postgres', qq{
		SELECT code, severity, block, slot, finding
		FROM vego_check('$index', $heap)
		WHERE severity = '$severity' LIMIT 20});
}

# One check: vego_check finds no error.  Information is printed as a note.
sub index_is_clean
{
	my ($node, $index, $name, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $info = index_findings($node, $index, 'info', %options);

	note("$name: $info") if $info ne '';
	return is(index_findings($node, $index, 'error', %options),
		'', "$name: the index is clean");
}

# Does the statement use that index in order of distance?
sub uses_index_scan
{
	my ($node, $index, $statement) = @_;

	return $node->safe_psql('postgres',
		"SET enable_seqscan = off; EXPLAIN $statement") =~
	  /Index Scan using $index .*Order By:/s;
}

# Runs pgbench in the background over scripts with weights:
# start_load($node, clients, { text => weight, ... }, option ...).
my $loads = 0;

sub start_load
{
	my ($node, $clients, $scripts, @options) = @_;
	my $number = ++$loads;
	my @files;

	foreach my $text (sort keys %$scripts)
	{
		my $file = sprintf('%s/load_%d_%d.sql',
			$PostgreSQL::Test::Utils::tmp_check,
			$number, scalar(@files));

		append_to_file($file, $text);
		push @files, '-f', "$file\@$scripts->{$text}";
	}
	my $load = {
		stdout => '',
		stderr => '',
		name => "load $number"
	};
	$load->{run} = IPC::Run::start(
		[
			'pgbench', '-n', '-h', $node->host, '-p', $node->port,
			'-c', $clients, '-j', 1, '-T', 600, '-U', scalar(getpwuid($<)),
			'--random-seed=' . int(rand(2**31)),
			@options, @files, 'postgres'
		],
		'<', \undef,
		'>', \$load->{stdout},
		'2>', \$load->{stderr});
	return $load;
}

sub load_is_running
{
	my ($load) = @_;

	my $pid = $load->{run}{KIDS}[0]{PID};

	open my $file, '<', "/proc/$pid/stat" or return 0;
	return <$file> !~ /^\d+ \(.*\) Z/;
}

# Ends the load and returns what it complained of; a load told to end is no
# complaint.
sub stop_load
{
	my ($load) = @_;

	eval { $load->{run}->signal('TERM') };
	eval { $load->{run}->finish };
	my $complaint = $load->{stderr};
	$complaint =~ s/^pgbench \(.*\)\n//mg;
	$complaint =~ s/^pgbench: (?:pghost|creating|setting random seed).*\n//mg;
	return $complaint;
}

# Waits for what is still under way on behalf of clients that have gone, a
# vacuum perhaps.
sub wait_until_alone
{
	my ($node) = @_;

	$node->poll_query_until('postgres', q{
		SELECT count(*) = 0 FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()})
	  or die 'a backend without a client does not end';
	return;
}

# Process ids of the postmaster's children.
sub server_children
{
	my ($postmaster) = @_;
	my @children;

	foreach my $stat (glob '/proc/[0-9]*/stat')
	{
		open my $file, '<', $stat or next;
		my $line = <$file> // next;
		close $file;
		push @children, $1
		  if $line =~ /^(\d+) \(.*\) \S (\d+) / && $2 == $postmaster;
	}
	return @children;
}

# SIGKILL to every process of the server, as if power went out: the postmaster
# is stopped first so that it starts no new ones.
sub kill_server_group
{
	my ($node) = @_;
	my ($postmaster) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');

	kill 'STOP', $postmaster;
	my @children = server_children($postmaster);
	kill 'KILL', @children if @children;
	kill 'KILL', $postmaster;
	# until all are gone a new postmaster would find its shared memory in use
	for (1 .. 1000)
	{
		last unless grep { kill(0, $_) } $postmaster, @children;
		sleep 0.01;
	}
	$node->{_pid} = undef;
	return;
}

# Starts a server that is ending by itself (restart_after_crash = off).
sub start_after_crash
{
	my ($node) = @_;

	poll_until(sub { !kill 0, $node->{_pid} }, 60)
	  or die 'a crashed server does not end';
	$node->{_pid} = undef;
	$node->start;
	return;
}

# Waits until the code is true; false after so many seconds.
sub poll_until
{
	my ($code, $seconds) = @_;
	my $end = time() + ($seconds // 30);

	while (time() < $end)
	{
		return 1 if $code->();
		sleep 0.02;
	}
	return $code->() ? 1 : 0;
}

1;
