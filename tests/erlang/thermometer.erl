%% What the tests serve from Rust, for real: a BEAM that has this module gives what a node without one has to give.
-module(thermometer).
-export([read/0, set/2, fail/2, slow/0]).

read() -> 21.5.

set(Room, Value) -> {Room, Value}.

fail(error, Reason) -> error(Reason);
fail(exit, Reason) -> exit(Reason);
fail(throw, Reason) -> throw(Reason).

slow() -> receive after infinity -> never end.
