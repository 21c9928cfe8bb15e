"""Machines of a test's own: network namespaces, and a cable between two of them.

Nothing of it can be seen from outside, and it goes with the process. It takes root.
"""

import contextlib
import ctypes
import os
import subprocess

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


def join(machine, device):
    """Puts a cable between two machines: 192.0.2.1 and .2, 2001:db8::1 and ::2."""
    machine.ip("link set lo up",
               "link add cable type veth peer name cable netns %d" % device.holder.pid,
               "address add %s/24 dev cable" % RELAY,
               "address add %s/64 dev cable nodad" % RELAY6, "link set cable up")
    device.ip("link set lo up", "address add %s/24 dev cable" % DEVICE,
              "address add %s/64 dev cable nodad" % DEVICE6, "link set cable up")
