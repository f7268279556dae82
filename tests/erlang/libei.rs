//! Nodes on Erlang's C library: a program of ours that is linked with it, and `erl_call`, which comes with Erlang.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::children::command;
use crate::support::{Agent, Erl, World, otp, until};

/// The library's folder, with `include` and `lib` in it.
fn library() -> PathBuf {
    let below = |folder: PathBuf| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.filter(|path| path.join("lib/libei.a").exists()).max()
    };
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/otp/cache/libei/usr/lib/erlang/lib");
    let named = std::env::var_os("BEAMLESS_LIBEI").map(PathBuf::from).filter(|path| path.join("lib/libei.a").exists());
    named.or_else(|| below(fetched)).or_else(|| below("/usr/lib/erlang/lib".into())).unwrap_or_else(|| {
        panic!(
            "there is no libei.a: tests/otp/get brings it, apt-get install erlang-dev does, and BEAMLESS_LIBEI names its folder"
        )
    })
}

/// The program, compiled once in a test run.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let (library, program) = (library(), crate::children::folder("libei").join("node"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/erlang/libei/node.c");
        let mut cc = command("cc");
        cc.args(["-Wall", "-Werror", "-pthread", source, "-o"]).arg(&program);
        cc.arg("-I").arg(library.join("include")).arg("-L").arg(library.join("lib")).arg("-lei");
        let output = cc.output().expect("a C compiler");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        program
    })
}

fn c_command(world: &World, mode: &str, alive: &str, more: &[&str]) -> Command {
    let mut command = command(program());
    command.args([mode, alive, "localhost", &world.cookie]).args(more);
    command
}

/// A node `ALIVE@localhost` on libei that serves.
fn c_node(world: &World, mode: &str, alive: &str) -> Agent {
    let node = world.launch_as(c_command(world, mode, alive, &[]));
    node.wait(&["up on"]);
    node
}

/// Runs a program to its end: its exit code and what it printed.
fn ran(world: &World, mut command: Command) -> (Option<i32>, String) {
    world.dress(&mut command);
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

/// What stands between the names of an operation and of a peer, what a BEAM makes of it, and what beamless does.
fn row(what: &str, beam: &str, beamless: &str) {
    println!("| {what} | {beam} | {} |", beamless.trim_end().replace('\n', "; "));
}

/// A world with an EPMD, an Erlang `beam@localhost` and a C node `c@localhost`.
fn world(mode: &str) -> (World, crate::support::Epmd, Erl, Agent) {
    let world = World::new();
    let epmd = world.epmd();
    let erl = world.erl(&["-sname", "beam@localhost"]);
    let node = c_node(&world, mode, "c");
    (world, epmd, erl, node)
}

/// What is asked of it.
#[test]
fn it_is_asked_as_a_beam_asks_it() {
    let (world, _epmd, erl, node) = world("serve");
    println!("| to a node on libei | a BEAM | beamless |\n|---|---|---|");
    let beams = |source: &str| {
        let value = erl.eval(source);
        // it serves one connection after the other
        erl.eval("erlang:disconnect_node(c@localhost)");
        value
    };
    let beam = beams("net_adm:ping(c@localhost)");
    let ping = world.tool(&["ping", "--timeout", "60", "c@localhost"]);
    row("ping", &beam, &ping.out);
    assert_eq!((beam.as_str(), ping.out.as_str(), ping.code), ("pong", "pong\n", 0));

    let beam = beams("gen_server:call({echo, c@localhost}, {hello, 1}, 60000)");
    let call = world.tool(&["call", "--timeout", "60", "c@localhost", "echo", "{hello,1}"]);
    row("call", &beam, &call.out);
    assert_eq!((beam.as_str(), call.out.as_str()), ("{hello,1}", "{hello,1}\n"));

    let beam = beams("catch gen_server:call({nobody, c@localhost}, hello, 300)");
    let call = world.tool(&["call", "--timeout", "0.3", "c@localhost", "nobody", "hello"]);
    row("call of nobody", &beam, &call.err);
    assert!(beam.contains("timeout") && call.err.contains("timeout"), "{beam} {}", call.err);

    let beam = beams("{box, c@localhost} ! from_beam, net_adm:ping(c@localhost)");
    let send = world.tool(&["send", "--timeout", "60", "c@localhost", "box", "from_us"]);
    row("send", &beam, &format!("{send:?}"));
    send.done("");
    node.wait(&["REG_SEND box from_beam"]);
    node.wait(&["REG_SEND box from_us"]);

    // OTP 23 then asks net_kernel, and waits without end
    let rpc = |call: &str| if otp() < 24 { "{badrpc,notsup}".to_owned() } else { beams(call) };
    let beam = rpc("rpc:call(c@localhost, lists, reverse, [[1]])");
    let ours = world.tool(&["rpc", "--timeout", "60", "c@localhost", "lists:reverse([1])"]);
    row("rpc", &beam, &ours.err);
    assert_eq!(beam, "{badrpc,notsup}");
    ours.failed(1, "", &["notsup"]);

    let beam = rpc("rpc:call(c@localhost, erlang, nodes, [])");
    let nodes = world.tool(&["nodes", "--timeout", "60", "c@localhost"]);
    row("nodes", &beam, &nodes.err);
    nodes.failed(1, "", &["notsup"]);
    assert_eq!(node.log.count(&["?"]), 0, "{}", node.log.text());
}

/// It does not answer pings by itself: a message to it is sent all the same.
#[test]
fn a_message_is_sent_where_nobody_says_that_it_arrived() {
    let world = World::new();
    let _epmd = world.epmd();
    let node = c_node(&world, "mute", "c");
    // on a busy machine it may not even be connected in that time
    let send = until("a connection", || {
        let send = world.tool(&["send", "--timeout", "1", "c@localhost", "box", "hello"]);
        (!send.err.contains("no connection")).then_some(send)
    });
    assert_eq!((send.code, send.out.as_str()), (0, ""), "{}", send.err);
    assert!(send.err.contains("sent; whether it arrived is not known"), "{}", send.err);
    node.wait(&["REG_SEND box hello"]);
}

/// What it asks.
#[test]
fn it_is_answered_as_a_beam_answers_it() {
    let (world, _epmd, erl, _node) = world("serve");
    fs::write(world.home.join("agent.toml"), "[functions]\n\"mem:free/0\" = [\"echo\", \"17\"]\n").unwrap();
    let demo = world.agent(&["--sname", "demo@localhost", "--config", "agent.toml"]);
    erl.eval("{module, _} = code:load_binary(mem, \"mem\", element(3, compile:forms([{attribute,1,module,mem},{attribute,1,export,[{free,0}]},\
        {function,1,free,0,[{clause,1,[],[],[{integer,1,17}]}]}])))");
    erl.eval("register(box, self())");
    println!("| from a node on libei | a BEAM | beamless |\n|---|---|---|");
    let ask = |mode: &str, node: &str, more: &[&str]| ran(&world, c_command(&world, mode, "asker", &[&[node], more].concat()));
    let (beam, ours) = (ask("rpc", "beam@localhost", &[]), ask("rpc", "demo@localhost", &[]));
    row("ei_rpc", &beam.1.replace('\n', "; "), &ours.1.replace('\n', "; "));
    let lines: Vec<&str> = ours.1.lines().collect();
    assert!(
        matches!(lines[..], ["mem:free #Bin<49,55>", undef, _]
        if undef.starts_with("lists:reverse {badrpc, {'EXIT', {undef, ")),
        "{ours:?}"
    );
    assert_eq!((beam.0, ours.0, lines[0]), (Some(0), Some(0), lines[2]));

    let (beam, ours) = (ask("send", "beam@localhost", &["box"]), ask("send", "demo@localhost", &["nobody"]));
    row("ei_reg_send", &beam.1, &ours.1);
    demo.wait(&["nobody"]);
    assert_eq!(erl.eval("receive hello -> got end"), "got");

    let erl_call = |node: &str| {
        let erts = PathBuf::from(erl.eval("code:root_dir()").trim_matches('"'));
        let version = erl.eval("erlang:system_info(version)");
        let program = erts.join(format!("erts-{}/bin/erl_call", version.trim_matches('"')));
        let mut command = command(if program.exists() { program } else { "erl_call".into() });
        command.args(["-sname", node, "-c", &world.cookie, "-a", "lists reverse [[1]]"]);
        ran(&world, command)
    };
    let (beam, ours) = (erl_call("beam@localhost"), erl_call("demo@localhost"));
    row("erl_call -a 'lists reverse [[1]]'", &format!("{beam:?}"), &format!("{ours:?}"));
    assert_eq!(ours.0, Some(0), "{ours:?}");
    assert!(ours.1.starts_with("{badrpc, {'EXIT', {undef,"), "{ours:?}");
}

/// Readings for it come once each, over one connection.
#[test]
fn readings_for_it_come_once_each() {
    let world = World::new();
    let _epmd = world.epmd();
    let node = c_node(&world, "serve", "c");
    fs::write(
        world.home.join("agent.toml"),
        "[[publish]]\ncommand = [\"sh\", \"-c\", \"echo >>count; wc -l <count\"]\nas = \"number\"\nevery = \"100ms\"\n\
         label = \"n\"\nto = \"collector\"\nnode = \"c@localhost\"\n",
    )
    .unwrap();
    let demo = world.agent(&["--sname", "demo@localhost", "--config", "agent.toml"]);
    until("ten readings", || (node.log.count(&["REG_SEND collector"]) >= 10).then_some(()));
    assert_eq!((node.log.count(&["connected"]), demo.log.count(&["node up"])), (1, 1), "{}", node.log.text());
    let text = node.log.text();
    let mut readings: Vec<&str> = text.lines().filter(|line| line.starts_with("REG_SEND collector")).collect();
    let count = readings.len();
    readings.dedup();
    assert_eq!(readings.len(), count, "{text}");
}
