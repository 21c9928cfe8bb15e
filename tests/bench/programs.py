"""The programs that take part: the relay, the API with nothing behind it, the load generator.

All listen on loopback at free ports and are ended by their process id.
"""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(ROOT, "tests/support"))
from isolation import own_settings

BENCH = os.path.join(ROOT, "build/release/bench")
PROGRAM = os.environ.get("SMSRELAY", os.path.join(ROOT, "build/release/smsrelay"))
TEXT = "x" * 128
LINE = "SEND +3460{} " + TEXT
PATIENCE = 60
MEMORY = {"queue.path": ""}


class Wrong(Exception):
    """A result that makes all figures worthless."""


class Server:
    """A program that says where it listens on stderr."""

    LISTENING = re.compile(r"(?:event=|^)listening address=(\S+)")

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                        text=True)
        self.pid = self.process.pid
        self.log = []
        self.address = None
        for line in self.process.stderr:
            self.log.append(line)
            found = self.LISTENING.search(line)
            self.address = self.address or (found and found.group(1))
            if self.is_ready(line):
                break
        else:
            raise Wrong("it did not start: %s\n%s" % (" ".join(command), "".join(self.log)))
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def is_ready(self, _line):
        return self.address is not None

    def cpu_s(self):
        """CPU seconds that its threads have used, from the scheduler's own account (ns)."""
        folder = "/proc/%d/task" % self.pid
        return sum(int(open("%s/%s/schedstat" % (folder, task)).read().split()[0])
                   for task in os.listdir(folder)) / 1e9

    def anonymous_bytes(self):
        for line in open("/proc/%d/status" % self.pid):
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise Wrong("no RssAnon in /proc")

    def written_bytes(self):
        """What it had written to the disk, or to the pages that go there."""
        for line in open("/proc/%d/io" % self.pid):
            if line.startswith("write_bytes:"):
                return int(line.split()[1])
        raise Wrong("no write_bytes in /proc")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def get(address, path):
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


class NullApi(Server):
    def __init__(self, **options):
        super().__init__(os.path.join(BENCH, "null_api"),
                         *("--%s=%s" % (name.replace("_", "-"), value)
                           for name, value in options.items()))
        self.url = "http://%s/transactional/v1" % self.address

    def count(self):
        return get(self.address, "/count")

    def wait_for(self, messages):
        """Waits until so many messages have come; each of them must have come once."""
        deadline = time.monotonic() + PATIENCE
        while True:
            counts = self.count()
            if counts["messages"] >= messages:
                break
            if time.monotonic() > deadline:
                raise Wrong("%d of %d messages were relayed" % (counts["messages"], messages))
            time.sleep(0.02)
        if counts["messages"] != messages or counts["distinct"] != messages:
            raise Wrong("%d messages came as %d, %d different" %
                        (messages, counts["messages"], counts["distinct"]))
        return counts


class Relay(Server):
    SETTINGS = {"listen.address": "127.0.0.1:0", "listen.control": "all",
                "listen.max_connections": 2000, "sms.default_from": "ACME",
                "queue.max_messages": 2000000, "queue.max_bytes": "4g", "queue.drain_timeout": 0,
                **MEMORY}

    def __init__(self, url, settings=None):
        chosen = dict(self.SETTINGS, **{"api.url": url})
        if url != "sandbox":
            chosen["api.token"] = "bench"
        chosen.update(settings or {})
        options = [word for pair in chosen.items() for word in ("-o", "%s=%s" % pair)]
        super().__init__(PROGRAM, *own_settings(["serve", *options]))

    def is_ready(self, line):
        return "event=started" in line

    @property
    def sandbox(self):
        return re.search(r"url=http://([\d.:]+)/", "".join(self.log)).group(1)

    def ask(self, line):
        reply = Lines(self.address).ask(line.encode() + b"\r\n").decode()
        if not reply.startswith("250"):
            raise Wrong("%s: %s" % (line, reply))
        return reply

    def hold(self):
        self.ask("HOLD")

    def unfinished(self):
        """How many messages QUEUE shows, whatever their state."""
        return sum(int(count) for count in
                   re.findall(r" (?:queued|sending|deferred|scheduled|unresolved)=(\d+)",
                              self.ask("QUEUE")))


class Lines:
    """A client that waits for one reply at a time."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.recv(1024)

    def ask(self, line):
        self.socket.sendall(line)
        return self.socket.recv(4096)


def load(address, line, connections, depth, count, expected="250", options=()):
    """Runs the load generator; returns what it measured."""
    done = subprocess.run([os.path.join(BENCH, "load"), "-c%d" % connections, "-d%d" % depth,
                           "-n%d" % count, "-e", expected, *options, address, line],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise Wrong("load: " + done.stderr.strip())
    return json.loads(done.stdout)


# --- the disk ------------------------------------------------------------------------------------

class Folder:
    """An empty folder on the disk that is measured: in build/, or in $BENCH_DISK."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="bench-disk-",
                                     dir=os.environ.get("BENCH_DISK", os.path.join(ROOT, "build")))
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path)


def bytes_in(folder):
    return sum(os.path.getsize(os.path.join(parent, name))
               for parent, _, names in os.walk(folder) for name in names)


def assert_stored(folder, count):
    """A rate of messages that are not on the disk is no rate of durable ones."""
    if bytes_in(folder) < count * len(TEXT):
        raise Wrong("%d messages are not in %d bytes on disk" % (count, bytes_in(folder)))


def durable(folder, **settings):
    """The settings of a queue that is safe on this disk before each 250."""
    return {"queue.path": os.path.join(folder, "queue.db"), "queue.durability": "always",
            **settings}
