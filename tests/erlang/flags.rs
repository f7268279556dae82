//! The distribution flags of the running release, against the table that the unit tests of `src/wire/codes.rs` read.

use crate::support::{World, otp};

const TABLE: &str = include_str!("../captured/flags.txt");

#[test]
fn the_release_offers_and_demands_what_the_table_says() {
    let otp = otp();
    let erl = World::new().erl(&[]);
    erl.eval("Flags = erts_internal:get_dflags(), Hex = fun(I) -> list_to_atom(string:lowercase(integer_to_list(element(I, Flags), 16))) end");
    let flags = |element| erl.eval(&format!("Hex({element})")).trim_matches('\'').to_owned();
    assert_eq!(erl.eval("element(1, Flags)"), "erts_dflags");
    let row = format!("{otp} {} {}", flags(2), flags(3));
    let known = TABLE.lines().find(|line| line.starts_with(&format!("{otp} ")));
    let Some(known) = known else { panic!("OTP {otp} is not in tests/captured/flags.txt; add this row: {row}") };
    assert_eq!(known, row, "OTP {otp} is in tests/captured/flags.txt (left) with other flags than it has (right)");
}
