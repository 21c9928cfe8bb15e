"""Settings as users see them: where they come from, and how errors in them are reported."""

import os
import shutil
import socket
import subprocess
import tempfile
import unittest

from support import CONFIG, OK, UNAVAILABLE, USAGE, TestCase, parse_logfmt, run

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
            for line, word in ((2, "loopback"), (3, "max_connections"), (5, "https"),
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
        done = run("check", "-c", path, **options)
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
        os.chmod(self.folder, 0o777)
        self.assertEqual(self.check("queue", "path", path, as_nobody=True), "")
        open(path, "w").close()
        self.assertEqual(self.check("queue", "path", path, as_nobody=True),
                         "line 4: cannot be used: Permission denied\n")

    def test_a_queue_in_memory_needs_no_directory(self):
        done = run("check", "-o", "api.url=sandbox", "-o", "queue.path=/nonexistent/q",
                   "-o", "queue.durability=none")
        self.assertEqual((done.returncode, done.stderr), (OK, ""))


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
            done = run("check", "-c", os.path.join(CONF, name), env={"INSTASENT_TOKEN": "t"})
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
