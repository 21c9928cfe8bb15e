"""Every example in the documents works as it stands, but for ports, paths and the host's name.

Each block of a document (fenced, or indented by four spaces) must be claimed by a test of that
document: `take()` gives the next one, and what nobody took fails the document.
proto/PROTOCOL.md has tests of its own, test_protocol_md.py.
"""

import json
import os
import re
import subprocess
import tempfile

from test_submit import call
from users import write_users
from support import (OK, PATIENCE, SMSRELAY, Client, Process, Sandbox, TestCase,
                     clean_environment, open_socket, run)

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
BLOCK = re.compile(r"^```(\w*)\n((?:.*\n)*?)```$|((?:^    .*\n(?:\n(?=    ))?)+)", re.M)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def dedent(text):
    return re.sub(r"(?m)^    ", "", text)


class DocumentTest(TestCase):
    """The blocks of `document` in order; setUp gives a folder for files that examples make."""

    document = None

    def setUp(self):
        self.blocks = [match.group(2) or dedent(match.group(3) or "")
                       for match in BLOCK.finditer(read(self.document))]
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def take(self):
        self.assertTrue(self.blocks, "%s has fewer examples than its test" % self.document)
        return self.blocks.pop(0)

    def assertAllTaken(self):
        self.assertEqual(self.blocks, [], "no test runs these examples of " + self.document)

    def shell(self, program, code=OK, **env):
        """Runs lines in a shell, where `smsrelay` is the program under test; returns the output."""
        tools = os.path.join(self.folder, "bin")
        if not os.path.exists(tools):
            os.mkdir(tools)
            os.symlink(SMSRELAY, os.path.join(tools, "smsrelay"))
            with open(os.path.join(tools, "sudo"), "w") as sudo:
                sudo.write('#!/bin/sh\nexec "$@"\n')
            os.chmod(sudo.name, 0o755)
        ended = subprocess.run(
            ["bash", "-ec", program], capture_output=True, text=True, timeout=PATIENCE,
            cwd=self.folder, env=clean_environment(PATH=tools + ":" + os.environ["PATH"], **env))
        self.assertEqual(ended.returncode, code, program + ended.stdout + ended.stderr)
        return ended.stdout

    def check_settings(self, text, **options):
        """A settings file is good once its paths lie in our folder and its secrets are there."""
        token = os.path.join(self.folder, "token")
        with open(token, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write("t0k3n\n")
        text = text.replace("/etc/smsrelay/token", token).replace("/var/lib/smsrelay", self.folder)
        text = text.replace("/run/", self.folder + "/")
        text = re.sub(r"<the output of: (.*)>", lambda m: self.shell(m.group(1)).strip(), text)
        path = os.path.join(self.folder, "smsrelay.conf")
        with open(path, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(text)
        more = [] if "[api]" in text else ["-o", "api.url=sandbox"]
        ended = run("check", "-c", path, *more)
        self.assertEqual((ended.returncode, ended.stdout + ended.stderr), (OK, ""), text)
        return path

    def assertLooksLike(self, output, example):
        """Line by line, but for ids, the host's name, and what the example leaves out (...)."""
        pattern = re.escape(example.strip()).replace("myhost", r"\S+")
        pattern = re.sub(r"01[0-9A-Z]{24}", "[0-9A-Z]{26}", pattern).replace(r"\.\.\.", ".*")
        self.assertRegex(output.strip(), "^" + pattern + "$")


class Readme(DocumentTest):
    document = "README.md"

    def test_examples(self):
        settings = {"sms.default_from": "SMSRELAY", "reports.address": "127.0.0.1:0"}
        relay = self.relay(settings, env={"SMSRELAY_REPORTS_SECRET": "0123456789abcdef"})
        port = relay.addresses[0].rsplit(":", 1)[1]

        for line in self.take().splitlines():
            target = line.split("#")[0].split()[1]
            self.assertRegex(read("Makefile"), r"(?m)^%s:" % target)

        _, command, *replies = re.split(r"(?m)^\$ (.*)\n", self.take())
        output = self.shell(command.replace("2525", port))
        self.assertLooksLike(output, replies[0])
        identity = re.search("id=([0-9A-Z]{26})", output).group(1)

        _, command, status = re.split(r"(?m)^\$ (.*)\n", self.take())
        with relay.connect() as watcher:
            watcher.ask("WATCH %s since=0" % identity)
            while "dlr=" not in watcher.read_event():
                pass
        command = re.sub("01[0-9A-Z]{24}", identity, command.replace("build/smsrelay", SMSRELAY))
        output = self.shell(command, SMSRELAY_SOCKET=relay.addresses[0])
        self.assertLooksLike(output, status.replace("relayed", "relayed", 1))

        self.take()  # the drawing
        self.check_settings(self.take())
        self.assertAllTaken()

    def test_ways_in(self):
        relay = self.relay()
        port = relay.addresses[0].rsplit(":", 1)[1]
        table = read(self.document).split("## Ways in\n")[1].split("\n## ")[0]
        rows = re.findall(r"(?m)^\| (?!door)(.*?) \| .*? \| `(.*)` \|$", table)
        self.assertEqual(len(rows), 5)
        with open(os.path.join(self.folder, "message"), "w") as file:
            file.write("To: +34600000000@sms\n\nHello\n")
        for door, example in rows:
            example = example.replace("2525", port).replace("\\|", "|")
            with self.subTest(door=door):
                if example.startswith(("SEND", "JSON")):
                    self.assertReply(relay.ask(example), "250")
                elif example.startswith("smtplib"):
                    self.shell("python3 - <<'END'\nimport smtplib\n%s\nEND\n" % example)
                else:
                    self.shell(example, SMSRELAY_SOCKET=relay.addresses[0])
        self.assertEqual(relay.stats()["messages_accepted_total"], "6")


class Mail(DocumentTest):
    document = "proto/mail/MAIL.md"

    def test_examples(self):
        path = os.path.join(self.folder, "aliases")
        with open(path, "w") as file:
            file.write(self.take())
        relay = self.relay({"sms.aliases": path})
        with relay.connect() as client:
            for line in ("MAIL FROM:<a@b>", "RCPT TO:<oncall@sms.example>"):
                self.assertReply(client.ask(line), "250")
            self.assertReply(client.ask("DATA"), "354")
            self.assertIn("recipients=2", client.ask("Hello\r\n.")[0])
        self.assertAllTaken()

    def test_headers_are_the_options(self):
        rows = re.findall(r"(?m)^\| `(X-SMS-\w+)` \| `(\w+)`", read(self.document))
        self.assertEqual(len(rows), 4)
        for header, option in rows:
            self.assertEqual(header.upper(), "X-SMS-" + option)


class Operating(DocumentTest):
    document = "conf/OPERATING.md"

    def test_examples(self):
        install = self.take().replace("/etc/", self.folder + "/etc/")
        install = install.replace("sudo make install", "make -s install DESTDIR=" + self.folder)
        install = install.replace("sudo ", "")
        self.shell("cd %s\n%s" % (ROOT, install), INSTASENT_TOKEN="t0k3n")
        self.assertEqual(os.stat(self.folder + "/etc/smsrelay/token").st_mode & 0o777, 0o600)

        common = self.take()
        self.check_settings(common)
        self.start_with_systemd(self.take())
        os.mkdir(self.folder + "/smsrelay")  # of the socket
        path = self.check_settings(self.take() + common)
        commands = self.take().replace("/var/lib/smsrelay", self.folder)
        commands = commands.replace("/run/", self.folder + "/")
        commands = commands.replace("sudo ", "").replace("check", "check -c " + path)
        self.assertIn("\nsmsrelay serve\n", commands)
        self.shell(commands.replace("smsrelay serve\n", "smsrelay serve --help >/dev/null\n"))

        self.upgrade(self.take())
        self.become_sendmail(self.take())
        self.shell("cd %s\n%s" % (ROOT, self.take().replace("make ", "make -n ")))
        self.add_users(self.take(), self.take(), self.take())
        self.refuse(self.take())
        self.check_settings(self.take().replace("8026", "0"))
        self.report(self.take())
        self.assertAllTaken()

    def start_with_systemd(self, example):
        copy, check, *start = example.replace("/etc/", self.folder + "/etc/").splitlines()
        os.makedirs(self.folder + "/etc/systemd/system")
        self.shell(copy.replace("sudo ", "").replace("/usr/local", self.folder + "/usr/local"))
        self.assertEqual(check, "sudo smsrelay check --unit")  # test_conf_cli.py tries it
        self.assertEqual(start, ["sudo systemctl daemon-reload", "sudo systemctl enable --now smsrelay"])

    def upgrade(self, example):
        install, stop, copy, unit, load, start = example.splitlines()
        self.assertEqual(install, "git pull && sudo make install")
        self.assertEqual([stop, load, start], ["sudo systemctl " + words for words in
                                               ("stop smsrelay", "daemon-reload", "start smsrelay")])
        self.shell(unit.replace("sudo ", "").replace("/etc/", self.folder + "/etc/").replace(
            "/usr/local", self.folder + "/usr/local"))
        os.makedirs(self.folder + "/var/lib/smsrelay")
        open(self.folder + "/var/lib/smsrelay/queue.db", "w").close()
        self.shell(copy.replace("sudo ", "").replace("/var/lib/", self.folder + "/var/lib/"))
        self.assertEqual(os.listdir(self.folder + "/var/lib/smsrelay-before"), ["queue.db"])

    def become_sendmail(self, example):
        divert, link = example.replace("sudo ", "").splitlines()
        os.makedirs(self.folder + "/usr/sbin")
        os.makedirs(self.folder + "/dpkg")
        place = self.folder + "/usr/sbin/sendmail"
        with open(place, "w") as file:
            file.write("of a mail server")
        divert = divert.replace("dpkg-divert", "dpkg-divert --admindir %s/dpkg" % self.folder)
        self.shell(divert.replace("/usr/", self.folder + "/usr/"))
        self.shell(link.replace("/usr/", self.folder + "/usr/"))
        with open(place + ".distrib") as file:
            self.assertEqual(file.read(), "of a mail server")
        self.assertEqual(subprocess.run([place, "-V"], capture_output=True).returncode, 64)

    def add_users(self, settings, commands, groups):
        settings = settings.replace("/etc/", self.folder + "/etc/")
        settings += "[sms]\ndefault_from = Acme\n[api]\nurl = sandbox\n"
        path = os.path.join(self.folder, "users.conf")
        with open(path, "w") as file:
            file.write(settings)
        *change, show, reload = commands.splitlines()
        self.assertEqual(reload, "sudo systemctl reload smsrelay")
        for line in change:
            self.shell("echo a-long-password | %s -c %s" % (line, path))
        self.assertEqual(self.shell("%s -c %s" % (show, path)),
                         "backup token rights=submit,ask\nprinter password rights=submit senders=Acme\n")
        add, own, mode, *drop_in, load = groups.splitlines()
        self.assertEqual(add, "sudo groupadd --system smsrelay-users")
        self.assertEqual(load, "sudo systemctl daemon-reload && sudo systemctl restart smsrelay")
        self.shell("\n".join([own.replace("smsrelay-users", str(os.getgid())), mode, *drop_in]).replace(
            "/etc/", self.folder + "/etc/"))
        self.shell("smsrelay check -c " + path)
        self.assertEqual(os.stat(self.folder + "/etc/smsrelay/users").st_mode & 0o777, 0o640)
        with open(self.folder + "/etc/systemd/system/smsrelay.service.d/users.conf") as file:
            self.assertEqual(file.read(), "[Service]\nSupplementaryGroups=smsrelay-users\n")

    def refuse(self, example):
        relay = self.relay()
        with relay.connect() as client:
            for line in ("EHLO ups", "MAIL FROM:<ups@example.org>", "RCPT TO:<+3460012@sms.example>"):
                client.ask(line)
        relay.wait_log("refused")
        line = next(line for line in relay.lines if "event=refused" in line)
        self.assertEqual(re.sub(r"(127\.0\.0\.1:)\d+ owner=\d+", r"\g<1>41234 owner=1000",
                                line.split("level=info ")[1]),
                         example.strip())

    def report(self, example):
        secret = "0123456789abcdef"
        relay = self.relay({"reports.address": "127.0.0.1:0"}, env={"SMSRELAY_REPORTS_SECRET": secret})
        url = relay.wait_log("reports_listening")["url"]
        example = example.replace("https://<your proxy>", url).replace("<secret>", secret)
        self.assertIn("thank you", self.shell("curl -s" + example.removeprefix("curl")))

    def test_every_metric_exists(self):
        relay = self.relay({"http.address": "127.0.0.1:0"})
        url = relay.wait_log("http_listening")["url"]
        metrics = self.shell("curl -s %s/metrics" % url.rstrip("/"))
        table = read(self.document).split("`smsrelay_`:\n")[1].split("\n\nThe log")[0]
        names = re.findall(r"`([a-z_]+)(?:\{[^}]*\})?`", "".join(
            row.split("|")[1] for row in table.splitlines() if row.startswith("| `")))
        self.assertGreater(len(names), 25)
        for name in names:
            self.assertIn("# TYPE smsrelay_%s " % name, metrics)


class Network(DocumentTest):
    """Its recipes need a network, and systemd: what can be looked at without is."""

    document = "conf/NETWORK.md"

    def check_environment(self, text):
        """The variables of a container are good settings."""
        found = dict(re.findall(r'(SMSRELAY_[A-Z_]+)(?::|, value:) "?([^"\n}]*)"?', text))
        found.pop("SMSRELAY_API_TOKEN_FILE", None)
        ended = run("check", "-c", "/dev/null", "-o", "api.url=sandbox", env=found)
        self.assertEqual((ended.returncode, ended.stdout + ended.stderr), (OK, ""), text)

    def make_certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "key.pem", "-out",
                        "certificate.pem", "-days", "90", "-subj", "/CN=relay.example",
                        "-addext", "subjectAltName=DNS:relay.example"],
                       cwd=self.folder, check=True, capture_output=True)
        os.chmod(os.path.join(self.folder, "key.pem"), 0o600)

    def verify_units(self, units):
        self.need("systemd-analyze")
        for name, text in units.items():
            with open(os.path.join(self.folder, name), "w") as file:
                file.write(text)
        done = subprocess.run(["systemd-analyze", "verify", "--recursive-errors=no", *units],
                              cwd=self.folder, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_examples(self):
        self.check_settings(self.take())
        service = self.take() + "ExecStart=/bin/true\n"
        logins, commands = self.take(), self.take().replace("/etc/smsrelay", self.folder)
        self.need("openssl")
        self.make_certificate()
        for line in commands.splitlines():
            self.shell("echo s3cret-of-the-example | " + line.split("#")[0])
        self.check_settings(logins.replace("/etc/smsrelay", self.folder))
        self.check_environment(self.take())
        self.check_environment(self.take())
        self.assertIn("TCP:127.0.0.1:2525", self.take())
        units = {"smsrelay-lan.socket": self.take(), "smsrelay-lan.service": self.take(),
                 "smsrelay.service": service}
        self.assertIn("systemctl enable --now smsrelay-lan.socket", self.take())
        self.assertIn("-R 127.0.0.1:2525:127.0.0.1:2525", self.take())
        self.assertAllTaken()
        self.verify_units(units)


class Security(DocumentTest):
    document = "gateway/SECURITY.md"

    def test_it_names_what_there_is(self):
        self.assertAllTaken()
        known = self.shell("smsrelay settings")
        for section, name in re.findall(r"`([a-z]+)\.([a-z_]+)", read(self.document)):
            self.assertRegex(known, r"(?ms)^\[%s\]$.*^#%s" % (section, name))


class Durability(DocumentTest):
    document = "gateway/store/DURABILITY.md"

    def test_export(self):
        path = os.path.join(self.folder, "queue.db")
        with self.relay({"queue.path": path}) as relay:
            relay.ask("HOLD")
            relay.ask("SEND +34600000000 one")
            relay.ask("SEND +34600000001 two")
        other = self.relay()
        port = other.addresses[0].rsplit(":", 1)[1]
        example = self.take().replace("export", "export -o queue.path=%s -c /dev/null" % path)
        output = self.shell(example.replace("localhost 2525", "127.0.0.1 " + port))
        self.assertEqual(output.count("250 2.0.0 queued"), 2)
        self.assertAllTaken()


class Webhook(DocumentTest):
    document = "gateway/notify/WEBHOOK.md"

    def test_examples(self):
        settings = self.take()
        self.check_settings(settings.replace("/usr/local/bin/sms-changes", "/bin/cat"))
        notices = [json.loads(line) for line in self.take().splitlines()]
        self.assertIn("def is_genuine", self.take())  # test_outbox.py checks signatures with it
        self.assertAllTaken()

        told = os.path.join(self.folder, "told")
        os.mkfifo(told)
        program = os.path.join(self.folder, "program")
        with open(program, "w") as file:
            file.write("#!/bin/sh\nexec cat > %s\n" % told)
        os.chmod(program, 0o755)
        secret = "0123456789abcdef"
        relay = self.relay({"reports.address": "127.0.0.1:0", "reports.exec": program,
                            "sandbox.latency": "0"}, env={"SMSRELAY_REPORTS_SECRET": secret})
        lines = self.enterContext(open(told))
        identity = parse_id(relay.ask("SEND REF=order-1 FROM=Acme +34600000000 who?"))
        seen = {}
        while "report" not in seen:
            notice = json.loads(lines.readline())
            seen[notice["event"]] = notice
        relay.sandbox.call("POST", "/sandbox/reports",
                           {"clientId": identity, "status": "delivered", "message": "yes"})
        seen["inbound"] = json.loads(lines.readline())
        for notice in notices:
            with self.subTest(event=notice["event"]):
                self.assertEqual(list(seen[notice["event"]]), list(notice))


def parse_id(reply):
    return re.search("id=([0-9A-Z]{26})", reply[0]).group(1)


class Simulator(DocumentTest):
    document = "gateway/sandbox/SANDBOX.md"

    def test_examples(self):
        inside = self.take()
        self.assertEqual(self.shell(inside.replace("serve", "check -c /dev/null")), "")

        alone = self.take().replace("sandbox", "check -c /dev/null -o api.url=sandbox", 1)
        self.assertEqual(self.shell(alone), "")
        sandbox = self.ended(Sandbox(token="sandbox"))
        host = sandbox.host
        self.assertIn(self.take().strip().replace("127.0.0.1:8080", host),
                      "\n".join(sandbox.lines))

        output = self.shell(self.take().replace("127.0.0.1:8080", host))
        self.assertIn('"clientId":"order-1"', output.replace(" ", ""))

        summary = self.take()
        shown = re.sub(r"\bn\b", "0", summary).replace(",..", "").replace("\n", "")
        self.assertEqual(skeleton(json.loads(shown)), skeleton(sandbox.summary()))

        self.shell(self.take().replace("127.0.0.1:8080", host))
        faults = sandbox.call("GET", "/sandbox/faults")["faults"]
        self.assertEqual([fault["fault"]["count"] for fault in faults], [2])
        self.assertAllTaken()

    def test_outcomes_are_those_of_the_program(self):
        shown = re.findall(r"(?m)^\| `(9\d\d\d)` ", read(self.document))
        self.assertEqual(shown, re.findall(r"\.\.\.(9\d\d\d) ", run("sandbox", "--help").stdout))

    def test_settings_are_those_of_the_program(self):
        text = read(self.document).split("## Settings while it runs")[1]
        rows = re.findall(r"(?m)^\| (`.*?`) \|", text)
        shown = {name for row in rows for name in re.findall("`(\\w+)`", row)} - {"token"}
        sandbox = self.separate_sandbox()
        known = set(sandbox.call("GET", "/sandbox/settings")) - {"token"}
        self.assertEqual(shown, known)


class Submit(DocumentTest):
    document = "gateway/submit/SUBMIT.md"

    def setUp(self):
        super().setUp()
        self.users = write_users(os.path.join(self.folder, "users"), ("shop", "the-token"))

    def test_examples(self):
        settings = self.take()
        self.check_settings(settings.replace("/etc/smsrelay/users", self.users))
        relay = self.relay({"auth.users": self.users, "submit.address": "127.0.0.1:0"})
        host = relay.wait_log("submit_listening")["url"].split("/")[2]

        def request():
            return self.take().replace("127.0.0.1:8081", host)

        answer = json.loads(self.shell(request(), TOKEN="the-token"))
        shown = json.loads(self.take())
        self.assertEqual({**answer["entity"], "id": ""}, {**shown["entity"], "id": ""})
        self.assertEqual(list(answer["entity"]), list(shown["entity"]))
        told = self.shell(request().replace(shown["entity"]["id"], answer["entity"]["id"]),
                          TOKEN="the-token")
        self.assertEqual(json.loads(told)["entity"]["clientId"], "order-1")

        refusal = call(host, "POST", "/transactional/v1/sms", {"to": "12", "text": ""},
                       token="the-token")
        self.assertEqual(refusal[1], json.loads(self.take()))
        self.assertAllTaken()


class SettingsFile(DocumentTest):
    """Comments of settings files: an example is a line that begins with `#   `."""

    def examples(self):
        return re.findall(r"(?m)^#   (\S.*)$", read(self.document))


class Trial(SettingsFile):
    document = "conf/sandbox.conf"

    def test_examples(self):
        serve, submit = self.examples()
        path = os.path.join(self.folder, "sandbox.conf")
        with open(path, "w") as file:
            file.write(re.sub(r"(127\.0\.0\.1):2\d+$", r"\1:0", read(self.document), flags=re.M))
        words = serve.replace("sandbox.conf", path).split()[1:]
        relay = self.ended(Process(words + ["-o", "listen.address=127.0.0.1:0"], ready="started"))
        address = relay.log("listening")[0]["address"]
        watcher = self.enterContext(Client(address))
        watcher.ask("WATCH")
        submit = submit.replace("2525", address.rsplit(":", 1)[1])
        self.assertIn("\n250 2.0.0 queued id=", self.shell(submit))
        while "dlr=delivered" not in watcher.read_event():
            pass
        page = relay.log("http_listening")[0]["url"]
        self.assertIn("<title>", self.shell("curl -s " + page))

    def test_it_can_keep_its_queue(self):
        option = re.search("`(-o queue.path=.*?)`", read(self.document)).group(1).split()
        path = os.path.join(self.folder, "sandbox.conf")  # a copy of our own: others' are refused
        with open(path, "w") as file:
            file.write(read(self.document))
        self.assertEqual(run("check", "-c", path, *option, cwd=self.folder).stderr, "")


class Unit(SettingsFile):
    document = "conf/smsrelay.service"

    def test_examples(self):
        token, copy, start = self.examples()
        os.makedirs(self.folder + "/etc/smsrelay")
        os.makedirs(self.folder + "/etc/systemd/system")
        token = token.split("  ")[0].replace("/etc/", self.folder + "/etc/")
        self.shell("echo t0k3n | " + token)
        self.shell("cd %s/conf\n%s" % (ROOT, copy.replace("/etc/", self.folder + "/etc/")))
        self.assertEqual(start, "systemctl daemon-reload && systemctl enable --now smsrelay")

        unit = read(self.document)
        env = dict(re.findall(r"(?m)^Environment=(\w+)=(.*)$", unit.replace("%d", self.folder)))
        os.rename(self.folder + "/etc/smsrelay/token", self.folder + "/token")
        env.update({"RUNTIME_DIRECTORY": self.folder, "STATE_DIRECTORY": self.folder})
        self.shell("smsrelay check -c /dev/null", **env)

    def test_it_waits_for_the_queue_to_drain(self):
        drain = re.search(r"(?m)^#drain_timeout = (\d+)s$", read("conf/smsrelay.conf")).group(1)
        stop = re.search(r"(?m)^TimeoutStopSec=(\d+)s$", read(self.document)).group(1)
        self.assertGreater(int(stop), int(drain))


class Settings(SettingsFile):
    document = "conf/smsrelay.conf"

    def test_examples(self):
        text = read(self.document).replace("\n# ", " ")
        path = os.path.join(self.folder, "aliases")
        with open(path, "w") as file:
            file.write(re.search("`(oncall: .*?)`", text).group(1))
        secret = self.shell(re.search("`(openssl .*?)`", text).group(1)).strip()
        for option in ("sms.aliases=" + path, "reports.secret=" + secret, "reports.poll=30s"):
            done = run("check", "-o", "api.url=sandbox", "-o", option)
            self.assertEqual((done.returncode, done.stderr), (OK, ""))


def skeleton(value):
    """The names in a JSON object, without the numbers of `status`."""
    return {name: skeleton(each) if isinstance(each, dict) and name != "status" else None
            for name, each in value.items()}


del DocumentTest, SettingsFile  # they have no document
