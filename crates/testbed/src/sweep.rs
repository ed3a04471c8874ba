//! Removing namespaces, with all that runs in them, and the folders of their daemons: our own at
//! their end, those of owners that died without an end (a test that was killed), and those that
//! were kept on purpose.

use std::fs;
use std::os::linux::fs::MetadataExt;
use std::path::Path;

use rustix::process::{Pid, Signal};

use crate::Command;
use crate::folder::PARENT;
use crate::namespace::{FOLDER, PREFIX, PREFIX_KEPT};

/// Removes the namespaces whose owners are dead. Runs by itself before the first namespace is
/// made.
pub fn sweep() {
    let orphans = |parent| {
        names(parent, PREFIX)
            .into_iter()
            .filter(|name| owner_is_dead(name))
    };
    orphans(FOLDER).for_each(|name| remove(&name));
    orphans(PARENT).for_each(|name| remove_folder(&name));
}

/// Removes the namespaces that were kept, and their processes; says which they were.
pub fn remove_kept() -> Vec<String> {
    let kept = names(FOLDER, PREFIX_KEPT);
    kept.iter().for_each(|name| remove(name));
    names(PARENT, PREFIX_KEPT)
        .iter()
        .for_each(|name| remove_folder(name));
    kept
}

/// Kills what runs in the namespace, then removes it. What cannot be done was done before, by
/// another sweep.
pub(crate) fn remove(name: &str) {
    kill_inhabitants(name);
    if fs::exists(format!("{FOLDER}/{name}")).unwrap_or(true) {
        let delete = Command::from(format!("ip netns delete {name}"));
        let _ = delete.uninterruptible().output();
    }
}

/// Kills what runs in the namespace.
pub(crate) fn kill_inhabitants(name: &str) {
    // A process may fork while we look, so look until nobody is left; a few times at most.
    for _ in 0..10 {
        let inhabitants = inhabitants(name);
        for pid in &inhabitants {
            let _ = rustix::process::kill_process(*pid, Signal::KILL);
        }
        if inhabitants.is_empty() {
            break;
        }
    }
}

fn remove_folder(name: &str) {
    let _ = fs::remove_dir_all(Path::new(PARENT).join(name));
}

fn names(parent: &str, prefix: &str) -> Vec<String> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(prefix))
        .collect()
}

fn owner_is_dead(name: &str) -> bool {
    let owner = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split('-').next());
    let pid = owner
        .and_then(|pid| pid.parse::<i32>().ok())
        .and_then(Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_err())
}

/// The processes whose network namespace this is.
fn inhabitants(name: &str) -> Vec<Pid> {
    let Ok(namespace) = fs::metadata(format!("{FOLDER}/{name}")) else {
        return vec![];
    };
    let identity = (namespace.st_dev(), namespace.st_ino());
    let lives_there = |pid: &i32| {
        fs::metadata(format!("/proc/{pid}/ns/net"))
            .is_ok_and(|theirs| (theirs.st_dev(), theirs.st_ino()) == identity)
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(lives_there)
        .filter_map(Pid::from_raw)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_namespaces_of_dead_owners_are_swept() {
        // No process has this number: it is the kernel's largest, and it is even rarer to be used
        // twice at the same moment.
        let dead = format!("{PREFIX}4194303-0-dead");
        let alive = format!("{PREFIX}{}-9999-alive", std::process::id());
        for name in [&dead, &alive] {
            Command::from(format!("ip netns add {name}")).run().unwrap();
        }
        let folder = Path::new(PARENT).join(&dead);
        fs::create_dir(&folder).unwrap();
        sweep();
        assert!(!folder.exists());
        let left = names(FOLDER, PREFIX);
        remove(&alive);
        assert!(!left.contains(&dead) && left.contains(&alive), "{left:?}");
        assert!(!names(FOLDER, PREFIX).contains(&alive));
    }
}
