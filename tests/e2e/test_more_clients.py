"""Clients whose installation is heavy: other languages, and mail servers that relay to us.

`make clients` runs them; as part of `make test` they are not there.
"""

import os
import re
import shutil
import tempfile
import unittest

import support
from relaying import eventually
from support import PATIENCE
from test_clients import A, BUILD, DOMAIN, FILES, SENDER, ClientTest, content

# Who sends: so that a bounce would become an SMS if it were not refused.
A_PHONE = "+34600000009@sms.example"
JARS = "/usr/share/java/jakarta-mail.jar:/usr/share/java/jakarta-activation.jar"


def load_tests(_loader, tests, _pattern):
    return tests if os.environ.get("CLIENTS") == "all" else unittest.TestSuite()


class Languages(ClientTest):
    def test_php_mail(self):
        self.need("php")
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, "sendmail")
            os.symlink(support.SMSRELAY, program)
            self.check(lambda to, text: self.php_mail(program, to, text))

    def test_php_mail_without_a_link(self):
        self.need("php")
        self.check(lambda to, text: self.php_mail(support.SMSRELAY + " sendmail", to, text))

    def php_mail(self, program, to, text):
        return self.call("php", "-d", "sendmail_path=%s -t -i" % program,
                         os.path.join(FILES, "mail.php"), SENDER, text, *to,
                         SMSRELAY_SOCKET=self.the_relay.addresses[0])

    def test_phpmailer(self):
        self.need("php", "/usr/share/php/libphp-phpmailer")
        self.check(lambda to, text: self.call(
            "php", os.path.join(FILES, "phpmailer.php"), self.host, self.port, SENDER, text, *to))

    def test_go(self):
        self.need("go")
        program = os.path.join(BUILD, "net_smtp")
        self.assertIsNone(self.call(
            "go", "build", "-o", program, os.path.join(FILES, "net_smtp.go"), GO111MODULE="off",
            GOCACHE=os.path.join(BUILD, "go"), CGO_ENABLED="0", timeout=120))
        self.check(lambda to, text: self.call(
            program, "%s:%s" % (self.host, self.port), SENDER, *to, stdin=content(text)))

    def test_jakarta_mail(self):
        self.need("java", *JARS.split(":"))
        self.assertIsNone(self.call("javac", "-cp", JARS, "-d", BUILD,
                                    os.path.join(FILES, "JakartaMail.java"), timeout=120))
        self.check(lambda to, text: self.call(
            "java", "-Dfile.encoding=UTF-8", "-Dsun.jnu.encoding=UTF-8", "-cp",
            JARS + ":" + BUILD, "JakartaMail", self.host, self.port, SENDER, text, *to,
            LC_ALL="C.UTF-8"))

    def test_ruby(self):
        self.need("ruby")
        self.check(lambda to, text: self.call(
            "ruby", os.path.join(FILES, "net_smtp.rb"), self.host, self.port, SENDER, *to,
            stdin=content(text)))

    def test_smtp_source(self):
        """It counts several recipients down: 2name, then name."""
        program = os.path.join(BUILD, "postfix", "usr", "sbin", "smtp-source")
        self.need(program)

        def send(to, text):
            with tempfile.NamedTemporaryFile() as mail:
                mail.write(content(text))
                mail.flush()
                number = to[0].lstrip("+")
                words = ["-t", number] if len(to) == 1 else ["-r", "2", "-t", number[1:]]
                return self.call(program, "-f", SENDER, *words, "-F", mail.name,
                                 "%s:%s" % (self.host, self.port),
                                 LD_LIBRARY_PATH=os.path.join(BUILD, "postfix/usr/lib/postfix"))

        self.check(send, pair=("+24600000001", "+4600000001"))


POSTFIX_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = {root}/usr/lib/postfix/sbin
command_directory = {root}/usr/sbin
shlib_directory = {root}/usr/lib/postfix
meta_directory = {root}/etc/postfix
import_environment = MAIL_CONFIG MAIL_LOGTAG LD_LIBRARY_PATH={root}/usr/lib/postfix
export_environment = MAIL_CONFIG LD_LIBRARY_PATH={root}/usr/lib/postfix
mail_owner = daemon
setgid_group = mail
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = postfix.example
mydestination =
alias_maps =
disable_dns_lookups = yes
"""

# No listener: mail comes from its sendmail command.
POSTFIX_MASTER = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
proxymap unix - - n - - proxymap
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

EXIM = """\
exim_user = mail
exim_group = mail
spool_directory = {folder}/spool
log_file_path = {folder}/%slog
primary_hostname = exim.example
smtputf8_advertise_hosts =
keep_environment =
exim_path = {program}
never_users =
begin routers
gateway:
  driver = manualroute
  domains = sms.example
  transport = gateway
  route_list = * {host}::{port} byname
  self = send
begin transports
gateway:
  driver = smtp
  allow_localhost
  hosts_try_fastopen =
"""


class MailServers(ClientTest):
    """What they say of a mail is in their log: it was taken before it is relayed."""

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("needs root")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.chmod(self.folder, 0o755)

    def write(self, path, words, **values):
        path = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as out:
            out.write(words.format(folder=self.folder, host=self.host, port=self.port, **values))
        return path

    def logged(self, path):
        path = os.path.join(self.folder, path)
        return open(path, errors="replace").read() if os.path.exists(path) else ""

    def start_postfix(self, settings):
        """Returns the words of its sendmail command, and its environment."""
        root = os.path.join(BUILD, "postfix")
        self.need(root)
        env = {"LD_LIBRARY_PATH": os.path.join(root, "usr/lib/postfix")}
        config = os.path.dirname(self.write("config/main.cf", POSTFIX_MAIN + settings, root=root))
        self.write("config/master.cf", POSTFIX_MASTER)
        self.write("config/transport", "sms.example smtp:[{host}]:{port}\n")
        for name in ("queue", "data"):
            os.mkdir(os.path.join(self.folder, name))
        shutil.chown(os.path.join(self.folder, "data"), "daemon")

        def command(name, *words):
            return self.call(os.path.join(root, "usr/sbin", name), *words, **env)

        self.assertIsNone(command("postmap", "-c", config, os.path.join(config, "transport")))
        self.assertIsNone(command("postfix", "-c", config, "start"), self.logged("log"))
        self.addCleanup(command, "postfix", "-c", config, "stop")
        return (os.path.join(root, "usr/sbin/sendmail"), "-C", config, "-i"), env

    def check_postfix(self, settings):
        sendmail, env = self.start_postfix(settings)

        def send(to, text):
            before = self.logged("log").count("status=")
            self.assertIsNone(self.call(*sendmail, "-f", A_PHONE, *to, stdin=content(text), **env))
            eventually(lambda: self.logged("log").count("status=") >= before + len(to),
                       "Postfix has relayed")
            told = [line for line in self.logged("log").splitlines() if "status=" in line]
            return "\n".join(line for line in told[before:] if "status=sent" not in line) or None

        self.check(send, refusal="status=bounced .*5.1.3")
        bounce = "to=<%s>.*status=bounced .*550 5.7.1" % re.escape(A_PHONE)
        eventually(lambda: re.search(bounce, self.logged("log")), "no bounce for a phone")

    def test_postfix_relayhost(self):
        self.check_postfix("relayhost = [{host}]:{port}\n")

    def test_postfix_transport_map(self):
        self.check_postfix("transport_maps = hash:{folder}/config/transport\n"
                           "default_transport = discard\n")

    def test_exim(self):
        program = os.path.join(BUILD, "exim4-daemon-light", "usr", "sbin", "exim4")
        self.need(program)
        config = self.write("exim.conf", EXIM, program=program)
        for name, line in (("passwd", "Debian-exim:x:8:8::/:/bin/false\n"),
                           ("group", "Debian-exim:x:8:\n")):
            self.write(name, "{known}" + line, known=open("/etc/" + name).read())
        os.mkdir(os.path.join(self.folder, "spool"))
        for path in (self.folder, os.path.join(self.folder, "spool")):
            shutil.chown(path, "mail", "mail")

        def send(to, text):
            before = len(self.logged("mainlog"))
            # It wants a user of its own, whom only its installation would make.
            said = self.call("unshare", "-m", "sh", "-c",
                             'mount --bind passwd /etc/passwd && mount --bind group /etc/group && '
                             'exec "$@"', "sh", program, "-C", config, "-odf", "-f", A_PHONE, *to,
                             stdin=content(text), cwd=self.folder)
            log = self.logged("mainlog")[before:]
            told = log.split(" <= <> ")[0]  # what follows is about the bounce
            if said is None and told.count("=> ") + told.count("-> ") == len(to):
                return None
            return (said or "") + log

        self.check(send, refusal=r"\*\* .*5.1.3")
        bounce = r"\*\* %s .*550 5.7.1" % re.escape(A_PHONE)
        eventually(lambda: re.search(bounce, self.logged("mainlog")), "no bounce for a phone")


if __name__ == "__main__":
    unittest.main()
