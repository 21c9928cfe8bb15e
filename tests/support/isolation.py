"""Keeps what tests and benchmarks start away from a relay that is installed on this machine.

Importing this cleans the environment of this process, and so of all that it starts: no settings, token
or directories of a relay are left, and nobody listens where a client looks first. own_settings()
keeps the default settings file out. tests/support/poisoned shows what was forgotten.
"""

import os

NO_SETTINGS = "/dev/null"
NOBODY = "/nonexistent/smsrelay.sock"

OF_A_RELAY = ("SMSRELAY_", "INSTASENT_", "RUNTIME_DIRECTORY", "JOURNAL_STREAM",
              "NOTIFY_SOCKET")
OF_THE_TESTS = ("SMSRELAY_VARIANT", "SMSRELAY_WRAPPER")  # to a relay they mean nothing


def clean():
    for name in list(os.environ):
        if name.startswith(OF_A_RELAY) and name not in OF_THE_TESTS:
            del os.environ[name]
    os.environ["SMSRELAY_SOCKET"] = NOBODY
    os.environ["STATE_DIRECTORY"] = ""  # where it is not set, `smsrelay queue` sets the unit's


def own_settings(arguments):
    """The arguments of the program, with no settings file where they would mean the default one."""
    word, rest = arguments[:1], arguments[1:]
    # `queue` reads settings in any case if it has -o; without, -c would keep it from asking a relay.
    reads_settings = word in (["serve"], ["check"], ["sandbox"]) or (
        word == ["queue"] and "-o" in rest)
    return word + ["-c", NO_SETTINGS] + rest if reads_settings and "-c" not in rest else arguments


clean()
