"""How a relay starts, stops and drains, and what it says about messages it could not relay."""

import datetime
import os
import select
import signal
import socket
import tempfile
import time
import unittest

from support import OK, PATIENCE, TO, TOKEN, UNAVAILABLE, TestCase, run

NOWHERE = "http://127.0.0.1:1/"  # nobody listens on port 1


class ServiceManager(TestCase):
    """sd_notify(3): it is told once clients can connect, and when the relay begins to stop."""

    def listen(self, name):
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(name)
        manager.settimeout(PATIENCE)
        return manager

    def test_a_path_or_an_abstract_name(self):
        with tempfile.TemporaryDirectory() as folder:
            long = folder + "/" + "x" * (106 - len(folder))
            for name in (folder + "/notify", long, "\0smsrelay-test-%d" % os.getpid()):
                manager = self.listen(name)
                relay = self.relay(env={"NOTIFY_SOCKET": name.replace("\0", "@")}, ready="listening")
                self.assertEqual(manager.recv(100), b"READY=1")
                with relay.connect() as client:
                    client.ask("QUIT")
                relay.stop()
                self.assertEqual(manager.recv(100), b"STOPPING=1")

    def test_a_relay_that_does_not_start_is_not_ready(self):
        with socket.create_server(("127.0.0.1", 0)) as taken, tempfile.TemporaryDirectory() as folder:
            manager = self.listen(folder + "/notify")
            done = run("serve", "-o", "api.url=sandbox", "-o",
                       "listen.address=127.0.0.1:%d" % taken.getsockname()[1],
                       env={"NOTIFY_SOCKET": folder + "/notify"})
            self.assertEqual(done.returncode, UNAVAILABLE)
            self.assertEqual(select.select([manager], [], [], 0)[0], [])

    def test_a_manager_that_cannot_be_told(self):
        for name in ("/nonexistent/notify", "vsock:2:1", "@" + "x" * 200):
            relay = self.relay(env={"NOTIFY_SOCKET": name})
            relay.wait_log("service_manager_untold", socket=name)
            relay.stop()


class Stop(TestCase):
    def test_exit_codes(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            relay = self.relay()
            relay.stop(code=OK, number=number)
            self.assertEqual(len(relay.log("stopping")), 1)
            self.assertEqual(len(relay.log("stopped", level="info")), 1)
            self.assertEqual(relay.log("messages_lost"), [])

    def test_idle_clients_are_told(self):
        for _ in range(10):
            relay = self.relay()
            clients = [self.client(relay) for _ in range(20)]
            in_content = self.client(relay)
            in_content.send("TO " + TO, "DATA", "half a text")
            in_content.read_replies(2)
            relay.stop()
            for client in clients + [in_content]:
                self.assertReply(client.read_reply(), "421 4.3.2")
                self.assertIsNone(client.read_line())

    def test_nobody_new_is_taken(self):
        relay = self.relay({"log.level": "debug"})
        relay.sandbox.settings(latency_ms=500)
        client, idle = self.client(relay), self.client(relay)
        client.send("SEND ACK=relayed %s text" % TO)
        relay.wait_log("request_began")
        relay.send_signal(signal.SIGTERM)
        self.assertReply(idle.read_reply(), "421 4.3.2")  # nobody listens any more
        with self.assertRaises(ConnectionRefusedError):
            relay.connect()
        self.assertReply(client.read_reply(), "250 2.0.0 relayed")

    def test_what_is_in_flight_finishes(self):
        sandbox = self.separate_sandbox(latency="300ms")
        relay = self.relay({"log.level": "debug"}, sandbox=sandbox)
        client = self.client(relay)
        client.send("SEND ACK=relayed %s text" % TO)
        relay.wait_log("request_began")
        relay.send_signal(signal.SIGTERM)
        self.assertReply(client.read_reply(), "250 2.0.0 relayed")
        self.assertReply(client.read_reply(), "421 4.3.2")
        self.assertIsNone(client.read_line())
        self.assertEqual(relay.wait(), OK)
        self.assertEqual(relay.log("messages_lost"), [])
        self.assertEqual(len(sandbox.texts()), 1)

    def test_the_queue_is_drained(self):
        sandbox = self.separate_sandbox(latency="20ms")
        relay = self.relay({"relay.bulk_max": 10}, sandbox=sandbox)
        client = self.client(relay)
        client.send(*["SEND %s text %d" % (TO, i) for i in range(500)])
        client.read_replies(500)
        relay.stop()
        self.assertEqual(relay.log("messages_lost"), [])
        self.assertEqual(sorted(sandbox.texts()), sorted("text %d" % i for i in range(500)))
        self.assertEqual(relay.log("stopped")[0]["relayed"], "500")

    def test_all_that_was_answered_250_is_relayed(self):
        """A stop in the middle of a flood: every 250 is a message that arrives."""
        sandbox = self.separate_sandbox()
        relay = self.relay(sandbox=sandbox)
        client = self.client(relay)
        client.send(*["SEND %s text %d" % (TO, i) for i in range(3000)])
        client.read_replies(10)
        relay.send_signal(signal.SIGTERM)
        taken = 10
        while (reply := client.read_reply())[0].startswith("250"):
            taken += 1
        self.assertReply(reply, "421 4.3.2") if taken < 3000 else None
        self.assertEqual(relay.wait(), OK)
        self.assertEqual(sorted(sandbox.texts()), sorted("text %d" % i for i in range(taken)))

    def test_what_comes_with_the_signal_is_drained(self):
        """In one turn of the loop: the relay is told to stop, then a message is taken."""
        for _ in range(10):
            relay = self.relay()
            client = self.client(relay)
            busy = [self.client(relay) for _ in range(40)]  # so that the turn takes its time
            for other in busy:
                other.send_bytes(b"NOOP\r\n" * 10000)
            relay.send_signal(signal.SIGTERM)
            handled = time.monotonic() + 0.001  # less than what keeps the relay busy
            while time.monotonic() < handled:
                pass
            client.send("SEND %s text" % TO)
            self.assertEqual(relay.wait(), OK)
            self.assertEqual(relay.log("messages_lost"), [])


    def hanging(self, settings):
        """A relay with a request that the API does not answer, and another message."""
        relay = self.relay(dict({"api.timeout": "1h", "log.level": "debug"}, **settings))
        relay.sandbox.faults(dict(hang_ms=-1))
        with relay.connect() as client:
            client.submit()
            relay.wait_log("request_began")
            client.submit()
        return relay

    def test_an_api_that_hangs_holds_nothing_up(self):
        with tempfile.TemporaryDirectory() as folder:
            relay = self.hanging({"queue.drain_timeout": "500ms", "queue.path": folder + "/q.db"})
            began = time.monotonic()
            relay.stop(code=OK)
            self.assertLess(time.monotonic() - began, PATIENCE / 2)
            kept = relay.log("messages_kept")[0]
            self.assertEqual((kept["messages"], kept["maybe_sent"]), ("2", "1"))

    def test_it_says_for_what_it_waits_and_until_when(self):
        relay = self.hanging({"queue.drain_timeout": "1h"})
        self.client(relay).submit(options="AT=+1h")
        relay.send_signal(signal.SIGTERM)
        stopping = relay.wait_log("stopping")
        self.assertEqual((stopping["messages"], stopping["sending"], stopping["scheduled"]),
                         ("2", "1", "1"))
        until = datetime.datetime.fromisoformat(stopping["until"].replace("Z", "+00:00"))
        self.assertAlmostEqual(until.timestamp(), time.time() + 3600, delta=PATIENCE)
        relay.stop(code=OK)


class Lost(TestCase):
    def lose(self, settings=None, *lines, **options):
        relay = self.relay(settings, **options)
        with relay.connect() as client:
            for line in lines:
                self.assertReply(client.ask(line), "250")
        began = time.monotonic()
        relay.stop(code=OK)
        lost = relay.log("messages_lost", level="error")
        self.assertEqual(len(lost), 1)
        return lost[0], time.monotonic() - began

    def test_no_api(self):
        send = "SEND %s text" % TO
        lost, _ = self.lose({"api.url": NOWHERE, "api.token": "t", "queue.drain_timeout": "200ms"},
                            send, send, send)
        self.assertEqual(lost["messages"], "3")

    def test_held_by_the_operator(self):
        """Held messages stay held: there is nothing to wait for."""
        lost, seconds = self.lose({"queue.drain_timeout": "1h"}, "HOLD", "SEND %s text" % TO)
        self.assertEqual(lost["messages"], "1")
        self.assertLess(seconds, PATIENCE)

    def test_scheduled_for_later(self):
        lost, seconds = self.lose({"queue.drain_timeout": "1h"}, "SEND AT=+1h %s text" % TO,
                                  "SEND ACK=relayed %s text" % TO)
        self.assertEqual((lost["messages"], lost["scheduled"]), ("1", "1"))

    def test_a_second_signal_ends_it_at_once(self):
        relay = self.relay({"api.timeout": "1h", "queue.drain_timeout": "1h", "log.level": "debug"})
        relay.sandbox.faults(dict(hang_ms=-1))
        client = self.client(relay)
        client.submit()
        relay.wait_log("request_began")
        client.ask("HOLD")
        client.submit()
        relay.send_signal(signal.SIGTERM)
        relay.wait_log("stopping", times=1)
        self.assertReply(client.read_reply(), "421 4.3.2")
        self.assertIsNone(relay.process.poll())
        relay.stop(code=OK)
        self.assertEqual(len(relay.log("stopping")), 2)
        lost = relay.log("messages_lost")[0]
        self.assertEqual((lost["messages"], lost["maybe_sent"]), ("2", "1"))

    def test_an_unread_reply_does_not_hold_it_up(self):
        """A client that reads nothing cannot delay the end of the relay."""
        relay = self.relay()
        client = self.client(relay, greets=False)
        client.socket.setblocking(False)
        while select.select([], [client.socket], [], 0.5)[1]:
            try:
                client.socket.send(b"HELP\r\n" * 1000)
            except BlockingIOError:
                pass
        relay.stop()


class Hangup(TestCase):
    def test_the_token_file_is_read_again(self):
        """SIGHUP does not end it, and a new token is used at once."""
        sandbox = self.separate_sandbox(token="new-token")
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/token"
            with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
                file.write("old-token\n")
            relay = self.relay({"api.token_file": path}, sandbox=sandbox,
                               env={"INSTASENT_TOKEN": None})
            client = self.client(relay)
            name = client.submit()
            relay.wait_log("relaying_stopped")
            with open(path, "r+") as file:  # or the watch of the folder sees it first
                file.write("new-token\n")
            relay.send_signal(signal.SIGHUP)
            self.assertEqual(relay.await_state(name, "relayed")["state"], "relayed")
            relay.wait_log("relaying_resumed")
            self.assertEqual(len(sandbox.texts()), 1)
            relay.stop()

    def reloading(self, folder, settings=None, **options):
        """A relay with settings from a file; returns it and what sends it SIGHUP."""
        path = folder + "/smsrelay.conf"

        def reload(text, count):
            with open(path, "w") as file:
                file.write(text)
            relay.send_signal(signal.SIGHUP)
            return relay.wait_log("reloaded", count=count)

        with open(path, "w") as file:
            file.write("[relay]\nbulk_max = 10\n")
        os.chmod(path, 0o600)
        with open(folder + "/aliases", "w") as file:
            file.write("ops: +34600000000\n")
        relay = self.relay(dict({"sms.aliases": folder + "/aliases"}, **settings or {}),
                           arguments=("-c", path), **options)
        return relay, reload

    def test_it_says_what_it_read_and_what_it_did_not(self):
        with tempfile.TemporaryDirectory() as folder:
            relay, reload = self.reloading(folder, env={"SMSRELAY_QUEUE_MAX_AGE": "1h"})
            self.assertEqual(reload("[relay]\nbulk_max = 10\n", 1)["read"], "sms.aliases")
            self.assertEqual(relay.log("settings_need_restart"), [])
            reload("[relay]\nbulk_max = 10\nconnections=2\n[queue]\nmax_age=2h\n"
                   "[sms]\nsenders = ACME, Other\n[reports]\nsecret = %s\n" % ("x" * 32), 2)
            needs = relay.wait_log("settings_need_restart", level="warn")
            self.assertEqual(needs["settings"], "sms.senders reports.secret relay.connections")
            self.assertNotIn("xxxx", "\n".join(relay.lines))

    def test_settings_that_are_wrong(self):
        with tempfile.TemporaryDirectory() as folder:
            relay, reload = self.reloading(folder)
            reload("[relay]\nbulk_max = none\n", 1)
            kept = relay.wait_log("settings_kept", level="error")
            self.assertIn("smsrelay.conf:2: relay.bulk_max", kept["reason"])

    def test_secrets_of_the_command_line_are_known(self):
        with tempfile.TemporaryDirectory() as folder:
            sandbox = self.separate_sandbox()
            relay, reload = self.reloading(folder, {"api.token": TOKEN}, sandbox=sandbox,
                                           env={"INSTASENT_TOKEN": None})
            reload("[relay]\nbulk_max = 10\n", 1)
            self.assertEqual(relay.log("settings_need_restart") + relay.log("settings_kept"), [])

    def test_without_a_token_file(self):
        relay = self.relay()
        relay.send_signal(signal.SIGHUP)
        relay.ask("SEND ACK=relayed %s text" % TO)


class Start(TestCase):
    def test_what_the_log_says(self):
        relay = self.relay()
        started = relay.log("started")[0]
        self.assertEqual(started["api"], "sandbox")
        self.assertIn("memory", started["queue"])
        self.assertRegex(relay.addresses[0], r"^127\.0\.0\.1:\d+$")

    def test_the_greeting_names_the_host(self):
        greeting = self.client(self.relay()).greeting
        self.assertRegex(greeting, r"^220 %s ESMTP smsrelay \d" % socket.gethostname())

    def test_a_sandbox_that_cannot_listen(self):
        relay = self.relay()
        done = run("serve", "-o", "api.url=sandbox", "-o", "listen.address=127.0.0.1:0", "-o",
                   "sandbox.address=" + relay.sandbox.host)
        self.assertEqual(done.returncode, UNAVAILABLE)
        self.assertIn("start_failed", done.stderr)

    def test_json_log(self):
        import json
        relay = self.relay({"log.format": "json"}, ready=None)
        relay.written.acquire()
        relay.written.release()
        deadline = time.monotonic() + PATIENCE
        with relay.written:
            while len(relay.lines) < 3:
                self.assertTrue(relay.written.wait(deadline - time.monotonic()))
        self.assertEqual(json.loads(relay.lines[-1])["event"], "started")

    def test_sandbox_alone(self):
        sandbox = self.separate_sandbox()
        self.assertEqual(sandbox.summary()["messages"], 0)
        sandbox.stop(code=OK, number=signal.SIGINT)


if __name__ == "__main__":
    unittest.main()
