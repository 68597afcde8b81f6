#!/usr/bin/env python3
"""The true nearest rows among those that are left in a table.

    left.py FOLDER IDS TO

Makes the folder TO from the data set FOLDER: its vectors, linked, and of each
query's true rows the first ten whose ids are in the file IDS, one a line.  The
set's truth must reach far enough that ten are left.
"""

import array
import os
import sys


def main():
    source, ids, target = sys.argv[1:]
    os.makedirs(target, exist_ok=True)
    for name in os.listdir(source):
        link = os.path.join(target, name)
        if not name.startswith("truth") and not os.path.lexists(link):
            os.symlink(os.path.join(os.path.abspath(source), name), link)

    with open(ids) as lines:
        left = set(map(int, lines))
    truth = array.array("i")
    with open(os.path.join(source, "truth.ivecs"), "rb") as rows:
        truth.frombytes(rows.read())
    kept = array.array("i")
    for start in range(0, len(truth), truth[0] + 1):
        nearest = [i for i in truth[start + 1:start + 1 + truth[0]]
                   if i in left][:10]
        if len(nearest) < 10:
            sys.exit("left.py: the truth does not reach far enough")
        kept.extend([10] + nearest)
    with open(os.path.join(target, "truth.ivecs"), "wb") as rows:
        rows.write(kept.tobytes())


main()
