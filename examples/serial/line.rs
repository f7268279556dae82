//! The one connection of a node over a serial line. Nothing in here needs `std`, an operating system or a heap: a chip takes the file
//! as it stands, and brings a [`Board`] and a clock.
//!
//! A line has neither a call nor a hang-up, so silence is one. An end whose connection is over lets what still comes go by, and says
//! nothing. The calling end does so for two tick times: by then the other end has noticed, and is ready for the next call. So either box
//! may be reset at any time. What a line lacks beyond that is not made up for: like a socket, it must not lose or change bytes, and one
//! that does needs frames with checksums below.

use core::time::Duration;

use beamless::{Connection, Instant, NetworkFault, Node, Origin};

/// The `net_ticktime` of both ends: how long one may be silent before the other hangs up.
pub(crate) const TICK_TIME: Duration = Duration::from_secs(4);

/// Reads of one turn, so that an end which goes on sending keeps neither the program nor the clock waiting.
const READS: usize = 16;

/// What a board gives. Nothing here waits.
pub(crate) trait Board {
    /// The line is no more.
    type Error;

    /// Takes bytes that have come; how many, 0 if there are none. Those that are not taken hold up the other end, which on
    /// a UART is what RTS and CTS are for.
    ///
    /// # Errors
    /// The line is no more.
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Self::Error>;

    /// Sends bytes; how many of them there was room for.
    ///
    /// # Errors
    /// The line is no more.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error>;

    /// A number that nobody can foresee: whoever can needs no cookie.
    ///
    /// # Errors
    /// There is none.
    fn random(&mut self) -> Result<u64, Self::Error>;
}

/// A line, and the one connection there can be over it.
pub(crate) struct Line<'p, B> {
    board: B,
    /// Whom this end calls. An end without one is called.
    peer: Option<&'p str>,
    connection: Option<Connection>,
    /// Until when nothing is begun: by the calling end since the last connection, by the other one since it last heard something.
    quiet_until: Instant,
}

impl<'p, B: Board> Line<'p, B> {
    /// A line that is called over by `peer`, or, if there is one, over which `peer` is called.
    pub(crate) fn new(board: B, peer: Option<&'p str>) -> Self {
        Self { board, peer, connection: None, quiet_until: Instant::default() }
    }

    /// One turn, with the program in the middle of it: what it sends leaves at once. It is to be taken whenever a byte has come,
    /// there is room to send again, or the time has come that the last turn gave.
    ///
    /// # Errors
    /// As the board.
    pub(crate) fn turn(
        &mut self,
        node: &mut Node<'_>,
        now: Instant,
        program: impl FnOnce(&mut Node<'_>),
    ) -> Result<Option<Instant>, B::Error> {
        // before time is judged: what lies in the line came in time, however late this turn is, and behind whatever else
        let mut received = false;
        for _ in 0..READS {
            if !self.receive(node, now)? {
                break;
            }
            received = true;
        }
        if node.poll_timeout().is_some_and(|due| due <= now) {
            node.handle_timeout(now);
        }
        self.call(node, now)?;
        program(node);
        let sent = self.transmit(node, now)?;
        let woken = node.poll_wake();
        if received || sent || woken {
            // there may be more, or the program has not been shown all there is
            return Ok(Some(now));
        }
        let call = Some(self.quiet_until).filter(|_| self.peer.is_some() && self.connection.is_none());
        Ok([call, node.poll_timeout()].into_iter().flatten().min())
    }

    /// The line is no more, and so is the connection over it.
    pub(crate) fn unplugged(&mut self, node: &mut Node<'_>) {
        if let Some(connection) = self.connection.take() {
            node.handle_closed(connection, None);
        }
    }

    fn call(&mut self, node: &mut Node<'_>, now: Instant) -> Result<(), B::Error> {
        if let (Some(peer), None, true) = (self.peer, self.connection, now >= self.quiet_until) {
            if let Err(e) = node.connect(peer) {
                log::error!("{peer}: {e}");
                self.ended(now);
            }
        }
        while let Some((connection, name)) = node.poll_dial(now) {
            if self.connection.is_some() || self.peer != Some(name.as_str()) {
                node.handle_unreachable(connection, NetworkFault::Refused);
                continue;
            }
            node.handle_connected(connection, self.board.random()?, now);
            self.connection = Some(connection);
        }
        Ok(())
    }

    /// Reads once; whether anything came.
    fn receive(&mut self, node: &mut Node<'_>, now: Instant) -> Result<bool, B::Error> {
        let mut len = 0;
        if let Some(connection) = &mut self.connection {
            let room = node.read_buffer(*connection);
            // without room, the node does not want to read now
            if !room.is_empty() {
                len = self.board.read(room)?;
            }
            if len > 0 {
                node.handle_bytes(connection, len);
            }
        } else {
            let mut first = [0; 64];
            len = self.board.read(&mut first)?;
            if len > 0 && self.peer.is_none() && now >= self.quiet_until {
                self.answer(node, first.get(..len).unwrap_or_default(), now)?;
            }
        }
        if len > 0 && self.peer.is_none() {
            self.quiet_until = now.after(TICK_TIME);
        }
        Ok(len > 0)
    }

    /// Takes a call that begins with these bytes.
    fn answer(&mut self, node: &mut Node<'_>, first: &[u8], now: Instant) -> Result<(), B::Error> {
        // all callers come over the one line
        let Ok(mut connection) = node.accept(Origin::default(), self.board.random()?, now) else { return Ok(()) };
        // a new connection has room for more than that
        let room = node.read_buffer(connection).iter_mut();
        let taken = room.zip(first).map(|(place, byte)| *place = *byte).count();
        node.handle_bytes(&mut connection, taken);
        self.connection = Some(connection);
        Ok(())
    }

    /// Writes once; whether anything went.
    fn transmit(&mut self, node: &mut Node<'_>, now: Instant) -> Result<bool, B::Error> {
        let Some(connection) = self.connection else { return Ok(false) };
        let bytes = node.poll_transmit(connection);
        let sent = if bytes.is_empty() { 0 } else { self.board.write(bytes)? };
        if sent > 0 {
            node.handle_transmitted(connection, sent);
        }
        if !node.is_open(connection) {
            self.ended(now);
        }
        Ok(sent > 0)
    }

    fn ended(&mut self, now: Instant) {
        self.connection = None;
        if self.peer.is_some() {
            self.quiet_until = now.after(TICK_TIME.saturating_mul(2));
        }
    }
}
