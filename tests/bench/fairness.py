"""What one user can do to another: the other's NOOP, and its rate, beside each of a table of attacks.

The attacker is nobody, with 1, 8 and 100 connections; so this takes root. The rate is for information: where
there are two processors, the client that has it and the attacker share one.
"""

import encodings.idna  # nobody may not be able to read it when it is needed
import json
import multiprocessing
import os
import select
import socket
import statistics
import tempfile
import time

from programs import LINE, NullApi, Relay, Wrong, load
from table import number, progress, row

NOBODY = 65534
CONNECTIONS = (1, 8, 100)
PROBE_S = 0.005
P99_MS, WORST_MS = 10, 50
MANY = 10000
NUMBERS = ["+346%08d" % i for i in range(MANY)]
ONE_REF = ["SEND REF=r AT=+1h %s text" % ",".join(NUMBERS[i:i + 1000]) for i in range(0, MANY, 1000)]
TEAM = {"to": "team", "text": "x"}
PIPELINED = 1 << 16  # bytes that are sent at a time

# Name, what is said first, what is said again and again; with what is special.
READS, DEAF, LEAVES = "reads", "deaf", "leaves"
ATTACKS = [
    ("STATUS of a REF of 10,000", ONE_REF, ["STATUS r"], READS),
    ("the same, unread", ONE_REF, ["STATUS r"], DEAF),
    ("WATCH of it, UNWATCH", ONE_REF, ["WATCH r", "UNWATCH"], READS),
    ("WATCH of it, and left", ONE_REF, ["WATCH r"], LEAVES),
    ("CANCEL of it", ONE_REF, ["CANCEL r"], READS),
    ("a duplicate, ACK=relayed", ["SEND REF=d AT=+1h %s text" % NUMBERS[0]],
     ["SEND REF=d AT=+1h ACK=relayed %s text" % NUMBERS[0]], READS),
    ("an alias of 1,000 numbers", [], ["SEND AT=+1h team text"], READS),
    ("a line full of it", [], ["SEND AT=+1h %s text" % ",".join(["team"] * 10000)], READS),
    ("JSON full of it", [], ["JSON " + json.dumps([TEAM] * 1000)], READS),
    ("HELP", [], ["HELP"], READS),
    ("HELP, unread", [], ["HELP"], DEAF),
    ("lines of 64 kB", [], ["NOOP " + "x" * 65000], READS),
    ("connections", [], [], LEAVES),
    ("SEND and CANCEL", [], ["SEND REF=c AT=+1h %s text" % NUMBERS[0], "CANCEL c"], READS),
    ("500,000 that are being relayed", ["SEND %s text" % n for n in NUMBERS] * 50, ["NOOP"], READS),
]


def connect(address):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)))


def say(address, lines):
    """Says them and reads the replies; each may be one of many lines."""
    with connect(address) as connection:
        for first in range(0, len(lines), 1000):
            connection.sendall("".join(line + "\r\n" for line in lines[first:first + 1000]).encode() +
                               b"VRFY +34699999999\r\n")
            text = b""
            while b"250 2.1.5 +34699999999" not in text:
                text = text[-100:] + connection.recv(1 << 20)


def attack(address, said, count, how):
    """Until it is killed."""
    data = said * (PIPELINED // len(said) + 1) if said and how != LEAVES else said
    peers = {}
    poll = select.poll()

    def join():
        peer = connect(address)
        peer.setblocking(False)
        peers[peer.fileno()] = [peer, data]
        poll.register(peer, (select.POLLIN if how != DEAF else 0) | select.POLLOUT)

    def leave(fd):
        poll.unregister(fd)
        peers.pop(fd)[0].close()
        join()

    for _ in range(count):
        join()
    while True:
        for fd, events in poll.poll():
            peer, rest = peers[fd]
            try:
                if events & select.POLLIN and not peer.recv(1 << 20):
                    leave(fd)
                elif events & select.POLLOUT:
                    rest = rest[peer.send(rest):] if rest else b""
                    peers[fd][1] = rest or data
                    if how == LEAVES and not rest:
                        leave(fd)
            except BlockingIOError:
                pass
            except OSError:
                leave(fd)


def be_attacker(pipe, address, before, again, count, how):
    os.setgroups([])
    os.setresuid(NOBODY, NOBODY, NOBODY)
    say(address, before)
    pipe.send("ready")
    attack(address, "".join(line + "\r\n" for line in again).encode(), count, how)


def probe(pipe, address, seconds):
    """What a NOOP each PROBE_S takes, in ms, in rising order; None = thrown out."""
    took = []
    with connect(address) as connection:
        connection.recv(1024)
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            began = time.monotonic()
            connection.sendall(b"NOOP\r\n")
            if not connection.recv(1024).startswith(b"250"):
                took = None
                break
            took.append((time.monotonic() - began) * 1000)
            time.sleep(max(0, PROBE_S - (time.monotonic() - began)))
    pipe.send(took and sorted(took))


def begin(work, *arguments):
    """A process, and the pipe on which it will say something."""
    mine, its = multiprocessing.Pipe()
    process = multiprocessing.Process(target=work, args=(its, *arguments), daemon=True)
    process.start()
    return process, mine


def relay_for(api, folder):
    return Relay(api.url, {"sms.aliases": folder + "/aliases", "listen.ack_timeout": "1s",
                           "listen.max_recipients": 1000})


def measure_one(api, folder, before, again, how, count, seconds, lines):
    with relay_for(api, folder) as relay:
        attacker, ready = begin(be_attacker, relay.address, before, again, count, how)
        ready.recv()
        _, pipe = begin(probe, relay.address, seconds)
        took = pipe.recv()
        shared = load(relay.address, LINE, 1, 100, lines)
        attacker.kill()
        attacker.join()
    return took, shared


def measure_fairness(_rounds, scale):
    if os.geteuid() != 0:
        raise Wrong("takes root, to connect as somebody else")
    seconds, lines = 3 / scale, 100000 // scale
    multiprocessing.set_start_method("fork")
    with tempfile.TemporaryDirectory() as folder, NullApi() as api:
        with open(folder + "/aliases", "w") as file:
            file.write("team: %s\n" % ", ".join(NUMBERS[:1000]))
        os.chmod(folder + "/aliases", 0o600)
        with relay_for(api, folder) as relay:
            alone = [load(relay.address, LINE, 1, 100, lines) for _ in range(3)]
        rate = statistics.median(result["rate"] for result in alone)
        row("a client alone, depth 100", "%s/s" % number(rate))
        for name, before, again, how in ATTACKS:
            for count in CONNECTIONS:
                progress("fairness: %s, %d connections" % (name, count))
                took, shared = measure_one(api, folder, before, again, how, count, seconds, lines)
                if took is None:
                    raise Wrong("%s: who asks every 5 ms was thrown out" % name)
                p99, worst = took[len(took) * 99 // 100], took[-1]
                share = shared["rate"] / rate
                row("beside %d x %s" % (count, name),
                    "NOOP p99 %.1f ms, at most %.0f; %.0f %% of its rate" % (p99, worst, 100 * share),
                    "%d ms, %d" % (P99_MS, WORST_MS), p99 <= P99_MS and worst <= WORST_MS)
