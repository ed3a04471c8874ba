//! Every pair of implementations in every mode over every transport in both families.
//!
//! A cell of the matrix is one test: two nodes, each with flows of all kinds, go through the life
//! of a pair (see [`cell`]) and end with equal caches and equal kernel tables. Between two stock
//! daemons the same cell shows what a failure of a mixed pair means. [`variants`] are cells with
//! options that change who does what.
//!
//! `cargo xtask test interop` shows the cells as a table. Hardships, loss and restarts, are in
//! `interop.rs`.

#![allow(clippy::unwrap_used, reason = "a test")]

mod cell;
#[path = "../counters/expected.rs"]
mod expected;
mod flows;
mod variants;

use testbed::Implementation::{Ours, Stock};
use testbed::IpVersion::{V4, V6};
use testbed::Mode::{Alarm, Ftfw, Notrack};
use testbed::Transport::{Multicast, Tcp, Udp};
use testbed::{Implementation, IpVersion, Mode, Result, Setup, Transport};

/// The four pairs in one place of the matrix.
macro_rules! pairs {
    ($($place:ident: $check:expr;)*) => { $(
        mod $place {
            use super::*;

            #[test]
            fn ours_to_ours() -> Result<()> {
                $check(Ours, Ours)
            }

            #[test]
            fn ours_to_stock() -> Result<()> {
                $check(Ours, Stock)
            }

            #[test]
            fn stock_to_ours() -> Result<()> {
                $check(Stock, Ours)
            }

            #[test]
            fn stock_to_stock() -> Result<()> {
                $check(Stock, Stock)
            }
        }
    )* };
}
pub(crate) use pairs;

pairs! {
    ftfw_udp_ipv4: life(Ftfw, Udp, V4);
    ftfw_udp_ipv6: life(Ftfw, Udp, V6);
    ftfw_multicast_ipv4: life(Ftfw, Multicast, V4);
    ftfw_multicast_ipv6: life(Ftfw, Multicast, V6);
    ftfw_tcp_ipv4: life(Ftfw, Tcp, V4);
    ftfw_tcp_ipv6: life(Ftfw, Tcp, V6);
    notrack_udp_ipv4: life(Notrack, Udp, V4);
    notrack_udp_ipv6: life(Notrack, Udp, V6);
    notrack_multicast_ipv4: life(Notrack, Multicast, V4);
    notrack_multicast_ipv6: life(Notrack, Multicast, V6);
    notrack_tcp_ipv4: life(Notrack, Tcp, V4);
    notrack_tcp_ipv6: life(Notrack, Tcp, V6);
    alarm_udp_ipv4: life(Alarm, Udp, V4);
    alarm_udp_ipv6: life(Alarm, Udp, V6);
    alarm_multicast_ipv4: life(Alarm, Multicast, V4);
    alarm_multicast_ipv6: life(Alarm, Multicast, V6);
    alarm_tcp_ipv4: life(Alarm, Tcp, V4);
    alarm_tcp_ipv6: life(Alarm, Tcp, V6);
}

/// The check of a cell without options.
fn life(
    mode: Mode,
    transport: Transport,
    version: IpVersion,
) -> impl Fn(Implementation, Implementation) -> Result<()> {
    move |a, b| cell::check(a, b, &Setup::new(mode, transport, version))
}
