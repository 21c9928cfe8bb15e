"""The aliases file: at the start, when it changes while the relay runs, and when it is wrong."""

import os
import signal
import smtplib
import subprocess
import tempfile
import unittest

from support import CONFIG, OK, TestCase, clean_environment, command, run

A, B, C = ("+34600000%03d" % n for n in (1, 2, 3))


class AliasTest(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "aliases")

    def write(self, text):
        with open(self.path, "w") as file:
            file.write(text)

    def check(self, **settings):
        words = ["check", "-o", "api.url=sandbox", "-o", "sms.aliases=" + self.path]
        for name, value in settings.items():
            words += ["-o", "sms.%s=%s" % (name, value)]
        return run(*words)

    def start(self, text, **settings):
        self.write(text)
        self.the_relay = self.relay({"sms.aliases": self.path, **settings})
        self.c = self.client(self.the_relay)

    def recipients(self, word):
        """Whom a message to this word goes to, or the refusal."""
        reply = self.c.ask("SEND %s Hello" % word)
        return [line.partition(" to=")[2].partition(" ")[0] or line for line in reply]

    def reload(self, text, event, count=1):
        self.write(text)
        self.the_relay.send_signal(signal.SIGHUP)
        return self.the_relay.wait_log(event, count=count)


class AtTheStart(AliasTest):
    WRONG = "# phones\noncall: %s\nboss: 600-1\n112: %s\noncall: %s\n" % (A, B, C)

    def test_a_file_with_faults(self):
        self.write(self.WRONG)
        serve = run("serve", "-o", "api.url=sandbox", "-o", "listen.address=127.0.0.1:0",
                    "-o", "sms.aliases=" + self.path)
        for done in (self.check(), serve):
            self.assertEqual(done.returncode, CONFIG)
            self.assertEqual(done.stdout, "")
            lines = done.stderr.splitlines()
            self.assertEqual(lines[0], self.path +
                             ":3: number 1 of boss is not a telephone number: too short")
            self.assertTrue(lines[1].startswith(self.path + ":4: the name must be "), lines[1])
            self.assertEqual(lines[2:], [self.path + ":5: oncall is already defined in line 2"])
            self.assertNotIn("600", done.stderr)

    def test_a_file_that_cannot_be_read(self):
        self.assertRegex(self.check().stderr, "^%s: sms.aliases: No such file" % self.path)
        os.mkfifo(self.path)
        done = self.check()
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn("is not a regular file", done.stderr)
        os.unlink(self.path)
        with open(self.path, "w") as file:
            file.truncate(16 * 1024 * 1024 + 1)
        done = self.check()
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn("larger than 16 MiB", done.stderr)

    def test_national_numbers(self):
        self.write("desk: 020 7946 0000\nshort: 600\n")
        done = self.check(default_country="44")
        self.assertEqual(done.stderr, self.path +
                         ":2: number 1 of short is not a telephone number: too short for +44\n")
        self.start("desk: 020 7946 0000\n", **{"sms.default_country": "44"})
        self.assertEqual(self.recipients("desk"), ["+442079460000"])

    def test_a_good_file(self):
        self.write("oncall: %s\n" % A)
        done = self.check()
        self.assertEqual((done.returncode, done.stdout, done.stderr), (OK, "", ""))


class Reloaded(AliasTest):
    def test_it_counts_at_once(self):
        self.start("oncall: %s, %s\nold: %s\n" % (A, B, C))
        self.c.ask("TO oncall")  # whoever is in a message stays in it
        line = self.reload("oncall: %s\nnew: %s,%s\n" % (C, A, B), "aliases_read")
        self.assertEqual((line["file"], line["aliases"], line["numbers"]), (self.path, "2", "3"))
        self.assertEqual([line.split(" to=")[1][:12] for line in self.c.ask("TEXT Hello")], [A, B])
        self.assertEqual(self.recipients("ONCALL"), [C])
        self.assertEqual(self.recipients("new"), [A, B])
        self.assertReply(self.c.ask("SEND old Hello"), "550 5.1.3")

    def test_a_broken_file_leaves_the_old_ones(self):
        self.start("oncall: %s, %s\n" % (A, B))
        line = self.reload("oncall: %s\nboss: 600-1\n???\n" % C, "aliases_kept")
        self.assertEqual(line["level"], "error")
        self.assertEqual(line["reason"], self.path +
                         ":2: number 1 of boss is not a telephone number: too short")
        self.assertEqual(self.recipients("oncall"), [A, B])
        os.unlink(self.path)
        self.the_relay.send_signal(signal.SIGHUP)
        line = self.the_relay.wait_log("aliases_kept", count=2)
        self.assertIn("No such file", line["reason"])
        self.assertEqual(self.recipients("oncall"), [A, B])
        self.reload("oncall: %s\n" % C, "aliases_read")
        self.assertEqual(self.recipients("oncall"), [C])
        log = "\n".join(self.the_relay.lines)
        self.assertEqual(len(self.the_relay.log("aliases_kept")), 2)
        for number in (A, B, C, "600-1"):
            self.assertNotIn(number, log)

    def test_many_at_once(self):
        names = 100000
        text = "".join("name%d:+34%09d\n" % (i, i) for i in range(names))
        self.start("oncall: %s\n" % A)
        line = self.reload(text, "aliases_read")
        self.assertEqual((line["aliases"], line["numbers"]), (str(names), str(names)))
        self.assertEqual(self.recipients("name99999"), ["+34000099999"])


class Mail(AliasTest):
    def test_a_device_that_insists_on_a_word(self):
        self.start("oncall: %s, %s\neverybody: %s\n" %
                   (A, B, ",".join("+34600001%03d" % n for n in range(4))),
                   **{"listen.max_recipients": 3})
        host, port = self.the_relay.addresses[0].split(":")
        with smtplib.SMTP(host, port) as client:
            self.assertEqual(client.verify("oncall@sms.example")[0], 252)
            self.assertNotIn(A[1:], client.verify("oncall@sms.example")[1].decode())
            refused = client.sendmail("ups@example.com",
                                      ["OnCall@sms.example", "everybody@sms.example", C],
                                      "Subject: On battery\r\n\r\n")
        self.assertEqual([(who, code) for who, (code, _) in refused.items()],
                         [("everybody@sms.example", 452)])
        self.assertEqual(self.c.stats()["messages_accepted_total"], "3")

    def test_sendmail(self):
        self.start("oncall: %s, %s\n" % (A, B))
        done = subprocess.run(command("sendmail", "-i", "oncall"), text=True,
                              input="Subject: cron\n\nBackup failed\n", capture_output=True,
                              env=clean_environment(SMSRELAY_SOCKET=self.the_relay.addresses[0]))
        self.assertEqual((done.returncode, done.stderr), (OK, ""))
        self.assertEqual(self.c.stats()["messages_accepted_total"], "2")


if __name__ == "__main__":
    unittest.main()
