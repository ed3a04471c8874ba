//! Every file of `examples/` is read by the program it is meant for: ours and stock's conntrackd,
//! nft, keepalived, the shell. What they do is shown by the failover tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use testbed::{
    Command, Conntrackd, Error, Folder, Implementation, Namespace, Program, Result, veth,
};

/// All example files, by how their names end.
fn examples(ending: &str) -> BTreeSet<PathBuf> {
    fn walk(folder: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => walk(&path, found),
                false => drop(found.insert(path)),
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples"),
        &mut found,
    );
    found.retain(|path| path.to_string_lossy().ends_with(ending));
    assert!(!found.is_empty(), "no example ends with {ending}");
    found
}

/// A firewall with the interfaces and addresses of the examples.
fn firewall() -> Result<[Namespace; 2]> {
    let (own, other) = (Namespace::new("fw1")?, Namespace::new("others")?);
    for (interface, address) in [
        ("inside", "10.0.0.2/24"),
        ("outside", "192.0.2.2/24"),
        ("sync", "192.168.100.1/24"),
        ("sync2", "192.168.101.1/24"),
    ] {
        veth(&own, interface, &other, interface)?;
        own.address(interface, address)?;
    }
    Ok([own, other])
}

/// Those of conntrackd: all in its folder, and one beside the rules of the cluster.
fn configurations() -> BTreeSet<PathBuf> {
    let mut all = examples(".conf");
    all.retain(|path| {
        path.parent()
            .is_some_and(|folder| folder.ends_with("conntrackd"))
            || path.ends_with("conntrackd.conf")
    });
    assert!(all.len() >= 6, "{all:?}");
    all
}

#[test]
fn our_conntrackd_starts_with_each_configuration() -> Result<()> {
    check_conntrackd(Implementation::Ours)
}

#[test]
fn stocks_conntrackd_starts_with_each_configuration() -> Result<()> {
    check_conntrackd(Implementation::Stock)
}

fn text_of(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(Error::io(path.display().to_string()))
}

fn check_conntrackd(implementation: Implementation) -> Result<()> {
    let [own, _other] = firewall()?;
    for path in configurations() {
        let text = text_of(&path)?;
        // The one file beside lock, socket and log that a test must not write to.
        let folder = Folder::new("statistics", false)?;
        let log = folder.file("log").display().to_string();
        let text = text.replace("/var/log/conntrackd-stats.log", &log);
        let daemon = Conntrackd::start(&own, implementation, &text)?;
        let complaints: Vec<_> = daemon
            .log()
            .lines()
            .into_iter()
            .filter(|line| line.text.contains("[warning]") || line.text.contains("[ERROR]"))
            .map(|line| line.text)
            .collect();
        assert!(complaints.is_empty(), "{}: {complaints:?}", path.display());
    }
    Ok(())
}

#[test]
fn nft_reads_the_rules() -> Result<()> {
    let [own, _other] = firewall()?;
    for path in examples("nftables.conf") {
        // Loaded twice, as a reload does.
        for _ in 0..2 {
            own.run(Command::new("nft").arg("-f").arg(path.clone()))?;
        }
    }
    Ok(())
}

#[test]
fn keepalived_reads_its_configurations() -> Result<()> {
    let [own, _other] = firewall()?;
    for path in examples("keepalived.conf") {
        // It looks for the scripts that it is to call.
        let text = fs::read_to_string(&path).unwrap();
        let folder = Folder::new("keepalived", false)?;
        let mut text = text;
        for script in ["primary-backup.sh", "share.sh"] {
            let here = folder.write(script, "#!/bin/sh\n")?.display().to_string();
            text = text.replace(
                &format!("/etc/conntrackd/{script}"),
                &format!("/bin/sh {here}"),
            );
        }
        let config = folder.write("keepalived.conf", &text)?;
        let command = Command::new("keepalived").args(["--config-test", "--use-file"]);
        own.run(command.arg(config))?;
    }
    Ok(())
}

#[test]
fn the_shell_reads_the_scripts_and_they_tell_how_to_call_them() -> Result<()> {
    let [own, _other] = firewall()?;
    for path in examples(".sh") {
        own.run(Command::new("sh").arg("-n").arg(path.clone()))?;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let output = own.output(Command::new("sh").arg(path).arg("promote"))?;
        assert_eq!(output.code(), 1);
        assert!(
            output.stderr.starts_with(&format!("Usage: {name} {{")),
            "{}",
            output.stderr
        );
    }
    Ok(())
}

#[test]
fn the_kernel_knows_the_parameters() -> Result<()> {
    let [own, _other] = firewall()?;
    for path in examples("sysctl.conf") {
        for line in fs::read_to_string(path).unwrap().lines() {
            if let Some((name, value)) = line.split_once(" = ") {
                own.sysctl(name, value)?;
                assert_eq!(own.sysctl_value(name)?, value, "{name}");
            }
        }
    }
    Ok(())
}

/// What the manual shows can be typed: each of its commands but those that never end, and the line
/// of its file of filters.
#[test]
fn the_commands_of_the_manual_are_understood() -> Result<()> {
    let manual = include_str!("../../../docs/man/conntrack.8");
    let (_, examples) = manual.split_once(".Sh EXAMPLES\n").unwrap();
    let (examples, _) = examples.split_once("\n.Sh ").unwrap();
    let node = Namespace::new("manual")?;
    let program = Implementation::Ours.path(Program::Conntrack)?;
    let line = examples.lines().find_map(|line| line.strip_prefix(".Ql "));
    let line = line.unwrap().trim_end_matches(" :");
    let folder = Folder::new("manual", false)?;
    let services = folder.write("services", &format!("{line}\n"))?;
    let services = services.display().to_string();
    let mut tried = 0;
    for words in examples
        .lines()
        .filter_map(|line| line.strip_prefix(".Dl conntrack "))
        .filter(|words| !words.starts_with("-E"))
    {
        let words = words.replace("services", &services);
        let command = Command::new(&program).args(words.split(' '));
        let output = node.output(command)?;
        assert!(
            output.stderr.contains("flow entries have been"),
            "{words}: {}",
            output.stderr
        );
        tried += 1;
    }
    assert!(tried >= 4, "{tried}");
    Ok(())
}
