"""A small volume that fills up: what is refused then, what still has room, and that it goes on by itself.

The volume is 16 MB of memory, in a mount namespace of its own, which takes root.
"""

import ctypes
import http.client
import os
import shutil
import subprocess
import tempfile
import unittest

from relaying import eventually
from support import PATIENCE, TO, WRAPPER, parse_reply
from test_durable import DurableTest

MB = 1 << 20
FULL = "452 4.3.1"
CLONE_NEWNS = 0x20000


class Volume:
    """A file system in memory, which lasts until `end`. `outside` is where others find a file of it."""

    def __init__(self, megabytes):
        self.folder = tempfile.mkdtemp()
        script = "mount -t tmpfs -o size=%dm tmpfs %s && echo && exec cat" % (megabytes, self.folder)
        self.holder = subprocess.Popen(["unshare", "--mount", "sh", "-c", script],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.holder.stdout.readline() == b"":
            self.end()
            raise unittest.SkipTest("no mount namespaces here")

    def enter(self):
        """For a child process, before it becomes another program."""
        with open("/proc/%d/ns/mnt" % self.holder.pid) as place:
            if ctypes.CDLL(None, use_errno=True).setns(place.fileno(), CLONE_NEWNS) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    def outside(self, name):
        return "/proc/%d/root%s/%s" % (self.holder.pid, self.folder, name)

    def free(self):
        status = os.statvfs(self.outside(""))
        return status.f_bavail * status.f_frsize

    def fill(self, leave=0):
        """Fills it with one more file, to the last byte."""
        with open(self.outside("filler"), "ab", buffering=0) as file:
            while self.free() > leave:
                try:
                    file.write(bytes(min(self.free() - leave, MB)))
                except OSError:
                    break

    def empty(self):
        os.unlink(self.outside("filler"))

    def end(self):
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()
        shutil.rmtree(self.folder)


@unittest.skipIf(WRAPPER, "a wrapper would start in the namespace, too")
@unittest.skipUnless(os.geteuid() == 0, "takes root, to mount a volume")
class VolumeTest(DurableTest):
    is_long = True
    settings = {"log.level": "info", "http.address": "127.0.0.1:0"}

    def setUp(self):
        self.volume = Volume(16)
        self.addCleanup(self.volume.end)
        self.path = os.path.join(self.volume.folder, "queue.db")

    def start(self, settings=None, **options):
        return super().start(settings, preexec_fn=self.volume.enter, **options)

    def go_on(self, settings=None, **options):
        return super().go_on(settings, preexec_fn=self.volume.enter, **options)

    def flood(self, size=1400, reply=FULL):
        """Submits until none of a hundred is taken; returns the ids of what was accepted."""
        taken = []
        while True:
            self.c.send(*["SEND %s %s" % (TO, "x" * size)] * 100)
            replies = [one[0] for one in self.c.read_replies(100)]
            taken += [parse_reply(one)["id"] for one in replies if one.startswith("250")]
            refused = [one for one in replies if not one.startswith("250")]
            self.assertEqual([one for one in refused if not one.startswith(reply)], [])
            if len(refused) == len(replies):
                return taken

    def ready(self):
        place = self.daemon.log("http_listening")[-1]["url"].split("/")[2]
        connection = http.client.HTTPConnection(place, timeout=PATIENCE)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def await_room(self):
        def look():
            reply = self.c.ask("SEND %s taken again" % TO)[0]
            return parse_reply(reply)["id"] if reply.startswith("250") else None
        return eventually(look, "it takes messages again")

    def empty_queue(self):
        eventually(lambda: self.total() == 0, "an empty queue")

    def test_full_of_messages(self):
        """The outcomes of all that was accepted have room; then it takes as much again."""
        self.start()
        everything = []
        for least in (3000, 1000, 1000):
            self.hold()
            taken = self.flood()
            self.assertGreater(len(taken), least)
            self.assertGreater(self.volume.free(), MB / 4)
            self.assertRegex(self.c.ask("QUEUE")[0], 'accepting=no why=".*queue.reserve')
            status, words = self.ready()
            self.assertEqual(status, 503)
            self.release()
            self.empty_queue()
            everything += taken + [self.await_room()]
            eventually(lambda: self.ready() == (200, "ready\n"), "it is ready")
            self.assertNotIn("accepting", self.c.ask("QUEUE")[0])
        self.empty_queue()
        self.assertEqual(self.c.stats()["store_failures_total"], "0")
        self.kill()
        self.go_on()
        self.assertEqual(self.daemon.log("queue_restored")[0]["messages"], "0")
        self.assertOnce(self.finish(), everything)

    def test_full_of_messages_and_killed(self):
        self.start()
        self.hold()
        taken = self.flood()
        self.kill()
        self.go_on()
        taken += self.flood()  # the log is in the file now, which is smaller than both
        self.release()
        self.empty_queue()
        taken += [self.await_room()]
        self.empty_queue()
        self.assertOnce(self.finish(), taken)

    def test_filled_by_others(self):
        """To the last byte. What it has is relayed; it goes on by itself when there is room."""
        for restarts in (False, True):
            with self.subTest(restarts=restarts):
                self.start()
                self.hold()
                ids = self.send(["x" * 1400] * 1000)
                self.volume.fill()
                reply = eventually(lambda: [r for r in self.c.ask("SEND %s text" % TO)
                                            if not r.startswith("250")], "a refusal")[0]
                self.assertRegex(reply, "^45[12] 4.3.[01] ")
                eventually(lambda: self.ready()[0] == 503, "it is not ready")
                self.assertIn("accepting=no", self.c.ask("QUEUE")[0])
                if restarts:
                    self.kill()
                    self.go_on()
                self.c.ask("RELEASE")
                self.empty_queue()
                self.volume.empty()
                last = self.await_room()
                self.empty_queue()
                self.assertRelayed([last])
                eventually(lambda: self.ready() == (200, "ready\n"), "it is ready")
                self.kill()
                self.go_on()
                self.empty_queue()
                taken = [m["clientId"] for m in self.finish().messages]
                self.assertEqual(sorted(set(taken)), sorted(taken))
                self.assertEqual(set(ids + [last]) - set(taken), set())
                os.unlink(self.volume.outside("queue.db"))

    def test_filled_but_for_a_little(self):
        """Others leave less than the reserve: nothing new is taken, and nothing fails."""
        self.start()
        self.hold()
        ids = self.send(["x" * 1400] * 1000)
        self.volume.fill(leave=MB // 2)
        eventually(lambda: self.c.ask("SEND %s text" % TO)[0].startswith(FULL), "a refusal")
        self.release()
        self.empty_queue()
        self.volume.empty()
        self.await_room()
        self.empty_queue()
        self.assertEqual(self.c.stats()["store_failures_total"], "0")
        taken = [m["clientId"] for m in self.finish().messages]
        self.assertEqual(set(ids) - set(taken), set())

    def test_without_a_reserve(self):
        """Messages take all there is."""
        self.start({"queue.reserve": 0})
        self.hold()
        self.flood(reply="451 4.3.0")
        self.assertLess(self.volume.free(), MB / 4)


if __name__ == "__main__":
    unittest.main()
