//! A node of beamless, as a user would write it.

use std::error::Error;
use std::time::Duration;

use beamless::{
    Config, Driver, DriverOptions, Epmd, Error as NodeError, Event, Full, Mailbox, Message, Outbox, OwnedNode, OwnedPid, Sizes,
    TermWriter, Written,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let peers = std::env::var(wire::ROOM)?.parse()?;
    let config = Config::hidden(wire::PEER, wire::COOKIE)?;
    let mut node = OwnedNode::new(config, Sizes::new(peers, 1, 131_072))?;
    let mailbox = node.register(wire::MAILBOX)?;
    let rest = std::env::var(wire::REST).map_or(Ok(0), |micros| micros.parse())?;
    let options = DriverOptions::from_env()?.epmd(Epmd::External).rest(Duration::from_micros(rest));
    let options = options.listen(["127.0.0.1:0".parse()?]);
    let mut driver = Driver::new(options, &mut node)?;
    let mut work = Work { source: None, dials: 0 };
    loop {
        driver.poll(&mut node, None)?;
        work.turn(&mut node, mailbox)?;
    }
}

struct Work {
    /// To whom the next readings go, and the numbers of the next and of the last.
    source: Option<(OwnedPid, i64, i64)>,
    dials: i64,
}

impl Work {
    fn turn(&mut self, node: &mut OwnedNode, mailbox: Mailbox) -> Outcome<()> {
        while let Some((message, mut out)) = node.recv(mailbox) {
            match self.answer(&message, &mut out) {
                Err(NodeError::Full(Full::Transmit { .. })) => {
                    message.put_back();
                    break;
                }
                done => done?,
            }
        }
        while let Some((to, next, last)) = &mut self.source {
            let (to, i) = (to.as_pid(), *next);
            match node.outbox(mailbox)?.send(to, |t| reading(t, i)) {
                Err(NodeError::Full(Full::Transmit { .. })) => break,
                done => done?,
            }
            *next += 1;
            if next == last {
                self.source = None;
            }
        }
        let mut dialled = 0;
        while let Some(event) = node.poll_event() {
            match event {
                Event::NodeUp { node: name, .. } if name.as_str() == DIALLED && self.dials > 0 => node.disconnect(DIALLED)?,
                Event::NodeDown { node: name, .. } if name.as_str() == DIALLED => dialled += 1,
                _ => {}
            }
        }
        if self.dials > 0 && (dialled > 0 || !node.peers().any(|peer| peer.name.as_str() == DIALLED)) {
            self.dials -= dialled;
            if self.dials > 0 {
                node.connect(DIALLED)?;
            }
        }
        Ok(())
    }

    fn answer(&mut self, message: &Message<'_>, out: &mut Outbox<'_>) -> Result<(), NodeError> {
        let term = message.term();
        if let Some([pid, data]) = term.tuple() {
            if let Some(pid) = pid.as_pid() {
                return out.send(pid, |t| t.tuple(2)?.atom("echo")?.term(data));
            }
            self.dials = data.as_i64().unwrap_or_default();
        } else if let Some([_, pid, count]) = term.tuple() {
            let pid = pid.as_pid().and_then(|pid| pid.to_owned());
            self.source = pid.zip(count.as_i64()).map(|(pid, count)| (pid, 0, count));
        } else if let Some([kind, i, value, name, labels]) = term.tuple() {
            let read = kind.is_atom("reading") && labels.get("unit").is_some_and(|unit| unit.is_atom("celsius"));
            assert!(read && i.as_i64().is_some() && value.as_f64().is_some() && name.as_binary().is_some(), "another message");
        }
        Ok(())
    }
}

/// The driver as it is dialled; it is connected under another name.
const DIALLED: &str = "dialled@127.0.0.1";

fn reading<'t, 'b>(t: &'t mut TermWriter<'b>, i: i64) -> Written<'t, 'b> {
    t.tuple(5)?.atom("reading")?.int(i)?.float(21.5)?.binary(b"sensor-17")?.map(1)?.atom("unit")?.atom("celsius")
}
