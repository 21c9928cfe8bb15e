"""The mails of tests/mime, to one relay: the text of each SMS, or the reply to what becomes none."""

import os
import smtplib
import unittest

from relaying import eventually
from support import PATIENCE, TestCase

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "mime")


def read(name, ending):
    path = os.path.join(FOLDER, name + ending)
    if not os.path.exists(path):
        return None
    with open(path, "rb") as file:
        return file.read()


class Mime(TestCase):
    def test_all(self):
        names = sorted(name[:-4] for name in os.listdir(FOLDER) if name.endswith(".eml"))
        self.assertGreaterEqual(len(names), 60)
        relay = self.relay()
        host, port = relay.addresses[0].split(":")
        replies, expected, numbers = {}, {}, {}
        with smtplib.SMTP(host, port, timeout=PATIENCE) as client:
            for position, name in enumerate(names):
                numbers[name] = "+3460000%04d" % position
                client.ehlo_or_helo_if_needed()
                client.mail("nas@device.example")
                client.rcpt(numbers[name] + "@sms.example")
                code, words = client.data(read(name, ".eml").replace(b"\n", b"\r\n"))
                replies[name] = "%d %s" % (code, words.decode().split(" ", 1)[0])
                refusal = read(name, ".reply")
                expected[name] = (refusal.decode().strip(), None) if refusal else (
                    "250 2.0.0", read(name, ".txt").decode()[:-1])
        queued = sum(reply.startswith("250") for reply in replies.values())
        eventually(lambda: len(relay.sandbox.texts()) >= queued, "all are relayed")
        texts = {message["to"]: message["text"] for message in relay.sandbox.record()["messages"]}
        seen = {name: (replies[name], texts.get(numbers[name])) for name in names}
        wrong = ["%s: %r instead of %r" % (name, seen[name], expected[name])
                 for name in names if seen[name] != expected[name]]
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))


if __name__ == "__main__":
    unittest.main()
