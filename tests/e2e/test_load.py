"""Floods: nothing is lost, doubled or sent too often, and memory does not grow.

Loads come from tests/bench/load and go to tests/bench/null_api, which count; both are built here when
they are missing. What is asserted are counts and bounds, never speed.
"""

import fcntl
import http.client
import json
import os
import re
import subprocess
import threading
import time
import unittest

from support import IS_SLOW, PATIENCE, TOKEN, TestCase

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCH = os.path.join(ROOT, "build/release/bench")
SCALE = 10 if IS_SLOW else 1
LINE = "SEND +3460{} " + "x" * 128


def is_built(name):
    program, source = os.path.join(BENCH, name), os.path.join(ROOT, "tests/bench", name + ".c")
    return os.path.exists(program) and os.path.getmtime(program) >= os.path.getmtime(source)


def setUpModule():
    """Classes run at the same time, but two makes in one tree get in each other's way."""
    os.makedirs(BENCH, exist_ok=True)
    with open(os.path.join(BENCH, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = ["build/release/bench/" + name for name in ("load", "null_api")
                   if not is_built(name)]
        if missing:
            subprocess.run(["make", "-s"] + missing, cwd=ROOT, check=True,
                           stdout=subprocess.DEVNULL)


def load(relay, line, connections, depth, count):
    """Sends `count` lines; each gets its 250, each with an id of its own."""
    done = subprocess.run([os.path.join(BENCH, "load"), "-i", "-c%d" % connections, "-d%d" % depth,
                           "-n%d" % count, "-p%d" % (4 * PATIENCE), relay.addresses[0], line],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError("load: %s%s" % (done.stderr, done.stdout))


class NullApi:
    """An API that takes everything and counts it (tests/bench/null_api.c)."""

    token = TOKEN

    def __init__(self, latency_ms=0):
        self.process = subprocess.Popen([os.path.join(BENCH, "null_api"),
                                         "--latency-ms=%d" % latency_ms], text=True,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.address = re.search(r"address=(\S+)", self.process.stderr.readline()).group(1)
        self.url = "http://%s/transactional/v1" % self.address

    def count(self):
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        try:
            connection.request("GET", "/count")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.process.stderr.close()


def wait_until(is_true):
    """For what only shows when it is asked for: the counts of an API."""
    deadline = time.monotonic() + 4 * PATIENCE
    while not is_true() and time.monotonic() < deadline:
        time.sleep(0.02)


class LoadTest(TestCase):
    def null_api(self, **options):
        api = NullApi(**options)
        self.addCleanup(api.stop)
        return api

    def assertAllOnce(self, api, count):
        """All have come, none twice. Returns the API's counts."""
        wait_until(lambda: api.count()["messages"] >= count)
        counts = api.count()
        self.assertEqual((counts["messages"], counts["distinct"]), (count, count))
        return counts


class OneConnection(LoadTest):
    def test_all_arrive_once_in_full_requests(self):
        count = 100000 // SCALE
        api = self.null_api(latency_ms=50)
        relay = self.relay({"relay.connections": 16}, sandbox=api)
        load(relay, LINE, 1, 5000, count)
        counts = self.assertAllOnce(api, count)
        if not IS_SLOW:  # else the relay is the slower one
            self.assertGreaterEqual(counts["full_bulks"], 0.99 * counts["bulk"], counts)


class ManyConnections(LoadTest):
    def test_all_arrive_once(self):
        count = 100000 // SCALE
        api = self.null_api()
        relay = self.relay(sandbox=api)
        load(relay, LINE, 100, 20, count)
        self.assertAllOnce(api, count)


class Hold(LoadTest):
    def test_what_was_held_arrives_once(self):
        count = 200000 // SCALE
        api = self.null_api()
        relay = self.relay(sandbox=api)
        client = self.client(relay)
        client.ask("HOLD")
        load(relay, LINE, 10, 100, count)
        self.assertEqual(client.queue()["queued"], str(count))
        self.assertEqual(api.count()["messages"], 0)
        client.ask("RELEASE")
        self.assertAllOnce(api, count)


class Full(LoadTest):
    def test_what_was_taken_before_it_was_full_arrives_once(self):
        api = self.null_api()
        relay = self.relay({"queue.max_messages": 1000}, sandbox=api)
        client = self.client(relay)
        client.ask("HOLD")
        client.send(*[LINE.replace("{}", "%07d" % i) for i in range(1500)])
        codes = [reply[0][:9] for reply in client.read_replies(1500)]
        self.assertEqual(codes, ["250 2.0.0"] * 1000 + ["452 4.3.1"] * 500)
        client.ask("RELEASE")
        self.assertAllOnce(api, 1000)


class Limit(LoadTest):
    def urge(self, client, is_over):
        """Urgent messages beside the flood, of which each wants a request of its own."""
        while not is_over.wait(0.05):
            self.ids.append(client.submit("urgent", options="PRIORITY=high"))

    def test_5_requests_in_2_seconds(self):
        count = 1500
        relay = self.relay({"sandbox.limit": 5, "sandbox.window": "2s"})
        self.ids = []
        is_over = threading.Event()
        beside = threading.Thread(target=self.urge, args=(self.client(relay), is_over))
        beside.start()
        try:
            load(relay, "SEND +34600000000 {}", 1, 1000, count)
            wait_until(lambda: relay.sandbox.summary()["messages"] >= count)
        finally:
            is_over.set()
            beside.join()
        count += len(self.ids)
        wait_until(lambda: relay.sandbox.summary()["messages"] >= count)
        summary = relay.sandbox.summary()
        self.assertEqual((summary["messages"], summary["distinct_client_ids"],
                          summary["repeated_client_ids"]), (count, count, 0), summary)
        self.assertEqual((summary["over_limit"], summary["status"].get("429", 0)), (0, 0), summary)


class Memory(LoadTest):
    @staticmethod
    def anonymous_bytes(relay):
        status = open("/proc/%d/status" % relay.pid).read()
        return int(re.search(r"RssAnon:\s+(\d+) kB", status).group(1)) * 1024

    @unittest.skipIf(IS_SLOW, "sanitizers have memory of their own")
    def test_it_does_not_grow(self):
        api = self.null_api()
        relay = self.relay({"queue.retention": 0}, sandbox=api)
        chunk = 10000
        sizes = []
        for i in range(20):  # the same number are queued at a time, from first to last
            load(relay, LINE, 10, 100, chunk)
            self.assertAllOnce(api, (i + 1) * chunk)
            sizes.append(self.anonymous_bytes(relay))
        # A leak of 16 bytes a message would be 2.5 MB.
        self.assertLess(sizes[-1] - sizes[3], 1500000, sizes)

    @unittest.skipIf(IS_SLOW, "sanitizers have memory of their own")
    def test_a_queued_message(self):
        count = 100000
        api = self.null_api()
        relay = self.relay(sandbox=api)
        relay.ask("HOLD")
        before = self.anonymous_bytes(relay)
        load(relay, LINE, 10, 100, count)
        self.assertLess((self.anonymous_bytes(relay) - before) / count, 320)
        relay.ask("RELEASE")
        self.assertAllOnce(api, count)


if __name__ == "__main__":
    unittest.main()
