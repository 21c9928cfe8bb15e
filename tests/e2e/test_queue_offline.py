"""`smsrelay queue` without a running relay: it reads the store of one that was killed or stopped.

The output is compared with what the relay itself answered, and the files before and after.
"""

import datetime
import fcntl
import glob
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

from relaying import NAMELESS, NUMBER, eventually
from support import (CONFIG, DATAERR, IS_SLOW, NOINPUT, NOPERM, OK, PATIENCE, SMSRELAY, TEMPFAIL,
                     UNAVAILABLE, USAGE, WRAPPER, TestCase, command, parse_logfmt, run,
                     without_default_file)

NOT_RUNNING = "the relay is not running"
NOBODY = "127.0.0.1:1"  # nobody listens there


def now():
    return datetime.datetime.now(datetime.timezone.utc)


class StoreTest(TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="smsrelay-queue-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.path = os.path.join(self.directory, "queue.db")
        self.place = ("-o", "queue.path=" + self.path)

    def durable(self, settings=None, path=None, **options):
        """A relay with a store that gives up quickly on messages whose fate it cannot find out."""
        chosen = {"queue.path": path or self.path, "queue.drain_timeout": "0",
                  "relay.ambiguous_resends": 0, "relay.settle_delay": "100ms",
                  "relay.retry_min": "10ms", "relay.retry_max": "50ms"}
        chosen.update(settings or {})
        return self.relay(chosen, **options)

    def killed(self, relay):
        """Kills the relay, and leaves its store as it was."""
        relay.kill()
        return relay

    def files(self):
        """The contents of the directory."""
        return {name: open(name, "rb").read()
                for name in sorted(glob.glob(os.path.join(self.directory, "*")))}

    def queue(self, *arguments, code=OK, env=None, place=None):
        """Runs `smsrelay queue` on the store, which must not change; returns what it prints."""
        before = self.files()
        options = self.place if place is None else place
        done = run("queue", *options, *arguments, within=() if options else without_default_file(),
                   env=dict({"SMSRELAY_SOCKET": NOBODY}, **(env or {})))
        self.stderr = done.stderr
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(list(self.files()), list(before))
        self.assertEqual(self.files(), before)
        return done.stdout

    def run_as_nobody(self, *arguments):
        """Runs the program as a user that can read the directory and write nowhere."""
        if os.geteuid() != 0 or WRAPPER:
            self.skipTest("takes root, to be another user")
        os.chmod(self.directory, 0o755)
        with tempfile.TemporaryDirectory() as place:
            os.chmod(place, 0o755)
            return subprocess.run(command(*arguments, program=shutil.copy(SMSRELAY, place)),
                                  user=65534, group=65534, extra_groups=[], cwd="/",
                                  capture_output=True, text=True, timeout=PATIENCE)

    def listed(self, *arguments):
        """`queue list` as {id: fields}."""
        lines = [parse_logfmt(line) for line in self.queue("list", *arguments).splitlines()]
        self.more = lines.pop().get("more") if lines and "id" not in lines[-1] else None
        return {line["id"]: line for line in lines}

    def exported(self, *arguments):
        return [json.loads(line) for line in self.queue("export", *arguments).splitlines()]


class Killed(StoreTest):
    """A relay that was killed with a message in each state."""

    def setUp(self):
        super().setUp()
        self.api = self.separate_sandbox()
        relay = self.durable({"api.timeout": "60s"}, sandbox=self.api)
        self.ids = {}
        with relay.connect() as client:
            # Unresolved: the answer is lost, and the history cannot tell.
            self.api.faults({"on": "single", "drop": True, "accept": True},
                            dict(NAMELESS, count=2))
            self.ids["unresolved"] = client.submit("unresolved", NUMBER % 1)
            relay.await_state(self.ids["unresolved"], "unresolved")
            self.api.forget_faults()
            # Deferred: the answer is lost, and the history is unavailable.
            self.api.faults({"on": "single", "drop": True, "accept": True},
                            {"on": "history", "status": 503, "count": -1})
            self.ids["deferred"] = client.submit("deferred", NUMBER % 7)
            relay.await_state(self.ids["deferred"], "deferred")
            # Sending: the API does not answer.
            self.api.faults({"on": "single", "hang_ms": -1})
            self.ids["sending"] = client.submit("sending", NUMBER % 2)
            relay.await_state(self.ids["sending"], "sending")
            client.ask("HOLD")
            self.ids["queued"] = client.submit(
                "two \"words\", 5 €", NUMBER % 3, "REF=order-17 TTL=5m FROM=\"Acme Shop\"")
            self.ids["high"] = client.submit("high", NUMBER % 4, "PRIORITY=high")
            self.ids["scheduled"] = client.submit("scheduled", NUMBER % 5, "AT=+2h TTL=1h")
            self.ids["canceled"] = client.submit("canceled", NUMBER % 6)
            client.ask("CANCEL " + self.ids["canceled"])
            self.lines = [line[10:] for line in client.ask("QUEUE LIST")]
            self.canceled = [line[10:] for line in client.ask("QUEUE LIST canceled")]
            self.totals = client.queue()
        self.killed(relay)
        self.assertGreater(os.path.getsize(self.path + "-wal"), 0)  # the rows are in there

    def test_totals_are_those_of_queue(self):
        totals = parse_logfmt(self.queue().strip())
        for name in ("queued", "sending", "deferred", "scheduled", "unresolved"):
            self.assertEqual(totals[name], self.totals[name], name)
        self.assertEqual(totals["relaying"], "no")
        self.assertEqual(totals["reason"], NOT_RUNNING)
        self.assertLessEqual(int(self.totals["oldest"]), int(totals["oldest"]))
        first = self.stderr.splitlines()[0]
        self.assertIn(NOT_RUNNING, first)
        self.assertIn(self.path, first)

    def test_list_is_that_of_queue_list(self):
        def shown(lines):
            # The reason why a message waits differs now, and for one that has not changed since its
            # submission, the time at which it entered the queue is not stored.
            return sorted(re.sub(r"(state=(?:queued|scheduled) .*) updated=\S+", r"\1",
                                 line.replace("held by the operator", NOT_RUNNING))
                          for line in lines)
        self.assertEqual(shown(self.queue("list").splitlines()), shown(self.lines))
        self.assertEqual(self.queue("list", "canceled").splitlines(), self.canceled)
        self.assertEqual({"order-17"}, {line["ref"] for line in self.listed().values()
                                        if "ref" in line})

    def test_list_of_a_state_and_a_number(self):
        self.assertEqual(list(self.listed("Sending")), [self.ids["sending"]])
        self.assertEqual(list(self.listed("queued")), [self.ids["queued"], self.ids["high"]])
        self.assertIsNone(self.more)
        self.assertEqual(list(self.listed("queued", "1")), [self.ids["queued"]])
        self.assertEqual(self.more, "1")
        self.assertEqual(len(self.listed("2")), 2)
        self.assertEqual(self.queue("list", "rejected"), "none\n")

    def test_export_leaves_out_what_may_have_been_sent(self):
        lines = self.exported()
        self.assertEqual([line["to"] for line in lines], [NUMBER % 3, NUMBER % 4, NUMBER % 5])
        queued, high, scheduled = lines
        self.assertEqual(queued["text"], "two \"words\", 5 €")
        self.assertEqual(queued["from"], "Acme Shop")
        self.assertEqual(queued["clientId"], "order-17")
        self.assertEqual(high["priority"], "high")
        self.assertNotIn("clientId", high)
        self.assertTrue(0 < queued["ttl"] <= 300, queued)
        self.assertEqual(scheduled["ttl"] // 10, 359, scheduled)  # counted from AT
        at = datetime.datetime.fromisoformat(scheduled["at"].replace("Z", "+00:00"))
        self.assertTrue(0 < (at - now()).total_seconds() <= 7201, scheduled)
        self.assertIn("exported: 3\n", self.stderr)
        self.assertIn("may have been sent already: 3 ", self.stderr)

    def test_all_exports_it_too(self):
        self.assertEqual({line["to"] for line in self.exported("--all")},
                         {NUMBER % n for n in (1, 2, 3, 4, 5, 7)})
        self.assertNotIn("left out", self.stderr)

    def test_another_relay_takes_the_export(self):
        lines = self.queue("export").splitlines()
        other = self.relay({"queue.drain_timeout": "0"})
        with other.connect() as client:
            client.send(*["JSON " + line for line in lines])
            replies = client.read_replies(len(lines))
            for reply in replies:
                self.assertReply(reply, "250 2.0.0 queued")
            self.assertEqual(client.queue()["scheduled"], "1")
        eventually(lambda: len(other.sandbox.record()["messages"]) == 2)
        taken = {m["to"]: m for m in other.sandbox.record()["messages"]}
        self.assertEqual({to: m["text"] for to, m in taken.items()},
                         {NUMBER % 3: "two \"words\", 5 €", NUMBER % 4: "high"})
        self.assertEqual(taken[NUMBER % 3]["from"], "Acme Shop")

    def test_the_relay_itself_goes_on_where_it_was(self):
        self.queue()
        self.queue("export")
        relay = self.durable(sandbox=self.api)
        self.assertEqual(relay.status(self.ids["scheduled"])["state"], "scheduled")
        self.assertEqual(relay.status(self.ids["canceled"])["state"], "canceled")

    def test_a_store_that_can_only_be_read(self):
        """Such as a copy on a read-only file system, or for a user that cannot write there."""
        for name in glob.glob(self.path + "*"):
            os.chmod(name, 0o444)
        before = self.files()
        done = self.run_as_nobody("queue", *self.place, "export")
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 3)
        self.assertEqual(self.files(), before)


class Stopped(StoreTest):
    def stopped(self):
        """A relay that was stopped in good order with one message; its WAL is gone."""
        relay = self.durable()
        with relay.connect() as client:
            client.ask("HOLD")
            self.id = client.submit("waits")
        relay.stop()
        self.assertEqual(list(self.files()), [self.path])

    def test_read_without_making_a_file(self):
        self.stopped()
        self.assertEqual(list(self.listed()), [self.id])
        self.assertEqual([line["text"] for line in self.exported()], ["waits"])

    def test_path_with_odd_characters(self):
        self.path = os.path.join(self.directory, "a?b#c%41 d.db")
        self.place = ("-o", "queue.path=" + self.path)
        self.stopped()
        self.assertEqual(list(self.listed()), [self.id])
        relay = self.durable()
        relay.kill()
        self.assertEqual(list(self.listed()), [self.id])

    def test_expired_messages_are_not_exported(self):
        relay = self.durable()
        with relay.connect() as client:
            client.ask("HOLD")
            client.submit("gone", options="TTL=1s")
        relay.kill()
        eventually(lambda: self.exported() == [])
        self.assertIn("because their time is over: 1\n", self.stderr)
        eventually(lambda: int(parse_logfmt(self.queue().strip())["oldest"]) >= 1)

    def test_an_empty_queue(self):
        self.durable().stop()
        self.assertIn("queued=0 sending=0 deferred=0 scheduled=0 unresolved=0 oldest=0 ",
                      self.queue())
        self.assertEqual(self.queue("list"), "none\n")
        self.assertEqual(self.queue("export"), "")

    def test_the_log_is_read_only_as_far_as_it_is_whole(self):
        self.stopped()
        self.durable().kill()
        with open(self.path + "-wal", "ab") as log:
            log.write(b"\xff" * 1000)
        self.assertIn(self.id, self.listed())


class Finding(StoreTest):
    """Which store is read, and when a relay is asked instead."""

    def setUp(self):
        super().setUp()
        self.durable().stop()

    def test_where_no_relay_answers(self):
        environment = {"SMSRELAY_QUEUE_PATH": self.path}
        self.assertIn(NOT_RUNNING, self.queue(place=(), env=environment))
        first, second = self.stderr.splitlines()
        self.assertIn("no relay at " + NOBODY, first)
        self.assertIn(self.path, second)
        self.assertIn(NOT_RUNNING, self.queue(place=(), env={"STATE_DIRECTORY": self.directory}))

    def test_of_a_file(self):
        with tempfile.NamedTemporaryFile("w") as file:
            # Only the relay needs the token: it is not read.
            file.write("[api]\ntoken_file = /nonexistent/token\n[queue]\npath = %s\n" % self.path)
            file.flush()
            self.assertIn(NOT_RUNNING, self.queue(place=("-c", file.name)))

    def test_a_relay_that_answers_is_asked(self):
        relay = self.relay()
        place = ("-s", relay.addresses[0])
        self.assertIn("relaying=yes", self.queue(place=place))
        self.assertIn("relaying=yes", self.queue(place=place + self.place))
        self.assertIn("relaying=yes", self.queue(
            place=(), env={"SMSRELAY_SOCKET": relay.addresses[0], "SMSRELAY_QUEUE_PATH": self.path}))
        # Naming a store asks no relay, even if one is running.
        self.assertIn(NOT_RUNNING, self.queue(env={"SMSRELAY_SOCKET": relay.addresses[0]}))

    def test_a_relay_that_is_named_and_does_not_answer(self):
        self.queue(place=("-s", NOBODY), code=UNAVAILABLE, env={"SMSRELAY_QUEUE_PATH": self.path})
        self.assertNotIn(self.path, self.stderr)
        self.assertIn(NOT_RUNNING, self.queue(place=("-s", NOBODY) + self.place))

    def test_no_store(self):
        missing = os.path.join(self.directory, "missing.db")
        self.queue(place=("-o", "queue.path=" + missing), code=NOINPUT)
        self.assertIn(missing, self.stderr)
        self.queue(place=("-o", "queue.path="), code=NOINPUT)
        self.queue(place=("-o", "queue.path=x", "-o", "queue.durability=none"), code=NOINPUT)
        self.queue(place=(), code=UNAVAILABLE, env={"SMSRELAY_QUEUE_PATH": missing})
        self.queue(place=("-o", "queue.pth=x"), code=CONFIG)

    def test_what_is_no_store(self):
        for content in (b"", b"not a database, but long enough to be one" * 100):
            with open(self.path, "wb") as file:
                file.write(content)
            for arguments in ((), ("list",), ("export",)):
                self.assertEqual(self.queue(*arguments, code=DATAERR), "")
                self.assertIn(self.path, self.stderr)

    def test_arguments(self):
        for arguments in (("lst",), ("list", "nowhere"), ("list", "queued", "x"),
                          ("list", "5", "queued"), ("list", "10001"), ("export", "queued"),
                          ("--all",), ("list", "--all"), ("export", "-s", NOBODY)):
            with self.subTest(arguments):
                self.queue(*arguments, code=USAGE)

    def test_help_tells_all(self):
        for words, told in ((["queue", "--help"], ("queue export", "-c FILE", "-o SECTION.KEY=VALUE")),
                            (["help", "queue", "list"], ("[STATE] [N]", "more=")),
                            (["queue", "export", "--help"], ("--all", "JSON"))):
            for word in told:
                self.assertIn(word, run(*words).stdout)

    def test_another_user(self):
        done = self.run_as_nobody("queue", *self.place)
        self.assertEqual(done.returncode, NOPERM, done.stderr)
        self.assertIn("only the relay's user and root", done.stderr)


class Running(StoreTest):
    """A running relay owns the store; a starting one waits for readers."""

    def test_a_running_relay_keeps_its_store(self):
        relay = self.durable()
        for arguments, advice in (((), "-s"), (("list",), "-s"), (("export",), "stop it first")):
            done = run("queue", *self.place, *arguments)
            self.assertEqual(done.returncode, TEMPFAIL, done.stderr)
            self.assertEqual(done.stdout, "")
            self.assertIn("a relay is running on this store", done.stderr)
            self.assertIn(advice, done.stderr)
        self.assertIn("250", relay.ask("SEND +34600000000 goes on")[0])

    def has_open(self, process):
        self.assertIsNone(process.process.poll(), process.lines)
        for link in glob.glob("/proc/%d/fd/*" % process.pid):
            try:
                if os.path.samefile(link, self.path):
                    return True
            except FileNotFoundError:  # closed in the meantime
                pass
        return False

    def switches(self, process):
        """How often it has slept."""
        self.assertIsNone(process.process.poll(), process.lines)
        with open("/proc/%d/status" % process.pid) as status:
            return int(re.search(r"voluntary_ctxt_switches:\s*(\d+)", status.read()).group(1))

    def test_a_relay_that_starts_waits_for_a_reader(self):
        self.durable().stop()
        reader = os.open(self.path, os.O_RDONLY)
        fcntl.flock(reader, fcntl.LOCK_SH)
        relay = self.durable(ready=None)
        eventually(lambda: self.has_open(relay), "the relay has the store open")
        looked = self.switches(relay)
        eventually(lambda: self.switches(relay) > looked + 2, "it looks, and waits again")
        os.close(reader)
        relay.wait_log("started")

    def test_a_second_relay_does_not_wait(self):
        self.durable()
        began = time.monotonic()
        second = run("serve", *self.place, "-o", "api.url=sandbox", "-o", "listen.address=127.0.0.1:0")
        self.assertNotEqual(second.returncode, OK)
        self.assertIn("another process uses it", second.stderr)
        if not IS_SLOW:
            self.assertLess(time.monotonic() - began, 8)

    def test_who_prints_slowly_keeps_no_relay_waiting(self):
        relay = self.durable()
        with relay.connect() as client:
            client.ask("HOLD")
            client.send(*["SEND +34600000000 " + "x" * 150] * 1000)  # more than a pipe holds
            client.read_replies(1000)
        relay.kill()
        with subprocess.Popen(command("queue", "export", *self.place), stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as reader:
            self.assertEqual(reader.stdout.read(1), b"{")
            lock = os.open(self.path, os.O_RDONLY)
            self.addCleanup(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.assertEqual(reader.stdout.read().count(b"\n"), 1000)
        self.assertEqual(reader.returncode, OK)
