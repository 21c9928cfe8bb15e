"""The command line: what it takes for a text, how long it waits, whom it talks to, what it prints."""

import collections
import http.server
import json
import os
import pty
import signal
import socket
import subprocess
import tempfile
import threading
import time

from support import (DATAERR, NOPERM, OK, PATIENCE, PROTOCOL, TEMPFAIL, TO, UNAVAILABLE, USAGE,
                     TestCase, clean_environment, command, open_socket, parse_logfmt, run)

IOERR = 74
OTHER = "+34600000001"


class Certain(TestCase):
    """`send` never sends a text that may not be meant."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.file = os.path.join(cls.folder, "text")
        with open(cls.file, "w") as file:
            file.write("on stdin\n")

    def setUp(self):
        self.the_relay = self.relay()

    def send(self, *arguments, code, **options):
        done = run("send", *arguments, env={"SMSRELAY_SOCKET": self.the_relay.addresses[0]}, **options)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return done

    def assertSent(self, *pairs):
        with self.the_relay.connect() as client:
            self.assertEqual(int(client.stats()["messages_accepted_total"]), len(pairs))
            ids = [parse_logfmt(line)["id"] for state in ("", " relayed")
                   for line in client.ask("QUEUE LIST%s" % state) if "id=" in line]
        for name in ids:
            self.the_relay.await_state(name, "relayed")
        sent = [(m["to"], m["text"]) for m in self.the_relay.sandbox.record()["messages"]]
        self.assertEqual(collections.Counter(sent), collections.Counter(pairs))

    def test_what_is_not_certain_is_not_sent(self):
        for arguments in ([TO, OTHER], [TO, OTHER, "text"], [TO, "0034600000001", "text"],
                          [TO, "+34 600-000-001"], [TO, OTHER + ",", "+34600000002", "text"],
                          ["600000000", "600000001", "text"], [TO, "600000001"],
                          [TO, "disk full", "--ttl", "5m"], [TO, "disk full", "--ttl=5m"],
                          [TO, "disk", "-r", "7"], [TO, "disk", "-r7"], [TO, "--json", "disk"],
                          [TO, "disk", "--help"], [TO, "disk", "--prio", "high"],
                          ["--to", TO, OTHER, "text"], ["--to", TO, "text", "--to", OTHER],
                          [TO + ",", "text"], [TO + ",," + OTHER, "text"], ["--to", "", "text"]):
            with self.subTest(arguments):
                done = self.send(*arguments, code=USAGE)
                self.assertTrue(done.stderr.startswith("smsrelay send: "), done.stderr)
        self.assertSent()

    def test_a_text_on_stdin_is_not_dropped(self):
        self.assertIn("stdin", self.send(TO, "text", stdin="another", code=USAGE).stderr)
        with open(self.file) as file:
            self.send_from(file, TO, "text", code=USAGE)
            self.send_from(file, "--", TO, "text", code=OK)
            self.send_from(file, TO, "--", "text", code=OK)
            self.send_from(file, TO, code=OK)
        self.assertSent((TO, "text"), (TO, "text"), (TO, "on stdin"))

    def send_from(self, file, *arguments, code):
        done = subprocess.run(command("send", *arguments), stdin=file, capture_output=True, text=True,
                              timeout=PATIENCE,
                              env=clean_environment(SMSRELAY_SOCKET=self.the_relay.addresses[0]))
        self.assertEqual(done.returncode, code, done.stderr)

    def test_a_writer_that_is_slower_than_we_are(self):
        for line, code in (("echo another", USAGE), ("true", OK)):
            done = subprocess.run(["bash", "-c", '%s | "$@"' % line, "bash",
                                   *command("send", TO, "text")], capture_output=True, text=True,
                                  env=clean_environment(SMSRELAY_SOCKET=self.the_relay.addresses[0]),
                                  timeout=PATIENCE)
            self.assertEqual(done.returncode, code, done.stderr)

    def test_two_dashes_make_it_certain(self):
        self.send(TO, "--", OTHER, code=OK)
        self.send("--", TO, "disk", "--ttl", "5m", code=OK)
        self.assertSent((TO, OTHER), (TO, "disk --ttl 5m"))

    def test_what_is_certain(self):
        texts = ("123456", "20261130 backup done", "Call +34600000001", "-5 degrees", "a - b", "+5 C",
                 "--x")
        for text in texts:
            self.send(TO, *text.split(), code=OK)
        self.send("--to", TO, "--to", OTHER, "both", code=OK)
        self.send("--to", TO + "," + OTHER, stdin="piped\n", code=OK)
        self.assertSent(*[(TO, text) for text in texts], (TO, "both"), (OTHER, "both"),
                        (TO, "piped"), (OTHER, "piped"))


class Terminal(TestCase):
    def type(self, *arguments, keys):
        """Runs a command at a terminal where these keys are pressed once it asks for them."""
        relay = self.relay()
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        process = subprocess.Popen(command(*arguments), stdin=slave, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True,
                                   env=clean_environment(SMSRELAY_SOCKET=relay.addresses[0]))
        os.close(slave)
        if arguments[0] == "send":
            self.assertIn("Ctrl-D", process.stderr.readline())
        os.write(master, keys)
        printed, complaint = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, OK, complaint)
        name = parse_logfmt(printed)["id"] if printed else None
        if name is not None:
            relay.await_state(name, "relayed")
        else:
            with relay.connect() as client:
                client.ask("WATCH")
                while int(client.queue()["queued"]) + int(client.queue()["sending"]) > 0:
                    client.read_event()
        return relay.sandbox.texts()

    def test_one_ctrl_d_ends_the_text(self):
        for keys, text in ((b"Disk full\n\x04", "Disk full"), (b"Disk full\x04", "Disk full"),
                           (b"two\nlines\x04", "two\nlines")):
            with self.subTest(keys):
                self.assertEqual(self.type("send", TO, keys=keys), [text])

    def test_and_a_mail(self):
        self.assertEqual(self.type("sendmail", "-i", TO, keys=b"Disk full\x04"), ["Disk full"])

    def test_a_text_in_the_arguments_asks_for_none(self):
        relay = self.relay()
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        done = subprocess.run(command("send", TO, "text"), stdin=slave, capture_output=True,
                              env=clean_environment(SMSRELAY_SOCKET=relay.addresses[0]),
                              timeout=PATIENCE)
        os.close(slave)
        self.assertEqual((done.returncode, done.stderr), (OK, b""))


class Server:
    """Serves each client by `serve(connection)`, in threads; an address to connect to."""

    def __init__(self, serve=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.is_over = threading.Event()
        self.kept = []
        if serve is not None:
            threading.Thread(target=self.accept, args=[serve], daemon=True).start()

    def accept(self, serve):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.kept.append(connection)
            threading.Thread(target=serve, args=[connection, self.is_over], daemon=True).start()

    def hang_up(self):
        """Ends the connections so far."""
        while self.kept:
            connection = self.kept.pop()
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()

    def close(self):
        self.is_over.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.hang_up()


def pass_on(source, sink):
    try:
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def lead_to(address):
    """Passes everything on to this address, and back."""
    def serve(connection, _):
        with open_socket(address) as beyond:
            back = threading.Thread(target=pass_on, args=[beyond, connection], daemon=True)
            back.start()
            pass_on(connection, beyond)
            back.join(PATIENCE)
    return serve


def trickle(connection, is_over):
    """A byte of a greeting that never ends, ten times a second."""
    try:
        connection.sendall(b"220 ")
        while not is_over.wait(0.1):
            connection.sendall(b"x")
    except OSError:
        pass


def say(words):
    def serve(connection, is_over):
        connection.sendall(words)
        is_over.wait(PATIENCE)
    return serve


def answer(words):
    """Says this when it is spoken to."""
    def serve(connection, is_over):
        connection.recv(1000)
        connection.sendall(words)
    return serve


class Relay:
    """Answers NOOP and WATCH, and nothing else; tells of an event after the `noops`th NOOP."""

    def __init__(self, noops=0):
        self.noops = noops

    def serve(self, connection, _):
        with connection.makefile("rwb", buffering=0) as stream:
            stream.write(b"220 test ESMTP smsrelay 0.1.0\r\n")
            for line in stream:
                if line == b"NOOP\r\n":
                    self.noops -= 1
                    stream.write(b"250 2.0.0 ok\r\n")
                if line == b"WATCH\r\n":
                    stream.write(b"250 2.0.0 watching last=4\r\n")
                if self.noops == 0:
                    stream.write(b"120 2.0.0 event=5 id=x state=queued\r\n")


ASKING = (["send", TO, "text"], ["status", "x"], ["queue"], ["queue", "list"], ["stats"], ["watch"],
          ["cancel", "x"], ["flush"], ["hold"], ["release"], ["retry", "x"],
          ["optout", "add", TO], ["optout", "remove", TO], ["optout", "list"])


class Waiting(TestCase):
    def server(self, serve=None):
        server = Server(serve)
        self.addCleanup(server.close)
        return server

    def assertGivesUp(self, target, *arguments):
        begun = time.monotonic()
        done = run(*arguments[:1], "-s", target, "--timeout", "1", *arguments[1:])
        self.assertEqual(done.returncode, TEMPFAIL, (arguments, done.stderr))
        self.assertGreater(time.monotonic() - begun, 0.9)
        self.assertLess(time.monotonic() - begun, PATIENCE)
        self.assertIn("smsrelay %s" % arguments[0], done.stderr)
        self.assertIn("within 1 s", done.stderr)
        return done

    def test_a_silent_server(self):
        self.assertGivesUp(self.server().address, "stats")

    def test_a_trickling_server(self):
        self.assertGivesUp(self.server(trickle).address, "stats")

    def test_a_frozen_relay(self):
        relay = self.relay()
        relay.send_signal(signal.SIGSTOP)
        self.addCleanup(relay.send_signal, signal.SIGCONT)
        running = [(arguments, subprocess.Popen(
            command(arguments[0], "-s", relay.addresses[0], "--timeout", "1", *arguments[1:]),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))
            for arguments in ASKING]
        for arguments, process in running:
            _, complaint = process.communicate(timeout=PATIENCE)
            self.assertEqual(process.returncode, TEMPFAIL, (arguments, complaint))
        relay.send_signal(signal.SIGCONT)

    def test_a_relay_that_freezes_with_the_text(self):
        done = self.assertGivesUp(self.server(Relay().serve).address, "send", TO, "text")
        self.assertIn("may have been queued", done.stderr)

    def test_a_full_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(folder + "/s")
            listener.listen(0)
            with socket.socket(socket.AF_UNIX) as first:
                first.connect(folder + "/s")
                self.assertGivesUp(folder + "/s", "stats")

    def test_wrong_limits(self):
        for limit in ("", "0", "-1", "soon", "5x", "1.5"):
            self.assertEqual(run("stats", "--timeout", limit).returncode, USAGE, limit)

    def test_not_relayed_in_time(self):
        relay = self.relay({"listen.ack_timeout": "1s"})
        relay.ask("HOLD")
        done = run("send", "-s", relay.addresses[0], "--ack", "relayed", TO, "text")
        self.assertEqual(done.returncode, TEMPFAIL, done.stderr)
        self.assertIn("state=queued", done.stdout)
        self.assertIn("not relayed yet", done.stderr)

    def test_some_rejected(self):
        relay = self.relay()
        done = run("send", "-s", relay.addresses[0], "--ack", "relayed", TO + ",+34600009001", "text")
        self.assertEqual(done.returncode, DATAERR, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 2)


class Strangers(TestCase):
    def told(self, address, *arguments):
        begun = time.monotonic()
        done = run(*(arguments or ["stats"]), env={"SMSRELAY_SOCKET": address})
        self.assertLess(time.monotonic() - begun, PATIENCE / 2)  # at once, not after 30 s
        self.assertEqual(done.returncode, UNAVAILABLE if arguments else PROTOCOL, done.stderr)
        self.assertIn("%s is not smsrelay: " % address, done.stderr)
        self.assertNotRegex(done.stderr, r"[^\n -~]")
        return done.stderr

    def test_what_they_are(self):
        for serve, words in (
                (say(b"220 mail.example ESMTP Postfix\r\n"), "another mail server"),
                (say(b"220 (vsFTPd 3.0.3)\r\n"), "it says"),
                (say(b"SSH-2.0-OpenSSH_9.2\r\n"), "this is SSH"),
                (answer(b"\x15\x03\x01\x00\x02\x02\x46"), "this is TLS"),
                (answer(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "this is HTTP"),
                (answer(b"<!DOCTYPE HTML>\n<html>"), "this is HTTP"),
                (answer(b"-ERR unknown command\r\n"), "it says"),
                (say(b"\x4a\x00\x00\x00\x0a8.0\x1b[2J\x00"), "it says"),
                (say(b"x" * 100000), "it says"),
                (say(b"220 " + b"x" * 3000000), "does not end")):
            server = Server(serve)
            with self.subTest(words):
                self.assertIn(words, self.told(server.address))
                self.assertIn(words, self.told(server.address, "sendmail", "-i", TO))
            server.close()

    def test_one_that_leaves_without_a_word(self):
        server = Server(lambda connection, _: connection.close())
        self.addCleanup(server.close)
        done = run("stats", "-s", server.address)
        self.assertEqual(done.returncode, UNAVAILABLE)
        self.assertIn("it may be something else", done.stderr)

    def test_our_own_page(self):
        relay = self.relay({"http.address": "127.0.0.1:0"})
        url = relay.wait_log("http_listening")["url"]
        self.assertIn("this is HTTP", self.told(url.split("/")[2]))

    def test_a_server_of_python(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
        server.RequestHandlerClass.log_message = lambda *_: None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.assertIn("this is HTTP", self.told("127.0.0.1:%d" % server.server_port))


class Watching(TestCase):
    def watch(self, *arguments):
        process = subprocess.Popen(command("watch", *arguments), stdin=subprocess.DEVNULL, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        guard = threading.Timer(PATIENCE, process.kill)  # ends what is read of it
        guard.start()
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.addCleanup(guard.cancel)
        return process

    def test_it_connects_again_and_misses_nothing(self):
        """Not even where it had seen no event before the connection was lost."""
        relay = self.relay()
        relay.ask("HOLD")
        way = Server(lead_to(relay.addresses[0]))
        self.addCleanup(way.close)
        watch = self.watch("-s", way.address)
        self.assertTrue(watch.stdout.readline().startswith("watching all last="))
        for number in range(2):
            way.hang_up()
            names = [parse_logfmt(relay.ask("SEND %s text" % TO)[0])["id"] for _ in range(2)]
            self.assertIn("connecting again", watch.stderr.readline())
            told = [parse_logfmt(watch.stdout.readline()) for _ in names]
            self.assertEqual([line.get("id") for line in told], names)

    def test_it_goes_on_after_the_last_event(self):
        with tempfile.TemporaryDirectory() as folder:
            settings = {"listen.unix": folder + "/s"}
            first = self.relay(settings)
            first.ask("HOLD")
            watch = self.watch("-s", folder + "/s")
            watch.stdout.readline()
            first.ask("SEND %s one" % TO)
            seen = parse_logfmt(watch.stdout.readline())
            first.stop()
            self.assertIn("connecting again", watch.stderr.readline())
            second = self.relay(settings)
            second.ask("HOLD")
            second.ask("SEND %s two" % TO)
            line = parse_logfmt(watch.stdout.readline())
            self.assertGreater(int(line["event"]), int(seen["event"]))
            self.assertNotEqual(line["id"], seen["id"])
            watch.kill()

    def test_a_relay_that_freezes(self):
        relay = self.relay()
        watch = self.watch("-s", relay.addresses[0], "--timeout", "1")
        watch.stdout.readline()
        relay.send_signal(signal.SIGSTOP)
        self.addCleanup(relay.send_signal, signal.SIGCONT)
        self.assertIn("within 1 s", watch.stderr.readline())
        self.assertEqual(watch.wait(PATIENCE), TEMPFAIL)
        relay.send_signal(signal.SIGCONT)

    def test_a_silent_relay_is_not_taken_for_a_frozen_one(self):
        server = Server(Relay(noops=3).serve)
        self.addCleanup(server.close)
        watch = self.watch("-s", server.address, "--timeout", "1")
        self.assertEqual(watch.stdout.readline(), "watching last=4\n")
        self.assertEqual(watch.stdout.readline(), "event=5 id=x state=queued\n")

    def test_json(self):
        relay = self.relay()
        relay.ask("HOLD")
        watch = self.watch("-s", relay.addresses[0], "--json")
        first = json.loads(watch.stdout.readline())
        self.assertEqual((first["result"], first["all"]), ("watching", True))
        reply = relay.ask("SEND %s text" % TO)
        event = json.loads(watch.stdout.readline())
        self.assertEqual((event["id"], event["state"]), (parse_logfmt(reply[0])["id"], "queued"))
        self.assertGreater(event["event"], first["last"])


class Json(TestCase):
    def setUp(self):
        self.the_relay = self.relay()
        self.the_relay.ask("HOLD")

    def ask(self, *arguments):
        done = run(*arguments, "--json", env={"SMSRELAY_SOCKET": self.the_relay.addresses[0]})
        self.assertEqual(done.returncode, OK, done.stderr)
        return json.loads(done.stdout)

    def test_it_says_what_the_words_say(self):
        sent = json.loads(run("send", "--json", "-r", "17", "-f", 'A & B', TO + "," + OTHER, "text",
                              env={"SMSRELAY_SOCKET": self.the_relay.addresses[0]}).stdout)
        first, second = sent["messages"]
        self.assertEqual(first, {"result": "queued", "id": first["id"], "to": TO, "parts": 1,
                                 "encoding": "gsm7"})
        status = self.ask("status", "17")["messages"]
        self.assertEqual([message["to"] for message in status], [TO, OTHER])
        self.assertEqual((status[0]["ref"], status[0]["from"], status[0]["attempts"]), ("17", "A & B", 0))
        self.assertEqual(status[0]["reason"], "held by the operator")
        self.assertEqual(self.ask("queue", "list", "1"), {"messages": status[:1], "more": 1})
        self.assertEqual(self.ask("queue", "list", "relayed"), {"messages": []})
        queue = self.ask("queue")
        self.assertEqual((queue["queued"], queue["relaying"]), (2, False))
        stats = self.ask("stats")
        self.assertEqual(stats["messages_accepted_total"], 2)
        self.assertIsInstance(stats["version"], str)

    def test_of_a_store(self):
        with tempfile.TemporaryDirectory() as folder:
            place = "queue.path=%s/queue.db" % folder
            with self.relay({"queue.path": folder + "/queue.db"}) as relay:
                relay.ask("HOLD")
                relay.ask("SEND %s one" % TO)
                relay.ask("SEND %s two" % TO)
            self.assertEqual(self.ask("queue", "-o", place)["queued"], 2)
            listed = self.ask("queue", "list", "1", "-o", place)
            self.assertEqual((len(listed["messages"]), listed["more"]), (1, 1))


class Printing(TestCase):
    def to_full_device(self, *arguments, env=None):
        with open("/dev/full", "w") as full:
            done = subprocess.run(command(*arguments), stdin=subprocess.DEVNULL, stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=PATIENCE,
                                  env=clean_environment(**(env or {})))
        return done

    def test_a_full_device_is_an_error(self):
        relay = self.relay({"listen.max_connections": 100})
        relay.ask("SEND REF=x %s text" % TO)
        relay.ask("HOLD")
        relay.ask("SEND REF=waits AT=+1h %s text" % TO)
        env = {"SMSRELAY_SOCKET": relay.addresses[0]}
        for arguments in ASKING:
            if arguments[0] == "retry":
                continue  # it needs an unresolved message
            words = [arguments[0], "waits"] if arguments[0] == "cancel" else arguments
            done = self.to_full_device(*words, env=env)
            self.assertEqual(done.returncode, IOERR, (arguments, done.stderr))
            self.assertIn("stdout: ", done.stderr)
        for arguments in (["help"], ["help", "send"], ["send", "--help"], ["-V"], ["version"],
                          ["settings"], ["sandbox", "--help"], ["sendmail", "--help"],
                          ["status", "x", "--json"], ["sendmail", "-bs"]):
            done = self.to_full_device(*arguments, env=env)
            self.assertEqual(done.returncode, IOERR, (arguments, done.stderr))

    def test_every_command_explains_itself(self):
        names = [line.split("  ")[1] for line in run("help").stdout.splitlines()
                 if line.startswith("  ") and line[2].isalpha()]
        self.assertEqual(len(names), 25)
        for name in names:
            words = name.split()
            done = run("help", *words)
            self.assertEqual((done.returncode, done.stderr), (OK, ""))
            self.assertTrue(done.stdout.startswith("usage: smsrelay " + name), done.stdout)
            example = done.stdout.split("\nExample:\n\n")[1].split("\n\n")[0]
            self.assertIn("smsrelay " + name, example)
            for code in ("64", "65", "66", "69", "74", "75", "76", "77", "78"):
                self.assertRegex(done.stdout, r"(?m)^  %s  " % code)
            self.assertEqual(run(*words, "--help").stdout, done.stdout)
        self.assertEqual(run("optout", "--help").stdout, run("help", "optout").stdout)
        for words in (["nonsense"], ["help", "nonsense"], ["optout"], ["optout", "x"], ["queue", "x"],
                      ["help", "queue", "x"]):
            self.assertEqual(run(*words).returncode, USAGE, words)

    def test_the_version(self):
        self.assertEqual({run(word).stdout for word in ("-V", "--version", "version")},
                         {run("version").stdout})
        self.assertRegex(run("version").stdout, r"^smsrelay \S+\n$")

    def test_an_option_of_another_command(self):
        for words in (["status", "--ttl", "5m", "x"], ["hold", "--json"], ["settings", "-c", "x"],
                      ["stats", "-x"], ["stats", "--socket"], ["stats", "--nonsense=1"]):
            done = run(*words)
            self.assertEqual(done.returncode, USAGE, words)
            self.assertTrue(done.stderr.startswith("smsrelay %s: " % words[0]), done.stderr)

    def test_opted_out(self):
        relay = self.relay()
        relay.ask("OPTOUT ADD " + TO)
        done = run("send", "-s", relay.addresses[0], TO, "text")
        self.assertEqual(done.returncode, NOPERM)
        self.assertEqual(done.stderr, "smsrelay send: %s has opted out (550 5.7.1)\n" % TO)
