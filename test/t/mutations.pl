# Index files damaged by chance: nothing crashes or hangs, errors name the index,
# REINDEX cures, and vego_check finds what has changed its meaning.
#
# Hundreds of copies of a few indexes and their tables are damaged at a time,
# each in one place, while the server is stopped.
#
# What changes an index's meaning is defined by `meaning_of` below, and explained
# in test/README.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use DamageTrial;
use IndexFile;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VegoTest;

my $mutations = rounds(270, 10_000);
my $at_once = 270;

my @shapes = (
	{ type => 'vector(12)', opclass => 'vector_l2_ops' },
	{ type => 'vector(20)', opclass => 'vector_cosine_ops', operator => '<=>',
		with => 'bits = 4' },
	{ type => 'vector(12)', opclass => 'vector_ip_ops', operator => '<#>' },
	{ type => 'vector(10)', opclass => 'vector_l1_ops', operator => '<+>' },
	{ type => 'halfvec(16)', opclass => 'halfvec_l2_ops',
		value => sub { "test_vector($_[0], 16)::halfvec(16)" } },
	{ type => 'sparsevec(30)', opclass => 'sparsevec_l2_ops',
		value => sub { "test_vector($_[0], 30)::sparsevec" } },
	{ type => 'bit(70)', opclass => 'bit_hamming_ops', operator => '<~>',
		value => sub {
			"(hashint8extended($_[0], 1)::bit(64) || B'101101')::bit(70)"
		} },
	{ type => 'vector(12)', opclass => 'vector_l2_ops', with => 'exact = plain' },
	{ type => 'sparsevec(30)', opclass => 'sparsevec_ip_ops', operator => '<#>',
		with => 'exact = plain',
		value => sub { "test_vector($_[0], 30)::sparsevec" } },
	{ type => 'halfvec(40)', opclass => 'halfvec_cosine_ops', operator => '<=>',
		with => 'exact = zstd',
		value => sub { "test_vector($_[0], 40)::halfvec(40)" } },
	{ type => 'vector(64)', opclass => 'vector_l2_ops', with => 'exact = zstd' });

#
# What changes an index's meaning?
#

# What a node's links mean: ids that are no slot, its own, and doubles are
# damage; which live nodes binding links lead to from the entry is a promise;
# all else is a hint.
sub bound_count
{
	my ($file) = @_;
	my $at = $file->meta('entry');
	my (@waiting, %reached);

	for (my $level = $file->meta('entry_level'); $level >= 0; $level--)
	{
		push @waiting, $at;
		$at = $file->down($at) if $level > 0;
	}
	@reached{@waiting} = ();
	while (@waiting)
	{
		my $id = pop @waiting;

		foreach my $link ($file->links($id))
		{
			my $to = $link & ~$BINDING;

			next
			  if ($link & $BINDING) == 0
			  || exists $reached{$to}
			  || $to >= $file->slot_count
			  || $file->kind($to) != $LIVE
			  || $file->level($to) != $file->level($id);
			$reached{$to} = 1;
			push @waiting, $to;
		}
	}
	return scalar keys %reached;
}

sub links_have_meaning
{
	my ($was, $is, $id) = @_;
	my $degree = $is->slot_get($id, 2, 'C');
	my %seen = ($id => 1);

	return 1 if $degree > $is->{capacity};
	return 1 if grep { $_ != 0 } unpack("x[L$degree]L*",
		substr($is->{bytes}, $is->slot_at($id) + $is->{links_offset},
			4 * $is->{capacity}));
	foreach my $link ($is->links($id))
	{
		my $to = $link & ~$BINDING;

		return 1 if $to >= $is->slot_count || $seen{$to}++;
	}
	return bound_count($is) < bound_count($was);
}

# The name of what a changed byte of a slot is.
sub slot_class
{
	my ($was, $is, $id, $offset) = @_;

	return 'free' if $was->kind($id) == $FREE;
	return 'link' if $offset == 2 || $offset >= $was->{links_offset};
	return 'head' if $offset < 4 || $offset >= 10 && $offset < 12;
	return $was->level($id) == 0 ? 'row' : 'down' if $offset < 10;
	return 'factor' if $offset < $was->{code_offset};
	return 'code' if $offset < $was->{code_end};
	return 'place';
}

sub meta_class
{
	my ($was, $is, $offset) = @_;
	my $at = $offset - $HEADER_BYTES;

	return 'centre' if $at >= 64;
	foreach my $name (keys %META)
	{
		my ($start, $type) = @{ $META{$name} };
		my $bytes = length pack($type, 0);

		next if $at < $start || $at >= $start + $bytes;
		# of the stamp, only these bytes are in each slot's check
		return 'statistic'
		  if $name eq 'stored_bytes'
		  || $name eq 'stamp' && $at != $start + 2 && $at != $start + 3;
		# a radius above all norms is as good as another
		if ($name eq 'radius' && $was->meta('metric') == 2)
		{
			my $radius = $is->meta('radius');
			my $most = 0;

			foreach my $id (0 .. $was->slot_count - 1)
			{
				next if $was->kind($id) == $FREE;
				$most = $was->norm($id) if $was->norm($id) > $most;
			}
			return 'statistic' if $radius > $most && $radius < 1e308;
		}
		return 'constant';
	}
	die "nothing of the meta page is at $at";
}

sub exact_class
{
	my ($was, $block, $offset) = @_;

	if ($offset < $was->get($was->page_at($block) + 12, 'S'))
	{
		my $line = $HEADER_BYTES + int(($offset - $HEADER_BYTES) / 4) * 4;

		return $was->get($was->page_at($block) + $line, 'L') == 0 ?
		  'free' : 'item';
	}
	foreach my $item (1 .. $was->line_count($block))
	{
		my $start = $was->item_at($block, $item) - $was->page_at($block);
		my $end = $start + $was->item_bytes($block, $item);

		next if $offset < $start || $offset >= $end;
		return 'item' if $offset < $start + 12;
		return 'dictionary'
		  if $block == $was->meta('dictionary')
		  && $item == $was->meta('dictionary_item');
		return 'vector';
	}
	return 'padding';
}

# The name of what the byte is, in the file as it was.
sub class_of
{
	my ($was, $is, $at) = @_;
	my $block = int($at / $BLOCK_BYTES);
	my $offset = $at % $BLOCK_BYTES;
	my $page = $was->page_at($block);
	my $kind = $was->page_kind($block);
	my ($lower, $upper) = unpack('SS', substr($was->{bytes}, $page + 12, 4));

	return 'lsn' if $offset < 10;
	return 'header'
	  if $offset < $HEADER_BYTES || $offset >= $BLOCK_BYTES - $TAIL_BYTES;
	return 'hole' if $offset >= $lower && $offset < $upper;
	return meta_class($was, $is, $offset) if $kind eq 'meta';
	return exact_class($was, $block, $offset) if $kind eq 'exact';
	return 'signpost' if $kind eq 'signposts';

	my $place = int(($offset - $HEADER_BYTES) / $was->{slot_bytes});

	return slot_class($was, $is,
		($block - $was->{first_block}) * $was->{per_page} + $place,
		($offset - $HEADER_BYTES) % $was->{slot_bytes});
}

# What nobody reads, or reads as a hint only; and what only the bytes in it can
# tell: a dictionary's, which may be in no frame.
my %no_meaning = map { $_ => 1 } qw(lsn hole free padding statistic dictionary);

# The classes of the bytes that differ, and whether they mean something else.
sub meaning_of
{
	my ($was, $is, @changed) = @_;
	my (%classes, %linked);
	my $means = 0;

	foreach my $at (@changed)
	{
		my $class = class_of($was, $is, $at);
		my $block = int($at / $BLOCK_BYTES);

		$classes{$class} = 1;
		if ($class eq 'link')
		{
			my $place = int(
				($at % $BLOCK_BYTES - $HEADER_BYTES) / $was->{slot_bytes});
			$linked{ ($block - $was->{first_block}) * $was->{per_page} + $place } = 1;
		}
		# a signpost is a hint, as a link is
		elsif ($class eq 'signpost')
		{
			my $id = $is->get($at - $at % 4, 'L');

			$means = 1 if $id != $NO_NODE && $id >= $is->slot_count;
		}
		# where slots end or lines begin: more of what is free is no other page
		elsif ($class eq 'header'
			&& ($at % $BLOCK_BYTES == 12 || $at % $BLOCK_BYTES == 13)
			&& $block >= $was->{first_block})
		{
			my $page = $was->page_at($block);
			my $unit = $was->page_kind($block) eq 'nodes' ? $was->{slot_bytes} : 4;
			my $lower = $is->get($page + 12, 'S');
			my $old = $was->get($page + 12, 'S');

			$means = 1
			  if ($lower - $HEADER_BYTES) % $unit != 0
			  || $lower < $HEADER_BYTES
			  || $lower > $was->get($page + 14, 'S')
			  || $lower < $old && substr($was->{bytes}, $page + $lower,
				$old - $lower) =~ /[^\0]/;
		}
		elsif (!$no_meaning{$class})
		{
			$means = 1;
		}
	}
	foreach my $id (keys %linked)
	{
		$means ||= links_have_meaning($was, $is, $id);
	}
	return ($means, sort keys %classes);
}

#
# Mutations
#

# Changes 1 to 64 bytes of one page: one bit, one byte, a run, or scattered ones.
sub mutate
{
	my ($file) = @_;
	my $page = $file->page_at(int rand $file->blocks);
	my $how = int rand 4;

	if ($how == 0)
	{
		my $at = $page + int rand $BLOCK_BYTES;
		$file->set($at, pack('C', $file->get($at, 'C') ^ 1 << int rand 8));
		return;
	}

	my $count = $how == 1 ? 1 : 1 + int rand 64;
	my $at = $page + int rand($BLOCK_BYTES - $count);

	foreach my $i (0 .. $count - 1)
	{
		$at = $page + int rand $BLOCK_BYTES if $how == 3;
		$file->set($at + ($how == 3 ? 0 : $i), chr int rand 256);
	}
	return;
}

sub changed_bytes
{
	my ($was, $is) = @_;
	my $difference = $was->{bytes} ^ $is->{bytes};
	my @changed;

	push @changed, pos($difference) - 1 while $difference =~ /[^\0]/g;
	return @changed;
}

sub write_file
{
	my ($path, $bytes) = @_;

	open my $out, '>:raw', $path or die $!;
	print $out $bytes;
	close $out;
	return;
}

#
# One table and index of each shape, all rows visible, all slots live or free
#

my $node = new_vego_node('mutations');

test_seed();
for my $i (0 .. $#shapes)
{
	my $shape = $shapes[$i];
	my ($dims) = $shape->{type} =~ /(\d+)/;

	$shape->{name} = "shape_$i";
	$shape->{operator} //= '<->';
	$shape->{value} //= sub { "test_vector($_[0], $dims)" };
	$shape->{with} = 'WITH (m = 4' . ($shape->{with} ? ", $shape->{with})" : ')');
	$node->safe_psql('postgres', <<SQL);
CREATE TABLE shape_$i (id int, v $shape->{type});
INSERT INTO shape_$i SELECT i, ${\ $shape->{value}->('i') } FROM generate_series(1, 150) i;
CREATE INDEX shape_${i}_v ON shape_$i USING vego_hnsw (v $shape->{opclass}) $shape->{with};
INSERT INTO shape_$i SELECT i, ${\ $shape->{value}->('i') } FROM generate_series(151, 180) i;
DELETE FROM shape_$i WHERE id % 30 = 7;
VACUUM (FREEZE, INDEX_CLEANUP ON) shape_$i;
SQL
	index_is_clean($node, "shape_${i}_v", "$shape->{type} $shape->{with}");
}

# The files of tables and indexes, by name.
sub paths
{
	return map { split /\|/, $_, 2 } split /\n/, $node->safe_psql('postgres', q{
		SELECT relname, current_setting('data_directory') || '/' ||
			pg_relation_filepath(oid) FROM pg_class WHERE relfilenode > 0});
}

$node->safe_psql('postgres', 'CHECKPOINT');
my %base_path = paths();
foreach my $shape (@shapes)
{
	$shape->{heap} = slurp_file($base_path{ $shape->{name} });
	$shape->{file} = IndexFile->new(slurp_file($base_path{"$shape->{name}_v"}));
}

#
# Batches
#

my ($meaningful, $found, %of_class, %found_of_class);
my $number = 0;

sub make_copies
{
	my ($count) = @_;
	my $script = '';
	my @copies;

	foreach my $i (1 .. $count)
	{
		my $shape = $shapes[ $i % @shapes ];

		push @copies, { name => "t$i", shape => $shape,
			operator => $shape->{operator}, row => $shape->{value},
			query => $shape->{value}->(-7777) };
		$script .= "CREATE TABLE t$i (LIKE $shape->{name});\n"
		  . "CREATE INDEX t${i}_v ON t$i USING vego_hnsw (v $shape->{opclass}) $shape->{with};\n";
	}
	$node->safe_psql('postgres', $script);
	return @copies;
}

# Damages the files of all copies; the server is stopped.
sub damage_copies
{
	my ($path, @copies) = @_;

	foreach my $copy (@copies)
	{
		my $was = $copy->{shape}{file};
		my $is = IndexFile->new($was->{bytes});
		my @changed;

		until (@changed)
		{
			mutate($is);
			@changed = changed_bytes($was, $is);
		}
		($copy->{means}, @{ $copy->{classes} }) =
		  meaning_of($was, $is, @changed);
		$copy->{told} = join ' ', "mutation " . ++$number,
		  $copy->{shape}{type}, $copy->{shape}{with},
		  "(@{ $copy->{classes} }):", map {
			sprintf('%d:%d %02x->%02x', $_ / $BLOCK_BYTES, $_ % $BLOCK_BYTES,
				$was->get($_, 'C'), $is->get($_, 'C'))
		  } @changed;
		write_file($path->{ $copy->{name} }, $copy->{shape}{heap});
		write_file($path->{"$copy->{name}_v"}, $is->{bytes});
	}
	return;
}

# Found is what is an error, and what is said of rounding.
sub count_found
{
	my ($copy, $result) = @_;
	my $is_found = grep { /\|error\||by rounding/ } @{ $result->{check}{out} };
	my $class = join ' ', @{ $copy->{classes} };

	if (@{ $copy->{classes} } == 1)
	{
		$class .= ', no meaning' if $class eq 'link' && !$copy->{means};
		$of_class{$class}++;
		$found_of_class{$class}++ if $is_found;
	}
	return unless $copy->{means};
	$meaningful++;
	$found++ if $is_found;
	note("not found: $copy->{told}") unless $is_found;
	return;
}

for (my $left = $mutations; $left > 0; $left -= $at_once)
{
	my @copies = make_copies($left < $at_once ? $left : $at_once);
	my %path = paths();
	my @complaints;

	$node->stop;
	damage_copies(\%path, @copies);
	$node->start;

	my $results = run_trials($node, @copies);

	foreach my $copy (@copies)
	{
		my @of_copy = trial_complaints($copy, $results->{ $copy->{name} });

		push @complaints, @of_copy, $copy->{told} if @of_copy;
		count_found($copy, $results->{ $copy->{name} });
	}
	is(join("\n", @complaints), '',
		'up to mutation ' . $number . ' no more harm than there may be');
	last if @complaints;
	$node->safe_psql('postgres', join ' ', map { "DROP TABLE $_->{name};" } @copies);
}

note(sprintf '%-20s %4d of %4d found', $_, $found_of_class{$_} // 0, $of_class{$_})
  foreach sort keys %of_class;
diag("$number mutations, $meaningful of which change the meaning, $found found");
# of a few hundred, chance may let more than one in a hundred be among the few
cmp_ok($found, '>=', 0.99 * $meaningful - 2, 'those that change the meaning are found');
unlike(slurp_file($node->logfile), qr/PANIC|was terminated by signal|TRAP:/,
	'no crash');
$node->stop;
done_testing();
