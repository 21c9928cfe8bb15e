"""The program called as `sendmail`, with the command lines of the programs that call it."""

import os
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

import support
from support import CONFIG, DATAERR, OK, PATIENCE, TEMPFAIL, TO, UNAVAILABLE, USAGE

NOUSER, IOERR = 67, 74

MAIL = "From: root\nTo: somebody\nSubject: %s\n\nDisk full\n"
QUEUED = "250 2.0.0 queued id=01ARZ3NDEKTSV4RRFFQ69G5FAV recipients=1 parts=1"


class Server:
    """A scripted relay for one client; None as an answer closes the connection.

    answers: the start of a line -> its reply; "." is the content's.
    """

    ANSWERS = {"NOOP": "250 2.0.0 ok", "MAIL": "250 2.1.0 ok", "RCPT": "250 2.1.5 ok",
               "DATA": "354 go on", ".": QUEUED}

    def __init__(self, answers=None, greeting="220 test ESMTP smsrelay", content_limit=None):
        self.answers = sorted({**self.ANSWERS, **(answers or {})}.items(), reverse=True)
        self.greeting = greeting
        self.content_limit = content_limit  # closes after this many bytes of it
        self.lines = []
        self.content = None
        self.started = threading.Event()  # content has arrived
        self.ended_by_dot = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return
        connection.settimeout(PATIENCE)
        try:
            with connection, connection.makefile("rwb") as stream:
                if self.say(stream, self.greeting):
                    for line in stream:
                        assert line.endswith(b"\r\n"), line
                        self.lines.append(line[:-2].decode())
                        if not self.answer(stream, self.lines[-1]):
                            return
        except ConnectionError:
            pass

    def say(self, stream, reply):
        if reply is None:
            return False
        stream.write(reply.encode() + b"\r\n")
        stream.flush()
        return True

    def answer(self, stream, line):
        reply = next((reply for start, reply in self.answers if line.startswith(start)), "500 ?")
        if not self.say(stream, reply):
            return False
        if reply.startswith("354"):
            self.content = bytearray()
            for piece in stream:
                if piece == b".\r\n":
                    self.ended_by_dot = True
                    return self.say(stream, dict(self.answers)["."])
                self.content += piece
                self.started.set()
                if self.content_limit is not None and len(self.content) > self.content_limit:
                    return False
        return True

    def envelope(self):
        """The lines before the content."""
        assert self.lines[0] == "NOOP", self.lines
        return self.lines[1:]

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join(PATIENCE)
        self.listener.close()


class SendmailTest(support.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.sendmail = os.path.join(cls.folder.name, "sendmail")
        os.symlink(support.SMSRELAY, cls.sendmail)

    def command(self, *arguments):
        return support.command(*arguments, program=self.sendmail)

    def call(self, address, *arguments, stdin="", program=None):
        """Runs sendmail; returns its exit code. self.stderr is its output."""
        done = subprocess.run(
            program or self.command(*arguments),
            input=stdin if isinstance(stdin, bytes) else stdin.encode(),
            env=support.clean_environment(SMSRELAY_SOCKET=address), capture_output=True,
            timeout=PATIENCE)
        self.stdout, self.stderr = done.stdout.decode(), done.stderr.decode()
        return done.returncode

    def call_server(self, *arguments, stdin=MAIL % "s", answers=None, **options):
        """Runs sendmail against a scripted relay, which is then self.server."""
        self.server = Server(answers, **options)
        code = self.call(self.server.address, *arguments, stdin=stdin)
        self.server.close()
        return code

    def recipients(self):
        return [line[len("RCPT TO:<"):-1] for line in self.server.envelope()
                if line.startswith("RCPT TO:<") and line.endswith(">")]


class Callers(SendmailTest):
    """Command lines from the sources of programs, into a real relay."""

    CALLERS = [
        # name, arguments with %s for the recipient, does the header name it?
        ("cron of Debian", "-i -FCronDaemon -B8BITMIME -oem %s", False),
        ("cronie", "-FCronDaemon -i -odi -oem -oi -t -f root", True),
        ("PHP mail()", "-t -i", True),
        ("PHP mail() with -f", "-t -i -fwww-data@localhost", True),
        ("logwatch", "-t", True),
        ("bsd-mailx", "-i -- %s", False),
        ("bsd-mailx with -r", "-i -r root@localhost -- %s", False),
        ("s-nail", "-i -- %s", False),
        ("git send-email", "-f root@localhost -i %s", False),
        ("mdadm", "-t", True),
        ("smartd", "-oi -oem %s", False),
        ("mutt", "-oem -oi -f root@localhost -- %s", False),
        ("heirloom", "-B 8BITMIME -N failure,delay -R hdrs -V abc -F Root -o em -v -ti", True),
        ("Exim's and sendmail's", "-oMrESMTP -odb -os -ox -q15m -d0.1 -Cfile -G -h 3 -- %s", False),
        ("what it does not know", "-Zfoo --long=x -W -i %s", False),
    ]

    def test_the_command_lines_of_programs(self):
        relay = self.relay()
        for name, words, has_header in self.CALLERS:
            with self.subTest(name):
                arguments = [TO if word == "%s" else word for word in words.split()]
                mail = "To: %s\nSubject: %s\n\nDisk full\n" % (TO if has_header else "root", name)
                self.assertEqual(self.call(relay.addresses[0], *arguments, stdin=mail), OK,
                                 self.stderr)
                self.assertEqual(self.stdout + self.stderr, "")
        with relay.connect() as client:
            client.ask("WATCH")
            while client.queue()["queued"] != "0" or client.queue()["sending"] != "0":
                client.read_event()
        record = relay.sandbox.record()["messages"]
        self.assertEqual(len(record), len(self.CALLERS))
        self.assertEqual({message["to"] for message in record}, {TO})
        for name, _, _ in self.CALLERS:
            self.assertTrue(any(name in message["text"] for message in record), name)
        self.assertTrue(all("Disk full" in message["text"] for message in record))

    def test_the_unix_socket(self):
        path = os.path.join(self.folder.name, "relay.sock")
        self.relay({"listen.unix": path})
        self.assertEqual(self.call(path, "-i", TO, stdin=MAIL % "s"), OK, self.stderr)

    def test_as_a_subcommand(self):
        self.server = Server()
        code = self.call(self.server.address, stdin="Disk full\n",
                         program=support.command("sendmail", "-i", TO))
        self.server.close()
        self.assertEqual(code, OK, self.stderr)
        self.assertEqual(self.server.content, b"Disk full\r\n")

    def test_a_bad_number_is_no_user(self):
        relay = self.relay()
        self.assertEqual(self.call(relay.addresses[0], "-i", "123", stdin=MAIL % "s"), NOUSER)
        self.assertIn("123: too short (550 5.1.3)", self.stderr)

    def test_an_empty_mail_is_the_relays_to_refuse(self):
        relay = self.relay()
        self.assertEqual(self.call(relay.addresses[0], "-i", TO, stdin=""), DATAERR)
        self.assertIn("(554 5.6.0)", self.stderr)


class Flags(SendmailTest):
    def test_values_are_no_recipients_and_recipients_no_values(self):
        rows = [
            ("-f root a", "root", "a"), ("-froot a", "root", "a"), ("-r root a", "root", "a"),
            ("-rroot a", "root", "a"), ("-if root a", "root", "a"), ("-f <root@x> a", "root@x", "a"),
            ("-f <> a", "", "a"), ("-F name a", "", "a"), ("-B 8BITMIME a", "", "a"),
            ("-B8BITMIME a", "", "a"), ("-oem a", "", "a"), ("-odi a", "", "a"),
            ("-o em a", "", "a"), ("-oMr a", "", "a"), ("-q a", "", "a"), ("-qf a", "", "a"),
            ("-d a", "", "a"), ("-v a", "", "a"), ("-m a", "", "a"), ("-n a", "", "a"),
            ("-bm a", "", "a"), ("-b m a", "", "a"), ("-em a", "", "a"), ("-h 3 a", "", "a"),
            ("-N never a", "", "a"), ("-R full a", "", "a"), ("-V id a", "", "a"),
            ("-X /nonexistent a", "", "a"), ("-O IgnoreDots=1 a", "", "a"), ("-L tag a", "", "a"),
            ("-p ESMTP:host a", "", "a"), ("-A c a", "", "a"), ("-Ac a", "", "a"),
            ("-C file a", "", "a"), ("-s a", "", "a"), ("-c a", "", "a"), ("-- a", "", "a"),
            ("-i -- a b,c", "", "a b c"), ("a,b c", "", "a b c"), ("a a", "", "a a"),
            ("--foo a", "", "a"), ("-Qquarantine a", "", "a"), ("-Efoo a", "", "a"),
        ]
        for line, sender, recipients in rows:
            with self.subTest(line):
                self.assertEqual(self.call_server(*line.split()), OK, self.stderr)
                self.assertEqual(self.server.envelope()[0], "MAIL FROM:<%s>" % sender)
                self.assertEqual(self.recipients(), recipients.split())

    def test_a_number_with_spaces_is_one_recipient(self):
        self.assertEqual(self.call_server("-i", "+34 600 000 000"), OK)
        self.assertEqual(self.recipients(), ["+34 600 000 000"])

    def test_wrong_usage(self):
        for arguments in ([], ["-i"], ["-f"], ["-i", "-f", "root"], ["a", "-t"], ["--", "-t"],
                          ["-"], ["-i", "-"], ["-f", "a,b", "c"], [""], [","]):
            with self.subTest(arguments):
                self.assertEqual(self.call("127.0.0.1:1", *arguments), USAGE)
                self.assertTrue(self.stderr.startswith("smsrelay sendmail: "), self.stderr)

    def test_nothing_typed_becomes_a_command(self):
        for hostile in ("a>\r\nRCPT TO:<b", "a\nDATA", "a\rb", "a>b", "<a", "a <b> c>", "a\tb",
                        "a\x7f", '"a\r\nHOLD"@x', "<a\r\n>", "a> SIZE=1", "a\nRCPT TO: b",
                        "a\n <b>", "a (\n) b"):
            for arguments in (["-i", hostile], ["-f", hostile, "a"], ["-f" + hostile, "a"]):
                with self.subTest(arguments):
                    self.assertEqual(self.call_server(*arguments), USAGE)
                    self.assertEqual(self.server.lines, [])
        for hostile in ('"a\n >b"@x', "<a\x00b>", "a>b", "Bob <a", '"Bob <a>', "(a", "a\x01"):
            with self.subTest(hostile):
                self.assertEqual(self.call_server("-t", stdin="To: %s\n\nx\n" % hostile), DATAERR)
                self.assertEqual(self.server.lines, [])

    def test_options_of_the_relay_are_not_taken(self):
        decoy = Server()
        self.assertEqual(self.call_server("-s", "-i", "a"), OK)
        self.assertEqual(self.call_server("-s" + decoy.address, "a"), OK, self.stderr)
        self.assertEqual(self.call_server("-C", decoy.address, "a"), OK, self.stderr)
        decoy.close()
        self.assertEqual(decoy.lines, [])

    def test_other_modes(self):
        rows = [("-bi", OK), ("-I", OK), ("-q", OK), ("-q30m", OK), ("-bp", UNAVAILABLE),
                ("-bd", UNAVAILABLE), ("-bv", UNAVAILABLE), ("-bt", UNAVAILABLE)]
        for word, code in rows:
            with self.subTest(word):
                self.assertEqual(self.call("127.0.0.1:1", word), code)

    def test_oeq_is_silent(self):
        self.assertEqual(self.call_server("-oeq", "a", answers={"RCPT": "550 5.1.3 no"}), NOUSER)
        self.assertEqual(self.stderr, "")


class Header(SendmailTest):
    def call_t(self, mail, *arguments, **options):
        return self.call_server("-t", *arguments, stdin=mail, **options)

    def test_recipients_of_the_header(self):
        mail = ('Received: from a; b\nTO: "On call, night" <+34600000001@sms>,\n'
                "\t=?utf-8?q?J=C3=B6rg?= <+34600000002> (mobile, private),\n"
                " +34 600 000 003\nX-To: nobody\ncc : team: oncall, root;\n"
                "Reply-To: nobody\nSubject: To: nobody\n  To: nobody\n\nTo: nobody\n")
        self.assertEqual(self.call_t(mail, "-i", "last"), OK, self.stderr)
        self.assertEqual(self.recipients(), ["last", "+34600000001@sms", "+34600000002",
                                             "+34 600 000 003", "oncall", "root"])
        self.assertEqual(self.server.content, mail.replace("\n", "\r\n").encode())

    def test_bcc_is_a_recipient_and_not_sent(self):
        mail = "bcc: a,\n  b\nTo: c\nBCC: d\nSubject: s\nBcc: e\n\nBcc: f\n"
        self.assertEqual(self.call_t(mail), OK, self.stderr)
        self.assertEqual(self.recipients(), ["a", "b", "c", "d", "e"])
        self.assertEqual(self.server.content, b"To: c\r\nSubject: s\r\n\r\nBcc: f\r\n")

    def test_only_bcc(self):
        self.assertEqual(self.call_t("Bcc: a\n\nx"), OK, self.stderr)
        self.assertEqual(self.server.content, b"\r\nx\r\n")

    def test_crlf(self):
        self.assertEqual(self.call_t("To: a,\r\n b\r\nBcc: c\r\n\r\nx\r\n"), OK)
        self.assertEqual(self.recipients(), ["a", "b", "c"])
        self.assertEqual(self.server.content, b"To: a,\r\n b\r\n\r\nx\r\n")

    def test_the_line_of_a_mailbox_goes(self):
        self.assertEqual(self.call_t("From root Mon Jan  5 10:00:00 2026\nTo: a\n\nx\n"), OK)
        self.assertEqual(self.server.content, b"To: a\r\n\r\nx\r\n")

    def test_a_text_without_header(self):
        self.assertEqual(self.call_t("From here on\nno header\nTo: b\n", "a"), OK)
        self.assertEqual(self.recipients(), ["a"])
        self.assertEqual(self.server.content, b"From here on\r\nno header\r\nTo: b\r\n")

    def test_nobody(self):
        for mail in ("", "x\n", "Subject: To\n\nTo: a\n", "To: undisclosed-recipients:;\n\nx\n",
                     "To:\n\nx\n", "To: <>\n\nx\n"):
            with self.subTest(mail):
                self.assertEqual(self.call_t(mail), USAGE)
                self.assertIn("no recipients", self.stderr)

    def test_without_t_the_header_is_only_text(self):
        mail = "To: a\nBcc: b\n\nx\n"
        self.assertEqual(self.call_server("-i", "c", stdin=mail), OK)
        self.assertEqual(self.recipients(), ["c"])
        self.assertEqual(self.server.content, mail.replace("\n", "\r\n").encode())

    def test_many_recipients(self):
        count = 2000
        mail = "To: " + ",\n ".join("u%d" % i for i in range(count)) + "\n\nx\n"
        self.assertEqual(self.call_t(mail), OK, self.stderr)
        self.assertEqual(self.recipients(), ["u%d" % i for i in range(count)])

    def test_a_header_without_end(self):
        self.assertEqual(self.call_t("To: a\nX: " + "x" * 300000 + "\n\nx\n"), DATAERR)
        self.assertEqual(self.call_t("To: a\n" + "X: x\n" * 70000 + "\nx\n"), DATAERR)
        self.assertEqual(self.server.lines, [])


class Content(SendmailTest):
    def sent(self, *flags, stdin):
        self.assertEqual(self.call_server(*flags, "a", stdin=stdin), OK, self.stderr)
        return self.server.content

    def test_lines(self):
        rows = [
            # stdin, the content with -i, and the content without if that differs
            (b"x", b"x\r\n"), (b"x\n", b"x\r\n"), (b"x\r\n", b"x\r\n"), (b"x\r", b"x\r\n"),
            (b"a\nb\r\nc", b"a\r\nb\r\nc\r\n"), (b"\n\n", b"\r\n\r\n"),
            (b"a\rb\n", b"a\rb\r\n"), (b"a\r\r\nb", b"a\r\r\nb\r\n"),
            (b"\r.\r\n", b"\r.\r\n"), (b"a\r.\r\nb\n", b"a\r.\r\nb\r\n"),
            (b"..\n.a\n", b"...\r\n..a\r\n"), (b".\r.\nx", b"..\r.\r\nx\r\n"),
            (b"a\n.\nb\n", b"a\r\n..\r\nb\r\n", b"a\r\n"),
            (b"a\r\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n", b"a\r\n"),
            (b"a\n.", b"a\r\n..\r\n", b"a\r\n"), (b"a\n.\r", b"a\r\n..\r\n", b"a\r\n"),
            (b".\nb", b"..\r\nb\r\n", b""), (b".\nRSET\nHOLD\n", b"..\r\nRSET\r\nHOLD\r\n", b""),
            (b"\0\xff\n", b"\0\xff\r\n"), (b"", b""),
        ]
        for stdin, with_i, *without in rows:
            with self.subTest(stdin):
                for flag in ("-i", "-oi"):
                    self.assertEqual(self.sent(flag, stdin=stdin), with_i)
                self.assertEqual(self.sent(stdin=stdin), (without or [with_i])[0])
                self.assertEqual(self.server.lines[-1], "DATA")  # nothing was sent after the dot

    def test_a_big_mail(self):
        lines = [b".%d %s" % (i, b"x" * (i % 200)) for i in range(60000)]
        stdin = b"To: a\nBcc: b\n\n" + b"\n".join(lines) + b"\n"
        self.assertEqual(self.call_server("-t", "-i", stdin=stdin), OK, self.stderr)
        expected = b"To: a\r\n\r\n" + b"".join(b"." + line + b"\r\n" for line in lines)
        self.assertEqual(len(self.server.content), len(expected))
        self.assertTrue(self.server.content == expected)

    def test_a_big_mail_of_one_line(self):
        self.assertEqual(self.sent("-i", stdin=b"x" * 3000000), b"x" * 3000000 + b"\r\n")

    def test_the_dot_ends_a_mail_whose_writer_goes_on(self):
        self.server = Server()
        process = subprocess.Popen(
            self.command("a"), stdin=subprocess.PIPE, stderr=subprocess.PIPE,
            env=support.clean_environment(SMSRELAY_SOCKET=self.server.address))
        process.stdin.write(b"x\n.\n")
        process.stdin.flush()
        self.assertEqual(process.wait(PATIENCE), OK)
        process.stdin.close()
        process.stderr.close()
        self.server.close()
        self.assertEqual(self.server.content, b"x\r\n")

    def test_half_a_mail_is_none(self):
        self.server = Server()
        process = subprocess.Popen(
            self.command("-i", "a"), stdin=subprocess.PIPE, stderr=subprocess.PIPE,
            env=support.clean_environment(SMSRELAY_SOCKET=self.server.address))
        process.stdin.write(b"x\n" * 300000)
        process.stdin.flush()
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
        process.stdin.close()
        process.stderr.close()
        self.server.close()
        self.assertFalse(self.server.ended_by_dot)

    def test_stdin_that_breaks_within_a_big_mail(self):
        self.server = Server()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            writer = socket.create_connection(listener.getsockname())
            stdin, _ = listener.accept()
        process = subprocess.Popen(
            self.command("-i", "a"), stdin=stdin, stderr=subprocess.PIPE,
            env=support.clean_environment(SMSRELAY_SOCKET=self.server.address))
        stdin.close()
        writer.sendall(b"x\n" * 150000)
        self.server.started.wait(PATIENCE)
        writer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.close()
        self.assertEqual(process.wait(PATIENCE), IOERR)
        self.assertIn(b"stdin", process.stderr.read())
        process.stderr.close()
        self.server.close()
        self.assertFalse(self.server.ended_by_dot)

    def test_stdin_that_cannot_be_read(self):
        self.server = Server()
        folder = os.open(self.folder.name, os.O_RDONLY)
        done = subprocess.run(
            self.command("-i", "a"), stdin=folder, stderr=subprocess.PIPE, timeout=PATIENCE,
            env=support.clean_environment(SMSRELAY_SOCKET=self.server.address))
        os.close(folder)
        self.server.close()
        self.assertEqual(done.returncode, IOERR)
        self.assertEqual(self.server.lines, [])


class Refusals(SendmailTest):
    def test_exit_codes(self):
        rows = [
            (OK, {}),
            (TEMPFAIL, {"MAIL": "451 4.3.0 no"}),
            (UNAVAILABLE, {"MAIL": "553 5.1.7 no"}),
            (NOUSER, {"RCPT": "550 5.1.3 no"}),
            (NOUSER, {"RCPT": "550 5.1.1 no"}),
            (UNAVAILABLE, {"RCPT": "550 5.7.1 no"}),
            (TEMPFAIL, {"RCPT": "450 4.7.1 no"}),
            (TEMPFAIL, {"DATA": "421 4.3.2 no"}),
            (UNAVAILABLE, {"DATA": "554 5.5.1 no"}),
            (TEMPFAIL, {".": "451 4.3.0 no"}),
            (TEMPFAIL, {".": "452-4.3.1 no\r\n452 4.3.1 really"}),
            (DATAERR, {".": "554 5.6.0 no"}),
            (DATAERR, {".": "552 5.3.4 no"}),
            (UNAVAILABLE, {".": "what is this"}),
        ]
        for code, answers in rows:
            with self.subTest(answers):
                self.assertEqual(self.call_server("-i", "a", answers=answers), code)
                for answer in answers.values():
                    self.assertIn("no", self.stderr)

    def test_the_relay_goes_away(self):
        for verb in ("NOOP", "MAIL", "RCPT", "DATA", "."):
            with self.subTest(verb):
                self.assertEqual(self.call_server("-i", "a", answers={verb: None}), TEMPFAIL)
                self.assertIn("closed the connection", self.stderr)

    def test_the_relay_goes_away_within_a_big_mail(self):
        self.assertEqual(self.call_server("-i", "a", stdin=b"x\n" * 4000000,
                                          content_limit=1000000), TEMPFAIL)

    def test_greetings(self):
        for greeting, code in (("421 4.3.2 not now", TEMPFAIL), ("554 5.7.1 never", UNAVAILABLE),
                               ("SSH-2.0-x", UNAVAILABLE), (None, TEMPFAIL)):
            with self.subTest(greeting):
                self.assertEqual(self.call_server("-i", "a", greeting=greeting), code)
                self.assertNotEqual(self.stderr, "")

    def test_no_relay(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = "127.0.0.1:%d" % listener.getsockname()[1]
        self.assertEqual(self.call(address, "-i", "a", stdin="x"), TEMPFAIL)
        self.assertIn("no relay at " + address, self.stderr)
        self.assertEqual(self.call("/nonexistent/socket", "-i", "a", stdin="x"), TEMPFAIL)
        self.assertEqual(self.call("nonsense", "-i", "a", stdin="x"), CONFIG)
        self.assertEqual(self.call(address, "-bs"), TEMPFAIL)

    def test_a_writer_of_much_gets_the_exit_code_and_no_broken_pipe(self):
        process = subprocess.Popen(
            self.command("-i", "a"), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=support.clean_environment(SMSRELAY_SOCKET="/nonexistent/socket"))
        for _ in range(1000):
            process.stdin.write(b"x\n" * 1000)
        process.stdin.close()
        self.assertEqual(process.wait(PATIENCE), TEMPFAIL)

    def test_the_others_get_the_mail(self):
        self.assertEqual(self.call_server("-i", "a", "b", "c", answers={
            "RCPT TO:<b>": "550 5.1.3 no number"}), NOUSER)
        self.assertEqual(self.stderr, "smsrelay sendmail: b: no number (550 5.1.3)\n")
        self.assertEqual(self.recipients(), ["a", "b", "c"])
        self.assertTrue(self.server.ended_by_dot)

    def test_the_worse_refusal_is_told(self):
        for first, second in (("550 5.1.3 x", "550 5.7.1 x"), ("550 5.7.1 x", "550 5.1.3 x")):
            self.assertEqual(self.call_server("-i", "a", "b", "c", answers={
                "RCPT TO:<b>": first, "RCPT TO:<c>": second}), UNAVAILABLE)
            self.assertTrue(self.server.ended_by_dot)

    def test_nobody_gets_it_where_one_is_refused_for_now(self):
        self.assertEqual(self.call_server("-i", "a", "b", "c", answers={
            "RCPT TO:<b>": "452 4.5.3 later", "RCPT TO:<c>": "550 5.1.3 no"}), TEMPFAIL)
        self.assertIn("b: later (452 4.5.3)", self.stderr)
        self.assertIsNone(self.server.content)


class Dialogue(SendmailTest):
    def test_a_dialogue(self):
        relay = self.relay()
        self.process = subprocess.Popen(
            self.command("-bs"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=support.clean_environment(SMSRELAY_SOCKET=relay.addresses[0]))
        self.assertTrue(self.process.stdout.readline().startswith(b"220 "))
        for line, code in (("HELO me", b"250"), ("MAIL FROM:<root@x>", b"250"),
                           ("RCPT TO:<123>", b"550"), ("RCPT TO:<%s>" % TO, b"250"),
                           ("DATA", b"354"), ("Subject: s\r\n\r\n..Hello\r\n.", b"250"),
                           ("QUIT", b"221")):
            self.process.stdin.write(line.encode() + b"\r\n")
            self.process.stdin.flush()
            self.assertEqual(self.process.stdout.readline()[:3], code, line)
        # The relay has closed: it ends although its stdin is open.
        self.assertEqual(self.process.wait(PATIENCE), OK)
        self.process.stdin.close()
        self.process.stdout.close()

    def test_all_at_once(self):
        relay = self.relay()
        commands = "NOOP\r\n" * 50000
        self.assertEqual(self.call(relay.addresses[0], "-bs", stdin=commands), OK)
        self.assertEqual(self.stdout.count("250 2.0.0"), 50000)

    def test_lines_of_netcat(self):
        relay = self.relay()
        self.assertEqual(self.call(relay.addresses[0], "-bs", stdin="SEND %s Hello\nQUIT\n" % TO),
                         OK)
        self.assertIn("250 2.0.0 queued", self.stdout)


if __name__ == "__main__":
    unittest.main()
