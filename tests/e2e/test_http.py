"""What the relay tells over HTTP about itself."""

import http.client
import os
import re
import subprocess
import unittest

from relaying import eventually
from support import PATIENCE, Relay, TestCase
from test_clients import BUILD

PROMTOOL = os.path.join(BUILD, "prometheus", "usr", "bin", "promtool")


class HttpTest(TestCase):
    def setUp(self):
        self.start({})

    def start(self, settings):
        self.the_relay = self.relay({"http.address": "127.0.0.1:0", **settings})
        self.host = self.the_relay.wait_log("http_listening")["url"].split("/")[2]

    def get(self, path, method="GET", host=None):
        """Returns the status and the body."""
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        try:
            connection.request(method, path, headers={"Host": host} if host else {})
            answer = connection.getresponse()
            self.headers = dict(answer.getheaders())
            return answer.status, answer.read().decode()
        finally:
            connection.close()


class Http(HttpTest):
    def metric(self, name):
        found = re.search("^smsrelay_%s (.*)$" % re.escape(name), self.get("/metrics")[1], re.M)
        return found and found.group(1)

    def test_alive_and_ready(self):
        self.assertEqual(self.get("/livez"), (200, "alive\n"))
        self.assertEqual(self.get("/readyz"), (200, "ready\n"))
        self.the_relay.ask("HOLD")
        self.assertEqual(self.get("/readyz"), (503, "not ready: held by the operator\n"))
        self.assertEqual(self.get("/livez")[0], 200)

    def test_why_it_is_not_ready(self):
        self.the_relay.sandbox.settings(token="another")
        self.the_relay.ask("SEND +34600000000 text")
        words = eventually(lambda: self.get("/readyz")[0] == 503 and self.get("/readyz")[1],
                           "the token is refused")
        self.assertRegex(words, "^not ready: .*token")

    def test_a_queue_that_is_nearly_full(self):
        self.the_relay.stop()
        self.start({"queue.max_messages": 100})
        client = self.client(self.the_relay)
        for _ in range(89):
            client.submit(options="AT=+1h")
        self.assertEqual(self.get("/readyz"), (200, "ready\n"))
        client.submit(options="AT=+1h")
        self.assertEqual(self.get("/readyz"), (503, "not ready: the queue is nearly full\n"))

    def test_metrics(self):
        client = self.client(self.the_relay)
        client.ask("SEND ACK=relayed +34600000000 text")
        client.ask("HOLD")
        client.ask("SEND +34600000000 text")
        self.assertEqual(self.get("/metrics")[0], 200)
        self.assertEqual(self.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        self.assertEqual(self.metric("messages_relayed_total"), "1")
        self.assertEqual(self.metric('queue_messages{state="queued"}'), "1")
        self.assertEqual(self.metric("relaying"), "0")
        self.assertGreater(float(self.metric("queue_oldest_seconds")), 0)

    def test_metrics_are_clean(self):
        if not os.path.exists(PROMTOOL):
            if os.environ.get("CI") == "true":
                self.fail("promtool is missing")
            self.skipTest("promtool is missing")
        done = subprocess.run([PROMTOOL, "check", "metrics"], input=self.get("/metrics")[1],
                              capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_who_may_ask(self):
        for host in ("localhost", "127.0.0.1:1", "127.9.9.9", "[::1]:80", "LOCALHOST:80"):
            self.assertEqual(self.get("/livez", host=host)[0], 200, host)
        for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1",
                     "relay.example"):
            for path in ("/livez", "/readyz", "/metrics", "/nothing"):
                self.assertEqual(self.get(path, host=host)[0], 403, host)

    def test_names_of_a_proxy(self):
        self.the_relay.stop()
        self.start({"http.hosts": "relay.example, other.example"})
        self.assertEqual(self.get("/livez", host="Relay.example:443")[0], 200)
        self.assertEqual(self.get("/livez", host="evil.example")[0], 403)

    def test_what_there_is_not(self):
        self.assertEqual(self.get("/nothing")[0], 404)
        self.assertGreaterEqual(self.get("/metrics", method="POST")[0], 400)
        self.assertEqual(self.get("/metrics", method="HEAD"), (200, ""))

    def test_probes_are_not_logged(self):
        before = len(self.the_relay.lines)
        for path in ("/livez", "/readyz", "/metrics", "/nothing"):
            self.get(path)
        self.the_relay.stop()
        events = [line for line in self.the_relay.lines[before:] if "event=http" in line]
        self.assertEqual(events, [])

    def test_an_address_that_is_taken(self):
        other = Relay({"http.address": self.host}, ready=None)
        self.addCleanup(other.kill)
        other.wait()
        self.assertIn("cannot listen on http.address", "\n".join(other.lines))


if __name__ == "__main__":
    unittest.main()
