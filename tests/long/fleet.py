"""Many nodes against one Erlang, and against one agent: what tests/fleet runs. Memory is resident memory, and time is processor time, user's and
system's, since the machine may have other things to do; of the agent they are those of its program, too. Prints the tables of the manual."""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

HOST = "127.0.0.1"
COOKIE = "FLEET"
EVERY = 10
TICKS = os.sysconf("SC_CLK_TCK")
# takes readings, and says every second how many nodes are connected, how many readings there were, and what there is of what is limited
COLLECTOR = """
    register(collector, self()),
    timer:send_interval(1000, say),
    (fun Loop(N) -> receive
        {reading, _, _, _} -> Loop(N + 1);
        say ->
            Counts = [erlang:system_info(What) || What <- [atom_count, port_count, process_count]],
            io:format("~w ~w ~w ~w ~w~n", [length(nodes(connected)), N | Counts]), Loop(N)
    end end)(0)."""


class Failed(Exception):
    pass


def free_port():
    with socket.socket() as s:
        s.bind((HOST, 0))
        return s.getsockname()[1]


def tree(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(below for child in children for below in tree(int(child)))]


def memory(pid):
    """KiB that are resident, the private ones of its children included."""
    def of(pid, *keys):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return sum(int(re.search(rf"^{key}: *(\d+)", text, re.M)[1]) for key in keys)
    return of(pid, "Rss") + sum(of(child, "Private_Clean", "Private_Dirty") for child in tree(pid)[1:])


def processor(pid):
    """Seconds."""
    fields = [Path(f"/proc/{p}/stat").read_text().rpartition(")")[2].split() for p in tree(pid)]
    return sum(int(f[11]) + int(f[12]) for f in fields) / TICKS


class Fleet:
    """The nodes, in one process."""

    def __init__(self, world):
        self.world = world
        self.begun = time.monotonic()
        self.process = world.spawn(world.args.fleet, str(world.args.nodes), COOKIE, f"hub@{HOST}", str(EVERY), stdout=subprocess.PIPE, text=True)

    def counts(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failed("the fleet has ended")
        return map(int, line.split())

    def until_up(self):
        end = time.monotonic() + 600
        while next(self.counts()) < self.world.args.nodes:
            if time.monotonic() > end:
                raise Failed("they are not all connected after ten minutes")


class World:
    def __init__(self, args):
        self.args = args
        self.dir = Path(os.environ["TMPDIR"])
        self.env = {**os.environ, "HOME": str(self.dir), "ERL_EPMD_PORT": str(free_port()), "ERL_CRASH_DUMP_SECONDS": "0"}
        cookie = self.dir / "cookie"
        cookie.write_text(COOKIE)
        cookie.chmod(0o400)
        (self.dir / "hub.toml").write_text(f"""
name = "hub@{HOST}"
cookie_file = "{cookie}"
epmd = "external"
listen = "{HOST}"
[sizes]
nodes = {args.nodes + 16}
message = "4KiB"
[mailbox.collector]
command = ["sh", "-c", "exec cat > received"]
""")
        self.started = []
        self.spawn(args.epmd)
        while subprocess.run([args.epmd, "-names"], env=self.env, stdout=subprocess.DEVNULL).returncode:
            time.sleep(0.1)

    def spawn(self, *args, **options):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **options}
        process = subprocess.Popen(args, env=self.env, cwd=self.dir, **options)
        self.started.append(process)
        return process

    def beam(self):
        args = ["-noinput", "-start_epmd", "false", "-name", f"hub@{HOST}", "-setcookie", COOKIE, "-kernel", "logger_level", "none"]
        return self.spawn(self.args.erl, *args, "-eval", COLLECTOR, stdout=open(self.dir / "beam", "w"))

    def agent(self):
        return self.spawn(self.args.beamless, "run", "--quiet", "--config", self.dir / "hub.toml", stderr=open(self.dir / "agent", "w"))

    def said(self):
        """What the BEAM said last."""
        return [int(number) for number in (self.dir / "beam").read_text().split("\n")[-2].split()]

    def received(self, kind):
        return self.said()[1] if kind == "BEAM" else (self.dir / "received").read_text().count("\n")

    def end(self, process):
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
        self.started.remove(process)


def measure(world, kind, start):
    hub = start()
    while kind == "BEAM" and not (world.dir / "beam").read_text().count("\n"):
        if hub.poll() is not None:
            raise Failed("the hub has ended")
        time.sleep(0.2)
    # whatever comes late
    time.sleep(5)
    row = {"without nodes": memory(hub.pid)}
    cpu = processor(hub.pid)
    limited = world.said()[2:] if kind == "BEAM" else []
    fleet = Fleet(world)
    fleet.until_up()
    row["back"] = [time.monotonic() - fleet.begun]
    row["connecting"] = processor(hub.pid) - cpu
    row["connecting, nodes"] = processor(fleet.process.pid)
    # whatever came late
    time.sleep(EVERY)
    row["with nodes"], row["nodes"] = memory(hub.pid), memory(fleet.process.pid)
    row["descriptors"] = len(os.listdir(f"/proc/{hub.pid}/fd"))
    if kind == "BEAM":
        row["atoms, ports, processes"] = [after - before for before, after in zip(limited, world.said()[2:])]
        row["connected"] = world.said()[0]
    before = [processor(hub.pid), processor(fleet.process.pid), world.received(kind), time.monotonic()]
    while time.monotonic() < before[3] + world.args.seconds:
        next(fleet.counts())
    seconds = time.monotonic() - before[3]
    readings = world.received(kind) - before[2]
    wanted = world.args.nodes / EVERY * seconds
    if not 0.8 * wanted <= readings <= 1.2 * wanted:
        raise Failed(f"{readings} readings in {seconds} s: about {wanted} would be right")
    row["a reading"] = (processor(hub.pid) - before[0]) / readings
    row["a reading, nodes"] = (processor(fleet.process.pid) - before[1]) / readings
    row["readings"] = readings

    world.end(hub)
    hub = start()
    begun = time.monotonic()
    while next(fleet.counts()) > 0:
        pass
    fleet.until_up()
    row["hub back"] = time.monotonic() - begun
    row["hub back, time"] = processor(hub.pid)

    world.end(fleet.process)
    cpu = processor(hub.pid)
    fleet = Fleet(world)
    fleet.until_up()
    row["fleet back"] = time.monotonic() - fleet.begun
    row["fleet back, time"] = processor(hub.pid) - cpu
    time.sleep(EVERY)
    row["with nodes again"] = memory(hub.pid)
    world.end(fleet.process)
    world.end(hub)
    return row


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("nodes", type=int)
    for what in ("beamless", "fleet", "erl", "epmd"):
        parser.add_argument(f"--{what}", type=Path, required=True)
    parser.add_argument("--seconds", type=int, default=60)
    args = parser.parse_args()
    world = World(args)
    rows = {}
    try:
        for kind, start in (("BEAM", world.beam), ("agent", world.agent)):
            rows[kind] = measure(world, kind, start)
            print(kind, json.dumps(rows[kind]), file=sys.stderr, flush=True)
    except Failed as e:
        sys.exit(f"FAILED: {e}")
    finally:
        for process in list(world.started):
            world.end(process)
    table(args.nodes, rows)


def table(nodes, rows):
    beam, agent = rows["BEAM"], rows["agent"]

    def line(what, value, form="{:.0f}"):
        print(f"| {what} | {form.format(value(beam))} | {form.format(value(agent))} |")

    print("| the hub | BEAM | agent |")
    print("|---|---|---|")
    line("resident without nodes, KiB", lambda r: r["without nodes"])
    line(f"resident with {nodes} nodes, KiB", lambda r: r["with nodes"])
    line("resident for each node, KiB", lambda r: (r["with nodes"] - r["without nodes"]) / nodes, "{:.1f}")
    line("descriptors for each node", lambda r: r["descriptors"] / nodes, "{:.2f}")
    line("processor time to have a node connect, us", lambda r: r["connecting"] / nodes * 1e6)
    line("processor time for a reading, us", lambda r: r["a reading"] * 1e6)
    line("the hub killed and started: seconds until all nodes are back", lambda r: r["hub back"], "{:.1f}")
    line("its processor time until then, s", lambda r: r["hub back, time"], "{:.1f}")
    line("all nodes killed and started: seconds until all are back", lambda r: r["fleet back"], "{:.1f}")
    line("the hub's processor time for that, s", lambda r: r["fleet back, time"], "{:.1f}")
    line("resident after both, KiB", lambda r: r["with nodes again"])
    print()
    print("| the nodes, in one process | at a BEAM | at an agent |")
    print("|---|---|---|")
    line("resident for each, KiB", lambda r: r["nodes"] / nodes, "{:.1f}")
    line("processor time to connect, us", lambda r: r["connecting, nodes"] / nodes * 1e6)
    line("processor time for a reading, us", lambda r: r["a reading, nodes"] * 1e6)
    print()
    print("The BEAM has {} atoms, {} ports and {} processes more with {} nodes than without.".format(*beam["atoms, ports, processes"], nodes))


main()
