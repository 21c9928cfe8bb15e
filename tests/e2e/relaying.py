"""What the tests of forwarding share: one simulated API a class, one relay a test, and its record.

What happened is read from the simulator's record, after the relay has ended in good order: so what
must not be sent has had its chance to be sent.
"""

import time

from support import PATIENCE, Relay, Sandbox, TestCase, parse_reply

KINDS = {("POST", "/sms"): "single", ("POST", "/sms/bulk"): "bulk", ("GET", "/sms"): "history"}
NUMBER = "+34600%06d"
REFUSED = "+34600009001"  # the simulated API takes no message for this one

# A fault: the history names no clientId, so it cannot tell what became of a message.
NAMELESS = {"on": "history", "status": 200, "body": {"entities": [{"id": "nameless"}]}}

# Waits are short, so that the tests are; what is waited for is never shorter than a round trip.
QUICK = {"relay.settle_delay": "100ms", "relay.retry_min": "10ms", "relay.retry_max": "80ms",
         "queue.drain_timeout": "0", "log.level": "debug"}


def eventually(look, what="it"):
    """Returns what `look` returns, as soon as that is true; the one place that polls."""
    deadline = time.monotonic() + PATIENCE
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError("not in %d s: %s (last seen: %r)" % (PATIENCE, what, seen))
        time.sleep(0.005)


class Record:
    """The simulator's record."""

    def __init__(self, record):
        self.requests = record["requests"]
        self.messages = record["messages"]
        self.rejected = record["rejected"]

    def calls(self):
        """The requests in order, as (kind, messages in it, status); 0 = no answer was given."""
        return [(KINDS.get((r["method"], r["path"]), r["path"]), r["count"], r["status"])
                for r in self.requests]

    def posts(self):
        return [call for call in self.calls() if call[0] != "history"]

    def of_kind(self, kind):
        return [r for r in self.requests if KINDS.get((r["method"], r["path"])) == kind]

    def histories(self):
        return self.of_kind("history")

    def texts(self):
        return [message["text"] for message in self.messages]

    def api_ids(self):
        return {message["clientId"]: message["id"] for message in self.messages}


class RelayingTest(TestCase):
    """`start` begins a relay; `finish` ends it and returns the record of what it did."""

    settings = {}
    daemon = None

    @classmethod
    def setUpClass(cls):
        cls.api = Sandbox()
        cls.first_settings = cls.api.settings()
        cls.first_settings.pop("token", None)

    @classmethod
    def tearDownClass(cls):
        cls.api.stop()

    def begin_anew(self):
        """The simulated API as it was at first."""
        self.api.forget_faults()
        self.api.settings(**self.first_settings)
        self.api.call("DELETE", "/sandbox/record")

    def start(self, settings=None, **options):
        """A relay and a client; the simulated API begins anew."""
        if self.daemon:
            self.daemon.kill()  # what a failed subtest left
        self.begin_anew()
        chosen = dict(QUICK, **self.settings)
        chosen.update(settings or {})
        options.setdefault("sandbox", self.api)
        self.daemon = Relay(chosen, **options)
        self.addCleanup(self.give_up, self.daemon)
        self.c = self.daemon.connect()
        self.addCleanup(self.c.close)
        return self.c

    def finish(self):
        self.c.close()
        try:
            self.daemon.stop()
        except AssertionError:
            print("\n".join(self.daemon.lines[-100:]))
            raise
        return Record(self.api.record())

    def give_up(self, daemon):
        """Ends a relay that its test did not come to end, and shows what it has seen."""
        was_alive = daemon.process.poll() is None
        daemon.kill()
        if was_alive or (daemon is self.daemon and not self._outcome.success):
            print("--- log of %s\n%s" % (self.id(), "\n".join(daemon.lines[-60:])))

    # --- submitting ------------------------------------------------------------------------------

    def send(self, texts, to=None, options="", first=0):
        """SENDs the texts in one write, to numbers of their own; returns the ids."""
        if isinstance(texts, str):
            texts = [texts]
        numbers = [to or NUMBER % (first + i) for i in range(len(texts))]
        self.c.send(*["SEND %s%s %s" % (options + " " if options else "", number, text)
                      for number, text in zip(numbers, texts)])
        replies = self.c.read_replies(len(texts))
        for reply in replies:
            self.assertReply(reply, "250 2.0.0")
        return [parse_reply(reply[0])["id"] for reply in replies]

    def send_together(self, texts, **options):
        """As send, but the relay sees them all at once: how they are batched is certain."""
        self.assertReply(self.c.ask("HOLD"), "250")
        ids = self.send(texts, **options)
        self.assertReply(self.c.ask("RELEASE"), "250")
        return ids

    # --- waiting ---------------------------------------------------------------------------------

    def statuses(self, ids):
        self.c.send(*["STATUS " + id for id in ids])
        return [parse_reply(reply[0]) for reply in self.c.read_replies(len(ids))]

    def await_states(self, ids, *states):
        """Waits until all these messages are in one of the states; returns their STATUS."""
        def look():
            self.seen = self.statuses(ids)
            return all(status.get("state") in states for status in self.seen)
        eventually(look, "states %s" % (states,))
        return self.seen

    def await_stop(self, reason=""):
        """Waits until the destination is not relayed to, for this reason; returns QUEUE."""
        def look():
            queue = self.c.queue()
            return queue if queue["relaying"] == "no" and reason in queue["reason"] else None
        return eventually(look, "relaying=no because of %r" % reason)

    def await_posts(self, count):
        """Waits until the API has seen so many POSTs."""
        def look():
            requests = self.api.summary()["requests"]
            return requests["single"] + requests["bulk"] >= count
        eventually(look, "%d POSTs" % count)

    # --- asserting -------------------------------------------------------------------------------

    def assertOnce(self, record, ids):
        """The API took these messages, each once, and no others."""
        self.assertEqual(sorted(m["clientId"] for m in record.messages), sorted(ids))

    def assertRelayed(self, ids):
        """All get relayed, with the API's id and, as far as STATUS tells, in one attempt or more."""
        statuses = self.await_states(ids, "relayed", "rejected", "unresolved", "expired")
        api_ids = Record(self.api.record()).api_ids()
        for status in statuses:
            self.assertEqual(status["state"], "relayed", status)
            self.assertEqual(status.get("api"), api_ids.get(status["id"]), status)
        return statuses
