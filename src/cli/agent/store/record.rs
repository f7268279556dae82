//! What a segment of the log consists of: a header, and behind it one record after the other. All numbers are little-endian.
//!
//! A header is the letters `blkeep`, the version (2 bytes), a salt (4), and the checksum of these (4). A record is its checksum (4 bytes), the
//! length of its payload (4), its kind (1), its queue (8), its place in the queue (8), and the payload. The checksum is CRC-32; that of a record
//! begins with the salt, so that what a power cut left of a deleted segment is not taken for what was written over it.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

const LETTERS: [u8; 6] = *b"blkeep";
const VERSION: u16 = 1;

/// The bytes of a header.
pub(super) const HEADER: usize = 16;
/// The bytes of a record without its payload.
pub(super) const RECORD: usize = 25;

/// What a record is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has what was appended to a queue, at this place.
    Data,
    /// All of a queue up to this place is done with.
    Acknowledgement,
}

/// A record without its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// What the checksum is said to be, and what it comes to without the payload.
    checksum: [u32; 2],
    pub(super) length: u32,
    pub(super) kind: Kind,
    pub(super) queue: u64,
    pub(super) place: u64,
}

/// Returns the header of a segment.
pub(super) fn header(salt: u32) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    let (head, sum) = bytes.split_at_mut(HEADER - 4);
    head.copy_from_slice(&[&LETTERS[..], &VERSION.to_le_bytes(), &salt.to_le_bytes()].concat());
    sum.copy_from_slice(&checksum(0, head).to_le_bytes());
    bytes
}

/// Returns the salt that a header has, also if one of its bytes is wrong: without it nothing behind could be read.
fn salt(bytes: &[u8; HEADER]) -> Option<u32> {
    let read = |bytes: &[u8; HEADER]| {
        let [.., s0, s1, s2, s3, _, _, _, _] = *bytes;
        let salt = u32::from_le_bytes([s0, s1, s2, s3]);
        (header(salt) == *bytes).then_some(salt)
    };
    let one_wrong = || (0..HEADER).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte)));
    read(bytes).or_else(|| {
        one_wrong().find_map(|(at, byte)| {
            let mut mended = *bytes;
            *mended.get_mut(at)? = byte;
            read(&mended)
        })
    })
}

/// Appends a record to the bytes of a segment with this salt.
pub(super) fn write(bytes: &mut Vec<u8>, salt: u32, kind: Kind, (queue, place): (u64, u64), payload: &[u8]) {
    let mut head = [0; RECORD - 4];
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let kind = match kind {
        Kind::Data => 1,
        Kind::Acknowledgement => 2,
    };
    head.copy_from_slice(&[&length.to_le_bytes()[..], &[kind], &queue.to_le_bytes(), &place.to_le_bytes()].concat());
    let sum = checksum(checksum(salt, &head), payload);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(payload);
}

/// A segment that is read from its beginning, or from one of its records, to where it is torn or ends.
pub(super) struct Segment {
    file: BufReader<File>,
    pub(super) salt: u32,
    /// The bytes read so far: where the next record begins.
    pub(super) at: u64,
    /// The bytes of the file.
    pub(super) length: u64,
    payload: Vec<u8>,
    /// What is behind the first damage, once there was some, and where that begins.
    rest: (u64, Vec<u8>),
    /// The bytes that may still be looked at in vain behind damage.
    budget: usize,
}

impl Segment {
    /// Opens a segment; `None` if it was cut off before it had anything, and is zeros at most. One of another version is an error, and so is one whose
    /// beginning is damaged.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut file = BufReader::with_capacity(16 << 10, file);
        let mut bytes = [0; HEADER];
        if length < HEADER as u64 {
            return Ok(None);
        }
        file.read_exact(&mut bytes)?;
        let [letters @ .., v0, v1, _, _, _, _, _, _, _, _] = bytes;
        if letters == LETTERS && [v0, v1] != VERSION.to_le_bytes() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if bytes == [0; HEADER] {
            // a block that the disk has lost is zeros, too, and then there is something behind it
            let mut rest = file.bytes();
            return match rest.find(|byte| !matches!(byte, Ok(0))) {
                Some(byte) => byte.and(Err(io::ErrorKind::InvalidData.into())),
                None => Ok(None),
            };
        }
        let salt = salt(&bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Some(Self { file, salt, at: HEADER as u64, length, payload: Vec::new(), rest: (0, Vec::new()), budget: 0 }))
    }

    /// Goes to the record that begins there.
    pub(super) fn go_to(&mut self, at: u64) -> io::Result<()> {
        // mostly near by, where what was read ahead can stay
        let now = self.file.stream_position()?;
        self.file.seek_relative(i64::try_from(at).unwrap_or(i64::MAX).saturating_sub_unsigned(now))?;
        self.at = at;
        Ok(())
    }

    /// Returns where the next whole record is behind what is damaged there; `None` where there is none, or if too much looks like one and is none.
    pub(super) fn next_whole(&mut self, damaged: u64) -> io::Result<Option<u64>> {
        let (from, bytes) = &mut self.rest;
        if bytes.is_empty() {
            // once for all damage in it
            self.file.seek(SeekFrom::Start(damaged))?;
            *from = damaged;
            self.file.read_to_end(bytes)?;
            self.budget = bytes.len().saturating_mul(16);
        }
        let first = usize::try_from(damaged.saturating_sub(*from)).unwrap_or(usize::MAX).saturating_add(1);
        for at in first..bytes.len() {
            let Some((head, rest)) = bytes.get(at..).and_then(<[u8]>::split_first_chunk) else { break };
            let Some(head) = Head::parse(head, self.salt) else { continue };
            let Some(payload) = rest.get(..usize::try_from(head.length).unwrap_or(usize::MAX)) else { continue };
            let [said, begun] = head.checksum;
            if checksum(begun, payload) == said {
                return Ok(Some(from.saturating_add(at as u64)));
            }
            self.budget = self.budget.saturating_sub(payload.len());
            if self.budget == 0 {
                break;
            }
        }
        Ok(None)
    }

    /// Goes on to the record that begins there.
    pub(super) fn skip_to(&mut self, at: u64) -> io::Result<()> {
        let by = i64::try_from(at.saturating_sub(self.at)).unwrap_or(0);
        self.file.seek_relative(by)?;
        self.at = self.at.saturating_add(by.unsigned_abs());
        Ok(())
    }

    /// Reads what is there of the next record without its payload, which is to be read or skipped next; `None` where there is none. Whether it is
    /// whole is not known before the payload is.
    pub(super) fn head(&mut self) -> io::Result<Option<Head>> {
        let left = self.length.saturating_sub(self.at);
        let mut bytes = [0; RECORD];
        if left < RECORD as u64 {
            return Ok(None);
        }
        self.file.read_exact(&mut bytes)?;
        Ok(Head::parse(&bytes, self.salt).filter(|head| u64::from(head.length) <= left.saturating_sub(RECORD as u64)))
    }

    /// Reads the payload of a record; `None` if the record is torn.
    pub(super) fn payload(&mut self, head: &Head) -> io::Result<Option<&[u8]>> {
        // no more than the file has
        self.payload.resize(usize::try_from(head.length).unwrap_or(0), 0);
        self.file.read_exact(&mut self.payload)?;
        self.at = self.at.saturating_add(head.bytes());
        let [said, begun] = head.checksum;
        Ok((checksum(begun, &self.payload) == said).then_some(&*self.payload))
    }

    /// Skips the payload of a record.
    pub(super) fn skip(&mut self, head: &Head) -> io::Result<()> {
        self.file.seek_relative(i64::from(head.length))?;
        self.at = self.at.saturating_add(head.bytes());
        Ok(())
    }
}

impl Head {
    /// Returns the bytes of the whole record.
    pub(super) fn bytes(&self) -> u64 {
        (RECORD as u64).saturating_add(self.length.into())
    }

    fn parse(bytes: &[u8; RECORD], salt: u32) -> Option<Self> {
        let (said, head) = bytes.split_first_chunk()?;
        let (length, rest) = head.split_first_chunk()?;
        let (kind, rest) = rest.split_first()?;
        let (queue, rest) = rest.split_first_chunk()?;
        let kind = match kind {
            1 => Kind::Data,
            2 => Kind::Acknowledgement,
            _ => return None,
        };
        Some(Self {
            checksum: [u32::from_le_bytes(*said), checksum(salt, head)],
            length: u32::from_le_bytes(*length),
            kind,
            queue: u64::from_le_bytes(*queue),
            place: u64::from_le_bytes(rest.try_into().ok()?),
        })
    }
}

/// The checksums of all half bytes, by the polynomial of IEEE 802.3, its bits in reverse (0xedb8_8320).
const SUMS: [u32; 16] = [
    0x0000_0000,
    0x1db7_1064,
    0x3b6e_20c8,
    0x26d9_30ac,
    0x76dc_4190,
    0x6b6b_51f4,
    0x4db2_6158,
    0x5005_713c,
    0xedb8_8320,
    0xf00f_9344,
    0xd6d6_a3e8,
    0xcb61_b38c,
    0x9b64_c2b0,
    0x86d3_d2d4,
    0xa00a_e278,
    0xbdbd_f21c,
];

/// Returns the CRC-32 of what has this one so far (0 at its beginning) and goes on with these bytes.
pub(super) fn checksum(before: u32, bytes: &[u8]) -> u32 {
    let half = |sum: u32| (sum >> 4) ^ SUMS.get((sum & 15) as usize).copied().unwrap_or(0);
    !bytes.iter().fold(!before, |sum, byte| half(half(sum ^ u32::from(*byte))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(checksum(0, b"123456789"), 0xcbf4_3926);
        assert_eq!(checksum(checksum(0, b"12345"), b"6789"), 0xcbf4_3926);
    }
}
