//! A box in a cluster of Elixir: it publishes readings by Phoenix.PubSub, hears what is broadcast on a topic, is present, and has a global name.
//!
//!     iex --name hub@127.0.0.1 --cookie secret -S mix       # with My.PubSub, and with My.Tracker, a Phoenix.Tracker or Presence
//!     > Phoenix.PubSub.subscribe(My.PubSub, "readings")
//!     cargo run --example cluster -- edge@127.0.0.1 secret hub@127.0.0.1
//!     > flush()
//!     {:reading, :"edge@127.0.0.1", 21.5}
//!     > Phoenix.PubSub.broadcast(My.PubSub, "cmd", :hello)
//!     > Phoenix.Tracker.list(My.Tracker, "boxes")
//!     [{"edge@127.0.0.1", %{phx_ref: "GA5xq0qWDeQ=", unit: :celsius}}]
//!     > GenServer.call({:global, :therm}, :read)
//!     21.5

use std::time::{Duration, Instant};

use beamless::{
    Config, Driver, DriverOptions, Error, Event, GroupStorage, Mailbox, Message, Node, NodeStorage, Outbox, Received, Term,
    WriteTermAgain,
};

/// The scope of Phoenix.PubSub's groups, and the module that hands its messages out.
const PUBSUB: &str = "Elixir.Phoenix.PubSub";
/// The groups of My.PubSub. With `pool_size: 2` there is Elixir.My.PubSub.Adapter_2 besides, and so on.
const GROUPS: [&str; 1] = ["Elixir.My.PubSub.Adapter"];
const EVERY: Duration = Duration::from_secs(1);

/// Makes the mailbox, which is in the groups and has the global name for as long as it lives.
fn begin(node: &mut Node<'_>) -> Result<Mailbox, Error> {
    let mailbox = node.register("thermometer")?;
    // a tracker links what it tracks
    node.trap_exit(mailbox, true)?;
    for group in GROUPS {
        node.join(mailbox, PUBSUB, |t| t.atom(group))?;
    }
    // whoever sends to a group has to know its members
    node.monitor_scope(PUBSUB)?;
    node.register_global(mailbox, "therm")?;
    Ok(mailbox)
}

/// Does what `Phoenix.PubSub.broadcast(My.PubSub, topic, message)` does. Returns to how many nodes it went.
fn broadcast(node: &mut Node<'_>, from: Mailbox, topic: &str, message: impl WriteTermAgain) -> Result<usize, Error> {
    node.send_to_group(
        from,
        PUBSUB,
        |t| t.atom(GROUPS[0]),
        |t| message(t.tuple(4)?.atom("forward_to_local")?.str(topic)?)?.atom(PUBSUB),
    )
}

/// Reads what is broadcast: the topic, and the message.
fn broadcasted<'m>(term: Term<'m>) -> Option<(&'m str, Term<'m>)> {
    match term.tuple() {
        Some([tag, topic, message, _]) if tag.is_atom("forward_to_local") => Some((topic.as_str()?, message)),
        _ => None,
    }
}

/// Does `Phoenix.Tracker.track(My.Tracker, self(), "boxes", name, %{unit: :celsius})` on the hub.
fn appear(out: &mut Outbox<'_>, hub: &str, name: &str) -> Result<(), Error> {
    let me = out.pid();
    out.rpc(hub, "Elixir.Phoenix.Tracker", "track", Some(Duration::from_secs(5)), |t| {
        t.list(5)?.atom("Elixir.My.Tracker")?.pid(me)?.str("boxes")?.str(name)?;
        t.map(1)?.atom("unit")?.atom("celsius")?.nil()
    })?;
    Ok(())
}

/// Takes a message. Returns false when the box is not present, or not any more.
fn handle(message: &Message<'_>, out: &mut Outbox<'_>) -> Result<bool, Error> {
    match message.received() {
        Received::Call(call) => out.reply(&call, |t| t.float(21.5))?,
        Received::Exit { reason, .. } => {
            log::warn!("the tracker ended: {reason}");
            return Ok(false);
        }
        Received::Answer { result: Err(failure), .. } => {
            log::warn!("not present: {failure}");
            return Ok(false);
        }
        Received::Info(term) => {
            // each member hears all topics
            if let Some(("cmd", message)) = broadcasted(term) {
                log::info!("cmd: {message}");
            }
        }
        _ => {}
    }
    Ok(true)
}

fn main() -> Result<(), Error> {
    env_logger::Builder::new().filter_level(log::LevelFilter::Info).init();
    let mut args = std::env::args().skip(1);
    let (Some(name), Some(cookie), Some(hub)) = (args.next(), args.next(), args.next()) else {
        eprintln!("usage: cluster NODE@HOST COOKIE HUB@HOST");
        std::process::exit(2);
    };
    let mut storage = NodeStorage::<4, 2, 16_384>::new();
    let mut groups = GroupStorage::<4, 4, 16>::new();
    let mut node = Node::new(Config::hidden(&name, &cookie)?, &mut storage);
    node.set_groups(&mut groups)?;
    let mut thermometer = begin(&mut node)?;
    let mut driver = Driver::new(DriverOptions::from_env()?, &mut node)?;
    let (mut next, mut is_present) = (Instant::now(), false);
    loop {
        driver.poll(&mut node, Some(next.saturating_duration_since(Instant::now())))?;
        while let Some((message, mut out)) = node.recv(thermometer) {
            is_present &= handle(&message, &mut out)?;
        }
        while let Some(event) = node.poll_event() {
            log::info!("{event}");
            is_present &= !matches!(event, Event::NodeDown { .. } | Event::MailboxEnded { .. });
        }
        // exit(Pid, kill) ends a mailbox: it begins anew; while it is there, its name is taken
        if let Ok(again) = begin(&mut node) {
            thermometer = again;
        }
        if Instant::now() < next {
            continue;
        }
        next = Instant::now().checked_add(EVERY).unwrap_or(next);
        if !node.peers().any(|peer| peer.name.as_str() == hub) {
            // does nothing while an attempt is under way
            node.connect(&hub)?;
            continue;
        }
        if !is_present {
            appear(&mut node.outbox(thermometer)?, &hub, &name)?;
            is_present = true;
        }
        match broadcast(&mut node, thermometer, "readings", |t| t.tuple(3)?.atom("reading")?.atom(&name)?.float(21.5)) {
            Ok(_) => {}
            Err(e) => log::warn!("reading not sent to all: {e}"),
        }
    }
}
