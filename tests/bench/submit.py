"""Submitting over HTTP on HOLD, a queue in memory, beside a bare evhttp that echoes."""

import json
import os
import statistics
import subprocess
import sys
import tempfile

from programs import BENCH, PATIENCE, ROOT, TEXT, NullApi, Relay, Server, Wrong
from table import median_share, number, progress, row

sys.path.append(os.path.join(ROOT, "tests/e2e"))
from users import write_users

TOKEN = "sr_the-token-of-the-bench"
ITEM = {"from": "Acme", "to": "+34600000000", "text": TEXT}
BULK = 100


def post(address, path, body, connections, count):
    """What http_load says of so many requests over so many connections."""
    done = subprocess.run([os.path.join(BENCH, "http_load"), "-c", str(connections), "-n",
                           str(count), address, "/transactional/v1" + path, TOKEN,
                           json.dumps(body)], capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode != 0:
        raise Wrong(done.stdout + done.stderr)
    return json.loads(done.stdout)


def measure_submit(rounds, scale):
    echoed, single, bulk = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        settings = {"submit.address": "127.0.0.1:0",
                    "auth.users": write_users(os.path.join(folder, "users"), ("bench", TOKEN))}
        for turn in range(rounds):
            progress("submit: round %d of %d" % (turn + 1, rounds))
            with Server(os.path.join(BENCH, "http_echo")) as echo:
                echoed.append(post(echo.address, "/sms", ITEM, 50, 60000 // scale))
            with NullApi() as api, Relay(api.url, settings) as relay:
                relay.hold()
                host = [line for line in relay.log if "submit_listening" in line][0]
                host = host.split("url=http://")[1].strip()
                single.append(post(host, "/sms", ITEM, 50, 60000 // scale))
                bulk.append(post(host, "/sms/bulk", [ITEM] * BULK, 10, 5000 // scale))
    share = median_share(single, echoed)
    row("evhttp that echoes, the limit: 50 conns",
        "%9s/s" % number(statistics.median(result["rate"] for result in echoed)))
    row("POST /sms on HOLD: 50 conns", "%9s/s  %3.0f %% of evhttp" % (
        number(statistics.median(result["rate"] for result in single)), share * 100),
        ">= 50 % of evhttp", share >= 0.5)
    rate = statistics.median(result["rate"] for result in bulk) * BULK
    row("POST /sms/bulk of 100 on HOLD: 10 conns", "%9s messages/s" % number(rate),
        ">= 200,000/s", rate >= 200000)
