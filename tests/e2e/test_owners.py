"""Owners: what a client may see and change is its user's, whichever door it comes in by."""

import contextlib
import os
import signal
import socket
import sqlite3
import tempfile
import unittest
import urllib.request

from support import TO, TestCase, open_socket, parse_reply

MINE, OTHER = 61001, 61002
NO_SUCH = "550 5.0.0 no such message"


class Owners(TestCase):
    """All by TCP, unless a test says otherwise. The relay holds, so that messages can be canceled."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        os.chmod(self.folder.name, 0o755)

    def start(self, **settings):
        self.path = self.folder.name + "/socket"
        self.daemon = self.relay({"listen.unix": self.path, "listen.control": "unix",
                                  **{name.replace("_", ".", 1).replace("__", "_"): value
                                     for name, value in settings.items()}})
        self.root = self.client(self.daemon, self.path)
        self.root.ask("HOLD")
        return self.daemon.addresses[0]

    def check_apart(self, address):
        sent = self.as_user(MINE, address, "SEND REF=r %s mine" % TO, "STATUS r")
        self.assertReply(sent[:1], "250 2.0.0 queued")
        name = parse_reply(sent[0])["id"]
        self.assertReply(sent[1:2], "250 2.0.0 id=" + name)
        for verb in ("STATUS", "WATCH", "CANCEL"):
            for what in ("r", name):
                told = self.as_user(OTHER, address, "%s %s" % (verb, what))
                self.assertEqual(told[0], NO_SUCH)
        # Nor is the REF taken.
        self.assertReply(self.as_user(OTHER, address, "SEND REF=r %s of another" % TO)[:1],
                         "250 2.0.0 queued")
        self.assertReply(self.as_user(MINE, address, "CANCEL r")[:1], "250 2.0.0 id=" + name)

    def test_by_ipv4(self):
        self.check_apart(self.start())

    def test_by_ipv6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("no IPv6 loopback")
        self.check_apart(self.start(listen_address="[::1]:0"))

    def test_by_ipv4_from_a_socket_of_ipv6(self):
        address = self.start()
        self.check_apart("[::ffff:127.0.0.1]:" + address.rsplit(":")[-1])

    def test_a_user_is_one_owner_at_all_doors(self):
        address = self.start()
        by_tcp = self.as_user(MINE, address, "SEND REF=r %s text" % TO)
        by_path = self.as_user(MINE, self.path, "SEND REF=r %s text" % TO)
        self.assertEqual(parse_reply(by_path[0])["id"], parse_reply(by_tcp[0])["id"])
        self.assertIn("duplicate=yes", by_path[0])

    def test_rights_come_by_the_unix_socket_only(self):
        """A program of root's that can be made to write to a port does not order the relay about."""
        address = self.start()
        theirs = parse_reply(self.as_user(MINE, address, "SEND %s text" % TO)[0])["id"]
        with self.daemon.connect() as client:
            self.assertReply(client.ask("STATUS " + theirs), NO_SUCH)
            self.assertReply(client.ask("RELEASE"), "550 5.7.1")
        self.assertReply(self.root.ask("STATUS " + theirs), "250 2.0.0 id=" + theirs)

    def test_a_client_that_has_closed_is_not_root(self):
        """Of a socket that is closed the kernel says that its user is 0."""
        if os.getuid() != 0:
            self.skipTest("takes root")
        address = self.start()
        with self.daemon.connect() as client:  # as root
            name = client.submit(options="REF=r")
        before = int(self.root.stats()["connections_local_total"])
        self.daemon.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.daemon.pid, os.WSTOPPED | os.WNOWAIT)
        child = os.fork()
        if child == 0:
            os.setresuid(OTHER, OTHER, OTHER)
            with open_socket(address) as connection:
                connection.sendall(b"CANCEL r\r\nCANCEL %s\r\nQUIT\r\n" % name.encode())
            os._exit(0)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.daemon.send_signal(signal.SIGCONT)
        stats = self.root.stats()
        while int(stats["connections_local_total"]) == before:
            stats = self.root.stats()
        self.daemon.wait_log("user_unknown")
        self.assertEqual(parse_reply(self.root.ask("STATUS " + name)[0])["state"], "queued")
        # What such a client has submitted is sent all the same.
        self.daemon.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.daemon.pid, os.WSTOPPED | os.WNOWAIT)
        with open_socket(address) as connection:
            connection.sendall(b"SEND %s text\r\nQUIT\r\n" % TO.encode())
        self.daemon.send_signal(signal.SIGCONT)
        while "queued=2 " not in self.root.ask("QUEUE")[0]:
            pass

    def test_others_find_room_when_one_user_has_filled_the_queue(self):
        address = self.start(queue_max__messages="20")
        sent = self.as_user(MINE, address, *["SEND %s text" % TO] * 21)
        self.assertEqual([reply[:9] for reply in sent[:-1]], ["250 2.0.0"] * 20 + ["452 4.3.1"])
        self.assertIn("limits.others", sent[20])
        for _ in range(2):
            self.assertReply(self.as_user(OTHER, address, "SEND %s text" % TO), "250 2.0.0 queued")
        self.assertReply(self.as_user(OTHER, address, "SEND %s text" % TO), "452 4.3.1 queue full")
        stats = self.root.stats()
        self.assertEqual((stats["submissions_owner_full_total"], stats["submissions_full_total"]),
                         ("1", "2"))

    def test_others_find_a_place_when_one_user_has_taken_all(self):
        address = self.start(listen_max__connections="20", listen_min__idle="1h")
        for _ in range(19):  # and that of self.root
            self.client(self.daemon)
        with self.daemon.connect(greets=False) as late:
            self.assertReply(late.read_reply(), "421 4.3.2")
            self.assertIsNone(late.read_line())
        sent = self.as_user(OTHER, address, "SEND %s text" % TO)
        self.assertReply(sent, "250 2.0.0 queued")
        self.daemon.wait_log("refused", reason="listen.max_connections is reached")

    def test_who_takes_most_makes_room_himself(self):
        """His next client costs him one of his own, and not the other user, who is the idlest."""
        if os.getuid() != 0:
            self.skipTest("only root can be somebody else")
        address = self.start(listen_max__connections="20", listen_min__idle="0")
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setresuid(OTHER, OTHER, OTHER)
                with open_socket(address) as connection:
                    while data := connection.recv(1000):
                        os.write(writer, data)
            finally:
                os._exit(0)
        os.close(writer)
        self.addCleanup(os.waitpid, child, 0)
        self.addCleanup(os.kill, child, signal.SIGKILL)
        self.assertEqual(os.read(reader, 3), b"220")
        clients = [self.root] + [self.client(self.daemon) for _ in range(18)]
        newest = self.client(self.daemon)
        self.assertReply(newest.ask("NOOP"), "250")
        self.assertReply(clients[0].read_reply(), "421 4.3.2")
        self.assertReply(clients[1].ask("NOOP"), "250")
        os.set_blocking(reader, False)
        self.assertNotIn(b"421", os.read(reader, 1000))
        os.close(reader)

    def test_what_a_user_may_wait_for(self):
        address = self.start(limits_awaits="10", listen_ack__timeout="1h")
        with self.daemon.connect() as client:
            many = ",".join("+346000000%02d" % n for n in range(11))
            self.assertRegex(client.ask("SEND ACK=relayed %s text" % many)[0],
                             "^452 4.3.1 .*limits.awaits")
            ids = [client.submit(options="REF=r") for _ in range(1)]
            client.ask("SEND REF=r %s text" % many.replace("+34600000000,", ""))
            self.assertRegex(client.ask("WATCH r")[0], "^452 4.3.1 .*limits.awaits")
            client.ask("UNWATCH")
            self.assertReply(client.ask("WATCH " + ids[0]), "250")
            self.assertReply(client.ask("WATCH " + ids[0]), "250")  # once
            client.send("SEND ACK=relayed %s text" % ",".join(many.split(",")[:9]))
            with self.daemon.connect() as another:  # of the same user, who waits for 10 by now
                self.assertReply(another.ask("WATCH " + ids[0]), "452 4.3.1")
            self.root.ask("RELEASE")
            self.assertReply(client.read_reply()[-1:], "250 2.0.0 relayed")
            with self.daemon.connect() as another:
                self.assertReply(another.ask("WATCH " + ids[0]), "250")

    def test_what_a_user_may_have_without_a_reply(self):
        """Beyond it, the relay reads on as replies leave: nothing is refused, and others see nothing."""
        address = self.start(limits_unanswered="10", http_address="127.0.0.1:0")
        clients = [self.client(self.daemon) for _ in range(3)]
        for client, unanswered in zip(clients, (10, 11, 12)):  # one each is always read
            client.send(*["SEND ACK=relayed %s text" % TO] * 20)
            while self.root.stats()["owner_unanswered"] != str(unanswered):
                pass
        self.assertReply(self.as_user(OTHER, address, "SEND %s text" % TO), "250 2.0.0 queued")
        stats = self.root.stats()
        names = ("owner_connections", "owner_unanswered", "owner_awaits")
        self.assertEqual([stats[name] for name in names], ["4", "12", "12"])
        url = self.daemon.wait_log("http_listening")["url"] + "/metrics"
        with urllib.request.urlopen(url) as page:
            metrics = page.read().decode()
        self.assertIn('smsrelay_owner_connections{owner="%d"} 4\n' % os.getuid(), metrics)
        self.assertRegex(metrics, 'smsrelay_owner_loop_seconds_total{owner="%d"} 0.0*[1-9]' % OTHER)
        self.root.ask("RELEASE")
        for client in clients:
            for _ in range(20):
                self.assertReply(client.read_reply(), "250 2.0.0 relayed")


class Disk(TestCase):
    """Canceling is no way to fill the disk."""

    MAX = 6 << 20

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = self.folder.name + "/queue.db"
        self.daemon = self.relay({"queue.path": self.path, "queue.max_disk": self.MAX})

    def test_what_was_canceled_unsent_keeps_no_text(self):
        with self.daemon.connect() as client:
            name = client.submit("a secret text", options="AT=+1h REF=r")
            client.ask("CANCEL r")
            self.assertEqual(parse_reply(client.ask("STATUS " + name)[0])["state"], "canceled")
        self.daemon.stop()
        with contextlib.closing(sqlite3.connect(self.path)) as store:
            self.assertEqual(store.execute("SELECT recipient, ref, text FROM message").fetchall(),
                             [(TO, "r", "")])

    def test_what_was_canceled_takes_little(self):
        with self.daemon.connect() as client:
            client.send(*["SEND AT=+1h REF=r +346%08d %s" % (n, "x" * 1500) for n in range(500)])
            for _ in range(500):
                self.assertReply(client.read_reply(), "250 2.0.0 queued")
            self.assertReply(client.ask("CANCEL r"), "250-2.0.0")
        self.daemon.stop()
        with contextlib.closing(sqlite3.connect(self.path)) as store:
            used = [store.execute("PRAGMA " + name).fetchone()[0]
                    for name in ("page_count", "freelist_count", "page_size")]
        self.assertLess((used[0] - used[1]) * used[2], 500 * 700)

    def test_submit_and_cancel(self):
        """30 MB of texts; those of others are sent meanwhile."""
        text = "x" * 1500
        with self.daemon.connect() as client:
            for i in range(40):
                options = "AT=+1h REF=r%d" % i
                client.send(*["SEND %s +346%08d %s" % (options, n, text) for n in range(500)],
                            "CANCEL r%d" % i)
                replies = [client.read_reply() for _ in range(501)]
                # When there is no room for a moment, what was finished is being forgotten.
                self.assertLess(set(reply[0][:9] for reply in replies), {"250 2.0.0", "250-2.0.0",
                                                                         "452 4.3.1", "550 5.0.0"})
                files = [self.path, self.path + "-wal"]
                self.assertLess(sum(os.path.getsize(file) for file in files), 2 * self.MAX)
        self.as_user(OTHER, self.daemon.addresses[0], "SEND ACK=relayed %s text" % TO)
        self.assertEqual(self.daemon.sandbox.texts(), ["text"])


if __name__ == "__main__":
    unittest.main()
