//! The functions of the module `erlang` that the agent answers: what a person at another node's shell asks first.

use beamless::{Apply, Error, Event, Node, Outbox, Term, TermWriter, Written};

/// The functions, as they are served.
pub(super) const NAMES: [&str; 4] = ["erlang:node/0", "erlang:nodes/0", "erlang:nodes/1", "erlang:registered/0"];

/// The knowledge that they tell.
pub(super) struct Known {
    own: String,
    /// The connected nodes, and whether they are visible.
    nodes: Vec<(String, bool)>,
    /// The names of the mailboxes.
    registered: Vec<String>,
}

impl Known {
    /// Asks the node what it knows now.
    pub(super) fn of(node: &Node<'_>, registered: Vec<String>) -> Self {
        let own = node.name().map(ToString::to_string).unwrap_or_default();
        let mut known = Self { own, nodes: Vec::new(), registered };
        known.look(node);
        known
    }

    /// Sets the name of this node.
    pub(super) fn set_own(&mut self, own: &str) {
        own.clone_into(&mut self.own);
    }

    /// Sets the names of the mailboxes.
    pub(super) fn set_registered(&mut self, registered: Vec<String>) {
        self.registered = registered;
    }

    fn look(&mut self, node: &Node<'_>) {
        self.nodes = node.peers().map(|peer| (peer.name.to_string(), peer.visible)).collect();
    }

    /// Takes note of an event. It is called with every one.
    pub(super) fn update(&mut self, event: &Event, node: &Node<'_>) {
        if matches!(event, Event::NodeUp { .. } | Event::NodeDown { .. } | Event::Missed(_)) {
            self.look(node);
        }
    }

    /// Answers the call of one of the functions.
    pub(super) fn answer(&self, apply: &Apply<'_>, out: &mut Outbox<'_>) -> Result<(), Error> {
        if apply.function == "node" {
            return out.reply(apply, |t| t.atom(&self.own));
        }
        if apply.function == "registered" {
            return out.reply(apply, |t| atoms(t, &self.registered.iter().map(String::as_str).collect::<Vec<_>>()));
        }
        let kinds = apply.args.as_list().and_then(|mut args| args.next());
        let wanted: Vec<&str> =
            self.nodes.iter().filter(|(_, visible)| is_wanted(kinds, *visible)).map(|(name, _)| &**name).collect();
        let this = kinds.is_some_and(|kinds| names(kinds, "this") || names(kinds, "known"));
        let own = Some(&*self.own).filter(|_| this);
        out.reply(apply, |t| atoms(t, &wanted.iter().copied().chain(own).collect::<Vec<_>>()))
    }
}

/// Returns true if `nodes()` or `nodes(Kinds)` lists a node.
fn is_wanted(kinds: Option<Term<'_>>, visible: bool) -> bool {
    let Some(kinds) = kinds else { return visible };
    let own_kind = if visible { "visible" } else { "hidden" };
    [own_kind, "connected", "known"].iter().any(|kind| names(kinds, kind))
}

/// Returns true if an atom is this one, or a list has it.
fn names(kinds: Term<'_>, kind: &str) -> bool {
    kinds.is_atom(kind) || kinds.as_list().is_some_and(|mut list| list.any(|one| one.is_atom(kind)))
}

fn atoms<'t, 'b>(t: &'t mut TermWriter<'b>, names: &[&str]) -> Written<'t, 'b> {
    t.list(names.len())?;
    for name in names {
        t.atom(name)?;
    }
    t.nil()
}
