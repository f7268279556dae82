#!/bin/sh
# A thermometer behind a mailbox: a shell script that Erlang and Elixir call as they call a gen_server. In the agent's configuration:
#
#     [mailbox.thermometer]
#     command = ["/usr/local/lib/beamless/thermometer.sh"]
#
# and from Elixir:
#
#     GenServer.call({:thermometer, :"edge1@nuc1"}, :read)                          gives {:celsius, 21.5}
#     GenServer.cast({:thermometer, :"edge1@nuc1"}, {:report, :hub, :"hub@nuc3"})   sends that to :hub on hub@nuc3
#
# Each line that it reads is {call,Id,Request}, {cast,Request} or {info,Message}. What it writes on standard output are answers and
# messages, a line each; what it writes on standard error stands in the agent's log. When its input ends, so does it.

sensor=${SENSOR:-/sys/class/thermal/thermal_zone0/temp}

# The reading as a term. Linux has thousandths of a degree; awk makes a float of them.
reading() {
    if read -r milli <"$sensor"; then
        LC_ALL=C awk "BEGIN { printf \"{celsius,%.3f}\", $milli / 1000 }"
    else
        printf '{error,no_sensor}'
    fi
}

# echo would take a backslash for more than it is
say() { printf '%s\n' "$1"; }

while IFS= read -r line; do
    case $line in
        '{call,'*',read}')
            id=${line#'{call,'}
            say "{reply,${id%%,*},$(reading)}"
            ;;
        '{call,'*)
            id=${line#'{call,'}
            say "{reply,${id%%,*},{error,unknown_request}}"
            ;;
        '{cast,{report,'*'}}')
            # hub,'hub@nuc3' goes out as it came in
            to=${line#'{cast,{report,'}
            say "{send,${to%'}}'},$(reading)}"
            ;;
        *)
            say "not understood: $line" >&2
            ;;
    esac
done
