"""What a packager asks of the Makefile: flags of their own, DESTDIR, PREFIX."""

import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from support import clean_environment

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class MakeTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def make(self, *arguments, **env):
        """Runs make, as if no other make had started it; returns what it printed."""
        env = dict(env, MAKEFLAGS=None, MFLAGS=None, MAKELEVEL=None)
        done = subprocess.run(["make", "-C", ROOT, *arguments], capture_output=True, text=True,
                              env=clean_environment(**env))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "")
        return done.stdout


class Flags(MakeTest):
    OURS = ("-std=c11", "-D_GNU_SOURCE", "-I.", "-DSMSRELAY_VERSION=", "-pthread", "-fPIE")
    THEIRS = {"CFLAGS": "-O1 -g0", "CPPFLAGS": "-DPACKAGED -D_FORTIFY_SOURCE=3",
              "LDFLAGS": "-Wl,-z,norelro"}

    def compile(self, *arguments, **env):
        """The command that compiles a file, which succeeds."""
        return self.make("BUILD=" + self.folder, "V=1", self.folder + "/gateway/base/process.o",
                         *arguments, **env)

    def link(self, *arguments, **env):
        commands = self.make("-n", "-B", "V=1", "build/release/smsrelay", *arguments, **env)
        return next(line for line in commands.splitlines() if " -o build/release/smsrelay " in line)

    def assertFlags(self, command, flags, others=()):
        for flag in flags:
            self.assertRegex(command, r"(^|\s)%s" % re.escape(flag))
        for flag in others:
            self.assertNotIn(flag, command)

    def test_those_of_a_packager_replace_the_defaults_alone(self):
        words = ["%s=%s" % item for item in self.THEIRS.items()]
        for arguments, env in ((words, {}), ([], self.THEIRS)):
            command = self.compile(*arguments, **env)
            self.assertFlags(command, self.OURS + ("-O1", "-g0", "-DPACKAGED"), ("-O3", "-z,"))
            shutil.rmtree(self.folder + "/gateway")
            command = self.link(*arguments, **env)
            self.assertFlags(command, ("-pie", "-pthread", "-Wl,--as-needed", "-Wl,-z,norelro",
                                       "-lsqlite3"), ("-z,now",))

    def test_the_defaults(self):
        none = dict.fromkeys(self.THEIRS)
        self.assertFlags(self.compile(**none), self.OURS + (
            "-O3", "-g", "-D_FORTIFY_SOURCE=2", "-fstack-protector-strong"))
        self.assertFlags(self.link(**none), ("-pie", "-Wl,-z,relro,-z,now"))

    def test_flags_of_a_sanitizer_stay(self):
        command = self.make("-n", "-B", "V=1", "VARIANT=asan", "build/asan/conf/value.o",
                            "CFLAGS=-O0")
        self.assertFlags(command, ("-fsanitize=address,undefined", "-O0"))


class Install(MakeTest):
    def install(self, *arguments):
        """The paths of the files, below DESTDIR."""
        shutil.rmtree(self.folder)
        self.make("-s", "install", "DESTDIR=" + self.folder, *arguments)
        return sorted(path[len(self.folder):] for path in
                      glob.glob(self.folder + "/**", recursive=True) if os.path.isfile(path))

    def check_unit(self, path, prefix):
        """Every path that it names below the prefix was installed."""
        with open(self.folder + path) as file:
            unit = file.read()
        self.assertIn("\nExecStart=%s/bin/smsrelay serve\n" % prefix, unit)
        self.assertIn("\nDocumentation=file://%s/share/doc/smsrelay/" % prefix, unit)
        for path in re.findall(r"(?:=|file://)(%s/\S+)" % prefix, unit):
            self.assertTrue(os.path.isfile(self.folder + path), path)
        if prefix != "/usr/local":
            self.assertNotIn("/usr/local", unit)

    def test_the_prefix_reaches_the_unit(self):
        for prefix in ("/usr/local", "/usr", "/opt/smsrelay"):
            files = self.install("PREFIX=" + prefix) if prefix != "/usr/local" else self.install()
            self.assertEqual([path for path in files if not path.startswith(prefix)], [])
            self.check_unit(prefix + "/share/doc/smsrelay/smsrelay.service", prefix)

    def test_the_unit_where_systemd_finds_it(self):
        files = self.install("PREFIX=/usr", "UNITDIR=/usr/lib/systemd/system")
        self.assertEqual(files, ["/usr/bin/smsrelay", "/usr/lib/systemd/system/smsrelay.service"] +
                         ["/usr/share/doc/smsrelay/" + name for name in
                          ("PROTOCOL.md", "smsrelay.conf")])
        self.check_unit("/usr/lib/systemd/system/smsrelay.service", "/usr")
        self.assertEqual(oct(os.stat(self.folder + files[1]).st_mode & 0o777), "0o644")

    def test_the_installed_program_runs(self):
        self.install("PREFIX=/usr")
        done = subprocess.run([self.folder + "/usr/bin/smsrelay", "-V"], capture_output=True)
        self.assertEqual((done.returncode, done.stderr), (0, b""))


if __name__ == "__main__":
    unittest.main()
