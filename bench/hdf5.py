#!/usr/bin/python3
"""Turn an ann-benchmarks HDF5 file into a folder that bench/ reads.

  hdf5.py FILE.hdf5 FOLDER [--max ROWS]

Reads the data sets train, test and neighbors, and the attribute distance
(euclidean, angular or dot).  With --max only the first rows are kept,
and the truth has to be computed anew by bench/truth.c.  Needs python3-h5py.
"""

import argparse
import os
import sys

import h5py

import fvecs

METRICS = {"euclidean": "l2", "angular": "cosine", "dot": "ip"}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("folder")
    parser.add_argument("--max", type=int, help="most base vectors to write")
    options = parser.parse_args()

    with h5py.File(options.file, "r") as file:
        distance = file.attrs.get("distance", "euclidean")
        if distance not in METRICS:
            sys.exit(f"hdf5.py: distance {distance} is not supported")
        fvecs.write(os.path.join(options.folder, "base.fvecs"),
                    file["train"], most=options.max)
        fvecs.write(os.path.join(options.folder, "query.fvecs"),
                    file["test"])
        if options.max is None or options.max >= len(file["train"]):
            fvecs.write(os.path.join(options.folder, "truth.ivecs"),
                        file["neighbors"], "<i4")
    fvecs.write_metric(options.folder, METRICS[distance])


if __name__ == "__main__":
    main()
