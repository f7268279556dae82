//! The forms that OTP's libraries give to calls, to answers and to ends: `gen_server`, `rex` and `erpc`.

pub(crate) mod atoms;
pub(crate) mod call;
pub(crate) mod caller;
pub(crate) mod failure;
pub(crate) mod outcome;
pub(crate) mod pid;
pub(crate) mod served;
pub(crate) mod tag;
