"""What reaches the API: how full and how many requests are, and how fast a lone message comes."""

import json
import re
import socket
import statistics
import threading
import time

from programs import LINE, Lines, NullApi, PATIENCE, Relay, TEXT, Wrong, get, load
from table import number, progress, row

def measure_fill(count):
    """All arrive once, in full requests, when the API is the slower one."""
    with NullApi(latency_ms=50) as api, Relay(api.url) as relay:
        load(relay.address, LINE, 1, 1000, count)
        counts = api.wait_for(count)
    fill = counts["full_bulks"] / counts["bulk"]
    row("full bulk requests, API takes 50 ms",
        "%.2f %% of %s, %s messages once each" % (fill * 100, number(counts["bulk"]), number(count)),
        ">= 99 %", fill >= 0.99)


def ask_often(address, is_over):
    """A little traffic of high priority beside the flood. Returns how many messages that was."""
    sent = 0
    with socket.create_connection(address.rsplit(":", 1), PATIENCE) as client:
        lines = client.makefile("rb")
        lines.readline()
        while not is_over.wait(0.05):
            client.sendall(b"SEND PRIORITY=high +34600000000 urgent\r\n")
            if not lines.readline().startswith(b"250"):
                raise Wrong("an urgent message was refused")
            sent += 1
    return sent


def measure_limit(name, limit, window, count, urgent):
    """The simulator enforces a limit, and counts requests over it."""
    settings = {"sandbox.limit": limit, "sandbox.window": window}
    line = "SEND +34600000000 {} " + TEXT[8:]
    with Relay("sandbox", settings) as relay:
        is_over = threading.Event()
        sent = [0]
        beside = threading.Thread(target=lambda: sent.__setitem__(
            0, ask_often(relay.address, is_over)))
        if urgent:
            beside.start()
        load(relay.address, line, 1, 1000, count)
        deadline = time.monotonic() + PATIENCE
        while get(relay.sandbox, "/sandbox/record?summary=1")["messages"] < count:
            if time.monotonic() > deadline:
                raise Wrong("limit: not all messages were relayed")
            time.sleep(0.1)
        is_over.set()
        if urgent:
            beside.join()
        while True:
            summary = get(relay.sandbox, "/sandbox/record?summary=1")
            if summary["messages"] >= count + sent[0] or time.monotonic() > deadline:
                break
            time.sleep(0.1)
    if summary["distinct_client_ids"] != count + sent[0] or summary["repeated_client_ids"] > 0:
        raise Wrong("limit: %d messages came as %s" % (count + sent[0], summary))
    refused = summary["over_limit"] + summary["status"].get("429", 0)
    requests = summary["requests"]["single"] + summary["requests"]["bulk"]
    row(name, "%d over, %s requests for %s messages" %
        (refused, number(requests), number(count + sent[0])), "0 over", refused == 0)


def measure_requests(scale):
    progress("requests: fill and limits")
    errors = []

    def run(function, *arguments):
        try:
            function(*arguments)
        except Exception as error:  # of any kind: it is raised again below
            errors.append(error)
    # Both wait nearly all the time.
    slow = [threading.Thread(target=run, args=arguments) for arguments in [
        (measure_fill, 100000 // scale),
        (measure_limit, "limit 5 in 2 s, with urgent ones beside", 5, "2s", 3000 // scale, True)]]
    for thread in slow:
        thread.start()
    for thread in slow:
        thread.join()
    if errors:
        raise errors[0]
    measure_limit("limit 1200 a minute", 1200, "60s", 100000, False)


def measure_lone(tries):
    """From the reply to the request's arrival; negative where the request was first."""
    progress("a lone message")
    line = ("SEND +34600000000 %s\r\n" % TEXT).encode()
    replied_ns = {}
    with NullApi(limit=1000000) as api, Relay(api.url) as relay:
        client = Lines(relay.address)
        for _ in range(tries):
            reply = client.ask(line).decode()
            now = time.monotonic_ns()
            replied_ns[re.search(r" id=(\w+)", reply).group(1)] = now
            time.sleep(0.005)
        api.wait_for(tries)
        arrived_ns = dict(get(api.address, "/arrivals"))
    delays = [(arrived_ns[id] - at) / 1e6 for id, at in replied_ns.items() if id in arrived_ns]
    if len(delays) != tries:
        raise Wrong("only %d of %d lone messages came as one" % (len(delays), tries))
    median = statistics.median(delays)
    row("lone message: reply to arrival at the API", "%.3f ms (worst of %d: %.3f ms)" %
        (median, tries, max(delays)), "< 1 ms", median < 1)


def measure_round_trip(tries):
    """ACK=relayed beside the bare call, each in turn."""
    progress("SEND ACK=relayed")
    line = ("SEND ACK=relayed +34600000000 %s\r\n" % TEXT).encode()
    body = json.dumps({"from": "ACME", "to": "+34600000000", "text": TEXT,
                       "clientId": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, separators=(",", ":"))
    direct, relayed = [], []
    with NullApi(limit=1000000, latency_ms=20) as api, Relay(api.url) as relay:
        client = Lines(relay.address)
        call = Lines.__new__(Lines)
        host, port = api.address.rsplit(":", 1)
        call.socket = socket.create_connection((host, int(port)), PATIENCE)
        post = ("POST /transactional/v1/sms HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s" %
                (api.address, len(body), body)).encode()
        for _ in range(tries):
            for ask, request, times, good in [(call.ask, post, direct, b" 201 "),
                                              (client.ask, line, relayed, b"state=relayed")]:
                began = time.monotonic_ns()
                if good not in ask(request):
                    raise Wrong("ACK=relayed: not accepted")
                times.append((time.monotonic_ns() - began) / 1e6)
    more = statistics.median(relayed) - statistics.median(direct)
    row("SEND ACK=relayed, API takes 20 ms", "%.2f ms, a bare HTTP call %.2f ms" %
        (statistics.median(relayed), statistics.median(direct)), "+ < 1 ms", more < 1)
