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
