//! Each pitfall, provoked by one change of a configuration and a machine that have none.

use std::path::Path;

use super::*;

const SYNC: &str = "Sync {
	Mode FTFW { }
	UDP { IPv4_address 10.0.0.1 IPv4_Destination_Address 10.0.0.2 Port 3780 Interface eth2 }
}
";

const GENERAL: &str = "General {
	HashLimit 1048576
	LogFile on
	UNIX { Path /run/conntrackd.ctl }
	Filter { Address Ignore { IPv4_address 10.0.0.0/24 } }
}
";

/// A machine on which the configuration above is fine.
fn machine() -> Machine {
    let paths = ["/run", "/var/lock", "/var/log"];
    Machine {
        settings: [
            (MAX, 1_048_576),
            (EVENTS, 1),
            (ACCT, 1),
            (LOOSE, 0),
            (LIBERAL, 0),
            (RMEM_MAX, 212_992),
            (RMEM_DEFAULT, 212_992),
            (WMEM_DEFAULT, 212_992),
        ]
        .into(),
        interfaces: [("eth2".to_owned(), true), ("eth3".to_owned(), true)].into(),
        addresses: ["10.0.0.1".parse().unwrap()].into(),
        folders: paths.map(|path| Path::new(path).to_owned()).into(),
        has_user: true,
    }
}

/// What is found in the texts of a file on a machine that is changed.
fn found(parts: &[&str], change: impl FnOnce(&mut Machine)) -> Vec<String> {
    let text = parts.concat();
    let (config, _) =
        crate::config::parse("x", text.as_bytes()).unwrap_or_else(|errors| panic!("{errors}"));
    let mut machine = machine();
    change(&mut machine);
    let found = pitfalls(&config, &machine);
    found.iter().map(Pitfall::to_string).collect()
}

/// One pitfall whose text contains these words.
#[track_caller]
fn check(parts: &[&str], change: impl FnOnce(&mut Machine), wanted: &str) {
    let found = found(parts, change);
    let [only] = found.as_slice() else {
        panic!("{found:#?} instead of `{wanted}`");
    };
    assert!(only.contains(wanted), "`{wanted}` in {only}");
    assert!(only.contains("; "), "nothing to do in {only}");
}

/// One pitfall of the usual file with this in `General`.
#[track_caller]
fn check_general(extra: &str, wanted: &str) {
    let extra = format!("General {{ {extra} }}\n");
    check(&[SYNC, GENERAL, &extra], |_| {}, wanted);
}

/// One pitfall of the usual file with another `Sync`.
#[track_caller]
fn check_sync(sync: &str, wanted: &str) {
    check(&[GENERAL, "Sync {", sync, "}"], |_| {}, wanted);
}

/// One pitfall of the usual file with one setting changed.
#[track_caller]
fn check_setting(name: &'static str, value: u64, wanted: &str) {
    let change = |machine: &mut Machine| {
        machine.settings.insert(name, value);
    };
    check(&[SYNC, GENERAL], change, wanted);
}

#[test]
fn a_good_configuration_on_a_good_machine_has_none() {
    assert_eq!(found(&[SYNC, GENERAL], |_| {}), [""; 0]);
    let stats = "Stats { LogFile on }";
    assert_eq!(found(&[stats, GENERAL], |_| {}), [""; 0]);
    let polling = "General { PollSecs 15 }";
    assert_eq!(found(&[SYNC, GENERAL, polling], |_| {}), [""; 0]);
}

#[test]
fn pitfalls_of_general() {
    check(&[GENERAL], |_| {}, "neither `Sync' nor `Stats'");
    check_general("HashLimit 1000", "HashLimit is 1000");
    check_general("NetlinkBufferSize 4000000", "has no effect");
    check_general(
        "NetlinkBufferSize 262142 NetlinkBufferSizeMaxGrowth 655355",
        "room for 204 events",
    );
    check_general(
        "PollSecs 5 NetlinkEventsReliable on",
        "NetlinkEventsReliable",
    );
    check_general("Scheduler { Type rr }", "needs a Priority");
    check_general("LockFile /nowhere/lock", "folder /nowhere of LockFile");
    check_general("LogFile /nowhere/log", "folder /nowhere of LogFile");
    check_general("UNIX { Path /nowhere/ctl }", "folder /nowhere of UNIX");
    let sized =
        "General { HashLimit 1048576 Filter { Address Ignore { IPv4_address 10.0.0.0/24 } } ";
    check(
        &[SYNC, sized, "LogFile on }"],
        |_| {},
        "could not be asked anything",
    );
    check(
        &[SYNC, sized, "UNIX { Path /run/x } }"],
        |_| {},
        "there is no log",
    );
    let user = "General { User somebody }";
    check(
        &[SYNC, GENERAL, user],
        |machine| machine.has_user = false,
        "no user `somebody'",
    );
}

#[test]
fn pitfalls_of_the_kernel() {
    check_setting(EVENTS, 2, "the daemon sets it to 1");
    check_setting(EVENTS, 0, "the daemon sets it to 1");
    let off = "General { NetlinkEventsAllFlows off }";
    let change = |machine: &mut Machine| {
        machine.settings.insert(EVENTS, 2);
    };
    check(
        &[SYNC, GENERAL, off],
        change,
        "NetlinkEventsAllFlows is off",
    );
    check(
        &[SYNC, GENERAL],
        change,
        "they are replicated for ever as they were",
    );
    let stats = "Stats { LogFile on }";
    check(&[stats, GENERAL], change, "those ends are not logged");
    check_setting(LOOSE, 1, "nf_conntrack_tcp_loose is not 0");
    check_setting(LIBERAL, 1, "made liberal one by one");
    let tracking = "Sync { Options { TCPWindowTracking on } }";
    let change = |machine: &mut Machine| {
        machine.settings.insert(LIBERAL, 1);
    };
    check(&[SYNC, GENERAL, tracking], change, "takes the effect from");
    check(
        &[SYNC, GENERAL],
        |machine| machine.settings.clear(),
        "load the module nf_conntrack",
    );
}

#[test]
fn pitfalls_of_a_link() {
    let mode = "Mode FTFW { } ";
    let udp = |extra: &str| {
        format!(
            "{mode} UDP {{ IPv4_address 10.0.0.1 IPv4_Destination_Address 10.0.0.2 Port 3780 \
             Interface eth2 {extra} }}"
        )
    };
    check_sync(&udp("Checksum off"), "without Checksum");
    check_sync(&udp("SndSocketBuffer 1000"), "SndSocketBuffer 1000");
    check_sync(&udp("RcvSocketBuffer 1000"), "RcvSocketBuffer 1000");
    check_sync(&udp("Interface eth9"), "no interface eth9");
    check_sync(
        &udp("IPv4_address 10.0.0.7"),
        "10.0.0.7 is no address of this",
    );
    check_sync(&udp("IPv4_Destination_Address 10.0.0.1"), "talk to itself");
    check_sync(
        &udp(
            "} UDP { IPv4_address 10.0.0.1 IPv4_Destination_Address 10.0.0.3 Port 3781 Interface eth2",
        ),
        "two links are on eth2",
    );
    check(
        &[SYNC, GENERAL],
        |machine| {
            machine.interfaces.insert("eth2".to_owned(), false);
        },
        "eth2 is down",
    );
    let group = |addr: &str| {
        format!(
            "{mode} Multicast {{ IPv4_address {addr} IPv4_interface 10.0.0.1 Group 3780 \
             Interface eth2 }}"
        )
    };
    check_sync(
        &group("10.0.0.50"),
        "is not the address of a multicast group",
    );
    let unfiltered = "General { HashLimit 1048576 LogFile on UNIX { Path /run/x } }";
    check(&[SYNC, unfiltered], |_| {}, "replicate its own link");
}

#[test]
fn pitfalls_of_a_mode() {
    let link = "UDP { IPv4_address 10.0.0.1 IPv4_Destination_Address 10.0.0.2 Port 3780 \
                Interface eth2 }";
    let with = |mode: &str| format!("Mode {mode} {link}");
    check_sync(
        &with("FTFW { ResendQueueSize 10 ACKWindowSize 300 }"),
        "only 10 are kept",
    );
    check_sync(
        &with("ALARM { RefreshTime 60 CacheTimeout 60 }"),
        "CacheTimeout is 60 seconds",
    );
    for mode in ["FTFW", "NOTRACK"] {
        check_sync(
            &with(&format!("{mode} {{ DisableExternalCache on }}")),
            "set net.netfilter.nf_conntrack_max to 2097152",
        );
    }
}

#[test]
fn what_is_injected_may_be_read_back() {
    let injects = |more: &str, general: &str| {
        let sync = SYNC.replace(
            "Mode FTFW { }",
            "Mode NOTRACK { DisableExternalCache on MORE }",
        );
        let general = format!("General {{ HashLimit 1048576 {general} }}");
        let change = |machine: &mut Machine| {
            machine.settings.insert(MAX, 2_097_152);
        };
        found(&[&sync.replace("MORE", more), GENERAL, &general], change)
    };
    let limit = "HashLimit 2097152";
    let low = |found: Vec<String>| -> Vec<String> {
        let about = |text: &String| text.contains("told to the peer as ours");
        found.into_iter().filter(about).collect()
    };
    assert_eq!(low(injects("", limit)), [""; 0]);
    let [polling] = low(injects("", "PollSecs 5")).try_into().unwrap();
    assert!(
        polling.contains("with PollSecs, those of before"),
        "{polling}"
    );
    let [bypass] = low(injects("DisableInternalCache on", ""))
        .try_into()
        .unwrap();
    assert!(
        bypass.contains("with DisableInternalCache, those"),
        "{bypass}"
    );
}

#[test]
fn pitfalls_of_statistics() {
    check(&["Stats { }", GENERAL], |_| {}, "written nowhere");
    let stats = "Stats { LogFile on }";
    let change = |machine: &mut Machine| {
        machine.settings.insert(ACCT, 0);
    };
    check(&[stats, GENERAL], change, "no packets and bytes");
    check(
        &["Stats { LogFile /nowhere/ended }", GENERAL],
        |_| {},
        "folder /nowhere of LogFile of Stats",
    );
}
