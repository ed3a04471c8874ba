//! `conntrackd --check` on a machine: what it prints, what it warns of, its exit status.

use testbed::Result;

use super::process::Setting;

/// A pair's configuration that leaves nothing to be wished for on this machine.
fn setting() -> Result<Setting> {
    let setting = Setting::new("")?;
    let node = &setting.network.a;
    node.sysctl("net.netfilter.nf_conntrack_tcp_loose", 0)?;
    let max = node.sysctl_value("net.netfilter.nf_conntrack_max")?;
    setting.configure(&format!(
        "General {{ HashLimit {max} LogFile DIR/log Filter {{ Address Ignore {{ \
         IPv4_address 192.168.100.0/24 }} }} }}
         Sync {{ Mode FTFW {{ }} UDP {{ IPv4_address 192.168.100.1 \
         IPv4_Destination_Address 192.168.100.2 Port 3780 Interface sync }} }}\n",
        max = max.trim(),
    ))?;
    Ok(setting)
}

#[test]
fn a_good_configuration_is_printed_and_is_what_it_was() -> Result<()> {
    let setting = setting()?;
    let output = setting.run("--check")?;
    assert_eq!((output.code(), output.stderr.as_str()), (0, ""));
    for line in [
        "\tACKWindowSize 300\n",
        "\tNetlinkEventsAllFlows on\n",
        "Port 3780\n",
    ] {
        assert!(output.stdout.contains(line), "{line} in {}", output.stdout);
    }
    // What is printed means the same.
    setting.folder.write("conf", &output.stdout)?;
    let again = setting.run("--check")?;
    assert_eq!((again.code(), again.stdout), (0, output.stdout));
    for left in ["lock", "control", "log"] {
        assert!(!setting.file(left).exists(), "a check makes no {left}");
    }
    Ok(())
}

#[test]
fn a_pitfall_of_the_machine_is_a_warning() -> Result<()> {
    let cases = [
        ("net.netfilter.nf_conntrack_tcp_loose", 1, "set it to 0"),
        (
            "net.netfilter.nf_conntrack_events",
            2,
            "set it to 1 at boot",
        ),
    ];
    for (name, value, text) in cases {
        let setting = setting()?;
        setting.network.a.sysctl(name, value)?;
        let output = setting.run("--check")?;
        assert_eq!(output.code(), 2, "{}", output.stderr);
        assert!(output.stderr.contains("[warning]"), "{}", output.stderr);
        assert!(output.stderr.contains(text), "{text} in {}", output.stderr);
        assert!(output.stderr.contains(name), "{name} in {}", output.stderr);
        assert_eq!(
            setting.network.a.sysctl_value(name)?.trim(),
            value.to_string()
        );
    }
    Ok(())
}

#[test]
fn an_interface_or_address_of_another_machine_is_a_warning() -> Result<()> {
    let setting = setting()?;
    // The peer's view of the same file.
    let output = setting.network.b.output(setting.command("--check")?)?;
    assert_eq!(output.code(), 2);
    for text in [
        "192.168.100.1 is no address of this machine",
        "192.168.100.2 is one of this machine",
    ] {
        assert!(output.stderr.contains(text), "{text} in {}", output.stderr);
    }
    Ok(())
}

/// Firewalls with moving addresses have `ip_nonlocal_bind`, and every address looked like our own.
#[test]
fn what_can_be_bound_to_is_not_ours_for_that() -> Result<()> {
    let setting = setting()?;
    for (node, code) in [(&setting.network.a, 0), (&setting.network.b, 2)] {
        node.sysctl("net.ipv4.ip_nonlocal_bind", 1)?;
        node.sysctl("net.netfilter.nf_conntrack_tcp_loose", 0)?;
        let output = node.output(setting.command("--check")?)?;
        assert_eq!(output.code(), code, "{}", output.stderr);
        let is_told = output.stderr.contains("192.168.100.1 is no address");
        assert_eq!(is_told, code == 2, "{}", output.stderr);
    }
    Ok(())
}

/// Addresses beside the first one of their network, of link scope, and none at all.
#[test]
fn every_address_of_the_machine_is_ours() -> Result<()> {
    for (add, local, peer) in [
        (
            "192.168.100.7/24",
            "IPv4_address 192.168.100.7",
            "IPv4_Destination_Address 192.168.100.2",
        ),
        (
            "192.168.100.7/24",
            "",
            "IPv4_Destination_Address 192.168.100.2",
        ),
        (
            "fe80::77/64 nodad",
            "IPv6_address fe80::77",
            "IPv6_Destination_Address fe80::78",
        ),
    ] {
        let setting = setting()?;
        let node = &setting.network.a;
        node.run(format!("ip address add {add} dev sync").as_str())?;
        let config = setting.read("conf")?;
        let (general, _) = config.split_once("Sync").unwrap_or((&config, ""));
        let general = general.replace(
            "IPv4_address 192.168.100.0/24",
            "IPv4_address 192.168.100.0/24 IPv6_address fe80::/10",
        );
        setting.configure(&format!(
            "{general} Sync {{ Mode FTFW {{ }} UDP {{ {local} {peer} Port 3780 Interface sync }} }}\n"
        ))?;
        let output = setting.run("--check")?;
        assert_eq!((output.code(), output.stderr.as_str()), (0, ""), "{local}");
    }
    Ok(())
}

#[test]
fn an_error_is_an_error() -> Result<()> {
    let setting = Setting::new("Stats { }\n")?;
    let output = setting.run("--check")?;
    assert_eq!((output.code(), output.stdout.as_str()), (1, ""));
    assert!(
        output.stderr.contains("cannot use both"),
        "{}",
        output.stderr
    );
    // Deprecated words are warnings.
    let setting = setting_with("General { Nice -1 }\n")?;
    let output = setting.run("--check")?;
    assert_eq!(output.code(), 2, "{}", output.stderr);
    Ok(())
}

/// The good configuration, and this.
fn setting_with(extra: &str) -> Result<Setting> {
    let setting = setting()?;
    let config = setting.read("conf")?;
    setting.folder.write("conf", &(config + extra))?;
    Ok(setting)
}
