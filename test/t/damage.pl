# Damaged index files: vego_check finds each kind of damage, in its own words;
# searches, inserts and vacuum give sound answers or an error that names the
# index, and never crash or hang; REINDEX cures.
#
# Whatever vego_check can say is taken from its sources, and must have been said
# at the end.  Damage by chance is in mutations.pl.
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

#
# Tables and indexes, by the name a case gives as `of`
#

my %shape = (
	vector => { type => 'vector(12)', opclass => 'vector_l2_ops' },
	plain => { type => 'vector(12)', opclass => 'vector_l2_ops', exact => 'plain' },
	zstd => { type => 'vector(64)', opclass => 'vector_l2_ops', exact => 'zstd' },
	ip => { type => 'vector(12)', opclass => 'vector_ip_ops', operator => '<#>' },
	# a code whose bytes are no multiple of four
	odd => { type => 'vector(13)', opclass => 'vector_l2_ops' },
	# no centre
	filled => { type => 'vector(12)', opclass => 'vector_l2_ops', filled => 1 },
	# several meta pages
	wide => { type => 'vector(2500)', opclass => 'vector_l2_ops', rows => 30 },
	bit => { type => 'bit(64)', opclass => 'bit_hamming_ops', operator => '<~>',
		value => sub { "(hashint8extended($_[0], 1)::bit(64))" } },
	sparsevec => { type => 'sparsevec(12)', opclass => 'sparsevec_l2_ops',
		value => sub { "test_vector($_[0], 12)::sparsevec" } });

#
# What is done to which index, and the code that vego_check must give.  Of the
# other parts of a case, `before` is SQL, whose answer the change is given;
# `after` is SQL that the catalog is changed by; `allowed` are further errors.
#

my $victim_from = 200;
my $btree_page;

sub a_node { return $_[0]->find_slot($LIVE, 0, $victim_from) }

sub an_upper_node { return $_[0]->find_slot($LIVE, 1) }

# A case that changes one node of level 0.
sub node_case
{
	my ($code, $change, %more) = @_;

	return { code => $code, %more,
		change => sub { $change->($_[0], a_node($_[0]), $_[1]) } };
}

sub slot_case
{
	my ($code, $offset, $bytes, %more) = @_;

	return node_case($code, sub {
			my ($file, $id) = @_;
			$file->slot_set($id,
				$offset =~ /^\w+_offset$/ ? $file->{$offset} : $offset, $bytes);
		}, %more);
}

sub meta_case
{
	my ($code, $name, $value, %more) = @_;

	return { code => $code, %more,
		change => sub { $_[0]->set_meta($name, $value) } };
}

sub page_case
{
	my ($code, $block, $offset, $bytes, %more) = @_;

	return { code => $code, %more,
		change => sub { $_[0]->set($_[0]->page_at($block) + $offset, $bytes) } };
}

# A case that changes the exact vector of one node.
sub exact_case
{
	my ($code, $change, %more) = @_;

	return node_case($code, sub {
			my ($file, $id) = @_;
			$change->($file, $id, $file->place($id));
		}, of => 'plain', %more);
}

sub item_case
{
	my ($code, $offset, $bytes, %more) = @_;

	return exact_case($code, sub {
			my ($file, $id, @place) = @_;
			$file->set($file->item_at(@place) + $offset, $bytes);
		}, %more);
}

# Marks a slot dead as vacuum does.
sub bury
{
	my ($file, $id) = @_;

	$file->slot_set($id, 0, pack('C', $DEAD));
	$file->slot_set($id, 4, pack('SSS', 0xFFFF, 0xFFFF, 0))
	  if $file->level($id) == 0;
	return;
}

# All links to a node go.
sub unlink_node
{
	my ($file, $id) = @_;

	$file->map_links(sub { ($_[0] & ~$BINDING) == $id ? () : $_[0] });
	return;
}

my $noise = sub { join '', map { chr int rand 256 } 1 .. $_[0] };
my $nan = pack('L', 0x7FC00000);

my %cases = (
	# I1
	page_zero => page_case('I8', 3, 0, "\0" x $BLOCK_BYTES),
	page_twice => { code => 'I8', change => sub {
			my ($file) = @_;
			$file->set($file->page_at(4),
				substr($file->{bytes}, $file->page_at(3), $BLOCK_BYTES));
		} },
	page_of_other_method => { code => 'I1', change => sub {
			$_[0]->set($_[0]->page_at(3), $btree_page);
		} },
	page_of_nobody => page_case('I1', 3, $BLOCK_BYTES - 2, pack('S', 0xFE61)),
	page_of_other_kind => page_case('I1', 3, $BLOCK_BYTES - 8, pack('S', 1)),
	page_bounds => page_case('I1', 3, 12, pack('S', $HEADER_BYTES + 3)),
	page_lower => page_case('I1', 3, 12, pack('S', 16)),
	page_upper => page_case('I1', 3, 14, pack('S', 8176)),
	page_special => page_case('I1', 3, 14, pack('SS', 8176, 8176)),
	page_unreadable => page_case('I1', 3, 12, pack('S', 9000)),
	page_flags => page_case('I1', 3, 10, pack('S', 4)),
	page_layout => page_case('I1', 3, 18, pack('S', $BLOCK_BYTES + 3)),
	page_unused => page_case('I1', 3, $BLOCK_BYTES - 6, pack('S', 1)),
	page_version => page_case('I1', 3, $BLOCK_BYTES - 4, pack('S', 99)),
	page_noise => { code => 'I1', change => sub {
			$_[0]->set($_[0]->page_at(3), $noise->($BLOCK_BYTES));
		} },
	page_beyond_slots => page_case('I1', 3, $BLOCK_BYTES - $TAIL_BYTES - 4, 'x'),
	page_new => { code => undef, change => sub {
			$_[0]{bytes} .= "\0" x $BLOCK_BYTES;
		} },
	truncated => { code => 'I8', change => sub {
			my ($file) = @_;
			$file->{bytes} = substr($file->{bytes}, 0,
				int($file->blocks / 2) * $BLOCK_BYTES);
		} },
	emptied => { code => 'I1', change => sub { $_[0]{bytes} = '' } },
	truncated_meta => { code => 'I1', of => 'wide', change => sub {
			$_[0]{bytes} = substr($_[0]{bytes}, 0, $BLOCK_BYTES);
		} },

	signposts_kind => page_case('I1', 1, $BLOCK_BYTES - 8, pack('S', 2),
		of => 'sparsevec'),
	signposts_end => page_case('I1', 1, 12, pack('S', $HEADER_BYTES + 4),
		of => 'sparsevec'),
	signposts_end_later => page_case('I1', 1, 12, pack('S', $HEADER_BYTES + 400),
		of => 'sparsevec'),
	signpost_beyond => page_case('I5', 1, $HEADER_BYTES + 4, pack('L', 1e6),
		of => 'sparsevec'),

	# I2
	magic => meta_case('I2', magic => 42),
	version => meta_case('I2', format => 99),
	metric => meta_case('I2', metric => 4),
	metric_unknown => meta_case('I2', metric => 77),
	bits => meta_case('I2', bits => 1),
	bits_sparse => meta_case('I2', bits => 0),
	bits_of_bit => meta_case('I2', bits => 8, of => 'bit'),
	bits_of_sparsevec => meta_case('I2', bits => 4, of => 'sparsevec'),
	bits_unknown => meta_case('I2', bits => 5),
	dims => meta_case('I2', dims => 11),
	dims_impossible => meta_case('I2', dims => 2**31),
	m => meta_case('I1', m => 5),
	m_impossible => meta_case('I2', m => 0),
	centre_denied => meta_case('I9', has_centre => 0),
	centre_unknown => meta_case('I2', has_centre => 2),
	centre_nan => page_case('I2', 0, $HEADER_BYTES + 64, $nan),
	centre_of_none => page_case('I2', 0, $HEADER_BYTES + 64, pack('f', 1),
		of => 'filled'),
	centre_end => page_case('I2', 0, 12, pack('S', 5000)),
	radius => meta_case('I2', radius => 0.1, of => 'ip'),
	radius_of_none => meta_case('I2', radius => 1),
	radius_nan => { code => 'I2', change => sub {
			$_[0]->set($_[0]->meta_at('radius'), pack('Q', 0x7FF8 << 48));
		} },
	meta_zero => page_case('I1', 0, 0, "\0" x $BLOCK_BYTES),
	entry_beyond => meta_case('I2', entry => 1e6),
	entry_impossible => meta_case('I2', entry => 2**31),
	entry_level => { code => 'I2', change => sub {
			$_[0]->set_meta('entry', a_node($_[0]));
		} },
	entry_lost => { code => 'I2', change => sub {
			$_[0]->set_meta('entry', $NO_NODE);
			$_[0]->set_meta('entry_level', 0);
		} },
	entry_too_low => { code => 'I2', change => sub {
			my ($file) = @_;
			$file->set_meta('entry', a_node($file));
			$file->set_meta('entry_level', 0);
		} },
	entry_free => { code => 'I2', change => sub {
			$_[0]->set_meta('entry', $_[0]->find_slot($FREE, 0));
		} },
	# dead nodes are what a VACUUM cut short leaves
	entry_dead => { code => undef, change => sub {
			bury($_[0], $_[0]->meta('entry'));
		} },
	column_dims => { code => 'I2', after => q{
		UPDATE pg_attribute SET atttypmod = 11
		WHERE attrelid = 'column_dims_v'::regclass AND attnum = 1},
		change => sub { }, allowed => qr/ERROR:  22000/, incurable => 1 },
	column_dims_lost => { code => undef, change => sub { },
		after => 'ALTER TABLE column_dims_lost ALTER COLUMN v TYPE vector',
		allowed => qr/ERROR:  22/, incurable => 1 },
	parameters => { code => undef, change => sub { },
		after => 'ALTER INDEX parameters_v SET (m = 7, exact = plain)' },
	exact_mode => meta_case('I2', exact => 9, of => 'plain'),
	exact_element => meta_case('I2', element_bytes => 2, of => 'plain'),
	exact_element_none => meta_case('I2', element_bytes => 0, of => 'plain'),
	exact_value => meta_case('I2', value_bytes => 44, of => 'plain'),
	exact_off => meta_case('I2', exact => 0, of => 'plain'),
	exact_unused => meta_case('I2', dictionary_unused => 1, of => 'plain'),

	# I3, I6
	unbound => node_case('I3', sub {
			my ($file, $id) = @_;
			$file->map_links(sub { $_[0] == ($id | $BINDING) ? $id : $_[0] });
		}),
	bound_in_circle => node_case('I3', sub {
			my ($file, $id) = @_;
			my $other = ($file->links($id))[0] & ~$BINDING;

			$file->map_links(sub {
				my $to = $_[0] & ~$BINDING;
				$to == $id || $to == $other ? $to : $_[0];
			});
			$file->slot_set($id, $file->{links_offset}, pack('L', $other | $BINDING));
			my @links = grep { ($_ & ~$BINDING) != $id } $file->links($other);
			$#links = $file->{capacity} - 2 if @links == $file->{capacity};
			$file->set_links($other, @links, $id | $BINDING);
		}),
	unreachable => node_case('I6', \&unlink_node),
	# of a row that is deleted but not vacuumed, and in a graph with a dead node
	unreachable_unseen => node_case(undef, sub {
			unlink_node($_[0], $_[1]);
		}, after => 'DELETE FROM unreachable_unseen'),
	unreachable_unfinished => node_case(undef, sub {
			my ($file, $id) = @_;
			unlink_node($file, $id);
			$file->slot_set($file->find_slot($FREE, 0), 0, pack('CCCCSSS',
					$DEAD, 0, 0, 0, 0xFFFF, 0xFFFF, 0)
				  . pack('S', $file->check_of($file->find_slot($FREE, 0))));
		}),

	# I4
	kind => slot_case('I4', 0, pack('C', 77)),
	level => slot_case('I4', 1, pack('C', 255)),
	degree => slot_case('I4', 2, pack('C', 255)),
	unused_byte => slot_case('I4', 3, pack('C', 1)),
	live_without_row => slot_case('I4', 4, "\0" x 6),
	row_beyond_table => slot_case('I4', 4, pack('SSS', 100, 0, 1)),
	slot_check => slot_case('I4', 10, pack('S', 1)),
	nan_factor => slot_case('I4', 'factors_offset', $nan),
	negative_step => slot_case('I4', 16, pack('f', -0.01)),
	spare_link => node_case('I4', sub {
			my ($file, $id) = @_;
			$file->set_links($id, ($file->links($id))[ 0 .. 1 ]);
			$file->slot_set($id, $file->{links_offset} + 4 * ($file->{capacity} - 1),
				pack('L', 3));
		}),
	dead_with_row => slot_case('I4', 0, pack('C', $DEAD)),
	padding => node_case('I4', sub {
			my ($file, $id) = @_;
			$file->slot_set($id, $file->{code_end} - 1, 'x');
		}, of => 'odd'),
	free_not_zero => { code => 'I4', change => sub {
			my ($file) = @_;
			$file->slot_set($file->find_slot($FREE, 0), $file->{code_offset}, 'x');
		} },
	exact_nowhere => slot_case('I4', 'exact_offset', "\0" x 8, of => 'plain'),
	exact_above => { code => 'I4', of => 'plain', change => sub {
			my ($file) = @_;
			$file->slot_set(an_upper_node($file), $file->{exact_offset},
				pack('LSS', 1, 1, 0));
		} },
	exact_place_unused => node_case('I4', sub {
			$_[0]->slot_set($_[1], $_[0]{exact_offset} + 6, pack('S', 1));
		}, of => 'plain'),

	# I5
	self_link => node_case('I5', sub {
			$_[0]->slot_set($_[1], $_[0]{links_offset}, pack('L', $_[1]));
		}),
	double_link => node_case('I5', sub {
			my ($file, $id) = @_;
			$file->slot_set($id, $file->{links_offset} + 4,
				pack('L', ($file->links($id))[0]));
		}),
	far_link => slot_case('I5', 'links_offset', pack('L', 0x7FFFFFF0)),
	all_links_far => { code => 'I5', change => sub {
			$_[0]->map_links(sub { $_[0] | 0x70000000 });
		} },
	circles => { code => 'I3', change => sub {
			my ($file) = @_;

			# every node knows the next of its page only
			for my $id (0 .. $file->slot_count - 1)
			{
				next if $file->kind($id) != $LIVE || $file->level($id) > 0;
				my $next = $id - $id % 7 + ($id + 1) % 7;
				$file->set_links($id, $next | $BINDING) if $next != $id;
			}
		} },

	# I7
	upper_code => { code => 'I7', change => sub {
			my ($file) = @_;
			my $id = an_upper_node($file);
			$file->slot_set($id, $file->{code_offset}, pack('C',
					$file->slot_get($id, $file->{code_offset}, 'C') ^ 0x40));
		} },
	down => { code => 'I7', change => sub {
			my ($file) = @_;
			my $id = an_upper_node($file);
			$file->slot_set($id, 4,
				pack('L', $file->find_slot($LIVE, 0, $file->down($id) + 1)));
		} },
	down_beyond => { code => 'I7', change => sub {
			$_[0]->slot_set(an_upper_node($_[0]), 4, pack('L', 1e6));
		} },
	down_itself => { code => 'I7', change => sub {
			my $id = an_upper_node($_[0]);
			$_[0]->slot_set($id, 4, pack('L', $id));
		} },
	down_dead => { code => 'I8', change => sub {
			bury($_[0], $_[0]->down(an_upper_node($_[0])));
		} },

	# I8
	other_row => node_case('I8', sub {
			my ($file, $id) = @_;
			my $other = $file->find_slot($LIVE, 0, $id + 1);
			$file->slot_set($id, 4,
				substr($file->{bytes}, $file->slot_at($other) + 4, 6));
		}),
	row_beyond_page => slot_case('I8', 4, pack('SSS', 0, 0, 2000)),
	row_unused => node_case('I8', sub {
			my ($file, $id, $before) = @_;
			$file->slot_set($id, 4, pack('SSS', 0, split /\|/, $before));
		}, before => q{SELECT split_part(trim('()' FROM ctid::text), ',', 1),
			split_part(trim('()' FROM ctid::text), ',', 2)::int + 1
			FROM row_unused WHERE id = 56}),
	row_in_chain => node_case('I8', sub {
			my ($file, $id, $before) = @_;
			$file->slot_set($id, 4, pack('SSS', 0, split /\|/, $before));
		}, before => q{DELETE FROM row_in_chain WHERE id BETWEEN 1 AND 6;
			VACUUM row_in_chain;
			UPDATE row_in_chain SET id = -id WHERE id = 9;
			SELECT split_part(trim('()' FROM ctid::text), ',', 1),
			split_part(trim('()' FROM ctid::text), ',', 2)
			FROM row_in_chain WHERE id = -9}),

	# I9
	code_byte => node_case('I9', sub {
			my ($file, $id) = @_;
			$file->slot_set($id, $file->{code_offset}, pack('C',
					$file->slot_get($id, $file->{code_offset}, 'C') ^ 0x40));
		}),
	factor => slot_case('I9', 'factors_offset', pack('f', 1.5)),
	# as another processor might have it
	code_rounded => node_case(undef, sub {
			my ($file, $id) = @_;
			my $byte = $file->slot_get($id, $file->{code_offset}, 'C');
			$file->slot_set($id, $file->{code_offset},
				pack('C', $byte > 0 ? $byte - 1 : 1));
		}),
	code_of_bit => node_case('I9', sub {
			my ($file, $id) = @_;
			$file->slot_set($id, $file->{code_offset}, pack('C',
					$file->slot_get($id, $file->{code_offset}, 'C') ^ 1));
		}, of => 'bit'),
	code_of_sparsevec => node_case('I9', sub {
			my ($file, $id) = @_;
			$file->slot_set($id, $file->{code_offset} + 32, 'x');
		}, of => 'sparsevec'),

	# I10
	exact_gone => exact_case('I10', sub {
			my ($file, $id, @place) = @_;
			$file->set($file->line_at(@place), pack('L', 0));
		}),
	exact_line => exact_case('I10', sub {
			my ($file, $id, @place) = @_;
			$file->set($file->line_at(@place), pack('L', 8190 | 1 << 15 | 60 << 17));
		}),
	# one that nobody wants, over another
	exact_overlap => exact_case('I10', sub {
			my ($file, $id, $block, $item) = @_;
			my $count = $file->line_count($block);
			my $page = $file->page_at($block);
			return if $count == 0;
			$file->set($file->line_at($block, $count + 1),
				pack('L', $file->get($file->line_at($block, $item), 'L')));
			$file->set($page + 12, pack('S', $HEADER_BYTES + 4 * ($count + 1)));
		}),
	exact_flags => item_case('I10', 6, pack('C', 0x40)),
	exact_item_unused => item_case('I10', 7, pack('C', 1)),
	exact_rest => item_case('I10', 6, pack('C', 0x04)),
	exact_circle => exact_case('I10', sub {
			my ($file, $id, @place) = @_;
			$file->set($file->item_at(@place) + 6, pack('C', 0x02));
			$file->set($file->item_at(@place) + 12, pack('LSS', @place, 0));
		}),
	exact_coded => item_case('I10', 6, pack('C', 0x01)),
	exact_length => item_case('I10', 8, pack('L', 2**31)),
	exact_row => item_case('I10', 0, pack('SSS', 0, 7, 7)),
	exact_bits => exact_case('I10', sub {
			my ($file, $id, @place) = @_;
			my $at = $file->item_at(@place) + 12;
			$file->set($at, pack('C', $file->get($at, 'C') ^ 1));
		}),
	exact_beyond => slot_case('I10', 'exact_offset', pack('LSS', 1e6, 1, 0),
		of => 'plain'),
	exact_in_nodes => slot_case('I10', 'exact_offset', pack('LSS', 1, 1, 0),
		of => 'plain'),
	exact_of_other => exact_case('I10', sub {
			my ($file, $id) = @_;
			my $other = $file->find_slot($LIVE, 0, $id + 1);
			$file->slot_set($id, $file->{exact_offset},
				substr($file->{bytes},
					$file->slot_at($other) + $file->{exact_offset}, 8));
		}),
	# a live node without a vector is what only damage makes, a vector without
	# a node what a failed insert leaves
	exact_orphan => exact_case(undef, sub {
			my ($file, $id) = @_;
			bury($file, $id);
			$file->slot_set($id, $file->{exact_offset}, "\0" x 8);
		}, after => 'DELETE FROM exact_orphan'),
	exact_kind => exact_case('I10', sub {
			my ($file, $id, $block) = @_;
			$file->set($file->page_at($block + 1) - $TAIL_BYTES, pack('S', 2));
		}),
	exact_zero => exact_case('I10', sub {
			my ($file, $id, $block) = @_;
			$file->set($file->page_at($block), "\0" x $BLOCK_BYTES);
		}),
	exact_noise => exact_case('I1', sub {
			my ($file, $id, $block) = @_;
			$file->set($file->page_at($block) + $HEADER_BYTES,
				$noise->($BLOCK_BYTES - 100));
		}),
	coded_length => item_case('I10', 8, pack('L', 255), of => 'zstd'),
	coded_noise => exact_case('I10', sub {
			my ($file, $id, @place) = @_;
			$file->set($file->item_at(@place) + 12,
				"\x20" . $noise->($file->item_bytes(@place) - 13));
		}, of => 'zstd'),
	# the last plane's length, and then fewer bytes
	coded_rest => exact_case('I10', sub {
			my ($file, $id, @place) = @_;
			my $planes = pack('SC', 0, 7) x 4;
			$file->set($file->item_at(@place) + 12, $planes);
		}, of => 'zstd'),
	dictionary => { code => 'I10', of => 'zstd', change => sub {
			my ($file) = @_;
			my @place = ($file->meta('dictionary'), $file->meta('dictionary_item'));
			$file->set($file->item_at(@place) + 12, pack('S', 60000));
		} },
	dictionary_lost => meta_case('I10', dictionary_item => 3000, of => 'zstd'));

#
# A table and an index for each
#

my $node = new_vego_node('damage');
my @cases = sort keys %cases;

test_seed();
$node->safe_psql('postgres', <<SQL);
CREATE TABLE keyed (id int PRIMARY KEY);
INSERT INTO keyed SELECT generate_series(1, 100);
SQL
my $script = '';
foreach my $name (@cases)
{
	my $case = $cases{$name};
	my $shape = $shape{ $case->{of} // 'vector' };
	my ($dims) = $shape->{type} =~ /(\d+)/;
	my $value = $shape->{value} // sub { "test_vector($_[0], $dims)" };
	my $rows = $shape->{rows} // 400;
	my $fill = sub {
		"INSERT INTO $name SELECT i, " . $value->('i')
		  . " FROM generate_series($_[0], $_[1]) i;\n";
	};

	$case->{name} = $name;
	$case->{operator} = $shape->{operator} // '<->';
	$case->{row} = $value;
	$case->{query} = $value->(-7777);
	$script .= "CREATE TABLE $name (id int, v $shape->{type});\n";
	$script .= $fill->(1, $rows) unless $shape->{filled};
	$script .= "CREATE INDEX ${name}_v ON $name USING vego_hnsw (v $shape->{opclass})"
	  . ' WITH (m = 4, exact = ' . ($shape->{exact} // 'off') . ");\n";
	$script .= $fill->(1, $rows) if $shape->{filled};
	$script .= $fill->($rows + 1, $rows + 50);
	$script .= "DELETE FROM $name WHERE id % 50 = 7; VACUUM (INDEX_CLEANUP ON) $name;\n";
}
$node->safe_psql('postgres', $script);
foreach my $case (values %cases)
{
	$case->{told} = $node->safe_psql('postgres', $case->{before})
	  if defined $case->{before};
}
is( $node->safe_psql('postgres', q{
		SELECT c.oid::regclass, f.* FROM pg_class c JOIN pg_am a ON a.oid = c.relam,
			vego_check(c.oid) f
		WHERE amname = 'vego_hnsw'}),
	'', 'all are clean before');

my %path = map { split /\|/, $_, 2 } split /\n/, $node->safe_psql('postgres',
	'SELECT relname, pg_relation_filepath(oid) FROM pg_class');

$node->stop;
$btree_page = substr(slurp_file($node->data_dir . "/$path{keyed_pkey}"),
	$BLOCK_BYTES, $BLOCK_BYTES);
foreach my $name (@cases)
{
	my $path = $node->data_dir . '/' . $path{"${name}_v"};
	my $before = slurp_file($path);
	my $file = IndexFile->new($before);

	$cases{$name}{change}->($file, $cases{$name}{told});
	die "$name changes nothing"
	  if $file->{bytes} eq $before && !defined $cases{$name}{after};
	open my $out, '>:raw', $path or die $!;
	print $out $file->{bytes};
	close $out;
}
$node->start;
foreach my $case (values %cases)
{
	$node->safe_psql('postgres', $case->{after}) if defined $case->{after};
}

#
# What comes of it
#

my $results = run_trials($node, map { $cases{$_} } @cases);
my @said;

foreach my $name (@cases)
{
	my $case = $cases{$name};
	my $codes = trial_codes($results->{$name});
	my @complaints = trial_complaints($case, $results->{$name});

	@complaints = grep { !/: (?:reindex|check_cured|cured)/ } @complaints
	  if $case->{incurable};
	if (defined $case->{code})
	{
		like($codes, qr/\b$case->{code}\b/, "$name is found as $case->{code}");
	}
	else
	{
		is($codes, '', "$name is no damage");
	}
	is(join("\n", @complaints), '', "$name does no more harm than it may");
	push @said, map { s/^I\d+\|\w+\|//r } @{ $results->{$name}{check}{out} };
}
unlike(slurp_file($node->logfile), qr/PANIC|was terminated by signal|TRAP:/,
	'no crash');
$node->stop;

#
# Has vego_check said all it can?
#

# The texts in a source file, as patterns; those of errors, names and memory
# contexts are not findings.
sub texts_of
{
	my ($path) = @_;
	my $source = slurp_file($path);
	my %texts;

	$source =~ s{/\*.*?\*/}{}gs;
	$source =~ s/\b(?:ereport|psprintf|vego_report_corrupted|AllocSetContextCreate)\s*\(.*?;//gs;
	$source =~ s/"\s*UINT64_FORMAT\s*"/\%d/g;
	$source =~ s/"\s*UINT64_FORMAT/\%d"/g;
	$source =~ s/UINT64_FORMAT\s*"/"\%d/g;
	while ($source =~ /"((?:[a-z]|%[du] )[^"]* [^"]*)"/g)
	{
		my $text = quotemeta $1;

		$text =~ s/\\%[du]/\\d+/g;
		$text =~ s/\\%s/.*/g;
		$texts{$text} = 1;
	}
	return sort keys %texts;
}

foreach my $name (
	qw(check_pages check_graph check_rows check_exact page value exact_page
	exact_value exact_code))
{
	my @texts = texts_of("$FindBin::RealBin/../../src/$name.c");
	my @unsaid = grep { my $text = $_; !grep { /$text/ } @said } @texts;

	cmp_ok(scalar(@texts), '>', 0, "there are texts in $name.c");
	is(join("\n", @unsaid), '', "each of them has been a finding");
}
done_testing();
