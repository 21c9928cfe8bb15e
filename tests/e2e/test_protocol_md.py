"""proto/PROTOCOL.md keeps its word: its transcripts are run, its tables hold what the code has."""

import os
import re
import shutil
import subprocess
import sys
import textwrap

import golden
from support import PATIENCE, TestCase

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


REFERENCE = read("proto/PROTOCOL.md")


class Transcripts(TestCase):
    pass


def add_test(number, words, text, line):
    dialogue = golden.example("proto/PROTOCOL.md, line %d" % line, text, words.split())

    def test(self):
        for way in dialogue.ways:
            with self.subTest(way=way):
                dialogue.run(way)

    setattr(Transcripts, "test_%02d" % number, test)


for i, each in enumerate(re.finditer(r"^```transcript(.*)\n((?:.*\n)*?)```$", REFERENCE, re.M), 1):
    add_test(i, each.group(1), each.group(2), REFERENCE.count("\n", 0, each.start()) + 1)
assert hasattr(Transcripts, "test_01"), "no transcripts in PROTOCOL.md"


class Tables(TestCase):
    def test_every_code_is_in_the_table_and_no_other(self):
        rows = re.findall(r'\[REPLY_\w+\] = \{"(\d+)", "([\d.]*) ?"', read("proto/reply.c"))
        told = re.findall(r"^\| `(\d{3}(?: \d\.\d\.\d+)?)` \|", REFERENCE, re.M)
        self.assertEqual({" ".join(row).strip() for row in rows}, set(told))
        self.assertEqual(len(told), len(set(told)))

    def test_every_state_is_told(self):
        enum = re.search(r"enum message_state \{(.*?)\};", read("proto/message.h"), re.S).group(1)
        for state in re.findall(r"MESSAGE_(\w+)", enum):
            self.assertRegex(REFERENCE, r"(?m)^\| `%s` \|" % state.lower())

    def test_every_verb_is_told(self):
        verbs = re.findall(r'(?:^    \{|ASK\()"([A-Z]+)"', read("proto/session/command.c"), re.M)
        self.assertGreater(len(verbs), 25)
        for verb in verbs:
            if verb != "EXPN":
                self.assertRegex(REFERENCE, r"`%s\b" % verb, verb)

    def test_every_setting_it_names_exists(self):
        settings = re.findall(r"`((?:listen|sms|smtp|queue|relay|api|policy|reports)\.\w+)", REFERENCE)
        sections = re.split(r"(?m)^\[(\w+)\]$", read("conf/smsrelay.conf"))
        known = {"%s.%s" % (section, key) for section, text in zip(sections[1::2], sections[2::2])
                 for key in re.findall(r"(?m)^#(\w+) =", text)}
        self.assertGreater(len(set(settings)), 15)
        self.assertEqual(set(settings) - known, set())


class Examples(TestCase):
    """The first programs of the reference, as a reader would copy them."""

    def test_they_submit(self):
        section = REFERENCE.split("## In five lines\n")[1].split("\n## ")[0]
        blocks = re.findall(r"(?:^    .*\n)+", section, re.M)
        self.assertEqual(len(blocks), 4)
        relay = self.relay()
        port = relay.addresses[0].rsplit(":", 1)[1]
        for block in blocks:
            program = textwrap.dedent(block).replace("2525", port)
            words = [sys.executable, "-c"] if "import" in program else ["bash", "-c"]
            if words[0] == "bash" and shutil.which("nc") is None and " nc " in program:
                continue
            with self.subTest(program=program):
                ended = subprocess.run(words + [program], capture_output=True, text=True,
                                       timeout=PATIENCE)
                self.assertEqual(ended.returncode, 0, ended.stderr)
                if words[0] == "bash":
                    self.assertIn("250 2.0.0 queued id=", ended.stdout)
        self.assertGreaterEqual(int(relay.stats()["messages_accepted_total"]), 3)
