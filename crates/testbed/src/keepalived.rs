//! A keepalived in a namespace, with files of its own.

use crate::folder::Folder;
use crate::{Command, Log, Namespace, Process, Result};

/// A running keepalived. Dropping it kills it.
#[derive(Debug)]
pub struct Keepalived {
    process: Process,
    _folder: Folder,
}

impl Keepalived {
    /// Starts keepalived, only its VRRP part, with this configuration.
    pub fn start(namespace: &Namespace, config: &str) -> Result<Self> {
        let folder = Folder::new(
            &format!("keepalived-{}", namespace.label()),
            namespace.is_kept(),
        )?;
        let config = folder.write("keepalived.conf", config)?;
        let command = Command::new("keepalived")
            .args([
                "--dont-fork",
                "--log-console",
                "--log-detail",
                "--vrrp",
                "--use-file",
            ])
            .arg(config)
            .arg("--pid")
            .arg(folder.file("pid"))
            .arg("--vrrp_pid")
            .arg(folder.file("vrrp-pid"));
        Ok(Self {
            process: namespace.spawn(command)?,
            _folder: folder,
        })
    }

    /// What it says.
    pub fn log(&self) -> &Log {
        self.process.log()
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Kills it, parent and child, as a power cut would: it says nothing to anybody.
    pub fn kill(&self) {
        self.process.kill();
    }
}
