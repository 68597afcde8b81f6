#!/usr/bin/python3
"""Make synthetic vectors from a seed: any number of rows.

  synthetic.py FOLDER uniform|clusters ROWS DIMENSIONS

uniform: every element between 0 and 1.  clusters: Gaussian clusters of about
1,000 rows each, whose centres are drawn about as far from each other as a
cluster is wide in a tenth of the dimensions, so that clusters overlap as those
of real data do.  Writes base.fvecs and query.fvecs of the same distribution.
"""

import argparse
import os

import numpy

import fvecs

ROWS_A_CLUSTER = 1000


class Uniform:
    def __init__(self, random, rows, dimensions):
        self.dimensions = dimensions

    def draw(self, random, count):
        return random.random((count, self.dimensions), dtype=numpy.float32)


class Clusters:
    """Spread and shape of a cluster are its own: one axis in ten is long."""

    def __init__(self, random, rows, dimensions):
        count = max(rows // ROWS_A_CLUSTER, 1)
        self.centres = random.standard_normal(
            (count, dimensions), dtype=numpy.float32)
        self.shapes = random.random(
            (64, dimensions), dtype=numpy.float32)**4 * 2

    def draw(self, random, count):
        cluster = random.integers(len(self.centres), size=count)
        noise = random.standard_normal(
            (count, self.centres.shape[1]), dtype=numpy.float32)
        noise *= self.shapes[cluster % len(self.shapes)]
        return noise + self.centres[cluster]


def write(path, random, distribution, count):
    writer = fvecs.Writer(path)
    for start in range(0, count, fvecs.ROWS_AT_ONCE):
        writer.append(distribution.draw(
            random, min(fvecs.ROWS_AT_ONCE, count - start)))
    writer.close()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("kind", choices=["uniform", "clusters"])
    parser.add_argument("rows", type=int)
    parser.add_argument("dimensions", type=int)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    random = numpy.random.default_rng(options.seed)
    kind = Uniform if options.kind == "uniform" else Clusters
    distribution = kind(random, options.rows, options.dimensions)
    write(os.path.join(options.folder, "base.fvecs"), random, distribution,
          options.rows)
    write(os.path.join(options.folder, "query.fvecs"), random, distribution,
          options.queries)
    fvecs.write_metric(options.folder, "l2")


if __name__ == "__main__":
    main()
