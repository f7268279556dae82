//! EPMD, both sides.

use core::hint::black_box;
use core::time::Duration;

use beamless::Instant;
use beamless::epmd::{Kill, Lookup, Names, Registration, Server, Session};

use crate::{Bytes, show, used};

/// An answer comes to a registration.
#[unsafe(no_mangle)]
pub extern "C" fn registration(bytes: &Bytes, port: u16, sent: usize) {
    match Registration::new(bytes.text(), port, sent > 0) {
        Ok(mut registration) => {
            black_box(registration.transmit());
            registration.sent(sent);
            match registration.handle_bytes(bytes.get()) {
                Ok(answer) => used((answer, registration.is_registered())),
                Err(e) => show(&e),
            }
        }
        Err(e) => show(&e),
    }
}

/// An answer comes to the question for a name's port, in two pieces.
#[unsafe(no_mangle)]
pub extern "C" fn lookup(bytes: &Bytes, more: &Bytes, sent: usize) {
    match Lookup::new(bytes.text()) {
        Ok(mut lookup) => {
            black_box(lookup.transmit());
            lookup.sent(sent);
            for bytes in [bytes, more] {
                if let Err(e) = black_box(lookup.handle_bytes(bytes.get())) {
                    show(&e);
                }
            }
            used(lookup.handle_close());
        }
        Err(e) => show(&e),
    }
}

/// Names come, in two pieces.
#[unsafe(no_mangle)]
pub extern "C" fn names(bytes: &Bytes, more: &Bytes, sent: usize) {
    let mut names = Names::new();
    black_box(names.transmit());
    names.sent(sent);
    for bytes in [bytes, more] {
        used(names.handle_bytes(bytes.get(), |name, port| used((name, port))));
    }
    used((names.epmd_port(), names.handle_close()));
}

/// The EPMD of a box.
#[unsafe(no_mangle)]
pub extern "C" fn server(server: &mut Server<32>, bytes: &Bytes, port: u16, millis: u64) {
    black_box(Server::<32>::new(port, 7).kill(Kill::Always).is_killed());
    match server.register_node(bytes.text(), port, millis > 0) {
        Ok((place, creation)) => {
            black_box(creation);
            server.unregister(place);
        }
        Err(e) => show(&e),
    }
    black_box((server.poll_timeout(), server.take_stopped()));
    server.handle_timeout(Instant::from_millis(millis));
}

/// One connection to it.
#[unsafe(no_mangle)]
pub extern "C" fn session(session: &mut Session, server: &mut Server<32>, bytes: &Bytes, sent: usize, millis: u64) {
    let now = Instant::from_millis(millis);
    black_box(Session::new(sent > 0, now).idle_limit(Duration::from_millis(millis)));
    session.handle_bytes(server, bytes.get(), now);
    black_box(session.transmit(server));
    session.sent(sent);
    session.handle_timeout(now);
    black_box((session.poll_timeout(), session.is_over(), session.is_registered(), session.heard(), session.is_wordless()));
    session.handle_stop(server);
    session.handle_close(server);
}
