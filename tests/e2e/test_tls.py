"""TLS: certificates, STARTTLS, and listeners that begin with it."""

import contextlib
import http.client
import os
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

import certificates
from relaying import eventually
from support import (CONFIG, IS_SLOW, OK, PATIENCE, TO, Client, TestCase, clean_environment, open_socket,
                     parse_reply, run)
from test_clock import LIBRARY

GOOD = {"api.url": "sandbox", "sms.default_country": "34"}


def options(settings):
    return [word for item in settings.items() for word in ("-o", "%s=%s" % item)]


class TlsTest(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.root = certificates.make(cls.folder, "root", ca=True)
        cls.good = certificates.make(cls.folder, "good", cls.root, names=("localhost", "127.0.0.1"))
        cls.context = ssl.create_default_context(cafile=cls.root.path)

    def start(self, certificate=None, **settings):
        return self.relay({**certificates.settings(certificate or self.good),
                           "listen.tls_address": "127.0.0.1:0", **settings})

    def plain(self, relay):
        return relay.addresses[0]

    def encrypted(self, relay):
        """The listener that begins with TLS."""
        return relay.addresses[1]

    def wrap(self, client, context=None):
        """Begins TLS, and returns the client."""
        client.socket = (context or self.context).wrap_socket(client.socket, server_hostname="localhost")
        return client

    def starttls(self, relay, context=None):
        client = self.client(relay)
        self.assertEqual(client.ask("STARTTLS"), ["220 2.0.0 start TLS"])
        return self.wrap(client, context)

    def begin(self, relay, context=None):
        client = self.client(relay, self.encrypted(relay), greets=False)
        self.wrap(client, context)
        self.assertReply(client.read_reply(), "220 ")
        return client

    def assertCutOff(self, client):
        with contextlib.suppress(ConnectionResetError):
            self.assertIsNone(client.read_line())

    def names(self, client):
        """The subject of the certificate that the relay has shown."""
        return client.socket.getpeercert()["subject"][0][0][1]


class Checked(TlsTest):
    """What `check` says of certificates, and whether a relay starts."""

    def check(self, certificate, **settings):
        return run("check", *options({**GOOD, **certificates.settings(certificate), **settings}))

    def assertRefused(self, certificate, words, key=False):
        checked = self.check(certificate)
        self.assertEqual(checked.returncode, CONFIG, checked.stderr)
        self.assertRegex(checked.stderr, r'^-o tls\.%s: ".*" %s\n$' % ("key" if key else "certificate", words))

    def make(self, name, *arguments, **more):
        return certificates.make(self.folder, name, *arguments, **more)

    def test_a_good_one(self):
        alone = self.make("alone")
        middle = self.make("middle", self.root, ca=True)
        leaf = self.make("leaf", middle)
        chain = certificates.join(self.folder, "chain", leaf, middle, self.root)
        for certificate in alone, leaf._replace(path=chain):
            checked = self.check(certificate)
            self.assertEqual((checked.returncode, checked.stderr), (OK, ""))

    def test_of_rsa_and_in_one_file(self):
        rsa = self.make("rsa", key="rsa")
        with open(rsa.key, "a") as both:
            both.write(open(rsa.path).read())
        checked = self.check(rsa._replace(path=rsa.key))
        self.assertEqual((checked.returncode, checked.stderr), (OK, ""))

    def test_files(self):
        missing = self.good._replace(path=self.folder + "/none")
        self.assertRefused(missing, "cannot be read: No such file or directory")
        self.assertRefused(self.good._replace(key=self.folder + "/none"), "does not exist", key=True)
        self.assertRefused(self.good._replace(path=self.good.key), r"holds no certificate \(PEM\)")
        private = os.path.join(self.folder, "no.key")
        with open(private, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(open(self.good.path).read())
        self.assertRefused(self.good._replace(key=private), r"holds no private key \(PEM\)", key=True)
        os.chmod(private, 0o644)
        self.assertRefused(self.good._replace(key=private),
                           r"is open to others: its mode must be 0640 or less \(chmod 600\)", key=True)
        damaged = os.path.join(self.folder, "damaged")
        with open(damaged, "w") as file:
            text = open(self.good.path).read()
            file.write(text + text.replace("MII", "M!I"))
        self.assertRefused(self.good._replace(path=damaged), "is damaged: certificate 2 cannot be read")

    def test_a_key_with_a_passphrase(self):
        locked = os.path.join(self.folder, "locked.key")
        subprocess.run(["openssl", "pkey", "-in", self.good.key, "-out", locked, "-aes128", "-passout",
                        "pass:secret"], check=True, capture_output=True)
        os.chmod(locked, 0o600)
        self.assertRefused(self.good._replace(key=locked), "needs a passphrase: store the key without one",
                           key=True)

    def test_a_key_of_another(self):
        self.assertRefused(self.good._replace(key=self.root.key), "does not fit the certificate", key=True)

    def test_out_of_order(self):
        middle = self.make("middle", self.root, ca=True)
        leaf = self.make("leaf", middle)
        backwards = certificates.join(self.folder, "backwards", middle, leaf)
        self.assertRefused(leaf._replace(path=backwards),
                           "is out of order: its certificate 2 is the relay's own.* must come first")
        mixed = certificates.join(self.folder, "mixed", leaf, self.root, middle)
        self.assertRefused(leaf._replace(path=mixed),
                           "is out of order: its certificate 3 has issued certificate 1, .*")

    def test_incomplete(self):
        middle = self.make("middle", self.root, ca=True)
        leaf = self.make("leaf", middle)
        checked = self.check(leaf)
        self.assertEqual(checked.returncode, OK)
        self.assertIn('warning: "%s" may lack a certificate: that of CN=middle, the issuer of its '
                      "certificate 1," % leaf.path, checked.stderr)

    def test_too_weak(self):
        self.assertRefused(self.make("short", key="rsa1024"), "is too weak: the key .* of 1024 bits; .*")
        self.assertRefused(self.make("sha1", self.root, digest="sha1"),
                           "is too weak: the signature of its certificate 1 .*")

    def test_time(self):
        self.assertRefused(self.make("over", days=30, at="60 days ago"), r"expired on 20\d\d-.* UTC")
        self.assertRefused(self.make("early", at="+2 days"), "is not valid before .*; is the clock right\\?")
        soon = self.check(self.make("soon", days=12))
        self.assertEqual(soon.returncode, OK)
        self.assertRegex(soon.stderr, r'tls\.certificate: warning: ".*" ends in 1[12] days\n$')

    def test_settings_that_need_it(self):
        checked = run("check", *options({**GOOD, "listen.tls_address": "127.0.0.1:0"}))
        self.assertEqual(checked.returncode, CONFIG)
        self.assertIn("-o listen.tls_address: needs a certificate: set tls.certificate and tls.key\n",
                      checked.stderr)
        for name in "http.tls", "reports.tls":
            checked = self.check(self.good, **{name: "yes"})
            self.assertEqual(checked.returncode, CONFIG)
            self.assertIn("-o %s: cannot be yes: this version speaks no HTTPS" % name, checked.stderr)
        for name, other in (("tls.certificate", "tls.key"), ("tls.key", "tls.certificate")):
            checked = run("check", *options({**GOOD, name: "/dev/null"}))
            self.assertEqual(checked.returncode, CONFIG)
            self.assertIn("%s: must be set if %s is" % (other, name), checked.stderr)

    def test_a_start(self):
        """One that cannot be used fails the start; one that is over only loses those who look."""
        ended = run("serve", *options({**GOOD, **certificates.settings(
            self.good._replace(key=self.root.key))}))
        self.assertEqual(ended.returncode, CONFIG)
        self.assertIn("does not fit the certificate", ended.stderr)
        relay = self.start(self.make("over", days=30, at="60 days ago"))
        line = relay.wait_log("certificate_invalid", level="error")
        self.assertRegex(line["reason"], "^expired on ")
        self.assertReply(self.starttls(relay, ssl._create_unverified_context()).ask("NOOP"), "250")
        self.assertLess(int(relay.stats()["tls_certificate_not_after"]), 1 << 31)


class StartTls(TlsTest):
    def test_a_mail(self):
        relay = self.start()
        host, port = self.plain(relay).split(":")
        with smtplib.SMTP("localhost", int(port)) as mail:
            mail.ehlo()
            self.assertTrue(mail.has_extn("starttls"))
            self.assertEqual(mail.starttls(context=self.context)[0], 220)
            mail.ehlo()
            self.assertFalse(mail.has_extn("starttls"))
            self.assertEqual(mail.sock.version(), "TLSv1.3")
            mail.sendmail("ups@example.org", [TO + "@sms"], "Hello in secret")
        with smtplib.SMTP_SSL("localhost", int(self.encrypted(relay).split(":")[1]),
                              context=self.context) as mail:
            mail.sendmail("ups@example.org", [TO + "@sms"], "Hello at once")
        eventually(lambda: relay.sandbox.texts() == ["Hello in secret", "Hello at once"])
        stats = relay.stats()
        self.assertEqual((stats["tls_handshakes_total"], stats["tls_failed_total"]), ("2", "0"))

    def test_what_was_said_before_is_forgotten(self):
        relay = self.start(**{"smtp.auth": "any"})
        client = self.client(relay)
        client.send("EHLO somebody", "AUTH PLAIN =", "MAIL FROM:<a@b>", "RCPT TO:<%s@sms>" % TO, "STARTTLS")
        self.assertReply(client.read_replies(5)[-1], "220 2.0.0")
        self.wrap(client)
        self.assertReply(client.ask("RCPT TO:<%s@sms>" % TO), "503 5.5.1 MAIL comes first")
        self.assertReply(client.ask("AUTH PLAIN ="), "235")
        self.assertReply(client.ask("STARTTLS"), "503 5.5.1 already encrypted")
        client.ask("SEND 5 refused")
        self.assertNotIn("helo", relay.wait_log("refused", command="SEND"))

    def test_a_web_page_gets_no_further_in_tls(self):
        relay = self.start()
        client = self.starttls(relay)
        client.send("POST / HTTP/1.1", "Host: x", "", "SEND %s Hello" % TO)
        self.assertReply(client.read_reply(), "421 4.7.0")
        self.assertIsNone(client.read_line())
        self.assertEqual(relay.stats()["messages_accepted_total"], "0")

    def test_plain_text_behind_it(self):
        """Neither what came with it nor what came before the handshake is taken for a command."""
        relay = self.start()
        client = self.client(relay)
        client.send("EHLO x", "STARTTLS", "SEND %s Injected" % TO)
        client.read_reply()
        self.assertEqual(client.read_all(), ["421 4.7.0 plain text behind STARTTLS; closing"])
        relay.wait_log("refused", command="STARTTLS", reason="plain text behind STARTTLS")
        late = self.client(relay)
        late.ask("STARTTLS")
        late.send("SEND %s Injected" % TO)
        self.assertCutOff(late)
        relay.wait_log("tls_failed", reason="what came is not TLS: this client speaks plain text")
        stats = relay.stats()
        self.assertEqual((stats["tls_injections_total"], stats["messages_accepted_total"]), ("1", "0"))

    def test_replies_that_are_due_come_first(self):
        relay = self.start()
        client = self.client(relay)
        client.send(*["SEND %s Hello" % TO] * 500, "STARTTLS")
        replies = client.read_replies(501)
        self.assertEqual({reply[0][:9] for reply in replies[:-1]}, {"250 2.0.0"})
        self.assertReply(replies[-1], "220 2.0.0")
        self.assertReply(self.wrap(client).ask("NOOP"), "250")

    def test_not_while_watching(self):
        relay = self.start()
        client = self.client(relay)
        client.ask("WATCH")
        self.assertReply(client.ask("STARTTLS"), "503 5.5.1 WATCH is on")
        client.ask("UNWATCH")
        self.assertReply(client.ask("STARTTLS"), "220")
        self.wrap(client)
        client.ask("WATCH")
        client.submit()
        self.assertTrue(client.read_event().startswith("120 "))

    def test_the_wrong_door(self):
        relay = self.start()
        with self.assertRaises(ssl.SSLError), socket.create_connection(
                self.plain(relay).split(":")) as connection:
            self.context.wrap_socket(connection, server_hostname="localhost")
        relay.wait_log("refused", reason="this port does not begin with TLS, but with STARTTLS "
                                         "(or use listen.tls_address); closing")
        plain = self.client(relay, self.encrypted(relay), greets=False)
        plain.send("EHLO x")
        self.assertCutOff(plain)
        relay.wait_log("tls_failed", reason="what came is not TLS: this client speaks plain text")
        left = self.client(relay, self.encrypted(relay), greets=False)
        left.close()
        relay.wait_log("tls_failed", reason="the client has left before it began TLS")


class Bytes(TlsTest):
    """TLS as a stream: ends, and much at a time."""

    def test_many_commands_and_an_end(self):
        """A close_notify only ends the client's side."""
        relay = self.start()
        count = 20000
        for address in self.plain(relay), self.encrypted(relay):
            plain = open_socket(address)
            if address == self.plain(relay):
                plain.sendall(b"STARTTLS\r\n")
                told = b""
                while b"\r\n220 2.0.0" not in told or not told.endswith(b"\n"):
                    told += plain.recv(4096)
            link = Link(plain, self.context)
            link.write(b"SEND %s Hello\r\n" % TO.encode() * count)
            link.end()
            lines = link.read_all().split(b"\r\n")
            self.assertEqual(sum(line.startswith(b"250 2.0.0 queued") for line in lines), count)
            plain.close()

    def test_ends_that_cut(self):
        """Without a close_notify, what is whole counts, and no more."""
        relay = self.start()
        for end in b"SEND %s Half" % TO.encode(), b"DATA\r\nhalf\r\n":
            client = self.begin(relay)
            client.send("SEND %s Whole" % TO)
            client.send_bytes(end)
            os_socket = socket.socket(fileno=os.dup(client.socket.fileno()))
            os_socket.shutdown(socket.SHUT_WR)
            os_socket.close()
            lines = client.read_all()
            self.assertEqual([line[:9] for line in lines if not line.startswith("354")],
                             ["250 2.0.0", "500 5.5.2"])
        self.assertEqual(relay.stats()["messages_accepted_total"], "2")

    def test_replies_that_are_not_read(self):
        """They wait, and so do commands; then all go on."""
        relay = self.start()
        client = self.begin(relay)
        count = 40000
        sender = threading.Thread(target=lambda: client.send(*["HELP"] * count), daemon=True)
        sender.start()
        eventually(lambda: int(relay.stats()["bytes_out_total"]) > 100000)
        other = self.begin(relay)
        self.assertReply(other.ask("NOOP"), "250")
        for _ in range(count):
            client.read_reply()
        sender.join(PATIENCE)
        self.assertReply(client.ask("NOOP"), "250")

    def test_a_relay_that_stops(self):
        relay = self.start()
        client = self.begin(relay)
        waiting = self.client(relay, self.encrypted(relay), greets=False)
        relay.send_signal(signal.SIGTERM)
        self.assertEqual([line[:9] for line in client.read_all()], ["421 4.3.2"])
        self.assertEqual(waiting.read_all(), [])
        client.close()
        self.assertEqual(relay.wait(), OK)


class Link:
    """TLS over a socket that can end its side alone."""

    def __init__(self, connection, context):
        self.socket, self.input, self.output = connection, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.input, self.output, server_hostname="localhost")
        self.carry(self.tls.do_handshake)

    def carry(self, action):
        while True:
            try:
                return action()
            except ssl.SSLWantReadError:
                self.flush()
                self.fill()
            finally:
                self.flush()

    def flush(self):
        self.socket.sendall(self.output.read())

    def fill(self):
        data = self.socket.recv(65536)
        self.input.write(data) if data else self.input.write_eof()

    def write(self, data):
        """Reads meanwhile, so that neither side waits for the other."""
        self.read = []
        reader = threading.Thread(target=self._read_all)
        for start in range(0, len(data), 16384):
            self.tls.write(data[start:start + 16384])
        records = self.output.read()
        reader.start()
        self.socket.sendall(records)
        self.reader = reader

    def _read_all(self):
        while True:
            data = self.socket.recv(65536)
            self.read.append(data)
            if not data:
                return

    def end(self):
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush()

    def read_all(self):
        self.reader.join(PATIENCE)
        self.input.write(b"".join(self.read))
        self.input.write_eof()
        text = []
        with contextlib.suppress(ssl.SSLZeroReturnError):
            while data := self.tls.read(65536):
                text.append(data)
        return b"".join(text)


class Reloaded(TlsTest):
    def setUp(self):
        self.own = certificates.Certificate(*(os.path.join(self.folder, "own." + end) for end in ("pem", "key")))
        self.put(self.good)

    def put(self, certificate, key=None):
        for path, source in (self.own.path, certificate.path), (self.own.key, (key or certificate).key):
            with open(path + ".new", "w", opener=lambda p, flags: os.open(p, flags, 0o600)) as file:
                file.write(open(source).read())
            os.rename(path + ".new", path)

    def reload(self, relay):
        count = len(relay.log("reloaded"))
        relay.send_signal(signal.SIGHUP)
        relay.wait_log("reloaded", count + 1)

    def test_a_new_certificate(self):
        relay = self.start(self.own)
        old = self.begin(relay)
        session = self.resume(relay, None)
        self.put(certificates.make(self.folder, "better", self.root, days=300))
        self.reload(relay)
        self.assertReply(old.ask("NOOP"), "250")
        self.assertEqual(self.names(self.begin(relay)), "better")
        self.assertEqual(self.names(self.starttls(relay)), "better")
        self.assertIsNotNone(self.resume(relay, session), "the old tickets are good")
        self.assertEqual(relay.log("reloaded")[-1]["read"], "tls.certificate")
        self.assertEqual(len(relay.log("certificate_read", name="localhost")), 2)

    def resume(self, relay, session):
        """The session of a new connection, which resumes `session`."""
        context = ssl.create_default_context(cafile=self.root.path)
        context = self.__dict__.setdefault("resuming", context)
        with socket.create_connection(self.encrypted(relay).split(":")) as connection:
            with context.wrap_socket(connection, server_hostname="localhost", session=session) as tls:
                self.assertEqual(tls.recv(3), b"220")
                self.assertEqual(tls.session_reused, session is not None)
                return tls.session

    def test_a_bad_one(self):
        relay = self.start(self.own)
        over = certificates.make(self.folder, "over", days=30, at="60 days ago")
        for certificate, key, reason in ((over, None, "^expired on "),
                                         (self.good, self.root, "^does not fit the certificate$")):
            self.put(certificate, key)
            self.reload(relay)
            self.assertRegex(relay.log("certificate_kept", level="error")[-1]["reason"], reason)
            self.assertEqual(self.names(self.begin(relay)), "good")
        os.unlink(self.own.key)
        self.reload(relay)
        self.assertEqual(relay.log("certificate_kept")[-1]["reason"], "does not exist")
        self.put(self.good)
        self.reload(relay)
        self.assertEqual(len(relay.log("certificate_read")), 2)


class Spoken(TlsTest):
    """Versions and ciphers."""

    def test_versions(self):
        relay = self.start()
        for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
            context = ssl.create_default_context(cafile=self.root.path)
            context.minimum_version = context.maximum_version = version
            client = self.begin(relay, context)
            self.assertEqual(client.socket.version(), version.name.replace("_", "."))
            self.assertIsNone(client.socket.compression())
        old = self.s_client(relay, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
        self.assertIn("alert protocol version", old)
        relay.wait_log("tls_failed", reason="unsupported protocol")
        weak = self.s_client(relay, "-tls1_2", "-cipher", "AES128-SHA:AES128-GCM-SHA256")
        self.assertIn("handshake failure", weak)
        relay.wait_log("tls_failed", reason="no shared cipher")

    def s_client(self, relay, *words, stdin=""):
        return subprocess.run(["openssl", "s_client", "-connect", self.encrypted(relay), *words],
                              input=stdin, capture_output=True, text=True, timeout=PATIENCE,
                              env=clean_environment()).stderr

    def test_no_renegotiation(self):
        relay = self.start()
        self.assertIn("no renegotiation", self.s_client(relay, "-tls1_2", stdin="R\nQUIT\n"))

    def test_clients(self):
        self.need("curl", "swaks")
        relay = self.start()
        plain, tls = self.plain(relay), self.encrypted(relay)
        mail = os.path.join(self.folder, "mail")
        with open(mail, "w") as file:
            file.write("Subject: x\r\n\r\nHello from curl\r\n")
        curl = ["curl", "-sS", "--cacert", self.root.path, "--mail-from", "a@b", "--mail-rcpt", TO + "@sms",
                "-T", mail]
        swaks = ["swaks", "--from", "a@b", "--to", TO[1:] + "@sms", "--suppress-data"]
        commands = [[*curl, "smtps://" + tls], [*curl, "--ssl-reqd", "smtp://" + plain],
                    [*swaks, "--server", plain, "--tls"], [*swaks, "--server", tls, "--tls-on-connect"]]
        for words in commands:
            done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE,
                                  env=clean_environment())
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(relay.stats()["messages_accepted_total"], str(len(commands)))


class Handshakes(TlsTest):
    @unittest.skipIf(LIBRARY is None or IS_SLOW, "needs libfaketime, and no sanitizer or wrapper")
    def test_slow_ones(self):
        """Ten seconds of the relay are a tenth of one."""
        relay = self.relay({**certificates.settings(self.good), "listen.tls_address": "127.0.0.1:0"},
                           env={"LD_PRELOAD": LIBRARY, "FAKETIME": "+0 x100"})
        silent = self.client(relay, self.encrypted(relay), greets=False)
        half = self.client(relay)
        half.ask("STARTTLS")
        half.send_bytes(b"\x16\x03\x01\x02\x00\x01")
        self.assertEqual(silent.read_all(), [])
        self.assertEqual(half.read_all(), [])
        relay.wait_log("tls_failed", reason="no TLS hello came in time; does the client wait for plain text?")
        relay.wait_log("tls_failed", reason="the handshake took too long")
        self.assertEqual(relay.stats()["tls_failed_total"], "2")

    def test_too_many(self):
        """The oldest makes room, but not at once."""
        relay = self.start()
        many = [self.client(relay, self.encrypted(relay), greets=False) for _ in range(256)]
        client = self.client(relay)
        self.assertReply(client.ask("STARTTLS"), "454 4.7.0")
        turned_away = self.client(relay, self.encrypted(relay), greets=False)
        self.assertEqual(turned_away.read_all(), [])
        relay.wait_log("refused", reason="too many TLS handshakes are under way")
        eventually(lambda: client.ask("STARTTLS")[0].startswith("220"))
        self.assertReply(self.wrap(client).ask("NOOP"), "250")
        self.assertEqual(many[0].read_all(), [])
        relay.wait_log("tls_failed", reason="its place was needed")
        self.assertGreater(int(relay.stats()["tls_refused_total"]), 1)


if __name__ == "__main__":
    unittest.main()
