"""No client holds up the others: who is served when, counted and not timed."""

import os
import select
import shutil
import signal
import socket
import tempfile
import time
import unittest

from support import IS_SLOW, PATIENCE, TO, TestCase, open_socket, parse_reply

NOBODY = 65534


def anonymous_kb(pid):
    """The private memory of a process."""
    for line in open("/proc/%d/status" % pid):
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise AssertionError("no RssAnon")


class Turns(TestCase):
    def stopped(self, relay):
        """The relay finds all that comes meanwhile at once."""
        relay.send_signal(signal.SIGSTOP)
        self.addCleanup(relay.send_signal, signal.SIGCONT)

    def test_a_command_does_not_wait_for_what_others_have_pipelined(self):
        relay = self.relay()
        busy = [self.client(relay) for _ in range(32)]
        client = self.client(relay)
        for one in busy:  # they have had turns before
            one.ask("SEND AT=+1h %s text" % TO)
        self.stopped(relay)
        for one in busy:
            one.send(*["SEND AT=+1h %s text" % TO] * 1500)
        client.send("STATS")
        relay.send_signal(signal.SIGCONT)
        before = int(dict(line[10:].split("=", 1) for line in client.read_reply())
                     ["messages_accepted_total"])
        self.assertLess(before, 32 * 1500 / 4)
        for one in busy:
            for reply in one.read_replies(1500):
                self.assertReply(reply, "250 2.0.0 queued")

    @unittest.skipIf(os.geteuid() != 0, "takes root, to connect as somebody else")
    def test_owners_have_equal_shares_however_many_connections_they_have(self):
        relay = self.relay()
        os.seteuid(NOBODY)
        try:
            busy = [self.client(relay) for _ in range(16)]
        finally:
            os.seteuid(0)
        client = self.client(relay)
        self.stopped(relay)
        for one in [*busy, client]:
            one.send(*["SEND AT=+1h %s text" % TO] * 1500)
        client.send("STATS")
        relay.send_signal(signal.SIGCONT)
        for reply in client.read_replies(1500):
            self.assertReply(reply, "250 2.0.0 queued")
        before = int(dict(line[10:].split("=", 1) for line in client.read_reply())
                     ["messages_accepted_total"])
        self.assertLess(before, 5 * 1500)  # were it by connection: 17 * 1500

    def test_a_command_does_not_wait_for_all_that_connect(self):
        relay = self.relay()
        client = self.client(relay)
        self.stopped(relay)
        crowd = []
        for _ in range(200):
            crowd.append(socket.socket())
            self.addCleanup(crowd[-1].close)
            crowd[-1].setblocking(False)
            host, port = relay.addresses[0].rsplit(":", 1)
            crowd[-1].connect_ex((host, int(port)))
        client.send("STATS")
        relay.send_signal(signal.SIGCONT)
        connected = dict(line[10:].split("=", 1) for line in client.read_reply())["connections"]
        self.assertLessEqual(int(connected), 64 + 1)
        while int(client.stats()["connections"]) < 201:
            select.select([client.socket], [], [], 0.01)


class OneRef(TestCase):
    """Requests about all messages of a REF are carried out a portion at a time."""

    MANY = 5000

    def filled(self, **settings):
        relay = self.relay(settings)
        client = self.client(relay)
        for first in range(0, self.MANY, 1000):
            numbers = ",".join("+346%08d" % (first + i) for i in range(1000))
            self.assertReply(client.ask("SEND REF=r AT=+1h %s text" % numbers), "250")
        return relay, client

    def test_all_are_told(self):
        relay, client = self.filled()
        other = self.client(relay)
        self.assertReply(other.ask("WATCH r"), "250 2.0.0 watching")
        for command, state in (("STATUS r", "scheduled"), ("CANCEL r", "canceled")):
            client.send(command, "NOOP")
            reply = client.read_reply()
            self.assertEqual(len(reply), self.MANY)
            self.assertEqual(len(set(parse_reply(line)["to"] for line in reply)), self.MANY)
            self.assertTrue(all(" state=%s " % state in line for line in reply))
            self.assertReply(client.read_reply(), "250 2.0.0 ok")
        for _ in range(self.MANY):
            self.assertIn(" state=canceled ", other.read_event())
        self.assertReply(other.ask("UNWATCH"), "250 2.0.0 not watching")
        self.assertEqual(other.stats()["watchers"], "0")

    def test_others_do_not_wait(self):
        relay, client = self.filled()
        crowd = [self.client(relay) for _ in range(20)]
        before = int(client.stats()["bytes_out_total"])
        relay.send_signal(signal.SIGSTOP)
        self.addCleanup(relay.send_signal, signal.SIGCONT)
        for i, one in enumerate(crowd):
            one.send(*["STATUS r", "CANCEL r", "WATCH r", "UNWATCH"][i % 4:] * 20)
        client.send("STATS")
        relay.send_signal(signal.SIGCONT)
        told = int(dict(line[10:].split("=", 1)
                        for line in client.read_reply())["bytes_out_total"]) - before
        self.assertLess(told, self.MANY * 400)  # about two replies; there are a hundred

    @unittest.skipIf(IS_SLOW, "a sanitizer keeps freed memory")
    def test_a_reply_that_is_not_read_is_not_kept(self):
        relay, client = self.filled()
        before = anonymous_kb(relay.pid)
        crowd = [self.client(relay) for _ in range(40)]
        for one in crowd:
            one.send("STATUS r")
        for one in crowd:
            self.assertTrue(select.select([one.socket], [], [], PATIENCE)[0])
        for _ in range(100):
            client.ask("NOOP")
        self.assertLess(anonymous_kb(relay.pid) - before, 40 * 250)
        for one in crowd:
            self.assertEqual(len(one.read_reply()), self.MANY)

    def test_a_reply_that_is_not_read_does_not_keep_it_from_stopping(self):
        relay, client = self.filled()
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send("STATUS r")
        self.assertTrue(select.select([client.socket], [], [], PATIENCE)[0])
        relay.send_signal(signal.SIGTERM)
        relay.wait_log("stopping")
        lines = client.read_all()
        self.assertTrue(lines[-2].startswith("250 2.0.0 id="), lines[-2:])
        self.assertTrue(lines[-1].startswith("421 4.3.2"), lines[-2:])


class ListOfTheStore(TestCase):
    """QUEUE LIST of what has finished is read a portion at a time."""

    MANY = 3000

    def setUp(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        self.the_relay = self.relay({"queue.path": folder + "/queue.db"})
        self.c = self.client(self.the_relay)
        for first in range(0, self.MANY, 1000):
            numbers = ",".join("+346%08d" % (first + i) for i in range(1000))
            self.assertReply(self.c.ask("SEND REF=r AT=+1h %s text" % numbers), "250")
        self.c.ask("CANCEL r")

    def test_as_many_as_were_asked_for(self):
        for most in (1, 99, 100, 101, 250, self.MANY - 1):
            *lines, last = self.c.ask("QUEUE LIST canceled %d" % most)
            self.assertEqual(last, "250 2.0.0 more=yes")
            self.assertEqual([parse_reply(line)["to"] for line in lines], ["+346%08d" % i for i in range(most)])
        for most in (self.MANY, self.MANY + 1, 10000):
            lines = self.c.ask("QUEUE LIST canceled %d" % most)
            self.assertEqual(len(set(parse_reply(line)["id"] for line in lines)), self.MANY)

    def test_others_do_not_wait(self):
        def told():
            return int(self.c.stats()["bytes_out_total"])
        crowd = [self.client(self.the_relay) for _ in range(20)]
        counts = [told()]
        self.the_relay.send_signal(signal.SIGSTOP)
        self.addCleanup(self.the_relay.send_signal, signal.SIGCONT)
        for one in crowd:
            one.send("QUEUE LIST canceled 10000")
        self.the_relay.send_signal(signal.SIGCONT)
        while counts[-1] - counts[0] < len(crowd) * self.MANY * 200:
            counts.append(told())
        for one in crowd:
            self.assertEqual(len(one.read_reply()), self.MANY)
        told_at_once = max(later - earlier for earlier, later in zip(counts, counts[1:]))
        self.assertLess(told_at_once, 2 * self.MANY * 200)  # two replies; there are twenty


class NeverReads(TestCase):
    def cpu_s(self, pid):
        fields = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stuff(self, client):
        """Sends commands until the relay takes no more."""
        client.socket.setblocking(False)
        while select.select([], [client.socket], [], 0.3)[1]:
            try:
                client.socket.send(b"HELP\r\n" * 10000)
            except BlockingIOError:
                pass

    def test_a_client_that_reads_nothing_costs_nothing(self):
        relay = self.relay()
        client, other = self.client(relay), self.client(relay)
        self.stuff(client)
        began, cpu = time.monotonic(), self.cpu_s(relay.pid)
        while time.monotonic() - began < 0.4:
            other.ask("NOOP")
            select.select([other.socket], [], [], 0.02)
        self.assertLess(self.cpu_s(relay.pid) - cpu, (time.monotonic() - began) / 2)


class Full(TestCase):
    """A client that was active in the last ten seconds (listen.min_idle) keeps its place."""

    def test_the_new_one_is_turned_away(self):
        relay = self.relay({"listen.max_connections": 3})
        clients = [self.client(relay) for _ in range(3)]
        for _ in range(5):
            late = self.client(relay, greets=False)
            self.assertReply(late.read_reply(), "421 4.3.2")
            self.assertIsNone(late.read_line())
            for client in clients:
                self.assertReply(client.ask("NOOP"), "250")
        clients[0].ask("QUIT")
        self.assertIsNone(clients[0].read_line())
        clients[0].close()
        deadline = time.monotonic() + PATIENCE
        while not open_socket(relay.addresses[0]).recv(1000).startswith(b"220"):
            self.assertLess(time.monotonic(), deadline, "a place stays taken")

    def test_a_flood_of_connections_throws_nobody_out(self):
        relay = self.relay({"listen.max_connections": 20})
        client = self.client(relay)
        for i in range(300):
            open_socket(relay.addresses[0]).close()
            if i % 10 == 0:
                self.assertReply(client.ask("NOOP"), "250")


if __name__ == "__main__":
    unittest.main()
