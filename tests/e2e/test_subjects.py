"""10,000 subjects as libraries and devices encode them, compared with what was meant and with what
Python's email package reads."""

import base64
import email
import email.header
import email.message
import email.policy
import random
import unittest

from relaying import eventually
from support import TestCase

SUBJECTS = 10000
BATCH = 500
SEED = 2047

WORDS = {
    "utf-8": "Avería línea größe Überlast Störung 障害 サーバー 服务器 磁盘已满 오류 서버 Сервер недоступен "
             "διακομιστής שרת خادم เซิร์ฟเวอร์ संगणक € – “ok” 🔥 👩‍💻 naïve Łódź žluťoučký",
    "iso-8859-1": "Avería línea größe Überlast Störung déjà señal",
    "windows-1252": "größe € – “ok” ‘x’ … Übergröße",
    "iso-8859-2": "Łódź žluťoučký kůň błąd połączenia",
    "iso-8859-15": "größe € Œuvre",
    "koi8-r": "Сервер недоступен авария диск",
    "windows-1251": "Сервер недоступен авария № «тест»",
    "iso-8859-7": "διακομιστής σφάλμα",
    "iso-8859-9": "sunucu hatası değişti İstanbul ışık",
    "shift_jis": "障害 サーバー 警告 停止",
    "euc-jp": "障害 サーバー 警告 停止",
    "iso-2022-jp": "障害 サーバー 警告 停止",
    "gb2312": "服务器 磁盘已满 警告",
    "gb18030": "服务器 磁盘已满 警告 €",
    "big5": "伺服器 磁碟 警告",
    "euc-kr": "오류 서버 경고",
}
ASCII = "ALERT web1 disk full 93% [PROBLEM] _underscore_ a=b what? (x) UPS-1: <on> battery, \"now\"".split()


def make_text(rng, charset):
    words = WORDS[charset].split()
    return " ".join(rng.choice(words if rng.random() < 0.6 else ASCII)
                    for _ in range(rng.randint(1, 9)))


def q_encode(data, rng, keeps_spaces):
    def one(byte):
        char = chr(byte)
        if char == " ":
            return " " if keeps_spaces else "_"
        if char.isascii() and char.isalnum() or char in "-.:[]":
            return char
        return ("=%02X" if rng.random() < 0.9 else "=%02x") % byte
    return "".join(one(byte) for byte in data)


def encode_by_hand(rng, text, charset):
    """Splits bytes, not characters, as many a device does; Q and B mixed."""
    data = text.encode(charset)
    label = charset.upper() if rng.random() < 0.3 else charset
    label += "*en" if rng.random() < 0.1 else ""
    words, at = [], 0
    while at < len(data):
        size = len(data) if charset == "iso-2022-jp" else rng.randint(1, 40)
        piece = data[at:at + size]
        at += size
        if rng.random() < 0.5:
            encoded = base64.b64encode(piece).decode()
            encoded = encoded.rstrip("=") if rng.random() < 0.2 else encoded
            words.append("=?%s?%s?%s?=" % (label, rng.choice("bB"), encoded))
        else:
            encoded = q_encode(piece, rng, rng.random() < 0.1)
            words.append("=?%s?%s?%s?=" % (label, rng.choice("qQ"), encoded))
    return rng.choice([" ", "\r\n ", "\r\n\t"]).join(words)


def encode_by_library(rng, text, charset):
    if rng.random() < 0.5:
        header = email.header.Header(text, charset, maxlinelen=rng.choice([40, 60, 76]),
                                     header_name="Subject")
        return header.encode(linesep="\r\n")
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["Subject"] = text
    return message.as_bytes().decode().split("Subject:", 1)[1].split("\r\n\r\n")[0].strip()


def encode_partly(rng, text, charset):
    """An encoded word that touches the words around it."""
    word = "=?%s?B?%s?=" % (charset, base64.b64encode(text.encode(charset)).decode())
    before, behind = rng.choice([("a", "b"), ("[", "]"), ("Re: ", ""), ("", " end")])
    return before + word + behind, before + text + behind


def make_subject(rng):
    """Returns a header's value and what it means."""
    charset = rng.choice(list(WORDS))
    text = make_text(rng, charset)
    kind = rng.random()
    if kind < 0.4:
        return encode_by_hand(rng, text, charset), text
    if kind < 0.8:
        return encode_by_library(rng, text, charset), text
    if kind < 0.9:
        return encode_partly(rng, text, charset)
    return text, text  # as it is, in UTF-8


def read_by_python(value):
    """By both of its readers; None where one of them fails."""
    unfolded = value.replace("\r\n", "")
    try:
        old = str(email.header.make_header(email.header.decode_header(unfolded)))
    except (UnicodeError, LookupError, email.errors.HeaderParseError):
        old = None
    content = ("Subject: %s\r\n\r\nx" % value).encode()
    new = email.message_from_bytes(content, policy=email.policy.default)["Subject"]
    return [old, None if new is None else str(new)]


class Subjects(TestCase):
    is_long = True

    def submit(self, client, values, first):
        commands = []
        for position, value in enumerate(values, first):
            commands += ["MAIL FROM:<a@b>", "RCPT TO:<+3461%06d0>" % position, "DATA",
                         "Subject: " + value, "", "x", "."]
        client.send(*commands)
        for reply in client.read_replies(4 * len(values)):
            self.assertRegex(reply[0], "^(250|354) ")

    def test_all(self):
        rng = random.Random(SEED)
        cases = [make_subject(rng) for _ in range(SUBJECTS)]
        relay = self.relay({"smtp.subject": "only", "smtp.max_parts": 20,
                            "sms.transliterate": "no"})
        client = self.client(relay)
        for first in range(0, SUBJECTS, BATCH):
            self.submit(client, [value for value, _ in cases[first:first + BATCH]], first)
        eventually(lambda: client.queue()["queued"] == client.queue()["sending"] == "0",
                   "all are relayed")
        texts = {int(message["to"][-7:-1]): message["text"]
                 for message in relay.sandbox.record()["messages"]}
        wrong, agreed = [], 0
        for position, (value, meant) in enumerate(cases):
            python, text = read_by_python(value), texts.get(position)
            agreed += meant in python
            # What Python reads is right where the writer was wrong: its own drops spaces at times.
            if text != meant and (meant in python or text not in python):
                wrong.append((value, text, meant, python))
        self.assertEqual(wrong[:20], [], "%d of %d" % (len(wrong), SUBJECTS))
        self.assertGreater(agreed, 0.8 * SUBJECTS, "the test itself makes nonsense")


if __name__ == "__main__":
    unittest.main()
