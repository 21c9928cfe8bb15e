"""Other programs that make what they accept safe before they say so, where they are installed.

Postfix, beanstalkd and Redis of Debian (`apt-get install postfix beanstalkd redis-server`; this
installs nothing). Each runs beside the machine's own, if there is one: with files of its own in the
folder that is measured, at a free port of loopback. All write to the same disk as the relay, with
the same clients, and in turn with it.
"""

import os
import pwd
import shutil
import socket
import statistics
import subprocess
import time

from durable import take
from programs import (PATIENCE, TEXT, Folder, NullApi, Relay, Server, Wrong, assert_stored, durable,
                      load)
from table import median_share, number, progress, rate_words, row

# Connections, depth, lines a round.
POINTS = [(1, 1, 5000), (50, 1, 50000), (50, 100, 300000)]


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % probe.getsockname()[1]


def wait_until_open(address):
    host, port = address.rsplit(":", 1)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection((host, int(port)), PATIENCE).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise Wrong("nothing listens at " + address)
            time.sleep(0.02)


# --- work queues ---------------------------------------------------------------------------------

class WorkQueue(Server):
    """Says nothing when it is ready."""

    def __init__(self, address, *command):
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self.pid = self.process.pid
        self.address = address
        wait_until_open(address)


class Beanstalkd(WorkQueue):
    PROGRAM = "beanstalkd"
    NAME = "beanstalkd -f 0"
    REQUEST = "put 0 0 60 %d\r\n%s" % (len(TEXT), TEXT)
    ANSWER = "INSERTED"
    SHARE = 10  # of the lines: it syncs each, so depth gains it nothing

    def __init__(self, folder):
        address = free_address()
        host, port = address.split(":")
        super().__init__(address, self.PROGRAM, "-l", host, "-p", port, "-b", folder, "-f", "0")


class Redis(WorkQueue):
    PROGRAM = "redis-server"
    NAME = "Redis, appendfsync always"
    REQUEST = "*3\r\n$5\r\nRPUSH\r\n$5\r\nqueue\r\n$%d\r\n%s" % (len(TEXT), TEXT)
    ANSWER = ":"
    SHARE = 1

    def __init__(self, folder):
        address = free_address()
        host, port = address.split(":")
        super().__init__(address, self.PROGRAM, "--bind", host, "--port", port, "--dir", folder,
                         "--appendonly", "yes", "--appendfsync", "always", "--save", "")


def put(queue, connections, depth, count):
    count = max(count // queue.SHARE, connections * depth) if connections > 1 else count
    with Folder() as folder, queue(folder) as server:
        result = load(server.address, queue.REQUEST, connections, depth, count, queue.ANSWER,
                      ["-s"])
        assert_stored(folder, count)
    return result


def submit(connections, depth, count):
    with Folder() as folder:
        return take(durable(folder), connections, depth, count)


def compare_work_queues(rounds, scale):
    queues = [queue for queue in (Beanstalkd, Redis) if shutil.which(queue.PROGRAM)]
    for connections, depth, count in POINTS:
        where = "%d conn%s, depth %d" % (connections, "" if connections == 1 else "s", depth)
        count = count if connections == 1 else count // scale
        ours, theirs = [], {queue: [] for queue in queues}
        for turn in range(rounds):
            progress("rivals: round %d of %d, %s" % (turn + 1, rounds, where))
            ours.append(submit(connections, depth, count))
            for queue in queues:
                theirs[queue].append(put(queue, connections, depth, count))
        row("synced, %s: smsrelay" % where, rate_words(ours))
        for queue in queues:
            times = median_share(ours, theirs[queue])
            row("synced, %s: %s" % (where, queue.NAME),
                "%s  smsrelay %.2f times" % (rate_words(theirs[queue]), times), "> 1", times > 1)


# --- mail ----------------------------------------------------------------------------------------

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = bench.invalid
mydestination =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
# As our HOLD: what is accepted goes no further, so that only the accepting is measured.
smtpd_recipient_restrictions = check_client_access static:HOLD, permit_mynetworks, reject
# Neither slows down for a queue that is not emptied, nor asks who the client is.
in_flow_delay = 0
smtpd_peername_lookup = no
"""

MASTER_CF = """
{address} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """A Postfix of its own: configuration, queue, data and log are in the folder."""

    def __init__(self, folder):
        self.address = free_address()
        self.folder = folder
        os.chmod(folder, 0o755)  # its user must get through
        for name in ("config", "queue", "data"):
            os.mkdir(os.path.join(folder, name))
        shutil.chown(os.path.join(folder, "data"), "postfix")
        for name, text in (("main.cf", MAIN_CF), ("master.cf", MASTER_CF)):
            with open(os.path.join(folder, "config", name), "w") as out:
                out.write(text.format(folder=folder, address=self.address))

    def command(self, word):
        return subprocess.run(["postfix", "-c", os.path.join(self.folder, "config"), word],
                              capture_output=True, text=True)

    def __enter__(self):
        done = self.command("start")
        if done.returncode != 0:
            raise Wrong("Postfix did not start: " + done.stderr)
        wait_until_open(self.address)
        return self

    def held(self):
        folder = os.path.join(self.folder, "queue/hold")
        return sum(len(files) for _, _, files in os.walk(folder))

    def __exit__(self, *_):
        self.command("stop")


def why_no_postfix():
    if shutil.which("postfix") is None or shutil.which("smtp-source") is None:
        return "not installed"
    if os.geteuid() != 0:
        return "needs root"
    try:
        pwd.getpwnam("postfix")
    except KeyError:
        return "not installed"
    return None


def send_mail(address, sessions, count):
    """Mails a second of Postfix's own load generator, which keeps its connections."""
    began = time.monotonic()
    done = subprocess.run(["smtp-source", "-d", "-s", str(sessions), "-m", str(count), "-l",
                           str(len(TEXT)), "-f", "bench@bench.invalid", "-t",
                           "+34600000001@bench.invalid", address], capture_output=True, text=True)
    if done.returncode != 0:
        raise Wrong("smtp-source: " + done.stderr.strip())
    return {"rate": count / (time.monotonic() - began)}


def mail_relay(sessions, count):
    with Folder() as folder, NullApi() as api, Relay(api.url, durable(folder)) as relay:
        relay.hold()
        result = send_mail(relay.address, sessions, count)
        if relay.unfinished() != count:
            raise Wrong("%d of %d mails are queued" % (relay.unfinished(), count))
        assert_stored(folder, count)
    return result


def mail_postfix(sessions, count):
    with Folder() as folder, Postfix(folder) as postfix:
        send_mail(postfix.address, sessions, sessions)  # so that its processes are there
        result = send_mail(postfix.address, sessions, count)
        if postfix.held() != count + sessions:
            raise Wrong("Postfix holds %d of %d mails" % (postfix.held(), count + sessions))
    return result


def compare_mail(rounds, scale):
    for sessions in (1, 10, 50):
        ours, theirs = [], []
        for turn in range(rounds):
            progress("rivals: round %d of %d, mail, %d sessions" % (turn + 1, rounds, sessions))
            ours.append(mail_relay(sessions, (2000 if sessions == 1 else 30000) // scale))
            theirs.append(mail_postfix(sessions, (1000 if sessions == 1 else 5000) // scale))
        times = median_share(ours, theirs)
        where = "mail, synced, %d session%s: " % (sessions, "" if sessions == 1 else "s")
        median = lambda results: number(statistics.median(result["rate"] for result in results))
        row(where + "smsrelay", "%9s/s" % median(ours))
        row(where + "Postfix", "%9s/s  smsrelay %.1f times" % (median(theirs), times),
            "" if sessions == 1 else ">= 10", None if sessions == 1 else times >= 10)


def measure_rivals(rounds, scale):
    rounds = min(rounds, 3)
    for queue in (Beanstalkd, Redis):
        if shutil.which(queue.PROGRAM) is None:
            row(queue.NAME, "not installed")
    compare_work_queues(rounds, scale)
    why = why_no_postfix()
    if why is None:
        compare_mail(rounds, scale)
    else:
        row("Postfix", why)
