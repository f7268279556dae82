//! A node of the library in the test's own thread, among real Erlang nodes: what the agent does not offer is tried here.

use std::time::{Duration, Instant};

use beamless::{Config, Driver, DriverOptions, EpmdSettings, Event, Mailbox, Message, Node, NodeStorage, Outbox};

use crate::support::{Asked, Erl, PATIENCE, World};

pub(crate) type Storage = NodeStorage<4, 8, 16_384>;

pub(crate) fn storage() -> Box<Storage> {
    Box::new(Storage::new())
}

/// A node with its driver.
pub(crate) struct Inside<'s> {
    pub(crate) node: Node<'s>,
    pub(crate) driver: Driver,
    /// What [`Inside::turn`] has fetched.
    pub(crate) events: Vec<Event>,
}

impl World {
    /// The settings of a hidden node with a long name on the loopback.
    pub(crate) fn config(&self, alive: &str) -> Config {
        Config::hidden(&format!("{alive}@127.0.0.1"), &self.cookie).unwrap()
    }

    /// A node that serves EPMD itself, if nobody does on this world's port.
    pub(crate) fn inside<'s, const P: usize, const M: usize, const B: usize, const W: usize, const R: usize>(
        &self,
        config: Config,
        storage: &'s mut NodeStorage<P, M, B, W, R>,
    ) -> Inside<'s> {
        let mut node = Node::new(config, storage);
        let epmd_settings = EpmdSettings::new(self.epmd_port);
        let options = DriverOptions::default().listen(["127.0.0.1:0".parse().unwrap()]).epmd_settings(epmd_settings);
        let mut driver = Driver::new(options, &mut node).unwrap();
        self.secure(&mut driver);
        let mut inside = Inside { node, driver, events: Vec::new() };
        inside.until_event("registered", |event| matches!(event, Event::Registered { .. }));
        inside
    }
}

impl Inside<'_> {
    /// A real Erlang with a long name on the loopback, which registers with the EPMD of this node while bytes are moved here.
    pub(crate) fn erl(&mut self, world: &World, alive: &str) -> Erl {
        let mut erl = world.launch_erl(&["-name", &format!("{alive}@127.0.0.1")]);
        erl.node = self.eval(&erl, "node()").trim_matches('\'').to_owned();
        erl
    }

    /// Moves bytes for a moment, and fetches the events.
    pub(crate) fn turn(&mut self) {
        self.driver.poll(&mut self.node, Some(Duration::from_millis(2))).unwrap();
        while let Some(event) = self.node.poll_event() {
            self.events.push(event);
        }
    }

    /// Moves bytes until `look` has an answer.
    pub(crate) fn until<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(Instant::now() < deadline, "waited in vain: {what}; events: {:?}", self.events);
            self.turn();
        }
    }

    /// Moves bytes until there is such an event, which is taken out.
    pub(crate) fn until_event(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        self.until(what, |inside| {
            let at = inside.events.iter().position(&wanted)?;
            Some(inside.events.remove(at))
        })
    }

    /// Moves bytes until a message is there, and makes something of it.
    pub(crate) fn receive<T>(&mut self, mailbox: Mailbox, then: impl FnOnce(Message<'_>, Outbox<'_>) -> T) -> T {
        let mut then = Some(then);
        self.until("a message", |inside| {
            let (message, out) = inside.node.recv(mailbox)?;
            Some(then.take().unwrap()(message, out))
        })
    }

    /// Evaluates in Erlang while bytes are moved here, so that it may ask this node.
    pub(crate) fn eval(&mut self, erl: &Erl, source: &str) -> String {
        let asked = erl.ask(source);
        self.answer(erl, asked)
    }

    /// Evaluates until the value is `want`, while bytes are moved here.
    pub(crate) fn eval_until(&mut self, erl: &Erl, source: &str, want: &str) {
        self.until(&format!("{source} to be {want}"), |inside| (inside.eval(erl, source) == want).then_some(()));
    }

    /// The answer to a question asked before, while bytes are moved here.
    pub(crate) fn answer(&mut self, erl: &Erl, asked: Asked) -> String {
        self.until("Erlang's answer", |_| erl.has_answered(&asked).then_some(()));
        erl.answer(asked)
    }
}
