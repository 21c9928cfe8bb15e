"""Written-down dialogues (tests/golden/*.txt, transcripts in proto/PROTOCOL.md) and how they are run.

A dialogue is a file of lines:

    # words that say what it shows
    # config: sms.max_parts=1 queue.max_messages=2
    C: SEND +34600000000 Hello
    S: 250 2.0.0 queued id=<id:a> to=+34600000000 parts=1 encoding=gsm7
    C: STATUS <id:a>

`C: ` is sent with a line end, `C- ` without one; \\xHH, \\r, \\n, \\t and \\\\ stand for bytes and
<70000*x> for 70000 times an x. `S: ` is one line received, `S* ` any number of such lines. In them
<id> <time> <n> <word> <text> stand for any such thing; <id:a> binds a name, and is that very id from
then on. `E:` says that the client ends its side, `X:` that the relay has closed by itself. `---`
begins another connection to the same relay. All that is received must stand there, but for
the greeting, which may be left out.

Directives: `# config:` settings of the relay; `# alias:` a line of its aliases file, `# user:` one of
its users file; `# held` stops relaying first; `# ending: lf` (crlf);
`# ways: whole bytes lines`, those that it is run in: everything sent at once, byte by byte, or each
line when the replies before it have arrived.
"""

import os
import re
import socket
import tempfile

from support import Relay, open_socket

WAYS = ("whole", "bytes", "lines")
# Of "s3cret"; made with little effort.
PASSWORD_HASH = "$y$j75$TeStSaLt$B9tVkBLYiVGwjuwoWxT3F/8JzeHKVTuNAZwk.F7hAB6"
ULID = "[0-9A-HJKMNP-TV-Z]{26}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
# Words behind ```transcript that stand for a directive; others are settings.
WORDS = {"held": "held", "lines": "ways: lines",
         "aliases": "alias: oncall: +34600000001, +34600000002",
         "users": "user: printer:%s:senders=Acme" % PASSWORD_HASH}
PATTERNS = {"id": ULID, "time": TIME, "n": r"\d+", "word": r"\S+", "text": ".*"}
ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\"}


class Dialogue:
    def __init__(self, name, text, words=()):
        self.name = name
        self.config, self.is_held, self.ending, self.ways = {}, False, b"\r\n", WAYS
        self.files = {"alias": "", "user": ""}
        self.connections = [[]]  # lists of (line number, kind, text)
        for word in words:
            self.direct(WORDS.get(word, "config: " + word))
        for number, line in enumerate(text.split("\n"), 1):
            kind = line[:2]
            if line.startswith("#"):
                self.direct(line[1:].strip())
            elif line.startswith("---"):
                self.connections.append([])
            elif kind in ("C:", "C-", "S:", "S*", "E:", "X:"):
                self.connections[-1].append((number, kind, line[3:]))
            elif line.strip():
                raise ValueError("%s:%d: not a line of a dialogue: %s" % (name, number, line))

    def direct(self, words):
        name, _, value = words.partition(": ")
        if name == "config":
            self.config.update(pair.split("=", 1) for pair in value.split())
        elif name in self.files:
            self.files[name] += value.replace("<hash>", PASSWORD_HASH) + "\n"
        elif name == "held":
            self.is_held = True
        elif name == "ending":
            self.ending = {"lf": b"\n", "crlf": b"\r\n"}[value]
        elif name == "ways":
            self.ways = value.split()

    def settings(self, folder):
        settings = dict(self.config)
        for name, setting in (("alias", "sms.aliases"), ("user", "auth.users")):
            if self.files[name]:
                settings[setting] = os.path.join(folder, name)
                with open(settings[setting], "w", opener=private) as file:
                    file.write(self.files[name])
        return settings

    def run(self, way):
        """Runs it against a relay of its own."""
        names = {}
        with tempfile.TemporaryDirectory() as folder, Relay(self.settings(folder)) as relay:
            if self.is_held:
                relay.ask("HOLD")
            for steps in self.connections:
                Conversation(self, relay, way, names).run(steps)


def private(path, flags):
    return os.open(path, flags, 0o600)


def to_bytes(text):
    """The bytes that the text of a `C: ` line stands for."""
    text = re.sub(r"<(\d+)\*(.)>", lambda m: int(m.group(1)) * m.group(2), text)
    parts = re.split(r"\\(x[0-9a-fA-F]{2}|[rnt\\])", text)
    return b"".join(part.encode() if i % 2 == 0 else
                    bytes([int(part[1:], 16)]) if part[0] == "x" else ESCAPES[part]
                    for i, part in enumerate(parts))


class Conversation:
    """One connection of a dialogue. `names` are the ids that were bound so far."""

    def __init__(self, dialogue, relay, way, names):
        self.dialogue, self.way, self.names = dialogue, way, names
        self.socket = open_socket(relay.addresses[0])
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = self.socket.makefile("rb")
        self.unsent = b""
        self.expected = []  # `S: ` and `S* ` lines that were not looked at yet
        self.ahead = None   # a line that was read and did not fit an `S* `

    def run(self, steps):
        first = next((text for _, kind, text in steps if kind[0] == "S"), "")
        if not first.startswith("220"):
            self.expected.append((0, "S:", "220 <text>"))
        try:
            for number, kind, text in steps:
                self.step(number, kind, text)
            self.send()
            if self.way == "lines":  # else the replies must come to a client that has ended
                self.receive()
            self.end()
            self.receive()
            self.check(self.next_line() is None, 0, "more was received")
        finally:
            self.input.close()
            self.socket.close()

    def step(self, number, kind, text):
        if kind in ("S:", "S*"):
            self.expected.append((number, kind, text))
            return
        unbound = [name for name in re.findall(r"<id:(\w+)>", text) if name not in self.names]
        if self.way == "lines" or unbound or kind == "X:":
            self.send()
            self.receive()
        if kind == "E:":
            self.send()
            self.end()
        elif kind == "X:":
            self.check(self.next_line() is None, number, "not closed")
        else:
            text = re.sub(r"<id:(\w+)>", lambda m: self.names[m.group(1)], text)
            self.unsent += to_bytes(text) + (self.dialogue.ending if kind == "C:" else b"")

    def send(self):
        chunk = 1 if self.way == "bytes" else max(1, len(self.unsent))
        try:
            for i in range(0, len(self.unsent), chunk):
                self.socket.sendall(self.unsent[i:i + chunk])
        except (BrokenPipeError, ConnectionResetError):
            pass  # turned away: what was received tells
        self.unsent = b""

    def end(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def next_line(self):
        """The next line without its end, or None."""
        line, self.ahead = self.ahead, None
        if line is None:
            line = self.input.readline().decode("utf-8")
            self.check(not line or line.endswith("\r\n"), 0, "a line without its end: %r" % line)
            line = line[:-2] if line else None
        return line

    def receive(self):
        """Reads and checks what is due so far."""
        while self.expected:
            number, kind, text = self.expected.pop(0)
            line = self.next_line()
            while kind == "S*" and line is not None and self.fits(line, text):
                line = self.next_line()
            if kind == "S*":
                self.ahead = line
                continue
            self.check(line is not None, number, "the connection ended instead of: " + text)
            self.check(self.fits(line, text), number, "received: %s\nexpected: %s" % (line, text))

    def fits(self, line, text):
        bound = []

        def pattern(match):
            name, _, variable = match.group(1).partition(":")
            if variable in self.names:
                return re.escape(self.names[variable])
            if variable:
                bound.append(variable)
            return "(%s)" % PATTERNS[name] if variable else PATTERNS[name]

        parts = re.split(r"(<(?:id|time|n|word|text)(?::\w+)?>)", text)
        expression = "".join(re.sub("<(.*)>", pattern, part) if i % 2 else re.escape(part)
                             for i, part in enumerate(parts))
        match = re.fullmatch(expression, line)
        if match is None:
            return False
        self.names.update(zip(bound, match.groups()))
        return True

    def check(self, is_true, number, words):
        if not is_true:
            raise AssertionError("%s:%d (%s): %s" % (self.dialogue.name, number, self.way, words))


def example(name, text, words=()):
    """A transcript as people read it: its ids, times and the like stand for any."""
    lines = []
    for line in text.split("\n"):
        line = re.sub(r"\b(%s)\b" % ULID, r"<id:\1>", line)
        if line.startswith("S:"):
            line = re.sub(r"\b%s\b" % TIME, "<time>", line)
            line = re.sub(r"\b(event|last|oldest)=\d+", r"\1=<n>", line)
            line = re.sub(r"\bapi=\S+", "api=<word>", line)
            line = re.sub(r"relay\.example|0\.1\.0", "<word>", line)
        lines.append(line)
    return Dialogue(name, "\n".join(lines), words)
