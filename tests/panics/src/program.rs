//! The node, as a program calls it: what it is told, and what it sends.

use core::hint::black_box;
use core::time::Duration;

use beamless::{Exception, Mailbox, Monitor, Node, Overflow, OwnedReference, Pid, Received, Request, Term};

use crate::{Bytes, show, used};

/// Messages, signals and answers are received, and answered.
#[unsafe(no_mangle)]
pub extern "C" fn messages(node: &mut Node<'static>, mailbox: Mailbox, step: u8) {
    let Some((message, mut out)) = node.recv(mailbox) else { return };
    black_box((message.sender(), message.as_call(), message.as_system(), message.as_cast(), message.term(), out.peer(&message)));
    let result = match message.received() {
        Received::Call(call) => {
            black_box(call.caller().keep().map(|caller| caller.as_caller().waits()));
            out.reply(&call, |t| t.term(call.request))
        }
        Received::Apply(apply) if step == 0 => out.reply(&apply, |t| t.term(apply.args)),
        Received::Apply(apply) => out.raise(&apply, Exception::Error, |t| t.term(apply.args)),
        Received::Down { monitor, reason } => {
            show(&reason);
            out.demonitor(monitor)
        }
        Received::Answer { request, result } => {
            match result {
                Ok(term) => show(&term),
                Err(failure) => show(&failure),
            }
            out.abandon(request)
        }
        Received::Exit { from, .. } => out.unlink(from),
        Received::Cast(term) | Received::Info(term) => out.send(out.pid(), |t| t.term(term)),
        _ => Ok(()),
    };
    if let Err(e) = result {
        show(&e);
    }
    if step == 1 {
        message.put_back();
    }
}

/// What a mailbox does.
#[unsafe(no_mangle)]
pub extern "C" fn sent(
    node: &mut Node<'static>,
    mailbox: Mailbox,
    pid: &Pid<'_>,
    bytes: &Bytes,
    step: u8,
    handles: &(Monitor, Request),
) {
    let (text, time) = (bytes.text(), Some(Duration::from_millis(bytes.len as u64)));
    let to = bytes.two();
    let Ok(mut out) = node.outbox(mailbox) else { return };
    let result = match step {
        0 => out.send(*pid, |t| t.str(text)),
        1 => out.send(to, |t| t.str(text)),
        2 => out.cast(to, |t| t.str(text)),
        3 => out.link(*pid),
        4 => out.unlink(*pid),
        5 => out.exit(*pid, |t| t.str(text)),
        6 => out.monitor(*pid).map(used),
        7 => out.monitor(to).map(used),
        8 => out.demonitor(handles.0),
        9 => out.call(to, time, |t| t.str(text)).map(used),
        10 => out.rpc(text, text, text, time, |t| t.nil()).map(used),
        11 => out.rpc_as_group_leader(text, text, text, time, |t| t.nil()).map(used),
        12 => out.abandon(handles.1),
        13 => out.whereis_global(to.0, text, time).map(used),
        14 => out.send_global(to.0, text, |t| t.str(text)),
        _ => out.from_mailbox(mailbox).map(used),
    };
    if let Err(e) = result {
        show(&e);
    }
}

/// What a program has its node do.
#[unsafe(no_mangle)]
pub extern "C" fn program(node: &mut Node<'static>, mailbox: Mailbox, alias: &OwnedReference, bytes: &Bytes, step: u8) {
    let text = bytes.text();
    let result = match step {
        0 => node.register(text).map(used),
        1 => node.close_mailbox(mailbox, |t| t.str(text)),
        2 => node.trap_exit(mailbox, text.is_empty()),
        3 => node.take_system(mailbox, text.is_empty()),
        4 => node.serve(mailbox, <[&str; 2]>::from(bytes.two())),
        5 => node.set_overflow(mailbox, Overflow::DropOldest),
        6 => node.pid(mailbox).map(|pid| show(&pid.as_pid())),
        7 => node.alias(mailbox).map(used),
        8 => node.connect(text),
        9 => node.connect_patiently(text),
        10 => node.disconnect(text),
        11 => node.join(mailbox, text, |t| t.str(text)),
        12 => node.leave(mailbox, text, |t| t.str(text)),
        13 => node.monitor_scope(text),
        14 => node.register_global(mailbox, text),
        15 => node.unregister_global(text),
        16 => black_box(node.send_to_group(mailbox, text, |t| t.str(text), |t| t.str(text))).map(used),
        _ => {
            node.close();
            Ok(())
        }
    };
    if let Err(e) = result {
        show(&e);
    }
    black_box((node.unalias(alias), node.received(mailbox), node.dropped(mailbox), node.in_use(), node.max_message()));
    node.members(text, |t| t.str(text)).for_each(|pid| used(pid));
    node.peers().for_each(|peer| used(peer));
    node.mailboxes().for_each(|mailbox| used(mailbox));
}

/// What it is told.
#[unsafe(no_mangle)]
pub extern "C" fn told(node: &mut Node<'static>) {
    black_box((node.poll_wake(), node.poll_mailbox(), node.name(), node.is_visible(), node.creation()));
    if let Some(event) = node.poll_event() {
        show(&event);
        black_box(&event);
    }
    black_box(Term::parse(&[]).is_ok());
}
