"""One pass through most of the relay, short enough for valgrind (`check valgrind` runs just this)."""

from support import TestCase


class Smoke(TestCase):
    def test_every_kind_of_submission_and_answer(self):
        sandbox = self.separate_sandbox()
        relay = self.relay({"relay.settle_delay": "50ms", "relay.retry_min": "20ms"},
                           sandbox=sandbox)
        sandbox.faults({"on": "single", "status": 503},
                       {"on": "single", "drop": True, "accept": True},
                       {"on": "bulk", "status": 422, "containing": "poison"})
        client = self.client(relay)
        client.send("SEND ACK=relayed REF=one +34600000001 one",
                    "FROM Acme TTL=1h", "TO +34600000002", "TO +34600000003", "DATA", "two",
                    "..three", ".",
                    'JSON [{"to":"+34600000004","text":"four"},{"to":"x","text":"five"}]',
                    "MAIL FROM:<a@b>", "RCPT TO:<+34600000005@sms>", "DATA", "Subject: six", "",
                    "seven", ".", "SEND REF=one +34600000001 one", "STATUS one", "QUEUE", "STATS",
                    "HELP", "WATCH", "SEND PRIORITY=high ACK=relayed +34600000006 \u4f60\u597d",
                    "SEND AT=+1h REF=later +34600000007 later", "CANCEL later", "BOGUS", "QUIT")
        replies = client.read_all()
        self.assertTrue(replies[-1].startswith("221"), replies[-1])
        codes = [line[:3] for line in replies if line[3] == " " and line[0] != "1"]
        self.assertEqual(codes, "250 250 250 250 354 250 250 550 250 250 354 250 250 250 250 "
                                "250 214 250 250 250 250 500 221".split())
        client = self.client(relay)
        for number in range(2, 6):
            self.assertIn("state=relayed", client.ask(
                "SEND ACK=relayed +3460000000%d done" % number)[0])
        texts = sorted(sandbox.texts())
        self.assertEqual(texts.count("one"), 1)
        self.assertEqual(texts.count("two\n.three"), 2)
        self.assertEqual(texts.count("six\nseven"), 1)
        self.assertNotIn("later", texts)
