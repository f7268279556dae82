//! The sockets of the heartbeats: multicast to a group, broadcast, or to one host.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use mio::net::UdpSocket;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, netdevice, socket_with, sockopt};

use crate::cli::agent::config::Gossip;

/// Sends a datagram. The socket is a new one each time, so that it follows the routes and the addresses of the box as they are now.
pub(super) fn send(settings: &Gossip, bytes: &[u8]) -> io::Result<()> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_nonblocking(true)?;
    if settings.to.ip().is_multicast() {
        socket.set_multicast_ttl_v4(settings.ttl.into())?;
        if let Some(name) = &settings.interface {
            let index = netdevice::name_to_index(&socket, name)?;
            sockopt::set_ip_multicast_if_with_ifindex(&socket, settings.to.ip(), &Ipv4Addr::UNSPECIFIED, index)?;
        }
    } else {
        socket.set_broadcast(true)?;
    }
    socket.send_to(bytes, settings.to).map(drop)
}

/// Opens a socket for what others send there. Where it is a group, nothing else comes by it.
pub(super) fn listen(settings: &Gossip) -> io::Result<UdpSocket> {
    let group = settings.to.ip();
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
    // the other nodes of this host listen there, too
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if group.is_multicast() {
        bind(&socket, &settings.to)?;
        match &settings.interface {
            Some(name) => {
                let index = netdevice::name_to_index(&socket, name)?;
                sockopt::set_ip_add_membership_with_ifindex(&socket, group, &Ipv4Addr::UNSPECIFIED, index)?;
            }
            None => sockopt::set_ip_add_membership(&socket, group, &Ipv4Addr::UNSPECIFIED)?,
        }
    } else {
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, settings.to.port()))?;
    }
    Ok(UdpSocket::from_std(std::net::UdpSocket::from(socket)))
}
