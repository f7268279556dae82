//! Groups of `pg`, and names of `global`.

use core::time::Duration;

use super::outbox::Outbox;
use crate::error::{Error, Full, Misuse};
use crate::node::cluster::{act, give_up, up};
use crate::node::connections::node::Node;
use crate::node::core::names::exists;
use crate::node::core::send::send_as;
use crate::node::core::state::{Cluster, Core};
use crate::node::tables::groups::{Asking, GlobalName, Group, GroupStorage, Groups, Joined, Named, Question, Scope, Stage};
use crate::node::tables::handles::{Mailbox, Request};
use crate::node::tables::inbox::Overflow;
use crate::node::tables::links::{Link, RESERVED};
use crate::wire::build::{WriteTerm, WriteTermAgain};
use crate::wire::control::To;
use crate::wire::fixed::FixedStr;
use crate::wire::ids::{Atom, Pid};

/// Groups and global names.
///
/// A group is one of `pg`'s: mailboxes here and processes on other nodes are members, and whoever sends to a group sends to each. It belongs to a
/// scope, which is a name that both nodes must use: `pg` is the one that Erlang's shell uses where none is said, and Phoenix.PubSub has its own.
/// The scopes of other nodes are found by this one, whether it is hidden or visible, also those that start late or are started anew, and told
/// of every join and leave.
///
/// Protocol: `pg` has none that is written down; this is that of OTP 23, which every release since then understands.
impl<'s> Node<'s> {
    /// Gives the node memory for groups and global names. A node without takes part in none, and has no code for it either.
    ///
    /// # Errors
    /// [`Misuse::OtherGroups`] when it is for fewer peers than the node has places for, or the node has some already.
    pub fn set_groups<const PEERS: usize, const JOINED: usize, const MEMBERS: usize>(
        &mut self,
        storage: &'s mut GroupStorage<PEERS, JOINED, MEMBERS>,
    ) -> Result<(), Error> {
        if PEERS < self.core.far.links.table.capacity() {
            return Err(Misuse::OtherGroups.into());
        }
        self.take_groups(|| {
            storage.clear();
            storage
        })
    }

    /// Takes memory for groups, if it has none.
    pub(crate) fn take_groups<C: Cluster + 's>(&mut self, memory: impl FnOnce() -> &'s mut C) -> Result<(), Error> {
        let core = &mut self.core;
        if core.cluster.is_some() {
            return Err(Misuse::OtherGroups.into());
        }
        let cluster = memory();
        for index in core.far.links.table.indexes() {
            if let Some(peer) =
                core.far.links.table.key_at(index).filter(|peer| core.far.links.table.at(*peer).is_some_and(Link::is_up))
            {
                up(&mut cluster.groups(), core, peer);
            }
        }
        core.cluster = Some(cluster);
        Ok(())
    }

    /// Has a mailbox join a group, whose name is the one term that `group` writes: any term of up to 258 bytes. As with `pg:join/3`, a mailbox that
    /// joins twice is in it twice.
    ///
    /// A mailbox that [holds](Overflow::Hold) its senders when it is full [drops the oldest](Overflow::DropOldest) from now on: a member that nobody
    /// reads would hold up all that the senders' nodes send here. What it drops is [counted](Node::dropped).
    ///
    /// # Errors
    /// [`Misuse::NoMailbox`]; [`Misuse::NoGroups`]; [`Misuse::NameTaken`] when a mailbox has the name of the scope; [`Misuse::GroupTooLong`] and others when
    /// the term is none, or too long; [`Full::Scopes`]; [`Full::Groups`].
    pub fn join(&mut self, mailbox: Mailbox, scope: &str, group: impl WriteTerm) -> Result<(), Error> {
        self.core.inboxes.get(mailbox)?;
        let group = written(group)?;
        self.grouped(|core, groups| {
            let scope = enter(core, groups, scope)?;
            let joined = groups.happens();
            let member = Joined { scope, group, mailbox: mailbox.0, joined, left: 0 };
            groups.joined.insert(member).map_err(|_| Full::Groups)?;
            let inbox = core.inboxes.get_mut(mailbox)?;
            if inbox.overflow == Overflow::Hold {
                inbox.overflow = Overflow::DropOldest;
                core.flow.resume = true;
            }
            act(groups, core, None);
            Ok(())
        })
    }

    /// Has a mailbox leave a group, as `pg:leave/3` does. One that ends leaves all of its groups by itself.
    ///
    /// # Errors
    /// [`Misuse::NoMailbox`]; [`Misuse::NoGroups`]; [`Misuse::NotAMember`]; [`Misuse::GroupTooLong`] and others when the term is none, or too long.
    pub fn leave(&mut self, mailbox: Mailbox, scope: &str, group: impl WriteTerm) -> Result<(), Error> {
        self.core.inboxes.get(mailbox)?;
        let group = written(group)?;
        self.grouped(|core, groups| {
            let scope = groups.scope(scope).ok_or(Misuse::NotAMember)?;
            let is_it = |joined: &Joined| {
                joined.mailbox == mailbox.0 && joined.scope == scope && joined.left == 0 && joined.group == group
            };
            let key = groups.joined.next_from(0, is_it).ok_or(Misuse::NotAMember)?;
            let left = groups.happens();
            if let Some(joined) = groups.joined.at_mut(key) {
                joined.left = left;
            }
            act(groups, core, None);
            Ok(())
        })
    }

    /// Begins to follow the members that other nodes have in a scope: [`Node::members`] has them from then on, and [`Event::MembersChanged`](crate::Event::MembersChanged) says
    /// that they are others than before. Where the storage has no room for all, [`Event::MembersFull`](crate::Event::MembersFull) says so, once.
    ///
    /// # Errors
    /// As with [`Node::join`].
    pub fn monitor_scope(&mut self, scope: &str) -> Result<(), Error> {
        self.grouped(|core, groups| {
            let scope = enter(core, groups, scope)?;
            if let Some(scope) = groups.book.scopes.get_mut(usize::from(scope)) {
                scope.monitored = true;
            }
            act(groups, core, None);
            Ok(())
        })
    }

    /// Returns the members of a group on other nodes, if its scope is [monitored](Node::monitor_scope), in no order: as `pg:get_members/2`, without those of this
    /// node. One that joined twice is there twice. A term that is none, or too long for a group, has no members.
    pub fn members(&mut self, scope: &str, group: impl WriteTerm) -> impl Iterator<Item = Pid<'_>> {
        let (links, groups) = (&self.core.far.links, self.core.cluster.as_mut().map(|cluster| cluster.groups()));
        let wanted = groups.zip(written(group).ok());
        let mut index = 0;
        core::iter::from_fn(move || {
            let (groups, group) = wanted.as_ref()?;
            let scope = groups.scope(scope)?;
            let key = groups.members.next_from(index, |member| member.scope == scope && member.group == *group)?;
            index = key.index.saturating_add(1);
            let member = groups.members.at(key)?;
            Some(member.number.on(links.table.at(member.peer)?.name.as_atom()))
        })
    }

    /// Sends the one term that `write` writes to all members of a group on other nodes, in the name of a mailbox. The scope must be [monitored](Node::monitor_scope).
    /// Returns to how many it was sent. To one of them alone, the closest for example, sends who picks one of [`Node::members`].
    ///
    /// # Errors
    /// [`Misuse::NoMailbox`]; [`Misuse::NoGroups`]; else the first of those that sending to one of them gave, with [`Full::Transmit`] where a peer does not
    /// take what waits for it. Then all others have it all the same.
    pub fn send_to_group(
        &mut self,
        from: Mailbox,
        scope: &str,
        group: impl WriteTerm,
        write: impl WriteTermAgain,
    ) -> Result<usize, Error> {
        self.core.inboxes.get(from)?;
        let group = written(group)?;
        self.grouped(|core, groups| {
            let Some(scope) = groups.scope(scope) else { return Ok(0) };
            let (mut sent, mut first) = (0_usize, Ok(()));
            for (_, member) in groups.members.tenants().filter(|(_, member)| member.scope == scope && member.group == group) {
                let Some(name) = core.name(member.peer) else { continue };
                let (own, to) = (core.identity.pid(from.0), To::Pid(member.number.on(name.as_atom())));
                match send_as(own, &mut core.far.links, member.peer, RESERVED, to, &mut |t| write(t)) {
                    Ok(()) => sent = sent.saturating_add(1),
                    Err(e) => first = first.and(Err(e)),
                }
            }
            first.map(|()| sent)
        })
    }

    /// Has a mailbox registered globally under a name, by the `global` of the nodes that this one connects to: they take `{global, Name}` for it, whether this
    /// node is hidden or visible, as long as it is connected. It is registered with the first, and looked after with each that connects.
    /// [`Event::GlobalRegistered`](crate::Event::GlobalRegistered) says that it has the name, [`Event::GlobalTaken`](crate::Event::GlobalTaken) that another process has: then it was
    /// given up. When the mailbox ends, the name is free.
    ///
    /// # Errors
    /// [`Misuse::NoMailbox`]; [`Misuse::NoGroups`]; [`Misuse::NameTaken`] when a mailbox of this node has it, or is to have it; [`Misuse::SecondName`]; [`Misuse::GroupTooLong`];
    /// [`Full::GlobalNames`].
    pub fn register_global(&mut self, mailbox: Mailbox, name: &str) -> Result<(), Error> {
        self.core.inboxes.get(mailbox)?;
        let name = FixedStr::try_from(name).map_err(|_| Misuse::GroupTooLong)?;
        self.grouped(|core, groups| {
            let is_its = |known: &&GlobalName| known.next.unwrap_or(known.mailbox) == mailbox.0;
            let lasts = |known: &&GlobalName| !known.is_given_up || known.next.is_some();
            if groups.book.names.iter().filter_map(Named::get).filter(lasts).any(|known| known.name != name && is_its(&known)) {
                return Err(Misuse::SecondName.into());
            }
            if let Some(known) = groups.book.names.iter_mut().filter_map(Named::get_mut).find(|known| known.name == name) {
                if lasts(&&*known) {
                    return Err(Misuse::NameTaken.into());
                }
                known.next = Some(mailbox.0);
                return Ok(());
            }
            let free = groups.book.names.iter_mut().enumerate().find(|(_, place)| place.get().is_none());
            let Some((at, place)) = free else { return Err(Full::GlobalNames.into()) };
            *place = Named::Somebody(GlobalName { name, mailbox: mailbox.0, is_given_up: false, next: None });
            ask_all(core, groups, at);
            Ok(())
        })
    }

    /// Gives a global name up: the nodes that know it are told, as `global:unregister_name/1` does.
    ///
    /// # Errors
    /// [`Misuse::NoGroups`]. A name that is none of this node's is no error.
    pub fn unregister_global(&mut self, name: &str) -> Result<(), Error> {
        self.grouped(|core, groups| {
            let is_it = |known: &Named| known.get().is_some_and(|known| &*known.name == name);
            let Some(at) = groups.book.names.iter().position(is_it) else { return Ok(()) };
            give_up(groups, at);
            act(groups, core, None);
            Ok(())
        })
    }
}

/// Has every connected node asked for a global name.
fn ask_all(core: &mut Core<'_>, groups: &mut Groups<'_>, at: usize) {
    for asking in groups.rows.iter_mut().filter(|row| row.is_used).filter_map(|row| row.names.get_mut(at)) {
        *asking = Asking::Due(Question::Whereis);
    }
    act(groups, core, None);
}

/// Finds a scope by its name, or begins to take part in it.
fn enter(core: &Core<'_>, groups: &mut Groups<'_>, name: &str) -> Result<u8, Error> {
    if let Some(scope) = groups.scope(name) {
        return Ok(scope);
    }
    let kept = FixedStr::try_from(name).map_err(|_| Misuse::GroupTooLong)?;
    if exists(Atom::from_str(name)) || core.inboxes.find(Atom::from_str(name)).is_some() {
        return Err(Misuse::NameTaken.into());
    }
    let at = groups.book.scopes.len();
    groups.book.scopes.push(Scope { name: kept, monitored: false, full: false }).map_err(|_| Full::Scopes)?;
    // what scopes elsewhere said at their time went to nobody
    for told in groups.rows.iter_mut().filter_map(|row| row.scopes.get_mut(at)).filter(|told| told.stage != Stage::Off) {
        told.stage = Stage::Due;
    }
    u8::try_from(at).map_err(|_| Full::Scopes.into())
}

impl Node<'_> {
    /// Does something to what the node has of groups.
    fn grouped<R>(&mut self, act: impl FnOnce(&mut Core<'_>, &mut Groups<'_>) -> Result<R, Error>) -> Result<R, Error> {
        self.core.cluster(|cluster, core| act(core, &mut cluster.groups())).unwrap_or_else(|| Err(Misuse::NoGroups.into()))
    }
}

fn written(group: impl WriteTerm) -> Result<Group, Misuse> {
    let mut group = Some(group);
    Group::written(&mut |t| match group.take() {
        Some(write) => write(t),
        None => Ok(t),
    })
}

impl Outbox<'_> {
    /// Asks the `global` of a node for the process that has a name. The answer comes as with [`Outbox::rpc`]: its pid, or `undefined`.
    ///
    /// # Errors
    /// As with [`Outbox::rpc`].
    pub fn whereis_global(&mut self, node: &str, name: &str, timeout: Option<Duration>) -> Result<Request, Error> {
        self.rpc(node, "global", "whereis_name", timeout, |t| t.list(1)?.atom(name)?.nil())
    }

    /// Has a node send the one term that `write` writes to the process that has a global name, as `global:send/2` does. As there, a name that
    /// nobody has is an error, which that node logs; nothing of it comes back.
    ///
    /// # Errors
    /// As with [`Outbox::send`].
    pub fn send_global(&mut self, node: &str, name: &str, write: impl WriteTerm) -> Result<(), Error> {
        self.cast(("rex", node), |t| {
            t.tuple(5)?.atom("cast")?.atom("global")?.atom("send")?.list(2)?.atom(name)?;
            write(t)?.nil()?.atom("user")
        })
    }
}
