# DamageTrial.pm: what comes of damaged indexes.
#
# A trial is a table and its index, NAME and NAME_v, which is checked, searched,
# inserted into, vacuumed and at last made again, in one session for many
# trials.  What may come of each statement is the same for all damage: its
# answer, or an error that names index and block and hints at REINDEX.
package DamageTrial;

use strict;
use warnings;

use Exporter qw(import);
use PostgreSQL::Test::Utils;

our @EXPORT = qw(run_trials trial_complaints trial_codes);

# Damage that hangs is an error, too; on a busy machine much else takes long.
my $longest = $ENV{VEGO_LONG} ? '5s' : '30s';

# TABLE, OPERATOR, QUERY and ROW(i), which is a vector, stand for a trial's own.
# Rows come in order, each once, and all of them are the table's, since what a
# row's distance is computed from is the table's row.
my $is_in_order = <<'SQL';
SELECT coalesce(bool_and(d >= before), true), count(*) = count(DISTINCT id)
FROM (SELECT id, d, lag(d, 1, d) OVER (ORDER BY n) AS before FROM
	(SELECT id, d, row_number() OVER () AS n FROM
		(SELECT id, v OPERATOR QUERY AS d FROM TABLE
		 ORDER BY v OPERATOR QUERY LIMIT_20) a) b) c;
SQL
(my $all_in_order = $is_in_order) =~ s/LIMIT_20//;
$is_in_order =~ s/LIMIT_20/LIMIT 20/;
my $check = q{SELECT code, severity, finding FROM vego_check('TABLE_v');};
my @steps = (
	check => $check,
	search => $is_in_order,
	all => $all_in_order,
	unordered => q{SELECT 't', count(*) = count(DISTINCT id) FROM
		(SELECT id FROM TABLE ORDER BY v OPERATOR NULL) a;},
	insert => q{INSERT INTO TABLE SELECT 9000 + i, ROW(9000 + i)
		FROM generate_series(1, 10) i;},
	search_inserted => $is_in_order,
	vacuum => q{DELETE FROM TABLE WHERE id % 9 = 1;
		VACUUM (INDEX_CLEANUP ON) TABLE;},
	search_vacuumed => $is_in_order,
	check_vacuumed => $check,
	stats => q{SELECT nodes >= 0 FROM vego_stats('TABLE_v');},
	reindex => 'REINDEX INDEX TABLE_v;',
	check_cured => $check,
	cured => q{SELECT
		(SELECT array_agg(d) FROM (SELECT v OPERATOR QUERY AS d FROM TABLE
		 ORDER BY v OPERATOR QUERY LIMIT 10) a) =
		(SELECT array_agg(d) FROM (SELECT v OPERATOR QUERY AS d FROM
			(SELECT * FROM TABLE OFFSET 0) b ORDER BY d LIMIT 10) c);});

# Which steps end with vego_check's findings?
my %is_check = map { $_ => 1 } qw(check check_vacuumed check_cured);

sub statements_of
{
	my ($trial) = @_;
	my $script = '';

	for (my $i = 0; $i < @steps; $i += 2)
	{
		my ($step, $sql) = @steps[ $i, $i + 1 ];

		$sql =~ s/ROW\((.*?)\)/$trial->{row}->($1)/ge;
		$sql =~ s/TABLE/$trial->{name}/g;
		$sql =~ s/OPERATOR/$trial->{operator}/g;
		$sql =~ s/QUERY/$trial->{query}/g;
		$script .= "\\echo @\@ $trial->{name} $step\n";
		$script .= "\\warn @\@ $trial->{name} $step\n$sql\n";
	}
	return $script;
}

# Puts what came of each step where it belongs.
sub take_output
{
	my ($results, $text, $what) = @_;
	my ($name, $step);

	foreach my $line (split /\n/, $text)
	{
		if ($line =~ /^@@ (\w+) (\w+)$/)
		{
			($name, $step) = ($1, $2);
			$results->{$name}{$step}{$what} = [];
		}
		elsif (defined $name)
		{
			push @{ $results->{$name}{$step}{$what} }, $line;
		}
	}
	return;
}

# Runs all steps of all trials, which are hashes of name, operator, query, and
# row, a function of SQL; returns {name}{step}{out or error} with lists of lines.
sub run_trials
{
	my ($node, @trials) = @_;
	my $file = "$PostgreSQL::Test::Utils::tmp_check/trials.sql";
	my (%results, $out, $error);

	open my $script, '>', $file or die $!;
	print $script <<SQL;
\\set VERBOSITY verbose
SET client_min_messages = error;
SET statement_timeout = '$longest';
SET enable_seqscan = off;
SET vego.ef_search = 100;
SQL
	print $script statements_of($_) foreach @trials;
	close $script;
	IPC::Run::run(
		[ 'psql', '-XAtq', '-f', $file, '-d', $node->connstr('postgres') ],
		'<', \undef,
		'>', \$out,
		'2>', \$error);
	take_output(\%results, $out, 'out');
	take_output(\%results, $error, 'error');
	return \%results;
}

# The codes of errors that vego_check found before anything else was done.
sub trial_codes
{
	my ($result) = @_;
	my %codes = map { /^(I\d+)\|error\|/ ? ($1 => 1) : () }
	  @{ $result->{check}{out} };

	return join ' ', sort keys %codes;
}

# May that error come of damage?
sub fails_well
{
	my ($trial, $error) = @_;
	my $index = "$trial->{name}_v";

	# a page that the server itself does not accept, or that is not there
	return 1
	  if $error =~ /ERROR:  XX001: (?:invalid page in|could not read) block/;
	return 1 if defined $trial->{allowed} && $error =~ /$trial->{allowed}/;
	return 0 unless $error =~ /^HINT: .*REINDEX/m;
	return $error =~
	  /ERROR:  (?:XX002: index "$index" is damaged in block \d+|0A000: index "$index" has format version)/;
}

# What should not have come of a trial, a line each.
sub trial_complaints
{
	my ($trial, $result) = @_;
	my $codes = trial_codes($result);
	my @complaints;

	for (my $i = 0; $i < @steps; $i += 2)
	{
		my $step = $steps[$i];
		my $got = $result->{$step};
		my $out = join "\n", @{ $got->{out} // [] };
		my $error = join "\n", @{ $got->{error} // [] };

		if (!defined $got)
		{
			push @complaints, "$step: the session has ended";
		}
		elsif ($error ne '')
		{
			# nothing is excused of the check and of the cure
			push @complaints, "$step: $error"
			  if $is_check{$step} || $step =~ /cure|reindex/
			  || !fails_well($trial, $error);
		}
		elsif ($step =~ /^search|^all|^unordered/)
		{
			my ($in_order, $once) = split /\|/, $out;

			# a kept vector that is another one gives another order; which
			# rows are in the index twice the check has said
			push @complaints, "$step: rows out of order"
			  if $in_order ne 't' && $codes !~ /I10/;
			push @complaints, "$step: a row twice"
			  if $once ne 't' && $codes !~ /I8/;
		}
		elsif ($step eq 'check_cured')
		{
			push @complaints, "$step: $out" if $out =~ /\|error\|/;
		}
		elsif ($step eq 'cured' || $step eq 'stats')
		{
			push @complaints, "$step: $out" if $out ne 't';
		}
	}
	return map { "$trial->{name}: $_" } @complaints;
}

1;
