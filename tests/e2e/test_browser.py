"""The page at / in a real browser: Debian's Chromium, driven by playwright-core (tests/clients/page.cjs).

Screenshots are in build/check/: page-*.png.
"""

import os
import signal
import subprocess
import unittest

from support import PATIENCE, VARIANT, WRAPPER, Relay, TestCase
from test_clients import BUILD, FILES, ROOT

MODULES = os.path.join(BUILD, "node_modules")
CHROMIUM = "/usr/bin/chromium"
STEPS = ["it loads", "the counters move", "all are shown on demand",
         "a message is in the inbox within a second", "hostile texts are texts",
         "a message shows its life, and leads to the inbox and back", "one tab stop for each message",
         "a button reports", "what one reads stays where it is", "it finds a number, an id and a REF",
         "it says why nothing is relayed", "it fits every width", "what is not of today has a date",
         "without JavaScript it claims nothing",
         "one page too many says so", "freeze", "stop", "restart", "it survives a restart"]


@unittest.skipUnless(VARIANT == "release" and not WRAPPER, "the browser sees the release variant only")
class Browser(TestCase):
    maxDiff = None

    def start(self, page):
        return Relay({"http.address": page, "reports.address": "127.0.0.1:0"},
                     env={"SMSRELAY_REPORTS_SECRET": "s3cret-of-the-tests-0123"})

    def test_the_page(self):
        self.need(CHROMIUM, "node", os.path.join(MODULES, "playwright-core"), os.path.join(MODULES, "axe-core"))
        folder = os.path.join(ROOT, "build", "check")
        os.makedirs(folder, exist_ok=True)
        relay = self.ended(self.start("127.0.0.1:0"))
        url = relay.wait_log("http_listening")["url"]
        looker = subprocess.Popen(
            ["node", os.path.join(FILES, "page.cjs"), url, relay.addresses[0], folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=dict(os.environ, NODE_MODULES=MODULES, CHROMIUM=CHROMIUM))
        self.addCleanup(looker.wait)
        self.addCleanup(looker.kill)
        lines = []
        for line in looker.stdout:
            lines.append(line.rstrip("\n"))
            if lines[-1] == "freeze":
                relay.send_signal(signal.SIGSTOP)
                looker.stdin.write("frozen\n")
                looker.stdin.flush()
            if lines[-1] == "stop":
                relay.send_signal(signal.SIGCONT)
                relay.stop()
                looker.stdin.write("stopped\n")
                looker.stdin.flush()
            if lines[-1] == "restart":
                relay = self.ended(self.start(url.split("/")[2]))
                looker.stdin.write(relay.addresses[0] + "\n")
                looker.stdin.flush()
        looker.stdin.close()
        looker.stdout.close()
        self.assertEqual((looker.wait(PATIENCE), lines), (0, STEPS))

    def test_no_web_page_can_submit(self):
        """Every request that a page can make at the line port is turned away."""
        self.need(CHROMIUM, "node", os.path.join(MODULES, "playwright-core"))
        relay = self.relay()
        verbs = [line.split()[1] for line in relay.ask("HELP")[1:-1]] + ["AUTH", "STARTTLS", "EXPN"]
        self.assertGreater(len(verbs), 25)
        done = subprocess.run(["node", os.path.join(FILES, "matrix.cjs"), relay.addresses[0], *verbs],
                              capture_output=True, text=True, timeout=120,
                              env=dict(os.environ, NODE_MODULES=MODULES, CHROMIUM=CHROMIUM))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        made = int(done.stdout)
        self.assertGreater(made, 10 * len(verbs))
        stats = relay.stats()
        self.assertEqual((stats["messages_accepted_total"], relay.sandbox.texts()), ("0", []))
        self.assertGreater(int(stats["guard_closed_total"]), made / 2)
        self.assertEqual(stats["commands_total"], "2")  # HELP and STATS


if __name__ == "__main__":
    unittest.main()
