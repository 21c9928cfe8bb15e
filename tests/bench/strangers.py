"""A good client's rate beside a thousand strangers who are slow."""

import os
import re
import signal
import socket
import time

from programs import LINE, NullApi, Relay, load
from table import median_share, progress, rate_words, row

from machines import RELAY, Machine, join

STRANGERS, ADDRESSES, COUNT = 1000, 20, 200000
DRIP_S = 1
COMMAND = b"NOOP\r\n"


def address_of(i):
    return "192.0.2.%d" % (100 + i % ADDRESSES)


def begin(i, port):
    connection = socket.socket()
    connection.setblocking(False)
    connection.bind((address_of(i), 0))
    connection.connect_ex((RELAY, port))
    return connection


def drip(connection, turn):
    """Sends the next byte of its command. Returns False if it has been closed."""
    try:
        connection.send(COMMAND[turn % len(COMMAND):][:1])
        while connection.recv(4096):
            pass
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def be_slow(port):
    """A byte a second of each; who is turned away comes again with the next one."""
    connections = [begin(i, port) for i in range(STRANGERS)]
    turns = [0] * STRANGERS
    while True:
        for i, connection in enumerate(connections):
            turns[i] += 1
            if not drip(connection, turns[i] - 1):
                connection.close()
                connections[i], turns[i] = begin(i, port), 0
            time.sleep(DRIP_S / STRANGERS)


class Strangers:
    """They are a process of their own, on the device."""

    def __init__(self, device, port):
        self.pid = os.fork()
        if self.pid == 0:
            try:
                with device.inside():
                    be_slow(port)
            finally:
                os._exit(1)

    def __enter__(self):
        time.sleep(2 * DRIP_S)
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def measure_beside(device, count):
    """What the load generator measures alone, and beside them."""
    settings = {"listen.address": "127.0.0.1:0 %s:0" % RELAY, "listen.networks": "192.0.2.250"}
    with NullApi() as api, Relay(api.url, settings) as relay:
        relay.hold()
        port = int(re.findall(r"address=%s:(\d+)" % re.escape(RELAY), "".join(relay.log))[0])
        alone = load(relay.address, LINE, 1, 100, count)
        with Strangers(device, port):
            return alone, load(relay.address, LINE, 1, 100, count)


def measure_strangers(rounds, scale):
    machine, device = Machine(), Machine()
    results = []
    try:
        if not machine.is_there or not device.is_there:
            row("beside strangers", "not measured: needs root")
            return
        join(machine, device)
        device.ip(*("address add %s/24 dev cable" % address_of(i) for i in range(ADDRESSES)))
        with machine.inside():
            for turn in range(rounds):
                progress("strangers: round %d of %d" % (turn + 1, rounds))
                results.append(measure_beside(device, COUNT // scale))
    finally:
        machine.close()
        device.close()
    alone, beside = zip(*results)
    share = median_share(beside, alone)
    row("beside %d slow strangers, 1 conn, depth 100" % STRANGERS,
        "%s  %3.0f %% of alone" % (rate_words(beside), share * 100), ">= 80 %", share >= 0.8)
