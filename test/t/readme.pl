# What README.md says there is, is there, and what there is, is in it; and every
# object of the extension has a comment.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::Utils;
use Test::More;
use VegoTest;

my $top = "$FindBin::RealBin/../..";
my $readme = slurp_file("$top/README.md");
my $node = new_vego_node('readme');

# The rows of the table that begins so, each a list of cells.
sub table
{
	my ($beginning) = @_;
	my ($rows) = $readme =~ /^\Q| $beginning\E.*\n\|[-|]+\n((?:\|.*\n)+)/m
	  or die "README.md has no table that begins with \"$beginning\"";
	my @rows;

	# a bar after a backslash is a character of its cell
	foreach my $row (split /\n/, $rows)
	{
		my @cells = map { s/^\s+|\s+$|\\//gr } split /(?<!\\)\|/, $row;

		push @rows, [ @cells[ 1 .. $#cells ] ];
	}
	return @rows;
}

# What is between backquotes.
sub quoted
{
	my ($cell) = @_;

	return $cell =~ /`([^`]+)`/g;
}

sub sorted
{
	my %seen = map { $_ => 1 } @_;

	return join "\n", sort keys %seen;
}

# A column of what belongs to the extension in a catalog, called o.
sub of_extension
{
	my ($catalog, $column, $condition) = @_;

	return split /\n/, $node->safe_psql('postgres', qq{
		SELECT DISTINCT $column FROM $catalog o
		JOIN pg_depend d ON d.classid = '$catalog'::regclass AND d.objid = o.oid
		JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
		WHERE d.deptype = 'e' AND extname = 'vego' AND } . ($condition // 'true'));
}

is( sorted(map { /^(\w+)/ } map { quoted($_->[0]) } table('type')),
	sorted('bit', of_extension('pg_type', 'typname', q{typcategory <> 'A'})),
	'types');

my @operators;
foreach my $row (table('operator |'))
{
	foreach my $operator (quoted($row->[0]))
	{
		push @operators, map { "$operator $_" } $row->[2] =~ /(\w+)/g;
	}
}
is( sorted(@operators),
	sorted(of_extension('pg_operator', q{oprname || ' ' || oprleft::regtype})),
	'operators');

is( sorted(grep { /^\w+$/ } map { s/\(.*//r } map { quoted($_->[0]) } table('function')),
	sorted(of_extension('pg_proc', 'proname', q{
		proname NOT LIKE 'vego\_%'
		AND o.oid NOT IN (SELECT castfunc FROM pg_cast)
		AND o.oid NOT IN (SELECT unnest(ARRAY[typinput, typoutput, typreceive, typsend, typmodin]) FROM pg_type)
		AND o.oid NOT IN (SELECT unnest(ARRAY[aggtransfn, aggfinalfn, aggcombinefn, aggserialfn, aggdeserialfn])
						  FROM pg_aggregate)
		AND o.oid NOT IN (SELECT amproc FROM pg_amproc JOIN pg_opfamily f ON f.oid = amprocfamily
						  WHERE opfmethod = (SELECT oid FROM pg_am WHERE amname = 'btree'))
		AND (o.oid NOT IN (SELECT oprcode FROM pg_operator) OR proname ~ '^[a-z0-9]+_distance$')})),
	'functions');

is( sorted(grep { /^\w+$/ } map { quoted($_->[1]) } table('for |')),
	sorted(of_extension('pg_opclass', 'opcname', q{
		opcmethod = (SELECT oid FROM pg_am WHERE amname = 'vego_hnsw')})),
	'operator classes');
is( sorted(map { (quoted($_->[1]))[0] } table('for |')),
	sorted(of_extension('pg_opclass', 'opcname', q{opcdefault
		AND opcmethod = (SELECT oid FROM pg_am WHERE amname = 'vego_hnsw')})),
	'and those that are defaults');

# Functions for administrators are explained in the text.
my $text = sorted($readme =~ /\b(vego_\w+)\(/g);
is($text, sorted(of_extension('pg_proc', 'proname', q{
		proname LIKE 'vego\_%' AND proname !~ '_support$|_handler$'})),
	'functions of the index');

# Settings with their defaults, all of them.
is( sorted(map { join ' ', quoted($_->[0]), $_->[1] } table('setting')),
	sorted(split /\n/, $node->safe_psql('postgres', q{LOAD 'vego';
		SELECT name || ' ' || boot_val FROM pg_settings
		WHERE name LIKE 'vego.%' AND name NOT LIKE 'vego.fail%'})),
	'settings');

# Storage parameters, all that the source knows, with limits that hold.
my @parameters = table('storage parameter');
is( sorted(map { quoted($_->[0]) } @parameters),
	sorted(slurp_file("$top/src/options.c") =~ /\{"(\w+)", RELOPT_TYPE_/g),
	'storage parameters');
$node->safe_psql('postgres', 'CREATE TABLE parameters (v vector(3))');
foreach my $row (@parameters)
{
	my ($name) = quoted($row->[0]);
	my $range = $row->[2] =~ s/,(?=\d{3})//gr;
	my @good = $range =~ / to / ? split(/ to /, $range) : split(/, /, $range);
	my @wrong = $range =~ / to / ? ($good[0] - 1, $good[1] + 1) : ('other');

	foreach my $value (@good)
	{
		is( $node->psql('postgres',
				"CREATE INDEX ON parameters USING vego_hnsw (v) WITH ($name = $value)"),
			0, "$name = $value");
	}
	foreach my $value (@wrong)
	{
		is( $node->psql('postgres',
				"CREATE INDEX ON parameters USING vego_hnsw (v) WITH ($name = $value)"),
			3, "not $name = $value") if $value ne '0';
	}
}

# Comments; the check finds one that is taken away.
my $undescribed = q{
	SELECT pg_describe_object(d.classid, d.objid, 0) FROM pg_depend d
	JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
	WHERE d.deptype = 'e' AND extname = 'vego'
	  AND obj_description(d.objid, d.classid::regclass::name) IS NULL};
is($node->safe_psql('postgres', $undescribed), '', 'every object has a comment');
foreach my $object (
	'TYPE vector', 'FUNCTION vector_dims(vector)', 'AGGREGATE avg(halfvec)',
	'OPERATOR <-> (vector, vector)', 'CAST (vector AS halfvec)',
	'ACCESS METHOD vego_hnsw', 'OPERATOR CLASS vector_l2_ops USING vego_hnsw',
	'OPERATOR FAMILY vector_ops USING btree')
{
	isnt( $node->safe_psql('postgres',
			"BEGIN; COMMENT ON $object IS NULL; $undescribed; ROLLBACK"),
		'', "and $object without one would be found");
}

done_testing();
