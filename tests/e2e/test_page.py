"""The page at /, as far as HTTP goes: how it is served, who may use it, what events it gets and what
its buttons do. How a browser shows it is test_browser's.
"""

import http.client
import json
import re
import socket
import threading
import time
import unittest
import urllib.parse

from relaying import eventually
from support import IS_SLOW, PATIENCE, TestCase

SECRET = "s3cret-of-the-tests-0123"
PATHS = ("/", "/events", "/inbox", "/inbox/report", "/messages?find=1", "/message?id=1", "/livez", "/readyz", "/metrics", "/nothing")


class Stream:
    """GET /events: `next(event)` gives the data of the next such event."""

    def __init__(self, host, **headers):
        self.connection = http.client.HTTPConnection(host, timeout=PATIENCE)
        self.connection.request("GET", "/events", headers=headers)
        self.answer = self.connection.getresponse()
        self.status = self.answer.status

    def events(self):
        name = None
        while True:
            line = self.answer.readline().decode()
            if not line:
                return
            if line.startswith("event: "):
                name = line[7:].strip()
            elif line.startswith("data: "):
                yield name, json.loads(line[6:])

    def next(self, wanted, is_right=lambda data: True):
        deadline = time.monotonic() + PATIENCE
        data = None
        for name, seen in self.events():
            if name == wanted:
                data = seen
                if is_right(data):
                    return data
            if time.monotonic() > deadline:
                break
        raise AssertionError("no such %s; the last: %r" % (wanted, data))

    def close(self):
        self.connection.close()


class PageTest(TestCase):
    settings = {}

    def setUp(self):
        self.start()

    def start(self, settings=None, **options):
        chosen = dict({"http.address": "127.0.0.1:0", "reports.address": "127.0.0.1:0"},
                      **self.settings)
        chosen.update(settings or {})
        options["env"] = {"SMSRELAY_REPORTS_SECRET": SECRET}
        self.the_relay = self.relay(chosen, **options)
        self.host = self.the_relay.wait_log("http_listening")["url"].split("/")[2]
        self.c = self.client(self.the_relay)

    def fetch(self, path, method="GET", body=None, **headers):
        """Returns the status and the body; `self.headers` are the answer's."""
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        try:
            connection.request(method, path, body,
                               {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            self.headers = dict(answer.getheaders())
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def stream(self, **headers):
        stream = Stream(self.host, **headers)
        self.addCleanup(stream.close)
        return stream

    def token(self):
        return re.search('name="page-token" content="([0-9a-f]{32})"', self.fetch("/")[1]).group(1)

    def inbox(self):
        return json.loads(self.fetch("/inbox")[1])


class Served(PageTest):
    def test_headers(self):
        status, page = self.fetch("/")
        self.assertEqual(status, 200)
        self.assertEqual(self.headers["Content-Type"], "text/html; charset=utf-8")
        self.assertEqual(self.headers["X-Content-Type-Options"], "nosniff")
        self.assertEqual(self.headers["Referrer-Policy"], "no-referrer")
        self.assertEqual(self.headers["Cache-Control"], "no-store")
        self.assertFalse([name for name in self.headers if name.startswith("Access-Control")])
        policy = dict(rule.split(" ", 1) for rule in self.headers["Content-Security-Policy"].split("; "))
        nonces = set(re.findall(r"nonce-(\w+)", self.headers["Content-Security-Policy"]))
        self.assertEqual(len(nonces), 1)
        self.assertEqual(policy["default-src"], "'none'")
        self.assertEqual(policy["connect-src"], "'self'")
        for rule in ("base-uri", "form-action", "frame-ancestors"):
            self.assertEqual(policy[rule], "'none'")
        self.assertNotIn("unsafe", self.headers["Content-Security-Policy"])
        self.assertEqual(set(re.findall(r'<(?:script|style) nonce="(\w+)"', page)), nonces)
        self.assertEqual(len(re.findall("<(?:script|style)", page)), 2)
        self.assertNotIn("{{", page)

    def test_nonce_and_token(self):
        token = self.token()
        nonces = {re.search('script nonce="(.*?)"', self.fetch("/")[1]).group(1) for _ in range(3)}
        self.assertEqual(len(nonces), 3)
        self.assertEqual(self.token(), token)
        self.the_relay.stop()
        self.start()
        self.assertNotEqual(self.token(), token)

    def test_nothing_from_elsewhere(self):
        self.assertFalse(re.findall(r"https?://(?!www\.w3\.org/2000/svg)", self.fetch("/")[1]))
        self.assertFalse(re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b",
                                    self.fetch("/")[1]))

    def test_who_may_ask(self):
        for path in PATHS:
            for host in ("evil.example", "127.0.0.1.evil.example", "10.0.0.1"):
                code = 200 if path in ("/livez", "/readyz") else 403
                self.assertEqual(self.fetch(path, Host=host)[0], code, path)
                if code == 200:
                    continue
                self.assertEqual(self.fetch(path, "POST", Host=host)[0], 403, path)
        self.assertEqual(self.fetch("/", Host="localhost:1")[0], 200)

    def test_pages_from_elsewhere(self):
        """They may link to the page, but not fetch its data."""
        for site in ("cross-site", "same-site"):
            self.assertEqual(self.stream(**{"Sec-Fetch-Site": site}).status, 403)
            for path, status in (("/", 200), ("/livez", 200), ("/inbox", 403)):
                self.assertEqual(self.fetch(path, Sec_Fetch_Site=site)[0], status, path)
        for site in ("same-origin", "none"):
            self.assertEqual(self.stream(**{"Sec-Fetch-Site": site}).status, 200)
            self.assertEqual(self.fetch("/inbox", Sec_Fetch_Site=site)[0], 200)

    def test_methods(self):
        for path in ("/", "/events", "/inbox", "/messages?find=12", "/metrics", "/livez", "/readyz"):
            self.assertEqual(self.fetch(path, "POST", "{}")[0], 405, path)
            self.assertEqual(self.headers["Allow"], "GET, HEAD")
            self.assertGreaterEqual(self.fetch(path, "PUT", "{}")[0], 400, path)
            self.assertGreaterEqual(self.fetch(path, "OPTIONS")[0], 400, path)
            self.assertEqual(self.fetch(path, "HEAD"), (200, ""), path)
        self.assertEqual(self.fetch("/inbox/report")[0], 405)
        self.assertEqual(self.headers["Allow"], "POST")

    def test_nothing_of_it_is_logged(self):
        token = self.token()
        self.inbox()
        self.the_relay.stop()
        self.assertFalse([line for line in self.the_relay.lines if token in line or "inbox" in line])


class Events(PageTest):
    def test_at_first(self):
        stream = self.stream()
        self.assertEqual(stream.answer.getheader("Content-Type"), "text/event-stream; charset=utf-8")
        events = stream.events()
        name, hello = next(events)
        self.assertEqual((name, hello["sandbox"], hello["full"]), ("hello", True, False))
        name, now = next(events)
        self.assertEqual((name, now["relaying"]), ("now", True))
        name, samples = next(events)
        self.assertEqual((name, len(samples[0])), ("samples", 9))
        self.assertEqual(next(events), ("messages", []))

    def test_messages_flow(self):
        stream = self.stream()
        stream.next("messages")
        for _ in range(7):
            self.c.ask("SEND ACK=relayed +34600000000 text")
        relayed, last = 0, None
        while relayed < 7:
            for sample in stream.next("samples"):
                relayed += sample[1]
                last = sample if sample[4] else last
        self.assertEqual(relayed, 7)
        at, relayed, depth, oldest, latency, single, limit, bulk, bulk_limit = last
        self.assertLess(abs(at - time.time() * 1000), 60000)
        self.assertGreater(latency, 0)
        self.assertEqual(limit, 1200)
        self.assertEqual(stream.next("now")["totals"]["relayed"], 7)

    def test_what_waits(self):
        self.c.ask("HOLD")
        stream = self.stream()
        now = stream.next("now")
        self.assertEqual((now["relaying"], now["held"]), (False, True))
        for _ in range(3):
            self.c.submit()
        self.c.submit(options="AT=+1h")
        now = stream.next("now", lambda now: now["states"]["queued"] == 3)
        self.assertEqual(now["states"]["scheduled"], 1)
        sample = stream.next("samples", lambda samples: samples[-1][3] > 0)[-1]
        self.assertEqual(sample[2], 4)

    def test_why_it_is_paused(self):
        stream = self.stream()
        self.the_relay.sandbox.settings(token="another")
        self.c.submit()
        now = stream.next("now", lambda now: not now["relaying"])
        self.assertFalse(now["held"])
        self.assertIn("token", now["reason"])
        self.assertGreater(now["until"], 0)

    def test_a_number_in_the_reason(self):
        stream = self.stream()
        self.the_relay.sandbox.faults({"status": 401, "body": '{"message": "+34600000000: no money"}'})
        self.c.submit()
        now = stream.next("now", lambda now: not now["relaying"])
        self.assertIn("+***********: no money", now["reason"])
        self.assertIn("+***********: no money", self.fetch("/readyz")[1])

    def test_the_last_messages(self):
        self.the_relay.sandbox.settings(webhook=None)
        stream = self.stream()
        text = "a text that the page is not told"
        ids = [self.c.submit(text, to="+3460000%04d" % i) for i in range(60)]
        ids.append(self.c.submit(text, to="+34600009001"))
        for id in ids:
            self.the_relay.await_state(id, "relayed", "rejected")
        messages = stream.next("messages", lambda messages: len(messages) == 50
                               and messages[0]["id"] == ids[-1] and all(m["state"] in ("relayed", "rejected") for m in messages))
        self.assertEqual([m["id"] for m in messages], ids[:10:-1])
        by_id = {m["id"]: m for m in messages}
        self.assertEqual(by_id[ids[-1]]["state"], "rejected")
        self.assertEqual(by_id[ids[20]]["to"], "+34***20")
        self.assertNotIn("reason", by_id[ids[-1]])
        self.assertNotIn("dlr", by_id[ids[20]])
        words = json.dumps(messages)
        self.assertNotIn(text, words)
        self.assertNotIn("+3460000", words)

    def test_a_report_is_told(self):
        stream = self.stream()
        id = self.c.submit(to="+34600009002")
        told = stream.next("messages", lambda messages: messages and "dlr" in messages[0])[0]
        self.assertEqual((told["id"], told["state"], told["dlr"], told["code"]),
                         (id, "relayed", "failed", "21"))

    def test_too_many_listeners(self):
        streams = [self.stream() for _ in range(16)]
        self.assertEqual([stream.status for stream in streams], [200] * 16)
        self.assertEqual(self.stream().status, 503)
        told = list(self.stream(Accept="text/event-stream").events())  # a browser's; it ends
        self.assertEqual(told, [("full", {"pages": 16})])
        for stream in streams[:8]:
            stream.close()

        def comes_again():
            stream = self.stream()
            return stream.status == 200 and stream
        eventually(comes_again, "a place for another listener").next("hello")
        streams[-1].next("samples")

    def test_the_relay_ends_while_somebody_listens(self):
        stream = self.stream()
        stream.next("hello")
        self.the_relay.stop()
        for _ in stream.events():
            pass
        self.start()
        self.assertGreater(self.stream().next("hello")["run"], 0)


class Found(PageTest):
    """Messages that are searched for, and the life of one."""

    def find(self, words):
        status, answer = self.fetch("/messages?find=" + urllib.parse.quote(words))
        self.assertEqual(status, 200, words)
        return [message["id"] for message in json.loads(answer)]

    def life(self, id):
        status, answer = self.fetch("/message?id=" + id)
        return json.loads(answer) if status == 200 else status

    def test_by_number_id_and_ref(self):
        ids = [self.c.submit(to="+3460000%04d" % i, options="REF=%s" % ref)
               for i, ref in ((1, "a"), (2, "b"), (2, "c d".replace(" ", "-")), (77, "600"))]
        for words, found in ((ids[0], ids[:1]), (ids[0].lower(), ids[:1]), ("a", ids[:1]),
                             ("c-d", ids[2:3]), ("+34600000002", ids[2:0:-1]), ("0034 600 000 077", ids[3:]),
                             (" 600-000-077 ", ids[3:]), ("600000001", ids[:1]), ("nothing", []),
                             ("+49600000001", []), ("600000003", []), ("1", [])):
            self.assertEqual(sorted(self.find(words)), sorted(found), words)
        for query in ("", "?", "?find=", "?find", "?id=a", "?find=" + "x" * 256):
            self.assertEqual(self.fetch("/messages" + query)[0], 400, query)

    def test_masked_numbers_stay_hidden(self):
        """The page tells no more of a number than it shows: whose number is alike is found, too."""
        id = self.c.submit(to="+34600000061", options="REF=order-17")
        for words in ("+34600000061", "+34999999961", "600000061", "61"):
            self.assertEqual(self.find(words), [id], words)
        told = self.fetch("/messages?find=order-17")[1] + self.fetch("/message?id=" + id)[1]
        self.assertIn("+34***61", told)
        self.assertNotIn("+3460", told)
        self.assertNotIn("order-17", told)

    def test_a_life(self):
        before = time.time() * 1000 - 1000
        id = self.c.submit(to="+34600009002")
        message = eventually(lambda: "dlr" in self.life(id) and self.life(id), "the report")
        words = [event.get("state") or event.get("dlr") for event in message["life"]]
        self.assertEqual((words[:3], words[-1]), (["queued", "sending", "relayed"], "failed"))
        times = [event["at"] for event in message["life"]]
        self.assertEqual(times, sorted(times))
        self.assertTrue(before < times[0] and times[-1] < time.time() * 1000 + 1000, times)
        self.assertEqual((message["id"], message["state"], message["dlr"], message["parts"], message["attempts"],
                          message["from"]), (id, "relayed", "failed", 1, 1, "ACME"))
        for unknown in ("01KPQRJF50J0TJYQ3K5Z8B1XGN", "x", ""):
            self.assertEqual(self.life(unknown), 404)

    def test_one_that_waits(self):
        id = self.c.submit(options="AT=+1h")
        message = self.life(id)
        self.assertLess(abs(message["next"] - (time.time() + 3600) * 1000), 60000)
        self.assertEqual([event["state"] for event in message["life"]], ["scheduled"])

    def test_one_that_the_queue_has_forgotten(self):
        """Its events are remembered for longer."""
        self.the_relay.stop()
        self.start({"queue.max_bytes": "64k"})
        id = self.c.submit()
        self.the_relay.await_state(id, "relayed")
        while self.c.ask("STATUS " + id)[0].startswith("250"):
            self.c.ask("SEND ACK=relayed +34600000001 " + "x" * 1500)
        message = self.life(id)
        self.assertEqual((message["state"], message["to"]), ("relayed", "+34***00"))
        self.assertNotIn("parts", message)


class Full(PageTest):
    settings = {"http.page_privacy": "full"}

    def test_whole_numbers_and_reasons(self):
        stream = self.stream()
        self.assertTrue(stream.next("hello")["full"])
        self.c.submit(to="+34600009001")
        message = stream.next("messages", lambda m: m and m[0]["state"] == "rejected")[0]
        self.assertEqual(message["to"], "+34600009001")
        self.assertIn("to", message["reason"])
        id = self.c.submit(to="+34600000007", options="REF=seven")
        for words in ("600000007", "seven"):
            found = json.loads(self.fetch("/messages?find=" + words)[1])
            self.assertEqual([(m["id"], m["to"], m["ref"]) for m in found], [(id, "+34600000007", "seven")])
        messages = eventually(lambda: self.inbox()["messages"], "a message in the inbox")
        self.assertEqual(messages[0]["to"], "+34600000007")


@unittest.skipIf(IS_SLOW, "takes as long with every sanitizer")
class DeafListeners(PageTest):
    def deaf(self):
        """A listener that reads nothing."""
        deaf = socket.socket()
        self.addCleanup(deaf.close)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        host, port = self.host.split(":")
        deaf.connect((host, int(port)))
        deaf.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def test_those_that_read_nothing(self):
        """Little is held for them, they are cut off, and they harm nobody."""
        ended = threading.Event()

        def submit():
            while not ended.wait(0.05):
                for _ in range(20):
                    self.assertReply(self.c.ask("SEND +34600000000 text"), "250")
        for _ in range(16):
            self.deaf()
        flow = threading.Thread(target=submit)
        flow.start()
        try:
            eventually(lambda: self.stream().status == 503, "all places are taken")
            eventually(lambda: self.stream().status == 200, "one is cut off")
        finally:
            ended.set()
            flow.join()


class Inbox(PageTest):
    def wait_for(self, count):
        def look():
            inbox = self.inbox()
            return inbox if len(inbox["messages"]) >= count else None
        return eventually(look, "%d messages in the inbox" % count)

    def test_as_a_phone_shows_it(self):
        texts = ["Hello",
                 "x" * 152 + "\u20ac" + "y" * 6,
                 "\u0436" * 66 + "\U0001f600" * 3,
                 "0123456789" * 153,
                 "<script>alert(1)</script> \u202e\u05d0"]
        for text in texts:
            self.c.ask("SEND ACK=relayed FROM=ACME +34600000001 " + text)
        inbox = self.wait_for(len(texts))
        self.assertTrue(inbox["webhook"])
        messages = inbox["messages"][::-1]
        self.assertEqual(["".join(m["parts"]) for m in messages], texts)
        self.assertEqual([(m["encoding"], m["units"]) for m in messages],
                         [("gsm7", 5), ("gsm7", 160), ("ucs2", 72), ("gsm7", 1530), ("ucs2", 28)])
        self.assertEqual([len(m["parts"]) for m in messages], [1, 1, 2, 10, 1])
        self.assertEqual(messages[2]["parts"], ["\u0436" * 66, "\U0001f600" * 3])
        self.assertEqual({len(part) for part in messages[3]["parts"]}, {153})
        self.assertEqual((messages[0]["from"], messages[0]["to"]), ("ACME", "+34***01"))
        self.assertIn(messages[0]["status"], ("accepted", "delivered"))

    def test_the_newest(self):
        for i in range(40):
            self.c.ask("SEND ACK=relayed +34600000001 text %d" % i)
        self.assertEqual(["".join(m["parts"]) for m in self.inbox()["messages"]],
                         ["text %d" % i for i in range(39, 9, -1)])

    def press(self, body, **headers):
        chosen = {"X_Page_Token": self.token(), "Origin": "http://" + self.host}
        chosen.update(headers)
        chosen = {name: value for name, value in chosen.items() if value is not None}
        return self.fetch("/inbox/report", "POST",
                          body if isinstance(body, str) else json.dumps(body), **chosen)[0]

    def test_a_button(self):
        self.the_relay.sandbox.settings(report_delay_ms=3600000)
        id = self.c.submit()
        self.the_relay.await_state(id, "relayed")
        message = self.wait_for(1)["messages"][0]
        for status in ("buffered", "failed"):
            self.assertEqual(self.press({"id": message["id"], "status": status}), 202)
            self.assertEqual(self.inbox()["messages"][0]["status"], status)
            eventually(lambda: " dlr=%s " % status in self.c.ask("STATUS " + id)[0], "the report")

    def test_the_phone_answers(self):
        self.c.ask("SEND ACK=relayed +34600000001 text")
        message = self.wait_for(1)["messages"][0]
        self.assertEqual(self.press({"id": message["id"], "message": "STOP"}), 202)
        eventually(lambda: self.c.ask("SEND +34600000001 text")[0].startswith("550 5.7.1"),
                   "the number is on the opt-out list")

    def test_who_may_press(self):
        self.c.ask("SEND ACK=relayed +34600000001 text")
        body = {"id": self.wait_for(1)["messages"][0]["id"], "status": "failed"}
        token = self.token()
        port = self.host.split(":")[1]
        for wrong in (None, "", token[:-1], token + "0", token[::-1], "0" * 32):
            self.assertEqual(self.press(body, X_Page_Token=wrong), 403, wrong)
        for origin in (None, "null", "", "http://evil.example", "https://" + self.host,
                       "http://127.0.0.1", "http://127.0.0.1:1", "http://localhost:" + port,
                       "http://%s.evil.example" % self.host, self.host):
            self.assertEqual(self.press(body, Origin=origin), 403, origin)
        self.assertNotEqual(self.inbox()["messages"][0]["status"], "failed")
        self.assertEqual(self.press(body, Host="localhost:" + port, Origin="http://localhost:" + port),
                         202)

    def test_what_is_no_report(self):
        self.c.ask("SEND ACK=relayed +34600000001 text")
        id = self.wait_for(1)["messages"][0]["id"]
        for body in ("", "{", "[]", "{}", {"id": id}, {"status": "failed"}, {"id": id, "status": "odd"},
                     {"id": id, "status": 1}, {"id": 1, "status": "failed"},
                     {"id": id, "status": "failed", "message": "STOP"},
                     {"id": id, "status": "failed", "more": 1}, {"id": id, "message": "x" * 161},
                     '{"id":"a","id":"b","status":"sent"}'):
            self.assertEqual(self.press(body), 400, body)
        self.assertEqual(self.press({"id": "nothing", "status": "failed"}), 404)
        self.assertEqual(self.press(" " * 70000), 413)
        self.the_relay.sandbox.settings(webhook=None)
        self.assertFalse(self.inbox()["webhook"])
        self.assertEqual(self.press({"id": id, "status": "failed"}), 409)

    def test_a_proxy(self):
        self.the_relay.stop()
        self.start({"http.hosts": "relay.example"})
        self.c.ask("SEND ACK=relayed +34600000001 text")
        body = {"id": self.wait_for(1)["messages"][0]["id"], "status": "failed"}
        for host, origin, status in (("relay.example", "https://relay.example", 202),
                                     ("Relay.example", "https://relay.example:8443", 202),
                                     (self.host, "https://relay.example", 202),
                                     ("relay.example", "http://relay.example", 202),
                                     ("relay.example", "https://relay.example.evil.example", 403),
                                     ("relay.example", "https://localhost", 403)):
            self.assertEqual(self.press(body, Host=host, Origin=origin), status, origin)


class RealApi(PageTest):
    def start(self, settings=None, **options):
        super().start(settings, sandbox=self.separate_sandbox(), **options)

    def test_there_is_no_inbox(self):
        self.assertFalse(self.stream().next("hello")["sandbox"])
        self.assertEqual(self.fetch("/inbox")[0], 404)
        self.assertEqual(self.fetch("/inbox/report", "POST", "{}", Origin="http://" + self.host,
                                    X_Page_Token=self.token())[0], 404)


if __name__ == "__main__":
    unittest.main()
