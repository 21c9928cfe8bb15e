"""Logging in: by mail libraries, and what becomes of the password (nothing)."""

import base64
import smtplib
import subprocess
import tempfile
import unittest

from support import PATIENCE, TO, TestCase, clean_environment

NAME, PASSWORD = "device-name", "s3cret-passw0rd"
CONTENT = "Subject: Alert\r\n\r\nDisk full\r\n"


class Auth(TestCase):
    def start(self, **settings):
        self.the_relay = self.relay({"log.level": "debug", **settings})

    def client_of_mail(self):
        host, port = self.the_relay.addresses[0].split(":")
        client = smtplib.SMTP(host, port)
        client.user, client.password = NAME, PASSWORD
        self.addCleanup(client.close)
        client.ehlo("device")
        return client

    def test_as_libraries_do(self):
        self.start(**{"smtp.auth": "any"})
        for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
            for is_initial in (True, False):
                client = self.client_of_mail()
                method = getattr(client, "auth_" + mechanism.lower().replace("-", "_"))
                code, _ = client.auth(mechanism, method, initial_response_ok=is_initial)
                self.assertEqual(code, 235, (mechanism, is_initial))
                self.assertEqual(client.sendmail("a@b", [TO + "@sms"], CONTENT), {})
        client = self.client_of_mail()
        self.assertEqual(client.esmtp_features["auth"].split(),
                         ["PLAIN", "LOGIN", "CRAM-MD5"])
        self.assertEqual(client.login(NAME, PASSWORD)[0], 235)
        log = "\n".join(self.the_relay.lines)
        for secret in (NAME, PASSWORD):
            self.assertNotIn(secret, log)
            self.assertNotIn(base64.b64encode(secret.encode()).decode(), log)

    def test_as_programs_do_with_cram_md5(self):
        """msmtp, curl and swaks find the challenge good (RFC 2195, 2)."""
        self.start(**{"smtp.auth": "any"})
        host, port = self.the_relay.addresses[0].split(":")
        with tempfile.NamedTemporaryFile("w") as config:
            config.write("account default\nhost %s\nport %s\nfrom a@b\nauth cram-md5\nuser %s\n"
                         "password %s\n" % (host, port, NAME, PASSWORD))
            config.flush()
            programs = (
                ("msmtp", "--file=" + config.name, "--", TO + "@sms"),
                ("curl", "-sS", "--url", "smtp://%s:%s" % (host, port), "-T", "-",
                 "--mail-from", "a@b", "--mail-rcpt", TO + "@sms",
                 "--user", NAME + ":" + PASSWORD, "--login-options", "AUTH=CRAM-MD5"),
                ("swaks", "--server", host, "--port", port, "--from", "a@b", "--data", "-",
                 "--to", TO.replace("+", "00") + "@sms", "--auth", "CRAM-MD5",
                 "--auth-user", NAME, "--auth-password", PASSWORD))
            for words in programs:
                with self.subTest(words[0]):
                    self.run_program(words)

    def run_program(self, words):
        self.need(words[0])
        done = subprocess.run(words, input=CONTENT.encode(), capture_output=True, timeout=PATIENCE,
                              env=clean_environment())
        self.assertEqual(done.returncode, 0, done)

    def test_a_long_password(self):
        self.start(**{"smtp.auth": "any", "listen.max_line": "1k"})
        client = self.client_of_mail()
        client.password = 8000 * "x"
        self.assertEqual(client.auth("PLAIN", client.auth_plain, initial_response_ok=False)[0], 235)

    def test_where_it_is_not_offered(self):
        self.start()
        client = self.client_of_mail()
        self.assertNotIn("auth", client.esmtp_features)
        self.assertEqual(client.docmd("AUTH", "PLAIN AGEAYg==")[0], 502)
        self.assertEqual(client.docmd("AUTH")[0], 502)
        self.assertNotIn(b"AUTH", client.docmd("HELP")[1])


if __name__ == "__main__":
    unittest.main()
