"""Whoever reaches a listener may send what it likes: no byte of it is ever taken for a request of its
own. A proxy keeps its connections to the relay and sends the calls of others on them, so the API's next
report would be read as the rest of a stranger's request, and be lost.

nginx is a real one; `make deps` unpacks it.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

from relaying import eventually
from support import PATIENCE, clean_environment
from test_clients import BUILD
from test_reports import PATH, ReportsTest, at

NGINX = os.path.join(BUILD, "nginx", "usr", "sbin", "nginx")

CONFIGURATION = """\
daemon off;
master_process off;
pid pid;
events {}
http {
    access_log off;
    client_body_temp_path client;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    upstream relay {
        server %s;
        keepalive 1;
    }
    server {
        listen unix:%s;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host localhost;
        location / {
            proxy_pass http://relay;
        }
    }
}
"""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW")

# What is hidden in a body: a request that swallows the start of what comes next.
HIDDEN = b"POST /dlr/y HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n"


def chunked(body):
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def with_length(body):
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


BODIES = {
    "none": b"\r\n",
    "length": with_length(HIDDEN),
    "chunked": b"Transfer-Encoding: chunked\r\n\r\n" + chunked(HIDDEN),
}
# What no proxy should let through.
ODD_BODIES = {
    "unknown coding": b"Transfer-Encoding: gzip\r\n\r\n" + HIDDEN,
    "length and chunked": b"Transfer-Encoding: chunked\r\n" + with_length(chunked(HIDDEN)),
    "chunked and length": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(HIDDEN),
    "two lengths": b"Content-Length: 0\r\n" + with_length(HIDDEN),
    "no length": b"Content-Length: x\r\n\r\n" + HIDDEN,
    "chunked twice": b"Transfer-Encoding: chunked, chunked\r\n\r\n" + HIDDEN,
    "expects to go on": b"Expect: 100-continue\r\n" + with_length(HIDDEN),
    "expects else": b"Expect: nothing\r\n" + with_length(HIDDEN),
    "keep-alive": b"Connection: keep-alive\r\n" + with_length(HIDDEN),
    "too long": with_length(HIDDEN * 1200),
}


def request(method, path, rest):
    version = "1.0" if b"keep-alive" in rest else "1.1"  # which keeps it anyway
    return ("%s %s HTTP/%s\r\nHost: localhost\r\n" % (method, path, version)).encode() + rest


class ProxyTest(ReportsTest):
    settings = {"http.address": "127.0.0.1:0"}

    def setUp(self):
        super().setUp()
        self.page = self.the_relay.wait_log("http_listening")["url"].split("/")[2]
        self.message, _ = self.relayed()
        self.count = 0

    def genuine(self):
        """The API's next report; what it says is to be found by `is_recorded`."""
        self.count += 1
        report = {"clientId": self.message, "status": "sent", "code": self.count,
                  "eventAt": at(self.count % 60).replace("10:15", "10:%02d" % (self.count // 60))}
        return request("POST", PATH, with_length(json.dumps(report).encode()))

    def is_recorded(self):
        return self.dlr(self.message) == ("sent", str(self.count))


class ThroughNginx(ProxyTest):
    def setUp(self):
        self.need(NGINX)
        super().setUp()

    def begin(self, target):
        """Starts an nginx before a listener. Returns the path of its socket."""
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "socket")
        with open(os.path.join(folder, "nginx.conf"), "w") as file:
            file.write(CONFIGURATION % (target, path))
        process = subprocess.Popen(
            [NGINX, "-p", folder, "-c", "nginx.conf", "-e", "log"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment())
        self.addCleanup(process.wait, PATIENCE)
        self.addCleanup(process.kill)

        def is_listening():
            with open(os.path.join(folder, "log")) as file:
                self.assertIsNone(process.poll(), file.read())
            with socket.socket(socket.AF_UNIX) as client:
                return client.connect_ex(path) == 0

        eventually(lambda: os.path.exists(path) and is_listening(), "nginx listens")
        return path

    def ask(self, path, call):
        """Returns the status and the whole answer."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(path)
            client.sendall(call.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            answer = b""
            while chunk := client.recv(65536):
                answer += chunk
        return answer[9:12].decode(), answer

    def test_the_next_report(self):
        proxy = self.begin(self.host)
        for method in METHODS:
            for name, body in BODIES.items():
                with self.subTest(method=method, body=name):
                    self.ask(proxy, request(method, "/dlr/y", body))
                    self.assertEqual(self.ask(proxy, self.genuine())[0], "200")
                    self.assertTrue(self.is_recorded())

    def test_the_next_of_the_pages(self):
        proxy = self.begin(self.page)
        for method in METHODS:
            for path in ("/", "/metrics", "/inbox/report", "/nothing"):
                for name, body in BODIES.items():
                    with self.subTest(method=method, path=path, body=name):
                        self.ask(proxy, request(method, path, body))
                        for asked, told in (("/livez", b"alive"), ("/metrics", b"# TYPE")):
                            status, answer = self.ask(proxy, request("GET", asked, b"\r\n"))
                            self.assertEqual(status, "200")
                            self.assertIn(told, answer)


class OnASocket(ProxyTest):
    def ask(self, host, *calls):
        """Sends all at once, for the relay to close after the last. Returns the answers' heads."""
        address, port = host.split(":")
        answer = b""
        with socket.create_connection((address, int(port)), timeout=PATIENCE) as client:
            try:
                client.sendall(b"".join(calls))
                while chunk := client.recv(65536):
                    answer += chunk
            except (BrokenPipeError, ConnectionResetError):  # what was not read is thrown back
                pass
        heads = [found.group() for found in re.finditer(rb"HTTP/1\.\d .*?\r\n\r\n", answer, re.S)]
        return [head for head in heads if head[9:12] != b"100"]

    def expect_nothing_taken(self, host, path, genuine):
        """What follows a request is answered as what it is, or the connection is closed before.

        After CONNECT libevent says that it closes, and reads on; a proxy goes by what was said.
        """
        for method in METHODS:
            for name, body in {**BODIES, **ODD_BODIES}.items():
                with self.subTest(method=method, path=path, body=name):
                    last = genuine().replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
                    first, *others = self.ask(host, request(method, path, body), last) or [b""]
                    if others and method != "CONNECT":
                        self.assertNotIn(b"Connection: close", first)
                        self.assertEqual([head[9:12] for head in others], [b"200"])
                    elif first:
                        self.assertIn(b"Connection: close", first)

    def test_the_next_report(self):
        self.expect_nothing_taken(self.host, "/dlr/y", self.genuine)

    def test_the_next_of_the_pages(self):
        for path in ("/livez", "/inbox/report", "/nothing"):
            self.expect_nothing_taken(self.page, path,
                                      lambda: request("GET", "/livez", b"\r\n"))

    def test_a_connection_is_kept(self):
        """Where all was read, as proxies like it."""
        for body in ("none", "length", "chunked"):
            calls = [request("POST", "/dlr/y", BODIES[body]), self.genuine(), self.genuine(),
                     request("POST", PATH, b"Connection: close\r\n\r\n")]
            self.assertEqual([head[9:12] for head in self.ask(self.host, *calls)],
                             [b"404", b"200", b"200", b"400"])
            self.assertTrue(self.is_recorded())
        for method in ("GET", "HEAD"):
            calls = [request(method, "/livez", b"\r\n"),
                     request("GET", "/livez", b"Connection: close\r\n\r\n")]
            self.assertEqual([head[9:12] for head in self.ask(self.page, *calls)],
                             [b"200", b"200"])


if __name__ == "__main__":
    unittest.main()
