//! The program as scripts call it: exit statuses, and what comes on which stream.
//!
//! Everything that needs no daemon and no rights.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;

/// A folder of its own for a test, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("conntrackd-{}-{name}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Writes a configuration; `DIR` in it stands for the folder.
    fn config(&self, text: &str) -> String {
        let path = self.0.join("conntrackd.conf");
        let text = text.replace("DIR", self.0.to_str().unwrap());
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs the program; checks its exit status and that both streams contain what they should. An
/// empty word stands for an empty stream.
fn check(args: &[&str], status: i32, out: &str, err: &str) {
    let run = Command::new(env!("CARGO_BIN_EXE_conntrackd"))
        .args(args)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (stdout, stderr) = (text(&run.stdout), text(&run.stderr));
    let shown = format!("{args:?}: {stdout}{stderr}");
    assert_eq!(run.status.code(), Some(status), "{shown}");
    for (found, wanted) in [(&stdout, out), (&stderr, err)] {
        assert!(found.contains(wanted), "`{wanted}` in {shown}");
        assert_eq!(found.is_empty(), wanted.is_empty(), "{shown}");
    }
}

#[test]
fn version_and_usage_are_on_standard_output() {
    let version = "Connection tracking userspace daemon v1.4.9 (conntrack-tools-rs ";
    check(&["-v"], 0, version, "");
    check(&["-h"], 0, version, "");
    check(&["-h"], 0, "\nUsage: ", "");
    check(
        &["-q", "-v"],
        1,
        "\nUsage: ",
        "[ERROR] Unknown option: -q\n",
    );
    check(
        &["-d", "-k"],
        1,
        "\nUsage: ",
        "[ERROR] Invalid parameters\n",
    );
    let unknown = "[ERROR] unknown parameter `x' for option `-s'\n";
    check(&["-s", "x"], 1, "", unknown);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = "[ERROR] can't open config file `/nonexistent'\n";
    check(&["-C", "/nonexistent", "-s"], 1, "", error);
    check(&["-C", "/nonexistent"], 1, "", error);
    check(
        &["-C", "/nonexistent"],
        1,
        "",
        "] No such file or directory\n",
    );
    check(&["-C", "/dev/zero", "-s"], 1, "", "it is larger than 1 MiB");
}

#[test]
fn a_wrong_configuration_is_explained() {
    let folder = Folder::new("wrong");
    let path = folder.config("General {\n\tHashSizee 5\n}\n");
    let excerpt = "2 |  HashSizee 5\n  |  ^^^^^^^^^\n  = did you mean `HashSize`?\n";
    for args in [&["-C", &path, "-s"][..], &["-C", &path]] {
        check(args, 1, "", "unknown keyword `HashSizee` in `General`\n");
        check(args, 1, "", excerpt);
    }
}

#[test]
fn what_is_missing_is_refused_at_start_but_not_by_the_client() {
    let folder = Folder::new("later");
    let path = folder.config("General { UNIX { Path DIR/ctl } }\nHelper { }\n");
    check(
        &["-C", &path],
        1,
        "",
        "`Helper` asks for user-space helpers",
    );
    check(
        &["-C", &path, "-s"],
        1,
        "",
        "can't connect: is conntrackd running?",
    );
}

#[test]
fn a_client_without_a_daemon_says_so() {
    let folder = Folder::new("alone");
    let text = "can't connect: is conntrackd running? appropriate permissions?\n";
    let path = folder.config("General { UNIX { Path DIR/ctl } }");
    check(&["-C", &path, "-k"], 1, "", text);
    let path = folder.config("General { }");
    check(&["-C", &path, "-k"], 1, "", text);
}

#[test]
fn a_client_copies_the_reply() {
    let folder = Folder::new("reply");
    let path = folder.config("General { UNIX { Path DIR/ctl } Nice -1 }");
    let listener = UnixListener::bind(folder.0.join("ctl")).unwrap();
    let daemon = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut request = [0; 4];
        client.read_exact(&mut request).unwrap();
        client.write_all(b"daemon uptime: 0 min\n").unwrap();
        i32::from_ne_bytes(request)
    });
    let warning = "[warning] deprecated nice configuration, ignoring.";
    check(
        &["-s", "runtime", "-C", &path],
        0,
        "daemon uptime: 0 min\n",
        warning,
    );
    assert_eq!(daemon.join().unwrap(), 30);
}

/// A report into a file of a full disk was a success (compat: ctl-10).
#[test]
fn a_reply_that_cannot_be_written_is_a_failure() {
    let folder = Folder::new("full");
    let path = folder.config("General { UNIX { Path DIR/ctl } }");
    let listener = UnixListener::bind(folder.0.join("ctl")).unwrap();
    let daemon = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.read_exact(&mut [0; 4]).unwrap();
        client.write_all(b"daemon uptime: 0 min\n").unwrap();
    });
    let full = std::fs::File::create("/dev/full").unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_conntrackd"))
        .args(["-s", "runtime", "-C", &path])
        .stdout(full)
        .output()
        .unwrap();
    daemon.join().unwrap();
    let error = String::from_utf8(run.stderr).unwrap();
    let text = "[ERROR] cannot write the reply: No space left on device\n";
    assert_eq!(run.status.code(), Some(1), "{error}");
    assert!(error.ends_with(text), "{error}");
}
