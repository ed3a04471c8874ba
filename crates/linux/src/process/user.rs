//! Becoming somebody else, for good.
//!
//! Users are looked up in `/etc/passwd` alone: a daemon that starts before the network cannot wait
//! for a directory service.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, chownat};
use rustix::process::{Gid, Uid, getuid};
use rustix::thread::{
    set_keep_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use crate::error::{Context, Result};

const PASSWD: &str = "/etc/passwd";

/// A user of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// The user of this name; `None` if there is none.
    pub fn find(name: &str) -> Result<Option<Self>> {
        let users = fs::read_to_string(PASSWD).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(String::new()),
            _ => Err(error),
        });
        let users = users.during("read").map_err(|error| error.on(PASSWD))?;
        Ok(users.lines().find_map(|line| user(line, name)))
    }

    /// The numbers of a user and of its group.
    pub const fn new(uid: u32, gid: u32) -> Self {
        Self { uid, gid }
    }

    /// Its number.
    pub const fn uid(self) -> u32 {
        self.uid
    }

    /// Gives it a file of ours; a link is not followed.
    pub fn own(self, path: &Path) -> Result<()> {
        let (uid, gid) = self.ids();
        chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
            .during("hand over")
            .map_err(|error| error.on(path.display()))
    }

    /// Becomes this user, in all three senses, without a way back. The permitted rights stay, the
    /// effective ones go.
    pub(super) fn assume(self) -> Result<()> {
        let (uid, gid) = self.ids();
        set_keep_capabilities(true).during("keep capabilities")?;
        set_thread_groups(&[]).during("leave all groups")?;
        set_thread_res_gid(gid, gid, gid).during("change group")?;
        set_thread_res_uid(uid, uid, uid).during("change user")
    }

    fn ids(self) -> (Uid, Gid) {
        (Uid::from_raw(self.uid), Gid::from_raw(self.gid))
    }
}

/// The user that this process runs as.
pub fn uid() -> u32 {
    getuid().as_raw()
}

/// The user of a line of `/etc/passwd`, if it has this name.
fn user(line: &str, name: &str) -> Option<User> {
    let mut fields = line.split(':');
    if fields.next() != Some(name) {
        return None;
    }
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some(User { uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_password_file() {
        let cases = [
            ("root:x:0:0:root:/root:/bin/bash", Some(User::new(0, 0))),
            ("root:x:7:8", Some(User::new(7, 8))),
            ("roots:x:0:0:root:/root:/bin/bash", None),
            ("root:x:zero:0::", None),
            ("root:x:1", None),
            ("# root:x:0:0", None),
            ("", None),
        ];
        for (line, wanted) in cases {
            assert_eq!(user(line, "root"), wanted, "{line}");
        }
    }

    #[test]
    fn the_system_has_a_user_root_and_no_other_of_that_kind() {
        assert_eq!(User::find("root").unwrap().map(User::uid), Some(0));
        assert_eq!(User::find("no such user").unwrap(), None);
    }

    /// Users belong to a thread as far as the kernel is concerned, so only this test's thread
    /// changes.
    #[test]
    fn there_is_no_way_back() {
        super::super::confine(Some(User::new(65534, 65534))).unwrap();
        assert!(User::new(0, 0).assume().is_err());
        assert!(fs::write("/etc/passwd.of-a-test", "").is_err());
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        assert!(
            status.contains("Uid:\t65534\t65534\t65534\t65534"),
            "{status}"
        );
        assert!(status.contains("CapEff:\t0000000000001000"), "{status}");
    }
}
