//! What a log shows at level debug: names and sizes, and nothing of what is in them.

use std::cell::RefCell;
use std::fmt::Write;

use allocation_counter::measure;
use beamless::{Config, Error, Full};
use log::{LevelFilter, Log, Metadata, Record};

use crate::pair::{End, Storage, at, connect, connected, send, storage};

/// Writes to a text of the thread that asked for it, as far as that has room; to the other tests it is not there.
struct Logger;

thread_local! {
    static LINES: RefCell<Option<String>> = const { RefCell::new(None) };
}

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        LINES.with_borrow(Option::is_some)
    }

    fn log(&self, record: &Record<'_>) {
        LINES.with_borrow_mut(|lines| {
            if let Some(lines) = lines {
                writeln!(lines, "{}", record.args()).unwrap();
            }
        });
    }

    fn flush(&self) {}
}

/// The lines that are logged meanwhile, and how often memory was allocated.
pub(crate) fn logged(doing: impl FnOnce()) -> (Vec<String>, u64) {
    // another test may have set it
    let _ = log::set_logger(&Logger);
    log::set_max_level(LevelFilter::Debug);
    LINES.set(Some(String::with_capacity(1 << 16)));
    let allocated = measure(doing).count_total;
    let lines = LINES.take().unwrap();
    (lines.lines().map(str::to_owned).collect(), allocated)
}

/// What a line says, if it has the only form there is: to or from whom, what, how large.
fn parts(line: &str) -> (&str, &str, usize) {
    let parsed = (|| {
        let (way, rest) = line.split_once(": ")?;
        let (name, size) = rest.strip_suffix(" bytes")?.split_once(", ")?;
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        Some((way, name, size.parse().ok().filter(|_| plain)?))
    })();
    parsed.unwrap_or_else(|| panic!("{line}"))
}

#[test]
fn a_handshake_is_shown_step_by_step() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b) = (End::hidden("a@host", &mut one), End::hidden("b@host", &mut other));
    let (lines, _) = logged(|| {
        connect(&mut a, &mut b);
    });
    let shown: Vec<_> = lines.iter().map(|line| parts(line)).map(|(way, what, _)| format!("{way} {what}")).collect();
    assert_eq!(
        shown,
        [
            "to b@host send_name",
            "from a caller send_name",
            "to a@host send_status",
            "to a@host send_challenge",
            "from b@host send_status",
            "from b@host send_challenge",
            "to b@host send_challenge_reply",
            "from a@host send_challenge_reply",
            "to a@host send_challenge_ack",
            "from b@host send_challenge_ack",
        ]
    );
}

#[test]
fn control_messages_are_shown_by_name_and_size() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    let (lines, allocated) = logged(|| {
        a.node.outbox(from).unwrap().send(("to", "b@host"), |t| t.str("the payload")).unwrap();
        a.node.outbox(from).unwrap().monitor(("nobody here", "b@host")).unwrap();
        wire.settle(&mut a, &mut b, || usize::MAX);
        let (message, mut out) = b.node.recv(to).unwrap();
        out.send(message.sender().unwrap(), |t| t.atom("answer")).unwrap();
        wire.settle(&mut a, &mut b, || 1);
    });
    let sizes: Vec<_> = lines.iter().map(|line| parts(line)).collect();
    let (payload, answer) = ("the payload".len() + 6, "answer".len() + 3);
    let (there, back) = (sizes[0].2, sizes[6].2);
    assert!(there > payload && back > answer, "{lines:?}");
    let names: Vec<_> = sizes.iter().map(|(way, what, _)| (*way, *what)).collect();
    assert_eq!(
        names,
        [
            ("to b@host", "REG_SEND"),
            ("to b@host", "MONITOR_P"),
            ("from a@host", "REG_SEND"),
            ("from a@host", "MONITOR_P"),
            ("to a@host", "PAYLOAD_MONITOR_P_EXIT"),
            ("from b@host", "PAYLOAD_MONITOR_P_EXIT"),
            ("to a@host", "SEND_SENDER"),
            ("from b@host", "SEND_SENDER"),
        ]
    );
    assert_eq!((sizes[2].2, sizes[7].2), (there, back), "both sides see the same size");
    assert_eq!(allocated, 0);
}

/// What is held up is looked at again and again.
#[test]
fn a_message_that_waits_is_shown_once() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    let mut sent = 0;
    let (lines, _) = logged(|| {
        while send(&mut a, from, "to", "b@host", sent).is_ok() {
            sent += 1;
            wire.settle(&mut a, &mut b, || usize::MAX);
        }
        (0..5).for_each(|second| b.node.handle_timeout(at(second)));
        while b.node.recv(to).is_some() {
            b.node.handle_timeout(at(6));
            wire.settle(&mut a, &mut b, || usize::MAX);
        }
    });
    let came = lines.iter().filter(|line| line.starts_with("from a@host: REG_SEND")).count();
    assert_eq!(came as i64, sent);
}

#[test]
fn one_that_is_too_large_is_shown_with_its_size() {
    let mut large = Box::new(beamless::NodeStorage::<2, 1, 16_384>::new());
    let mut other = storage();
    let mut a = End::new(Config::hidden("a@host", "secret").unwrap(), &mut large);
    let mut b = End::new(Config::hidden("b@host", "secret").unwrap(), &mut *other as &mut Storage);
    let mut wire = connect(&mut a, &mut b);
    let from = a.node.register("from").unwrap();
    let text = "large".repeat(2_000);
    let (lines, _) = logged(|| {
        a.node.outbox(from).unwrap().send(("to", "b@host"), |t| t.str(&text)).unwrap();
        wire.settle(&mut a, &mut b, || 1_000);
    });
    let [there, here] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((parts(there).1, parts(here)), ("REG_SEND", ("from a@host", "REG_SEND", parts(there).2)));
    assert!(parts(here).2 > text.len());
    // what does not fit is not sent, and not shown as if it were
    let refused = logged(|| {
        let e = b.node.register("x").and_then(|x| b.node.outbox(x)?.send(("from", "a@host"), |t| t.str(&text)));
        assert!(matches!(e, Err(Error::Full(Full::Message { .. }))), "{e:?}");
    });
    assert_eq!(refused.0, [""; 0]);
}
