"""Doors: what whoever connects from another machine may do."""

import contextlib
import http.client
import resource
import socket
import time
import unittest

from networks import DEVICE, DEVICE6, RELAY, RELAY6, NetworkTest
from relaying import eventually
from test_clock import LIBRARY
from support import CONFIG, IS_SLOW, PATIENCE, TO, TestCase, parse_reply, run

LOGIN_NEEDED = "530 5.7.0 "


class Classes(NetworkTest):
    """Local, trusted, stranger: by the address."""

    def assertMaySend(self, client):
        self.assertReply(client.ask("SEND %s Hello" % TO), "250 2.0.0 queued")

    def assertMayNotSend(self, client):
        self.assertReply(client.ask("SEND %s Hello" % TO), LOGIN_NEEDED)

    def test_a_trusted_network_may_send_and_others_may_not(self):
        for networks, trusted in (("192.0.2.0/24", True), ("192.0.2.2", True),
                                  ("192.0.2.1 192.0.2.3", False), ("192.0.2.4/30", False),
                                  ("2001:db8::/32, 192.0.2.2/31", True)):
            with self.subTest(networks):
                relay = self.relay({"listen.address": "0.0.0.0:0", "listen.networks": networks})
                client = self.from_device(relay)
                (self.assertMaySend if trusted else self.assertMayNotSend)(client)
                self.assertMaySend(self.client(relay))
                relay.stop()

    def test_any_address_takes_both_kinds_and_ipv4_is_ipv4(self):
        relay = self.relay({"listen.address": "[::]:0", "listen.networks": "192.0.2.0/24 2001:db8::1"})
        self.assertMaySend(self.from_device(relay))
        self.assertMayNotSend(self.from_device(relay, RELAY6))
        port = relay.addresses[0].rsplit(":", 1)[1]
        for ours in ("127.0.0.1", "[::1]"):  # the first is mapped into IPv6, and local all the same
            client = self.client(relay, "%s:%s" % (ours, port))
            self.assertReply(client.ask("QUEUE LIST"), "250 ")
        relay.stop()
        relay = self.relay({"listen.address": "[::]:%s 0.0.0.0:%s" % (port, port),
                            "listen.networks": "2001:db8::/64"})
        self.assertMayNotSend(self.from_device(relay))
        self.assertMaySend(self.from_device(relay, RELAY6))

    def test_own_address_is_no_loopback(self):
        relay = self.relay({"listen.address": "0.0.0.0:0", "listen.networks": DEVICE})
        port = relay.addresses[0].rsplit(":", 1)[1]
        self.assertMayNotSend(self.client(relay, "%s:%s" % (RELAY, port)))

    def test_control_is_for_this_machine(self):
        relay = self.relay({"listen.address": "0.0.0.0:0", "listen.control": "all",
                            "listen.networks": "192.0.2.0/24"})
        trusted = self.from_device(relay)
        self.assertReply(trusted.ask("HOLD"), "550 5.7.1")
        self.assertReply(self.client(relay).ask("HOLD"), "250 2.0.0")
        sent = parse_reply(self.client(relay).ask("SEND REF=a %s Hello" % TO)[0])
        self.assertReply(trusted.ask("STATUS " + sent["id"]), "550 5.0.0")
        own = parse_reply(trusted.ask("SEND REF=a %s Hello" % TO)[0])
        self.assertReply(trusted.ask("STATUS a"), "250 2.0.0 id=" + own["id"])

    def test_the_log_says_what_networks_mean(self):
        relay = self.relay({"listen.address": "0.0.0.0:0", "listen.networks": "192.0.2.0/24, fd00::/8"})
        self.assertEqual(relay.log("networks_trusted")[0]["networks"], "192.0.2.0/24 fd00::/8")
        self.assertIn("without a login", relay.log("networks_trusted")[0]["meaning"])


class Strangers(NetworkTest):
    """What they hear."""

    def open_door(self):
        return self.relay({"listen.address": "0.0.0.0:0 [::]:0", "listen.networks": "192.0.2.77",
                           "smtp.auth": "any"})

    def test_greetings_only(self):
        relay = self.open_door()
        client = self.from_device(relay)
        for line in ("EHLO scanner", "HELO scanner", "NOOP", "RSET", "HELP"):
            reply = client.ask(line)
            self.assertReply(reply, "2")
            self.assertNotIn("AUTH", " ".join(reply[1:]))
        for line in ("SEND %s Hello" % TO, "MAIL FROM:<a@b>", "RCPT TO:<%s@b>" % TO, "DATA",
                     "VRFY oncall", "JSON []", "QUEUE", "STATS", "AUTH PLAIN AGEAYg=="):
            self.assertReply(client.ask(line), LOGIN_NEEDED)
        self.assertReply(client.ask("WATCH"), LOGIN_NEEDED)
        self.assertReply(client.read_reply(), "421 4.7.0 10 refused commands")
        self.assertIsNone(client.read_line())
        refused = relay.wait_log("refused", code="530 5.7.0")
        self.assertEqual(refused["owner"], "stranger")
        self.assertTrue(refused["peer"].startswith("192.0.2.2:"))
        self.assertEqual(relay.stats()["messages_accepted_total"], "0")

    def test_a_mail_is_not_swallowed(self):
        relay = self.open_door()
        client = self.from_device(relay)
        client.send("MAIL FROM:<a@b>", "RCPT TO:<%s@b>" % TO, "DATA", "Subject: x", "", "Hello", ".")
        for code in ("530 ", "530 ", "530 ", "500 ", "500 ", "500 "):
            self.assertReply(client.read_reply(), code)
        self.assertEqual(relay.stats()["messages_accepted_total"], "0")


class Limits(NetworkTest):
    """How much one address may do; this machine may do it all."""

    LIMITS = {"listen.address": "0.0.0.0:0 [::]:0", "listen.networks": "192.0.2.0/24"}

    def assertTurnedAway(self, client, setting):
        self.assertReply([client.greeting], "421 4.7.0 ")
        self.assertIn(setting, client.greeting)
        self.assertIsNone(client.read_line())

    def v6(self, relay, address=RELAY6):
        with self.device.inside():
            port = relay.addresses[1].rsplit(":", 1)[1]
            return self.client(relay, "[%s]:%s" % (address, port))

    def test_connections_at_a_time(self):
        relay = self.relay({**self.LIMITS, "limits.peer_connections": 2})
        first, second = self.from_device(relay), self.from_device(relay)
        self.assertTurnedAway(self.from_device(relay), "limits.peer_connections")
        for _ in range(5):
            self.assertReply(self.client(relay).ask("NOOP"), "250")
        self.assertReply(first.ask("QUIT"), "221")
        self.assertIsNone(first.read_line())
        first.close()
        eventually(lambda: self.from_device(relay).greeting.startswith("220"))
        self.assertReply(second.ask("NOOP"), "250")
        self.assertGreaterEqual(int(relay.stats()["connections_limited_total"]), 1)
        self.assertEqual(relay.wait_log("refused")["owner"], "network")

    def test_a_64_is_one_address(self):
        relay = self.relay({**self.LIMITS, "limits.peer_connections": 1})
        self.device.ip("address add 2001:db8::3/64 dev cable nodad",
                       "address add 2001:db8:0:1::2/64 dev cable nodad")
        self.machine.ip("address add 2001:db8:0:1::1/64 dev cable nodad")
        first = self.v6(relay)
        self.assertReply([first.greeting], "220 ")
        self.device.ip("address del %s/64 dev cable" % DEVICE6)
        self.assertTurnedAway(self.v6(relay), "limits.peer_connections")
        self.assertReply([self.v6(relay, "2001:db8:0:1::1").greeting], "220 ")

    def test_connections_a_minute(self):
        relay = self.relay({**self.LIMITS, "limits.peer_connects": 3})
        for _ in range(3):
            self.from_device(relay).close()
        self.assertTurnedAway(self.from_device(relay), "limits.peer_connects")

    def test_commands_a_minute(self):
        relay = self.relay({**self.LIMITS, "limits.peer_commands": 20})
        client, local = self.from_device(relay), self.client(relay)
        client.send(*["SEND %s text %d" % (TO, i) for i in range(50)])
        local.send(*["NOOP"] * 100)
        replies = [client.read_reply()[0] for _ in range(22)]  # the one too many is the last
        self.assertEqual([reply[:3] for reply in replies], ["250"] * 21 + ["421"])
        self.assertTrue(replies[21].startswith("421 4.7.0 "), replies[21])
        self.assertIsNone(client.read_line())
        for reply in local.read_replies(100):
            self.assertReply(reply, "250")
        self.assertEqual(relay.stats()["messages_accepted_total"], "21")

    def test_a_stranger_must_log_in_in_time(self):
        relay = self.relay({**self.LIMITS, "listen.networks": "192.0.2.77", "limits.login_time": "1s"})
        silent, busy = self.from_device(relay), self.from_device(relay)
        began = time.monotonic()
        while (reply := busy.ask("NOOP"))[0].startswith("250"):
            time.sleep(0.01)
        self.assertReply(reply, "421 4.7.0 no login in time")
        self.assertGreater(time.monotonic() - began, 0.5)
        self.assertReply(silent.read_reply(), "421 4.7.0 no login in time")

    def test_strangers_leave_room(self):
        relay = self.relay({**self.LIMITS, "listen.networks": "192.0.2.77",
                            "listen.max_connections": 20})
        strangers = [self.from_device(relay) for _ in range(40)]
        refused = [client for client in strangers if client.greeting.startswith("421 4.3.2")]
        self.assertGreaterEqual(len(refused), 28)
        self.assertIn("have not logged in", refused[-1].greeting)
        for _ in range(10):
            self.assertReply(self.client(relay).ask("NOOP"), "250")


@unittest.skipIf(LIBRARY is None or IS_SLOW, "needs libfaketime, and no sanitizer or wrapper")
class Slow(NetworkTest):
    """A minute of the relay is a fifth of a second."""

    def start(self):
        return self.relay({"listen.address": "0.0.0.0:0", "listen.networks": "192.0.2.0/24"},
                          env={"LD_PRELOAD": LIBRARY, "FAKETIME": "+0 x300"})

    def test_silence(self):
        relay = self.start()
        local = self.client(relay)
        self.assertReply(self.from_device(relay).read_reply(), "421 4.4.2 idle timeout")
        self.assertReply(local.ask("NOOP"), "250")

    def test_a_drip(self):
        relay = self.start()
        client = self.from_device(relay)
        client.ask("DATA")
        client.socket.settimeout(0.1)  # half a minute
        while True:
            client.send_bytes(b"x")
            try:
                self.assertReply(client.read_reply(), "421 4.4.2 too slow")
                break
            except TimeoutError:
                pass

    def test_replies_that_are_not_read(self):
        relay = self.start()
        client = self.from_device(relay)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                client.socket.send(b"HELP\r\n" * 1000)
        eventually(lambda: relay.stats()["connections_timed_out_total"] == "1")


class FewDescriptors(NetworkTest):
    """The last descriptors are for this machine."""

    def test_a_flood_leaves_some(self):
        few = (64, 64)
        relay = self.relay({"listen.address": "0.0.0.0:0", "listen.networks": "192.0.2.0/24",
                            "limits.peer_connections": 0},
                           preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, few))
        flood = [self.from_device(relay) for _ in range(64)]
        self.assertReply([flood[-1].greeting], "421 4.3.2")
        self.assertReply(self.client(relay).ask("SEND %s Hello" % TO), "250")


class Http(NetworkTest):
    """The page, the metrics and probes, beyond this machine."""

    DOORS = {"http.address": "0.0.0.0:0", "reports.address": "0.0.0.0:0"}

    def open_doors(self, **settings):
        relay = self.relay({**self.DOORS, **settings},
                           env={"SMSRELAY_REPORTS_SECRET": "0123456789abcdef"})
        self.ports = {event: relay.wait_log(event)["url"].rsplit(":", 1)[1].split("/")[0]
                      for event in ("http_listening", "reports_listening")}
        return relay

    def ask(self, path, method="GET", host="relay.example", machine=None, **headers):
        """The status, asked from the device, and the body."""
        event = "reports_listening" if path.startswith("/dlr/") else "http_listening"
        with (machine or self.device).inside():
            connection = http.client.HTTPConnection(RELAY, int(self.ports[event]), timeout=PATIENCE)
            connection.request(method, path, headers={"Host": host, **headers})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def test_who_may_ask(self):
        self.open_doors(**{"http.networks": "192.0.2.0/24", "http.hosts": "relay.example",
                           "reports.networks": "192.0.2.77"})
        for path in ("/", "/metrics"):
            self.assertEqual(self.ask(path)[0], 200)
            for host in ("evil.example", "localhost", "127.0.0.1", RELAY, "relay.example.evil.example"):
                self.assertEqual(self.ask(path, host=host)[0], 403, host)
        for host in ("10.42.0.7:2580", "evil.example"):
            self.assertEqual(self.ask("/livez", host=host), (200, "alive\n"))
            self.assertEqual(self.ask("/readyz", host=host), (200, "ready\n"))

    def test_beyond_the_networks(self):
        relay = self.open_doors(**{"http.networks": "192.0.2.77", "http.hosts": "relay.example",
                                   "reports.networks": "192.0.2.77"})
        for path in ("/", "/metrics", "/livez", "/readyz", "/events", "/nothing"):
            self.assertEqual(self.ask(path), (403, "not from this address (http.networks)\n"))
        self.assertEqual(relay.wait_log("http_refused")["peer"], DEVICE)
        self.assertEqual(relay.stats()["http_refused_total"], "6")

    def test_buttons_are_for_this_machine(self):
        self.open_doors(**{"http.networks": "192.0.2.0/24", "http.hosts": "relay.example",
                           "reports.networks": "192.0.2.0/24"})
        said = self.ask("/inbox/report", method="POST", Origin="http://relay.example")
        self.assertEqual(said, (403, "only from the relay's own machine\n"))

    def test_who_may_post_reports(self):
        relay = self.open_doors(**{"http.networks": "192.0.2.77", "reports.networks": DEVICE})
        url = "/dlr/0123456789abcdef"
        self.assertEqual(self.ask(url)[0], 200)
        self.assertEqual(self.ask("/dlr/0123456789abcdee")[0], 404)
        self.assertEqual(self.ask(url, machine=self.machine)[0], 403)  # 192.0.2.1 is not named
        self.assertEqual(relay.stats()["reports_refused_total"], "2")


class Start(TestCase):
    """Settings that would leave a door ajar, or shut, are no settings."""

    ADVICE = ("    [listen]\n    address = 0.0.0.0:2525\n    networks = 192.168.7.0/24\n")

    def test_an_open_address_needs_somebody_who_may_send(self):
        for program in ("check", "serve"):
            said = run(program, "-o", "api.url=sandbox", "-o", "listen.address=0.0.0.0:2525")
            self.assertEqual(said.returncode, CONFIG)
            self.assertIn("-o listen.address: other machines can connect to 0.0.0.0:2525, but none",
                          said.stderr)
            self.assertIn(self.ADVICE, said.stderr)

    def test_open_addresses_of_other_doors(self):
        secret = {"SMSRELAY_REPORTS_SECRET": "0123456789abcdef"}
        for setting, verb in (("http.address", "ask"), ("reports.address", "post"),
                              ("listen.tls_address", "send")):
            said = run("check", "-o", "api.url=sandbox", "-o", setting + "=[::]:2525", env=secret)
            self.assertEqual(said.returncode, CONFIG)
            self.assertIn("-o %s: other machines can connect to [::]:2525, but none of them may %s."
                          % (setting, verb), said.stderr)

    def test_the_simulated_api_posts_over_loopback(self):
        said = run("check", "-o", "api.url=sandbox", "-o", "reports.address=192.0.2.1:2590",
                   "-o", "reports.networks=192.0.2.0/24")
        self.assertEqual(said.returncode, CONFIG)
        self.assertIn("must be on loopback, 0.0.0.0 or [::] while api.url is sandbox", said.stderr)

    def test_networks_of_nobody_are_worth_a_warning(self):
        said = run("check", "-o", "api.url=sandbox", "-o", "listen.networks=10.0.0.0/8")
        self.assertEqual(said.returncode, 0)
        self.assertIn("listen.networks: warning: lets nobody in", said.stderr)


if __name__ == "__main__":
    unittest.main()
