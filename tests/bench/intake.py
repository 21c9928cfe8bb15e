"""Intake, and intake while relaying, of a queue in memory, beside what a line-echo server does."""

import os
import statistics

from programs import BENCH, LINE, NullApi, Relay, Server, load
from table import median_share, number, progress, rate_words, row

# Connections, depth, lines a round, and the least share of echo's rate that is wanted on HOLD.
POINTS = [(1, 1, 20000, None), (1, 100, 200000, 0.50), (50, 1, 80000, 0.70),
          (50, 100, 300000, 0.50)]


class Point:
    """What the rounds measured with so many connections and so deep a pipeline."""

    def __init__(self, connections, depth, count, share):
        self.connections, self.depth, self.count, self.share = connections, depth, count, share
        self.echo, self.held, self.relaying = [], [], []
        self.held_cpu, self.relaying_cpu, self.relayed_rates = [], [], []

    def name(self):
        return "%d conn%s, depth %d" % (self.connections, "" if self.connections == 1 else "s",
                                        self.depth)

    def load(self, server, expected="250"):
        return load(server.address, LINE, self.connections, self.depth, self.count, expected)

    def measure(self, echo):
        self.echo.append(self.load(echo, "SEND"))
        with NullApi() as api, Relay(api.url) as relay:
            relay.hold()
            before = relay.cpu_s()
            self.held.append(self.load(relay))
            self.held_cpu.append((relay.cpu_s() - before) / self.count)
        with NullApi() as api, Relay(api.url) as relay:
            before = relay.cpu_s()
            result = self.load(relay)
            counts = api.wait_for(self.count)
            self.relaying.append(result)
            self.relaying_cpu.append((relay.cpu_s() - before) / self.count)
            self.relayed_rates.append(self.count / (counts["last_ns"] - result["began_ns"]) * 1e9)

    def words(self, results, cpu):
        """The rate and its neighbours, and the median share of echo's."""
        share = median_share(results, self.echo)
        words = rate_words(results)
        if cpu:
            words += "  %.2f us CPU  %3.0f %% of echo" % (statistics.median(cpu) * 1e6, share * 100)
        return words, share


def measure_intake(rounds, scale):
    points = [Point(connections, depth, count // scale, share)
              for connections, depth, count, share in POINTS]
    for turn in range(rounds):
        for point in points:
            progress("intake: round %d of %d, %s" % (turn + 1, rounds, point.name()))
            with Server(os.path.join(BENCH, "echo")) as echo:
                point.measure(echo)
    for point in points:
        row("echo, the limit: " + point.name(), point.words(point.echo, None)[0])
    for point in points:
        words, share = point.words(point.held, point.held_cpu)
        row("intake on HOLD: " + point.name(), words,
            "" if point.share is None else ">= %.0f %% of echo" % (point.share * 100),
            None if point.share is None else share >= point.share)
    for point in points:
        row("intake while relaying: " + point.name(),
            point.words(point.relaying, point.relaying_cpu)[0])
    row("relayed end to end: " + points[-1].name(),
        "%9s/s" % number(statistics.median(points[-1].relayed_rates)))
