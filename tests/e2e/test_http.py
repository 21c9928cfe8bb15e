"""What the relay tells over HTTP about itself."""

import http.client
import json
import os
import re
import resource
import select
import socket
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from relaying import NAMELESS, eventually
from support import CONFIG, IS_SLOW, PATIENCE, Relay, TestCase, run
from test_clients import BUILD

PROMTOOL = os.path.join(BUILD, "prometheus", "usr", "bin", "promtool")


class HttpTest(TestCase):
    environment = {}

    def setUp(self):
        self.start({})

    def start(self, settings):
        self.the_relay = self.relay({"http.address": "127.0.0.1:0", **settings},
                                    env=self.environment)
        self.host = self.the_relay.wait_log("http_listening")["url"].split("/")[2]

    def get(self, path, method="GET", host=None):
        """Returns the status and the body."""
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        try:
            connection.request(method, path, headers={"Host": host} if host else {})
            answer = connection.getresponse()
            self.headers = dict(answer.getheaders())
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metrics(self):
        """All series as a dict: their names without the prefix, and numbers."""
        series = {}
        for line in self.get("/metrics")[1].splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                series[name[len("smsrelay_"):]] = float(value)
        return series

    def expect(self, expected):
        """Some series have these values; all others of the same metrics are 0."""
        metrics = self.metrics()
        families = {name.split("{")[0] for name in expected}
        seen = {name: value for name, value in metrics.items()
                if name in expected or (value != 0 and name.split("{")[0] in families)}
        self.assertEqual(seen, expected)

    def expect_buckets(self, name, bounds, labels=""):
        """Cumulative counts, by bound."""
        metrics = self.metrics()
        self.assertEqual({bound: metrics['%s_bucket{%sle="%s"}' % (name, labels, bound)]
                          for bound in bounds}, bounds)
        whole = "{%s}" % labels.rstrip(",") if labels else ""
        self.assertEqual(metrics['%s_bucket{%sle="+Inf"}' % (name, labels)],
                         metrics[name + "_count" + whole])


class Http(HttpTest):
    def test_alive_and_ready(self):
        self.assertEqual(self.get("/livez"), (200, "alive\n"))
        self.assertEqual(self.get("/readyz"), (200, "ready\n"))
        self.the_relay.ask("HOLD")
        self.assertEqual(self.get("/readyz"), (503, "not ready: held by the operator\n"))
        self.assertEqual(self.get("/livez")[0], 200)

    def test_why_it_is_not_ready(self):
        self.the_relay.sandbox.settings(token="another")
        self.the_relay.ask("SEND +34600000000 text")
        words = eventually(lambda: self.get("/readyz")[0] == 503 and self.get("/readyz")[1],
                           "the token is refused")
        self.assertRegex(words, "^not ready: the API refuses the token")

    def test_out_of_balance(self):
        self.the_relay.sandbox.faults(
            {"on": "single", "status": 402, "body": '{"message": "no money"}', "count": 3})
        self.the_relay.ask("SEND +34600000000 text")
        eventually(lambda: 'deferred=1 ' in self.the_relay.ask("QUEUE")[0], "one stands aside")
        self.assertEqual(self.get("/readyz"), (200, "ready\n"))  # that may be its own fault
        self.expect({'destination_state{state="probing"}': 1, "messages_set_aside_total": 1})
        self.the_relay.ask("SEND +34600000001 text")
        self.the_relay.ask("SEND +34600000002 text")
        words = eventually(lambda: self.get("/readyz")[0] == 503 and self.get("/readyz")[1],
                           "the account has no balance left")
        self.assertEqual(words,
                         "not ready: the account has no balance left (HTTP 402): no money\n")
        self.expect({'destination_state{state="stopped"}': 1})
        self.the_relay.ask("FLUSH")
        eventually(lambda: self.get("/readyz") == (200, "ready\n"), "there is money again")
        self.expect({'destination_state{state="fine"}': 1})

    def test_a_stop(self):
        """While it still relays its queue, it accepts nothing new."""
        self.the_relay.sandbox.settings(latency_ms=600 * 1000)
        client = self.client(self.the_relay)
        self.the_relay.await_state(client.submit(), "sending")
        self.the_relay.send_signal(signal.SIGTERM)
        self.the_relay.wait_log("stopping")
        self.assertEqual(self.get("/readyz"), (503, "not ready: stopping\n"))
        self.assertEqual(self.get("/livez")[0], 200)
        self.the_relay.kill()

    def test_a_message_that_is_too_old(self):
        self.the_relay.stop()
        self.start({"http.max_wait": "50ms"})
        client = self.client(self.the_relay)
        client.submit(options="AT=+1h")
        eventually(lambda: self.metrics()["queue_oldest_seconds"] > 0.05, "time passes")
        self.assertEqual(self.get("/readyz"), (200, "ready\n"))
        self.the_relay.sandbox.settings(latency_ms=600 * 1000)
        client.submit()
        words = eventually(lambda: self.get("/readyz")[0] == 503 and self.get("/readyz")[1],
                           "it has waited too long")
        self.assertRegex(words, r"^not ready: the oldest message has waited for \d+ s")
        self.the_relay.kill()

    def test_a_queue_that_is_nearly_full(self):
        self.the_relay.stop()
        self.start({"queue.max_messages": 100})
        client = self.client(self.the_relay)
        for _ in range(89):
            client.submit(options="AT=+1h")
        self.assertEqual(self.get("/readyz"), (200, "ready\n"))
        client.submit(options="AT=+1h")
        self.assertEqual(self.get("/readyz"), (503, "not ready: the queue is nearly full\n"))

    def test_finished_messages_do_not_fill_the_queue(self):
        """Finished messages are kept as long as there is room."""
        self.the_relay.stop()
        self.start({"queue.max_bytes": "64k"})
        client = self.client(self.the_relay)
        client.ask("SEND ACK=relayed +34600000000 " + "x" * 1500)
        last = [client.submit("x" * 1500) for _ in range(40)][-1]
        self.the_relay.await_state(last, "relayed")
        self.assertGreater(self.metrics()["queue_bytes"], 0.9 * 64 * 1024)
        self.assertEqual(self.get("/readyz"), (200, "ready\n"))

    def test_who_may_ask(self):
        for host in ("localhost", "127.0.0.1:1", "127.9.9.9", "[::1]:80", "LOCALHOST:80"):
            self.assertEqual(self.get("/livez", host=host)[0], 200, host)
        for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1",
                     "relay.example"):
            for path in ("/", "/events", "/metrics", "/nothing"):
                self.assertEqual(self.get(path, host=host)[0], 403, host)
            for path in ("/livez", "/readyz"):
                self.assertEqual(self.get(path, host=host)[0], 200, host)

    def ask(self, *lines):
        """Sends the lines of one or more requests, the last without its end; returns all the answers."""
        name, port = self.host.split(":")
        with socket.create_connection((name, int(port)), PATIENCE) as peer:
            peer.sendall("\r\n".join(lines + ("Connection: close\r\n\r\n",)).encode())
            return b"".join(iter(lambda: peer.recv(65536), b"")).decode()

    def test_every_host_that_a_request_names(self):
        """A web page cannot choose Host, but it can choose the path: libevent takes //localhost/ for a host."""
        for line, host, status in (("GET //localhost/metrics HTTP/1.1", "evil.example", 403),
                                   ("GET //localhost/metrics HTTP/1.1", "evil.example:80", 403),
                                   ("GET http://localhost/metrics HTTP/1.1", "evil.example", 403),
                                   ("GET http://evil.example/metrics HTTP/1.1", "localhost", 403),
                                   ("GET //evil.example/metrics HTTP/1.1", "localhost", 403),
                                   ("GET http://127.0.0.1:1/metrics HTTP/1.1", "localhost", 200),
                                   ("GET /metrics HTTP/1.1", "", 403),
                                   ("GET /metrics HTTP/1.1", ":80", 403),
                                   ("GET /metrics HTTP/1.1", "localhost:evil.example", 403),
                                   ("GET /metrics HTTP/1.1", "evil.example@localhost", 403),
                                   ("GET /metrics HTTP/1.0", "localhost", 200)):
            self.assertEqual(self.ask(line, "Host: " + host).split()[1], str(status), (line, host))
        for version in ("1.0", "1.1"):
            self.assertEqual(self.ask("GET /metrics HTTP/" + version).split()[1], "403", version)

    def test_names_of_a_proxy(self):
        self.the_relay.stop()
        self.start({"http.hosts": "relay.example, other.example"})
        self.assertEqual(self.get("/metrics", host="Relay.example:443")[0], 200)
        self.assertEqual(self.get("/metrics", host="evil.example")[0], 403)

    def test_addresses_of_a_pod(self):
        """Probes of Kubernetes name the address that they ask."""
        self.the_relay.stop()
        self.start({"http.hosts": "10.42.0.7, fd00::7, [fd00::8]"})
        for host in ("10.42.0.7:2580", "10.42.0.7", "[fd00::7]:2580", "[FD00::7]", "[fd00::8]:2580"):
            for path in ("/livez", "/readyz", "/metrics", "/"):
                self.assertEqual(self.get(path, host=host)[0], 200, host)
        for host in ("10.42.0.8:2580", "[fd00::9]:2580", "fd00::7", "[fd00::7", "*"):
            self.assertEqual(self.get("/metrics", host=host)[0], 403, host)

    def test_a_reason_is_not_for_every_host(self):
        """Nor for a web page that has got here under its own name."""
        self.the_relay.ask("HOLD")
        self.assertEqual(self.get("/readyz"), (503, "not ready: held by the operator\n"))
        self.assertEqual(self.get("/readyz", host="evil.example"), (503, "not ready\n"))
        self.the_relay.stop()
        self.start({"http.hosts": "*"})
        self.the_relay.ask("HOLD")
        self.assertEqual(self.get("/readyz", host="10.42.0.7"),
                         (503, "not ready: held by the operator\n"))

    def test_any_host_for_probes_alone(self):
        self.the_relay.stop()
        self.start({"http.hosts": "*, relay.example"})
        for host in ("10.42.0.7:2580", "[fd00::7]:2580", "evil.example", "*"):
            for path in ("/livez", "/readyz"):
                self.assertEqual(self.get(path, host=host)[0], 200, (host, path))
                self.assertEqual(self.get(path, host=host, method="HEAD")[0], 200, (host, path))
            for path in ("/", "/metrics", "/events", "/inbox", "/nothing", "/livez/", "/livez/../"):
                self.assertEqual(self.get(path, host=host)[0], 403, (host, path))
            self.assertEqual(self.get("/inbox/report", host=host, method="POST")[0], 403, host)
        self.assertEqual(self.get("/metrics", host="relay.example")[0], 200)
        self.assertEqual(self.get("/metrics")[0], 200)
        for lines, status in ((("GET /livez HTTP/1.0",), "200"), (("GET /metrics HTTP/1.0",), "403"),
                              (("GET http://evil.example/livez HTTP/1.1", "Host: x"), "200"),
                              (("GET //evil.example/metrics HTTP/1.1", "Host: localhost"), "403")):
            self.assertEqual(self.ask(*lines).split()[1], status, lines)

    def test_hosts_that_could_never_match(self):
        for host in ("relay.example:80", "http://relay.example", "[fd00::7]:80", "*.example", "a/b"):
            done = run("check", "-o", "api.url=sandbox", "-o", "http.hosts=" + host)
            self.assertEqual(done.returncode, CONFIG, host)
            self.assertEqual(done.stderr, '-o http.hosts: "%s" must be a host name or an address, '
                                          "without a port, or the word *\n" % host)

    def test_what_there_is_not(self):
        self.assertEqual(self.get("/nothing")[0], 404)
        self.assertGreaterEqual(self.get("/metrics", method="POST")[0], 400)
        self.assertEqual(self.get("/metrics", method="HEAD"), (200, ""))

    def test_no_body_for_head(self):
        """Otherwise the next answer on the connection would begin with it."""
        for path in ("/livez", "/metrics", "/", "/events", "/inbox", "/nothing", "/inbox/report"):
            answers = self.ask("HEAD %s HTTP/1.1" % path, "Host: localhost", "",
                               "GET /livez HTTP/1.1", "Host: localhost")
            self.assertRegex(answers, r"^HTTP/1\.1 \d[^\0]*?\r\n\r\nHTTP/1\.1 200 OK\r\n", path)

    def test_a_flood_of_requests(self):
        """A client cannot have more read while its answer is unread or has no end."""
        for path in ("/metrics", "/events"):
            name, port = self.host.split(":")
            request = ("GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path).encode()
            with socket.create_connection((name, int(port)), PATIENCE) as peer:
                self.assertTrue(peer.sendall(request) is None and peer.recv(1))
                peer.settimeout(1)
                with self.assertRaises(TimeoutError, msg=path):
                    for _ in range(64):
                        peer.sendall(request * (2 ** 20 // len(request)))
                self.assertEqual(self.get("/livez")[0], 200)

    def test_probes_are_not_logged(self):
        before = len(self.the_relay.lines)
        for path in ("/livez", "/readyz", "/metrics", "/nothing"):
            self.get(path)
        self.the_relay.stop()
        events = [line for line in self.the_relay.lines[before:] if "event=stop" not in line]
        self.assertEqual(events, [])

    def test_a_flood_of_connections(self):
        """It takes no descriptor from submitters, and no place from others."""
        host, port = self.host.split(":")
        descriptors = "/proc/%d/fd" % self.the_relay.pid
        before = len(os.listdir(descriptors))
        flood = [socket.create_connection((host, int(port)), timeout=PATIENCE) for _ in range(100)]
        self.addCleanup(lambda: [one.close() for one in flood])
        for one in flood:
            one.send(b"GET ")
        self.client(self.the_relay).submit()
        self.assertEqual(self.get("/livez"), (200, "alive\n"))
        eventually(lambda: len(os.listdir(descriptors)) < before + 90, "few descriptors")
        for one in flood:
            one.close()
        self.assertEqual(self.get("/livez"), (200, "alive\n"))

    def test_an_address_that_is_taken(self):
        other = Relay({"http.address": self.host}, ready=None)
        self.addCleanup(other.kill)
        other.wait()
        self.assertIn("cannot listen on %s: Address already in use" % self.host, "\n".join(other.lines))


class Metrics(HttpTest):
    def test_metrics_are_clean(self):
        self.need(PROMTOOL)
        self.the_relay.ask("SEND ACK=relayed +34600000000 text")  # so that a window is known
        done = subprocess.run([PROMTOOL, "check", "metrics"], input=self.get("/metrics")[1],
                              capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_ends_by_reason(self):
        client = self.client(self.the_relay)
        client.ask("SEND ACK=relayed +34600000000 text")
        client.ask("SEND ACK=relayed +34600009001 rejected")
        client.ask("HOLD")
        client.ask("CANCEL " + client.submit())
        self.the_relay.await_state(client.submit(options="TTL=1"), "expired")
        refused = client.submit(to="+34600000002")
        client.ask("OPTOUT ADD +34600000002")
        client.ask("RELEASE")
        self.the_relay.await_state(refused, "rejected")
        self.expect({'messages_ended_total{state="relayed",reason="api"}': 1,
                     'messages_ended_total{state="rejected",reason="api"}': 1,
                     'messages_ended_total{state="rejected",reason="opted_out"}': 1,
                     'messages_ended_total{state="canceled",reason="client"}': 1,
                     'messages_ended_total{state="expired",reason="ttl"}': 1})
        self.assert_sums(client)

    def assert_sums(self, client):
        """A number of STATS is the sum of its series in the metrics."""
        stats = {name: int(value) for name, value in client.stats().items() if value.isdigit()}
        metrics = self.metrics()

        def total(pattern):
            return sum(value for name, value in metrics.items() if re.fullmatch(pattern, name))

        parts = {"commands_total": r"commands_total\{.*", "store_commits_total":
                 "store_commit_rows_count", "bulk_messages_total": "bulk_messages_sum",
                 "protocol_errors_total": r'refusals_total\{code="50[013]".*',
                 "requests_sms_total": r'requests_total\{endpoint="sms",.*',
                 "requests_sms_bulk_total": r'requests_total\{endpoint="sms/bulk",.*'}
        for state in ("relayed", "rejected", "expired", "canceled", "unresolved"):
            parts["messages_%s_total" % state] = r'messages_ended_total\{state="%s".*' % state
        for outcome in ("new", "old", "unmatched"):
            parts["reports_%s_total" % outcome] = r'reports_total\{.*outcome="%s".*' % outcome
        # Of all owners, of whom there is one here.
        parts.update((name, name + r"\{.*") for name in stats if name.startswith("owner_"))
        self.assertEqual({name: total(pattern) for name, pattern in parts.items()},
                         {name: stats[name] for name in parts})
        for name in stats:  # numbers that are not split are shown as they are, the others are not
            self.assertEqual(name in metrics, name not in parts and name not in (
                "requests_history_total", "requests_failed_total", "requests_rate_limited_total"),
                name)

    def test_an_unresolved_one_and_one_found(self):
        """Two answers are lost: the history has one message, and cannot tell about the other."""
        self.the_relay.stop()
        self.start({"relay.settle_delay": "50ms", "relay.ambiguous_resends": 0})
        client = self.client(self.the_relay)
        self.the_relay.sandbox.faults({"drop": True, "accept": True})
        self.the_relay.await_state(client.submit(), "relayed")
        self.the_relay.sandbox.faults({"drop": True}, NAMELESS)
        self.the_relay.await_state(client.submit(), "unresolved")
        self.expect({'messages_ended_total{state="relayed",reason="history"}': 1,
                     'messages_ended_total{state="unresolved",reason="history"}': 1})
        self.expect({'requests_total{endpoint="sms",status="no_answer"}': 2,
                     'requests_total{endpoint="history",status="200"}': 3})

    def test_requests_and_bulks(self):
        client = self.client(self.the_relay)
        client.ask("HOLD")
        ids = [client.submit() for _ in range(150)]
        client.ask("RELEASE")
        for id in ids:
            self.the_relay.await_state(id, "relayed")
        self.expect_buckets("bulk_messages", {"20": 0, "50": 1, "99": 1, "100": 2})
        self.the_relay.sandbox.faults({"status": 413})
        self.the_relay.await_state(client.submit(), "relayed")
        self.expect({'requests_total{endpoint="sms/bulk",status="201"}': 2,
                     'requests_total{endpoint="sms",status="413"}': 1,
                     'requests_total{endpoint="sms",status="201"}': 1})
        self.assert_sums(client)

    def test_latency_and_time_in_queue(self):
        client = self.client(self.the_relay)
        client.ask("HOLD")
        ids = [client.submit() for _ in range(20)]
        self.the_relay.sandbox.settings(latency_ms=30)
        oldest = self.metrics()["queue_waiting_seconds"]
        eventually(lambda: self.metrics()["queue_waiting_seconds"] > oldest + 0.03, "the last waits")
        client.ask("RELEASE")
        for id in ids:
            self.the_relay.await_state(id, "relayed")
        bulk = 'endpoint="sms/bulk",'
        self.expect_buckets("api_latency_seconds", {"0.025": 0, "30": 1}, bulk)
        self.expect_buckets("time_in_queue_seconds", {"0.01": 0, "3600": 20})
        metrics = self.metrics()
        self.assertGreater(metrics['api_latency_seconds_sum{endpoint="sms/bulk"}'], 0.03)
        self.assertEqual(metrics['rate_limit{endpoint="sms/bulk"}'], 1200)
        self.assertEqual(metrics['rate_remaining{endpoint="sms/bulk"}'], 1199)
        self.assertLessEqual(metrics['rate_reset_seconds{endpoint="sms/bulk"}'], 62)
        self.assertNotIn('rate_limit{endpoint="sms"}', metrics)

    def test_lanes(self):
        client = self.client(self.the_relay)
        client.ask("HOLD")
        client.submit(options="PRIORITY=high")
        client.submit(options="PRIORITY=high")
        client.submit(options="PRIORITY=low")
        client.submit(options="AT=+1h")
        self.expect({'queue_lane_messages{lane="high"}': 2, 'queue_lane_messages{lane="low"}': 1})
        self.expect({'queue_messages{state="queued"}': 3, 'queue_messages{state="scheduled"}': 1})
        self.expect({"relaying": 0})

        def oldest():
            metrics = self.metrics()
            return [metrics['queue_lane_oldest_seconds{lane="%s"}' % lane]
                    for lane in ("high", "normal", "low")]

        high, normal, low = eventually(lambda: oldest()[2] > 0 and oldest(), "they wait")
        self.assertEqual(normal, 0)
        self.assertGreaterEqual(high, low)

    def test_commands_and_refusals(self):
        client = self.client(self.the_relay)
        for line in ("send 12 text", "BOGUS", "STATUS", "NOOP", "noop", "STATUS nothing",
                     "WATCH nothing"):
            client.ask(line)
        self.the_relay.ask("GET / HTTP/1.1")
        self.expect({'commands_total{verb="SEND"}': 1, 'commands_total{verb="STATUS"}': 2,
                     'commands_total{verb="NOOP"}': 2, 'commands_total{verb="WATCH"}': 1})
        self.expect({'refusals_total{code="550",enhanced="5.1.3"}': 1,
                     'refusals_total{code="500",enhanced="5.5.2"}': 1,
                     'refusals_total{code="501",enhanced="5.5.4"}': 1,
                     'refusals_total{code="550",enhanced="5.0.0"}': 2,
                     'refusals_total{code="421",enhanced="4.7.0"}': 1})
        self.expect({"guard_closed_total": 1})
        self.assert_sums(client)

    def test_the_store(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        self.the_relay.stop()
        self.start({"queue.path": os.path.join(folder, "queue.db")})
        client = self.client(self.the_relay)
        for _ in range(10):
            self.the_relay.await_state(client.submit(), "relayed")
        self.the_relay.ask("HOLD")  # the answer waits until everything is in the store
        metrics = self.metrics()
        self.assertGreaterEqual(metrics["store_commit_rows_sum"], 20)
        self.assertEqual(metrics["store_commit_rows_count"], metrics["store_commit_seconds_count"])
        self.assertGreater(metrics["store_commit_seconds_sum"], 0)
        self.assert_sums(client)


class Crowd(HttpTest):
    """Connections that take places for nothing keep neither probes nor delivery reports out."""

    SECRET = "a-secret-of-sixteen"
    environment = {"SMSRELAY_REPORTS_SECRET": SECRET}
    KINDS = {"silent": b"", "half": b"GET /livez HTTP/1.1\r\nHost: loc", "streams": b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n",
             "posts": b"POST /dlr/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\nhalf",
             "deaf": b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1500}

    def setUp(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
        super().setUp()

    def start(self, settings):
        super().start({"reports.address": "127.0.0.1:0", **settings})
        self.the_relay.sandbox.settings(webhook=None)
        self.webhook = self.the_relay.wait_log("reports_listening")["url"].split("/")[2]

    def crowd(self, host, kind, count):
        name, port = host.split(":")
        self.peers = []
        for _ in range(count):
            peer = socket.socket()
            self.peers.append(peer)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.setblocking(False)
            peer.connect_ex((name, int(port)))
        for peer in self.peers:
            select.select([], [peer], [], PATIENCE)
            try:
                peer.send(self.KINDS[kind])
            except OSError:
                pass  # it was closed already

    def leave(self):
        for peer in self.peers:
            peer.close()

    def test_probes_get_in(self):
        for kind, count in (("half", 64), ("streams", 64), ("silent", 1000), ("half", 1000), ("streams", 1000)):
            with self.subTest(kind=kind, count=count):
                self.crowd(self.host, kind, count)
                began = time.monotonic()
                self.assertEqual(self.get("/livez"), (200, "alive\n"))
                self.assertLess(time.monotonic() - began, 5 if IS_SLOW else 1)
                self.leave()
        self.assertGreater(self.metrics()["http_closed_total"], 100)
        self.assertGreater(len(self.the_relay.log("http_closed")), 0)

    def test_who_reads_nothing_is_closed_for_a_probe(self):
        self.crowd(self.host, "deaf", 100)
        self.assertEqual(eventually(lambda: self.get("/livez"), "a probe"), (200, "alive\n"))
        self.leave()

    def test_reports_get_in(self):
        client = self.client(self.the_relay)
        for kind, count in (("half", 256), ("posts", 256), ("silent", 1000), ("posts", 1000)):
            with self.subTest(kind=kind, count=count):
                id = client.submit()
                self.the_relay.await_state(id, "relayed")
                self.crowd(self.webhook, kind, count)
                began = time.monotonic()
                connection = http.client.HTTPConnection(self.webhook, timeout=PATIENCE)
                connection.request("POST", "/dlr/" + self.SECRET, json.dumps({"status": "sent", "clientId": id}))
                self.assertEqual(connection.getresponse().status, 200)
                self.assertLess(time.monotonic() - began, 10 if IS_SLOW else 4)
                connection.close()
                self.leave()

    def test_malformed_reports_change_nothing(self):
        id = self.client(self.the_relay).submit()
        self.the_relay.await_state(id, "relayed")
        body = json.dumps({"status": "sent", "clientId": id})
        path, length = "/dlr/" + self.SECRET, "Content-Length: %d" % len(body)
        name, port = self.webhook.split(":")
        for lines in (("POST %s HTTP/1.1" % path, "Host: a", "Host: b", length), ("POST %s HTTP/1.10" % path, length),
                      ("POST %s HTTP/1.1" % path, "Content-Length: +%d" % len(body)),
                      ("POST %s HTTP/1.1" % path, length, length), ("POST %s HTTP/2.0" % path, length),
                      ("POST %s HTTP/1.1" % path, "Host: a\nX: b", length), ("POST %s HTTP/1.1" % path, "Host: \0", length)):
            with socket.create_connection((name, int(port)), PATIENCE) as peer:
                peer.sendall("\r\n".join(lines + ("", body)).encode())
                peer.shutdown(socket.SHUT_WR)
                self.assertNotIn(b" 200 ", b"".join(iter(lambda: peer.recv(65536), b"")), lines)
        self.assertNotIn("dlr=", self.the_relay.ask("STATUS " + id)[0])

    def test_a_query_where_none_is_taken(self):
        for path in ("/", "/events", "/inbox", "/livez", "/metrics", "/readyz"):
            for query in ("?", "?a=b", "?find=12"):
                self.assertEqual(self.get(path + query)[0], 400, path + query)
        name, port = self.host.split(":")
        with socket.create_connection((name, int(port)), PATIENCE) as peer:
            peer.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\0.example\r\n\r\n")
            self.assertIn(b" 400 ", peer.recv(65536))


class Reports(HttpTest):
    SECRET = "a-secret-of-sixteen"
    environment = {"SMSRELAY_REPORTS_SECRET": SECRET}

    def start(self, settings):
        super().start({"reports.address": "127.0.0.1:0", **settings})
        self.the_relay.sandbox.settings(webhook=None)
        self.webhook = self.the_relay.wait_log("reports_listening")["url"].split("/")[2]

    def report(self, status, later_s=0, **members):
        """Posts a report whose event is so many seconds from now."""
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + later_s))
        connection = http.client.HTTPConnection(self.webhook, timeout=PATIENCE)
        try:
            connection.request("POST", "/dlr/" + self.SECRET, json.dumps(
                dict({"status": status, "code": 0, "eventAt": when}, **members)))
            self.assertEqual(connection.getresponse().status, 200)
        finally:
            connection.close()

    def test_by_status_and_time(self):
        client = self.client(self.the_relay)
        first, second = client.submit(), client.submit()
        for id in (first, second):
            self.the_relay.await_state(id, "relayed")
        self.report("sent", clientId=first)
        self.report("delivered", 100, clientId=first)
        self.report("sent", clientId=first)
        self.report("delivered", clientId=second)
        self.report("eaten", 200, clientId=second)
        self.report("delivered", clientId="of nobody")
        self.report("", clientId=first, message="yes")
        self.expect({'reports_total{status="sent",outcome="new"}': 1,
                     'reports_total{status="sent",outcome="old"}': 1,
                     'reports_total{status="delivered",outcome="new"}': 2,
                     'reports_total{status="delivered",outcome="unmatched"}': 1,
                     'reports_total{status="other",outcome="old"}': 1,
                     'reports_total{status="inbound",outcome="new"}': 1})
        self.expect_buckets("time_to_delivery_seconds", {"1": 1, "60": 1, "300": 2})

    def test_time_to_delivery_of_one_that_only_the_store_knows(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        self.the_relay.stop()
        self.start({"queue.path": os.path.join(folder, "queue.db")})
        id = self.client(self.the_relay).submit()
        self.the_relay.await_state(id, "relayed")
        self.report("delivered", 100, clientId=id)
        self.expect_buckets("time_to_delivery_seconds", {"60": 0, "300": 1})


if __name__ == "__main__":
    unittest.main()
