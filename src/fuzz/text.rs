//! Erlang text: what is read of it is a term, and is printed as text that is read as the same.

use super::term::same;
use crate::wire::term::Term;
use crate::wire::text::{TextFault, parse_text};

/// Runs the parser of Erlang text.
pub fn text(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let needed = match parse_text(text, &mut []) {
        Err(e) => match e.fault {
            TextFault::Room { needed, room: 0 } => needed,
            _ => return faulty(text, e),
        },
        Ok(term) => panic!("{term} in no bytes"),
    };
    // a segment of a binary may be long however short its text; a peer never sends text
    if needed > 1 << 16 {
        return;
    }
    let mut buf = vec![0; needed];
    let short = parse_text(text, &mut buf[..needed - 1]).map(|_| ()).unwrap_err();
    let term = match parse_text(text, &mut buf) {
        Ok(term) => term,
        // which is known once there is room for the keys
        Err(e) => return assert_eq!(e.fault, TextFault::DuplicateKey, "{e}: {text}"),
    };
    assert_eq!(short.fault, TextFault::Room { needed, room: needed - 1 });
    assert_eq!(Term::parse(term.as_bytes()).map(Term::as_bytes), Ok(term.as_bytes()));
    let (latin1, unicode) = (term.to_string(), term.text("").unicode().to_string());
    for printed in [&latin1, &unicode] {
        let mut buf = vec![0; 2 * needed + 64];
        let again = parse_text(printed, &mut buf).unwrap_or_else(|e| panic!("{e}: {printed}"));
        assert!(same(again, term), "{text}: {printed} is read as {again}");
        assert_eq!(again.to_string(), latin1);
    }
}

/// Looks at what is told of text that is no term.
fn faulty(text: &str, e: crate::wire::text::TextError) {
    let (before, _) = text.split_at_checked(e.at).unwrap_or_else(|| panic!("{e}: at byte {} of {}", e.at, text.len()));
    assert_eq!(e.line, 1 + before.matches('\n').count(), "{e}");
    assert!(e.column >= 1 && e.column <= 1 + before.chars().count(), "{e}");
    assert!(!e.to_string().is_empty());
    // the buffer has nothing to do with it, but that there is room for the keys before
    let Err(roomy) = parse_text(text, &mut vec![0; 4096]) else { panic!("{e} only without room: {text}") };
    assert!(roomy == e || roomy.fault == TextFault::DuplicateKey && roomy.at <= e.at, "{roomy} and {e}: {text}");
}
