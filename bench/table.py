#!/usr/bin/python3
"""Print what the scripts of bench/ measured: medians at equal recall.

  table.py FOLDER              the points of each data set, as text
  table.py --markdown FOLDER   every figure with its ratios, as Markdown

Reads every points.csv and figures.csv below the folder.  For every system and
round, QPS is interpolated between the two points of the sweep around each
recall (log QPS over log(1 - recall)).  Where the whole sweep lies above a
recall, the fastest of its points counts: at least that recall.
"""

import argparse
import csv
import glob
import math
import os
import statistics

RECALLS = [0.90, 0.93, 0.95, 0.98, 0.99]


def read(folder, name):
    rows = []
    for path in sorted(glob.glob(os.path.join(folder, "**", name),
                                 recursive=True)):
        with open(path, newline="") as lines:
            rows += csv.DictReader(lines)
    return rows


# ---- points ----

def rounds_of(points):
    """Split the points of one system into rounds: ef starts over."""
    rounds = [[]]
    for point in points:
        if rounds[-1] and int(point["ef"]) <= int(rounds[-1][-1]["ef"]):
            rounds.append([])
        rounds[-1].append(point)
    return rounds


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


def of_system(points, system, clients=None):
    return [p for p in points if p["system"] == system
            and clients in (None, int(p["clients"]))]


def at_recall(points, recall, column):
    """One value a round."""
    values = [interpolate(one, recall, column) for one in rounds_of(points)]
    return [value for value in values if value is not None]


# ---- text ----

def cell(values):
    if not values:
        return "-"
    return (f"{statistics.median(values):,.0f} "
            f"({min(values):,.0f}..{max(values):,.0f})")


def print_speeds(points, systems):
    for clients in sorted({int(p["clients"]) for p in points}):
        for column, title in [("qps", "QPS"), ("p99_us", "p99 in us")]:
            print(f"\n{title}, {clients} clients, at recall@{points[0]['k']}"
                  " (median, lowest..highest round)")
            print(f"{'':10}" + "".join(f"{r:>24}" for r in RECALLS))
            for system in systems:
                own = of_system(points, system, clients)
                print(f"{system:10}" + "".join(
                    f"{cell(at_recall(own, r, column)):>24}"
                    for r in RECALLS))


def print_sweeps(points):
    print("\nmedians of the sweep; p5: a twentieth of the queries have less")
    print(f"{'':10}{'clients':>8}{'ef':>6}{'recall':>9}{'p5':>6}{'QPS':>10}"
          f"{'p50 us':>9}{'p99 us':>9}")
    groups = {}
    for p in points:
        groups.setdefault((p["system"], int(p["clients"]), int(p["ef"])),
                          []).append(p)
    for (system, clients, ef), group in groups.items():
        def middle(column):
            return statistics.median(float(p[column]) for p in group)
        print(f"{system:10}{clients:8}{ef:6}{middle('recall'):9.4f}"
              f"{middle('recall_p5'):6.2f}{middle('qps'):10,.0f}"
              f"{middle('p50_us'):9.0f}{middle('p99_us'):9.0f}")


def print_builds(figures, points):
    print("\nbuild in seconds (median, all), bytes a vector of the index")
    groups = {}
    for f in figures:
        if f["figure"] == "build_s":
            groups.setdefault((f["system"], f["settings"]), []).append(
                float(f["value"]))
    for (system, settings), seconds in groups.items():
        size = [p["bytes_per_vector"] for p in of_system(points, system)]
        print(f"{system:10} {settings} {statistics.median(seconds):8.2f}  "
              f"({', '.join(f'{s:.2f}' for s in seconds)})  "
              f"{float(size[0]) if size else 0:,.0f}")


def print_text(points, figures):
    for data in dict.fromkeys(p["data"] for p in points):
        own = [p for p in points if p["data"] == data]
        systems = [s for s in dict.fromkeys(p["system"] for p in own)
                   if s != "idle"]
        first = own[0]
        print(f"\n{data}: {int(first['rows']):,} rows; {first['cpu']}; "
              f"commit {first['commit']}")
        print_speeds(own, systems)
        print_sweeps(own)
        print_builds([f for f in figures if f["data"] == data], own)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    points = read(options.folder, "points.csv")
    figures = read(options.folder, "figures.csv")
    print_text(points, figures)


if __name__ == "__main__":
    main()
