"""What must not be seen: texts, numbers and the token, in the log and in the list of processes."""

import os
import pathlib
import tempfile
import unittest

from support import SMSRELAY, TOKEN, WRAPPER, TestCase, run

TEXT = "Xanthippe-and-her-password"
NUMBER = "+34611223344"
DIGITS = NUMBER[1:]


def cmdline(pid):
    return pathlib.Path("/proc/%d/cmdline" % pid).read_bytes().decode()


class Log(TestCase):
    """At the debug level and with the default privacy, after all that can happen to a message."""

    SECRETS = (TEXT, "Xanthippe", DIGITS, DIGITS[2:], TOKEN)

    def log_after_everything(self, **settings):
        sandbox = self.separate_sandbox()
        relay = self.relay({"log.level": "debug", "relay.settle_delay": 0, "relay.retry_min": "1ms",
                            "relay.retry_max": "2ms", **settings}, sandbox=sandbox)
        client = self.client(relay)
        send = "SEND REF=%s ACK=relayed " % "r1" + NUMBER + " " + TEXT
        self.assertReply(client.ask(send), "250 2.0.0 relayed")
        self.assertReply(client.ask(send), "250 2.0.0 relayed")
        self.assertReply(client.ask(send + " other"), "550 5.6.0")
        echo = {"message": "cannot send to %s" % NUMBER}  # an API may repeat a number
        for fault in (dict(status=400, body=echo), dict(status=500, body=echo), dict(drop=True),
                      dict(body={"errors": echo}), dict(body="garbage " + TEXT)):
            sandbox.faults(dict(fault, on="single"))
            self.assertIsNotNone(client.ask("SEND ACK=relayed %s %s" % (NUMBER, TEXT)))
        for i, fault in enumerate((dict(status=402, body=echo), dict(status=401, body=echo),
                                   dict(status=404, body="no %s here" % NUMBER))):
            sandbox.faults(dict(fault, count=-1))
            names = [client.submit(TEXT, NUMBER) for _ in range(3)]
            relay.wait_log("relaying_stopped", state="stopped", count=i + 1)
            sandbox.forget_faults()
            client.ask("FLUSH")
            for name in names:
                relay.await_state(name, "relayed")
        # A rejected item, with the number and the text in what the API says of it.
        sandbox.faults(dict(on="single", status=400, body={
            "message": "bad", "errors": {"to": ["%s is bad" % NUMBER], "text": [TEXT]}}))
        client.ask("SEND ACK=relayed %s %s" % (NUMBER, TEXT))
        client.ask("SEND ACK=relayed +34611229001 " + TEXT)
        # What is no command, no number, no anything.
        for line in (TEXT, NUMBER, "STATUS " + NUMBER, "SEND %s" % NUMBER, "TO " + NUMBER + "x",
                     "DATA", TEXT, ".", "VRFY " + NUMBER, "CANCEL " + NUMBER, "WATCH " + NUMBER,
                     'JSON {"to":"%s","text":"%s"}' % (NUMBER, TEXT),
                     'JSON {"to":"%s","text":"%s",}' % (NUMBER, TEXT)):
            client.send(line)
        client.ask("QUIT")
        relay.stop()
        return relay

    def test_no_secret_is_written(self):
        relay = self.log_after_everything()
        self.assertGreater(len(relay.log("request_began")), 5)
        log = "\n".join(relay.lines)
        for secret in self.SECRETS:
            for line in relay.lines:
                self.assertNotIn(secret, line)
        self.assertNotRegex(log, r"\+?346112\d{5}")

    def test_full_privacy_shows_numbers_only(self):
        relay = self.log_after_everything(**{"log.privacy": "full"})
        for line in relay.lines:
            self.assertNotIn("Xanthippe", line)
            self.assertNotIn(TOKEN, line)


class Processes(TestCase):
    def test_the_token_is_not_an_argument(self):
        relay = self.relay(sandbox=self.separate_sandbox())
        self.assertNotIn(TOKEN, cmdline(relay.pid))

    def test_an_argument_that_is_a_secret_is_wiped(self):
        """Who gives the token as an argument all the same: it does not stay there to be seen."""
        relay = self.relay({"api.token": TOKEN, "api.url": "http://127.0.0.1:1/"})
        words = cmdline(relay.pid)
        self.assertIn("serve", words)
        self.assertNotIn(TOKEN, words)

    def test_a_token_file(self):
        sandbox = self.separate_sandbox()
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(TOKEN)
            file.flush()
            relay = self.relay({"api.token_file": file.name}, sandbox=sandbox,
                               env={"INSTASENT_TOKEN": None})
            client = self.client(relay)
            self.assertReply(client.ask("SEND ACK=relayed %s text" % NUMBER), "250 2.0.0 relayed")
            self.assertNotIn(TOKEN, cmdline(relay.pid))
            self.assertNotIn(TOKEN.encode(), pathlib.Path("/proc/%d/environ" % relay.pid).read_bytes())

    def test_no_core_dumps(self):
        relay = self.relay()
        limits = pathlib.Path("/proc/%d/limits" % relay.pid).read_text()
        self.assertRegex(limits, r"(?m)^Max core file size +0 +0 ")

    def test_memory_is_closed_to_other_processes(self):
        """What cannot dump core belongs to root in /proc, whoever runs it: no debugger reads it."""
        options = {}
        if os.getuid() == 0:
            options = dict(user=65534, group=65534, extra_groups=[])
        if WRAPPER:
            self.skipTest("this asks about our program, not about valgrind")
        try:
            relay = self.relay(**options)
        except PermissionError:
            self.skipTest("nobody may not run %s" % SMSRELAY)
        self.assertEqual(os.stat("/proc/%d/environ" % relay.pid).st_uid, 0)

    def test_errors_do_not_show_it(self):
        done = run("check", "-o", "api.url=sandbox", "-o", "api.token=%s with spaces" % TOKEN,
                   env={"INSTASENT_TOKEN": "another %s" % TOKEN})
        self.assertNotEqual(done.returncode, 0)
        self.assertNotIn(TOKEN, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
