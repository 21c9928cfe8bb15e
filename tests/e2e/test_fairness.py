"""No client holds up the others: who is served when, counted and not timed."""

import os
import select
import signal
import time
import unittest

from support import TO, TestCase


class Turns(TestCase):
    def stopped(self, relay):
        """The relay finds all that comes meanwhile at once."""
        relay.send_signal(signal.SIGSTOP)
        self.addCleanup(relay.send_signal, signal.SIGCONT)

    def test_a_command_does_not_wait_for_what_others_have_pipelined(self):
        relay = self.relay()
        busy = [self.client(relay) for _ in range(32)]
        client = self.client(relay)
        for one in busy:  # they have had turns before
            one.ask("SEND AT=+1h %s text" % TO)
        self.stopped(relay)
        for one in busy:
            one.send(*["SEND AT=+1h %s text" % TO] * 1500)
        client.send("STATS")
        relay.send_signal(signal.SIGCONT)
        before = int(dict(line[10:].split("=", 1) for line in client.read_reply())
                     ["messages_accepted_total"])
        self.assertLess(before, 32 * 1500 / 4)
        for one in busy:
            for reply in one.read_replies(1500):
                self.assertReply(reply, "250 2.0.0 queued")


class NeverReads(TestCase):
    def cpu_s(self, pid):
        fields = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stuff(self, client):
        """Sends commands until the relay takes no more."""
        client.socket.setblocking(False)
        while select.select([], [client.socket], [], 0.3)[1]:
            try:
                client.socket.send(b"HELP\r\n" * 10000)
            except BlockingIOError:
                pass

    def test_a_client_that_reads_nothing_costs_nothing(self):
        relay = self.relay()
        client, other = self.client(relay), self.client(relay)
        self.stuff(client)
        began, cpu = time.monotonic(), self.cpu_s(relay.pid)
        while time.monotonic() - began < 0.4:
            other.ask("NOOP")
            select.select([other.socket], [], [], 0.02)
        self.assertLess(self.cpu_s(relay.pid) - cpu, (time.monotonic() - began) / 2)


if __name__ == "__main__":
    unittest.main()
