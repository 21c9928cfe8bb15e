"""Telephone numbers as each country writes them: the relay reads them as libphonenumber does."""

import collections
import json
import os
import subprocess

import support
from support import TestCase

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODULES = os.path.join(ROOT, "build", "clients", "node_modules")

# (country, written): refused, for it means two numbers.
AMBIGUOUS = {
    ("46", "468123456"),  # +46 8 123456 in Stockholm, or 046-812 34 56 in Lund
}


class Numbers(TestCase):
    def examples(self):
        """Lists of (written, E.164), by the relay's country."""
        package = os.path.join(MODULES, "google-libphonenumber")
        self.need("node", package)
        script = os.path.join(ROOT, "tests", "clients", "numbers.cjs")
        done = subprocess.run(["node", script], stdout=subprocess.PIPE, check=True,
                              env=support.clean_environment(NODE_MODULES=MODULES))
        examples = collections.defaultdict(list)
        for line in done.stdout.decode().splitlines():
            example = json.loads(line)
            examples[example["country"]].append((example["written"], example["e164"]))
        return examples

    def ask(self, country, examples):
        """Yields what is wrong with the answers."""
        with support.Relay({"sms.default_country": country}) as relay, relay.connect() as client:
            for at in range(0, len(examples), 100):
                batch = examples[at:at + 100]
                client.send(*("VRFY " + written for written, _ in batch))
                for written, e164 in batch:
                    reply = client.read_reply()[0]
                    is_refused = (country, written) in AMBIGUOUS
                    if not reply.startswith("550 5.1.3" if is_refused else "250 2.1.5 " + e164):
                        yield "+%s, %s: %s, not %s" % (country, written, reply, e164)

    def test_examples_of_every_country(self):
        examples = self.examples()
        self.assertGreater(len(examples), 200)
        wrong = [words for country, some in examples.items() for words in self.ask(country, some)]
        self.assertEqual(wrong, [])
