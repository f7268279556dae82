//! The configuration file: what is refused, and how; what is taken, with a real Erlang to see that it holds.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::binaries::beamless;
use crate::children::command;
use crate::pki::Ca;
use crate::support::{Agent, World, free_port};

/// Writes a configuration file into the home of a world; the test is run there.
fn write(world: &World, text: &str) -> &'static str {
    fs::write(world.home.join("beamless.toml"), text).unwrap();
    "beamless.toml"
}

/// An agent with this file, which is up.
fn configured(world: &World, text: &str) -> Agent {
    world.agent(&["--config", write(world, text)])
}

/// Runs the agent to its end; its exit code, and what it said.
fn ended(world: &World, args: &[&str]) -> (Option<i32>, String) {
    let mut agent = world.launch(args);
    (agent.exit_code(), agent.log.text())
}

/// What `--check` says of a file that is right.
fn checked(world: &World, args: &[&str]) -> String {
    let (code, said) = ended(world, &[&["--check"], args].concat());
    assert_eq!(code, Some(0), "{args:?}: {said}");
    said
}

/// The host's short name, as the agent works it out.
fn host(world: &World) -> String {
    let said = checked(world, &["--sname", "x"]);
    said.lines().find_map(|line| line.strip_prefix("node")?.trim().strip_prefix("x@")?.split(',').next()).unwrap().to_owned()
}

/// A folder with a CA, a certificate and its key.
fn tls_folder(world: &World) -> PathBuf {
    Ca::new("test").folder(&world.home.join("tls"), &["a"])
}

/// An option or a variable wins over the file, and what is wrong with a certificate ends the agent before it has begun.
#[test]
fn certificates_are_checked() {
    let world = World::new();
    let folder = tls_folder(&world);
    let folder = folder.to_str().unwrap();
    let file = write(&world, "sname = \"demo\"\n[tls]\ndir = \"none\"\nversions = [\"1.3\"]");
    let (code, said) = ended(&world, &["--config", file]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("error: TLS: ") && said.contains("none/tls.crt: No such file or directory"), "{said}");
    assert_eq!(ended(&world, &["--check", "--config", file]), (code, said));
    let said = checked(&world, &["--config", file, "--tls-dir", folder]);
    assert!(said.contains("\ntls       certificate for a, valid until 2"), "{said}");
    let other = Ca::new("other").folder(&world.home.join("other"), &["b"]);
    fs::copy(other.join("tls.key"), world.home.join("tls/tls.key")).unwrap();
    let (code, said) = ended(&world, &["--sname", "demo", "--tls-dir", folder]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("tls.key: it is not the key of the certificate: one of the two is newer than the other"), "{said}");
}

/// Every file of `config_wrong.txt`, with the lines that stand there, from a start and from a check.
#[test]
fn wrong_files_are_refused_with_line_and_key() {
    let world = World::new();
    let host = host(&world);
    let path = std::env::var("PATH").unwrap();
    let cases = include_str!("config_wrong.txt").split("----\n").skip(1);
    let mut count = 0;
    for case in cases {
        let (expected, text): (Vec<&str>, Vec<&str>) = case.lines().partition(|line| line.starts_with(['=', '?']));
        let text = text.join("\n");
        let file = write(&world, &text);
        let is_refused = |args: &[&str], expected: &[&str]| {
            let (code, said) = ended(&world, &[args, &["--config", file]].concat());
            assert_eq!(code, Some(2), "{text}\n{said}");
            let said: Vec<&str> = said.lines().collect();
            assert_eq!(said.len(), expected.len(), "{text}\n{said:#?}");
            for (said, line) in said.iter().zip(expected) {
                let line = line
                    .replace("demo@HOST", &format!("demo@{host}"))
                    .replace("HOME", world.home.to_str().unwrap())
                    .replace("(PATH)", &format!("({path})"));
                let line = format!("error: beamless.toml:{}", &line[3..]);
                assert!(said.starts_with(&line), "{text}\n{said}\n{line}");
            }
        };
        is_refused(&["--check"], &expected);
        let of_start: Vec<&str> = expected.into_iter().filter(|line| line.starts_with('=')).collect();
        if !of_start.is_empty() {
            is_refused(&[], &of_start);
        }
        count += 1;
    }
    assert!(count > 100, "{count}");
}

#[test]
fn many_faults_are_told_up_to_a_number() {
    let world = World::new();
    let lines: Vec<String> = (0..14).map(|number| format!("key{number} = 1\n")).collect();
    let (code, said) = ended(&world, &["--sname", "demo", "--config", write(&world, &lines.concat())]);
    assert_eq!((code, said.lines().count()), (Some(2), 11), "{said}");
    assert!(said.ends_with("error: beamless.toml: and 4 more faults"), "{said}");
}

#[test]
fn what_is_no_configuration_file_is_named() {
    let world = World::new();
    let refused = |name: &str, words: &str| {
        let (code, said) = ended(&world, &["--config", name]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.starts_with(&format!("error: {name}: {words}")), "{said}");
    };
    refused("missing.toml", "No such file or directory");
    refused(".", "not a regular file");
    refused("/dev/null", "not a regular file");
    fs::write(world.home.join("empty.toml"), "").unwrap();
    refused("empty.toml", "it is empty");
    let (code, said) = {
        fs::write(world.home.join("binary.toml"), b"# \xc3\xa9\nsname = \"\xff\"").unwrap();
        ended(&world, &["--config", "binary.toml"])
    };
    assert_eq!((code, said.as_str()), (Some(2), "error: binary.toml:2:10: not UTF-8 text: a byte 0xff"));
    // what the parser says of characters that a terminal obeys
    fs::write(world.home.join("escapes.toml"), "sname = \"a\x1b[2J\x07\"\n\x1b]0;x = 1\n").unwrap();
    let (code, said) = ended(&world, &["--config", "escapes.toml"]);
    assert!(code == Some(2) && !said.chars().any(|c| c.is_control() && c != '\n'), "{said:?}");
    fs::write(world.home.join("large.toml"), "#".repeat(1 << 20)).unwrap();
    refused("large.toml", "larger than 1 MiB");
}

/// A directory that was removed has no path, and what can be found from it is found.
#[test]
fn a_working_directory_that_was_removed_is_no_hindrance() {
    let world = World::new();
    write(&world, "sname = \"x\"\n");
    let mut shell = command("sh");
    let script = "mkdir gone && cd gone && rmdir ../gone && exec \"$0\" run --check --config ../beamless.toml";
    shell.args(["-c", script]).arg(beamless());
    let mut agent = world.launch_as(shell);
    assert_eq!(agent.exit_code(), Some(0), "{}", agent.log.text());
}

/// What flags get wrong beside a file is told of the flag.
#[test]
fn a_fault_of_a_flag_is_one_of_the_flag() {
    let world = World::new();
    let file = write(&world, "sname = \"demo\"\nvisible = 1\n");
    let (code, said) = ended(&world, &["--config", file, "--connect", "a@b@c", "--sname", "de.mo"]);
    assert_eq!(code, Some(2));
    let said: Vec<&str> = said.lines().collect();
    assert!(said[0].starts_with("error: --sname de.mo: "), "{said:?}");
    assert!(said[1].starts_with("error: --connect a@b@c: "), "{said:?}");
    assert!(said[2].starts_with("error: beamless.toml:2:11: visible: 1: "), "{said:?}");
    let file = write(&world, "sname = \"demo\"\n[sizes]\nnodes = 1\n");
    let (code, said) = ended(&world, &["--config", file, "--connect", "a", "--connect", "b"]);
    assert_eq!(code, Some(2));
    assert!(said.starts_with("error: --connect: 2 nodes are more than there is room for: write nodes = 2"), "{said}");
}

/// `--check` says what would be, and does nothing: no cookie is made, and EPMD's port stays free.
#[test]
fn a_check_says_what_would_be_done() {
    let world = World::without_cookie_file();
    let host = host(&world);
    fs::write(world.home.join("run me"), "#!/bin/sh\n").unwrap();
    fs::write(world.home.join("secret"), "open sesame\n").unwrap();
    fs::set_permissions(world.home.join("secret"), Permissions::from_mode(0o400)).unwrap();
    let text = r#"
        sname = "demo"
        listen = "127.0.0.1:4711"
        epmd = "embedded"
        visible = true
        tick_time = "90s"
        allow = ["hub", "hub@nuc3"]
        connect = ["hub", "store@nuc4"]
        [sizes]
        nodes = 4
        message = "8KiB"
        [discover]
        epmd = ["nuc3", "nuc4"]
        every = "1m"
        [discover.gossip]
        secret_file = "secret"
        interface = "eth0"
        listen = true
        [[publish]]
        file = "beamless.toml"
        every = "1.5s"
        as = "number"
        divide = 1000
        to = "collector"
        node = "hub"
        [[publish]]
        command = ["sh", "-c", "date +%s"]
        every = "10s"
        to = "collector"
        node = "hub@nuc3"
        label = "time"
        keep = 5
        [[publish]]
        file = "temp"
        every = "10s"
        pubsub = "My.PubSub"
        topic = "readings"
        [[publish]]
        file = "temp"
        every = "10s"
        group = "sensors:kitchen"
        keep = 7
        [[publish]]
        file = "temp"
        every = "10s"
        to = "collector"
        node = ["store@nuc4", "hub@nuc3"]
        [[publish]]
        file = "temp"
        every = "10s"
        to = "collector"
        nodes = ["store@nuc4", "hub@nuc3"]
        [keep]
        memory = "64KiB"
        [mailbox.sensor]
        command = ["cat"]
        format = "json"
        groups = ["temps", "sensors:kitchen"]
        global = "therm"
        [mailbox.display]
        command = ["cat"]
        pubsub = "My.PubSub"
        topics = ["commands", "alarms"]
        pool_size = 2
        [functions]
        "box:time/0" = { command = ["date"], output = "term", timeout = "1h" }
    "#;
    let said = checked(&world, &["--config", write(&world, text)]);
    for line in [
        &format!("node      demo@{host}, visible"),
        "listen    127.0.0.1:4711",
        &format!("epmd      served on port {}", world.epmd_port),
        &format!("cookie    a new one would be made, in {}/.erlang.cookie", world.home.display()),
        "allow     every node on hub, hub@nuc3",
        "tick time 90s",
        "sizes     4 nodes, 14 mailboxes, messages of 8 KiB, 1024 watches, 250 requests: ",
        &format!("connect   hub@{host}"),
        "connect   store@nuc4",
        "discover  what EPMD names on nuc3, nuc4, asked every 1m",
        &format!(
            "gossip    heartbeats to 233.252.1.32 on port 45892 by eth0, with the secret in {}/secret; whoever says one is connected",
            world.home.display()
        ),
        &format!(
            "publish   {}/beamless.toml as a number divided by 1000, every 1500ms, to collector on hub@{host}",
            world.home.display()
        ),
        "date +%s\" as text, every 10s, to collector on hub@nuc3, labelled time; 5 are kept while it is away",
        "mailbox   sensor: /",
        "cat, with lines of JSON; registered globally as therm; in pg:temps, sensors:kitchen, so that it drops the oldest when it is full",
        "cat, with lines of Erlang terms; told of commands, alarms of My.PubSub; in Elixir.Phoenix.PubSub:Elixir.My.PubSub.Adapter, \
         Elixir.Phoenix.PubSub:Elixir.My.PubSub.Adapter_2, so that it drops the oldest when it is full",
        "groups    16 places of mailboxes, 64 members on other nodes",
        "as text, every 10s, to topic readings of My.PubSub on every connected node that runs it, labelled temp\n",
        "as text, every 10s, to the members of group sensors:kitchen on other nodes, labelled temp; 7 are kept while it has none",
        "kept      while a node is away: at most 64 KiB in memory",
        "to collector on store@nuc4 or hub@nuc3, labelled temp\n",
        "to collector on store@nuc4 and hub@nuc3, labelled temp\n",
        "function  box:time/0 gives the term it prints: /",
        "date, for up to 1h",
        "checked   beamless.toml is right; nothing was started",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert!(!world.home.join(".erlang.cookie").exists());
    let said = checked(&world, &["--config", write(&world, "sname = \"demo\"\n[discover]\ngossip = true\n")]);
    assert!(
        said.contains("\ngossip    heartbeats to 233.252.1.32 on port 45892, for all to read\n") && !said.contains("discover"),
        "{said}"
    );
    // without a file, too
    let said = checked(&world, &["--name", "demo@127.0.0.1", "--epmd", "none", "--connect", "hub"]);
    for line in
        ["node      demo@127.0.0.1, hidden", "listen    127.0.0.1 at any free port", "epmd      none", "connect   hub@127.0.0.1"]
    {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let said = checked(&world, &["--dynamic", "127.0.0.1", "--connect", "hub"]);
    for line in [
        "node      a name on 127.0.0.1, which the first node gives it, hidden\n",
        "listen    nowhere; dials out only: reached through the nodes it connects to\n",
        "epmd      that of each host on port ",
        "connect   hub@127.0.0.1\n",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let said = checked(&world, &["--sname", "demo", "--listen", "none"]);
    assert!(said.contains("\nconnect   no node, so nobody can reach this one: "), "{said}");
    let (code, said) = ended(&world, &["--check"]);
    assert!(code == Some(2) && said.contains("--sname"), "{said}");
    let (code, said) = ended(&world, &["--check", "--sname", "demo", "--cookie-file", "none"]);
    assert!(code == Some(2) && said.contains("none: not there"), "{said}");
}

/// Flags win; what they leave out, the file says. Paths in it begin where it is.
#[test]
fn flags_win_over_the_file() {
    let world = World::new();
    let epmd = world.epmd();
    let folder = world.home.join("etc");
    fs::create_dir(&folder).unwrap();
    fs::copy(world.home.join(".erlang.cookie"), folder.join("cookie")).unwrap();
    let text = "sname = \"file\"\ncookie_file = \"cookie\"\nvisible = true\nconnect = [\"nobody\"]\nlisten = \"127.0.0.2\"\n";
    fs::write(folder.join("b.toml"), text).unwrap();
    let erl = world.erl(&["-sname", "a"]);
    let mut agent = world.agent(&["--config", "etc/b.toml", "--sname", "flag", "--listen", "0.0.0.0", "--connect", "a"]);
    assert!(agent.node.starts_with("flag@"), "{}", agent.node);
    let line = agent.wait(&["up as "]);
    assert!(line.contains(" on 0.0.0.0:") && line.ends_with("/etc/cookie"), "{line}");
    erl.eval_until(&format!("nodes() =:= [{}]", agent.atom()), "true");
    assert_eq!(agent.log.count(&["nobody"]), 0, "{}", agent.log.text());
    agent.signal("TERM");
    assert_eq!(agent.exit_code(), Some(0));
    // a cookie file of the file that is not there matters no more when another is given
    fs::remove_file(folder.join("cookie")).unwrap();
    assert_eq!(ended(&world, &["--check", "--config", "etc/b.toml"]).0, Some(2));
    checked(&world, &["--config", "etc/b.toml", "--cookie-file", ".erlang.cookie"]);
    drop(epmd);
}

#[test]
fn epmd_is_where_the_file_says() {
    let world = World::new();
    let _epmd = world.epmd();
    let port = world.epmd_port;
    // where the environment says, nobody is
    let other = world.with_epmd_port(free_port());
    let text = format!("sname = \"demo\"\nepmd = \"external\"\nepmd_port = {port}\n");
    let agent = configured(&other, &text);
    agent.wait(&[&format!("epmd external on port {port}")]);
    world.wait_for_names(&["demo"]);
    assert_eq!(world.erl(&["-sname", "a"]).eval(&format!("net_adm:ping({})", agent.atom())), "pong");
    // one that nobody finds, but which finds others
    let erl = world.erl(&["-sname", "b"]);
    let hermit = configured(&world, "sname = \"hermit\"\nepmd = \"none\"\nconnect = [\"b\"]\n");
    hermit.wait(&["up as hermit@", "no epmd"]);
    erl.eval_until(&format!("nodes(hidden) =:= [{}]", hermit.atom()), "true");
    assert!(!world.epmd_names().iter().any(|line| line.contains("hermit")));
    drop(agent);
    world.wait_for_names(&["b"]);
    let other = world.with_epmd_port(free_port());
    let text = format!("sname = \"demo\"\nepmd = \"embedded\"\nepmd_port = {}\n", other.epmd_port);
    configured(&world, &text).wait(&[&format!("epmd embedded on port {}", other.epmd_port)]);
}

/// Only who is on the list connects; the others are told, and so is whoever reads the log.
#[test]
fn nodes_that_are_not_allowed_do_not_get_in() {
    let world = World::new();
    let _epmd = world.epmd();
    let agent = configured(&world, "sname = \"demo\"\nallow = [\"a@HOST\", \"nuc9\"]\n".replace("HOST", &host(&world)).as_str());
    let (a, b) = (world.erl(&["-sname", "a"]), world.erl(&["-sname", "b"]));
    let ping = format!("net_adm:ping({})", agent.atom());
    assert_eq!((b.eval(&ping), a.eval(&ping)), ("pang".to_owned(), "pong".to_owned()));
    agent.wait(&["warn: ** Connection attempt from node 'b@", "not on the list of allowed nodes"]);
    // all nodes of a host
    drop(agent);
    let text = format!("sname = \"demo\"\nallow = [\"{}\"]\n", host(&world));
    let _agent = configured(&world, &text);
    b.eval_until(&ping, "pong");
}

#[test]
fn there_are_as_many_places_as_the_file_says() {
    let world = World::new();
    let _epmd = world.epmd();
    let agent = configured(&world, "sname = \"demo\"\n[sizes]\nnodes = 1\nmessage = \"8KiB\"\n");
    let (a, b) = (world.erl(&["-sname", "a"]), world.erl(&["-sname", "b"]));
    let ping = format!("net_adm:ping({})", agent.atom());
    assert_eq!(a.eval(&ping), "pong");
    assert_eq!(b.eval(&ping), "pang");
    agent.wait(&["warn: no room for b@", "enlarge `nodes` in [sizes]"]);
    // the tuple, the sender and the receiver are some of the 8192 bytes
    let send = |size: u32| format!("{{echo,{}}} ! {{self(), binary:copy(<<0>>, {size})}}, ok", agent.atom());
    assert_eq!(a.eval(&send(8000)), "ok");
    assert_eq!(a.eval("receive {echo, _} -> 1 after 0 -> 0 end"), "0");
    assert_eq!(a.eval(&send(8192)), "ok");
    let line = agent.wait(&["to echo from", "is too large", "skipped"]);
    assert!(line.contains(": 8") && agent.log.count(&["is too large"]) == 1, "{line}");
    // the largest that can be sent has 2048 bytes less
    let call = |size: u32| format!("byte_size(gen_server:call({{echo,{}}}, binary:copy(<<0>>, {size}), 60000))", agent.atom());
    assert_eq!(a.eval(&call(6000)), "6000");
}

/// A node that is stopped is silent; the agent sees it long before the 60 seconds are over that it would wait otherwise.
#[test]
pub(crate) fn a_tick_time_is_that_of_the_file() {
    let world = World::new();
    let _epmd = world.epmd();
    let agent = configured(&world, "sname = \"demo\"\ntick_time = \"1s\"\nvisible = false\n");
    let erl = world.erl(&["-sname", "a", "-kernel", "net_ticktime", "4"]);
    assert_eq!(erl.eval(&format!("net_adm:ping({})", agent.atom())), "pong");
    assert_eq!(erl.eval("{nodes(), length(nodes(hidden))}"), "{[],1}");
    erl.signal("STOP");
    agent.wait(&["node down: a@", "silent"]);
    erl.signal("CONT");
}

/// The example that comes with the packages: as it is, and with every example in it taken.
#[test]
fn the_example_is_right() {
    let world = World::new();
    let host = host(&world);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cross/beamless.toml");
    let said = checked(&world, &["--config", path.to_str().unwrap()]);
    assert!(said.contains(&format!("node      beamless@{host}, hidden")), "{said}");
    assert!(
        !["connect ", "discover", "gossip", "publish", "mailbox ", "function"]
            .iter()
            .any(|word| said.contains(&format!("\n{word}"))),
        "{said}"
    );
    let text = fs::read_to_string(path).unwrap();
    // every key that the manual page names
    let page = world.tool(&["man", "beamless.toml"]).out;
    let keys: Vec<&str> = page.lines().filter_map(|line| Some(line.strip_prefix("\\fB")?.split_once(" = ")?.0)).collect();
    assert!(keys.len() > 30, "{page}");
    for key in keys {
        assert!(text.contains(&format!("{key} = ")), "{key} is not in the example");
    }
    let take = |line: &str| match line.strip_prefix('#') {
        Some(example) if !example.is_empty() && !example.starts_with(' ') => example.to_owned(),
        _ => line.to_owned(),
    };
    let all: Vec<String> = text.lines().map(take).collect();
    let cookie = world.home.join(".erlang.cookie");
    let all = all.join("\n").replace("/etc/beamless/cookie", cookie.to_str().unwrap());
    let all = all.replace("/etc/beamless/gossip", cookie.to_str().unwrap());
    let folder = tls_folder(&world);
    fs::write(folder.join("crl.pem"), "").unwrap();
    let all = all.replace("/etc/beamless/tls", folder.to_str().unwrap());
    let said = checked(&world, &["--config", write(&world, &all)]);
    for line in [
        "tls       certificate for a, valid until 2",
        "listen    0.0.0.0:9100",
        "connect   store@nuc4",
        "discover  ",
        "gossip    ",
        "publish   ",
        "mailbox   thermometer",
        "function  box:sum/2",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
}
