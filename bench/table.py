#!/usr/bin/python3
"""Print what the scripts of bench/ measured.

  table.py FOLDER              the points of each data set, as text
  table.py --markdown FOLDER   every figure beside its rivals', as Markdown

points.py says what is read, and how values at equal recall come about.
"""

import argparse
import math
import re
import statistics

from points import Results, at_recall, median, rounds_of

RECALLS = [0.90, 0.93, 0.95, 0.98, 0.99]
RIVALS = ["pgvector", "hnswlib", "faiss", "faiss-sq8"]


# ---- text ----

def cell(values):
    if not values:
        return "-"
    return (f"{statistics.median(values):,.0f} "
            f"({min(values):,.0f}..{max(values):,.0f})")


def print_speeds(results, data):
    points = [p for p in results.points if p["data"] == data]
    for clients in sorted({int(p["clients"]) for p in points}):
        for column, title in [("qps", "QPS"), ("p99_us", "p99 in us")]:
            print(f"\n{title}, {clients} clients, at recall@{points[0]['k']}"
                  " (median, lowest..highest round)")
            print(f"{'':10}" + "".join(f"{r:>25}" for r in RECALLS))
            for system in results.systems(data):
                own = results.of(data, system, clients)
                print(f"{system:10}" + "".join(
                    f"{cell(at_recall(own, r, column)):>25}"
                    for r in RECALLS))


def print_sweeps(results, data):
    print("\nmedians of the sweep; p5: a twentieth of the queries have less")
    print(f"{'':10}{'clients':>8}{'ef':>6}{'recall':>9}{'p5':>6}{'QPS':>10}"
          f"{'p50 us':>9}{'p99 us':>9}")
    groups = {}
    for p in results.points:
        if p["data"] == data:
            groups.setdefault((p["system"], int(p["clients"]), int(p["ef"])),
                              []).append(p)
    for (system, clients, ef), group in groups.items():
        def middle(column):
            return statistics.median(float(p[column]) for p in group)
        print(f"{system:10}{clients:8}{ef:6}{middle('recall'):9.4f}"
              f"{middle('recall_p5'):6.2f}{middle('qps'):10,.0f}"
              f"{middle('p50_us'):9.0f}{middle('p99_us'):9.0f}")


def print_builds(results, data):
    print("\nbuild in seconds (median, all), bytes a vector of the index")
    groups = {}
    for f in results.figures:
        if f["figure"] == "build_s" and f["data"] == data and \
                f["settings"].startswith("workers="):
            groups.setdefault((f["system"], f["settings"]), []).append(
                float(f["value"]))
    for (system, settings), seconds in groups.items():
        size = [float(p["bytes_per_vector"])
                for p in results.of(data, system)]
        print(f"{system:10} {settings} {statistics.median(seconds):8.2f}  "
              f"({', '.join(f'{s:.2f}' for s in seconds)})  "
              f"{size[0] if size else 0:,.0f}")


def print_text(results):
    for data in results.data_sets():
        first = next(p for p in results.points if p["data"] == data)
        print(f"\n{data}: {int(first['rows']):,} rows; {first['cpu']}; "
              f"commit {first['commit']}")
        print_speeds(results, data)
        print_sweeps(results, data)
        print_builds(results, data)


# ---- Markdown ----

class Row:
    """One figure of vego beside the rivals'.

    better is "more" (queries a second), "less" (seconds) or "share" (bytes,
    where the ratio is what vego needs of what the rival needs).
    """

    def __init__(self, what, vego, rivals, better, digits=0):
        self.what = what
        self.vego = vego
        self.rivals = {name: value for name, value in rivals.items()
                       if value}
        self.better = better
        self.digits = digits

    def number(self, value):
        if value is None:
            return "-"
        digits = self.digits
        if 0 < abs(value) < 10 and digits == 0:
            digits = 2
        return f"{value:,.{digits}f}"

    def ratio(self, rival):
        """How many times better, or what share."""
        value = self.rivals.get(rival)
        if not value or not self.vego:
            return None
        return value / self.vego if self.better == "less" \
            else self.vego / value

    def behind(self, rival):
        ratio = self.ratio(rival)
        if ratio is None:
            return False
        return ratio > 1 if self.better == "share" else ratio < 1

    def line(self, rivals):
        def times(rival):
            ratio = self.ratio(rival)
            return "" if ratio is None else \
                f"{ratio:.2f} x" if ratio < 10 else f"{ratio:.0f} x"
        cells = [self.what, self.number(self.vego)]
        cells += [self.number(self.rivals[rival])
                  if rival in self.rivals else "" for rival in rivals]
        cells += [times(rival) for rival in rivals[:2]]
        return "| " + " | ".join(cells) + " |"


def goal(data):
    """The recall at which speed is quoted: less where data are hard."""
    if data.startswith("sift"):
        return 0.98
    return 0.93 if data == "text" else 0.95


def middle(points, recall, column):
    return median(at_recall(points, recall, column))


def tail(points, recall=0.95):
    """The 5th percentile of recall, linear between the points around."""
    values = []
    for one in rounds_of(points):
        spots = sorted((float(p["recall"]), float(p["recall_p5"]))
                       for p in one)
        for (low, at_low), (high, at_high) in zip(spots, spots[1:]):
            if low <= recall <= high and low < high:
                share = (recall - low) / (high - low)
                values.append(at_low + share * (at_high - at_low))
                break
    return median(values)


def bytes_of(results, data, system):
    return median([float(p["bytes_per_vector"])
                   for p in results.of(data, system)])


def search_rows(results, data):
    recall = goal(data)
    systems = ["vego"] + RIVALS
    clients = max(int(p["clients"]) for p in results.points
                  if p["data"] == data)

    def each(function):
        return {s: function(results.of(data, s, clients)) for s in systems}

    def row(what, values, better, digits=0):
        return Row(f"{data}: {what}", values.pop("vego"), values, better,
                   digits)

    yield row(f"QPS at recall {recall}",
              each(lambda p: middle(p, recall, "qps")), "more")
    yield row(f"p99 at recall {recall}, us",
              each(lambda p: middle(p, recall, "p99_us")), "less")
    yield row("5th percentile of recall at mean 0.95", each(tail), "more", 2)
    for workers, processes in [(0, "1 process"), (1, "2 processes")]:
        yield row(f"build, {processes}, s",
                  {s: median(results.values("build_s", data, s,
                                            f"workers={workers}"))
                   for s in systems}, "less", 2)
    yield row("bytes a vector",
              {s: bytes_of(results, data, s) for s in systems}, "share")


def narrow_rows(results, data):
    """vego with 4 bits beside the rivals and beside vego with 8."""
    own = results.of(data, "vego4")
    if not own:
        return
    recall = goal(data)
    speed = middle(own, recall, "qps")
    yield Row(f"{data}: QPS at recall {recall}, bits = 4", speed,
              {s: middle(results.of(data, s), recall, "qps")
               for s in RIVALS}, "more")
    yield Row(f"{data}: bytes a vector, bits = 4",
              bytes_of(results, data, "vego4"),
              {s: bytes_of(results, data, s) for s in RIVALS}, "share")


def few_buffer_rows(results):
    for data in dict.fromkeys(p["data"] for p in results.little):
        recall = goal(data)
        speed = {s: middle([p for p in results.little if p["data"] == data
                            and p["system"] == s], recall, "qps")
                 for s in ("vego", "pgvector")}
        yield Row(f"{data}, index three times shared_buffers: QPS at recall "
                  f"{recall}", speed.pop("vego"), speed, "more")
        build = {s: median(results.values("few_buffers_build_s", data, s))
                 for s in ("vego", "pgvector")}
        yield Row(f"{data}, index three times shared_buffers: build, s",
                  build.pop("vego"), build, "less", 2)


def limited_rows(results):
    kinds = dict.fromkeys(
        (f["data"], re.search(r"maintenance_work_mem=(\S+)",
                              f["settings"]).group(1))
        for f in results.figures if f["figure"] == "limited_build_s")
    for data, amount in kinds:
        def of(figure, system):
            return median(results.values(figure, data, system,
                                         f"maintenance_work_mem={amount}"))
        for figure, what, scale, better in [
                ("limited_build_s", "build, s", 1, "less"),
                ("limited_build_peak_bytes", "peak memory, MB", 2**20,
                 "share"),
                ("limited_build_recall_ef100", "recall at ef 100", 1,
                 "more")]:
            values = {s: of(figure, s) for s in ("vego", "pgvector")}
            values = {s: v and v / scale for s, v in values.items()}
            yield Row(f"{data}, maintenance_work_mem {amount}: {what}",
                      values.pop("vego"), values, better,
                      3 if "recall" in what else 1)


def fastest(points, recall):
    """The fastest point of each round with that recall: medians of both."""
    best = [max((p for p in one if float(p["recall"]) >= recall),
                key=lambda p: float(p["qps"]), default=None)
            for one in rounds_of(points)]
    best = [p for p in best if p]
    return (median([float(p["qps"]) for p in best]),
            median([float(p["p99_us"]) for p in best]))


def small_rows(results, data="small"):
    systems = [s for s in results.systems(data) if s in ["vego"] + RIVALS]
    points = {s: fastest(results.of(data, s), 0.9995) for s in systems}
    rows = int(results.of(data, "vego")[0]["rows"])
    build = {s: median(results.values("build_s", data, s)) for s in systems}
    speed = {s: qps for s, (qps, _) in points.items()}
    p99 = {s: p for s, (_, p) in points.items()}
    floors = {what: median([float(p["p99_us"])
                            for p in results.of(data, system)])
              for system, what in (("idle", "`SELECT 1`"),
                                   ("unordered", "ten rows in no order"))}
    rate = {s: b and rows / b for s, b in build.items()}
    yield Row("small: vectors a second, CREATE INDEX", rate.pop("vego"), rate,
              "more")
    yield Row("small: QPS at recall 1.000", speed.pop("vego"), speed, "more")
    yield Row("small: p99 there, us", p99["vego"],
              {s: p99.get(s) for s in RIVALS}, "less")
    for what, floor in floors.items():
        if floor and p99["vego"]:
            yield Row(f"small: p99 over that of {what}", p99["vego"] / floor,
                      {}, "less", 2)


def write_rows(results):
    """Figures of bench/writes."""
    kinds = dict.fromkeys((f["data"], f["settings"], f["figure"])
                          for f in results.figures
                          if f["figure"].startswith("write_"))
    for data, settings, figure in kinds:
        values = {s: median(results.exactly(figure, data, s, settings))
                  for s in ("vego", "pgvector")}
        what = figure.removeprefix("write_").replace("_", " ")
        if figure == "write_vacuums":
            continue
        better = "share" if "bytes" in what else \
            "more" if "per s" in what or "recall" in what else "less"
        yield Row(f"{data}, {settings}: {what}", values.pop("vego"), values,
                  better, 4 if "recall" in what else 0)


def disturbed_lines(results):
    """How much slower reads are while others write."""
    kinds = dict.fromkeys((f["data"], f["system"], f["settings"])
                          for f in results.figures
                          if f["figure"] == "write_read_p99_us")
    for data, system, settings in kinds:
        alone = settings.split(",")[0]
        if settings != alone:
            quiet, busy = (median(results.exactly(
                "write_read_p99_us", data, system, one))
                for one in (alone, settings))
            yield (f"{data}, {settings}: read p99 of {system} over that "
                   "alone", busy / quiet)


def own_lines(results):
    """Raw bytes over index bytes, what 4 bits cost in speed, and what a
    second process is worth."""
    for data in results.data_sets():
        own = results.values("build_s", data)
        if not own:
            continue
        raw = 4 * int(next(f["dimensions"] for f in results.figures
                           if f["data"] == data))
        for system, bits in [("vego", 8), ("vego4", 4)]:
            size = bytes_of(results, data, system)
            if size:
                yield (f"{data}: raw bytes over index bytes at {bits} bits",
                       raw / size)
        slow, fast = (middle(results.of(data, s), goal(data), "qps")
                      for s in ("vego4", "vego"))
        if slow and fast:
            yield (f"{data}: QPS of 4 bits over QPS of 8 bits at recall "
                   f"{goal(data)}", slow / fast)
        one, two = (median(results.values("build_s", data, "vego",
                                          f"workers={n}")) for n in (0, 1))
        if one and two:
            yield f"{data}: build by 1 process over build by 2", one / two


def limited_lines(results):
    """Builds with little memory over builds with enough."""
    kinds = {}
    for f in results.figures:
        if f["figure"] == "limited_build_s":
            kinds.setdefault((f["data"], f["system"]), {}).setdefault(
                f["settings"], []).append(float(f["value"]))
    for (data, system), settings in kinds.items():
        if len(settings) == 2:
            enough, little = (median(s) for s in settings.values())
            yield (f"{data}: build of {system}, {list(settings)[1]}, over "
                   "with enough memory", little / enough)


def micro_lines(results):
    for figure in dict.fromkeys(f["figure"] for f in results.figures
                                if f["figure"].startswith("micro_")):
        name, unit = figure.removeprefix("micro_").rsplit("_", 1)
        yield f"{name.replace('_', ' ')}, {unit}", \
            median(results.values(figure))


def plan_lines(results):
    cells, good = (median(results.values(f"plans_{name}"))
                   for name in ("cells", "good"))
    if cells:
        yield (f"share of {cells:.0f} plans (rows, LIMIT, WHERE) that take at "
               "most 1.5 times the best plan's time", good / cells)


def exact_lines(results):
    """Figures of bench/exact: exact vectors in the index, beside none."""
    for data in dict.fromkeys(f["data"] for f in results.figures
                              if f["figure"] == "index_bytes_a_vector"):
        def of(figure, system):
            return median(results.values(figure, data, system))
        cold = "cold_pages_for_distances"
        for option in ("plain", "zstd"):
            system = f"vego-{option}"
            for figure, what, over in [
                    ("raw_over_stored", "raw bytes over stored bytes", None),
                    (cold, "cold pages for exact distances over those of "
                     "rows", of(cold, "vego")),
                    ("qps", "warm QPS over that of plain",
                     of("qps", "vego-plain"))]:
                value = of(figure, system)
                if value and (over or figure == "raw_over_stored") and \
                        (figure, option) != ("qps", "plain"):
                    yield f"{data}, exact = {option}: {what}", \
                        value / (over or 1)


def exponent(pairs):
    """The slope of log y over log x."""
    spots = [(math.log(x), math.log(y)) for x, y in pairs if x > 0 and y > 0]
    if len({x for x, _ in spots}) < 2:
        return None
    mean_x = statistics.mean(x for x, _ in spots)
    mean_y = statistics.mean(y for _, y in spots)
    return sum((x - mean_x) * (y - mean_y) for x, y in spots) / \
        sum((x - mean_x)**2 for x, _ in spots)


def growth_of(results, data):
    """{figure: {rows: value}} of one set."""
    growth = {}
    sizes = sorted({int(p["rows"]) for p in results.grown
                    if p["data"] == data})
    for rows in sizes:
        own = [p for p in results.grown
               if p["data"] == data and int(p["rows"]) == rows]
        speed = middle(own, 0.95, "qps")
        if speed:
            growth.setdefault("QPS at 0.95", {})[rows] = speed
    for f in results.figures:
        if f["figure"].startswith("growth_") and f["data"] == data:
            name = f["figure"].removeprefix("growth_").replace("_", " ")
            growth.setdefault(name, {})[int(f["rows"])] = float(f["value"])
    return sizes, growth


def print_growth(results):
    for data in dict.fromkeys(p["data"] for p in results.grown):
        sizes, growth = growth_of(results, data)
        print(f"\nGrowth, {data}; below the bytes, what one query touches at "
              "recall 0.95:\n")
        print("| | " + " | ".join(f"{s:,} rows" for s in sizes) +
              " | exponent |")
        print("|---" * (len(sizes) + 2) + "|")
        for name, values in growth.items():
            slope = exponent(values.items())
            print(f"| {name} | " + " | ".join(
                f"{values[s]:,.{0 if values[s] >= 100 else 2}f}"
                if s in values else "-" for s in sizes) +
                f" | {'-' if slope is None else f'{slope:.2f}'} |")


def print_behind(rows):
    behind = [f"{row.what} ({row.number(row.vego)}; {rival} "
              f"{row.number(row.rivals[rival])})"
              for row in rows for rival in RIVALS if row.behind(rival)]
    if behind:
        print("\nvego does not lead in:\n")
        for one in behind:
            print(f"- {one}")
    elif any(row.rivals for row in rows):
        print("\nvego leads in all of these.")


def print_markdown(results):
    rows = []
    for data in results.data_sets():
        if data != "small":
            rows += [*search_rows(results, data), *narrow_rows(results, data)]
    rows += [*few_buffer_rows(results), *limited_rows(results),
             *write_rows(results)]
    if "small" in results.data_sets():
        rows += small_rows(results)
    rows = [row for row in rows if row.vego]
    rivals = [r for r in RIVALS if any(r in row.rivals for row in rows)]
    if rows:
        print("\n| " + " | ".join(
            ["", "vego"] + rivals + [f"against {r}" for r in rivals[:2]]) +
            " |")
        print("|---" * (2 + len(rivals) + len(rivals[:2])) + "|")
    for row in rows:
        print(row.line(rivals))
    lines = [*own_lines(results), *limited_lines(results),
             *disturbed_lines(results),
             *exact_lines(results), *plan_lines(results),
             *micro_lines(results)]
    if lines:
        print("\n| vego against itself | |\n|---|---|")
        for what, value in lines:
            print(f"| {what} | {value:.2f} |")
    print_growth(results)
    print_behind(rows)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    results = Results(options.folder)
    if options.markdown:
        print_markdown(results)
    else:
        print_text(results)


if __name__ == "__main__":
    main()
