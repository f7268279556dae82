//! EPMD asked as a tool asks it: one question, and the program waits for the answer.

use std::io::{self, ErrorKind, Read, Write};
use std::net::ToSocketAddrs;

use core::time::Duration;

use super::net::failed;
use crate::error::{Misbehaved, Result};
use crate::proto::epmd_client::Names;
use crate::wire::epmd::{KillAnswer, Request, StopAnswer};

/// Names that are taken from an EPMD that is asked for all of them.
const NAMES: usize = 4096;

/// Returns the names registered on a host and the ports of their nodes, newest first, as `epmd -names` and `net_adm:names/1` list them.
///
/// For tools: it blocks, for `timeout` at most and for as long as the system takes to look the host's name up, and it allocates.
/// `port` is EPMD's, see [`EpmdSettings`](crate::EpmdSettings).
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) if the host has no address, no EPMD answers there, or the time is up; [`Error::Misbehaved`](crate::Error::Misbehaved)
/// if what answers is none, or names more than 4096 nodes.
pub fn epmd_names(host: &str, port: u16, timeout: Duration) -> Result<Vec<(String, u16)>> {
    let mut names = Names::new();
    let mut asked = Asked::new(host, port, timeout, names.transmit())?;
    let mut list = Vec::new();
    loop {
        let bytes = asked.read()?;
        if bytes.is_empty() {
            names.handle_close()?;
            return Ok(list);
        }
        names.handle_bytes(bytes, |name, port| list.push((name.to_owned(), port)))?;
        if list.len() > NAMES {
            return Err(Misbehaved::Epmd("answer to NAMES_REQ: more than 4096 names").into());
        }
    }
}

/// Tells the EPMD of this host to end, as `epmd -kill` does: true if it does, false if it goes on because names are registered.
///
/// For tools: it blocks, for `timeout` at most, and it allocates. `port` is EPMD's, see [`EpmdSettings`](crate::EpmdSettings).
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) if no EPMD answers or the time is up; [`Error::Misbehaved`](crate::Error::Misbehaved) if what
/// answers is none.
pub fn epmd_kill(port: u16, timeout: Duration) -> Result<bool> {
    let mut request = [0; 3];
    Request::Kill.emit(&mut request).map_err(|_| Misbehaved::Epmd("request"))?;
    Ok(Asked::new(LOOPBACK, port, timeout, &request)?.until_end(KillAnswer::parse)? == KillAnswer::Ok)
}

/// Tells the EPMD of this host to unregister a name by force, as `epmd -stop` does: false if there is no such name. An EPMD without
/// `-relaxed_command_check` closes without an answer.
///
/// For tools, as [`epmd_kill`].
///
/// # Errors
/// As [`epmd_kill`]; [`Error::Misbehaved`](crate::Error::Misbehaved) also if it gives no answer.
pub fn epmd_stop(alive: &str, port: u16, timeout: Duration) -> Result<bool> {
    let mut request = vec![0; alive.len().saturating_add(3)];
    Request::Stop(alive.as_bytes()).emit(&mut request).map_err(|_| Misbehaved::Epmd("request"))?;
    Ok(Asked::new(LOOPBACK, port, timeout, &request)?.until_end(StopAnswer::parse)? == StopAnswer::Stopped)
}

const LOOPBACK: &str = "localhost";

/// A question to EPMD.
struct Asked {
    stream: std::net::TcpStream,
    /// The place that was asked, for errors.
    place: String,
    deadline: Option<std::time::Instant>,
    bytes: [u8; 2048],
}

impl Asked {
    fn new(host: &str, port: u16, timeout: Duration, request: &[u8]) -> Result<Self> {
        let place = format!("asking epmd on {host}, port {port}");
        let deadline = std::time::Instant::now().checked_add(timeout);
        let mut stream = connect_to(host, port, || left(deadline)).map_err(|e| failed(&place, e))?;
        stream.write_all(request).map_err(|e| failed(&place, e))?;
        Ok(Self { stream, place, deadline, bytes: [0; 2048] })
    }

    /// Waits for more of the answer; nothing is its end.
    fn read(&mut self) -> Result<&[u8]> {
        loop {
            left(self.deadline).and_then(|left| self.stream.set_read_timeout(left)).map_err(|e| failed(&self.place, e))?;
            match self.stream.read(&mut self.bytes) {
                Ok(count) => return Ok(self.bytes.get(..count).unwrap_or_default()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Err(failed(&self.place, ErrorKind::TimedOut.into())),
                Err(e) => return Err(failed(&self.place, e)),
            }
        }
    }

    /// Waits for an answer of one word.
    fn until_end<T>(&mut self, parse: impl Fn(&[u8]) -> core::result::Result<Option<T>, Misbehaved>) -> Result<T> {
        let mut answer = Vec::new();
        loop {
            let bytes = self.read()?;
            if bytes.is_empty() {
                return Err(Misbehaved::Epmd("answer: closed without one").into());
            }
            answer.extend_from_slice(bytes);
            if let Some(answer) = parse(&answer)? {
                return Ok(answer);
            }
        }
    }
}

/// Returns the time that is left; `None` is for ever.
fn left(deadline: Option<std::time::Instant>) -> io::Result<Option<Duration>> {
    match deadline.map(|deadline| deadline.saturating_duration_since(std::time::Instant::now())) {
        Some(Duration::ZERO) => Err(io::Error::from(ErrorKind::TimedOut)),
        left => Ok(left),
    }
}

fn connect_to(host: &str, port: u16, left: impl Fn() -> io::Result<Option<Duration>>) -> io::Result<std::net::TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the host name has no address");
    let addresses = (host, port).to_socket_addrs()?;
    let mut untried = u32::try_from(addresses.len()).unwrap_or(1);
    for address in addresses {
        // one that does not answer leaves time for the others
        let attempt = match left()?.and_then(|left| left.checked_div(untried)) {
            Some(share) => std::net::TcpStream::connect_timeout(&address, share),
            None => std::net::TcpStream::connect(address),
        };
        match attempt {
            Ok(stream) => return Ok(stream),
            Err(e) => last = e,
        }
        untried = untried.saturating_sub(1);
    }
    Err(last)
}
