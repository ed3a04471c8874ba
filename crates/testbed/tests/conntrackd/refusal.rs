//! Why a daemon does not start, and what it says then, with and without `-d`.

use std::net::UdpSocket;

use testbed::{Command, Error, Output, Result};

use super::process::Setting;

const REVIEW: &str = "conntrackd cannot start, please review your configuration";

/// A link of A with these lines in the place of the usual ones.
fn link(lines: &str) -> String {
    format!("Sync {{ Mode FTFW {{ }} UDP {{ {lines} }} }}\n")
}

/// Starts the daemon in the foreground and with `-d`; both fail and say all of this.
fn check(setting: &Setting, wanted: &[&str]) -> Result<()> {
    for word in ["", "-d"] {
        let output = setting.run(word)?;
        check_output(setting, &output, wanted);
    }
    Ok(())
}

fn check_output(setting: &Setting, output: &Output, wanted: &[&str]) {
    assert_eq!(output.code(), 1, "{}", output.stderr);
    for text in wanted {
        assert!(
            output.stderr.contains(text),
            "`{text}` in {}",
            output.stderr
        );
    }
    for left in ["lock", "control"] {
        assert!(!setting.file(left).exists(), "{left} was left behind");
    }
}

#[test]
fn a_missing_interface() -> Result<()> {
    let setting = Setting::new("")?;
    setting.configure(&link(
        "IPv4_address 192.168.100.1 IPv4_Destination_Address 192.168.100.2 Port 3780 \
         Interface nosuch",
    ))?;
    let texts = [
        "[warning] nosuch is an invalid interface",
        "[ERROR] can't open channel socket: No such device",
        REVIEW,
    ];
    check(&setting, &texts)
}

#[test]
fn an_address_of_somebody_else() -> Result<()> {
    let setting = Setting::new("")?;
    setting.configure(&link(
        "IPv4_address 192.168.100.77 IPv4_Destination_Address 192.168.100.2 Port 3780 \
         Interface sync",
    ))?;
    let texts = [
        "can't open channel socket: Cannot assign requested address",
        REVIEW,
    ];
    check(&setting, &texts)
}

/// Nobody refuses an address that the system has not made sure of yet, as after switching on.
#[test]
fn an_address_that_is_looked_for_on_the_link_is_waited_for() -> Result<()> {
    for transport in ["UDP", "TCP"] {
        let setting = Setting::new("")?;
        let node = &setting.network.a;
        setting.configure(&format!(
            "Sync {{ Mode FTFW {{ }} {transport} {{ IPv6_address 2001:db8:77::1 \
             IPv6_Destination_Address 2001:db8:77::2 Port 3780 Interface sync }} }}\n"
        ))?;
        node.sysctl("net.ipv6.conf.sync.accept_dad", 1)?;
        node.run("ip -6 address add 2001:db8:77::1/64 dev sync")?;
        let output = node.output(setting.command("-d")?)?;
        assert_eq!(output.code(), 0, "{transport}: {}", output.stderr);
        setting.run("-k")?;
    }
    Ok(())
}

#[test]
fn a_port_in_use() -> Result<()> {
    let setting = Setting::new("")?;
    let owner = setting
        .network
        .a
        .enter(|| UdpSocket::bind("192.168.100.1:3780"))?;
    let _owner = owner.map_err(Error::io("binding"))?;
    let texts = [
        "can't open channel socket: Address already in use",
        "3780",
        REVIEW,
    ];
    check(&setting, &texts)
}

#[test]
fn missing_rights() -> Result<()> {
    let setting = Setting::new("")?;
    for word in ["", "-d"] {
        let daemon = setting.command(word)?;
        let words = daemon.to_string();
        let mut command = Command::new("/usr/bin/setpriv");
        command = command.args([
            "--bounding-set",
            "-net_admin",
            "--inh-caps",
            "-net_admin",
            "--",
        ]);
        let output = setting
            .network
            .a
            .output(command.args(words.split_whitespace().map(str::to_owned)))?;
        check_output(&setting, &output, &["Operation not permitted", REVIEW]);
    }
    Ok(())
}

#[test]
fn files_that_cannot_be_made() -> Result<()> {
    let cases = [
        (
            "General { LogFile /nonexistent/log }",
            "[ERROR] can't open logfile `/nonexistent/log'.Reason: No such file or directory",
        ),
        // Stock takes any failure for a running daemon.
        (
            "General { LockFile /nonexistent/lock }",
            "/nonexistent/lock: No such file or directory",
        ),
        (
            "General { UNIX { Path /nonexistent/control } }",
            "/nonexistent/control: No such file or directory",
        ),
    ];
    for (text, wanted) in cases {
        let setting = Setting::new(text)?;
        check(&setting, &[wanted])?;
        let output = setting.run("")?;
        assert!(
            !output.stderr.contains("already running"),
            "{}",
            output.stderr
        );
    }
    Ok(())
}

#[test]
fn a_wrong_configuration() -> Result<()> {
    let setting = Setting::new("Sync { Mode FTFW { ResendQueueSize many } }\n")?;
    let place = format!("{}:", setting.file("conf").display());
    let texts = [
        place.as_str(),
        "Sync { Mode FTFW { ResendQueueSize many } }",
        "^^^^",
    ];
    check(&setting, &texts)
}

#[test]
fn what_comes_with_a_later_version() -> Result<()> {
    let cases = [("Helper { }", "user-space helpers")];
    for (text, feature) in cases {
        let setting = Setting::new(&format!("{text}\n"))?;
        check(&setting, &[feature, "^"])?;
    }
    Ok(())
}
