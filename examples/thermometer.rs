//! A server that Erlang calls as a `gen_server`: `celsius` is answered with a reading.
//!
//!     cargo run --example thermometer -- edge@127.0.0.1 secret
//!     erl -name me@127.0.0.1 -setcookie secret
//!     > gen_server:call({thermometer, 'edge@127.0.0.1'}, celsius).

use beamless::{Config, Driver, DriverOptions, Error, Node, NodeStorage};

fn main() -> Result<(), Error> {
    env_logger::Builder::new().filter_level(log::LevelFilter::Info).init();
    let mut args = std::env::args().skip(1);
    let (Some(name), Some(cookie)) = (args.next(), args.next()) else {
        eprintln!("usage: thermometer NODE@HOST COOKIE");
        std::process::exit(2);
    };
    let mut storage = NodeStorage::<4, 1, 16_384>::new();
    let mut node = Node::new(Config::hidden(&name, &cookie)?, &mut storage);
    let thermometer = node.register("thermometer")?;
    let mut driver = Driver::new(DriverOptions::from_env()?, &mut node)?;
    loop {
        driver.poll(&mut node, None)?;
        while let Some((message, mut out)) = node.recv(thermometer) {
            let Some(call) = message.as_call() else { continue };
            let answered = out.reply(&call, |t| match (call.request.is_atom("celsius"), read_sensor()) {
                (true, Some(celsius)) => t.float(celsius),
                (true, None) => error(t, "no_sensor"),
                (false, _) => error(t, "badarg"),
            });
            if let Err(e) = answered {
                log::warn!("no answer: {e}");
            }
        }
        while let Some(event) = node.poll_event() {
            log::info!("{event}");
        }
    }
}

fn error(t: &mut beamless::TermWriter<'_, '_>, why: &str) -> Result<(), beamless::Misuse> {
    t.tuple(2)?;
    t.atom("error")?;
    t.atom(why)
}

/// Degrees of the first thermal zone, or of the file that `SENSOR` names.
fn read_sensor() -> Option<f64> {
    let file = std::env::var("SENSOR").unwrap_or("/sys/class/thermal/thermal_zone0/temp".into());
    let millis: f64 = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    Some(millis / 1000.0)
}
