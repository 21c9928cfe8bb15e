"""QUEUE, QUEUE LIST, STATUS, STATS, CANCEL, HOLD, RELEASE, FLUSH, RETRY; AT, TTL and PRIORITY."""

import datetime
import threading
import unittest

from relaying import eventually
from support import PATIENCE, TO, TestCase, parse_reply

UNKNOWN_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def when(text):
    """An RFC 3339 time as Unix seconds."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def from_now(seconds):
    now = datetime.datetime.now(datetime.timezone.utc)
    return (now + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Held(TestCase):
    """A relay on hold, so that messages stay where they are."""

    def setUp(self):
        self.the_relay = self.relay()
        self.c = self.client(self.the_relay)
        self.assertReply(self.c.ask("HOLD"), "250")

    def listed(self, line="QUEUE LIST"):
        reply = self.c.ask(line)
        return [parse_reply(line)["id"] for line in reply if "id=" in line]


class Queue(Held):
    def test_of_nothing(self):
        self.c.ask("RELEASE")
        self.assertEqual(self.c.ask("QUEUE"), ["250 2.0.0 queued=0 sending=0 deferred=0 scheduled=0 "
                                               "unresolved=0 oldest=0 relaying=yes"])
        self.assertEqual(self.c.ask("QUEUE LIST"), ["250 2.0.0 none"])

    def test_counts(self):
        for _ in range(3):
            self.c.submit()
        self.c.submit(options="AT=+1h")
        queue = self.c.queue()
        self.assertEqual((queue["queued"], queue["scheduled"], queue["relaying"]), ("3", "1", "no"))
        self.assertIn("operator", queue["reason"])
        self.assertLess(int(queue["oldest"]), 60)

    def test_list(self):
        queued = [self.c.submit("text %d" % i) for i in range(5)]
        low = self.c.submit(options="PRIORITY=low")
        later = self.c.submit(options="AT=+1h")
        self.assertEqual(self.listed(), queued + [low, later])  # in order of arrival
        reply = self.c.ask("QUEUE LIST 2")
        self.assertEqual((len(reply), reply[-1]), (3, "250 2.0.0 more=5"))
        self.assertNotIn("more=", self.c.ask("QUEUE LIST 7")[-1])
        self.assertEqual(self.listed("QUEUE LIST queued"), queued + [low])
        self.assertEqual(self.listed("queue list scheduled 10"), [later])
        self.assertEqual(len(self.listed("QUEUE LIST queued 1")), 1)
        self.assertEqual(self.listed("QUEUE LIST relayed"), [])
        self.c.ask("CANCEL " + later)
        self.assertEqual(self.listed("QUEUE LIST canceled"), [later])
        self.assertEqual(self.listed(), queued + [low])  # what is finished is not in the queue
        for bad in ("QUEUE LIST nonsense", "QUEUE LIST 10001", "QUEUE LIST queued 1 2", "QUEUE X"):
            self.assertReply(self.c.ask(bad), "501 5.5.4")

    def test_a_long_list(self):
        sender = threading.Thread(target=self.c.send, args=["SEND %s text" % TO] * 10500)
        sender.start()
        names = [parse_reply(reply[0])["id"] for reply in self.c.read_replies(10500)]
        sender.join(PATIENCE)
        self.assertEqual(len(self.listed()), 100)
        listed = self.listed("QUEUE LIST 10000")
        self.assertEqual(len(listed), 10000)
        self.assertEqual(listed, names[:10000])
        self.assertEqual(names, sorted(names))  # ids rise, within a millisecond too


class Status(Held):
    def test_of_a_queued_message(self):
        name = self.c.submit("text", options="FROM=Shop REF=r1")
        status = parse_reply(self.c.ask("STATUS " + name)[0])
        for key, value in dict(id=name, state="queued", to=TO, attempts="0", parts="1", ref="r1",
                               code="250 2.0.0").items():
            self.assertEqual(status[key], value)
        self.assertEqual(status["from"], "Shop")
        self.assertIn("operator", status["reason"])
        self.assertLess(abs(when(status["submitted"]) - when(from_now(0))), 60)
        self.assertNotIn("api", status)
        self.assertNotIn("next", status)
        self.assertEqual(self.c.ask("STATUS r1"), self.c.ask("STATUS " + name))

    def test_of_a_relayed_one(self):
        self.c.ask("RELEASE")
        name = self.c.submit("x" * 161)
        status = self.the_relay.await_state(name, "relayed")
        self.assertEqual((status["attempts"], status["parts"]), ("1", "2"))
        self.assertTrue(status["api"])
        self.assertNotIn("reason", status)

    def test_of_a_rejected_one(self):
        self.c.ask("RELEASE")
        name = self.c.submit(to="+34600009001")
        status = self.the_relay.await_state(name, "rejected")
        self.assertTrue(status["reason"])

    def test_unknown(self):
        for name in (UNKNOWN_ID, "no-such-ref"):
            self.assertReply(self.c.ask("STATUS " + name), "550 5.0.0")
        self.assertReply(self.c.ask("STATUS"), "501 5.5.4")


class Stats(TestCase):
    def test_after_known_traffic(self):
        relay = self.relay()
        c = self.client(relay)
        c.ask("SEND ACK=relayed %s one part" % TO)                            # 1 message
        c.ask("SEND ACK=relayed %s,+34600000001 %s" % (TO, "x" * 161))        # 2 of 2 parts
        c.ask("SEND ACK=relayed +34600009001 rejected")                       # 1
        c.ask("SEND REF=r ACK=relayed %s text" % TO)                          # 1
        c.ask("SEND REF=r %s text" % TO)                                      # a duplicate
        c.ask("SEND REF=r %s another" % TO)                                   # a conflict
        c.ask("SEND 12 text")                                                 # a bad number: no error
        c.ask("BOGUS")                                                        # of the protocol; this
        c.ask("STATUS")                                                       # is, and so is this
        c.ask("HOLD")
        c.ask("CANCEL " + c.submit())                                         # 1
        relay.await_state(c.submit(options="TTL=1"), "expired")               # 1
        eventually(lambda: c.stats()["watchers"] == "0", "the one that waited is forgotten")
        stats = c.stats()
        expected = dict(connections=1, connections_total=2, submissions_accepted_total=7,
                        submissions_refused_total=1, submissions_full_total=0,
                        messages_accepted_total=7, messages_duplicate_total=1,
                        parts_accepted_total=9, messages_canceled_total=1, messages_relayed_total=4,
                        messages_rejected_total=1, messages_expired_total=1,
                        messages_unresolved_total=0, protocol_errors_total=2,
                        requests_in_flight=0, guard_closed_total=0, watchers=0)
        self.assertEqual({name: int(stats[name]) for name in expected}, expected)
        self.assertEqual(int(stats["requests_sms_total"]) + int(stats["requests_sms_bulk_total"]), 4)
        # 13 of this connection's commands before STATS, and some of the one that waited.
        self.assertGreaterEqual(int(stats["commands_total"]), 13)

    def test_bytes(self):
        c = self.client(self.relay())
        before = c.stats()
        self.assertEqual(int(before["bytes_in_total"]), len("STATS\r\n"))
        reply = c.ask("NOOP")
        after = c.stats()
        self.assertEqual(int(after["bytes_in_total"]), len("STATS\r\nNOOP\r\nSTATS\r\n"))
        self.assertGreater(int(after["bytes_out_total"]), int(before["bytes_out_total"]))
        self.assertTrue(reply)


class Cancel(Held):
    def cancel(self, name):
        return self.c.ask("CANCEL " + name)

    def test_queued_and_scheduled(self):
        for options in ("", "AT=+1h", "PRIORITY=high"):
            name = self.c.submit("not this", options=options)
            reply = self.cancel(name)
            self.assertReply(reply, "250 2.0.0 id=%s state=canceled" % name)
            self.assertEqual(self.the_relay.status(name)["state"], "canceled")
        self.c.ask("RELEASE")
        self.c.ask("SEND ACK=relayed %s this" % TO)
        self.assertEqual(self.the_relay.sandbox.texts(), ["this"])

    def test_by_ref(self):
        self.c.ask("SEND REF=r %s,+34600000001 text" % TO)
        reply = self.cancel("r")
        self.assertEqual([parse_reply(line)["state"] for line in reply], ["canceled"] * 2)
        self.assertReply(self.cancel("r"), "550 5.0.0")

    def test_finished(self):
        name = self.c.submit()
        self.assertReply(self.cancel(name), "250")
        self.assertEqual(parse_reply(self.cancel(name)[0])["state"], "canceled")
        self.c.ask("RELEASE")
        for to, state in (TO, "relayed"), ("+34600009001", "rejected"):
            reply = self.c.ask("SEND ACK=relayed %s text" % to)
            reply = self.cancel(parse_reply(reply[0])["id"])
            self.assertReply(reply, "550 5.0.0")
            self.assertEqual(parse_reply(reply[0])["state"], state)

    def test_sending(self):
        self.the_relay.sandbox.faults(dict(hang_ms=500))
        self.c.ask("RELEASE")
        name = self.c.submit()
        self.the_relay.await_state(name, "sending")
        self.assertReply(self.cancel(name), "550 5.0.0")
        self.the_relay.await_state(name, "relayed")

    def test_unknown(self):
        for name in (UNKNOWN_ID, "no-such-ref"):
            self.assertEqual(self.cancel(name), ["550 5.0.0 no such message"])
        self.assertReply(self.c.ask("CANCEL"), "501 5.5.4")

    def test_deferred_and_unresolved(self):
        """What the API may have can be taken back too; the reason says so."""
        relay = self.relay({"relay.ambiguous_resends": 0, "relay.settle_delay": "1h"})
        relay.sandbox.faults(dict(drop=True))
        c = self.client(relay)
        name = c.submit()
        relay.await_state(name, "deferred")
        reply = c.ask("CANCEL " + name)
        self.assertReply(reply, "250")
        self.assertIn("may have been sent", parse_reply(reply[0])["reason"])

    def test_with_nothing_retained(self):
        """Forgotten at once, but it was canceled: not `550`."""
        relay = self.relay({"queue.retention": 0})
        c = self.client(relay)
        c.ask("HOLD")
        self.assertReply(c.ask("CANCEL " + c.submit()), "250")
        self.assertEqual(c.queue()["queued"], "0")


class Operator(Held):
    def test_hold_and_release(self):
        name = self.c.submit()
        self.assertEqual(self.c.queue()["queued"], "1")
        self.assertReply(self.c.ask("HOLD"), "250")  # twice is fine
        self.assertEqual(self.the_relay.sandbox.texts(), [])
        self.assertReply(self.c.ask("RELEASE"), "250")
        self.the_relay.await_state(name, "relayed")
        self.assertEqual(self.c.queue()["relaying"], "yes")
        self.assertReply(self.c.ask("RELEASE"), "250")

    def test_what_is_in_flight_is_not_held(self):
        self.the_relay.sandbox.faults(dict(hang_ms=300))
        self.c.ask("RELEASE")
        name = self.c.submit()
        self.the_relay.await_state(name, "sending")
        self.c.ask("HOLD")
        self.the_relay.await_state(name, "relayed")

    def test_flush_ends_a_wait(self):
        relay = self.relay({"relay.retry_min": "1h", "relay.retry_max": "1h"})
        relay.sandbox.faults(dict(status=402))
        c = self.client(relay)
        name = c.submit()
        relay.await_state(name, "deferred")
        self.assertGreater(when(relay.status(name)["next"]), when(from_now(0)) + 1700)
        self.assertReply(c.ask("FLUSH"), "250")
        relay.await_state(name, "relayed")

    def test_flush_does_not_touch_what_is_scheduled_or_held(self):
        later = self.c.submit(options="AT=+1h")
        name = self.c.submit()
        self.assertReply(self.c.ask("FLUSH"), "250")
        self.assertEqual(self.the_relay.status(later)["state"], "scheduled")
        self.assertEqual(self.the_relay.status(name)["state"], "queued")

    def test_retry(self):
        relay = self.relay({"relay.ambiguous_resends": 0, "relay.settle_delay": "0"})
        relay.sandbox.settings(history_client_id=False)
        relay.sandbox.faults(dict(drop=True, on="single"))
        c = self.client(relay)
        name = c.submit()
        relay.await_state(name, "unresolved")
        self.assertEqual(c.queue()["unresolved"], "1")
        self.assertReply(c.ask("RETRY " + name), "250")
        relay.await_state(name, "relayed")
        self.assertReply(c.ask("RETRY " + name), "550 5.0.0")
        self.assertReply(c.ask("RETRY " + UNKNOWN_ID), "550 5.0.0")
        self.assertEqual(c.stats()["messages_unresolved_total"], "1")

    def test_rights(self):
        relay = self.relay({"listen.control": "unix"})
        c = self.client(relay)
        for line in ("HOLD", "RELEASE", "FLUSH", "RETRY " + UNKNOWN_ID, "QUEUE LIST", "WATCH"):
            self.assertReply(c.ask(line), "550 5.7.1")
        self.assertReply(c.ask("SEND ACK=relayed %s text" % TO), "250")  # and nothing was held


class Times(TestCase):
    def test_at(self):
        relay = self.relay()
        c = self.client(relay)
        at = from_now(2)
        name = c.submit("later", options="AT=" + at)
        status = relay.status(name)
        self.assertEqual((status["state"], when(status["next"])), ("scheduled", when(at)))
        c.ask("SEND ACK=relayed %s now" % TO)
        relay.await_state(name, "relayed")
        first, second = relay.sandbox.record()["messages"]
        self.assertEqual((first["text"], second["text"]), ("now", "later"))
        self.assertGreaterEqual(second["at_ms"], when(at) * 1000)
        self.assertLess(second["at_ms"], when(at) * 1000 + 2000)

    def test_at_that_has_gone_by_or_is_too_far(self):
        c = self.client(self.relay())
        self.assertReply(c.ask("SEND AT=+31d %s text" % TO), "501 5.5.4")
        self.assertReply(c.ask("SEND AT=tomorrow %s text" % TO), "501 5.5.4")

    def test_relative_at(self):
        relay = self.relay()
        status = relay.status(self.client(relay).submit(options="AT=+15m"))
        self.assertAlmostEqual(when(status["next"]), when(from_now(900)), delta=60)

    def test_expiry_on_hold(self):
        relay = self.relay()
        c = self.client(relay)
        c.ask("HOLD")
        name = c.submit(options="TTL=1s")
        keeps = c.submit(options="TTL=1h")
        status = relay.await_state(name, "expired")
        self.assertIn("expired before", status["reason"])
        c.ask("RELEASE")
        relay.await_state(keeps, "relayed")
        self.assertEqual(len(relay.sandbox.texts()), 1)
        self.assertReply(c.ask("CANCEL " + name), "550 5.0.0")

    def test_ttl_counts_from_at(self):
        relay = self.relay()
        c = self.client(relay)
        name = c.submit(options="AT=+2s TTL=1")
        self.assertEqual(relay.await_state(name, "relayed", "expired")["state"], "relayed")

    def test_max_age(self):
        relay = self.relay({"queue.max_age": "500ms"})
        c = self.client(relay)
        c.ask("HOLD")
        relay.await_state(c.submit(), "expired")


class Priority(Held):
    def test_high_first_then_normal_to_low(self):
        """9 normal to 1 low, in order within each; from the simulator's record."""
        relay = self.relay({"relay.bulk_max": 1, "relay.connections": 1})
        c = self.client(relay)
        c.ask("HOLD")
        for i in range(20):
            c.submit("low %d" % i, options="PRIORITY=low")
            c.submit("normal %d" % i)
        for i in range(5):
            c.submit("high %d" % i, options="PRIORITY=high")
        c.ask("WATCH")
        c.ask("RELEASE")
        relayed = 0
        while relayed < 45:
            relayed += " state=relayed" in c.read_event()
        texts = relay.sandbox.texts()
        self.assertEqual(texts[:5], ["high %d" % i for i in range(5)])
        self.assertEqual([text for text in texts if text.startswith("normal")],
                         ["normal %d" % i for i in range(20)])
        self.assertEqual([text for text in texts if text.startswith("low")],
                         ["low %d" % i for i in range(20)])
        where = [i for i, text in enumerate(texts[5:]) if text.startswith("low")]
        self.assertEqual(where[:3], [9, 19, 22])

    def test_high_overtakes_what_waits(self):
        relay = self.relay({"relay.bulk_max": 1, "relay.connections": 1})
        c = self.client(relay)
        c.ask("HOLD")
        c.submit("normal")
        c.submit("urgent", options="PRIORITY=high")
        c.ask("RELEASE")
        c.ask("SEND ACK=relayed PRIORITY=low %s last" % TO)
        self.assertEqual(relay.sandbox.texts(), ["urgent", "normal", "last"])


if __name__ == "__main__":
    unittest.main()
