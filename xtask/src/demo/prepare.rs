//! What must be there before the curtain rises: rights, programs, packages, room in the table.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use testbed::{Error, Implementation, Result, ensure_packages, set_program_folder};

use super::screen::{Screen, Tone, grouped};

/// The kernel's limit of flows, one for all namespaces; it is set in the first one.
const TABLE_LIMIT: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

/// Builds or installs everything that is missing.
pub fn programs(screen: Screen, daemon: Implementation) -> Result<()> {
    if !testbed::is_root() {
        let remedy = "network namespaces need it: run the demo as root".into();
        return Err(Error::Missing {
            what: "the right to make networks".into(),
            remedy,
        });
    }
    let say = |text: &str| {
        // The line is for an impatient audience only.
        let _ = screen.note(Tone::Plain, text);
    };
    let mut packages = vec!["iproute2", "nftables", "keepalived"];
    match daemon {
        Implementation::Stock => packages.extend(["conntrack", "conntrackd"]),
        Implementation::Ours => build(screen)?,
    }
    ensure_packages(&packages, say).map(drop)
}

fn build(screen: Screen) -> Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    screen.note(
        Tone::Plain,
        "building conntrack and conntrackd: cargo build --release",
    )?;
    let start = Instant::now();
    let status = Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "--release",
            "--package",
            "conntrack",
            "--package",
            "conntrackd",
        ])
        .current_dir(&workspace)
        .status()
        .map_err(Error::io("cargo build"))?;
    if testbed::interrupted() {
        return Err(Error::Interrupted);
    }
    if !status.success() {
        return Err(Error::Unexpected("the programs do not build".into()));
    }
    set_program_folder(release_folder(&workspace)?);
    if start.elapsed().as_secs() > 0 {
        screen.note(
            Tone::Plain,
            &format!("built in {} s", start.elapsed().as_secs()),
        )?;
    }
    Ok(())
}

/// Beside the folder from which this program runs.
fn release_folder(workspace: &Path) -> Result<std::path::PathBuf> {
    let own = std::env::current_exe().map_err(Error::io("the path of this program"))?;
    let target = own.ancestors().nth(2).unwrap_or(workspace);
    Ok(target.join("release"))
}

/// A larger limit of the kernel's table, until dropped.
pub struct TableLimit {
    before: Option<String>,
}

impl TableLimit {
    /// Raises the limit if so many flows would not fit.
    pub fn make_room(screen: Screen, flows: u32) -> Result<Self> {
        let failed = || Error::io(TABLE_LIMIT);
        let before = fs::read_to_string(TABLE_LIMIT).map_err(failed())?;
        let needed = u64::from(flows) + 10_000;
        if before
            .trim()
            .parse()
            .is_ok_and(|limit: u64| limit >= needed)
        {
            return Ok(Self { before: None });
        }
        let text = format!(
            "nf_conntrack_max is {} for the time of the demo",
            grouped(needed)
        );
        screen.note(Tone::Plain, &text)?;
        fs::write(TABLE_LIMIT, needed.to_string()).map_err(failed())?;
        Ok(Self {
            before: Some(before),
        })
    }
}

impl Drop for TableLimit {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = fs::write(TABLE_LIMIT, before);
        }
    }
}
