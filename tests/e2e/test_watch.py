"""WATCH and ACK=relayed: what clients are told about messages, and when."""

import socket
import threading
import unittest

from support import PATIENCE, TO, TestCase, parse_reply


def states(client, count):
    """The states that the next events tell, as (id, state)."""
    events = [parse_reply(client.read_event()) for _ in range(count)]
    return [(event["id"], event["state"]) for event in events]


class Watch(TestCase):
    def test_a_message_by_id(self):
        relay = self.relay()
        client, watcher = self.client(relay), self.client(relay)
        client.ask("HOLD")
        name, other = client.submit(), client.submit("another")
        self.assertReply(watcher.ask("WATCH " + name), "250")
        client.ask("RELEASE")
        self.assertEqual(states(watcher, 2), [(name, "sending"), (name, "relayed")])
        relay.await_state(other, "relayed")
        self.assertReply(watcher.ask("NOOP"), "250")
        self.assertEqual(watcher.events, [])

    def test_a_message_by_ref(self):
        relay = self.relay()
        client = self.client(relay)
        client.ask("HOLD")
        reply = client.ask("SEND REF=two +34600000000,+34600000001 text")
        names = {parse_reply(line)["id"] for line in reply}
        self.assertReply(client.ask("WATCH two"), "250")
        client.ask("RELEASE")
        told = states(client, 4)
        self.assertEqual({name for name, state in told if state == "relayed"}, names)

    def test_all(self):
        relay = self.relay()
        watcher, client = self.client(relay), self.client(relay)
        self.assertReply(watcher.ask("WATCH"), "250 2.0.0 watching all")
        names = [client.submit("text %d" % i) for i in range(3)]
        told = states(watcher, 9)
        for name in names:
            self.assertEqual([state for told_name, state in told if told_name == name],
                             ["queued", "sending", "relayed"])

    def test_all_and_one_of_them_tell_each_event_once(self):
        relay = self.relay()
        watcher = self.client(relay)
        watcher.ask("HOLD")
        name = watcher.submit()
        watcher.ask("WATCH " + name)
        watcher.ask("WATCH")
        watcher.ask("RELEASE")
        self.assertEqual(states(watcher, 2), [(name, "sending"), (name, "relayed")])
        self.assertReply(watcher.ask("NOOP"), "250")
        self.assertEqual(watcher.events, [])

    def test_what_an_event_tells(self):
        relay = self.relay()
        relay.sandbox.settings(outcomes=True)
        watcher, client = self.client(relay), self.client(relay)
        watcher.ask("WATCH")
        client.submit()
        client.submit(to="+34600009001")
        events = [parse_reply(watcher.read_event()) for _ in range(6)]
        for event in events:
            self.assertEqual(event["code"], "120 2.0.0")
        numbers = [int(event["event"]) for event in events]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 6)))
        relayed = [event for event in events if event["state"] == "relayed"]
        self.assertEqual(len(relayed), 1)
        self.assertTrue(relayed[0]["api"])
        rejected = [event for event in events if event["state"] == "rejected"]
        self.assertEqual(len(rejected), 1)
        self.assertTrue(rejected[0]["reason"])

    def test_a_message_that_is_finished(self):
        """STATUS tells the state, WATCH only events: there are none any more."""
        relay = self.relay()
        client = self.client(relay)
        name = client.submit()
        relay.await_state(name, "relayed")
        self.assertReply(client.ask("WATCH " + name), "250")
        self.assertIn(" state=relayed ", client.ask("STATUS " + name)[0])
        self.assertEqual(client.events, [])

    def test_unknown(self):
        client = self.client(self.relay())
        self.assertReply(client.ask("WATCH 01ARZ3NDEKTSV4RRFFQ69G5FAV"), "550 5.0.0")
        self.assertReply(client.ask("WATCH no-such-ref"), "550 5.0.0")
        self.assertReply(client.ask("WATCH since=x"), "501 5.5.4")
        self.assertReply(client.ask("UNWATCH"), "250")

    def test_unwatch(self):
        relay = self.relay()
        client = self.client(relay)
        other = self.client(relay)
        client.ask("HOLD")
        name = client.submit()
        client.ask("WATCH")
        client.ask("WATCH " + name)
        self.assertEqual(client.stats()["watchers"], "1")
        self.assertReply(client.ask("UNWATCH"), "250")
        self.assertEqual(client.stats()["watchers"], "0")
        other.ask("RELEASE")
        relay.await_state(name, "relayed")
        self.assertReply(client.ask("NOOP"), "250")
        self.assertEqual(client.events, [])

    def test_watching_twice_tells_once(self):
        relay = self.relay()
        client = self.client(relay)
        client.ask("HOLD")
        name = client.submit()
        client.ask("WATCH")
        client.ask("WATCH")
        client.ask("RELEASE")
        self.assertEqual(states(client, 2), [(name, "sending"), (name, "relayed")])
        self.assertReply(client.ask("NOOP"), "250")
        self.assertEqual(client.events, [])

    def test_many_watch_one_message(self):
        relay = self.relay()
        client = self.client(relay)
        client.ask("HOLD")
        name = client.submit()
        watchers = [self.client(relay) for _ in range(20)]
        for watcher in watchers:
            watcher.ask("WATCH " + name)
        for watcher in watchers[::2]:
            watcher.close()
        watchers[1].ask("UNWATCH")
        client.ask("RELEASE")
        for watcher in watchers[3::2]:
            self.assertEqual(states(watcher, 2), [(name, "sending"), (name, "relayed")])
        self.assertReply(watchers[1].ask("NOOP"), "250")
        self.assertEqual(watchers[1].events, [])

    def test_never_before_the_250_of_the_message(self):
        """Not even if its reply is held back, on a connection that watches all."""
        relay = self.relay()
        client = self.client(relay)
        client.ask("WATCH")
        client.send(*["SEND %s%s text %d" % ("ACK=relayed " if i % 3 else "", TO, i)
                      for i in range(200)])
        told = {}
        replies = 0
        while len(told) < 200 or set(told.values()) != {"relayed"} or replies < 200:
            line = client.read_line()
            fields = parse_reply(line)
            if line.startswith("250"):
                self.assertNotIn(fields["id"], told, "an event came before the reply")
                replies += 1
            else:
                told[fields["id"]] = fields["state"]

    def test_never_within_a_reply(self):
        relay = self.relay()
        client, other = self.client(relay), self.client(relay)
        client.ask("WATCH")
        lines = ["SEND %s text" % TO] * 300
        sender = threading.Thread(target=other.send, args=lines)
        sender.start()
        client.send(*["HELP", "STATS"] * 100)
        for _ in range(200):
            reply = client.read_reply()  # it checks that codes do not change within
            self.assertIn(reply[0][:3], ("214", "250"))
        sender.join(PATIENCE)

    def test_a_watcher_that_does_not_read_is_cut_off(self):
        relay = self.relay()
        watcher, client = self.client(relay), self.client(relay)
        watcher.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        watcher.ask("WATCH")
        client.ask("HOLD")
        while not relay.log("watcher_cut_off"):
            client.send(*["SEND %s text" % TO] * 1000)
            client.read_replies(1000)
        stats = client.stats()
        self.assertEqual(stats["watchers_cut_off_total"], "1")
        self.assertEqual(stats["watchers"], "0")
        self.assertEqual(stats["connections"], "1")

    def test_events_behind_a_held_reply_are_bounded_too(self):
        relay = self.relay()
        watcher, client = self.client(relay), self.client(relay)
        client.ask("HOLD")
        watcher.ask("WATCH")
        watcher.send("SEND ACK=relayed %s text" % TO)
        submitted = 0
        while not relay.log("watcher_cut_off"):
            client.send(*["SEND %s text" % TO] * 1000)
            client.read_replies(1000)
            submitted += 1000
            self.assertLess(submitted, 20000)
        self.assertEqual(int(client.queue()["queued"]), submitted + 1)  # its message stays


class AckRelayed(TestCase):
    SEND = "SEND ACK=relayed "

    def test_relayed(self):
        relay = self.relay()
        client = self.client(relay)
        fields = parse_reply(client.ask(self.SEND + TO + " text")[0])
        self.assertEqual((fields["state"], fields["to"]), ("relayed", TO))
        status = relay.status(fields["id"])
        self.assertEqual((status["state"], status["api"]), ("relayed", fields["api"]))

    def test_rejected(self):
        client = self.client(self.relay())
        reply = client.ask(self.SEND + "+34600009001 text")
        self.assertReply(reply, "554 5.0.0")
        fields = parse_reply(reply[0])
        self.assertEqual(fields["state"], "rejected")
        self.assertTrue(fields["reason"])

    def test_some_are_rejected(self):
        client = self.client(self.relay())
        reply = client.ask(self.SEND + "+34600000000,+34600009001,+34600000002 text")
        self.assertReply(reply, "250-2.0.0")
        self.assertEqual([parse_reply(line)["state"] for line in reply],
                         ["relayed", "rejected", "relayed"])

    def test_all_are_rejected(self):
        client = self.client(self.relay())
        reply = client.ask(self.SEND + "+34600009001,+34601009001 text")
        self.assertReply(reply, "554-5.0.0")
        self.assertEqual([parse_reply(line)["state"] for line in reply], ["rejected", "rejected"])

    def test_the_present_state_after_the_time_out(self):
        relay = self.relay({"listen.ack_timeout": "200ms"})
        client = self.client(relay)
        client.ask("HOLD")
        reply = client.ask(self.SEND + TO + " text")
        self.assertReply(reply, "250 2.0.0")
        name = parse_reply(reply[0])["id"]
        self.assertEqual(parse_reply(reply[0])["state"], "queued")
        client.ask("RELEASE")  # the relay keeps the responsibility
        relay.await_state(name, "relayed")

    def test_time_outs_come_one_by_one(self):
        """Each waits for its own time, whatever happened to those before it."""
        relay = self.relay({"listen.ack_timeout": "300ms"})
        client, other = self.client(relay), self.client(relay)
        client.ask("HOLD")
        client.send(*[self.SEND + TO + " text %d" % i for i in range(5)])
        other.send(self.SEND + TO + " text")
        for reply in client.read_replies(5) + other.read_replies(1):
            self.assertEqual(parse_reply(reply[0])["state"], "queued")

    def test_several_in_order_and_other_commands_wait(self):
        """The first is slow, the second quick: replies come in the order of the commands."""
        relay = self.relay({"relay.bulk_max": 1, "relay.connections": 4})
        relay.sandbox.faults(dict(hang_ms=400, containing="slow"))
        client = self.client(relay)
        client.send(self.SEND + TO + " slow", self.SEND + "PRIORITY=high " + TO + " quick",
                    "SEND " + TO + " not waited for", "STATS", self.SEND + TO + " last", "NOOP")
        first, second = client.read_replies(2)
        self.assertEqual([parse_reply(reply[0])["state"] for reply in (first, second)],
                         ["relayed", "relayed"])
        self.assertReply(client.read_reply(), "250 2.0.0 queued")
        self.assertReply(client.read_reply(), "250-2.0.0 connections=")
        self.assertReply(client.read_reply(), "250 2.0.0 relayed")
        self.assertReply(client.read_reply(), "250 2.0.0 ok")

    def test_a_message_that_is_canceled(self):
        relay = self.relay()
        client, other = self.client(relay), self.client(relay)
        other.ask("HOLD")
        other.ask("WATCH")
        client.send(self.SEND + TO + " text")
        name = parse_reply(other.read_event())["id"]
        self.assertReply(other.ask("CANCEL " + name), "250")
        self.assertEqual(parse_reply(client.read_reply()[0])["state"], "canceled")

    def test_a_message_that_expires_on_hold(self):
        relay = self.relay()
        client = self.client(relay)
        client.ask("HOLD")
        fields = parse_reply(client.ask(self.SEND + "TTL=1 " + TO + " text")[0])
        self.assertEqual(fields["state"], "expired")
        self.assertEqual(relay.status(fields["id"])["state"], "expired")

    def test_with_nothing_retained(self):
        client = self.client(self.relay({"queue.retention": 0}))
        self.assertEqual(parse_reply(client.ask(self.SEND + TO + " text")[0])["state"], "relayed")
        self.assertReply(client.ask(self.SEND + "+34600009001 text"), "554 5.0.0")

    def test_a_duplicate_of_what_is_relayed(self):
        client = self.client(self.relay())
        first = parse_reply(client.ask(self.SEND + "REF=r " + TO + " text")[0])
        reply = client.ask(self.SEND + "REF=r " + TO + " text")
        again = parse_reply(reply[0])
        self.assertEqual((again["id"], again["state"], again["api"], again["duplicate"]),
                         (first["id"], "relayed", first["api"], "yes"))

    def test_a_duplicate_of_what_is_under_way(self):
        """The second waits for the first one's message."""
        relay = self.relay()
        client, other = self.client(relay), self.client(relay)
        other.ask("HOLD")
        name = client.submit("text", options="REF=r")
        client.send(self.SEND + "REF=r " + TO + " text")
        other.ask("NOOP")
        other.ask("RELEASE")
        again = parse_reply(client.read_reply()[0])
        self.assertEqual((again["id"], again["state"], again["duplicate"]),
                         (name, "relayed", "yes"))
        self.assertEqual(len(relay.sandbox.texts()), 1)

    def test_of_two_recipients_one_is_a_duplicate(self):
        relay = self.relay()
        client = self.client(relay)
        first = client.submit("text", options="REF=r")
        relay.await_state(first, "relayed")
        reply = client.ask(self.SEND + "REF=r " + TO + ",+34600000001 text")
        old, new = (parse_reply(line) for line in reply)
        self.assertEqual((old["id"], old["state"], old.get("duplicate")), (first, "relayed", "yes"))
        self.assertEqual((new["state"], new.get("duplicate")), ("relayed", None))
        self.assertEqual(len(relay.sandbox.texts()), 2)

    def test_by_data_and_json(self):
        client = self.client(self.relay())
        client.send("FROM Shop ACK=relayed", "TO " + TO, "DATA", "text", ".")
        self.assertReply(client.read_replies(4)[-1], "250 2.0.0 relayed")
        self.assertReply(client.ask('JSON {"to":"%s","text":"x","ack":"relayed"}' % TO),
                         "250 2.0.0 relayed")

    def test_more_than_the_slots_there_are(self):
        relay = self.relay()
        client = self.client(relay)
        sender = threading.Thread(target=client.send,
                                  args=[self.SEND + TO + " text %d" % i for i in range(3000)])
        sender.start()
        names = set()
        for _ in range(3000):
            reply = client.read_reply()
            self.assertReply(reply, "250 2.0.0 relayed")
            names.add(parse_reply(reply[0])["id"])
        sender.join(PATIENCE)
        self.assertEqual(len(names), 3000)
        self.assertEqual(relay.sandbox.summary()["distinct_client_ids"], 3000)


if __name__ == "__main__":
    unittest.main()
