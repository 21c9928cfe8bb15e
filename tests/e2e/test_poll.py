"""Delivery statuses without a webhook: reports.poll. They arrive, are told once, cost few calls, and
neither trouble there nor a stop holds anything up.
"""

import http.client
import json
import os
import re
import shutil
import tempfile
import time
import unittest

from relaying import NUMBER, RelayingTest, eventually
from support import TOKEN, parse_reply

NEVER = "+34600009009"  # stays "accepted"
LATE = "+34600009003"
SECRET = "s3cret-of-the-tests-0123"


class PollTest(RelayingTest):
    """Statuses change at once, but for LATE; polls are a second apart."""

    settings = {"reports.poll": "1s"}
    late_ms = 3600000

    def start(self, settings=None, **options):
        super().start(settings, **options)
        self.api.settings(report_delay_ms=0, report_late_ms=self.late_ms)
        self.watcher = self.daemon.connect()
        self.addCleanup(self.watcher.close)
        self.assertReply(self.watcher.ask("WATCH"), "250")
        self.told = []  # (id, status) in the order in which WATCH told them
        self.inbound = []
        return self.c

    def await_told(self, *ids):
        """Waits until WATCH has told a status of each of these messages."""
        missing = set(ids) - {id for id, _ in self.told}
        while missing:
            line = self.watcher.read_event()
            if line.startswith("121"):
                self.inbound.append(line)
            if " dlr=" in line:
                fields = parse_reply(line)
                self.told.append((fields["id"], fields["dlr"]))
                missing.discard(fields["id"])

    def await_none_polled(self):
        """The forwarder hears that a final status is stored after those who watch."""
        eventually(lambda: self.c.stats()["polled_messages"] == "0", "nothing is asked about")

    def calls(self):
        """What was asked of the history so far, in order: "page=1..." or the path of one message."""
        return [r.get("query") or r["path"] for r in self.api.record()["requests"]
                if r["method"] == "GET"]

    def assertCalls(self, *pages):
        self.assertEqual([re.sub("&.*", "", call) for call in self.calls()], list(pages))


class States(PollTest):
    def test_each(self):
        self.start()
        wanted = {"0001": "delivered", "9002": "failed", "9005": "expired", "9006": "error",
                  "9007": "rejected", "9009": "accepted"}
        ids = {self.send("x", to="+3460000" + ending)[0]: status
               for ending, status in wanted.items()}
        self.await_told(*ids)
        self.assertEqual(sorted(self.told), sorted(ids.items()))
        for id, status in ids.items():
            self.assertEqual(self.daemon.status(id)["dlr"], status)
        # Another poll, of a later message: the same statuses are not told again.
        later = self.send("x")
        self.await_told(*later)
        self.assertEqual(len(self.told), len(ids) + 1)
        self.assertCalls(*["page=1"] * len(self.calls()))

    def await_none_polled(self):
        """The forwarding thread hears of a final status after those who watch."""
        eventually(lambda: self.c.stats()["polled_messages"] == "0", "nothing to ask about")

    def test_one_after_the_other(self):
        self.start()
        id, = self.send("x", to=LATE)
        self.await_told(id)
        self.api.settings(report_late_ms=0)
        self.told.clear()
        self.await_told(id)
        self.assertEqual(self.told, [(id, "delivered")])
        self.await_none_polled()

    def test_an_opt_out(self):
        self.start()
        self.send("x", to="+34600009004")
        eventually(lambda: self.c.stats()["optouts"] == "1", "the opt-out")
        self.assertReply(self.c.ask("SEND +34600009004 more"), "550 5.7.1")
        self.await_told(*self.send("x"))
        self.assertEqual(len(self.inbound), 1)
        self.await_none_polled()

    def test_nobody_knows_how_long_it_took(self):
        """A status that was asked for has no time: the times to delivery leave it out."""
        self.start({"http.address": "127.0.0.1:0"})
        self.await_told(*self.send("x"))
        host = self.daemon.wait_log("http_listening")["url"].split("/")[2]
        connection = http.client.HTTPConnection(host, timeout=20)
        connection.request("GET", "/metrics")
        metrics = connection.getresponse().read().decode()
        connection.close()
        self.assertRegex(metrics, r"\n\w*reports_total\S*delivered\S* 1\n")
        self.assertRegex(metrics, r"\n\w*time_to_delivery_seconds_count 0\n")

    def test_history_without_client_ids(self):
        self.start()
        self.api.settings(history_client_id=False)
        ids = self.send_together(["x"] * 5)
        self.await_told(*ids)
        self.assertCalls("page=1")

    def test_messages_that_are_forgotten_at_once(self):
        """With no retention there is nobody to tell; but no calls are made for them for ever."""
        self.start({"queue.retention": "0"})
        self.send("x")
        eventually(lambda: self.c.stats()["reports_unmatched_total"] == "1", "the poll")
        self.send("x")
        eventually(lambda: self.c.stats()["reports_unmatched_total"] == "2", "the second poll")
        self.assertCalls("page=1", "page=1")


class Calls(PollTest):
    def test_few(self):
        self.start()
        ids = self.send_together(["x"] * 250)
        self.await_told(*ids)
        calls = len(self.calls())
        self.assertLessEqual(calls, 4)  # three, if they were relayed within a quarter of a second
        # All are final: the poll for a later one asks for nothing but the page that it is on.
        self.await_told(*self.send("x"))
        self.assertEqual(len(self.calls()), calls + 1)
        self.assertEqual(self.c.stats()["polls_total"], str(calls + 1))
        self.assertEqual(len(self.told), 251)

    def test_one_that_lies_deep(self):
        self.start()
        id, = self.send("x", to=LATE)
        self.await_told(id)  # it is "accepted"
        self.await_told(*self.send_together(["x"] * 250))
        self.api.settings(report_late_ms=0)
        self.told.clear()
        self.await_told(id)
        self.assertEqual(self.told, [(id, "delivered")])
        deep = [call for call in self.calls() if call.startswith("/sms/")]
        self.assertEqual(set(deep), {"/sms/" + self.daemon.status(id)["api"]})

    def test_pages_and_messages_are_counted_apart(self):
        """The window of GET /sms is used up; GET /sms/{id} has one of its own."""
        self.start()
        id, = self.send("x", to=LATE)
        self.await_told(id)  # it is "accepted"
        self.api.faults({"on": "history", "count": -1, "rate": {"limit": 100, "remaining": 0,
                                                                "reset": int(time.time()) + 3600}})
        self.await_told(*self.send_together(["x"] * 100))
        self.api.settings(report_late_ms=0)
        self.told.clear()
        self.await_told(id)
        self.assertEqual(self.told, [(id, "delivered")])

    def test_what_others_send(self):
        """Messages of somebody else lie above ours: they are found all the same, in few calls."""
        self.start({"reports.poll": "2s"})
        ids = self.send_together(["x"] * 100)
        self.await_states(ids, "relayed")
        for _ in range(2):
            self.post_as_others(100)
        self.await_told(*ids)
        self.assertCalls("page=1", "page=2", "page=3")

    def post_as_others(self, count):
        connection = http.client.HTTPConnection(self.api.host, timeout=20)
        body = [{"from": "OTHER", "to": NUMBER % i, "text": "x"} for i in range(count)]
        connection.request("POST", "/transactional/v1/sms/bulk", json.dumps(body),
                           {"Authorization": "Bearer " + TOKEN})
        self.assertEqual(connection.getresponse().status, 201)
        connection.close()

    def test_without_pages(self):
        """Always the newest 100, whatever page is asked for: the rest is asked for one by one."""
        self.start()
        self.api.settings(history_paging=False)
        ids = self.send_together(["x"] * 110)
        self.await_told(*ids)
        alone = [call for call in self.calls() if call.startswith("/sms/")]
        self.assertEqual(len(set(alone)), len(alone))
        self.assertEqual(len(alone), 10)
        self.assertLessEqual(len(self.calls()), 10 + 2 + 3)

    def test_with_a_webhook_too(self):
        """What was reported is not asked about; what was polled and is then reported is told once."""
        self.start({"reports.address": "127.0.0.1:0", "reports.poll": "2s"}, env={"SMSRELAY_REPORTS_SECRET": SECRET})
        url = self.daemon.wait_log("reports_listening")["url"]
        host = url.split("/")[2]
        reported, = self.send("x", to=LATE)
        self.await_states([reported], "relayed")
        self.report(host, reported)
        self.await_told(reported)
        polled, = self.send("x")
        self.await_told(polled)
        self.assertCalls("page=1")
        self.report(host, polled)
        eventually(lambda: self.c.stats()["reports_old_total"] == "1", "the report")
        self.await_told(*self.send("x"))
        self.assertEqual([status for _, status in self.told], ["delivered"] * 3)

    def report(self, host, id):
        connection = http.client.HTTPConnection(host, timeout=20)
        connection.request("POST", "/dlr/" + SECRET, json.dumps(
            {"clientId": id, "status": "delivered", "code": 0, "eventAt": "2026-04-21T10:15:00Z"}))
        self.assertEqual(connection.getresponse().status, 200)
        connection.close()


class Trouble(PollTest):
    def recovers(self, fault):
        """While the history fails, messages are relayed; then their statuses arrive."""
        self.start()
        self.api.faults(dict(fault, on="history", count=-1))
        first, = self.send("x")
        self.daemon.wait_log("poll_failed")
        second, = self.send("x")
        self.await_states([first, second], "relayed")
        self.assertEqual(self.c.queue()["relaying"], "yes")
        self.api.forget_faults()
        self.await_told(first, second)
        self.daemon.wait_log("poll_recovered")
        self.assertEqual(len(self.daemon.log("poll_failed")), 1)
        self.assertEqual(len(self.daemon.log("poll_recovered")), 1)

    def test_503(self):
        self.recovers({"status": 503})

    def test_429(self):
        self.recovers({"status": 429, "body": "", "no_rate_headers": True})

    def test_no_answer(self):
        self.recovers({"drop": True})

    def refused(self, fault):
        """It pauses, and says so once; FLUSH tries again."""
        self.start()
        self.api.faults(dict(fault, on="history", count=-1))
        id, = self.send("x")
        self.daemon.wait_log("poll_failed", next="in an hour")
        self.api.forget_faults()
        other, = self.send("x")
        self.await_states([other], "relayed")
        self.assertEqual(len(self.calls()), 1)
        self.assertReply(self.c.ask("FLUSH"), "250")
        self.await_told(id, other)
        self.assertEqual(len(self.daemon.log("poll_failed")), 1)
        self.daemon.wait_log("poll_recovered")

    def test_404(self):
        self.refused({"status": 404})

    def test_403(self):
        self.refused({"status": 403})

    def test_history_without_statuses(self):
        self.start()
        id, = self.send("x")
        self.api.faults({"on": "history", "count": -1, "status": 200,
                         "body": {"entities": [{"id": "a", "clientId": id}]}})
        self.daemon.wait_log("poll_failed", next="in an hour")
        self.api.forget_faults()
        self.assertReply(self.c.ask("FLUSH"), "250")
        self.await_told(id)

    def test_a_stop_does_not_wait_for_it(self):
        self.start({"api.timeout": "30m", "queue.drain_timeout": "30m"})
        self.api.faults({"on": "history", "hang_ms": -1})
        self.send("x")
        eventually(lambda: self.c.stats()["polls_total"] == "1", "the poll")
        self.finish()

    def test_no_poll_while_the_token_is_refused(self):
        self.start()
        id, = self.send("x")
        self.await_states([id], "relayed")
        self.api.faults({"on": "single", "status": 401, "count": -1})
        self.send("y")
        self.await_stop()
        clock, = self.send("z", options="AT=+2s")
        self.await_states([clock], "queued")
        self.assertCalls()
        self.api.forget_faults()
        self.assertReply(self.c.ask("FLUSH"), "250")
        self.await_told(id)


class Durable(PollTest):
    def test_a_restart(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        store = {"queue.path": os.path.join(folder, "queue.db")}
        self.start(store)
        final, = self.send("x")
        ids = self.send_together(["x"] * 3, to=LATE)
        self.await_told(final, *ids)
        self.daemon.kill()
        asked = len(self.calls())
        begin_anew, self.begin_anew = self.begin_anew, lambda: None
        self.late_ms = 0
        self.start(store)
        self.begin_anew = begin_anew
        self.assertEqual(self.c.stats()["polled_messages"], "3")
        self.await_told(*ids)
        self.assertEqual(sorted(self.told), sorted((id, "delivered") for id in ids))
        self.assertEqual(len(self.calls()), asked + 1)


class Off(RelayingTest):
    def test_by_default(self):
        self.start()
        self.api.settings(report_delay_ms=0)
        self.assertRelayed(self.send("x"))
        self.assertEqual(self.c.stats()["polled_messages"], "0")
        self.assertEqual(self.finish().histories(), [])


if __name__ == "__main__":
    unittest.main()
