//! Greedy peers: one that takes all it can get, and one that asks and never reads. The honest ones beside them are answered.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use beamless::{Config, Connection, Error, Instant, Mailbox, Node, NodeStorage, TermWriter, Written};

use crate::raw::{Raw, all_flags, atom, int, pid, tuple};
use crate::support::{Agent, Erl, World, demo_and_erl, until};

/// A node that is driven by hand, and never reads once it is connected.
struct Greedy<'s> {
    node: Node<'s>,
    mailbox: Mailbox,
    connection: Connection,
    stream: TcpStream,
}

type Storage = NodeStorage<1, 1, 65_536>;

impl<'s> Greedy<'s> {
    fn new(alive: &str, world: &World, demo: &Agent, storage: &'s mut Storage) -> Self {
        let config = Config::hidden(&format!("{alive}@{}", demo.host()), &world.cookie).unwrap().creation(9);
        let mut node = Node::new(config, storage);
        let mailbox = node.register("").unwrap();
        node.connect(&demo.node).unwrap();
        let (mut connection, _) = node.poll_dial(Instant::default()).unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", demo.port)).unwrap();
        node.handle_connected(connection, 0x1234_5678_9abc_def0, Instant::default());
        while node.peers().next().is_none() {
            let sent = stream.write(node.poll_transmit(connection)).unwrap();
            node.handle_transmitted(connection, sent);
            let read = stream.read(node.read_buffer(connection)).unwrap();
            assert!(read > 0, "refused");
            node.handle_bytes(&mut connection, read);
        }
        stream.set_nonblocking(true).unwrap();
        Self { node, mailbox, connection, stream }
    }

    /// Sends to a name at the agent; `false` if there is no room.
    fn send(&mut self, to: (&str, &str), write: impl for<'t, 'b> FnOnce(&'t mut TermWriter<'b>) -> Written<'t, 'b>) -> bool {
        match self.node.outbox(self.mailbox).unwrap().send(to, write) {
            Ok(()) => true,
            Err(Error::Full(_)) => false,
            Err(e) => panic!("{e}"),
        }
    }

    /// Asks all that the agent answers, again and again, until the agent takes no more and says so.
    fn ask_until_held(&mut self, demo: &Agent) {
        let own = self.node.pid(self.mailbox).unwrap();
        let (pid, node) = (own.as_pid(), demo.node.clone());
        let bytes = vec![7; 8000];
        until("it is held up", || {
            for _ in 0..100 {
                self.send(("echo", &node), |t| t.tuple(2)?.pid(pid)?.binary(&bytes));
                self.send(("system", &node), |t| t.tuple(3)?.atom("$gen_call")?.tuple(2)?.pid(pid)?.int(1)?.atom("info"));
                self.send(("rex", &node), |t| {
                    t.tuple(3)?.atom("$gen_call")?.tuple(2)?.pid(pid)?.int(1)?;
                    t.tuple(5)?.atom("call")?.atom("erlang")?.atom("nodes")?.nil()?.atom("user")
                });
                match self.stream.write(self.node.poll_transmit(self.connection)) {
                    Ok(sent) => self.node.handle_transmitted(self.connection, sent),
                    Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                    Err(e) => panic!("{e}"),
                }
            }
            (demo.log.count(&["does not read what is sent to it"]) > 0).then_some(())
        });
    }
}

/// Asks all that the agent answers, and gets every answer.
fn is_served(erl: &Erl) {
    for number in 0..20 {
        assert_eq!(erl.eval(&format!("gen_server:call({{echo, N}}, {number}, 60000)")), number.to_string());
        assert_eq!(erl.eval("{echo, N} ! {self(), x}, receive {echo, x} -> ok after 60000 -> nothing end"), "ok");
        assert_eq!(erl.eval("is_map(gen_server:call({system, N}, info, 60000))"), "true");
        assert_eq!(erl.eval("is_list(erpc:call(N, erlang, nodes, [], 60000))"), "true");
        assert_eq!(erl.eval("is_list(gen_server:call({rex, N}, {call, erlang, nodes, [], user}, 60000))"), "true");
    }
    assert_eq!(erl.eval("size(gen_server:call({echo, N}, binary:copy(<<7>>, 3000), 60000))"), "3000");
}

#[test]
fn the_unread_answers_of_one_stop_nobody_else() {
    let (world, demo, erl) = demo_and_erl(&[]);
    assert_eq!(erl.eval("net_adm:ping(N)"), "pong");
    let mut storage = Box::new(Storage::new());
    let mut greedy = Greedy::new("greedy", &world, &demo, &mut storage);
    greedy.ask_until_held(&demo);
    is_served(&erl);
    // one that comes later is served, too
    let late = world.erl(&["-sname", "late"]);
    late.eval(&format!("N = {}", demo.atom()));
    is_served(&late);
    assert_eq!(demo.log.count(&["does not read what is sent to it"]), 1, "{}", demo.log.text());
}

/// One node takes all the places it can get for monitors and calls; others find theirs. The agent says once what to set.
#[test]
fn no_node_has_all_places() {
    let (world, demo, greedy) = demo_and_erl(&[]);
    greedy
        .eval("F = fun(N0) -> length([1 || _ <- lists:seq(1, N0), receive {'DOWN', _, _, _, system_limit} -> true end]) end, ok");
    greedy.eval("Refs = [monitor(process, {echo, N}) || _ <- lists:seq(1, 3000)], ok");
    assert_eq!(greedy.eval("F(3000 - 768)"), "2232");
    // whoever asks from there is told why there is no answer
    let caught = greedy.eval("catch gen_server:call({echo, N}, no_room, 60000)");
    assert!(caught.starts_with("{'EXIT',{system_limit,"), "{caught}");
    assert_eq!(greedy.eval("try erpc:call(N, erlang, nodes, [], 60000) catch C:R -> {C, R} end"), "{error,{erpc,system_limit}}");
    for alive in ["b", "c"] {
        let honest = world.erl(&["-sname", alive]);
        honest.eval(&format!("N = {}", demo.atom()));
        let calls = "[spawn_monitor(fun() -> I = gen_server:call({echo, N}, I, 60000), exit(fine) end) || I <- lists:seq(1, 30)]";
        let all = "lists:usort([receive {'DOWN', R, _, _, W} -> W end || {_, R} <- Ps])";
        assert_eq!(honest.eval(&format!("Ps = {calls}, {all}")), "[fine]");
        honest.eval("[monitor(process, {echo, N}) || _ <- lists:seq(1, 40)], ok");
        is_served(&honest);
        assert_eq!(honest.eval("receive {'DOWN', _, _, _, W} -> W after 0 -> none end"), "none");
    }
    let told = demo.wait(&["a@", "as many links, monitors and waiting calls", "`watches` in [sizes]"]);
    assert_eq!(demo.log.count(&["`watches` in [sizes]"]), 1, "{told}");
    // it has its places again as soon as it gives some back
    greedy.eval("[demonitor(R) || R <- lists:sublist(Refs, 700)], ok");
    is_served(&greedy);
}

/// A share is that of the node that sends, whatever it says of whose process it is from: with a name for each message it would have everybody's.
#[test]
fn a_node_has_one_share_by_whatever_names() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = world.erl(&["-name", "a@127.0.0.1"]);
    std::fs::write(world.home.join("deaf.toml"), "[mailbox.deaf]\ncommand = [\"sleep\", \"1000\"]\nformat = \"erlang\"\n")
        .unwrap();
    let demo = world.agent(&["--name", "demo@127.0.0.1", "--config", "deaf.toml"]);
    demo.wait(&["mailbox deaf: started"]);
    let mut raw = Raw::dial(demo.port, "greedy@127.0.0.1", world.cookie.as_bytes(), all_flags());
    for number in 0..400 {
        let from = pid(&format!("n{number}@127.0.0.1"), 1, 0, 5);
        raw.send(&tuple(&[int(6), from, atom(""), atom("deaf")]), &[&[109, 0, 0, 4, 0][..], &[7; 1024]].concat());
    }
    // all of it has been looked at
    assert!(raw.ping().0);
    demo.wait(&["mailbox deaf: ", "dropped: the program does not read its standard input"]);
    let call = "try gen_server:call({deaf, 'demo@127.0.0.1'}, hello, 1000) catch exit:{timeout, _} -> waits end";
    assert_eq!(erl.eval(call), "waits", "there is no room for others");
}
