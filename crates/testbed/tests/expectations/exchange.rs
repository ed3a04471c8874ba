//! What one firewall's kernel expects, the other one's daemon lists, and its kernel gets.

use testbed::Implementation::{self, Ours, Stock};
use testbed::Result;

use crate::ftp::{self, Opens, Session};
use crate::network::Network;
use crate::sip::Telephone;

/// The first packet of a call announces: the kernel tells of the expectation before it tells of its
/// master. Flags and class arrive in the other kernel (compat: daemon-34).
#[test]
fn sip_expectations_arrive_whole_in_the_other_kernel() -> Result<()> {
    let network = Network::new([Ours, Ours], "ExpectationSync { sip }")?;
    let telephone = Telephone::new(&network.client, network.service(5060))?;
    telephone.register()?;
    network.a.wait_for_listed("-i expect", 1)?;
    telephone.invite()?;
    network.b.wait_for_listed("-e expect", 3)?;
    network.b.daemon.client("-c")?;
    let expected = network.a.kernel_expectations()?;
    assert_eq!(expected.len(), 3, "{expected:#?}");
    assert!(expected.iter().any(|it| it.contains("PERMANENT,INACTIVE")));
    assert!(expected.iter().any(|it| it.contains("class=1")));
    assert_eq!(network.b.kernel_expectations()?, expected);
    Ok(())
}

/// `ExpectationSync` names other helpers: nothing is replicated.
#[test]
fn only_listed_helpers_are_replicated() -> Result<()> {
    let network = Network::new([Ours, Ours], "ExpectationSync { SI h323 }")?;
    ftp::serve(&network.server)?;
    let _session = Session::open(&network.client, network.service(21), Opens::Client)?;
    let telephone = Telephone::new(&network.client, network.service(5060))?;
    telephone.register()?;
    let listed = network.b.wait_for_listed("-e expect", 1)?;
    assert!(
        listed.iter().all(|it| it.ends_with("helper=sip")),
        "{listed:#?}"
    );
    assert_eq!(network.a.kernel_expectations()?.len(), 2);
    Ok(())
}

#[test]
fn ours_to_stock() -> Result<()> {
    check(Ours, Stock)
}

#[test]
fn stock_to_ours() -> Result<()> {
    check(Stock, Ours)
}

/// What the beside shows.
#[test]
fn stock_to_stock() -> Result<()> {
    check(Stock, Stock)
}

/// Both list the same, and the receiver commits it.
fn check(sender: Implementation, receiver: Implementation) -> Result<()> {
    let network = Network::new([sender, receiver], "ExpectationSync on")?;
    ftp::serve(&network.server)?;
    let session = Session::open(&network.client, network.service(21), Opens::Server)?;
    let ours = network.a.wait_for_listed("-i expect", 1)?;
    let theirs = network.b.wait_for_listed("-e expect", 1)?;
    assert_eq!(ours, theirs);
    network.b.daemon.client("-c ct")?;
    network.b.daemon.client("-c expect")?;
    let expected = network.a.kernel_expectations()?;
    assert_eq!(network.b.kernel_expectations()?, expected);
    // The end of the session ends what it announced.
    drop(session);
    network.a.namespace.run("conntrack -D -p tcp --dport 21")?;
    network.b.wait_for_listed("-e", 0)?;
    network.a.wait_for_listed("-i expect", 0)?;
    if receiver == Ours {
        network.b.wait_for_listed("-e expect", 0)?;
    }
    Ok(())
}
