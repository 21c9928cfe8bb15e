"""What `make test` says of tests that it has not run, and what it does when one cannot be prepared."""

import os
import shutil
import subprocess
import tempfile
import unittest

from support import VARIANT, WRAPPER, clean_environment

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Stands for tests/e2e/run.py: of three tests, this variant runs those named.
RUNNER = """#!/usr/bin/env python3
import os
ran = {"release": ["test_a.A.test_here"], "asan": ["test_a.A.test_there"]}
with open(os.environ["OUTCOMES"], "a") as file:
    for name in ("test_a.A.test_here", "test_a.A.test_there", "test_a.A.test_nowhere"):
        is_run = name in ran[os.environ["SMSRELAY_VARIANT"]]
        file.write("%s\\t%s\\n" % (name, "" if is_run else "a program is missing"))
    file.write("test_b.B.test_1\\tno root\\ntest_b.B.test_2\\tno root\\n")
print("1 passed, 0 failed")
"""


@unittest.skipUnless(VARIANT == "release" and not WRAPPER, "once is enough: the release variant")
class Copy(unittest.TestCase):
    """A tree with nothing but a script of tests/support, and stand-ins for what it calls."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, path, text):
        path = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o755)) as file:
            file.write(text)

    def run_copy(self, script, *arguments, **env):
        os.makedirs(self.folder + "/tests/support", exist_ok=True)
        shutil.copy(os.path.join(ROOT, "tests/support", script), self.folder + "/tests/support")
        env = dict(env, PATH=self.folder + "/bin:" + os.environ["PATH"], MAKEFLAGS=None)
        done = subprocess.run([self.folder + "/tests/support/" + script, *arguments], text=True,
                              capture_output=True, env=clean_environment(**env))
        return done.returncode, done.stdout.splitlines(), done.stderr


class Skipped(Copy):
    def setUp(self):
        super().setUp()
        self.write("Makefile", "%:\n\t@:\n")
        self.write("tests/e2e/run.py", RUNNER)
        os.makedirs(self.folder + "/tests/unit")
        os.makedirs(self.folder + "/tests/bench")

    def test_the_last_lines_name_them(self):
        """Whatever no variant has run, with the reason; then the tally, alone on its line."""
        code, lines, _ = self.run_copy("check", "e2e", CI=None)
        self.assertEqual(code, 0)
        self.assertRegex(lines[-4], "^-- e2e: ")
        self.assertEqual(lines[-3:], ["skipped: test_a.A: a program is missing (2 tests)",
                                      "skipped: test_b.B: no root (2 tests)",
                                      "1 passed, 0 failed"])

    def test_one_that_another_variant_has_run_is_not_among_them(self):
        code, lines, _ = self.run_copy("check", "e2e", "asan", CI=None)
        self.assertEqual(code, 0)
        self.assertEqual(lines[-3:], ["skipped: test_a.A.test_nowhere: a program is missing",
                                      "skipped: test_b.B: no root (2 tests)",
                                      "2 passed, 0 failed"])


class Fetching(Copy):
    """tests/support/fetch-clients, which calls npm."""

    def setUp(self):
        super().setUp()
        self.write("tests/clients/package.json", "{}")
        self.write("tests/clients/package-lock.json", "{}")

    def fetch(self, npm):
        self.write("bin/npm", npm)
        return self.run_copy("fetch-clients", CI=None)

    def test_npm_that_fails_is_an_error(self):
        for _ in range(2):  # it is not taken for done, either
            code, _, errors = self.fetch("#!/bin/sh\nexit 1\n")
            self.assertEqual(code, 1)
            self.assertIn("npm cannot install the modules of tests/clients", errors)

    def test_no_module_runs_scripts(self):
        code, lines, errors = self.fetch('#!/bin/sh\necho "$@"\nmkdir build/clients/node_modules\n')
        self.assertEqual((code, errors), (0, ""))
        self.assertRegex(lines[0], "^ci .*--ignore-scripts")
        self.assertEqual(self.fetch("#!/bin/sh\nexit 1\n"), (0, [], ""))


del Copy  # it has no tests

if __name__ == "__main__":
    unittest.main()
