# The same as pgvector.pl, on what stands in for pgvector, so everywhere.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use Test::More;
use BesidePgvector;
use VegoTest;

my $node = new_vego_node('standin', conf => 'shared_buffers = 256MB');

check_beside_pgvector($node, install_stand_in());
done_testing();
