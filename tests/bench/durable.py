"""The queue on disk: what a 250 costs that is a promise, and what is there after a crash.

Every round has a store of its own, since HOLD is kept in it.
"""

import json
import os
import sqlite3
import statistics
import subprocess
import time

from programs import (BENCH, LINE, MEMORY, TEXT, Folder, NullApi, Relay, Wrong, assert_stored,
                      bytes_in, durable, load)
from table import median_share, number, progress, rate_words, row

LINE_WITH_REF = "SEND REF=order-{} +3460{} " + TEXT
DEEP = (50, 100)

# Connections, depth, lines a round, line. One at a time is never scaled down: the log of a store is
# quicker once it has been round.
POINTS = {
    "1 conn, depth 1": (1, 1, 5000, LINE),
    "1 conn, depth 100": (1, 100, 100000, LINE),
    "50 conns, depth 1": (50, 1, 50000, LINE),
    "50 conns, depth 100": (50, 100, 300000, LINE),
    "50 conns, depth 100, a REF each": (50, 100, 300000, LINE_WITH_REF),
}


# --- intake --------------------------------------------------------------------------------------

def sync_loop(folder, count):
    """A record of 128 bytes at a time, each safe before the next."""
    done = subprocess.run([os.path.join(BENCH, "sync_loop"), "-n%d" % count,
                           os.path.join(folder, "records")], capture_output=True, text=True)
    if done.returncode != 0:
        raise Wrong(done.stderr.strip())
    return json.loads(done.stdout)


def take(settings, connections, depth, count, line=LINE):
    """Intake on HOLD; CPU seconds and bytes written are those of a message."""
    with NullApi() as api, Relay(api.url, settings) as relay:
        relay.hold()
        cpu_s, written = relay.cpu_s(), relay.written_bytes()
        result = load(relay.address, line, connections, depth, count)
        result["cpu_s"] = (relay.cpu_s() - cpu_s) / count
        result["written"] = (relay.written_bytes() - written) / count
        if relay.unfinished() != count:
            raise Wrong("%d messages were taken, %d are queued" % (count, relay.unfinished()))
        if settings is not MEMORY:
            assert_stored(os.path.dirname(settings["queue.path"]), count)
    return result


def measure_durable_intake(rounds, scale):
    loop, memory = [], []
    taken = {name: [] for name in POINTS}
    for turn in range(rounds):
        for name, (connections, depth, count, line) in POINTS.items():
            progress("durable intake: round %d of %d, %s" % (turn + 1, rounds, name))
            is_lone = (connections, depth) == (1, 1)
            count = count if is_lone else count // scale
            with Folder() as folder:
                if is_lone:
                    loop.append(sync_loop(folder, count))
                if (connections, depth) == DEEP and line is LINE:
                    memory.append(take(MEMORY, connections, depth, count, line))
                taken[name].append(take(durable(folder), connections, depth, count, line))
    row("append and fdatasync, the limit", rate_words(loop))
    row("in memory, on HOLD: %d conns, depth %d" % DEEP, rate_words(memory))
    for name, results in taken.items():
        median = lambda key: statistics.median(result[key] for result in results)
        words = "%s  %.1f us CPU  %s bytes written" % (rate_words(results), median("cpu_s") * 1e6,
                                                      number(median("written")))
        target, is_reached = "", None
        if name == "1 conn, depth 1":
            share = median_share(results, loop)
            words += "  %.0f %% of the loop" % (share * 100)
            target, is_reached = ">= 50 % of the loop", share >= 0.5
        elif POINTS[name][:2] == DEEP:
            share = median_share(results, memory)
            words += "  %.0f %% of memory" % (share * 100)
            if POINTS[name][3] is LINE:
                target = ">= 100,000/s or 30 % of memory"
                is_reached = median("rate") >= 100000 or share >= 0.3
        row("durable, on HOLD: " + name, words, target, is_reached)


# --- relaying ------------------------------------------------------------------------------------

def assert_finished(settings, url):
    """What was relayed must stay relayed: nothing is left for a relay that starts again."""
    if settings["queue.path"] == "":
        return
    with Relay(url, settings) as relay:
        if relay.unfinished() != 0:
            raise Wrong("%d relayed messages are queued again" % relay.unfinished())


def empty(settings, count):
    """Fills on HOLD, releases, and measures until the last one has arrived."""
    with NullApi() as api:
        with Relay(api.url, settings) as relay:
            relay.hold()
            load(relay.address, LINE, *DEEP, count)
            cpu_s = relay.cpu_s()
            released_ns = time.monotonic_ns()
            relay.ask("RELEASE")
            counts = api.wait_for(count)
            result = {"rate": count / (counts["last_ns"] - released_ns) * 1e9,
                      "cpu_s": (relay.cpu_s() - cpu_s) / count}
        assert_finished(settings, api.url)
        api.wait_for(count)
    return result


def pass_through(settings, count):
    """Submits while it relays: from the first line to the arrival of the last message."""
    with NullApi() as api:
        with Relay(api.url, settings) as relay:
            cpu_s = relay.cpu_s()
            began_ns = load(relay.address, LINE, *DEEP, count)["began_ns"]
            counts = api.wait_for(count)
            result = {"rate": count / (counts["last_ns"] - began_ns) * 1e9,
                      "cpu_s": (relay.cpu_s() - cpu_s) / count}
        assert_finished(settings, api.url)
        api.wait_for(count)
    return result


def measure_relaying(rounds, scale):
    count = 200000 // scale
    for name, relaying in [("relayed from a full queue", empty),
                           ("relayed while it is filled", pass_through)]:
        memory, disk = [], []
        for turn in range(rounds):
            progress("%s: round %d of %d" % (name, turn + 1, rounds))
            memory.append(relaying(MEMORY, count))
            with Folder() as folder:
                disk.append(relaying(durable(folder), count))
        share = median_share(disk, memory)
        for kind, results in [("in memory", memory), ("durable", disk)]:
            rate, cpu_s = (statistics.median(result[key] for result in results)
                           for key in ("rate", "cpu_s"))
            words = "%9s/s  %.1f us CPU" % (number(rate), cpu_s * 1e6)
            if results is memory:
                row("%s, %s" % (name, kind), words)
            else:
                row("%s, %s" % (name, kind), "%s  %.0f %% of memory" % (words, share * 100),
                    ">= 50 % of memory", share >= 0.5)


# --- recovery ------------------------------------------------------------------------------------

def forget_cached(folder):
    """Has the files read from the disk again, as after a power failure."""
    for name in os.listdir(folder):
        fd = os.open(os.path.join(folder, name), os.O_RDONLY)
        try:
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


def measure_recovery(_rounds, scale):
    count = 500000 // scale
    progress("recovery")
    with NullApi() as api, Folder() as folder:
        settings = durable(folder)
        with Relay(api.url, settings) as relay:
            relay.hold()
            load(relay.address, LINE, *DEEP, count)
            relay.kill()
        for name, prepare in [("file cached", lambda: None),
                              ("file not cached", lambda: forget_cached(folder))]:
            size = bytes_in(folder) / 1e6
            prepare()
            began = time.monotonic()
            with Relay(api.url, settings) as relay:
                took_s = time.monotonic() - began
                if relay.unfinished() != count:
                    raise Wrong("%d of %d messages came back" % (relay.unfinished(), count))
                memory = relay.anonymous_bytes() / 1e6
                relay.kill()
            row("start with %s queued after SIGKILL, %s" % (number(count), name),
                "%.2f s, %.0f MB on disk, %.0f MB in memory" % (took_s, size, memory),
                "< 5 s", took_s < 5)


# --- purging -------------------------------------------------------------------------------------

PURGE_RATE = 10000


def flow(retention, seconds):
    """Messages come at a steady rate, are relayed, and are purged when they are so old."""
    with NullApi() as api, Folder() as folder:
        settings = durable(folder, **{"queue.retention": retention})
        with Relay(api.url, settings) as relay:
            result = load(relay.address, LINE, 10, 1000, PURGE_RATE * seconds,
                          options=["-r", str(PURGE_RATE)])
            api.wait_for(PURGE_RATE * seconds)
        store = sqlite3.connect(settings["queue.path"])
        result["kept"] = store.execute("SELECT count(*) FROM message").fetchone()[0]
        store.close()
        result["size"] = bytes_in(folder) / 1e6
    return result


def measure_purge(_rounds, scale):
    # A pass begins every ten seconds.
    rounds, seconds = (2, 24) if scale == 1 else (1, 14)
    kept, purged = [], []
    for turn in range(rounds):
        progress("purge: round %d" % (turn + 1))
        kept.append(flow("7d", seconds))
        purged.append(flow("2s", seconds))
    more = statistics.median(one["p99_us"] / other["p99_us"] for one, other in zip(purged, kept))
    sent = PURGE_RATE * seconds
    for name, results in [("7 days", kept), ("2 s", purged)]:
        rows_kept, size = (statistics.median(result[key] for result in results)
                           for key in ("kept", "size"))
        words = "%s  %s of %s kept, %.0f MB" % (rate_words(results), number(rows_kept),
                                                number(sent), size)
        if results is kept:
            row("durable, steady, retention " + name, words)
        else:
            row("durable, steady, retention " + name, words, "p99 <= 1.5 times", more <= 1.5)
    if any(result["kept"] > sent * 3 / 4 for result in purged):
        raise Wrong("nothing was purged")
