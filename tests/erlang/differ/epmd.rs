//! `beamless epmd` and Erlang's epmd in the same conversations: several connections at once, requests right and wrong, whole and in pieces. After
//! each step both have said the same on every connection, closed the same ones, and list the same names.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Dice, Differences, wanted};
use crate::binaries::beamless;
use crate::children::command;
use crate::support::{PATIENCE, World, epmd_command, hex, packet, until};

/// The longest request that `beamless epmd` takes with its length; Erlang's reads a thousand bytes more, to refuse what has them. It stands in the
/// manual.
const LONGEST: usize = 2055;
const LONGEST_READ: usize = 3060;
/// After so many names that are remembered both are started anew: `beamless epmd` has room for 32, Erlang's for a thousand and more.
const REMEMBERED: usize = 20;
/// An EPMD, and the creations that it gave, by name.
struct Side {
    world: World,
    child: Child,
    creations: HashMap<Vec<u8>, u32>,
    asked: u8,
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Side {
    fn new(mut command: Command, relaxed: bool) -> Self {
        let world = World::new();
        command.args(["-port", &world.epmd_port.to_string()]);
        command.args(relaxed.then_some("-relaxed_command_check"));
        world.dress(&mut command);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut side = Self { world, child, creations: HashMap::new(), asked: 0 };
        until("epmd to listen", || side.connect());
        side
    }

    /// Connects, each time to another address of this machine, which has ports of its own to connect from.
    fn connect(&mut self) -> Option<TcpStream> {
        self.asked = self.asked % 200 + 1;
        let stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, self.asked], self.world.epmd_port))).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Some(stream)
    }

    /// The whole answer to a question on a connection of its own; `None` if nobody is there.
    fn ask(&mut self, body: &[u8]) -> Option<Vec<u8>> {
        let mut stream = self.connect()?;
        let mut answer = Vec::new();
        stream.write_all(&packet(body)).ok()?;
        stream.read_to_end(&mut answer).ok()?;
        Some(answer)
    }

    /// The names it lists. Whatever was said before the first of two questions was heard before the second is answered.
    fn names(&mut self) -> Option<String> {
        self.ask(&[110])?;
        self.ask(&[110]).map(|answer| text(&answer[4..]))
    }

    /// What it remembers, without the numbers of connections, which are its own.
    fn dump(&mut self) -> Option<String> {
        self.ask(&[100]).map(|answer| plain_dump(&answer[4..]))
    }

    /// Makes an answer one that can be compared: what is this EPMD's own is left out if it is as it should be.
    fn plain(&mut self, said: &[u8], mut answer: Vec<u8>) -> Vec<u8> {
        let port = u32::from(self.world.epmd_port).to_be_bytes();
        match answer[..] {
            [118, 0, a, b, c, d] if self.follows(said, u32::from_be_bytes([a, b, c, d]), true) => answer.truncate(2),
            [121, 0, a, b] if self.follows(said, u32::from(u16::from_be_bytes([a, b])), false) => answer.truncate(2),
            _ if answer.starts_with(&port) => answer = [b"port ", plain_dump(&answer[4..]).as_bytes()].concat(),
            _ => {}
        }
        answer
    }

    /// Whether a creation is one more than that name had before, and in its range.
    fn follows(&mut self, said: &[u8], creation: u32, wide: bool) -> bool {
        let len = usize::from(u16::from_be_bytes([said[11], said[12]]));
        let name = &said[13..13 + len];
        let next = self.creations.get(name).map(|last| last.checked_add(1).unwrap_or(4));
        let counter = next.or(wide.then_some(creation));
        if let Some(counter) = counter {
            self.creations.insert(name.to_vec(), counter);
        }
        let in_range = if wide { creation >= 4 } else { (1..=3).contains(&creation) };
        in_range && next.is_none_or(|next| creation == if wide { next } else { next % 3 + 1 })
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn plain_dump(bytes: &[u8]) -> String {
    let text = text(bytes);
    let mut parts = text.split(", fd = ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + ", fd = " + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// A connection to each of both, and what came of it.
struct Talk {
    streams: Option<[TcpStream; 2]>,
    said: Vec<u8>,
    /// Nothing more can be said.
    is_mute: bool,
    heard: [Vec<u8>; 2],
    over: [bool; 2],
}

impl Talk {
    /// Takes what has come.
    fn hear(&mut self, sides: &mut [Side; 2]) {
        let Some(streams) = &mut self.streams else { return };
        for (at, stream) in streams.iter_mut().enumerate() {
            let was_empty = self.heard[at].is_empty();
            stream.set_nonblocking(true).unwrap();
            match stream.read_to_end(&mut self.heard[at]) {
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                _ => self.over[at] = true,
            }
            stream.set_nonblocking(false).unwrap();
            // an answer comes at once
            if was_empty && !self.heard[at].is_empty() {
                self.heard[at] = sides[at].plain(&self.said, std::mem::take(&mut self.heard[at]));
            }
        }
    }

    /// Whether what has to come of a whole request, or of more than one, or of one that is none, has come.
    fn is_settled(&self) -> bool {
        let [high, low, ..] = self.said[..] else { return true };
        let len = usize::from(u16::from_be_bytes([high, low])) + 2;
        let came = |at: usize| match self.said.len() {
            said if said > len || !(3..LONGEST_READ).contains(&len) => self.over[at],
            said if said == len => self.over[at] || !self.heard[at].is_empty(),
            _ => true,
        };
        self.streams.is_none() || (came(0) && came(1))
    }
}

/// What may be done next.
#[derive(Debug, Clone)]
enum Step {
    Open,
    Say(usize, Vec<u8>),
    /// Nothing more will be said.
    HalfClose(usize),
    Close(usize),
    Reset(usize),
}

struct Words {
    names: Vec<Vec<u8>>,
}

impl Words {
    fn new() -> Self {
        let texts = ["a", "b", "demo", "\u{e4}lpha-\u{3bd}", "a b", "n\nl", "name a at port 1", "%s"];
        let mut names: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        names.extend(
            ["q".repeat(255), "q".repeat(256), "\u{3bd}".repeat(255), "\u{3bd}".repeat(256), "\u{1f600}".repeat(255)]
                .map(String::into_bytes),
        );
        names.extend([&b""[..], b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"nu\0l", b"z\0", &[b'l'; 1021]].map(<[u8]>::to_vec));
        Self { names }
    }

    /// A request, mostly a right one, with its length.
    fn request(&self, dice: &mut Dice) -> Vec<u8> {
        let name = if dice.once_in(3) { dice.of(&self.names) } else { &self.names[dice.below(4)] };
        let body = match dice.below(40) {
            0..=17 => {
                let extra = match dice.below(8) {
                    0 => vec![1, 0, 2],
                    1 => vec![b'x'; *dice.of(&[1019, 1020, 1021])],
                    _ => vec![],
                };
                let versions = *dice.of(&[[0, 6, 0, 5], [0, 6, 0, 6], [0, 5, 0, 5], [0, 0, 0, 0], [255, 255, 1, 2]]);
                let head = [120, dice.byte(), dice.byte(), *dice.of(&[77, 72, 104, 110, 0, 255]), dice.byte() % 2];
                let [name_len, extra_len] = [name.len(), extra.len()].map(|len| u16::try_from(len).unwrap().to_be_bytes());
                [&head[..], &versions, &name_len, name, &extra_len, &extra].concat()
            }
            18..=27 => [&b"z"[..], name, if dice.once_in(4) { &b"\0"[..] } else { b"" }].concat(),
            28..=31 => b"n".to_vec(),
            32..=33 => b"d".to_vec(),
            34..=37 => [&b"s"[..], name].concat(),
            38 if dice.once_in(4) => b"k".to_vec(),
            _ => (0..dice.below(20)).map(|_| dice.byte()).collect(),
        };
        let mut bytes = packet(&body);
        if dice.once_in(3) {
            let at = dice.below(bytes.len());
            match dice.below(6) {
                0 => bytes[at] = dice.byte(),
                1 => bytes[1] = bytes[1].wrapping_add(1 + dice.byte() % 3),
                2 => bytes[1] = bytes[1].wrapping_sub(1 + dice.byte() % 3),
                3 => bytes.extend((0..=dice.below(4)).map(|_| dice.byte())),
                4 => bytes.truncate(at),
                _ => drop(bytes.splice(at..at, [dice.byte()])),
            }
        }
        bytes
    }

    /// A conversation; all connections are closed at its end.
    fn conversation(&self, dice: &mut Dice) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut open = Vec::new();
        let mut opened = 0;
        for _ in 0..2 + dice.below(8) {
            if open.is_empty() || (open.len() < 6 && dice.once_in(3)) {
                steps.push(Step::Open);
                open.push(opened);
                opened += 1;
            }
            let at = dice.below(open.len());
            let talk = open[at];
            match dice.below(12) {
                0 => steps.push(Step::HalfClose(talk)),
                1 => {
                    open.remove(at);
                    steps.push(Step::Close(talk));
                }
                2 => {
                    open.remove(at);
                    steps.push(Step::Reset(talk));
                }
                _ => {
                    let mut rest = self.request(dice);
                    while !rest.is_empty() {
                        let len = if dice.once_in(3) { 1 + dice.below(rest.len()) } else { rest.len() };
                        let later = rest.split_off(len);
                        steps.push(Step::Say(talk, rest));
                        rest = later;
                    }
                }
            }
        }
        let last: Vec<Step> =
            open.into_iter().map(|talk| if dice.once_in(2) { Step::Close(talk) } else { Step::Reset(talk) }).collect();
        steps.into_iter().chain(last).collect()
    }
}

/// Does one step with both.
fn step(sides: &mut [Side; 2], talks: &mut Vec<Talk>, step: &Step) {
    match step {
        Step::Open => {
            let [a, b] = sides.each_mut().map(|side| until("a connection", || side.connect()));
            talks.push(Talk { streams: Some([a, b]), said: vec![], is_mute: false, heard: [vec![], vec![]], over: [false; 2] });
        }
        Step::Say(at, _) if talks[*at].is_mute => {}
        Step::Say(at, bytes) => {
            talks[*at].said.extend(bytes);
            // it may have been closed
            talks[*at].streams.iter_mut().flatten().for_each(|stream| drop(stream.write_all(bytes)));
        }
        Step::HalfClose(at) => {
            talks[*at].is_mute = true;
            talks[*at].streams.iter_mut().flatten().for_each(|stream| drop(stream.shutdown(Shutdown::Write)));
        }
        Step::Close(at) => talks[*at].streams = None,
        Step::Reset(at) => {
            for stream in talks[*at].streams.take().into_iter().flatten() {
                rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
            }
        }
    }
}

/// Whether this asks where the node with one of the longest names is: Erlang's epmd counts the end of such a name for a character, and says nothing. It
/// stands in the manual.
fn asks_for_longest(said: &[u8]) -> bool {
    let [high, low, 122, name @ ..] = said else { return false };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    let name = name.get(..len.saturating_sub(1)).unwrap_or_default();
    let name = name.strip_suffix(&[0]).unwrap_or(name);
    std::str::from_utf8(name).is_ok_and(|name| name.chars().count() == 255)
}

/// What differs after a step, and whether both go on. On a busy machine what was said takes its time, and so does what comes of it.
fn settled(sides: &mut [Side; 2], talks: &mut [Talk]) -> Result<bool, String> {
    until("an answer or the end of a connection", || {
        talks.iter_mut().for_each(|talk| talk.hear(sides));
        talks.iter().all(Talk::is_settled).then_some(())
    });
    for wait in [0, 0, 1, 10, 100] {
        if let Ok(goes_on) = compared(sides, talks) {
            return Ok(goes_on);
        }
        std::thread::sleep(Duration::from_millis(wait));
    }
    compared(sides, talks)
}

/// What differs now.
fn compared(sides: &mut [Side; 2], talks: &mut [Talk]) -> Result<bool, String> {
    let names = sides.each_mut().map(Side::names);
    if names[0] != names[1] {
        return Err(format!("names {names:?}"));
    }
    for (at, talk) in talks.iter_mut().enumerate() {
        talk.hear(sides);
        if asks_for_longest(&talk.said) {
            continue;
        }
        if talk.heard[0] != talk.heard[1] || talk.over[0] != talk.over[1] {
            let heard = talk.heard.each_ref().map(|heard| hex(heard));
            return Err(format!("connection {at}: {heard:?}, closed {:?}", talk.over));
        }
    }
    Ok(names[0].is_some())
}

fn both(relaxed: bool) -> [Side; 2] {
    let mut ours = command(beamless());
    ours.arg("epmd");
    [Side::new(epmd_command(), relaxed), Side::new(ours, relaxed)]
}

/// Whether this is a request that only Erlang's epmd reads, to refuse it.
fn is_too_long(said: &[u8]) -> bool {
    let len = said.get(..2).map_or(0, |len| usize::from(u16::from_be_bytes([len[0], len[1]])) + 2);
    len > LONGEST && len < LONGEST_READ
}

/// Has a conversation with both. Whether they can have another one, or what differed.
fn converse(sides: &mut [Side; 2], conversation: &[Step], steps: &mut usize) -> Result<bool, String> {
    let mut talks = Vec::new();
    for (at, next) in conversation.iter().enumerate() {
        step(sides, &mut talks, next);
        *steps += 1;
        if talks.iter().any(|talk| is_too_long(&talk.said)) {
            return Ok(false);
        }
        let goes_on = settled(sides, &mut talks).map_err(|what| format!("{what}\n  after {:?}", &conversation[..=at]))?;
        if !goes_on {
            return Ok(false);
        }
    }
    let dumps = sides.each_mut().map(Side::dump);
    if dumps[0] == dumps[1] {
        Ok(dumps[0].as_ref().is_some_and(|dump| dump.lines().count() < REMEMBERED))
    } else {
        Err(format!("{dumps:?}\n  after {conversation:?}"))
    }
}

/// How often a conversation is had anew that differed: pieces that arrive together are another conversation, and on a busy machine they may.
const AGAIN: usize = 3;

#[test]
fn conversations_go_as_with_erlangs_epmd() {
    let (count, seed) = wanted();
    let mut dice = Dice::new(seed);
    let words = Words::new();
    let mut differences = Differences::default();
    let (mut steps, mut starts, mut again) = (0, 0, 0);
    let mut sides: Option<[Side; 2]> = None;
    for number in 0..count / 100 {
        let conversation = words.conversation(&mut dice);
        for attempt in 0..=AGAIN {
            let pair = sides.get_or_insert_with(|| {
                starts += 1;
                both(number % 2 == 0)
            });
            let goes_on = converse(pair, &conversation, &mut steps);
            if goes_on != Ok(true) {
                sides = None;
            }
            match goes_on {
                Ok(_) => break,
                Err(_) if attempt < AGAIN => again += 1,
                Err(what) => differences.add(format!("conversation {number}: Erlang's and ours: {what}")),
            }
        }
    }
    println!("{} conversations of {steps} steps, {starts} starts, {again} had again", count / 100);
    differences.assert_none(seed);
}
