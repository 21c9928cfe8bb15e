"""The one table that all parts fill: figure, measured, target, ok or short."""

import statistics
import sys

rows = []


def number(value):
    return "{:,.0f}".format(value)


def rate_words(results):
    """The medians of what the load generator measured in several rounds."""
    rate, p50, p99, p999 = (statistics.median(result[name] for result in results)
                            for name in ("rate", "p50_us", "p99_us", "p999_us"))
    return "%9s/s  %4.0f/%.0f/%.0f us" % (number(rate), p50, p99, p999)


def median_share(results, limits):
    """The median of the rounds' own ratios."""
    return statistics.median(result["rate"] / limit["rate"]
                             for result, limit in zip(results, limits))


def row(figure, measured, target="", is_reached=None):
    """One figure; without a target it is for information."""
    rows.append((figure, measured, target,
                 "" if is_reached is None else "ok" if is_reached else "short"))


def print_table():
    heads = ("figure", "measured", "target", "")
    widths = [max(len(line[i]) for line in rows + [heads]) for i in range(4)]
    for line in [heads, tuple("-" * width for width in widths)] + rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def progress(words):
    if sys.stderr.isatty():
        print("\r\033[K" + words, end="", file=sys.stderr, flush=True)


def print_summary():
    verdicts = [line[3] for line in rows]
    print("\n%d ok, %d short" % (verdicts.count("ok"), verdicts.count("short")))
