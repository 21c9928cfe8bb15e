"""Settings as users see them: where they come from, and how errors in them are reported."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from support import CONFIG, OK, UNAVAILABLE, USAGE, Process, TestCase, parse_logfmt, run

CONF = os.path.join(os.path.dirname(__file__), "../../conf")


class ConfTest(TestCase):
    def file(self, text, mode=0o600):
        with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as file:
            file.write(text)
        os.chmod(file.name, mode)
        self.addCleanup(os.unlink, file.name)
        return file.name


class Errors(ConfTest):
    WRONG = ("[listen]\n"
             "address = 0.0.0.0:2525\n"
             "max_conections = 10\n"
             "[api]\n"
             "url = http://example.com/\n"
             "[queue]\n"
             "retention = forever\n"
             "[nonsense]\n"
             "a = b\n")

    def test_all_at_once_with_file_and_line(self):
        path = self.file(self.WRONG)
        for subcommand in ("check", "serve"):
            done = run(subcommand, "-c", path)
            self.assertEqual(done.returncode, CONFIG)
            self.assertEqual(done.stdout, "")
            for line, word in ((2, "other machines"), (3, "max_connections"), (5, "https"),
                               (7, "forever"), (8, "nonsense")):
                self.assertRegex(done.stderr, r"(?m)^%s:%d: .*%s" % (path, line, word))

    def test_a_missing_token(self):
        done = run("check", "-o", "api.url=https://example.com/")
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn("INSTASENT_TOKEN", done.stderr)

    def test_what_cannot_be_a_sender(self):
        done = run("check", "-o", "api.url=sandbox", "-o", "sms.senders=Acme,Wonderful-Shop",
                   "-o", "sms.default_from=Acme")
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn('-o sms.senders: "Wonderful-Shop" cannot be a sender', done.stderr)
        self.assertNotIn('"Acme"', done.stderr)

    def test_what_only_the_relay_knows_is_told_with_its_line_too(self):
        path = self.file("[api]\nurl = sandbox\n[sms]\ndefault_from = Wonderful-Shop\n"
                         "senders = 12\ndefault_country = 999\n[policy]\nnever_optout = 600\n"
                         "[log]\nlevel = loud\n")
        done = run("check", "-c", path)
        self.assertEqual(done.returncode, CONFIG)
        for line, name in ((4, "sms.default_from"), (5, "sms.senders"), (6, "sms.default_country"),
                           (8, "policy.never_optout"), (10, "log.level")):
            self.assertRegex(done.stderr, r"(?m)^%s:%d: %s: " % (path, line, name))
        path = self.file("[api]\nurl = sandbox\n[sms]\nsenders = Acme, Shop\n"
                         "default_from = Other\n")
        self.assertEqual(run("check", "-c", path).stderr,
                         path + ":5: sms.default_from: must be one of sms.senders\n")

    def test_without_a_country_there_are_no_national_numbers(self):
        self.assertTrue(run("check", "-o", "api.url=sandbox").warns_of_country)
        self.assertFalse(run("check", "-o", "api.url=sandbox", "-o",
                             "sms.default_country=34").warns_of_country)

    def test_what_cannot_be_a_number(self):
        done = run("check", "-o", "api.url=sandbox", "-o", "policy.never_optout=+34600000000, 600",
                   "-o", "sms.default_country=44")
        self.assertEqual(done.returncode, CONFIG)
        self.assertEqual(done.stderr, '-o policy.never_optout: "600" is not a telephone number: '
                                      "too short for +44\n")
        done = run("check", "-o", "api.url=sandbox", "-o", "sms.default_country=999")
        self.assertEqual(done.returncode, CONFIG)
        self.assertEqual(done.stderr,
                         "-o sms.default_country: no country has the calling code +999\n")

    def test_a_missing_file(self):
        done = run("serve", "-c", "/nonexistent/smsrelay.conf")
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn("/nonexistent/smsrelay.conf", done.stderr)

    def test_overrides_and_variables(self):
        done = run("check", "-o", "api.url=sandbox", "-o", "queue.retentoin=1h", "-o", "nonsense",
                   env={"SMSRELAY_RELAY_BULK_MAX": "101", "SMSRELAY_QUEUE_SIZE": "1"})
        self.assertEqual(done.returncode, CONFIG)
        for word in ("queue.retention", "section.key=value", "SMSRELAY_RELAY_BULK_MAX",
                     "SMSRELAY_QUEUE_SIZE"):
            self.assertIn(word, done.stderr)

    def test_a_wrong_durability_and_a_path_that_is_no_file(self):
        path = self.file("[api]\nurl = sandbox\n[queue]\npath = :memory:\ndurability = never\n")
        done = run("check", "-c", path)
        self.assertEqual(done.returncode, CONFIG)
        self.assertRegex(done.stderr, r"(?m)^%s:4: queue\.path: .*file" % path)
        self.assertRegex(done.stderr, r"(?m)^%s:5: queue\.durability: .*always.*never" % path)

    def test_a_durability_that_is_gone(self):
        done = run("check", "-o", "api.url=sandbox", "-o", "queue.durability=shutdown")
        self.assertEqual(done.returncode, CONFIG)
        self.assertRegex(done.stderr, r"queue\.durability: shutdown .*use always")

    def test_a_token_that_others_can_read(self):
        path = self.file("secret-token", mode=0o644)
        done = run("check", "-o", "api.url=https://example.com/", "-o", "api.token_file=" + path)
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn(path, done.stderr)
        self.assertNotIn("secret-token", done.stderr)

    def test_usage(self):
        for arguments in (["serve", "-c"], ["serve", "-x"], ["check", "file"], ["nonsense"], [],
                          ["sandbox", "-o"], ["settings", "-o", "api.url=sandbox"]):
            with self.subTest(arguments):
                done = run(*arguments)
                self.assertEqual(done.returncode, USAGE)
                self.assertNotEqual(done.stderr, "")
                self.assertEqual(done.stdout, "")


class Files(ConfTest):
    """`check` opens what `serve` will need."""

    CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def check(self, section, name, value, as_nobody=False):
        """What `check` says of a setting in line 4."""
        path = self.file("[api]\nurl = sandbox\n[%s]\n%s = %s\n" % (section, name, value), 0o644)
        options = dict(user=65534, group=65534, extra_groups=[]) if as_nobody else {}
        done = run("check", "-c", path, cwd=self.folder, **options)
        self.assertEqual(done.returncode, CONFIG if done.stderr else OK)
        return done.stderr.replace("%s:4: %s.%s: " % (path, section, name), "line 4: ")

    def test_ca_file(self):
        self.assertEqual(self.check("api", "ca_file", "/nonexistent/ca"),
                         'line 4: "/nonexistent/ca" cannot be read: No such file or directory\n')
        self.assertEqual(self.check("api", "ca_file", self.folder),
                         'line 4: "%s" cannot be read: Is a directory\n' % self.folder)
        for text in ("", "not a certificate", "-----BEGIN PRIVATE KEY-----\n"):
            path = self.file(text)
            self.assertEqual(self.check("api", "ca_file", path),
                             'line 4: "%s" holds no certificate (PEM)\n' % path)
        self.assertEqual(self.check("api", "ca_file", self.file("# CA\n" + self.CERTIFICATE)), "")
        self.assertEqual(self.check("api", "ca_file", self.file(
            self.CERTIFICATE.replace("BEGIN", "BEGIN TRUSTED"))), "")

    def test_optout_file(self):
        path = self.file("+34600000000\nnobody\n# a comment\n")
        self.assertEqual(self.check("policy", "optout_file", path),
                         path + ":2: not a telephone number\n")
        self.assertIn("/nonexistent/x: policy.optout_file: ",
                      self.check("policy", "optout_file", "/nonexistent/x"))
        self.assertEqual(self.check("policy", "optout_file", self.file("+34600000000\n")), "")

    def test_the_directory_of_the_queue(self):
        path = os.path.join(self.folder, "x", "queue.db")
        self.assertEqual(self.check("queue", "path", path),
                         'line 4: the directory "%s/x" cannot be used: No such file or directory\n' % self.folder)
        open(os.path.join(self.folder, "x"), "w").close()
        self.assertEqual(self.check("queue", "path", path),
                         'line 4: the directory "%s/x" cannot be used: Not a directory\n' % self.folder)
        os.mkdir(os.path.join(self.folder, "q"))
        self.assertEqual(self.check("queue", "path", self.folder + "/q"),
                         "line 4: is not a regular file\n")
        self.assertEqual(self.check("queue", "path", self.folder + "/queue.db"), "")
        self.assertEqual(sorted(os.listdir(self.folder)), ["q", "x"])
        self.assertEqual(self.check("queue", "path", "queue.db"), "")

    def test_a_directory_of_the_queue_that_this_user_cannot_write(self):
        if os.geteuid() != 0:
            self.skipTest("takes root, to become another user")
        os.chmod(self.folder, 0o755)
        path = self.folder + "/queue.db"
        self.assertEqual(self.check("queue", "path", path, as_nobody=True),
                         'line 4: the directory "%s" cannot be used: Permission denied\n' % self.folder)
        os.chown(self.folder, 65534, 65534)
        self.assertEqual(self.check("queue", "path", path, as_nobody=True), "")
        open(path, "w").close()
        self.assertEqual(self.check("queue", "path", path, as_nobody=True),
                         "line 4: cannot be used: Permission denied\n")

    def test_a_queue_in_memory_needs_no_directory(self):
        done = run("check", "-o", "api.url=sandbox", "-o", "queue.path=/nonexistent/q",
                   "-o", "queue.durability=none")
        self.assertEqual((done.returncode, done.stderr), (OK, ""))


    def test_the_path_of_the_socket(self):
        self.assertEqual(self.check("listen", "unix", self.folder + "/x/socket"),
                         'line 4: the directory "%s/x" cannot be used: No such file or directory\n' % self.folder)
        open(self.folder + "/file", "w").close()
        self.assertEqual(self.check("listen", "unix", self.folder + "/file"),
                         'line 4: "%s/file" is there and is not a socket\n' % self.folder)
        relay = self.relay({"listen.unix": self.folder + "/socket"})
        self.assertEqual(self.check("listen", "unix", self.folder + "/socket"), "")
        relay.stop()
        self.assertEqual(self.check("listen", "unix", self.folder + "/socket"), "")

    def test_the_group_of_operators(self):
        self.assertEqual(self.check("listen", "control_group", "no-such-group"),
                         "line 4: there is no group no-such-group\n")
        self.assertEqual(self.check("listen", "control_group", "root"), "")

    def test_what_the_unit_has_to_do_with_a_path(self):
        """Whether it sets the path, or would, says both `check` and the log of a start."""
        missing = self.folder + "/missing"
        for variable, name in (("STATE_DIRECTORY", "queue.db"), ("RUNTIME_DIRECTORY", "smsrelay.sock")):
            done = run("check", "-o", "api.url=sandbox", env={variable: missing})
            self.assertIn('environment %s: the directory "%s" cannot be used: No such file or directory; '
                          "the unit sets this path\n" % (variable, missing), done.stderr)
            done = run("serve", "-o", "api.url=sandbox", "-o", "listen.address=127.0.0.1:0",
                       env={variable: missing})
            self.assertRegex(done.stderr, "start_failed.*%s/%s.*; the unit sets this path\"" %
                             (missing, name))
        for variable, option in (("STATE_DIRECTORY", "queue.path"), ("RUNTIME_DIRECTORY", "listen.unix")):
            done = run("serve", "-o", "api.url=sandbox", "-o", "listen.address=127.0.0.1:0",
                       "-o", "%s=%s/file" % (option, missing), env={variable: self.folder + "/own"})
            self.assertRegex(done.stderr, "start_failed.*; the unit sets this path, if the setting does not")


class Trust(ConfTest):
    """Who can write what the relay reads can have it do anything: others may not."""

    OTHER = 65534
    NAMES = ("settings", "sms.aliases", "policy.optout_file", "queue.path")

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.paths = {name: os.path.join(self.folder, name) for name in self.NAMES}
        settings = "[api]\nurl = sandbox\n[listen]\naddress = 127.0.0.1:0\n[sms]\ndefault_country = 34\n"
        for name, text in zip(self.NAMES, (settings, "oncall: +34600000000\n", "+34600000001\n")):
            with open(self.paths[name], "w") as file:
                file.write(text)
        self.words = ["-c", self.paths["settings"]]
        for name in self.NAMES[1:]:
            self.words += ["-o", "%s=%s" % (name, self.paths[name])]
        self.ended(Process(["serve", *self.words], ready="started")).stop()  # which makes the store

    def start(self, **options):
        """What the relay says of a start that fails; "" if it does not."""
        done = run("check", *self.words, **options)
        self.assertEqual(done.returncode, CONFIG if done.stderr else OK)
        if done.stderr:
            serve = run("serve", *self.words, **options)
            self.assertEqual((serve.returncode, serve.stderr), (CONFIG, done.stderr))
        return done.stderr

    def as_root(self):
        if os.geteuid() != 0:
            self.skipTest("takes root, to give files away")

    def test_those_of_the_relays_user(self):
        self.assertEqual(self.start(), "")

    def test_writable_by_others(self):
        for name in self.NAMES:
            for mode in (0o620, 0o602):
                with self.subTest(name=name, mode=oct(mode)):
                    os.chmod(self.paths[name], mode)
                    self.assertRegex(self.start(), "^[^\n]*%s[^\n]* can be written by others: chmod go-w "
                                     "%s\n$" % (name, self.paths[name]))
                    os.chmod(self.paths[name], 0o600)

    def test_of_another_user(self):
        self.as_root()
        for name in self.NAMES:
            with self.subTest(name):
                os.chown(self.paths[name], self.OTHER, -1)
                self.assertRegex(self.start(), "^[^\n]*%s[^\n]* belongs to user 65534, neither root nor "
                                 "the relay's\n$" % name)
                os.chown(self.paths[name], 0, -1)

    def test_of_root(self):
        self.as_root()
        os.chown(self.folder, self.OTHER, self.OTHER)
        for name in self.NAMES:
            os.chmod(self.paths[name], 0o644)
        os.chown(self.paths["queue.path"], self.OTHER, self.OTHER)
        self.assertEqual(self.start(user=self.OTHER, group=self.OTHER, extra_groups=[]), "")

    def test_the_directory(self):
        for mode in (0o770, 0o707):
            os.chmod(self.folder, mode)
            said = self.start().splitlines()
            self.assertEqual(len(said), len(self.NAMES))
            for line in said:
                self.assertTrue(line.endswith(" is in the directory %s, where others can write: chmod go-w %s"
                                              % (self.folder, self.folder)), line)
        os.chmod(self.folder, 0o1777)  # as /tmp is: nobody can replace a file of another there
        self.assertEqual(self.start(), "")
        if os.geteuid() == 0:
            os.chown(self.folder, self.OTHER, -1)
            self.assertIn("which belongs to user 65534, neither root nor the relay's", self.start())

    def test_what_lies_beside_the_store(self):
        os.chmod(self.folder, 0o1777)
        with open(self.paths["queue.path"] + "-wal", "w") as file:
            os.chmod(file.name, 0o666)
        self.assertIn('queue.path-wal" can be written by others', self.start())

    def test_a_link_to_a_directory_of_others(self):
        os.mkdir(self.folder + "/open")
        os.rename(self.paths["sms.aliases"], self.folder + "/open/aliases")
        os.symlink("open/aliases", self.paths["sms.aliases"])
        self.assertEqual(self.start(), "")
        os.chmod(self.folder + "/open", 0o777)
        self.assertIn("/open, where others can write", self.start())

    def test_a_program(self):
        program = self.folder + "/program"
        shutil.copy("/bin/true", program)
        self.words += ["-o", "reports.exec=%s with words" % program]
        self.assertEqual(self.start(), "")
        os.chmod(program, 0o777)
        self.assertIn("-o reports.exec: \"%s\" can be written by others" % program, self.start())

    def test_files_that_are_read_again(self):
        relay = self.ended(Process(["serve", *self.words], ready="started"))
        for name, event in (("sms.aliases", "aliases_kept"), ("policy.optout_file", "optout_kept")):
            os.chmod(self.paths[name], 0o666)
            relay.send_signal(signal.SIGHUP)
            self.assertIn("can be written by others", relay.wait_log(event)["reason"])

    def test_a_volume_of_a_group_in_kubernetes(self):
        """fsGroup gives it to a group of the container's, with all that is in it."""
        self.as_root()
        script = ('mount -t tmpfs none "$0" && echo "[api]\nurl = sandbox" > "$0/settings" && '
                  'chgrp -R 2000 "$0" && chmod 2770 "$0" && chmod 660 "$0/settings" && exec setpriv '
                  '--groups 2000 -- "$@"')
        within = ["unshare", "-m", "sh", "-c", script, self.folder]
        if subprocess.run([*within, "true"], capture_output=True).returncode != 0:
            self.skipTest("cannot mount here")
        words = ("check", "-c", self.paths["settings"], "-o", "sms.default_country=34")
        done = run(*words, within=within)
        self.assertEqual((done.returncode, done.stderr), (OK, ""))
        within[4] = script.replace("2770", "770")
        self.assertIn("where others can write", run(*words, within=within).stderr)


class Secrets(ConfTest):
    """A file with a secret is for the relay and root alone, whichever secret it is."""

    def test_in_a_file_that_others_can_read(self):
        for section, name, more in (("api", "token", ""), ("reports", "secret", "address = 127.0.0.1:0\n"),
                                    ("reports", "webhook_secret", "webhook = https://example.com/\n")):
            text = "[%s]\n%s = 0123456789abcdef\n%s" % (section, name, more)
            words = ("-o", "api.url=https://example.com/", "-o", "sms.default_country=34")
            env = {} if name == "token" else {"INSTASENT_TOKEN": "t"}
            for mode, others in ((0o600, False), (0o640, False), (0o644, True), (0o604, True)):
                path = self.file(text, mode)
                done = run("check", "-c", path, *words, env=env)
                self.assertEqual(done.returncode, CONFIG if others else OK, done.stderr)
                self.assertRegex(done.stderr, ("^%s:2: %s.%s: is in a file that is open to others: its mode "
                                               "must be 0640 or less" % (path, section, name))
                                 if others else "^$")

    def test_a_simulated_api_needs_none(self):
        relay = self.relay({"reports.address": "127.0.0.1:0"})
        with relay.connect() as client:
            client.ask("WATCH")
            client.submit()
            while "dlr=delivered" not in client.read_event():
                pass


class Tokens(ConfTest):
    """A token in the environment beats a file that the settings name, as it beats a token there."""

    def test_the_later_source_counts(self):
        sandbox = self.separate_sandbox(token="right")
        wrong = self.file("wrong\n")
        path = self.file("[api]\ntoken_file = %s\n" % wrong)
        relay = self.relay(sandbox=sandbox, arguments=("-c", path), env={"INSTASENT_TOKEN": "right"})
        with relay.connect() as client:
            self.assertReply(client.ask("SEND ACK=relayed +34600000000 text"), "250 2.0.0 relayed")
        done = run("check", "-c", path, "-o", "sms.default_country=34", env={"INSTASENT_TOKEN": "right"})
        self.assertEqual((done.returncode, done.stderr), (OK, "%s:2: api.token_file: warning: is not used: "
                         "environment INSTASENT_TOKEN is set, too, and counts\n" % path))
        done = run("check", "-o", "api.token_file=" + wrong, "-o", "sms.default_country=34",
                   env={"INSTASENT_TOKEN": "right"})
        self.assertIn("environment INSTASENT_TOKEN: warning: is not used: -o api.token_file is set, too, "
                      "and counts\n", done.stderr)
        self.assertEqual(done.returncode, OK)

    def test_two_of_one_source(self):
        done = run("check", "-c", self.file("[api]\ntoken = t\ntoken_file = /x\n"))
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn("cannot be set together with a token", done.stderr)


class Unit(ConfTest):
    """`check --unit`: the settings with what conf/smsrelay.service adds to them."""

    LAY = ("mount -t tmpfs none /etc && mount -t tmpfs none /var/lib && mount -t tmpfs none /run && "
           "mkdir /etc/smsrelay && cd /etc/smsrelay && umask 022 && echo '[sms]' >smsrelay.conf && "
           "echo 'default_country = 34' >>smsrelay.conf && umask 077 && echo t0k3n >token && ")

    def check(self, prepare, *options, **env):
        """Runs `check --unit` after these commands in a mount namespace of its own."""
        within = ["unshare", "-m", "sh", "-c", self.LAY + prepare + ' exec "$@"', "sh"]
        if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"]).returncode != 0:
            self.skipTest("takes root, to mount")
        done = run("check", "--unit", "-c", "/etc/smsrelay/smsrelay.conf", *options, within=within, env=env)
        self.assertEqual(done.returncode, CONFIG if done.stderr else OK)
        return done.stderr

    def test_the_settings_need_not_name_what_the_unit_sets(self):
        self.assertEqual(self.check(""), "")
        self.assertEqual(self.check("mkdir -p /var/lib/private/smsrelay && touch /var/lib/private/smsrelay/queue.db && "
                                    "chown -R 61234 /var/lib/private/smsrelay && "
                                    "ln -s private/smsrelay /var/lib/smsrelay && "), "")

    def test_the_callers_variables_are_not_the_units(self):
        self.assertEqual(self.check("", INSTASENT_TOKEN="a b", SMSRELAY_LOG_LEVEL="loud"), "")

    def test_its_own_variables(self):
        write = "printf '# a comment\n\n%s\n' >environment && "
        self.assertEqual(self.check(write % 'SMSRELAY_LOG_LEVEL="debug"'), "")
        self.assertIn("environment SMSRELAY_LOG_LEVEL: ", self.check(write % "SMSRELAY_LOG_LEVEL=loud"))

    def test_a_token_that_is_missing_or_open(self):
        self.assertIn('"/etc/smsrelay/token" does not exist', self.check("rm token && "))

    def test_what_its_user_cannot_read(self):
        self.assertIn("smsrelay.conf: cannot be read by the unit's user: chmod 644",
                      self.check("chmod 600 smsrelay.conf && "))
        for name, text in (("sms.aliases", "oncall: +34600000000"), ("policy.optout_file", "+34600000000")):
            write = "echo '%s' >list && " % text
            self.assertIn('-o %s: "/etc/smsrelay/list" cannot be read by the unit\'s user' % name,
                          self.check(write, "-o", name + "=/etc/smsrelay/list"))
            self.assertEqual(self.check(write + "chmod 644 list && ", "-o", name + "=/etc/smsrelay/list"), "")

    def test_a_store_of_somebody_else(self):
        said = self.check("mkdir /var/lib/smsrelay && chown 61234 /var/lib/smsrelay && "
                          "touch /var/lib/smsrelay/queue.db && chown 61235 /var/lib/smsrelay/queue.db && ")
        self.assertIn("belongs to user 61235", said)


class MountedToken(ConfTest):
    """Secrets of containers are often open to all users, on a mount that nobody else sees."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(os.rmdir, self.folder)

    def run_on_mount(self, *arguments, mode="444", owner="0", how="ro", token="S3cret"):
        """Runs the program where a token file with this mode is on a file system of its own."""
        script = ('mount -t tmpfs none "$0" && printf %s >"$0/token" && chmod %s "$0/token" && '
                  'chown %s "$0/token" && mount -o remount,%s "$0" && exec "$@"'
                  % (token, mode, owner, how))
        within = ["unshare", "-m" if os.geteuid() == 0 else "-rm", "sh", "-c", script, self.folder]
        if subprocess.run([*within, "true"], capture_output=True).returncode != 0:
            self.skipTest("cannot mount here")
        return run(*arguments, "-o", "api.url=http://127.0.0.1:9", "-o",
                   "api.token_file=" + self.folder + "/token", within=within)

    def test_one_that_is_open_to_others_is_taken_with_a_warning(self):
        for mode in ("444", "644", "640"):
            done = self.run_on_mount("check", mode=mode)
            warning = ('-o api.token_file: warning: "%s/token" is open to others; it is used because '
                       "it is on a read-only mount of its own, as the secrets of a container are\n"
                       % self.folder)
            self.assertEqual((done.returncode, done.stderr), (OK, "" if mode == "640" else warning))

    def test_errors_come_before_the_warning(self):
        done = self.run_on_mount("check", "-o", "sms.senders=12", "-o", "relay.retry_min=1h")
        self.assertEqual(done.returncode, CONFIG)
        self.assertRegex(done.stderr, r"^-o sms\.senders: .*\n-o relay\.retry_min: .*\n"
                                      r"-o api\.token_file: warning: .*\n$")

    def test_serve_warns_in_the_log_alone(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            done = self.run_on_mount("serve", "-o", "listen.address=127.0.0.1:0", "-o",
                                     "http.address=127.0.0.1:%d" % taken.getsockname()[1])
        self.assertEqual(done.returncode, UNAVAILABLE, done.stderr)
        lines = [parse_logfmt(line) for line in done.stderr.splitlines()]
        self.assertEqual([(line["level"], line["event"]) for line in lines],
                         [("warn", "token_exposed"), ("error", "start_failed")])
        self.assertRegex(lines[0]["reason"], "^is open to others; .* read-only mount")
        self.assertNotIn("S3cret", done.stderr)

    def test_others_are_refused(self):
        for options in (dict(how="rw"), dict(mode="666"), dict(mode="464")):
            done = self.run_on_mount("check", **options)
            self.assertEqual(done.returncode, CONFIG, options)
            self.assertIn("is open to others: its mode must be 0640 or less", done.stderr)
        if os.geteuid() == 0:
            done = self.run_on_mount("check", owner="65534")
            self.assertIn("belongs neither to root nor", done.stderr)

    def test_a_root_file_system_that_is_read_only_is_no_mount_of_its_own(self):
        """Every user of the machine sees it."""
        path = self.file("S3cret", 0o444)
        within = ["unshare", "-m" if os.geteuid() == 0 else "-rm", "sh", "-c",
                  'mount -o remount,bind,ro / && exec "$@"', "sh"]
        if subprocess.run([*within, "true"], capture_output=True).returncode != 0:
            self.skipTest("cannot mount here")
        done = run("check", "-o", "api.url=https://h/", "-o", "api.token_file=" + path, within=within)
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn("is open to others: its mode must be", done.stderr)


class Good(ConfTest):
    def test_check_says_nothing(self):
        done = run("check", "-o", "api.url=sandbox")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (OK, "", ""))

    def test_check_touches_no_store(self):
        with tempfile.TemporaryDirectory() as folder:
            done = run("check", "-o", "api.url=sandbox", env={"STATE_DIRECTORY": folder})
            self.assertEqual((done.returncode, done.stderr), (OK, ""))
            self.assertEqual(os.listdir(folder), [])

    def test_the_shipped_files(self):
        for name in ("smsrelay.conf", "sandbox.conf"):
            with open(os.path.join(CONF, name)) as file:
                path = self.file(file.read(), 0o644)  # of our own: others' are refused
            done = run("check", "-c", path, env={"INSTASENT_TOKEN": "t"})
            self.assertEqual((done.returncode, done.stderr), (OK, ""), name)

    def test_settings_prints_the_annotated_file(self):
        done = run("settings")
        self.assertEqual((done.returncode, done.stderr), (OK, ""))
        with open(os.path.join(CONF, "smsrelay.conf")) as file:
            self.assertEqual(done.stdout, file.read())

    def test_help_and_version(self):
        for option in ("--help", "-h", "help"):
            done = run(option)
            self.assertEqual((done.returncode, done.stderr), (OK, ""))
            for word in ("serve", "check", "settings", "sandbox", "send", "watch", "INSTASENT_TOKEN"):
                self.assertIn(word, done.stdout)
        for word in ("--version", "-V", "version"):
            done = run(word)
            self.assertEqual((done.returncode, done.stderr), (OK, ""))
            self.assertRegex(done.stdout, r"^smsrelay \d+\.\d+\.\d+\n$")
            self.assertIn(word, run("--help").stdout)
        for subcommand in ("serve", "check", "sandbox"):
            self.assertEqual(run(subcommand, "--help").returncode, OK)
        self.assertIn("9001", run("sandbox", "--help").stdout)


class Precedence(ConfTest):
    def sender(self, *arguments, env=None):
        """The sender that a message gets."""
        relay = self.relay({"sms.default_from": None}, arguments=arguments, env=env)
        client = self.client(relay)
        return relay.status(client.submit())["from"]

    def test_override_then_environment_then_file(self):
        path = self.file("[sms]\ndefault_from = File\n")
        variable = {"SMSRELAY_SMS_DEFAULT_FROM": "Variable"}
        self.assertEqual(self.sender("-c", path), "File")
        self.assertEqual(self.sender("-c", path, env=variable), "Variable")
        self.assertEqual(self.sender("-c", path, "-o", "sms.default_from=Override", env=variable),
                         "Override")

    def test_the_token_of_the_environment(self):
        sandbox = self.separate_sandbox(token="right")
        for env in ({"INSTASENT_TOKEN": "right"},
                    {"INSTASENT_TOKEN": None, "SMSRELAY_API_TOKEN": "right"},
                    {"INSTASENT_TOKEN": "right", "SMSRELAY_API_TOKEN": "wrong"}):
            relay = self.relay(sandbox=sandbox, env=env)
            client = self.client(relay)
            self.assertReply(client.ask("SEND ACK=relayed +34600000000 text"), "250 2.0.0 relayed")

    def test_a_list_over_several_lines(self):
        path = self.file("[sms]\nsenders = Shop, Bank\n  \"The Club\"\n")
        relay = self.relay({"sms.default_from": "Bank"}, arguments=("-c", path))
        client = self.client(relay)
        self.assertReply(client.ask('SEND FROM="The Club" +34600000000 text'), "250")
        self.assertReply(client.ask("SEND FROM=Other +34600000000 text"), "553 5.1.7")


if __name__ == "__main__":
    unittest.main()
