"""The simulated API, driven by hand: what gateway/sandbox/SANDBOX.md says, clause by clause.

The program is $SANDBOX_BINARY [TOKEN [WEBHOOK]], or else $SMSRELAY sandbox.
"""

import calendar
import email.utils
import http.client
import http.server
import json
import os
import queue
import re
import signal
import socket
import subprocess
import threading
import time
import unittest

import support

BASE = "/transactional/v1"
TOKEN = "t0k3n"
PATIENCE = 10


def command(token):
    if "SANDBOX_BINARY" in os.environ:
        return [os.environ["SANDBOX_BINARY"], token]
    return support.command("sandbox", "-o", "sandbox.address=127.0.0.1:0")


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


class Webhook:
    """Takes reports; answers from a list of statuses first, then 200."""

    def __init__(self):
        self.reports = queue.Queue()
        self.statuses = []
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = hook.statuses.pop(0) if hook.statuses else 200
                hook.reports.put((status, self.path, json.loads(body)))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d/dlr?x=1" % self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,),
                                       daemon=True)
        self.thread.start()

    def take(self):
        return self.reports.get(timeout=PATIENCE)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def message(n=0, **fields):
    item = {"from": "Acme", "to": "+346000%05d" % n, "text": "hello %d" % n,
            "clientId": "c%d" % n}
    item.update(fields)
    return {k: v for k, v in item.items() if v is not None}


class SandboxTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.process = subprocess.Popen(command(TOKEN), stderr=subprocess.PIPE, text=True)
        for line in cls.process.stderr:
            found = re.search(r"listening .*127\.0\.0\.1:(\d+)", line)
            if found:
                cls.port = int(found.group(1))
                break
        else:
            raise RuntimeError("the sandbox did not start")
        cls.drain = threading.Thread(target=cls.process.stderr.read, daemon=True)
        cls.drain.start()
        cls.first_settings = cls.fetch("GET", "/sandbox/settings").json

    @classmethod
    def tearDownClass(cls):
        cls.process.send_signal(signal.SIGTERM)
        status = cls.process.wait(timeout=PATIENCE)
        cls.drain.join(timeout=PATIENCE)
        cls.process.stderr.close()
        if status != 0:
            raise AssertionError("the sandbox ended with %d" % status)

    @classmethod
    def fetch(cls, method, path, body=None, token=None, headers=None, connection=None):
        own = connection or http.client.HTTPConnection("127.0.0.1", cls.port, timeout=PATIENCE)
        headers = dict(headers or {})
        if token is not None:
            headers["Authorization"] = "Bearer " + token
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        try:
            own.request(method, path, body, headers)
            return Answer(own.getresponse())
        finally:
            if connection is None:
                own.close()

    def setUp(self):
        self.fetch("DELETE", "/sandbox/faults")
        self.fetch("DELETE", "/sandbox/record")
        self.fetch("PUT", "/sandbox/settings", dict(self.first_settings, token=TOKEN))
        self.connections = []

    def tearDown(self):
        for connection in self.connections:
            connection.close()

    def connect(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        self.connections.append(connection)
        return connection

    def api(self, method, path, body=None, token=TOKEN, **more):
        return self.fetch(method, BASE + path, body, token, **more)

    def single(self, item=None, **more):
        return self.api("POST", "/sms", message() if item is None else item, **more)

    def bulk(self, items, **more):
        return self.api("POST", "/sms/bulk", items, **more)

    def set(self, **settings):
        answer = self.fetch("PUT", "/sandbox/settings", settings)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def fault(self, *faults):
        answer = self.fetch("POST", "/sandbox/faults", list(faults))
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json["added"]

    def record(self):
        return self.fetch("GET", "/sandbox/record").json

    def summary(self):
        return self.fetch("GET", "/sandbox/record?summary=1").json

    def webhook(self, **settings):
        hook = Webhook()
        self.addCleanup(hook.close)
        self.addCleanup(self.set, webhook=None)
        self.set(webhook=hook.url, report_delay_ms=1, report_late_ms=50, report_retry_ms=1,
                 **settings)
        return hook

    def raw(self, method="POST", path="/sms", body=None):
        """Sends a request on a bare socket and returns the socket."""
        content = json.dumps(message() if body is None else body).encode()
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        self.addCleanup(sock.close)
        sock.sendall(("%s %s%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
                      "Content-Length: %d\r\n\r\n"
                      % (method, BASE, path, TOKEN, len(content))).encode() + content)
        return sock

    @staticmethod
    def read_all(sock):
        data = b""
        while True:
            chunk = sock.recv(65536)
            if not chunk:
                return data
            data += chunk


class ApiTest(SandboxTest):
    def test_single_is_accepted_and_recorded(self):
        item = message(7, allowUnicode=True)
        answer = self.single(item)
        self.assertEqual(answer.status, 201)
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        self.assertEqual(answer.json, {"entity": dict(message(7), id=answer.json["entity"]["id"])})
        record = self.record()
        self.assertEqual(len(record["messages"]), 1)
        stored = record["messages"][0]
        self.assertEqual({k: stored[k] for k in item}, item)
        self.assertEqual((stored["id"], stored["request"]), (answer.json["entity"]["id"], 1))
        request = record["requests"][0]
        self.assertLess(abs(request["at_ms"] - time.time() * 1000), 10000)
        self.assertGreater(request.pop("connection"), 0)
        del request["at_ms"]
        self.assertEqual(request, {
            "n": 1, "method": "POST", "path": "/sms", "status": 201, "fault": None, "count": 1,
            "authorized": True, "over_limit": False})

    def test_fields_are_checked(self):
        bad = [
            ("from", None), ("from", ""), ("from", "twelve chars"), ("from", "1" * 16), ("from", 7),
            ("to", None), ("to", "34600000000"), ("to", "+0600000000"), ("to", "+1234567"),
            ("to", "+1234567890123456"), ("to", "+34 60000000"), ("text", None), ("text", ""),
            ("clientId", ""), ("clientId", "x" * 41), ("clientId", 1), ("allowUnicode", "yes"),
        ]
        for field, value in bad:
            with self.subTest(field=field, value=value):
                answer = self.single(message(**{field: value}))
                self.assertEqual(answer.status, 400)
                self.assertEqual(list(answer.json["errors"]), [field])
                self.assertIn("message", answer.json)
        self.assertEqual(self.summary()["messages"], 0)
        rejected = self.record()["rejected"]
        self.assertEqual(len(rejected), len(bad))
        self.assertEqual(rejected[1]["reason"],
                         "from: is neither text of 1 to 11 characters nor a number")
        good = [("from", "+123456789012345"), ("from", "ñññññññññññ"),
                ("to", "+12345678"), ("to", "+123456789012345"), ("clientId", None), ("clientId", "ñ" * 40),
                ("text", "x" * 5000), ("allowUnicode", None)]
        for field, value in good:
            with self.subTest(field=field, value=value):
                self.assertEqual(self.single(message(**{field: value})).status, 201)

    def test_bulk_validates_each_item(self):
        items = [message(0), message(1, to="12"), message(2), message(3, text="", to="x")]
        answer = self.bulk(items)
        self.assertEqual(answer.status, 201)
        self.assertEqual([e["clientId"] for e in answer.json["entities"]], ["c0", "c2"])
        self.assertEqual([e["index"] for e in answer.json["errors"]], [1, 3])
        self.assertEqual(set(answer.json["errors"][1]["errors"]), {"to", "text"})
        summary = self.summary()
        self.assertEqual((summary["messages"], summary["rejected"]), (2, 2))
        self.assertEqual(self.record()["requests"][0]["count"], 4)

    def test_wrong_shapes_are_400(self):
        for path, body in [("/sms", "{"), ("/sms", ""), ("/sms", "[]"), ("/sms/bulk", "{}"),
                           ("/sms/bulk", "[]"), ("/sms/bulk", "[1]"), ("/sms", '{"a":"\\u0000"}'),
                           ("/sms/bulk", json.dumps([message(i) for i in range(101)]))]:
            with self.subTest(path=path, body=body[:20]):
                answer = self.api("POST", path, body)
                self.assertEqual(answer.status, 400)
                self.assertIn("message", answer.json)
        self.assertEqual(self.summary()["messages"], 0)
        self.assertEqual(self.record()["requests"][-1]["count"], 101)

    def test_unknown_paths_methods_and_tokens(self):
        for method, path, status in [
                ("POST", "/nothing", 404), ("GET", "/sms/bulk", 405), ("PUT", "/sms", 405),
                ("DELETE", "/sms/1", 405), ("PATCH", "/sms", 405), ("HEAD", "/sms", 405),
                ("GET", "/sms/", 404), ("GET", "/sms/unknown", 404)]:
            with self.subTest(method=method, path=path):
                self.assertEqual(self.api(method, path).status, status)
        self.assertEqual(self.fetch("GET", "/elsewhere").status, 404)
        self.assertEqual(self.api("PUT", "/sms").headers["Allow"], "POST, GET")
        for token in ["wrong", "", TOKEN + "x", None]:
            with self.subTest(token=token):
                answer = self.single(token=token)
                self.assertEqual(answer.status, 401)
                self.assertIn("message", answer.json)
        request = self.record()["requests"][-1]
        self.assertEqual((request["status"], request["authorized"]), (401, False))
        self.set(token=None)
        self.assertEqual(self.single(token="anything").status, 201)
        self.assertEqual(self.single(token="").status, 401)

    def test_body_bound(self):
        self.set(max_body=200)
        self.assertEqual(self.single(message(text="x" * 200)).status, 413)
        self.assertEqual(self.single(message(text="x" * 50)).status, 201)

    def test_history_is_newest_first_and_paged(self):
        for start in range(0, 130, 65):
            self.bulk([message(i) for i in range(start, start + 65)])

        def ids(query=""):
            return [e["clientId"] for e in self.api("GET", "/sms" + query).json["entities"]]

        newest_first = ["c%d" % i for i in reversed(range(130))]
        self.assertEqual(ids(), newest_first[:50])
        self.assertEqual(ids("?page=2&per_page=60"), newest_first[60:120])
        self.assertEqual(ids("?page=3&per_page=60"), newest_first[120:])
        self.assertEqual(ids("?page=4&per_page=60"), [])
        self.assertEqual(ids("?per_page=1000"), newest_first[:100])
        self.assertEqual(self.record()["requests"][3]["query"], "page=2&per_page=60")
        self.set(history_paging=False)
        self.assertEqual(ids("?page=2&per_page=60"), newest_first[:100])
        self.set(history_client_id=False, history_time=False)
        entry = self.api("GET", "/sms").json["entities"][0]
        self.assertEqual(set(entry), {"id", "from", "to", "text", "status"})
        self.assertEqual(self.api("GET", "/sms/" + entry["id"]).json["entity"]["id"], entry["id"])
        self.set(history=False)
        self.assertEqual(self.api("GET", "/sms").status, 404)
        self.assertEqual(self.api("GET", "/sms/" + entry["id"]).status, 404)

    def test_history_delay(self):
        self.set(history_delay_ms=60000)
        made = self.single().json["entity"]["id"]
        self.assertEqual(self.api("GET", "/sms").json["entities"], [])
        self.assertEqual(self.api("GET", "/sms/" + made).status, 404)
        self.set(history_delay_ms=0)
        self.assertEqual(self.api("GET", "/sms").json["entities"][0]["id"], made)

    def test_latency(self):
        self.set(latency_ms=80)
        start = time.monotonic()
        self.assertEqual(self.single().status, 201)
        self.assertGreaterEqual(time.monotonic() - start, 0.08)

    def test_kept_connection(self):
        connection = self.connect()
        for i in range(5):
            self.assertEqual(self.single(message(i), connection=connection).status, 201)
        self.assertEqual(len({r["connection"] for r in self.record()["requests"]}), 1)
        self.assertEqual(self.summary()["connections"], 1)
        self.single()
        self.assertEqual(self.summary()["connections"], 2)


class RateTest(SandboxTest):
    def limits(self, answer):
        return [answer.headers.get("X-RateLimit-" + n) for n in ("Limit", "Remaining", "Reset")]

    def test_each_endpoint_has_its_window(self):
        self.set(limit=2)
        self.assertEqual(self.limits(self.single())[:2], ["2", "1"])
        answer = self.single()
        self.assertEqual(self.limits(answer)[:2], ["2", "0"])
        self.assertAlmostEqual(int(answer.headers["X-RateLimit-Reset"]), time.time() + 60, delta=3)
        refused = self.single()
        self.assertEqual((refused.status, refused.body), (429, b""))
        self.assertEqual(refused.headers["Content-Length"], "0")
        self.assertEqual(self.limits(refused), self.limits(answer))
        self.assertEqual(self.limits(self.bulk([message()]))[:2], ["2", "1"])
        self.assertEqual(self.limits(self.api("GET", "/sms"))[:2], ["2", "1"])
        self.assertEqual(self.limits(self.api("GET", "/sms/x"))[:2], ["2", "1"])
        summary = self.summary()
        self.assertEqual((summary["over_limit"], summary["messages"]), (1, 3))
        self.assertTrue(self.record()["requests"][2]["over_limit"])
        self.assertEqual(self.limits(self.single(token="wrong"))[:2], ["2", "0"])

    def test_a_shared_window(self):
        self.set(limit=3, shared_window=True)
        self.assertEqual(self.limits(self.single())[:2], ["3", "2"])
        self.assertEqual(self.limits(self.bulk([message()]))[:2], ["3", "1"])
        self.assertEqual(self.limits(self.single())[:2], ["3", "0"])
        self.assertEqual(self.bulk([message()]).status, 429)
        self.assertEqual(self.limits(self.api("GET", "/sms"))[:2], ["3", "2"])

    def test_window_opens_again_a_second_after_its_reset(self):
        """Or sooner: Reset has lost its fraction, so the window may be open when it has passed."""
        self.set(limit=1, window_ms=1700)
        answer = self.single()
        began = self.record()["requests"][0]["at_ms"]
        reset = int(answer.headers["X-RateLimit-Reset"])
        self.assertEqual(reset, (began + 1700) // 1000)
        self.assertEqual(self.single().status, 429)
        while time.time() < reset + 1:
            time.sleep(0.01)
        self.assertEqual(self.single().status, 201)

    def test_header_styles(self):
        self.set(limit=0, retry_after=7, reset_style="seconds")
        refused = self.single()
        self.assertEqual(refused.headers["Retry-After"], "7")
        self.assertLessEqual(int(refused.headers["X-RateLimit-Reset"]), 61)
        self.set(rate_headers=False, retry_after=None)
        refused = self.single()
        self.assertEqual(self.limits(refused), [None] * 3)
        self.assertIsNone(refused.headers["Retry-After"])

    def test_clock_difference(self):
        self.set(date_offset_s=-5000)
        answer = self.single()
        date = calendar.timegm(email.utils.parsedate(answer.headers["Date"]))
        self.assertAlmostEqual(date, time.time() - 5000, delta=3)
        self.assertAlmostEqual(int(answer.headers["X-RateLimit-Reset"]), date + 60, delta=3)


class VariantTest(SandboxTest):
    def test_single_style_and_echo(self):
        self.set(echo=["to"])
        answer = self.single()
        self.assertEqual(set(answer.json["entity"]), {"id", "to"})
        self.set(single_style="flat", echo=[])
        made = self.single().json
        self.assertEqual(set(made), {"id"})
        self.assertEqual(self.api("GET", "/sms/" + made["id"]).json["id"], made["id"])

    def test_entities_order(self):
        self.set(entities_order="reversed")
        answer = self.bulk([message(i) for i in range(3)])
        self.assertEqual([e["clientId"] for e in answer.json["entities"]], ["c2", "c1", "c0"])
        self.assertEqual([m["clientId"] for m in self.record()["messages"]], ["c0", "c1", "c2"])

    def test_lists_as_php_writes_them(self):
        self.set(lists_as="object")
        answer = self.bulk([message(0), message(1, to="1"), message(2)]).json
        self.assertEqual(list(answer["entities"]), ["0", "2"])
        self.assertEqual(answer["entities"]["2"]["clientId"], "c2")
        self.assertEqual(list(answer["errors"]), ["1"])

    def test_how_errors_name_their_item(self):
        fields = {"clientId": "c1", "from": "Acme", "to": "1", "text": "hello 1"}
        for by, rest in [("index", {"index": 1}), ("clientId", {"clientId": "c1"}),
                         ("fields", fields), ("nested", {"item": fields}), ("none", {})]:
            with self.subTest(by=by):
                self.set(errors_by=by)
                errors = self.bulk([message(0), message(1, to="1")]).json["errors"]
                self.assertEqual(errors[0].pop("errors"),
                                 {"to": ["is not a number in E.164 form"]})
                self.assertEqual(errors[0], rest)

    def test_how_errors_are_written(self):
        sentence = "is not a number in E.164 form"
        for form, value in [("object", {"to": [sentence]}),
                            ("list", [{"field": "to", "message": sentence}]),
                            ("string", "to: " + sentence)]:
            with self.subTest(form=form):
                self.set(errors_as=form)
                self.assertEqual(self.bulk([message(to="1")]).json["errors"][0]["errors"], value)
                self.assertEqual(self.single(message(to="1")).json["errors"], value)

    def test_repeated_client_id(self):
        first = self.single().json["entity"]["id"]
        self.assertNotEqual(self.single().json["entity"]["id"], first)
        self.set(duplicate_client_id="same")
        self.assertEqual(self.single().json["entity"]["id"], first)
        self.set(duplicate_client_id="error")
        answer = self.bulk([message(0), message(1), message(1)])
        self.assertEqual([e["clientId"] for e in answer.json["entities"]], ["c1"])
        self.assertEqual([e["errors"] for e in answer.json["errors"]],
                         [{"clientId": ["has already been used"]}] * 2)
        summary = self.summary()
        self.assertEqual([summary[k] for k in ("messages", "distinct_client_ids",
                                               "repeated_client_ids")], [3, 2, 4])

    def test_reject_all_bulk_status(self):
        self.set(reject_all_bulk_status=422)
        self.assertEqual(self.bulk([message(0), message(1, to="1")]).status, 201)
        answer = self.bulk([message(1, to="1")])
        self.assertEqual(answer.status, 422)
        self.assertEqual(len(answer.json["errors"]), 1)
        self.assertIn("message", answer.json)

    def test_settings_are_checked_as_a_whole(self):
        for change, unknown in [({"limit": 3, "nonsense": 1}, ["nonsense"]), ({"limit": "3"}, []),
                                ({"limit": 3, "echo": ["id"]}, []), ({"errors_by": "luck"}, []),
                                ({"limit": -1}, []), ({"limit": 3, "webhook": "http://a.b/"}, []),
                                ({"webhook": "https://127.0.0.1:1/"}, []),
                                ({"webhook": "http://127.evil.example:1/"}, [])]:
            with self.subTest(change=change):
                answer = self.fetch("PUT", "/sandbox/settings", change)
                self.assertEqual((answer.status, answer.json["unknown"]), (400, unknown))
        self.assertEqual(self.fetch("PUT", "/sandbox/settings", "[]").status, 400)
        self.assertEqual(self.fetch("PUT", "/sandbox/settings", "{").status, 400)
        settings = self.fetch("GET", "/sandbox/settings").json
        self.assertEqual(settings["limit"], 1200)
        self.assertNotIn("token", settings)

    def test_web_pages(self):
        """They may post here, and get here through a name of their own (DNS rebinding): both are refused."""
        control = ("POST", "/sandbox/faults", [{"status": 503}])
        call = ("POST", BASE + "/sms", message())
        for headers, status in (({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403),
                                ({"Host": "evil.example:80"}, 403), ({"Host": "127.evil.example"}, 403),
                                ({"Host": ""}, 403), ({"Host": "localhost:1"}, 201), ({"Host": "[::1]"}, 201)):
            for request in (call, control):
                answer = self.fetch(*request, token=TOKEN, headers=headers)
                self.assertEqual(answer.status, status, headers)
            self.fetch("DELETE", "/sandbox/faults")
        self.assertEqual(self.fetch("GET", "//localhost/sandbox/record",
                                    headers={"Host": "evil.example"}).status, 403)
        self.assertEqual(self.summary()["messages"], 2)

    def test_control_calls_that_do_not_exist(self):
        self.assertEqual(self.fetch("GET", "/sandbox/nothing").status, 404)
        self.assertEqual(self.fetch("PATCH", "/sandbox/record").status, 405)


class FaultTest(SandboxTest):
    def accepted(self):
        return self.summary()["messages"]

    def test_status_and_bodies(self):
        self.fault({"status": 503}, {"status": 500, "body": "<html>oops"},
                   {"status": 502, "body": ""}, {"status": 400, "body": {"a": [1]}},
                   {"status": 418, "content_type": "x/y", "headers": {"X-A": "1", "Date": None}})
        self.assertEqual((self.single().status, self.accepted()), (503, 0))
        answer = self.single()
        self.assertEqual((answer.body, answer.headers["Content-Type"]),
                         (b"<html>oops", "text/plain"))
        answer = self.single()
        self.assertEqual((answer.status, answer.body, answer.headers["Content-Length"]),
                         (502, b"", "0"))
        self.assertEqual(self.single().json, {"a": [1]})
        answer = self.single()
        self.assertEqual((answer.headers["Content-Type"], answer.headers["X-A"]), ("x/y", "1"))
        self.assertIn("message", answer.json)
        self.assertEqual(self.accepted(), 0)
        self.assertEqual(self.single().status, 201)
        self.assertEqual([r["fault"] for r in self.record()["requests"]], [0, 1, 2, 3, 4, None])

    def test_accept_before_the_fault(self):
        self.fault({"status": 500, "accept": True})
        self.assertEqual(self.bulk([message(i) for i in range(3)]).status, 500)
        self.assertEqual(self.accepted(), 3)

    def test_which_requests_are_struck(self):
        self.fault({"on": "bulk", "status": 500, "skip": 1, "count": 2},
                   {"on": "single", "containing": "poison", "status": 400, "count": -1},
                   {"on": "history", "status": 502})
        self.assertEqual([self.bulk([message()]).status for _ in range(4)], [201, 500, 500, 201])
        self.assertEqual([self.single(message(text=t)).status for t in
                          ("a", "poison", "b", "the poison")], [201, 400, 201, 400])
        self.assertEqual([self.api("GET", "/sms").status for _ in range(2)], [502, 200])
        left = self.fetch("GET", "/sandbox/faults").json["faults"]
        self.assertEqual([(f["index"], f["used"], f["fault"]["on"]) for f in left],
                         [(1, 2, "single")])
        self.fetch("DELETE", "/sandbox/faults")
        self.assertEqual(self.single(message(text="poison")).status, 201)
        self.assertEqual(self.fault({"status": 500}), [0])

    def test_first_match_wins_and_skipped_ones_pass_on(self):
        self.fault({"skip": 1, "status": 503}, {"status": 500})
        self.assertEqual([self.single().status for _ in range(3)], [500, 503, 201])

    def test_faults_wait_for_requests_that_count(self):
        self.fault({"status": 500})
        self.assertEqual(self.single(token="wrong").status, 401)
        self.set(limit=0)
        self.assertEqual(self.single().status, 429)
        self.set(limit=100)
        self.assertEqual(self.single().status, 500)

    def test_drop_and_reset(self):
        for accept in (False, True):
            self.fault({"drop": True, "accept": accept})
            self.assertEqual(self.read_all(self.raw()), b"")
            self.assertEqual(self.accepted(), int(accept))
        self.fault({"drop": True, "reset": True})
        with self.assertRaises(ConnectionResetError):
            self.read_all(self.raw())
        self.assertEqual([r["status"] for r in self.record()["requests"]], [0, 0, 0])

    def test_drop_of_a_kept_connection(self):
        connection = self.connect()
        self.single(connection=connection)
        self.fault({"drop": True})
        with self.assertRaises(http.client.RemoteDisconnected):
            self.single(connection=connection)

    def test_hang(self):
        self.fault({"hang_ms": 120}, {"hang_ms": 60, "status": 504}, {"hang_ms": 60, "drop": True},
                   {"hang_ms": -1}, {"hang_ms": -1, "accept": True})
        start = time.monotonic()
        self.assertEqual(self.single().status, 201)
        self.assertGreaterEqual(time.monotonic() - start, 0.12)
        self.assertEqual(self.single().status, 504)
        self.assertEqual(self.read_all(self.raw()), b"")
        self.assertEqual(self.accepted(), 1)
        for accepted in (1, 2):
            sock = self.raw()
            sock.settimeout(0.2)
            with self.assertRaises(socket.timeout):
                sock.recv(1)
            sock.close()
            self.assertEqual(self.accepted(), accepted)

    def test_client_that_leaves_before_the_answer(self):
        self.fault(*[{"hang_ms": 100}] * 4, *[{"hang_ms": -1}] * 4,
                   *[{"hang_ms": 100, "truncate": 3}] * 4, *[{"hang_ms": 100, "drop": True}] * 4)
        for i in range(16):
            sock = self.raw(body=message(i, text="x" * 3000))
            if i % 2:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            deadline = time.monotonic() + PATIENCE
            while sum(self.summary()["requests"].values()) <= i:
                self.assertLess(time.monotonic(), deadline)
            sock.close()
        self.fault({"hang_ms": 150})  # until all of them are due
        self.assertEqual(self.single().status, 201)

    def test_truncate(self):
        self.fault({"truncate": 5}, {"truncate": 0, "accept": True},
                   {"truncate": 4, "status": 500, "body": "0123456789"})
        for accepted, length in ((0, 5), (1, 0), (1, 4)):
            head, _, body = self.read_all(self.raw()).partition(b"\r\n\r\n")
            declared = int(re.search(rb"Content-Length: (\d+)", head).group(1))
            self.assertEqual(len(body), length)
            self.assertGreater(declared, length)
            self.assertNotIn(b"Connection", head)
            self.assertEqual(self.accepted(), accepted)

    def test_garbage_under_a_201(self):
        self.fault({"body": "{\"entities\": ["}, {"body": {"ok": True}, "accept": True})
        answer = self.bulk([message()])
        self.assertEqual((answer.status, answer.body), (201, b"{\"entities\": ["))
        self.assertEqual(self.accepted(), 0)
        self.assertEqual(self.bulk([message()]).json, {"ok": True})
        self.assertEqual(self.accepted(), 1)

    def test_a_201_that_lies(self):
        self.fault({"accept": False})
        lie = self.single()
        self.assertEqual((lie.status, self.accepted()), (201, 0))
        self.assertEqual(self.api("GET", "/sms/" + lie.json["entity"]["id"]).status, 404)
        self.assertNotEqual(self.single().json["entity"]["id"], lie.json["entity"]["id"])

    def test_rate_headers_can_be_wrong_or_missing(self):
        self.fault({"no_rate_headers": True},
                   {"rate": {"limit": 1, "remaining": "many", "reset": None}})
        answer = self.single()
        self.assertEqual([h for h in answer.headers if h.startswith("X-Rate")], [])
        answer = self.single()
        self.assertEqual(answer.headers["X-RateLimit-Limit"], "1")
        self.assertEqual(answer.headers["X-RateLimit-Remaining"], "many")
        self.assertIsNone(answer.headers["X-RateLimit-Reset"])
        self.assertEqual(self.accepted(), 2)

    def test_stale_ms(self):
        """A page of the history from a replica that lags behind."""
        self.single()
        self.fault({"on": "history", "stale_ms": 60000})
        shown = [len(self.api("GET", "/sms").json["entities"]) for _ in range(2)]
        self.assertEqual(shown, [0, 1])

    def test_close_idle(self):
        for accept in (False, True):
            with self.subTest(accept=accept):
                self.setUp()
                connection = self.connect()
                self.fault({"close_idle": True, "accept": accept})
                self.assertEqual(self.single(message(0), connection=connection).status, 201)
                self.assertEqual(self.single(message(9)).status, 201)
                with self.assertRaises(http.client.RemoteDisconnected):
                    self.single(message(1), connection=connection)
                self.assertEqual([m["clientId"] for m in self.record()["messages"]],
                                 ["c0", "c9"] + ["c1"] * accept)
                self.assertEqual([(r["status"], r["fault"]) for r in self.record()["requests"]],
                                 [(201, 0), (201, None), (0, 0)])
                self.assertEqual(self.single(message(2)).status, 201)

    def test_bad_faults_are_refused_as_a_whole(self):
        for bad, unknown in [({"stauts": 500}, ["stauts"]), ({"status": 99}, []),
                             ({"on": "sms"}, []), ({"hang_ms": -2}, []), (5, [])]:
            with self.subTest(bad=bad):
                answer = self.fetch("POST", "/sandbox/faults", [{"status": 500}, bad])
                self.assertEqual(answer.status, 400)
                self.assertEqual(answer.json["unknown"], unknown)
        self.assertEqual(self.fetch("GET", "/sandbox/faults").json, {"faults": []})


class RecordTest(SandboxTest):
    def test_summary(self):
        self.bulk([message(i) for i in range(100)])
        self.bulk([message(200), message(0)])
        self.single(message(300))
        self.api("GET", "/sms")
        self.api("GET", "/sms/x")
        self.fetch("GET", "/elsewhere")
        summary = self.summary()
        self.assertEqual(summary.pop("connections"), 6)
        self.assertEqual(summary, {
            "requests": {"single": 1, "bulk": 2, "history": 1, "other": 2}, "messages": 103,
            "rejected": 0, "distinct_client_ids": 102, "repeated_client_ids": 1, "full_bulks": 1,
            "over_limit": 0, "status": {"201": 3, "200": 1, "404": 2},
            "reports": {"delivered": 0, "failed": 0, "retried": 0, "dropped": 0, "waiting": 0}})

    def test_keep_bounds_the_record_but_not_the_counts(self):
        self.set(keep=10)
        made = self.bulk([message(i) for i in range(95)]).json["entities"]
        for i in range(15):
            self.single(message(to="1"))
        record = self.record()
        self.assertEqual([m["clientId"] for m in record["messages"]],
                         ["c%d" % i for i in range(85, 95)])
        self.assertEqual((len(record["requests"]), len(record["rejected"])), (10, 10))
        self.assertEqual(self.api("GET", "/sms/" + made[84]["id"]).status, 404)
        self.assertEqual(self.api("GET", "/sms/" + made[85]["id"]).json["entity"]["clientId"], "c85")
        summary = self.summary()
        self.assertEqual((summary["messages"], summary["rejected"]), (95, 15))
        self.set(keep=2)
        self.assertEqual(len(self.record()["messages"]), 2)

    def test_the_newest_messages(self):
        self.assertEqual(self.fetch("GET", "/sandbox/messages").json,
                         {"messages": [], "webhook": False})
        self.bulk([message(i) for i in range(60)])
        shown = self.record()["messages"][::-1]
        for query, count in (("", 50), ("?newest=3", 3), ("?newest=1000", 60), ("?newest=0", 0),
                             ("?newest=x", 0)):
            told = self.fetch("GET", "/sandbox/messages" + query).json["messages"]
            self.assertEqual([m["id"] for m in told], [m["id"] for m in shown[:count]], query)
        self.assertEqual(self.fetch("POST", "/sandbox/messages", {}).status, 405)

    def test_delete_forgets_everything(self):
        self.set(limit=1)
        made = self.single().json["entity"]["id"]
        self.assertEqual(self.single().status, 429)
        self.fetch("DELETE", "/sandbox/record")
        self.assertEqual(self.record(), {"requests": [], "messages": [], "rejected": []})
        self.assertEqual(self.api("GET", "/sms/" + made).status, 404)
        self.assertEqual(self.single().status, 201)
        self.assertEqual(self.record()["requests"][1]["n"], 2)
        self.assertNotEqual(self.record()["messages"][0]["id"], made)


class ReportTest(SandboxTest):
    def test_outcomes(self):
        hook = self.webhook()
        expected = {
            "9002": ["failed"], "9003": ["delivered"], "9004": ["stop"], "9005": ["expired"],
            "9006": ["error"], "9007": ["rejected"], "9008": ["sent", "buffered", "delivered"],
            "9010": ["delivered", "delivered", "sent"], "1234": ["delivered"]}
        for ending, statuses in expected.items():
            with self.subTest(ending=ending):
                made = self.single(message(to="+3460000" + ending, clientId="x" + ending)).json["entity"]
                for status in statuses:
                    _, path, report = hook.take()
                    self.assertEqual(path, "/dlr?x=1")
                    self.assertEqual((report["id"], report["clientId"], report["status"]),
                                     (made["id"], "x" + ending, status))
                    self.assertRegex(report["eventAt"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
                    self.assertEqual(report["code"] != 0, ending in ("9002", "9006", "9007"))
        self.assertEqual(self.single(message(to="+34600009001")).status, 400)
        self.assertEqual(self.single(message(to="+34600009009")).status, 201)
        with self.assertRaises(queue.Empty):
            hook.reports.get(timeout=0.1)
        self.assertEqual(self.summary()["reports"]["waiting"], 0)
        self.set(outcomes=False)
        self.assertEqual(self.single(message(to="+34600009001")).status, 201)
        self.assertEqual(hook.take()[2]["status"], "delivered")

    def test_status_in_the_history(self):
        self.set(report_delay_ms=0)
        made = self.single(message(to="+34600009005")).json["entity"]["id"]
        self.assertEqual(self.api("GET", "/sms/" + made).json["entity"]["status"], "expired")
        self.set(report_delay_ms=60000)
        self.assertEqual(self.record()["messages"][0]["status"], "accepted")

    def test_retry(self):
        hook = self.webhook()
        hook.statuses = [500, 302, 204]
        self.single()
        reports = [hook.take() for _ in range(3)]
        self.assertEqual([r[0] for r in reports], [500, 302, 204])
        self.assertEqual(reports[0][2], reports[2][2])
        deadline = time.monotonic() + PATIENCE
        while self.summary()["reports"]["waiting"] > 0 and time.monotonic() < deadline:
            pass
        self.assertEqual(self.summary()["reports"], {
            "delivered": 1, "failed": 0, "retried": 2, "dropped": 0, "waiting": 0})

    def test_webhook_that_is_not_there(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.addCleanup(self.set, webhook=None)
        self.set(webhook="http://127.0.0.1:%d/" % port, report_delay_ms=1, report_retry_ms=1)
        self.bulk([message(i) for i in range(100)])
        deadline = time.monotonic() + PATIENCE
        while self.summary()["reports"]["waiting"] > 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(self.summary()["reports"]["failed"], 100)

    def test_webhook_may_change(self):
        first = self.webhook()
        self.single()
        first.take()
        second = self.webhook()
        self.single()
        second.take()
        self.assertTrue(first.reports.empty())

    def test_many_reports(self):
        hook = self.webhook()
        for start in range(0, 300, 100):
            self.bulk([message(i) for i in range(start, start + 100)])
        self.assertEqual(len({hook.take()[2]["id"] for _ in range(300)}), 300)

    def test_reports_on_demand(self):
        self.assertEqual(
            self.fetch("POST", "/sandbox/reports", {"id": "x", "status": "sent"}).status, 409)
        hook = self.webhook()
        self.set(report_delay_ms=60000)
        made = self.single().json["entity"]["id"]
        for body, status in [({"status": "sent"}, 404), ({"clientId": "no", "status": "s"}, 404),
                             ({"id": made}, 400), ({"id": made, "status": 1}, 400),
                             ({"id": made, "status": "s", "x": 1}, 400),
                             ({"clientId": "c0", "status": "weird", "code": 9}, 202)]:
            with self.subTest(body=body):
                self.assertEqual(self.fetch("POST", "/sandbox/reports", body).status, status)
        report = hook.take()[2]
        self.assertEqual((report["id"], report["status"], report["code"]), (made, "weird", 9))
        self.assertNotIn("message", report)
        self.assertEqual(self.record()["messages"][0]["status"], "weird")
        self.fetch("POST", "/sandbox/reports", {"id": made, "status": "delivered", "message": "Hi"})
        self.assertEqual(hook.take()[2]["message"], "Hi")


if __name__ == "__main__":
    unittest.main()
