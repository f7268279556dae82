//! SEED, steps 5 and 6, as a person types them: a node `demo` on each of two hosts, with cookies that differ and with the same.

use std::fs;

use crate::binaries::beamless;
use crate::children::command;
use crate::lan::Lan;
use crate::support::{Agent, Shell, World, until};

const NUC0: &str = "roger-nuc0";
const NUC3: &str = "roger-nuc3";

/// Types a line into a shell, and waits until it prints this.
fn types(shell: &mut Shell, line: &str, prints: &str) {
    let from = shell.log.len();
    shell.paste(line);
    assert!(shell.log.wait_from(from, &[prints]).is_some(), "{line}: no {prints}: {}", shell.log.text());
}

/// `erl -sname demo` with a shell, on a host, with this cookie.
fn erl(world: &World, cookie: &str) -> Shell {
    world.shell(&["-sname", "demo", "-setcookie", cookie])
}

/// What is typed until it is there.
fn flushes(shell: &mut Shell, prints: &str) {
    until(prints, || {
        shell.paste("flush().");
        (shell.log.count(&[prints]) > 0).then_some(())
    });
}

/// `beamless recv shell` as the node `demo` of a host: it prints what is sent to `shell`.
fn recv(world: &World) -> Agent {
    let mut command = command(beamless());
    command.args(["recv", "--sname", "demo", "shell"]);
    let agent = world.launch_as(command);
    agent.wait(&["up as"]);
    agent
}

/// The words with which `demo` of this host is turned away.
fn rejected(host: &str) -> String {
    format!("Connection attempt from node 'demo@{host}' rejected. Invalid challenge reply.")
}

/// As the author did it, with Erlang on both: it is what the rest has to read like.
#[test]
fn erlang_on_both_hosts() {
    let Some(lan) = Lan::relayed(&[NUC0, NUC3]) else { return };
    let [zero, three] = [NUC0, NUC3].map(|host| lan.host(host));
    let _epmds = [zero.epmd(), three.epmd()];
    let (mut here, mut there) = (erl(&zero, "one"), erl(&three, "two"));
    three.wait_for_names(&["demo"]);
    zero.wait_for_names(&["demo"]);
    types(&mut here, "net_kernel:connect_node('demo@roger-nuc3').", "false");
    assert!(there.log.wait_from(0, &[&format!("** {} **", rejected(NUC0))]).is_some(), "{}", there.log.text());
    types(&mut here, "erlang:set_cookie(node(), two).", "true");
    types(&mut here, "net_kernel:connect_node('demo@roger-nuc3').", "true");
    types(&mut here, "nodes().", "['demo@roger-nuc3']");
    types(&mut there, "nodes().", "['demo@roger-nuc0']");
    types(&mut there, "register(shell, self()).", "true");
    types(&mut here, "{shell, 'demo@roger-nuc3'} ! hello.", "hello");
    flushes(&mut there, "Shell got hello");
}

/// Erlang connects to beamless.
#[test]
fn erlang_comes_to_beamless() {
    let Some(lan) = Lan::relayed(&[NUC0, NUC3]) else { return };
    let [zero, three] = [NUC0, NUC3].map(|host| lan.host(host));
    let _epmd = zero.epmd();
    // the other host's is its own
    let demo = recv(&three);
    zero.wait_for_names(&[]);
    three.wait_for_names(&["demo"]);
    let mut shell = erl(&zero, "another");
    types(&mut shell, "net_kernel:connect_node('demo@roger-nuc3').", "false");
    let line = demo.wait(&[&rejected(NUC0)]);
    assert!(line.contains("cookie"), "it is not said what to do: {line}");
    types(&mut shell, "nodes(connected).", "[]");
    types(&mut shell, &format!("erlang:set_cookie(node(), '{}').", zero.cookie), "true");
    types(&mut shell, "net_kernel:connect_node('demo@roger-nuc3').", "true");
    types(&mut shell, "{nodes(), nodes(hidden)}.", "{[],['demo@roger-nuc3']}");
    types(&mut shell, "{shell, 'demo@roger-nuc3'} ! hello.", "hello");
    demo.wait(&["hello"]);
    assert_eq!((zero.epmd_names().len(), three.epmd_names().len()), (1, 1));
}

/// beamless connects to Erlang: its cookie comes from a file, and so does the one of Erlang at last.
#[test]
fn beamless_comes_to_erlang() {
    let Some(lan) = Lan::relayed(&[NUC0, NUC3]) else { return };
    let [zero, three] = [NUC0, NUC3].map(|host| lan.host(host));
    let _epmd = three.epmd();
    let mut shell = erl(&three, "another");
    three.wait_for_names(&["demo"]);
    let demo = zero.agent(&["--sname", "demo", "--connect", "demo@roger-nuc3"]);
    assert_eq!(demo.node, "demo@roger-nuc0");
    let line = demo.wait(&["demo@roger-nuc3", "cookie"]);
    assert!(line.contains("cannot connect to demo@roger-nuc3"), "{line}");
    assert!(shell.log.wait_from(0, &[&format!("** {} **", rejected(NUC0))]).is_some(), "{}", shell.log.text());
    types(&mut shell, "nodes(connected).", "[]");
    types(
        &mut shell,
        "erlang:set_cookie(node(), list_to_atom(binary_to_list(element(2, file:read_file(\".erlang.cookie\"))))).",
        "true",
    );
    demo.wait(&["node up", "demo@roger-nuc3"]);
    types(&mut shell, "{nodes(), nodes(hidden)}.", "{[],['demo@roger-nuc0']}");
    types(&mut shell, "net_adm:ping('demo@roger-nuc0').", "pong");
    types(&mut shell, "register(shell, self()).", "true");
    zero.tool(&["send", "demo@roger-nuc3", "shell", "hello"]).done("");
    flushes(&mut shell, "Shell got hello");
    types(&mut shell, "{echo, 'demo@roger-nuc0'} ! {self(), back}.", "back");
    flushes(&mut shell, "Shell got {echo,back}");
}

/// Neither side is an Erlang, and it reads the same.
#[test]
fn beamless_on_both_hosts() {
    let Some(lan) = Lan::relayed(&[NUC0, NUC3]) else { return };
    let [zero, three] = [NUC0, NUC3].map(|host| lan.host(host));
    let there = recv(&three);
    let other = zero.with_cookie("ANOTHERCOOKIEANOTHER");
    let here = other.agent(&["--sname", "demo", "--connect", "demo@roger-nuc3"]);
    there.wait(&[&rejected(NUC0)]);
    here.wait(&["cannot connect to demo@roger-nuc3", "cookie"]);
    drop(here);
    // the same file on both
    fs::copy(three.home.join(".erlang.cookie"), other.home.join("copy")).unwrap();
    let here = other.agent(&[
        "--sname",
        "demo",
        "--connect",
        "demo@roger-nuc3",
        "--cookie-file",
        &other.home.join("copy").display().to_string(),
    ]);
    here.wait(&["node up", "demo@roger-nuc3"]);
    there.wait(&["node up", "demo@roger-nuc0"]);
    zero.tool(&["send", "demo@roger-nuc3", "shell", "hello"]).done("");
    there.wait(&["hello"]);
}
