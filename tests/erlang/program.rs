//! A program of one's own on the library, against a real Erlang: what the agent's one mailbox cannot show.

use std::time::{Duration, Instant};

use beamless::{Config, Driver, DriverOptions, Epmd, EpmdSettings, Event, Mailbox, Node, NodeStorage, Term};

use crate::support::{Epmd as RealEpmd, Erl, PATIENCE, World, demo_and_erl, otp};

type Storage = NodeStorage<2, 4, 16_384>;

/// The node `program@127.0.0.1` with its world: two peers at most, 16 KiB for every buffer.
struct Program<'s> {
    node: Node<'s>,
    driver: Driver,
    world: World,
    events: Vec<Event>,
    _epmd: RealEpmd,
}

impl<'s> Program<'s> {
    fn new(storage: &'s mut Storage) -> Self {
        let world = World::new();
        let epmd = world.epmd();
        let mut node = Node::new(Config::hidden("program@127.0.0.1", &world.cookie).unwrap(), storage);
        let options = DriverOptions::default().listen(["127.0.0.1:0".parse().unwrap()]).epmd(Epmd::External);
        let options = options.epmd_settings(EpmdSettings::new(world.epmd_port));
        let mut driver = Driver::new(options, &mut node).unwrap();
        world.secure(&mut driver);
        let mut program = Self { node, driver, world, events: Vec::new(), _epmd: epmd };
        program.until("the name to be registered", |p| p.events.iter().any(|e| matches!(e, Event::Registered { .. })));
        program
    }

    /// An Erlang in which `N` is this node.
    fn erl(&self, alive: &str) -> Erl {
        let erl = self.world.erl(&["-name", &format!("{alive}@127.0.0.1")]);
        erl.eval("N = 'program@127.0.0.1'");
        erl
    }

    fn turn(&mut self) {
        self.driver.poll(&mut self.node, Some(Duration::from_millis(10))).unwrap();
        while let Some(event) = self.node.poll_event() {
            self.events.push(event);
        }
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < deadline, "waited in vain: {what}; events: {:?}", self.events);
            self.turn();
        }
    }

    /// Polls until a message comes, and reads it.
    fn message<T>(&mut self, mailbox: Mailbox, read: impl Fn(Term<'_>) -> T) -> T {
        let mut got = None;
        self.until("a message", |p| {
            got = p.node.recv(mailbox).map(|(message, _)| read(message.term()));
            got.is_some()
        });
        got.unwrap()
    }

    /// Polls while Erlang evaluates.
    fn eval(&mut self, erl: &Erl, source: &str) -> String {
        let asked = erl.ask(source);
        self.until(source, |_| erl.has_answered(&asked));
        erl.answer(asked)
    }

    fn connected(&self, node: &str) -> bool {
        self.node.peers().any(|peer| peer.name.as_str() == node)
    }
}

/// A mailbox that nobody reads holds up its sender: nothing grows, nothing is lost, and all of it comes once it is read.
#[test]
pub(crate) fn two_hundred_thousand_messages_to_a_mailbox_nobody_reads() {
    const COUNT: i64 = 200_000;
    let mut storage = Box::new(Storage::new());
    let mut program = Program::new(&mut storage);
    let unread = program.node.register("unread").unwrap();
    let open = program.node.register("open").unwrap();
    let erl = program.erl("a");
    let other = program.erl("b");
    let flood = erl.ask(&format!("[{{unread, N}} ! I || I <- lists:seq(1, {COUNT})], sent"));
    program.until("the mailbox to be full", |p| p.events.iter().any(|e| matches!(e, Event::Held { .. })));
    for _ in 0..100 {
        program.turn();
    }
    assert!(!erl.has_answered(&flood), "Erlang was not held up");
    assert!(program.connected(&erl.node));
    // Whoever else sends, and to whichever other mailbox, is not held up.
    assert_eq!(program.eval(&other, "{open, N} ! hello"), "hello");
    assert!(program.message(open, |term| term.is_atom("hello")));
    for i in 1..=COUNT {
        assert_eq!(program.message(unread, |term| term.as_i64()), Some(i));
    }
    program.until("Erlang to be free again", |_| erl.has_answered(&flood));
    assert_eq!(erl.answer(flood), "sent");
    assert!(!program.events.iter().any(|e| matches!(e, Event::NodeDown { .. } | Event::Dropped { .. })), "{:?}", program.events);
}

/// A mailbox is a process to Erlang: it is sent to by pid and by alias, linked to and monitored while it lives.
#[test]
fn a_mailbox_is_a_process_to_erlang() {
    let mut storage = Box::new(Storage::new());
    let mut program = Program::new(&mut storage);
    let mailbox = program.node.register("mailbox").unwrap();
    let erl = program.erl("a");
    erl.eval("register(sink, self()), process_flag(trap_exit, true)");
    program.node.connect(&erl.node).unwrap();
    program.until("the connection", |p| p.connected("a@127.0.0.1"));

    let alias = program.node.alias(mailbox).unwrap();
    let pid = program.node.pid(mailbox).unwrap();
    let mut out = program.node.outbox(mailbox).unwrap();
    out.send(("sink", erl.node.as_str()), |t| {
        t.tuple(2)?;
        t.pid(pid.as_pid())?;
        t.reference(alias.as_reference())
    })
    .unwrap();
    assert_eq!(program.eval(&erl, "receive {P, A} -> node(P) after 60000 -> nothing end"), "'program@127.0.0.1'");
    assert_eq!(program.eval(&erl, "P ! to_the_pid"), "to_the_pid");
    assert!(program.message(mailbox, |term| term.is_atom("to_the_pid")));
    if otp() < 24 {
        // No aliases there: ours is a reference, and comes back as it went.
        program.eval(&erl, "P ! {the_alias, A}");
        let back = |term: Term<'_>| term.tuple().and_then(|[_, back]| back.as_reference()) == Some(alias.as_reference());
        assert!(program.message(mailbox, back));
    } else {
        assert_eq!(program.eval(&erl, "A ! to_the_alias"), "to_the_alias");
        assert!(program.message(mailbox, |term| term.is_atom("to_the_alias")));
    }

    // Links and monitors to what lives stand, and can be taken back.
    program
        .eval(&erl, "link(P), unlink(P), link(P), M1 = monitor(process, P), M2 = monitor(process, {mailbox, N}), demonitor(M1)");
    assert_eq!(program.eval(&erl, "P ! behind_them, receive X -> X after 200 -> silent end"), "silent");
    assert!(program.message(mailbox, |term| term.is_atom("behind_them")));
    program.node.close();
    program.until("the end of the connection", |p| !p.connected("a@127.0.0.1"));
    assert_eq!(program.eval(&erl, "receive {'EXIT', P, Why} -> Why after 60000 -> nothing end"), "noconnection");
    assert_eq!(program.eval(&erl, "receive {'DOWN', M2, _, _, Down} -> Down after 60000 -> nothing end"), "noconnection");
    assert_eq!(program.eval(&erl, "receive Y -> Y after 200 -> nothing_more end"), "nothing_more");
}

/// More nodes than there is room for: those that are in stay in, and the next comes in when one leaves.
#[test]
fn a_node_too_many_is_turned_away() {
    let mut storage = Box::new(Storage::new());
    let mut program = Program::new(&mut storage);
    program.node.register("mailbox").unwrap();
    let first = program.erl("a");
    let second = program.erl("b");
    let third = program.erl("c");
    assert_eq!(program.eval(&first, "net_kernel:connect_node(N)"), "true");
    assert_eq!(program.eval(&second, "net_kernel:connect_node(N)"), "true");
    assert_eq!(program.eval(&third, "net_kernel:connect_node(N)"), "false");
    assert_eq!(program.eval(&first, "net_adm:ping(N)"), "pong");
    drop(second);
    program.until("room", |p| !p.connected("b@127.0.0.1"));
    assert_eq!(program.eval(&third, "net_kernel:connect_node(N)"), "true");
    assert_eq!(program.eval(&third, "net_adm:ping(N)"), "pong");
    assert_eq!(program.eval(&first, "net_adm:ping(N)"), "pong");
}

/// A peer can make any number of them: some are told one by one, and the others by their number.
#[test]
fn what_is_dropped_is_told_and_many_are_counted() {
    let (_world, demo, erl) = demo_and_erl(&[]);
    erl.eval("{nosuch, N} ! first, gen_server:call({echo, N}, first, 60000)");
    demo.wait(&["message to nosuch", "no such mailbox"]);
    erl.eval("catch gen_server:call({echo, N}, binary:copy(<<1>>, 20000), 1)");
    demo.wait(&["REG_SEND to echo", "too large"]);
    erl.eval("[{nosuch, N} ! I || I <- lists:seq(1, 100)], ok");
    erl.eval("gen_server:call({echo, N}, last, 60000), erlang:disconnect_node(N)");
    // some of a hundred at once may have gone by unread
    demo.wait(&["besides: ", " to nosuch"]);
    assert_eq!(demo.log.count(&["message to nosuch"]), 1, "{}", demo.log.text());
}
