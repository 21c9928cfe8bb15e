"""Bounds: a full queue, what is forgotten and when, lines, recipients, errors, parts."""

import select
import threading
import time
import unittest

from support import PATIENCE, TO, TestCase, parse_reply


def numbers(count):
    return ",".join("+346000%05d" % i for i in range(count))


class FullOfMessages(TestCase):
    def full(self, count, **settings):
        relay = self.relay({"queue.max_messages": count, **settings})
        client = self.client(relay)
        client.ask("HOLD")
        return relay, client

    def test_one_too_many(self):
        relay, client = self.full(5)
        names = [client.submit("text %d" % i) for i in range(5)]
        self.assertReply(client.ask("SEND %s too many" % TO), "452 4.3.1")
        client.ask("RELEASE")
        for name in names:
            relay.await_state(name, "relayed")
        client.ask("SEND ACK=relayed %s again" % TO)  # finished ones do not count
        self.assertEqual(relay.sandbox.texts(), ["text %d" % i for i in range(5)] + ["again"])
        stats = client.stats()
        self.assertEqual((stats["submissions_full_total"], stats["submissions_refused_total"]),
                         ("1", "1"))

    def test_all_recipients_or_none(self):
        _, client = self.full(5)
        client.ask("SEND %s text" % numbers(3))
        self.assertReply(client.ask("SEND %s text" % numbers(3)), "452 4.3.1")
        self.assertEqual(client.queue()["queued"], "3")
        self.assertReply(client.ask("SEND %s text" % numbers(2)), "250-2.0.0 queued")

    def test_a_flood_loses_nothing(self):
        """Exactly those that were answered 250 arrive."""
        relay, client = self.full(100)
        client.send(*["SEND %s text %d" % (TO, i) for i in range(500)])
        replies = client.read_replies(500)
        taken = [i for i, reply in enumerate(replies) if reply[0].startswith("250 ")]
        self.assertEqual(len(taken), 100)
        for i, reply in enumerate(replies):
            self.assertReply(reply, "250 2.0.0 queued" if i in taken else "452 4.3.1")
        client.ask("WATCH")
        client.ask("RELEASE")
        relayed = 0
        while relayed < 100:
            relayed += " state=relayed" in client.read_event()
        self.assertEqual(sorted(relay.sandbox.texts()), sorted("text %d" % i for i in taken))

    def test_a_flood_while_relaying(self):
        """Clients that try again later: all of it arrives, once."""
        sandbox = self.separate_sandbox(latency="5ms")
        relay = self.relay({"queue.max_messages": 50}, sandbox=sandbox)

        def submit(start):
            with relay.connect() as client:
                waiting = list(range(start, start + 500))
                while waiting:
                    batch, waiting = waiting[:20], waiting[20:]
                    client.send(*["SEND ACK=relayed %s text %d" % (TO, i) for i in batch])
                    waiting += [i for i in batch if not client.read_reply()[0].startswith("250 ")]

        threads = [threading.Thread(target=submit, args=(i * 500,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        self.assertEqual(sorted(sandbox.texts()), sorted("text %d" % i for i in range(2000)))

    def test_scheduled_messages_count(self):
        _, client = self.full(2)
        client.submit(options="AT=+1h")
        name = client.submit(options="AT=+1h")
        self.assertReply(client.ask("SEND %s text" % TO), "452 4.3.1")
        client.ask("CANCEL " + name)
        client.submit()

    def test_a_duplicate_needs_no_room(self):
        _, client = self.full(1)
        name = client.submit(options="REF=r")
        self.assertEqual(client.submit(options="REF=r"), name)
        self.assertReply(client.ask("SEND REF=r %s another text" % TO), "550 5.6.0")

    def test_ref_of_what_was_not_taken(self):
        """452: nothing was kept, not even the REF."""
        relay, client = self.full(1)
        name = client.submit()
        self.assertReply(client.ask("SEND REF=r %s text" % TO), "452 4.3.1")
        self.assertReply(client.ask("STATUS r"), "550 5.0.0")
        client.ask("CANCEL " + name)
        self.assertNotIn("duplicate", client.ask("SEND REF=r %s another text" % TO)[0])

    def test_by_mail(self):
        _, client = self.full(1)
        client.submit()
        client.send("MAIL FROM:<>", "RCPT TO:<34600000000>", "DATA", "Subject: x", "", "y", ".")
        self.assertReply(client.read_replies(4)[-1], "452 4.3.1")


class FullOfBytes(TestCase):
    TEXT = "x" * 1000

    def bounded(self):
        relay = self.relay({"queue.max_bytes": "64k"})
        return relay, self.client(relay)

    def test_unfinished_messages_fill_it(self):
        relay, client = self.bounded()
        client.ask("HOLD")
        names = []
        while (reply := client.ask("SEND %s %s" % (TO, self.TEXT)))[0].startswith("250"):
            names.append(parse_reply(reply[0])["id"])
        self.assertReply(reply, "452 4.3.1")
        self.assertGreater(len(names), 40)
        self.assertLess(len(names), 66)
        client.ask("RELEASE")
        for name in names:
            self.assertEqual(relay.await_state(name, "relayed")["state"], "relayed")
        self.assertEqual(relay.sandbox.summary()["messages"], len(names))

    def test_finished_ones_are_forgotten_first(self):
        relay, client = self.bounded()
        names = []
        for _ in range(150):
            reply = client.ask("SEND ACK=relayed %s %s" % (TO, self.TEXT))
            self.assertReply(reply, "250 2.0.0 relayed")
            names.append(parse_reply(reply[0])["id"])
        known = [client.ask("STATUS " + name)[0].startswith("250") for name in names]
        self.assertFalse(any(known[:80]))  # the oldest
        self.assertTrue(all(known[-40:]))


class Retention(TestCase):
    def test_nothing_is_retained(self):
        relay = self.relay({"queue.retention": 0})
        client = self.client(relay)
        for to in (TO, "+34600009001"):
            reply = client.ask("SEND ACK=relayed %s text" % to)
            self.assertReply(client.ask("STATUS " + parse_reply(reply[0])["id"]), "550 5.0.0")

    def test_a_while(self):
        relay = self.relay({"queue.retention": "300ms"})
        client = self.client(relay)
        name = parse_reply(client.ask("SEND ACK=relayed %s text" % TO)[0])["id"]
        self.assertReply(client.ask("STATUS " + name), "250 2.0.0")
        deadline = time.monotonic() + PATIENCE
        while client.ask("STATUS " + name)[0].startswith("250"):
            client.submit("another")  # forgetting happens in passing
            self.assertLess(time.monotonic(), deadline)
            select.select([client.socket], [], [], 0.05)


class Commands(TestCase):
    def test_recipients(self):
        client = self.client(self.relay({"listen.max_recipients": 3}))
        self.assertReply(client.ask("SEND %s text" % numbers(3)), "250-2.0.0")
        self.assertReply(client.ask("SEND %s text" % numbers(4)), "452 4.5.3")
        for i in range(3):
            self.assertReply(client.ask("TO +3460000000%d" % i), "250 2.1.5")
        self.assertReply(client.ask("TO +34600000009"), "452 4.5.3")
        self.assertEqual(len(client.ask("TEXT for the three")), 3)

    def test_1000_recipients(self):
        relay = self.relay()
        client = self.client(relay)
        reply = client.ask("SEND ACK=relayed %s text" % numbers(1000))
        self.assertEqual(len(reply), 1000)
        self.assertEqual(relay.sandbox.summary()["messages"], 1000)

    def test_1000_recipients_by_mail(self):
        """Replies fit in clients that hold 512 bytes."""
        client = self.client(self.relay())
        client.ask("HOLD")
        to = ["RCPT TO:<%s@sms.example>" % number for number in numbers(1000).split(",")]
        client.send("MAIL FROM:<>", *to, "RCPT TO:<+34700000000>", "DATA", "Hello", ".")
        replies = client.read_replies(1004)
        codes = ["250 2.1.0"] + 1000 * ["250 2.1.5"] + ["452 4.5.3", "354 start", "250 2.0.0"]
        self.assertEqual([reply[0][:9] for reply in replies], codes)
        for reply in replies:
            self.assertEqual(len(reply), 1)
            self.assertLess(len(reply[0]), 511)
        self.assertIn(" recipients=1000 parts=1", replies[-1][0])
        self.assertEqual(len(parse_reply(replies[-1][0])["id"].split(",")), 16)
        self.assertEqual(client.queue()["queued"], "1000")

    def test_long_lines(self):
        client = self.client(self.relay({"listen.max_line": "1k"}))
        self.assertReply(client.ask("NOOP " + "x" * 1000), "250")
        self.assertReply(client.ask("NOOP " + "x" * 1100), "500 5.5.2")
        self.assertReply(client.ask("SEND %s %s" % (TO, "x" * 1000000)), "500 5.5.2")
        client.submit()

    def test_errors_in_a_row(self):
        relay = self.relay()
        client = self.client(relay)
        for _ in range(20):
            self.assertReply(client.ask("NOOP"), "250")
            self.assertReply(client.ask("BOGUS"), "500 5.5.2")
            self.assertReply(client.ask("SEND 12 text"), "550 5.1.3")  # not a syntax error
        client.send(*["BOGUS"] * 20, "SEND %s not carried out" % TO)
        for reply in client.read_replies(20):
            self.assertReply(reply, "500 5.5.2")
        self.assertReply(client.read_reply(), "421 4.7.0")
        self.assertIsNone(client.read_line())
        stats = relay.stats()
        self.assertEqual((stats["messages_accepted_total"], stats["protocol_errors_total"]),
                         ("0", "40"))

    def test_parts(self):
        client = self.client(self.relay({"sms.max_parts": 2}))
        self.assertReply(client.ask("SEND %s %s" % (TO, "x" * 306)), "250 2.0.0 queued")
        self.assertReply(client.ask("SEND %s %s" % (TO, "x" * 307)), "552 5.3.4")

    def test_an_endless_content(self):
        """Megabytes in DATA are read and dropped."""
        relay = self.relay()
        client = self.client(relay)
        client.send("TO " + TO, "DATA")
        client.read_replies(2)
        client.send_bytes((b"x" * 70 + b"\r\n") * 200000)
        self.assertReply(client.ask("."), "552 5.3.4")
        client.submit()


if __name__ == "__main__":
    unittest.main()
