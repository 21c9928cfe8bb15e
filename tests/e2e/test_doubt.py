"""While messages are in doubt no more is relayed than a scan of the history can get past. That ends
with the doubt, however it ends; and it holds up neither a probe nor a stop.
"""

import os
import resource
import shutil
import signal
import tempfile
import unittest

from relaying import RelayingTest
from support import TOKEN

NEW = "an0ther-t0ken"


def texts(count, prefix="m"):
    return ["%s%d" % (prefix, i) for i in range(count)]


class DoubtTest(RelayingTest):
    # Half of three pages is not quite two requests.
    settings = {"relay.history_pages": "3", "relay.settle_delay": "1s",
                "queue.drain_timeout": "20s"}

    def put_in_doubt(self, options=""):
        self.api.faults({"drop": True, "accept": True})
        ids = self.send("doubt", options=options)
        self.await_states(ids, "deferred")
        return ids

    def bury(self):
        """Relays as much as may be."""
        ids = self.send_together(texts(200, "above"))
        self.await_states(ids, "relayed")
        return ids


class Ends(DoubtTest):
    def test_by_cancel(self):
        self.start()
        doubt = self.put_in_doubt()
        above = self.bury()
        self.assertReply(self.c.ask("CANCEL " + doubt[0]), "250")
        ids = self.send(texts(5))
        self.assertRelayed(ids)
        self.assertOnce(self.finish(), doubt + above + ids)

    def test_by_a_scan_after_its_time(self):
        self.start()
        doubt = self.put_in_doubt("TTL=1")
        above = self.bury()
        ids = self.send(texts(5))
        self.await_states(doubt, "relayed")
        self.assertRelayed(ids)
        self.assertOnce(self.finish(), doubt + above + ids)


class Stop(DoubtTest):
    def test_what_waits_for_the_scan_is_drained(self):
        self.start()
        doubt = self.put_in_doubt()
        above = self.bury()
        ids = self.send(texts(5))
        record = self.finish()
        self.assertEqual(self.daemon.log("messages_lost"), [])
        self.assertOnce(record, doubt + above + ids)

    def test_no_scan_is_waited_for_that_comes_too_late(self):
        self.start({"relay.settle_delay": "60s", "queue.drain_timeout": "50s"})
        self.put_in_doubt()
        self.bury()
        self.send(texts(5))
        self.finish()
        self.assertEqual(self.daemon.log("messages_lost")[0]["messages"], "6")

    def test_the_last_request_is_waited_for_asleep(self):
        wait_s = 3
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.start({"queue.drain_timeout": "1h", "api.timeout": "%ds" % wait_s})
        self.api.faults({"hang_ms": -1})
        self.send("x")
        self.await_posts(1)
        with open("/proc/%d/stat" % self.daemon.pid) as stat:
            ticks = sum(int(word) for word in stat.read().rsplit(")", 1)[1].split()[11:13])
        self.daemon.send_signal(signal.SIGTERM)
        self.finish()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        total_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.assertLess(total_s - ticks / os.sysconf("SC_CLK_TCK"), wait_s / 4)


class Token(DoubtTest):
    """No scan while the token is refused; and without a probe it would be refused for ever."""

    settings = dict(DoubtTest.settings, **{"api.timeout": "1s"})

    def test_the_probe_goes(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        self.addCleanup(self.api.settings, token=TOKEN)
        path = os.path.join(folder, "token")
        self.write(path, TOKEN)
        self.start({"api.token_file": path}, env={"INSTASENT_TOKEN": None})
        self.api.faults({"hang_ms": -1, "containing": "doubt", "accept": True})
        doubt = self.send("doubt")
        self.await_posts(1)
        above = self.bury()
        self.api.settings(token=NEW)
        ids = self.send_together(texts(100))
        self.await_stop("token")
        self.await_states(doubt, "deferred")
        self.write(path, NEW)
        self.assertRelayed(doubt + ids)
        self.assertOnce(self.finish(), doubt + above + ids)

    def write(self, path, token):
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(token + "\n")


if __name__ == "__main__":
    unittest.main()
