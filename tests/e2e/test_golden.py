"""The dialogues in tests/golden, each against a relay of its own, in every way of sending them."""

import glob
import os

import golden
from support import TestCase

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = sorted(glob.glob(os.path.join(HERE, "../golden/*.txt")))


class Golden(TestCase):
    is_long = True


def add_test(path):
    name = os.path.basename(path)
    with open(path) as file:
        dialogue = golden.Dialogue("tests/golden/" + name, file.read())

    def test(self):
        for way in dialogue.ways:
            with self.subTest(way=way):
                dialogue.run(way)

    setattr(Golden, "test_" + name[:-len(".txt")], test)


for each in FILES:
    add_test(each)
assert FILES, "no dialogues in tests/golden"
