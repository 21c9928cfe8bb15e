"""2,000 mails of random structure, as Python's email package writes them: their text, as it was put
together and as that package finds it again."""

import email
import email.encoders
import email.message
import email.mime.application
import email.mime.image
import email.mime.message
import email.mime.multipart
import email.mime.text
import email.policy
import random
import unittest

from relaying import eventually
from support import TestCase

MAILS = 2000
BATCH = 100
SEED = 2046

WORDS = {"us-ascii": "Disk full on web1 UPS battery 93% [PROBLEM] a=b -> x_y".split(),
         "utf-8": "Größe Avería 障害 Сервер € 🔥 Łódź".split(),
         "iso-8859-1": "Größe Avería señal déjà".split(),
         "windows-1251": "Сервер недоступен авария".split(),
         "iso-2022-jp": "障害 サーバー 警告".split(),
         "gb2312": "服务器 警告".split()}


class Maker:
    """Makes a part and says what its text is."""

    def __init__(self, rng):
        self.rng = rng
        self.count = 0

    def words(self, charset):
        self.count += 1  # no two texts are the same
        return "%d %s" % (self.count, " ".join(self.rng.choice(WORDS[charset])
                                               for _ in range(self.rng.randint(1, 12))))

    def plain(self, _depth):
        charset = self.rng.choice(list(WORDS))
        text = "\n".join(self.words(charset) for _ in range(self.rng.randint(1, 3)))
        part = email.mime.text.MIMEText(text + "\n", "plain", charset)
        if self.rng.random() < 0.3:
            del part["Content-Transfer-Encoding"]
            part.set_payload((text + "\n").encode(charset))
            self.rng.choice([email.encoders.encode_quopri, email.encoders.encode_base64])(part)
        return part, text

    def html(self, _depth):
        charset = self.rng.choice(list(WORDS))
        text = self.words(charset)
        escaped = text.replace("&", "&amp;").replace(">", "&gt;")
        return email.mime.text.MIMEText("<html><body><p>%s</p></body></html>" % escaped, "html",
                                        charset), text

    def picture(self, _depth):
        part = email.mime.image.MIMEImage(self.rng.randbytes(self.rng.randint(10, 3000)), "png")
        if self.rng.random() < 0.5:
            part["Content-Disposition"] = "attachment; filename=a.png"
        return part, ""

    def attached(self, _depth):
        part = email.mime.text.MIMEText("attached %s\n" % self.words("us-ascii"))
        part.add_header("Content-Disposition", "attachment", filename="größe.txt")
        return part, ""

    def forwarded(self, depth):
        inner, _ = self.plain(depth)
        inner["Subject"] = "forwarded"
        return email.mime.message.MIMEMessage(inner), ""

    def multipart(self, subtype, parts):
        whole = email.mime.multipart.MIMEMultipart(subtype)
        whole.preamble = self.rng.choice([None, "This is a message in MIME format.\n"])
        whole.epilogue = self.rng.choice([None, "", "\n"])
        for part in parts:
            whole.attach(part)
        return whole

    def mixed(self, depth):
        makers = [self.any, self.picture, self.attached, self.forwarded]
        made = [self.any(depth - 1)] + [self.rng.choice(makers)(depth - 1)
                                        for _ in range(self.rng.randint(0, 4))]
        self.rng.shuffle(made)
        return (self.multipart("mixed", [part for part, _ in made]),
                "\n".join(text for _, text in made if text))

    def alternative(self, depth):
        plain, text = self.plain(depth)
        other = self.rng.choice([self.html, self.related])(depth - 1)[0]
        return self.multipart("alternative", [plain, other]), text

    def related(self, depth):
        root, text = self.rng.choice([self.html, self.alternative] if depth > 0 else [self.html])(
            depth - 1)
        return self.multipart("related", [root, self.picture(depth)[0]]), text

    def any(self, depth):
        makers = [self.plain, self.html]
        if depth > 0:
            makers += [self.mixed, self.alternative, self.related]
        return self.rng.choice(makers)(depth)


def python_texts(content):
    """The plain texts that Python finds and that a reader would see, without blanks."""
    def walk(part):
        kind = part.get_content_type()
        if part.is_attachment() or kind == "message/rfc822":
            return
        if part.is_multipart():
            parts = list(part.iter_parts())
            for child in parts[:1] if kind == "multipart/alternative" else parts:
                yield from walk(child)
        elif kind == "text/plain":
            yield part.get_content()
    message = email.message_from_bytes(content, policy=email.policy.default)
    return ["".join(text.split()) for text in walk(message)]


class Structures(TestCase):
    is_long = True

    def submit(self, client, contents, first):
        for position, content in enumerate(contents, first):
            lines = content.replace(b"\r\n", b"\n").split(b"\n")
            client.send("MAIL FROM:<a@b>", "RCPT TO:<+3461%06d0>" % position, "DATA",
                        *[b"." + line if line.startswith(b".") else line for line in lines], ".")
        for reply in client.read_replies(4 * len(contents)):
            self.assertRegex(reply[0], "^(250|354) ")

    def test_all(self):
        rng = random.Random(SEED)
        mails = []
        while len(mails) < MAILS:
            part, text = Maker(rng).any(rng.randint(0, 3))
            part["From"] = "nas@device.example"
            if text and len(text) < 1000:
                mails.append((part.as_bytes(), text))
        relay = self.relay({"smtp.max_parts": 20, "sms.transliterate": "no"})
        client = self.client(relay)
        for first in range(0, MAILS, BATCH):
            self.submit(client, [content for content, _ in mails[first:first + BATCH]], first)
        eventually(lambda: client.queue()["queued"] == client.queue()["sending"] == "0",
                   "all are relayed")
        texts = {int(message["to"][-7:-1]): message["text"]
                 for message in relay.sandbox.record()["messages"]}
        wrong = []
        for position, (content, meant) in enumerate(mails):
            text = texts.get(position, "")
            seen = "".join(text.split())
            missing = [words for words in python_texts(content) if words not in seen]
            if text != meant or missing:
                wrong.append((text, meant, missing, content))
        self.assertEqual(wrong[:3], [], "%d of %d" % (len(wrong), MAILS))


if __name__ == "__main__":
    unittest.main()
