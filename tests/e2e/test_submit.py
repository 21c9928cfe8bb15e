"""Submitting over HTTP: the Transactional API's own calls, answered by the relay."""

import base64
import http.client
import json
import os
import re
import signal
import tempfile

from networks import DEVICE, RELAY, NetworkTest
from relaying import eventually
from support import CONFIG, PATIENCE, Sandbox, TestCase, open_socket, run
from users import write_users

BASE = "/transactional/v1"
SHOP, OTHER, LIMITED = "sr_the-token-of-shop", "sr_the-token-of-other", "sr_the-token-of-limited"


def call(host, method, path, body=None, headers=(), token=SHOP):
    """Returns the status, the body (JSON, or bytes if it is none) and the headers."""
    connection = http.client.HTTPConnection(host, timeout=PATIENCE)
    given = {"Authorization": "Bearer " + token} if token else {}
    if body is not None:
        given["Content-Type"] = "application/json"
        body = body if isinstance(body, (bytes, str)) else json.dumps(body)
    try:
        connection.request(method, path, body, {**given, **dict(headers)})
        answer = connection.getresponse()
        words = answer.read()
        is_json = answer.headers.get("Content-Type") == "application/json"
        return (answer.status, json.loads(words) if is_json and words else words, answer.headers)
    finally:
        connection.close()


def item(n=0, **more):
    return {"to": "+346000000%02d" % n, "text": "text %d" % n, "from": "Acme", **more}


class SubmitTest(TestCase):
    settings = {}

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.users = write_users(os.path.join(self.folder, "users"), ("shop", SHOP),
                                 ("other", OTHER),
                                 ("limited", LIMITED, "rights=submit senders=Only,Two"))
        self.start()

    def start(self, **settings):
        self.the_relay = self.relay({"auth.users": self.users, "submit.address": "127.0.0.1:0",
                                     **self.settings, **settings})
        self.host = self.the_relay.wait_log("submit_listening")["url"].split("/")[2]

    def call(self, method, path, body=None, headers=(), **more):
        status, answer, self.headers = call(self.host, method, BASE + path, body, headers, **more)
        return status, answer

    def post(self, body, headers=(), **more):
        path = "/sms/bulk" if isinstance(body, list) else "/sms"
        return self.call("POST", path, body, headers, **more)

    def post_one(self, **more):
        """Returns the id of a message that must be accepted."""
        status, answer = self.post(item(**more))
        self.assertEqual(status, 201, answer)
        return answer["entity"]["id"]


class Submit(SubmitTest):
    def test_a_message_is_queued_and_relayed(self):
        status, answer = self.post(item(1, clientId="order-1"))
        self.assertEqual(status, 201)
        id = answer["entity"].pop("id")
        self.assertEqual(answer, {"entity": item(1, clientId="order-1")})
        status = self.the_relay.await_state(id, "relayed")
        self.assertEqual((status["to"], status["from"], status["ref"]),
                         ("+34600000001", "Acme", "order-1"))
        self.assertEqual(self.the_relay.sandbox.texts(), ["text 1"])

    def test_a_bulk_has_entities_and_errors_side_by_side(self):
        status, answer = self.post([item(1), item(2, to="nobody", clientId="b"), item(3)])
        self.assertEqual(status, 201)
        self.assertEqual([e["to"] for e in answer["entities"]], ["+34600000001", "+34600000003"])
        self.assertEqual(answer["errors"], [{"index": 1, "clientId": "b", "errors": {
            "to": ["not a telephone number: nobody"]}}])

    def test_all_that_is_wrong_is_named(self):
        status, answer = self.post({"from": "far too long a sender", "clientId": 7,
                                    "allowUnicode": "yes", "priority": "urgent"})
        self.assertEqual(status, 400)
        self.assertEqual(set(answer["errors"]),
                         {"from", "clientId", "allowUnicode", "priority", "to", "text"})
        self.assertEqual(answer["errors"]["to"], ["is missing"])
        self.assertEqual(self.post(item(text="x" * 5000))[1]["errors"].keys(), {"text"})
        self.assertEqual(self.the_relay.stats()["messages_accepted_total"], "0")

    def test_options_of_the_relay_may_stand_beside(self):
        id = self.post_one(at="+1h", ttl=60, priority="high")
        self.assertEqual(self.the_relay.status(id)["state"], "scheduled")

    def test_a_repeated_client_id_gets_the_same_answer(self):
        first = self.post(item(clientId="c"))
        self.assertEqual(self.post(item(clientId="c")), first)
        status, answer = self.post(item(clientId="c", text="another"))
        self.assertEqual((status, list(answer["errors"])), (400, ["clientId"]))
        self.assertEqual(self.the_relay.stats()["messages_accepted_total"], "1")

    def test_an_idempotency_key_stands_for_client_ids(self):
        key = [("Idempotency-Key", "8e03978e-40d5-43e8-bc93-6894a57f9324")]
        first, bulk = self.post(item(), key), self.post([item(1), item(1)], key)
        self.assertEqual(self.post(item(), key), first)
        self.assertEqual(self.post([item(1), item(1)], key), bulk)
        self.assertEqual(len({e["id"] for e in bulk[1]["entities"]}), 2)
        self.assertNotEqual(self.post(item(), [("Idempotency-Key", "another")]), first)
        self.assertNotEqual(self.post(item(), key, token=OTHER), first)

    def test_each_user_sees_his_own_messages_alone(self):
        id = self.post_one(clientId="mine")
        self.assertEqual(self.call("GET", "/sms/" + id)[0], 200)
        self.assertEqual(self.call("GET", "/sms/" + id, token=OTHER)[0], 404)
        self.assertEqual(self.call("GET", "/sms", token=OTHER), (200, {"entities": []}))
        self.assertEqual(self.call("GET", "/sms/bulk")[0], 405)
        self.assertEqual(self.call("GET", "/sms/no-id")[0], 404)
        self.assertNotEqual(self.post(item(clientId="mine", text="x"), token=OTHER)[0], 400)

    def test_the_history_is_paged_and_newest_first(self):
        ids = [self.post_one(n=n) for n in range(5)]
        pages = [self.call("GET", "/sms?per_page=2&page=%d" % page)[1]["entities"]
                 for page in (1, 2, 3, 4)]
        self.assertEqual([[e["id"] for e in page] for page in pages],
                         [ids[:2:-1], ids[2:0:-1], ids[:1], []])

    def test_the_rights_and_senders_of_a_user_hold(self):
        self.assertEqual(self.call("GET", "/sms", token=LIMITED)[0], 403)
        status, answer = self.post(item(), token=LIMITED)
        self.assertEqual((status, list(answer["errors"])), (400, ["from"]))
        status, answer = self.post({"to": "+34600000001", "text": "hi"}, token=LIMITED)
        self.assertEqual(status, 201)
        self.assertEqual(self.the_relay.status(answer["entity"]["id"])["from"], "Only")

    def test_a_number_that_has_opted_out_is_refused(self):
        self.the_relay.ask("OPTOUT ADD +34600000001")
        status, answer = self.post(item(1))
        self.assertEqual((status, answer["errors"]),
                         (400, {"to": ["+34600000001 has opted out"]}))

    def test_no_secret_and_no_text_is_logged(self):
        self.post(item(text="a text of confidence"))
        self.post(item(), token="sr_not-the-token")
        self.call("GET", "/sms?token=" + SHOP, token=None)
        text = "\n".join(self.the_relay.lines)
        for secret in (SHOP, "not-the-token", "confidence"):
            self.assertNotIn(secret, text)


class SubmitDoor(SubmitTest):
    """Who may use it."""

    def test_only_with_a_credential(self):
        self.assertEqual(self.call("GET", "/sms", token=None)[0], 401)
        self.assertEqual(self.headers["WWW-Authenticate"], "Bearer")
        for value in ("", "Bearer", "Bearer ", "Bearer wrong", "Basic", "Basic !!!!", "Digest x",
                      "Basic " + base64.b64encode(b"no colon").decode()):
            with self.subTest(value):
                self.assertIn(self.call("GET", "/sms", None, {"Authorization": value},
                                        token=None)[0], (401, 429))
        pair = base64.b64encode(("shop:" + SHOP).encode()).decode()
        self.assertEqual(self.call("GET", "/sms", None, {"Authorization": "Basic " + pair},
                                   token=None)[0], 200)

    def test_guesses_must_wait(self):
        answers = [self.call("GET", "/sms", token="guess %d" % n)[0] for n in range(8)]
        self.assertEqual((answers[0], answers[-1]), (401, 429))
        self.assertGreaterEqual(int(self.headers["Retry-After"]), 1)

    def test_no_web_page_gets_in(self):
        for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example"):
            self.assertEqual(self.call("GET", "/sms", None, {"Host": host})[0], 403)
        self.assertEqual(self.call("GET", "/sms", None, {"Host": "192.168.7.9:80"})[0], 200)
        for type in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
            self.assertEqual(self.post(item(), {"Content-Type": type})[0], 415)
        status, _ = self.call("OPTIONS", "/sms", None, {
            "Origin": "http://evil.example", "Access-Control-Request-Method": "POST"})
        self.assertEqual((status, self.headers["Allow"]), (405, "POST, GET"))
        self.post(item(), {"Origin": "http://evil.example"})
        self.assertEqual([name for name in self.headers if "access-control" in name.lower()], [])

    def test_it_takes_users(self):
        done = run("serve", "-o", "submit.address=127.0.0.1:0", "-o", "api.url=sandbox")
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn("nobody could submit there without a user", done.stderr)

    def test_users_that_are_gone_after_a_reload(self):
        write_users(self.users, ("other", OTHER))
        self.the_relay.send_signal(signal.SIGHUP)
        self.the_relay.wait_log("users_read")
        self.assertEqual((self.call("GET", "/sms")[0], self.call("GET", "/sms", token=OTHER)[0]),
                         (401, 200))


class SubmitNetwork(NetworkTest):
    """Other machines."""

    def test_from_where_they_may_submit(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        relay = self.relay({"auth.users": write_users(os.path.join(folder, "users"), ("shop", SHOP)),
                            "submit.address": "0.0.0.0:0", "submit.networks": DEVICE})
        port = relay.wait_log("submit_listening")["url"].rsplit(":", 1)[1]

        def ask(machine, **headers):
            with machine.inside():
                return call("%s:%s" % (RELAY, port), "POST", BASE + "/sms", item(), headers)[0]

        self.assertEqual((ask(self.device), ask(self.machine)), (201, 403))
        for host in ("localhost", "127.0.0.1.evil.example"):
            self.assertEqual(ask(self.device, Host=host), 403)


class SubmitOddities(SubmitTest):
    def raw(self, text, body=b"", waits=False):
        """The statuses of all answers to some bytes, until the connection closes. `waits`: the body is
        sent once the head was answered."""
        with open_socket(self.host) as connection:
            connection.sendall(text.replace("\n", "\r\n").encode() + (b"" if waits else body))
            answers = connection.recv(65536) if waits else b""
            connection.sendall(body if waits else b"")
            while True:
                chunk = connection.recv(65536)
                if not chunk:
                    return [int(s) for s in re.findall(rb"HTTP/1\.1 (\d+) ", answers)]
                answers += chunk

    def head(self, *more):
        return "\n".join(["POST %s/sms HTTP/1.1" % BASE, "Host: localhost",
                          "Authorization: Bearer " + SHOP, "Content-Type: application/json",
                          "Connection: close", *more]) + "\n\n"

    def test_bodies_in_chunks(self):
        body = json.dumps(item()).encode()
        chunks = b"".join(b"%x\r\n%c\r\n" % (1, byte) for byte in body) + b"0\r\n\r\n"
        self.assertEqual(self.raw(self.head("Transfer-Encoding: chunked"), chunks), [201])
        self.assertEqual(self.raw(self.head("Transfer-Encoding: chunked"), b"zz\r\n"), [413])
        self.assertEqual(self.the_relay.stats()["messages_accepted_total"], "1")

    def test_a_body_that_may_be_read_in_two_ways(self):
        for more in (("Content-Length: 2", "Content-Length: 40"),
                     ("Content-Length: 2", "Transfer-Encoding: chunked"),
                     ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
                     ("Content-Length: +2",), ("Content-Length : 2",)):
            with self.subTest(more):
                self.assertEqual(self.raw(self.head(*more), b"{}0\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
                                 [400])
        self.assertEqual(self.the_relay.stats()["messages_accepted_total"], "0")

    def test_a_body_that_is_expected(self):
        body = json.dumps(item()).encode()
        self.assertEqual(self.raw(self.head("Expect: 100-continue",
                                            "Content-Length: %d" % len(body)), body, waits=True),
                         [100, 201])

    def test_bodies_that_are_no_messages(self):
        bombs = [b"", b"{", b"[" * 300000, b'{"a":' * 60000, b'{"to":"+34600000001","to":"x"}',
                 b"\xff\xfe", b'"text"', b"null", b"1e999", b'{"text":"\\u0000"}', b"[]",
                 b"[[]]", b"{}{}"]
        for path in ("/sms", "/sms/bulk"):
            for body in bombs:
                with self.subTest(path=path, body=body[:20]):
                    self.assertEqual(self.call("POST", path, body)[0], 400)
        self.assertEqual(self.call("POST", "/sms/bulk", [item()] * 101)[0], 400)
        self.assertEqual(self.call("POST", "/sms/bulk", [item(), 7])[0], 400)
        self.assertEqual(self.call("POST", "/sms", b"x" * 600000)[0], 413)
        self.post_one()  # it still works

    def test_wrong_types_within(self):
        for wrong in (None, True, 7, 7.5, [], {}, ["+34600000001"]):
            for member in ("to", "text", "from", "clientId", "allowUnicode", "ttl"):
                with self.subTest(member=member, wrong=wrong):
                    status, answer = self.post([item(**{member: wrong})])
                    self.assertEqual(status, 201)
                    self.assertEqual(len(answer["entities"]) + len(answer["errors"]), 1)

    def test_methods_and_paths(self):
        self.assertEqual(self.call("PUT", "/sms")[0], 405)
        self.assertEqual(self.headers["Allow"], "POST, GET")
        self.assertEqual(self.call("GET", "/nothing")[0], 404)
        self.assertEqual(self.call("GET", "/../etc/passwd")[0], 404)
        self.assertEqual(self.call("HEAD", "/sms")[0], 405)


class SubmitFull(SubmitTest):
    settings = {"queue.max_messages": 2, "queue.retention": 0}

    def test_a_full_queue_asks_to_come_again(self):
        self.the_relay.ask("HOLD")
        status, answer = self.post([item(n) for n in range(4)])
        self.assertEqual(status, 201)
        self.assertEqual(len(answer["entities"]), 2)
        self.assertEqual([(e["index"], e["status"], list(e["errors"])) for e in answer["errors"]],
                         [(2, 429, ["queue"]), (3, 429, ["queue"])])
        for body in (item(5), [item(6)]):
            status, answer = self.post(body)
            self.assertEqual((status, list(answer)), (429, ["message"]))
            self.assertEqual(self.headers["Retry-After"], "5")
        self.the_relay.ask("RELEASE")
        eventually(lambda: self.post(item(7))[0] == 201)


class SubmitDurable(SubmitTest):
    def setUp(self):
        store = self.enterContext(tempfile.TemporaryDirectory())
        self.settings = {"queue.path": os.path.join(store, "queue.db")}
        super().setUp()

    def test_201_survives_a_crash(self):
        key = [("Idempotency-Key", "the key")]
        self.the_relay.ask("HOLD")
        answers = [self.post(item(1), key), self.post([item(2), item(3)], key)]
        self.the_relay.kill()
        self.start()
        self.assertEqual([self.post(item(1), key), self.post([item(2), item(3)], key)], answers)
        entities = self.call("GET", "/sms")[1]["entities"]
        self.assertEqual([e["to"] for e in entities],
                         ["+34600000003", "+34600000002", "+34600000001"])
        self.assertEqual({e["status"] for e in entities}, {"accepted"})
        self.assertEqual(self.call("GET", "/sms", token=OTHER)[1], {"entities": []})

    def test_clients_that_leave_before_the_answer_lose_nothing(self):
        for n in range(20):
            body = json.dumps(item(n))
            with open_socket(self.host) as connection:
                connection.sendall(("POST %s/sms HTTP/1.1\r\nHost: localhost\r\n"
                                    "Authorization: Bearer %s\r\nContent-Length: %d\r\n"
                                    "Content-Type: application/json\r\n\r\n%s"
                                    % (BASE, SHOP, len(body), body)).encode())
        eventually(lambda: self.the_relay.stats()["messages_accepted_total"] == "20")
        self.assertEqual(len(self.call("GET", "/sms")[1]["entities"]), 20)

    def test_finished_messages_are_found_in_the_store(self):
        ids = [self.post_one(n=n) for n in range(3)]
        for id in ids:
            self.the_relay.await_state(id, "relayed")
        self.assertEqual([e["id"] for e in self.call("GET", "/sms?per_page=2&page=2")[1]["entities"]],
                         ids[:1])
        self.the_relay.stop()
        self.start()
        entity = self.call("GET", "/sms/" + ids[0])[1]["entity"]
        self.assertEqual((entity["status"], entity["state"]), ("sent", "relayed"))
        self.assertEqual(self.call("GET", "/sms/" + ids[0], token=OTHER)[0], 404)


def shape(value):
    """A value without what it says: its members, and one entry of each list."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shape(entry) for entry in value]
    return type(value).__name__


def without(value, names):
    """The same without members that only one of the two has."""
    if isinstance(value, dict):
        return {n: without(v, names) for n, v in value.items() if n not in names}
    return [without(v, names) for v in value] if isinstance(value, list) else value


class SubmitLikeTheApi(SubmitTest):
    """The same requests to the simulator and to the relay."""

    settings = {"sms.default_from": None}
    MORE = {"state", "apiId", "reason", "parts", "code"}  # what the relay says besides
    LESS = {"text"}  # ... and does not: of what it has accepted, in the history

    def test_the_answers_have_the_same_shapes(self):
        sandbox = self.enterContext(Sandbox(token=SHOP))
        long = item(text="x" * 160, clientId="one", allowUnicode=True)
        requests = [
            ("POST", "/sms", item(1)), ("POST", "/sms", long), ("POST", "/sms", {}),
            ("POST", "/sms", item(to="nobody")), ("POST", "/sms", item(text="")),
            ("POST", "/sms", item(to=34600000001, text=None)), ("POST", "/sms", [item()]),
            ("POST", "/sms", b"{"), ("POST", "/sms", item(**{"from": "", "clientId": ""})),
            ("POST", "/sms/bulk", [item(2), item(3, clientId="x")]),
            ("POST", "/sms/bulk", [item(2), item(to="x"), {}]), ("POST", "/sms/bulk", item()),
            ("POST", "/sms/bulk", []), ("POST", "/sms/bulk", [1]),
            ("POST", "/sms/bulk", [item(n) for n in range(100)]),
            ("POST", "/sms/bulk", [item()] * 101), ("GET", "/sms?per_page=3", None),
            ("GET", "/sms/no-such-id", None), ("PUT", "/sms", None), ("GET", "/other", None),
        ]
        for method, path, body in requests:
            with self.subTest(method=method, path=path, body=str(body)[:60]):
                theirs = call(sandbox.host, method, BASE + path, body)[:2]
                ours = self.call(method, path, body)
                is_get = method == "GET"
                self.assertEqual(shape(without(ours, self.MORE)) if is_get else shape(list(ours)),
                                 shape(without(theirs, self.LESS)) if is_get
                                 else shape(list(theirs)))
                self.assertEqual(ours[0], theirs[0])
        sandbox.stop()
