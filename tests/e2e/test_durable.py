"""The queue on disk: what a restart finds, after an orderly stop and after SIGKILL; how it asks the
API before it sends any of that; and the file itself.
"""

import os
import shutil
import signal
import sqlite3
import stat
import tempfile
import time
import unittest

from relaying import NAMELESS, NUMBER, QUICK, REFUSED, Record, RelayingTest, eventually
from support import IS_SLOW, OK, TO, Relay, parse_reply, run

OTHER = 61001  # a user of this machine

CANTCREAT = 73  # sysexits.h
NEVER = {"on": "history", "status": 503, "count": -1}  # the history: later, again and again
NOWHERE = "http://127.0.0.1:1/"  # nobody listens on port 1
UNFINISHED = ("queued", "sending", "deferred", "scheduled", "unresolved")


def texts(count, prefix="m"):
    return ["%s%d" % (prefix, i) for i in range(count)]


def lasting(status):
    """The parts of a STATUS that a restart must not change."""
    return {name: status.get(name) for name in
            ("id", "to", "from", "parts", "submitted", "ref", "attempts", "api")}


class DurableTest(RelayingTest):
    """As RelayingTest, with a store that outlives relays."""

    env = {}

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "queue.db")

    def start(self, settings=None, **options):
        chosen = dict({"queue.path": self.path}, **(settings or {}))
        return super().start(chosen, env=dict(self.env), **options)

    def go_on(self, settings=None, **options):
        """Starts the next relay on the same store, with the same API."""
        chosen = dict(QUICK, **self.settings, **{"queue.path": self.path})
        chosen.update(settings or {})
        options.setdefault("sandbox", self.api)
        self.daemon = Relay(chosen, env=dict(self.env), **options)
        self.addCleanup(self.give_up, self.daemon)
        self.c = self.daemon.connect()
        self.addCleanup(self.c.close)
        return self.c

    def kill(self):
        self.daemon.kill()
        self.c.close()

    def stop(self):
        self.c.close()
        self.daemon.stop()

    def after_each_end(self, begin, check):
        """Runs `begin` with one relay, `check` with the next: after SIGKILL, after SIGTERM."""
        for end in (self.kill, self.stop):
            with self.subTest(end.__name__):
                if os.path.exists(self.path):
                    os.unlink(self.path)
                begin()
                end()
                check()

    def queue_totals(self):
        queue = self.c.queue()
        return {state: int(queue[state]) for state in UNFINISHED}

    def total(self):
        return sum(self.queue_totals().values())

    def listed(self, state, count=10000):
        reply = self.c.ask("QUEUE LIST %s %d" % (state, count))
        return [parse_reply(line) for line in reply if "id=" in line]

    def ids_of(self, state):
        return [status["id"] for status in self.listed(state)]

    def leave_in_flight(self, words="in flight", accept=True, options=""):
        """Leaves a message in flight: the API has the request and does not answer."""
        self.api.faults({"containing": words, "hang_ms": -1, "accept": accept})
        ids = self.send(words, options=options)
        self.await_hanging(words)
        return ids

    def await_hanging(self, words):
        eventually(lambda: any(r["status"] == 0 for r in Record(self.api.record()).requests),
                   "the request with " + words)

    def make_unresolved(self, words="doubt"):
        """With ambiguous_resends=0."""
        self.api.faults({"containing": words, "drop": True}, NAMELESS)
        ids = self.send(words)
        self.await_states(ids, "unresolved")
        return ids

    def hold(self):
        self.assertReply(self.c.ask("HOLD"), "250")

    def release(self):
        self.assertReply(self.c.ask("RELEASE"), "250")


class Restart(DurableTest):
    settings = {"relay.ambiguous_resends": 0, "relay.connections": 1}

    def test_every_unfinished_state(self):
        def begin():
            self.start()
            self.unresolved = self.make_unresolved()
            self.api.faults({"containing": "maybe", "drop": True, "accept": True}, NEVER)
            self.deferred = self.send("maybe")
            self.await_states(self.deferred, "deferred")
            self.hold()
            self.queued = self.send(texts(3), options="FROM=Shop REF=r")
            self.scheduled = self.send("later", options="AT=+1h")
            self.all = self.unresolved + self.deferred + self.queued + self.scheduled
            self.before = self.statuses(self.all)

        def check():
            self.go_on()
            self.assertEqual(self.daemon.log("queue_restored")[0]["messages"], "6")
            after = self.statuses(self.all)
            self.assertEqual([lasting(s) for s in after], [lasting(s) for s in self.before])
            self.assertEqual(self.queue_totals(), dict(queued=0, sending=0, deferred=4, scheduled=1,
                                                       unresolved=1))
            self.assertEqual((after[0]["state"], after[0]["reason"]),
                             ("unresolved", self.before[0]["reason"]))
            self.assertEqual((after[-1]["state"], after[-1]["next"]),
                             ("scheduled", self.before[-1]["next"]))
            self.api.forget_faults()
            self.await_states(self.deferred, "relayed")  # it was there
            self.await_states(self.queued, "queued")     # these were not, and HOLD still holds
            self.assertEqual(self.queue_totals(), dict(queued=3, sending=0, deferred=0, scheduled=1,
                                                       unresolved=1))
            self.release()
            self.assertRelayed(self.queued)
            self.assertOnce(self.finish(), self.deferred + self.queued)

        self.after_each_end(begin, check)

    def test_in_order_and_by_lanes(self):
        def begin():
            self.start()
            self.hold()
            self.send(texts(2, "low"), options="PRIORITY=low")
            self.send(texts(250, "normal"))
            self.send(texts(2, "high"), options="PRIORITY=high")

        def check():
            self.go_on()
            eventually(lambda: self.queue_totals()["queued"] == 254, "254 queued")
            self.release()
            eventually(lambda: self.total() == 0, "an empty queue")
            relayed = self.finish().texts()
            normal = texts(250, "normal")
            self.assertEqual(relayed, texts(2, "high") + normal[:9] + ["low0"] + normal[9:18] +
                             ["low1"] + normal[18:])

        self.after_each_end(begin, check)

    def test_what_is_scheduled_goes_when_it_is_due(self):
        """One falls due before the restart, one after it; neither goes early."""
        self.start()
        began = time.time()
        due = int(began + 3)
        soon = self.send("soon", options="AT=+1s")
        later = self.send("later", options="AT=" + time.strftime("%Y-%m-%dT%H:%M:%SZ",
                                                                 time.gmtime(due)))
        self.kill()
        eventually(lambda: time.time() > began + 1.1, "the time of the first one")
        self.go_on()
        self.await_states(soon + later, "relayed")
        record = self.finish()
        self.assertOnce(record, soon + later)
        at_ms = {message["text"]: message["at_ms"] for message in record.messages}
        self.assertGreaterEqual(at_ms["soon"], (began + 1) * 1000)
        self.assertGreaterEqual(at_ms["later"], due * 1000)

    def test_hold_and_release_last(self):
        """Both last from their 250 on, though SIGKILL comes right after it."""
        self.start()
        self.hold()
        ids = self.send("held")
        self.kill()
        self.go_on()
        self.assertEqual(self.c.queue()["relaying"], "no")
        self.assertIn("operator", self.c.queue()["reason"])
        self.assertEqual(self.daemon.log("queue_restored")[0]["held"], "yes")
        self.release()
        self.kill()
        self.go_on()
        self.assertEqual(self.c.queue()["relaying"], "yes")
        self.assertRelayed(ids)
        self.assertOnce(self.finish(), ids)

    def test_cancel_lasts(self):
        self.start()
        unresolved = self.make_unresolved()
        self.hold()
        ids = unresolved + self.send(texts(3)) + self.send("later", options="AT=+1h")
        ids += self.send("by ref", options="REF=r")
        for name in ids[:-1] + ["r"]:
            self.assertReply(self.c.ask("CANCEL " + name), "250")
        self.kill()
        self.go_on()
        self.assertEqual(self.total(), 0)
        self.assertEqual({s["state"] for s in self.statuses(ids)}, {"canceled"})
        self.release()
        self.assertOnce(self.finish(), [])

    def test_retry_lasts(self):
        """The message is no longer unresolved, although the history still cannot tell."""
        self.start()
        ids = self.make_unresolved()
        self.api.settings(history_client_id=False)
        self.hold()
        self.assertReply(self.c.ask("RETRY " + ids[0]), "250")
        self.kill()
        self.go_on()
        self.release()
        self.assertRelayed(ids)
        self.assertOnce(self.finish(), ids)

    def test_what_was_accepted_as_the_stop_came(self):
        """The next relay has every message of the flood that got a 250, and no other."""
        self.start()
        self.hold()
        self.c.send(*["SEND %s text" % TO] * 3000)
        replies = [self.c.read_reply() for _ in range(10)]
        self.daemon.send_signal(signal.SIGTERM)
        while (reply := self.c.read_reply()) is not None:
            replies.append(reply)
        self.assertEqual(self.daemon.wait(), OK)
        self.assertLess(len(self.daemon.log("messages_lost")), 1)
        taken = [parse_reply(r[0])["id"] for r in replies if r[0].startswith("250")]
        self.assertEqual(self.daemon.log("messages_kept")[0]["messages"], str(len(taken)))
        self.go_on()
        eventually(lambda: self.queue_totals()["queued"] == len(taken), "all of them")
        self.assertEqual(sorted(self.ids_of("queued")), sorted(taken))
        self.finish()

    def test_a_flood_that_is_killed(self):
        """Every message that got a 250 is kept, and new ids are above all old ones."""
        self.start()
        self.hold()
        self.c.send(*["SEND %s text" % TO] * 3000)
        taken = [parse_reply(self.c.read_reply()[0])["id"] for _ in range(500)]
        self.daemon.kill()
        try:
            while (reply := self.c.read_reply()) is not None:
                taken.append(parse_reply(reply[0])["id"])
        except (ConnectionError, AssertionError):  # the relay died within a line
            pass
        self.go_on()
        eventually(lambda: self.queue_totals()["deferred"] == 0, "the look-up")
        kept = self.ids_of("queued")
        self.assertEqual(set(taken) - set(kept), set())
        self.assertGreater(self.send("new")[0], max(kept))
        self.finish()

    def test_messages_are_kept_whole(self):
        odd = {"plain": "x" * 161, "quotes": 'a "quoted" \\ text', "unicode": "Grüße, привет, 🎉",
               "euro": "€[]{}"}
        self.start()
        self.hold()
        for ref, text in odd.items():
            self.assertReply(self.c.ask("SEND FROM=Shop REF=%s %s %s" % (ref, TO, text)), "250")
        self.assertReply(self.c.ask("SEND UNICODE=no %s plain" % TO), "250")
        self.c.send("FROM 12345", "TO +34600000002", "DATA", "two", "lines", ".")
        self.assertReply(self.c.read_replies(4)[3], "250")
        before = self.c.ask("QUEUE LIST queued")
        self.kill()
        self.go_on()
        eventually(lambda: self.queue_totals()["queued"] == 6, "six queued")
        for was, is_now in zip(before, self.c.ask("QUEUE LIST queued")):
            self.assertEqual(lasting(parse_reply(is_now)), lasting(parse_reply(was)))
        self.release()
        eventually(lambda: self.total() == 0, "an empty queue")
        record = self.finish()
        self.assertEqual(record.texts(), list(odd.values()) + ["plain", "two\nlines"])
        self.assertEqual([m["from"] for m in record.messages], ["Shop"] * 4 + ["ACME", "12345"])
        self.assertEqual([m.get("allowUnicode", False) for m in record.messages],
                         [False, False, True, False, False, False])


class Ended(DurableTest):
    """Finished messages, and everybody's REFs."""

    def begin(self):
        self.start()
        self.ids = {"relayed": self.send("done", options="REF=relayed")[0],
                    "rejected": self.send("bad", to=REFUSED, options="REF=rejected")[0],
                    "plain": self.send("no ref")[0]}
        self.await_states(self.ids.values(), "relayed", "rejected")
        self.hold()
        self.ids["expired"] = self.send("late", options="REF=expired TTL=1")[0]
        self.ids["canceled"] = self.send("never", options="REF=canceled")[0]
        self.ids["queued"] = self.send("waits", options="REF=queued")[0]
        self.assertReply(self.c.ask("CANCEL canceled"), "250")
        self.await_states([self.ids["expired"]], "expired")
        self.told = {name: self.c.ask("STATUS " + id) for name, id in self.ids.items()}

    def test_asking(self):
        def check():
            self.go_on()
            for name, id in self.ids.items():
                if name != "queued":  # finished ones: the same words
                    self.assertEqual(self.c.ask("STATUS " + id), self.told[name])
                if name != "plain":
                    self.assertEqual(parse_reply(self.c.ask("STATUS " + name)[0])["id"], id)
            for state in ("rejected", "expired", "canceled"):
                self.assertEqual(self.ids_of(state), [self.ids[state]])
            both = [self.ids["relayed"], self.ids["plain"]]
            self.assertEqual(self.ids_of("relayed"), both)
            self.assertEqual(len(self.listed("relayed", 1)), 1)
            for verb in ("CANCEL", "RETRY"):
                self.assertReply(self.c.ask("%s %s" % (verb, self.ids["plain"])), "550 5.0.0")
            self.assertReply(self.c.ask("WATCH " + self.ids["plain"]), "250")
            self.assertReply(self.c.ask("STATUS 01ARZ3NDEKTSV4RRFFQ69G5FAV"), "550 5.0.0")
            self.finish()

        self.after_each_end(self.begin, check)

    def test_refs(self):
        def check():
            self.go_on()
            self.assertReply(self.c.ask("SEND REF=queued %s other" % (NUMBER % 0)), "550 5.6.0")
            self.assertReply(self.c.ask("SEND REF=relayed %s other" % (NUMBER % 0)), "550 5.6.0")
            again = parse_reply(self.c.ask("SEND REF=queued %s waits" % (NUMBER % 0))[0])
            self.assertEqual((again["id"], again["duplicate"]), (self.ids["queued"], "yes"))
            self.assertIn(again["state"], ("deferred", "queued"))
            reply = self.c.ask("SEND REF=relayed ACK=relayed %s done" % (NUMBER % 0))
            again = parse_reply(reply[0])
            self.assertEqual((again["id"], again["state"], again["duplicate"]),
                             (self.ids["relayed"], "relayed", "yes"))
            self.assertEqual(again["api"], parse_reply(self.told["relayed"][0])["api"])
            for name in ("expired", "canceled", "rejected"):  # free again
                reply = parse_reply(self.c.ask("SEND REF=%s %s anew" % (name, NUMBER % 0))[0])
                self.assertNotIn("duplicate", reply)
                self.assertNotEqual(reply["id"], self.ids[name])
            self.release()
            eventually(lambda: self.total() == 0, "an empty queue")
            self.assertEqual(sorted(self.finish().texts()),
                             sorted(["done", "no ref", "waits"] + ["anew"] * 3))

        self.after_each_end(self.begin, check)

    def test_one_ref_for_many(self):
        """Some of its messages have finished in an earlier run, and are in the file alone."""
        def check():
            self.go_on({"relay.settle_delay": "1m"})  # it has not looked yet, however slow all is
            told = [parse_reply(line) for line in self.c.ask("STATUS many")]
            self.assertEqual([status["id"] for status in told], ids)
            self.assertEqual({status["state"] for status in told[:-1]}, {"relayed"})
            self.assertReply(self.c.ask("WATCH many"), "250 2.0.0 watching")
            # A restarted relay has yet to look whether it was sent: its REF stays taken.
            self.assertEqual(parse_reply(self.c.ask("CANCEL many")[0])["sent"], "maybe")
            self.assertReply(self.c.ask("CANCEL many"), "550 5.0.0 it is being sent, or is finished")
            submitted = self.c.ask("SEND REF=many %s text" % ",".join([late] + numbers[:2]))
            again = [parse_reply(line) for line in submitted]
            self.assertEqual([reply["id"] for reply in again], ids[-1:] + ids[:2])
            self.assertEqual([reply.get("duplicate") for reply in again], ["yes"] * 3)
            refused = self.c.ask("SEND REF=many %s other" % ",".join(["+34600000999", numbers[0]]))
            self.assertReply(refused, "550 5.6.0")
            self.assertEqual(len(self.c.ask("STATUS many")), len(ids))
            self.finish()

        def begin():
            nonlocal ids
            self.start()
            replies = self.c.ask("SEND REF=many %s text" % ",".join(numbers))
            ids = [parse_reply(line)["id"] for line in replies]
            self.await_states(ids, "relayed")
            self.hold()
            ids += [parse_reply(self.c.ask("SEND REF=many %s text" % late)[0])["id"]]

        ids = []
        numbers, late = [NUMBER % n for n in range(250)], NUMBER % 999
        self.after_each_end(begin, check)

    def test_a_ref_twice_while_the_first_is_being_stored(self):
        self.start()
        self.hold()
        clients = [self.daemon.connect() for _ in range(10)]
        flood = ["SEND REF=r%d %s text" % (i, TO) for i in range(100)]
        for client in clients:
            self.addCleanup(client.close)
            client.send(*flood)
        replies = [[parse_reply(r[0]) for r in client.read_replies(100)] for client in clients]
        for of_one in zip(*replies):
            self.assertEqual(len({reply["id"] for reply in of_one}), 1)
            self.assertEqual(sum("duplicate" not in reply for reply in of_one), 1)
        self.kill()
        self.go_on()
        self.assertEqual(self.total(), 100)
        self.release()
        eventually(lambda: self.total() == 0, "an empty queue")
        self.assertEqual(len(self.finish().messages), 100)

    def test_others_are_not_told(self):
        """A client at the TCP port without control rights, and messages from the Unix socket."""
        path = self.folder + "/socket"
        settings = {"listen.unix": path, "listen.control": "unix"}
        self.start(settings)
        owner = self.daemon.connect(path)
        self.addCleanup(owner.close)
        done = parse_reply(owner.ask("SEND REF=mine ACK=relayed %s text" % TO)[0])["id"]
        later = owner.submit(options="AT=+1h")
        address = self.daemon.addresses[0]
        own = self.as_user(OTHER, address, "SEND REF=mine ACK=relayed %s of TCP" % TO)
        own = parse_reply(own[0])["id"]
        self.kill()
        self.go_on(settings)
        owner = self.daemon.connect(path)
        self.addCleanup(owner.close)
        self.assertReply(owner.ask("STATUS " + done), "250")
        self.assertReply(owner.ask("STATUS " + own), "250")  # root, or the relay's user
        questions = ["%s %s" % (verb, name) for name in (done, later)
                     for verb in ("STATUS", "WATCH", "CANCEL")]
        address = self.daemon.addresses[0]
        told = self.as_user(OTHER, address, *questions, "STATUS 01ARZ3NDEKTSV4RRFFQ69G5FAV")
        self.assertEqual(set(told[:-1]), {"550 5.0.0 no such message"})
        self.assertEqual(parse_reply(self.as_user(OTHER, address, "STATUS mine")[0])["id"], own)
        self.assertEqual(parse_reply(owner.ask("STATUS mine")[0])["id"], done)
        self.assertEqual(parse_reply(owner.ask("STATUS " + later)[0])["state"], "scheduled")
        self.assertReply(owner.ask("WATCH " + done), "250")
        self.finish()

    def test_watching_what_a_restart_settles(self):
        """WATCH by id, and of everything: queued messages, and one that the scan finds."""
        self.start()
        flying = self.leave_in_flight()
        waits = self.send("waits", options="AT=+1s")
        self.kill()
        self.api.faults(NEVER)
        self.go_on()
        everything, one = self.daemon.connect(), self.daemon.connect()
        self.addCleanup(everything.close)
        self.addCleanup(one.close)
        self.assertReply(everything.ask("WATCH"), "250")
        self.assertReply(one.ask("WATCH " + flying[0]), "250")
        self.api.forget_faults()
        event = parse_reply(one.read_event())
        self.assertEqual((event["id"], event["state"]), (flying[0], "relayed"))
        seen = {}
        while set(seen.values()) != {"relayed"} or len(seen) < 2:
            event = parse_reply(everything.read_event())
            seen[event["id"]] = event["state"]
        self.assertEqual(set(seen), set(flying + waits))
        self.finish()


class Scan(DurableTest):
    """The scan of the history before restored messages are sent."""

    def test_killed_between_request_and_answer(self):
        """What is found is not sent again; what the API did not take is sent."""
        for accept in (True, False):
            with self.subTest(accept=accept):
                self.start()
                ids = self.leave_in_flight(accept=accept)
                self.kill()
                self.go_on()
                self.assertRelayed(ids)
                record = self.finish()
                self.assertOnce(record, ids)
                self.assertEqual(len(record.posts()), 1 if accept else 2)
                os.unlink(self.path)

    def test_killed_before_any_request(self):
        self.start({"api.url": NOWHERE, "api.token": "t"})
        ids = self.send(texts(5))
        eventually(lambda: self.c.queue()["relaying"] == "no", "a relay that gets nowhere")
        self.kill()
        self.go_on()
        self.assertRelayed(ids)
        self.assertOnce(self.finish(), ids)

    def test_nothing_goes_before_it(self):
        """Only new messages go."""
        self.start()
        self.hold()
        old = self.send(texts(3, "old"))
        self.release_unseen()
        self.api.faults(NEVER)
        self.go_on()
        self.assertReply(self.c.ask("SEND ACK=relayed %s new" % TO), "250 2.0.0 relayed")
        eventually(lambda: self.api.summary()["requests"]["history"] >= 3, "three tries")
        self.assertEqual(self.api.texts(), ["new"])
        self.assertEqual({s["state"] for s in self.statuses(old)}, {"deferred"})
        self.api.forget_faults()
        self.assertRelayed(old)
        record = self.finish()
        first_post = min(m["request"] for m in record.messages if m["clientId"] in old)
        looked = [r["n"] for r in record.histories() if r["status"] == 200]
        self.assertLess(looked[-1], first_post)
        self.assertEqual(len(self.daemon.log("reconciled")), 1)

    def release_unseen(self):
        """RELEASE, and the relay dies before anything could be sent."""
        self.kill()
        with sqlite3.connect(self.path) as db:
            db.execute("UPDATE note SET value = 'no' WHERE name = 'held'")
        db.close()

    def test_not_before_settle_delay(self):
        self.start()
        ids = self.leave_in_flight()
        self.kill()
        began_ms = time.time() * 1000
        self.go_on({"relay.settle_delay": "500ms"})
        self.await_states(ids, "relayed")
        self.assertGreaterEqual(self.finish().histories()[0]["at_ms"], began_ms + 500)

    def test_one_covers_all_and_ends_at_the_anchor(self):
        """Five pages of history; the anchor is on the first, or of one request earlier."""
        self.start({"relay.connections": 1})  # what hangs holds up the rest
        for i in range(5):
            self.await_states(self.send_together(texts(100, "done%d." % i)), "relayed")
        flying = self.leave_in_flight(accept=False)
        waiting = self.send(texts(150))
        self.kill()
        for again in range(2):  # the second restart knows the anchor of the first
            self.api.call("DELETE", "/sandbox/faults")
            if again == 0:
                self.api.faults(NEVER)
            self.go_on()
            if again == 0:
                self.await_history(1)
                self.kill()
        self.assertRelayed(flying + waiting)
        record = self.finish()
        self.assertEqual(len(record.messages), 651)
        self.assertLessEqual(len([r for r in record.histories() if r["status"] == 200]), 2)
        self.assertEqual(self.daemon.log("reconciled")[0]["messages"], "151")

    def await_history(self, count):
        eventually(lambda: self.api.summary()["requests"]["history"] >= count, "a look-up")

    def test_deep_in_the_history(self):
        """Messages relayed later do not hide it."""
        self.start()
        flying = self.leave_in_flight()
        done = self.send_together(texts(200))  # full batches: these do not wait for its answer
        self.await_states(done, "relayed")
        self.kill()
        self.go_on()
        self.assertRelayed(flying)
        record = self.finish()
        self.assertOnce(record, flying + done)
        self.assertEqual(len(record.histories()), 3)

    def test_nothing_to_look_up(self):
        self.start()
        self.await_states(self.send(texts(3)) + self.send("bad", to=REFUSED), "relayed", "rejected")
        # Answered when the store has what came before.
        self.assertEqual(self.c.ask("QUEUE LIST relayed 2")[-1], "250 2.0.0 more=yes")
        self.assertIn("id=", self.c.ask("QUEUE LIST relayed 3")[-1])
        self.kill()
        self.go_on()
        self.assertEqual(self.daemon.log("queue_restored")[0]["messages"], "0")
        later = self.send("later")
        self.assertRelayed(later)
        self.assertEqual(len(self.finish().histories()), 0)


class CannotTell(DurableTest):
    """The history does not say what became of the messages in flight."""

    def begin(self):
        self.start()
        self.await_states(self.send("done"), "relayed")
        flying = self.leave_in_flight(accept=False)
        self.hold()
        waiting = self.send(texts(3))
        self.kill()
        self.api.settings(history_client_id=False)
        return flying, waiting

    def go_on_blind(self, resends):
        flying, waiting = self.begin()
        self.go_on({"relay.ambiguous_resends": resends})
        self.release()
        return flying, waiting

    def test_none_is_sent_again(self):
        """Messages in flight wait for the operator, others are sent; so also after a restart."""
        flying, waiting = self.go_on_blind(0)
        self.assertRelayed(waiting)
        status = self.await_states(flying, "unresolved")[0]
        self.assertIn("clientId", status["reason"])
        self.kill()
        self.go_on({"relay.ambiguous_resends": 0})
        self.assertEqual(self.ids_of("unresolved"), flying)
        self.assertEqual(self.statuses(flying)[0]["reason"], status["reason"])
        self.assertReply(self.c.ask("RETRY " + flying[0]), "250")
        self.assertRelayed(flying)
        self.assertEqual(sorted(self.finish().texts()), ["done", "in flight"] + texts(3))

    def test_cancel(self):
        """It may have been sent: its client is told so, and its REF stays taken, also later."""
        flying, waiting = self.go_on_blind(0)
        self.assertRelayed(waiting)
        self.await_states(flying, "unresolved")
        self.assertIn("sent=maybe", self.c.ask("CANCEL " + flying[0])[0])
        self.kill()
        self.go_on()
        self.assertEqual(self.ids_of("canceled"), flying)
        self.assertIn("sent=maybe", self.c.ask("STATUS " + flying[0])[0])
        self.assertEqual(sorted(self.finish().texts()), ["done"] + texts(3))

    def test_sent_once_more(self):
        flying, waiting = self.go_on_blind(1)
        self.assertRelayed(flying + waiting)
        self.assertEqual(sorted(self.finish().texts()), ["done", "in flight"] + texts(3))

    def test_in_doubt_twice(self):
        """A message in flight at the first kill still is at the second, before any look-up."""
        self.start()
        self.await_states(self.send("done"), "relayed")
        flying = self.leave_in_flight()
        self.kill()
        self.api.faults(NEVER)
        self.go_on()
        self.await_states(flying, "deferred")
        eventually(lambda: self.api.summary()["requests"]["history"] >= 1, "a try")
        self.kill()
        self.api.forget_faults()
        self.api.settings(history_client_id=False)
        self.go_on({"relay.ambiguous_resends": 0})
        self.await_states(flying, "unresolved")
        self.assertEqual(len(self.finish().messages), 2)


class Expiry(DurableTest):
    def test_while_the_relay_was_down(self):
        self.start()
        flying = self.leave_in_flight(options="TTL=1")
        self.hold()
        waiting = self.send("waits", options="TTL=1")
        keeps = self.send("keeps", options="TTL=1h")
        until = time.time() + 1.1
        self.kill()
        self.api.faults(NEVER)
        eventually(lambda: time.time() > until, "the end of their time")
        self.go_on()
        self.await_states(waiting + flying, "deferred")  # the history is asked first
        self.release()
        self.api.forget_faults()
        self.assertIn("expired before", self.await_states(waiting, "expired")[0]["reason"])
        self.assertRelayed(flying)  # it was, in time
        self.assertRelayed(keeps)
        self.assertEqual(self.finish().texts(), ["in flight", "keeps"])


class Purge(DurableTest):
    def test_what_is_old_goes(self):
        """Deletes finished messages and nothing else; and the file shrinks."""
        count = 2000
        self.start({"queue.max_bytes": "100m"})
        self.send(["%d %s" % (i, "x" * 1400) for i in range(count)])
        eventually(lambda: self.total() == 0, "an empty queue")
        self.hold()
        kept = self.send("waits")
        self.send("gone", options="REF=gone")
        self.assertReply(self.c.ask("CANCEL gone"), "250")
        self.stop()
        size = os.path.getsize(self.path)
        self.assertGreater(size, count * 1400)
        self.go_on({"queue.retention": "1ms"})
        eventually(lambda: self.c.stats()["store_purged_total"] == str(count + 1), "the purge")
        self.assertEqual(self.c.ask("QUEUE LIST relayed"), ["250 2.0.0 none"])
        self.assertEqual(self.statuses(kept)[0]["id"], kept[0])
        self.assertReply(self.c.ask("STATUS gone"), "550 5.0.0")
        self.stop()
        # Up to 1 MB of free pages may stay. The stop may interrupt the purge.
        self.go_on({"queue.retention": "1ms"})
        self.stop()
        self.assertLess(os.path.getsize(self.path), size)
        self.go_on()
        self.release()
        self.assertRelayed(kept)
        self.finish()

    def test_with_no_retention_the_file_does_not_grow(self):
        rounds, each = 3 if IS_SLOW else 12, 1000
        self.start({"queue.retention": 0, "log.level": "info"})
        self.api.settings(keep=each)
        text = "x" * 1400
        names = []
        for _ in range(rounds):
            names = self.send([text] * each, to=TO)
            eventually(lambda: self.total() == 0, "an empty queue")
        self.assertEqual(self.api.summary()["messages"], rounds * each)
        self.assertReply(self.c.ask("STATUS " + names[0]), "550 5.0.0")
        self.assertEqual(self.c.ask("QUEUE LIST relayed"), ["250 2.0.0 none"])
        # One round is in the file at a time, and the log grows to 16 MB before it starts over.
        self.assertLess(os.path.getsize(self.path), 3 * each * len(text))
        self.assertLess(os.path.getsize(self.path + "-wal"), 24 << 20)
        self.stop()
        self.assertEqual([name for name in os.listdir(self.folder)], ["queue.db"])
        with sqlite3.connect("file:%s?mode=ro" % self.path, uri=True) as db:
            for table in ("message", "progress"):
                self.assertEqual(db.execute("SELECT count(*) FROM " + table).fetchone(), (0,))
        db.close()

    def test_a_ref_after_the_retention(self):
        self.start()
        self.await_states(self.send("text", options="REF=r"), "relayed")
        self.stop()
        self.go_on({"queue.retention": "1ms"})
        eventually(lambda: self.c.ask("STATUS r")[0].startswith("550"), "it is forgotten")
        self.assertNotIn("duplicate", self.c.ask("SEND REF=r %s other" % (NUMBER % 0))[0])
        self.finish()


class Durability(DurableTest):
    def promise(self):
        return self.daemon.log("started")[0]["queue"]

    def test_always(self):
        self.start()
        self.assertIn("durable", self.promise())
        self.finish()

    def test_none(self):
        """No file is created."""
        for settings in ({"queue.durability": "none"}, {"queue.path": ""}):
            self.start(settings)
            self.assertIn("memory only", self.promise())
            self.assertRelayed(self.send("text"))
            self.hold()
            self.send("lost")
            self.finish()
            self.assertEqual(self.daemon.log("messages_lost")[0]["messages"], "1")
            self.assertEqual(os.listdir(self.folder), [])

    def test_the_state_directory(self):
        """Under systemd the queue is durable without any setting."""
        self.env = {"STATE_DIRECTORY": self.folder}
        self.start({"queue.path": None})
        self.assertIn("durable", self.promise())
        self.finish()
        self.assertEqual(os.listdir(self.folder), ["queue.db"])

    def test_nothing_is_lost_at_an_orderly_stop(self):
        self.start()
        self.hold()
        self.send(texts(3))
        self.send("later", options="AT=+1h")
        self.stop()  # exit code 0
        kept = self.daemon.log("messages_kept", level="info")
        self.assertEqual([(line["messages"], line["scheduled"], line["path"]) for line in kept],
                         [("4", "1", self.path)])
        self.assertEqual(self.daemon.log("messages_lost"), [])

    def test_what_is_in_flight_is_kept(self):
        self.start({"api.timeout": "1h"})
        self.leave_in_flight()
        self.daemon.send_signal(signal.SIGTERM)
        self.daemon.wait_log("stopping", times=1)
        self.stop()
        self.assertEqual(self.daemon.log("messages_kept")[0]["maybe_sent"], "1")
        self.go_on()
        eventually(lambda: self.total() == 0, "an empty queue")
        self.assertEqual(self.finish().texts(), ["in flight"])


class File(DurableTest):
    # What the first smsrelay that kept its queue on the disk made.
    FIRST_SCHEMA = """
        CREATE TABLE message (row INTEGER PRIMARY KEY, id BLOB NOT NULL, owner INTEGER NOT NULL,
            priority INTEGER NOT NULL, encoding INTEGER NOT NULL, parts INTEGER NOT NULL,
            allow_unicode INTEGER NOT NULL, has_ttl INTEGER NOT NULL, due_ms INTEGER NOT NULL,
            expires_ms INTEGER NOT NULL, recipient TEXT NOT NULL, sender TEXT NOT NULL, ref TEXT,
            text TEXT NOT NULL);
        CREATE TABLE progress (row INTEGER PRIMARY KEY, state INTEGER NOT NULL,
            attempts INTEGER NOT NULL, ambiguous_ends INTEGER NOT NULL, may_be_sent INTEGER NOT NULL,
            is_expiry_lifted INTEGER NOT NULL, due_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
            api_id TEXT, reason TEXT);
        CREATE INDEX progress_failed ON progress (state, row) WHERE state > 5;
        CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
        PRAGMA application_id = 1397576530;
        PRAGMA user_version = 1"""

    def refused(self, words, advice=""):
        """The relay does not start on this file, says why, and leaves it as it is."""
        before = self.content()
        done = run("serve", "-o", "api.url=sandbox", "-o", "listen.address=127.0.0.1:0", "-o",
                   "queue.path=" + self.path)
        self.assertEqual(done.returncode, CANTCREAT, done.stderr)
        self.assertIn("start_failed", done.stderr)
        self.assertIn("queue.path: " + self.path, done.stderr)
        self.assertRegex(done.stderr, words)
        if advice:
            self.assertRegex(done.stderr, advice)
        after = self.content()
        self.assertEqual(sorted(after), sorted(before))
        self.assertTrue(after == before, "the file has changed")

    def content(self):
        """All files of the folder."""
        files = {}
        for name in os.listdir(self.folder):
            path = os.path.join(self.folder, name)
            files[name] = open(path, "rb").read() if os.path.isfile(path) else None
        return files

    def leave_messages(self, count=3):
        self.start()
        self.hold()
        self.send(texts(count))
        self.stop()

    def test_one_relay_a_store(self):
        self.start()
        ids = self.send("text")
        done = run("serve", "-o", "api.url=sandbox", "-o", "listen.address=127.0.0.1:0", "-o",
                   "queue.path=" + self.path)
        self.assertEqual(done.returncode, CANTCREAT)
        self.assertIn("another process uses it", done.stderr)
        self.assertRelayed(ids)
        more = self.send("the first one goes on")
        self.assertRelayed(more)
        self.kill()
        self.go_on()  # the lock went with the process
        self.assertOnce(self.finish(), ids + more)

    def test_not_a_database(self):
        for content in (b"a text\n" * 1000, b"a short one\n" * 9, os.urandom(8192)):
            with open(self.path, "wb") as file:
                file.write(content)
            self.refused("not a database", "move it away")

    def test_of_another_program(self):
        with sqlite3.connect(self.path) as db:
            db.execute("CREATE TABLE theirs (a)")
        db.close()
        self.refused("not a store of smsrelay")

    def test_of_a_newer_version(self):
        self.leave_messages()
        with sqlite3.connect(self.path) as db:
            db.execute("PRAGMA user_version = 1000")
        db.close()
        self.refused("newer smsrelay: its schema is 1000, and %s knows [0-9]+ at most" %
                     run("-V").stdout.split()[1], "a copy of the store from before the upgrade")

    def test_of_an_older_version(self):
        """It is brought up to date, and the log says so, for an older program cannot use it any more."""
        now_ms = int(time.time() * 1000)
        with sqlite3.connect(self.path) as db:
            db.executescript(self.FIRST_SCHEMA)
            for row in range(7):
                db.execute("INSERT INTO message VALUES (?, ?, 0, 0, 0, 1, 0, 0, ?, ?, '+34600000000', 'ACME', "
                           "NULL, 'text')", (row + 1, now_ms.to_bytes(6, "big") + bytes(9) + bytes([row]), now_ms,
                                             now_ms + 86400000))
        db.close()
        os.chmod(self.path, 0o600)
        self.start()
        line = self.daemon.log("store_migrated", level="info")[0]
        self.assertEqual((line["path"], line["from"], line["rows"]), (self.path, "1", "7"))
        self.assertGreater(int(line["to"]), 2)
        self.assertLess(float(line["seconds"]), 10)
        self.assertEqual(self.total(), 7)
        self.stop()
        self.go_on()
        self.assertEqual(self.daemon.log("store_migrated"), [])
        self.assertEqual(self.total(), 7)
        self.finish()

    def test_damaged(self):
        """Damage in the middle of a page, a page of zeros, a truncated file."""
        self.leave_messages(1000)
        with open(self.path, "rb") as file:
            good = file.read()
        page = 4096
        for damaged in (good[:20 * page + 8] + b"\xff" * 200 + good[20 * page + 208:],
                        good[:5 * page] + bytes(page) + good[6 * page:], good[:-5 * page]):
            with open(self.path, "wb") as file:
                file.write(damaged)
            self.refused("damaged|malformed", "move it away.*smsrelay queue export")
        with open(self.path, "wb") as file:
            file.write(good)
        self.go_on()
        self.assertEqual(self.total(), 1000)
        self.finish()

    def test_an_empty_file(self):
        open(self.path, "w").close()
        self.go_on()
        self.assertRelayed(self.send("text"))
        self.finish()

    def test_no_folder(self):
        self.path = os.path.join(self.folder, "missing", "queue.db")
        self.refused("No such file or directory", "directory must exist")

    def test_a_folder(self):
        self.path = os.path.join(self.folder, "queue.db")
        os.mkdir(self.path)
        self.refused("Is a directory")

    def test_private(self):
        """Whatever the umask allows."""
        self.start(preexec_fn=lambda: os.umask(0))
        self.send("text")
        names = sorted(os.listdir(self.folder))
        self.assertEqual(names, ["queue.db", "queue.db-synced", "queue.db-wal"])
        for name in names:
            mode = os.stat(os.path.join(self.folder, name)).st_mode
            self.assertEqual(stat.S_IMODE(mode), 0o600, name)
        self.finish()
        self.assertEqual(os.listdir(self.folder), ["queue.db"])

    def test_the_log_keeps_secrets(self):
        """At level debug, over a restart with a look-up."""
        self.start()
        ids = self.send("a secret text", to=NUMBER % 4242)
        ids += self.leave_in_flight("another secret")
        self.hold()
        ids += self.send("one more secret", to=NUMBER % 4243, options="REF=r")
        self.await_states(ids[:1], "relayed")
        self.kill()
        lines = list(self.daemon.lines)
        self.go_on()
        self.release()
        self.await_states(ids, "relayed")
        self.finish()
        log = "\n".join(lines + self.daemon.lines)
        self.assertNotIn("secret", log)
        self.assertNotRegex(log, "600004242|600004243|t0k3n")

    def test_an_idle_relay_sleeps(self):
        """It sleeps a second and longer at a time, with a store that has had work."""
        self.start({"log.level": "info"})
        self.await_states(self.send(texts(100)), "relayed")
        self.c.ask("QUEUE LIST relayed")
        name = self.send("tick", options="AT=+3s")[0]
        self.assertReply(self.c.ask("WATCH " + name), "250")
        before, began = self.cpu_s(), time.monotonic()
        self.c.read_event()
        used, took = self.cpu_s() - before, time.monotonic() - began
        self.assertGreater(took, 1)
        self.assertLess(used, took * (0.5 if IS_SLOW else 0.05))
        self.finish()

    def cpu_s(self):
        with open("/proc/%d/stat" % self.daemon.pid) as file:
            words = file.read().rsplit(")", 1)[1].split()
        return sum(int(word) for word in words[11:13]) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    unittest.main()
