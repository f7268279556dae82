#!/usr/bin/env python3
"""A network of hosts as a process: what Linux's netem would do, without that, and what it would not.

    relay.py HOSTS

makes as many devices cable0, cable1.. in its own network namespace, says "up", and passes packets between them, wherever the devices are moved.
The host of cable N has the addresses 10.77.0.X for which X % 100 is N + 1. It is told on its input what the network does, a line each, and says
"done" to each. HOST is a number from 1 on, or * for all:

    set HOST HOST KEY VALUE   what happens to packets from the first to the second, and to no others
        delay MILLISECONDS    each takes so long
        loss PERCENT          as many are lost
        rate BYTES            no more pass in a second; those of the next two seconds wait, and the rest are lost. 0 is no limit
        largest BYTES         larger ones are lost, and nobody is told: a black hole for an MTU
        cut 1, cut 0          all are lost; or no longer
    forget [HOST]             the connections that there are belong to no one any more, as behind a router that was started again: with a host, what it
                              sends on them is answered with a reset, and with * what anybody sends; all else on them is lost
    name NAME ADDRESS         what the name server at 10.77.0.99 says; "none": there is no such name; "failed": it could not be found out;
                              "silent": nothing at all
"""

import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

NAME_SERVER = 99
SYN, RST, ACK = 2, 4, 16


def device(number):
    """A device for packets of IP, without a header of its own."""
    opened = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    tunsetiff, tun, no_header = 0x400454CA, 0x0001, 0x1000
    fcntl.ioctl(opened, tunsetiff, struct.pack("16sH22x", b"cable%d" % number, tun | no_header))
    return opened


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(source, target, protocol, body, checksum_at):
    """A packet of IP with this body, whose checksum is filled in."""
    pseudo = source + target + struct.pack("!BBH", 0, protocol, len(body))
    body = body[:checksum_at] + struct.pack("!H", checksum(pseudo + body)) + body[checksum_at + 2:]
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0x4000, 64, protocol, 0, source, target)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


class Names:
    """The name server: one question a packet, answered from a table."""

    def __init__(self):
        self.table = {}

    def answer(self, query):
        number, _, questions = struct.unpack("!HHH", query[:6])
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind = struct.unpack("!H", query[at + 1:at + 3])[0]
        question = query[12:at + 5]
        told = self.table.get(".".join(labels).lower(), "none")
        if told == "silent":
            return None
        code = {"none": 3, "failed": 2}.get(told, 0)
        record = b""
        if code == 0 and kind == 1:
            # for no time at all
            record = struct.pack("!HHHIH", 0xC00C, 1, 1, 0, 4) + address(told)
        return struct.pack("!HHHHHH", number, 0x8580 | code, questions, bool(record), 0, 0) + question + record


def address(text):
    return bytes(int(part) for part in text.split("."))


class Relay:
    def __init__(self, hosts):
        self.devices = [device(number) for number in range(hosts)]
        self.rules = {(a, b): {} for a in range(1, hosts + 1) for b in range(1, hosts + 1)}
        self.names = Names()
        self.under_way = []
        self.passed = 0
        # connections by their two ends, as whoever sent the packet has them
        self.known = set()
        # whose connections are answered with a reset when they are not known; without one all of them are
        self.resets = None

    def run(self):
        commands = os.fdopen(os.dup(0), "rb", 0)
        print("up", flush=True)
        sources = [*self.devices, commands]
        while True:
            wait = max(0, self.under_way[0][0] - time.monotonic()) if self.under_way else None
            for source in select.select(sources, [], [], wait)[0]:
                if source is commands:
                    line = commands.readline()
                    if not line:
                        return
                    self.obey(line.decode().split())
                    print("done", flush=True)
                else:
                    self.take(source)
            while self.under_way and self.under_way[0][0] <= time.monotonic():
                _, _, target, data = heapq.heappop(self.under_way)
                self.write(target, data)

    def obey(self, words):
        if words[0] == "set":
            _, source, target, key, value = words
            for (a, b), rule in self.rules.items():
                if source in ("*", str(a)) and target in ("*", str(b)):
                    rule[key] = float(value)
        elif words[0] == "forget":
            self.known.clear()
            self.resets = words[1:]
        elif words[0] == "name":
            self.names.table[words[1]] = words[2]
        else:
            raise ValueError(words)

    def take(self, source):
        # not too many of one, so that others come to their turn
        for _ in range(64):
            try:
                self.route(os.read(source, 65535), self.devices.index(source) + 1)
            except BlockingIOError:
                return

    def route(self, data, source):
        # multicast, and IPv6, have nowhere to go
        if data[0] >> 4 != 4 or data[16:19] != bytes((10, 77, 0)):
            return
        if data[19] == NAME_SERVER:
            self.ask(data, source)
            return
        target = data[19] % 100
        rule = self.rules.get((source, target))
        if rule is None or rule.get("cut") or len(data) > rule.get("largest", 65535) or random.random() * 100 < rule.get("loss", 0):
            return
        if data[9] == 6 and not self.is_known(data, source):
            return
        passes = time.monotonic()
        if rule.get("rate"):
            begins = max(passes, rule.get("free", 0))
            if begins > passes + 2:
                return
            passes = rule["free"] = begins + len(data) / rule["rate"]
        self.passed += 1
        heapq.heappush(self.under_way, (passes + rule.get("delay", 0) / 1000, self.passed, target, data))

    def is_known(self, data, source):
        """Whether a packet of TCP is of a connection that began here, or begins one; if not, its sender may be told."""
        segment = data[(data[0] & 15) * 4:]
        ours, theirs = data[12:16] + segment[:2], data[16:20] + segment[2:4]
        acknowledged, flags = struct.unpack("!I", segment[8:12])[0], segment[13]
        if flags & SYN and not flags & ACK:
            self.known.update(((ours, theirs), (theirs, ours)))
        if (ours, theirs) in self.known:
            return True
        if self.resets and self.resets[0] in ("*", str(source)) and not flags & RST:
            reset = segment[2:4] + segment[:2] + struct.pack("!IIBBHHH", acknowledged, 0, 0x50, RST, 0, 0, 0)
            self.write(source, packet(data[16:20], data[12:16], 6, reset, 16))
        return False

    def ask(self, data, source):
        datagram = data[(data[0] & 15) * 4:]
        if data[9] != 17 or datagram[2:4] != b"\0\x35":
            return
        answer = self.names.answer(datagram[8:])
        if answer is not None:
            answer = b"\0\x35" + datagram[:2] + struct.pack("!HH", 8 + len(answer), 0) + answer
            self.write(source, packet(data[16:20], data[12:16], 17, answer, 6))

    def write(self, target, data):
        try:
            os.write(self.devices[target - 1], data)
        except OSError:
            # a cable that is not plugged in
            pass


Relay(int(sys.argv[1])).run()
