"""Nothing that tests start reads the settings of a relay that is installed here, or reaches it.

tests/support/poisoned sets traps where such a relay would be. Here a sample of everything that starts
a relay or a client runs among them; `tests/support/poisoned tests/e2e/run.py` runs all of it.
"""

import os
import subprocess
import unittest

from support import PATIENCE, SMSRELAY, VARIANT, WRAPPER, TestCase

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
POISONED = os.path.join(ROOT, "tests/support/poisoned")


@unittest.skipUnless(VARIANT == "release" and not WRAPPER, "once is enough: the release variant")
class IsolationTest(TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("takes root, to set traps where a relay would be")
        if subprocess.run(["unshare", "-mn", "true"], stderr=subprocess.DEVNULL).returncode != 0:
            raise unittest.SkipTest("this root may not make namespaces")

    def run_poisoned(self, *words, **env):
        """Returns the exit code, what it printed, and the traps that were touched."""
        done = subprocess.run([POISONED, *words], text=True, timeout=4 * PATIENCE, cwd=ROOT,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT,
                              env=dict(os.environ, PATIENCE=str(3 * PATIENCE), **env))
        touched = [line[len("touched: "):] for line in done.stdout.splitlines()
                   if line.startswith("touched: ")]
        return done.returncode, done.stdout, touched


class Installed(IsolationTest):
    """What a program of ours finds that was told nothing: the traps are where it looks."""

    NO_VARIABLES = ("env", "-i")
    NO_SOCKET = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "sh")

    def assertFinds(self, traps, *words):
        _, printed, touched = self.run_poisoned(*words)
        self.assertEqual(set(touched), set(traps), printed)

    def test_the_default_file(self):
        for word in ("check", "serve", "sandbox"):
            self.assertFinds(["/etc/smsrelay/smsrelay.conf"], *self.NO_VARIABLES, SMSRELAY, word)

    def test_the_variables(self):
        self.assertFinds(["/etc/smsrelay/token"], SMSRELAY, "check", "-c", "/dev/null")

    def test_the_store_of_the_service(self):
        self.assertFinds(["/var/lib/smsrelay/queue.db"], *self.NO_VARIABLES, SMSRELAY, "queue", "-c",
                         "/dev/null")

    def test_who_listens(self):
        self.assertFinds(["/run/smsrelay/named.sock"], SMSRELAY, "hold")
        self.assertFinds(["/run/smsrelay/smsrelay.sock"], *self.NO_VARIABLES, SMSRELAY, "hold")
        self.assertFinds(["127.0.0.1:2525"], *self.NO_VARIABLES, *self.NO_SOCKET, SMSRELAY, "hold")


if __name__ == "__main__":
    unittest.main()
