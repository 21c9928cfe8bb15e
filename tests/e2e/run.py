#!/usr/bin/env python3
"""Runs the end-to-end tests, each TestCase class in a process of its own, several at a time.

    tests/e2e/run.py [--except WORD] [--times] [WORD...]

A WORD selects tests by their whole name or a part of it: test_client, test_client.Send, Send,
Send.test_a_long_line_goes_as_data. Without any, and without any in $TESTS, all run. Tests find the
program in $SMSRELAY (build/smsrelay), run JOBS classes at a time (four a processor, for they mostly
wait), and have PATIENCE=300 seconds a class. --times tells how long each class took, and how much of that the processors worked. $OUTCOMES
names a file that gets a line for each test that did not fail: its name and, after a tab, why it was
skipped or nothing. A class with is_long = True begins first, so that no run ends with waiting for it
alone. The last line is `N passed, N failed`; the exit code is 1 when a test failed or
none ran.
"""

import argparse
import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def each_test(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from each_test(item)
        else:
            yield item


class Outcome(unittest.TestResult):
    """Keeps what became of each test, a failed subtest being a failure of its test."""

    def __init__(self):
        super().__init__()
        self.outcomes = []

    def startTest(self, test):
        super().startTest(test)
        self.current = {"name": test.id(), "failures": [], "skipped": None}

    def stopTest(self, test):
        super().stopTest(test)
        self.outcomes.append(self.current)

    def fail(self, test, error):
        words = self._exc_info_to_string(error, test)
        if test.id() == self.current["name"] or hasattr(test, "params"):
            self.current["failures"].append("%s\n%s" % (test, words))
        else:  # setUpClass and its like are no tests, but without them none ran
            self.outcomes.append({"name": test.id(), "failures": [words], "skipped": None})

    current = {"name": None}

    def addError(self, test, err):
        self.fail(test, err)

    def addFailure(self, test, err):
        self.fail(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.fail(subtest, err)

    def addUnexpectedSuccess(self, test):
        self.current["failures"].append("%s\nunexpected success" % test)

    def addSkip(self, test, reason):
        if test.id() == self.current["name"]:
            self.current["skipped"] = reason
        else:
            self.outcomes.append({"name": test.id(), "failures": [], "skipped": reason})


class Child:
    """One class in a process of its own, forked off this one, which has imported all of them already."""

    def __init__(self, name, tests, patience, others):
        self.name = name
        self.began = time.monotonic()
        self.deadline = self.began + patience
        self.trouble = "ended without a result"
        self.result = tempfile.TemporaryFile("w+")
        self.output = tempfile.TemporaryFile("w+", errors="backslashreplace")
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self.be(tests, others)
        self.pidfd = os.pidfd_open(self.pid)

    def be(self, tests, others):
        """The child's life."""
        try:
            os.setsid()
            for other in others:
                other.close()
            # A shell ignores it for what it runs in the background, and that is inherited.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(self.output.fileno(), 1)
            os.dup2(self.output.fileno(), 2)
            outcome = Outcome()
            unittest.defaultTestLoader.loadTestsFromNames(tests).run(outcome)
            used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
            json.dump([outcome.outcomes, sum(u.ru_utime + u.ru_stime for u in used)], self.result)
            self.result.flush()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(0)

    def kill(self):
        """Ends it, and what it left behind: a relay whose test died must not outlive it."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has no session yet, or left nothing
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.took = time.monotonic() - self.began

    def close(self):
        self.result.close()
        self.output.close()
        os.close(self.pidfd)

    def read(self):
        """Its outcomes, its output and the seconds of CPU that it took."""
        self.result.seek(0)
        self.output.seek(0)
        try:
            outcomes, cpu_s = json.load(self.result)
        except ValueError:
            outcomes, cpu_s = [{"name": self.name, "failures": [self.trouble], "skipped": None}], 0
        words = self.output.read()
        self.close()
        return outcomes, words, cpu_s


def run_classes(classes, jobs, patience):
    """Runs each class in a process, `jobs` at a time; yields these as they end."""
    waiting = list(classes.items())[::-1]
    running = {}  # by pidfd
    ends = select.poll()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                child = Child(*waiting.pop(), patience, running.values())
                running[child.pidfd] = child
                ends.register(child.pidfd, select.POLLIN)
            nearest = min(child.deadline for child in running.values())
            ended = {fd for fd, _ in ends.poll(max(0, nearest - time.monotonic()) * 1000)}
            for fd, child in list(running.items()):
                if fd not in ended and child.deadline <= time.monotonic():
                    child.trouble = "killed: took longer than %g s" % patience
                elif fd not in ended:
                    continue
                ends.unregister(fd)
                del running[fd]
                child.kill()
                yield child
    finally:  # they have sessions of their own, so Ctrl-C reached none
        for child in running.values():
            child.kill()


def is_named(name, word):
    return ".%s." % word in ".%s." % name


def select_tests(words, excepted):
    """The tests to run, as {class name: [test names]}; classes that are long first."""
    sys.path.insert(0, HERE)
    long, short = {}, {}
    for test in each_test(unittest.defaultTestLoader.discover(HERE, "test_*.py")):
        name = test.id()
        is_broken = type(test).__name__ == "_FailedTest"  # a file that cannot be imported
        if is_broken:
            name = name.rsplit(".", 1)[1]
        if words and not any(is_named(name, word) for word in words):
            continue
        if excepted and is_named(name, excepted):
            continue
        classes = long if getattr(test, "is_long", False) else short
        classes.setdefault(name if is_broken else name.rsplit(".", 1)[0], []).append(name)
    return {**long, **short}


def note(outcomes):
    """For who counts the skipped tests of several runs."""
    if os.environ.get("OUTCOMES"):
        with open(os.environ["OUTCOMES"], "a") as file:
            file.writelines("%s\t%s\n" % (outcome["name"], outcome["skipped"] or "")
                            for outcome in outcomes if not outcome["failures"])


def report(name, outcomes, output, took):
    """Prints what went wrong. Returns how many passed and failed."""
    failed = [outcome for outcome in outcomes if outcome["failures"]]
    passed = [outcome for outcome in outcomes if not outcome["failures"] and not outcome["skipped"]]
    for outcome in outcomes:
        if outcome["skipped"]:
            print("skipped: %s: %s" % (outcome["name"], outcome["skipped"]))
    note(outcomes)
    for outcome in failed:
        print("\n=== FAILED: %s" % outcome["name"])
        print("\n".join(outcome["failures"]).rstrip())
    if failed and output.strip():
        print("--- output of %s" % name)
        print(output.rstrip()[-8000:])
    if took > 60:
        print("slow: %s took %.0f s" % (name, took))
    sys.stdout.flush()
    return len(passed), len(failed)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--except", dest="excepted", metavar="WORD")
    parser.add_argument("--times", action="store_true")
    parser.add_argument("words", metavar="WORD", nargs="*")
    arguments = parser.parse_args()
    os.environ.setdefault("SMSRELAY", os.path.join(ROOT, "build/smsrelay"))
    os.environ["SMSRELAY"] = os.path.abspath(os.environ["SMSRELAY"])
    os.chdir(ROOT)
    words = arguments.words or os.environ.get("TESTS", "").split()
    classes = select_tests(words, arguments.excepted)
    total_passed = total_failed = 0
    times = []
    for child in run_classes(classes, int(os.environ.get("JOBS", 4 * os.cpu_count())),
                             float(os.environ.get("PATIENCE", "300"))):
        outcomes, output, cpu_s = child.read()
        passed, failed = report(child.name, outcomes, output, child.took)
        total_passed += passed
        total_failed += failed
        times.append((child.took, cpu_s, child.name))
    if arguments.times:
        print("\n".join("%6.1f s, %6.1f s of CPU  %s" % time for time in sorted(times, reverse=True)))
    print("%d passed, %d failed" % (total_passed, total_failed))
    return 0 if total_passed > 0 and total_failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
