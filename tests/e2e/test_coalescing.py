"""Coalescing: as few requests as possible, without making anybody wait for it."""

import json
import unittest

from relaying import NUMBER, RelayingTest, eventually
from support import IS_SLOW


def texts(count, prefix="m"):
    return ["%s%d" % (prefix, i) for i in range(count)]


class Lone(RelayingTest):
    def test_a_lone_message_is_one_single(self):
        self.start()
        for i in range(5):
            self.assertRelayed(self.send("m%d" % i))
        self.assertEqual(self.finish().calls(), 5 * [("single", 1, 201)])

    def test_it_leaves_at_once(self):
        """The reply of ACK=relayed takes one round trip: no timer is waited for."""
        self.start({"relay.retry_min": "1h", "relay.retry_max": "1h"})
        self.api.settings(rate_headers=False)
        for i in range(5):
            reply = self.c.ask("SEND ACK=relayed +34600000000 m%d" % i)
            self.assertReply(reply, "250")
            self.assertIn("state=relayed", reply[0])
        self.assertEqual(self.finish().calls(), 5 * [("single", 1, 201)])


class OneWrite(RelayingTest):
    """What arrives together leaves together, however long the relay takes to read it."""

    def test_messages_of_one_write_are_one_bulk(self):
        for count in (2, 3, 10, 50, 100):
            with self.subTest(count):
                self.start()
                ids = self.send(texts(count))
                self.assertRelayed(ids)
                record = self.finish()
                self.assertEqual(record.calls(), [("bulk", count, 201)])
                self.assertOnce(record, ids)
                self.assertEqual(record.texts(), texts(count))

    def test_recipients_of_one_submission_are_one_bulk(self):
        self.start()
        numbers = [NUMBER % i for i in range(40)]
        self.assertReply(self.c.ask("SEND %s Hello" % ",".join(numbers)), "250")
        eventually(lambda: self.api.summary()["messages"] == 40, "40 messages")
        record = self.finish()
        self.assertEqual(record.calls(), [("bulk", 40, 201)])
        self.assertEqual([m["to"] for m in record.messages], numbers)

    def test_a_json_array_is_one_bulk(self):
        self.start()
        self.c.send("JSON " + json.dumps([{"to": NUMBER % i, "text": "m%d" % i}
                                          for i in range(40)]))
        for reply in self.c.read_replies(40):
            self.assertReply(reply, "250")
        eventually(lambda: self.api.summary()["messages"] == 40, "40 messages")
        record = self.finish()
        self.assertEqual(record.calls(), [("bulk", 40, 201)])
        self.assertEqual(record.texts(), texts(40))


class Flood(RelayingTest):
    """A flood behind a slow API fills every request."""

    COUNT = 2000 if IS_SLOW else 20000

    def pour(self, count, options=""):
        """Pipelines messages without waiting, then reads the replies. Returns the ids."""
        ids = []
        for start in range(0, count, 500):  # a client that reads now and then
            lines = ["SEND %s%s m%d" % (options, NUMBER % (i % 9000), i)
                     for i in range(start, min(start + 500, count))]
            self.c.send(*lines)
            for reply in self.c.read_replies(len(lines)):
                self.assertReply(reply, "250")
                ids.append(reply[0].split("id=")[1].split()[0])
        return ids

    def await_all(self, count):
        eventually(lambda: self.api.summary()["messages"] >= count, "%d messages" % count)
        eventually(lambda: self.c.queue()["sending"] == "0", "the last answer")

    def test_bulks_are_full(self):
        self.start({"log.level": "info"})
        self.api.settings(latency_ms=50)
        ids = self.pour(self.COUNT)
        self.await_all(self.COUNT)
        summary = self.api.summary()
        record = self.finish()
        requests = summary["requests"]
        self.assertGreaterEqual(summary["full_bulks"] / requests["bulk"],
                                0.9 if IS_SLOW else 0.99)
        self.assertLessEqual(requests["single"], 2)
        self.assertEqual(requests["history"], 0)
        self.assertEqual((summary["messages"], summary["distinct_client_ids"],
                          summary["repeated_client_ids"]), (self.COUNT, self.COUNT, 0))
        self.assertEqual(set(summary["status"]), {"201"})
        self.assertEqual(summary["over_limit"], 0)
        self.assertOnce(record, ids)

    def test_a_held_backlog_is_full_bulks_and_a_rest(self):
        self.start({"log.level": "info"})
        self.c.ask("HOLD")
        self.pour(1030)
        self.c.ask("RELEASE")
        self.await_all(1030)
        record = self.finish()
        self.assertEqual(sorted(c[1] for c in record.calls()), [30] + 10 * [100])
        self.assertEqual(record.calls()[-1], ("bulk", 30, 201))

    def test_more_than_may_wait_at_once_in_one_write(self):
        """Every reply comes, though the client says nothing more and the last ones fill a buffer."""
        self.start({"log.level": "info"})
        self.c.ask("HOLD")
        for count in (1023, 1024, 1025, 1100, 2000, 3000):
            with self.subTest(count):
                self.send(texts(count))
        self.assertEqual(int(self.c.queue()["queued"]), 9172)
        self.finish()

    def test_bulk_max(self):
        for bulk_max, kind in ((7, "bulk"), (1, "single")):
            with self.subTest(bulk_max):
                self.start({"relay.bulk_max": bulk_max})
                ids = self.send_together(texts(70))
                self.assertRelayed(ids)
                record = self.finish()
                self.assertEqual(record.calls(), (70 // bulk_max) * [(kind, bulk_max, 201)])
                self.assertOnce(record, ids)

    def test_connections(self):
        """Never more requests under way than relay.connections, but so many."""
        for connections in (1, 2, 4):
            with self.subTest(connections):
                self.start({"relay.bulk_max": 5, "relay.connections": connections})
                self.api.settings(rate_headers=False)
                self.assertRelayed(self.send_together(texts(5, "warm"), first=900))
                self.api.settings(latency_ms=60)
                self.assertRelayed(self.send_together(texts(60)))
                at = [r["at_ms"] for r in self.finish().of_kind("bulk")][1:]
                self.assertEqual(len(at), 12)
                for i in range(len(at) - connections):
                    self.assertGreaterEqual(at[i + connections] - at[i], 59)
                if connections > 1:
                    self.assertLess(at[connections - 1] - at[0], 60)


class Nagle(RelayingTest):
    """A partial batch goes only when no request is in flight; high never waits for that."""

    LATENCY_MS = 300

    def begin(self):
        self.start()
        self.api.settings(rate_headers=False)
        self.assertRelayed(self.send("warm", first=900))
        self.assertRelayed(self.send_together(["warm", "too"], first=901))
        self.api.settings(latency_ms=self.LATENCY_MS)
        self.first = self.send("first")
        eventually(lambda: self.c.queue()["sending"] == "1", "the first one under way")

    def begun_ms(self, record):
        """Kinds, sizes, and times after the first slow request."""
        slow = record.requests[2:]
        return [(c[0], c[1]) for c in record.calls()[2:]], \
            [r["at_ms"] - slow[0]["at_ms"] for r in slow]

    def test_a_trickle_is_coalesced_while_the_api_answers(self):
        self.begin()
        ids = self.first
        for i in range(10):
            ids += self.send("m%d" % i, first=i + 1)
        self.assertRelayed(ids)
        calls, at = self.begun_ms(self.finish())
        self.assertEqual(calls, [("single", 1), ("bulk", 10)])
        self.assertGreaterEqual(at[1], self.LATENCY_MS - 1)

    def test_high_does_not_wait(self):
        self.begin()
        ids = self.first + self.send("urgent", options="PRIORITY=high", first=1)
        self.assertRelayed(ids)
        calls, at = self.begun_ms(self.finish())
        self.assertEqual(calls, [("single", 1), ("single", 1)])
        self.assertLess(at[1], self.LATENCY_MS)

    def test_others_go_with_high(self):
        self.begin()
        ids = self.first + self.send("waits", first=1) + \
            self.send("urgent", options="PRIORITY=high", first=2)
        self.assertRelayed(ids)
        record = self.finish()
        calls, at = self.begun_ms(record)
        self.assertEqual(calls, [("single", 1), ("bulk", 2)])
        self.assertLess(at[1], self.LATENCY_MS)
        self.assertEqual(record.texts()[-2:], ["urgent", "waits"])

    def test_a_full_batch_does_not_wait(self):
        self.begin()
        ids = self.first + self.send(texts(100), first=1)
        self.assertRelayed(ids)
        calls, at = self.begun_ms(self.finish())
        self.assertEqual(calls, [("single", 1), ("bulk", 100)])
        self.assertLess(at[1], self.LATENCY_MS)


class Order(RelayingTest):
    def test_within_a_lane_it_is_kept(self):
        self.start({"relay.connections": 1, "relay.bulk_max": 7})
        ids = self.send_together(texts(500))
        self.assertRelayed(ids)
        self.assertEqual(self.finish().texts(), texts(500))

    def test_high_first_and_low_in_its_share(self):
        self.start({"relay.connections": 1, "relay.bulk_max": 10})
        self.c.ask("HOLD")
        for word in ("low", "normal", "high"):
            self.send(texts(90 if word != "high" else 30, word), options="PRIORITY=" + word)
        self.c.ask("RELEASE")
        eventually(lambda: self.api.summary()["messages"] == 210, "all")
        record = self.finish()
        sent = record.texts()
        self.assertEqual(sent[:30], texts(30, "high"))
        for start in range(30, 110, 10):  # nine to one, while there are both
            share = [text.rstrip("0123456789") for text in sent[start:start + 10]]
            self.assertEqual((share.count("normal"), share.count("low")), (9, 1))
        for word, count in (("normal", 90), ("low", 90)):
            self.assertEqual([text for text in sent if text.startswith(word)], texts(count, word))


if __name__ == "__main__":
    unittest.main()
