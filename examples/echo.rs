//! A mailbox that answers: `{Pid, Term}` gets `{echo, Term}`.
//!
//!     cargo run --example echo -- echo@127.0.0.1 secret
//!     erl -name me@127.0.0.1 -setcookie secret
//!     > {echo, 'echo@127.0.0.1'} ! {self(), hello}, timer:sleep(100), flush().

use beamless::{Config, Driver, DriverOptions, Error, Full, Message, Node, NodeStorage, Outbox};

fn main() -> Result<(), Error> {
    env_logger::Builder::new().filter_level(log::LevelFilter::Info).init();
    let mut args = std::env::args().skip(1);
    let (Some(name), Some(cookie)) = (args.next(), args.next()) else {
        eprintln!("usage: echo NODE@HOST COOKIE");
        std::process::exit(2);
    };
    let mut storage = NodeStorage::<4, 1, 16_384>::new();
    let mut node = Node::new(Config::hidden(&name, &cookie)?, &mut storage);
    let mut echo = node.register("echo")?;
    let mut driver = Driver::new(DriverOptions::from_env()?, &mut node)?;
    loop {
        driver.poll(&mut node, None)?;
        while let Some((message, mut out)) = node.recv(echo) {
            match answer(&message, &mut out) {
                Ok(()) => {}
                // no room until the peer has read: the message stays where it is, and the next poll makes room
                Err(Error::Full(Full::Transmit { .. })) => {
                    message.put_back();
                    break;
                }
                Err(e) => log::warn!("no answer: {e}"),
            }
        }
        while let Some(event) = node.poll_event() {
            log::info!("{event}");
        }
        // exit(Pid, kill) ends a mailbox: it is registered again, as a supervisor would; while it is there, its name is taken
        if let Ok(again) = node.register("echo") {
            echo = again;
        }
    }
}

fn answer(message: &Message<'_>, out: &mut Outbox<'_>) -> Result<(), Error> {
    let Some([sender, term]) = message.term().tuple() else { return Ok(()) };
    let Some(pid) = sender.as_pid() else { return Ok(()) };
    out.send(pid, |t| t.tuple(2)?.atom("echo")?.term(term))
}
