//! A session announces its data connection, the firewall dies, the connection opens through the
//! other one.

use testbed::Implementation::Ours;
use testbed::Result;

use crate::ftp::{self, Opens, Session};
use crate::network::Network;

#[test]
fn a_passive_session_gets_its_file_through_the_other_firewall() -> Result<()> {
    check(Opens::Client)
}

/// The expected connection comes from outside and is translated as its master was: stock, which
/// commits neither translation nor function, loses it (compat: daemon-34). The translated command
/// was shorter than the original, so sequence numbers are shifted.
#[test]
fn an_active_session_gets_its_file_through_the_other_firewall() -> Result<()> {
    check(Opens::Server)
}

fn check(opens: Opens) -> Result<()> {
    let network = Network::new([Ours, Ours], "ExpectationSync on")?;
    ftp::serve(&network.server)?;
    let mut session = Session::open(&network.client, network.service(21), opens)?;
    network.b.wait_for_listed("-e expect", 1)?;
    network.b.wait_for_listed("-e", 1)?;
    network.fail_over()?;
    assert!(session.fetch()?, "the file is damaged");
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
        assert!(session.fetch().is_err(), "{opens:?}");
    }
    Ok(())
}
