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
mod flows;
mod variants;

use testbed::Implementation::{Ours, Stock};
use testbed::IpVersion::{V4, V6};
use testbed::Mode::{Alarm, Ftfw, Notrack};
use testbed::Transport::{Multicast, Tcp, Udp};
use testbed::{Result, Setup};

/// The four pairs in one place of the matrix.
macro_rules! pairs {
    ($($place:ident: $mode:expr, $transport:expr, $version:expr;)*) => { $(
        mod $place {
            use super::*;

            #[test]
            fn ours_to_ours() -> Result<()> {
                cell::check(Ours, Ours, &Setup::new($mode, $transport, $version))
            }

            #[test]
            fn ours_to_stock() -> Result<()> {
                cell::check(Ours, Stock, &Setup::new($mode, $transport, $version))
            }

            #[test]
            fn stock_to_ours() -> Result<()> {
                cell::check(Stock, Ours, &Setup::new($mode, $transport, $version))
            }

            #[test]
            fn stock_to_stock() -> Result<()> {
                cell::check(Stock, Stock, &Setup::new($mode, $transport, $version))
            }
        }
    )* };
}

pairs! {
    ftfw_udp_ipv4: Ftfw, Udp, V4;
    ftfw_udp_ipv6: Ftfw, Udp, V6;
    ftfw_multicast_ipv4: Ftfw, Multicast, V4;
    ftfw_multicast_ipv6: Ftfw, Multicast, V6;
    ftfw_tcp_ipv4: Ftfw, Tcp, V4;
    ftfw_tcp_ipv6: Ftfw, Tcp, V6;
    notrack_udp_ipv4: Notrack, Udp, V4;
    notrack_udp_ipv6: Notrack, Udp, V6;
    notrack_multicast_ipv4: Notrack, Multicast, V4;
    notrack_multicast_ipv6: Notrack, Multicast, V6;
    notrack_tcp_ipv4: Notrack, Tcp, V4;
    notrack_tcp_ipv6: Notrack, Tcp, V6;
    alarm_udp_ipv4: Alarm, Udp, V4;
    alarm_udp_ipv6: Alarm, Udp, V6;
    alarm_multicast_ipv4: Alarm, Multicast, V4;
    alarm_multicast_ipv6: Alarm, Multicast, V6;
    alarm_tcp_ipv4: Alarm, Tcp, V4;
    alarm_tcp_ipv6: Alarm, Tcp, V6;
}
