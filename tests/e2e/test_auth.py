"""Logging in: by mail libraries, and what becomes of the password (nothing)."""

import base64
import smtplib
import unittest

from support import TO, TestCase

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
        for mechanism in ("PLAIN", "LOGIN"):
            for is_initial in (True, False):
                client = self.client_of_mail()
                method = getattr(client, "auth_" + mechanism.lower())
                code, _ = client.auth(mechanism, method, initial_response_ok=is_initial)
                self.assertEqual(code, 235, (mechanism, is_initial))
                self.assertEqual(client.sendmail("a@b", [TO + "@sms"], CONTENT), {})
        client = self.client_of_mail()
        self.assertEqual(client.esmtp_features["auth"].split(), ["PLAIN", "LOGIN"])
        self.assertEqual(client.login(NAME, PASSWORD)[0], 235)
        log = "\n".join(self.the_relay.lines)
        for secret in (NAME, PASSWORD):
            self.assertNotIn(secret, log)
            self.assertNotIn(base64.b64encode(secret.encode()).decode(), log)

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
