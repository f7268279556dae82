//! Asks a node for the release it runs, and waits for the answer, as a shell script would.
//!
//!     erl -name hub@127.0.0.1 -setcookie secret
//!     cargo run --example ask -- tool@127.0.0.1 secret hub@127.0.0.1
//!     hub@127.0.0.1 runs OTP 27

use std::time::Duration;

use beamless::{Config, Driver, EpmdSettings, Error, Node, NodeStorage};

const TIMEOUT: Option<Duration> = Some(Duration::from_secs(5));

fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1);
    let (Some(name), Some(cookie), Some(hub)) = (args.next(), args.next(), args.next()) else {
        eprintln!("usage: ask NODE@HOST COOKIE PEER@HOST");
        std::process::exit(2);
    };
    let mut storage = NodeStorage::<1, 1, 16_384>::new();
    let mut node = Node::new(Config::hidden(&name, &cookie)?, &mut storage);
    let tool = node.register("")?;
    // nobody has to find it: it connects out
    let mut driver = Driver::outgoing(&EpmdSettings::from_env()?, &mut node)?;
    // calling a node connects to it
    let request = node.outbox(tool)?.rpc(&hub, "erlang", "system_info", TIMEOUT, |t| t.list(1)?.atom("otp_release")?.nil())?;
    match driver.wait(&mut node, request)? {
        Ok(release) => println!("{hub} runs OTP {}", release.to_string().trim_matches('"')),
        Err(failure) => {
            eprintln!("{hub}: {failure}");
            // why a node is down
            while let Some(event) = node.poll_event() {
                eprintln!("{event}");
            }
            std::process::exit(1);
        }
    }
    driver.close(&mut node, Duration::from_secs(1))
}
