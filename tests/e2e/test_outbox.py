"""reports.webhook and reports.exec: every lasting change, once and in order, signed; repeated until
it is taken; in the same words after a kill; and a receiver that does not take it delays nothing.
"""

import collections
import http.client
import http.server
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from killing import Trial
from relaying import eventually
from support import CONFIG, IS_SLOW, PATIENCE, TO, TOKEN, TestCase, command, parse_reply, run

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
API_SECRET = "s3cret-of-the-tests-0123"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL_SECRET = "s3cret-of-the-url"
ENVIRONMENT = {"SMSRELAY_REPORTS_SECRET": API_SECRET, "SMSRELAY_REPORTS_WEBHOOK_SECRET": SECRET}
REJECTED_TO = "+34600009001"  # by the simulator


def documented_check():
    """The function of WEBHOOK.md that checks a signature."""
    text = open(os.path.join(ROOT, "gateway/notify/WEBHOOK.md")).read()
    names = {}
    exec(re.search(r"```python\n(import base64.*?)```", text, re.S).group(1), names)
    return names["is_genuine"]


is_genuine = documented_check()


class Hook:
    """A webhook on a free port: records requests, answers as it is set."""

    def __init__(self, listens=True, certificate=None):
        self.news = threading.Condition()
        self.requests = []  # {"id", "body", "changes", "answer", "is_genuine"}
        self.strays = 0
        # Answers of the next requests (None: none; with a Retry-After: a pair); then 204.
        self.plan = collections.deque()
        self.is_open = threading.Event()  # while it is not, requests get no answer
        self.is_open.set()
        self.words = ""  # which every answer has in its status line, its header and its body
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.url = "%s://127.0.0.1:%d/%s" % ("https" if certificate else "http", self.port, URL_SECRET)
        self.certificate = certificate  # the path of a file with its key
        self.server = None
        if listens:
            self.listen()

    def listen(self):
        """Before this, connections are refused."""
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                hook.take(self)

            def do_GET(self):  # of whoever follows a redirect
                hook.strays += 1
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a relay that was killed in the midst of a request

        self.socket.listen()
        self.server = Server(self.socket.getsockname(), Handler, bind_and_activate=False)
        self.server.socket.close()
        if self.certificate:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(self.certificate)
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.server.socket = self.socket
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, handler):
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self.news:
            answer = self.plan.popleft() if self.plan else 204
            self.requests.append({
                "id": headers["webhook-id"], "body": body, "answer": None, "headers": headers,
                "changes": json.loads(body)["changes"], "path": handler.path, "at": time.monotonic(),
                "is_genuine": is_genuine(SECRET, headers, body)})
            request = self.requests[-1]
            self.news.notify_all()
        self.is_open.wait()
        if answer is None:
            handler.close_connection = True
            return
        answer, retry_after = answer if isinstance(answer, tuple) else (answer, None)
        with self.news:
            request["answer"] = abs(answer)
            self.news.notify_all()
        handler.send_response(abs(answer), self.words or None)
        if answer < 0:  # and a body without an end
            handler.end_headers()
            while True:
                handler.wfile.write(b"x" * 65536)
        if answer == 302:
            handler.send_header("Location", self.url)
        if retry_after:
            handler.send_header("Retry-After", retry_after)
        if self.words:
            handler.send_header("X-Request-Id", self.words)
        handler.send_header("Content-Length", str(len(self.words)))
        handler.end_headers()
        handler.wfile.write(self.words.encode())

    def taken(self):
        """The changes of the requests that it answered 2xx, in order."""
        return [change for request in self.requests if (request["answer"] or 0) // 100 == 2
                for change in request["changes"]]

    def wait(self, is_there, what):
        deadline = time.monotonic() + PATIENCE
        with self.news:
            while not is_there():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError("no %s: %s" % (what, self.taken()[-10:]))
                self.news.wait(left)

    def wait_changes(self, count):
        self.wait(lambda: len(self.taken()) >= count, "%d changes" % count)
        return self.taken()

    def wait_requests(self, count):
        self.wait(lambda: len(self.requests) >= count, "%d requests" % count)

    def close(self):
        self.is_open.set()
        if self.server:
            self.server.shutdown()
        self.socket.close()


class OutboxTest(TestCase):
    settings = {}

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.hook = self.new_hook()

    def new_hook(self, **options):
        hook = Hook(**options)
        self.addCleanup(hook.close)
        return hook

    def start(self, settings=None, hook=True, **options):
        chosen = {"reports.address": "127.0.0.1:0", "relay.settle_delay": "100ms",
                  "relay.connections": 1}  # so that the order is that of submission
        if hook:
            chosen["reports.webhook"] = self.hook.url
        chosen.update(self.settings)
        chosen.update(settings or {})
        env = dict(ENVIRONMENT, **options.pop("env", {}))
        self.the_relay = self.relay(chosen, env=env, **options)
        self.the_relay.sandbox.settings(webhook=None)
        self.host = self.the_relay.wait_log("reports_listening")["url"].split("/")[2]
        self.c = self.client(self.the_relay)
        return self.the_relay

    def durable(self):
        return {"queue.path": os.path.join(self.folder, "queue.db")}

    def post(self, host=None, **members):
        """Posts a report as the API does. Returns the status of the answer."""
        connection = http.client.HTTPConnection(host or self.host, timeout=PATIENCE)
        try:
            connection.request("POST", "/dlr/" + API_SECRET, json.dumps(members))
            return connection.getresponse().status
        finally:
            connection.close()

    def report(self, message, status, **members):
        self.assertEqual(self.post(clientId=message, status=status, eventAt="2026-04-21T10:15:00Z",
                                   **members), 200)

    def await_count(self, name, count):
        eventually(lambda: int(self.c.stats()[name]) >= count, "%s=%d" % (name, count))

    def relay_many(self, count):
        """Sends so many messages at once; returns their ids."""
        self.c.send(*["SEND %s text" % TO] * count)
        return [parse_reply(self.c.read_reply()[0])["id"] for _ in range(count)]

    def count_in_state(self, state, ids):
        self.c.send(*["STATUS " + id for id in ids])
        return [parse_reply(self.c.read_reply()[0])["state"] for _ in ids].count(state)

    def assertSound(self, hook=None):
        """Every request was signed; numbers rise; repetitions have the same words."""
        hook = hook or self.hook
        by_number, by_id = {}, {}
        for request in hook.requests:
            self.assertTrue(request["is_genuine"], request["headers"])
            self.assertEqual(by_id.setdefault(request["id"], request["body"]), request["body"])
            for change in request["changes"]:
                self.assertEqual(by_number.setdefault(change["number"], change), change)
        for request in hook.requests:
            numbers = [change["number"] for change in request["changes"]]
            self.assertEqual(numbers, sorted(set(numbers)))
            self.assertEqual(request["id"], "%d-%d" % (numbers[0], numbers[-1]))

    def assertOnce(self, hook=None):
        self.assertSound(hook)
        numbers = [change["number"] for change in (hook or self.hook).taken()]
        self.assertEqual(numbers, sorted(set(numbers)))


class Told(OutboxTest):
    """Every lasting change, as it happens."""

    def check(self, settings, told, at_stop):
        """`told()` returns the changes so far, `told(n)` waits for them."""
        relay = self.start(settings)
        self.assertReply(self.c.ask("WATCH"), "250")
        id = self.c.submit(options="REF=order-1 FROM=Acme")
        api = told(1)[0]["api"]
        self.report(id, "sent", code=0, id=api)
        self.report(id, "sent", code=0, id=api)
        self.report(id, "delivered", code=0, id=api)
        self.assertEqual(self.post(clientId=id, status="delivered", message="Yes \u00f1 \"x\"\n",
                                   id=api, eventAt="2026-04-21T10:16:00Z"), 200)
        told(4)
        rejected = self.c.submit(to=REJECTED_TO)
        told(5)
        later = self.c.submit(options="AT=+1h")
        self.assertReply(self.c.ask("CANCEL " + later), "250")
        expired = self.c.submit(options="AT=+1s TTL=1")
        self.assertReply(self.c.ask("HOLD"), "250")
        changes = told(7)
        relay.stop()
        at_stop()
        common = {"id": id, "ref": "order-1", "to": TO, "from": "Acme", "api": api}
        for change in changes:
            self.assertRegex(change.pop("at"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        numbers = [change.pop("number") for change in changes]
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual(changes[0], dict(common, event="state", state="relayed"))
        self.assertEqual(changes[1], dict(common, event="report", status="sent", code=0,
                                          eventAt="2026-04-21T10:15:00.000Z"))
        self.assertEqual(changes[2]["status"], "delivered")
        self.assertEqual(changes[3], dict(common, event="inbound", text="Yes \u00f1 \"x\"\n",
                                          eventAt="2026-04-21T10:16:00.000Z"))
        self.assertEqual([(c["id"], c["event"], c["state"]) for c in changes[4:6]],
                         [(rejected, "state", "rejected"), (later, "state", "canceled")])
        self.assertTrue(changes[4]["reason"])
        self.assertEqual((changes[6]["id"], changes[6]["state"]), (expired, "expired"))

    def test_webhook_in_memory(self):
        self.check({}, lambda count: self.hook.wait_changes(count), self.assertOnce)

    def test_webhook_durable(self):
        self.check(self.durable(), lambda count: self.hook.wait_changes(count), self.assertOnce)

    def test_stop_is_told(self):
        self.start()
        id = self.c.submit()
        self.hook.wait_changes(1)
        self.report(id, "stop")
        self.assertEqual(self.hook.wait_changes(2)[1]["text"], "STOP")

    def test_an_id_that_is_too_long(self):
        """It is left out: cut within a letter, it is invalid UTF-8."""
        for settings in ({}, self.durable()):
            self.hook = self.new_hook()
            relay = self.start(settings)
            id = self.c.submit()
            self.hook.wait_changes(1)
            self.report(id, "delivered", code=0, id="x" * 62 + "\u00f1" * 10)
            report = self.hook.wait_changes(2)[1]
            self.assertEqual((report["id"], report["status"]), (id, "delivered"))
            self.assertNotIn("api", report)
            self.assertFalse(relay.log("store_failed") or relay.log("changes_dropped"))
            relay.stop()

    def test_what_polling_finds_is_told(self):
        relay = self.relay({"reports.poll": "1s", "reports.webhook": self.hook.url}, env=ENVIRONMENT)
        id = self.client(relay).submit()
        state, report = self.hook.wait_changes(2)[:2]
        self.assertEqual((state["id"], state["state"]), (id, "relayed"))
        self.assertEqual((report["id"], report["event"]), (id, "report"))
        self.assertIn(report["status"], ("accepted", "delivered"))

    def test_batches(self):
        count = 60 if IS_SLOW else 450
        for settings in ({}, self.durable()):
            self.hook = self.new_hook()
            relay = self.start(settings)
            self.hook.is_open.clear()
            first = self.c.submit()
            self.hook.wait_requests(1)
            ids = self.relay_many(count)
            # Not only the last one: requests end in any order.
            eventually(lambda: self.count_in_state("relayed", ids) == count, "all are relayed")
            self.hook.is_open.set()
            changes = self.hook.wait_changes(count + 1)
            self.assertEqual({change["id"] for change in changes}, {first, *ids})
            self.assertLessEqual(max(len(r["changes"]) for r in self.hook.requests), 100)
            self.assertLess(len(self.hook.requests), count / 20)
            relay.stop()
            self.assertOnce()


    def test_batches_are_small_enough_for_web_servers(self):
        """Some receivers take no more than 100 KB."""
        count = 40
        self.start()
        self.hook.is_open.clear()
        id = self.c.submit()
        self.hook.wait_requests(1)
        for n in range(count):
            self.assertEqual(self.post(clientId=id, status="sent", message="%d " % n + "x" * 4000), 200)
        self.hook.is_open.set()
        self.hook.wait_changes(1 + count)
        self.assertLess(max(len(request["body"]) for request in self.hook.requests), 100 * 1000)
        self.assertLess(len(self.hook.requests), 8)


class Refused(OutboxTest):
    def test_again_until_it_is_taken(self):
        relay = self.start(self.durable())
        self.hook.plan.extend([None, 302, 404][:2 if IS_SLOW else 3])
        tries = len(self.hook.plan) + 1
        id = self.c.submit()
        changes = self.hook.wait_changes(1)
        self.assertEqual([c["id"] for c in changes], [id])
        self.assertEqual(len({request["id"] for request in self.hook.requests}), 1)
        self.assertEqual((len(self.hook.requests), self.hook.strays), (tries, 0))
        self.assertEqual({request["path"] for request in self.hook.requests}, {"/" + URL_SECRET})
        relay.wait_log("webhook_recovered", host="127.0.0.1", failures=tries - 1)
        self.assertEqual(self.c.stats()["webhook_failures_total"], str(tries - 1))
        relay.stop()
        self.assertEqual([line["reason"] for line in relay.log("webhook_failing")],
                         ["Server returned nothing (no headers, no data)", "HTTP status 302",
                          "HTTP status 404"][:tries - 1], "each new cause, once")
        self.assertOnce()
        log = "\n".join(relay.lines)
        self.assertNotIn(URL_SECRET, log)
        self.assertNotIn(SECRET[6:], log)

    def test_an_answer_without_an_end(self):
        relay = self.start()
        self.hook.plan.extend([-200, -500])
        ids = [self.c.submit()]
        self.hook.wait_requests(1)
        ids.append(self.c.submit())
        self.assertEqual([c["id"] for c in self.hook.wait_changes(2)], ids)
        self.assertEqual(relay.wait_log("webhook_failing")["reason"], "HTTP status 500")
        self.assertEqual([request["answer"] for request in self.hook.requests], [200, 500, 204])
        self.assertOnce()

    def test_retry_after_is_obeyed(self):
        """More exactly than the backoff, whose first wait is at most a second."""
        for status in (429, 503):
            self.hook = self.new_hook()
            relay = self.start()
            self.hook.plan.append((status, "3"))
            self.c.submit()
            self.hook.wait_changes(1)
            first, second = self.hook.requests
            self.assertGreaterEqual(second["at"] - first["at"], 2.9)
            self.assertEqual(relay.log("webhook_failing")[0]["retry_ms"], "3000")
            relay.stop()

    def test_retry_after_is_bounded(self):
        for retry_after in ("999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"):
            self.hook = self.new_hook()
            relay = self.start()
            self.hook.plan.append((503, retry_after))
            self.c.submit()
            self.assertEqual(relay.wait_log("webhook_failing")["retry_ms"], "3600000")
            relay.send_signal(signal.SIGHUP)  # which does not wait
            self.hook.wait_changes(1)
            relay.stop()

    def test_410_ends_it(self):
        for settings in ({}, self.durable()):
            self.hook = self.new_hook()
            relay = self.start(settings)
            self.hook.plan.append((410, "1"))
            ids = [self.c.submit()]
            line = relay.wait_log("webhook_gone", host="127.0.0.1", level="error")
            self.assertRegex(line["reason"], "^HTTP status 410: .*SIGHUP")
            self.assertFalse(relay.log("webhook_failing"))
            self.assertEqual(self.c.stats()["webhook_failures_total"], "1")
            self.assertEqual(self.c.stats()["webhook_gone"], "1")
            ids += self.relay_many(10)
            relay.await_state(ids[-1], "relayed")
            self.await_count("changes_waiting", len(ids))
            time.sleep(1.5)  # the longest that it would wait now, if it went on
            self.assertEqual(len(self.hook.requests), 1)
            relay.send_signal(signal.SIGHUP)
            self.assertEqual({c["id"] for c in self.hook.wait_changes(len(ids))}, set(ids))
            relay.wait_log("webhook_recovered", failures=1)
            self.assertEqual(self.c.stats()["webhook_gone"], "0")
            self.hook.plan.append(410)
            self.c.submit()
            relay.wait_log("webhook_gone", count=2)
            relay.stop()
            self.assertEqual(len(relay.log("changes_kept" if settings else "changes_lost", changes=1)), 1)
            self.assertSound()

    def test_410_lasts_until_a_restart(self):
        relay = self.start(self.durable())
        self.hook.plan.append(410)
        id = self.c.submit()
        relay.wait_log("webhook_gone")
        relay.stop()
        self.start(self.durable())
        self.assertEqual([c["id"] for c in self.hook.wait_changes(1)], [id])

    def test_nobody_listens(self):
        self.hook = self.new_hook(listens=False)
        relay = self.start()
        ids = self.relay_many(5)
        relay.wait_log("webhook_failing", reason="Couldn't connect to server")
        self.hook.listen()
        self.assertEqual({c["id"] for c in self.hook.wait_changes(5)}, set(ids))
        relay.wait_log("webhook_recovered")
        self.assertOnce()

    def test_one_that_hangs_holds_up_nobody(self):
        for settings in ({}, self.durable()):
            self.hook = self.new_hook()
            relay = self.start(dict(settings, **{"sandbox.limit": 100000}))
            self.hook.is_open.clear()
            count = 20 if IS_SLOW else 300
            for _ in range(count):
                reply = self.c.ask("SEND ACK=relayed %s text" % TO)
                self.assertIn(" state=relayed ", reply[0])
            # Less than ten seconds have passed: the first request still has no answer.
            self.assertEqual(len(self.hook.requests), 1)
            self.assertIsNone(self.hook.requests[0]["answer"])
            self.hook.is_open.set()
            self.hook.wait_changes(count)
            relay.stop()
            self.assertOnce()

    def test_the_backlog_is_bounded(self):
        for settings in ({}, self.durable()):
            self.hook = self.new_hook()
            relay = self.start(dict(settings, **{"reports.backlog": 100}))
            self.hook.is_open.clear()
            first = self.c.submit()
            self.hook.wait_requests(1)
            ids = self.relay_many(300)
            self.await_count("changes_dropped_total", 200)
            relay.wait_log("changes_dropped", consumer="webhook")
            self.hook.is_open.set()
            changes = self.hook.wait_changes(101)
            self.assertEqual([c["id"] for c in changes][0], first)
            self.assertEqual({c["id"] for c in changes[1:]}, set(ids[200:]))
            self.assertEqual(self.c.stats()["changes_dropped_total"], "200")
            relay.stop()
            self.assertOnce()


class Echoed(OutboxTest):
    def test_no_secret_is_shown(self):
        """Whoever repeats them: the API in an answer or a report, or the webhook."""
        secrets = (TOKEN, API_SECRET, URL_SECRET, SECRET.replace("whsec_", ""))
        words = " ".join(secrets)
        self.hook.words = words
        self.hook.plan.append(302)
        self.start(dict(self.durable(), **{"log.level": "debug"}), sandbox=self.separate_sandbox())
        told = []
        for event, fault in (
                ("request_ended", dict(status=422, body=json.dumps({"errors": {"text": ["no: " + words]}}))),
                ("request_failed", dict(status=403, body="<title>%s</title>" % words)),
                ("request_failed", dict(status=500, body=words,
                                        headers={"X-Request-Id": "id " + words}))):
            self.the_relay.sandbox.faults(dict(fault, count=-1))
            message = self.c.submit()
            self.the_relay.wait_log(event, status=fault["status"])
            told += self.c.ask("STATUS " + message) + self.c.ask("QUEUE")
            self.the_relay.sandbox.forget_faults()
            self.c.ask("FLUSH")
        self.the_relay.await_state(message, "relayed")
        self.report(message, API_SECRET)
        told += self.c.ask("STATUS " + message)
        self.hook.wait(lambda: "report" in [change["event"] for change in self.hook.taken()], "report")
        self.the_relay.stop()
        told += self.the_relay.lines + [request["body"].decode() for request in self.hook.requests]
        for path in pathlib.Path(self.folder).iterdir():
            told.append(path.read_bytes().decode("latin-1"))
        self.assertIn("***", "".join(told))
        for secret in secrets:
            self.assertNotIn(secret, "".join(told))


class Https(OutboxTest):
    def certificate(self, name):
        path = os.path.join(self.folder, name)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", "/CN=" + name,
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out",
                        path + ".crt"], check=True, capture_output=True)
        with open(path, "a") as both, open(path + ".crt") as certificate:
            both.write(certificate.read())
        return path

    def test_a_certificate_of_an_authority_of_ones_own(self):
        path = self.certificate("hook")
        self.hook = self.new_hook(certificate=path)
        self.start({"reports.webhook_ca_file": path + ".crt"})
        id = self.c.submit()
        self.assertEqual([c["id"] for c in self.hook.wait_changes(1)], [id])

    def test_no_file_gets_its_keys(self):
        path, log = self.certificate("hook"), os.path.join(self.folder, "keys")
        self.hook = self.new_hook(certificate=path)
        self.start({"reports.webhook_ca_file": path + ".crt"}, env={"SSLKEYLOGFILE": log})
        self.c.submit()
        self.hook.wait_changes(1)
        self.assertFalse(os.path.exists(log))

    def test_others_are_not_trusted(self):
        self.hook = self.new_hook(certificate=self.certificate("hook"))
        for settings in ({}, {"reports.webhook_ca_file": self.certificate("other") + ".crt"}):
            relay = self.start(settings)
            self.c.submit()
            self.assertIn("certificate", relay.wait_log("webhook_failing")["reason"])
            relay.stop()
        self.assertEqual(self.hook.requests, [])

    def test_check_opens_the_file(self):
        for settings, words in (("/nonexistent", '"/nonexistent" cannot be read: '),
                                (__file__, "holds no certificate")):
            done = run("check", "-o", "api.url=sandbox", "-o", "reports.webhook_ca_file=" + settings)
            self.assertEqual(done.returncode, CONFIG)
            self.assertIn("-o reports.webhook_ca_file: ", done.stderr)
            self.assertIn(words, done.stderr)


class Stopping(OutboxTest):
    def hang(self, settings):
        """A relay whose webhook hangs, with three changes."""
        relay = self.start(settings)
        self.hook.is_open.clear()
        self.ids = [self.c.submit(options="REF=r%d" % i) for i in range(3)]
        for id in self.ids:
            relay.await_state(id, "relayed")
        self.hook.wait_requests(1)
        relay.stop()
        return relay

    def test_what_is_left_in_memory_is_not_lost_in_silence(self):
        relay = self.hang({})
        self.assertEqual(len(relay.log("changes_lost", changes=3)), 1)

    def test_what_is_left_is_kept(self):
        settings = self.durable()
        relay = self.hang(settings)
        self.assertEqual(len(relay.log("changes_kept", changes=3)), 1)
        self.assertFalse(relay.log("changes_lost"))
        self.hook.is_open.set()
        self.hook.requests.clear()
        relay = self.start(settings)
        self.assertEqual({c["id"] for c in self.hook.wait_changes(3)}, set(self.ids))
        relay.stop()
        self.assertOnce()
        relay = self.start(settings)
        relay.stop()
        self.assertEqual(len(self.hook.taken()), 3)

    def test_what_changes_at_the_last_moment(self):
        """An answer arrives when the second signal has ended the loop: its change is not lost."""
        api = self.separate_sandbox()
        settings = self.durable()
        ids = []
        for _ in range(3):  # it is a race, which is lost two times of three
            relay = self.start(settings, sandbox=api)
            api.settings(latency_ms=100)
            self.hook.is_open.clear()
            before = api.summary()["requests"]["single"]
            ids.append(self.c.submit())
            eventually(lambda: api.summary()["requests"]["single"] > before, "a request")
            os.kill(relay.pid, signal.SIGSTOP)
            connection = http.client.HTTPConnection(api.host, timeout=PATIENCE)
            connection.request("GET", "/transactional/v1/sms")
            connection.getresponse().read()  # as late as the answer that the relay waits for
            connection.close()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
                os.kill(relay.pid, number)
            relay.process.wait(PATIENCE)
            api.settings(latency_ms=0)
            self.hook.is_open.set()
        relay = self.start(settings, sandbox=api)
        self.hook.wait(lambda: {c["id"] for c in self.hook.taken()} == set(ids), "all changes")
        self.assertSound()

    def test_what_is_there_is_told_first(self):
        """That includes what the queue still relays while it drains."""
        for settings in ({}, self.durable()):
            self.hook = self.new_hook()
            relay = self.start(settings)
            count = 40 if IS_SLOW else 500
            self.relay_many(count)
            relay.stop()
            self.assertEqual(len(self.hook.taken()), count)
            self.assertFalse(relay.log("changes_lost") or relay.log("changes_kept"))
            self.assertOnce()


class Killed(OutboxTest):
    def setUp(self):
        super().setUp()
        self.api = self.separate_sandbox()

    def test_nothing_is_lost(self):
        relay = self.start(self.durable(), sandbox=self.api)
        self.hook.is_open.clear()
        ids = self.relay_many(250)
        relay.await_state(ids[-1], "relayed")
        self.report(ids[0], "delivered")
        self.hook.wait_requests(1)
        # The store answers after the last of these is saved.
        self.assertReply(self.c.ask("QUEUE LIST relayed 1"), "250")
        relay.kill()
        before = self.hook.requests[0]["changes"]
        self.hook.is_open.set()
        self.start(self.durable(), sandbox=self.api)
        self.hook.wait(lambda: len({c["number"] for r in self.hook.requests[1:]
                                    for c in r["changes"]}) == 251, "all changes")
        self.assertSound()
        changes = [c for r in self.hook.requests[1:] for c in r["changes"]]
        self.assertEqual(changes[:len(before)], before)
        self.assertEqual({c["id"] for c in changes if c["event"] == "state"}, set(ids))
        self.assertEqual([c["id"] for c in changes if c["event"] == "report"], [ids[0]])

    def test_at_any_moment(self):
        """The API repeats a report until 200; the relay dies between report, commit and POST."""
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        rounds, count = (4, 40) if IS_SLOW else (14, 200)
        relay = self.start(self.durable(), sandbox=self.api)
        ids = self.relay_many(count)
        for id in (ids[0], ids[-1]):
            relay.await_state(id, "relayed")
        self.hook.wait_changes(count)
        is_over = threading.Event()
        done = collections.Counter()

        def report(part):
            for id in part:
                for status in ("sent", "delivered"):
                    while not is_over.is_set():
                        try:
                            if self.post(clientId=id, status=status, code=0,
                                         eventAt="2026-04-21T10:15:00Z") == 200:
                                done[id, status] += 1
                                break
                        except (OSError, http.client.HTTPException):
                            pass

        threads = [threading.Thread(target=report, args=(ids[i::4],)) for i in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(rounds):
                time.sleep(chance.uniform(0, 0.03) * (10 if IS_SLOW else 1))  # the moment of death
                relay.kill()
                relay = self.start(self.durable(), sandbox=self.api)
            for thread in threads:
                thread.join(PATIENCE)
        finally:
            is_over.set()
        self.assertEqual(len(done), 2 * count, "seed %d" % seed)

        def told():
            return {(c["id"], c["status"]) for c in self.hook.taken() if c["event"] == "report"}
        # A `sent` repeated after `delivered`, since its 200 got lost, is not news.
        self.hook.wait(lambda: told() >= set(done), "all reports, seed %d" % seed)
        relay.stop()
        self.assertSound()
        numbers = collections.defaultdict(set)
        for change in self.hook.taken():
            numbers[change["id"], change["event"], change.get("status")].add(change["number"])
        self.assertEqual({what: n for what, n in numbers.items() if len(n) > 1}, {},
                         "told under two numbers, seed %d" % seed)


class ManyLives(OutboxTest):
    def test_states_are_told_once(self):
        """The webhook hears what clients hear and what the API has, over kills at any moment while
        messages flow and requests fail (killing.py)."""
        trial = Trial(self.folder, {"reports.webhook": self.hook.url,
                                    "reports.webhook_secret": SECRET})
        self.addCleanup(trial.close)
        trial.run(kills=4 if IS_SLOW else 40)
        trial.settle()
        self.assertEqual(trial.wrongs(), {}, "seed %d" % trial.seed)
        taken = {message["clientId"] for message in trial.record.messages}

        def told():
            return {change["id"] for change in self.hook.taken() if change["state"] == "relayed"}
        self.hook.wait(lambda: told() >= taken, "all that was relayed, seed %d" % trial.seed)
        trial.relay.stop()
        self.assertSound()
        numbers = collections.defaultdict(set)
        for change in self.hook.taken():
            numbers[change["id"]].add(change["number"])
        self.assertEqual({id: n for id, n in numbers.items() if len(n) > 1}, {},
                         "told under two numbers, seed %d" % trial.seed)
        self.assertEqual(told(), taken, "seed %d" % trial.seed)


class Program(OutboxTest):
    """Programs are Python's, with their words from a file, since no shell sees the command."""

    def start_with(self, code, settings=None, **options):
        path = os.path.join(self.folder, "program.py")
        self.out = os.path.join(self.folder, "out")
        with open(path, "w") as file:
            file.write(code)
        chosen = dict(settings or {}, **{"reports.exec": "%s -u  %s %s" % (sys.executable, path,
                                                                          self.out)})
        return self.start(chosen, hook=False, **options)

    # Reads line by line without a buffer: what it has not asked for stays in the pipe.
    COPY = """
import os, sys
def lines():
    line = b""
    while True:
        byte = os.read(0, 1)
        if not byte:
            return
        line += byte
        if byte == b"\\n":
            yield line
            line = b""
out = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
"""

    def lines(self):
        if not os.path.exists(self.out):
            return []
        with open(self.out) as file:
            return [json.loads(line) for line in file if line.endswith("\n")]

    def wait_told(self, count):
        """Waits until the relay counts that many as told."""
        self.await_count("changes_told_exec_total", count)

    def test_told(self):
        for settings in ({}, self.durable()):
            relay = self.start_with(self.COPY + "for line in lines(): os.write(out, line)", settings)
            id = self.c.submit()
            relay.await_state(id, "relayed")
            self.report(id, "delivered")
            self.assertEqual(self.post(clientId=id, status="sent", message="yes"), 200)
            self.wait_told(3)
            relay.stop()
            self.assertEqual([(c["event"], c["id"]) for c in self.lines()],
                             [("state", id), ("report", id), ("inbound", id)])
            self.assertEqual(relay.log("exec_ended")[0]["status"], "0")
            os.unlink(self.out)

    def test_ends_in_the_midst_of_a_line(self):
        """Reads two lines and half of the third, then dies: the next one begins with the third."""
        relay = self.start_with(self.COPY + """
is_first = not os.path.exists(sys.argv[1] + ".died")
for n, line in enumerate(lines()):
    os.write(out, line)
    if is_first and n == 1:
        os.read(0, 20)
        open(sys.argv[1] + ".died", "w")
        os._exit(7)
""", self.durable())
        ids = self.relay_many(10)
        self.wait_told(10)
        self.assertEqual(relay.wait_log("exec_ended")["status"], "7")
        relay.stop()
        self.assertEqual({c["id"] for c in self.lines()}, set(ids))
        numbers = [c["number"] for c in self.lines()]
        self.assertEqual(numbers, sorted(set(numbers)), "each once, in order")

    def test_killed(self):
        relay = self.start_with(self.COPY + "for line in lines(): os.write(out, line)")
        os.kill(int(relay.wait_log("exec_started")["pid"]), signal.SIGKILL)
        self.assertEqual(relay.wait_log("exec_ended")["signal"], "KILL")
        relay.wait_log("exec_started", count=2)
        self.c.submit()
        self.wait_told(1)
        self.assertEqual(self.c.stats()["exec_starts_total"], "2")

    def test_one_that_never_reads(self):
        count = 50 if IS_SLOW else 2000
        relay = self.start_with("import signal; signal.pause()", self.durable())
        ids = self.relay_many(count)
        relay.await_state(ids[-1], "relayed")
        reply = self.c.ask("SEND ACK=relayed %s text" % TO)
        self.assertIn(" state=relayed ", reply[0])
        self.assertEqual(self.c.stats()["changes_told_exec_total"], "0")
        relay.stop()
        self.assertEqual(relay.log("exec_ended")[0]["signal"], "TERM")
        self.assertEqual(relay.log("changes_kept")[0]["changes"], str(count + 1))
        relay = self.start_with(self.COPY + "for line in lines(): os.write(out, line)",
                                self.durable())
        self.wait_told(count + 1)
        self.assertEqual(len(self.lines()), count + 1)

    def test_one_that_does_not_want_to_end(self):
        relay = self.start_with("import os, signal, sys\n"
                                "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                                "open(sys.argv[1], 'w')\n"
                                "while True: signal.pause()\n")
        eventually(lambda: os.path.exists(self.out), "a program that runs")
        relay.stop()
        self.assertEqual(relay.log("exec_ended")[0]["signal"], "KILL")

    def test_what_it_has_started_ends_with_it(self):
        relay = self.start_with("""
import os, signal, subprocess, sys
null = subprocess.DEVNULL
child = subprocess.Popen(["sleep", "600"], stdin=null, stdout=null, stderr=null)
open(sys.argv[1] + ".part", "w").write(str(child.pid))
os.rename(sys.argv[1] + ".part", sys.argv[1])
signal.pause()
""")
        eventually(lambda: os.path.exists(self.out), "a program that runs")
        stat = "/proc/%s/stat" % open(self.out).read()
        relay.stop()
        eventually(lambda: not os.path.exists(stat) or open(stat).read().split(") ")[1][0] == "Z",
                   "the end of what it has started")

    def test_what_it_inherits(self):
        relay = self.start_with("""
import json, os, signal, sys
mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
status = dict(line.split(":\\t") for line in open("/proc/self/status") if ":\\t" in line)
json.dump({"env": dict(os.environ), "fds": sorted(map(int, os.listdir("/proc/self/fd")))[:-1],
           "blocked": [int(s) for s in mask], "ignored": int(status["SigIgn"], 16),
           "group": os.getpgrp() == os.getpid(), "umask": os.umask(0)}, open(sys.argv[1] + ".part", "w"))
os.rename(sys.argv[1] + ".part", sys.argv[1])
sys.stdin.read()
""", self.durable(), env={"INSTASENT_TOKEN": "the-token", "SMSRELAY_SOCKET": "/run/x",
                          "SMSRELAY_LOG_LEVEL": "debug", "OTHER": "kept",
                          "NOTIFY_SOCKET": "@nobody"})
        eventually(lambda: os.path.exists(self.out), "a program that runs")
        told = json.load(open(self.out))
        self.assertEqual({name for name in told["env"] if name.startswith(("SMSRELAY_", "INSTA"))},
                         {"SMSRELAY_SOCKET"})
        self.assertEqual(told["env"]["OTHER"], "kept")
        self.assertNotIn("NOTIFY_SOCKET", told["env"])
        self.assertEqual(told["umask"], 0o077)
        for secret in (API_SECRET, SECRET, "the-token"):
            self.assertNotIn(secret, json.dumps(told))
        self.assertEqual(told["fds"], [0, 1, 2])
        self.assertEqual(told["blocked"], [])
        # Python itself ignores SIGPIPE and SIGXFSZ, the C library its own two.
        others = {signal.SIGPIPE, signal.SIGXFSZ, 32, 33}
        self.assertEqual(told["ignored"] & ~sum(1 << (number - 1) for number in others), 0)
        self.assertTrue(told["group"])
        relay.stop()

    def test_a_relay_without_standard_error(self):
        """The first file that the relay opens does not become the program's standard error."""
        code = os.path.join(self.folder, "program.py")
        out = os.path.join(self.folder, "out")
        with open(code, "w") as file:
            file.write("import os, sys\nos.symlink(os.readlink('/proc/self/fd/2'), sys.argv[1])\n"
                       "sys.stdin.read()\n")
        relay = subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh",
             *command("serve", "-o", "api.url=sandbox", "-o", "listen.address=127.0.0.1:0",
                      "-o", "reports.exec=%s %s %s" % (sys.executable, code, out))])
        self.addCleanup(relay.kill)
        eventually(lambda: os.path.lexists(out), "a program that runs")
        self.assertEqual(os.readlink(out), "/dev/null")
        relay.terminate()
        self.assertEqual(relay.wait(PATIENCE), 0)

    def test_both(self):
        """A dead consumer neither delays the other nor makes it hear anything twice."""
        self.hook.is_open.clear()
        relay = self.start_with(self.COPY + "for line in lines(): os.write(out, line)",
                                dict(self.durable(), **{"reports.webhook": self.hook.url}))
        ids = self.relay_many(20)
        self.wait_told(20)
        relay.stop()
        self.hook.is_open.set()
        relay = self.start_with(self.COPY + "for line in lines(): os.write(out, line)",
                                dict(self.durable(), **{"reports.webhook": self.hook.url}))
        self.hook.wait(lambda: {c["id"] for c in self.hook.taken()} == set(ids), "all changes")
        relay.stop()
        self.assertSound()
        self.assertEqual([c["id"] for c in self.lines()], ids)

    def test_the_program_must_be_there(self):
        for value, words in (("/nonexistent/program", "cannot be run"), ("true", "beginning with /")):
            result = run("check", "-o", "api.url=sandbox", "-o", "reports.exec=" + value)
            self.assertEqual(result.returncode, CONFIG)
            self.assertIn(words, result.stderr)


class Settings(TestCase):
    def test_what_is_refused(self):
        good = {"SMSRELAY_REPORTS_WEBHOOK": "https://example.com/x",
                "SMSRELAY_REPORTS_WEBHOOK_SECRET": "0123456789abcdef"}
        for change, key in (({}, None),
                            ({"WEBHOOK": "http://127.0.0.1:1/x"}, None),
                            ({"WEBHOOK_SECRET": SECRET}, None),
                            ({"WEBHOOK": "http://example.com/" + URL_SECRET}, "WEBHOOK"),
                            ({"WEBHOOK": "https://u:p@example.com/" + URL_SECRET}, "WEBHOOK"),
                            ({"WEBHOOK": "ftp://127.0.0.1/" + URL_SECRET}, "WEBHOOK"),
                            ({"WEBHOOK_SECRET": None}, "webhook_secret"),
                            ({"WEBHOOK_SECRET": "too-short-0123"}, "WEBHOOK_SECRET"),
                            ({"WEBHOOK_SECRET": "whsec_MfKQ9r8G"}, "WEBHOOK_SECRET"),
                            ({"WEBHOOK_SECRET": SECRET + "!"}, "WEBHOOK_SECRET"),
                            ({"BACKLOG": "1"}, "BACKLOG")):
            env = dict(good, **{"SMSRELAY_REPORTS_" + k: v for k, v in change.items()})
            result = run("check", "-o", "api.url=sandbox", env=env)
            self.assertEqual(result.returncode, CONFIG if key else 0, (change, result.stderr))
            self.assertIn(key or "", result.stderr)
            self.assertNotIn(URL_SECRET, result.stderr)
            self.assertNotIn(SECRET, result.stderr)


if __name__ == "__main__":
    unittest.main()
