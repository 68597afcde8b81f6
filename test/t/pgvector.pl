# vego's indexes on columns of pgvector, where it is installed.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";

use Test::More;
use BesidePgvector;
use VegoTest;

plan skip_all => 'pgvector is not installed' unless pgvector_is_installed();

my $node = new_vego_node('pgvector', conf => 'shared_buffers = 256MB');

check_beside_pgvector($node);
done_testing();
