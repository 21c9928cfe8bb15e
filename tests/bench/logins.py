"""What guessing costs others: the rate of a client, without wrong logins and with a thousand a second.

As root each of them comes from another user of this machine, so that nobody has to wait for wrong ones of his
own, and as many passwords are compared as the relay compares at all.
"""

import base64
import encodings.idna  # connect: another user may not be able to read it
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from programs import LINE, Relay, Wrong, load
from table import number, progress, row

COUNT = 700000  # takes two seconds
PER_SECOND = 1000
PER_CONNECTION = 3  # then the relay closes it
HASH = "$y$j9T$6Yd0n4Jg1VAb0cQKmTz4w0$k6mFCqSPq7PzqSg8CElRRqQMPwa4N2VVmiHC0gSJeZ7"


def connect(address, number_of_all):
    host, port = address.rsplit(":", 1)
    if os.getuid() == 0:
        os.seteuid(100000 + number_of_all)
    try:
        connection = socket.create_connection((host, int(port)))
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
    lines = [base64.b64encode(b"\0bench\0guess %d %d" % (number_of_all, i))
             for i in range(PER_CONNECTION)]
    connection.sendall(b"".join(b"AUTH PLAIN %s\r\n" % line for line in lines))
    return connection


def storm(address):
    """Logs in wrongly, at that rate, until it is ended."""
    began = time.monotonic()
    connections = []
    for i in range(sys.maxsize):
        connections.append(connect(address, i % 1000000))
        if len(connections) > 300:
            connections.pop(0).close()
        ahead = i * PER_CONNECTION / PER_SECOND - (time.monotonic() - began)
        if ahead > 0:
            time.sleep(ahead)


def count_logins(relay):
    stats = dict(line[10:].split("=", 1) for line in relay.ask("STATS").splitlines())
    return sum(int(stats["logins_%s_total" % name]) for name in ("wrong", "too_soon", "busy"))


def beside(relay):
    """The client's rate, and that of the wrong logins."""
    guesser = subprocess.Popen([sys.executable, __file__, relay.address])
    try:
        while count_logins(relay) < PER_SECOND / 10:  # it takes a moment to begin
            pass
        before, began = count_logins(relay), time.monotonic()
        rate = load(relay.address, LINE, 1, 100, COUNT)["rate"]
        logins = (count_logins(relay) - before) / (time.monotonic() - began)
        if guesser.poll() is not None:
            raise Wrong("whoever guesses has ended")
    finally:
        guesser.kill()
        guesser.wait()
    return rate, logins


def measure_logins(rounds, _scale):
    """Which of the two comes first changes: so a machine that gets slower is fair to both."""
    shares, rates, logins = [], [], []
    with tempfile.NamedTemporaryFile("w") as users:  # which is private
        users.write("bench:%s\n" % HASH)
        users.flush()
        for turn in range(2 * rounds):
            progress("logins: round %d of %d" % (turn + 1, 2 * rounds))
            with Relay("sandbox", {"auth.users": users.name}) as relay:
                relay.ask("HOLD")
                load(relay.address, LINE, 1, 100, COUNT // 10)
                if turn % 2 == 0:
                    alone = load(relay.address, LINE, 1, 100, COUNT)["rate"]
                rate, wrong = beside(relay)
                if turn % 2 == 1:
                    alone = load(relay.address, LINE, 1, 100, COUNT)["rate"]
            shares.append(rate / alone)
            rates.append(rate)
            logins.append(wrong)
    share = statistics.median(shares)
    row("a client beside wrong logins", "%9s/s  %.1f %% of its rate alone (%.1f to %.1f), beside %s/s" %
        (number(statistics.median(rates)), share * 100, min(shares) * 100, max(shares) * 100,
         number(statistics.median(logins))), ">= 80 %", share >= 0.8)


if __name__ == "__main__":
    storm(sys.argv[1])
