"""A real Prometheus scrapes the relay and answers questions about it.

`make clients` runs it; as part of `make test` it is not there.
"""

import http.client
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
import urllib.parse

from relaying import eventually
from support import PATIENCE, TestCase, clean_environment
from test_clients import BUILD

PROMETHEUS = os.path.join(BUILD, "prometheus", "usr", "bin", "prometheus")

CONFIGURATION = """\
scrape_configs:
- job_name: smsrelay
  scrape_interval: 100ms
  scrape_timeout: 100ms
  static_configs:
  - targets: ["%s"]
"""


def load_tests(_loader, tests, _pattern):
    return tests if os.environ.get("CLIENTS") == "all" else unittest.TestSuite()


class Prometheus(TestCase):
    def setUp(self):
        self.need(PROMETHEUS)
        self.the_relay = self.relay({"http.address": "127.0.0.1:0"})
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.host = self.begin(self.the_relay.wait_log("http_listening")["url"].split("/")[2])

    def begin(self, target):
        """Starts Prometheus on a free port. Returns where it listens."""
        configuration = os.path.join(self.folder, "prometheus.yml")
        log = os.path.join(self.folder, "log")
        with open(configuration, "w") as file:
            file.write(CONFIGURATION % target)
        with open(log, "w") as file:
            process = subprocess.Popen(
                [PROMETHEUS, "--config.file=" + configuration, "--web.listen-address=127.0.0.1:0",
                 "--storage.tsdb.path=" + os.path.join(self.folder, "data")],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=clean_environment())
        self.addCleanup(process.wait, PATIENCE)
        self.addCleanup(process.kill)

        def address():
            with open(log) as file:
                text = file.read()
            self.assertIsNone(process.poll(), text)
            return re.search(r'"Listening on" address=(\S+)', text)

        return eventually(address, "Prometheus listens").group(1)

    def ask(self, question):
        """The number that a question is answered with; None = it knows of no such series yet."""
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        try:
            connection.request("GET", "/api/v1/query?query=" + urllib.parse.quote(question))
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status == 503:  # it is starting
            return None
        self.assertEqual(answer.status, 200, body)
        found = json.loads(body)["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    def test_it_knows_what_was_sent(self):
        client = self.client(self.the_relay)
        client.ask("HOLD")
        ids = [client.submit() for _ in range(250)]
        eventually(lambda: self.ask('smsrelay_queue_lane_messages{lane="normal"}') == 250,
                   "Prometheus sees the messages wait")
        client.ask("RELEASE")
        for id in ids:
            self.the_relay.await_state(id, "relayed")
        eventually(lambda: self.ask('sum(smsrelay_messages_ended_total{state="relayed"})') == 250,
                   "Prometheus sees what was relayed")
        self.assertEqual(self.ask("smsrelay_time_in_queue_seconds_count"), 250)
        self.assertEqual(self.ask('smsrelay_api_latency_seconds_count{endpoint="sms/bulk"}'), 3)
        self.assertEqual(self.ask(
            "histogram_quantile(0.99, smsrelay_bulk_messages_bucket) > bool 50"), 1)
        self.assertEqual(self.ask('smsrelay_requests_total{endpoint="sms/bulk",status="201"}'), 3)
        self.assertEqual(self.ask("smsrelay_build_info"), 1)


if __name__ == "__main__":
    unittest.main()
