"""Never without bound: whatever the API does, it never gets a message more often than
1 + relay.ambiguous_resends times; and only what it says itself counts as an answer.
"""

import collections
import mmap
import os
import shutil
import struct
import subprocess
import tempfile
import time
import unittest

from relaying import QUICK, Record, RelayingTest, eventually
from support import IS_SLOW, TOKEN, Relay

JSON = {"message": "no such luck"}
PAGE = {"content_type": "text/html", "body": "<html>it works</html>"}
HOUR_MS = 3600 * 1000


def texts(count, prefix="m"):
    return ["%s%d" % (prefix, i) for i in range(count)]


class BoundedTest(RelayingTest):
    def restart(self, settings):
        """Another relay, after the first one was ended."""
        self.c.close()
        self.daemon = Relay(dict(QUICK, **settings), sandbox=self.api)
        self.addCleanup(self.give_up, self.daemon)
        self.c = self.daemon.connect()
        self.addCleanup(self.c.close)

    def taken(self):
        """How often the API took each message."""
        return collections.Counter(m["clientId"] for m in self.api.record()["messages"])

    def assertTakenAtMost(self, times, ids):
        taken = self.taken()
        for id in ids:
            self.assertLessEqual(taken[id], times)


class Resends(BoundedTest):
    """The API takes every POST, and every answer is lost; the history does not help."""

    def blind(self):
        yield "no clientId", dict(history_client_id=False)
        yield "too late", dict(history_delay_ms=HOUR_MS)

    def lose_all(self):
        self.api.faults({"on": "single", "drop": True, "accept": True, "count": -1},
                        {"on": "bulk", "drop": True, "accept": True, "count": -1})

    def test_so_many_and_no_more(self):
        for name, history in self.blind():
            for resends in (0, 1, 3):
                for count in (1, 3):
                    with self.subTest(name, resends=resends, count=count):
                        self.start({"relay.ambiguous_resends": resends})
                        self.api.settings(**history)
                        self.lose_all()
                        ids = self.send_together(texts(count))
                        statuses = self.await_states(ids, "unresolved")
                        for status in statuses:
                            self.assertIn("history", status["reason"])
                        self.assertTakenAtMost(1 + resends, ids)
                        self.finish()
                        self.assertTakenAtMost(1 + resends, ids)

    def test_over_restarts(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        settings = {"queue.path": os.path.join(folder, "queue.db"), "api.timeout": "30s"}
        self.start(settings)
        self.api.settings(history_client_id=False)
        self.api.faults({"on": "bulk", "hang_ms": -1, "accept": True, "count": -1},
                        {"on": "single", "hang_ms": -1, "accept": True, "count": -1})
        ids = self.send_together(texts(3))
        for life in range(4):
            with self.subTest(life=life):
                eventually(lambda: self.c.queue()["sending"] != "0" or
                           self.c.queue()["unresolved"] == "3", "a request, or the end of it")
                self.daemon.kill()
                self.restart(settings)
        self.await_states(ids, "unresolved")
        self.assertTakenAtMost(2, ids)
        self.finish()

    def test_the_others_of_its_batch_do_not_pay(self):
        """One message whose answer is always lost, in a batch: the others are proven untaken."""
        self.start()
        self.api.faults({"containing": "poison", "drop": True, "count": -1})
        ids = self.send_together(texts(5) + ["poison"] + texts(4, "n"))
        good = ids[:5] + ids[6:]
        self.assertRelayed(good)
        self.await_states(ids[5:6], "unresolved")
        self.assertOnce(self.finish(), good)

    def test_a_history_that_has_caught_up_is_proof(self):
        """Absent, while something sent later is there: it was not taken, and is sent again."""
        self.start({"relay.ambiguous_resends": 0})
        self.api.faults({"containing": "lost", "drop": True, "count": 3})
        ids = self.send("lost")
        for i in range(3):
            self.await_posts(2 * i + 1)
            self.await_states(ids, "deferred")
            self.assertRelayed(self.send("other%d" % i, first=1 + i))
        self.assertRelayed(ids)
        self.finish()
        self.assertTakenAtMost(1, ids)


class Refused(BoundedTest):
    """What the history's call is refused with says nothing about messages: it is made again."""

    def test_each_status(self):
        for status in (400, 401, 402, 403, 404, 405, 409, 410, 422, 500, 501, 503):
            with self.subTest(status):
                self.start({"relay.ambiguous_resends": 1})
                self.api.faults({"on": "history", "status": status, "body": JSON, "count": 6},
                                {"drop": True, "accept": True})
                ids = self.send_together(texts(3))
                self.assertRelayed(ids)
                record = self.finish()
                self.assertOnce(record, ids)
                self.assertEqual(len(record.of_kind("bulk")), 1)

    def test_unreadable(self):
        self.start()
        self.api.faults({"on": "history", "status": 200, "count": 6, **PAGE},
                        {"drop": True, "accept": True})
        ids = self.send_together(texts(3))
        self.assertRelayed(ids)
        self.assertOnce(self.finish(), ids)

    def test_a_token_that_is_put_right(self):
        self.addCleanup(self.api.settings, token=TOKEN)
        self.start()
        self.api.faults({"drop": True, "accept": True})
        ids = self.send_together(texts(3))
        self.await_states(ids, "deferred")
        self.api.settings(token="an0ther")
        self.daemon.wait_log("history_failed", count=3)
        self.api.settings(token=TOKEN)
        self.assertRelayed(ids)
        self.assertOnce(self.finish(), ids)


class TakenAllTheSame(BoundedTest):
    """The API refuses a request, and has taken it: its history tells."""

    STATUSES = (302, 308, 401, 402, 403, 404, 405, 408, 421, 425, 451)

    def refuse(self, status, **fault):
        self.api.faults({"containing": "clientId", "status": status, "accept": True, "body": JSON,
                         **fault})

    def test_each_status(self):
        for status in self.STATUSES:
            for count in (1, 5):
                with self.subTest(status=status, count=count):
                    self.start()
                    self.refuse(status, count=-1)
                    ids = self.send_together(texts(count))
                    self.await_posts(1)
                    self.c.ask("FLUSH")
                    statuses = self.assertRelayed(ids)
                    self.assertEqual({s["attempts"] for s in statuses}, {"1"})
                    if status not in (302, 308, 401):
                        eventually(lambda: "reason" not in self.c.queue(), "nothing left to find out")
                    self.assertOnce(self.finish(), ids)

    def test_it_is_learnt(self):
        """From the second time on the messages wait for the history, however late that is."""
        self.start({"relay.settle_delay": "500ms", "relay.retry_max": "10ms"})
        self.refuse(404, count=1)
        self.assertRelayed(self.send("a"))
        self.daemon.wait_log("refused_but_taken")
        self.api.settings(history_delay_ms=300)
        self.refuse(404, count=-1)
        ids = self.send_together(texts(3))
        self.await_stop("HTTP 404")
        told, = self.await_states(ids[:1], "deferred")
        self.assertIn("history will show", told["reason"])
        self.api.forget_faults()
        self.c.ask("FLUSH")
        self.assertRelayed(ids)
        self.assertTakenAtMost(1, ids)
        self.finish()

    def test_over_a_restart(self):
        """It is killed before it has looked, and then there is no history for some time."""
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        for status in (401, 404):
            with self.subTest(status=status):
                settings = {"queue.path": os.path.join(folder, "%d.db" % status),
                            "relay.ambiguous_resends": 0}
                self.start(settings)
                self.refuse(status, count=-1, headers={"Retry-After": "60"})
                ids = self.send("a") + self.send("b", first=1)
                self.await_stop("HTTP %d" % status)
                eventually(lambda: self.c.queue()["sending"] == "0", "the answer")
                self.daemon.stop() if status == 404 else self.daemon.kill()
                self.api.forget_faults()
                self.api.faults({"on": "history", "status": 404, "count": 5})
                self.restart(settings)
                self.assertRelayed(ids)
                self.assertOnce(self.finish(), ids)

    def test_it_is_looked_for_below_what_came_after_it(self):
        """The history lists a hundred a page; three hundred stand above it."""
        self.start({"relay.connections": 4})
        self.assertRelayed(self.send_together(texts(2, "warm"), first=900))
        self.api.faults({"on": "bulk", "status": 403, "accept": True, "hang_ms": 400, "body": JSON})
        ids = self.send_together(texts(400))
        self.assertRelayed(ids)
        taken = self.taken()
        self.assertEqual({taken[id] for id in ids}, {1})
        self.assertGreater(len(self.finish().histories()), 1)

    def test_others_do_not_pay(self):
        """One that is refused and was not taken is found out as ever, and the others are sent once."""
        self.start()
        self.api.faults({"status": 403, "containing": "poison", "count": -1, "body": JSON})
        ids = self.send_together(texts(10) + ["poison"] + texts(10, "n"))
        good = ids[:10] + ids[11:]
        self.assertRelayed(good)
        self.assertOnce(self.finish(), good)


class Unreadable(BoundedTest):
    """A 2xx that cannot be read says nothing: after three different messages no more is sent."""

    SHAPES = [PAGE, {"body": ""}, {"body": '{"entities": [{"id": "a'}, {"body": []}, {"body": {}},
              {"body": "null"}, {"body": {"ok": True}}, {"body": "\x1f\x8b\x08\x01\ufffd"}]

    def spoil(self, shape, **fault):
        self.api.faults({"containing": "clientId", "status": 201, "count": -1, **shape, **fault})

    def test_little_is_sent_into_the_dark(self):
        for shape in self.SHAPES:
            with self.subTest(shape):
                self.start({"relay.bulk_max": 10, "relay.settle_delay": "1h"})
                self.spoil(shape, accept=True)
                ids = self.send_together(texts(300))
                reason = self.await_stop("cannot be read")["reason"]
                self.assertIn("HTTP 201", reason)
                self.assertIn(" bytes, ", reason)
                self.assertNotIn("entities\": [{", reason)
                # Batches in flight, and three messages one by one.
                self.assertLessEqual(len(self.api.record()["messages"]), 4 * 10 + 3)
                self.assertTakenAtMost(1, ids)
                self.assertTrue(self.daemon.log("relaying_stopped"))
                self.finish()

    def test_what_cannot_be_decompressed(self):
        self.start({"relay.settle_delay": "1h"})
        self.spoil({"body": "plain", "headers": {"Content-Encoding": "gzip"}})
        for i in range(3):
            self.send("m%d" % i)
            self.daemon.wait_log("request_failed", count=i + 1)
        self.assertIn("0 bytes, the body of the answer cannot be decompressed",
                      self.await_stop("cannot be read")["reason"])
        self.finish()

    def test_it_says_where(self):
        self.start({"relay.settle_delay": "1h"})
        self.spoil({"content_type": "text/html; charset=x", "body": "<b>+34600000000"})
        for i in range(3):
            self.send("m%d" % i)
            self.daemon.wait_log("request_failed", count=i + 1)
        reason = self.await_stop("cannot be read")["reason"]
        self.assertEqual(reason, "the API's answers cannot be read (HTTP 201): text/html; charset=x, "
                         "15 bytes, no JSON from byte 1 on")
        self.finish()

    def test_it_goes_on(self):
        self.start({"relay.bulk_max": 5})
        self.spoil(PAGE, accept=True)
        ids = self.send_together(texts(20))
        self.await_stop("cannot be read")
        self.api.forget_faults()
        self.c.ask("FLUSH")
        self.assertRelayed(ids)
        self.assertEqual(self.c.queue()["relaying"], "yes")
        self.assertOnce(self.finish(), ids)

    def test_one_message_stops_nobody(self):
        self.start()
        self.spoil(PAGE, containing="poison")
        ids = self.send_together(texts(10) + ["poison"] + texts(10, "n"))
        good = ids[:10] + ids[11:]
        self.assertRelayed(good)
        self.await_states(ids[10:11], "deferred", "queued", "sending", "unresolved")
        self.assertOnce(self.finish(), good)


class Replicas(BoundedTest):
    """Pages may come from replicas of unequal age: what lies between them is not shown."""

    def test_what_one_look_misses(self):
        self.start({"relay.settle_delay": "1500ms"})
        self.api.settings(rate_headers=False)
        known = self.send_together(texts(100, "known"), first=500)
        self.assertRelayed(known)
        self.api.faults({"drop": True, "accept": True})
        ids = self.send_together(texts(100))
        self.await_states(ids, "deferred")
        lost_ms = self.api.record()["messages"][-1]["at_ms"]
        eventually(lambda: time.time() * 1000 > lost_ms + 500, "a gap")
        above = self.send_together(texts(90, "above"), first=200)
        self.assertRelayed(above)
        # The second page: as of before they came, so that it begins 90 messages further down.
        self.api.faults({"on": "history", "skip": 1, "stale_ms": 1250})
        self.assertRelayed(ids)
        record = self.finish()
        self.assertOnce(record, known + ids + above)
        self.assertGreater(len(record.histories()), 2)


class Expired(BoundedTest):
    """A time that is over before anyone could look: it is looked up nevertheless."""

    def outcome(self, accept):
        self.start({"relay.settle_delay": "1200ms"})
        self.api.faults({"drop": True, "accept": accept})
        ids = self.send("code", options="TTL=1")
        status, = self.await_states(ids, "relayed", "expired", "unresolved")
        self.finish()
        return status

    def test_taken(self):
        self.assertEqual(self.outcome(True)["state"], "relayed")

    def test_not_taken(self):
        status = self.outcome(False)
        self.assertEqual(status["state"], "expired")
        self.assertIn("history", status["reason"])


class Cancel(BoundedTest):
    def test_of_what_may_have_been_sent(self):
        self.start({"relay.settle_delay": "1h"})
        self.api.faults({"drop": True, "accept": True})
        ids = self.send("x", options="REF=r1")
        self.await_states(ids, "deferred")
        reply = self.c.ask("CANCEL r1")
        self.assertReply(reply, "250")
        self.assertIn("sent=maybe", reply[0])
        self.assertIn("sent=maybe", self.c.ask("STATUS r1")[0])
        again = self.c.ask("SEND REF=r1 +34600000000 x")
        self.assertIn("duplicate=yes", again[0])
        self.finish()

    def test_of_what_was_not_sent(self):
        self.start()
        self.c.ask("HOLD")
        self.send("x", options="REF=r1")
        self.assertNotIn("sent=", self.c.ask("CANCEL r1")[0])
        self.assertNotIn("duplicate", self.c.ask("SEND REF=r1 +34600000000 x")[0])
        self.finish()


@unittest.skipIf(IS_SLOW, "sanitizers and valgrind have a malloc of their own")
class OutOfMemory(BoundedTest):
    """An allocation that fails on our side is no answer of the API's: each in turn is made to fail,
    from the moment the answer comes until all is settled.
    """

    settings = {"relay.settle_delay": "20ms", "relay.retry_min": "1ms", "relay.retry_max": "5ms",
                "relay.ambiguous_resends": 5}
    BATCH = 5

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.library = os.path.join(cls.folder, "failing_malloc.so")
        source = os.path.join(os.path.dirname(__file__), "../support/failing_malloc.c")
        subprocess.run(["gcc", "-O1", "-D_GNU_SOURCE", "-shared", "-fPIC", "-pthread", "-o", cls.library, source],
                       check=True)

    def setUp(self):
        path = os.path.join(self.folder, "control")
        with open(path, "wb") as file:
            file.write(bytes(8))
        with open(path, "r+b") as file:
            self.control = mmap.mmap(file.fileno(), 8)
        self.start(env={"LD_PRELOAD": self.library, "FAILING_MALLOC": path})
        self.api.settings(limit=1000000)

    def fail_allocation(self, number):
        self.control[:] = struct.pack("II", number, 0)

    def was_reached(self):
        left, failed = struct.unpack("II", self.control[:])
        return left == 0 and failed == 1

    def each_allocation(self, lose):
        """Rounds of messages that `lose` sends; in each, one allocation more is left to succeed. The
        API answers after a time, so that the failure is there first; if it was not, once more.
        """
        number, hang_ms = 0, 20
        while number == 0 or self.was_reached() or hang_ms == 20:
            hang_ms = 20 if number == 0 or self.was_reached() else 300
            number += hang_ms == 20
            self.fail_allocation(0)
            self.api.call("DELETE", "/sandbox/record")
            ids = lose(number, hang_ms)
            statuses = self.await_states(ids, "relayed", "rejected", "unresolved")
            self.assertEqual({status["state"] for status in statuses}, {"relayed"}, number)
            self.assertOnce(Record(self.api.record()), ids)
        print("# allocations: %s: %d" % (self.id(), number - 1), flush=True)
        self.assertGreater(number, 10)
        self.finish()

    def test_answer(self):
        def answered(number, hang_ms):
            self.api.faults({"hang_ms": hang_ms})
            ids = self.send_together(texts(self.BATCH, "r%d-" % number))
            self.await_posts(1)
            self.fail_allocation(number)
            return ids
        self.each_allocation(answered)

    def test_history(self):
        def lost(number, hang_ms):
            self.api.faults({"drop": True, "accept": True}, {"on": "history", "hang_ms": hang_ms})
            ids = self.send_together(texts(self.BATCH, "r%d-" % number))
            eventually(lambda: self.api.summary()["requests"]["history"] > 0, "the scan")
            self.fail_allocation(number)
            return ids
        self.each_allocation(lost)

    def test_used_client_id(self):
        """A refusal says that the message is there already."""
        self.api.settings(history_client_id=False, duplicate_client_id="error")

        def repeated(number, hang_ms):
            self.api.faults({"drop": True, "accept": True}, {"on": "single", "hang_ms": hang_ms})
            ids = self.send("r%d" % number)
            self.await_posts(2)
            self.fail_allocation(number)
            return ids
        self.each_allocation(repeated)


if __name__ == "__main__":
    unittest.main()
