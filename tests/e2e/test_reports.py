"""Delivery reports and inbound messages, as the API posts them: who may, whose they are, which of two
counts, what STATUS and WATCH tell of them, and that none is lost once it was answered 200.
"""

import concurrent.futures
import http.client
import json
import os
import random
import re
import resource
import shutil
import socket
import tempfile
import threading
import time
import unittest

from relaying import eventually
from support import CONFIG, IS_SLOW, TO, VARIANT, WRAPPER, TestCase, parse_reply, run
from test_disk import build_disk

SECRET = "s3cret-of-the-tests-0123"
PATH = "/dlr/" + SECRET
ULID = "01J0000000000000000000000%s"


def at(second):
    return "2026-04-21T10:15:%02dZ" % second


class ReportsTest(TestCase):
    """A relay in whose simulated API messages get no reports but those that a test posts."""

    settings = {}
    env = {}

    def setUp(self):
        self.start()

    def start(self, settings=None, webhook=None, **options):
        chosen = {"reports.address": "127.0.0.1:0", "listen.control": "all"}
        chosen.update(self.settings)
        chosen.update(settings or {})
        options["env"] = dict(self.env, SMSRELAY_REPORTS_SECRET=SECRET)
        self.the_relay = self.relay(chosen, **options)
        self.the_relay.sandbox.settings(webhook=webhook)
        self.host = self.the_relay.wait_log("reports_listening")["url"].split("/")[2]
        self.c = self.client(self.the_relay)

    def post(self, report, path=PATH, method="POST", type="application/json"):
        """Returns the status and the words of the answer."""
        connection = http.client.HTTPConnection(self.host, timeout=20)
        self.addCleanup(connection.close)
        body = report if report is None or isinstance(report, (str, bytes)) else json.dumps(report)
        connection.request(method, path, body, {"Content-Type": type} if body else {})
        response = connection.getresponse()
        words = response.read().decode()
        connection.close()
        return response.status, words

    def report(self, status, second=0, **members):
        code, words = self.post(dict({"status": status, "code": 0, "eventAt": at(second)},
                                     **members))
        self.assertEqual(code, 200, words)

    def relayed(self, options=""):
        """Submits a message and returns its id and its API id."""
        id = self.c.submit(options=options)
        return id, self.the_relay.await_state(id, "relayed")["api"]

    def dlr(self, id):
        line = self.the_relay.ask("STATUS " + id)[0]
        found = re.search(r' dlr=("[^"]*"|\S+) code=("[^"]*"|\S+)', line)
        return (found.group(1).strip('"'), found.group(2)) if found else (None, None)


class Webhook(ReportsTest):
    def test_who_may(self):
        id, _ = self.relayed()
        report = {"clientId": id, "status": "delivered", "eventAt": at(0)}
        for path in ("/", "/dlr/", "/dlr/x", PATH[:-1], PATH + "x", PATH + "/", "/dlr"):
            self.assertEqual(self.post(report, path=path)[0], 404, path)
            for method in ("GET", "HEAD", "OPTIONS"):
                self.assertEqual(self.post(None, path=path, method=method)[0], 404, (method, path))
        line = self.the_relay.wait_log("report_refused", status=404)
        self.assertEqual(line["reason"], "not found")
        self.assertNotIn(PATH[:-1], "\n".join(self.the_relay.lines))
        for method in ("PUT", "DELETE", "PATCH"):
            self.assertEqual(self.post(report, method=method)[0], 501, method)
        self.assertEqual(self.dlr(id), (None, None))
        self.assertEqual(self.post(report)[0], 200)
        self.assertEqual(self.dlr(id), ("delivered", "0"))

    def test_is_the_url_right(self):
        """Forms of providers ask before they save it."""
        for method in ("GET", "HEAD", "OPTIONS"):
            status, words = self.post(None, method=method)
            self.assertEqual(status, 200, method)
            self.assertEqual("delivery reports" in words, method != "HEAD")
        answer = self.raw(b"OPTIONS %s HTTP/1.1\r\nHost: x\r\n\r\n" % PATH.encode()).recv(65536)
        self.assertIn(b"Allow: GET, HEAD, OPTIONS, POST\r\n", answer)
        self.assertEqual(self.c.stats()["reports_refused_total"], "0")

    def test_what_is_no_report(self):
        for body in ("", "{", "[]", "1", "null", '{"status":"sent"}', '{"id":"a"}', '{"id":""}',
                     '{"id":{},"status":"sent"}', '{"id":"a","status":7}', "\xff", "\0", "[{}]",
                     "id=a&b=c", "[" * 60000):
            self.assertEqual(self.post(body)[0], 400, body[:40])
        self.assertEqual(self.post(b" " * 70000)[0], 413)
        self.assertEqual(self.c.stats()["reports_refused_total"], "15")
        line = self.the_relay.wait_log("report_refused", status=400)
        self.assertEqual((line["level"], line["reason"], line["peer"]),
                         ("info", "not a delivery report", "127.0.0.1"))

    def test_variants(self):
        for code, told in ((7, "7"), ("8", "8"), (None, "0"), ("E21", "E21"), (1 << 40, "1099511627776"),
                           (-3, "-3"), (21.5, "21.5"), (21.0, "21.0"), ("007", "007"), ("", "0")):
            id, _ = self.relayed()
            self.report("failed", clientId=id.lower(), code=code)
            self.assertEqual(self.dlr(id), ("failed", told))
        for status, told in (("handed over", "handed over"), ("Handed Over", "Handed Over"),
                             ("DELIVERED", "delivered"), ("Failed", "failed")):
            id, _ = self.relayed()
            self.assertEqual(self.post({"client_id": id, "status": status})[0], 200)
            self.assertEqual(self.dlr(id), (told, "0"))

    def test_a_bad_character_anywhere(self):
        for bad in (b"\xff", b"\xe2\x82", b"\\ud83d", b"\\ude00", b"\\u0000", b"\n", b"\\x"):
            for body in (b'{"clientId":"%s","status":"sent","note":"%s"}', b'{"clientId":"%s","%s":1,"status":"sent"}',
                         b'\xef\xbb\xbf{"clientId":"%s","status":"sent","id":"a%s"}',
                         b'<b>Notice</b>: x<br />\n[{"clientId":"%s","status":"sent","eventAt":"%s"}]'):
                id, _ = self.relayed()
                self.assertEqual(self.post(body % (id.encode(), bad))[0], 200, (bad, body))
                self.assertEqual(self.dlr(id), ("sent", "0"))

    def test_a_form(self):
        id, _ = self.relayed()
        form = "clientId=%s&status=DELIVERED&code=21&eventAt=2026-04-21T10%%3A15%%3A00Z" % id
        self.assertEqual(self.post(form, type="application/x-www-form-urlencoded")[0], 200)
        self.assertEqual(self.dlr(id), ("delivered", "21"))

    def test_many_at_once(self):
        """All are taken, or it is answered so that they come again; what can be read is taken."""
        ids = [self.relayed()[0] for _ in range(20)]
        reports = [{"clientId": id, "status": "sent", "eventAt": at(1)} for id in ids]
        self.assertEqual(self.post(reports + [None, {"id": "x"}])[0], 200)
        self.assertEqual({self.dlr(id)[0] for id in ids}, {"sent"})
        stats = self.c.stats()
        self.assertEqual((stats["reports_new_total"], stats["reports_refused_total"]), ("20", "2"))
        line = self.the_relay.wait_log("report_unreadable")
        self.assertEqual((line["entries"], line["taken"]), ("2", "20"))
        self.assertEqual(self.post({"events": [dict(one, status="failed") for one in reports]})[0], 200)
        self.assertEqual({self.dlr(id)[0] for id in ids}, {"failed"})
        form = "&".join("%d[clientId]=%s&%d[status]=delivered&%d[eventAt]=%s" % (i, id, i, i, at(2))
                        for i, id in enumerate(ids))
        self.assertEqual(self.post(form)[0], 200)
        self.assertEqual({self.dlr(id)[0] for id in ids}, {"delivered"})

    def test_many_of_which_one_is_early(self):
        """The call waits for it, as it would if it came alone."""
        id, _ = self.relayed()
        began = time.monotonic()
        self.assertEqual(self.post([{"clientId": id, "status": "sent"}, {"id": "early", "status": "sent"}])[0], 200)
        self.assertGreater(time.monotonic() - began, 2)
        self.assertEqual(self.dlr(id)[0], "sent")

    def call(self, report, head="POST %s HTTP/1.1\r\nHost: x\r\n" % PATH):
        """A call's bytes."""
        body = json.dumps(report)
        return ("%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body)).encode()

    def raw(self, *calls):
        host, port = self.host.split(":")
        connection = socket.create_connection((host, int(port)), timeout=20)
        self.addCleanup(connection.close)
        connection.sendall(b"".join(calls))
        return connection

    def test_pipelined(self):
        ids = [self.relayed()[0] for _ in range(5)]
        calls = [self.call({"clientId": id, "status": "sent", "eventAt": at(1)}) for id in ids * 10]
        connection = self.raw(*calls)
        answers = b""
        while answers.count(b"thank you") < len(calls):
            answers += connection.recv(65536)
        self.assertEqual(answers.count(b"HTTP/1.1 200"), len(calls))
        self.assertEqual(self.c.stats()["reports_old_total"], str(len(calls) - len(ids)))

    def test_callers_that_leave(self):
        """Before their answer, which has to wait; nobody else notices, and neither does a stop."""
        early = self.call({"id": "nobody knows it yet", "status": "sent"})
        for _ in range(10):
            self.raw(early).close()
            gone = self.raw(early, early, early[:-5])
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            gone.close()
            self.raw(early[:60]).close()
        id, _ = self.relayed()
        self.report("delivered", clientId=id)
        waiting = [self.raw(early) for _ in range(10)]
        eventually(lambda: int(self.c.stats()["reports_unmatched_total"]) >= 10, "those that left")
        left = self.raw(early)
        left.close()
        waiting.append(self.raw(early))
        self.the_relay.stop()

    def test_forms_of_a_call(self):
        id, _ = self.relayed()
        report = {"clientId": id, "status": "sent"}
        cases = [(PATH + "?from=proxy", "200"), ("http://any.example" + PATH, "200"),
                 ("/dlr/%73" + SECRET[1:], "404"), ("//dlr/" + SECRET, "404"),
                 ("/x/.." + PATH, "404"), ("/dlr/" + "x" * 9000, "404"), ("*", "404")]
        for path, status in cases:
            connection = self.raw(self.call(report, "POST %s HTTP/1.1\r\nHost: x\r\n" % path))
            self.assertIn(connection.recv(65536)[9:12].decode(), (status, "400"), path[:40])
        body = json.dumps(report).encode()
        chunked = self.raw(b"POST %s HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
                           % (PATH.encode(), len(body), body))
        self.assertEqual(chunked.recv(65536)[9:12], b"200")
        self.assertEqual(self.raw(b"POST %s HTTP/1.1\r\nX: %s\r\n\r\n" % (PATH.encode(), b"x" * 20000)
                                  ).recv(65536)[9:12], b"400")

    def test_a_flood_of_connections(self):
        """Strangers take no descriptors from submitters, and all are given back."""
        host, port = self.host.split(":")
        descriptors = "/proc/%d/fd" % self.the_relay.pid
        before = len(os.listdir(descriptors))
        flood = [socket.create_connection((host, int(port)), timeout=20) for _ in range(300)]
        self.addCleanup(lambda: [one.close() for one in flood])
        for one in flood:
            one.send(b"POST ")
        self.client(self.the_relay).submit()
        eventually(lambda: len(os.listdir(descriptors)) < before + 290, "few descriptors")
        for one in flood:
            one.close()
        id, _ = self.relayed()
        self.report("delivered", clientId=id)
        self.assertEqual(self.dlr(id)[0], "delivered")
        eventually(lambda: len(os.listdir(descriptors)) < before + 20, "descriptors given back")

    def test_no_descriptors(self):
        """The relay does not spin, logs it, and accepts calls again when there are descriptors."""
        pid = self.the_relay.pid
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        used = len(os.listdir("/proc/%d/fd" % pid))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 2, limits[1]))
        calls = [self.raw() for _ in range(10)]
        self.the_relay.wait_log("accept_failed", level="error")
        for _ in range(3):
            self.c.submit()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        id, _ = self.relayed()
        self.report("delivered", clientId=id)
        self.assertEqual(self.dlr(id)[0], "delivered")
        for call in calls:
            call.close()

    def test_the_secret_is_not_told(self):
        self.post({"id": "a", "status": "sent"})
        self.the_relay.stop()
        self.assertNotIn(SECRET, "\n".join(self.the_relay.lines))

    def test_no_secret_no_listener(self):
        for secret in ("", "too-short", "no/slashes/here/please"):
            result = run("check", "-o", "reports.address=127.0.0.1:0",
                         env={"SMSRELAY_REPORTS_SECRET": secret or None, "INSTASENT_TOKEN": "t"})
            self.assertEqual(result.returncode, CONFIG, secret)
            self.assertRegex(result.stderr, "reports.secret|REPORTS_SECRET")


class Matching(ReportsTest):
    def test_order(self):
        cases = [
            (("sent", 1), ("delivered", 2), "delivered"),
            (("delivered", 2), ("sent", 1), "delivered"),
            (("delivered", 1), ("sent", 2), "delivered"),
            (("buffered", 2), ("accepted", 1), "buffered"),
            (("failed", 1), ("delivered", 2), "delivered"),
            (("sent", 1), ("sent", 1), "sent"),
            (("nonsense", 1), ("delivered", 1), "delivered"),
        ]
        for first, second, told in cases:
            id, _ = self.relayed()
            self.report(first[0], first[1], clientId=id)
            self.report(second[0], second[1], clientId=id)
            self.assertEqual(self.dlr(id)[0], told, (first, second))

    def test_by_api_id(self):
        id, api = self.relayed()
        self.report("delivered", id=api)
        self.assertEqual(self.dlr(id)[0], "delivered")
        self.report("delivered", id=api, clientId="somebody else's")
        self.assertEqual(self.c.stats()["reports_unmatched_total"], "0")

    def test_one_of_nobody(self):
        self.report("delivered", clientId=ULID % 1, id="a")
        self.assertEqual(self.c.stats()["reports_unmatched_total"], "1")
        id = self.c.submit(options="AT=+1h")
        self.report("delivered", clientId=id)
        self.assertEqual(self.dlr(id), (None, None))
        self.assertEqual(self.the_relay.status(id)["state"], "scheduled")
        self.assertEqual(self.c.stats()["reports_unmatched_total"], "2")

    def test_one_of_another_program(self):
        """Reports of ours have a clientId of ours: one with another is not kept waiting."""
        began = time.monotonic()
        for i in range(5):
            self.report("delivered", id="x%d" % i, clientId="order-%d" % i)
        self.assertLess(time.monotonic() - began, 2.5)
        self.assertEqual(self.c.stats()["reports_unmatched_total"], "5")

    def test_by_api_id_before_the_answer(self):
        self.the_relay.sandbox.settings(latency_ms=1000)
        id = self.c.submit()
        self.the_relay.await_state(id, "sending")
        taken = eventually(lambda: self.the_relay.sandbox.record()["messages"], "the message")
        api = taken[0]["id"]
        self.report("delivered", id=api)
        self.assertEqual(self.dlr(id)[0], "delivered")

    def test_while_it_is_sent(self):
        """It comes before the answer to the POST: found by clientId at once, by API id once that is known."""
        self.the_relay.sandbox.settings(latency_ms=500)
        id = self.c.submit()
        self.the_relay.await_state(id, "sending")
        self.report("delivered", clientId=id)
        self.assertEqual(self.dlr(id)[0], "delivered")
        self.assertEqual(self.the_relay.await_state(id, "relayed")["dlr"], "delivered")

    def test_an_ambiguous_one_is_settled(self):
        self.the_relay.sandbox.faults({"on": "single", "accept": True, "drop": True},
                                      {"on": "history", "status": 503, "count": -1})
        id = self.c.submit()
        self.the_relay.await_state(id, "deferred")
        self.report("delivered", clientId=id, id="the-api-id")
        status = self.the_relay.status(id)
        self.assertEqual((status["state"], status["dlr"], status["api"]),
                         ("relayed", "delivered", "the-api-id"))

    def test_an_answer_that_is_lost_after_the_report(self):
        self.the_relay.sandbox.settings(latency_ms=500)
        self.the_relay.sandbox.faults({"on": "single", "accept": True, "drop": True},
                                      {"on": "history", "status": 503, "count": -1})
        id = self.c.submit()
        self.the_relay.await_state(id, "sending")
        self.report("delivered", clientId=id)
        self.the_relay.await_state(id, "relayed")


class Told(ReportsTest):
    def test_watch(self):
        id, api = self.relayed()
        watcher = self.client(self.the_relay)
        self.assertReply(watcher.ask("WATCH"), "250")
        one = self.client(self.the_relay)
        self.assertReply(one.ask("WATCH " + id), "250")
        self.report("sent", 1, clientId=id)
        self.report("sent", 1, clientId=id)
        self.report("failed", 2, clientId=id, code=21)
        for c in (watcher, one):
            self.assertRegex(c.read_event(), r"120 2.0.0 event=\d+ id=%s state=relayed.* dlr=sent code=0" % id)
            self.assertRegex(c.read_event(), r"120 2.0.0 event=\d+ id=%s state=relayed.* dlr=failed code=21" % id)

    def test_a_report_without_a_time(self):
        """Its status tells whether it is new: a repeated one is not, however late it comes."""
        id, _ = self.relayed()
        watcher = self.client(self.the_relay)
        self.assertReply(watcher.ask("WATCH " + id), "250")
        for status in ("buffered", "sent", "buffered", "delivered", "delivered", "failed"):
            self.assertEqual(self.post({"clientId": id, "status": status})[0], 200)
        self.assertEqual(self.post({"clientId": id, "status": "sent", "message": "the end"})[0], 200)
        seen = [parse_reply(watcher.read_event()) for _ in range(3)]
        self.assertEqual([one.get("dlr") for one in seen], ["buffered", "delivered", None])

    def test_inbound(self):
        id, _ = self.relayed()
        watcher = self.client(self.the_relay)
        self.assertReply(watcher.ask("WATCH"), "250")
        self.report("delivered", 1, clientId=id)
        reply = {"clientId": id, "status": "delivered", "eventAt": at(2), "message": 'He said "no"\n'}
        self.assertEqual(self.post(reply)[0], 200)
        self.assertIn(" dlr=delivered", watcher.read_event())
        self.assertRegex(watcher.read_event(),
                         r'121 2.0.0 event=\d+ inbound id=%s to=\%s text="He said \\"no\\"\\n"' %
                         (id, TO))
        self.assertEqual(self.post(reply)[0], 200)
        self.assertEqual(self.c.stats()["reports_old_total"], "1")
        self.report("stop", 3, clientId=id)
        self.assertRegex(watcher.read_event(), r'121 2.0.0 event=\d+ inbound .*text=STOP')
        self.assertEqual(self.dlr(id)[0], "delivered")

    def test_what_was_missed(self):
        id, _ = self.relayed()
        other, _ = self.relayed()
        watcher = self.client(self.the_relay)
        self.assertReply(watcher.ask("WATCH"), "250")
        self.report("sent", 1, clientId=id)
        last = parse_reply(watcher.read_event())["event"]
        watcher.close()
        self.report("delivered", 2, clientId=id, code=0)
        self.report("failed", 2, clientId=other, code=9)
        self.post({"clientId": id, "status": "sent", "eventAt": at(3), "message": "yes"})
        again = self.client(self.the_relay)
        self.assertReply(again.ask("WATCH since=" + last), "250 2.0.0 watching all missed=no")
        self.assertIn("id=%s state=relayed" % id, again.read_event())
        self.assertIn(" dlr=failed code=9", again.read_event())
        self.assertIn("121 2.0.0", again.read_event())
        self.report("expired", 3, clientId=other)
        self.assertIn(" dlr=expired", again.read_event())
        one = self.client(self.the_relay)
        self.assertReply(one.ask("WATCH %s since=%s" % (other, last)), "250 2.0.0 watching missed=no")
        self.assertIn(" dlr=failed", one.read_event())
        self.assertIn(" dlr=expired", one.read_event())
        self.assertReply(one.ask("WATCH since=1"), "250 2.0.0 watching all missed=yes")

    def test_more_was_missed_than_a_buffer_holds(self):
        count = 2000 if IS_SLOW else 15000
        self.c.send("HOLD", *["SEND %s text" % TO] * count)
        for _ in range(count + 1):
            self.assertReply(self.c.read_reply(), "250")
        first = self.client(self.the_relay)
        self.assertRegex(first.ask("WATCH since=1")[0], "missed=yes")
        begin = int(parse_reply(first.read_event())["event"])
        slow = self.client(self.the_relay)
        slow.send("WATCH since=%d" % begin)
        self.assertReply(slow.read_reply(), "250")
        for number in range(begin + 1, begin + count):
            self.assertIn(" event=%d " % number, slow.read_event())
        self.c.submit()
        self.assertIn(" event=%d " % (begin + count), slow.read_event())

    def test_since_what_has_not_been(self):
        """A number from an earlier run, whose clock was ahead: it is unknown, and nothing is withheld."""
        self.c.submit()
        watcher = self.client(self.the_relay)
        self.assertReply(watcher.ask("WATCH since=1844674407370955000"),
                         "250 2.0.0 watching all missed=yes")
        id = self.c.submit()
        while "id=%s state=relayed" % id not in watcher.read_event():
            pass

    def test_missed_while_a_reply_is_held(self):
        """What was missed waits with the reply, not in a buffer that gets the watcher cut off."""
        count = 6000
        self.c.send("HOLD", *["SEND %s text" % TO] * count)
        for reply in self.c.read_replies(count + 1):
            self.assertReply(reply, "250")
        watcher = self.client(self.the_relay)
        watcher.send("WATCH since=1", "SEND ACK=relayed %s text" % TO)
        self.assertReply(watcher.read_reply(), "250")
        self.assertReply(self.client(self.the_relay).ask("STATS"), "250")
        self.c.ask("RELEASE")
        self.assertReply(watcher.read_reply(), "250 2.0.0 relayed")
        numbers = [int(parse_reply(watcher.read_event())["event"]) for _ in range(3 * count)]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 3 * count)))
        self.assertEqual(self.c.stats()["watchers_cut_off_total"], "0")

    @unittest.skipIf(IS_SLOW, "it takes more events than are kept")
    def test_who_catches_up_too_slowly_is_cut_off(self):
        """Events that are gone by the time there is room for them are not silently left out."""
        def submit():
            self.c.send(*["SEND %s text" % TO] * 70000)
            for reply in self.c.read_replies(70000):
                self.assertReply(reply, "250")
        self.c.ask("HOLD")
        submit()
        slow = self.client(self.the_relay)
        self.assertReply(slow.ask("WATCH since=1"), "250 2.0.0 watching all missed=yes")
        submit()
        text = b"".join(line + b"\n" for line in slow.lines) + slow.input
        while chunk := slow.socket.recv(1 << 20):
            text += chunk
        numbers = [int(number) for number in re.findall(rb"event=(\d+) .*\r\n", text)]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        self.assertEqual(self.c.stats()["watchers_cut_off_total"], "1")

    def test_what_the_simulator_reports(self):
        """From end to end: reports come by themselves, in order."""
        relay = self.relay({"reports.address": "127.0.0.1:0"},
                           env={"SMSRELAY_REPORTS_SECRET": SECRET})
        c = self.client(relay)
        self.assertReply(c.ask("WATCH"), "250")
        id = c.submit(to="+34600009008")
        seen = []
        while "dlr=delivered" not in (seen[-1] if seen else ""):
            seen.append(c.read_event())
        told = [parse_reply(line)["dlr"] for line in seen if " dlr=" in line]
        self.assertEqual(told, ["sent", "buffered", "delivered"])


class Durable(ReportsTest):
    def setUp(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        self.settings = {"queue.path": os.path.join(folder, "queue.db")}
        self.start(sandbox=self.separate_sandbox())

    def restart(self, **options):
        sandbox = self.the_relay.sandbox
        self.the_relay.kill()
        self.start(sandbox=sandbox, **options)

    def test_a_report_is_kept(self):
        id, _ = self.relayed()
        other, _ = self.relayed("REF=a")
        self.report("failed", 5, clientId=id, code=3)
        self.report("delivered", 5, clientId=other)
        self.restart()
        self.assertEqual(self.dlr(id), ("failed", "3"))
        self.assertEqual(self.dlr("a"), ("delivered", "0"))
        self.report("sent", 4, clientId=id)
        self.report("failed", 9, clientId="a")
        self.assertEqual(self.dlr(id), ("failed", "3"))

    def test_of_an_earlier_run(self):
        id, _ = self.relayed()
        self.restart()
        self.report("delivered", clientId=id)
        self.assertEqual(self.dlr(id)[0], "delivered")

    def test_of_an_earlier_run_by_api_id(self):
        messages = [self.relayed() for _ in range(5)]
        self.c.ask("QUEUE LIST relayed")  # answered once they are in the store
        self.restart()
        for id, api in messages:
            self.report("delivered", id=api)
        for id, _ in messages:
            self.assertEqual(self.dlr(id)[0], "delivered")

    def test_one_that_came_before_the_relay_was_killed(self):
        self.the_relay.sandbox.settings(latency_ms=5000)
        id = self.c.submit()
        self.the_relay.await_state(id, "sending")
        self.report("delivered", clientId=id)
        self.the_relay.sandbox.faults({"on": "history", "status": 503, "count": -1})
        self.restart()
        self.assertEqual(self.the_relay.status(id)["state"], "relayed")
        self.assertEqual(self.dlr(id)[0], "delivered")

    def test_events_of_forgotten_messages(self):
        id, _ = self.relayed()
        watcher = self.client(self.the_relay)
        self.assertReply(watcher.ask("WATCH " + id), "250")
        self.report("delivered", clientId=id)
        self.assertIn("id=%s state=relayed" % id, watcher.read_event())

    def test_inbound_is_told_once(self):
        id, _ = self.relayed()
        reply = {"clientId": id, "status": "sent", "eventAt": at(2), "message": "yes"}
        self.assertEqual(self.post(reply)[0], 200)
        self.restart()
        self.assertEqual(self.post(reply)[0], 200)
        self.assertEqual(self.c.stats()["reports_old_total"], "1")

    def test_by_the_ten_thousand(self):
        """Many at once, each twice, in any order, while messages are relayed: none is lost."""
        count = 300 if IS_SLOW else 3500
        self.c.send(*["SEND REF=m%d %s text" % (i, TO) for i in range(count)])
        ids = [parse_reply(self.c.read_reply()[0])["id"] for _ in range(count)]
        for i in (0, count - 1):
            self.the_relay.await_state(ids[i], "relayed")
        self.assertEqual(self.c.stats()["messages_accepted_total"], str(count))

        def post(part):
            connection = http.client.HTTPConnection(self.host, timeout=60)
            for status in ("delivered", "sent", "delivered"):
                for id in part:
                    connection.request("POST", PATH, json.dumps(
                        {"clientId": id, "status": status, "eventAt": at(1)}))
                    response = connection.getresponse()
                    response.read()
                    self.assertEqual(response.status, 200)
            connection.close()

        threads = [threading.Thread(target=post, args=(ids[i::8],)) for i in range(8)]
        for thread in threads:
            thread.start()
        self.c.send(*["SEND %s text" % TO] * count)
        for _ in range(count):
            self.assertReply(self.c.read_reply(), "250")
        for thread in threads:
            thread.join()
        stats = self.c.stats()
        self.assertEqual((stats["reports_new_total"], stats["reports_old_total"]),
                         (str(count), str(2 * count)))
        self.restart()
        self.assertEqual({self.dlr("m%d" % i)[0] for i in range(0, count, 97)}, {"delivered"})

    def follow(self):
        """The simulated API posts to the current relay; what the last one has not answered comes again."""
        self.webhook = "http://%s%s" % (self.host, PATH)
        self.the_relay.sandbox.settings(webhook=self.webhook)

    def test_killed_at_any_moment(self):
        """What was answered 200 is kept, and what was not comes again: each message's last status is
        there in the end."""
        outcomes = {"9002": "failed", "9005": "expired", "9006": "error", "9007": "rejected",
                    "9008": "delivered", "9010": "delivered", "0000": "delivered"}
        kills, messages = (6, 14) if IS_SLOW else (25, 28)
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        sandbox = self.the_relay.sandbox
        sandbox.settings(report_delay_ms=5, report_retry_ms=20)
        # What a dead relay left is looked up, and twice if that takes several pages.
        self.settings["relay.settle_delay"] = "200ms"
        wanted = {}
        for _ in range(kills):
            self.follow()
            watcher = self.client(self.the_relay)
            self.assertReply(watcher.ask("WATCH"), "250")
            endings = [chance.choice(list(outcomes)) for _ in range(messages)]
            self.c.send(*["SEND +3460000%s text" % ending for ending in endings])
            for ending, reply in zip(endings, self.c.read_replies(messages)):
                wanted[parse_reply(reply[0])["id"]] = outcomes[ending]
            told = chance.randrange(messages)
            while told > 0:
                told -= " dlr=" in watcher.read_event()
            self.restart(webhook=self.webhook)
        self.follow()

        def look():
            self.c.send(*["STATUS " + id for id in wanted])
            found = [parse_reply(reply[0]).get("dlr") for reply in self.c.read_replies(len(wanted))]
            return found == list(wanted.values())
        eventually(look, "the last status of each message, seed %d" % seed)
        reports = sandbox.summary()["reports"]
        self.assertEqual((reports["failed"], reports["dropped"]), (0, 0), reports)
        self.assertGreater(reports["retried"], 0)
        self.assertEqual(self.c.stats()["reports_unmatched_total"], "0")


@unittest.skipIf(WRAPPER, "what is preloaded would be preloaded into the wrapper")
@unittest.skipIf(VARIANT == "tsan", "its runtime does not know what is preloaded")
class Disk(ReportsTest):
    def setUp(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        self.orders = os.path.join(folder, "orders")
        os.mkfifo(self.orders + ".gate")
        self.env = {"LD_PRELOAD": build_disk(folder), "FAULTY_VFS": self.orders}
        self.settings = {"queue.path": os.path.join(folder, "queue.db")}
        self.start(sandbox=self.separate_sandbox())

    def order(self, words):
        with open(self.orders + ".new", "w") as file:
            file.write(words + "\n")
        os.rename(self.orders + ".new", self.orders)

    def test_one_that_hangs(self):
        """Whatever the disk does, the API is told within five seconds, and has to come again."""
        id, _ = self.relayed()
        self.c.ask("QUEUE LIST relayed")
        self.order("sync hang")
        reports = [{"id": "early", "status": "sent"}, {"clientId": id, "status": "sent"},
                   {"id": "early too", "status": "sent"}, {"clientId": id, "status": "delivered"}]
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(len(reports)) as pool:
            answers = list(pool.map(self.post, reports))
        took = time.monotonic() - began
        self.order("ok")
        os.close(os.open(self.orders + ".gate", os.O_WRONLY))
        self.assertEqual([status for status, _ in answers], [503] * len(reports), answers)
        if not IS_SLOW:
            self.assertLess(took, 5)
        self.report("delivered", 1, clientId=id)
        self.assertEqual(self.dlr(id)[0], "delivered")

    def test_one_that_fails(self):
        id, _ = self.relayed()
        self.c.ask("QUEUE LIST relayed")
        self.order("sync ioerr")
        stop = {"clientId": id, "status": "stop", "eventAt": at(1)}
        self.assertEqual(self.post(stop)[0], 503)
        self.order("ok")
        eventually(lambda: self.post(stop)[0] == 200, "a disk that works")
        self.assertReply(self.c.ask("SEND %s text" % TO), "550 5.7.1")
        sandbox = self.the_relay.sandbox
        self.the_relay.kill()
        self.start(sandbox=sandbox)
        self.assertReply(self.c.ask("SEND %s text" % TO), "550 5.7.1")


if __name__ == "__main__":
    unittest.main()
