"""What it costs that somebody else is told of what becomes of messages (reports.webhook, reports.exec):
while they take it, and while they do not.
"""

import contextlib
import http.server
import socket
import statistics
import threading

from durable import pass_through
from programs import MEMORY, Folder, durable
from table import median_share, number, progress, row

SECRET = "0123456789abcdef0123456789abcdef"


class Taking(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response_only(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def taking_webhook():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {"reports.webhook": "http://127.0.0.1:%d/" % server.server_port}
    server.shutdown()
    server.server_close()


@contextlib.contextmanager
def hanging_webhook():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield {"reports.webhook": "http://127.0.0.1:%d/" % server.getsockname()[1]}


@contextlib.contextmanager
def idle_program():
    yield {"reports.exec": "/bin/sleep 600"}


@contextlib.contextmanager
def nobody():
    yield {}


CONSUMERS = {"nobody": nobody, "webhook": taking_webhook, "webhook that hangs": hanging_webhook,
             "program that never reads": idle_program}


def measure_changes(rounds, scale):
    count = 200000 // scale
    for kind in ("durable", "in memory"):
        results = {name: [] for name in CONSUMERS}
        for turn in range(rounds):
            for name, consumer in CONSUMERS.items():
                progress("changes, %s: round %d of %d, %s" % (kind, turn + 1, rounds, name))
                with consumer() as settings, Folder() as folder:
                    settings = dict(settings, **{"reports.webhook_secret": SECRET})
                    base = durable(folder) if kind == "durable" else MEMORY
                    results[name].append(pass_through(dict(base, **settings), count))
        for name, measured in results.items():
            rate, cpu_s = (statistics.median(result[key] for result in measured)
                           for key in ("rate", "cpu_s"))
            share = median_share(measured, results["nobody"])
            row("relayed while filled, %s, told: %s" % (kind, name),
                "%9s/s  %.1f us CPU  %.0f %% of untold" % (number(rate), cpu_s * 1e6, share * 100))
