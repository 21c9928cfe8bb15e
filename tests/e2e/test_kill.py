"""SIGKILL at any moment, thousands of times: what got its 250 arrives, and nothing arrives twice.

    KILL_SEED=n         repeats a plan (killing.py says what is in it)
    KILL_SECONDS=n      how long a test kills (35; 15 if the program is slow)
    SOAK=1 SOAK_KILLS=n the long one (2000)
"""

import contextlib
import os
import shutil
import sqlite3
import tempfile
import unittest

from killing import Trial
from support import IS_SLOW, VARIANT, TestCase

SECONDS = float(os.environ.get("KILL_SECONDS") or (35 if VARIANT == "release" else 15))
SOAK_KILLS = int(os.environ.get("SOAK_KILLS") or 2000)
KILLS_A_ROUND = 150  # then a new store: a start must not take longer and longer


class KillTest(TestCase):
    def trial(self, *settings, **options):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        trial = Trial(folder, *settings, **options)
        self.addCleanup(trial.close)
        print("seed %d" % trial.seed, flush=True)
        return trial

    def reckon(self, trial, **options):
        trial.settle()
        found = trial.wrongs(**options)
        print("# kill: %s: %s" % (type(self).__name__, trial.figures(found)), flush=True)
        trial.relay.stop()
        trial.api.stop()
        with contextlib.closing(sqlite3.connect(trial.settings["queue.path"])) as store:
            self.assertEqual(store.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        return found

    def assertNothing(self, trial, found):
        """Nothing went wrong; else the first few cases are told in full."""
        if found:
            words = dict(found, twice=trial.tell_twice(found))
            self.fail("\n".join([trial.figures(found)] + [
                "%s: %s" % (kind, case) for kind, cases in sorted(words.items())
                for case in cases[:5]]))


class Kill(KillTest):
    def test_nothing_lost_nothing_twice(self):
        trial = self.trial()
        trial.run(SECONDS)
        self.assertNothing(trial, self.reckon(trial))


@unittest.skipIf(IS_SLOW, "no flood without speed")
class Flood(KillTest):
    """More is relayed than a scan can keep up with, in one life and over several: relaying has to
    wait for the scan, or it would bury the messages in doubt.
    """

    def test_nothing_lost_nothing_twice(self):
        trial = self.trial(burst=60, life_s=1, latencies=[40])
        trial.run(SECONDS / 2)
        self.assertNothing(trial, self.reckon(trial))


class Blind(KillTest):
    """The history names no clientId, so it cannot say what became of a request in doubt."""

    # Requests are small, so that few messages may be doubled and many must not be; and none times
    # out by itself, so that only a kill or a fault creates doubt.
    bulk_max, connections = 8, 2
    settings = {"relay.bulk_max": bulk_max, "relay.connections": connections, "api.timeout": "30s"}

    def blind_trial(self, resends):
        return self.trial(dict(self.settings, **{"relay.ambiguous_resends": resends}),
                          has_hangs=False, is_honest=True, history_client_id=False)


class BlindResend(Blind):
    def test_only_what_was_in_doubt_arrives_twice_and_nothing_more_often(self):
        trial = self.blind_trial(1)
        trial.run(SECONDS / 3)
        found = self.reckon(trial, may_be_unresolved=True)
        twice = found.pop("twice", [])
        self.assertNothing(trial, found)
        self.assertLessEqual(max(map(len, twice), default=0), 2)
        # A request's outcome is in the same commit as the mark of the next one in its place, so the
        # store never has more unfinished requests than there are connections. Requests that a fault
        # struck do not count. An orderly stop, too, cuts off what is in flight when its time is up.
        doubtful = trial.doubtful_requests(twice)
        for life, requests in doubtful.items():
            self.assertLessEqual(len(requests), self.connections,
                                 "life %d, seed %d" % (life, trial.seed))
        print("# kill: doubled: %d messages; %d requests in flight at %d kills, the rest by faults"
              % (len(twice), sum(map(len, doubtful.values())), len(doubtful)), flush=True)


class BlindHold(Blind):
    def test_none_arrives_twice_and_what_has_not_is_listed(self):
        trial = self.blind_trial(0)
        trial.run(SECONDS / 3)
        found = self.reckon(trial, may_be_unresolved=True)
        self.assertNothing(trial, found)
        struck = sum(r["fault"] is not None and r["method"] == "POST"
                     for r in trial.record.requests)
        doubts = sum(trial.kills.values()) * self.connections + struck
        self.assertLessEqual(len(trial.unresolved), doubts * self.bulk_max)


class Soak(KillTest):
    @unittest.skipUnless(os.environ.get("SOAK"), "SOAK=1 runs it (make soak)")
    def test_thousands_of_kills(self):
        kills = 0
        while kills < SOAK_KILLS:
            with self.subTest(kills=kills):
                trial = self.trial(is_stale=True)
                try:
                    trial.run(kills=min(KILLS_A_ROUND, SOAK_KILLS - kills))
                    self.assertNothing(trial, self.reckon(trial, may_be_unresolved=True))
                finally:
                    trial.close()
            kills += KILLS_A_ROUND


if __name__ == "__main__":
    unittest.main()
