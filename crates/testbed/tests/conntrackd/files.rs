//! The files of the daemon: its lock, its log, the socket of the system's log.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use testbed::Implementation::{self, Ours, Stock};
use testbed::{Command, Conntrackd, Error, IpVersion, Program, Result, SyncPair, wait_until};

use super::process::Setting;
use super::{Extra, PATIENCE, Pair, hear, wait_for_line};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn files_are_for_their_owner_only() -> Result<()> {
    let pair = Pair::ours(Extra::default())?;
    for path in [pair.a.lock(), pair.a.socket(), &pair.a.folder().file("log")] {
        assert_eq!(mode(path), 0o600, "{}", path.display());
    }
    Ok(())
}

#[test]
fn lines_of_the_log_have_the_form_of_stock() -> Result<()> {
    // Dates have the width of ctime(3); the rest is known but for the process id.
    let form = |line: &str| -> Option<(usize, String)> {
        let (date, rest) = line.strip_prefix('[')?.split_once("] (pid=")?;
        let (pid, rest) = rest.split_once(") ")?;
        pid.parse::<u32>().ok()?;
        Some((date.len(), rest.to_owned()))
    };
    for kind in [Ours, Stock] {
        let pair = Pair::start([kind, Ours], Extra::default())?;
        let since = pair.a.mark()?;
        pair.a.client("-B")?;
        let line = wait_for_line(pair.a.log(), since, "bulk")?;
        let wanted = (24, "[notice] sending bulk update".to_owned());
        assert_eq!(form(&line), Some(wanted), "{kind}: {line}");
    }
    Ok(())
}

#[test]
fn the_log_is_opened_again_after_rotation() -> Result<()> {
    let pair = Pair::ours(Extra::default())?;
    let (log, rotated) = (pair.a.folder().file("log"), pair.a.folder().file("log.1"));
    fs::rename(&log, &rotated).map_err(Error::io("rotating"))?;
    pair.a.process().signal(rustix::process::Signal::HUP);
    wait_until("a new log file", PATIENCE, || log.exists())?;
    pair.a.client("-B")?;
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    wait_until("a line in the new file", PATIENCE, || {
        read(&log).contains("sending bulk update")
    })?;
    assert!(!read(&rotated).contains("sending bulk update"));
    assert_eq!(mode(&log), 0o600);
    Ok(())
}

/// A daemon of this kind with the files of another; its exit status and what it says.
fn second(pair: &Pair, kind: Implementation) -> Result<(i32, String)> {
    let command = Command::new(kind.path(Program::Conntrackd)?)
        .arg("-C")
        .arg(pair.a.config());
    let output = pair.network.a.output(command)?;
    Ok((output.code(), output.stdout + &output.stderr))
}

#[test]
fn the_lock_is_respected_whosever_it_is() -> Result<()> {
    for (first, other) in [(Ours, Ours), (Ours, Stock), (Stock, Ours)] {
        let pair = Pair::start([first, Ours], Extra::default())?;
        let (status, said) = second(&pair, other)?;
        let path = pair.a.lock().display();
        let wanted = format!("lockfile `{path}' exists, perhaps conntrackd already running?");
        assert!(said.contains(&wanted), "{other} beside {first}: {said}");
        assert_eq!(status, 1);
        assert!(pair.a.lock().exists());
        assert_eq!(pair.a.client("-s")?.code(), 0, "the first one goes on");
    }
    Ok(())
}

#[test]
fn the_lock_of_a_dead_daemon_is_taken_over() -> Result<()> {
    for dead in [Ours, Stock] {
        let network = SyncPair::new()?;
        let [config, _] = SyncPair::ftfw(IpVersion::V4, "");
        let daemon = Conntrackd::start(&network.a, dead, &config)?;
        daemon.kill();
        assert!(daemon.lock().exists() && daemon.socket().exists());
        let command = Command::new(Ours.path(Program::Conntrackd)?);
        let command = command.arg("-d").arg("-C").arg(daemon.config());
        let output = network.a.output(command)?;
        assert_eq!(output.code(), 0, "after {dead}: {}", output.stderr);
        assert_eq!(daemon.client_of(Ours, "-k")?.code(), 0);
        assert!(!daemon.lock().exists());
    }
    Ok(())
}

#[test]
fn a_socket_that_somebody_else_serves_is_left_alone() -> Result<()> {
    let pair = Pair::ours(Extra::default())?;
    // The same control socket, another lock.
    let config = fs::read_to_string(pair.a.config()).map_err(Error::io("the configuration"))?;
    let other = format!(
        "{config}\nGeneral {{ LockFile {}.2 }}\n",
        pair.a.lock().display()
    );
    let path = pair.a.folder().write("second.conf", &other)?;
    let command = Command::new(Ours.path(Program::Conntrackd)?)
        .arg("-C")
        .arg(path);
    let output = pair.network.a.output(command)?;
    assert_eq!(output.code(), 1);
    assert!(
        output.stderr.contains("Address already in use"),
        "{}",
        output.stderr
    );
    assert_eq!(pair.a.client("-s")?.code(), 0);
    Ok(())
}

#[test]
fn the_log_of_the_system_gets_the_text() -> Result<()> {
    // Priorities are facility times eight plus severity; notices have severity 5.
    for (setting, priority) in [("on", 3 * 8 + 5), ("local3", 19 * 8 + 5)] {
        let setting = Setting::new(&format!("General {{ Syslog {setting} }}"))?;
        let log = UnixDatagram::bind(setting.file("syslog")).map_err(Error::io("binding"))?;
        // A /dev of its own, in which the system's log is our socket.
        let script = format!(
            "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && \
             mknod -m 666 /dev/urandom c 1 9 && ln -s {} /dev/log && exec {} -C {}",
            setting.file("syslog").display(),
            Ours.path(Program::Conntrackd)?.display(),
            setting.file("conf").display(),
        );
        let command = Command::new("/usr/bin/unshare").args(["-m", "sh", "-c"]);
        let daemon = setting.network.a.spawn(command.arg(script))?;
        let mut heard = Vec::new();
        loop {
            let line = hear(&log)?;
            let is_last = line.contains("-- starting in console mode --");
            heard.push(line);
            if is_last {
                break;
            }
        }
        let line = heard
            .iter()
            .find(|line| line.contains("initialization completed"))
            .expect("the line that tells of the start");
        let (start, text) = line.split_once(" conntrack-tools[").unwrap();
        assert!(start.starts_with(&format!("<{priority}>")), "{line}");
        let (pid, text) = text.split_once("]: ").unwrap();
        assert_eq!(pid, daemon.pid().to_string());
        assert_eq!(text, "initialization completed");
    }
    Ok(())
}

/// The process id in the lock file is for people: a full `/run` kept the daemon from starting.
#[test]
fn a_full_disk_does_not_keep_the_daemon_from_starting() -> Result<()> {
    let setting = Setting::new("")?;
    let folder = setting.file("full");
    fs::create_dir(&folder).map_err(Error::io("full"))?;
    let config = setting.read("conf")?.replace(
        setting.file("").to_str().unwrap(),
        &format!("{}/", folder.display()),
    );
    let config = setting.folder.write("full.conf", &config)?;
    let program = Ours.path(Program::Conntrackd)?;
    let script = format!(
        "set -e; cd {}; mount -t tmpfs -o size=4k none .; cd $PWD
         cat /dev/zero > rest 2> /dev/null || true
         {program} -d -C {config}; test ! -s lock; {program} -C {config} --strict -k; test ! -e lock",
        folder.display(),
        program = program.display(),
        config = config.display(),
    );
    let command = Command::new("unshare").args(["-m", "sh", "-c", script.as_str()]);
    let output = setting.network.a.output(command)?;
    assert_eq!((output.code(), output.stderr.as_str()), (0, ""));
    Ok(())
}
