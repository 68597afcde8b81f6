# Damaged index files: vego_check says what is wrong; searches, inserts and
# vacuum give sound answers or an error that names the index, and never crash
# or hang; REINDEX cures.
#
# VEGO_MUTATIONS=n sets how many indexes get random damage.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VegoTest;

my $block_bytes = 8192;
my $header_bytes = 24;
my $tail_bytes = 8;
my $no_node = 0x7FFFFFFF;
my $binding = 0x80000000;

# The layout of src/page.h for these constants.
my ($dims, $m) = (12, 4);
my $capacity = 2 * $m;
my $factors_offset = 12;
my $code_offset = $factors_offset + 16;
my $exact_offset = $code_offset + $dims;
my ($links_offset, $slot_bytes, $per_page);
my ($free, $live, $dead) = (0, 1, 2);

# Slots of an index that keeps exact vectors have room for their place.
sub use_layout
{
	my ($case) = @_;

	$links_offset = $exact_offset + ($case =~ /^exact_/ ? 8 : 0);
	$slot_bytes = $links_offset + 4 * $capacity;
	$per_page =
	  int(($block_bytes - $header_bytes - $tail_bytes) / $slot_bytes);
	return;
}

#
# An index file in memory
#

sub slot_at
{
	my ($id) = @_;

	return (1 + int($id / $per_page)) * $block_bytes + $header_bytes +
	  $id % $per_page * $slot_bytes;
}

sub page_at { return $_[0] * $block_bytes }

sub slot_count
{
	my ($file) = @_;

	return (length($$file) / $block_bytes - 1) * $per_page;
}

sub byte_of
{
	my ($file, $id, $offset) = @_;

	return unpack('C', substr($$file, slot_at($id) + $offset, 1));
}

sub set_bytes
{
	my ($file, $at, $bytes) = @_;

	substr($$file, $at, length $bytes) = $bytes;
	return;
}

sub set_slot
{
	my ($file, $id, $offset, $bytes) = @_;

	set_bytes($file, slot_at($id) + $offset, $bytes);
	return;
}

sub links_of
{
	my ($file, $id) = @_;

	return unpack('L' . byte_of($file, $id, 2),
		substr($$file, slot_at($id) + $links_offset, 4 * $capacity));
}

sub set_links
{
	my ($file, $id, @links) = @_;

	set_slot($file, $id, 2, pack('C', scalar @links));
	set_slot($file, $id, $links_offset,
		pack("L$capacity", @links, (0) x ($capacity - @links)));
	return;
}

# The entry and its level, from the meta page.
sub entry_of
{
	my ($file) = @_;

	return unpack('LL', substr($$file, $header_bytes + 28, 8));
}

# The first node of a kind and level from an id on, but not the entry.
sub find_slot
{
	my ($file, $kind, $level, $from) = @_;
	my ($entry) = entry_of($file);

	for my $id (($from // 0) .. slot_count($file) - 1)
	{
		return $id
		  if $id != $entry
		  && byte_of($file, $id, 0) == $kind
		  && byte_of($file, $id, 1) == $level;
	}
	die "no slot of kind $kind and level $level";
}

# Changes the links of all nodes.
sub map_links
{
	my ($file, $change) = @_;

	for my $id (0 .. slot_count($file) - 1)
	{
		next if byte_of($file, $id, 0) == $free;
		set_links($file, $id, map { $change->($_) } links_of($file, $id));
	}
	return;
}

#
# What is done to which index, the code that vego_check must give, and errors
# of searches and changes that are right besides XX002
#

my $victim_from = 500;
my $btree_page;

my %damage = (
	magic => [
		'I2', sub { set_bytes($_[0], $header_bytes, pack('L', 42)) } ],
	version => [
		'I2', sub { set_bytes($_[0], $header_bytes + 4, pack('L', 99)) },
		'0A000' ],
	page_version => [
		'I1', sub { set_bytes($_[0], page_at(1) + $block_bytes - 4, pack('S', 99)) } ],
	metric => [
		'I2', sub { set_bytes($_[0], $header_bytes + 16, pack('S', 4)) } ],
	meta_dims => [
		'I2', sub { set_bytes($_[0], $header_bytes + 20, pack('L', 11)) },
		'22000' ],
	meta_m => [
		'I1', sub { set_bytes($_[0], $header_bytes + 24, pack('S', 5)) } ],
	meta_zero => [
		'I1', sub { set_bytes($_[0], 0, "\0" x $block_bytes) } ],
	entry_beyond => [
		'I2', sub { set_bytes($_[0], $header_bytes + 28, pack('L', 1e6)) } ],
	entry_level => [
		'I2', sub {
			my ($file) = @_;
			set_bytes($file, $header_bytes + 28,
				pack('L', find_slot($file, $live, 0)));
		} ],
	entry_lost => [
		'I2', sub { set_bytes($_[0], $header_bytes + 28, pack('L', $no_node)) } ],
	entry_free => [
		'I2', sub {
			my ($file) = @_;
			set_bytes($file, $header_bytes + 28,
				pack('L', find_slot($file, $free, 0)));
		} ],
	self_link => [
		'I5', sub {
			my ($file) = @_;
			my $id = find_slot($file, $live, 0, $victim_from);
			set_slot($file, $id, $links_offset, pack('L', $id));
		} ],
	double_link => [
		'I5', sub {
			my ($file) = @_;
			my $id = find_slot($file, $live, 0, $victim_from);
			set_slot($file, $id, $links_offset + 4, pack('L', (links_of($file, $id))[0]));
		} ],
	far_link => [
		'I5', sub {
			my ($file) = @_;
			set_slot($file, find_slot($file, $live, 0, $victim_from), $links_offset,
				pack('L', 0x7FFFFFF0));
		} ],
	kind => [
		'I4', sub {
			my ($file) = @_;
			set_slot($file, find_slot($file, $live, 0, $victim_from), 0,
				pack('C', 77));
		} ],
	level => [
		'I4', sub {
			my ($file) = @_;
			set_slot($file, find_slot($file, $live, 0, $victim_from), 1,
				pack('C', 255));
		} ],
	degree => [
		'I4', sub {
			my ($file) = @_;
			set_slot($file, find_slot($file, $live, 0, $victim_from), 2,
				pack('C', 255));
		} ],
	spare_link => [
		'I4', sub {
			my ($file) = @_;
			my $id = find_slot($file, $live, 0, $victim_from);
			set_links($file, $id, (links_of($file, $id))[ 0 .. 1 ]);
			set_slot($file, $id, $links_offset + 4 * ($capacity - 1), pack('L', 3));
		} ],
	unused_byte => [
		'I4', sub {
			my ($file) = @_;
			set_slot($file, find_slot($file, $live, 0, $victim_from), 3,
				pack('C', 1));
		} ],
	nan_factor => [
		'I4', sub {
			my ($file) = @_;
			set_slot($file, find_slot($file, $live, 0, $victim_from),
				$factors_offset, pack('L', 0x7FC00000));
		} ],
	negative_step => [
		'I4', sub {
			my ($file) = @_;
			set_slot($file, find_slot($file, $live, 0, $victim_from),
				$factors_offset + 4, pack('f', -0.01));
		} ],
	dead_with_row => [
		'I4', sub {
			my ($file) = @_;
			set_slot($file, find_slot($file, $live, 0, $victim_from), 0,
				pack('C', $dead));
		} ],
	live_without_row => [
		'I4', sub {
			my ($file) = @_;
			set_slot($file, find_slot($file, $live, 0, $victim_from), 4,
				"\0" x 6);
		} ],
	row_beyond_table => [
		'I4', sub {
			my ($file) = @_;
			set_slot($file, find_slot($file, $live, 0, $victim_from), 4,
				pack('SSS', 100, 0, 1));
		},
		'XX001' ],
	free_not_zero => [
		'I4', sub {
			my ($file) = @_;
			set_slot($file, find_slot($file, $free, 0), $code_offset, 'x');
		} ],
	other_row => [
		'I8', sub {
			my ($file) = @_;
			my $id = find_slot($file, $live, 0, $victim_from);
			my $other = find_slot($file, $live, 0, $id + 1);
			set_slot($file, $id, 4, substr($$file, slot_at($other) + 4, 6));
		} ],
	code_byte => [
		'I9', sub {
			my ($file) = @_;
			my $id = find_slot($file, $live, 0, $victim_from);
			set_slot($file, $id, $code_offset,
				pack('C', byte_of($file, $id, $code_offset) ^ 0x40));
		} ],
	factor => [
		'I9', sub {
			my ($file) = @_;
			set_slot($file, find_slot($file, $live, 0, $victim_from),
				$factors_offset, pack('f', 1.5));
		} ],
	upper_code => [
		'I7', sub {
			my ($file) = @_;
			my $id = find_slot($file, $live, 1);
			set_slot($file, $id, $code_offset,
				pack('C', byte_of($file, $id, $code_offset) ^ 0x40));
		} ],
	down => [
		'I7', sub {
			my ($file) = @_;
			my $id = find_slot($file, $live, 1);
			my $down = unpack('L', substr($$file, slot_at($id) + 4, 4));
			set_slot($file, $id, 4,
				pack('L', find_slot($file, $live, 0, $down + 1)));
		} ],
	down_beyond => [
		'I7', sub {
			my ($file) = @_;
			set_slot($file, find_slot($file, $live, 1), 4, pack('L', 1e6));
		} ],
	down_itself => [
		'I7', sub {
			my ($file) = @_;
			my $id = find_slot($file, $live, 1);
			set_slot($file, $id, 4, pack('L', $id));
		} ],
	unbound => [
		'I3', sub {
			my ($file) = @_;
			my $id = find_slot($file, $live, 0, $victim_from);
			map_links($file, sub { $_[0] == ($id | $binding) ? $id : $_[0] });
		} ],
	bound_in_circle => [
		'I3', sub {
			my ($file) = @_;
			my $id = find_slot($file, $live, 0, $victim_from);
			my $other = (links_of($file, $id))[0] & ~$binding;

			map_links($file, sub {
				my $to = $_[0] & ~$binding;
				$to == $id || $to == $other ? $to : $_[0];
			});
			set_slot($file, $id, $links_offset, pack('L', $other | $binding));
			my @links = grep { ($_ & ~$binding) != $id } links_of($file, $other);
			$#links = $capacity - 2 if @links == $capacity;
			set_links($file, $other, @links, $id | $binding);
		} ],
	unreachable => [
		'I6', sub {
			my ($file) = @_;
			my $id = find_slot($file, $live, 0, $victim_from);
			map_links($file, sub { ($_[0] & ~$binding) == $id ? () : $_[0] });
		} ],
	page_zero => [
		'I8', sub { set_bytes($_[0], page_at(3), "\0" x $block_bytes) } ],
	page_twice => [
		'I8', sub {
			my ($file) = @_;
			set_bytes($file, page_at(4), substr($$file, page_at(3), $block_bytes));
		} ],
	page_of_other_method => [
		'I1', sub { set_bytes($_[0], page_at(3), $btree_page) } ],
	page_bounds => [
		'I1', sub { set_bytes($_[0], page_at(3) + 12, pack('S', $header_bytes + 3)) } ],
	page_unreadable => [
		'I1', sub { set_bytes($_[0], page_at(3) + 12, pack('S', 9000)) },
		'XX001' ],
	page_noise => [
		'I1', sub {
			my ($file) = @_;
			set_bytes($file, page_at(3), join '',
				map { chr int rand 256 } 1 .. $block_bytes);
		},
		'XX001' ],
	beyond_last_slot => [
		'I1', sub { set_bytes($_[0], page_at(4) - $tail_bytes - 4, 'x') } ],
	truncated => [
		'I8', sub {
			my ($file) = @_;
			$$file = substr($$file, 0,
				int(length($$file) / $block_bytes / 2) * $block_bytes);
		} ],
	emptied => [ 'I1', sub { ${ $_[0] } = '' }, 'XX001' ],
);

# Where the vector of a node is: block and item, and its bytes in the file.
sub exact_place
{
	my ($file, $id) = @_;

	return unpack('LS', substr($$file, slot_at($id) + $exact_offset, 6));
}

sub line_at
{
	my ($block, $item) = @_;

	return page_at($block) + $header_bytes + 4 * ($item - 1);
}

sub item_at
{
	my ($file, $block, $item) = @_;

	return page_at($block) +
	  (unpack('L', substr($$file, line_at($block, $item), 4)) & 0x7FFF);
}

# Damage to the exact vector of one node.
sub exact_damage
{
	my ($code, $change) = @_;

	return [ $code, sub {
			my ($file) = @_;
			my $id = find_slot($file, $live, 0, $victim_from);

			$change->($file, $id, exact_place($file, $id));
		} ];
}

%damage = (%damage,
	exact_gone => exact_damage('I10', sub {
			my ($file, $id, $block, $item) = @_;
			set_bytes($file, line_at($block, $item), pack('L', 0));
		}),
	exact_line => exact_damage('I10', sub {
			my ($file, $id, $block, $item) = @_;
			set_bytes($file, line_at($block, $item),
				pack('L', 8190 | 1 << 15 | 60 << 17));
		}),
	exact_flags => exact_damage('I10', sub {
			my ($file, $id, $block, $item) = @_;
			set_bytes($file, item_at($file, $block, $item) + 6, pack('C', 0x40));
		}),
	exact_rest => exact_damage('I10', sub {
			my ($file, $id, $block, $item) = @_;
			set_bytes($file, item_at($file, $block, $item) + 6, pack('C', 0x04));
		}),
	exact_circle => exact_damage('I10', sub {
			my ($file, $id, $block, $item) = @_;
			set_bytes($file, item_at($file, $block, $item) + 6, pack('C', 0x02));
			set_bytes($file, item_at($file, $block, $item) + 12,
				pack('LSS', $block, $item, 0));
		}),
	exact_coded => exact_damage('I10', sub {
			my ($file, $id, $block, $item) = @_;
			set_bytes($file, item_at($file, $block, $item) + 6, pack('C', 0x01));
		}),
	exact_length => exact_damage('I10', sub {
			my ($file, $id, $block, $item) = @_;
			set_bytes($file, item_at($file, $block, $item) + 8, pack('L', 2**31));
		}),
	exact_row => exact_damage('I10', sub {
			my ($file, $id, $block, $item) = @_;
			set_bytes($file, item_at($file, $block, $item), pack('SSS', 0, 7, 7));
		}),
	exact_bits => exact_damage('I10', sub {
			my ($file, $id, $block, $item) = @_;
			my $at = item_at($file, $block, $item) + 12;
			set_bytes($file, $at, pack('C', ord(substr($$file, $at, 1)) ^ 1));
		}),
	exact_nowhere => exact_damage('I4', sub {
			my ($file, $id) = @_;
			set_slot($file, $id, $exact_offset, "\0" x 8);
		}),
	exact_beyond => exact_damage('I10', sub {
			my ($file, $id) = @_;
			set_slot($file, $id, $exact_offset, pack('LSS', 1e6, 1, 0));
		}),
	exact_in_nodes => exact_damage('I10', sub {
			my ($file, $id) = @_;
			set_slot($file, $id, $exact_offset, pack('LSS', 1, 1, 0));
		}),
	exact_of_other => exact_damage('I10', sub {
			my ($file, $id) = @_;
			my $other = find_slot($file, $live, 0, $id + 1);
			set_slot($file, $id, $exact_offset,
				substr($$file, slot_at($other) + $exact_offset, 8));
		}),
	exact_mode => [
		'I2', sub { set_bytes($_[0], $header_bytes + 36, pack('S', 9)) } ],
	exact_element => [
		'I2', sub { set_bytes($_[0], $header_bytes + 38, pack('S', 2)) } ],
	exact_value => [
		'I2', sub { set_bytes($_[0], $header_bytes + 48, pack('L', 44)) } ],
	exact_kind => exact_damage('I10', sub {
			my ($file, $id, $block) = @_;
			set_bytes($file, page_at($block + 1) - $tail_bytes, pack('S', 2));
		}),
	exact_zero => exact_damage('I10', sub {
			my ($file, $id, $block) = @_;
			set_bytes($file, page_at($block), "\0" x $block_bytes);
		}),
	exact_noise => exact_damage('I1', sub {
			my ($file, $id, $block) = @_;
			set_bytes($file, page_at($block) + $header_bytes, join '',
				map { chr int rand 256 } 1 .. $block_bytes - 100);
		}));

my $mutations = $ENV{VEGO_MUTATIONS} // 20;
test_seed();
foreach my $i (1 .. $mutations)
{
	# some of an index that keeps vectors, plain and coded ones
	my $keeps = $i % 3 == 0 ? 'exact_' : '';

	$damage{"${keeps}random_$i"} = [
		undef, sub {
			my ($file) = @_;
			my $blocks = length($$file) / $block_bytes;
			my $block = $keeps ? $blocks - 1 - int rand 8 : int rand $blocks;
			my $count = 1 + int rand 64;
			my $at = page_at($block) + int rand($block_bytes - $count);

			# half of them next to each other, half scattered over the page
			foreach my $j (0 .. $count - 1)
			{
				$at = page_at($block) + int rand $block_bytes if $i % 2;
				set_bytes($file, $at + ($i % 2 ? 0 : $j), chr int rand 256);
			}
		},
		'0A000|22000|XX001|58P01' ];
}

#
# One table and index for each
#

my $node = new_vego_node('damage');
my @cases = sort keys %damage;

$node->safe_psql('postgres', <<SQL);
CREATE TABLE source AS
	SELECT i AS id, test_vector(i, $dims)::vector($dims) AS v
	FROM generate_series(1, 1500) i;
CREATE TABLE keyed (id int PRIMARY KEY);
INSERT INTO keyed SELECT generate_series(1, 100);
SQL
foreach my $case (@cases)
{
	my $exact =
	  $case =~ /^exact_random/ ? 'zstd' : $case =~ /^exact/ ? 'plain' : 'off';

	$node->safe_psql('postgres', <<SQL);
CREATE TABLE $case AS SELECT * FROM source;
CREATE INDEX ${case}_v ON $case USING vego_hnsw (v vector_l2_ops)
	WITH (m = $m, exact = $exact);
INSERT INTO $case SELECT -i, test_vector(-i, $dims) FROM generate_series(1, 100) i;
DELETE FROM $case WHERE id % 50 = 7;
VACUUM (INDEX_CLEANUP ON) $case;
SQL
}

sub error_codes
{
	my ($case) = @_;

	return $node->safe_psql('postgres', qq{
		SET statement_timeout = '20s';
		SELECT string_agg(DISTINCT code, ' ' ORDER BY code)
		FROM vego_check('${case}_v') WHERE severity = 'error'});
}

is(error_codes($_), '', "$_: clean before") foreach ($cases[0], $cases[-1]);

my %path = map {
	$_ => $node->data_dir . '/' . $node->safe_psql('postgres',
		"SELECT pg_relation_filepath('${_}_v')")
} @cases;
my $keyed_path = $node->data_dir . '/' .
  $node->safe_psql('postgres', "SELECT pg_relation_filepath('keyed_pkey')");

$node->stop;
$btree_page = substr(slurp_file($keyed_path), $block_bytes, $block_bytes);
foreach my $case (@cases)
{
	my $file = slurp_file($path{$case});
	my $before = $file;

	use_layout($case);
	$damage{$case}[1]->(\$file);
	die "$case changes nothing" if $file eq $before && defined $damage{$case}[0];
	open my $out, '>:raw', $path{$case} or die $!;
	print $out $file;
	close $out;
}
$node->start;

#
# What comes of it
#

# Runs a statement; true when it went well or failed as it may.
sub fails_well
{
	my ($case, $what, $sql) = @_;
	my $allowed = $damage{$case}[2];
	my ($status, $out, $error) = $node->psql('postgres', <<SQL);
\\set VERBOSITY verbose
SET statement_timeout = '20s';
SET enable_seqscan = off;
$sql
SQL
	return ($out) if $status == 0;
	my ($first) = $error =~ /(ERROR: .*)/;
	my $named = ($first // '') =~
	  /ERROR:  XX002: index "${case}_v" is damaged in block \d+/;
	my $expected = defined $allowed && ($first // '') =~ /ERROR:  (?:$allowed):/;
	ok($named || $expected, "$case: $what fails well") or diag($error);
	return;
}

# The nearest rows, through the index: at least in order, and each once unless
# vego_check has said that the index has some more than once.
sub search
{
	my ($case, $codes) = @_;
	my $once = $codes =~ /I8/ ? 'true' : 'count(DISTINCT id) = count(*)';
	my ($out) = fails_well($case, 'a search', <<SQL);
SELECT coalesce(bool_and(d >= before), true) AND $once
FROM (SELECT id, d, lag(d, 1, d) OVER (ORDER BY n) AS before FROM
	(SELECT id, d, row_number() OVER () AS n FROM
		(SELECT id, v <-> q AS d FROM $case, test_vector(-7777, $dims) q
		 ORDER BY v <-> test_vector(-7777, $dims) LIMIT 20) a) b) c;
SQL
	# a vector that is another one, and not its row's, is nothing a search sees
	return if $codes =~ /I10/ && $case =~ /^exact_/;
	is($out, 't', "$case: a search is in order") if defined $out;
	return;
}

foreach my $case (@cases)
{
	my $wanted = $damage{$case}[0];
	my $codes = error_codes($case);

	if (defined $wanted)
	{
		like($codes, qr/\b$wanted\b/, "$case: found as $wanted");
	}
	note("$case: " . ($codes || 'nothing found'));
	search($case, $codes);
	fails_well($case, 'an insert',
		"INSERT INTO $case SELECT 9000 + i, test_vector(9000 + i, $dims) FROM generate_series(1, 30) i;");
	search($case, $codes);
	fails_well($case, 'vacuum',
		"DELETE FROM $case WHERE id % 9 = 1; VACUUM (INDEX_CLEANUP ON) $case;");
	search($case, $codes);
	error_codes($case);
	fails_well($case, 'statistics', "SELECT nodes FROM vego_stats('${case}_v');");

	$node->safe_psql('postgres', "REINDEX INDEX ${case}_v");
	is(error_codes($case), '', "$case: REINDEX cures");
}

unlike(slurp_file($node->logfile), qr/PANIC|was terminated by signal|TRAP:/,
	'no crash');
$node->stop;
done_testing();
