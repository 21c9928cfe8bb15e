"""A test that has a relay's machine and a device, with a network between them. It takes root."""

from support import TestCase

from machines import DEVICE, DEVICE6, RELAY, RELAY6, Machine, join


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
        join(self.machine, self.device)
        inside = self.machine.inside()
        inside.__enter__()
        self.addCleanup(inside.__exit__, None, None, None)

    def from_device(self, relay, address=RELAY, **options):
        """A client on the other machine."""
        port = relay.addresses[0].rsplit(":", 1)[1]
        host = "[%s]" % address if ":" in address else address
        with self.device.inside():
            return self.client(relay, "%s:%s" % (host, port), **options)
