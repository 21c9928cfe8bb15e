"""Answers as APIs write them: lists that come as objects, notices of PHP in front of the JSON, bytes that
are no UTF-8, compressed bodies. Whatever can be read is read, and no message goes out once more because
its answer had an odd shape.
"""

import collections
import gzip
import http.server
import json
import threading
import unittest
import zlib

from relaying import QUICK, eventually
from support import TestCase, parse_reply

BATCH = 99
REFUSED = 33  # the place of the one that is refused


class StandIn(http.server.ThreadingHTTPServer):
    """An API that takes every message of a bulk but one, and answers as `write` says. It has no history.

    `write(accepted, refused)` gets pairs of a message's place and what was posted, and returns the body
    and more headers.
    """

    daemon_threads = True
    block_on_close = False  # kept connections would hold the end up

    def __init__(self, write):
        super().__init__(("127.0.0.1", 0), Call)
        self.write = write
        self.taken = collections.Counter()  # clientIds
        self.lock = threading.Lock()
        self.url = "http://127.0.0.1:%d/v1" % self.server_address[1]
        self.token = "stand-in"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def take(self, items):
        """Returns the body of the answer and its headers."""
        places = list(enumerate(items))
        refused = [places[REFUSED]] if len(items) > REFUSED else []
        accepted = [one for one in places if one not in refused]
        with self.lock:
            self.taken.update(item["clientId"] for _, item in accepted)
        return self.write(accepted, refused)


class Call(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in dict({"Content-Type": "application/json"}, **headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(404, b'{"message":"not found"}', {})

    def do_POST(self):
        self.server.codings = self.headers["Accept-Encoding"]
        items = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if isinstance(items, dict):
            self.server.taken.update([items["clientId"]])
            self.answer(201, b'{"entity":{"id":"single"}}', {})
        else:
            self.answer(201, *self.server.take(items))


def entity(place, item):
    return {"id": "id-%d" % place, "status": "queued"}


def echo(place, item):
    return dict(entity(place, item), clientId=item["clientId"], to=item["to"])


def words(place, item):
    return {"to": ["bad %d" % place]}


# How a list may be written.
def as_list(pairs, write):
    return [write(*one) for one in pairs]


def by_index(pairs, write):
    return {str(place): write(place, item) for place, item in pairs}


def by_client_id(pairs, write):
    return {item["clientId"]: write(place, item) for place, item in pairs}


def by_path(pairs, _):
    return {"[%d].to" % place: "bad %d" % place for place, _ in pairs}


def violations(pairs, _):
    return [{"propertyPath": "[%d].to" % place, "message": "bad %d" % place} for place, _ in pairs]


def indexed(pairs, _):
    return [{"index": place, "errors": {"to": ["bad %d" % place]}} for place, _ in pairs]


SHAPES = {
    "lists": (as_list, echo, indexed),
    "objects keyed by index": (by_index, entity, by_index),
    "entities keyed by index, errors a list": (by_index, entity, as_list),
    "errors keyed by index": (as_list, entity, by_index),
    "objects keyed by clientId": (by_client_id, entity, by_client_id),
    "errors keyed by path": (as_list, entity, by_path),
    "violations": (as_list, entity, violations),
}

NOTICE = b"<br />\n<b>Notice</b>:  Undefined index: a[0] in <b>/srv/{closure}.php</b> on line <b>7</b><br />\n"
WARNINGS = b"PHP Warning:  foreach() argument must be of type array|object, null given in a.php on line 3\n" * 3

# What may happen to a body on its way.
FAULTS = {
    "none": lambda body: body,
    "byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "notice": lambda body: NOTICE + body,
    "warnings": lambda body: WARNINGS + body + b"\n" + NOTICE,
    "white space": lambda body: b"\r\n\t " + body + b"\n\n",
    "latin-1": lambda body: body.replace(b"queued", "wartet, M\u00fcller".encode("latin-1")),
    "half an emoji": lambda body: body.replace(b"queued", b"\\ud83d and \\ude00"),
    "no number": lambda body: body.replace(b'"queued"', b"NaN"),
    "huge number": lambda body: body.replace(b'"queued"', b"184467440737095516150"),
}


def deflate(body):
    return zlib.compress(body)


CODINGS = {"gzip": gzip.compress, "deflate": deflate}
MAX_BODY = 4 << 20  # that is read of an answer


def writer(shape, fault="none", wrap=lambda answer: answer):
    """What writes answers of this shape, with this fault."""
    as_entities, write, as_errors = SHAPES[shape]

    def answer(accepted, refused):
        body = json.dumps(wrap({"entities": as_entities(accepted, write),
                                "errors": as_errors(refused, words)})).encode()
        return FAULTS[fault](body), {}
    return answer


class Answers(TestCase):
    def relay_to(self, api, **settings):
        relay = self.relay(dict(QUICK, **settings), sandbox=api)
        return relay, self.client(relay)

    def send(self, client, count):
        client.send("HOLD", *["SEND +346%08d hello" % i for i in range(count)], "RELEASE")
        replies = client.read_replies(count + 2)[1:-1]
        return [parse_reply(reply[0])["id"] for reply in replies]

    def await_ends(self, client, ids):
        def look():
            client.send(*["STATUS " + id for id in ids])
            self.seen = [parse_reply(reply[0]) for reply in client.read_replies(len(ids))]
            return all(one["state"] in ("relayed", "rejected", "unresolved") for one in self.seen)
        eventually(look, "an end of each message")
        return self.seen

    def expect_once(self, api, client, count=BATCH):
        """Each message gets what was answered for it, and was taken once."""
        ids = self.send(client, count)
        for place, status in enumerate(self.await_ends(client, ids)):
            told = (status["state"], status.get("api"), status.get("reason"))
            expected = ("rejected", None, "to: bad %d" % place) if place == REFUSED else \
                ("relayed", "id-%d" % place, None)
            self.assertEqual(told, expected)
        self.assertEqual(api.taken, {id: 1 for i, id in enumerate(ids) if i != REFUSED})

    def stand_in(self, write=None):
        api = StandIn(write)
        self.addCleanup(api.server_close)
        self.addCleanup(api.shutdown)
        return api

    def test_every_shape_and_fault(self):
        api = self.stand_in()
        _, client = self.relay_to(api)
        for shape in SHAPES:
            for fault in FAULTS:
                with self.subTest(shape=shape, fault=fault):
                    api.write = writer(shape, fault)
                    api.taken.clear()
                    self.expect_once(api, client)

    def test_wrapped_in_data(self):
        api = self.stand_in()
        _, client = self.relay_to(api)
        for wrap in (lambda answer: {"data": answer},
                     lambda answer: {name: {"data": list} for name, list in answer.items()}):
            for shape in SHAPES:
                with self.subTest(shape=shape):
                    api.write = writer(shape, wrap=wrap)
                    api.taken.clear()
                    self.expect_once(api, client)

    def test_compressed(self):
        """As was asked for; a bomb of a few kilobytes is told apart by what comes out of it."""
        api = self.stand_in()
        relay, client = self.relay_to(api)
        for coding, compress in CODINGS.items():
            for fault in ("none", "notice"):
                with self.subTest(coding=coding, fault=fault):
                    plain = writer("objects keyed by index", fault)

                    def write(*lists):
                        self.assertIn(coding, api.codings)
                        return compress(plain(*lists)[0]), {"Content-Encoding": coding}
                    api.write = write
                    api.taken.clear()
                    self.expect_once(api, client)
        api.write = lambda *_: (gzip.compress(b" " * 10 * MAX_BODY), {"Content-Encoding": "gzip"})
        self.send(client, 2)
        relay.wait_log("request_failed", error="the body of the answer is too long")


if __name__ == "__main__":
    unittest.main()
