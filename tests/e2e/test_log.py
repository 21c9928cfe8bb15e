"""Whoever reads the log, or stops reading it, the relay goes on."""

import http.client
import signal
import unittest

from relaying import eventually
from support import OK, PATIENCE, TO, VARIANT, Relay, TestCase

FLOOD = 8000  # requests, a line each at the debug level: more than fit the pipe and the relay


class UnreadLog(TestCase):
    is_long = True
    settings = {"log.level": "debug", "relay.bulk_max": 1, "http.address": "127.0.0.1:0"}

    def start(self):
        relay = self.relay(self.settings)
        relay.sandbox.settings(limit=10 ** 6)
        self.addCleanup(relay.reads_log.set)
        relay.reads_log.clear()
        return relay

    def flood(self, relay):
        """More lines than the pipe and the relay can hold."""
        with relay.connect() as client:
            for _ in range(FLOOD // 1000):
                client.send(*["SEND %s text" % TO] * 1000)
                for reply in client.read_replies(1000):
                    self.assertReply(reply, "250")
        eventually(lambda: int(relay.stats()["messages_relayed_total"]) == FLOOD, "all relayed")

    def test_relaying_goes_on(self):
        relay = self.start()
        self.flood(relay)
        self.assertReply(relay.ask("HOLD"), "250")
        address = relay.log("http_listening")[0]["url"].split("/")[2]
        page = http.client.HTTPConnection(address, timeout=PATIENCE)
        page.request("GET", "/livez")
        self.assertEqual(page.getresponse().status, 200)
        page.close()
        self.assertGreater(int(relay.stats()["log_lines_dropped_total"]), 0)

    def test_what_was_dropped_is_said(self):
        relay = self.start()
        self.flood(relay)
        relay.reads_log.set()
        dropped = relay.wait_log("log_lines_dropped", level="warn")
        self.assertEqual(dropped["lines"], relay.stats()["log_lines_dropped_total"])
        relay.ask("HOLD")
        relay.wait_log("relaying_held")

    def test_it_stops(self):
        relay = self.start()
        self.flood(relay)
        relay.send_signal(signal.SIGTERM)
        self.assertEqual(relay.process.wait(PATIENCE), OK)
        relay.reads_log.set()


class LastWords(TestCase):
    def test_a_crash_shows_the_lines_before_it(self):
        crashes = [signal.SIGABRT]
        if VARIANT not in ("asan", "tsan"):  # they take the other for a finding of theirs
            crashes.append(signal.SIGSEGV)
        for number in crashes:
            with self.subTest(number):
                relay = Relay()
                relay.ask("HOLD")
                relay.send_signal(number)
                self.assertEqual(relay.process.wait(PATIENCE), -number)
                relay.reader.join(PATIENCE)
                self.assertEqual(len(relay.log("relaying_held")), 1)


if __name__ == "__main__":
    unittest.main()
