#!/usr/bin/python3
"""Print what bench/compare measured: medians at equal recall.

  table.py POINTS.csv [BUILDS]

For every system and round, QPS is interpolated between the two points of the
sweep around each recall (log QPS over log(1 - recall)); the table shows the
median over the rounds and, in brackets, the lowest and the highest.
"""

import csv
import math
import statistics
import sys

RECALLS = [0.90, 0.95, 0.98, 0.99]


def rounds_of(points):
    """Split the points of one system into rounds: ef starts over."""
    rounds = [[]]
    for point in points:
        if rounds[-1] and int(point["ef"]) <= int(rounds[-1][-1]["ef"]):
            rounds.append([])
        rounds[-1].append(point)
    return rounds


def interpolate(points, recall, column):
    """The value of a column at a recall, or None beyond the sweep."""
    spots = sorted((float(p["recall"]), math.log(float(p[column])))
                   for p in points)
    for (low, at_low), (high, at_high) in zip(spots, spots[1:]):
        if low <= recall <= high and low < high:
            place = math.log(1 - recall)
            start = math.log(max(1 - low, 1e-6))
            end = math.log(max(1 - high, 1e-6))
            share = (place - start) / (end - start)
            return math.exp(at_low + share * (at_high - at_low))
    return None


def cell(values):
    values = [value for value in values if value is not None]
    if not values:
        return "-"
    return (f"{statistics.median(values):,.0f} "
            f"({min(values):,.0f}..{max(values):,.0f})")


def print_speeds(points):
    systems = list(dict.fromkeys(p["system"] for p in points))
    for clients in sorted({int(p["clients"]) for p in points}):
        for column, title in [("qps", "QPS"), ("p99_us", "p99 in us")]:
            print(f"\n{title}, {clients} clients, at recall@{points[0]['k']}"
                  " (median, lowest..highest round)")
            print(f"{'':10}" + "".join(f"{r:>28}" for r in RECALLS))
            for system in systems:
                rounds = rounds_of([p for p in points
                                    if p["system"] == system
                                    and int(p["clients"]) == clients])
                print(f"{system:10}" + "".join(
                    f"{cell([interpolate(r, x, column) for r in rounds]):>28}"
                    for x in RECALLS))


def print_sweeps(points):
    print("\nmedians of the sweep")
    print(f"{'':10}{'clients':>8}{'ef':>6}{'recall':>9}{'QPS':>10}"
          f"{'p50 us':>9}{'p99 us':>9}")
    groups = {}
    for p in points:
        groups.setdefault((p["system"], int(p["clients"]), int(p["ef"])),
                          []).append(p)
    for (system, clients, ef), group in groups.items():
        def middle(column):
            return statistics.median(float(p[column]) for p in group)
        print(f"{system:10}{clients:8}{ef:6}{middle('recall'):9.4f}"
              f"{middle('qps'):10,.0f}{middle('p50_us'):9.0f}"
              f"{middle('p99_us'):9.0f}")


def print_builds(path, points):
    print("\nbuild in seconds (median, all), bytes a vector of the index")
    for line in open(path):
        system, workers, seconds = line.strip().split(",")
        seconds = [float(second) for second in seconds.split()]
        size = [p["bytes_per_vector"] for p in points
                if p["system"] == system]
        print(f"{system:10} {workers} workers "
              f"{statistics.median(seconds):8.2f}  "
              f"({', '.join(f'{s:.2f}' for s in seconds)})  "
              f"{float(size[0]):,.0f}")


def main():
    points = list(csv.DictReader(open(sys.argv[1])))
    first = points[0]
    print(f"{first['data']}: {int(first['rows']):,} rows; {first['cpu']}; "
          f"commit {first['commit']}")
    print_speeds(points)
    print_sweeps(points)
    if len(sys.argv) > 2:
        print_builds(sys.argv[2], points)


if __name__ == "__main__":
    main()
