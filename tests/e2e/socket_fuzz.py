"""The parts of the socket fuzzer: conversations that nobody would hold, an API whose answers are
mutated, reports and page requests that are nearly right, and what must be true all the same.

    FUZZ_SEED=n  repeats what is sent and how it is split (random if it is not set, and printed)

A conversation is a list of steps. After each comes a VRFY of a number that only this step uses, so
that a reply can be told to belong to its step; and where the number of a step's replies is certain,
exactly so many must have come. A mutated line is followed by a dot: whatever the line has become,
it gets one reply and the dot one, be it the end of a content, of a login, or no command at all.
"""

import json
import os
import random
import re
import select
import socket
import threading
import time
import traceback

from killing import ENDS, LIMITED, REFUSALS, SCANS, SLOWNESS
from relaying import eventually
from support import PATIENCE, open_socket

HERE = os.path.dirname(os.path.abspath(__file__))
PRIVATE = "confidential"  # in each text: it must not be in the log
PROBE_MS = 1000 * SLOWNESS
ID = r"[0-9A-HJKMNP-TV-Z]{26}"

# What no reply may have in it: C0, DEL, C1, line ends and what turns the direction of a text.
RAW_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
REPLY = re.compile(r"(\d\d\d)(?:([ -])(?:(\d\.\d{1,3}\.\d{1,3})(?= |$))?|$)")
SENTINEL = re.compile(r"250 2\.1\.5 \+34600(\d{6})$")


def known_codes():
    """The codes that the protocol's table of replies has, as (code, enhanced code or None)."""
    with open(os.path.join(HERE, "../../proto/PROTOCOL.md")) as file:
        rows = re.findall(r"^\| `(\d\d\d)(?: (\d\.\d\.\d))?` \|", file.read(), re.M)
    return {(code, enhanced or None) for code, enhanced in rows}


KNOWN = known_codes()


# --- mutating ------------------------------------------------------------------------------------

ODDITIES = [b"\0", b"\r", b"\n", b"\t", b"\x1b[2J", b"\x7f", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc2\x85",
            b"\xe2\x80\xa8", b"\xe2\x80\xae", b"\xf0\x9f\x98\x80", b"\xef\xbb\xbf", b"%s%n", b'"', b"\\", b"=",
            b"<", b">", b",", b":", b"  ", b"-1", b"99999999999999999999", b"{", b"]", b"null", b"../"]


def mutate(chance, data, most=3):
    """A few changes: bytes flipped, dropped, doubled, cut off, or odd ones put in."""
    for _ in range(chance.randint(1, most)):
        at = chance.randint(0, len(data))
        to = min(len(data), at + chance.choice((1, 1, 4, 20)))
        kind = chance.randrange(6)
        if kind == 0:
            data = data[:at] + chance.choice(ODDITIES) + data[at:]
        elif kind == 1:
            data = data[:at] + data[to:]
        elif kind == 2:
            data = data[:at] + data[at:to] * chance.choice((2, 2, 50)) + data[to:]
        elif kind == 3:
            data = data[:at]
        elif kind == 4 and at < len(data):
            data = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1:]
        else:
            data = data[:at] + chance.randbytes(chance.randint(1, 4)) + data[at:]
    return data


def wrong_value(chance, depth=0):
    """Some JSON value."""
    plain = [None, True, 0, -1, 2 ** 63 - 1, 1e300, 0.5, "", "x", "9" * 300, "\0", "\u202e", "\ud800"]
    if depth < 3 and chance.random() < 0.3:
        values = [wrong_value(chance, depth + 1) for _ in range(chance.randint(0, 3))]
        return chance.choice((values, {str(i): value for i, value in enumerate(values)}))
    return chance.choice(plain)


def wrong_json(chance, value):
    """The value with some of its parts replaced, left out or renamed."""
    if chance.random() < 0.15:
        return wrong_value(chance)
    if isinstance(value, dict):
        return {mutate(chance, name.encode(), 1).decode("latin-1") if chance.random() < 0.1 else name:
                wrong_json(chance, part) for name, part in value.items() if chance.random() > 0.05}
    if isinstance(value, list):
        return [wrong_json(chance, part) for part in value for _ in range(chance.choice((1, 1, 1, 0, 2)))]
    return value


def split(chance, data):
    """The data in random pieces: the whole, a few, or byte by byte."""
    most = chance.choice((1, 3, 40, 5000, len(data) or 1)) if len(data) < 2000 else chance.choice((500, 70000))
    pieces = []
    while data:
        size = chance.randint(1, most)
        pieces.append(data[:size])
        data = data[size:]
    return pieces


# --- what is said --------------------------------------------------------------------------------

class ClosedEarly(AssertionError):
    """The connection ended without a word, or within one."""


class Step:
    """Bytes, and how many replies they get; None = it cannot be told."""

    def __init__(self, data, replies=None):
        self.data, self.replies = data, replies


def ends_early(content):
    """Might this be more than one content?"""
    return re.search(rb"(?:^|\n|\r)\.\r*(?:\n|$)", content) is not None


class Author:
    """Writes conversations, in one line ending each."""

    HEADERS = [b"From: Shop <shop@example.org>", b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=", b"MIME-Version: 1.0",
               b"Content-Type: text/plain; charset=utf-8", b"Content-Type: multipart/alternative; boundary=b",
               b"Content-Transfer-Encoding: quoted-printable", b"Content-Transfer-Encoding: base64",
               b"X-SMS-TTL: 5m", b"X-SMS-Priority: high", b"Message-ID: <1@example.org>",
               b"Date: Tue, 21 Apr 2026 10:15:00 +0000", b"Content-Type: text/html", b"\tfolded: yes",
               b"Auto-Submitted: auto-replied", b"Content-Type: message/rfc822"]
    ASKING = ["NOOP", "HELP", "HELP SEND", "QUEUE", "QUEUE LIST 5", "STATS", "STATUS ref-1", "WATCH ref-2",
              "WATCH since=0", "UNWATCH", "CANCEL ref-3", "FLUSH", "RELEASE", "OPTOUT ADD +34600000399",
              "OPTOUT LIST", "OPTOUT REMOVE +34600000399", "RETRY 01KPQRJF50E0Y7W3JX4M8R6T2B", "RSET",
              "VRFY 0034600000001", "EHLO client.example", "HELO x", "EXPN x", "STARTTLS", "HOLD", "BDAT 5 LAST"]

    def __init__(self, chance):
        self.chance = chance
        self.end = chance.choice((b"\r\n", b"\r\n", b"\n"))

    def number(self):
        return "+34600%06d" % self.chance.choice((self.chance.randrange(400), 9001, 9004, 9008))

    def text(self):
        extra = self.chance.choice(("", "", " €{}", " Жук", " 😀", " x" * 200))
        return "%s %d%s" % (PRIVATE, self.chance.getrandbits(40), extra)

    def options(self):
        pick = self.chance.choice
        return "".join(pick(words) for words in (
            ("", " REF=ref-%d" % self.chance.randrange(300)), ("", "", " TTL=1s", " TTL=5m"),
            ("", "", " PRIORITY=high", " PRIORITY=low"), ("", "", "", " AT=+1s", " AT=+1h"),
            ("", "", " UNICODE=no"), ("", "", "", " ACK=relayed")))

    def line(self):
        """A command that makes sense where it stands alone."""
        pick = self.chance.choice
        message = {"from": "ACME", "to": self.number(), "text": self.text(), "ttl": pick((60, "5m", None))}
        return pick((
            lambda: "SEND%s %s %s" % (self.options(), ",".join(self.number() for _ in range(pick((1, 1, 3)))),
                                      self.text()),
            lambda: "FROM ACME" + self.options(), lambda: "TO " + self.number(), lambda: "TEXT " + self.text(),
            lambda: "JSON " + json.dumps(message), lambda: "MAIL FROM:<shop@example.org> SIZE=500",
            lambda: "RCPT TO:<%s@sms.example>" % self.number(), lambda: "AUTH PLAIN AGRldmljZQBzZWNyZXQ=",
            lambda: pick(self.ASKING), lambda: pick(self.ASKING)))().encode()

    # Steps.

    def plain(self):
        return Step(self.line() + self.end, 1)

    def mutated(self):
        line = mutate(self.chance, self.line())
        line = line.replace(self.end, b"").rstrip(b"\r")
        is_certain = line.strip() and not line[:20].lstrip(b"\xef\xbb\xbf\t ").upper().startswith(b"JSON")
        return Step(line + self.end + b"." + self.end, 2 if is_certain else None)

    def overlong(self):
        word = self.chance.choice((b"NOOP ", b"SEND +34600000000 ", b"DATA ", b"JSON [", b"TEXT ", b""))
        size = self.chance.choice((65530, 65536, 65537, 70000, 200000))
        return Step(word + b"x" * size + self.end + b"." + self.end, 2)

    def wrong_json_line(self):
        items = [{"from": "ACME", "to": self.number(), "text": self.text(), "clientId": "json-1", "at": "+1s"}
                 for _ in range(self.chance.randint(1, 5))]
        return Step(b"JSON " + json.dumps(wrong_json(self.chance, items)).encode() + self.end)

    def json_array(self):
        items = [{"to": self.chance.choice((self.number(), "555", 7)), "text": self.text()}
                 for _ in range(self.chance.randint(1, 20))]
        return Step(b"JSON " + json.dumps(items).encode() + self.end, len(items))

    def mail(self):
        recipients = [self.number() for _ in range(self.chance.randint(1, 4))]
        lines = [b"RSET", b"MAIL FROM:<shop@example.org>"]
        lines += [b"RCPT TO:<%s@sms.example>" % to.encode() for to in recipients]
        headers = self.chance.sample(self.HEADERS, self.chance.randint(0, 6))
        body = self.chance.choice((b"", b"--b" + self.end + b"Content-Type: text/html" + 2 * self.end + b"<p>"))
        content = self.end.join(headers + [b"", body + self.text().encode()])
        return self.content(lines, content, len(recipients) + 2)

    def text_lines(self):
        lines = [b"RSET", b"FROM ACME" + self.options().encode(), b"TO " + self.number().encode()]
        return self.content(lines, self.text().encode() + self.end + self.text().encode(), 3)

    def content(self, lines, content, replies):
        if self.chance.random() < 0.5:
            content = mutate(self.chance, content, 8)
        if self.chance.random() < 0.1:
            content += (b"y" * 300 + self.end) * self.chance.choice((10, 1000))
        is_one = not ends_early(content + self.end)
        return Step(self.end.join(lines + [b"DATA", content, b"."]) + self.end, replies + 2 if is_one else None)

    def garbage(self):
        return Step(self.chance.randbytes(self.chance.randint(1, 300)).replace(self.end, b"") + self.end +
                    b"." + self.end)

    def blank(self):
        return Step(self.end * self.chance.randint(1, 5), 0)

    def login(self):
        words = self.chance.choice((b"AUTH LOGIN", b"AUTH CRAM-MD5", b"AUTH PLAIN"))
        return Step(words + self.end + self.chance.choice((b"*", b".", b"x" * 13000)) + self.end, 2)

    def steps(self):
        kinds = [self.plain, self.mutated, self.mail, self.text_lines, self.json_array, self.wrong_json_line,
                 self.overlong, self.garbage, self.blank, self.login]
        chosen = self.chance.choices(kinds, (30, 30, 15, 10, 5, 5, 1, 3, 2, 2), k=self.chance.randint(1, 25))
        return [kind() for kind in chosen]


class Conversation:
    """What is sent on one connection, and the check of what came back."""

    FOREIGN = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"\0" * 64,
               b"Host: x\r\nSEND +34600000000 x\r\n", b"NOOP\rNOOP\r\n", b"SEND +34600000000 x HTTP/1.1\r\n"]
    ENDS = ("quit", "half_close", "cut", "reset", "foreign")
    LF_WAIT_S = 3  # so long the LF of the first CRLF is awaited

    def __init__(self, seed):
        self.seed = seed
        self.chance = random.Random(seed)
        self.input = b""
        author = Author(self.chance)
        self.ending = self.chance.choices(self.ENDS, (40, 30, 15, 10, 5))[0]
        self.steps = [Step(b"NOOP" + author.end, 1)] + author.steps()
        first = self.chance.randrange(1000000 - len(self.steps))
        self.data = b"".join(step.data + b"VRFY +34600%06d" % (first + i) + author.end
                             for i, step in enumerate(self.steps))
        self.names = ["%06d" % (first + i) for i in range(len(self.steps))]
        if self.ending == "quit":
            self.data += b"QUIT" + author.end
        elif self.ending == "foreign":
            foreign = self.chance.choice(self.FOREIGN)
            self.data = mutate(self.chance, foreign, 2) if self.chance.random() < 0.5 else foreign
        elif self.ending in ("cut", "reset"):
            self.data = self.data[:self.chance.randint(0, len(self.data))]

    def hold(self, address):
        """Keeps what came in `input`; it may be cut short if `ending` has become "reset"."""
        began = time.monotonic()
        with open_socket(address) as connection:
            if connection.family != socket.AF_UNIX:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self.exchange(connection)
            except OSError:  # it closes with input unread where it has said 421
                self.ending = "reset"
        self.took_s = time.monotonic() - began

    def exchange(self, connection):
        connection.setblocking(False)
        pieces = split(self.chance, self.data)[::-1]
        is_closed = False
        while True:
            if not pieces and not is_closed:
                if self.ending == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    return
                if self.ending != "quit":
                    connection.shutdown(socket.SHUT_WR)
                is_closed = True
            readable, writable, _ = select.select([connection], [connection] if pieces else [], [], PATIENCE)
            assert readable or writable, "no reply, and it does not read, for %d s" % PATIENCE
            if readable:
                chunk = connection.recv(65536)
                if not chunk:
                    return
                self.input += chunk
            if writable:
                piece = pieces.pop()
                sent = connection.send(piece)
                if sent < len(piece):
                    pieces.append(piece[sent:])

    def lines(self):
        """The whole lines that came."""
        return [line.decode() for line in self.input.split(b"\r\n")[:-1]]

    def may_be_cut_off(self):
        """Does it watch? Who does not read 256 kB of events is cut off."""
        return b"WATCH" in self.data.upper()

    # Checking.

    def check(self):
        """Raises AssertionError where a reply is malformed, out of order, missing or too much;
        ClosedEarly where nothing else is wrong than that the last ones are missing."""
        replies = self.replies(self.lines())
        if self.ending == "reset" or not replies or self.was_late(replies):
            return
        assert replies[0][0].startswith(("220 ", "421 4.3.2")), replies[0]
        closes = next((i for i, r in enumerate(replies) if r[0][:3] in ("221", "421")), None)
        assert closes in (None, len(replies) - 1), "replies after %s: %s" % (replies[closes], replies[closes + 1:])
        if self.ending == "foreign":
            return
        left = self.check_steps(replies[1:] if closes is None else replies[1:-1])
        if closes is None and (self.ending == "quit" or self.ending == "half_close" and left):
            raise ClosedEarly("no reply to the last %d steps; the last was %s" % (left, replies[-1]))

    def was_late(self, replies):
        """Was the first line sent so slowly that its CR stood alone?"""
        return (self.took_s > self.LF_WAIT_S and len(replies) == 2 and
                replies[1] == ["500 5.5.2 lines end in CRLF or LF, not in CR alone"])

    def replies(self, lines):
        replies, open_reply = [], []
        for line in lines:
            assert not RAW_CONTROL.search(line), "control character: %r" % line
            match = REPLY.match(line)
            assert match, "no reply: %r" % line
            code, sign, enhanced = match.groups()
            is_ehlo = code == "250" and enhanced is None
            assert (code, enhanced) in KNOWN, "not in the table of replies: %r" % line
            assert enhanced is None or code[0] == "1" or enhanced[0] == code[0], line
            if code in ("120", "121"):
                assert not open_reply, "an event within a reply: %s %s" % (open_reply, line)
                continue
            assert is_ehlo or not open_reply or open_reply[0][:3] == code, (open_reply, line)
            open_reply.append(line)
            if sign != "-":
                replies.append(open_reply)
                open_reply = []
        is_whole = not open_reply and self.input.endswith(b"\r\n")
        if self.ending != "reset" and self.input and not is_whole:
            raise ClosedEarly("within a reply: %s %r" % (open_reply, self.input[-500:]))
        return replies

    def check_steps(self, replies):
        """Returns how many steps have not been answered."""
        begun = 0
        names = list(self.names)
        seen = 0
        for i, reply in enumerate(replies):
            sentinel = SENTINEL.match(reply[0])
            if not sentinel or not names or sentinel.group(1) != names[0]:
                continue
            step = self.steps[seen]
            count = i - begun
            assert step.replies in (None, count), "%d replies, not %s, to %r: %s" % (
                count, step.replies, step.data[:500], replies[begun:i])
            begun = i + 1
            seen += 1
            names.pop(0)
        return len(names)

    def ids(self):
        """The messages that the relay answers for."""
        found = set()
        for line in self.lines():
            match = re.match(r"250[ -]2\.0\.0 [a-z]+ id=(%s(?:,%s)*)" % (ID, ID), line)
            found.update(match.group(1).split(",") if match else ())
        return found


# --- HTTP ----------------------------------------------------------------------------------------

def report_request(chance, path):
    report = {"id": "6b0499200000000000000%03d" % chance.randrange(1000), "status": "delivered", "code": 0,
              "eventAt": "2026-04-21T10:15:00Z", "message": chance.choice((PRIVATE, "STOP", None))}
    if chance.random() < 0.7:
        report = wrong_json(chance, report)
    body = json.dumps(report).encode()
    if chance.random() < 0.3:
        body = mutate(chance, body)
    return b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        path.encode(), len(body), body)


PAGES = (b"/", b"/livez", b"/readyz", b"/metrics", b"/messages?find=1", b"/message?id=1", b"/inbox", b"/events",
         b"/nothing", b"//", b"/%00", b"/messages?find=%ff%0d%0a")


def page_request(chance):
    method = chance.choice((b"GET", b"GET", b"HEAD", b"POST", b"OPTIONS", b"PUT"))
    headers = chance.choice((b"", b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Transfer-Encoding: chunked\r\n",
                             b"Origin: http://evil.example\r\n", b"Content-Length: +5\r\n", b"X: " + b"x" * 9000 + b"\r\n"))
    return b"%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\nhello" % (method, chance.choice(PAGES), headers)


def ask_http(chance, host, request):
    """Sends a request in pieces, perhaps a mutated one; checks the answer's first line, if any."""
    if chance.random() < 0.6:
        request = mutate(chance, request)
    try:
        with open_socket(host) as connection:
            for piece in split(chance, request):
                connection.sendall(piece)
            if chance.random() < 0.5:
                connection.shutdown(socket.SHUT_WR)
            connection.settimeout(0.01 * SLOWNESS)
            answer = connection.recv(65536)
    except OSError:  # closed or reset, or no answer yet
        return
    # HTTP/0.9, which has no status line, is a page or nothing.
    assert not answer or re.match(rb"HTTP/[^ ]* [1-5]\d\d [^\r\n]*\r\n", answer), (request, answer[:200])
    assert not re.match(rb"HTTP/[^ ]* 500", answer), (request, answer[:500])


# --- the API -------------------------------------------------------------------------------------

ANSWER = {"entities": [{"id": "6b0499200000000000000001", "clientId": "01KPQRJF50E0Y7W3JX4M8R6T2B", "status": "sent"}] * 2,
          "errors": [{"index": 0, "errors": {"to": ["cannot be reached"]}}]}
HEADERS = ({"Content-Type": "text/html"}, {"Content-Type": None}, {"X-RateLimit-Remaining": "x"}, {"Date": "never"},
           {"X-RateLimit-Reset": "-1"}, {"Content-Encoding": "gzip"}, {"Location": "http://127.0.0.1:1/"},
           {"Retry-After": "soon"}, {"X-Long": "x" * 20000}, {"Content-Type": "application/json; charset=utf-16"})


class Storm:
    """Keeps the API's answers mutated. It lies about what it took only where the history tells."""

    def __init__(self, api, chance):
        self.api, self.chance = api, chance

    def blow(self):
        if len(self.api.call("GET", "/sandbox/faults")["faults"]) < 20:
            self.api.faults(*[self.fault() for _ in range(5)])

    def fault(self):
        pick = self.chance.choice
        if self.chance.random() < 0.2:
            return dict(pick(SCANS), on="history")
        fault = pick((
            lambda: dict(pick(ENDS), accept=self.chance.random() < 0.5),
            lambda: dict(pick(REFUSALS), accept=self.chance.random() < 0.5), lambda: dict(LIMITED),
            lambda: dict(headers=pick(HEADERS)), lambda: dict(hang_ms=self.chance.randint(1, 250 * SLOWNESS)),
            lambda: dict(truncate=self.chance.randint(0, 60)), self.mutated, self.mutated))()
        return dict(fault, on=pick(("single", "bulk", "bulk")), skip=self.chance.randint(0, 3))

    def mutated(self):
        """A body of its own: under a status that says so, nothing was accepted."""
        body = json.dumps(wrong_json(self.chance, ANSWER))
        if self.chance.random() < 0.5:
            body = mutate(self.chance, body.encode()).decode("latin-1")
        status = self.chance.choice((200, 201, 201, 202, 207, 400, 409, 413, 422, 500, 503))
        return dict(status=status, body=body.replace("\0", ""), content_type="application/json", accept=False)


# --- all together --------------------------------------------------------------------------------

class Fuzzer:
    """Fuzzes a relay from several threads until the time is up; `trouble` is what was found."""

    TALKERS = 5
    BROWSERS = 6  # so that conversations get the descriptors of requests that have just ended

    def __init__(self, relay, api, seed, secret):
        self.relay, self.api, self.seed = relay, api, seed
        self.addresses = relay.addresses
        self.reports = relay.wait_log("reports_listening")["url"].split("/")[2]
        self.page = relay.wait_log("http_listening")["url"].split("/")[2]
        self.path = "/dlr/" + secret
        self.storm = Storm(api, random.Random("%d/storm" % seed))
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.trouble, self.ids = [], set()
        self.conversations = self.requests = self.replies = self.cut_off = 0
        self.worst_ms = 0

    def run(self, seconds):
        works = [(self.talk, n) for n in range(self.TALKERS)] + [(self.browse, n) for n in range(self.BROWSERS)]
        works += [(self.probe, 0), (self.weather, 0)]
        threads = [threading.Thread(target=self.guard, args=work, daemon=True) for work in works]
        for thread in threads:
            thread.start()
        self.over.wait(seconds)
        self.over.set()
        for thread in threads:
            thread.join()
        assert not self.trouble, "FUZZ_SEED=%d\n%s" % (self.seed, "\n".join(self.trouble))

    def guard(self, work, number):
        """Does the work again and again; the first trouble ends it all."""
        try:
            turn = 0
            while not self.over.is_set():
                work(number, turn)
                turn += 1
        except Exception:
            with self.lock:
                self.trouble.append(traceback.format_exc())
            self.over.set()

    def talk(self, number, turn):
        conversation = Conversation("%d/%d/%d" % (self.seed, number, turn))
        try:
            conversation.hold(self.addresses[turn % len(self.addresses)])
            self.check(conversation)
        except (AssertionError, OSError, UnicodeError) as error:
            raise AssertionError("conversation %s (%s): %r\nsent %d bytes: %r\nreplies: %s" % (
                conversation.seed, conversation.ending, error, len(conversation.data), conversation.data[:3000],
                conversation.input[-3000:].decode(errors="replace"))) from error
        with self.lock:
            self.conversations += 1
            self.replies += len(conversation.lines())
            self.ids |= conversation.ids()

    def check(self, conversation):
        try:
            conversation.check()
        except ClosedEarly:
            if not conversation.may_be_cut_off():
                raise
            with self.lock:
                self.cut_off += 1
                eventually(lambda: self.cut_off <= sum("event=watcher_cut_off" in line for line in self.relay.lines),
                           "line %d of watcher_cut_off" % self.cut_off)

    def browse(self, number, turn):
        chance = random.Random("%d/http/%d/%d" % (self.seed, number, turn))
        if turn % 2:
            ask_http(chance, self.reports, report_request(chance, self.path))
        else:
            ask_http(chance, self.page, page_request(chance))
        with self.lock:
            self.requests += 1

    def probe(self, *_):
        with self.relay.connect() as client:
            while not self.over.wait(0.02):
                began = time.monotonic()
                reply = client.ask("NOOP")
                self.worst_ms = max(self.worst_ms, (time.monotonic() - began) * 1000)
                assert reply == ["250 2.0.0 ok"], reply
                assert self.worst_ms < PROBE_MS, "NOOP took %d ms" % self.worst_ms

    def weather(self, *_):
        self.storm.blow()
        self.over.wait(0.05)
