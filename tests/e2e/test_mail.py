"""Mails: what their headers ask for, and what becomes of one that comes twice."""

import base64
import email.encoders
import email.message
import email.mime.image
import email.mime.multipart
import email.mime.text
import os
import smtplib
import unittest

from support import TO, TestCase, parse_reply

OTHER = "+34600000001"


class Mail(TestCase):
    def setUp(self):
        self.the_relay = self.relay()
        self.c = self.client(self.the_relay)

    def send(self, content, to=(TO,)):
        """Submits a content. Returns the reply to it."""
        host, port = self.the_relay.addresses[0].split(":")
        with smtplib.SMTP(host, port) as client:
            client.ehlo("device")
            client.mail("device@example.com")
            for number in to:
                client.rcpt("%s@sms.example" % number)
            code, words = client.data(content)
        return "%d %s" % (code, words.decode())

    def status(self, reply):
        return parse_reply(self.c.ask("STATUS %s" % parse_reply(reply)["id"])[0])

    def test_what_its_headers_ask_for(self):
        self.c.ask("HOLD")
        reply = self.send("From: a\r\nX-SMS-Ref: order-7\r\nX-SMS-At: +1h\r\n\r\ntext\r\n")
        status = self.status(reply)
        self.assertEqual((status["ref"], status["state"]), ("mail/order-7", "scheduled"))
        self.assertEqual(self.c.ask("STATUS mail/order-7")[0],
                         self.c.ask("STATUS " + status["id"])[0])

    def test_their_refs_are_a_space_of_their_own(self):
        self.c.ask("HOLD")
        self.send("From: a\r\nX-SMS-Ref: order-7\r\n\r\nof a mail\r\n")
        self.assertReply(self.c.ask("STATUS order-7"), "550 5.0.0")
        mine = self.c.submit("mine", options="REF=order-7")
        self.assertIn("duplicate=yes", self.c.ask("SEND REF=order-7 %s mine" % TO)[0])
        self.assertIn("duplicate=yes",
                      self.send("From: a\r\nX-SMS-Ref: order-7\r\n\r\nof a mail\r\n"))
        self.assertEqual(parse_reply(self.c.ask("CANCEL order-7")[0])["id"], mine)
        self.assertReply(self.c.ask("SEND REF=mail/order-7 %s squatted" % TO), "501 5.5.4")
        longest = "r" * 64
        self.send("From: a\r\nX-SMS-Ref: %s\r\n\r\ntext\r\n" % longest)
        self.assertReply(self.c.ask("STATUS mail/" + longest), "250")

    RELAYED = ("Received: from web.example by mail.example; Mon, 30 Nov 2026 10:00:00 +0000\r\n"
               "From: a\r\nX-SMS-Ref: order-7\r\nX-SMS-Priority: nonsense\r\n\r\ntext\r\n")

    def test_what_a_mail_server_relays_asks_for_nothing(self):
        status = self.status(self.send(self.RELAYED))
        self.assertNotIn("ref", status)
        for name in ("order-7", "mail/order-7"):
            self.assertReply(self.c.ask("STATUS " + name), "550 5.0.0")
        line = self.the_relay.wait_log("options_ignored")
        self.assertEqual(line["headers"], "2")
        self.assertEqual(self.c.stats()["mail_options_ignored_total"], "1")

    def test_unless_the_server_is_trusted(self):
        self.the_relay = self.relay({"smtp.options": "yes"})
        self.c = self.client(self.the_relay)
        self.assertRegex(self.send(self.RELAYED), "^501 5.5.4 ")
        self.send(self.RELAYED.replace("nonsense", "high"))
        self.assertReply(self.c.ask("STATUS mail/order-7"), "250")

    def test_and_with_no_nobody_may_ask(self):
        self.the_relay = self.relay({"smtp.options": "no"})
        self.c = self.client(self.the_relay)
        self.send("From: a\r\nX-SMS-Ref: order-7\r\n\r\ntext\r\n")
        self.assertReply(self.c.ask("STATUS mail/order-7"), "550 5.0.0")

    def test_what_they_cannot_ask_for(self):
        for header in ("X-SMS-TTL: soon", "X-SMS-Priority: urgent", "X-SMS-At: yesterday",
                       "X-SMS-Ref: mail:1", "X-SMS-Ref: a\r\nX-SMS-Ref: b"):
            reply = self.send("From: a\r\n%s\r\n\r\ntext\r\n" % header)
            self.assertRegex(reply, "^501 5.5.4 ", header)
        self.assertEqual(self.c.stats()["messages_accepted_total"], "0")

    def test_one_that_comes_again(self):
        date = "Tue, 24 Nov 2026 03:00:00 +0000"
        content = "From: a\r\nMessage-ID: <1@a>\r\nDate: %s\r\n\r\ntext\r\n" % date
        first = self.send(content)
        self.assertEqual(self.send("Received: from b\r\n" + content), first + " duplicate=yes")
        self.assertRegex(self.status(first)["ref"], "^mail:[0-9a-f]{32}$")
        for other in (content.replace("text", "another"), content.replace("03:00", "04:00"),
                      content.replace("1@a", "2@a")):
            self.assertNotEqual(self.send(other), first)
        self.assertNotEqual(self.send(content, to=(OTHER,)), first)
        stats = self.c.stats()
        self.assertEqual((stats["messages_accepted_total"], stats["messages_duplicate_total"]),
                         ("5", "1"))

    def test_one_that_does_not_say_which_it_is(self):
        """Devices whose Message-ID never changes are those that have no clock."""
        for headers in ("Date: Tue, 24 Nov 2026 03:00:00 +0000", "Message-ID: <1@a>",
                        "Message-ID: <1@a>\r\nDate: Thu, 01 Jan 1970 00:00:00 +0000",
                        "Message-ID: <1@a>\r\nDate: today"):
            content = "From: a\r\n%s\r\n\r\ntext\r\n" % headers
            self.assertNotEqual(self.send(content), self.send(content), headers)

    def test_what_a_mail_library_makes(self):
        mail = email.message.EmailMessage()
        mail["Subject"] = "Größe"
        mail.set_content("Zu viel: 9 \N{EURO SIGN}\n", cte="base64")
        mail.add_attachment(b"1,2\n", maintype="application", subtype="octet-stream",
                            filename="liste-\N{EURO SIGN}.csv")
        reply = self.send(mail.as_bytes())
        self.the_relay.await_state(parse_reply(reply)["id"], "relayed")
        self.assertEqual(self.the_relay.sandbox.texts(), ["Größe\nZu viel: 9 \N{EURO SIGN}"])
        self.assertEqual(self.the_relay.wait_log("attachments_ignored")["names"],
                         "liste-\N{EURO SIGN}.csv")

    def test_text_behind_what_takes_room(self):
        """Only text counts against what is read of a mail."""
        picture = email.mime.image.MIMEImage(os.urandom(400_000), "jpeg")
        page = ("<style>%s</style><script>%s</script><p>Disk %s</p><img src='data:image/png;base64,"
                "%s'><p>full</p>" % ("p {}\n" * 80_000, "x = 1;\n" * 60_000, "<!-- %s -->" % ("y " * 200_000),
                                     base64.b64encode(os.urandom(300_000)).decode()))
        uuencoded = "Disk\nbegin 644 a.jpg\n%s`\nend\nfull\n" % (("M" + 60 * "A" + "\n") * 7000)
        texts = [email.mime.text.MIMEText(page, "html", charset) for charset in ("us-ascii", "utf-8")]
        texts += [email.mime.text.MIMEText(page, "html", "us-ascii"),
                  email.mime.text.MIMEText(uuencoded)]
        del texts[2]["Content-Transfer-Encoding"]
        email.encoders.encode_quopri(texts[2])
        for text in texts:
            mail = email.mime.multipart.MIMEMultipart()
            mail.attach(picture)
            mail.attach(text)
            reply = self.send(mail.as_bytes())
            self.the_relay.await_state(parse_reply(reply)["id"], "relayed")
        self.assertEqual(self.the_relay.sandbox.texts(), ["Disk\nfull"] * len(texts))

    def test_what_is_no_mail_of_a_person(self):
        for content in ("Auto-Submitted: auto-replied\r\nFrom: a\r\n\r\nI am away\r\n",
                        "From: a\r\nContent-Type: multipart/report; boundary=b\r\n\r\n--b\r\n"):
            self.assertRegex(self.send(content), "^550 5.7.1 ")
        self.assertRegex(self.send("From: a\r\nPrecedence: bulk\r\n\r\ntext\r\n"), "^250 ")


if __name__ == "__main__":
    unittest.main()
