//! A session announces its data connection, the firewall dies, the connection opens through the
//! other one.

use std::net::SocketAddr;

use testbed::Implementation::{self, Ours, Stock};
use testbed::{PATIENCE, Result};

use crate::ftp::{self, Opens, Session};
use crate::network::{IN_VAIN, Network};

#[test]
fn a_passive_session_gets_its_file_through_the_other_firewall() -> Result<()> {
    for daemons in [[Ours, Ours], [Stock, Ours], [Ours, Stock]] {
        check(daemons, Opens::Client, Network::service)?;
    }
    Ok(())
}

/// The expected connection comes from outside and is translated as its master was: stock, which
/// commits neither translation nor function, loses it (compat: daemon-34). The translated command
/// was shorter than the original, so sequence numbers are shifted.
#[test]
fn an_active_session_gets_its_file_through_the_other_firewall() -> Result<()> {
    check([Ours, Ours], Opens::Server, Network::service)
}

/// The translated address of an expectation has no attribute in IPv6.
#[test]
fn sessions_over_ipv6_get_their_files_too() -> Result<()> {
    check([Ours, Ours], Opens::Client, Network::service_v6)?;
    check([Ours, Ours], Opens::Server, Network::service_v6)
}

fn check(
    daemons: [Implementation; 2],
    opens: Opens,
    service: fn(&Network, u16) -> SocketAddr,
) -> Result<()> {
    let network = Network::new(daemons, "ExpectationSync on")?;
    ftp::serve(&network.server)?;
    let mut session = Session::open(&network.client, service(&network, 21), opens)?;
    network.b.wait_for_listed("-e expect", 1)?;
    network.b.wait_for_listed("-e", 1)?;
    network.wait_until_told()?;
    network.fail_over()?;
    assert!(session.fetch(PATIENCE)?, "the file is damaged: {daemons:?}");
    Ok(())
}

/// The checks above can fail: without the expectation the firewall lets no data pass.
#[test]
fn without_expectations_there_is_no_data_connection() -> Result<()> {
    for opens in [Opens::Client, Opens::Server] {
        let network = Network::new([Ours, Ours], "ExpectationSync off")?;
        ftp::serve(&network.server)?;
        let mut session = Session::open(&network.client, network.service(21), opens)?;
        network.b.wait_for_listed("-e", 1)?;
        network.fail_over()?;
        assert!(session.fetch(IN_VAIN).is_err(), "{opens:?}");
    }
    Ok(())
}
