//! The node, as a driver calls it: connections, bytes, time.

use core::hint::black_box;
use core::time::Duration;

use beamless::{AutoConnect, Config, Connection, GroupStorage, Instant, NetworkFault, Node, NodeStorage, Origin};

use crate::{Bytes, copy, show, used};

type Storage = NodeStorage<4, 8, 4096>;

/// A node is made.
#[unsafe(no_mangle)]
pub extern "C" fn made(
    storage: &'static mut Storage,
    groups: &'static mut GroupStorage<4, 16, 32>,
    bytes: &Bytes,
    kind: u8,
    time: u64,
) {
    let (text, time) = (bytes.text(), Duration::from_millis(time));
    let config = match kind {
        0 => Config::hidden(text, text),
        1 => Config::visible(text, text),
        _ => Config::dynamic(text, text),
    };
    let config = config.and_then(|config| config.tick_time(time)?.setup_time(time)?.allow([text]));
    match config {
        Ok(config) => {
            let mut node = Node::new(config.auto_connect(AutoConnect::Once).idle_time(time).creation(kind.into()), storage);
            if let Err(e) = node.set_groups(groups) {
                show(&e);
            }
            node.set_creation(kind.into());
            black_box(&mut node);
        }
        Err(e) => show(&e),
    }
}

/// A connection is there, of either side, and handshakes or not.
#[unsafe(no_mangle)]
pub extern "C" fn connections(node: &mut Node<'static>, connection: Connection, random: u64, millis: u64, step: u8) {
    let now = Instant::from_millis(millis);
    match step {
        0 => used(node.accept(Origin::default(), random, now)),
        1 => used(node.accept_over(black_box(Default::default()), Origin::default(), random, now)),
        2 => used(node.poll_dial(now)),
        3 => node.handle_dialling(connection, now),
        4 => node.handle_securing(connection, now),
        5 => node.handle_unreachable(connection, NetworkFault::Refused),
        6 => node.handle_connected(connection, random, now),
        7 => node.handle_connected_over(black_box(Default::default()), connection, random, now),
        8 => node.handle_closed(connection, Some(NetworkFault::Reset)),
        _ => used((node.claimed(connection), node.is_open(connection), node.takes_bytes(connection), node.capacity())),
    }
}

/// Bytes come.
#[unsafe(no_mangle)]
pub extern "C" fn received(node: &mut Node<'static>, connection: &mut Connection, bytes: &Bytes) {
    let len = copy(node.read_buffer(*connection), bytes.get());
    node.handle_bytes(connection, len);
}

/// Bytes go.
#[unsafe(no_mangle)]
pub extern "C" fn transmitted(node: &mut Node<'static>, connection: Connection, len: usize) {
    black_box(node.poll_transmit(connection));
    node.handle_transmitted(connection, len);
    black_box(node.poll_work());
}

/// Time goes by.
#[unsafe(no_mangle)]
pub extern "C" fn timed(node: &mut Node<'static>, millis: u64) {
    black_box(node.poll_timeout());
    node.handle_timeout(Instant::from_millis(millis));
}
