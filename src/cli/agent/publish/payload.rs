//! A reading as it stands on disk.

use crate::cli::agent::config::{Nodes, Publish, Receiver, Source};

use super::moment::Moment;
use super::reading::Reading;

/// The version of the format.
const VERSION: u8 = 1;

/// Returns what stands before the value of each reading: of those of the file nothing, since that has it; of a program's own the mailbox, and where they go.
pub(super) fn address(given: &Publish) -> Vec<u8> {
    let (Source::Program, Receiver::Name { to, nodes }) = (&given.source, &given.receiver) else { return Vec::new() };
    let mut out = vec![u8::from(matches!(nodes, Nodes::Each(_)))];
    for text in [&given.label, to].into_iter().chain(nodes.names()) {
        // an atom has 255 characters, of four bytes each, at most
        out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    out
}

/// Returns the label and the receiver that an address is of.
pub(super) fn addressed(address: &[u8]) -> Option<(String, Receiver)> {
    let (is_each, mut rest) = address.split_first()?;
    let mut texts = Vec::new();
    while let Some((length, more)) = rest.split_first_chunk() {
        let (text, more) = more.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        texts.push(String::from_utf8(text.to_vec()).ok()?);
        rest = more;
    }
    let mut texts = texts.into_iter();
    let (label, to, nodes) = (texts.next()?, texts.next()?, texts.collect());
    let nodes = if *is_each == 1 { Nodes::Each(nodes) } else { Nodes::First(nodes) };
    Some((label, Receiver::Name { to, nodes }))
}

/// Returns a reading as it is written.
pub(super) fn written(reading: &Reading, address: &[u8]) -> Vec<u8> {
    let Moment { clock, up, boot } = reading.taken;
    let length = u16::try_from(address.len()).unwrap_or(0);
    let mut out = vec![VERSION];
    for part in [reading.number.to_le_bytes(), clock.to_le_bytes(), up.to_le_bytes(), boot.to_le_bytes()] {
        out.extend_from_slice(&part);
    }
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(address.get(..usize::from(length)).unwrap_or(&[]));
    out.extend_from_slice(&reading.value);
    out
}

/// Reads what was written at this place, and the address; nothing if it is of another version.
pub(super) fn read(payload: &[u8], place: u64) -> Option<(Reading, &[u8])> {
    let mut rest = payload.strip_prefix(&[VERSION])?;
    let mut parts = [[0; 8]; 4];
    for part in &mut parts {
        let (first, more) = rest.split_first_chunk()?;
        (*part, rest) = (*first, more);
    }
    let [number, clock, up, boot] = parts;
    let (length, rest) = rest.split_first_chunk()?;
    let (address, value) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    let taken = Moment { clock: i64::from_le_bytes(clock), up: i64::from_le_bytes(up), boot: u64::from_le_bytes(boot) };
    Some((Reading { number: u64::from_le_bytes(number), taken, up: 0, place, value: value.into() }, address))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::agent::config::Form;

    #[test]
    fn what_is_written_is_read() {
        let mut given = Publish {
            source: Source::Program,
            label: "sensor".to_owned(),
            every: Duration::ZERO,
            form: Form::Term,
            // as long as a name can be
            receiver: Receiver::Name { to: "ł".repeat(255), nodes: Nodes::Each(vec!["a@b".to_owned(), "c@d".to_owned()]) },
            keep: None,
        };
        let taken = Moment { clock: 1_700_000_000_000, up: 5, boot: u64::MAX };
        let reading = Reading { number: 9 << 24, taken, up: 0, place: 0, value: vec![131, 97, 7].into() };
        let of_program = address(&given);
        let payload = written(&reading, &of_program);
        let (read_again, found) = read(&payload, 4).unwrap();
        assert_eq!((read_again, found), (Reading { place: 4, ..reading.clone() }, &*of_program));
        assert_eq!(addressed(found), Some((given.label.clone(), given.receiver.clone())));
        given.source = Source::Command(Vec::new());
        assert!(address(&given).is_empty());
        let plain = written(&reading, &[]);
        assert_eq!((plain.len(), read(&plain, 1).unwrap().1), (38, &[][..]));
        // nothing that is not whole, and nothing of a version to come
        assert!((0..35).all(|length| read(&plain[..length], 1).is_none()));
        assert!(read(&[2, 0, 0], 1).is_none() && addressed(&[]).is_none() && addressed(&[0, 9, 1]).is_none());
    }
}
