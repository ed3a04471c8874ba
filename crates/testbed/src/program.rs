//! The programs under test and their models: ours as built, stock as Debian installs it.
//!
//! [`Implementation`] says whose, [`Program`] which one. Ours are looked for in the folder that
//! the variable `CONNTRACK_TOOLS_BIN_DIR` names, else in the one set by [`set_program_folder`],
//! else beside the running executable, in its profile first. Stock's are Debian's, unless the
//! variable `CONNTRACK_TOOLS_STOCK_DIR` names a folder with those of another version.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::{Error, Result};

/// Names a folder with our programs when they are not beside the running executable.
const BIN_DIR_VARIABLE: &str = "CONNTRACK_TOOLS_BIN_DIR";

/// Names a folder with stock's programs, when those that are installed are not meant.
const STOCK_DIR_VARIABLE: &str = "CONNTRACK_TOOLS_STOCK_DIR";

static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// Whose program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Implementation {
    /// This project's.
    Ours,
    /// conntrack-tools as packaged by Debian.
    Stock,
}

/// A program that both implementations have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    /// The command-line tool.
    Conntrack,
    /// The daemon and its client.
    Conntrackd,
}

impl Program {
    /// The name of the executable and of Debian's package.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conntrack => "conntrack",
            Self::Conntrackd => "conntrackd",
        }
    }
}

impl Implementation {
    /// Where the program is, or how to get it.
    pub fn path(self, program: Program) -> Result<PathBuf> {
        let name = program.name();
        match self {
            Self::Ours => ours(name).ok_or_else(|| Error::Missing {
                what: format!("our {name}"),
                remedy: format!("run `cargo build -p {name}` or set {BIN_DIR_VARIABLE}"),
            }),
            Self::Stock => {
                let chosen = env::var_os(STOCK_DIR_VARIABLE).map(PathBuf::from);
                let path = chosen.unwrap_or("/usr/sbin".into()).join(name);
                if path.exists() {
                    return Ok(path);
                }
                Err(Error::Missing {
                    what: format!("Debian's {name}"),
                    remedy: format!("run `apt-get install {name}`"),
                })
            }
        }
    }

    /// Whether all programs of this implementation are there.
    pub fn is_available(self) -> bool {
        [Program::Conntrack, Program::Conntrackd]
            .iter()
            .all(|program| self.path(*program).is_ok())
    }
}

impl fmt::Display for Implementation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "ours",
            Self::Stock => "stock",
        })
    }
}

/// Takes our programs from this folder. Called once, before anything asks where they are.
pub fn set_program_folder(folder: PathBuf) {
    let _ = FOLDER.set(folder);
}

/// A test runs from `target/debug/deps`, xtask from `target/debug`: look in both, then in the
/// folder of the other profile.
fn ours(name: &str) -> Option<PathBuf> {
    let chosen = env::var_os(BIN_DIR_VARIABLE).map(PathBuf::from);
    if let Some(folder) = chosen.as_ref().or_else(|| FOLDER.get()) {
        return Some(folder.join(name)).filter(|path| path.is_file());
    }
    let executable = env::current_exe().ok()?;
    let near = executable
        .ancestors()
        .skip(1)
        .take(2)
        .map(Path::to_path_buf);
    let profiles = executable
        .ancestors()
        .find(|folder| folder.ends_with("target"));
    let profiles = profiles
        .into_iter()
        .flat_map(|f| [f.join("release"), f.join("debug")]);
    near.chain(profiles)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}
