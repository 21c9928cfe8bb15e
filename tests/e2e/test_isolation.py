"""Nothing that tests start reads the settings of a relay that is installed here, or reaches it.

tests/support/poisoned sets traps where such a relay would be. Here a sample of everything that starts
a relay or a client runs among them; `tests/support/poisoned tests/e2e/run.py` runs all of it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from support import PATIENCE, SMSRELAY, VARIANT, WRAPPER, TestCase

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
POISONED = os.path.join(ROOT, "tests/support/poisoned")

# A test of each way in which a program of ours is started.
TESTS = ("Smoke test_aliases.Mail test_cli test_client.Send test_client.Asking test_command_line "
         "test_conf_cli "
         "test_kill.Kill test_protocol_md.Examples test_queue_offline.Finding test_sandbox.RecordTest "
         "test_secrets.Processes test_sendmail.Callers test_durable.Restart.test_cancel_lasts "
         "test_queue_offline.Running.test_who_prints_slowly_keeps_no_relay_waiting "
         "test_outbox.Program.test_a_relay_without_standard_error").split()

BENCH = "import programs\nwith programs.Relay('sandbox') as relay: relay.ask('NOOP')\n"


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

    NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

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
        """The variable comes first, then what the settings file says to whoever may read it."""
        file = "/etc/smsrelay/smsrelay.conf"
        self.assertFinds(["/run/smsrelay/named.sock"], SMSRELAY, "hold")
        self.assertFinds([file, "/run/smsrelay/listed.sock"], *self.NO_VARIABLES, SMSRELAY, "hold")
        self.assertFinds([file, "127.0.0.1:2525"], *self.NO_VARIABLES, *self.NO_SOCKET, SMSRELAY,
                         "hold")
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            self.assertFinds(["/run/smsrelay/smsrelay.sock"], *self.NO_VARIABLES, *self.NOBODY,
                             shutil.copy(SMSRELAY, folder), "hold")


class Untouched(IsolationTest):
    is_long = True

    def assertUntouched(self, *words, **env):
        code, printed, touched = self.run_poisoned(*words, **env)
        self.assertEqual(touched, [], printed)
        self.assertEqual(code, 0, printed)
        return printed

    def test_by_tests(self):
        printed = self.assertUntouched("tests/e2e/run.py", *TESTS, KILL_SECONDS="1")
        self.assertGreater(int(printed.splitlines()[-1].split(" passed")[0]), len(TESTS))

    def test_by_benchmarks(self):
        self.assertUntouched(sys.executable, "-c", BENCH, PYTHONPATH="tests/bench")

    def test_by_make_run(self):
        """It takes the token, which tells it to relay in earnest, and nothing else."""
        self.assertUntouched(
            "env", "-u", "INSTASENT_TOKEN", "ADDRESS=127.0.0.1:0", "bash", "-c",
            'exec 3< <(exec "$@" 2>&1)\n'
            "while read -r -u 3 line && [[ $line != *event=started* ]]; do :; done\n"
            "kill $! && wait $!",
            "bash", "tests/support/run-relay", SMSRELAY)


if __name__ == "__main__":
    unittest.main()
