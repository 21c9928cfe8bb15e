"""Whatever clients, the API, its reports and browsers send: no reply is malformed, missing or out of
order, no accepted message is left without an end, and the relay stays quick, small and quiet.

    FUZZ_SEED=n           repeats what is sent, though not how it interleaves
    SOAK=1 SOAK_SECONDS=n runs it for so long (3600)
"""

import collections
import contextlib
import os
import random
import re
import shutil
import sqlite3
import tempfile
import time
import unittest

from killing import SETTINGS
from relaying import eventually
from socket_fuzz import PRIVATE, Fuzzer
from support import IS_SLOW, VARIANT, Relay, Sandbox, TestCase, parse_logfmt

SECONDS = float(os.environ.get("SOAK_SECONDS") or 3600)
SECRET = "s3cret-of-the-tests-0123"
RESENDS = 1
DRAIN_S = 2
MEMORY_MB = 2000 if IS_SLOW else 300
ENDS = ("relayed", "rejected", "expired", "canceled", "unresolved")


def resident_mb(pid):
    with open("/proc/%d/status" % pid) as status:
        return int(re.search(r"VmHWM:\s*(\d+)", status.read()).group(1)) / 1024


class SocketFuzz(TestCase):
    def fuzz(self, seconds, seed):
        print("FUZZ_SEED=%d" % seed, flush=True)
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        self.api = self.ended(Sandbox(limit=1000000))
        store = os.path.join(folder, "queue.db")
        relay = self.ended(Relay(dict(SETTINGS, **{
            "queue.path": store, "listen.unix": os.path.join(folder, "socket"), "smtp.auth": "any",
            "reports.address": "127.0.0.1:0", "http.address": "127.0.0.1:0", "log.level": "info",
            "queue.drain_timeout": "%ds" % DRAIN_S, "relay.ambiguous_resends": RESENDS}),
            sandbox=self.api, env={"SMSRELAY_REPORTS_SECRET": SECRET}))
        fuzzer = Fuzzer(relay, self.api, seed, SECRET)
        fuzzer.run(seconds)
        states = self.settle(relay, fuzzer.ids)
        memory = resident_mb(relay.pid)
        began = time.monotonic()
        relay.stop()
        stop_s = time.monotonic() - began
        print("# socket fuzz: seed=%d conversations=%d lines=%d http=%d messages=%d %s noop_worst=%.0fms "
              "memory=%.0fMB stop=%.1fs" % (seed, fuzzer.conversations, fuzzer.replies, fuzzer.requests,
                                            len(fuzzer.ids), dict(states), fuzzer.worst_ms, memory, stop_s),
              flush=True)
        self.check_log(relay)
        self.check_record()
        self.assertLess(memory, MEMORY_MB)
        self.assertLess(stop_s, DRAIN_S + (30 if IS_SLOW else 5))
        with contextlib.closing(sqlite3.connect(store)) as database:
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])

    def settle(self, relay, ids):
        """Waits until nothing waits; counts in which states the accepted messages ended."""
        self.api.forget_faults()
        with relay.connect() as client:
            self.assertReply(client.ask("RELEASE"), "250")

            def look():
                for line in client.ask("QUEUE LIST scheduled 10000"):
                    if " id=" in line:
                        client.ask("CANCEL " + parse_logfmt(line)["id"])
                client.ask("FLUSH")
                queue = client.queue()
                return all(queue[s] == "0" for s in ("queued", "sending", "deferred", "scheduled"))
            eventually(look, "an empty queue")
            states = collections.Counter()
            for name in ids:
                status = parse_logfmt(client.ask("STATUS " + name)[0])
                self.assertIn(status.get("state"), ENDS, status)
                states[status["state"]] += 1
        return states

    def check_log(self, relay):
        wrong = [line for line in relay.lines if " level=error " in line or PRIVATE in line]
        self.assertEqual(wrong, [])

    def check_record(self):
        """The API took no message more often than may be."""
        taken = collections.Counter(m["clientId"] for m in self.api.record()["messages"])
        self.assertEqual({name: n for name, n in taken.items() if n > 1 + RESENDS}, {})
        self.assertTrue(taken)


class Short(SocketFuzz):
    @unittest.skipIf(VARIANT == "tsan", "takes too long with ThreadSanitizer")
    def test_nothing_breaks(self):
        self.fuzz(5, int(os.environ.get("FUZZ_SEED") or 1))


class Soak(SocketFuzz):
    @unittest.skipUnless(os.environ.get("SOAK"), "SOAK=1 runs it (make soak)")
    def test_nothing_breaks(self):
        self.fuzz(SECONDS, int(os.environ.get("FUZZ_SEED") or random.SystemRandom().getrandbits(32)))


if __name__ == "__main__":
    unittest.main()
