"""What a queued message, an idle connection and the relay itself cost in anonymous memory."""

import json
import os
import subprocess

from programs import BENCH, LINE, NullApi, Relay, load
from table import number, progress, row


def measure_queued(count):
    progress("memory: queued messages")
    with NullApi() as api, Relay(api.url) as relay:
        relay.hold()
        before = relay.anonymous_bytes()
        load(relay.address, LINE, 50, 100, count)
        each = (relay.anonymous_bytes() - before) / count
    row("memory a queued message, %s queued" % number(count), "%.0f bytes" % each, "<= 280 bytes",
        each <= 280)


def measure_idle(count):
    progress("memory: idle")
    with NullApi() as api, Relay(api.url) as relay:
        before = relay.anonymous_bytes()
        row("memory, idle (RssAnon)", "%.1f MB" % (before / 1e6), "<= 6 MB", before <= 6e6)
        idle = subprocess.Popen([os.path.join(BENCH, "load"), "-I", "-c%d" % count, relay.address],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        is_open = json.loads(idle.stdout.readline())["open"] == count
        each = (relay.anonymous_bytes() - before) / count
        idle.communicate()
    row("memory an idle connection, %s open" % number(count), "%.0f bytes" % each, "<= 2 kB",
        is_open and each <= 2048)


def measure_growth(chunk, first, chunks):
    """In chunks, each relayed before the next: what is queued at a time is alike from first to last."""
    progress("memory: growth")
    with NullApi() as api, Relay(api.url, {"queue.retention": 0}) as relay:
        for i in range(chunks):
            load(relay.address, LINE, 10, 100, chunk)
            api.wait_for((i + 1) * chunk)
            if i + 1 == first:
                before = relay.anonymous_bytes()
        after = relay.anonymous_bytes()
    row("memory after %s and %s relayed" % (number(first * chunk), number(chunks * chunk)),
        "%.1f MB, %.1f MB" % (before / 1e6, after / 1e6), "+ <= 1 MB", after - before <= 1e6)
