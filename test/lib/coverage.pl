# coverage.pl: what gcov has counted in src/, over several runs.
#
#	perl coverage.pl collect >FILE		counts of the objects in src/
#	perl coverage.pl report FILE ...	all of them together
#
# To be run in the folder of the sources.  A line of a file of counts is a line
# of a source: its file, its number, how often it was run, and how often each of
# its branches was taken.  Code in a header counts once, whoever includes it;
# failure.c, which is for tests, does not count.
#
# The report names the lines of each source that were not run.  It ends in the
# sum, and the program with 1 when that is less than is asked for.
use strict;
use warnings;

use Digest::MD5;
use JSON::PP;

my ($asked_lines, $asked_branches) = (0.9, 0.8);

# Counts of one run mean nothing for other sources.
sub sources_sum
{
	my $digest = Digest::MD5->new;

	foreach my $path (sort glob 'src/*.[ch] src/simd/*.[ch]')
	{
		open my $file, '<', $path or die "$path: $!\n";
		$digest->addfile($file);
	}
	return $digest->hexdigest;
}

sub add_counts
{
	my ($counts, $file, $line, $count, @branches) = @_;
	my $known = $counts->{$file}{$line} //= { count => 0, branches => [] };

	$known->{count} += $count;
	$known->{branches}[$_] = ($known->{branches}[$_] // 0) + $branches[$_]
	  foreach 0 .. $#branches;
	return;
}

sub collect
{
	my %counts;

	foreach my $object (sort glob 'src/*.gcno src/simd/*.gcno')
	{
		my $said = qx(gcov --json-format --stdout --branch-probabilities $object);

		die "gcov: $object\n" if $? != 0;
		foreach my $file (@{ decode_json($said)->{files} })
		{
			next if $file->{file} !~ m{^src/} || $file->{file} eq 'src/failure.c';
			add_counts(\%counts, $file->{file}, $_->{line_number}, $_->{count},
				map { $_->{count} } @{ $_->{branches} // [] })
			  foreach @{ $file->{lines} };
		}
	}
	print 'sources ', sources_sum(), "\n";
	foreach my $file (sort keys %counts)
	{
		foreach my $line (sort { $a <=> $b } keys %{ $counts{$file} })
		{
			my $known = $counts{$file}{$line};

			print join(' ', $file, $line, $known->{count}, @{ $known->{branches} }), "\n";
		}
	}
	return 0;
}

sub read_counts
{
	my ($counts, $path) = @_;

	open my $file, '<', $path or die "$path: $!\n";
	<$file> eq 'sources ' . sources_sum() . "\n"
	  or die "$path: counts of other sources\n";
	while (<$file>)
	{
		add_counts($counts, split);
	}
	return;
}

# Numbers as ranges; between them may lie lines without code.
sub ranges
{
	my ($missed, $lines) = @_;
	my @ranges;
	my $before;

	foreach my $line (@$lines)
	{
		my $is_missed = $missed->{$line};

		push @ranges, [ $line, $line ] if $is_missed && !$before;
		$ranges[-1][1] = $line if $is_missed;
		$before = $is_missed;
	}
	return join ' ', map { $_->[0] == $_->[1] ? $_->[0] : "$_->[0]-$_->[1]" } @ranges;
}

sub share
{
	my ($part, $all) = @_;

	return $all > 0 ? 100 * $part / $all : 100;
}

sub report
{
	my (%counts, %sum);

	read_counts(\%counts, $_) foreach @_;
	foreach my $source (sort keys %counts)
	{
		my %of = (lines => 0, run => 0, branches => 0, taken => 0);
		my %missed;
		my @lines = sort { $a <=> $b } keys %{ $counts{$source} };

		foreach my $line (@lines)
		{
			my $known = $counts{$source}{$line};

			$of{lines}++;
			$of{run}++ if $known->{count} > 0;
			$missed{$line} = 1 if $known->{count} == 0;
			$of{branches} += @{ $known->{branches} };
			$of{taken} += grep { $_ > 0 } @{ $known->{branches} };
		}
		$sum{$_} += $of{$_} foreach keys %of;
		printf "%-30s %4d lines %5.1f %%, %4d branches %5.1f %%  %s\n", $source, $of{lines},
		  share($of{run}, $of{lines}), $of{branches},
		  share($of{taken}, $of{branches}), ranges(\%missed, \@lines);
	}
	printf "%d lines, %.1f %%; %d branches, %.1f %%\n", $sum{lines},
	  share($sum{run}, $sum{lines}), $sum{branches}, share($sum{taken}, $sum{branches});
	return $sum{run} < $asked_lines * $sum{lines} ||
	  $sum{taken} < $asked_branches * $sum{branches};
}

my ($what, @files) = @ARGV;

exit collect() if $what eq 'collect';
exit report(@files) ? 1 : 0;
