//! Inputs worth keeping, many to a file of text: one a line, as hexadecimal digits; or behind a `"` as they are, but for `\xNN` in place of what a
//! line of ASCII cannot hold.

/// Returns the inputs of a file, in its order. Lines that begin with `#` are for people.
///
/// # Panics
/// At a line that is no input.
pub fn inputs(file: &str) -> impl Iterator<Item = Vec<u8>> {
    file.lines().filter(|line| !line.starts_with('#')).map(|line| match line.strip_prefix('"') {
        Some(text) => unescaped(text),
        None => line.as_bytes().chunks(2).map(byte).collect(),
    })
}

/// Returns the line for an input, the shorter one.
pub fn line(input: &[u8]) -> String {
    let mut text = "\"".to_owned();
    for byte in input {
        match byte {
            b' '..=b'~' if *byte != b'\\' => text.push(char::from(*byte)),
            _ => text += &format!("\\x{byte:02x}"),
        }
    }
    if text.len() <= 2 * input.len() { text } else { input.iter().map(|byte| format!("{byte:02x}")).collect() }
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut pieces = text.split("\\x");
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.as_bytes().split_at(2);
        bytes.push(byte(digits));
        bytes.extend(rest);
    }
    bytes
}

fn byte(digits: &[u8]) -> u8 {
    let digits = core::str::from_utf8(digits).unwrap_or_default();
    u8::from_str_radix(digits, 16).unwrap_or_else(|e| panic!("{digits:?}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_comes_back_from_its_line() {
        for input in [&b""[..], b"a", b"{a,\"b\\\x00\"}", b"\x00\xff\x83", b"plain \"text\"", b"\\x41"] {
            let line = line(input);
            assert_eq!(inputs(&line).next().unwrap_or_default(), input, "{line}");
        }
        assert_eq!(inputs("# of people\n\"a\\x0ab\n00ff\n").collect::<Vec<_>>(), [&b"a\nb"[..], b"\x00\xff"]);
    }
}
