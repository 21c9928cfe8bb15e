"""What an answer means for messages and for the destination: the verdict table, row by row."""

import http.client
import socket
import threading
import time
import unittest

from relaying import NUMBER, REFUSED, Record, RelayingTest, eventually
from support import PATIENCE, TOKEN, Sandbox

JSON = {"message": "no such luck"}
HTML = "<html><body>Who are you?</body></html>"
PAGE = {"content_type": "text/html", "body": HTML}


def texts(count, prefix="m"):
    return ["%s%d" % (prefix, i) for i in range(count)]


class Accepted(RelayingTest):
    """201: every item is told of by itself."""

    def test_a_lone_message(self):
        for style in ("flat", "nested"):
            for echo in (["clientId", "from", "to", "text"], []):
                with self.subTest(style=style, echo=echo):
                    self.start()
                    self.api.settings(single_style=style, echo=echo)
                    ids = self.send("hello")
                    status, = self.assertRelayed(ids)
                    self.assertEqual(status["attempts"], "1")
                    record = self.finish()
                    self.assertEqual(record.calls(), [("single", 1, 201)])
                    self.assertOnce(record, ids)

    def test_what_is_sent(self):
        self.start()
        self.send("plain", options="FROM=Shop", to="+34600000001")
        ids = self.send("\u4f60\u597d", to="+34600000002")
        self.assertRelayed(ids)
        first, second = self.finish().messages
        self.assertEqual((first["from"], first["to"], first["text"]),
                         ("Shop", "+34600000001", "plain"))
        self.assertIsNot(first.get("allowUnicode"), True)
        self.assertEqual((second["from"], second["to"], second["text"], second["allowUnicode"]),
                         ("ACME", "+34600000002", "\u4f60\u597d", True))

    def test_entities_in_every_variant(self):
        everything = ["clientId", "from", "to", "text"]
        for echo, order in [(everything, "same"), (everything, "reversed"),
                            (["clientId"], "reversed"), (["to"], "reversed"),
                            (["text", "to"], "reversed"), ([], "same")]:
            with self.subTest(echo=echo, order=order):
                self.start()
                self.api.settings(echo=echo, entities_order=order)
                ids = self.send_together(texts(10))
                self.assertRelayed(ids)
                record = self.finish()
                self.assertEqual(record.calls(), [("bulk", 10, 201)])
                self.assertOnce(record, ids)

    def test_mixed_in_every_variant(self):
        for by in ("index", "clientId", "fields", "nested", "none"):
            for words in ("object", "list", "string"):
                with self.subTest(errors_by=by, errors_as=words):
                    self.start()
                    self.api.settings(errors_by=by, errors_as=words)
                    self.assert_mixed()

    def assert_mixed(self):
        bad = (0, 4, 9)
        self.c.ask("HOLD")
        ids = [self.send("m%d" % i, to=REFUSED if i in bad else NUMBER % i)[0]
               for i in range(10)]
        self.c.ask("RELEASE")
        statuses = self.await_states(ids, "relayed", "rejected", "unresolved")
        record = self.finish()
        self.assertEqual(record.calls(), [("bulk", 10, 201)])
        good = [id for i, id in enumerate(ids) if i not in bad]
        self.assertOnce(record, good)
        self.assertEqual([m["clientId"] for m in record.rejected], [ids[i] for i in bad])
        for i, status in enumerate(statuses):
            self.assertEqual(status["state"], "rejected" if i in bad else "relayed", status)
            if i in bad:
                self.assertRegex(status["reason"], "to.*(is not|refused|cannot|reach)", status)
            else:
                self.assertEqual(status["api"], record.api_ids()[ids[i]])

    def test_all_rejected(self):
        self.start()
        ids = self.send_together(texts(5), to=REFUSED)
        self.await_states(ids, "rejected")
        self.assertEqual(self.c.queue()["relaying"], "yes")
        record = self.finish()
        self.assertEqual(record.calls(), [("bulk", 5, 201)])
        self.assertOnce(record, [])

    def test_a_single_rejected(self):
        for words in ("object", "list", "string"):
            with self.subTest(errors_as=words):
                self.start()
                self.api.settings(errors_as=words)
                ids = self.send("x", to=REFUSED)
                status, = self.await_states(ids, "rejected")
                self.assertIn("to", status["reason"])
                self.assertEqual(self.c.queue()["relaying"], "yes")
                record = self.finish()
                self.assertEqual(record.calls(), [("single", 1, 400)])

    def test_an_used_client_id_in_a_first_attempt_is_a_refusal(self):
        self.start()
        self.api.faults({"on": "single", "status": 400,
                         "body": {"message": "refused",
                                  "errors": {"clientId": ["has already been used"]}}})
        ids = self.send("x")
        status, = self.await_states(ids, "rejected", "relayed")
        self.assertEqual(status["state"], "rejected")
        self.assertEqual(self.finish().calls(), [("single", 1, 400)])


class Split(RelayingTest):
    """A bulk that is refused as a whole is halved down to the message that is to blame."""

    def assert_poison_is_found(self, status, body, count, poisons, settings=None):
        self.start(settings)
        self.api.faults({"status": status, "containing": "poison", "count": -1, **body})
        words = ["poison%d" % i if i in poisons else "m%d" % i for i in range(count)]
        ids = self.send_together(words)
        statuses = self.await_states(ids, "relayed", "rejected", "unresolved")
        record = self.finish()
        self.assertOnce(record, [id for i, id in enumerate(ids) if i not in poisons])
        for i, told in enumerate(statuses):
            self.assertEqual(told["state"], "rejected" if i in poisons else "relayed", told)
        refused = [count for _, count, s in record.calls() if s == status]
        taken = [count for _, count, s in record.calls() if s == 201]
        self.assertEqual(len(refused) + len(taken), len(record.requests))
        # Binary search: nothing was asked twice, and what was split was never merged again.
        self.assertEqual(refused.count(1), len(poisons))
        self.assertEqual(sum(taken), count - len(poisons))
        self.assertLessEqual(len(record.requests), 1 + 2 * len(poisons) * (count - 1).bit_length())
        self.assertTrue(all(n <= (count + 1) // 2 for _, n, _ in record.calls()[1:]))
        return record

    def test_one_poison_message(self):
        named = {"message": "bad", "errors": {"text": ["is not allowed"]}}
        for status, body in [(400, {"body": named}), (400, {"body": {"message": "bad shape"}}),
                             (422, {"body": named}), (413, {"body": {"message": "too large"}}),
                             (413, PAGE), (413, {"body": ""})]:
            with self.subTest(status=status, body=body):
                self.assert_poison_is_found(status, body, 10, {6})

    def test_at_every_place(self):
        for place in range(4):
            with self.subTest(place):
                self.assert_poison_is_found(400, {"body": JSON}, 4, {place})

    def test_many_poisons_in_a_full_batch(self):
        self.assert_poison_is_found(422, {"body": JSON}, 100, {0, 17, 50, 99})

    def test_halves_go_in_order(self):
        record = self.assert_poison_is_found(400, {"body": JSON}, 8, {5},
                                             {"relay.connections": 1})
        self.assertEqual(record.texts(), ["m0", "m1", "m2", "m3", "m4", "m6", "m7"])
        self.assertEqual(record.calls(), [
            ("bulk", 8, 400), ("bulk", 4, 201), ("bulk", 4, 400), ("bulk", 2, 400),
            ("single", 1, 201), ("single", 1, 400), ("bulk", 2, 201)])

    def test_all_are_refused_one_by_one(self):
        self.start()
        self.api.settings(reject_all_bulk_status=422)
        ids = self.send_together(texts(4), to=REFUSED)
        self.await_states(ids, "rejected")
        record = self.finish()
        self.assertOnce(record, [])
        self.assertEqual(sorted(c[1] for c in record.calls()), [1, 1, 1, 1, 2, 2, 4])

    def test_a_body_that_is_too_large(self):
        self.start()
        self.api.settings(max_body=2000)
        ids = self.send_together([c * 300 for c in "abcdefghijklmnopqrst"])
        self.assertRelayed(ids)
        record = self.finish()
        self.assertOnce(record, ids)
        self.assertEqual(record.calls()[0][2], 413)

    def test_the_destination_stays_fine(self):
        self.start()
        self.api.faults({"status": 400, "containing": "poison", "count": -1, "body": JSON})
        ids = self.send_together(texts(3) + ["poison"])
        self.await_states(ids, "relayed", "rejected")
        self.assertEqual(self.c.queue()["relaying"], "yes")
        self.assertEqual(self.daemon.log("relaying_stopped"), [])
        self.finish()


class Nameless(RelayingTest):
    """Lone refusals that name no field: ten in a row, and it is our requests that are wrong."""

    def test_ten_in_a_row_stop(self):
        self.start({"relay.bulk_max": 1, "relay.connections": 1})
        self.api.faults({"status": 400, "count": -1, "body": JSON})
        ids = self.send_together(texts(14))
        self.await_stop("HTTP 400")
        self.assertEqual([s["state"] for s in self.statuses(ids)],
                         9 * ["rejected"] + 5 * ["queued"])
        self.api.forget_faults()
        self.c.ask("FLUSH")
        statuses = self.assertRelayed(ids[9:])
        self.assertEqual([s["attempts"] for s in statuses], 5 * ["1"])
        record = self.finish()
        self.assertEqual(record.calls(), 10 * [("single", 1, 400)] + 5 * [("single", 1, 201)])
        self.assertOnce(record, ids[9:])

    def test_with_several_connections_no_more_are_rejected(self):
        self.start({"relay.bulk_max": 1, "relay.connections": 4})
        self.api.settings(latency_ms=10, rate_headers=False)
        self.api.faults({"status": 400, "count": -1, "body": JSON})
        ids = self.send_together(texts(30))
        self.await_stop("HTTP 400")
        eventually(lambda: self.c.queue()["sending"] == "0", "no request under way")
        self.assertEqual([s["state"] for s in self.statuses(ids)].count("rejected"), 9)
        self.assertLessEqual(len(self.finish().requests), 13)

    def test_a_name_or_a_success_between_them_begins_anew(self):
        self.start({"relay.bulk_max": 1, "relay.connections": 1})
        named = {"message": "bad", "errors": {"text": ["is not allowed"]}}
        self.api.faults({"status": 400, "body": JSON, "containing": "nameless", "count": -1},
                        {"status": 400, "body": named, "containing": "named", "count": -1})
        words = texts(9, "nameless") + ["named"] + texts(9, "nameless") + ["fine"] + \
            texts(9, "nameless")
        ids = self.send_together(words)
        statuses = self.await_states(ids, "relayed", "rejected")
        self.assertEqual([s["state"] for s in statuses].count("rejected"), 28)
        self.assertEqual(self.daemon.log("relaying_stopped"), [])
        self.assertOnce(self.finish(), [ids[19]])


STOPS = [
    (404, {"body": JSON}), (404, PAGE), (405, {"body": JSON, "headers": {"Allow": "GET"}}),
    (301, {"body": "", "headers": {"Location": "/elsewhere"}}), (302, PAGE),
    (307, {"body": "", "headers": {"Location": "/transactional/v1/sms"}}),
    (308, {"body": JSON}), (400, PAGE), (422, {"body": ""}), (409, {"body": JSON}), (418, PAGE),
    (451, PAGE), (402, {"body": JSON}), (402, PAGE), (401, {"body": JSON}), (403, {"body": JSON}),
    (403, PAGE),
]


def collapsed(calls):
    """The calls, with those that repeat the one before left out: how many probes are sent is not said."""
    return [call for i, call in enumerate(calls) if i == 0 or call != calls[i - 1]]


class Stopped(RelayingTest):
    """What no message is to blame for: everything stays as it is, a probe asks again."""

    def test_each_answer(self):
        for status, answer in STOPS:
            with self.subTest(status=status, answer=answer):
                self.assert_stops(status, answer)

    def assert_stops(self, status, answer):
        self.start()
        self.api.faults({"status": status, "count": -1, **answer})
        ids = self.send_together(texts(5))
        queue = self.await_stop("HTTP %d" % status)
        self.assertIn("until", queue)  # the next probe
        self.assertEqual((queue["queued"], queue["sending"], queue["deferred"]), ("5", "0", "0"))
        self.assertEqual([s["state"] for s in self.statuses(ids)], 5 * ["queued"])
        self.assertIn("HTTP %d" % status, self.statuses(ids[:1])[0]["reason"])

        ids += self.send("later", first=5)  # taken, but it does not make a request
        self.c.ask("FLUSH")
        self.await_posts(2)
        eventually(lambda: self.c.queue()["sending"] == "0", "the probe's end")
        self.await_stop("HTTP %d" % status)
        self.assertLessEqual(len(Record(self.api.record()).posts()), 7)

        self.api.forget_faults()
        self.c.ask("FLUSH")
        statuses = self.assertRelayed(ids)
        self.assertEqual([s["attempts"] for s in statuses], 6 * ["1"])  # a refusal is not charged
        self.assertEqual(self.c.queue()["relaying"], "yes")
        record = self.finish()
        self.assertEqual(collapsed(record.posts()), [("bulk", 5, status), ("single", 1, status),
                                                     ("single", 1, 201), ("bulk", 5, 201)])
        self.assertOnce(record, ids)
        self.assertEqual(record.texts(), texts(5) + ["later"])
        self.assertEqual(len(self.daemon.log("relaying_stopped")), 1)
        self.assertEqual(len(self.daemon.log("relaying_resumed")), 1)

    def test_the_probe_comes_in_a_minute(self):
        self.start()
        self.api.faults({"status": 401, "body": JSON})
        self.send("x")
        until = self.await_stop("token")["until"]
        told = time.mktime(time.strptime(until[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
        self.assertTrue(50 <= told - time.time() <= 61, until)
        self.assertEqual(self.finish().calls(), [("single", 1, 401)])

    def test_a_single_goes_back_to_the_head(self):
        self.start({"relay.bulk_max": 1, "relay.connections": 1})
        self.api.faults({"status": 401, "body": JSON})
        ids = self.send_together(texts(3))
        self.await_stop("token")
        self.c.ask("FLUSH")
        self.assertRelayed(ids)
        record = self.finish()
        self.assertEqual(record.texts(), texts(3))
        self.assertOnce(record, ids)

    def test_redirects_are_not_followed(self):
        self.start()
        self.api.faults({"status": 307, "body": "",
                         "headers": {"Location": self.api.url + "/sms"}})
        self.send("x")
        self.await_stop("HTTP 307")
        self.assertEqual(self.finish().calls(), [("single", 1, 307)])

    def test_many_requests_under_way_are_one_stop(self):
        self.start({"relay.bulk_max": 5})
        self.api.settings(rate_headers=False)
        self.send("warm", first=900)
        self.await_posts(1)
        self.api.settings(latency_ms=50)
        self.api.faults({"status": 402, "count": -1, "body": JSON})
        ids = self.send_together(texts(40))
        self.await_stop("balance")
        eventually(lambda: self.c.queue()["sending"] == "0", "their end")
        self.assertLessEqual(len(Record(self.api.record()).posts()), 1 + 4 + 3 + 1)
        self.api.forget_faults()
        self.c.ask("FLUSH")
        self.assertRelayed(ids)
        record = self.finish()
        self.assertEqual(len({m["clientId"] for m in record.messages}), 41)
        self.assertEqual(len(record.messages), 41)


def use_up(api, kind):
    """Somebody else of the same organisation uses the whole window up."""
    connection = http.client.HTTPConnection(api.host)
    while True:
        connection.request("POST", "/transactional/v1/sms" + ("/bulk" if kind == "bulk" else ""),
                           "[]", {"Authorization": "Bearer " + TOKEN})
        answer = connection.getresponse()
        answer.read()
        if answer.headers["X-RateLimit-Remaining"] == "0":
            connection.close()
            return int(answer.headers["X-RateLimit-Reset"])


class RateLimited(RelayingTest):
    """429: everything waits, in order, and no message is charged an attempt."""

    def test_until_the_reset(self):
        self.start()
        self.api.settings(limit=3, window_ms=1000)
        reset_s = use_up(self.api, "bulk")
        ids = self.send_together(texts(5))
        queue = self.await_stop("HTTP 429")
        self.assertIn("until", queue)
        self.assertEqual([s["state"] for s in self.statuses(ids)], 5 * ["queued"])
        statuses = self.assertRelayed(ids)
        self.assertEqual([s["attempts"] for s in statuses], 5 * ["1"])
        record = self.finish()
        ours = record.calls()[3:]
        self.assertEqual(ours, [("bulk", 0, 429), ("bulk", 5, 201)])  # 429 came unread
        self.assertEqual(record.texts(), texts(5))
        self.assertGreaterEqual(record.requests[-1]["at_ms"], reset_s * 1000 - 1000)
        self.assertEqual(sum(r["over_limit"] for r in record.requests), 1)

    def test_retry_after_alone(self):
        self.start()
        self.api.faults({"status": 429, "body": "", "no_rate_headers": True,
                         "headers": {"Retry-After": "1"}})
        ids = self.send_together(texts(5))
        self.await_stop("HTTP 429")
        self.assertRelayed(ids)
        record = self.finish()
        self.assertEqual(record.calls(), [("bulk", 5, 429), ("bulk", 5, 201)])
        first, second = record.requests
        self.assertGreaterEqual(second["at_ms"] - first["at_ms"], 990)
        self.assertEqual(record.texts(), texts(5))

    def test_nothing_said_backs_off(self):
        self.start()
        self.api.faults({"status": 429, "body": "", "no_rate_headers": True, "count": 4})
        ids = self.send_together(texts(5))
        self.assertRelayed(ids)
        record = self.finish()
        self.assertEqual(record.calls(), 4 * [("bulk", 5, 429)] + [("bulk", 5, 201)])
        self.assertEqual(record.texts(), texts(5))

    def test_a_flood_of_429_keeps_the_order(self):
        self.start({"relay.bulk_max": 5, "relay.connections": 1})
        self.api.faults({"status": 429, "body": "", "no_rate_headers": True, "skip": 3, "count": 3})
        ids = self.send_together(texts(100))
        self.assertRelayed(ids)
        record = self.finish()
        self.assertEqual(record.texts(), texts(100))
        self.assertEqual([c[2] for c in record.calls()], 3 * [201] + 3 * [429] + 17 * [201])
        self.assertOnce(record, ids)


class Unavailable(RelayingTest):
    """503: a proxy may have passed it on, so the history is asked; one probe at a time. And what was not
    sent at all goes back to the head.
    """

    def refuse(self, **fault):
        self.api.faults({"status": 503, "containing": "clientId", **fault})

    def test_503(self):
        for answer in ({"body": JSON}, PAGE, {"body": ""}):
            with self.subTest(answer):
                self.start()
                self.refuse(count=2, **answer)
                ids = self.send_together(texts(10))
                self.await_stop("HTTP 503")
                self.assertIn("history", self.await_states(ids[:1], "deferred")[0]["reason"])
                for status in self.assertRelayed(ids):
                    self.assertNotIn("reason", status)
                record = self.finish()
                self.assertEqual(record.posts()[:2], [("bulk", 10, 503), ("single", 1, 503)])
                self.assertOnce(record, ids)

    def test_503_that_took_it(self):
        """However often it says so, and whatever is sent: once."""
        for count in (1, 10):
            with self.subTest(count=count):
                self.start()
                self.refuse(count=-1, accept=True)
                ids = self.send_together(texts(count))
                statuses = self.assertRelayed(ids)
                self.assertEqual({s["attempts"] for s in statuses}, {"1"})
                record = self.finish()
                self.assertEqual(len(record.posts()), 1)
                self.assertOnce(record, ids)

    def test_503_before_the_request_was_there(self):
        """An answer to half a request: nothing was sent, and nobody need be asked."""
        with socket.create_server(("127.0.0.1", 0)) as early:
            self.start({"api.url": "http://127.0.0.1:%d/v1" % early.getsockname()[1],
                        "relay.retry_min": "1h", "relay.retry_max": "1h", "relay.settle_delay": "1h",
                        "sms.max_parts": "100"})
            early.settimeout(PATIENCE)
            early.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            ids = self.send_together(["x" * 15000] * 100)
            connection, _ = early.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
                self.await_stop("HTTP 503")
                self.assertEqual({s["state"] for s in self.statuses(ids)}, {"queued"})
            self.daemon.kill()

    def test_retry_after(self):
        """It is for every call."""
        self.start()
        self.api.faults({"status": 503, "headers": {"Retry-After": "1"}})
        ids = self.send_together(texts(3))
        self.await_stop("HTTP 503")
        self.assertRelayed(ids)
        record = self.finish()
        self.assertEqual(record.posts()[0], ("bulk", 3, 503))
        self.assertGreaterEqual(record.requests[1]["at_ms"] - record.requests[0]["at_ms"], 990)
        self.assertOnce(record, ids)

    def test_probes_go_one_by_one(self):
        self.start({"relay.bulk_max": 5, "relay.retry_min": "1ms", "relay.retry_max": "2ms"})
        self.api.settings(latency_ms=30, rate_headers=False)
        self.send("warm", first=900)
        self.await_posts(1)
        self.refuse(count=12)
        ids = self.send_together(texts(40))
        self.assertRelayed(ids)
        record = self.finish()
        self.assertEqual(len(record.messages), 41)
        posts = [r for r in record.requests if r["method"] == "POST" and r["status"] == 503]
        at = [r["at_ms"] for r in posts]
        probes = [r["at_ms"] for r in posts if r["count"] == 1]
        self.assertGreaterEqual(len(probes), 12 - 4)
        self.assertEqual(at[-len(probes):], probes)
        for earlier, later in zip(probes, probes[1:]):
            self.assertGreaterEqual(later - earlier, 29)

    def test_flush_probes_at_once(self):
        self.start({"relay.retry_min": "1h", "relay.retry_max": "1h"})
        self.api.faults({"status": 503})
        ids = self.send_together(texts(3))
        self.await_stop("HTTP 503")
        self.c.ask("FLUSH")
        self.assertRelayed(ids)
        record = self.finish()
        self.assertEqual(record.posts(), [("bulk", 3, 503), ("single", 1, 201), ("bulk", 2, 201)])

    def test_an_api_that_is_started_later(self):
        with socket.socket() as reserved:  # bound, not listening: connections are refused
            reserved.bind(("127.0.0.1", 0))
            port = reserved.getsockname()[1]
            url = "http://127.0.0.1:%d/transactional/v1" % port
            self.start({"api.url": url})
            ids = self.send_together(texts(5))
            self.await_stop("cannot be reached")
            self.daemon.wait_log("request_failed", count=3)
            self.assertLessEqual({s["state"] for s in self.statuses(ids)}, {"queued", "sending"})
        late = Sandbox(address="127.0.0.1:%d" % port)
        self.addCleanup(late.kill)
        self.await_states(ids, "relayed")
        self.assertEqual(self.c.queue()["relaying"], "yes")
        self.finish()
        record = late.record()
        late.stop()
        self.assertEqual([r["count"] for r in record["requests"]], [1, 4])
        self.assertEqual([m["text"] for m in record["messages"]], texts(5))

    def test_tls_that_fails(self):
        self.start({"api.url": self.api.url.replace("http:", "https:")})
        ids = self.send_together(texts(3))
        self.await_stop("cannot be reached")
        self.daemon.wait_log("request_failed", count=3)
        self.await_states(ids, "queued")
        self.assertEqual({line["outcome"] for line in self.daemon.log("request_failed")},
                         {"return"})
        self.daemon.stop()
        self.assertEqual(self.api.record()["messages"], [])
        self.assertEqual(self.daemon.log("messages_lost")[0]["messages"], "3")

    def test_a_connection_that_is_never_made(self):
        """A full backlog: connecting times out, so nothing was sent."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            address = listener.getsockname()
            fillers = []
            for _ in range(4):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(address)
                fillers.append(filler)
            self.start({"api.url": "http://127.0.0.1:%d" % address[1],
                        "api.connect_timeout": "50ms"})
            ids = self.send_together(texts(3))
            self.await_stop("cannot be reached")
            self.daemon.wait_log("request_failed", count=2)
            self.await_states(ids, "queued")
            self.daemon.stop()
            for filler in fillers:
                filler.close()


class Garbage(RelayingTest):
    """Something else listens at the API's address: what was sent to it may have arrived."""

    def test_another_protocol(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        taken = []

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(5)
                    taken.append(connection.recv(65536))
                    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        threading.Thread(target=serve, daemon=True).start()
        self.start({"api.url": "http://127.0.0.1:%d" % listener.getsockname()[1]})
        ids = self.send("x")
        self.await_stop("did not answer")
        self.daemon.wait_log("history_failed", count=2)
        self.await_states(ids, "deferred")
        listener.shutdown(socket.SHUT_RDWR)
        self.daemon.stop()
        self.assertEqual(sum(b"POST /sms " in request for request in taken), 1)


if __name__ == "__main__":
    unittest.main()
