"""Connections: how clients connect, misbehave and leave."""

import fcntl
import http.client
import os
import resource
import select
import signal
import socket
import stat
import tempfile
import termios
import threading
import time
import unittest

from relaying import eventually
from support import (CONFIG, IS_SLOW, PATIENCE, TO, UNAVAILABLE, TestCase, open_socket, parse_reply,
                     run)



def anonymous_kb(pid):
    """The private memory of a process."""
    for line in open("/proc/%d/status" % pid):
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise AssertionError("no RssAnon")


class ConnectionTest(TestCase):
    def await_connections(self, client, count):
        """Waits until the relay counts `count`; there is no event for it."""
        deadline = time.monotonic() + PATIENCE
        while client.stats()["connections"] != str(count):
            self.assertLess(time.monotonic(), deadline, "connections stay")
            select.select([client.socket], [], [], 0.02)


class HalfClose(TestCase):
    """The client closes its half: complete commands are carried out and answered."""

    def test_replies_come_after_the_end_of_input(self):
        relay = self.relay()
        client = self.client(relay)
        client.send(*["SEND %s text %d" % (TO, i) for i in range(100)])
        client.half_close()
        for reply in client.read_replies(100):
            self.assertReply(reply, "250 2.0.0 queued")
        self.assertIsNone(client.read_line())

    def test_a_last_line_without_its_end_is_not_carried_out(self):
        relay = self.relay()
        for ending in ("\r\n", "\n"):
            with relay.connect(ending=ending) as client:
                client.send("NOOP", "SEND %s whole" % TO)
                client.send_bytes(("SEND %s cut off" % TO).encode())
                client.half_close()
                client.read_reply()
                self.assertReply(client.read_reply(), "250 2.0.0 queued")
                self.assertReply(client.read_reply(), "500 5.5.2")
                self.assertIsNone(client.read_line())
        self.assertEqual(relay.stats()["messages_accepted_total"], "2")

    def test_unended_content_is_not_queued(self):
        relay = self.relay()
        client = self.client(relay)
        client.send("TO " + TO, "DATA", "half a text")
        client.half_close()
        self.assertReply(client.read_reply(), "250 2.1.5")
        self.assertReply(client.read_reply(), "354")
        self.assertReply(client.read_reply(), "500 5.5.2")
        self.assertIsNone(client.read_line())
        self.assertEqual(relay.stats()["messages_accepted_total"], "0")

    def test_held_back_replies_come_too(self):
        relay = self.relay()
        relay.sandbox.settings(latency_ms=100)
        client = self.client(relay)
        client.send("SEND ACK=relayed %s one" % TO, "SEND ACK=relayed %s two" % TO)
        client.half_close()
        for reply in client.read_replies(2):
            self.assertReply(reply, "250 2.0.0 relayed")
        self.assertIsNone(client.read_line())

    def test_an_end_at_once(self):
        relay = self.relay()
        client = self.client(relay, greets=False)
        client.half_close()
        self.assertReply(client.read_reply(), "220")
        self.assertIsNone(client.read_line())


class Reset(TestCase):
    """Fire and forget: a client that is gone loses its replies, not its messages."""

    def submit_and_vanish(self, vanish, count=100):
        """The relay is stopped meanwhile: it finds the lines and the end of input at once."""
        relay = self.relay()
        watcher = self.client(relay)
        watcher.ask("HOLD")
        watcher.ask("WATCH")
        for _ in range(5):
            relay.send_signal(signal.SIGSTOP)
            client = relay.connect(greets=False)
            client.send(*["SEND %s text %d" % (TO, i) for i in range(count)])
            self.await_sent(client)
            vanish(client)
            relay.send_signal(signal.SIGCONT)
            for _ in range(count):
                self.assertIn(" state=queued", watcher.read_event())
        self.assertEqual(watcher.queue()["queued"], str(5 * count))

    def await_sent(self, client):
        """Waits until the peer's kernel has everything: a reset discards what it has not."""
        deadline = time.monotonic() + PATIENCE
        unsent = b"\1\0\0\0"
        while unsent != b"\0\0\0\0":
            unsent = fcntl.ioctl(client.socket, termios.TIOCOUTQ, b"\0\0\0\0")
            self.assertLess(time.monotonic(), deadline)

    def test_reset_after_100_lines(self):
        self.submit_and_vanish(lambda client: client.reset())

    def test_close_with_the_greeting_unread(self):
        self.submit_and_vanish(lambda client: client.close())

    def test_reset_after_more_than_is_read_at_once(self):
        self.submit_and_vanish(lambda client: client.reset(), count=2000)

    def test_reset_while_replies_are_held_back(self):
        relay = self.relay()
        relay.sandbox.faults(dict(hang_ms=200))
        watcher = self.client(relay)
        watcher.ask("WATCH")
        with relay.connect() as client:
            client.send(*["SEND ACK=relayed %s text" % TO] * 10)
            client.reset()
        relayed = 0
        while relayed < 10:
            relayed += " state=relayed" in watcher.read_event()


class NeverReads(ConnectionTest):
    """A client that does not read its replies gets no more of them, and others do not notice."""

    def stuff(self, client, line):
        """Sends a line over and over until it cannot; returns the number of bytes."""
        client.socket.setblocking(False)
        block = line * (16384 // len(line))
        sent = 0
        while sent < 200 << 20:
            rest = sent % len(block)
            try:
                sent += client.socket.send(block[rest:])
            except BlockingIOError:
                # It is no longer read from; or the relay is slow, which only weakens the test.
                if not select.select([], [client.socket], [], 0.5)[1]:
                    client.socket.setblocking(True)
                    client.socket.settimeout(PATIENCE)
                    return sent
        self.fail("the relay reads on and on")

    def small(self, relay):
        """A client whose kernel keeps little."""
        client = relay.connect(greets=False)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        return client

    @unittest.skipIf(IS_SLOW, "sanitizers have memory of their own")
    def test_memory_is_bounded(self):
        relay = self.relay()
        before = anonymous_kb(relay.pid)
        for _ in range(10):
            client = self.small(relay)
            self.addCleanup(client.close)
            self.stuff(client, b"HELP\r\n")
        self.assertLess(anonymous_kb(relay.pid) - before, 10 * 400)

    def test_others_do_not_notice_and_nothing_is_lost(self):
        relay = self.relay()
        other = self.client(relay)
        other.ask("HOLD")
        client = self.client(relay, greets=False)
        line = b"SEND +34600000000 a text of some length, as they have\r\n"
        sent = self.stuff(client, line)
        other.submit()
        taken = int(other.queue()["queued"]) - 1
        self.assertLess(taken, sent // len(line))  # back-pressure
        # It reads again: the replies are there, and so is every message.
        sender = threading.Thread(target=client.send_bytes, args=(line[sent % len(line):],))
        sender.start()
        whole = sent // len(line) + 1
        self.assertReply(client.read_reply(), "220")
        for _ in range(whole):
            self.assertReply(client.read_reply(), "250 2.0.0 queued")
        sender.join(PATIENCE)
        self.assertEqual(int(other.queue()["queued"]) - 1, whole)

    def test_it_goes_when_there_are_too_many(self):
        relay = self.relay({"listen.max_connections": 1, "listen.min_idle": 0})
        client = self.small(relay)
        self.addCleanup(client.close)
        self.stuff(client, b"HELP\r\n")
        with relay.connect() as other:
            self.assertReply(other.ask("NOOP"), "250")
            # It still reads nothing: after a while its place is free again.
            self.await_connections(other, 1)

    def test_it_goes_when_it_idles(self):
        relay = self.relay({"listen.idle_timeout": "300ms"})
        client = self.small(relay)
        self.addCleanup(client.close)
        with self.assertRaises(OSError):  # it has sent, but read nothing for that long
            while True:
                client.send(*["HELP"] * 1000)
        self.await_connections(self.client(relay), 1)


class ByteByByte(TestCase):
    def test_a_dialogue(self):
        dialogue = [("NOOP", "250"), ("FROM Shop", "250 2.1.0"), ("TO " + TO, "250 2.1.5"),
                    ("DATA", "354"), (".. dots\r\n.", "250 2.0.0 queued"),
                    ("SEND REF=r1 +34600000001 text", "250 2.0.0 queued"), ("BOGUS", "500 5.5.2"),
                    ("STATUS r1", "250 2.0.0 id="), ("QUIT", "221")]
        relay = self.relay()
        for ending in ("\r\n", "\n"):
            client = self.client(relay, ending=ending)
            client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for line, start in dialogue:
                for byte in line.replace("\r\n", ending) + ending:
                    client.send_bytes(byte.encode())
                self.assertReply(client.read_reply(), start)
            self.assertIsNone(client.read_line())


class Many(ConnectionTest):
    def test_1000_connections(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 1100 and hard != resource.RLIM_INFINITY:
            self.skipTest("too few descriptors are allowed here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (1100, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        relay = self.relay({"listen.max_connections": 1000})
        clients = [self.client(relay, greets=False) for _ in range(1000)]
        for client in clients:
            client.send("SEND %s text" % TO)
        for client in clients:
            self.assertReply(client.read_reply(), "220")
            self.assertReply(client.read_reply(), "250")
        stats = clients[0].stats()
        self.assertEqual(stats["connections"], "1000")
        self.assertEqual(stats["messages_accepted_total"], "1000")
        for client in clients[1:]:
            client.close()
        self.await_connections(clients[0], 1)


class TooMany(TestCase):
    def test_the_longest_idle_one_goes(self):
        relay = self.relay({"listen.max_connections": 3, "listen.min_idle": 0})
        a, b, c = (self.client(relay) for _ in range(3))
        self.assertReply(a.ask("NOOP"), "250")
        d = self.client(relay)
        self.assertReply(b.read_reply(), "421 4.3.2")
        self.assertIsNone(b.read_line())
        for client in (a, c, d):
            self.assertReply(client.ask("NOOP"), "250")
        relay.wait_log("connections_full")
        self.assertEqual(len(relay.log("connections_full")), 1)

    def test_what_it_had_submitted_stays(self):
        relay = self.relay({"listen.max_connections": 1, "listen.min_idle": 0,
                            "log.level": "debug"})
        relay.sandbox.settings(latency_ms=200)
        first = self.client(relay)
        first.send("SEND ACK=relayed %s text" % TO)
        relay.wait_log("request_began")
        self.client(relay)
        self.assertReply(first.read_reply(), "250 2.0.0 relayed")
        self.assertReply(first.read_reply(), "421 4.3.2")
        self.assertIsNone(first.read_line())

    def test_twice_as_many_are_turned_away(self):
        """Clients that were asked to close but stay count: beyond them, new ones are refused."""
        relay = self.relay({"listen.max_connections": 2, "listen.min_idle": 0})
        clients = [self.client(relay) for _ in range(4)]
        for client in clients[:2]:
            self.assertReply(client.read_reply(), "421 4.3.2")
        refused = self.client(relay, greets=False)
        self.assertReply(refused.read_reply(), "421 4.3.2")
        self.assertIsNone(refused.read_line())
        for client in clients[2:]:  # the others are not closed for it
            self.assertReply(client.ask("NOOP"), "250")
        self.assertEqual(clients[2].stats()["connections_refused_total"], "1")


class Idle(ConnectionTest):
    def test_silence_ends_it(self):
        relay = self.relay({"listen.idle_timeout": "200ms"})
        with relay.connect() as client:
            self.assertReply(client.read_reply(), "421 4.4.2 idle timeout")
            self.assertIsNone(client.read_line())
        self.await_connections(self.client(relay), 1)  # its place is free again
        self.assertEqual(relay.stats()["connections_timed_out_total"], "1")

    def test_a_client_that_ends_its_line_in_cr_alone(self):
        """It waits for a reply, and need not for ever; a CRLF in two packets is one still."""
        relay = self.relay()
        with relay.connect() as slow, relay.connect() as client:
            client.send_bytes(b"EHLO nas\r")
            slow.send_bytes(b"NOOP\r")
            slow.send_bytes(b"\n")
            self.assertReply(slow.read_reply(), "250 2.0.0")
            self.assertReply(client.read_reply(), "500 5.5.2 lines end in CRLF or LF")
            self.assertIsNone(client.read_line())
            slow.send("NOOP")
            self.assertReply(slow.read_reply(), "250 2.0.0")

    def test_a_dot_between_bare_line_feeds_is_named(self):
        relay = self.relay({"listen.idle_timeout": "200ms"})
        client = self.client(relay)
        client.send("TO " + TO, "DATA")
        client.send_bytes(b"text\n.\n")
        client.read_replies(2)
        reply = client.read_reply()
        self.assertReply(reply, "421 4.4.2")
        self.assertIn("bare LF", reply[0])
        self.assertIn("CRLF", reply[0])
        self.assertIsNone(client.read_line())
        self.assertEqual(relay.stats()["messages_accepted_total"], "0")

    def test_who_waits_for_us_is_not_idle(self):
        relay = self.relay({"listen.idle_timeout": "100ms"})
        relay.sandbox.settings(latency_ms=600)
        client = self.client(relay)
        self.assertReply(client.ask("SEND ACK=relayed %s text" % TO), "250 2.0.0 relayed")
        self.assertReply(client.read_reply(), "421 4.4.2")

    def test_a_watcher_is_not_idle(self):
        relay = self.relay({"listen.idle_timeout": "100ms"})
        watcher = self.client(relay)
        watcher.ask("WATCH")
        for _ in range(3):
            self.assertReply(self.client(relay).read_reply(), "421 4.4.2")
        self.assertReply(watcher.ask("NOOP"), "250")
        self.assertReply(watcher.ask("UNWATCH"), "250")
        self.assertReply(watcher.read_reply(), "421 4.4.2")


class Pipelining(TestCase):
    def test_before_the_greeting(self):
        relay = self.relay()
        for _ in range(20):
            with relay.connect(greets=False) as client:
                client.send("EHLO me", "SEND %s text" % TO, "QUIT")
                self.assertReply(client.read_reply(), "220")
                self.assertReply(client.read_reply(), "250")
                self.assertReply(client.read_reply(), "250 2.0.0 queued")
                self.assertReply(client.read_reply(), "221")
                self.assertIsNone(client.read_line())

    def test_text_after_quit_is_not_carried_out(self):
        relay = self.relay()
        client = self.client(relay)
        client.send("QUIT", "SEND %s late" % TO)
        self.assertReply(client.read_reply(), "221")
        self.assertIsNone(client.read_line())
        self.assertEqual(relay.stats()["messages_accepted_total"], "0")

    def test_replies_survive_what_comes_after_quit(self):
        relay = self.relay()
        for _ in range(10):
            client = self.client(relay)
            client.send(*["SEND %s text" % TO] * 100, "QUIT", *["NOOP"] * 10000)
            for reply in client.read_replies(100):
                self.assertReply(reply, "250 2.0.0 queued")
            self.assertReply(client.read_reply(), "221")
            self.assertIsNone(client.read_line())

    def test_replies_survive_a_client_that_speaks_http(self):
        relay = self.relay()
        client = self.client(relay, greets=False)
        client.send_bytes(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n")
        client.send_bytes(b"SEND +34600000000 smuggled\r\n" * 20000)
        self.assertReply(client.read_reply(), "220")
        self.assertReply(client.read_reply(), "421 4.7.0")
        self.assertIsNone(client.read_line())
        stats = relay.stats()
        self.assertEqual(stats["messages_accepted_total"], "0")
        self.assertEqual(stats["guard_closed_total"], "1")

    def test_a_verb_as_the_method_of_a_long_request_does_not_help(self):
        """DATA as the method would take the headers for content, and the body for commands."""
        relay = self.relay()
        for length in (1, 1500, 66000):
            client = self.client(relay, greets=False)
            client.send("DATA /%s HTTP/1.1" % ("a" * length), "Host: " + relay.addresses[0], "",
                        "", ".", "SEND %s smuggled" % TO)
            self.assertReply(client.read_reply(), "220")
            self.assertReply(client.read_reply(), "421 4.7.0")
            self.assertIsNone(client.read_line())
        client = self.client(relay)
        client.submit("after", options="ACK=relayed")
        self.assertEqual(relay.sandbox.texts(), ["after"])
        self.assertEqual(client.stats()["messages_accepted_total"], "1")

    def test_10000_lines_are_answered_in_order(self):
        relay = self.relay()
        client = self.client(relay)
        lines = []
        for i in range(2500):
            lines += ["SEND REF=r%d %s text" % (i, TO), "NOOP", "STATUS r%d" % i, "TO 1"]
        sender = threading.Thread(target=client.send, args=lines)
        sender.start()
        for i in range(2500):
            self.assertReply(client.read_reply(), "250 2.0.0 queued")
            self.assertReply(client.read_reply(), "250 2.0.0 ok")
            self.assertIn("ref=r%d" % i, client.read_reply()[0].split())
            self.assertReply(client.read_reply(), "550 5.1.3")
        sender.join(PATIENCE)


class Lingering(ConnectionTest):
    def test_it_does_not_linger_for_ever(self):
        """A client that keeps sending after QUIT is read from only for a while."""
        relay = self.relay()
        client = self.client(relay)
        self.assertReply(client.ask("QUIT"), "221")
        deadline = time.monotonic() + PATIENCE
        with self.assertRaises(OSError):
            while time.monotonic() < deadline:
                client.send("NOOP")
                # It is readable because of the end, which we know of; the reset is what matters.
                select.select([], [], [client.socket], 0.05)

    def test_a_client_that_does_not_close_goes(self):
        relay = self.relay()
        client = self.client(relay)
        self.assertReply(client.ask("QUIT"), "221")
        self.await_connections(self.client(relay), 1)


NOBODY, OTHER = 65534, 65533


class UnixSocket(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        self.path = folder.name + "/s"

    def unix_relay(self, settings=None, **options):
        return self.relay({"listen.unix": self.path, "listen.control": "unix", **(settings or {})},
                          **options)

    def as_other(self, *lines):
        return self.as_user(NOBODY, self.path, *lines)

    def test_it_is_there_for_all_and_goes_with_the_relay(self):
        relay = self.unix_relay()
        self.assertIn(self.path, relay.addresses)
        mode = os.lstat(self.path).st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o666)
        with relay.connect(self.path) as client:
            client.submit()
        relay.stop()
        self.assertFalse(os.path.exists(self.path))

    def test_alone(self):
        relay = self.unix_relay({"listen.address": ""})
        self.assertEqual(relay.addresses, [self.path])
        with relay.connect(self.path) as client:
            client.submit()

    def test_control_rights(self):
        relay = self.unix_relay()
        with relay.connect(self.path) as client:
            self.assertReply(client.ask("HOLD"), "250")
            self.assertReply(client.ask("QUEUE LIST"), "250")
            self.assertReply(client.ask("RELEASE"), "250")
        with relay.connect() as client:
            for line in ("HOLD", "RELEASE", "FLUSH", "QUEUE LIST", "WATCH",
                         "RETRY 01ARZ3NDEKTSV4RRFFQ69G5FAV"):
                self.assertReply(client.ask(line), "550 5.7.1")
            self.assertReply(client.ask("QUEUE"), "250")
            self.assertReply(client.ask("STATS"), "250")

    def test_another_user_has_none(self):
        self.unix_relay()
        replies = self.as_other("HOLD", "QUEUE LIST", "WATCH", "QUEUE")
        self.assertEqual([reply[:9] for reply in replies],
                         ["550 5.7.1"] * 3 + ["250 2.0.0", "221 2.0.0"])

    def test_the_control_group_has(self):
        try:
            import grp
            name = grp.getgrgid(NOBODY).gr_name
        except KeyError:
            self.skipTest("nobody has no group")
        self.unix_relay({"listen.control_group": name})
        self.assertEqual([reply[:9] for reply in self.as_other("HOLD", "RELEASE")],
                         ["250 2.0.0"] * 2 + ["221 2.0.0"])

    def test_an_unknown_group_is_an_error(self):
        done = run("serve", "-o", "api.url=sandbox", "-o", "listen.address=127.0.0.1:0",
                   "-o", "listen.unix=" + self.path, "-o", "listen.control_group=no-such-group")
        self.assertEqual(done.returncode, UNAVAILABLE)
        self.assertIn("no-such-group", done.stderr)

    def test_messages_belong_to_the_user(self):
        """The owner is the uid at the socket, or that of the socket; control sees all messages."""
        relay = self.unix_relay()
        ours = relay.connect(self.path)
        self.addCleanup(ours.close)
        ours.ask("HOLD")
        mine = ours.submit(options="REF=mine")
        theirs = parse_reply(self.as_other("SEND REF=theirs %s text" % TO)[0])["id"]
        third = self.as_user(OTHER, relay.addresses[0], "SEND REF=third %s text" % TO)
        third = parse_reply(third[0])["id"]
        questions = ["%s %s" % (verb, name) for name in (mine, theirs, "mine", "theirs")
                     for verb in ("STATUS", "CANCEL", "WATCH")]
        for reply in self.as_user(OTHER, relay.addresses[0], *questions)[:-1]:
            self.assertReply([reply], "550 5.0.0 no such message")
        self.assertIn("id=" + third, self.as_user(OTHER, relay.addresses[0], "STATUS third")[0])
        replies = self.as_other("STATUS " + mine, "CANCEL " + third, "STATUS " + theirs,
                                "STATUS theirs", "STATUS mine", "CANCEL theirs")
        self.assertEqual([reply[:9] for reply in replies],
                         ["550 5.0.0"] * 2 + ["250 2.0.0"] * 2 + ["550 5.0.0", "250 2.0.0",
                                                                  "221 2.0.0"])
        # We have control rights: by id everything, by ref only our own.
        self.assertReply(ours.ask("STATUS " + third), "250")
        self.assertReply(ours.ask("STATUS third"), "550 5.0.0")
        self.assertReply(ours.ask("CANCEL " + third), "250")
        self.assertReply(ours.ask("STATUS mine"), "250 2.0.0 id=" + mine)

    def test_refs_are_the_users_own(self):
        relay = self.unix_relay()
        with relay.connect(self.path) as client:
            client.submit("one text", options="REF=same")
        self.assertIn("250 2.0.0 queued", self.as_other("SEND REF=same %s another" % TO)[0])
        third = self.as_user(OTHER, relay.addresses[0], "SEND REF=same %s a third" % TO)
        self.assertIn("250 2.0.0 queued", third[0])

    def test_a_stale_socket_is_replaced(self):
        left = socket.socket(socket.AF_UNIX)
        left.bind(self.path)
        left.close()
        relay = self.unix_relay()
        with relay.connect(self.path) as client:
            client.submit()

    def test_a_socket_in_use_is_left_alone(self):
        relay = self.unix_relay()
        done = run("serve", "-o", "api.url=sandbox", "-o", "listen.address=127.0.0.1:0",
                   "-o", "listen.unix=" + self.path)
        self.assertEqual(done.returncode, UNAVAILABLE)
        self.assertIn(self.path, done.stderr)
        with relay.connect(self.path) as client:
            client.submit()

    def test_a_file_that_is_no_socket_is_left_alone(self):
        with open(self.path, "w") as file:
            file.write("precious")
        done = run("serve", "-o", "api.url=sandbox", "-o", "listen.address=127.0.0.1:0",
                   "-o", "listen.unix=" + self.path)
        self.assertEqual(done.returncode, UNAVAILABLE)
        self.assertIn(self.path, done.stderr)
        self.assertEqual(open(self.path).read(), "precious")

    def test_the_runtime_directory_of_systemd(self):
        folder = os.path.dirname(self.path)
        relay = self.relay(env={"RUNTIME_DIRECTORY": folder})
        self.assertIn(folder + "/smsrelay.sock", relay.addresses)


class Addresses(TestCase):
    def test_ipv6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("no IPv6 loopback")
        relay = self.relay({"listen.address": "[::1]:0"})
        self.assertRegex(relay.addresses[0], r"^\[::1\]:\d+$")
        self.client(relay).submit()

    def test_two(self):
        relay = self.relay({"listen.address": "127.0.0.1:0, 127.0.0.2:0"})
        self.assertEqual([address.split(":")[0] for address in relay.addresses],
                         ["127.0.0.1", "127.0.0.2"])
        ids = [self.client(relay, address).submit(options="REF=same")
               for address in relay.addresses]
        self.assertEqual(ids[0], ids[1])  # one owner: the user

    def test_localhost_is_both(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("no IPv6 loopback")
        relay = self.relay({"listen.address": "localhost:0"})
        self.assertEqual([address.rsplit(":", 1)[0] for address in relay.addresses],
                         ["127.0.0.1", "[::1]"])

    def test_a_port_that_is_taken(self):
        relay = self.relay()
        done = run("serve", "-o", "api.url=sandbox", "-o", "listen.address=" + relay.addresses[0])
        self.assertEqual(done.returncode, UNAVAILABLE)
        self.assertIn(relay.addresses[0].split(":")[1], done.stderr)
        self.assertIn("in use", done.stderr)

    def test_what_is_not_loopback_is_refused(self):
        for address, reason in (("0.0.0.0:0", "none of them may send"),
                                ("[::]:0", "none of them may send"),
                                ("192.0.2.1:2525", "none of them may send"),
                                ("example.com:2525", "an address of this machine")):
            with self.subTest(address):
                done = run("serve", "-o", "api.url=sandbox", "-o", "listen.address=" + address)
                self.assertEqual(done.returncode, CONFIG)
                self.assertIn(reason, done.stderr)


class Descriptors(ConnectionTest):
    """A process may not open files without end: clients must leave some for relaying."""

    def start(self, limit, **settings):
        def lower():
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.sandbox = self.separate_sandbox()
        return self.relay({"queue.path": folder.name + "/queue.db", "http.address": "127.0.0.1:0",
                           "listen.unix": folder.name + "/s", "listen.min_idle": 0,
                           **settings},
                          sandbox=self.sandbox, preexec_fn=lower)

    def test_clients_leave_some_for_relaying(self):
        relay = self.start(36)
        few = relay.log("descriptors_few", level="warn")[0]
        self.assertEqual(few["limit"], "36")
        relay.ask("HOLD")
        clients, count = {}, 0
        while count < 80:  # each stays until it is told to go
            client = self.client(relay)
            if client.greeting.startswith("220"):  # or it comes again
                client.submit("text %d" % count)
                clients[client.socket] = client
                count += 1
            for told in select.select(list(clients), [], [], 0)[0]:
                self.assertReply(clients[told].read_reply(), "421 4.3.2")
                clients.pop(told).close()
        self.assertReply(client.ask("RELEASE"), "250")
        eventually(lambda: len(self.sandbox.texts()) == count, "all relayed")
        refused = [self.client(relay, greets=False) for _ in range(80)]  # these do not go
        self.assertReply(refused[-1].read_reply(), "421 4.3.2")
        page = http.client.HTTPConnection(relay.log("http_listening")[0]["url"].split("/")[2],
                                          timeout=PATIENCE)
        page.request("GET", "/readyz")
        self.assertEqual(page.getresponse().status, 200)
        page.close()
        self.assertEqual(relay.log("accept_failed"), [])

    def test_enough(self):
        relay = self.start(100, **{"listen.max_connections": 50})
        self.assertEqual(relay.log("descriptors_few"), [])


if __name__ == "__main__":
    unittest.main()
