#!/usr/bin/python3
"""Draw what the scripts of bench/ measured.

  plot.py FOLDER

Writes pictures into the folder: recall-SET.png (QPS over recall, medians of the
rounds, a curve for each system), builds.png (seconds of a build,
one bar a system and number of processes) and growth.png (build seconds and QPS
over rows).  Needs python3-matplotlib.
"""

import os
import statistics
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

from points import Results, at_recall  # noqa: E402


def save(figure, folder, name):
    path = os.path.join(folder, name)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    print(path)


def medians(points):
    """(recall, QPS) for each ef of a sweep, over the rounds."""
    by_ef = {}
    for p in points:
        by_ef.setdefault(int(p["ef"]), []).append(p)
    return sorted((statistics.median(float(p["recall"]) for p in group),
                   statistics.median(float(p["qps"]) for p in group))
                  for group in by_ef.values())


def draw_recall(results, data, folder):
    figure, axes = pyplot.subplots(figsize=(7, 5))
    clients = max(int(p["clients"]) for p in results.points
                  if p["data"] == data)
    for system in results.systems(data):
        spots = medians(results.of(data, system, clients))
        axes.plot([recall for recall, _ in spots], [qps for _, qps in spots],
                  marker="o", markersize=4, label=system)
    first = next(p for p in results.points if p["data"] == data)
    axes.set_yscale("log")
    axes.set_xlabel(f"recall@{first['k']}")
    axes.set_ylabel(f"queries a second, {clients} clients")
    axes.set_title(f"{data}, {int(first['rows']):,} rows")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend()
    save(figure, folder, f"recall-{data}.png")


def draw_builds(results, folder):
    builds = {}
    for f in results.figures:
        if f["figure"] == "build_s" and f["settings"].startswith("workers="):
            key = (f["data"], f["system"], int(f["settings"].split("=")[1]))
            builds.setdefault(key, []).append(float(f["value"]))
    data_sets = list(dict.fromkeys(data for data, _, _ in builds))
    if not data_sets:
        return
    figure, several = pyplot.subplots(
        1, len(data_sets), figsize=(4.5 * len(data_sets), 4), squeeze=False)
    for axes, data in zip(several[0], data_sets):
        own = {(system, workers): statistics.median(seconds)
               for (of, system, workers), seconds in builds.items()
               if of == data}
        names = [f"{system}, {workers + 1}" for system, workers in own]
        bars = axes.barh(names, list(own.values()))
        axes.bar_label(bars, fmt="%.3g", padding=2)
        axes.set_xscale("log")
        axes.margins(x=0.2)
        axes.invert_yaxis()
        axes.set_title(f"{data}: build, s (system, processes)")
    save(figure, folder, "builds.png")


def draw_growth(results, folder):
    if not results.grown:
        return
    figure, (builds, speeds) = pyplot.subplots(1, 2, figsize=(10, 4.5))
    for data in dict.fromkeys(p["data"] for p in results.grown):
        own = [p for p in results.grown if p["data"] == data]
        sizes = sorted({int(p["rows"]) for p in own})
        build = [float(next(p for p in own if int(p["rows"]) == rows)
                       ["build_s"]) for rows in sizes]
        speed = [at_recall([p for p in own if int(p["rows"]) == rows], 0.95,
                           "qps") for rows in sizes]
        builds.plot(sizes, build, marker="o", label=data)
        speeds.plot([rows for rows, qps in zip(sizes, speed) if qps],
                    [statistics.median(qps) for qps in speed if qps],
                    marker="o", label=data)
    for axes, title in [(builds, "build, s"),
                        (speeds, "queries a second at recall 0.95")]:
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("rows")
        axes.set_title(title)
        axes.grid(True, which="both", alpha=0.3)
        axes.legend()
    save(figure, folder, "growth.png")


def main():
    folder = sys.argv[1]
    results = Results(folder)
    for data in results.data_sets():
        draw_recall(results, data, folder)
    draw_builds(results, folder)
    draw_growth(results, folder)


if __name__ == "__main__":
    main()
