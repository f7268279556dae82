//! Text that is taken apart where a character stands. The library looks for one character in a way that indexes, and for any of several in one that
//! does not: these look for any of one.

/// Returns what is in front of the first `mark`, and what is behind it.
pub(crate) fn first(text: &str, mark: char) -> Option<(&str, &str)> {
    text.split_once([mark])
}

/// Returns what is in front of the last `mark`, and what is behind it.
pub(crate) fn last(text: &str, mark: char) -> Option<(&str, &str)> {
    text.rsplit_once([mark])
}
