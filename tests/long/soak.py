"""Three agents for a while, with churn of everything around them, and whether they stay as small as they were: what tests/soak runs.

Time goes in rounds. In each there is the same churn, and then a rest, in which whatever was away is back. Every ten seconds each agent is
measured. From the tenth minute on

* resident memory, at its highest in the second half of the rounds counted, is not above the highest of the first half by more than a page:
  in single rounds it goes up and down by a page or two, as more or less comes at once;
* lines of the log a minute are in each round at most a third more than in the first counted.

And from the first round on, in each rest

* there are not more descriptors, threads and children than in the first;
* every reading has arrived, and no answer was wrong;
* no agent turns without rest: in three seconds each takes less than a tenth of them of processor time.
"""

import argparse
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

PAGE = 4
HOST = "127.0.0.1"
COOKIE = "SOAKED"
SETTLE = 600
FIELDS = ["rss", "anonymous", "descriptors", "threads", "children", "lines", "processor"]

# `{hello, N}` is answered by the agent itself; these answer a number with the number
LINES = r"""while IFS= read -r line; do case $line in "{call,"*) id=${line#*,}; id=${id%%,*}; n=${line##*,}; echo "{reply,$id,${n%\}*}}";; esac; done"""
JSON = r"""s/^{"call": *\([0-9]*\), *"request": *\([0-9]*\)}.*/{"reply": \1, "value": \2}/p"""
# what it leaves behind is for the agent to end
CRASHY = LINES.replace("case $line in", 'case $line in "{cast,"*) setsid sleep 1000 >/dev/null 2>&1 & exit 3;;')
# a program that publishes by itself
TELLS = r"""while :; do echo "{publish,collector,'hub@127.0.0.1',$(date +%s)}"; sleep 1; done"""


# an agent has room for 16 nodes, and the other agent is one of them
FILLERS = 15

# which of the eight strangers has another cookie
WRONG_COOKIE = 7


class Failed(Exception):
    pass


def until(what, patience, look):
    end = time.monotonic() + patience
    while not (found := look()):
        if time.monotonic() > end:
            raise Failed(f"waited in vain: {what}")
        time.sleep(0.2)
    return found


def free_port():
    with socket.socket() as s:
        s.bind((HOST, 0))
        return s.getsockname()[1]


def quoted(text):
    return "'''" + text + "'''"


def descendants():
    """How many processes each process has below it."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            parents[int(entry)] = int(stat.rpartition(")")[2].split()[1])
    below = {}
    for pid in parents:
        above = parents.get(pid, 0)
        while above > 1:
            below[above] = below.get(above, 0) + 1
            above = parents.get(above, 0)
    return below


class Agent:
    """A `beamless run`, and what was measured of it."""

    def __init__(self, world, name, config):
        self.world, self.name = world, name
        self.dir = world.dir / name
        self.dir.mkdir()
        self.file = self.dir / "beamless.toml"
        self.port = free_port()
        self.lines, self.read = 0, 0
        self.write(config)
        self.log = open(self.dir / "log", "wb")
        args = [world.beamless, "run", "--config", self.file, "--state-dir", self.dir / "state"]
        (self.dir / "state").mkdir()
        self.process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=world.env, cwd=self.dir)

    def write(self, config):
        head = f"""
name = "{self.name}@{HOST}"
cookie_file = "{self.world.cookie}"
listen = "{HOST}:{self.port}"
epmd = "external"
epmd_port = {self.world.epmd_port}
tick_time = "8s"
"""
        new = self.file.with_suffix(".new")
        new.write_text(head + config)
        new.rename(self.file)

    def reload(self, config):
        self.write(config)
        self.process.send_signal(signal.SIGHUP)

    def measure(self, below):
        pid = self.process.pid
        if self.process.poll() is not None:
            raise Failed(f"{self.name} has ended: {self.process.returncode}")
        smaps = Path(f"/proc/{pid}/smaps_rollup").read_text()
        status = Path(f"/proc/{pid}/status").read_text()
        kib = lambda key: int(re.search(rf"^{key}: *(\d+)", smaps, re.M)[1])
        with open(self.dir / "log", "rb") as log:
            log.seek(self.read)
            new = log.read()
        self.read += len(new)
        self.lines += new.count(b"\n")
        return {
            "rss": kib("Rss"),
            "anonymous": kib("Anonymous"),
            "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
            "threads": int(re.search(r"^Threads:\s*(\d+)", status, re.M)[1]),
            "children": below.get(pid, 0),
            "lines": self.lines,
            "processor": self.processor(),
        }

    def processor(self):
        """Processor time in hundredths of a second, the system's for it included."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 100 // os.sysconf("SC_CLK_TCK")


    def open(self):
        """What it has open, of each kind so many."""
        kinds = {}
        for fd in os.listdir(f"/proc/{self.process.pid}/fd"):
            try:
                kind = re.sub(r"\[\d+\]", "", os.readlink(f"/proc/{self.process.pid}/fd/{fd}"))
            except OSError:
                continue
            kinds[kind] = kinds.get(kind, 0) + 1
        return dict(sorted(kinds.items()))


class World:
    def __init__(self, args):
        self.dir = Path(os.environ["TMPDIR"]) / "soak"
        self.dir.mkdir()
        self.beamless, self.erl, self.epmd_program = args.beamless, args.erl, args.epmd
        self.epmd_port = free_port()
        self.cookie = self.dir / "cookie"
        self.cookie.write_text(COOKIE)
        self.cookie.chmod(0o400)
        self.env = {**os.environ, "HOME": str(self.dir), "ERL_EPMD_PORT": str(self.epmd_port), "ERL_CRASH_DUMP_SECONDS": "0"}
        self.random = random.Random(17)
        self.guests, self.visitors, self.made = [], [], 0
        self.outcomes, self.wrong = {}, []
        source = Path(__file__).with_name("churn")
        subprocess.run([self.erl, "-noinput", "-eval", f'{{ok,_}} = compile:file("{source}", [{{outdir,"{self.dir}"}}]), halt().'], check=True)
        self.certificates("init")
        self.certificates("node", HOST)
        self.epmd = None
        self.start_epmd(0)
        self.agents = [Agent(self, name, CONFIGS[name][0].replace("PKI", str(self.dir / "pki" / HOST))) for name in CONFIGS]
        self.box, self.near, self.secure = self.agents
        self.hub = None
        self.start_hub()

    def certificates(self, what, *hosts):
        subprocess.run([self.beamless, "certs", what, self.dir / "pki", *hosts], check=True, stdout=subprocess.DEVNULL)

    def spawn(self, *args, **options):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options}
        return subprocess.Popen(args, env=self.env, cwd=self.dir, **options)

    # EPMD is Erlang's and ours by turns
    def start_epmd(self, turn):
        args = [self.beamless, "epmd"] if turn % 2 else [self.epmd_program, "-relaxed_command_check"]
        self.epmd = self.spawn(*args)

    def erl_args(self, name, *more):
        return [self.erl, "-noinput" if more else "-noshell", "-start_epmd", "false", "-name", f"{name}@{HOST}", "-setcookie", COOKIE, "-pa", self.dir,
                "-kernel", "net_ticktime", "8", "prevent_overlapping_partitions", "false", "logger_level", "none", *more]

    def start_hub(self):
        self.hub = self.spawn(*self.erl_args("hub"), "-run", "churn", "main", f"box@{HOST}", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.tell("go", "gone")

    def tell(self, word, wanted):
        print(word, file=self.hub.stdin, flush=True)
        while line := self.hub.stdout.readline():
            if line.startswith(wanted):
                return line[len(wanted):].strip()
        raise Failed("the hub has ended")

    def kill_hub(self):
        self.hub.kill()
        self.hub.wait()
        self.hub.stdin.close()
        self.hub.stdout.close()

    # what comes and goes, under another name each time
    def name(self, kind):
        self.made += 1
        return f"{kind}{self.made}"

    def tool(self):
        box = f"box@{HOST}:{self.box.port}"
        me = ["--cookie-file", self.cookie, "--name", f"{self.name('tool')}@{HOST}"]
        return self.random.choice([
            lambda: self.spawn(self.beamless, "call", *me, box, "echo", "hello"),
            lambda: self.spawn(self.beamless, "call", *me, box, "lines", "17"),
            lambda: self.spawn(self.beamless, "rpc", *me, box, "box", "sum", "[1,2]"),
            lambda: self.spawn(self.beamless, "status", *me, box),
            lambda: self.spawn(self.beamless, "groups", *me, box),
            lambda: self.spawn(self.beamless, "ping", *me, f"near@{HOST}:{self.near.port}"),
            lambda: self.spawn(self.beamless, "call", *me, "--tls-dir", self.dir / "pki" / HOST, f"secure@{HOST}:{self.secure.port}", "echo", "hello"),
        ])()

    def visitor(self, secure, names=1):
        """An Erlang that connects, has a call answered and a monitor, sends to so many names that are not there, and is gone without a word."""
        to = ",".join(f"'{name}@{HOST}'" for name in (["secure"] if secure else ["box", "near"]))
        what = (f"[begin gen_server:call({{echo,B}}, hi), monitor(process, {{lines,B}}), "
                f"[{{list_to_atom([$x | integer_to_list(N)]),B}} ! x || N <- lists:seq(1, {names})] end || B <- [{to}]], "
                "timer:sleep(1000), erlang:halt(abort)")
        tls = ["-proto_dist", "inet_tls", "-ssl_dist_optfile", self.dir / "pki" / HOST / "ssl_dist.conf"] if secure else []
        return self.spawn(*self.erl_args(self.name("visitor"), *tls, "-eval", what + "."))

    def filler(self):
        """An Erlang that sends box and near as much as they have room for at once, and has them answer as much."""
        return self.spawn(*self.erl_args(self.name("filler"), "-run", "churn", "fill", f"box@{HOST}", f"near@{HOST}"))

    def guest(self, turn):
        """Another agent, which calls and is called, and ends in order or not."""
        secure = turn % 2 == 0
        host = self.secure if secure else self.box
        tls = ["--tls-dir", self.dir / "pki" / HOST] if secure else []
        return self.spawn(self.beamless, "run", "--quiet", "--name", f"{self.name('guest')}@{HOST}", "--cookie-file", self.cookie, "--epmd", "external",
                          "--listen", HOST, *tls, "--connect", f"{host.name}@{HOST}", stdin=subprocess.DEVNULL)

    def stranger(self, turn):
        """Somebody who is no node, or has another cookie."""
        agent = self.agents[turn % 3]
        name = self.name("stranger").encode() + b"@" + HOST.encode()
        hello = b"N" + (0xD07DF7FBD).to_bytes(8) + bytes([0, 0, 0, 7]) + len(name).to_bytes(2) + name
        hello = len(hello).to_bytes(2) + hello
        said = [b"", b"GET / HTTP/1.0\r\n\r\n", self.random.randbytes(300), b"\xff\xff", hello, hello[:9], hello + b"\0\x15r" + bytes(20),
                hello + b"\0\x15r" + self.random.randbytes(20)][turn // 3 % 8]
        try:
            with socket.create_connection((HOST, agent.port), 2) as s:
                s.sendall(said)
                s.settimeout(0.3)
                try:
                    s.recv(1000)
                except OSError:
                    pass
                if turn % 5 == 0:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        except OSError as e:
            self.outcome(f"stranger: {e.strerror or e}")

    def kept(self, agent):
        """How many readings wait at an agent, or are not known to have arrived."""
        me = ["--cookie-file", self.cookie, "--name", f"{self.name('asks')}@{HOST}", "--timeout", "20"]
        call = [self.beamless, "call", "--json", *me, f"{agent.name}@{HOST}:{agent.port}", "system", '{"@tuple": [{"@atom": "info"}, {"@atom": "publish"}]}']
        answer = subprocess.run(call, env=self.env, cwd=self.dir, stdout=subprocess.PIPE, text=True, check=True).stdout
        return sum(row["kept"] for row in json.loads(answer))

    def outcome(self, what):
        self.outcomes[what] = self.outcomes.get(what, 0) + 1

    def reap(self, all_of_them=False):
        left = []
        for child, deadline in self.visitors:
            if all_of_them or time.monotonic() > deadline:
                child.kill()
                child.wait()
            if child.poll() is None:
                left.append((child, deadline))
        self.visitors = left

    def end(self):
        self.reap(True)
        for child in [*self.guests, self.epmd, self.hub, *(agent.process for agent in self.agents)]:
            if child and child.poll() is None:
                child.kill()
                child.wait()


PUBLISH = """
[keep]
memory = "64KiB"
disk = "1MiB"
[[publish]]
command = ["date", "+%s"]
every = "1s"
to = "collector"
node = "hub@127.0.0.1"
[[publish]]
file = "/proc/uptime"
every = "500ms"
to = "store"
node = "near@127.0.0.1"
"""
BOX = PUBLISH + f"""
[[publish]]
file = "/proc/loadavg"
every = "1s"
group = "temps"
[mailbox.lines]
command = ["sh", "-c", {quoted(LINES)}]
groups = ["temps", "sensors:kitchen"]
global = "therm"
[mailbox.json]
command = ["sed", "-un", {quoted(JSON)}]
format = "json"
groups = ["temps"]
[mailbox.crashy]
command = ["sh", "-c", {quoted(CRASHY)}]
[mailbox.tells]
command = ["sh", "-c", {quoted(TELLS)}]
"""
BOX_FUNCTIONS = """
[functions]
"box:sum/2" = ["sh", "-c", "echo $(($0 + $1))"]
"""
# what a reload takes away and brings back
OTHER = f"""
[mailbox.other]
command = ["sh", "-c", {quoted(LINES)}]
groups = ["other"]
[[publish]]
command = ["cat", "/proc/uptime"]
every = "1s"
label = "other"
to = "collector"
node = "away@127.0.0.1"
"""
CONNECT_BOX = """
connect = ["hub@127.0.0.1", "near@127.0.0.1"]
"""
NEAR = f"""
connect = ["box@127.0.0.1"]
[mailbox.store]
command = ["sed", "-n", "w /dev/null"]
groups = ["temps"]
[[publish]]
file = "/proc/loadavg"
every = "1s"
to = "lines"
node = "box@127.0.0.1"
"""
SECURE = """
[tls]
dir = "PKI"
"""
CONFIGS = {
    "box": [CONNECT_BOX + BOX + BOX_FUNCTIONS, CONNECT_BOX + BOX + OTHER + BOX_FUNCTIONS],
    "near": [NEAR, NEAR + OTHER],
    "secure": [SECURE],
}


class Soak:
    def __init__(self, world, minutes, round_seconds, csv):
        self.world = world
        self.csv = csv
        print("agent", "second", *FIELDS, sep=",", file=csv)
        self.begun = time.monotonic()
        self.end = self.begun + minutes * 60
        self.round_seconds = round_seconds
        self.samples = {agent.name: [] for agent in world.agents}
        self.rounds = []
        self.stop = threading.Event()
        self.trouble = None

    def now(self):
        return time.monotonic() - self.begun

    def sampler(self):
        due = self.begun
        try:
            while not self.stop.wait(max(0, due - time.monotonic())):
                due += 10
                self.sample()
        except Failed as e:
            self.trouble = e

    def sample(self):
        below = descendants()
        for agent in self.world.agents:
            sample = agent.measure(below)
            self.samples[agent.name].append((self.now(), sample))
            print(agent.name, round(self.now()), *(sample[field] for field in FIELDS), sep=",", file=self.csv, flush=True)

    def check(self):
        if self.trouble:
            raise self.trouble

    def run(self):
        thread = threading.Thread(target=self.sampler, daemon=True)
        thread.start()
        try:
            if self.end > self.begun + 2 * SETTLE:
                self.fill()
            # what is left of the time is no round when all that a round has in it would come at once
            while time.monotonic() < self.end - self.round_seconds / 4:
                self.round(len(self.rounds))
        finally:
            self.stop.set()
            thread.join()
        self.check()

    def fill(self):
        """Fills what the agents remember of those that they turned away, and of names that others sent to and that are not there: they have room for
        256 of either, which would take hours at the pace of a round. Of a node 32 names are told apart, and of those that come at once
        some are not. And their buffers, of which each page is resident once it was used: of a peer's two and of a mailbox's one. The hub
        is another peer each time it comes, and would fill those of a peer that had them for small things only."""
        for times in range(300):
            for agent in range(2):
                self.world.stranger(agent + 3 * (WRONG_COOKIE + 8 * times))
        for _ in range(12):
            visitors = [self.world.visitor(secure, 40) for secure in (False, True, False, True)]
            for visitor in visitors:
                visitor.wait(120)
        # it would have one of the places
        self.world.kill_hub()
        fillers = [self.world.filler() for _ in range(FILLERS)]
        for filler in fillers:
            filler.wait(300)
        self.world.start_hub()

    def round(self, number):
        world, begun = self.world, self.now()
        print(f"== round {number + 1}, minute {begun / 60:.1f}", flush=True)
        seconds = min(self.round_seconds, self.end - time.monotonic()) * 0.85
        # what happens once in each round, and at which part of it
        timeline = [
            (0.02, lambda: world.tell("go", "gone")),
            (0.05, lambda: world.box.reload(CONFIGS["box"][1])),
            (0.10, lambda: world.near.reload(CONFIGS["near"][1])),
            (0.15, lambda: world.hub.send_signal(signal.SIGSTOP)),
            (0.15 + min(0.05, 15 / seconds), lambda: world.hub.send_signal(signal.SIGCONT)),
            (0.28, lambda: world.box.reload("nonsense = [\n")),
            (0.30, lambda: (world.epmd.kill(), world.epmd.wait())),
            (0.38, lambda: world.start_epmd(number)),
            (0.45, lambda: world.certificates("node", HOST)),
            (0.55, world.kill_hub),
            (0.70, world.start_hub),
            (0.80, lambda: world.near.reload(CONFIGS["near"][0])),
            (0.90, lambda: world.box.reload(CONFIGS["box"][0])),
        ]
        turn = 0
        while (part := (self.now() - begun) / seconds) < 1:
            self.check()
            while timeline and timeline[0][0] <= part:
                timeline.pop(0)[1]()
            self.turn(turn)
            turn += 1
            time.sleep(max(0, begun + turn - self.now()))
        for _, what in timeline:
            what()
        self.rest(begun)

    def turn(self, turn):
        """What happens in each second."""
        world = self.world
        threading.Thread(target=world.stranger, args=(turn,), daemon=True).start()
        if turn % 2 == 0:
            world.visitors.append((world.tool(), time.monotonic() + 20))
        if turn % 20 == 7:
            world.visitors.append((world.visitor(turn % 40 == 7), time.monotonic() + 20))
        if turn % 5 == 0:
            world.guests.append(world.guest(turn // 5))
        if len(world.guests) > 2:
            guest = world.guests.pop(0)
            guest.send_signal([signal.SIGTERM, signal.SIGKILL][turn // 5 % 2])
            world.visitors.append((guest, time.monotonic() + 5))
        world.reap()

    def rest(self, begun):
        world = self.world
        said = world.tell("rest", "rests")
        until("the guests and tools to end", 60, lambda: (world.reap(), not world.visitors)[1])
        for guest in world.guests:
            guest.terminate()
            guest.wait()
        world.guests.clear()
        until("the hub to be connected again", 60, lambda: world.tell("there", "there") == "true")
        until("all readings to have arrived", 120, lambda: not any(map(world.kept, (world.box, world.near))))
        first = self.rounds[0]["rest"] if self.rounds else None
        rest = until(f"no more than in the first rest: {first}", 120, lambda: self.at_rest(first))
        before = {agent.name: agent.processor() for agent in world.agents}
        time.sleep(3)
        for agent in world.agents:
            if (taken := agent.processor() - before[agent.name]) > 30:
                raise Failed(f"{agent.name} turns without rest: {taken / 100} s in 3 s")
        counts = re.findall(r"\{\{wrong,.*?\},\d+\}", said)
        if counts:
            raise Failed(f"wrong answers: {counts}")
        self.rounds.append({"begun": begun, "ended": self.now(), "rest": rest})
        print("   " + re.sub(r",?\{\{idle,\d+\},true\}", "", said))
        print(f"   {world.box.open()}")
        self.sample()
        for name, samples in self.samples.items():
            last = samples[-1][1]
            print("   " + name, *(f"{field} {last[field]}" for field in FIELDS), flush=True)

    def at_rest(self, most):
        """The descriptors, threads and children of each agent, once they stay the same, all programs are there, and there are no more than these."""
        self.check()
        seen = None
        for _ in range(4):
            below = descendants()
            now = {agent.name: tuple(agent.measure(below)[field] for field in FIELDS[2:5]) for agent in self.world.agents}
            self.last = now
            is_more = most and any(here > there for name in now for here, there in zip(now[name], most[name]))
            # commands of readings come and go
            if now != (seen or now) or is_more or now["box"][2] < CHILDREN:
                return None
            seen = now
            time.sleep(0.3)
        return seen


# of the box's programs `tells` has a child of its own
CHILDREN = 5


def judge(soak):
    """What is not flat from the tenth minute on; nothing where there is nothing to compare."""
    faults = []
    counted = [r for r in soak.rounds if r["begun"] >= SETTLE - 5]
    if len(counted) < 2:
        return faults
    for name, samples in soak.samples.items():
        within = lambda r: [s for t, s in samples if r["begun"] <= t <= r["ended"] + 1]
        minutes = lambda r: (r["ended"] - r["begun"]) / 60
        rss = [max(s["rss"] for s in within(r)) for r in counted]
        lines = [(within(r)[-1]["lines"] - within(r)[0]["lines"]) / minutes(r) for r in counted]
        print(f"{name}: highest resident memory of each round {rss}, lines a minute {[round(l) for l in lines]}")
        before, after = max(rss[: (len(rss) + 1) // 2]), max(rss[(len(rss) + 1) // 2 :])
        if after > before + PAGE:
            faults.append(f"{name}: resident memory rose from {before} to {after} KiB")
        if max(lines) > lines[0] * 4 / 3 + 2:
            faults.append(f"{name}: lines of the log a minute rose from {lines[0]:.0f} to {max(lines):.0f}")
    return faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("minutes", type=float)
    parser.add_argument("--beamless", type=Path, required=True)
    parser.add_argument("--erl", type=Path, required=True)
    parser.add_argument("--epmd", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(exist_ok=True)
    # two rounds at least, so that there is something to compare
    seconds = min(300, args.minutes * 30)
    world = World(args)
    soak = Soak(world, args.minutes, seconds, open(args.out / "samples.csv", "w"))
    try:
        soak.run()
        faults = judge(soak)
    except Failed as e:
        faults = [str(e), f"the last seen: {getattr(soak, 'last', None)}", *(f"{agent.name} has {agent.open()}" for agent in world.agents)]
    finally:
        for agent in world.agents:
            (args.out / f"{agent.name}.log").write_bytes((agent.dir / "log").read_bytes())
        world.end()
    print(*(f"   {n} times {what}" for what, n in world.outcomes.items()), sep="\n")
    for fault in faults:
        print(f"FAILED: {fault}", file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
