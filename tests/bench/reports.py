"""Delivery reports: how many are taken while messages flow, and how soon watchers hear of one."""

import http.client
import json
import re
import selectors
import statistics
import time

from programs import Folder, LINE, Lines, NullApi, PATIENCE, Relay, Wrong, durable, get, load
from table import number, progress, row

SECRET = "s3cret-of-the-bench-0123"
PATH = "/dlr/" + SECRET
SETTINGS = {"reports.address": "127.0.0.1:0", "reports.secret": SECRET}
MESSAGES_PER_S, REPORTS_PER_S = 20000, 5000
CONNECTIONS, DEPTH = 4, 1000
WATCHERS, EVENTS = 100, 100


class ReportedRelay(Relay):
    """With a webhook."""

    def __init__(self, url, settings=None):
        super().__init__(url, dict(SETTINGS, **(settings or {})))
        self.webhook = re.search(r"reports_listening url=http://([\d.:]+)", "".join(self.log)).group(1)

    def count(self, name):
        return int(re.search(r"%s=(\d+)" % name, self.stats()).group(1))

    def stats(self):
        lines = Lines(self.address)
        text = lines.ask(b"STATS\r\n")
        while b"\n250 " not in text:
            text += lines.socket.recv(65536)
        return text.decode()


def wait_for_reports(api, wanted):
    deadline = time.monotonic() + PATIENCE
    while True:
        reports = get(api.address, "/reports")
        if reports["taken"] >= wanted:
            return reports
        if time.monotonic() > deadline:
            raise Wrong("%d of %d reports were taken" % (reports["taken"], wanted))
        time.sleep(0.02)


def measure_one(settings, seconds):
    """Returns messages/s relayed, reports/s taken, reports lost, and what answers took."""
    count = MESSAGES_PER_S * seconds
    every = MESSAGES_PER_S // REPORTS_PER_S
    # The API may post a little faster than is wanted, for it begins when the first message has come.
    with NullApi(report_rate=REPORTS_PER_S * 11 // 10, report_every=every) as api, \
            ReportedRelay(api.url, settings) as relay:
        connection = http.client.HTTPConnection(api.address, timeout=PATIENCE)
        connection.request("POST", "/reports/%s%s" % (relay.webhook.split(":")[1], PATH))
        connection.getresponse().read()
        result = load(relay.address, LINE, CONNECTIONS, DEPTH, count,
                      options=("-r%d" % MESSAGES_PER_S,))
        counts = api.wait_for(count)
        reports = wait_for_reports(api, count // every)
        lost = reports["taken"] - relay.count("reports_new_total")
        unmatched = relay.count("reports_unmatched_total")
    relayed = count / (counts["last_ns"] - result["began_ns"]) * 1e9
    taken = reports["taken"] / (reports["last_ns"] - reports["first_ns"]) * 1e9
    if lost != 0 or unmatched != 0:
        raise Wrong("of %d reports %d were lost, %d unmatched" %
                    (reports["taken"], lost, unmatched))
    return relayed, taken, reports


def show(name, results):
    relayed = statistics.median(result[0] for result in results)
    taken = statistics.median(result[1] for result in results)
    slowest = max(result[2]["max_us"] for result in results) / 1000
    median = statistics.median(result[2]["p50_us"] for result in results) / 1000
    row("reports while messages flow, %s" % name,
        "%s messages/s, %s reports/s, 0 of %s lost; answered in %.1f ms, at most %.0f ms" %
        (number(relayed), number(taken), number(sum(result[2]["taken"] for result in results)),
         median, slowest),
        "%s/s, %s/s" % (number(MESSAGES_PER_S), number(REPORTS_PER_S)),
        relayed >= 0.98 * MESSAGES_PER_S and taken >= 0.98 * REPORTS_PER_S)


def measure_reports(_rounds, scale):
    """Bounded: 20,000 messages a second are offered, five seconds a run (two with --quick)."""
    seconds = max(2, 5 // scale)
    in_memory, on_disk = [], []
    for turn in range(2):
        progress("reports: round %d of 2" % (turn + 1))
        in_memory.append(measure_one({}, seconds))
        with Folder() as folder:
            on_disk.append(measure_one(durable(folder), seconds))
    show("queue in memory", in_memory)
    show("durable queue", on_disk)


# --- watchers ----------------------------------------------------------------------------------

class Watcher:
    """A client of WATCH; `lines` are those that have come, each with its time."""

    def __init__(self, address):
        lines = Lines(address)
        if not lines.ask(b"WATCH\r\n").startswith(b"250"):
            raise Wrong("WATCH was refused")
        self.socket = lines.socket

    def has_heard(self, words):
        return words in self.socket.recv(65536)


def post(webhook, id, second):
    body = json.dumps({"clientId": id, "status": "sent", "code": 0,
                       "eventAt": "2026-04-21T10:%02d:%02dZ" % divmod(second, 60)})
    webhook.request("POST", PATH, body, {"Content-Type": "application/json"})


def hear(watchers, selector, began):
    """How long each of them took to hear of the report that was posted at `began`, in ms."""
    latencies = []
    deadline = time.monotonic() + PATIENCE
    while len(latencies) < len(watchers):
        if time.monotonic() > deadline:
            raise Wrong("%d of %d watchers heard" % (len(latencies), len(watchers)))
        for key, _ in selector.select(1):
            if key.data.has_heard(b" dlr=sent "):
                latencies.append((time.monotonic() - began) * 1000)
    return latencies


def measure_watchers(settings):
    with NullApi() as api, ReportedRelay(api.url, settings) as relay:
        reply = relay.ask("SEND ACK=relayed +34600000000 text")
        id = re.search(r"id=(\S+)", reply).group(1)
        watchers = [Watcher(relay.address) for _ in range(WATCHERS)]
        webhook = http.client.HTTPConnection(relay.webhook, timeout=PATIENCE)
        latencies = []
        with selectors.DefaultSelector() as selector:
            for watcher in watchers:
                selector.register(watcher.socket, selectors.EVENT_READ, watcher)
            for second in range(EVENTS):
                began = time.monotonic()
                post(webhook, id, second)
                latencies += hear(watchers, selector, began)
                if webhook.getresponse().read() != b"thank you\n":
                    raise Wrong("a report was refused")
    return latencies


def measure_watching(_rounds, _scale):
    """From the moment at which a report is posted to its line at each of a hundred watchers."""
    progress("watching")
    with Folder() as folder:
        for name, settings in (("queue in memory", {}), ("durable queue", durable(folder))):
            latencies = measure_watchers(settings)
            median = statistics.median(latencies)
            row("a report reaches %d watchers, %s" % (WATCHERS, name),
                "%.1f ms, at most %.1f ms (%s lines)" % (median, max(latencies),
                                                         number(len(latencies))),
                "<= 50 ms", median <= 50)
