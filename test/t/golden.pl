# Index files that earlier builds of vego have written: those of the format that
# this one writes are read and changed as if it had made them, those of earlier
# formats are refused, with a hint at REINDEX, which helps.
#
# The files are in test/golden, a folder for each format version; test/golden/make
# writes those of a new one.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use Config;
use IO::Uncompress::Gunzip qw(gunzip $GunzipError);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VegoTest;

plan skip_all => 'the files are those of a little-endian machine'
  unless $Config{byteorder} =~ /^1234/;

my $folder = "$FindBin::RealBin/../golden";
my ($current) = slurp_file("$FindBin::RealBin/../../src/page.h") =~
  /^#define VEGO_FORMAT_VERSION (\d+)$/m;
my @versions = map { /(\d+)$/ } glob "$folder/[0-9]*";

my %operator = (vector_4 => '<=>', plain => '<#>', bits => '<~>');
my $node = new_vego_node('golden');

ok((grep { $_ == $current } @versions),
	"there are files of version $current: else run test/golden/make");
$node->safe_psql('postgres', slurp_file("$folder/tables.sql"));

# The distances of the table's nearest rows to one of its own, by the index or
# without it.
sub nearest
{
	my ($name, $seqscan) = @_;
	my $operator = $operator{$name} // '<->';

	return $node->safe_psql('postgres', <<SQL);
SET enable_seqscan = $seqscan;
SET enable_indexscan = ${\ ($seqscan eq 'on' ? 'off' : 'on') };
SELECT array_agg(d) FROM (SELECT v $operator (SELECT v FROM $name WHERE id = 17) AS d
	FROM $name ORDER BY v $operator (SELECT v FROM $name WHERE id = 17)) a;
SQL
}

# Puts the index files of a version in the place of those of the tables.
sub put_files
{
	my ($version) = @_;
	my @names = map { m{/(\w+)\.gz$} } glob "$folder/$version/*.gz";
	my %path = map {
		$_ => $node->data_dir . '/'
		  . $node->safe_psql('postgres', "SELECT pg_relation_filepath('${_}_v')")
	} @names;

	$node->stop;
	foreach my $name (@names)
	{
		my $bytes;

		gunzip("$folder/$version/$name.gz" => \$bytes) or die $GunzipError;
		open my $out, '>:raw', $path{$name} or die $!;
		print $out $bytes;
		close $out;
	}
	$node->start;
	return @names;
}

foreach my $version (sort { $a <=> $b } @versions)
{
	foreach my $name (put_files($version))
	{
		my $what = "version $version, $name";

		if ($version == $current)
		{
			index_is_clean($node, "${name}_v", $what);
			is(nearest($name, 'off'), nearest($name, 'on'),
				"$what: a scan finds all rows, in order");
			$node->safe_psql('postgres', <<SQL);
INSERT INTO $name SELECT 1000 + id, v FROM $name WHERE id % 3 = 0;
DELETE FROM $name WHERE id % 4 = 0;
SQL
			$node->safe_psql('postgres',
				"VACUUM (INDEX_CLEANUP ON) $name");
			index_is_clean($node, "${name}_v", "$what, changed");
			is(nearest($name, 'off'), nearest($name, 'on'),
				"$what: a scan finds all rows after changes");
			next;
		}
		my $operator = $operator{$name} // '<->';

		foreach my $statement (
			"SELECT * FROM $name ORDER BY v $operator (SELECT v FROM $name LIMIT 1) LIMIT 1",
			"INSERT INTO $name SELECT * FROM $name LIMIT 1",
			"VACUUM (INDEX_CLEANUP ON) $name",
			"SELECT * FROM vego_stats('${name}_v')")
		{
			my ($status, $out, $error) = $node->psql('postgres', <<SQL);
\\set VERBOSITY verbose
SET enable_seqscan = off;
DELETE FROM $name WHERE id = 1;
$statement;
SQL
			like($error,
				qr/ERROR:  0A000: index "${name}_v" has format version $version, but this vego knows only version $current\nHINT:  .*REINDEX/,
				"$what: refused: $statement");
		}
		like(index_findings($node, "${name}_v", 'error'),
			qr/I2\|error\|0\|\|index has format version $version/,
			"$what: vego_check says why");
		$node->safe_psql('postgres', "REINDEX INDEX ${name}_v");
		index_is_clean($node, "${name}_v", "$what, REINDEX");
	}
}
$node->stop;
done_testing();
