# What a client may send as a value, as text and in binary: thousands of values
# near to good ones.  Each is taken, and then comes back as the same, or it is
# refused by an error of class 22 or 54 that names the type.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VegoTest;

my $values = rounds(1000, 10_000);

test_seed();
my $node = new_vego_node('input', conf => <<'CONF');
log_min_messages = fatal
restart_after_crash = off
CONF

# In SQL_ASCII any byte but 0 may be in a text.
my $database = 'bytes';
$node->safe_psql('postgres',
	"CREATE DATABASE $database ENCODING SQL_ASCII LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
$node->safe_psql($database, <<'SQL');
CREATE EXTENSION vego;
CREATE TABLE texts (id int, text text);

CREATE TYPE verdicts AS (taken int, refused int, changed int, unnamed text,
	other_class text);

-- One verdict more, given the error that a value has met, if any.
CREATE FUNCTION judged(so_far verdicts, type text, what text, state text,
	message text) RETURNS verdicts LANGUAGE plpgsql AS $$
BEGIN
	so_far.refused := so_far.refused + 1;
	IF state !~ '^(22|54)' THEN
		so_far.other_class := left(format('%s: %s %s', what, state, message), 300);
	END IF;
	IF message !~ type THEN
		so_far.unnamed := left(format('%s: %s %s', what, state, message), 300);
	END IF;
	RETURN so_far;
END $$;

-- Statements on values of one type, each of which may end in an error.  A
-- statement returns whether the value has come back the same.
CREATE FUNCTION judge_all(type text, statement text, first int, last int)
RETURNS verdicts LANGUAGE plpgsql AS $$
DECLARE
	result verdicts := (0, 0, 0, NULL, NULL);
	same boolean;
	message text;
	detail text;
BEGIN
	FOR i IN first .. last LOOP
		BEGIN
			EXECUTE format(statement, i) INTO same;
			result.taken := result.taken + 1;
			result.changed := result.changed + (same IS NOT TRUE)::int;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS message = MESSAGE_TEXT,
				detail = PG_EXCEPTION_DETAIL;
			result := judged(result, type, 'value ' || i, SQLSTATE,
				message || ' ' || detail);
		END;
	END LOOP;
	RETURN result;
END $$;
SQL

# Pieces of numbers and of what is none, and whole numbers at every border.
my @numbers = (
	'0', '-0', '1', '-1.5', '3.4028235e38', '3.4028236e38', '-3.5e38', '1e39',
	'1e400', '1e-45', '1e-46', '1e-400', '65504', '65519.99', '65520', '6e-8',
	'2.9e-8', 'nan', 'NaN', 'inf', '-Infinity', '0x1p3', '1_000', '.5', '5.',
	'.', '+1', '--1', '1e', '1e+', '1e5', '1E-5', '', ' ', "\t1\n", "\x0b2",
	'1 2', '1' x 400, '0.' . '0' x 400 . '1', '9' x 30 . 'e-30', "1\xff",
	'2147483647', '2147483648', '-2147483649', '99999999999999999999', 'null');
my @bytes = (split(//, '[]{}/:,. +-eE0123456789'), "\n", "\x80", "\xff", 'x');

sub one_of
{
	return $_[ rand @_ ];
}

sub good_text
{
	my ($type) = @_;
	my $count = one_of(1, 2, 3, 3, 8, 40);

	$count = int(rand 16_010) if rand() < 0.01;
	return '[' . join(one_of(',', ', '), map { sprintf '%.4g', rand(2) - 1 } 1 .. $count) . ']'
	  if $type ne 'sparsevec';

	my $index = 0;

	return '{' . join(',', map {
			$index += 1 + int rand 5;
			sprintf '%d:%.4g', $index, rand(2) - 1 } 1 .. $count)
	  . '}/' . ($index + int rand 3);
}

# A text with a few faults, or none.
sub bad_text
{
	my ($type) = @_;
	my $text = good_text($type);

	foreach (1 .. one_of(0, 1, 1, 1, 2, 3))
	{
		my $at = int rand(length($text) + 1);
		my $how = int rand 7;

		substr($text, $at, 0, one_of(@bytes)) if $how == 0;
		substr($text, $at, int rand 4, '') if $how == 1;
		substr($text, $at, 1, one_of(@bytes)) if $how == 2 && $at < length $text;
		substr($text, $at, 0, substr($text, rand length $text, rand 10)) if $how == 3;
		$text = substr($text, 0, $at) if $how == 4;
		if ($how > 4)
		{
			my $number = one_of(@numbers);
			my @places;

			push @places, [ $-[0], $+[0] - $-[0] ] while $text =~ /[0-9.e+-]+/g;
			substr($text, $_->[0], $_->[1], $number) foreach
			  grep { defined } one_of(@places);
		}
	}
	return $text;
}

my @floats = (0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0x80000000, 1,
	0x007fffff, 0x7f7fffff, 0, 0xffffffff);
my @halves = (0x7c00, 0xfc00, 0x7e00, 0x7c01, 0x8000, 1, 0x7bff, 0, 0xffff);
my @integers = (0, 1, -1, 2, 7, 127, 128, 255, 256, 15_999, 16_000, 16_001, 32_767,
	-32_768, 65_535, 1_000_000_000, 1_000_000_001, 2**31 - 1, -2**31);

sub good_binary
{
	my ($type) = @_;
	my $count = one_of(1, 2, 3, 3, 8, 40);

	$count = int(rand 16_010) if rand() < 0.01;
	return pack('nn (f>)*', $count, 0, map { rand(2) - 1 } 1 .. $count)
	  if $type eq 'vector';
	return pack('nn n*', $count, 0, map { int(rand 0x7c00) | one_of(0, 0x8000) } 1 .. $count)
	  if $type eq 'halfvec';

	my $index = 0;
	my @indices = map { $index += 1 + int rand 5; $index - 1 } 1 .. $count;

	return pack('NNN N* ', $index + int rand 3, $count, 0, @indices)
	  . pack('(f>)*', map { 0.5 + rand } 1 .. $count);
}

sub bad_binary
{
	my ($type) = @_;
	my $value = good_binary($type);

	foreach (1 .. one_of(0, 1, 1, 1, 2, 3))
	{
		my $length = length $value;
		my $at = int rand $length;
		my $how = int rand 7;

		next if $length < 4;
		substr($value, $at, 1) ^= chr(1 << int rand 8) if $how == 0;
		substr($value, $at, 1, chr int rand 256) if $how == 1;
		$value = substr($value, 0, $at) if $how == 2;
		$value .= substr($value, rand $length, 1 + rand 12) if $how == 3;
		# at a border between elements, the first of which are the header
		$at = $at - $at % 4;
		substr($value, $at, 4, pack 'N', one_of(@integers)) if $how == 4 && $at + 4 <= $length;
		substr($value, $at, 4, pack 'N', one_of(@floats)) if $how == 5 && $at + 4 <= $length;
		$at = int(rand($length / 2)) * 2;
		substr($value, $at, 2, pack 'n', one_of(@halves, @integers)) if $how == 6 && $at + 2 <= $length;
	}
	return $value;
}

# A text as COPY reads it.
sub escaped
{
	my ($text) = @_;

	$text =~ s/([\\\n\r\t])/sprintf '\\x%02x', ord $1/ge;
	return $text;
}

sub write_file
{
	my ($path, $bytes) = @_;

	open my $file, '>:raw', $path or die "$path: $!";
	print $file $bytes;
	close $file;
	return;
}

# What holds for all values of a type and a format.
sub all_are_judged
{
	my ($name, $type, $statement) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($status, $out, $err) = $node->psql($database,
		"SELECT (judge_all('$type', \$s\$$statement\$s\$, 1, $values)).*");

	is($err, '', "$name: the server lives");
	my ($taken, $refused, $changed, $unnamed, $other) = split /\|/, $out // '', 5;

	diag("$name: $taken taken, $refused refused");
	cmp_ok($taken // 0, '>', $values / 20, "$name: some are taken");
	cmp_ok($refused // 0, '>', $values / 5, "$name: many are refused");
	is($changed, 0, "$name: what is taken comes back as the same");
	is($other, '', "$name: errors are of class 22 or 54");
	is($unnamed, '', "$name: errors name the type");
	return;
}

my $folder = PostgreSQL::Test::Utils::tempdir();
chmod 0755, $folder;

foreach my $type ('vector', 'halfvec', 'sparsevec')
{
	write_file("$folder/texts",
		join '', map { "$_\t" . escaped(bad_text($type)) . "\n" } 1 .. $values);
	$node->safe_psql($database,
		"TRUNCATE texts; COPY texts FROM '$folder/texts'");
	all_are_judged("$type as text", $type,
		"SELECT t.text::$type::text::$type = t.text::$type FROM texts t WHERE id = %s");

	# a file of binary COPY: signature, flags, one row of one field, its end
	foreach my $i (1 .. $values)
	{
		my $value = bad_binary($type);

		write_file("$folder/$i", "PGCOPY\n\xff\r\n\0" . pack('N N n N', 0, 0, 1, length $value)
			  . $value . pack('n', 0xffff));
	}
	$node->safe_psql($database, <<SQL);
DROP TABLE IF EXISTS received;
CREATE TABLE received (v $type);
CREATE OR REPLACE FUNCTION receive(path text) RETURNS boolean LANGUAGE plpgsql AS \$\$
DECLARE
	sent bytea;
	same boolean;
BEGIN
	EXECUTE format('COPY received FROM %L (FORMAT binary)', path);
	-- 21 bytes before the row, 2 of its columns, 4 of the length; 2 behind
	sent := pg_read_binary_file(path);
	sent := substr(sent, 26, length(sent) - 27);
	SELECT ${type}_send(v) = sent AND v::text::$type = v INTO same FROM received;
	DELETE FROM received;
	RETURN same;
END \$\$;
SQL
	all_are_judged("$type in binary", $type, "SELECT receive('$folder/%s')");
}
is($node->safe_psql($database, 'SELECT 1'), 1, 'the server still runs');
unlike(slurp_file($node->logfile), qr/runtime error|AddressSanitizer|terminated by signal/,
	'nothing has been reported');

$node->stop;
done_testing();
