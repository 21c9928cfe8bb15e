"""Users: who may log in, what he may do then, and whose his messages are."""

import base64
import os
import pty
import signal
import smtplib
import subprocess
import tempfile
import unittest
import urllib.request

from golden import PASSWORD_HASH, private
from networks import DEVICE, RELAY, NetworkTest
from support import (CONFIG, DATAERR, IS_SLOW, NOINPUT, NOPERM, OK, PATIENCE, TO, USAGE, TestCase,
                     clean_environment, command, parse_reply, run)

PASSWORD = "s3cret"
CONTENT = "Subject: Alert\r\n\r\nDisk full\r\n"
ALL = "rights=submit,ask,control"


def plain(name, password=PASSWORD):
    return "AUTH PLAIN " + base64.b64encode(("\0%s\0%s" % (name, password)).encode()).decode()


class UsersTest(TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = self.folder.name + "/users"

    def users(self, *lines):
        """Writes the file; a line is `name` or `name:keys`, or has a hash of its own."""
        with open(self.path, "w", opener=private) as file:
            for line in lines:
                name, _, keys = line.partition(":")
                file.write(line + "\n" if "$" in line or line.startswith("#") else
                           "%s:%s%s\n" % (name, PASSWORD_HASH, keys and ":" + keys))

    def start(self, *lines, **settings):
        self.users(*lines)
        chosen = {"auth.users": self.path, "listen.control": "unix"}
        chosen.update((name.replace("_", ".", 1).replace("__", "_"), value)
                      for name, value in settings.items())
        self.daemon = self.relay(chosen)
        return self.daemon

    def log_in(self, name, password=PASSWORD, daemon=None):
        client = self.client(daemon or self.daemon)
        self.assertReply(client.ask(plain(name, password)), "235 2.7.0")
        return client

    def reload(self, *lines, count=1):
        self.users(*lines)
        self.daemon.send_signal(signal.SIGHUP)
        self.daemon.wait_log("reloaded", count)


class Login(UsersTest):
    def mail_client(self):
        host, port = self.daemon.addresses[0].split(":")
        client = smtplib.SMTP(host, port)
        self.addCleanup(client.close)
        client.ehlo("device")
        return client

    def test_as_libraries_do(self):
        self.start("printer", log_level="debug")
        for mechanism in ("PLAIN", "LOGIN"):
            for is_initial in (True, False):
                client = self.mail_client()
                client.user, client.password = "printer", PASSWORD
                method = getattr(client, "auth_" + mechanism.lower())
                self.assertEqual(client.auth(mechanism, method, initial_response_ok=is_initial)[0],
                                 235, (mechanism, is_initial))
                self.assertEqual(client.sendmail("a@b", [TO + "@sms"], CONTENT), {})
        self.assertEqual(client.esmtp_features["auth"].split(), ["PLAIN", "LOGIN"])
        with self.assertRaises(smtplib.SMTPAuthenticationError) as wrong:
            self.mail_client().login("printer", "wrong-" + PASSWORD)
        self.assertEqual(wrong.exception.smtp_code, 535)
        self.daemon.wait_log("logged_in", owner="printer")
        self.daemon.wait_log("login_refused", 2, user="printer")  # smtplib tries both
        log = "\n".join(self.daemon.lines)
        for secret in (PASSWORD, PASSWORD_HASH):
            self.assertNotIn(secret, log)
            self.assertNotIn(base64.b64encode(secret.encode()).decode()[:-3], log)

    def test_as_programs_do(self):
        """curl, swaks and msmtp, by PLAIN and LOGIN."""
        self.start("printer")
        host, port = self.daemon.addresses[0].split(":")
        for mechanism in ("PLAIN", "LOGIN"):
            with tempfile.NamedTemporaryFile("w") as config:
                config.write("account default\nhost %s\nport %s\nfrom a@b\nauth %s\ntls off\n"
                             "user printer\npassword %s\n" % (host, port, mechanism.lower(), PASSWORD))
                config.flush()
                programs = (
                    ("msmtp", "--file=" + config.name, "--", TO + "@sms"),
                    ("curl", "-sS", "--url", "smtp://%s:%s" % (host, port), "-T", "-",
                     "--mail-from", "a@b", "--mail-rcpt", TO + "@sms",
                     "--user", "printer:" + PASSWORD, "--login-options", "AUTH=" + mechanism),
                    ("swaks", "--server", host, "--port", port, "--from", "a@b", "--data", "-",
                     "--to", TO.replace("+", "00") + "@sms", "--auth", mechanism,
                     "--auth-user", "printer", "--auth-password", PASSWORD))
                for words in programs:
                    with self.subTest(words[0], mechanism=mechanism):
                        self.need(words[0])
                        done = subprocess.run(words, input=CONTENT.encode(), capture_output=True,
                                              timeout=PATIENCE, env=clean_environment())
                        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(int(self.daemon.stats()["logins_total"]), 6)

    def test_a_token(self):
        done = run("user", "token", "-f", self.path, "backup")
        token = done.stdout
        self.assertRegex(token, r"^sr_[\w-]{43}\n$")
        with open(self.path) as file:
            self.start(file.read().strip())
        self.log_in("Backup", token.strip())

    def test_the_same_password_again_costs_no_hash(self):
        """And a device that has an old password does not hold up the others behind its address."""
        self.start("printer", "nas")
        self.log_in("printer")
        for _ in range(20):
            with self.daemon.connect() as client:
                self.assertReply(client.ask(plain("printer", "old")), "535 5.7.8")
        self.log_in("printer")
        self.log_in("nas")
        stats = self.daemon.stats()
        self.assertEqual((stats["logins_total"], stats["logins_wrong_total"]), ("3", "20"))

    def test_guesses_must_wait(self):
        self.start("printer", "nas")
        self.log_in("nas")
        with self.daemon.connect() as client:
            client.send(*[plain("printer", "guess%d" % i) for i in range(3)], "NOOP")
            for _ in range(3):
                self.assertReply(client.read_reply(), "535 5.7.8")
            self.assertReply(client.read_reply(), "421 4.7.0 3 failed logins")
            self.assertIsNone(client.read_reply())
        with self.daemon.connect() as client:
            self.assertRegex(client.ask(plain("printer"))[0],
                             "^454 4.7.0 too many wrong logins, try again in 1 s")
        self.log_in("nas")  # has logged in from here before
        replies = ["454"]
        while replies[-1].startswith("454"):
            with self.daemon.connect() as client:
                replies += client.ask(plain("printer"))
        self.assertReply(replies[-1:], "235 2.7.0")
        self.assertLess(0, int(self.daemon.stats()["logins_too_soon_total"]))
        line = self.daemon.wait_log("login_refused", user="printer")
        self.assertEqual(line["code"], "535 5.7.8")

    def test_a_client_that_leaves_meanwhile(self):
        self.start("printer", "nas")
        for _ in range(20):
            with self.daemon.connect() as client:
                client.send(plain("printer"), "SEND %s text" % TO)
                client.reset()
        self.log_in("nas")

    def test_a_stop_meanwhile(self):
        """Whoever waits for the verdict gets one, or sees the connection end."""
        self.start("printer")
        clients = [self.client(self.daemon) for _ in range(5)]
        for client in clients:
            client.send(plain("printer"))
        self.daemon.stop()
        for client in clients:
            self.assertIn((client.read_reply() or ["421"])[0][:3], ("235", "421", "454"))

    def test_where_there_are_none(self):
        daemon = self.relay()
        with daemon.connect() as client:
            self.assertReply(client.ask(plain("printer")), "502 5.5.1")


class Owner(UsersTest):
    """A user's messages and REFs are his, wherever he connects from, and nobody else's."""

    def check_apart(self, ann, bob):
        sent = ann.ask("SEND REF=r %s text" % TO)
        self.assertReply(sent, "250 2.0.0 queued")
        name = parse_reply(sent[0])["id"]
        for what in ("r", name):
            self.assertReply(ann.ask("STATUS " + what), "250 2.0.0 id=" + name)
            for verb in ("STATUS", "WATCH", "CANCEL"):
                self.assertReply(bob.ask("%s %s" % (verb, what)), "550 5.0.0 no such message")
        self.assertReply(bob.ask("SEND REF=r %s of another" % TO), "250 2.0.0 queued")
        return name

    def test_users_are_apart(self):
        self.start("ann", "bob", "cid", "ops:" + ALL)
        ops = self.log_in("ops")
        ops.ask("HOLD")
        name = self.check_apart(self.log_in("ann"), self.log_in("bob"))
        self.check_apart(self.client(self.daemon), self.log_in("cid"))  # one without a login
        self.assertReply(ops.ask("STATUS " + name), "250 2.0.0 id=" + name)
        again = self.log_in("ann").ask("SEND REF=r %s text" % TO)[0]
        self.assertIn("duplicate=yes", again)
        self.assertEqual(len(ops.ask("QUEUE LIST")), 4)

    def test_what_was_sent_before_the_login_stays_apart(self):
        self.start("ann")
        client = self.client(self.daemon)
        client.send("SEND REF=r %s before" % TO, plain("ann"), "STATUS r", "SEND REF=r %s text" % TO)
        replies = [client.read_reply()[0] for _ in range(4)]
        self.assertEqual([reply[:3] for reply in replies], ["250", "235", "550", "250"])

    def test_over_restarts_and_removals(self):
        store = {"queue_path": self.folder.name + "/queue.db", "queue_drain__timeout": "0"}
        self.start("ann", "bob", "ops:" + ALL, **store)
        self.log_in("ops").ask("HOLD")
        name = self.log_in("ann").submit(options="REF=r")
        self.daemon.stop()
        self.start("cid", "bob", "dan", **store)
        for user in ("cid", "bob", "dan"):
            self.assertReply(self.log_in(user).ask("STATUS r"), "550 5.0.0")
        self.reload("cid", "ann")
        self.assertEqual(parse_reply(self.log_in("ann").ask("STATUS r")[0])["id"], name)
        self.daemon.kill()
        self.start("ann", "eve", **store)
        self.assertReply(self.log_in("eve").ask("STATUS r"), "550 5.0.0")
        self.assertEqual(parse_reply(self.log_in("ann").ask("STATUS r")[0])["id"], name)

    def test_in_the_metrics_and_in_the_log(self):
        self.start("ann", "ops:" + ALL, http_address="127.0.0.1:0")
        ops, ann = self.log_in("ops"), self.log_in("ann")
        ops.ask("HOLD")
        ann.submit()
        self.assertReply(ann.ask("SEND 12 text"), "550 5.1.3")
        url = self.daemon.wait_log("http_listening")["url"] + "/metrics"
        with urllib.request.urlopen(url) as page:
            metrics = page.read().decode()
        self.assertIn('smsrelay_owner_messages{owner="ann"} 1\n', metrics)
        self.assertIn('smsrelay_owner_connections{owner="ops"} 1\n', metrics)
        self.assertEqual(self.daemon.wait_log("refused", code="550 5.1.3")["owner"], "ann")
        self.assertEqual(ann.stats()["owner_messages"], "1")

    def test_one_user_does_not_fill_the_queue_for_another(self):
        self.start("ann", "bob", "ops:" + ALL, queue_max__messages="20")
        self.log_in("ops").ask("HOLD")
        ann = self.log_in("ann")
        ann.send(*["SEND %s text" % TO] * 21)
        self.assertEqual([ann.read_reply()[0][:9] for _ in range(21)],
                         ["250 2.0.0"] * 20 + ["452 4.3.1"])
        self.log_in("bob").submit()


class Reload(UsersTest):
    def test_users_come_and_go(self):
        self.start("ann", "bob", "cid", "ops:" + ALL)
        ann, bob, cid, ops = (self.log_in(name) for name in ("ann", "bob", "cid", "ops"))
        token = "$token-sha256$" + 64 * "0"
        self.reload("ann:rights=ask", "bob:" + token, "ops:" + ALL, "dan")
        self.assertReply(ann.ask("SEND %s text" % TO), "550 5.7.1 SEND needs the right submit")
        self.assertReply(ann.ask("QUEUE"), "250")
        self.assertReply(ops.ask("QUEUE LIST"), "250")
        for gone in (bob, cid):
            self.assertReply(gone.read_reply(), "421 4.7.0 this user may no longer log in so")
            self.assertIsNone(gone.read_reply())
        self.log_in("dan")
        for name in ("bob", "cid"):
            self.assertReply(self.client(self.daemon).ask(plain(name)), "535 5.7.8")
        self.assertEqual(self.daemon.wait_log("users_read")["users"], "4")

    def test_who_watches_and_loses_a_right(self):
        self.start("ops:" + ALL, "nosy:" + ALL)
        ops, nosy = self.log_in("ops"), self.log_in("nosy")
        for client in (ops, nosy):
            self.assertReply(client.ask("WATCH"), "250 2.0.0 watching")
        self.reload("ops:" + ALL, "nosy")
        self.assertReply(nosy.read_reply(), "421 4.7.0")
        ops.submit()
        self.assertIn("state=", ops.read_event())

    def test_a_file_that_is_wrong_changes_nothing(self):
        self.start("ann")
        ann = self.log_in("ann")
        self.reload("ann:rights=everything")
        self.assertEqual(self.daemon.wait_log("users_kept")["reason"],
                         self.path + ":1: ann: the rights are submit, ask and control")
        ann.submit()
        self.users("ann")
        os.chmod(self.path, 0o644)
        self.daemon.send_signal(signal.SIGHUP)
        self.assertIn("is open to others", self.daemon.wait_log("users_kept", 2)["reason"])
        self.log_in("ann")

    def test_who_is_within_a_message(self):
        self.start("ann", "bob")
        ann = self.log_in("ann")
        ann.send("TO " + TO, "DATA", "a line")
        self.assertReply(ann.read_reply(), "250")
        self.assertReply(ann.read_reply(), "354")
        self.reload("bob")
        ann.send(".")
        self.assertReply(ann.read_reply(), "421 4.7.0")
        self.assertIsNone(ann.read_reply())


class Command(UsersTest):
    """smsrelay user"""

    def user(self, *words, code=OK, stdin="", settings=()):
        done = run("user", words[0], *(settings or ("-f", self.path)), *words[1:], stdin=stdin)
        self.assertEqual(done.returncode, code, done)
        self.assertNotIn(stdin.strip() or "\n\n", done.stdout + done.stderr)
        return done

    def listed(self):
        return self.user("list").stdout.splitlines()

    def read(self):
        with open(self.path) as file:
            return file.read()

    def test_add_and_remove(self):
        self.user("add", "Printer", stdin="a-long-password\n")
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)
        self.user("add", "nas", "senders=Acme Shop,12345", "rights=submit", stdin="another-password")
        self.user("token", "ops", "rights=control")
        self.assertEqual(self.listed(), ["nas password rights=submit senders=Acme Shop,12345",
                                         "ops token rights=control",
                                         "printer password rights=submit,ask"])
        self.user("remove", "NAS")
        self.assertEqual([line.split()[0] for line in self.listed()], ["ops", "printer"])
        self.start(*self.read().splitlines())
        self.log_in("printer", "a-long-password")

    def test_another_password_and_what_stays(self):
        self.users("# of the first floor", "printer:rights=ask", "nas")
        os.chmod(self.path, 0o640)
        if os.getuid() == 0:
            os.chown(self.path, 0, 61001)
        before = os.stat(self.path)
        self.user("add", "printer", "--replace", stdin="a-long-password\n")
        token = self.user("token", "nas", "--replace").stdout.strip()
        after = os.stat(self.path)
        for field in ("st_mode", "st_uid", "st_gid"):
            self.assertEqual(getattr(after, field), getattr(before, field))
        self.assertEqual(self.read().splitlines()[0], "# of the first floor")
        self.assertEqual(self.listed(), ["nas token rights=submit,ask", "printer password rights=ask"])
        self.assertEqual(os.listdir(self.folder.name), ["users"])
        self.start(*self.read().splitlines())
        self.log_in("nas", token)
        self.log_in("printer", "a-long-password")

    def test_what_is_refused_changes_nothing(self):
        self.users("printer")
        before = self.read()
        for words, stdin, told in (
                (("add", "printer"), "a-long-password", "printer is in .* already: --replace gives"),
                (("token", "PRINTER"), "", "printer is in .* already: --replace gives"),
                (("add", "--replace", "nas"), "a-long-password", "nas is not in"),
                (("remove", "nas"), "", "nas is not in"),
                (("add", "nas"), "", "no password on stdin"),
                (("add", "nas"), "sh0rt", "at least 8 bytes"),
                (("add", "nas"), 512 * "x", "at most 511 bytes"),
                (("add", "n:s"), "a-long-password", "a name is 1 to 64"),
                (("add", "nas", "right=ask"), "a-long-password", "nas has an unknown key"),
                (("add", "nas", "ask"), "a-long-password", "behind the hash stand key=value"),
                (("token", "nas", "senders=Much too long"), "", "sender 1 of nas cannot be one")):
            with self.subTest(words):
                self.assertRegex(self.user(*words, code=DATAERR, stdin=stdin).stderr, told)
                self.assertEqual(self.read(), before)
        self.assertEqual(os.listdir(self.folder.name), ["users"])

        self.assertIn("--replace keeps the rest of the line: rights=ask",
                      self.user("token", "--replace", "printer", "rights=ask", code=USAGE).stderr)

    def test_a_file_that_is_wrong_already(self):
        self.users("printer", "nas:right=ask")
        told = self.user("add", "ups", code=DATAERR, stdin="a-long-password").stderr
        self.assertIn(self.path + ":2: nas has an unknown key", told)
        self.assertIn(self.path + " stays as it was", told)
        self.user("remove", "nas")
        self.user("add", "ups", stdin="a-long-password")

    def test_a_new_file_is_left_only_with_something_in_it(self):
        self.user("add", "printer", code=DATAERR, stdin="sh0rt")
        self.assertEqual(os.listdir(self.folder.name), [])
        self.user("list", code=NOINPUT)

    def test_behind_a_link(self):
        self.users("printer")
        real, self.path = self.path, self.folder.name + "/link"
        os.symlink(real, self.path)
        self.user("token", "nas")
        self.assertTrue(os.path.islink(self.path))
        self.assertEqual(len(self.listed()), 2)

    def test_many_at_a_time(self):
        self.users("printer")
        programs = [subprocess.Popen(command("user", "token", "-f", self.path, "user%d" % i),
                                     stdout=subprocess.DEVNULL, env=clean_environment())
                    for i in range(10)]
        self.assertEqual([program.wait(PATIENCE) for program in programs], [OK] * 10)
        self.assertEqual(len(self.listed()), 11)

    def test_where_the_settings_say(self):
        options = ("-o", "auth.users=" + self.path)
        self.user("token", "printer", settings=options)
        self.assertEqual(self.user("list", settings=options).stdout,
                         "printer token rights=submit,ask\n")
        self.assertIn("auth.users is not set: name the file with -f FILE",
                      self.user("list", settings=("-o", "auth.users="), code=CONFIG).stderr)

    def at_a_terminal(self, *answers):
        """What a terminal shows when these are typed, and the exit code."""
        pid, terminal = pty.fork()
        if pid == 0:
            words = command("user", "add", "-f", self.path, "printer")
            os.execvpe(words[0], words, clean_environment())
        shown = b""
        try:
            for question, answer in answers:
                while question not in shown:
                    shown += os.read(terminal, 1000)
                os.write(terminal, answer)
            while True:
                shown += os.read(terminal, 1000)
        except OSError:  # the end of a terminal
            pass
        os.close(terminal)
        return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_at_a_terminal(self):
        shown, code = self.at_a_terminal((b"Password: ", b"a-long-password\n"),
                                         (b"Again: ", b"a-long-password\n"))
        self.assertEqual((shown, code), ("Password: \r\nAgain: \r\n", OK))
        self.start(*self.read().splitlines())
        self.log_in("printer", "a-long-password")
        os.unlink(self.path)
        shown, code = self.at_a_terminal((b"Password: ", b"a-long-password\n"),
                                         (b"Again: ", b"a-long-passw0rd\n"))
        self.assertIn("these are two different passwords", shown)
        self.assertEqual(code, DATAERR)
        shown, code = self.at_a_terminal((b"Password: ", b"a-long\3password\n"))
        self.assertIn("canceled", shown)
        self.assertEqual((code, os.listdir(self.folder.name)), (DATAERR, []))


class Commands(UsersTest):
    """The other commands log in when the environment says so."""

    def setUp(self):
        super().setUp()
        self.secret = self.folder.name + "/password"
        with open(self.secret, "w", opener=private) as file:
            file.write(PASSWORD + "\n")

    def ask(self, *words, code=OK, name="ann", **env):
        done = run(*words, env={"SMSRELAY_SOCKET": self.daemon.addresses[0], "SMSRELAY_USER": name,
                                "SMSRELAY_PASSWORD_FILE": self.secret, **env})
        self.assertEqual(done.returncode, code, done)
        self.assertNotIn(PASSWORD, done.stdout + done.stderr)
        return done

    def test_as_a_user(self):
        self.start("ann:senders=Acme", "ops:" + ALL)
        self.ask("hold", name="ops")
        self.ask("send", "--ref", "r", TO, "text")
        self.assertIn("from=Acme", self.ask("status", "r").stdout)
        self.ask("status", "r", name="ops", code=NOINPUT)
        self.assertIn("this user may not use this sender",
                      self.ask("send", "--from", "Shop", TO, "text", code=NOPERM).stderr)
        self.assertIn("needs the right control", self.ask("flush", code=NOPERM).stderr)
        self.assertIn("ref=r", self.ask("queue", "list", name="ops").stdout)

    def test_what_goes_wrong(self):
        self.start("ann")
        self.assertIn("no such user and password",
                      self.ask("stats", name="nobody", code=NOPERM).stderr)
        self.assertIn("SMSRELAY_PASSWORD_FILE is not set, but SMSRELAY_USER is",
                      self.ask("stats", SMSRELAY_PASSWORD_FILE="", code=CONFIG).stderr)
        self.assertIn("/nothing: No such file",
                      self.ask("stats", SMSRELAY_PASSWORD_FILE="/nothing", code=CONFIG).stderr)
        os.chmod(self.secret, 0o644)
        self.assertIn("is open to others", self.ask("stats", code=CONFIG).stderr)
        self.ask("stats", SMSRELAY_USER="")

    def test_where_there_are_no_users(self):
        self.daemon = self.relay()
        self.assertIn("no login is needed", self.ask("stats", code=DATAERR).stderr)


class Elsewhere(NetworkTest):
    def test_no_password_crosses_the_network(self):
        relay = self.relay({"listen.address": RELAY + ":0", "listen.networks": DEVICE + "/32"})
        with tempfile.NamedTemporaryFile("w") as secret, self.device.inside():
            secret.write(PASSWORD)
            secret.flush()
            env = {"SMSRELAY_SOCKET": relay.addresses[0], "SMSRELAY_USER": "ann",
                   "SMSRELAY_PASSWORD_FILE": secret.name}
            done = run("stats", env=env)
            self.assertEqual(done.returncode, NOPERM, done)
            self.assertIn("would cross the network in plain text", done.stderr)
            self.assertEqual(run("stats", env={**env, "SMSRELAY_USER": ""}).returncode, OK)
        self.assertEqual(relay.log("refused"), [])


class Storm(UsersTest):
    """A thousand wrong logins a second leave others four fifths of the loop, and no user is locked out."""

    CONNECTIONS = 300  # with three logins each

    def loop_s(self):
        """CPU seconds of the loop's thread."""
        with open("/proc/%d/task/%d/schedstat" % (self.daemon.pid, self.daemon.pid)) as file:
            return int(file.read().split()[0]) / 1e9

    def guess(self, number):
        if os.getuid() == 0:  # else all come from one user, who has to wait
            os.seteuid(100000 + number)
        try:
            client = self.daemon.connect(greets=False)
        finally:
            if os.getuid() == 0:
                os.seteuid(0)
        with client:
            client.send(*[plain("ann", "guess %d %d" % (number, i)) for i in range(3)])
            lines = client.read_all()
        self.assertEqual([line[:3] for line in lines[-1:]], ["421"], lines)

    @unittest.skipIf(IS_SLOW, "it measures")
    def test_of_wrong_logins(self):
        self.start("ann", "bob")
        self.log_in("bob")
        before = self.loop_s()
        for number in range(self.CONNECTIONS):
            self.guess(number)
        each_s = (self.loop_s() - before) / self.CONNECTIONS / 3
        self.assertLess(each_s, 0.2 / 1000)
        self.log_in("bob")
        stats = self.daemon.stats()
        names = ("wrong", "too_soon", "busy")
        self.assertEqual(sum(int(stats["logins_%s_total" % name]) for name in names),
                         3 * self.CONNECTIONS)
        replies = ["454"]
        while replies[-1].startswith("454"):  # while others are being compared
            with self.daemon.connect() as client:
                replies += client.ask(plain("ann"))
        self.assertReply(replies[-1:], "235 2.7.0")


class Settings(UsersTest):
    def refused(self, words, **settings):
        options = ["-o", "api.url=sandbox", "-o", "auth.users=" + self.path]
        for name, value in settings.items():
            options += ["-o", "%s=%s" % (name.replace("_", ".", 1), value)]
        for command in ("check", "serve"):
            done = run(command, *options)
            self.assertEqual(done.returncode, CONFIG, done)
            self.assertRegex(done.stderr, words)
            self.assertNotIn(PASSWORD_HASH, done.stderr)
        return done.stderr

    def test_every_mistake_with_its_line(self):
        self.users("ann", "bob:right=ask", "$1$x$y", "cid:$1$salt$hash", "dan:$y$", "ANN",
                   "eve:rights=all")
        told = self.refused(r":2: bob has an unknown key")
        self.assertRegex(told, r":3: must be name:hash")
        self.assertRegex(told, r":4: the hash of cid is of another kind")
        self.assertRegex(told, r":5: the hash of dan is not whole")
        self.assertRegex(told, r":7: eve: the rights are")

    def test_senders_must_be_of_the_relay(self):
        self.users("eve:senders=Shop")
        self.refused(r":1: sender 1 of eve is not in sms.senders", sms_senders="Acme")

    def test_a_file_that_others_can_read_or_write(self):
        self.users("ann")
        os.chmod(self.path, 0o644)
        self.refused("users: auth.users: is open to others")
        os.chmod(self.path, 0o602)
        self.refused("users: auth.users: can be written by others")
        os.unlink(self.path)
        self.refused("users: auth.users: No such file")

    def test_not_with_a_login_for_everybody(self):
        self.users("ann")
        self.refused("smtp.auth: accepts every login if it is `any`", smtp_auth="any")


if __name__ == "__main__":
    unittest.main()
