//! Shares: what one node may have of what all others use, too.

/// Returns true if a node that holds `held` may have one more of the `free` that are left: at most three times as many as are left then, as with
/// the places of the node's own memory, or the first.
pub(super) fn may_take(held: usize, free: usize) -> bool {
    free.checked_sub(1).is_some_and(|left| held == 0 || held < left.saturating_mul(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alone_has_three_quarters() {
        let most = |places: usize| (0..places).take_while(|held| may_take(*held, places - held)).count();
        assert_eq!((most(64), most(256), most(1)), (48, 192, 1));
        assert!(may_take(0, 1) && !may_take(0, 0) && !may_take(1, 1));
    }
}
