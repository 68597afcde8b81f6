# IndexFile.pm: the file of a vego index in memory, to be read and damaged.
#
# The layout is that of src/page.h and src/exact_page.h, for the constants that
# the file's own meta page has.
package IndexFile;

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT = qw($BLOCK_BYTES $HEADER_BYTES $TAIL_BYTES $NO_NODE $BINDING
  $FREE $LIVE $DEAD %META);

our $BLOCK_BYTES = 8192;
our $HEADER_BYTES = 24;
our $TAIL_BYTES = 8;
our $META_BYTES = 64;
our $NO_NODE = 0x7FFFFFFF;
our $BINDING = 0x80000000;
our ($FREE, $LIVE, $DEAD) = (0, 1, 2);

# Where the constants are in the file, and how they are packed.
our %META = (
	magic => [ 0, 'L' ],
	format => [ 4, 'L' ],
	stamp => [ 8, 'Q' ],
	metric => [ 16, 'S' ],
	bits => [ 18, 'S' ],
	dims => [ 20, 'L' ],
	m => [ 24, 'S' ],
	has_centre => [ 26, 'S' ],
	entry => [ 28, 'L' ],
	entry_level => [ 32, 'L' ],
	exact => [ 36, 'S' ],
	element_bytes => [ 38, 'S' ],
	radius => [ 40, 'd' ],
	value_bytes => [ 48, 'L' ],
	stored_bytes => [ 52, 'L' ],
	dictionary => [ 56, 'L' ],
	dictionary_item => [ 60, 'S' ],
	dictionary_unused => [ 62, 'S' ]);

my %item_bytes = (C => 1, S => 2, L => 4, Q => 8, f => 4, d => 8);

sub new
{
	my ($class, $bytes) = @_;
	my $self = bless { bytes => $bytes }, $class;

	$self->{$_} = $self->meta($_) foreach qw(bits dims m exact);
	$self->{capacity} = 2 * $self->{m};
	$self->{code_bytes} =
		$self->{bits} == 0 ? 384
	  : $self->{bits} == 1 ? int(($self->{dims} + 7) / 8)
	  : $self->{bits} == 4 ? int(($self->{dims} + 1) / 2)
	  : $self->{dims};
	$self->{factors_offset} = 12;
	$self->{code_offset} = $self->{factors_offset} + 16;
	$self->{code_end} =
	  $self->{code_offset} + 4 * int(($self->{code_bytes} + 3) / 4);
	$self->{exact_offset} = $self->{code_end};
	$self->{links_offset} = $self->{code_end} + ($self->{exact} ? 8 : 0);
	$self->{slot_bytes} = $self->{links_offset} + 4 * $self->{capacity};
	$self->{per_page} =
	  int(($BLOCK_BYTES - $HEADER_BYTES - $TAIL_BYTES) / $self->{slot_bytes});

	# floats of the centre, on the first meta page and on the others
	$self->{centre} =
	  $self->{bits} == 8 || $self->{bits} == 4 ? $self->{dims} : 0;
	my $room = $BLOCK_BYTES - $HEADER_BYTES - $TAIL_BYTES;
	my $left = $self->{centre} - int(($room - $META_BYTES) / 4);
	$self->{first_block} = 1;
	for (; $left > 0; $left -= int($room / 4))
	{
		$self->{first_block}++;
	}

	# two signposts for each place of a sparse code
	$self->{signposts} = $self->{bits} > 0 ? 0 :
	  2 * ($self->{dims} < 65536 ? $self->{dims} : 65536);
	$self->{first_block} += int(($self->{signposts} + int($room / 4) - 1) / int($room / 4));
	return $self;
}

sub blocks { return length($_[0]{bytes}) / $BLOCK_BYTES }

sub page_at { return $_[1] * $BLOCK_BYTES }

sub get
{
	my ($self, $at, $type) = @_;

	return unpack($type, substr($self->{bytes}, $at, $item_bytes{$type}));
}

sub set
{
	my ($self, $at, $bytes) = @_;

	substr($self->{bytes}, $at, length $bytes) = $bytes;
	return;
}

sub meta_at { return $HEADER_BYTES + $META{ $_[1] }[0] }

sub meta
{
	my ($self, $name) = @_;

	return $self->get($self->meta_at($name), $META{$name}[1]);
}

sub set_meta
{
	my ($self, $name, $value) = @_;

	return $self->set($self->meta_at($name), pack($META{$name}[1], $value));
}

# What is a page?  'meta', 'nodes', 'exact', 'signposts' or 'new'.
sub page_kind
{
	my ($self, $block) = @_;
	my $at = $self->page_at($block);

	return 'new' if $self->get($at + 14, 'S') == 0;
	return (undef, 'meta', 'nodes', 'exact', 'signposts')
	  [ $self->get($at + $BLOCK_BYTES - $TAIL_BYTES, 'S') ];
}

#
# Slots
#

sub slot_count
{
	my ($self) = @_;

	return ($self->blocks - $self->{first_block}) * $self->{per_page};
}

sub slot_at
{
	my ($self, $id) = @_;

	return $self->page_at(
		$self->{first_block} + int($id / $self->{per_page})) +
	  $HEADER_BYTES + $id % $self->{per_page} * $self->{slot_bytes};
}

sub slot_get
{
	my ($self, $id, $offset, $type) = @_;

	return $self->get($self->slot_at($id) + $offset, $type);
}

sub slot_set
{
	my ($self, $id, $offset, $bytes) = @_;

	return $self->set($self->slot_at($id) + $offset, $bytes);
}

# Slots on pages of exact vectors are nobody's.
sub kind
{
	my ($self, $id) = @_;
	my $block = $self->{first_block} + int($id / $self->{per_page});

	return $self->page_kind($block) eq 'nodes' ?
	  $self->slot_get($id, 0, 'C') : $FREE;
}

# What a slot is known by: src/page.h, vego_slot_check.
sub check_of
{
	my ($self, $id) = @_;
	my $stamp = $self->meta('stamp') & 0xFFFFFFFF;

	return ($stamp ^ ($id * 0x9E3779B1 & 0xFFFFFFFF)) >> 16;
}

sub level { return $_[0]->slot_get($_[1], 1, 'C') }

sub down { return $_[0]->slot_get($_[1], 4, 'L') }

sub norm { return $_[0]->slot_get($_[1], $_[0]{factors_offset} + 12, 'f') }

sub links
{
	my ($self, $id) = @_;
	my $degree = $self->slot_get($id, 2, 'C');

	$degree = $self->{capacity} if $degree > $self->{capacity};
	return unpack("L$degree",
		substr($self->{bytes}, $self->slot_at($id) + $self->{links_offset},
			4 * $degree));
}

sub set_links
{
	my ($self, $id, @links) = @_;

	$self->slot_set($id, 2, pack('C', scalar @links));
	return $self->slot_set($id, $self->{links_offset},
		pack("L$self->{capacity}",
			@links, (0) x ($self->{capacity} - @links)));
}

# Changes the links of all nodes.
sub map_links
{
	my ($self, $change) = @_;

	for my $id (0 .. $self->slot_count - 1)
	{
		$self->set_links($id, map { $change->($_) } $self->links($id))
		  if $self->kind($id) != $FREE;
	}
	return;
}

# The first node of a kind and level from an id on, but not the entry.
sub find_slot
{
	my ($self, $kind, $level, $from) = @_;

	for my $id (($from // 0) .. $self->slot_count - 1)
	{
		return $id
		  if $id != $self->meta('entry')
		  && $self->page_kind($self->{first_block} + int($id / $self->{per_page}))
		  eq 'nodes'
		  && $self->kind($id) == $kind
		  && $self->level($id) == $level;
	}
	die "no slot of kind $kind and level $level";
}

#
# Exact vectors
#

# Block and item of the vector of a node.
sub place
{
	my ($self, $id) = @_;

	return unpack('LS',
		substr($self->{bytes}, $self->slot_at($id) + $self->{exact_offset}, 6));
}

sub line_at
{
	my ($self, $block, $item) = @_;

	return $self->page_at($block) + $HEADER_BYTES + 4 * ($item - 1);
}

sub item_at
{
	my ($self, $block, $item) = @_;

	return $self->page_at($block) +
	  ($self->get($self->line_at($block, $item), 'L') & 0x7FFF);
}

sub item_bytes
{
	my ($self, $block, $item) = @_;

	return $self->get($self->line_at($block, $item), 'L') >> 17;
}

sub line_count
{
	my ($self, $block) = @_;

	return ($self->get($self->page_at($block) + 12, 'S') - $HEADER_BYTES) / 4;
}

1;
