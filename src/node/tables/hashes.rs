//! The hash by which tables find names.

use crate::storage::hash::of_bytes;
use crate::wire::ids::Atom;

/// Returns the hash of a name, whatever form it came in.
#[inline]
pub(crate) fn of_name(name: Atom<'_>) -> u32 {
    match name.utf8_bytes() {
        Some(bytes) => of_bytes(bytes),
        None => of_bytes(name.to_utf8().as_bytes()),
    }
}
