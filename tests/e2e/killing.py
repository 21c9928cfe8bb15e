"""The parts of the kill tests: clients that remember every reply, a relay that dies at any moment, an
API that fails, and a comparison with the simulator's record at the end.

Only here is time random: the seed decides when a client submits and when the relay dies, since the
moment is what is being tested. It does not decide how threads interleave, so a seed repeats the plan
of a failure, not each of its steps.

    KILL_SEED=n   the plan (random if it is not set, and printed)
    KILL_LOG=path a file for everything known about the last trial: the logs of all its relays at
                  level debug, the faults, the simulator's requests
"""

import bisect
import collections
import os
import random
import signal
import socket
import threading
import time
import traceback

from relaying import NUMBER, QUICK, Record, eventually
from support import IS_SLOW, Client, Relay, Sandbox, parse_logfmt, parse_reply

SLOWNESS = 5 if IS_SLOW else 1
LOG_PATH = os.environ.get("KILL_LOG")
RECIPIENTS = 400  # few enough that numbers repeat

# What the API does at once it has done when the relay asks settle_delay later: only a request that
# it takes later than that could be sent twice. The simulator takes a request as soon as it has read
# it, or never, however late it answers; and it reads what a dead relay sent before what the next
# one sends. So settle_delay need only be longer than a message's way through the machine.
SETTINGS = dict(QUICK, **{
    "relay.settle_delay": "%dms" % (60 * SLOWNESS), "listen.ack_timeout": "150ms",
    "api.timeout": "%dms" % (200 * SLOWNESS), "log.level": "debug" if LOG_PATH else "info"})


# --- clients -------------------------------------------------------------------------------------

class Lost(Exception):
    """The relay is gone, or going: unanswered submissions have an unknown fate."""


class Line(Client):
    """A connection whose other end may die at any byte."""

    def read_line(self):
        while not self.lines:
            try:
                chunk = self.socket.recv(65536)
            except ConnectionError:
                chunk = b""
            if not chunk:
                raise Lost()
            *lines, self.input = (self.input + chunk).split(b"\n")
            self.lines.extend(lines)
        return self.lines.popleft().rstrip(b"\r").decode()

    def read_reply(self):
        reply = super().read_reply()
        if reply[0].startswith("421"):
            raise Lost()
        return reply


class Submission:
    """A message for one recipient or more, and what its client was told about it."""

    def __init__(self, text, recipients, ref, options):
        self.text, self.recipients, self.ref, self.options = text, recipients, ref, options
        self.told = []  # for each time it was submitted: "250", "4xx" or "unknown"
        self.ids = {}   # by recipient
        self.api = {}   # the API's ids, as far as a reply named them

    def begin(self):
        """Notes that it is submitted, its fate unknown. Returns the place of that in `told`."""
        self.told.append("unknown")
        return len(self.told) - 1

    def is_accepted(self):
        return "250" in self.told

    def is_refused(self):
        """Was it refused every time, so that nothing was queued?"""
        return all(word not in ("250", "unknown") for word in self.told)

    def __str__(self):
        return "%s ref=%s to=%s %s told=%s ids=%s" % (
            self.text, self.ref, ",".join(self.recipients), self.options, self.told, self.ids)


def as_send(s):
    return ["SEND REF=%s%s %s %s" % (s.ref, s.options, ",".join(s.recipients), s.text)], 1


def as_text(s):
    return (["FROM ACME REF=%s%s" % (s.ref, s.options)] + ["TO " + to for to in s.recipients] +
            ["TEXT " + s.text]), len(s.recipients) + 2


def as_data(s):
    lines, replies = as_text(s)
    return lines[:-1] + ["DATA", s.text, "."], replies + 1


def as_mail(s):
    recipients = ["RCPT TO:<%s@sms.example>" % to for to in s.recipients]
    return (["MAIL FROM:<shop@example.org>"] + recipients + ["DATA", s.text, "."],
            len(recipients) + 3)


class Stage:
    """Where clients, relays and the killer meet."""

    def __init__(self):
        self.changed = threading.Condition()
        self.life = 0
        self.addresses = None
        self.is_over = False
        self.moments = collections.Counter()  # "sent", "replied"

    def open(self, addresses):
        with self.changed:
            self.life += 1
            self.addresses = addresses
            self.changed.notify_all()

    def end(self):
        with self.changed:
            self.is_over = True
            self.changed.notify_all()

    def next_life(self, seen):
        """Waits for a relay after this one; (its number, its addresses), or None at the end."""
        with self.changed:
            self.changed.wait_for(lambda: self.is_over or self.life > seen)
            return None if self.is_over else (self.life, self.addresses)

    def note(self, moment):
        with self.changed:
            self.moments[moment] += 1
            self.changed.notify_all()

    def await_moment(self, moment, seconds):
        with self.changed:
            wanted = self.moments[moment] + 1
            self.changed.wait_for(lambda: self.moments[moment] >= wanted, seconds)

    def rest(self, seconds):
        with self.changed:
            self.changed.wait_for(lambda: self.is_over, seconds)


class Customer(threading.Thread):
    """A careful client: submits in bursts, and submits again when it is not sure."""

    def __init__(self, name, seed, stage, burst, at=0, ways=(as_send, as_text, as_data), acks=0.1):
        super().__init__(daemon=True, name=name)
        self.chance = random.Random("%s/%s" % (seed, name))
        self.stage = stage
        self.burst, self.at, self.ways, self.acks = burst, at, ways, acks
        self.submissions = []
        self.unsure = []
        self.again = 0  # submitted once more
        self.forgotten = []  # had their 250, and were taken for new ones all the same
        self.trouble = None

    def run(self):
        try:
            life = 0
            while (relay := self.stage.next_life(life)) is not None:
                life, addresses = relay
                self.visit(addresses[self.at])
        except Exception:
            self.trouble = traceback.format_exc()

    def visit(self, address):
        try:
            line = Line(address)
        except (ConnectionError, FileNotFoundError, Lost):
            return
        with line:
            try:
                while not self.stage.is_over:
                    burst = [self.pick() for _ in range(self.chance.randint(1, self.burst))]
                    if burst[0].ref is not None and self.chance.random() < 0.1:
                        burst += burst[:1]  # again while their commit is under way
                        self.again += 1
                    self.submit(line, burst)
                    self.stage.rest(self.chance.uniform(0, 0.03 * SLOWNESS))
            except Lost:
                pass

    def submit(self, line, burst):
        said = [self.chance.choice(self.ways)(submission) for submission in burst]
        waiting = collections.deque((s, s.begin()) for s in burst)
        try:
            line.send(*[words for lines, _ in said for words in lines])
            self.stage.note("sent")
            for _, replies in said:
                reply = line.read_replies(replies)[-1]
                self.note(*waiting[0], reply)
                waiting.popleft()
                self.stage.note("replied")
        except ConnectionError:
            raise Lost()
        finally:
            self.unsure += [s for s, _ in waiting
                            if s.ref is not None and self.chance.random() < 0.7]

    def pick(self):
        """A new message; or an old one whose fate is unknown, or as if it were."""
        dice = self.chance.random()
        if self.unsure and dice < 0.5:
            self.again += 1
            return self.unsure.pop(self.chance.randrange(len(self.unsure)))
        if dice > 0.97 and self.submissions and self.submissions[-1].ref is not None:
            self.again += 1
            return self.chance.choice(self.submissions)
        return self.invent()

    def invent(self):
        number = len(self.submissions)
        count = self.chance.choices((1, 2, 5), (8, 1, 1))[0]
        options = ""
        if self.chance.random() < self.acks:
            options += " ACK=relayed"
        options += self.chance.choices(("", " PRIORITY=high", " PRIORITY=low", " AT=+1s"),
                                       (85, 7, 5, 3))[0]
        has_ref = as_mail not in self.ways
        submission = Submission(
            "%s-%d" % (self.name, number),
            [NUMBER % n for n in self.chance.sample(range(RECIPIENTS), count)],
            "ref-%s-%d" % (self.name, number) if has_ref else None, options if has_ref else "")
        self.submissions.append(submission)
        return submission

    def note(self, submission, place, reply):
        """Keeps what a reply says; raises AssertionError if it cannot be true."""
        if reply[0].startswith("4"):
            submission.told[place] = reply[0][:3]
            self.unsure.append(submission)
            return
        assert reply[0].startswith("250 ") or reply[0].startswith("250-"), (reply, str(submission))
        fields = [parse_reply(line) for line in reply]
        ids = ({f["to"]: f["id"] for f in fields} if submission.ref is not None else
               dict(zip(submission.recipients, fields[0]["id"].split(","))))
        assert set(ids) == set(submission.recipients), (reply, str(submission))
        known = [f.get("duplicate") == "yes" for f in fields]
        assert all(known) or not any(known), "only some are duplicates: %s" % reply
        if submission.ids and not (submission.ids == ids and all(known)):
            self.forgotten.append("%s: %s" % (submission, reply))
        submission.told[place] = "250"
        submission.ids = ids
        submission.api.update((f["to"], f["api"]) for f in fields if "api" in f)


# --- the API -------------------------------------------------------------------------------------

GARBAGE = "<html>it works</html>"
# What is no answer to a POST, though it says 2xx.
UNREADABLE = [dict(status=201, body=GARBAGE, content_type="text/html"), dict(status=201, body=""),
              dict(status=200, body={"entities": [], "errors": []}), dict(status=201, body=[]),
              dict(status=201, body='{"entities": [{"id": "6b0'), dict(status=202, body={"ok": True}),
              dict(status=201, body="\x1f\x8b\x08\x01"), dict(status=204, body="")]
# A request that ended thus may have been taken, and was or was not. Never late: see SETTINGS.
ENDS = [dict(drop=True), dict(drop=True, reset=True), dict(hang_ms=30, drop=True), dict(truncate=5),
        dict(close_idle=True), dict(status=500), dict(status=502, body=GARBAGE),
        dict(status=503), dict(status=503, body=GARBAGE), dict(status=504, body="")] + UNREADABLE
# So may one that was refused, although it is not what it says.
REFUSALS = [dict(status=status) for status in (302, 401, 402, 403, 404, 405, 408, 421, 425, 451)]
HANGS = [dict(hang_ms=-1), dict(hang_ms=300 * SLOWNESS, drop=True)]
# After this it was not: it says so.
LIMITED = dict(status=429, no_rate_headers=True)
# Never a page that lies: see STALE.
SCANS = [dict(drop=True), dict(hang_ms=40), dict(truncate=20), LIMITED,
         dict(status=200, body=GARBAGE), dict(status=200, body={"ok": True})] + [
    dict(status=status) for status in (302, 400, 401, 402, 403, 404, 405, 409, 422, 500, 502, 503)]
# A page from a replica that lags behind: what it does not show may be there.
STALE = [dict(stale_ms=100), dict(stale_ms=400), dict(stale_ms=2000)]
STYLES = dict(lists_as=("array", "object"), entities_order=("same", "reversed"),
              single_style=("nested", "flat"), reset_style=("unix", "seconds"))


class Weather:
    """Faults, a few at a time, at random requests."""

    def __init__(self, api, chance, has_hangs, is_stale, is_honest, latencies):
        self.api, self.chance, self.latencies = api, chance, latencies
        self.is_honest = is_honest  # what it refuses it has not taken: nobody could find out
        self.ends = ENDS + (HANGS if has_hangs else [])
        self.scans = SCANS + (4 * STALE if is_stale else [])
        self.faults = []  # by index

    def change(self):
        """Called between two relays."""
        left = self.api.call("GET", "/sandbox/faults")["faults"]
        faults = []
        if len(left) < 8:
            faults += [self.of_post() for _ in range(self.chance.randint(0, 3))]
        # One at a time: after three unreadable pages in a row a scan gives up.
        if not any(f["fault"]["on"] == "history" for f in left) and self.chance.random() < 0.3:
            faults.append(dict(self.chance.choice(self.scans), on="history",
                               skip=self.chance.randint(1, 4)))
        if faults:
            self.api.faults(*faults)
            self.faults += faults
        if self.chance.random() < 0.2:
            self.api.settings(latency_ms=self.chance.choice(self.latencies),
                              **{name: self.chance.choice(styles)
                                 for name, styles in STYLES.items()})

    def of_post(self):
        place = dict(on=self.chance.choice(("single", "bulk", "bulk")),
                     skip=self.chance.randint(0, 5))
        dice = self.chance.random()
        if dice < 0.1:
            return dict(LIMITED, **place)
        is_refusal = dice < 0.35
        accept = self.chance.random() < 0.5 and not (is_refusal and self.is_honest)
        return dict(self.chance.choice(REFUSALS if is_refusal else self.ends), accept=accept, **place)

    def clear(self):
        self.api.forget_faults()
        self.api.settings(latency_ms=0)


# --- the relay -----------------------------------------------------------------------------------

class Victim(Relay):
    """A relay that nobody waits for."""

    def __init__(self, settings, sandbox):
        self.began_ms = time.time() * 1000
        super().__init__(settings, sandbox=sandbox, ready=None)

    def await_start(self):
        try:
            self.wait_log("started")
        except AssertionError:
            if self.is_over:
                self.end(lambda: None)  # tells how
            raise
        self.addresses = [line["address"] for line in self.log("listening")]

    def end(self, deed):
        """Returns how it ended; raises AssertionError if nobody killed it, or if it failed."""
        deed()
        code = self.wait()
        self.ended_ms = time.time() * 1000
        if code not in (-signal.SIGKILL, 0 if self.log("stopping") else None):
            raise AssertionError("it ended by itself (%d):\n%s" % (code, "\n".join(self.lines)))
        return code

    def die(self):
        return self.end(self.process.kill)


class Trial:
    """One relay's store, many lives. `settings` go on top of SETTINGS; lives last `life_s` at most,
    and a little; what is left in `sandbox` are settings of the simulator.
    """

    MOMENTS = {"start": 25, "run": 30, "sent": 20, "replied": 20, "stop": 5}

    def __init__(self, folder, settings=None, seed=None, burst=10, life_s=0.3, has_hangs=True,
                 is_stale=False, is_honest=False, latencies=(0, 1, 5, 20, 40), **sandbox):
        self.seed = int(seed or os.environ.get("KILL_SEED") or
                        random.SystemRandom().getrandbits(32))
        self.chance = random.Random("%d/killer" % self.seed)
        self.settings = dict(SETTINGS, **{"queue.path": os.path.join(folder, "queue.db"),
                                          "listen.unix": os.path.join(folder, "socket")})
        self.settings.update(settings or {})
        self.api = Sandbox(limit=1000000)
        self.api.settings(latency_ms=latencies[0], **sandbox)
        self.weather = Weather(self.api, random.Random("%d/weather" % self.seed), has_hangs,
                               is_stale, is_honest, latencies)
        # How often a message may arrive: a page that lies may have it sent once more.
        self.copies = 1 + is_stale
        self.life_s = life_s
        self.stage = Stage()
        kinds = {"plain": {}, "two": {}, "unix": dict(at=1), "acks": dict(acks=1),
                 "mail": dict(ways=[as_mail])}
        self.customers = [Customer(name, self.seed, self.stage, burst, **options)
                          for name, options in kinds.items()]
        self.lives = []  # [when it was started, how it ended]
        self.kills = collections.Counter()
        self.logs = []
        self.record = None  # at the end

    def run(self, seconds=None, kills=None):
        """Kills for so long, or so often. Then a last relay has everything to itself (`relay`)."""
        for customer in self.customers:
            customer.start()
        deadline = time.monotonic() + (seconds or 1e9)
        try:
            while time.monotonic() < deadline and sum(self.kills.values()) < (kills or 1e9):
                self.weather.change()
                self.live(self.chance.choices(list(self.MOMENTS), self.MOMENTS.values())[0])
                assert not any(c.trouble for c in self.customers), self.troubles()
        finally:
            self.stage.end()
            for customer in self.customers:
                customer.join()
        assert not any(c.trouble for c in self.customers), self.troubles()
        self.weather.clear()
        self.relay = self.begin()
        self.relay.await_start()

    def troubles(self):
        return "\n".join(c.trouble for c in self.customers if c.trouble)

    def begin(self):
        relay = Victim(self.settings, self.api)
        self.logs.append(relay)
        return relay

    def live(self, moment):
        """Runs one relay, from its start to its death."""
        relay = self.begin()
        try:
            if moment == "start":
                time.sleep(self.chance.uniform(0, 0.05 * SLOWNESS))
            else:
                relay.await_start()
                self.stage.open(relay.addresses)
                self.wait_for(moment)
            if moment == "stop":
                relay.send_signal(signal.SIGTERM)
                time.sleep(self.chance.uniform(0, 0.05 * SLOWNESS))
            code = relay.die()
        except BaseException:
            relay.kill()
            raise
        self.lives.append((relay.began_ms, code))
        self.kills[moment] += code == -signal.SIGKILL

    def wait_for(self, moment):
        """Waits for the random moment of death."""
        time.sleep(self.chance.uniform(0, self.life_s * SLOWNESS))
        if moment in ("sent", "replied"):
            self.stage.await_moment(moment, 0.2 * SLOWNESS)
            time.sleep(self.chance.expovariate(1 / (0.002 * SLOWNESS)))

    # --- checking --------------------------------------------------------------------------------

    def settle(self):
        """Waits until the last relay is done; from then on the record is final."""
        with self.relay.connect() as client:
            def look():
                self.queue = client.queue()
                waits = [self.queue[s] for s in ("queued", "sending", "deferred", "scheduled")]
                return waits == ["0"] * 4
            try:
                eventually(look, "an empty queue")
            except AssertionError:
                print("seed %d" % self.seed, self.queue, *client.ask("QUEUE LIST 10"),
                      *self.relay.lines[-100:], sep="\n", flush=True)
                raise
            self.statuses = {}
            for customer in self.customers:
                self.ask_again(customer, client)
            self.unresolved = set()
            if self.queue["unresolved"] != "0":
                self.unresolved = {parse_logfmt(line)["id"]
                                   for line in client.ask("QUEUE LIST unresolved 10000")}
        self.record = Record(self.api.record())
        self.submissions = [s for c in self.customers for s in c.submissions]

    def ask_again(self, customer, client):
        """For some messages: replies stay true over all deaths, and REFs stay known."""
        accepted = [s for s in customer.submissions if s.is_accepted()]
        for submission in self.chance.sample(accepted, min(50, len(accepted))):
            if submission.ref is not None and customer.at == 0:
                customer.note(submission, submission.begin(),
                              client.ask(as_send(submission)[0][0]))
            for name in submission.ids.values():
                self.statuses[name] = client.ask("STATUS " + name)[0]

    def arrivals(self):
        """{(text, recipient): [the simulator's messages]}"""
        arrived = collections.defaultdict(list)
        for message in self.record.messages:
            arrived[message["text"], message["to"]].append(message)
        return arrived

    def wrongs(self, may_be_unresolved=False):
        """Every broken promise, as {kind: [what happened]}; "twice" holds messages."""
        arrived = self.arrivals()
        self.doubled = 0
        found = collections.defaultdict(list)
        for s in self.submissions:
            came = {to: arrived.pop((s.text, to), []) for to in s.recipients}
            for to, messages in came.items():
                name = s.ids.get(to)
                if s.is_accepted() and not messages and not (
                        may_be_unresolved and name in self.unresolved):
                    found["lost"].append(self.tell(s, to, messages))
                if s.is_refused() and messages:
                    found["refused"].append(self.tell(s, to, messages))
                if len(messages) > self.copies:
                    found["twice"].append(messages)
                self.doubled += len(messages) > 1
                if name in self.statuses and not self.is_true(self.statuses[name], messages):
                    found["STATUS lies"].append(self.statuses[name] + "\n" +
                                                self.tell(s, to, messages))
                if any(m["clientId"] != name for m in messages if name):
                    found["another id"].append(self.tell(s, to, messages))
                if to in s.api and s.api[to] not in [m["id"] for m in messages]:
                    found["relayed was no truth"].append(self.tell(s, to, messages))
            if len({bool(m) for m in came.values()}) > 1 and not may_be_unresolved:
                found["half"].append(str(s))
        found["strangers"] += list(arrived)
        found["forgotten"] += [words for c in self.customers for words in c.forgotten]
        return {kind: what for kind, what in found.items() if what}

    def is_true(self, reply, messages):
        """Does this STATUS say what became of these?"""
        status = parse_reply(reply)
        if status.get("state") == "unresolved":
            return status["id"] in self.unresolved
        return (status.get("state") == "relayed" and
                status.get("api", "") in [""] + [m["id"] for m in messages])

    def tell(self, s, to, messages):
        """Everything known about one message, to find out what went wrong."""
        words = ["%s: %s" % (to, s)]
        requests = {r["n"]: r for r in self.record.requests}
        for message in messages:
            words.append("  taken: life %d, id %s, %s" % (
                self.life_at(message["at_ms"]), message["clientId"], requests[message["request"]]))
        names = {m["clientId"] for m in messages} | {s.ids.get(to)}
        for number, relay in enumerate(self.logs):
            words += ["  life %d: %s" % (number, line) for line in relay.lines
                      if any(name and name in line for name in names)]
        return "\n".join(words)

    def tell_twice(self, found):
        by_key = {(s.text, to): s for s in self.submissions for to in s.recipients}
        return [self.tell(by_key[m[0]["text"], m[0]["to"]], m[0]["to"], m)
                for m in found.get("twice", [])]

    def life_at(self, at_ms):
        """Which relay sent a request that came in at this time: the last one started."""
        return bisect.bisect_right([began for began, _ in self.lives], at_ms + 0.999) - 1

    def doubtful_requests(self, twice):
        """Requests whose messages were sent again although no fault struck: {life: {n}}."""
        requests = {r["n"]: r for r in self.record.requests}
        doubtful = collections.defaultdict(set)
        for messages in twice:
            for message in messages[:-1]:
                request = requests[message["request"]]
                if request["fault"] is None:
                    doubtful[self.life_at(request["at_ms"])].add(request["n"])
        return doubtful

    def figures(self, found):
        told = collections.Counter(word for s in self.submissions for word in s.told)
        struck = sum(r["fault"] is not None for r in self.record.requests)
        return ("seed=%d kills=%d (%s) lives=%d submissions=%d messages=%d replies=%s again=%d "
                "requests=%d faults=%d unresolved=%d lost=%d doubled=%d too_often=%d" % (
                    self.seed, sum(self.kills.values()),
                    " ".join("%s:%d" % kill for kill in sorted(self.kills.items())),
                    len(self.lives) + 1, len(self.submissions),
                    sum(len(s.recipients) for s in self.submissions), dict(told),
                    sum(c.again for c in self.customers), len(self.record.requests), struck,
                    len(self.unresolved), len(found.get("lost", ())), self.doubled,
                    len(found.get("twice", ()))))

    def close(self):
        """Ends what is left; in good order if the trial was completed."""
        for relay in self.logs:
            relay.kill()
        self.api.kill()
        if LOG_PATH:
            with open(LOG_PATH, "w") as file:
                self.write_log(file)

    def write_log(self, file):
        for number, fault in enumerate(self.weather.faults):
            print("fault", number, fault, file=file)
        for request in self.record.requests if self.record else ():
            print("life", self.life_at(request["at_ms"]), request, file=file)
        for number, relay in enumerate(self.logs):
            print("life", number, *relay.lines, sep="\n%d " % number, file=file)
