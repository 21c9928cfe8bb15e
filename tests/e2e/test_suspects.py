"""Whose fault is it? One message that the API refuses in its own way holds up no other one; and
when the API refuses all of them, none is to blame.
"""

import socket
import time
import unittest

from relaying import Record, RelayingTest, eventually

JSON = {"message": "no such luck"}
PAGE = {"content_type": "text/html", "body": "<html><body>Who are you?</body></html>"}

# What an API, a proxy or a firewall may answer to one message.
REFUSALS = [
    (402, {"body": JSON}), (403, {"body": JSON}), (403, PAGE), (404, PAGE), (404, {"body": JSON}),
    (405, {"body": ""}), (409, {"body": JSON}), (413, {"body": JSON}), (413, {"body": ""}),
    (415, {"body": [JSON]}), (451, {"body": '"in your country"'}), (418, {"body": "\ufeff{}"}),
    (408, {"body": ""}), (421, PAGE), (425, {"body": JSON}), (503, {"body": JSON}), (503, PAGE),
]
ODD_BODIES = [{"body": JSON}, PAGE, {"body": ""}, {"body": ["no", "luck"]}, {"body": "\ufeff{}"},
              {"body": "caf\u00e9"}, {"body": "\x1f\x8b\x08\x01\ufffd"}]
MALFORMED = [(status, body) for status in (400, 422) for body in ODD_BODIES]
STAY = (402, 408, 421, 425, 503)  # are never the message's own fault for good


def words(count, poisons):
    return ["poison%d" % i if i in poisons else "m%d" % i for i in range(count)]


class SuspectTest(RelayingTest):
    def poison(self, status, answer, **more):
        self.api.faults({"status": status, "containing": "poison", "count": -1, **answer, **more})

    def refuse_all(self, status, answer, **more):
        self.api.faults({"status": status, "count": -1, **answer, **more})

    def assert_relayed_in_time(self, ids, seconds=5):
        """All of them, soon, and nobody has to do anything for it."""
        deadline = time.monotonic() + seconds
        statuses = self.await_states(ids, "relayed")
        self.assertLess(time.monotonic(), deadline)
        return statuses


class Poison(SuspectTest):
    is_long = True

    def assert_others_pass(self, status, answer, poisons, count=21, settings=None):
        self.start(settings)
        self.poison(status, answer)
        ids = self.send_together(words(count, poisons))
        good = [id for i, id in enumerate(ids) if i not in poisons]
        self.assert_relayed_in_time(good)
        bad = [ids[i] for i in poisons]
        for told in self.await_states(bad, "deferred", "rejected", "queued", "sending"):
            if told["state"] == "rejected":
                self.assertNotIn(status, STAY)
        eventually(lambda: self.c.queue()["relaying"] == "yes", "relaying")
        record = self.finish()
        self.assertOnce(record, good)
        return record

    def test_each_answer(self):
        for status, answer in REFUSALS + MALFORMED:
            with self.subTest(status=status, answer=answer):
                self.assert_others_pass(status, answer, {10})

    def test_at_either_end(self):
        for status, answer in [(402, {"body": JSON}), (403, PAGE), (413, {"body": ""}), (400, PAGE),
                               (503, {"body": JSON})]:
            for place in (0, 20):
                with self.subTest(status=status, place=place):
                    self.assert_others_pass(status, answer, {place})

    def test_several(self):
        for poisons in ({0, 10, 20}, {3, 4, 5, 6}, {0, 1, 2, 3, 4}, {16, 17, 18, 19, 20}):
            for status, answer in [(403, {"body": JSON}), (402, PAGE), (413, PAGE), (503, PAGE)]:
                with self.subTest(status=status, poisons=poisons):
                    self.assert_others_pass(status, answer, poisons)

    def test_each_refused_in_its_own_way(self):
        self.start()
        statuses = (402, 403, 404, 405, 409, 415, 451)
        self.api.faults(*[{"status": status, "containing": "poison%d" % i, "count": -1,
                           "body": JSON} for i, status in enumerate(statuses)])
        ids = self.send_together(words(21, range(len(statuses))))
        self.assert_relayed_in_time(ids[len(statuses):])
        self.assertEqual(self.daemon.log("relaying_stopped"), [])
        self.finish()

    def test_new_ones_pass_while_only_bad_ones_are_left(self):
        """Three different ones in a row stop the relay, but not for what comes after them."""
        for status, answer in [(403, {"body": JSON}), (503, PAGE)]:
            with self.subTest(status=status):
                self.start()
                self.poison(status, answer)
                for i in range(5):
                    self.send("poison%d" % i, first=50 + i)
                self.await_stop("HTTP %d" % status)
                for i in range(3):
                    self.assert_relayed_in_time(self.send("m%d" % i, first=i))
                self.finish()

    def test_in_a_full_batch(self):
        record = self.assert_others_pass(403, {"body": JSON}, {50}, count=100)
        self.assertLessEqual(len(record.requests), 40)

    def test_among_singles(self):
        for connections in (1, 4):
            with self.subTest(connections=connections):
                self.assert_others_pass(403, {"body": JSON}, {0, 10}, settings={
                    "relay.bulk_max": 1, "relay.connections": connections})

    def test_the_next_one_goes_at_once(self):
        """Not after a minute, nor after a backoff."""
        self.start({"relay.retry_min": "1h", "relay.retry_max": "1h"})
        self.poison(403, {"body": JSON})
        bad = self.send("poison")
        told, = self.await_states(bad, "deferred")
        self.assertEqual(told["reason"], "the API refused it (HTTP 403): no such luck")
        self.assertEqual(told["attempts"], "0")
        self.assertIn("next", told)
        self.assert_relayed_in_time(self.send("m"), 2)
        told, = self.statuses(bad)
        self.assertEqual((told["state"], told["attempts"]), ("deferred", "1"))
        aside, = self.daemon.log("message_set_aside")
        self.assertEqual((aside["level"], aside["id"], aside["status"]), ("info", bad[0], "403"))
        self.assertEqual(self.c.stats()["messages_set_aside_total"], "1")
        self.finish()

    def prove(self, status, answer):
        """A poison, and others that pass after each of its refusals, of which there are three or more."""
        self.start({"relay.bulk_max": 1})
        self.poison(status, answer)
        bad = self.send("poison")
        # One that passes while it waits in its lane for its turn proves nothing.
        while int(self.told_of(bad)[2]) < 3:
            seen = self.refusals()
            eventually(lambda: self.refusals() > seen, "another refusal")
            self.assert_relayed_in_time(self.send("m", first=1))
        self.assert_relayed_in_time(self.send("m", first=1))  # the loop may have ended before it
        return bad

    def refusals(self):
        return int(self.c.stats()["messages_set_aside_total"])

    def told_of(self, ids):
        told, = self.statuses(ids)
        return told["state"], told.get("reason", ""), told["attempts"]

    def test_three_proofs_reject_it(self):
        for status, answer in [(403, {"body": JSON}), (404, PAGE), (409, {"body": JSON}),
                               (413, {"body": ""}), (451, PAGE)]:
            with self.subTest(status=status):
                bad = self.prove(status, answer)
                told, = self.await_states(bad, "rejected")
                self.assertIn("HTTP %d" % status, told["reason"])
                self.assertGreaterEqual(int(told["attempts"]), 3)
                line, = self.daemon.log("message_rejected")
                self.assertEqual((line["level"], line["id"]), ("info", bad[0]))
                self.assertEqual(self.c.stats()["messages_rejected_total"], "1")
                self.finish()

    def test_but_not_what_may_pass_later(self):
        for status, answer in [(402, {"body": JSON}), (408, PAGE), (425, PAGE)]:
            with self.subTest(status=status):
                bad = self.prove(status, answer)
                eventually(lambda: self.refusals() > 5, "more refusals")
                self.assertNotEqual(self.told_of(bad)[0], "rejected")
                self.api.forget_faults()
                self.assertRelayed(bad)
                self.finish()

    def test_an_only_message_is_not_hammered(self):
        self.start({"relay.retry_min": "200ms", "relay.retry_max": "1h"})
        self.refuse_all(402, {"body": JSON})
        began = time.monotonic()
        bad = self.send("m")
        self.daemon.wait_log("message_set_aside", count=3)
        self.assertGreater(time.monotonic() - began, 0.29)  # at least half of 200 and of 400 ms
        self.await_states(bad, "deferred")
        queue = self.c.queue()
        self.assertEqual((queue["relaying"], queue["deferred"]), ("yes", "1"))
        self.assertEqual(queue["reason"], "the API refused a message; another one will show "
                         "whether it refuses all (HTTP 402): no such luck")
        self.assertEqual(self.daemon.log("relaying_stopped"), [])
        self.api.forget_faults()
        self.c.ask("FLUSH")
        self.assertRelayed(bad)
        self.assertNotIn("reason", self.c.queue())
        self.finish()


class AllRefused(SuspectTest):
    """The destination is to blame: it stops, and no message is charged."""

    def assert_none_is_blamed(self, status, answer, settings=None):
        self.start(settings)
        self.refuse_all(status, answer)
        texts = ["m%d" % i for i in range(21)]
        ids = self.send_together(texts)
        queue = self.await_stop("HTTP %d" % status)
        self.assertEqual((queue["sending"], queue["deferred"]), ("0", "0"), queue)
        self.assertLessEqual(len(Record(self.api.record()).posts()), 8)
        told = self.statuses(ids)
        self.assertEqual({(s["state"], s["attempts"]) for s in told}, {("queued", "0")})
        for _ in range(4):  # each probe is another message
            done = len(Record(self.api.record()).posts())
            self.c.ask("FLUSH")
            self.await_posts(done + 1)
        eventually(lambda: self.c.queue()["sending"] == "0", "the probe's end")
        self.api.forget_faults()
        self.c.ask("FLUSH")
        told = self.assertRelayed(ids)
        self.assertEqual({s["attempts"] for s in told}, {"1"})
        record = self.finish()
        self.assertOnce(record, ids)
        self.assertEqual(record.texts(), texts)
        self.assertEqual(record.rejected, [])

    def test_each_answer(self):
        for status, answer in REFUSALS:
            if status not in (408, 413, 421, 425, 503):
                with self.subTest(status=status, answer=answer):
                    self.assert_none_is_blamed(status, answer)

    def test_too_large_or_malformed(self):
        """A batch is split before anything else is asked; a single one is not blamed either."""
        for status, answer in [(413, PAGE), (413, {"body": JSON}), (400, PAGE), (400, {"body": JSON}),
                               (422, {"body": ""})]:
            with self.subTest(status=status, answer=answer):
                self.start()
                self.refuse_all(status, answer)
                ids = self.send_together(["m%d" % i for i in range(21)])
                self.await_stop("HTTP %d" % status)
                self.api.forget_faults()
                self.c.ask("FLUSH")
                self.assertRelayed(ids)
                self.assertOnce(self.finish(), ids)

    def test_for_now(self):
        for status in (408, 421, 425, 503):
            with self.subTest(status=status):
                self.start()
                self.refuse_all(status, {"body": ""})
                ids = self.send_together(["m%d" % i for i in range(21)])
                # For the batch, then once three were refused alike. 503: the batch is in doubt, and stays.
                self.daemon.wait_log("relaying_stopped", count=1 if status == 503 else 2)
                self.await_stop("the API is unavailable (HTTP %d)" % status)
                self.api.forget_faults()
                told = self.assertRelayed(ids)
                if status != 503:  # which is charged, for it may have been taken
                    self.assertEqual({s["attempts"] for s in told}, {"1"})
                self.assertOnce(self.finish(), ids)

    def test_retry_after_is_obeyed(self):
        for status in (408, 421, 425, 503):
            with self.subTest(status=status):
                self.start()
                self.refuse_all(status, {"body": ""}, headers={"Retry-After": "1"}, count=3,
                                containing="clientId")
                ids = self.send_together(["m%d" % i for i in range(5)])
                self.assertRelayed(ids)
                at = [r["at_ms"] for r in self.finish().requests if r["status"] == status]
                self.assertEqual(len(at), 3)
                for earlier, later in zip(at, at[1:]):
                    self.assertGreaterEqual(later - earlier, 990)

    def test_among_singles(self):
        self.start({"relay.bulk_max": 1, "relay.connections": 4})
        self.refuse_all(402, {"body": JSON})
        ids = self.send_together(["m%d" % i for i in range(21)])
        self.await_stop("balance")
        eventually(lambda: self.c.queue()["sending"] == "0", "no request under way")
        self.assertEqual({(s["state"], s["attempts"]) for s in self.statuses(ids)},
                         {("queued", "0")})
        self.api.forget_faults()
        self.c.ask("FLUSH")
        self.assertRelayed(ids)
        self.assertOnce(self.finish(), ids)

    def test_after_all_was_fine(self):
        """What passed before proves nothing: the account may have run out of balance since."""
        for status in (402, 403, 413, 451):
            with self.subTest(status=status):
                self.start()
                first = self.send_together(["a", "b", "c"], first=100)
                self.assertRelayed(first)
                self.refuse_all(status, PAGE)
                ids = self.send(["m%d" % i for i in range(21)])
                self.await_stop("HTTP %d" % status)
                self.assertEqual(self.c.stats()["messages_rejected_total"], "0")
                self.api.forget_faults()
                self.c.ask("FLUSH")
                self.assertRelayed(ids)
                self.finish()

    def test_it_goes_on_by_itself(self):
        """The first probes of a stop come soon."""
        self.start()
        self.refuse_all(402, {"body": JSON})
        ids = self.send_together(["m%d" % i for i in range(5)])
        self.await_stop("balance")
        self.api.forget_faults()
        self.assert_relayed_in_time(ids)
        self.finish()


class Cancel(SuspectTest):
    def test_the_next_one_probes_at_once(self):
        self.start({"relay.bulk_max": 1, "relay.connections": 1, "relay.retry_min": "1h",
                    "relay.retry_max": "1h"})
        self.poison(503, {"body": JSON})
        bad = self.send_together(["poison%d" % i for i in range(3)])
        self.await_stop("HTTP 503")
        good = self.send("m", first=50)
        for id in bad:  # one after the other is being sent
            eventually(lambda: self.c.ask("CANCEL " + id)[0].startswith("250"), "CANCEL")
        self.assert_relayed_in_time(good)
        self.finish()


class Named(SuspectTest):
    """What stands in the way is called by its name."""

    def test_a_firewall(self):
        self.start()
        self.refuse_all(403, PAGE)
        ids = self.send_together(["a", "b", "c", "d"])
        reason = self.await_stop("HTTP 403")["reason"]
        self.assertEqual(reason, "a firewall or proxy answered 403 with HTML (HTTP 403)")
        self.c.ask("CANCEL " + ids[0])
        self.finish()

    def test_a_proxy(self):
        proxy = socket.create_server(("127.0.0.1", 0))
        address = "http://127.0.0.1:%d" % proxy.getsockname()[1]
        proxy.close()  # nobody is there
        self.start({"api.url": "https://api.invalid/v1"},
                   env={"https_proxy": address.replace("//", "//me:secret@")})
        self.send("a")
        reason = self.await_stop("cannot be reached")["reason"]
        self.assertIn("(proxy %s/): " % address, reason)
        self.assertNotIn("secret", "\n".join(self.daemon.lines) + reason)
        self.daemon.stop()

    def test_where_a_redirect_leads(self):
        self.start()
        self.refuse_all(301, {"body": "", "headers": {"Location": "https://elsewhere.example/v2"}})
        self.send("a")
        self.assertEqual(self.await_stop("HTTP 301")["reason"], "the URL or a proxy is wrong "
                         "(HTTP 301): redirected to https://elsewhere.example/v2")
        self.finish()


if __name__ == "__main__":
    unittest.main()
