"""The client subcommands against a scripted relay: what they send, print and return."""

import re
import socket
import subprocess
import tempfile
import threading
import unittest

from support import (DATAERR, NOINPUT, NOPERM, OK, PATIENCE, PROTOCOL, TEMPFAIL, UNAVAILABLE, USAGE,
                     clean_environment, command)

QUEUED = "250 2.0.0 queued id=01ARZ3NDEKTSV4RRFFQ69G5FAV to=+34600000000 parts=1 encoding=gsm7"
REPLIES = {"NOOP": "250 2.0.0 ok", "SEND": QUEUED, "FROM": "250 2.1.0 sender ok",
           "TO": "250 2.1.5 recipient ok", "DATA": "354 go on"}


def listen_unix(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    return listener


class Relay:
    """Serves one client: answers each line by its verb, and records the lines."""

    def __init__(self, replies=None, listener=None, greeting="220 test ESMTP smsrelay 0.2.0"):
        self.replies = dict(REPLIES, **(replies or {}))
        self.greeting = greeting
        self.lines = []
        self.content = None
        self.listener = listener or socket.create_server(("127.0.0.1", 0))
        name = self.listener.getsockname()
        self.target = name if isinstance(name, str) else "127.0.0.1:%d" % name[1]
        self.listener.settimeout(PATIENCE)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return
        connection.settimeout(PATIENCE)
        with connection, connection.makefile("rwb") as stream:
            self.say(stream, self.greeting)
            for line in stream:
                if not self.take(stream, line.decode()):
                    return

    def say(self, stream, reply):
        stream.write("".join(line + "\r\n" for line in reply.split("\n")).encode())
        stream.flush()

    def take(self, stream, line):
        """Returns whether the connection goes on."""
        assert line.endswith("\r\n"), line
        line = line[:-2]
        self.lines.append(line)
        verb = line.split(" ")[0].upper()
        reply = self.replies.get(verb, "500 5.5.2 unknown")
        if reply is None:
            return False
        self.say(stream, reply)
        if verb == "DATA" and reply.startswith("354"):
            self.content = []
            for content_line in stream:
                if content_line == b".\r\n":
                    break
                self.content.append(content_line.decode())
            self.say(stream, self.replies.get("CONTENT", QUEUED))
        return not reply.startswith("421") and "\n421" not in reply

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # ends a pending accept
        except OSError:
            pass
        self.thread.join(PATIENCE)
        self.listener.close()


class ClientTest(unittest.TestCase):
    def run_client(self, *arguments, stdin=b"", env=None, relay=None, use_option=True, **options):
        self.relay = relay or Relay(**options)
        arguments = list(arguments)
        if use_option:
            arguments[1:1] = ["-s", self.relay.target]
        done = subprocess.run(command(*arguments), input=stdin, capture_output=True,
                              env=clean_environment(**(env or {})), timeout=PATIENCE)
        self.relay.close()
        self.stdout, self.stderr = done.stdout.decode(), done.stderr.decode()
        return done.returncode

    def sent(self):
        """What the client sent after its NOOP."""
        self.assertEqual(self.relay.lines[0], "NOOP")
        return self.relay.lines[1:]


class Send(ClientTest):
    def test_text_of_arguments_is_one_line(self):
        self.assertEqual(self.run_client("send", "+34600000000", "Hello", "-x", "world"), OK)
        self.assertEqual(self.sent(), ["SEND +34600000000 Hello -x world"])
        self.assertEqual(self.stdout, QUEUED[10:] + "\n")
        self.assertEqual(self.stderr, "")

    def test_text_of_stdin_loses_its_last_line_end(self):
        self.assertEqual(self.run_client("send", "+34600000000", stdin=b"Disk  full\r\n\n"), OK)
        self.assertEqual(self.sent(), ["SEND +34600000000 Disk  full"])

    def test_a_dash_is_stdin(self):
        for arguments in (["+34600000000", "-"], ["+34600000000", "--", "-"],
                          ["--", "+34600000000", "-"], ["+34600000000", "--"]):
            self.assertEqual(self.run_client("send", *arguments, stdin=b"Disk full\n"), OK)
            self.assertEqual(self.sent(), ["SEND +34600000000 Disk full"], arguments)

    def test_two_dashes_end_the_options(self):
        for arguments, text in ((["--", "-x", "text"], "-x text"), (["--", "--", "x"], "-- x"),
                                (["a", "--", "b"], "a -- b"), (["-", "x"], "- x"),
                                (["x", "-"], "x -")):
            self.assertEqual(self.run_client("send", "+34600000000", *arguments), OK)
            self.assertEqual(self.sent(), ["SEND +34600000000 " + text])
        self.assertEqual(self.run_client("send", "-r", "7", "--", "+34600000000", "-x"), OK)
        self.assertEqual(self.sent(), ["SEND REF=7 +34600000000 -x"])

    def test_options_are_quoted_as_the_protocol_says(self):
        self.assertEqual(self.run_client(
            "send", "-f", "Acme Shop", "-r", 'a"b\\c', "--ttl", "10m", "--priority=high",
            "--at", "+15m", "--unicode", "no", "--ack", "relayed", "+34600000000", "x"), OK)
        self.assertEqual(self.sent(), ['SEND FROM="Acme Shop" REF="a\\"b\\\\c" TTL=10m '
                                       'PRIORITY=high AT=+15m UNICODE=no ACK=relayed '
                                       '+34600000000 x'])

    def test_an_option_cannot_break_the_line(self):
        self.assertEqual(self.run_client("send", "-r", "x\nHOLD", "+34600000000", "x"), OK)
        self.assertEqual(self.sent(), ['SEND REF="x\\nHOLD" +34600000000 x'])

    def test_spaces_in_a_number_go(self):
        self.assertEqual(self.run_client("send", "+34 600 000 000, +34 600 000 001", "x"), OK)
        self.assertEqual(self.sent(), ["SEND +34600000000,+34600000001 x"])

    def test_lines_go_as_data_with_dots_doubled(self):
        text = b"one\n.two\n\n..\r\n.\nlast\n\n"
        self.assertEqual(self.run_client("send", "-f", "Acme Shop", "--ttl", "5m",
                                         "+34600000000,+34600000001", stdin=text), OK)
        self.assertEqual(self.sent(), ['FROM "Acme Shop" TTL=5m', "TO +34600000000",
                                       "TO +34600000001", "DATA"])
        self.assertEqual("".join(self.relay.content), "one\r\n..two\r\n\r\n...\r\n..\r\nlast\r\n")
        self.assertEqual(self.stdout, QUEUED[10:] + "\n")

    def test_lines_without_sender_need_no_from(self):
        self.assertEqual(self.run_client("send", "+34600000000", "one\ntwo"), OK)
        self.assertEqual(self.sent(), ["TO +34600000000", "DATA"])

    def test_lines_with_options_need_no_sender(self):
        self.assertEqual(self.run_client("send", "--ttl", "5m", "+34600000000", "one\ntwo"), OK)
        self.assertEqual(self.sent(), ["FROM TTL=5m", "TO +34600000000", "DATA"])

    def test_a_refused_recipient_sends_to_nobody(self):
        self.assertEqual(self.run_client("send", "+34600000000,12", "one\ntwo",
                                         replies={"TO": "550 5.1.3 not a telephone number: 12"}),
                         DATAERR)
        self.assertNotIn("DATA", self.sent())
        self.assertEqual(self.stderr,
                         "smsrelay send: not a telephone number: 12 (550 5.1.3)\n")
        self.assertEqual(self.stdout, "")

    def test_a_long_line_goes_as_data(self):
        self.assertEqual(self.run_client("send", "+34600000000", stdin=b"x" * 70000), OK)
        self.assertEqual(self.sent(), ["TO +34600000000", "DATA"])
        self.assertEqual(self.relay.content, ["x" * 70000 + "\r\n"])

    def test_far_too_long_a_text_is_refused_here(self):
        self.assertEqual(self.run_client("send", "+34600000000", stdin=b"x\n" * (1 << 20)), DATAERR)
        self.assertEqual(self.relay.lines, [])


class ExitCodes(ClientTest):
    def test_replies(self):
        for reply, code in [("250 2.0.0 ok", OK), ("452 4.3.1 queue full", TEMPFAIL),
                            ("450 4.7.1 later", TEMPFAIL), ("421 4.3.2 closing", TEMPFAIL),
                            ("550 5.1.3 bad number", DATAERR), ("552 5.3.4 too long", DATAERR),
                            ("553 5.1.7 bad sender", DATAERR), ("554 5.0.0 rejected", DATAERR),
                            ("550 5.0.0 unknown", NOINPUT), ("550 5.7.1 not allowed", NOPERM),
                            ("550 5.0.0 too late state=relayed", DATAERR),
                            ("550-5.0.0 unknown\n550 5.0.0 really", NOINPUT),
                            ("hello", PROTOCOL), ("999 what", PROTOCOL)]:
            with self.subTest(reply):
                self.assertEqual(self.run_client("status", "x", replies={"STATUS": reply}), code)
                if code not in (OK, PROTOCOL):
                    told = [re.sub(r"^(\d+)[ -](\S+) (.*)", r"smsrelay status: \3 (\1 \2)", line)
                            for line in reply.split("\n")]
                    self.assertEqual(self.stderr.splitlines(), told)
                    self.assertEqual(self.stdout, "")

    def test_refused_before_the_greeting(self):
        self.assertEqual(self.run_client("stats", greeting="421 4.3.2 too many connections"),
                         TEMPFAIL)

    def test_something_else_listens(self):
        self.assertEqual(self.run_client("stats", greeting="SSH-2.0-x\x1b[2J"), PROTOCOL)
        self.assertNotIn("\x1b", self.stderr)

    def test_connection_lost(self):
        self.assertEqual(self.run_client("stats", replies={"STATS": None}), UNAVAILABLE)

    def test_nobody_listens(self):
        listener = socket.create_server(("127.0.0.1", 0))
        address = "127.0.0.1:%d" % listener.getsockname()[1]
        listener.close()
        for target in [address, "/nonexistent/smsrelay.sock", "/" + "x" * 200]:
            with self.subTest(target):
                self.assertEqual(self.run_client("stats", env={"SMSRELAY_SOCKET": target},
                                                 use_option=False), UNAVAILABLE)
                self.assertIn(target, self.stderr)

    def test_usage(self):
        for arguments in [("send",), ("status",), ("flush", "x"), ("retry",), ("cancel",),
                          ("queue", "list", "queued", "5", "x"), ("send", "--nonsense", "x"),
                          ("status", "x\nHOLD"), ("send", "+34\r\nHOLD", "x"),
                          ("send", " ", "x"), ("send", "-"), ("send", "--"), ("send", "-", "x")]:
            with self.subTest(arguments):
                self.assertEqual(self.run_client(*arguments), USAGE)
                self.assertLessEqual(len(self.relay.lines), 1)
                self.assertNotEqual(self.stderr, "")
        for target in ["localhost", ":2525", "127.0.0.1:", "[]:1"]:
            with self.subTest(target):
                self.assertEqual(self.run_client("stats", env={"SMSRELAY_SOCKET": target},
                                                 use_option=False), USAGE)


class Asking(ClientTest):
    def test_verbs(self):
        for arguments, line in [(("status", "my", "ref"), "status my ref"), (("queue",), "queue"),
                                (("queue", "list", "deferred", "5"), "queue list deferred 5"),
                                (("flush",), "flush"), (("hold",), "hold"),
                                (("release",), "release"), (("retry", "ID"), "retry ID"),
                                (("cancel", "ID"), "cancel ID")]:
            with self.subTest(line):
                self.assertEqual(self.run_client(*arguments, replies={
                    arguments[0].upper(): "250 2.0.0 words=1.2.3 x"}), OK)
                self.assertEqual(self.sent(), [line])
                self.assertEqual(self.stdout, "words=1.2.3 x\n")

    def test_all_lines_of_a_reply_are_shown(self):
        self.assertEqual(self.run_client("stats", replies={
            "STATS": "250-a=1\n250-2.0.0 b=2\n250 2.0.0 end"}), OK)
        self.assertEqual(self.stdout, "a=1\nb=2\nend\n")

class Target(ClientTest):
    def test_unix_socket_and_environment(self):
        with tempfile.TemporaryDirectory() as folder:
            relay = Relay(replies={"STATS": "250 a=1"}, listener=listen_unix(folder + "/s"))
            self.assertEqual(self.run_client("stats", relay=relay, use_option=False,
                                             env={"SMSRELAY_SOCKET": relay.target}), OK)
            relay = Relay(replies={"STATS": "250 a=1"}, listener=listen_unix(folder + "/t"))
            self.assertEqual(self.run_client("stats", relay=relay,
                                             env={"SMSRELAY_SOCKET": "/nonexistent"}), OK)

    def test_names_and_ipv6(self):
        relay = Relay(replies={"STATS": "250 a=1"})
        relay.target = relay.target.replace("127.0.0.1", "localhost")
        self.assertEqual(self.run_client("stats", relay=relay), OK)
        if not socket.has_ipv6:
            self.skipTest("no IPv6")
        try:
            listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
        except OSError:
            self.skipTest("no IPv6 loopback")
        relay = Relay(replies={"STATS": "250 a=1"}, listener=listener)
        relay.target = "[::1]:%d" % listener.getsockname()[1]
        self.assertEqual(self.run_client("stats", relay=relay), OK)


if __name__ == "__main__":
    unittest.main()
