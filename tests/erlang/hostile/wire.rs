//! Bytes of terms, of control messages and of frames, made by hand: an attacker is not held to what an encoder would write.

/// The creation that attackers say they have.
pub(crate) const CREATION: u32 = 4711;
/// The front of a term that is sent by itself.
pub(crate) const VERSION: u8 = 131;
/// The front of every frame that is not empty.
pub(crate) const PASS_THROUGH: u8 = 112;

pub(crate) fn atom(text: &str) -> Vec<u8> {
    [&[119, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

pub(crate) fn int(value: u32) -> Vec<u8> {
    match u8::try_from(value) {
        Ok(small) => vec![97, small],
        Err(_) => [&[98], &value.to_be_bytes()[..]].concat(),
    }
}

/// An integer that is none of those that fit four bytes.
pub(crate) fn big(bytes: &[u8]) -> Vec<u8> {
    [&[111], &u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], &[0], bytes].concat()
}

pub(crate) fn pid(node: &str, id: u32) -> Vec<u8> {
    [&[88], &atom(node)[..], &id.to_be_bytes(), &[0; 4], &CREATION.to_be_bytes()].concat()
}

pub(crate) fn reference(node: &str, word: u32) -> Vec<u8> {
    [&[90, 0, 3], &atom(node)[..], &CREATION.to_be_bytes(), &word.to_be_bytes(), &[0; 8]].concat()
}

pub(crate) fn tuple(elements: &[Vec<u8>]) -> Vec<u8> {
    [&[104, u8::try_from(elements.len()).unwrap()], &elements.concat()[..]].concat()
}

pub(crate) fn list(elements: &[Vec<u8>]) -> Vec<u8> {
    if elements.is_empty() {
        return nil();
    }
    [&[108], &u32::try_from(elements.len()).unwrap().to_be_bytes()[..], &elements.concat(), &nil()].concat()
}

pub(crate) fn nil() -> Vec<u8> {
    vec![106]
}

pub(crate) fn binary(bytes: &[u8]) -> Vec<u8> {
    [&[109], &u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// A body behind its length in 32 bits.
pub(crate) fn frame(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
}

/// The body of a frame with a control message of these fields, and with a payload if there is one.
pub(crate) fn body(op: u8, fields: &[Vec<u8>], payload: Option<&[u8]>) -> Vec<u8> {
    let arity = u8::try_from(fields.len() + 1).unwrap();
    let mut body = [&[PASS_THROUGH, VERSION, 104, arity, 97, op], &fields.concat()[..]].concat();
    if let Some(payload) = payload {
        body.push(VERSION);
        body.extend(payload);
    }
    body
}

/// The whole frame.
pub(crate) fn control(op: u8, fields: &[Vec<u8>], payload: Option<&[u8]>) -> Vec<u8> {
    frame(&body(op, fields, payload))
}

/// A message from process `id` of `node` to a registered name.
pub(crate) fn to_name(node: &str, id: u32, name: &str, message: &[u8]) -> Vec<u8> {
    control(6, &[pid(node, id), atom(""), atom(name)], Some(message))
}

/// The message of a `gen_server:call`, whose answer has this word in its tag.
pub(crate) fn gen_call(node: &str, id: u32, word: u32, request: &[u8]) -> Vec<u8> {
    tuple(&[atom("$gen_call"), tuple(&[pid(node, id), reference(node, word)]), request.to_vec()])
}

/// The spawn request with which `erpc` calls a function.
pub(crate) fn erpc(node: &str, word: u32, module: &str, function: &str, arguments: &[Vec<u8>]) -> Vec<u8> {
    let entry = tuple(&[atom("erpc"), atom("execute_call"), int(4)]);
    let fields = [reference(node, word), pid(node, 1), pid(node, 2), entry, list(&[atom("monitor")])];
    let called = list(&[reference(node, word), atom(module), atom(function), list(arguments)]);
    control(29, &fields, Some(&called))
}
