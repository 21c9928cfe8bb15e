#!/usr/bin/env python3
"""Runs the end-to-end tests, each TestCase class in a process of its own, several at a time.

    tests/e2e/run.py [--except WORD] [WORD...]

A WORD selects tests by their whole name or a part of it: test_client, test_client.Send, Send,
Send.test_a_long_line_goes_as_data. Without any, and without any in $TESTS, all run. Tests find the program in $SMSRELAY (build/smsrelay), run JOBS=4
classes at a time, and have PATIENCE=300 seconds a class. $OUTCOMES names a file that gets a line for each
test that did not fail: its name and, after a tab, why it was skipped or nothing. The last line is
`N passed, N failed`; the exit code is 1 when a test failed or none ran.
"""

import argparse
import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
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


def run_child(path, names):
    outcome = Outcome()
    unittest.defaultTestLoader.loadTestsFromNames(names).run(outcome)
    with open(path, "w") as file:
        json.dump(outcome.outcomes, file)


children = set()  # the processes that run now


def kill_group(child):
    """Ends what a class left behind: a relay whose test died must not outlive it."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run_class(name, tests, patience):
    """Runs one class in a process. Returns its outcomes, its output and the seconds it took."""
    began = time.monotonic()
    with tempfile.NamedTemporaryFile() as result, tempfile.NamedTemporaryFile() as output:
        child = subprocess.Popen([sys.executable, __file__, "--child", result.name] + tests,
                                 stdout=output, stderr=subprocess.STDOUT,
                                 stdin=subprocess.DEVNULL, cwd=ROOT, start_new_session=True)
        children.add(child)
        trouble = "ended without a result"
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            trouble = "killed: took longer than %g s" % patience
        finally:
            kill_group(child)
            child.wait()
            children.discard(child)
        took = time.monotonic() - began
        words = open(output.name, errors="backslashreplace").read()
        try:
            outcomes = json.load(open(result.name))
        except ValueError:
            outcomes = [{"name": name, "failures": [trouble], "skipped": None}]
        return outcomes, words, took


def is_named(name, word):
    return ".%s." % word in ".%s." % name


def select(words, excepted):
    """The tests to run, as {class name: [test names]}."""
    sys.path.insert(0, HERE)
    classes = {}
    for test in each_test(unittest.defaultTestLoader.discover(HERE, "test_*.py")):
        name = test.id()
        is_broken = type(test).__name__ == "_FailedTest"  # a file that cannot be imported
        if is_broken:
            name = name.rsplit(".", 1)[1]
        if words and not any(is_named(name, word) for word in words):
            continue
        if excepted and is_named(name, excepted):
            continue
        classes.setdefault(name if is_broken else name.rsplit(".", 1)[0], []).append(name)
    return classes


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
    parser.add_argument("--child", metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("words", metavar="WORD", nargs="*")
    arguments = parser.parse_args()
    os.environ.setdefault("SMSRELAY", os.path.join(ROOT, "build/smsrelay"))
    os.environ["SMSRELAY"] = os.path.abspath(os.environ["SMSRELAY"])
    if arguments.child:
        sys.path.insert(0, HERE)
        # A shell ignores it for what it runs in the background, and that is inherited.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        run_child(arguments.child, arguments.words)
        return 0

    words = arguments.words or os.environ.get("TESTS", "").split()
    classes = select(words, arguments.excepted)
    patience = float(os.environ.get("PATIENCE", "300"))
    total_passed = total_failed = 0
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", "4"))) as pool:
        running = {pool.submit(run_class, name, tests, patience): name
                   for name, tests in classes.items()}
        try:
            for future in concurrent.futures.as_completed(running):
                passed, failed = report(running[future], *future.result())
                total_passed += passed
                total_failed += failed
        except KeyboardInterrupt:  # classes have sessions of their own, so Ctrl-C reached none
            pool.shutdown(wait=False, cancel_futures=True)
            for child in list(children):
                kill_group(child)
            raise
    print("%d passed, %d failed" % (total_passed, total_failed))
    return 0 if total_passed > 0 and total_failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
