//! Which mutant this program is: in `MUTANT`, by its number. In `MUTANT_REACHED` may be a file, for the numbers of those whose place is reached.

use std::fs::File;
use std::io::Write as _;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

static ON: LazyLock<usize> = LazyLock::new(|| std::env::var("MUTANT").map_or(usize::MAX, |number| number.parse().unwrap()));
static FILE: LazyLock<Option<File>> = LazyLock::new(|| {
    let path = std::env::var_os("MUTANT_REACHED")?;
    Some(File::options().append(true).create(true).open(path).unwrap())
});
static REACHED: [AtomicBool; COUNT] = [const { AtomicBool::new(false) }; COUNT];

/// Before there are tests: some of them have an eye on what is allocated.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = {
    extern "C" fn look() {
        _ = (*ON, &*FILE);
    }
    look
};

#[inline]
pub(crate) const fn off(number: usize) -> bool {
    std::intrinsics::const_eval_select((number,), always, asked)
}

/// What the compiler computes is as it was.
const fn always(_: usize) -> bool {
    true
}

#[inline]
fn asked(number: usize) -> bool {
    if !REACHED[number].load(Ordering::Relaxed) {
        reached(number);
    }
    number != *ON
}

#[cold]
fn reached(number: usize) {
    if REACHED[number].swap(true, Ordering::Relaxed) {
        return;
    }
    if let Some(mut file) = FILE.as_ref() {
        // at once, and without a heap
        let mut line = [0; 24];
        let mut rest = &mut line[..];
        writeln!(rest, "{number}").unwrap();
        let left = rest.len();
        file.write_all(&line[..24 - left]).unwrap();
    }
}
