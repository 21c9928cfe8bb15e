"""The client subcommands against a running relay: what they print and return."""

import signal
import subprocess
import tempfile
import unittest

from support import (DATAERR, NOINPUT, NOPERM, OK, PATIENCE, TEMPFAIL, TO, UNAVAILABLE, USAGE,
                     TestCase, command, parse_logfmt, run)

UNKNOWN_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


class CliTest(TestCase):
    SETTINGS = {}

    def setUp(self):
        self.the_relay = self.relay(self.SETTINGS)
        self.target = self.the_relay.addresses[0]

    def run_client(self, *arguments, code=OK, **options):
        """Runs a subcommand with -s; returns what it printed."""
        done = run(arguments[0], "-s", self.target, *arguments[1:], **options)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        if code == OK:
            self.assertEqual(done.stderr, "")
        else:
            self.assertEqual(done.stdout, "")
            self.assertNotEqual(done.stderr, "")
        return done.stdout

    def submit(self, *arguments, **options):
        return parse_logfmt(self.run_client("send", *arguments, **options))["id"]

    def relayed_text(self, *arguments, **options):
        """Sends and returns the text as the API got it."""
        self.run_client("send", "--ack", "relayed", *arguments, **options)
        return self.the_relay.sandbox.texts()[-1]


class Send(CliTest):
    def test_arguments(self):
        printed = self.run_client("send", TO, "Hello", "from", "the shell")
        self.assertRegex(printed, r"^queued id=\S{26} to=\+34600000000 parts=1 encoding=gsm7\n$")
        self.the_relay.await_state(parse_logfmt(printed)["id"], "relayed")
        self.assertEqual(self.the_relay.sandbox.texts(), ["Hello from the shell"])

    def test_odd_texts_arrive_as_they_are(self):
        """No text is ever taken for part of the protocol."""
        for text in ("Hello", "with\nseveral\n\nlines", ".", "..", ".\n.", "one\n.\nQUIT\n.\nend",
                     "ends as HTTP/1.1", "Host: x", "x" * 150, "REF=x", "FROM=A +34600000001 x",
                     "  spaces  around", "\u00e1\u20ac", "\u4f60\u597d",
                     "\\n \"quoted\""):
            with self.subTest(text):
                self.assertEqual(self.relayed_text(TO, stdin=text + "\n"), text)
                if "\n" not in text:
                    self.assertEqual(self.relayed_text(TO, text), text)

    def test_options(self):
        name = self.submit("--from", "My Shop", "--ref", "order 17", "--ttl", "5m", "--priority",
                           "high", "--at", "+1h", "--unicode", "no", TO, "text")
        status = self.the_relay.status(name)
        self.assertEqual((status["from"], status["ref"], status["state"]),
                         ("My Shop", "order 17", "scheduled"))
        printed = self.run_client("send", "--ref", "order 17", "--from", "My Shop", "--unicode",
                                  "no", TO, "text")
        self.assertIn("duplicate=yes", printed)

    def test_options_with_several_lines(self):
        name = self.submit("--ref", "lines", TO, stdin="two\nlines\n")
        self.assertEqual(self.the_relay.status("lines")["id"], name)

    def test_several_recipients(self):
        printed = self.run_client("send", TO + ",+34600000001", "text")
        self.assertEqual(len(printed.splitlines()), 2)
        self.run_client("send", TO + ",12", "text", code=DATAERR)
        self.run_client("send", TO + ",12", stdin="two\nlines", code=DATAERR)
        with self.the_relay.connect() as client:
            self.assertEqual(client.stats()["messages_accepted_total"], "2")

    def test_relayed_and_rejected(self):
        self.assertIn("state=relayed", self.run_client("send", "--ack", "relayed", TO, "text"))
        self.run_client("send", "--ack", "relayed", "+34600009001", "text", code=DATAERR)

    def test_refusals(self):
        self.run_client("send", "12", "text", code=DATAERR)
        self.run_client("send", "--from", "no/sender", TO, "text", code=DATAERR)
        self.run_client("send", TO, stdin="", code=DATAERR)
        self.run_client("send", "--ttl", "soon", TO, "text", code=DATAERR)
        self.run_client("send", code=USAGE)


class Full(CliTest):
    SETTINGS = {"queue.max_messages": 1}

    def test_try_again_later(self):
        self.run_client("hold")
        self.run_client("send", TO, "text")
        self.run_client("send", TO, "text", code=TEMPFAIL)
        self.run_client("send", TO, stdin="two\nlines", code=TEMPFAIL)


class Ask(CliTest):
    def test_status(self):
        name = self.submit("--ref", "r1", TO, "text")
        self.the_relay.await_state(name, "relayed")
        printed = self.run_client("status", name)
        self.assertTrue(printed.startswith("id=%s state=relayed to=+34600000000 " % name), printed)
        self.assertEqual(self.run_client("status", "r1"), printed)
        self.run_client("status", UNKNOWN_ID, code=NOINPUT)
        self.run_client("status", "no-such-ref", code=NOINPUT)

    def test_queue(self):
        self.assertRegex(self.run_client("queue"), r"^queued=0 .*relaying=yes\n$")
        self.assertEqual(self.run_client("queue", "list"), "none\n")
        self.run_client("hold")
        names = {self.submit(TO, "text %d" % i) for i in range(3)}
        self.assertRegex(self.run_client("queue"), r"^queued=3 .*relaying=no reason=")
        listed = self.run_client("queue", "list", "queued", "10").splitlines()
        self.assertEqual({parse_logfmt(line)["id"] for line in listed}, names)
        listed = self.run_client("queue", "list", "2").splitlines()
        self.assertEqual((len(listed), listed[-1]), (3, "more=1"))
        self.run_client("queue", "nonsense", code=USAGE)

    def test_stats(self):
        printed = self.run_client("stats")
        self.assertIn("\nmessages_accepted_total=0\n", printed)
        self.assertRegex(printed, r"\nversion=\S+\n$")

    def test_watch(self):
        self.run_client("hold")
        name = self.submit(TO, "text")
        for arguments in ([], [name]):
            watch = subprocess.Popen(
                command("watch", "-s", self.target, "--timeout", "1", *arguments), text=True,
                stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.addCleanup(watch.wait, PATIENCE)
            self.addCleanup(watch.kill)
            self.addCleanup(watch.stdout.close)
            self.assertTrue(watch.stdout.readline().startswith("watching"))
            if not arguments:
                name_of_another = self.submit(TO, "another")
                line = watch.stdout.readline()
                self.assertRegex(line, r"^event=\d+ id=%s state=queued\n$" % name_of_another)
                watch.send_signal(signal.SIGINT)
                self.assertEqual(watch.wait(PATIENCE), -signal.SIGINT)
            else:
                self.run_client("release")
                self.assertIn("state=sending", watch.stdout.readline())
                self.assertIn("state=relayed", watch.stdout.readline())
                self.the_relay.stop()
                # It has tried again, and given up.
                self.assertEqual(watch.wait(PATIENCE), TEMPFAIL)


class Operate(CliTest):
    def test_hold_release_flush(self):
        self.assertEqual(self.run_client("hold"), "held\n")
        name = self.submit(TO, "text")
        self.run_client("flush")
        self.assertIn("state=queued", self.run_client("status", name))
        self.assertEqual(self.run_client("release"), "released\n")
        self.the_relay.await_state(name, "relayed")

    def test_cancel(self):
        self.run_client("hold")
        name = self.submit("--ref", "r1", TO, "text")
        self.assertIn("state=canceled", self.run_client("cancel", name))
        self.run_client("cancel", name, code=DATAERR)  # there is such a message
        self.run_client("cancel", UNKNOWN_ID, code=NOINPUT)

    def test_retry(self):
        self.run_client("retry", UNKNOWN_ID, code=NOINPUT)
        self.run_client("retry", code=USAGE)


class NoRights(CliTest):
    SETTINGS = {"listen.control": "unix"}

    def test_they_are_needed(self):
        for arguments in (["hold"], ["release"], ["flush"], ["retry", UNKNOWN_ID], ["watch"],
                          ["queue", "list"]):
            self.run_client(*arguments, code=NOPERM)
        self.run_client("queue")
        self.run_client("send", TO, "text")


class Target(TestCase):
    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/s"
            relay = self.relay({"listen.unix": path, "listen.control": "unix"})
            self.assertEqual(run("hold", "-s", path).returncode, OK)
            self.assertEqual(run("release", env={"SMSRELAY_SOCKET": path}).returncode, OK)
            self.assertEqual(run("hold", "-s", relay.addresses[0]).returncode, NOPERM)
            relay.stop()
            done = run("status", "-s", path, UNKNOWN_ID)
            self.assertEqual(done.returncode, UNAVAILABLE)
            self.assertIn(path, done.stderr)

    def test_nobody_there(self):
        self.assertEqual(run("queue", "-s", "127.0.0.1:1").returncode, UNAVAILABLE)

    def test_a_relay_that_stops(self):
        """Refused with 421 before or after the greeting: not now."""
        relay = self.relay({"listen.max_connections": 1, "listen.min_idle": 0})
        client = self.client(relay)
        done = run("queue", "-s", relay.addresses[0])
        self.assertEqual(done.returncode, OK)  # the idle client was disconnected
        self.assertReply(client.read_reply(), "421 4.3.2")
        with relay.connect(), relay.connect():
            self.assertEqual(run("queue", "-s", relay.addresses[0]).returncode, TEMPFAIL)


if __name__ == "__main__":
    unittest.main()
