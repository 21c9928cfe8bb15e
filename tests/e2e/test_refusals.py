"""What the log says of what was refused, dropped or cut: enough to find out why an alarm is missing."""

import os
import tempfile
import unittest

from relaying import eventually
from support import TO, TestCase, open_socket, parse_reply

TEXT = "Xanthippe-and-her-password"
OTHER = "+34611223344"
PEER = r"^127\.0\.0\.1:\d+$"


class LogTest(TestCase):
    def start(self, **settings):
        self.the_relay = self.relay({k.replace("__", "."): v for k, v in settings.items()})
        self.c = self.client(self.the_relay)
        self.addCleanup(self.check_secrets)

    def check_secrets(self):
        log = "\n".join(self.the_relay.lines)
        for secret in (TEXT, "Xanthippe", OTHER, OTHER[1:], OTHER[3:], TO[1:]):
            self.assertNotIn(secret, log)

    def mail(self, content, to=(TO,)):
        """Returns the last reply."""
        self.c.ask("MAIL FROM:<ups@example.org>")
        for one in to:
            self.c.ask("RCPT TO:<%s@sms>" % one)
        self.c.ask("DATA")
        self.c.send_bytes(content.encode() if isinstance(content, str) else content)
        return self.c.ask("\r\n.")[0]


class Refusals(LogTest):
    def refused(self, **fields):
        line = self.the_relay.wait_log("refused", **fields)
        self.assertEqual(line["level"], "info")
        self.assertRegex(line["peer"], PEER)
        return line

    def test_a_command(self):
        self.start()
        self.c.ask("EHLO ups-basement ")
        self.c.ask("MAIL FROM:<ups@example.org>")
        self.c.ask("RCPT TO:<+3460012@sms>")
        line = self.refused(command="RCPT", code="550 5.1.3")
        self.assertEqual(line["reason"], "not a telephone number: too short for +34")
        self.assertEqual((line["to"], line["helo"]), ("+34***12", "ups-basement"))
        self.assertEqual(int(line["peer"].split(":")[1]), self.c.socket.getsockname()[1])
        self.c.ask("RCPT TO:<%s> DELIVERBY=1" % OTHER)
        self.refused(command="RCPT", code="555 5.5.4", reason="unknown parameter: DELIVERBY")
        self.c.ask("RSET")
        self.c.ask("SEND %s" % OTHER)
        self.refused(command="SEND", code="501 5.5.4", reason="no text", to="+34***44")
        self.c.ask("SEND %s@sms %s" % (OTHER, TEXT))
        self.c.ask('JSON {"to":"%s","text":"%s",}' % (OTHER, TEXT))
        self.refused(command="JSON", code="501 5.5.4")
        self.c.ask('JSON {"%s":"%s"}' % (OTHER, TEXT))
        self.c.ask("%s %s" % (TEXT, OTHER))
        self.refused(command="unknown", code="500 5.5.2")
        self.c.ask("TEXT " + TEXT)
        self.refused(command="TEXT", code="503 5.5.1")

    def test_a_mail(self):
        self.start(sms__max_parts=2, smtp__too_long="refuse", smtp__max_parts=2)
        self.assertReply((self.mail("Subject: \r\nContent-Type: image/png\r\n\r\n\0\x01"),),
                         "554 5.6.0")
        line = self.refused(command="DATA", code="554 5.6.0", reason="no text, only attachments")
        self.assertEqual(line["to"], "+34***00")
        self.mail("Subject: x\r\n\r\n" + 50 * "it is long ")
        self.refused(command="DATA", code="552 5.3.4",
                     reason="the text needs 4 parts, at most 2 are allowed")
        self.mail("Auto-Submitted: auto-replied\r\nSubject: x\r\n\r\n" + TEXT)
        self.refused(command="DATA", code="550 5.7.1")

    def test_a_login(self):
        self.start()
        self.c.ask("AUTH PLAIN AGRldmljZQBzZWNyZXQ=")
        line = self.refused(command="AUTH", code="502 5.5.1")
        self.assertIn("smtp.auth = any", line["reason"])
        self.assertNotIn("AGRldmlj", "\n".join(self.the_relay.lines))

    def test_what_the_queue_refuses(self):
        self.start(queue__max_messages=1)
        self.c.ask("HOLD")
        self.c.submit("one")
        self.assertReply(self.c.ask("SEND %s %s" % (OTHER, TEXT)), "452 4.3.1")
        self.refused(command="SEND", code="452 4.3.1", to="+34***44")
        self.mail("Subject: x\r\n\r\n" + TEXT, to=(OTHER,))
        self.refused(command="DATA", code="452 4.3.1", to="+34***44")

    def test_a_ref_that_was_used(self):
        self.start()
        self.c.submit("one", options="REF=r")
        self.assertReply(self.c.ask("SEND REF=r %s %s" % (OTHER, TEXT)), "250")
        self.assertReply(self.c.ask("SEND REF=r %s other %s" % (OTHER, TEXT)), "550 5.6.0")
        self.refused(command="SEND", code="550 5.6.0")

    def test_what_the_api_refuses(self):
        self.start()
        number = "+34600009001"
        self.assertReply(self.c.ask("SEND ACK=relayed %s %s" % (number, TEXT)), "554 5.0.0")
        line = self.the_relay.wait_log("message_rejected", to="+34***01")
        self.assertReply(self.c.ask("STATUS " + line["id"]), "250 2.0.0")
        self.assertNotIn(number[1:], "\n".join(self.the_relay.lines))

    def expect_ended(self, event, id, reason):
        line = self.the_relay.wait_log(event, id=id)
        self.assertEqual((line["level"], line["to"], line["reason"]), ("info", "+34***44", reason))

    def test_what_ends_unsent(self):
        """Each with its id, and why; a flood of them a hundred times a second."""
        self.start(queue__max_age=1)
        self.c.ask("HOLD")
        never = self.c.submit(TEXT, to=OTHER)
        late = self.c.submit(TEXT, to=OTHER, options="TTL=1")
        self.expect_ended("message_expired", late, "its TTL ended before it was sent")
        self.expect_ended("message_expired", never, "queue.max_age ended before it was sent")
        self.c.send(*["SEND TTL=1 %s %s" % (OTHER, TEXT)] * 300)
        self.c.read_replies(300)
        eventually(lambda: [line for line in self.the_relay.log("message_expired")
                            if "again" in line or "more" in line], "how many more")
        self.assertLess(len(self.the_relay.log("message_expired")), 300)

    def test_an_opt_out_while_it_waits(self):
        self.start()
        self.c.ask("HOLD")
        id = self.c.submit(TEXT, to=OTHER)
        self.c.ask("OPTOUT ADD " + OTHER)
        self.c.ask("RELEASE")
        self.expect_ended("message_rejected", id, "the recipient has opted out")

    def test_who_is_no_client(self):
        self.start()
        with open_socket(self.the_relay.addresses[0]) as stranger:
            stranger.sendall(b"GET /%s HTTP/1.1\r\n\r\n" % TEXT.encode())
            self.refused(command="unknown", code="421 4.7.0")

    def test_who_leaves_in_the_middle(self):
        self.start()
        with self.the_relay.connect() as client:
            client.ask("TO " + OTHER)
            client.ask("DATA")
            client.send(TEXT)
        self.refused(command="DATA", code="500 5.5.2",
                     reason="content not ended by a dot: nothing queued")
        with self.the_relay.connect() as client:
            client.send_bytes(("SEND %s %s" % (OTHER, TEXT)).encode())
        self.refused(command="SEND", code="500 5.5.2")
        with self.the_relay.connect() as client:
            client.ask("NOOP")
        self.assertEqual(len(self.the_relay.log("refused")), 2)

    def test_many_of_a_kind(self):
        """One client is one, whatever its port; what happens once is seen all the same."""
        self.start()
        for i in range(42):
            with self.the_relay.connect() as client:
                client.ask("TO +3460012")
        self.c.ask("STARTTLS")
        self.refused(code="502 5.5.1")
        self.the_relay.stop()
        lines = self.the_relay.log("refused", code="550 5.1.3")
        self.assertEqual(len(lines), 6)
        self.assertEqual((lines[-1]["peer"], lines[-1]["again"]), ("127.0.0.1", "37"))

    def test_one_user_hides_no_line_of_another(self):
        self.start()
        for _ in range(20):
            self.c.ask("TO +3460012")
        self.as_user(61001, self.the_relay.addresses[0], "TO +3460012")
        self.refused(code="550 5.1.3", owner="61001")
        self.the_relay.stop()
        lines = self.the_relay.log("refused", code="550 5.1.3", owner=str(os.getuid()))
        self.assertEqual(lines[-1]["again"], "15")

    def test_a_client_of_the_unix_socket(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "socket")
            relay = self.relay({"listen.unix": path})
            with relay.connect(path) as client:
                client.ask("TO +3460012")
            line = relay.wait_log("refused")
            self.assertEqual(line["peer"], "unix uid=%d" % os.getuid())
            relay.stop()


class Losses(LogTest):
    def test_a_duplicate(self):
        self.start()
        self.c.ask("HOLD")
        content = "Message-ID: <1@ups>\r\nDate: Tue, 21 Apr 2026 10:15:00 +0000\r\n\r\n" + TEXT
        first = self.mail(content)
        self.assertTrue(self.mail(content).endswith(" duplicate=yes"))
        line = self.the_relay.wait_log("duplicate")
        self.assertRegex(line["peer"], PEER)
        self.assertEqual((line["command"], line["id"], line["state"], line["to"]),
                         ("DATA", parse_reply(first)["id"], "queued", "+34***00"))
        self.c.submit("x", options="REF=r")
        self.c.submit("x", options="REF=r")
        self.the_relay.wait_log("duplicate", command="SEND")

    def test_a_text_that_is_cut(self):
        self.start()
        self.assertTrue(self.mail("Subject: x\r\n\r\n" + 100 * "it is long ").endswith(" parts=3 cut=yes"))
        line = self.the_relay.wait_log("text_cut", command="DATA", parts=3, to="+34***00")
        self.assertRegex(line["peer"], PEER)
        self.assertEqual(self.c.stats()["texts_cut_total"], "1")

    def test_a_mail_that_is_not_valid_in_its_charset(self):
        self.start()
        self.mail(b"Content-Type: text/plain; charset=shift_jis\r\n\r\n\x8f\xe1\x8a\x51 \xff")
        line = self.the_relay.wait_log("mail_repaired", to="+34***00", charset="shift_jis")
        self.assertEqual((line["replaced"], line["unreadable"]), ("1", "0"))
        self.assertEqual(self.c.stats()["mails_repaired_total"], "1")

    def test_a_mail_as_it_should_be(self):
        self.start()
        self.mail("From: a\r\nSubject: x\r\n\r\n" + TEXT)
        self.c.stats()
        for event in ("refused", "duplicate", "text_cut", "mail_repaired", "attachments_ignored"):
            self.assertEqual(self.the_relay.log(event), [])


if __name__ == "__main__":
    unittest.main()
