"""The programs and libraries that people send mail with: what arrives, and what they say."""

import email.message
import os
import smtplib
import subprocess
import tempfile
import unittest

import support
from relaying import eventually
from support import PATIENCE, TestCase

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FILES = os.path.join(ROOT, "tests", "clients")
BUILD = os.path.join(ROOT, "build", "clients")

SENDER = "device@example.com"
DOMAIN = "@sms.example"
A, B, BAD = "+34600000001", "+34600000002", "+3460"
LONG = " ".join("%03d words that go on and on," % number for number in range(14))  # 3 parts

TEXTS = {"plain": "Disk full on nas1",
         "UTF-8": "Temperatura 38 \u00b0C, m\u00e1s de 30 \u20ac \u2013 \u0394\u03b9\u03b1",
         "long": LONG}


def content(text, ending="\n"):
    """A mail as scripts write it."""
    return ending.join(["From: Device <%s>" % SENDER, "MIME-Version: 1.0",
                        "Content-Type: text/plain; charset=utf-8",
                        "Content-Transfer-Encoding: 8bit", "", text, ""]).encode()


class ClientTest(TestCase):
    def setUp(self):
        self.the_relay = self.relay()
        self.host, self.port = self.the_relay.addresses[0].split(":")

    def call(self, *words, stdin=b"", timeout=PATIENCE, cwd=None, **env):
        """Runs a client. Returns None when it says that the mail was sent, else what it says."""
        done = subprocess.run(words, input=stdin, timeout=timeout, cwd=cwd, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env=support.clean_environment(**env))
        return None if done.returncode == 0 else done.stdout.decode(errors="replace")

    def check(self, send, refusal=r"\b55?[01]\b|5\.1\.3|not a telephone number", pair=(A, B)):
        """send(recipients, text) returns None, or the words with which the client failed."""
        expected = []
        good = [(name, [A], text) for name, text in TEXTS.items()]
        for name, numbers, text in good + [("two recipients", pair, "To both of you")]:
            self.assertIsNone(send([number + DOMAIN for number in numbers], text), name)
            expected += [(number, text) for number in numbers]
        self.assertRegex(send([BAD + DOMAIN], "never") or "sent", refusal)
        sandbox = self.the_relay.sandbox
        eventually(lambda: len(sandbox.texts()) >= len(expected), "all messages are relayed")
        record = sandbox.record()["messages"]
        self.assertEqual(sorted((message["to"], message["text"]) for message in record),
                         sorted(expected))


class Clients(ClientTest):
    def test_smtplib(self):
        def send(to, text):
            mail = email.message.EmailMessage()
            mail["From"], mail["To"] = SENDER, ", ".join(to)
            mail.set_content(text)
            try:
                with smtplib.SMTP(self.host, self.port, timeout=PATIENCE) as client:
                    client.send_message(mail)
            except smtplib.SMTPException as refused:
                return str(refused)
            return None

        self.check(send)

    def test_curl(self):
        self.need("curl")

        def send(to, text):
            recipients = [word for one in to for word in ("--mail-rcpt", one)]
            return self.call("curl", "-sS", "--url", "smtp://%s:%s" % (self.host, self.port),
                             "--mail-from", SENDER, *recipients, "-T", "-",
                             stdin=content(text, "\r\n"))

        self.check(send)

    def test_curl_as_a_web_client(self):
        """Nothing of an HTTP request is acted on, however long its first line is."""
        self.need("curl")
        for length in (1, 1500, 66000):
            url = "http://%s:%s/%s" % (self.host, self.port, "a" * length)
            said = self.call("curl", "-sS", "--http0.9", "-X", "DATA", "--data-binary", "@-", url,
                             stdin=("\r\n.\r\nSEND %s smuggled\r\n" % A).encode())
            self.assertNotIn("354", said or "")
        with self.the_relay.connect() as client:
            self.assertEqual(client.stats()["guard_closed_total"], "3")
            client.submit("after", options="ACK=relayed")
        self.assertEqual(self.the_relay.sandbox.texts(), ["after"])

    def test_msmtp(self):
        self.need("msmtp")
        with tempfile.NamedTemporaryFile("w") as config:
            config.write("account default\nhost %s\nport %s\nfrom %s\n" %
                         (self.host, self.port, SENDER))
            config.flush()

            def send(to, text, *options):
                return self.call("msmtp", "--file=" + config.name, *options, "--", *to,
                                 stdin=content(text))

            self.check(send)
            self.assertIn("does not support DSN", send([A + DOMAIN], "x", "--dsn-notify=failure"))
            self.assertIn("does not support DSN", send([A + DOMAIN], "x", "--dsn-return=headers"))

    def test_swaks(self):
        self.need("swaks")

        def send(to, text):
            return self.call("swaks", "--server", self.host, "--port", self.port, "--from", SENDER,
                             "--to", ",".join(to).replace("+", "00"),  # takes "+" for an option
                             "--data", "-", "--suppress-data", stdin=content(text))

        self.check(send)

    def test_nullmailer(self):
        program = os.path.join(BUILD, "nullmailer", "usr", "lib", "nullmailer", "smtp")
        self.need(program)

        def send(to, text):
            with tempfile.TemporaryFile() as queued:
                queued.write("\n".join([SENDER, *to, "", ""]).encode() + content(text))
                queued.seek(0)
                words = 'exec "$0" --host="$1" --port="$2" 3<&0 < /dev/null'
                done = subprocess.run(["sh", "-c", words, program, self.host, self.port],
                                      stdin=queued, capture_output=True, timeout=PATIENCE,
                                      env=support.clean_environment(HELOHOST="device"))
            return None if done.returncode == 0 else (done.stderr + done.stdout).decode()

        self.check(send)

    def test_net_smtp(self):
        self.need("perl")
        self.check(lambda to, text: self.call(
            "perl", os.path.join(FILES, "net_smtp.pl"), self.host, self.port, SENDER, *to,
            stdin=content(text)))

    def test_nodemailer(self):
        modules = os.path.join(BUILD, "node_modules")
        self.need("node", os.path.join(modules, "nodemailer"))
        self.check(lambda to, text: self.call(
            "node", os.path.join(FILES, "nodemailer.cjs"), self.host, self.port, SENDER, text, *to,
            NODE_MODULES=modules))

    def test_dev_tcp(self):
        self.need("bash")
        self.check(lambda to, text: self.call(
            "bash", os.path.join(FILES, "dev_tcp.sh"), self.host, self.port, SENDER, *to,
            stdin=content(text)))

    def test_netcat(self):
        """It sends everything at once, and exits with 0 whatever it is answered."""
        self.need("nc")

        def send(to, text):
            commands = ["EHLO device", "MAIL FROM:<%s>" % SENDER,
                        *("RCPT TO:<%s>" % one for one in to), "DATA"]
            stdin = "\r\n".join(commands).encode() + b"\r\n" + content(text, "\r\n") + \
                b".\r\nQUIT\r\n"
            done = subprocess.run(["nc", "-w", "10", self.host, self.port], input=stdin,
                                  capture_output=True, timeout=PATIENCE)
            self.assertEqual(done.returncode, 0)
            replies = done.stdout.decode().splitlines()
            self.assertTrue(replies[-1].startswith("221 "), replies)
            bad = [line for line in replies if line[0] in "45"]
            return "\n".join(bad) or None

        self.check(send)


if __name__ == "__main__":
    unittest.main()
