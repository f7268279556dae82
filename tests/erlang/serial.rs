//! The core over a line that is no socket: two processes and two pipes between them, and one of them with a real Erlang, whose socket
//! the test carries to the pipes. That either end may be reset is tested in `tests/memory`, where nobody waits.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;

use crate::examples::command;
use crate::support::{Agent, Erl, World, register_by_hand};

/// A pipe: what is written into the second comes out of the first.
fn pipe() -> (File, File) {
    let (write, read) = mio::unix::pipe::new().unwrap();
    write.set_nonblocking(false).unwrap();
    read.set_nonblocking(false).unwrap();
    (File::from(OwnedFd::from(read)), File::from(OwnedFd::from(write)))
}

/// The end that is called, and the one that calls, with this cookie.
fn ends(world: &World, cookie: &str) -> (Agent, Agent) {
    let (there, back) = (pipe(), pipe());
    let called = world.launch_between(command("serial", &["a@line", &world.cookie]), there.0, back.1);
    let calling = world.launch_between(command("serial", &["b@line", cookie, "a@line"]), back.0, there.1);
    (called, calling)
}

/// Both ends are up, and heard from each other what each asks: a message, a call, and what a ping is.
fn have_met(a: &Agent, b: &Agent) {
    for (end, peer) in [(a, "node up: b@line"), (b, "node up: a@line")] {
        for news in [peer, "message: hello", "answer: how_are_you", "answer: yes"] {
            end.wait(&[news]);
        }
    }
}

#[test]
fn two_ends_meet() {
    let world = World::new();
    let (a, b) = ends(&world, &world.cookie);
    have_met(&a, &b);
}

#[test]
fn the_other_end_is_gone() {
    let world = World::new();
    let (mut a, mut b) = ends(&world, &world.cookie);
    have_met(&a, &b);
    b.kill();
    a.wait(&["the other echo is gone: noconnection"]);
    a.wait(&["node down: b@line"]);
    assert_eq!(a.exit_code(), Some(1));
    // which of the two it meets first is up to the kernel
    let words = ["the line: unexpected end of file", "the line: broken pipe"];
    assert!(words.iter().any(|words| a.log.text().contains(words)), "{}", a.log.text());
}

#[test]
fn another_cookie_gets_nowhere() {
    let world = World::new();
    let (a, b) = ends(&world, "anothercookie");
    a.wait(&["Connection attempt from node 'b@line' rejected"]);
    b.wait(&["cannot connect to a@line"]);
}

/// The end `box@127.0.0.1` of a line whose other end is the socket of a real Erlang `me@127.0.0.1`.
fn beside_erlang(world: &World, args: &[&str], connect: impl FnOnce() -> TcpStream + Send + 'static) -> Agent {
    let ((to_read, mut write), (mut read, to_write)) = (pipe(), pipe());
    let args = [&["box@127.0.0.1", &world.cookie], args].concat();
    let agent = world.launch_between(command("serial", &args), to_read, to_write);
    thread::spawn(move || {
        let mut socket = connect();
        let mut other = socket.try_clone().unwrap();
        thread::spawn(move || carry(&mut other, &mut write));
        let _ = carry(&mut read, &mut socket);
        let _ = socket.shutdown(Shutdown::Both);
    });
    agent
}

/// Copies until either ends, and what came at once: [`std::io::copy`] may wait for more.
fn carry(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut bytes = [0; 4096];
    loop {
        match from.read(&mut bytes)? {
            0 => return Ok(()),
            len => to.write_all(&bytes[..len])?,
        }
    }
}

/// An Erlang with the tick time of a line.
fn erlang(world: &World) -> Erl {
    let erl = world.erl(&["-name", "me@127.0.0.1", "-kernel", "net_ticktime", "4"]);
    erl.eval("Box = 'box@127.0.0.1', register(echo, self())");
    erl
}

#[test]
fn erlang_connects_over_the_line() {
    let world = World::new();
    let _epmd = world.epmd();
    let relay = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let _name = register_by_hand(world.epmd_port, "box", relay.local_addr().unwrap().port());
    let erl = erlang(&world);
    let mut agent = beside_erlang(&world, &[], move || relay.accept().unwrap().0);
    assert_eq!(erl.eval("net_adm:ping(Box)"), "pong");
    assert_eq!(erl.eval("nodes(hidden)"), "['box@127.0.0.1']");
    agent.wait(&["node up: me@127.0.0.1 (visible)"]);
    agent.wait(&["answer: yes"]);
    assert_eq!(erl.eval("receive hello -> got after 60000 -> nothing end"), "got");
    assert_eq!(erl.eval("gen_server:call({echo, Box}, {what, #{is => 1.5}}, 60000)"), "{what,#{is => 1.5}}");
    // as many at once as there is room for: whoever is faster is held up, and nothing is lost
    erl.eval("Ask = fun(N) -> Term = {N, <<N:8000>>}, Term = gen_server:call({echo, Box}, Term, 30000) end");
    erl.eval("Asking = [spawn_monitor(fun() -> [Ask(N) || N <- lists:seq(1, 10)] end) || _ <- lists:seq(1, 8)], asked");
    assert_eq!(erl.eval("lists:usort([receive {'DOWN', Ref, _, _, How} -> How end || {_, Ref} <- Asking])"), "[normal]");
    // longer than either waits for a sign of the other
    erl.eval("timer:sleep(6000)");
    assert_eq!(erl.eval("gen_server:call({echo, Box}, still_there, 60000)"), "still_there");
    assert_eq!(agent.log.count(&["node down"]), 0);
    erl.eval("Monitor = monitor(process, {echo, Box})");
    agent.kill();
    assert_eq!(erl.eval("receive {'DOWN', Monitor, _, _, Why} -> Why after 60000 -> nothing end"), "noconnection");
}

#[test]
fn the_line_calls_erlang() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = erlang(&world);
    let names = world.epmd_names();
    let port: u16 = names[0].rsplit(' ').next().unwrap().parse().unwrap();
    let agent = beside_erlang(&world, &["me@127.0.0.1"], move || TcpStream::connect(("127.0.0.1", port)).unwrap());
    agent.wait(&["node up: me@127.0.0.1 (visible)"]);
    agent.wait(&["answer: yes"]);
    assert_eq!(erl.eval("receive hello -> got after 60000 -> nothing end"), "got");
    assert_eq!(
        erl.eval("receive {'$gen_call', From, how_are_you} -> gen_server:reply(From, well) after 60000 -> nothing end"),
        "ok"
    );
    agent.wait(&["answer: well"]);
    assert_eq!(erl.eval("unregister(echo)"), "true");
    assert_eq!(erl.eval("net_adm:ping(Box)"), "pong");
}
