//! Shares: what one peer may have of what all use, and peers that ask and read nothing.

use beamless::{Config, Dropped, Error, Event, Full, Mailbox, NodeStorage, Overflow, Received};

use crate::pair::{End, Wire, at, dial, integers, storage};

type Hub = NodeStorage<3, 2, 4096, 40, 4>;

fn hub(storage: &mut Hub) -> End<'_> {
    End::new(Config::hidden("b@host", "secret").unwrap(), storage)
}

fn join(end: &mut End<'_>, hub: &mut End<'_>) -> Wire {
    end.node.connect("b@host").unwrap();
    let mut wire = dial(end, hub, at(0)).unwrap();
    wire.settle(end, hub, || usize::MAX);
    assert!(end.is_up());
    hub.news();
    wire
}

/// Asks the hub a number; `false` if there is no room for that.
fn ask(end: &mut End<'_>, from: Mailbox, number: i64) -> bool {
    let pid = end.node.pid(from).unwrap();
    end.node.outbox(from).unwrap().send(("to", "b@host"), |t| t.tuple(2)?.pid(pid.as_pid())?.int(number)).is_ok()
}

/// A server as the documentation has it: it answers each number with the number and 500 bytes, and puts back what cannot be answered now.
fn serve(hub: &mut End<'_>, mailbox: Mailbox) -> usize {
    let mut answered = 0;
    while let Some((message, mut out)) = hub.node.recv(mailbox) {
        let [pid, number] = message.term().tuple().unwrap();
        match out.send(pid.as_pid().unwrap(), |t| t.tuple(2)?.term(number)?.binary(&[7; 500])) {
            Ok(()) => answered += 1,
            Err(Error::Full(Full::Transmit { .. })) => {
                message.put_back();
                break;
            }
            Err(e) => panic!("{e}"),
        }
    }
    answered
}

fn answers(end: &mut End<'_>, mailbox: Mailbox) -> Vec<i64> {
    let mut all = Vec::new();
    while let Some((message, _)) = end.node.recv(mailbox) {
        all.push(message.term().tuple::<2>().unwrap()[0].as_i64().unwrap());
    }
    all
}

/// Lets `a` ask without reading, until nothing of it is taken any more; how often it asked. What it asks first fills the mailbox.
fn ask_and_never_read(a: &mut End<'_>, from: Mailbox, hub: &mut End<'_>, to: Mailbox, wire: &mut Wire) -> i64 {
    let mut asked = 0;
    while hub.node.takes_bytes(wire.b) {
        while ask(a, from, asked) {
            asked += 1;
        }
        wire.there(a, hub);
    }
    for turn in 1..50 {
        while ask(a, from, asked) {
            asked += 1;
        }
        wire.there(a, hub);
        hub.node.handle_timeout(at(turn));
        while hub.node.poll_wake() {
            serve(hub, to);
        }
    }
    asked
}

/// Reads all that is there for `a`; the numbers in their order.
fn read_all(a: &mut End<'_>, from: Mailbox, hub: &mut End<'_>, to: Mailbox, wire: &mut Wire) -> Vec<i64> {
    let mut got = Vec::new();
    for turn in 200..400 {
        wire.settle(a, hub, || usize::MAX);
        got.extend(answers(a, from));
        a.node.handle_timeout(at(turn));
        hub.node.handle_timeout(at(turn));
        while hub.node.poll_wake() {
            serve(hub, to);
        }
    }
    got
}

#[test]
fn the_unread_answers_of_one_stop_nobody_else() {
    let (mut one, mut other, mut third) = (storage(), Box::new(Hub::sized()), storage());
    let (mut a, mut b, mut c) = (End::hidden("a@host", &mut one), hub(&mut other), End::hidden("c@host", &mut third));
    let (mut wire, mut visit) = (join(&mut a, &mut b), join(&mut c, &mut b));
    let to = b.node.register("to").unwrap();
    let (greedy, honest) = (a.node.register("").unwrap(), c.node.register("").unwrap());
    let asked = ask_and_never_read(&mut a, greedy, &mut b, to, &mut wire);
    assert!(asked > 30, "{asked}");
    for number in 0..100 {
        // larger ones, too, of up to a quarter of the mailbox
        let bytes = vec![7; if number % 10 == 0 { 700 } else { 0 }];
        let pid = c.node.pid(honest).unwrap();
        let sent = c
            .node
            .outbox(honest)
            .unwrap()
            .send(("to", "b@host"), |t| t.tuple(2)?.pid(pid.as_pid())?.list(1)?.int(number)?.binary(&bytes));
        sent.unwrap();
        visit.settle(&mut c, &mut b, || usize::MAX);
        assert!(b.node.poll_wake(), "{number}: a message that can be answered is shown");
        serve(&mut b, to);
        visit.settle(&mut c, &mut b, || usize::MAX);
        let (message, _) = c.node.recv(honest).expect("an answer");
        let [got, _] = message.term().tuple().unwrap();
        assert_eq!(got.as_list().unwrap().next().unwrap().as_i64(), Some(number));
        b.node.handle_timeout(at(100));
    }
    b.node.handle_timeout(at(101));
    let told = b.texts();
    assert!(told.iter().any(|text| text.contains("a@host does not read what is sent to it")), "{told:?}");
    // nothing of it is lost, and all comes in order
    assert_eq!(read_all(&mut a, greedy, &mut b, to, &mut wire), (0..asked).collect::<Vec<_>>());
}

#[test]
fn who_filled_a_mailbox_alone_makes_room_for_others() {
    let (mut one, mut other, mut third) = (storage(), Box::new(Hub::sized()), storage());
    let (mut a, mut b, mut c) = (End::hidden("a@host", &mut one), hub(&mut other), End::hidden("c@host", &mut third));
    let mut wire = join(&mut a, &mut b);
    let to = b.node.register("to").unwrap();
    let (greedy, honest) = (a.node.register("").unwrap(), c.node.register("").unwrap());
    let asked = ask_and_never_read(&mut a, greedy, &mut b, to, &mut wire);
    let mut visit = join(&mut c, &mut b);
    for number in 0..100 {
        let pid = c.node.pid(honest).unwrap();
        let sent = c
            .node
            .outbox(honest)
            .unwrap()
            .send(("to", "b@host"), |t| t.tuple(2)?.pid(pid.as_pid())?.list(1)?.int(number)?.binary(&[7; 700]));
        sent.unwrap();
        visit.settle(&mut c, &mut b, || usize::MAX);
        assert!(b.node.poll_wake());
        serve(&mut b, to);
        visit.settle(&mut c, &mut b, || usize::MAX);
        assert!(c.node.recv(honest).is_some(), "{number} is answered");
    }
    let got = read_all(&mut a, greedy, &mut b, to, &mut wire);
    let dropped = usize::try_from(b.node.dropped(to)).unwrap();
    assert!(
        dropped > 0 && got.is_sorted() && got.len() + dropped == asked as usize,
        "{} of {asked}, {dropped} dropped",
        got.len()
    );
}

/// A place for a monitor goes to everybody who asks for one, however many one has. The refusals are told once.
#[test]
fn no_peer_has_all_places_for_monitors() {
    let (mut one, mut other, mut third) = (
        Box::new(NodeStorage::<2, 2, 65_536, 60, 60>::sized()),
        Box::new(Hub::sized()),
        Box::new(NodeStorage::<2, 2, 65_536, 60, 60>::sized()),
    );
    let mut a = End::new(Config::hidden("a@host", "secret").unwrap(), &mut *one);
    let mut c = End::new(Config::hidden("c@host", "secret").unwrap(), &mut *third);
    let mut b = hub(&mut other);
    let (mut wire, mut visit) = (join(&mut a, &mut b), join(&mut c, &mut b));
    let to = b.node.register("to").unwrap();
    let (greedy, honest) = (a.node.register("").unwrap(), c.node.register("").unwrap());
    let down = |end: &mut End<'_>, mailbox: Mailbox| {
        let mut reasons = Vec::new();
        while let Some((message, _)) = end.node.recv(mailbox) {
            let Received::Down { reason, .. } = message.received() else { panic!() };
            reasons.push(reason.to_string());
        }
        reasons
    };
    let monitors: Vec<_> = (0..50).map(|_| a.node.outbox(greedy).unwrap().monitor(("to", "b@host")).unwrap()).collect();
    wire.settle(&mut a, &mut b, || usize::MAX);
    // three quarters of 40
    assert_eq!((b.node.in_use().watches, down(&mut a, greedy)), (30, vec!["system_limit".to_owned(); 20]));
    let is_full = |event: &Event| matches!(event, Event::Dropped { why: Dropped::WatchesFull, .. });
    assert_eq!(b.news().iter().filter(|event| is_full(event)).count(), 1, "it is told once");
    // another has what it asks for, and may call
    for _ in 0..7 {
        c.node.outbox(honest).unwrap().monitor(("to", "b@host")).unwrap();
    }
    visit.settle(&mut c, &mut b, || usize::MAX);
    assert_eq!((b.node.in_use().watches, down(&mut c, honest).len()), (37, 0));
    assert!(!b.news().iter().any(is_full));
    // what is given back can be taken again, and a refusal is news once half of it was
    for (back, more, news) in [(1, 3, 0), (20, 40, 1)] {
        for monitor in monitors.iter().take(30).skip(if back == 1 { 0 } else { 1 }).take(back) {
            a.node.outbox(greedy).unwrap().demonitor(*monitor).unwrap();
        }
        wire.settle(&mut a, &mut b, || usize::MAX);
        b.news();
        for _ in 0..more {
            a.node.outbox(greedy).unwrap().monitor(("to", "b@host")).unwrap();
        }
        wire.settle(&mut a, &mut b, || usize::MAX);
        assert_eq!(b.news().iter().filter(|event| is_full(event)).count(), news);
        assert!(!down(&mut a, greedy).is_empty());
    }
    b.node.close_mailbox(to, |t| t.atom("why")).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    visit.settle(&mut c, &mut b, || usize::MAX);
    assert_eq!(down(&mut c, honest), vec!["why"; 7]);
    assert_eq!(b.node.in_use().watches, 0);
}

/// Its end is owed to a peer that reads nothing; the name can be registered again all the same, and the peer hears of the end once it reads.
#[test]
fn a_mailbox_whose_end_is_owed_makes_way_for_the_next() {
    let mut one = Box::new(NodeStorage::<1, 1, 65_536, 4, 100>::sized());
    let (mut other, mut third) = (Box::new(NodeStorage::<2, 1, 4096>::new()), storage());
    let mut a = End::new(Config::hidden("a@host", "secret").unwrap(), &mut *one);
    let mut b = End::new(Config::hidden("b@host", "secret").unwrap(), &mut *other);
    let mut c = End::hidden("c@host", &mut third);
    let (mut wire, mut visit) = (join(&mut a, &mut b), join(&mut c, &mut b));
    let (greedy, killer) = (a.node.register("from").unwrap(), c.node.register("").unwrap());
    let mut mailbox = b.node.register("to").unwrap();
    let pid = b.node.pid(mailbox).unwrap();
    for _ in 0..40 {
        a.node.outbox(greedy).unwrap().monitor(("to", "b@host")).unwrap();
        a.node.outbox(greedy).unwrap().monitor(&pid).unwrap();
    }
    wire.there(&mut a, &mut b);
    // a takes nothing
    while b.node.outbox(mailbox).unwrap().send(("from", "a@host"), |t| t.binary(&[7; 300])).is_ok() {}
    for round in 0..3 {
        let pid = b.node.pid(mailbox).unwrap();
        c.node.outbox(killer).unwrap().exit(pid.as_pid(), |t| t.atom("why")).unwrap();
        visit.settle(&mut c, &mut b, || usize::MAX);
        assert!(b.news().iter().any(|event| matches!(event, Event::MailboxEnded { .. })));
        mailbox = b.node.register("to").unwrap_or_else(|e| panic!("{round}: {e}"));
    }
    assert!(b.node.in_use().watches > 0, "it is owed still: {:?} {}", b.node.in_use(), b.node.poll_transmit(wire.b).len());
    let mut downs = Vec::new();
    for turn in 1..20 {
        wire.settle(&mut a, &mut b, || usize::MAX);
        b.node.handle_timeout(at(turn));
        while let Some((message, _)) = a.node.recv(greedy) {
            if let Received::Down { reason, .. } = message.received() {
                downs.push(reason.to_string());
            }
        }
    }
    // some were told in time; the reason of the others is gone with the mailbox
    let told = downs.iter().filter(|reason| *reason == "why").count();
    let late = downs.iter().filter(|reason| *reason == "killed").count();
    assert!(told > 0 && late > 0 && told + late == 80 && downs.len() == 80, "{told}, {late}: {downs:?}");
    assert_eq!((b.node.in_use().watches, b.node.in_use().mailboxes), (0, 1));
    assert!(integers(&mut b, mailbox).is_empty());
}

/// What one peer's message was taken from between those of another that wait, and what then happens to the mailbox: nothing comes twice, and
/// nothing is lost that is not counted.
#[test]
fn a_mailbox_that_drops_its_oldest_gives_nothing_twice() {
    let (mut one, mut other, mut third) = (storage(), Box::new(Hub::sized()), storage());
    let (mut a, mut b, mut c) = (End::hidden("a@host", &mut one), hub(&mut other), End::hidden("c@host", &mut third));
    let (mut wire, mut visit) = (join(&mut a, &mut b), join(&mut c, &mut b));
    let to = b.node.register("to").unwrap();
    b.node.set_overflow(to, Overflow::DropOldest).unwrap();
    let (greedy, honest) = (a.node.register("").unwrap(), c.node.register("").unwrap());
    // a reads nothing, until a question of it waits
    let mut waiting = 0;
    while b.node.peers().all(|peer| peer.held.is_none()) {
        waiting += usize::from(ask(&mut a, greedy, 0));
        wire.there(&mut a, &mut b);
        while b.node.poll_wake() {
            waiting -= serve(&mut b, to);
        }
    }
    let (mut got, mut sent) = (Vec::new(), 0);
    for round in 0..40 {
        // one is taken from behind what waits, and then more comes than there is room for
        for _ in 0..if round % 3 == 0 { 1 } else { 8 } {
            c.node.outbox(honest).unwrap().send(("to", "b@host"), |t| t.tuple(2)?.int(sent)?.binary(&[7; 600])).unwrap();
            sent += 1;
            visit.settle(&mut c, &mut b, || usize::MAX);
        }
        for _ in 0..2 {
            if let Some((message, _)) = b.node.recv(to) {
                got.extend(message.term().tuple::<2>().unwrap()[0].as_i64());
            }
        }
    }
    while let Some((message, _)) = b.node.recv(to) {
        got.extend(message.term().tuple::<2>().unwrap()[0].as_i64());
    }
    let dropped = usize::try_from(b.node.dropped(to)).unwrap();
    assert!(got.windows(2).all(|two| two[0] < two[1]), "{got:?}");
    // what waited was the oldest
    assert_eq!(got.len() + dropped, sent as usize + waiting, "{} came, {dropped} were dropped", got.len());
}
