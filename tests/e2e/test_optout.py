"""Opt-outs: how numbers get on the list and off it, what it refuses, and that it is kept."""

import os
import shutil
import signal
import tempfile
import unittest

from support import TO, parse_reply, run
from test_reports import ReportsTest, at

OTHER = "+34600000002"
ONCALL = "+34600000099"
REFUSED = "550 5.7.1"


class OptoutTest(ReportsTest):
    """As ReportsTest, with files in a folder."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.file = os.path.join(self.folder, "optout")

    def write(self, text):
        with open(self.file, "w") as file:
            file.write(text)

    def listed(self):
        *lines, count = self.c.ask("OPTOUT LIST")
        self.assertEqual(count, "250 2.0.0 numbers=%d" % len(lines))
        return [parse_reply(line)["number"] for line in lines]

    def answer(self, id, text, second):
        """The phone that received this message answers."""
        status, words = self.post({"clientId": id, "status": "delivered", "eventAt": at(second),
                                   "message": text})
        self.assertEqual(status, 200, words)


class List(OptoutTest):
    def test_add_and_remove(self):
        self.start()
        self.assertEqual(self.listed(), [])
        self.assertReply(self.c.ask("OPTOUT ADD +34 600-00-00-00"), "250")
        self.assertReply(self.c.ask("OPTOUT ADD " + TO), "250")
        self.assertReply(self.c.ask("OPTOUT ADD " + OTHER), "250")
        self.assertEqual(self.listed(), [TO, OTHER])
        self.assertEqual(self.c.stats()["optouts"], "2")
        self.assertReply(self.c.ask("OPTOUT REMOVE " + TO), "250")
        self.assertReply(self.c.ask("OPTOUT REMOVE " + TO), "250")
        self.assertEqual(self.listed(), [OTHER])
        self.c.submit(to=TO)
        for line in ("OPTOUT", "OPTOUT ADD", "OPTOUT LIST x", "OPTOUT GIVE 1", "OPTOUT ADD " + "1" * 80):
            self.assertReply(self.c.ask(line), "501 5.5.4")
        self.assertReply(self.c.ask("OPTOUT ADD +34600"),
                         "550 5.1.3 not a telephone number: +34600: too short for +34")

    def test_status_tells(self):
        self.start()
        name = self.c.submit()
        self.assertNotIn("optout=", self.c.ask("STATUS " + name)[0])
        self.c.ask("OPTOUT ADD " + TO)
        self.assertIn(" optout=yes", self.c.ask("STATUS " + name)[0])

    def test_needs_control(self):
        self.start({"listen.control": "unix"})
        for line in ("OPTOUT LIST", "OPTOUT ADD " + TO, "OPTOUT REMOVE " + TO):
            self.assertReply(self.c.ask(line), REFUSED)

    def test_on_the_command_line(self):
        self.start()
        at_relay = ["-s", self.the_relay.addresses[0]]
        self.assertEqual(run("optout", *at_relay, "add", TO).returncode, 0)
        self.assertIn(TO, run("optout", *at_relay, "list").stdout)
        self.assertEqual(run("optout", *at_relay, "remove", TO).returncode, 0)
        self.assertNotIn(TO, run("optout", *at_relay, "list").stdout)

    def test_the_file(self):
        self.write("# by hand\n\n %s \r\n0034600000002\n" % TO)
        self.start({"policy.optout_file": self.file, "policy.never_optout": OTHER})
        self.assertReply(self.c.ask("SEND %s Hello" % TO), REFUSED)
        self.c.submit(to=OTHER)
        self.assertReply(self.c.ask("OPTOUT REMOVE " + TO), REFUSED)
        self.assertReply(self.c.ask("OPTOUT ADD " + OTHER), REFUSED)
        self.write("nonsense\n")
        self.the_relay.send_signal(signal.SIGHUP)
        line = self.the_relay.wait_log("optout_kept")
        self.assertEqual(line["reason"], self.file + ":1: not a telephone number")
        self.assertReply(self.c.ask("SEND %s Hello" % TO), REFUSED)
        self.write("# typed too fast\n+34600\n")
        self.the_relay.send_signal(signal.SIGHUP)
        line = self.the_relay.wait_log("optout_kept", count=2)
        self.assertEqual(line["reason"],
                         self.file + ":2: not a telephone number: too short for +34")
        self.write("+34600000003\n")
        self.the_relay.send_signal(signal.SIGHUP)
        self.the_relay.wait_log("optout_read")
        self.c.submit(to=TO)
        self.assertReply(self.c.ask("SEND +34600000003 Hello"), REFUSED)


class Refusals(OptoutTest):
    def test_when_it_is_named(self):
        self.write("ops: %s, %s\n" % (OTHER, TO))
        self.start({"sms.aliases": self.file})
        self.c.ask("OPTOUT ADD " + TO)
        self.assertReply(self.c.ask("SEND %s Hello" % TO), REFUSED + " +34600000000 has opted out")
        self.assertReply(self.c.ask("SEND %s,%s Hello" % (OTHER, TO)), REFUSED)
        self.assertReply(self.c.ask("SEND ops Hello"), REFUSED + " a number of ops has opted out")
        self.assertReply(self.c.ask('JSON {"to":"%s","text":"Hello"}' % TO), REFUSED)
        self.assertReply(self.c.ask("FROM ACME"), "250")
        self.assertReply(self.c.ask("TO " + TO), REFUSED)
        self.assertReply(self.c.ask("TO " + OTHER), "250")
        self.assertReply(self.c.ask("TEXT Hello"), "250 2.0.0 queued")
        self.assertReply(self.c.ask("MAIL FROM:<>"), "250")
        self.assertReply(self.c.ask("RCPT TO:<%s@x>" % TO), REFUSED)
        self.assertEqual(self.c.stats()["messages_accepted_total"], "1")

    def test_what_is_queued(self):
        self.start()
        self.c.ask("HOLD")
        queued, other = self.c.submit(), self.c.submit(to=OTHER)
        later = self.c.submit(options="AT=+1s")
        self.c.ask("OPTOUT ADD " + TO)
        self.c.ask("RELEASE")
        for id in (queued, later):
            status = self.the_relay.await_state(id, "rejected")
            self.assertEqual(status["reason"], "the recipient has opted out")
        self.the_relay.await_state(other, "relayed")
        self.assertEqual(len(self.the_relay.sandbox.record()["messages"]), 1)


    def test_wherever_it_waits(self):
        """In each lane, behind a backoff, and in doubt until it is known that the API has not got it."""
        self.start({"relay.settle_delay": "10ms", "relay.retry_min": "10ms", "relay.retry_max": "50ms"})
        sandbox = self.the_relay.sandbox
        sandbox.faults({"on": "single", "drop": True}, {"on": "history", "status": 503, "count": -1})
        doubtful = self.c.submit()
        self.the_relay.await_state(doubtful, "deferred")
        sandbox.faults({"on": "any", "status": 503, "count": -1})
        waiting = [self.c.submit(options="PRIORITY=" + priority) for priority in ("high", "normal", "low")]
        self.c.ask("OPTOUT ADD " + TO)
        sandbox.forget_faults()
        for id in [doubtful] + waiting:
            self.assertEqual(self.the_relay.await_state(id, "rejected")["reason"],
                             "the recipient has opted out")
        self.assertEqual(sandbox.record()["messages"], [])


class Heard(OptoutTest):
    def test_words(self):
        self.start()
        id, _ = self.relayed()
        second = 0
        for text in ("stop", " STOP! \n", "Baja", "UNSUBSCRIBE.", '"stopall"', "[STOP]", "ARR\u00caT",
                     "arre\u0302t", "\u00a0Stop\u00a0", "\u00abSTOP\u00bb", "STOP \U0001f6d1", "\U0001f620Stop\u2026"):
            self.answer(id, text, second)
            self.assertEqual(self.listed(), [TO], text)
            self.answer(id, "start", second + 1)
            self.assertEqual(self.listed(), [], text)
            second += 2
        for text in ("please stop", "", "!", "stopp", "no"):
            self.answer(id, text, second)
            self.assertEqual(self.listed(), [], text)
            second += 1
        self.report("stop", 50, clientId=id)
        self.assertEqual(self.listed(), [TO])

    def test_damaged_on_the_way(self):
        """Half an emoji, or a letter of another charset, keeps nobody on the list of recipients."""
        self.start()
        id, _ = self.relayed()
        for second, text in enumerate((b"Stop \\ud83d", b"STOP \xf0\x9f", b"ARR\xcaT", b"\0STOP")):
            body = b'{"clientId":"%s","status":"delivered","eventAt":"%s","message":"%s"}' % (
                id.encode(), at(2 * second).encode(), text)
            self.assertEqual(self.post(body)[0], 200)
            self.assertEqual(self.listed(), [TO], text)
            self.answer(id, "start", 2 * second + 1)
        form = "clientId=%s&message=%%5BSTOP%%5D&eventAt=%s" % (id, at(30))
        self.assertEqual(self.post(form, type="application/x-www-form-urlencoded")[0], 200)
        self.assertEqual(self.listed(), [TO])

    def test_the_word_of_the_api(self):
        """It is an opt-out whatever the phone has written, and whatever the stop words are."""
        self.start({"policy.stop_words": "HALT"})
        for message in (None, "", "no more of this please"):
            id = self.c.submit(to=OTHER)
            self.the_relay.await_state(id, "relayed")
            self.report("stop", 1, clientId=id, message=message)
            self.assertEqual(self.listed(), [OTHER], message)
            self.c.ask("OPTOUT REMOVE " + OTHER)

    def test_late_and_repeated(self):
        """Reports repeat and arrive out of order: the phone's last word counts."""
        self.start()
        id, _ = self.relayed()
        self.answer(id, "start", 2)
        self.answer(id, "stop", 3)
        self.answer(id, "start", 2)
        self.answer(id, "START", 1)
        self.assertEqual(self.listed(), [TO])
        self.answer(id, "start", 4)
        self.answer(id, "stop", 3)
        self.assertEqual(self.listed(), [])
        self.answer(id, "stop", 5)
        self.assertReply(self.c.ask("OPTOUT REMOVE " + TO), "250 2.0.0 done")
        self.answer(id, "Stop", 6)
        self.assertEqual(self.listed(), [TO], "a new one counts, whatever our clock says")

    def test_one_that_the_file_names_too(self):
        self.write(TO)
        self.start({"policy.optout_file": self.file})
        self.write("")
        self.c.ask("OPTOUT ADD " + TO)
        self.c.ask("OPTOUT ADD " + OTHER)
        self.c.ask("OPTOUT REMOVE " + OTHER)
        self.assertEqual(self.c.stats()["optouts"], "1")
        self.the_relay.send_signal(signal.SIGHUP)
        self.the_relay.wait_log("optout_read")
        self.assertReply(self.c.ask("SEND %s Hello" % TO), REFUSED)
        self.assertEqual(self.listed(), [TO])

    def test_the_on_call_phone(self):
        self.start({"policy.never_optout": ONCALL, "policy.stop_words": "HALT"})
        id = self.c.submit(to=ONCALL)
        self.the_relay.await_state(id, "relayed")
        self.answer(id, "halt", 1)
        self.assertEqual(self.listed(), [])
        id, _ = self.relayed()
        self.answer(id, "stop", 1)
        self.answer(id, "HALT", 2)
        self.assertEqual(self.listed(), [TO])


class Kept(OptoutTest):
    def test_it_outlives_a_crash(self):
        self.settings = {"queue.path": os.path.join(self.folder, "queue.db")}
        self.start(sandbox=self.separate_sandbox())
        id, _ = self.relayed()
        self.c.ask("OPTOUT ADD " + OTHER)
        self.c.ask("OPTOUT ADD " + ONCALL)
        self.c.ask("OPTOUT REMOVE " + ONCALL)
        self.answer(id, "STOP", 1)
        sandbox = self.the_relay.sandbox
        self.the_relay.kill()
        self.start(sandbox=sandbox)
        self.assertEqual(self.listed(), [TO, OTHER])
        self.assertReply(self.c.ask("SEND %s Hello" % TO), REFUSED)
        self.answer(id, "START", 0)
        self.assertReply(self.c.ask("SEND %s Hello" % TO), REFUSED)


if __name__ == "__main__":
    unittest.main()
