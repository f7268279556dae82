//! No node at all: mio, and what came goes back. The system's share of an echo.

use std::io::{ErrorKind, Read, Write};

fn main() {
    let mut listener = mio::net::TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let _registered = wire::register(listener.local_addr().unwrap().port()).unwrap();
    let mut poll = mio::Poll::new().unwrap();
    let mut events = mio::Events::with_capacity(256);
    let all = mio::Interest::READABLE | mio::Interest::WRITABLE;
    poll.registry().register(&mut listener, mio::Token(usize::MAX), mio::Interest::READABLE).unwrap();
    let mut peers: Vec<(mio::net::TcpStream, Vec<u8>, usize)> = Vec::new();
    loop {
        poll.poll(&mut events, None).unwrap();
        for event in &events {
            let Some((stream, buffer, waiting)) = peers.get_mut(event.token().0) else {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true).unwrap();
                    poll.registry().register(&mut stream, mio::Token(peers.len()), all).unwrap();
                    peers.push((stream, vec![0; 128 * 1024], 0));
                }
                continue;
            };
            loop {
                let mut moved = 0;
                if *waiting < buffer.len() {
                    match stream.read(&mut buffer[*waiting..]) {
                        Ok(n) => moved += n,
                        Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                        Err(_) => break,
                    }
                    *waiting += moved;
                }
                if *waiting > 0 {
                    if let Ok(n) = stream.write(&buffer[..*waiting]) {
                        buffer.copy_within(n..*waiting, 0);
                        *waiting -= n;
                        moved += n;
                    }
                }
                if moved == 0 {
                    break;
                }
            }
        }
    }
}
