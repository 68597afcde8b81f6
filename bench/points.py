"""What the scripts of bench/ measured, read from their CSV files.

Every points.csv (sweeps) and figures.csv (anything else) below a folder.  QPS
is interpolated between the two points of a sweep around a recall (log QPS over
log(1 - recall)), each round by itself.  Where the whole sweep lies above a
recall, the fastest of its points counts: at least that recall.
"""

import csv
import glob
import math
import os
import statistics


def read(folder, name):
    rows = []
    for path in sorted(glob.glob(os.path.join(folder, "**", name),
                                 recursive=True)):
        with open(path, newline="") as lines:
            rows += csv.DictReader(lines)
    return rows


def median(values):
    return statistics.median(values) if values else None


def rounds_of(points):
    """Split the points of one system into rounds: ef starts over."""
    rounds = [[]]
    for point in points:
        if rounds[-1] and int(point["ef"]) <= int(rounds[-1][-1]["ef"]):
            rounds.append([])
        rounds[-1].append(point)
    return [one for one in rounds if one]


def between(spots, recall):
    """Interpolated over log(1 - recall), or None beyond the sweep."""
    for (low, at_low), (high, at_high) in zip(spots, spots[1:]):
        if low <= recall <= high and low < high:
            place, start, end = (math.log(max(1 - x, 1e-6))
                                 for x in (recall, low, high))
            share = (place - start) / (end - start)
            return at_low + share * (at_high - at_low)
    return None


def interpolate(points, recall, column):
    spots = sorted((float(p["recall"]), math.log(float(p[column])))
                   for p in points if float(p[column]) > 0)
    value = between(spots, recall)
    if value is None and spots and spots[0][0] >= recall:
        best = max if column == "qps" else min
        value = best(value for _, value in spots)
    return None if value is None else math.exp(value)


def at_recall(points, recall, column):
    """One value a round."""
    values = [interpolate(one, recall, column) for one in rounds_of(points)]
    return [value for value in values if value is not None]


def place(data):
    """Sets are shown in this order, and any other between."""
    order = {"sift200k": 0, "sift1m": 1, "text": 2, "wide": 3, "small": 5}
    return order.get(data, 4), data


class Results:
    """points of the sweeps of compare; little: of those of limits, with few
    buffers; grown: of those of growth; figures: everything else."""

    def __init__(self, folder):
        self.points, self.little, self.grown = [], [], []
        for point in read(folder, "points.csv"):
            if point["settings"].startswith("few buffers"):
                self.little.append(point)
            elif point["settings"].startswith("growth"):
                self.grown.append(point)
            else:
                self.points.append(point)
        self.figures = read(folder, "figures.csv")

    def data_sets(self):
        return sorted({p["data"] for p in self.points}, key=place)

    def systems(self, data):
        return [s for s in dict.fromkeys(p["system"] for p in self.points
                                         if p["data"] == data)
                if s not in ("idle", "unordered")]

    def of(self, data, system, clients=None):
        return [p for p in self.points
                if p["data"] == data and p["system"] == system
                and clients in (None, int(p["clients"]))]

    def exactly(self, figure, data, system, settings):
        return [float(f["value"]) for f in self.figures
                if (f["figure"], f["data"], f["system"], f["settings"]) ==
                (figure, data, system, settings)]

    def values(self, figure, data=None, system=None, settings=None):
        """Of a figure, with settings that contain a string."""
        return [float(f["value"]) for f in self.figures
                if f["figure"] == figure
                and data in (None, f["data"]) and system in (None, f["system"])
                and (settings is None or settings in f["settings"])]
