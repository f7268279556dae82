//! A file that takes its time to be read, as a sensor's does, or one on a file system that hangs: the agent reads it beside its loop.

use std::fs;

use crate::binaries::beamless;
use crate::children::command;
use crate::support::World;

/// strace holds up whoever reads this file, and nobody else.
#[test]
fn a_slow_file_holds_up_nothing() {
    let world = World::new();
    let path = |name: &str| world.home.join(name).display().to_string();
    for name in ["slow", "fast"] {
        fs::write(path(name), "7\n").unwrap();
    }
    let publish = |name: &str| {
        format!(
            "[[publish]]\nfile = {name:?}\nas = \"number\"\nevery = \"100ms\"\nto = \"collector\"\nnode = \"a\"\nkeep = 1000\n"
        )
    };
    fs::write(path("beamless.toml"), format!("sname = \"demo\"\n{}{}", publish("slow"), publish("fast"))).unwrap();
    let mut strace = command("strace");
    strace.args(["-D", "-f", "-q", "-o", "/dev/null", "-P", &path("slow"), "-e", "inject=read:delay_enter=2s"]);
    strace.arg(beamless()).args(["run", "--config", "beamless.toml"]);
    let mut demo = world.launch_as(strace);
    demo.wait_until_up();
    let erl = world.erl(&["-sname", "a"]);
    erl.eval("register(collector, self())");
    // those that came between two of the slow one
    let fast = erl.eval(
        "(fun() ->
            Next = fun() -> receive {publish, _, Label, _, 7, _} -> Label after 60000 -> exit(nothing) end end,
            Until = fun Until(N) -> case Next() of <<\"slow\">> -> N; <<\"fast\">> -> Until(N + 1) end end,
            Until(0), Until(0)
        end)()",
    );
    assert!(fast.parse::<u32>().unwrap() >= 5, "{fast}");
    assert_eq!(erl.eval(&format!("gen_server:call({{echo, {}}}, hello, 60000)", demo.atom())), "hello");
    demo.wait(&["warn: publish slow: its file takes longer than its interval: readings are left out"]);
    demo.signal("TERM");
    assert_eq!(demo.exit_code(), Some(0));
}
