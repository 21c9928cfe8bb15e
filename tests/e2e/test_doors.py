"""Doors: what whoever connects from another machine may do."""

import unittest

from networks import DEVICE, DEVICE6, RELAY, RELAY6, NetworkTest
from support import CONFIG, TO, Client, TestCase, parse_reply, run

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
        refused = [line for line in relay.log("refused") if line["code"] == "530 5.7.0"]
        self.assertEqual(refused[0]["owner"], "stranger")
        self.assertTrue(refused[0]["peer"].startswith("192.0.2.2:"))
        self.assertEqual(relay.stats()["messages_accepted_total"], "0")

    def test_a_mail_is_not_swallowed(self):
        relay = self.open_door()
        client = self.from_device(relay)
        client.send("MAIL FROM:<a@b>", "RCPT TO:<%s@b>" % TO, "DATA", "Subject: x", "", "Hello", ".")
        for code in ("530 ", "530 ", "530 ", "500 ", "500 ", "500 "):
            self.assertReply(client.read_reply(), code)
        self.assertEqual(relay.stats()["messages_accepted_total"], "0")


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

    def test_networks_of_nobody_are_worth_a_warning(self):
        said = run("check", "-o", "api.url=sandbox", "-o", "listen.networks=10.0.0.0/8")
        self.assertEqual(said.returncode, 0)
        self.assertIn("listen.networks: warning: lets nobody in", said.stderr)


if __name__ == "__main__":
    unittest.main()
