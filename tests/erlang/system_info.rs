//! The mailbox `system`: how the box and the node are.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use beamless::{Config, Node};

use crate::inside::storage;
use crate::support::{World, demo_and_erl, until};

#[test]
fn info_is_a_map_of_the_box_and_the_node() {
    let (_world, _demo, erl) = demo_and_erl(&[]);
    erl.eval("I = gen_server:call({system, N}, info, 60000)");
    assert_eq!(erl.eval("maps:get(node, I) =:= N"), "true");
    assert_eq!(erl.eval("maps:get(version, I)"), format!("<<\"{}\">>", env!("CARGO_PKG_VERSION")));
    let keys = "[certificate,cpus,disk,functions,health,keep,links,load,log,mailboxes,memory,node,nodes,programs,publish,running,temperatures,uptime,version]";
    assert_eq!(erl.eval("lists:sort(maps:keys(I))"), keys);
    assert_eq!(erl.eval("#{uptime := U, running := R, cpus := C} = I, U > R andalso R >= 0 andalso C > 0"), "true");
    assert_eq!(erl.eval("[A, B, C5] = maps:get(load, I), is_float(A) andalso is_float(B) andalso is_float(C5)"), "true");
    let memory = "#{memory := #{total := T, free := F, available := Av, swap_total := ST, swap_free := SF}} = I, \
                  T > F andalso T >= Av andalso ST >= SF";
    assert_eq!(erl.eval(memory), "true");
    let total: u64 = erl.eval("T").parse().unwrap();
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    let kib: u64 = meminfo.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert_eq!(total, kib * 1024);
    assert_eq!(
        erl.eval("#{disk := #{<<\"/\">> := #{total := DT, free := DF, available := DA}}} = I, DT > DF andalso DF >= DA"),
        "true"
    );
    assert_eq!(
        erl.eval("lists:all(fun({K, V}) -> is_binary(K) andalso is_float(V) end, maps:to_list(maps:get(temperatures, I)))"),
        "true"
    );
    assert_eq!(erl.eval("maps:get(functions, I) =:= #{calls => 0, failed => 0, running => 0, waiting => 0}"), "true");
    assert_eq!(erl.eval("maps:get(publish, I)"), "[]");
    assert_eq!(
        erl.eval(
            "[maps:get(K, I) || K <- [health, log, nodes, programs]] =:= [#{alarms => [], state => ok}, #{dropped => 0}, #{}, #{}]"
        ),
        "true"
    );
    // one key of it
    assert_eq!(erl.eval("gen_server:call({system, N}, {info, cpus}, 60000) =:= maps:get(cpus, I)"), "true");
}

#[test]
fn links_and_mailboxes_are_counted() {
    let (_world, _demo, erl) = demo_and_erl(&[]);
    let link = "maps:get(node(), gen_server:call({system, N}, {info, links}, 60000))";
    erl.eval(&format!("#{{visible := true}} = Before = {link}"));
    erl.eval("[{echo, N} ! {self(), I} || I <- lists:seq(1, 100)], gen_server:call({echo, N}, done, 60000)");
    erl.eval(&format!("After = {link}, More = fun(K) -> maps:get(K, After) - maps:get(K, Before) end"));
    // a call is a message and the two signals of its monitor, of which one comes after the answer
    assert_eq!(erl.eval("More(recv_cnt)"), "106");
    assert_eq!(erl.eval("More(send_cnt)"), "102");
    assert_eq!(erl.eval("More(recv_oct) > 100 * 30 andalso More(send_oct) > 100 * 30"), "true");
    let boxes = "#{echo => #{dropped => 0, received => 101}, system => #{dropped => 0, received => 3}}";
    assert_eq!(erl.eval(&format!("gen_server:call({{system, N}}, {{info, mailboxes}}, 60000) =:= {boxes}")), "true");
}

#[test]
fn what_is_no_question_is_refused_or_ignored() {
    let (world, _demo, erl) = demo_and_erl(&[]);
    let refused = "{error,{unknown_request,<<\"ask with info, or {info, Key} for one key of its map; with last, or {last, Label} for the last reading\">>}}";
    for request in ["status", "{info, nosuch}", "{info, <<\"nosuch\">>}", "{info, load, 1}", "<<0:80000>>", "{'$gen_call', info}"]
    {
        assert_eq!(erl.eval(&format!("gen_server:call({{system, N}}, {request}, 60000)")), refused, "{request}");
    }
    erl.eval("gen_server:cast({system, N}, info), {system, N} ! info, {system, N} ! {self(), info}");
    assert_eq!(erl.eval("is_map(gen_server:call({system, N}, info, 60000))"), "true");
    assert_eq!(erl.eval("receive Anything -> Anything after 0 -> nothing end"), "nothing");
    // many at once, and the end of the mailbox
    let all = "[spawn_monitor(fun() -> true = is_map(gen_server:call({system, N}, info, 30000)) end) || _ <- lists:seq(1, 500)]";
    let ends = "[receive {'DOWN', M, process, P, R} -> R end || {P, M} <- Ps]";
    assert_eq!(erl.eval(&format!("Ps = {all}, lists:usort({ends})")), "[normal]");
    // a small node tells that it is too much, and answers a part
    fs::write(world.home.join("small.toml"), "[sizes]\nmessage = 4096\n").unwrap();
    let small = world.agent(&["--sname", "small", "--config", "small.toml"]);
    erl.eval(&format!("S = {}", small.atom()));
    let publish =
        "[[publish]]\nfile = \"x\"\nlabel = \"a label that takes some room\"\nevery = \"1h\"\nto = \"collector\"\nnode = \"a\"\n";
    fs::write(world.home.join("small.toml"), format!("{}[sizes]\nmessage = 4096\n", publish.repeat(40))).unwrap();
    small.signal("HUP");
    small.wait(&["publish a label that takes some room: added"]);
    assert_eq!(erl.eval("gen_server:call({system, S}, info, 60000)"), "{error,{too_large,2048}}");
    assert_eq!(erl.eval("is_map(gen_server:call({system, S}, {info, memory}, 60000))"), "true");
}

/// All that is told of a box with eighty readings and a hub that is away fits a message of the usual size.
#[test]
fn what_is_told_of_eighty_readings_fits() {
    let world = World::new();
    let publish = |number| {
        format!(
            "[[publish]]\ncommand = ['cat', '/proc/loadavg']\nlabel = 'sensor_{number:02}'\nevery = '1h'\nto = 'collector'\nnode = 'hub'\n"
        )
    };
    let readings: String = (0..80).map(publish).collect();
    fs::write(world.home.join("many.toml"), format!("sname = 'many'\n{readings}[health]\nnode_away = '1s'\n")).unwrap();
    let mut agent = world.launch(&["--config", "many.toml"]);
    agent.wait_until_up();
    agent.wait(&["alarm: hub@"]);
    let erl = world.erl(&["-sname", "erl"]);
    erl.eval(&format!("N = {}", agent.atom()));
    let kept = "lists:sum([K || #{kept := K} <- gen_server:call({system, N}, {info, publish}, 60000)])";
    until("all of them", || (erl.eval(kept) == "80").then_some(()));
    let size: u32 = erl.eval("byte_size(term_to_binary(gen_server:call({system, N}, info, 60000)))").parse().unwrap();
    assert!((8 * 1024..13 * 1024).contains(&size), "{size}");
    assert_eq!(erl.eval("map_size(gen_server:call({system, N}, last, 60000))"), "80");
}

/// With nothing but the tool.
#[test]
fn a_script_reads_it_as_json() {
    let (world, demo, _erl) = demo_and_erl(&[]);
    let mut command = crate::children::command(crate::binaries::beamless());
    command.args(["call", "--json", &demo.node, "system", "{\"@tuple\": [{\"@atom\": \"info\"}, {\"@atom\": \"mailboxes\"}]}"]);
    World::dress(&world, &mut command);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("\"echo\":{\"dropped\":0,\"received\":0}") || said.contains("\"echo\":{\"received\":0,\"dropped\":0}"),
        "{said}"
    );
}

/// A node that sends, and does not read what it is answered, is not read from any more. The log names it, and so does `system`.
#[test]
fn a_node_that_does_not_read_is_named() {
    let (world, demo, erl) = demo_and_erl(&[]);
    let deaf = format!("deaf@{}", demo.host());
    let mut memory = storage();
    let mut node = Node::new(Config::hidden(&deaf, &world.cookie).unwrap().creation(77), &mut memory);
    let mailbox = node.register("").unwrap();
    let (now, random) = (beamless::Instant::from_millis(0), 0x1234_5678_9abc_def0);
    node.connect(&demo.node).unwrap();
    let (mut connection, _) = node.poll_dial(now).unwrap();
    let names = world.epmd_names();
    let port = names.iter().find_map(|name| name.strip_prefix("name demo at port ")).unwrap().parse().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    node.handle_connected(connection, random, now);
    while node.peers().next().is_none() {
        let sent = stream.write(node.poll_transmit(connection)).unwrap();
        node.handle_transmitted(connection, sent);
        if node.poll_transmit(connection).is_empty() {
            let read = stream.read(node.read_buffer(connection)).unwrap();
            node.handle_bytes(&mut connection, read);
        }
    }
    // it asks for an answer, and for another, and reads none of them
    node.outbox(mailbox).unwrap().monitor(("nobody", &*demo.node)).unwrap();
    let question = node.poll_transmit(connection).repeat(100);
    stream.set_nonblocking(true).unwrap();
    let mut rest = &question[..];
    until("the agent to name the node", || {
        while let Ok(sent) = stream.write(rest) {
            rest = &rest[sent..];
            if rest.is_empty() {
                rest = &question;
            }
        }
        (demo.log.count(&[&deaf, "does not read what is sent to it"]) > 0).then_some(())
    });
    let held = |node: &str| format!("maps:get(held, maps:get({node}, gen_server:call({{system, N}}, {{info, links}}, 60000)))");
    assert_eq!(erl.eval(&held(&format!("'{deaf}'"))), "transmit");
    assert_eq!(erl.eval(&held("node()")), "false");
}
