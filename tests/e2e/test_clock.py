"""What happens when the wall clock is set while the relay runs, or between two runs.

libfaketime (Debian's package faketime) sets it for the relay alone; without it, nothing is tested.
"""

import glob
import re
import tempfile
import time
import unittest
import urllib.request

from relaying import eventually
from support import IS_SLOW, TO, TestCase

LIBRARY = (glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1") or [None])[0]


@unittest.skipIf(LIBRARY is None or IS_SLOW, "needs libfaketime, and no sanitizer or wrapper")
class Clock(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.sandbox = self.separate_sandbox()
        self.set_clock("+0")

    def set_clock(self, offset):
        with open(self.folder + "/clock", "w") as file:
            file.write(offset + "\n")

    def start(self, **settings):
        env = {"LD_PRELOAD": LIBRARY, "FAKETIME_TIMESTAMP_FILE": self.folder + "/clock",
               "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1"}
        return self.relay(dict({"queue.path": self.folder + "/queue.db",
                                "queue.drain_timeout": "0"}, **settings),
                          sandbox=self.sandbox, env=env)

    def await_texts(self, *texts):
        eventually(lambda: sorted(self.sandbox.texts()) == sorted(texts), texts)

    def test_at_is_wall_clock_time(self):
        relay = self.start()
        with relay.connect() as client:
            client.submit("soon", options="AT=+10s")
            client.submit("later", options="AT=+1h")
        began = time.monotonic()
        self.set_clock("+8")
        self.await_texts("soon")
        self.assertLess(time.monotonic() - began, 5)
        self.assertGreater(time.monotonic() - began, 1)
        self.set_clock("+1h")
        self.await_texts("soon", "later")
        self.assertEqual(relay.wait_log("clock_set")["level"], "info")

    def test_a_clock_set_back_puts_at_off(self):
        relay = self.start()
        with relay.connect() as client:
            name = client.submit("text", options="AT=+2s TTL=10s")
            self.set_clock("-1h")
            relay.wait_log("clock_set")
            time.sleep(2)
            self.assertEqual(relay.status(name)["state"], "scheduled")
            self.set_clock("+0")
        self.await_texts("text")

    def test_nothing_expires_by_a_jump(self):
        relay = self.start()
        with relay.connect() as client:
            client.ask("HOLD")
            names = [client.submit("%d" % i, options="TTL=5m" if i % 2 else "") for i in range(20)]
            names += [client.submit("at", options="AT=+1h TTL=5m")]
            for offset in ("+2d", "-2d", "+3000d"):
                before = len(relay.log("clock_set"))
                self.set_clock(offset)
                relay.wait_log("clock_set", count=before + 1)
            client.ask("RELEASE")
            for name in names:
                self.assertEqual(relay.await_state(name, "relayed", "expired")["state"], "relayed")

    def test_no_jump_makes_a_message_older(self):
        relay = self.start(**{"http.max_wait": "60", "http.address": "127.0.0.1:0"})
        url = relay.wait_log("http_listening")["url"].rstrip("/")
        with relay.connect() as client:
            client.submit("scheduled", options="AT=+10d")
            client.ask("HOLD")
            client.submit("queued")
            for offset in ("+2d", "+1d", "-3d"):
                before = len(relay.log("clock_set"))
                self.set_clock(offset)
                relay.wait_log("clock_set", count=before + 1)
                self.assertLess(int(client.queue()["oldest"]), 60)
                with urllib.request.urlopen(url + "/metrics") as answer:
                    oldest = re.search(r"\nsmsrelay_queue_oldest_seconds (\S+)\n", answer.read().decode())
                self.assertLess(float(oldest[1]), 60)
            self.sandbox.faults({"hang_ms": -1})
            client.ask("RELEASE")
            with urllib.request.urlopen(url + "/readyz") as answer:  # not yet sent, but not old
                self.assertEqual(answer.status, 200)

    def test_time_goes_on_after_a_jump(self):
        relay = self.start()
        with relay.connect() as client:
            client.ask("HOLD")
            self.set_clock("-2d")
            name = client.submit("text", options="TTL=2s")
            self.set_clock("-4d")
            self.assertEqual(relay.await_state(name, "expired")["state"], "expired")

    def test_status_shows_wall_clock_times(self):
        relay = self.start()
        self.set_clock("+1000d")
        relay.wait_log("clock_set")
        with relay.connect() as client:
            client.ask("HOLD")
            year = time.gmtime(time.time() + 1000 * 86400).tm_year
            for options, field in (("", "updated"), ("AT=+10m", "next")):
                status = relay.status(client.submit(options=options))
                self.assertTrue(status[field].startswith(str(year)), status)

    def test_between_two_runs(self):
        """Only the wall clock tells how long the relay did not run."""
        relay = self.start()
        with relay.connect() as client:
            client.ask("HOLD")
            expired = client.submit("text", options="TTL=1h")
        relay.stop()
        self.set_clock("-1d")
        relay = self.start()
        self.assertEqual(relay.log("clock_set_back")[0]["level"], "warn")
        self.assertEqual(relay.status(expired)["state"], "deferred")
        relay.stop()
        self.set_clock("+400d")
        relay = self.start()
        self.assertEqual(relay.log("clock_far_ahead")[0]["level"], "warn")
        self.assertEqual(relay.await_state(expired, "expired")["state"], "expired")


if __name__ == "__main__":
    unittest.main()
