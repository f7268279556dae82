//! What has to hold whatever the bytes are: bodies for a fuzzer, each of which panics where it does not.
//!
//! `tests/fuzz/run` puts libFuzzer around them, in a build of its own with `--cfg beamless_fuzz`; without that none of this is compiled. The unit
//! test below runs each on the inputs that were worth keeping, in `tests/fuzz/corpus`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a body that meets the unexpected has found something, and a panic is how it says so"
)]

mod control;
pub mod corpus;
mod epmd;
mod handshake;
mod input;
mod node;
mod pair;
#[cfg(feature = "serde")]
mod serde;
mod stage;
mod term;
mod text;

#[cfg(feature = "tls")]
pub use crate::driver::fuzz::tls;
pub use control::control;
pub use epmd::{epmd_client, epmd_server};
pub use handshake::handshake;
pub use node::{node_peer, node_stranger};
pub use pair::pair;
#[cfg(feature = "serde")]
pub use serde::serde;
pub use term::term;
pub use text::text;

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! on_its_corpus {
        ($($name:ident),* $(,)?) => {$(
            #[test]
            fn $name() {
                let file = include_str!(concat!("../../tests/fuzz/corpus/", stringify!($name), ".txt"));
                let inputs: Vec<_> = corpus::inputs(file).collect();
                assert!(!inputs.is_empty());
                inputs.iter().for_each(|input| super::$name(input));
            }
        )*};
    }

    on_its_corpus!(control, epmd_client, epmd_server, handshake, node_peer, node_stranger, pair, term, text);
    #[cfg(feature = "serde")]
    on_its_corpus!(serde);
    #[cfg(feature = "tls")]
    on_its_corpus!(tls);
}
