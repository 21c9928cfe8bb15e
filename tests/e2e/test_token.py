"""The API's token: refused, renewed, never shown."""

import json
import os
import shutil
import signal
import tempfile
import time
import unittest

from relaying import RelayingTest, eventually
from support import TOKEN

NEW = "an0ther-t0ken"
JSON = {"message": "no such luck"}


ECHOES = {  # how an API, or whoever is in front of it, may repeat the token
    "words": (403, {"body": json.dumps({"message": "Bearer %s: no" % TOKEN})}),
    "a field": (422, {"body": json.dumps({"errors": {"text": ["not for " + TOKEN]}})}),
    "a path": (403, {"body": json.dumps({"errors": {TOKEN: ["no"]}})}),
    "a page": (403, {"body": "<html><title>%s</title></html>" % TOKEN,
                     "headers": {"Content-Type": "text/html"}}),
    "a place": (302, {"body": "", "headers": {"Location": "/login?from=" + TOKEN}}),
    "a request's id": (500, {"body": "", "headers": {"X-Request-Id": "id-" + TOKEN}}),
    "the kind": (200, {"body": "no JSON", "headers": {"Content-Type": "text/" + TOKEN}}),
    "the id": (201, {"body": json.dumps({"entity": {"id": TOKEN, "status": "sent"}})}),
}


class TokenTest(RelayingTest):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "token")
        # What is written behind a link is not seen in the link's folder: only who reads it knows.
        self.hidden = os.path.join(self.folder, "elsewhere", "token")
        os.mkdir(os.path.dirname(self.hidden))
        self.addCleanup(self.api.settings, token=TOKEN)

    def write(self, path, token):
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(token + "\n")

    def rename_over(self, token):
        self.write(self.path + ".new", token)
        os.rename(self.path + ".new", self.path)

    def start_with_file(self, link=False, **settings):
        self.write(self.hidden if link else self.path, TOKEN)
        if link:
            os.symlink(self.hidden, self.path)
        settings["api.token_file"] = self.path
        return self.start(settings, env={"INSTASENT_TOKEN": None})

    def revoke(self):
        self.api.settings(token=NEW)

    def finish(self):
        record = super().finish()
        log = "\n".join(self.daemon.lines)
        self.assertNotIn(TOKEN, log)
        self.assertNotIn(NEW, log)
        return record

    def assert_all_relayed(self, ids):
        statuses = self.assertRelayed(ids)
        self.assertEqual({s["attempts"] for s in statuses}, {"1"})
        self.assertEqual(self.c.queue()["relaying"], "yes")
        record = self.finish()
        self.assertOnce(record, ids)
        return record


class Renewed(TokenTest):
    def test_the_file_is_read_again_at_once(self):
        self.start_with_file(link=True)
        self.assertRelayed(self.send("before"))
        self.revoke()
        self.write(self.hidden, NEW)
        ids = self.send_together(["a", "b", "c"])
        self.assertRelayed(ids)
        record = self.finish()
        self.assertEqual(record.posts(), [("single", 1, 201), ("bulk", 0, 401),
                                          ("single", 1, 201), ("bulk", 2, 201)])
        self.assertEqual(record.texts(), ["before", "a", "b", "c"])

    def test_403_reads_it_too(self):
        self.start_with_file(link=True)
        self.api.faults({"status": 403, "body": JSON})
        self.write(self.hidden, NEW)
        self.api.settings(token=None)  # any token will do: it is the 403 that counts
        ids = self.send_together(["a", "b"])
        record = self.assert_all_relayed(ids)
        self.assertEqual(record.posts(), [("bulk", 2, 403), ("single", 1, 201), ("single", 1, 201)])
        self.assertEqual(len(self.daemon.log("token_changed")), 1)

    def test_a_new_file_in_its_place(self):
        self.start_with_file()
        self.revoke()
        ids = self.send_together(["a", "b", "c"])
        self.assertIn("until", self.await_stop("refuses the token"))
        self.rename_over(NEW)
        record = self.assert_all_relayed(ids)
        self.assertEqual(record.posts(),
                         [("bulk", 0, 401), ("single", 1, 201), ("bulk", 2, 201)])
        self.assertEqual(record.texts(), ["a", "b", "c"])

    def test_written_in_place(self):
        self.start_with_file()
        self.revoke()
        ids = self.send("a")
        self.await_stop("refuses the token")
        self.write(self.path, NEW)
        record = self.assert_all_relayed(ids)
        self.assertEqual(record.posts(), [("single", 0, 401), ("single", 1, 201)])

    def test_sighup(self):
        self.start_with_file(link=True)
        self.revoke()
        ids = self.send("a")
        self.await_stop("refuses the token")
        self.write(self.hidden, NEW)
        self.daemon.send_signal(signal.SIGHUP)
        record = self.assert_all_relayed(ids)
        self.assertEqual(record.posts(), [("single", 0, 401), ("single", 1, 201)])

    def test_a_change_while_all_is_fine(self):
        self.start_with_file()
        first = self.send("before")
        self.assertRelayed(first)
        self.rename_over(NEW)
        self.daemon.wait_log("token_changed")
        self.revoke()
        record = self.assert_all_relayed(first + self.send("after"))
        self.assertEqual(record.posts(), 2 * [("single", 1, 201)])

    def test_requests_under_way_with_the_old_token_do_not_matter(self):
        self.start_with_file(**{"relay.bulk_max": 5})
        self.api.settings(rate_headers=False)
        ids = self.send("warm", first=900)
        self.assertRelayed(ids)
        self.api.settings(latency_ms=50)
        self.revoke()
        more = self.send_together(["m%d" % i for i in range(40)])
        self.await_stop("refuses the token")
        self.rename_over(NEW)
        record = self.assert_all_relayed(ids + more)
        self.assertLessEqual([c[2] for c in record.posts()].count(401), 4)


class Refused(TokenTest):
    def test_another_wrong_token(self):
        self.start_with_file()
        self.revoke()
        ids = self.send("a")
        self.await_stop("refuses the token")
        self.rename_over("wr0ng-as-well")
        self.await_posts(2)  # the probe
        eventually(lambda: self.c.queue()["sending"] == "0", "its end")
        self.await_stop("refuses the token")
        self.rename_over(NEW)
        record = self.assert_all_relayed(ids)
        self.assertEqual(record.posts(), 2 * [("single", 0, 401)] + [("single", 1, 201)])

    def test_the_same_token_again_is_no_reason_to_ask(self):
        self.start_with_file()
        self.revoke()
        ids = self.send("a")
        self.await_stop("refuses the token")
        self.rename_over(TOKEN)
        self.daemon.send_signal(signal.SIGHUP)
        self.rename_over(NEW)
        record = self.assert_all_relayed(ids)
        self.assertEqual(record.posts(), [("single", 0, 401), ("single", 1, 201)])

    def test_a_file_that_cannot_be_used(self):
        self.start_with_file()
        self.revoke()
        ids = self.send("a")
        self.await_stop("refuses the token")
        self.rename_over("")
        self.daemon.wait_log("token_unreadable", reason="is empty")
        os.unlink(self.path)
        self.daemon.send_signal(signal.SIGHUP)
        self.daemon.wait_log("token_unreadable", reason="does not exist")
        self.await_stop("refuses the token")
        self.rename_over(NEW)
        record = self.assert_all_relayed(ids)
        self.assertEqual(record.posts(), [("single", 0, 401), ("single", 1, 201)])

    def test_flush_asks_with_the_same_token(self):
        self.start_with_file()
        self.revoke()
        ids = self.send("a")
        self.await_stop("refuses the token")
        self.c.ask("FLUSH")
        self.await_posts(2)
        eventually(lambda: self.c.queue()["sending"] == "0", "the probe's end")
        self.await_stop("refuses the token")
        self.api.settings(token=TOKEN)
        self.c.ask("FLUSH")
        record = self.assert_all_relayed(ids)
        self.assertEqual(record.posts(), 2 * [("single", 0, 401)] + [("single", 1, 201)])

    def test_without_a_file(self):
        self.start()
        self.revoke()
        ids = self.send("a")
        self.await_stop("refuses the token")
        self.daemon.send_signal(signal.SIGHUP)
        self.api.settings(token=TOKEN)
        self.c.ask("FLUSH")
        record = self.assert_all_relayed(ids)
        self.assertEqual(record.posts(), [("single", 0, 401), ("single", 1, 201)])

    def test_history_is_not_scanned_with_it(self):
        """It would only refuse as well."""
        self.start_with_file(**{"relay.settle_delay": "200ms", "relay.ambiguous_resends": 0})
        self.api.faults({"drop": True, "accept": True})
        lost = self.send("lost")
        self.await_states(lost, "deferred")
        self.revoke()
        other = self.send("other", first=1)
        self.await_stop("refuses the token")
        later = time.monotonic() + 0.4  # when the scan is long due
        eventually(lambda: time.monotonic() > later, "settle_delay")
        self.await_states(lost, "deferred")
        self.rename_over(NEW)
        self.assertRelayed(lost + other)
        record = self.finish()
        self.assertOnce(record, lost + other)
        self.assertEqual(self.daemon.log("history_failed"), [])

    def test_a_new_token_is_no_reason_to_ask_when_something_else_is_wrong(self):
        self.start_with_file()
        self.api.faults({"status": 307, "body": JSON})
        ids = self.send("a")
        self.await_stop("URL")
        self.api.settings(token=None)
        self.rename_over(NEW)
        self.daemon.wait_log("token_changed")
        self.await_stop("URL")
        self.assertEqual(len(self.api.record()["requests"]), 1)
        self.c.ask("FLUSH")
        self.assert_all_relayed(ids)


if __name__ == "__main__":
    unittest.main()


class Echoed(RelayingTest):
    def test_an_answer_that_repeats_it(self):
        """Neither a reply nor the log shows it, whatever the API does with it."""
        for name, (status, answer) in ECHOES.items():
            with self.subTest(name):
                self.start({"log.level": "debug"})
                self.api.faults(dict(answer, status=status, count=-1))
                ids = self.send("text")
                eventually(lambda: self.daemon.log("request_ended") or
                           self.daemon.log("request_failed"), "an answer")
                told = "\n".join(self.c.ask("STATUS " + ids[0]) + self.c.ask("QUEUE") +
                                 self.c.ask("QUEUE LIST"))
                self.finish()
                self.assertNotIn(TOKEN, told)
                self.assertNotIn(TOKEN, "\n".join(self.daemon.lines))
