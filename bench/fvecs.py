"""Write vector files: rows of an int32 count and then the elements.

A file "metric" beside them names the distance they are meant for: l2, ip or
cosine.
"""

import os

import numpy

ROWS_AT_ONCE = 65536


class Writer:
    """Appends rows to one file.  kind is "<f4" for fvecs, "<i4" for ivecs."""

    def __init__(self, path, kind="<f4"):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self.path = path
        self.kind = kind
        self.out = open(path, "wb")
        self.count = 0

    def append(self, rows):
        count, width = rows.shape
        lines = numpy.empty((count, width + 1), self.kind)
        lines[:, 1:] = rows
        lines[:, 0] = numpy.array([width], "<i4").view(self.kind)[0]
        self.out.write(lines.tobytes())
        self.count += count
        self.width = width

    def close(self):
        self.out.close()
        print(f"{self.path}: {self.count} x {self.width}")


def write(path, rows, kind="<f4", most=None):
    """Part by part: rows may be a file's, and more than memory holds."""
    count = min(len(rows), most or len(rows))
    writer = Writer(path, kind)
    for start in range(0, count, ROWS_AT_ONCE):
        writer.append(rows[start:min(start + ROWS_AT_ONCE, count)])
    writer.close()


def write_metric(folder, metric):
    with open(os.path.join(folder, "metric"), "w") as out:
        out.write(metric + "\n")
