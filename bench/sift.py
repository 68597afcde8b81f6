#!/usr/bin/python3
"""Make real SIFT vectors from the photographs that Debian packages.

Writes base.fvecs and query.fvecs into a folder.  The base comes from five
wallpaper packages, the queries from two others that share no picture with
them.  Needs python3-opencv and those packages; reads nothing else and
downloads nothing.

With --max the pictures are visited in an order drawn from the seed and
the work stops once there are twice as many vectors as asked for, so a small
set is quick and still mixes pictures.  With --whole every picture is read
and the first --max vectors of the shuffled whole are kept.
"""

import argparse
import ctypes
import multiprocessing
import os
import random
import re
import subprocess
import sys

import cv2
import numpy

import fvecs

BASE_PACKAGES = [
    "mate-backgrounds", "lomiri-wallpapers-16.04", "lomiri-wallpapers-20.04",
    "plasma-workspace-wallpapers", "ukui-wallpapers"]
QUERY_PACKAGES = ["gnome-backgrounds", "sway-backgrounds"]

LONGEST_SIDE = 3200
MOST_PER_PICTURE = 40000
PHOTOGRAPH = re.compile(r"\.(jpe?g|png|webp)$", re.IGNORECASE)


def picture_of(path):
    """The name of the picture that a file shows, whatever its resolution."""
    kde = re.match(r"(.*)/contents/(images[^/]*)/", path)
    if kde:
        return kde.group(1) + "/" + kde.group(2)
    return re.sub(r"(_\d+x\d+|_Portrait)*\.[^.]*$", "", path)


def pictures(packages):
    """The largest file of each picture of the packages, sorted by name."""
    largest = {}
    for package in packages:
        listing = subprocess.run(["dpkg", "-L", package], text=True,
                                 capture_output=True)
        if listing.returncode != 0:
            sys.exit(f"sift.py: package {package} is not installed")
        for path in listing.stdout.splitlines():
            if not PHOTOGRAPH.search(path) or "screenshot" in path \
                    or os.path.islink(path) or not os.path.isfile(path):
                continue
            picture = picture_of(path)
            if picture not in largest or \
                    os.path.getsize(path) > os.path.getsize(largest[picture]):
                largest[picture] = path
    return [largest[picture] for picture in sorted(largest)]


def prepare_worker():
    """One thread a process, and memory that is kept when it is freed.

    The pyramids are large; mapping them anew for every picture would cost as
    much as the descriptors.
    """
    mmap_max, trim_threshold = -4, -1
    libc = ctypes.CDLL(None)
    libc.mallopt(mmap_max, 0)
    libc.mallopt(trim_threshold, 2**31 - 1)
    cv2.setNumThreads(1)


def describe(path):
    """The SIFT descriptors of one picture: rows of 128 bytes."""
    image = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
    if image is None:
        return path, numpy.empty((0, 128), numpy.uint8)
    shrink = LONGEST_SIDE / max(image.shape)
    if shrink < 1:
        image = cv2.resize(image, None, fx=shrink, fy=shrink,
                           interpolation=cv2.INTER_AREA)
    sift = cv2.SIFT_create(nfeatures=MOST_PER_PICTURE,
                           contrastThreshold=0.01, edgeThreshold=20)
    _, descriptors = sift.detectAndCompute(image, None)
    if descriptors is None:
        return path, numpy.empty((0, 128), numpy.uint8)
    return path, descriptors[:MOST_PER_PICTURE].astype(numpy.uint8)


def distinct(rows):
    rows = numpy.ascontiguousarray(rows)
    _, first = numpy.unique(rows.view(f"V{rows.shape[1]}"),
                            return_index=True)
    return rows[numpy.sort(first)]


def vectors(paths, enough, jobs, seed):
    """Distinct, shuffled vectors; stops early once it has enough of them."""
    paths = list(paths)
    random.Random(seed).shuffle(paths)
    rows = []
    count = 0
    with multiprocessing.Pool(jobs, prepare_worker) as pool:
        # imap keeps the order, so that the result does not depend on timing
        for path, found in pool.imap(describe, paths):
            rows.append(found)
            count += len(found)
            print(f"{count:9d}  {path}", file=sys.stderr)
            if enough is not None and count >= enough:
                pool.terminate()
                break
    rows = distinct(numpy.concatenate(rows))
    return rows[numpy.random.RandomState(seed).permutation(len(rows))]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.
                                     RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--max", type=int, help="most base vectors to write")
    parser.add_argument("--whole", action="store_true",
                        help="read every picture, however small --max is")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    enough = 2 * options.max if options.max and not options.whole else None
    base = vectors(pictures(BASE_PACKAGES), enough, options.jobs,
                   options.seed)
    query = vectors(pictures(QUERY_PACKAGES),
                    20 * options.queries if enough else None,
                    options.jobs, options.seed)
    fvecs.write(os.path.join(options.folder, "base.fvecs"),
                base[:options.max])
    fvecs.write(os.path.join(options.folder, "query.fvecs"),
                query[:options.queries])
    fvecs.write_metric(options.folder, "l2")


if __name__ == "__main__":
    main()
