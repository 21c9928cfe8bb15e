"""Networks of a test's own: a relay's machine and a device, each in a network namespace, and a cable.

Nothing of it can be seen from outside, and it goes with the test. It takes root.
"""

import contextlib
import ctypes
import os
import subprocess

from support import TestCase

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)

RELAY, DEVICE = "192.0.2.1", "192.0.2.2"
RELAY6, DEVICE6 = "2001:db8::1", "2001:db8::2"


def enter(fd):
    """Moves this thread, and the processes that it starts, into a network namespace."""
    if LIBC.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Machine:
    """A network namespace, which lives as long as the process that holds it."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "-n", "cat"], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.is_there = self._answers()
        self.fd = os.open("/proc/%d/ns/net" % self.holder.pid, os.O_RDONLY) if self.is_there else -1

    def _answers(self):
        try:
            self.holder.stdin.write(b"\n")
            self.holder.stdin.flush()
        except BrokenPipeError:
            return False
        return self.holder.stdout.read(1) == b"\n"

    @contextlib.contextmanager
    def inside(self):
        """This thread's sockets and processes are of this machine; a socket stays so."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        enter(self.fd)
        try:
            yield self
        finally:
            enter(before)
            os.close(before)

    def ip(self, *batches):
        """Commands of ip(8)."""
        with self.inside():
            subprocess.run(["ip", "-batch", "-"], input="\n".join(batches) + "\n", text=True,
                           check=True, capture_output=True)

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.holder.communicate()


class NetworkTest(TestCase):
    """The test's thread is on the relay's machine. `self.device` is another one, at 192.0.2.2."""

    def setUp(self):
        super().setUp()
        self.machine, self.device = Machine(), Machine()
        self.addCleanup(self.machine.close)
        self.addCleanup(self.device.close)
        if not self.machine.is_there or not self.device.is_there:
            self.skipTest("needs the right to make network namespaces")
        self.need("ip")
        self.machine.ip("link set lo up",
                        "link add cable type veth peer name cable netns %d" % self.device.holder.pid,
                        "address add %s/24 dev cable" % RELAY,
                        "address add %s/64 dev cable nodad" % RELAY6, "link set cable up")
        self.device.ip("link set lo up", "address add %s/24 dev cable" % DEVICE,
                       "address add %s/64 dev cable nodad" % DEVICE6, "link set cable up")
        inside = self.machine.inside()
        inside.__enter__()
        self.addCleanup(inside.__exit__, None, None, None)

    def from_device(self, relay, address=RELAY, **options):
        """A client on the other machine."""
        port = relay.addresses[0].rsplit(":", 1)[1]
        host = "[%s]" % address if ":" in address else address
        with self.device.inside():
            return self.client(relay, "%s:%s" % (host, port), **options)
