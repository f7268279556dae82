//! The memory that TLS takes of its own: of a connection, whatever its peer sends, and of a stranger.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use allocation_counter::measure;
use beamless::TlsVersions;
use md5::{Digest, Md5};
use rustls::{ClientConnection, StreamOwned};

use crate::pki::{Ca, Kind};
use crate::tls::{HERE, HOME, Side, client, tls, until};

const KIB: i64 = 1024;
/// What the documentation promises, above plain: of a connection, and of it while nothing comes.
const CONNECTION: i64 = 60 * KIB;
const IDLE: i64 = 9 * KIB;
/// Strangers at once.
const STRANGERS: i64 = 4;

/// A peer that is proven, whose records are as large as there are: those of Erlang are too.
struct Peer(StreamOwned<ClientConnection, TcpStream>);

impl Peer {
    fn connect(tls: ClientConnection, address: SocketAddr) -> Self {
        let mut peer = Self(StreamOwned::new(tls, TcpStream::connect(address).unwrap()));
        let flags = 0xd_07df_7fbd_u64;
        let name = b"peer@127.0.0.1";
        peer.packet(&[b"N", &flags.to_be_bytes()[..], &[0, 0, 0, 7], &[0, 14], name].concat());
        assert_eq!(peer.answer(), b"sok");
        let challenge = u32::from_be_bytes(peer.answer()[9..13].try_into().unwrap());
        let digest = Md5::digest(format!("secret{challenge}"));
        peer.packet(&[b"r", &[0, 0, 0, 9][..], &digest].concat());
        assert_eq!(peer.answer()[0], b'a');
        peer
    }

    fn packet(&mut self, bytes: &[u8]) {
        let len = u32::try_from(bytes.len()).unwrap();
        self.0.write_all(&[&len.to_be_bytes()[..], bytes].concat()).unwrap();
    }

    fn answer(&mut self) -> Vec<u8> {
        let mut len = [0; 4];
        self.0.read_exact(&mut len).unwrap();
        let mut bytes = vec![0; u32::from_be_bytes(len) as usize];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }
}

/// A message to the mailbox, with so many bytes in it, as it is on the wire.
fn message(len: usize) -> Vec<u8> {
    let name = b"peer@127.0.0.1";
    let pid = [&[88, 119, 14][..], name, &[0, 0, 0, 1], &[0; 4], &[0, 0, 0, 7]].concat();
    let control = [&[112, 131, 104, 4, 97, 6][..], &pid, &[119, 0, 119, 5], b"inbox"].concat();
    let binary = [&[131, 109][..], &u32::try_from(len).unwrap().to_be_bytes(), &vec![0xa5; len]].concat();
    let frame = [control, binary].concat();
    [&u32::try_from(frame.len()).unwrap().to_be_bytes()[..], &frame].concat()
}

/// Starts a peer in a thread of its own, whose memory counts for nothing here. It sends what it is given, and ends with what gives.
fn start(tls: ClientConnection, address: SocketAddr) -> (Sender<Vec<u8>>, JoinHandle<()>) {
    let (give, given): (_, Receiver<Vec<u8>>) = channel();
    let peer = thread::spawn(move || {
        let mut peer = Peer::connect(tls, address);
        for bytes in given {
            // until this node has enough of it
            if peer.0.write_all(&bytes).is_err() {
                break;
            }
        }
    });
    (give, peer)
}

/// The bytes that lie on the heap in the end, and the most that ever did.
fn held(session: impl FnOnce()) -> (i64, i64) {
    let counted = measure(session);
    (counted.bytes_current, counted.bytes_max.try_into().unwrap())
}

#[test]
fn a_connection_keeps_to_its_bound() {
    let ca = Ca::new("test");
    let cert = ca.cert(Kind::of(HERE));
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        let mut home = Side::new(HOME, Some(tls(&ca, &cert, versions)));
        let (give, peer) = start(client(&ca, &cert), home.driver.local_addr().unwrap());
        let (idle, handshake) = held(|| {
            until("the peer to be up", || {
                home.turn();
                home.is_up()
            });
        });
        // 64 KiB at once are four of the largest records
        (0..200).for_each(|_| give.send(message(1000).repeat(64)).unwrap());
        // first nobody reads, neither here nor there
        let (full, full_peak) = held(|| {
            for _ in 0..1000 {
                home.turn();
                let _ = home.node.outbox(home.inbox).unwrap().send(("nobody", "peer@127.0.0.1"), |t| t.binary(&[0; 9000]));
            }
        });
        let (after, after_peak) = held(|| {
            let mut read = 0;
            until("all to be read", || {
                home.turn();
                while home.node.recv(home.inbox).is_some() {
                    read += 1;
                }
                read == 200 * 64
            });
        });
        assert!(idle <= IDLE && idle + full + after <= IDLE, "{versions:?}: {idle} and then {} bytes", idle + full + after);
        let peak = handshake.max(idle + full_peak).max(idle + full + after_peak);
        assert!(peak <= CONNECTION, "{versions:?}: {peak} bytes");
        drop(give);
        peer.join().unwrap();
    }
}

#[test]
fn strangers_keep_to_their_bound() {
    let ca = Ca::new("test");
    let mut home = Side::new(HOME, Some(tls(&ca, &ca.cert(Kind::of(HERE)), TlsVersions::Both)));
    let address = home.driver.local_addr().unwrap();
    // a ClientHello of 65,535 bytes, in records as large as there are, without its last byte
    let hello = [&[1, 0, 0xff, 0xff][..], &[3, 3], &[0xa5; 0xfffd]].concat();
    let record = |body: &[u8]| [&[22, 3, 1][..], &u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat();
    let bytes: Vec<u8> = hello[..0xffff + 3].chunks(0x4000).flat_map(record).collect();
    for (piece, count) in [(1000, STRANGERS), (65_536, STRANGERS), (65_536, 1)] {
        let mut strangers: Vec<_> = (0..count).map(|_| TcpStream::connect(address).unwrap()).collect();
        let (_, most) = held(|| {
            for bytes in bytes.chunks(piece) {
                for stranger in &mut strangers {
                    let _ = stranger.write_all(bytes);
                }
                // each has its turn, and more than one
                (0..20 * count).for_each(|_| home.turn());
            }
        });
        assert!(most / count <= CONNECTION, "{piece}: {most} bytes of {count}");
        drop(strangers);
        let mut events = 0;
        until("all to be gone", || {
            home.turn();
            while home.node.poll_event().is_some() {
                events += 1;
            }
            events == count
        });
    }
}
