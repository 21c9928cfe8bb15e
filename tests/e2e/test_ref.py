"""REF: a submission that is made twice is sent once."""

import unittest

from support import TO, TestCase, parse_reply

OTHER = "+34600000001"
UNKNOWN_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


class Ref(TestCase):
    def setUp(self):
        self.the_relay = self.relay()
        self.c = self.client(self.the_relay)

    def send(self, text="text", to=TO, options=""):
        return self.c.ask("SEND REF=r1%s %s %s" % (options, to, text))

    def test_status_lists_in_the_order_of_submission(self):
        """Their ids do not tell: within a millisecond they are random."""
        relay = self.relay()
        numbers = ["+346000000%02d" % n for n in range(50)]
        with relay.connect() as client:
            client.ask("SEND REF=order %s text" % ",".join(numbers))
            told = [parse_reply(line)["to"] for line in client.ask("STATUS order")]
        self.assertEqual(told, numbers)

    def test_a_duplicate_is_answered_like_the_first(self):
        first = parse_reply(self.send()[0])
        self.the_relay.await_state(first["id"], "relayed")
        again = parse_reply(self.send()[0])
        for name in ("code", "id", "to", "parts", "encoding"):
            self.assertEqual(again[name], first[name])
        self.assertEqual((again["state"], again["duplicate"]), ("relayed", "yes"))
        self.assertEqual(len(self.the_relay.sandbox.texts()), 1)
        stats = self.c.stats()
        self.assertEqual((stats["messages_accepted_total"], stats["messages_duplicate_total"]),
                         ("1", "1"))

    def test_the_present_state_is_told(self):
        self.c.ask("HOLD")
        self.send()
        self.assertEqual(parse_reply(self.send()[0])["state"], "queued")
        self.send(options=" AT=+1h", to=OTHER)
        self.assertEqual(parse_reply(self.send(to=OTHER)[0])["state"], "scheduled")

    def test_other_content_is_a_conflict(self):
        self.send()
        self.assertReply(self.send("another text"), "550 5.6.0")
        self.assertReply(self.send(options=" FROM=Other"), "550 5.6.0")
        self.assertReply(self.send(), "250 2.0.0 queued")
        self.assertEqual(self.c.stats()["messages_accepted_total"], "1")

    def test_what_is_no_content(self):
        """When and how urgently a message goes does not make it another one."""
        first = parse_reply(self.send()[0])["id"]
        for options in (" PRIORITY=high", " TTL=5m", " AT=+1h"):
            self.assertEqual(parse_reply(self.send(options=options)[0])["id"], first)

    def test_another_recipient_is_another_message(self):
        first = parse_reply(self.send()[0])["id"]
        second = parse_reply(self.send(to=OTHER)[0])
        self.assertNotEqual(second["id"], first)
        self.assertNotIn("duplicate", second)
        reply = self.c.ask("STATUS r1")
        self.assertEqual({parse_reply(line)["id"] for line in reply}, {first, second["id"]})

    def test_no_recipient_is_taken_when_one_conflicts(self):
        self.send(to=OTHER)
        self.assertReply(self.send("another text", TO + "," + OTHER), "550 5.6.0")
        self.assertEqual(self.c.stats()["messages_accepted_total"], "1")
        reply = self.send("another text", TO)
        self.assertNotIn("duplicate", reply[0])

    def test_of_two_recipients_one_is_a_duplicate(self):
        first = parse_reply(self.send()[0])["id"]
        old, new = self.send(to=TO + "," + OTHER)
        self.assertEqual((parse_reply(old)["id"], parse_reply(old)["duplicate"]), (first, "yes"))
        self.assertNotIn("duplicate", new)

    def test_free_again_after_cancel(self):
        self.c.ask("HOLD")
        first = parse_reply(self.send()[0])["id"]
        self.assertReply(self.c.ask("CANCEL " + first), "250")
        second = parse_reply(self.send("another text")[0])
        self.assertNotEqual(second["id"], first)
        self.assertNotIn("duplicate", second)
        both = [parse_reply(line) for line in self.c.ask("STATUS r1")]
        self.assertEqual({status["id"]: status["state"] for status in both},
                         {first: "canceled", second["id"]: "queued"})

    def test_free_again_after_rejection(self):
        to = "+34600009001"
        first = parse_reply(self.send(to=to, options=" ACK=relayed")[0])
        self.assertEqual(first["state"], "rejected")
        self.the_relay.sandbox.settings(outcomes=False)
        second = parse_reply(self.send("better text", to, " ACK=relayed")[0])
        self.assertEqual(second["state"], "relayed")
        self.assertNotEqual(second["id"], first["id"])

    def test_free_again_after_expiry(self):
        self.c.ask("HOLD")
        first = parse_reply(self.send(options=" TTL=1")[0])["id"]
        self.the_relay.await_state(first, "expired")
        self.assertNotIn("duplicate", self.send("another text")[0])

    def test_within_one_flood(self):
        """The same line many times in one write, and from many connections at once."""
        self.c.send(*["SEND REF=flood %s text" % TO] * 500)
        names = {parse_reply(reply[0])["id"] for reply in self.c.read_replies(500)}
        self.assertEqual(len(names), 1)
        clients = [self.client(self.the_relay) for _ in range(20)]
        for client in clients:
            client.send(*["SEND REF=many-%d %s text" % (i, TO) for i in range(20)])
        by_ref = [set() for _ in range(20)]
        for client in clients:
            for i, reply in enumerate(client.read_replies(20)):
                by_ref[i].add(parse_reply(reply[0])["id"])
        self.assertEqual([len(names) for names in by_ref], [1] * 20)
        self.c.ask("SEND ACK=relayed %s the last" % TO)
        self.assertEqual(self.the_relay.sandbox.summary()["messages"], 22)

    def test_the_same_number_twice_counts_once(self):
        reply = self.send(to=TO + ",0034600000000," + TO)
        self.assertEqual(len(reply), 1)

    def test_the_shape_of_an_id_is_refused(self):
        self.assertReply(self.c.ask("SEND REF=%s %s text" % (UNKNOWN_ID, TO)), "501 5.5.4")

    def test_by_other_ways_of_submitting(self):
        """SEND, FROM with TEXT, DATA and JSON say the same thing."""
        first = parse_reply(self.send(options=" FROM=Shop")[0])["id"]
        self.c.send("FROM Shop REF=r1", "TO " + TO, "TEXT text")
        self.assertIn(first, self.c.read_replies(3)[2][0])
        self.c.send("FROM Shop REF=r1", "TO " + TO, "DATA", "text", ".")
        self.assertIn(first, self.c.read_replies(4)[3][0])
        self.assertIn(first, self.c.ask('JSON {"from":"Shop","to":"%s","text":"text",'
                                        '"clientId":"r1"}' % TO)[0])

    def test_refs_with_odd_characters(self):
        self.assertReply(self.c.ask('SEND REF="a \\"b\\" c" %s text' % TO), "250")
        status = self.c.ask('STATUS "a \\"b\\" c"')
        self.assertReply(status, "250")
        self.assertIn('ref="a \\"b\\" c"', status[0])
        self.assertReply(self.c.ask("SEND REF=%s %s text" % ("x" * 64, TO)), "250")
        self.assertReply(self.c.ask("SEND REF=%s %s text" % ("x" * 65, TO)), "501 5.5.4")


class Retention(TestCase):
    def test_after_it_the_ref_is_free(self):
        relay = self.relay({"queue.retention": 0})
        client = self.client(relay)
        names = {parse_reply(client.ask("SEND ACK=relayed REF=r %s text" % TO)[0])["id"]
                 for _ in range(3)}
        self.assertEqual(len(names), 3)
        self.assertReply(client.ask("STATUS r"), "550 5.0.0")

    def test_unfinished_messages_keep_it_all_the_same(self):
        relay = self.relay({"queue.retention": 0})
        client = self.client(relay)
        client.ask("HOLD")
        names = {client.submit(options="REF=r") for _ in range(3)}
        self.assertEqual(len(names), 1)


if __name__ == "__main__":
    unittest.main()
