//! The same over TLS, 1.2 and 1.3: much the same is asked of it, so it is part of `tests/hosts/run --long` alone.

use super::{addresses, breaks, load, two_boxes, weather};
use crate::tls_live::over_each;

/// Tests of other modules, over TLS.
macro_rules! over_tls {
    ($($module:ident::$test:ident,)+) => {
        $(
            #[test]
            #[ignore = "what holds over TCP, once more"]
            fn $test() {
                over_each($module::$test);
            }
        )+
    };
}

over_tls! {
    addresses::the_hub_gets_another_address,
    breaks::a_way_is_cut_in_one_direction,
    breaks::a_router_forgets_the_connection,
    breaks::a_router_tells_the_hub_alone_that_it_forgot,
    breaks::the_hub_loses_power,
    breaks::large_packets_vanish,
    load::a_thousand_messages_a_second_over_a_bad_line,
    two_boxes::two_that_call_each_other,
    weather::whatever_the_weather,
}
