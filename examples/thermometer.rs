//! A server that Erlang calls as a `gen_server`, and a function that it calls with `rpc` or `erpc`: both give a reading.
//!
//!     cargo run --example thermometer -- edge@127.0.0.1 secret
//!     erl -name me@127.0.0.1 -setcookie secret
//!     > gen_server:call({thermometer, 'edge@127.0.0.1'}, celsius).
//!     > erpc:call('edge@127.0.0.1', thermometer, read, []).

use beamless::{Config, Driver, DriverOptions, Error, Exception, Full, Message, Node, NodeStorage, Outbox, Received};

const FUNCTIONS: &[&str] = &["thermometer:read/0"];

fn main() -> Result<(), Error> {
    env_logger::Builder::new().filter_level(log::LevelFilter::Info).init();
    let mut args = std::env::args().skip(1);
    let (Some(name), Some(cookie)) = (args.next(), args.next()) else {
        eprintln!("usage: thermometer NODE@HOST COOKIE");
        std::process::exit(2);
    };
    let mut storage = NodeStorage::<4, 1, 16_384>::new();
    let mut node = Node::new(Config::hidden(&name, &cookie)?, &mut storage);
    let mut thermometer = node.register("thermometer")?;
    node.serve(thermometer, FUNCTIONS)?;
    let mut driver = Driver::new(DriverOptions::from_env()?, &mut node)?;
    loop {
        driver.poll(&mut node, None)?;
        while let Some((message, mut out)) = node.recv(thermometer) {
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
        // exit(Pid, kill) ends a mailbox: it begins anew, as a supervisor would have it; while it is there, its name is taken
        if let Ok(again) = node.register("thermometer") {
            thermometer = again;
            node.serve(thermometer, FUNCTIONS)?;
        }
    }
}

fn answer(message: &Message<'_>, out: &mut Outbox<'_>) -> Result<(), Error> {
    match (message.received(), read_sensor()) {
        (Received::Call(call), Some(celsius)) if call.request.is_atom("celsius") => out.reply(&call, |t| t.float(celsius)),
        (Received::Call(call), reading) => {
            out.reply(&call, |t| t.tuple(2)?.atom("error")?.atom(if reading.is_some() { "badarg" } else { "no_sensor" }))
        }
        // the one function that is served
        (Received::Apply(apply), Some(celsius)) => out.reply(&apply, |t| t.float(celsius)),
        (Received::Apply(apply), None) => out.raise(&apply, Exception::Error, |t| t.atom("no_sensor")),
        _ => Ok(()),
    }
}

/// Degrees of the first thermal zone, or of the file that `SENSOR` names.
fn read_sensor() -> Option<f64> {
    let file = std::env::var("SENSOR").unwrap_or("/sys/class/thermal/thermal_zone0/temp".into());
    let millis: f64 = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    Some(millis / 1000.0)
}
