"""The store's files are removed, replaced or cut off while the relay runs: it notices within a second,
acknowledges nothing that would be lost, and puts back what it can.
"""

import json
import os
import shutil
import sqlite3
import time
import unittest

from relaying import eventually
from support import DATAERR, TO, parse_reply, run
from test_disk import Trouble
from test_durable import CANTCREAT, texts


class PlaceTest(Trouble):
    def setUp(self):
        super().setUp()
        self.log = self.path + "-wal"

    def begin(self):
        """Three relayed, five that wait."""
        self.start({"log.level": "info"})
        self.done = self.send(texts(3, "done"), options="REF=r")
        self.await_states(self.done, "relayed")
        self.settle_store()
        self.hold()
        self.waiting = [self.send(text)[0] for text in texts(5, "waits")]  # a transaction each

    def try_start(self):
        return run("serve", "-o", "api.url=sandbox", "-o", "listen.address=127.0.0.1:0", "-o",
                   "queue.path=" + self.path)

    def await_notice(self):
        """It notices by itself, within a second or so."""
        began = time.monotonic()
        line = self.daemon.wait_log("store_failed", level="error")
        self.assertLess(time.monotonic() - began, 2)
        return line

    def check_all(self, taken):
        """Everything is there after a kill: relayed once, REFs included."""
        self.kill()
        self.go_on()
        self.assertEqual(self.statuses(self.done[:1])[0]["state"], "relayed")
        self.assertIn("duplicate=yes", self.c.ask("SEND REF=r +34600000000 done0")[0])
        eventually(lambda: self.queue_totals()["deferred"] == 0, "the look-up")
        self.assertEqual(sorted(self.ids_of("queued")), sorted(self.waiting + taken))
        self.release()
        self.assertRelayed(self.waiting + taken)
        self.assertOnce(self.finish(), self.done + self.waiting + taken)


class Removed(PlaceTest):
    def each(self, remove, *more):
        self.begin()
        remove()
        self.refuse()
        self.await_notice()
        self.assertRegex(self.c.ask("QUEUE")[0], "accepting=no why=.*(removed|replaced)")
        taken = [self.await_recovery()]
        taken += self.send(texts(3, "later"))
        names = ["queue.db", "queue.db-synced", "queue.db-wal"]
        self.assertEqual(sorted(os.listdir(self.folder)), sorted(names + list(more)))
        for name in names:
            self.assertEqual(os.stat(os.path.join(self.folder, name)).st_mode & 0o777, 0o600)
        self.check_all(taken)

    def test_the_file(self):
        self.each(lambda: os.unlink(self.path))

    def test_the_log(self):
        self.each(lambda: os.unlink(self.log))

    def test_all(self):
        def remove():
            for name in os.listdir(self.folder):
                os.unlink(os.path.join(self.folder, name))
        self.each(remove)

    def test_moved_to_another_name(self):
        self.each(lambda: os.rename(self.path, self.path + ".old"), "queue.db.old")

    def test_another_log(self):
        """Of another store: it must not get into this one."""
        def replace():
            with open(self.log + ".new", "wb") as file:
                file.write(open(self.log, "rb").read()[:8000] + bytes(8000))
            os.rename(self.log + ".new", self.log)
        self.each(replace, "queue.db-wal-replaced")

    def test_unasked(self):
        """Nobody submits anything: it puts the file back all the same."""
        self.begin()
        os.unlink(self.path)
        self.await_notice()
        self.daemon.wait_log("store_recovered")
        self.check_all([])

    def test_at_the_stop(self):
        self.begin()
        os.unlink(self.path)
        self.stop()
        self.assertEqual(os.listdir(self.folder), ["queue.db"])
        self.go_on()
        eventually(lambda: self.queue_totals()["deferred"] == 0, "the look-up")
        self.assertEqual(sorted(self.ids_of("queued")), sorted(self.waiting))
        self.finish()

    def test_the_folder(self):
        """What it has is relayed; when the folder is there again, so is the file."""
        self.begin()
        shutil.rmtree(self.folder)
        self.await_notice()
        self.refuse()
        self.c.ask("RELEASE")
        self.assertRelayed(self.waiting)
        os.mkdir(self.folder)
        taken = [self.await_recovery()]
        self.assertRelayed(taken)
        self.settle_store()
        self.kill()
        self.go_on()
        self.assertEqual(self.total(), 0)
        self.assertOnce(self.finish(), self.done + self.waiting + taken)

    def test_in_a_flood(self):
        """Whatever is acknowledged is there, but for what came just before."""
        self.start({"log.level": "info"})
        self.hold()
        for name in (self.path, self.log):
            self.c.send(*["SEND %s text" % TO] * 3000)
            replies = [self.c.read_reply()[0] for _ in range(1000)]
            os.unlink(name)
            replies += [self.c.read_reply()[0] for _ in range(2000)]
            self.await_recovery()
            self.c.send(*["SEND %s text" % TO] * 500)
            replies += [self.c.read_reply()[0] for _ in range(500)]
            taken = [parse_reply(reply)["id"] for reply in replies if reply.startswith("250")]
            self.kill()
            self.go_on()
            eventually(lambda: self.queue_totals()["deferred"] == 0, "the look-up")
            self.assertEqual(set(taken) - set(self.ids_of("queued")), set())
        self.finish()


class Replaced(PlaceTest):
    def test_by_another_store(self):
        """It is not touched. What the relay has goes on in a file beside it."""
        other = os.path.join(self.folder, "other.db")
        self.start({"queue.path": other})
        self.hold()
        others = self.send(texts(2, "other"))
        self.stop()
        self.begin()
        os.rename(other, self.path)
        before = open(self.path, "rb").read()
        self.await_notice()
        self.refuse()
        self.daemon.wait_log("store_rescued")
        self.refuse()
        self.assertRegex(self.c.ask("QUEUE")[0], "accepting=no why=.*queue.db-rescued")
        self.assertReply(self.c.ask("CANCEL " + self.waiting[0]), "250")
        self.kill()
        self.assertEqual(open(self.path, "rb").read(), before)
        export = run("queue", "export", "-o", "queue.path=" + self.path + "-rescued")
        kept = [json.loads(line)["text"] for line in export.stdout.splitlines()]
        self.assertEqual(kept, texts(5, "waits")[1:], export.stderr)
        self.go_on()
        eventually(lambda: self.queue_totals()["deferred"] == 0, "the look-up")
        self.assertEqual(sorted(self.ids_of("queued")), sorted(others))
        self.finish()


class CutOff(PlaceTest):
    """The same file, with less in it: what is gone cannot be put back."""

    def each(self, cut):
        self.begin()
        cut()
        self.refuse()
        self.await_notice()
        self.assertRegex(self.c.ask("QUEUE")[0], "accepting=no why=.*cut off")
        self.c.ask("RELEASE")
        self.assertRelayed(self.waiting)
        self.refuse()
        self.kill()
        done = self.try_start()
        self.assertEqual(done.returncode, CANTCREAT, done.stderr)
        return done.stderr

    def test_the_file(self):
        self.assertIn("it is empty", self.each(lambda: os.truncate(self.path, 0)))

    def test_the_log(self):
        self.assertIn("its log (-wal) is missing", self.each(lambda: os.truncate(self.log, 0)))

    def test_part_of_the_log(self):
        words = self.each(lambda: os.truncate(self.log, os.path.getsize(self.log) - 4096))
        self.assertIn("its log (-wal) is damaged", words)


class Damaged(PlaceTest):
    """While nobody runs."""

    def begin(self):
        super().begin()
        self.kill()

    def damage(self, share):
        """Changes a byte of the log."""
        at = int(os.path.getsize(self.log) * share)
        with open(self.log, "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 255]))

    def test_what_can_be_read(self):
        """The relay leaves all files alone; `smsrelay queue` shows what the log has up to there."""
        self.begin()
        self.damage(0.9)
        before = {name: open(os.path.join(self.folder, name), "rb").read()
                  for name in os.listdir(self.folder)}
        for _ in range(2):
            done = self.try_start()
            self.assertEqual(done.returncode, CANTCREAT, done.stderr)
            self.assertIn("queue.path: " + self.path, done.stderr)
            self.assertIn("its log (-wal) is damaged", done.stderr)
        export = run("queue", "export", "-o", "queue.path=" + self.path)
        self.assertEqual(export.returncode, DATAERR, export.stderr)
        self.assertIn("its log (-wal) is damaged", export.stderr)
        kept = [json.loads(line)["text"] for line in export.stdout.splitlines()]
        self.assertEqual(kept, texts(len(kept), "waits"))
        self.assertTrue(0 < len(kept) < 5, kept)
        after = {name: open(os.path.join(self.folder, name), "rb").read()
                 for name in os.listdir(self.folder)}
        self.assertEqual(sorted(before), sorted(after))
        self.assertEqual(before, after)

    def test_restored(self):
        self.begin()
        self.damage(0.5)
        self.assertEqual(self.try_start().returncode, CANTCREAT)
        self.damage(0.5)
        self.check_all([])


if __name__ == "__main__":
    unittest.main()
