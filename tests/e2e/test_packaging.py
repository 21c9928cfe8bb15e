"""What a packager asks of the Makefile: flags of their own, DESTDIR, PREFIX."""

import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from support import TEMPFAIL, VARIANT, WRAPPER, TestCase, clean_environment

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@unittest.skipUnless(VARIANT == "release" and not WRAPPER, "once is enough: the release variant")
class MakeTest(TestCase):
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
            "-O3", "-g", "-D_FORTIFY_SOURCE=3", "-fstack-protector-strong",
            "-ftrivial-auto-var-init=zero"))
        self.assertFlags(self.link(**none), ("-pie", "-Wl,-z,relro,-z,now"))

    def test_hardening_that_the_compiler_has(self):
        """Both take all of it on x86, clang in its own words; an unknown compiler gets what is safe."""
        for compiler in ("gcc", "clang"):
            self.need(compiler)
            command = self.compile("CC_release=" + compiler, **dict.fromkeys(self.THEIRS))
            self.assertFlags(command, ("-ftrivial-auto-var-init=zero",))
            if os.uname().machine == "x86_64":
                self.assertFlags(command, ("-fcf-protection",))
            shutil.rmtree(self.folder + "/gateway")
        compiler = self.folder + "/cc"
        with open(compiler, "w", opener=lambda name, flags: os.open(name, flags, 0o755)) as file:
            file.write('#!/bin/sh\ncase "$*" in *-fcf*|*-ftrivial*) exit 1;; esac\nexec gcc "$@"\n')
        command = self.compile("CC_release=" + compiler, **dict.fromkeys(self.THEIRS))
        self.assertFlags(command, ("-D_FORTIFY_SOURCE=3",), ("-fcf-", "-ftrivial-"))

    def test_flags_of_a_sanitizer_stay(self):
        command = self.make("-n", "-B", "V=1", "VARIANT=asan", "build/asan/conf/value.o",
                            "CFLAGS=-O0")
        self.assertFlags(command, ("-fsanitize=address,undefined", "-O0"))

    def test_nothing_hides_from_those_that_look(self):
        for variant in ("asan", "tsan", "fuzz", "valgrind"):
            command = self.make("-n", "-B", "V=1", "VARIANT=" + variant,
                                "build/%s/conf/value.o" % variant, **dict.fromkeys(self.THEIRS))
            self.assertFlags(command, ("-g",), ("-ftrivial-", "-D_FORTIFY_SOURCE"))

    def test_what_is_missing_is_named_first(self):
        done = subprocess.run(["make", "-C", ROOT, "BUILD=" + self.folder + "/x", "PKG_CONFIG=false",
                               self.folder + "/x/conf/value.o"], capture_output=True, text=True,
                              env=clean_environment(MAKEFLAGS=None, MFLAGS=None, MAKELEVEL=None))
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, "^To build smsrelay, this is missing: .*libevent.* sqlite3")
        self.assertIn("`make deps-run` installs it", done.stderr)
        self.assertNotIn("conf/value.c", done.stderr)


class Install(MakeTest):
    is_long = True

    def install(self, *arguments):
        """The paths of the files, below DESTDIR."""
        shutil.rmtree(self.folder)
        self.make("-s", "install", "DESTDIR=" + self.folder, *arguments)
        return sorted(path[len(self.folder):] for path in
                      glob.glob(self.folder + "/**", recursive=True)
                      if os.path.isfile(path) and not os.path.islink(path))

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
                          ("PROTOCOL.md", "sandbox.conf", "smsrelay.conf")])
        self.check_unit("/usr/lib/systemd/system/smsrelay.service", "/usr")
        self.assertEqual(oct(os.stat(self.folder + files[1]).st_mode & 0o777), "0o644")

    def test_the_installed_program_runs(self):
        self.install("PREFIX=/usr")
        done = subprocess.run([self.folder + "/usr/bin/smsrelay", "-V"], capture_output=True)
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_the_link_for_callers_of_sendmail(self):
        self.install()
        done = subprocess.run([self.folder + "/usr/local/lib/smsrelay/sendmail", "-t"], text=True,
                              input="To: +34600000000\n\ntext\n", capture_output=True,
                              env=clean_environment())
        self.assertEqual(done.returncode, TEMPFAIL)  # of sendmail: there is no relay
        self.assertIn("smsrelay", done.stderr)

    def test_only_with_a_destination_nothing_is_installed_that_is_missing(self):
        """A packager's build has no network, and no right to install."""
        commands = self.make("-n", "install", "DESTDIR=" + self.folder)
        self.assertNotIn("deps-run", commands)
        self.assertIn("deps-run", self.make("-n", "install"))

    def test_how_exposed_the_service_is(self):
        """systemd-analyze's own measure: at most 1.5 of 10."""
        self.need("systemd-analyze")
        self.install()
        unit = self.folder + "/usr/local/share/doc/smsrelay/smsrelay.service"
        done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager",
                               "--threshold=15", unit], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_systemd_knows_every_line_of_the_unit(self):
        self.need("systemd-analyze")
        self.install("PREFIX=" + self.folder + "/opt", "DESTDIR=")
        unit = self.folder + "/opt/share/doc/smsrelay/smsrelay.service"
        done = subprocess.run(["systemd-analyze", "verify", "--recursive-errors=no", unit],
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
