//! What programs publish.

use beamless::NodeName;

use super::publisher::most as most_beside;
use super::reading::{AROUND, Trouble};
use crate::cli::agent::config::{self, Nodes, Receiver};

/// The most nodes of a message that a program publishes.
const NODES: usize = 16;

/// What a program publishes.
pub(in crate::cli::agent) struct Said {
    pub(in crate::cli::agent) mailbox: String,
    /// The registered name, and its nodes.
    pub(in crate::cli::agent) to: String,
    pub(in crate::cli::agent) nodes: Nodes,
    /// The term, encoded.
    pub(in crate::cli::agent) term: Vec<u8>,
    /// The bytes of the line that said it, or of the frame.
    pub(in crate::cli::agent) line: usize,
}

impl Said {
    /// Returns the bytes that it takes in memory, where each receiver counts.
    pub(in crate::cli::agent) fn size(&self) -> usize {
        let receivers = if let Nodes::Each(names) = &self.nodes { names.len().max(1) } else { 1 };
        self.term.len().saturating_add(AROUND).saturating_mul(receivers)
    }

    /// Returns whom it is for, or why that cannot be.
    pub(super) fn receiver(&self, own: &str, most: usize) -> Result<Receiver, String> {
        let most = most_beside(most, own, &self.mailbox, self.to.len());
        let own = NodeName::new(own).ok();
        let mut names = Vec::new();
        for name in self.nodes.names() {
            let name = config::node(name, own.as_ref()).map_err(|why| format!("{name}: {why}"))?;
            if !names.contains(&name) {
                names.push(name);
            }
            // of a list that is too long each would be looked for among all the others
            if names.len() > NODES {
                break;
            }
        }
        // it would have others make room for it, and be refused once there is somebody to send it to
        if self.term.len() > most {
            return Err(Trouble::size(most).words);
        }
        if names.is_empty() || names.len() > NODES || !(1..=255).contains(&self.to.len()) {
            return Err(format!("a message goes to a name of 1 to 255 bytes, on 1 to {NODES} nodes"));
        }
        let nodes = if let Nodes::Each(_) = self.nodes { Nodes::Each(names) } else { Nodes::First(names) };
        Ok(Receiver::Name { to: self.to.clone(), nodes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However long a list is, it is looked at only as far as it may be: what stands behind that is not even a name.
    #[test]
    fn a_list_of_nodes_has_its_length() {
        let receiver = |nodes: Vec<String>| {
            let said =
                Said { mailbox: "p".to_owned(), to: "c".to_owned(), nodes: Nodes::Each(nodes), term: vec![131, 106], line: 0 };
            said.receiver("a@host", 1000)
        };
        let names = |count: usize| {
            (0..count).map(|place| format!("n{}@host", place / 2)).chain(["no name".to_owned()]).collect::<Vec<_>>()
        };
        let all = Nodes::Each((0..NODES).map(|place| format!("n{place}@host")).collect());
        assert_eq!(receiver(names(2 * NODES)[..2 * NODES].to_vec()), Ok(Receiver::Name { to: "c".to_owned(), nodes: all }));
        let why = [names(2 * NODES), names(2 * NODES + 1), Vec::new()].map(|names| receiver(names).unwrap_err());
        assert!(why[0].starts_with("no name: ") && why[1].ends_with("on 1 to 16 nodes") && why[1] == why[2], "{why:?}");
    }
}
