"""Pacing: the API's rate windows are never overrun, whatever the API tells of them."""

import http.client
import json
import time
import unittest

from relaying import NUMBER, QUICK, Record, RelayingTest, eventually
from support import TOKEN, Relay

BATCH = 5  # relay.bulk_max of most tests


def texts(count, prefix="m"):
    return ["%s%d" % (prefix, i) for i in range(count)]


class PacingTest(RelayingTest):
    def assert_never_over(self, record):
        self.assertEqual([r for r in record.requests if r["over_limit"] or r["status"] == 429], [])

    def at_ms(self, record, kind=None):
        return [r["at_ms"] for r in (record.of_kind(kind) if kind else record.requests)]


class FivePerTwoSeconds(PacingTest):
    """Not one request over the limit when the limit is 5 in 2 s."""

    def assert_all_within(self, count, settings=None, first=None, **api):
        self.start(settings)
        self.api.settings(**dict({"limit": 5, "window_ms": 2000}, **api))
        ids = self.send_together(texts(count))
        if first:
            ids += self.send(texts(first, "late"), first=count)
        self.assertRelayed(ids)
        record = self.finish()
        self.assert_never_over(record)
        self.assertOnce(record, ids)
        return record

    def test_singles(self):
        record = self.assert_all_within(12, {"relay.bulk_max": 1})
        self.assertEqual(record.calls(), 12 * [("single", 1, 201)])
        at = self.at_ms(record)
        # All of a window's requests are used.
        self.assertLess(at[4] - at[0], 500)
        self.assertLess(at[9] - at[5], 500)

    def test_bulks(self):
        record = self.assert_all_within(12 * BATCH, {"relay.bulk_max": BATCH})
        self.assertEqual(record.calls(), 12 * [("bulk", BATCH, 201)])

    def test_singles_and_slow_answers(self):
        self.assert_all_within(12, {"relay.bulk_max": 1}, latency_ms=100)

    def test_several_connections_to_a_tiny_window(self):
        self.assert_all_within(4, {"relay.bulk_max": 1, "relay.connections": 64}, limit=1,
                               window_ms=500)


class Tellings(PacingTest):
    """However the API tells the time of the reset."""

    def assert_within(self, seconds, count=8, **api):
        self.start({"relay.bulk_max": 1})
        self.api.settings(**dict({"limit": 4, "window_ms": 1000}, **api))
        began = time.monotonic()
        ids = self.send_together(texts(count))
        self.assertRelayed(ids)
        took = time.monotonic() - began
        record = self.finish()
        self.assert_never_over(record)
        self.assertOnce(record, ids)
        self.assertLess(took, seconds)

    def test_a_clock_that_is_ahead(self):
        self.assert_within(10, date_offset_s=30)

    def test_a_clock_that_is_behind(self):
        self.assert_within(10, date_offset_s=-30)

    def test_seconds_from_now(self):
        self.assert_within(10, reset_style="seconds")

    def test_no_headers_no_limit(self):
        self.start({"relay.bulk_max": 1})
        self.api.settings(limit=1000000, rate_headers=False)
        ids = self.send_together(texts(500))
        self.assertRelayed(ids)
        record = self.finish()
        self.assertOnce(record, ids)
        at = self.at_ms(record)
        self.assertLess(at[-1] - at[0], 10000)

    def test_headers_that_make_no_sense(self):
        for rate in ({"limit": "many", "remaining": "some", "reset": "soon"},
                     {"limit": None}, {"remaining": None}, {"reset": None},
                     {"limit": -1, "remaining": -1, "reset": -1},
                     {"limit": 100, "remaining": "99999999999999999999", "reset": 0}):
            with self.subTest(rate):
                self.start({"relay.bulk_max": 1})
                self.api.faults({"rate": rate, "count": -1})
                ids = self.send_together(texts(10))
                self.assertRelayed(ids)
                self.assertOnce(self.finish(), ids)


class TwelveHundred(PacingTest):
    def test_a_flood_of_singles_does_not_meet_the_limit(self):
        """One more than the window holds stays behind; nothing is refused."""
        self.start({"relay.bulk_max": 1, "log.level": "info"})
        self.api.settings(limit=1200)
        ids = self.send_together(texts(1210))
        eventually(lambda: self.api.summary()["messages"] == 1200, "a full window")
        self.await_states(ids[:1200], "relayed")
        self.await_states(ids[1200:], "queued")
        record = self.finish()
        self.assertEqual(len(record.requests), 1200)
        self.assert_never_over(record)


class Exhausted(PacingTest):
    """Remaining 0: nothing on that endpoint until the reset."""

    def use_up(self, on, seconds=2):
        """From the next answer on `on`, its window is empty."""
        self.reset_s = int(time.time()) + seconds
        self.api.faults({"on": on, "rate": {"limit": 100, "remaining": 0, "reset": self.reset_s}})

    def test_bulk(self):
        self.start()
        self.use_up("bulk")
        first = self.send_together(texts(3))
        self.assertRelayed(first)
        second = self.send_together(texts(3, "n"), first=3)
        self.assertRelayed(second)
        record = self.finish()
        self.assertEqual(record.calls(), 2 * [("bulk", 3, 201)])
        self.assertGreaterEqual(record.requests[1]["at_ms"], self.reset_s * 1000)
        self.assertLess(record.requests[1]["at_ms"], self.reset_s * 1000 + 2500)

    def test_the_other_endpoint_goes_on(self):
        self.start()
        self.use_up("bulk", 3600)
        self.assertRelayed(self.send_together(texts(3)))
        for i in range(3):
            self.assertRelayed(self.send("lone%d" % i, first=10 + i))
        ids = self.send_together(texts(3, "n"), first=20)
        self.await_states(ids, "queued")
        self.assertEqual(self.finish().calls(), [("bulk", 3, 201)] + 3 * [("single", 1, 201)])

    def test_high_uses_the_other_endpoint(self):
        self.start()
        self.use_up("bulk", 3600)
        self.assertRelayed(self.send_together(texts(3)))
        ids = self.send_together(texts(3, "normal"), first=20)
        high = self.send_together(texts(3, "high"), options="PRIORITY=high", first=30)
        self.assertRelayed(high)
        self.await_states(ids, "queued")
        record = self.finish()
        self.assertEqual(record.calls(), [("bulk", 3, 201)] + 3 * [("single", 1, 201)])
        self.assertEqual(record.texts()[3:], texts(3, "high"))

    def test_high_uses_a_bulk_for_one(self):
        self.start()
        self.use_up("single", 3600)
        self.assertRelayed(self.send("first"))
        normal = self.send("normal", first=1)
        high = self.send("high", options="PRIORITY=high", first=2)
        self.assertRelayed(high)
        statuses = self.statuses(normal)
        record = self.finish()
        self.assertEqual(record.calls()[0], ("single", 1, 201))
        self.assertEqual([c[0] for c in record.calls()[1:]], ["bulk"])
        self.assertIn(statuses[0]["state"], ("queued", "relayed"))

    def test_a_lone_normal_message_waits(self):
        self.start()
        self.use_up("single")
        self.assertRelayed(self.send("first"))
        self.assertRelayed(self.send("second", first=1))
        record = self.finish()
        self.assertEqual(record.calls(), 2 * [("single", 1, 201)])
        self.assertGreaterEqual(record.requests[1]["at_ms"], self.reset_s * 1000)


class Unknown(PacingTest):
    """One request at a time until the window is known."""

    def test_the_first_goes_alone(self):
        self.start({"relay.bulk_max": BATCH, "relay.connections": 4})
        self.api.settings(latency_ms=100)
        ids = self.send_together(texts(9 * BATCH))
        self.assertRelayed(ids)
        record = self.finish()
        self.assertOnce(record, ids)
        at = self.at_ms(record)
        self.assertEqual(len(at), 9)
        self.assertGreaterEqual(at[1] - at[0], 99)
        self.assertLess(at[4] - at[1], 99)  # then four at a time

    def test_each_endpoint_learns_for_itself(self):
        self.start({"relay.bulk_max": BATCH})
        self.assertRelayed(self.send("single", first=900))
        self.api.settings(latency_ms=100)
        self.assertRelayed(self.send_together(texts(5 * BATCH)))
        at = self.at_ms(self.finish(), "bulk")
        self.assertGreaterEqual(at[1] - at[0], 99)
        self.assertLess(at[4] - at[1], 99)

    def test_requests_under_way_count(self):
        """Two are left: of four full batches two go, however many connections are idle."""
        self.start({"relay.bulk_max": BATCH, "relay.connections": 4})
        self.api.settings(limit=3, window_ms=1500)
        warm = self.send_together(texts(BATCH, "warm"), first=900)
        self.assertRelayed(warm)
        self.api.settings(latency_ms=150)
        ids = self.send_together(texts(4 * BATCH))
        self.assertRelayed(ids)
        record = self.finish()
        self.assert_never_over(record)
        self.assertOnce(record, warm + ids)
        at = self.at_ms(record)
        self.assertLess(at[2] - at[1], 100)
        self.assertGreaterEqual(at[3] - at[0], 1400)


class Spacing(PacingTest):
    """Partial batches keep (reset - now) / remaining apart: full ones find the window open."""

    def begin(self, remaining, seconds):
        """The next lone message learns that so many requests are left for so many seconds."""
        self.start()
        self.reset_s = int(time.time()) + seconds
        self.api.faults({"on": "single", "count": -1,
                         "rate": {"limit": 100, "remaining": remaining, "reset": self.reset_s}})
        ids = self.send("first")
        self.assertRelayed(ids)
        return ids

    def test_partial_ones_are_apart(self):
        self.begin(3, 4)
        for i in range(2):
            self.assertRelayed(self.send("m%d" % i, first=i + 1))
        at = self.at_ms(self.finish())
        for earlier, later in zip(at, at[1:]):
            # (reset - now) / 3 >= now - earlier: a quarter of what was left at first.
            left_ms = self.reset_s * 1000 - earlier
            self.assertGreaterEqual(later - earlier, left_ms / 4 - 20)
            self.assertLess(later - earlier, left_ms / 4 + 1000)

    def test_high_is_exempt(self):
        self.begin(3, 3600)
        normal = self.send("normal", first=1)
        high = self.send("high", options="PRIORITY=high", first=2)
        self.assertRelayed(high)
        self.assertIn(self.statuses(normal)[0]["state"], ("queued", "relayed"))
        at = self.at_ms(self.finish())
        self.assertLess(at[1] - at[0], 5000)

    def test_full_ones_are_exempt(self):
        self.start({"relay.bulk_max": BATCH})
        self.api.faults({"on": "bulk", "rate": {"limit": 100, "remaining": 50,
                                                "reset": int(time.time()) + 3000}})
        self.assertRelayed(self.send_together(texts(2)))  # partial
        ids = self.send_together(texts(10 * BATCH), first=10)
        self.assertRelayed(ids)
        at = self.at_ms(self.finish())
        self.assertEqual(len(at), 11)
        self.assertLess(at[-1] - at[0], 5000)

    def test_a_trickle_leaves_room_for_high(self):
        """Lone messages, one after the other, do not use up what others will need."""
        self.start()
        self.api.settings(limit=20, window_ms=3000)
        ids = []
        for i in range(8):
            ids += self.send("m%d" % i, first=i)
            self.assertRelayed(ids[-1:])
        high = [self.send("h%d" % i, options="PRIORITY=high", first=50 + i)[0] for i in range(4)]
        self.assertRelayed(high)
        record = self.finish()
        self.assert_never_over(record)
        self.assertOnce(record, ids + high)
        at = self.at_ms(record)
        for earlier, later in zip(at[:8], at[1:8]):
            self.assertGreaterEqual(later - earlier, 100)


class Edges(PacingTest):
    """At the end of a window: Reset has lost its fraction, and a 429 may name neither limit nor reset."""

    def test_no_429_at_the_end_of_a_window(self):
        """Whatever the fraction at which it opens."""
        self.start({"relay.bulk_max": 1})
        self.api.settings(limit=2, window_ms=1250)
        ids = self.send_together(texts(12))
        self.assertRelayed(ids)
        record = self.finish()
        self.assert_never_over(record)
        self.assertOnce(record, ids)

    def test_a_429_that_tells_nothing(self):
        self.start()
        self.api.faults({"status": 429, "body": "", "count": 2,
                         "rate": {"limit": "", "remaining": "", "reset": ""}})
        ids = self.send_together(texts(5))
        self.assertRelayed(ids)
        record = self.finish()
        self.assertOnce(record, ids)
        self.assertEqual([call[2] for call in record.calls()], [429, 429, 201])


class OneWindow(PacingTest):
    """POST /sms and POST /sms/bulk are counted together."""

    def test_no_campaign_is_in_the_way_of_a_code(self):
        self.start({"relay.bulk_max": BATCH})
        self.api.settings(limit=20, window_ms=4000, shared_window=True)
        campaign = self.send_together(texts(60 * BATCH), first=1000)
        codes = []
        for i in range(10):
            code = self.send("code%d" % i, options="PRIORITY=high", first=i)
            self.assertRelayed(code)
            codes += code
        self.assertRelayed(campaign)
        record = self.finish()
        self.assert_never_over(record)
        self.assertOnce(record, campaign + codes)
        late = sorted(message["at_ms"] - int(self.submitted_ms(message["clientId"]))
                      for message in record.messages if message["text"].startswith("code"))
        self.assertLess(late[-1], 2500, late)

    def submitted_ms(self, id):
        """A ULID begins with its time."""
        digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
        number = 0
        for letter in id[:10]:
            number = number * 32 + digits.index(letter)
        return number


class Shared(PacingTest):
    """Somebody else uses the same windows."""

    def test_a_429_for_another_is_seen_in_the_counts(self):
        self.start({"relay.bulk_max": 1})
        self.api.settings(limit=10, window_ms=1500)
        self.assertRelayed(self.send("first"))
        connection = http.client.HTTPConnection(self.api.host)
        for _ in range(8):
            connection.request("POST", "/transactional/v1/sms", "{}",
                               {"Authorization": "Bearer " + TOKEN})
            connection.getresponse().read()
        connection.close()
        ids = self.send_together(texts(5), first=10)
        self.assertRelayed(ids)
        record = self.finish()
        # At most what was begun before the first answer told of it was refused; all arrive, once.
        self.assertEqual(len(record.messages), 6)
        self.assertLessEqual(sum(r["over_limit"] for r in record.requests), 4)


class Peers(PacingTest):
    """Relays that share one account, and so its window."""
    LIMIT = 200
    WINDOW_MS = 1000
    RELAYS = 3

    def start_one(self, first):
        """A relay with more messages than it may send in two windows."""
        count = 2 * self.LIMIT
        relay = Relay(dict(QUICK, **{"relay.peers": self.RELAYS, "relay.bulk_max": 1}),
                      sandbox=self.api)
        self.addCleanup(relay.kill)
        with relay.connect() as client:
            client.send(*["SEND %s m" % (NUMBER % (first + i)) for i in range(count)])
            for reply in client.read_replies(count):
                self.assertReply(reply, "250 2.0.0")
        return relay

    def whole_windows(self, requests):
        windows = [[]]
        for request in requests:
            if windows[-1] and request["at_ms"] >= windows[-1][0]["at_ms"] + self.WINDOW_MS:
                windows.append([])
            windows[-1].append(request)
        return windows[:-1]

    def test_they_use_it_and_no_more(self):
        self.begin_anew()
        self.api.settings(limit=self.LIMIT, window_ms=self.WINDOW_MS, latency_ms=10)
        relays = [self.start_one(i * 1000) for i in range(self.RELAYS)]
        eventually(lambda: self.api.summary()["messages"] > 2 * self.LIMIT, "a third window")
        for relay in relays:
            relay.kill()
        windows = self.whole_windows(Record(self.api.record()).requests)
        self.assertGreaterEqual(len(windows), 2)
        for window in windows:
            over = sum(request["over_limit"] for request in window)
            self.assertLessEqual(over, self.RELAYS)
            self.assertGreaterEqual(len(window) - over, 0.95 * self.LIMIT)


class History(PacingTest):
    """The look-up has a window of its own, which it keeps to as well."""

    def test_pages_wait_for_the_reset(self):
        self.start({"relay.settle_delay": "1s"})
        self.api.settings(limit=2, window_ms=1000)
        self.api.faults({"on": "bulk", "drop": True, "accept": True})
        ids = self.send_together(texts(3))
        self.await_states(ids, "deferred")
        self.api.settings(limit=1000)
        connection = http.client.HTTPConnection(self.api.host)
        for batch in range(4):
            items = [{"from": "Other", "to": "+34700000000", "text": "x",
                      "clientId": "o-%d-%d" % (batch, i)} for i in range(100)]
            connection.request("POST", "/transactional/v1/sms/bulk", json.dumps(items),
                               {"Authorization": "Bearer " + TOKEN})
            connection.getresponse().read()
        connection.close()
        self.api.settings(limit=2)
        self.assertRelayed(ids)
        record = self.finish()
        self.assertEqual(len(record.histories()), 5)
        self.assertEqual([r for r in record.histories() if r["status"] != 200], [])
        self.assertEqual([c for c in record.posts() if c[1] == 3], [("bulk", 3, 0)])


if __name__ == "__main__":
    unittest.main()
