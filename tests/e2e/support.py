"""What the end-to-end tests share: a relay, a simulated API and clients, without sleeps.

Whatever is waited for is an event (a line of the log, a reply, a change that WATCH tells) with a
deadline of PATIENCE seconds, so that a slow machine or valgrind makes a test slow, not red.
The program is $SMSRELAY, run by $SMSRELAY_WRAPPER (words) if that is set; $SMSRELAY_VARIANT says how
it was built (release, asan, tsan, cover).
"""

import collections
import encodings.idna  # as_user: another user may not be able to read it
import glob
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from isolation import own_settings

SMSRELAY = os.path.abspath(os.environ.get("SMSRELAY", "build/smsrelay"))
WRAPPER = shlex.split(os.environ.get("SMSRELAY_WRAPPER", ""))
VARIANT = os.environ.get("SMSRELAY_VARIANT", "release")
IS_SLOW = bool(WRAPPER) or VARIANT in ("asan", "tsan")
PATIENCE = 120 if IS_SLOW else 20
DEFAULT_FILE = "/etc/smsrelay/smsrelay.conf"

# sysexits.h
OK, USAGE, DATAERR, NOINPUT, UNAVAILABLE, OSERR = 0, 64, 65, 66, 69, 71
TEMPFAIL, PROTOCOL, NOPERM, CONFIG = 75, 76, 77, 78

TO = "+34600000000"
NO_COUNTRY = ("sms.default_country: warning: is not set: numbers without + are taken as "
              "international\n")
TOKEN = "t0k3n-of-the-tests"


def clean_environment(**more):
    """The environment, clean of any relay (isolation.py), and more; None leaves a variable out."""
    return {k: v for k, v in {**os.environ, **more}.items() if v is not None}


def command(*arguments, program=SMSRELAY):
    """The words that run the program with these arguments."""
    return WRAPPER + [program] + own_settings(list(arguments))


def run(*arguments, stdin="", env=None, within=(), **options):
    """Runs the program to its end; has .returncode, .stdout and .stderr (text).

    `within`: words that run the command behind them, as those of without_default_file(). The warning
    that most settings of tests get, for they name no country, is left out of .stderr.
    """
    done = subprocess.run([*within, *command(*arguments)], input=stdin, text=True,
                          env=clean_environment(**(env or {})), capture_output=True,
                          timeout=PATIENCE, **options)
    done.warns_of_country = NO_COUNTRY in done.stderr
    done.stderr = done.stderr.replace(NO_COUNTRY, "")
    return done


def without_default_file():
    """Words that run the command behind them where there is no default settings file."""
    if not os.path.exists(DEFAULT_FILE):
        return []
    if os.geteuid() != 0:
        raise unittest.SkipTest("takes root, to hide %s" % DEFAULT_FILE)
    return ["unshare", "-m", "sh", "-c",
            'mount --bind /dev/null %s && exec "$@"' % DEFAULT_FILE, "sh"]


def parse_logfmt(line):
    """One line of the log as a dict of strings."""
    fields = {}
    for name, quoted, plain in re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))', line):
        fields[name] = re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
    return fields


def sanitizer_reports(pid):
    """What the sanitizers wrote about a process (log_path=... makes them write to files)."""
    for variable in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
        for path in re.findall(r"log_path=([^:]+)", os.environ.get(variable, "")):
            for name in glob.glob("%s.%d" % (path, pid)):
                yield open(name, errors="replace").read()


class Process:
    """The program as a daemon, with its log (stderr, logfmt) read as it is written."""

    def __init__(self, arguments, env=None, ready="listening", **options):
        self.process = subprocess.Popen(command(*arguments), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        env=clean_environment(**(env or {})), **options)
        self.pid = self.process.pid
        self.lines = []
        self.is_over = False  # the log is
        self.reads_log = threading.Event()  # clear it, and nobody reads the log
        self.reads_log.set()
        self.written = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        try:
            if ready:
                self.wait_log(ready)
        except BaseException:
            self.kill()
            raise

    def _read(self):
        for line in self.process.stderr:
            self.reads_log.wait()
            with self.written:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self.written.notify_all()
        with self.written:
            self.is_over = True
            self.written.notify_all()

    def log(self, event=None, **fields):
        """The lines so far of this event in which these fields have these values, as dicts."""
        with self.written:
            lines = [parse_logfmt(line) for line in self.lines]
        return [line for line in lines
                if (event is None or line.get("event") == event)
                and all(line.get(k) == str(v) for k, v in fields.items())]

    def wait_log(self, event, count=1, **fields):
        """Waits for the `count`th such line and returns it."""
        deadline = time.monotonic() + PATIENCE
        with self.written:
            while len(self.log(event, **fields)) < count:
                left = deadline - time.monotonic()
                if left <= 0 or self.is_over:
                    raise AssertionError("no line event=%s %s in the log:\n%s" %
                                         (event, fields, "\n".join(self.lines)))
                self.written.wait(left)
            return self.log(event, **fields)[count - 1]

    def send_signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        """Waits for the end; returns the exit code. Fails if a sanitizer has something to say."""
        code = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        self.process.stderr.close()
        text = "\n".join(self.lines)
        for word in ("AddressSanitizer", "ThreadSanitizer", "LeakSanitizer", "runtime error:"):
            if word in text:
                raise AssertionError("a sanitizer reports:\n" + text)
        for report in sanitizer_reports(self.pid):
            raise AssertionError("a sanitizer reports:\n" + report)
        return code

    def stop(self, code=0, number=signal.SIGTERM):
        """Ends it in good order."""
        if self.process.returncode is None:
            self.send_signal(number)
            if VARIANT == "tsan":
                self._insist(number)
            got = self.wait()
            if got != code:
                raise AssertionError("exit code %s, not %s:\n%s" %
                                     (got, code, "\n".join(self.lines)))

    def _insist(self, number):
        """ThreadSanitizer holds signals back until a thread is at a safe place, and now and then
        it forgets one: the program never hears of it (without it, 5,000 stops were all heard)."""
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            if not self.log("stopping"):
                self.send_signal(number)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            self.kill()


class Control:
    """The control calls of a simulated API (gateway/sandbox/SANDBOX.md)."""

    def __init__(self, url):
        self.url = url
        self.host = url.split("/")[2]

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            words = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise AssertionError("%s %s: %d %s" % (method, path, answer.status, words))
        return json.loads(words) if words else None

    def faults(self, *faults):
        """Appends faults: faults(dict(on="bulk", status=503), ...)."""
        return self.call("POST", "/sandbox/faults", list(faults))

    def forget_faults(self):
        return self.call("DELETE", "/sandbox/faults")

    def settings(self, **settings):
        return self.call("PUT", "/sandbox/settings", settings)

    def record(self):
        return self.call("GET", "/sandbox/record")

    def summary(self):
        return self.call("GET", "/sandbox/record?summary=1")

    def texts(self):
        """The texts that it took, in order."""
        return [message["text"] for message in self.record()["messages"]]


class Sandbox(Process, Control):
    """`smsrelay sandbox`, a process of its own: it outlives relays. Options: sandbox's settings."""

    def __init__(self, token=TOKEN, **settings):
        arguments = ["sandbox", "-o", "sandbox.address=127.0.0.1:0", "-o", "sandbox.token=" + token]
        for name, value in settings.items():
            arguments += ["-o", "sandbox.%s=%s" % (name, value)]
        Process.__init__(self, arguments, ready="sandbox_listening")
        Control.__init__(self, self.log("sandbox_listening")[0]["url"])
        self.token = token


class Relay(Process):
    """`smsrelay serve`. Settings by name: Relay({"queue.retention": 0}); None leaves one out.

    Without `sandbox` the API is the simulator in the relay's process (.sandbox controls it).
    """

    DEFAULTS = {"listen.address": "127.0.0.1:0", "listen.control": "all",
                "sms.default_from": "ACME"}

    def __init__(self, settings=None, sandbox=None, env=None, arguments=(), ready="started",
                 **options):
        chosen = dict(self.DEFAULTS)
        env = dict(env or {})
        if sandbox is None:
            chosen["api.url"] = "sandbox"
        else:
            chosen["api.url"] = sandbox.url
            env.setdefault("INSTASENT_TOKEN", getattr(sandbox, "token", TOKEN))
        chosen.update(settings or {})
        words = ["serve"]
        for name, value in chosen.items():
            words += ["-o", "%s=%s" % (name, value)] if value is not None else []
        super().__init__(words + list(arguments), env=env, ready=ready, **options)
        self.addresses = [line["address"] for line in self.log("listening")]
        self.sandbox = sandbox
        inside = self.log("sandbox_listening")
        if sandbox is None and inside:
            self.sandbox = Control(inside[0]["url"])

    def connect(self, address=None, **options):
        return Client(address or self.addresses[0], **options)

    def ask(self, line):
        """One command on a connection of its own; the reply without its codes' repetition."""
        with self.connect() as client:
            return client.ask(line)

    def stats(self):
        with self.connect() as client:
            return client.stats()

    def status(self, name):
        """STATUS as a dict (of the first message)."""
        with self.connect() as client:
            return parse_reply(client.ask("STATUS " + name)[0])

    def await_state(self, name, *states):
        """Waits until a message is in one of the states; returns its STATUS as a dict."""
        with self.connect() as client:
            client.ask("WATCH " + name)
            while True:
                status = parse_reply(client.ask("STATUS " + name)[0])
                if status.get("state") in states:
                    return status
                client.read_event()


def parse_reply(line):
    """`250 2.0.0 queued id=.. to=..` as a dict, its codes under "code"."""
    fields = parse_logfmt(line)
    fields["code"] = re.match(r"\d+[ -](\d\.\d+\.\d+)?", line).group(0).strip()
    return fields


def open_socket(address):
    """Connects to HOST:PORT, [IPv6]:PORT or a path."""
    if "/" in address:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        connection.connect(address)
        return connection
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE)


class Client:
    """A connection to a relay. Lines are ended by CRLF unless `ending` says otherwise."""

    def __init__(self, address, greets=True, ending="\r\n"):
        self.ending = ending
        self.events = []  # lines 120 and 121 that came between replies
        self.input = b""  # the start of a line
        self.lines = collections.deque()
        self.socket = open_socket(address)
        if greets:
            self.greeting = self.read_reply()[0]

    def send(self, *lines):
        """Sends lines (str or bytes)."""
        end = self.ending.encode()
        self.send_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + end
                                 for line in lines))

    def send_bytes(self, data):
        self.socket.sendall(data)

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes by RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def read_line(self):
        """The next line without its end; None at the end of the connection."""
        while not self.lines:
            chunk = self.socket.recv(65536)
            if not chunk:
                assert not self.input, "the connection ended within a line: %r" % self.input
                return None
            *lines, self.input = (self.input + chunk).split(b"\n")
            self.lines.extend(lines)
        line = self.lines.popleft()
        assert line.endswith(b"\r"), line
        return line[:-1].decode("utf-8")

    def read_reply(self):
        """The lines of the next reply; events on the way are kept. None at the end."""
        lines = []
        while True:
            line = self.read_line()
            if line is None:
                assert not lines, "the connection ended within a reply: %r" % lines
                return None
            if line.startswith(("120 ", "121 ")) and not lines:
                self.events.append(line)
                continue
            assert re.match(r"\d\d\d[ -]", line), line
            assert not lines or line[:3] == lines[0][:3], (lines, line)
            lines.append(line)
            if line[3] == " ":
                return lines

    def read_event(self):
        """The next unasked-for line."""
        if self.events:
            return self.events.pop(0)
        line = self.read_line()
        assert line is not None, "the connection ended"
        assert line.startswith(("120 ", "121 ")), line
        return line

    def read_replies(self, count):
        return [self.read_reply() for _ in range(count)]

    def read_all(self):
        """All lines up to the end of the connection."""
        lines = []
        while True:
            line = self.read_line()
            if line is None:
                return lines
            lines.append(line)

    def ask(self, line):
        self.send(line)
        return self.read_reply()

    def submit(self, text="Hello", to=TO, options=""):
        """SENDs and returns the id."""
        reply = self.ask("SEND %s%s %s" % (options + " " if options else "", to, text))
        assert reply[0].startswith("250"), reply
        return parse_reply(reply[0])["id"]

    def stats(self):
        return {name: value for name, value in
                (line[10:].split("=", 1) for line in self.ask("STATS"))}

    def queue(self):
        return parse_reply(self.ask("QUEUE")[0])

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class TestCase(unittest.TestCase):
    """Ends what a test began: relays and sandboxes in good order, the last one first."""

    def relay(self, settings=None, **options):
        return self.ended(Relay(settings, **options))

    def separate_sandbox(self, **settings):
        return self.ended(Sandbox(**settings))

    def client(self, relay, address=None, **options):
        client = relay.connect(address, **options)
        self.addCleanup(client.close)
        return client

    def as_user(self, uid, address, *lines):
        """The replies that another user of this machine gets, one line each; not the greeting."""
        if os.getuid() != 0:
            self.skipTest("only root can be somebody else")
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:  # no exec: not every user may be able to read the interpreter
            try:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
                with open_socket(address) as connection:
                    connection.sendall("".join(line + "\r\n" for line in (*lines, "QUIT")).encode())
                    while data := connection.recv(65536):
                        os.write(writer, data)
                os._exit(0)
            except BaseException as error:
                os.write(writer, repr(error).encode())
                os._exit(1)
        os.close(writer)
        with open(reader) as replies:
            said = replies.read()
        self.assertEqual(os.waitpid(child, 0)[1], 0, said)
        return said.splitlines()[1:]

    def ended(self, process):
        self.addCleanup(process.stop)
        self.addCleanup(self._kill_if_failed, process)
        return process

    def need(self, *paths):
        """Skips the test where a program or file is missing that CI has installed."""
        for path in paths:
            if shutil.which(path) or os.path.exists(path):
                continue
            words = "%s is missing; CI installs it" % os.path.basename(path)
            if os.environ.get("CI") == "true":
                self.fail(words)
            self.skipTest(words)

    def _kill_if_failed(self, process):
        outcome = getattr(self, "_outcome", None)
        if outcome is not None and not outcome.success:
            if process.process.poll() is None:
                process.kill()
            print("--- log of %s\n%s" % (self.id(), "\n".join(process.lines[-100:])))

    def assertReply(self, reply, start):
        """A reply's first line begins so."""
        self.assertIsNotNone(reply, "the connection ended instead of " + start)
        self.assertTrue(reply[0].startswith(start), "%r, not %s" % (reply, start))
