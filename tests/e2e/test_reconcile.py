"""Ambiguous messages: sent, but no trustworthy answer. Never guessed at, looked up in GET /sms.

In every test the record tells that a message that was taken is not posted again, and that one that
was not is posted once more, after the look-up.
"""

import http.client
import json
import time
import unittest

from relaying import Record, RelayingTest, eventually
from support import TOKEN

JSON = {"message": "no such luck"}
PAGE = {"content_type": "text/html", "body": "<html>502 Bad Gateway</html>"}
SETTLE_MS = 100  # relay.settle_delay of these tests


def texts(count, prefix="m"):
    return ["%s%d" % (prefix, i) for i in range(count)]


class AmbiguousTest(RelayingTest):
    def assert_looked_up(self, record, before=1):
        """After `before` POSTs comes one look-up, no sooner than settle_delay after them."""
        kinds = [call[0] for call in record.calls()]
        self.assertNotIn("history", kinds[:before])
        self.assertEqual(kinds[before], "history")
        waited_ms = record.requests[before]["at_ms"] - record.requests[before - 1]["at_ms"]
        self.assertGreaterEqual(waited_ms, SETTLE_MS - 1)
        self.assertEqual(self.daemon.log("reconciled", messages=0), [])  # none came too soon

    def assert_found(self, ids, calls, status):
        """The messages were taken: no second POST."""
        self.assertRelayed(ids)
        self.assertEqual(self.c.queue()["deferred"], "0")
        record = self.finish()
        self.assertEqual(record.calls(), calls + [("history", 0, 200)])
        self.assertEqual(record.calls()[0][2], status)
        self.assert_looked_up(record)
        self.assertOnce(record, ids)

    def assert_sent_again(self, ids, calls):
        """They were not: after the look-up they are sent, a probe first."""
        statuses = self.assertRelayed(ids)
        self.assertEqual({s["attempts"] for s in statuses}, {"2"})
        record = self.finish()
        again = [("single", 1, 201)]
        if len(ids) > 1:
            again += [("bulk" if len(ids) > 2 else "single", len(ids) - 1, 201)]
        self.assertEqual(record.calls(), calls + [("history", 0, 200)] + again)
        self.assert_looked_up(record)
        self.assertOnce(record, ids)
        self.assertEqual(record.texts(), texts(len(ids)))


# name, the fault, the status in the record (0: no answer was given, None: not looked at)
ENDS = [
    ("drop", {"drop": True}, 0), ("reset", {"drop": True, "reset": True}, 0),
    ("500", {"status": 500, "body": JSON}, 500), ("500 page", {"status": 500, **PAGE}, 500),
    ("502", {"status": 502, **PAGE}, 502), ("504", {"status": 504, "body": ""}, 504),
    ("501", {"status": 501, "body": JSON}, 501),
    ("truncated", {"truncate": 20}, None), ("no body", {"truncate": 0}, None),
    ("garbage", {"status": 201, "body": "\x01\x02 not JSON"}, 201),
    ("a page", {"status": 200, **PAGE}, 200), ("empty", {"status": 201, "body": ""}, 201),
    ("null", {"status": 201, "body": "null"}, 201), ("nothing in it", {"status": 201, "body": {}}, 201),
    ("an array", {"status": 201, "body": []}, 201), ("no content", {"status": 204, "body": ""}, 204),
    ("accepted", {"status": 202, "body": {"status": "ok"}}, 202),
]


class EndsTest(AmbiguousTest):
    """Every end of a request that leaves it open what became of the messages."""

    def each_end(self, assert_it):
        for name, fault, status in ENDS:
            for count in (1, 5):
                with self.subTest(name, count=count):
                    assert_it(fault, status, count)

    def begin(self, fault, count):
        self.start()
        self.api.faults(fault)
        ids = self.send_together(texts(count))
        self.await_posts(1)
        return ids

    def call(self, count, status):
        status = Record(self.api.record()).calls()[0][2] if status is None else status
        return [("bulk" if count > 1 else "single", count, status)]


class Taken(EndsTest):
    def test_each_end(self):
        def taken(fault, status, count):
            ids = self.begin(dict(fault, accept=True), count)
            calls = self.call(count, status)
            self.assert_found(ids, calls, calls[0][2])
        self.each_end(taken)


class NotTaken(EndsTest):
    def test_each_end(self):
        def not_taken(fault, status, count):
            ids = self.begin(dict(fault, accept=False), count)
            self.assert_sent_again(ids, self.call(count, status))
        self.each_end(not_taken)


class Hang(AmbiguousTest):
    """No answer within api.timeout."""

    settings = {"api.timeout": "200ms"}

    def test_taken(self):
        for count in (1, 5):
            with self.subTest(count):
                self.start()
                self.api.faults({"hang_ms": -1, "accept": True})
                ids = self.send_together(texts(count))
                self.assert_found(ids, [("bulk" if count > 1 else "single", count, 0)], 0)

    def test_not_taken(self):
        for count in (1, 5):
            with self.subTest(count):
                self.start()
                self.api.faults({"hang_ms": -1})
                ids = self.send_together(texts(count))
                self.assert_sent_again(ids, [("bulk" if count > 1 else "single", count, 0)])

    def test_settle_delay_counts_from_the_end(self):
        self.start()
        self.api.faults({"hang_ms": -1, "accept": True})
        ids = self.send("x")
        self.assertRelayed(ids)
        post, history = self.finish().requests
        # The API may see the request late; from its beginning it would be SETTLE_MS at most.
        self.assertGreater(history["at_ms"] - post["at_ms"], 100 + SETTLE_MS)

    def test_taken_after_the_timeout(self):
        """It arrives there, but shows only later: that is what settle_delay is for."""
        self.start()
        self.api.settings(history_delay_ms=250)
        self.api.faults({"hang_ms": -1, "accept": True})
        ids = self.send("x")
        self.assert_found(ids, [("single", 1, 0)], 0)


class Incomplete(AmbiguousTest):
    """A 2xx that does not tell of every message."""

    def answer(self, ids, told):
        entities = [{"id": "api-%d" % i, "clientId": ids[i]} for i in told]
        return {"status": 201, "body": {"entities": entities, "errors": []}}

    def test_what_is_told_of_is_done(self):
        for accept in (True, False):
            with self.subTest(accept=accept):
                self.start()
                self.c.ask("HOLD")
                ids = self.send(texts(5))
                self.api.faults(dict(self.answer(ids, (0, 1, 3, 4)), accept=accept))
                self.c.ask("RELEASE")
                statuses = self.await_states(ids, "relayed")
                self.assertEqual([statuses[i]["api"] for i in (0, 1, 3, 4)],
                                 ["api-0", "api-1", "api-3", "api-4"])
                record = self.finish()
                calls = [("bulk", 5, 201), ("history", 0, 200)]
                if accept:
                    self.assertOnce(record, ids)
                else:  # the answer lied, which nobody can know: only the third is sent again
                    calls.append(("single", 1, 201))
                    self.assertOnce(record, [ids[2]])
                self.assertEqual(record.calls(), calls)

    def test_errors_that_cannot_be_told_apart(self):
        """Errors and entities without a name: taken or refused is found out, not guessed."""
        self.start()
        self.api.settings(errors_by="none", echo=[])
        self.c.ask("HOLD")
        ids = []
        for i in range(6):
            ids += self.send("m%d" % i, to="+34600009001" if i in (1, 4) else "+3460000000%d" % i)
        self.c.ask("RELEASE")
        statuses = self.await_states(ids, "relayed", "rejected", "unresolved")
        self.assertEqual([s["state"] for s in statuses],
                         ["relayed", "rejected", "relayed", "relayed", "rejected", "relayed"])
        record = self.finish()
        self.assertOnce(record, [ids[i] for i in (0, 2, 3, 5)])
        self.assertEqual(record.calls()[:2], [("bulk", 6, 201), ("history", 0, 200)])
        self.assertEqual(sum(c[1] for c in record.posts()), 6 + 2)


class Resend(AmbiguousTest):
    """libcurl sends a POST again by itself when a kept connection dies: not here."""

    def assert_body_arrives_once(self, count, accept):
        self.start()
        self.api.faults({"close_idle": True, "accept": accept})
        kind = "bulk" if count > 1 else "single"
        first = self.send_together(texts(count, "first"))
        self.assertRelayed(first)
        ids = self.send_together(texts(count))
        self.assertRelayed(ids)
        record = self.finish()
        calls = [(kind, count, 201), (kind, count, 0), ("history", 0, 200)]
        self.assertEqual(record.calls()[:3], calls)
        self.assertEqual(record.requests[0]["connection"], record.requests[1]["connection"])
        self.assertEqual(sum(c[1] for c in record.calls()[3:]), 0 if accept else count)
        self.assertOnce(record, first + ids)
        self.assert_looked_up(record, before=2)

    def test_the_body_arrives_once(self):
        for count in (1, 5):
            for accept in (True, False):
                with self.subTest(count=count, accept=accept):
                    self.assert_body_arrives_once(count, accept)


class History(AmbiguousTest):
    """How the history is read."""

    def lose(self, count=1, **settings):
        """Messages that were taken without an answer."""
        self.api.faults({"drop": True, "accept": True})
        return self.send_together(texts(count, "lost"))

    def post_elsewhere(self, count):
        """Somebody else uses the API, too."""
        connection = http.client.HTTPConnection(self.api.host)
        for start in range(0, count, 100):
            items = [{"from": "Other", "to": "+34700000000", "text": "x",
                      "clientId": "other-%d" % (start + i)} for i in range(min(100, count - start))]
            connection.request("POST", "/transactional/v1/sms/bulk", json.dumps(items),
                               {"Authorization": "Bearer " + TOKEN})
            connection.getresponse().read()
        connection.close()

    def pages(self, record):
        return [request["query"] for request in record.histories()]

    def test_found_on_a_later_page(self):
        self.start({"relay.settle_delay": "300ms"})
        ids = self.lose(3)
        self.await_states(ids, "deferred")
        self.post_elsewhere(250)
        self.assertRelayed(ids)
        record = self.finish()
        self.assertEqual(len(record.histories()), 3)
        self.assertRegex(self.pages(record)[2], r"\bpage=3\b")
        self.assertEqual(len(record.messages), 253)
        self.assertEqual([c for c in record.posts() if c[1] == 3], [("bulk", 3, 0)])

    def test_absent_to_the_end(self):
        self.start({"relay.settle_delay": "300ms"})
        self.api.faults({"drop": True})
        ids = self.send("x")
        self.await_states(ids, "deferred")
        self.post_elsewhere(150)
        self.assertRelayed(ids)
        record = self.finish()
        self.assertEqual(len(record.messages), 151)
        # Several pages are read once more before it is sent again.
        self.assertLessEqual(len(record.histories()), 6)

    def test_it_ends_at_what_was_known_before(self):
        self.start()
        self.assertRelayed(self.send_together(texts(100)) + self.send_together(texts(100, "b")) +
                           self.send_together(texts(100, "c")))
        self.api.faults({"drop": True})
        ids = self.send("x")
        self.assertRelayed(ids)
        record = self.finish()
        self.assertEqual(len(record.histories()), 1)
        self.assertEqual(len(record.messages), 301)

    def test_history_pages_bounds_it(self):
        for resends, state, posts in ((0, "unresolved", 1), (1, "relayed", 2)):
            with self.subTest(resends):
                self.start({"relay.settle_delay": "300ms", "relay.history_pages": 2,
                            "relay.ambiguous_resends": resends})
                ids = self.lose()
                self.await_states(ids, "deferred")
                self.post_elsewhere(250)
                status, = self.await_states(ids, "unresolved", "relayed")
                self.assertEqual(status["state"], state)
                record = self.finish()
                self.assertEqual(len(record.histories()), 2)
                self.assertEqual(len(record.of_kind("single")), posts)

    def test_pages_that_shift(self):
        """Messages arrive between two pages: entries repeat, none is missed."""
        self.start({"relay.settle_delay": "300ms"})
        self.api.faults({"on": "history", "skip": 1, "status": 503})
        ids = self.lose(3)
        self.await_states(ids, "deferred")
        self.post_elsewhere(150)
        self.daemon.wait_log("history_failed")
        self.post_elsewhere(40)
        self.assertRelayed(ids)
        record = self.finish()
        self.assertEqual([c for c in record.posts() if c[1] == 3], [("bulk", 3, 0)])

    def test_a_history_that_is_not_paged(self):
        self.start()
        self.api.settings(history_paging=False)
        ids = self.lose(3)
        self.assertRelayed(ids)
        self.api.faults({"on": "single", "drop": True})
        more = self.send("absent")
        self.assertRelayed(more)
        record = self.finish()
        self.assertOnce(record, ids + more)

    def test_what_is_known_to_be_there_is_not_shown(self):
        """A history that hides a message that was answered for proves nothing by its silence."""
        self.start({"relay.settle_delay": "300ms", "relay.ambiguous_resends": 0})
        self.api.settings(history_paging=False)
        self.assertRelayed(self.send("known"))
        self.api.faults({"drop": True})
        ids = self.send("x", first=1)
        self.await_states(ids, "deferred")
        self.post_elsewhere(150)
        self.await_states(ids, "unresolved")
        self.assertEqual(len(self.finish().of_kind("single")), 2)

    def test_one_scan_for_many_requests(self):
        self.start({"relay.bulk_max": 5})
        self.api.settings(rate_headers=False)
        warm = self.send_together(texts(5, "warm"), first=900)
        self.assertRelayed(warm)
        self.api.settings(latency_ms=30)
        self.api.faults({"on": "bulk", "drop": True, "accept": True, "count": 2},
                        {"on": "bulk", "drop": True, "count": 2})
        ids = self.send_together(texts(40))
        self.assertRelayed(ids)
        record = self.finish()
        self.assertOnce(record, warm + ids)
        self.assertLessEqual(len(record.histories()), 2)

    def test_trouble_that_passes(self):
        for fault in ({"status": 500}, {"status": 503}, {"drop": True}, {"status": 429, "body": ""},
                      {"truncate": 10}, {"status": 502, **PAGE}, {"status": 302, **PAGE}):
            with self.subTest(fault):
                self.start()
                self.api.faults(dict(fault, on="history", count=3, no_rate_headers=True))
                ids = self.lose(2)
                self.assertRelayed(ids)
                record = self.finish()
                self.assertEqual(record.posts(), [("bulk", 2, 0)])
                self.assertEqual(len(record.histories()), 4)
                self.assertOnce(record, ids)

    def test_unreadable_twice(self):
        self.start()
        self.api.faults({"on": "history", "status": 200, "count": 2, **PAGE})
        ids = self.lose(2)
        self.assertRelayed(ids)
        record = self.finish()
        self.assertEqual(record.posts(), [("bulk", 2, 0)])
        self.assertOnce(record, ids)

    def test_others_go_on_meanwhile(self):
        self.start({"relay.settle_delay": "1h"})
        ids = self.lose(2)
        self.await_states(ids, "deferred")
        others = self.send("other", first=10)
        self.assertRelayed(others)
        self.assertEqual(self.c.queue()["deferred"], "2")
        self.await_states(ids, "deferred")
        record = self.finish()
        self.assertEqual(record.calls(), [("bulk", 2, 0), ("single", 1, 201)])


class CannotTell(AmbiguousTest):
    """Where the history names no clientId, relay.ambiguous_resends decides."""

    def lost(self, resends):
        self.start({"relay.ambiguous_resends": resends})
        warm = self.send("warm", first=900)
        self.assertRelayed(warm)
        self.api.settings(history_client_id=False)
        self.api.faults({"on": "bulk", "drop": True, "accept": True})
        return self.send_together(texts(3)), warm

    def test_sent_once_more(self):
        ids, warm = self.lost(1)
        self.await_states(ids, "relayed", "unresolved")
        self.assertEqual([s["state"] for s in self.statuses(ids)], 3 * ["relayed"])
        self.assertEqual(self.c.queue()["relaying"], "yes")
        record = self.finish()
        # It may double then. Once, under the same clientId.
        self.assertEqual(sorted(m["clientId"] for m in record.messages), sorted(warm + 2 * ids))
        self.assertEqual([c for c in record.posts()][1:],
                         [("bulk", 3, 0), ("single", 1, 201), ("bulk", 2, 201)])

    def test_not_sent_again(self):
        ids, warm = self.lost(0)
        statuses = self.await_states(ids, "unresolved", "relayed")
        for status in statuses:
            self.assertEqual(status["state"], "unresolved", status)
            self.assertIn("history", status["reason"])
        self.assertEqual(self.c.queue()["unresolved"], "3")
        others = self.send("other", first=10)  # the destination is fine
        self.assertRelayed(others)
        record = self.finish()
        self.assertOnce(record, warm + ids + others)
        self.assertEqual(len(record.of_kind("bulk")), 1)
        self.assertGreaterEqual(len(record.histories()), 1)

    def held(self):
        self.start({"relay.ambiguous_resends": 0})
        self.api.settings(history_client_id=False)
        self.api.faults({"drop": True, "accept": True})
        ids = self.send_together(texts(2))
        self.await_states(ids, "unresolved")
        return ids

    def test_the_operator_sends_again(self):
        ids = self.held()
        self.assertReply(self.c.ask("RETRY " + ids[1]), "250")
        status, = self.await_states(ids[1:], "relayed")
        self.assertEqual(status["attempts"], "2")
        self.await_states(ids[:1], "unresolved")
        self.assertReply(self.c.ask("RETRY " + ids[1]), "550")  # once is enough
        record = self.finish()
        self.assertEqual(record.posts(), [("bulk", 2, 0), ("single", 1, 201)])
        self.assertEqual(sorted(record.texts()), ["m0", "m1", "m1"])

    def test_the_operator_gives_it_up(self):
        ids = self.held()
        self.assertReply(self.c.ask("CANCEL " + ids[0]), "250")
        self.await_states(ids[:1], "canceled")
        self.assertReply(self.c.ask("RETRY " + ids[0]), "550")
        self.assertEqual(self.c.queue()["unresolved"], "1")
        self.assertEqual(self.finish().posts(), [("bulk", 2, 0)])

    def test_flush_does_not_send_it(self):
        ids = self.held()
        self.c.ask("FLUSH")
        others = self.send("other", first=10)
        self.assertRelayed(others)
        self.await_states(ids, "unresolved")
        self.assertEqual(self.finish().posts(), [("bulk", 2, 0), ("single", 1, 201)])


class Duplicates(AmbiguousTest):
    """What a clientId that was used before is answered, when history could not tell."""

    def assert_settled(self, style, count, taken):
        self.start()
        self.api.settings(history_client_id=False, duplicate_client_id=style)
        self.api.faults({"drop": True, "accept": True})
        ids = self.send_together(texts(count))
        statuses = self.await_states(ids, "relayed", "rejected", "unresolved")
        self.assertEqual({s["state"] for s in statuses}, {"relayed"}, statuses)
        self.assertEqual({s["attempts"] for s in statuses}, {"2"})
        self.assertEqual(self.c.queue()["relaying"], "yes")
        record = self.finish()
        self.assertEqual(len(record.messages), taken)
        self.assertEqual(sum(c[1] for c in record.posts()), 2 * count)

    def test_an_error_says_that_it_is_there(self):
        for count in (1, 5):
            for words in ("object", "list", "string"):
                with self.subTest(count=count, errors_as=words):
                    self.first_settings["errors_as"] = words
                    self.addCleanup(self.first_settings.update, errors_as="object")
                    self.assert_settled("error", count, count)

    def test_the_same_id(self):
        for count in (1, 5):
            with self.subTest(count):
                self.assert_settled("same", count, count)

    def test_a_new_message(self):
        for count in (1, 5):
            with self.subTest(count):
                self.assert_settled("new", count, 2 * count)


class Three(AmbiguousTest):
    """A batch that ended ambiguous three times is split: one message does not hold up the rest."""

    def test_one_message_that_is_never_answered(self):
        self.start()
        self.api.faults({"containing": "poison", "drop": True, "count": -1})
        words = texts(5) + ["poison"] + texts(4, "n")
        ids = self.send_together(words)
        good = ids[:5] + ids[6:]
        self.assertRelayed(good)
        self.await_states(ids[5:6], "deferred", "queued", "sending")
        self.api.forget_faults()
        self.assertRelayed(ids)
        record = self.finish()
        self.assertOnce(record, ids)
        lost = [c[1] for c in record.posts() if c[2] == 0]
        self.assertEqual(lost[0], 10)
        self.assertIn(1, lost)
        # Three as a whole (less the probes that went through), then halves.
        whole = [count for count in lost if count > 5]
        self.assertLessEqual(len(whole), 3)
        self.assertLessEqual(max(lost[3:]), 5)
        self.assertGreaterEqual(len(self.daemon.log("batch_split")), 1)

    def test_the_first_message_is_never_answered(self):
        self.start()
        self.api.faults({"containing": "poison", "drop": True, "count": -1})
        ids = self.send_together(["poison"] + texts(9))
        self.assertRelayed(ids[1:])
        self.api.forget_faults()
        self.assertRelayed(ids)
        self.assertOnce(self.finish(), ids)

    def test_taken_in_the_end(self):
        """Ambiguous twice, found the second time."""
        self.start()
        self.api.faults({"on": "single", "drop": True},
                        {"on": "single", "drop": True, "accept": True})
        ids = self.send("x")
        self.assertRelayed(ids)
        record = self.finish()
        self.assertEqual(record.calls(), [("single", 1, 0), ("history", 0, 200), ("single", 1, 0),
                                          ("history", 0, 200)])
        self.assertOnce(record, ids)


class Expiry(AmbiguousTest):
    """A TTL that passes."""

    def test_while_ambiguous(self):
        """Nobody has asked yet: it is not given up."""
        self.start({"relay.settle_delay": "2s"})
        self.api.faults({"drop": True, "accept": True})
        ids = self.send_together(texts(2), options="TTL=1")
        self.await_states(ids, "deferred")
        self.assertRelayed(ids)
        self.assertEqual(self.finish().calls(), [("bulk", 2, 0), ("history", 0, 200)])

    def test_while_known_to_be_unsent(self):
        self.start({"relay.retry_min": "1h", "relay.retry_max": "1h"})
        self.api.faults({"status": 402, "count": -1})
        ids = self.send_together(texts(2), options="TTL=1")
        self.await_states(ids, "expired")
        self.api.forget_faults()
        self.c.ask("FLUSH")
        others = self.send("other", first=10)
        self.assertRelayed(others)
        record = self.finish()
        self.assertEqual(record.posts()[0], ("bulk", 2, 402))
        self.assertOnce(record, others)

    def test_after_it_was_found_absent(self):
        """Looked up, not there: then it is known to be unsent again."""
        self.start()
        self.api.faults({"drop": True}, {"status": 402, "count": -1, "on": "single"})
        ids = self.send("x", options="TTL=1")
        status, = self.await_states(ids, "expired", "unresolved", "relayed")
        self.assertEqual(status["state"], "expired")
        self.assertOnce(self.finish(), [])

    def test_before_it_was_tried(self):
        self.start()
        self.c.ask("HOLD")
        ids = self.send(texts(2), options="TTL=1")
        self.await_states(ids, "expired")
        self.c.ask("RELEASE")
        others = self.send("other", first=10)
        self.assertRelayed(others)
        self.assertEqual(self.finish().calls(), [("single", 1, 201)])


class Waiting(AmbiguousTest):
    """What can be done with a message whose fate is not known yet."""

    def test_cancel_tells_that_it_may_be_there(self):
        self.start({"relay.settle_delay": "1h"})
        self.api.faults({"drop": True, "accept": True})
        ids = self.send("x")
        self.await_states(ids, "deferred")
        self.assertReply(self.c.ask("CANCEL " + ids[0]), "250")
        status, = self.await_states(ids, "canceled")
        self.assertTrue(status.get("reason"), status)
        self.assertEqual(self.finish().calls(), [("single", 1, 0)])

    def test_flush_does_not_send_it_again(self):
        self.start({"relay.settle_delay": "1h"})
        self.api.faults({"drop": True, "accept": True})
        ids = self.send("x")
        self.await_states(ids, "deferred")
        self.c.ask("FLUSH")
        others = self.send("other", first=10)
        self.assertRelayed(others)
        self.await_states(ids, "deferred")
        self.assertEqual(self.finish().calls(), [("single", 1, 0), ("single", 1, 201)])

    def test_ack_relayed_comes_with_the_truth(self):
        self.start()
        self.api.faults({"drop": True, "accept": True})
        reply = self.c.ask("SEND ACK=relayed +34600000000 x")
        self.assertReply(reply, "250")
        self.assertIn("state=relayed", reply[0])
        record = self.finish()
        self.assertIn("api=" + record.messages[0]["id"], reply[0])
        self.assertEqual(record.calls(), [("single", 1, 0), ("history", 0, 200)])

    def test_a_flood_with_losses(self):
        """Every tenth request is lost, half of them after acceptance."""
        self.start({"relay.bulk_max": 10})
        self.api.settings(rate_headers=False)
        faults = []
        for place in range(20):
            faults.append({"on": "bulk", "skip": 4, "drop": True, "accept": place % 2 == 0})
        self.api.faults(*faults)
        ids = self.send_together(texts(1000))
        eventually(lambda: self.api.summary()["messages"] >= 1000, "all of them")
        self.await_states(ids, "relayed")
        record = self.finish()
        self.assertOnce(record, ids)
        self.assertGreaterEqual([c[2] for c in record.posts()].count(0), 10)


if __name__ == "__main__":
    unittest.main()
