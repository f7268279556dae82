#!/usr/bin/env python3
"""A thermometer behind a mailbox: a Python script that Erlang and Elixir call as they call a gen_server. In the agent's configuration:

    [mailbox.thermometer]
    command = ["/usr/local/lib/beamless/thermometer.py"]
    format = "json"

and from Elixir:

    GenServer.call({:thermometer, :"edge1@nuc1"}, :read)                          gives {:celsius, 21.5}
    GenServer.cast({:thermometer, :"edge1@nuc1"}, ["report", "hub", "hub@nuc3"])  sends that to :hub on hub@nuc3

Each line that it reads is {"call": ID, "request": ..}, {"cast": ..} or {"info": ..}, where atoms are strings. What it writes on standard
output are answers and messages, a line each, flushed at once; what it writes on standard error stands in the agent's log, and if it
ends with an exception, so does that. When its input ends, so does it.
"""

import json
import os
import sys

SENSOR = os.environ.get("SENSOR", "/sys/class/thermal/thermal_zone0/temp")


def reading():
    """{celsius, 21.5}. Linux has thousandths of a degree."""
    try:
        with open(SENSOR) as file:
            return {"@tuple": [{"@atom": "celsius"}, int(file.read()) / 1000]}
    except OSError:
        return {"@tuple": [{"@atom": "error"}, {"@atom": "no_sensor"}]}


def say(message):
    print(json.dumps(message), flush=True)


for line in sys.stdin:
    message = json.loads(line)
    cast = message.get("cast")
    if "call" in message and message["request"] == "read":
        say({"reply": message["call"], "value": reading()})
    elif "call" in message:
        say({"reply": message["call"], "value": {"@tuple": [{"@atom": "error"}, {"@atom": "unknown_request"}]}})
    elif isinstance(cast, list) and len(cast) == 3 and cast[0] == "report":
        say({"send": cast[1], "node": cast[2], "message": reading()})
    else:
        print("not understood:", line.strip(), file=sys.stderr)
