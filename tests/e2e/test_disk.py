"""A full or failing disk under a running relay: no 250 for a message that is not stored, no refused
message is sent, relaying goes on, and everything recovers when the disk does.

The disk is tests/support/faulty_vfs.c, preloaded; or the real one with a limit on the size of files.
"""

import os
import resource
import shlex
import shutil
import subprocess
import tempfile
import unittest

from relaying import eventually
from support import TO, UNAVAILABLE, VARIANT, WRAPPER, parse_reply, run
from test_durable import CANTCREAT, DurableTest, texts

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LATER = {"on": "any", "status": 503, "count": -1}
NOT_STORED = "451 4.3.0"


def build_disk(folder):
    """The shim as a shared object. It keeps no model of the disk here, so that it costs nothing."""
    path = os.path.join(folder, "faulty_vfs.so")
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "sqlite3"], check=True, text=True,
                           capture_output=True).stdout
    subprocess.run([os.environ.get("CC", "gcc"), "-std=c11", "-D_GNU_SOURCE", "-I" + ROOT, "-O1",
                    "-pthread", "-DFAULTY_VFS_PRELOAD", "-shared", "-fPIC", "-o", path,
                    ROOT + "/tests/support/faulty_vfs.c"] + shlex.split(flags), check=True)
    return path


class Trouble(DurableTest):
    """Tests for any failing disk; `fail` and `mend` say how it fails."""

    def refuse(self, count=3, prefix="refused", options=""):
        """Submits messages that cannot be stored."""
        for text in texts(count, prefix):
            self.assertReply(self.c.ask("SEND %s%s %s" % (options, TO, text)), NOT_STORED)

    def await_recovery(self):
        """Waits until the relay accepts again; returns the first id that it gives."""
        def look():
            reply = self.c.ask("SEND %s taken again" % TO)[0]
            if reply.startswith("250"):
                return parse_reply(reply)["id"]
            self.assertTrue(reply.startswith(NOT_STORED), reply)
            return None
        taken = eventually(look, "a disk that works")
        self.daemon.wait_log("store_recovered")
        return taken

    def settle_store(self):
        """Waits until everything so far is in the store: it answers after that."""
        self.assertReply(self.c.ask("QUEUE LIST relayed 1"), "250")

    def assertNone(self, record, prefix):
        self.assertEqual([text for text in record.texts() if text.startswith(prefix)], [])


@unittest.skipIf(WRAPPER, "what is preloaded would be preloaded into the wrapper")
@unittest.skipIf(VARIANT == "tsan", "its runtime does not know what is preloaded")
class DiskTest(Trouble):
    @classmethod
    def setUpClass(cls):
        cls.tools = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.tools)
        cls.disk = build_disk(cls.tools)
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.orders = os.path.join(self.tools, "orders")
        self.env = {"LD_PRELOAD": self.disk, "FAULTY_VFS": self.orders}
        self.order("ok")

    def order(self, words):
        with open(self.orders + ".new", "w") as file:
            file.write(words + "\n")
        os.rename(self.orders + ".new", self.orders)

    def begin(self, order, settings=None):
        """Three relayed, five in memory that the API does not take yet, and the disk fails."""
        self.order("ok")
        self.start(settings)
        self.done = self.send(texts(3, "done"))
        self.await_states(self.done, "relayed")
        self.settle_store()
        self.api.faults(LATER)
        self.waiting = self.send(texts(5, "waits"))
        self.order(order)


# How a disk fails while the relay runs.
FAILURES = ["write full", "write full torn=100", "write ioerr", "write readonly", "sync ioerr",
            "any ioerr", "any readonly"]


class Refusal(DiskTest):
    def test_each_failure(self):
        """451, and messages in memory are relayed; clients' answers stay true over a kill."""
        for order in FAILURES:
            with self.subTest(order):
                self.begin(order)
                self.refuse()
                self.daemon.wait_log("store_failed", level="error")
                self.assertRegex(self.c.ask("QUEUE")[0], ' accepting=no why="the store cannot be ')
                self.api.forget_faults()
                self.assertRelayed(self.waiting)
                self.refuse(prefix="again")
                self.order("ok")
                taken = self.await_recovery()
                self.assertNotIn("accepting", self.c.ask("QUEUE")[0])
                self.await_states([taken], "relayed")
                self.settle_store()
                stats = self.c.stats()
                self.assertGreaterEqual(int(stats["submissions_not_stored_total"]), 6)
                self.assertGreaterEqual(int(stats["store_failures_total"]), 1)
                self.kill()
                self.go_on()
                self.assertEqual(self.daemon.log("queue_restored")[0]["messages"], "0")
                states = [s.get("state") for s in self.statuses(self.waiting + self.done + [taken])]
                self.assertEqual(states, ["relayed"] * 9)
                record = self.finish()
                self.assertOnce(record, self.done + self.waiting + [taken])
                os.unlink(self.path)

    def test_killed_while_it_fails(self):
        """Refused messages are gone afterwards; those relayed meanwhile are found."""
        for order in ("write full", "write readonly", "sync ioerr", "truncate ioerr"):
            with self.subTest(order):
                self.begin(order)
                if order != "truncate ioerr":
                    self.refuse()
                self.api.forget_faults()
                self.assertRelayed(self.waiting)
                later = [] if order != "truncate ioerr" else self.send("with this one well")
                self.await_states(later, "relayed")
                self.kill()
                self.order("ok")
                self.go_on()
                self.await_states(self.waiting, "relayed")
                record = self.finish()
                self.assertOnce(record, self.done + self.waiting + later)
                os.unlink(self.path)

    def test_one_failure(self):
        """It is over before the next try: one submission is refused, or two."""
        for order in ("write ioerr once", "sync ioerr once", "any full once"):
            with self.subTest(order):
                self.begin(order)
                self.refuse(1)
                taken = self.await_recovery()
                self.api.forget_faults()
                self.assertRelayed(self.waiting + [taken])
                self.assertNone(self.finish(), "refused")
                os.unlink(self.path)

    def test_submissions_of_one_batch(self):
        """Many clients in one failed commit: all are refused, and the REFs stay free."""
        self.start()
        self.hold()
        clients = [self.daemon.connect() for _ in range(5)]
        self.order("sync ioerr")
        for client in clients:
            self.addCleanup(client.close)
            client.send(*["SEND REF=r%d %s text" % (i, TO) for i in range(20)])
        for client in clients:
            for reply in client.read_replies(20):
                self.assertReply(reply, NOT_STORED)
        self.assertReply(self.c.ask("STATUS r0"), "451 4.3.0")  # nobody can tell now
        self.assertEqual(self.total(), 0)
        self.order("ok")
        taken = self.await_recovery()
        self.assertReply(self.c.ask("STATUS r0"), "550 5.0.0")
        self.assertEqual(self.ids_of("queued"), [taken])
        self.assertNotIn("duplicate", self.c.ask("SEND REF=r0 %s other" % TO)[0])
        self.kill()
        self.go_on()
        self.assertEqual(self.total(), 2)
        self.finish()

    def test_the_log_does_not_fill_the_disk(self):
        """However many are refused while it fails."""
        self.start({"log.level": "info"})
        self.order("write full")
        for _ in range(50):
            self.refuse(20, "hidden")
        failures = int(self.c.stats()["store_failures_total"])
        self.order("ok")
        self.await_recovery()
        record = self.finish()
        self.assertNone(record, "hidden")
        lines = self.daemon.log("store_failed") + self.daemon.log("store_unusable")
        self.assertLess(failures, 20)  # a try a second, not one a message
        self.assertLessEqual(len([line for line in lines if "again" not in line]), 6)
        for line in self.daemon.lines:
            self.assertNotIn("hidden", line)
        self.assertEqual(len(self.daemon.log("store_recovered")), 1)


class Changes(DiskTest):
    """Changes while the disk fails."""

    def test_the_operator_is_told(self):
        """It takes effect, but a restart would undo it: no 250."""
        self.begin("sync ioerr")
        self.refuse(1)
        self.assertReply(self.c.ask("HOLD"), NOT_STORED)
        self.await_states(self.waiting, "queued")  # the last probe has ended
        for line in ("CANCEL " + self.waiting[0], "RELEASE"):
            self.assertReply(self.c.ask(line), NOT_STORED)
        self.assertReply(self.c.ask("STATUS " + self.done[0]), NOT_STORED)  # it is not unknown
        self.assertReply(self.c.ask("QUEUE LIST relayed"), NOT_STORED)
        self.assertReply(self.c.ask("STATUS " + self.waiting[1]), "250")
        self.assertReply(self.c.ask("QUEUE"), "250")
        self.api.forget_faults()
        self.assertRelayed(self.waiting[1:])
        self.order("ok")
        taken = self.await_recovery()
        self.kill()
        self.go_on()
        self.assertEqual(self.statuses(self.waiting[:1])[0]["state"], "canceled")
        self.assertRelayed([taken])
        self.assertOnce(self.finish(), self.done + self.waiting[1:] + [taken])

    def test_outcomes_are_kept_until_they_can_be_written(self):
        """Rejections too; a restart after recovery asks the API nothing."""
        self.start()
        self.api.faults(LATER)
        good = self.send(texts(250))
        bad = self.send("bad", to="+34600009001")
        self.order("write full")
        self.refuse(1)
        self.api.forget_faults()
        self.await_states(good + bad, "relayed", "rejected")
        self.order("ok")
        self.daemon.wait_log("store_recovered")  # by itself, without a submission
        self.settle_store()
        self.kill()
        self.api.call("DELETE", "/sandbox/record")
        self.go_on()
        self.assertEqual(self.daemon.log("queue_restored")[0]["messages"], "0")
        self.assertEqual(self.ids_of("rejected"), bad)
        self.assertEqual(len(self.ids_of("relayed")), 250)
        self.assertEqual(self.finish().requests, [])

    def test_killed_as_it_recovers(self):
        """More records than one transaction takes, and fewer than the history shows."""
        self.start({"log.level": "info"})
        self.hold()
        ids = self.send(texts(9000), to=TO)
        self.order("write full")
        self.refuse(1)
        self.c.ask("RELEASE")
        eventually(lambda: self.total() == 0, "an empty queue")
        self.order("ok")
        self.daemon.wait_log("store_recovered")
        self.kill()
        self.go_on({"log.level": "info"})
        eventually(lambda: self.total() == 0, "an empty queue")
        self.assertOnce(self.finish(), ids)

    def test_a_stop_while_it_fails(self):
        """Exit code 0, as promised for the queue; nothing is sent twice by the next one."""
        self.begin("write full")
        self.refuse(1)
        self.api.forget_faults()
        self.assertRelayed(self.waiting)
        self.stop()
        self.assertEqual(self.daemon.log("messages_lost"), [])
        self.order("ok")
        self.go_on()
        self.await_states(self.waiting, "relayed")
        self.assertOnce(self.finish(), self.done + self.waiting)

    def test_a_stop_with_messages_while_it_fails(self):
        """They have been on the disk since their 250: the log says that they are kept."""
        self.begin("write full")
        self.refuse(1)
        self.stop()
        self.assertEqual(self.daemon.log("messages_lost"), [])
        self.assertEqual([line["messages"] for line in self.daemon.log("messages_kept")], ["5"])
        self.order("ok")
        self.api.forget_faults()
        self.go_on()
        self.assertRelayed(self.waiting)
        self.assertOnce(self.finish(), self.done + self.waiting)

    def test_a_ref_that_is_submitted_again(self):
        """A client that submits again after 451 gets 250, and one message is sent."""
        self.begin("sync ioerr")
        self.api.forget_faults()
        self.refuse(2, "", options="REF=r ")
        duplicate = parse_reply(self.c.ask("SEND %s text" % TO)[0])
        self.assertEqual(duplicate["code"], NOT_STORED)
        self.order("ok")
        taken = eventually(lambda: self.taken("SEND REF=r %s text" % TO), "it is taken")
        again = self.taken("SEND REF=r %s text" % TO)
        self.assertEqual(taken, again)
        self.kill()
        self.go_on()
        self.assertEqual(self.taken("SEND REF=r %s text" % TO), taken)
        self.await_states([taken] + self.waiting, "relayed")
        self.assertOnce(self.finish(), self.done + self.waiting + [taken])

    def taken(self, line):
        reply = self.c.ask(line)[0]
        return parse_reply(reply)["id"] if reply.startswith("250") else None


class Start(DiskTest):
    def test_on_a_disk_that_fails(self):
        """A sentence, and nothing lost."""
        self.start()
        self.hold()
        ids = self.send(texts(3))
        self.kill()
        for order in ("open cantopen", "any ioerr"):
            self.order(order)
            done = run("serve", "-o", "api.url=sandbox", "-o", "listen.address=127.0.0.1:0", "-o",
                       "queue.path=" + self.path, env=self.env)
            self.assertIn(done.returncode, (CANTCREAT, UNAVAILABLE))
            self.assertIn("queue.path: " + self.path, done.stderr)
        self.order("ok")
        self.go_on()
        self.release()
        self.assertRelayed(ids)
        self.assertOnce(self.finish(), ids)


class Limit(Trouble):
    """No shim: files may not grow beyond a limit (EFBIG and SIGXFSZ), as with `ulimit -f`."""

    BYTES = 1 << 20

    def limit(self, size, pid=0):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def test_files_that_may_not_grow(self):
        self.start({"log.level": "info"}, preexec_fn=lambda: self.limit(self.BYTES))
        self.hold()
        text = "x" * 1400
        taken = []
        while (reply := self.c.ask("SEND %s %s" % (TO, text))[0]).startswith("250"):
            taken.append(parse_reply(reply)["id"])
        self.assertTrue(reply.startswith(NOT_STORED), reply)
        self.refuse()
        self.c.ask("RELEASE")
        self.await_states(taken, "relayed")
        self.limit(resource.RLIM_INFINITY, self.daemon.pid)
        last = self.await_recovery()
        self.await_states([last], "relayed")
        self.settle_store()
        self.kill()
        self.go_on()
        self.assertEqual(self.daemon.log("queue_restored")[0]["messages"], "0")
        self.assertOnce(self.finish(), taken + [last])

    def test_a_stop_without_room(self):
        """The next relay has what was accepted, whatever could not be written since."""
        self.start({"log.level": "info"}, preexec_fn=lambda: self.limit(self.BYTES))
        self.hold()
        taken = []
        while (reply := self.c.ask("SEND %s %s" % (TO, "x" * 1400))[0]).startswith("250"):
            taken.append(parse_reply(reply)["id"])
        self.c.ask("CANCEL " + taken.pop())
        self.stop()
        self.go_on()
        self.release()
        eventually(lambda: self.total() == 0, "an empty queue")
        relayed = [message["clientId"] for message in self.finish().messages]
        self.assertEqual([name for name in taken if name not in relayed], [])

    @unittest.skipIf(VARIANT == "tsan", "its runtime writes a file of its own, and dies of it")
    def test_no_room_at_all(self):
        done = run("serve", "-o", "api.url=sandbox", "-o", "listen.address=127.0.0.1:0", "-o",
                   "queue.path=" + self.path, preexec_fn=lambda: self.limit(0))
        self.assertEqual(done.returncode, CANTCREAT, done.stderr)
        self.assertIn("queue.path: " + self.path, done.stderr)


if __name__ == "__main__":
    unittest.main()
