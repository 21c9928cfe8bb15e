"""While nothing waits to be sent, the relay finds out by itself that the API works again."""

import http.client
import socket
import unittest

from relaying import RelayingTest, eventually
from support import PATIENCE, TOKEN


class Idle(RelayingTest):
    settings = {"http.address": "127.0.0.1:0", "relay.retry_max": "200ms"}

    def get(self, path):
        address = self.daemon.log("http_listening")[0]["url"].split("/")[2]
        page = http.client.HTTPConnection(address, timeout=PATIENCE)
        page.request("GET", path)
        answer = page.getresponse()
        words = answer.read().decode()
        page.close()
        return answer.status, words

    def fail(self, expected, fault, **settings):
        """The API fails, and the only message is gone before it works again."""
        self.start(settings)
        self.api.faults(dict(fault, count=-1))
        name, = self.send("x")
        self.await_stop(expected)
        self.assertReply(self.c.ask("CANCEL " + name), "250")

    def await_requests(self, more):
        before = len(self.api.record()["requests"])
        eventually(lambda: len(self.api.record()["requests"]) >= before + more, "probes")

    def assertReady(self):
        eventually(lambda: self.get("/readyz")[0] == 200, "ready")
        self.assertIn("\nsmsrelay_relaying 1\n", self.get("/metrics")[1])
        self.assertEqual(self.c.queue()["relaying"], "yes")

    def test_a_failure_that_is_over(self):
        for words, fault in (("failed", {"status": 500}), ("did not answer", {"drop": True}),
                             ("unavailable", {"status": 503, "headers": {"Retry-After": "1"}})):
            with self.subTest(fault):
                self.fail(words, fault)
                self.await_requests(3)
                self.assertEqual(self.get("/readyz")[0], 503)
                self.api.forget_faults()
                self.assertReady()
                self.assertEqual(len(self.finish().posts()), 1, "no other POST")

    def test_an_api_that_was_not_there(self):
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
            self.start({"api.url": "http://127.0.0.1:%d/" % port, "api.token": TOKEN},
                       sandbox=None)
            name, = self.send("x")
            self.await_stop("cannot be reached")
            eventually(lambda: self.c.ask("CANCEL " + name)[0].startswith("250"), "between two tries")
            self.assertEqual(self.get("/readyz")[0], 503)
            bound.listen()
            bound.settimeout(PATIENCE)
            connection, _ = bound.accept()
            with connection:
                self.assertIn(b"GET /sms?page=1&per_page=1 ", connection.recv(65536))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n"
                                   b'{"entities":[]}')
                self.assertReady()

    def test_flush_asks_at_once(self):
        """A stop lasts for a minute."""
        self.fail("refuses the token", {"status": 401})
        self.api.forget_faults()
        self.assertEqual(self.get("/readyz")[0], 503)
        self.assertReply(self.c.ask("FLUSH"), "250")
        self.assertReady()

    def test_flush_finds_it_still_broken(self):
        self.fail("refuses the token", {"status": 401})
        before = len(self.api.record()["requests"])
        self.assertReply(self.c.ask("FLUSH"), "250")
        eventually(lambda: len(self.api.record()["requests"]) > before, "a probe")
        self.assertEqual(self.c.queue()["relaying"], "no")

    def test_a_held_queue(self):
        """RELEASE finds the way free."""
        self.start()
        self.api.faults({"status": 500, "count": -1})
        self.send("x")
        self.await_stop("failed")
        self.c.ask("HOLD")
        self.api.forget_faults()
        self.daemon.wait_log("relaying_resumed")
        self.c.ask("RELEASE")
        eventually(lambda: len(self.api.texts()) == 1, "relayed")

    def test_a_message_does_not_wait_for_it(self):
        """However long the API has failed, a message is a probe at once."""
        self.fail("failed", {"status": 500}, **{"relay.retry_max": "1h", "relay.retry_min": "1ms"})
        self.await_requests(12)
        self.api.forget_faults()
        self.send("y")
        eventually(lambda: self.api.texts() == ["y"], "relayed")


if __name__ == "__main__":
    unittest.main()
