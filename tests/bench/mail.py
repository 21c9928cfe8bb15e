"""Mails: how fast they are read, and how fast they are taken, beside Postfix's null server."""

import json
import os
import shutil
import statistics
import subprocess

from programs import BENCH, TEXT, NullApi, Relay, Wrong, load
from rivals import free_address, send_mail, wait_until_open
from table import median_share, number, progress, rate_words, row

TRANSACTION = ("MAIL FROM:<bench@bench.invalid>\r\nRCPT TO:<+34600000001@bench.invalid>\r\n"
               "DATA\r\nSubject: bench\r\n\r\n" + TEXT + "\r\n.")
REPLIES = 4


class Sink:
    """smtp-sink: it takes mails, and forgets them."""

    def __init__(self):
        self.address = free_address()
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen(["smtp-sink"] + user + ["-h", "bench", self.address, "100"])

    def __enter__(self):
        wait_until_open(self.address)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def measure_reading(scale):
    done = subprocess.run([os.path.join(BENCH, "mime"), "-n", str(20000 // scale)],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise Wrong(done.stderr.strip())
    result = json.loads(done.stdout)
    row("alert mails of 2 kB read, one core",
        "%9s/s" % number(result["rate"]), ">= 60,000/s", result["rate"] >= 60000)
    row("longest step, mails of any shape",
        "%.1f ms (%s)" % (result["worst_ms"], result["worst"]), "<= 20 ms",
        result["worst_ms"] <= 20)


def pipelined(server, count):
    return load(server.address, TRANSACTION, 1, 100, count, options=["-m", str(REPLIES)])


def sessions(server, count):
    return send_mail(server.address, 10, count)


def queued(relay, count):
    """As smtp-sink: taken, and sent nowhere."""
    relay.hold()
    result = sessions(relay, count)
    if relay.unfinished() != count:
        raise Wrong("%d of %d mails are queued" % (relay.unfinished(), count))
    return result


def in_turn(name, rounds, measure, measure_sink):
    """What the relay and smtp-sink do with the same mails."""
    ours, theirs = [], []
    for turn in range(rounds):
        progress("mail: round %d of %d, %s" % (turn + 1, rounds, name))
        with NullApi() as api, Relay(api.url) as relay:
            ours.append(measure(relay))
        with Sink() as sink:
            theirs.append(measure_sink(sink))
    return ours, theirs


def measure_mail(rounds, scale):
    measure_reading(scale)
    if shutil.which("smtp-sink") is None:
        row("smtp-sink", "not installed")
        return
    count = 50000 // scale
    for name, measure, target in (("queued", queued, 1), ("relayed meanwhile", sessions, None)):
        ours, theirs = in_turn("10 sessions, " + name, rounds, lambda relay: measure(relay, count),
                               lambda sink: sessions(sink, count))
        share = median_share(ours, theirs)
        medians = [number(statistics.median(r["rate"] for r in both)) for both in (ours, theirs)]
        row("smtp-source, 10 sessions, " + name,
            "%9s/s  smtp-sink %s/s  %.2f times" % (*medians, share),
            *((">= 1", share >= target) if target else ()))
    count = 100000 // scale
    ours, theirs = in_turn("pipelined", rounds, lambda relay: pipelined(relay, count),
                           lambda sink: pipelined(sink, count))
    share = median_share(ours, theirs)
    row("pipelined mails, 1 conn, depth 100: smtp-sink", rate_words(theirs))
    row("pipelined mails, 1 conn, depth 100: smsrelay",
        "%s  %3.0f %% of smtp-sink" % (rate_words(ours), share * 100), ">= 60 %", share >= 0.6)
