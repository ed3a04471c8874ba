//! What an operator should know of the log of ended flows.

use linux::SystemError;

use crate::log::Level;

/// One thing to be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingReport {
    /// The file takes nothing: lines are kept for a while, then lost.
    Fails(SystemError),
    /// It takes them again.
    Works {
        /// Its path.
        path: String,
        /// Lines that were lost meanwhile.
        lost: u64,
    },
    /// It cannot be opened again after rotation.
    NotOpened(String),
    /// The cache is full.
    CacheFull,
}

impl RecordingReport {
    /// How grave it is.
    pub const fn level(&self) -> Level {
        match self {
            Self::Fails(_) | Self::NotOpened(_) => Level::Error,
            Self::CacheFull => Level::Warning,
            Self::Works { .. } => Level::Notice,
        }
    }

    /// The kind of what may come again and again.
    pub const fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Fails(_) | Self::Works { .. } => Some("failures of the log of ended flows"),
            Self::NotOpened(_) | Self::CacheFull => None,
        }
    }

    /// The line of the log.
    pub fn text(&self) -> String {
        match self {
            Self::Fails(error) => {
                format!("{error}; lines about ended flows wait, and are lost when too many do")
            }
            Self::Works { path, lost } => {
                format!("writing to {path} works again; {lost} lines about ended flows were lost")
            }
            Self::NotOpened(error) => error.clone(),
            Self::CacheFull => {
                "the cache has reached HashLimit: further flows are not recorded".to_owned()
            }
        }
    }
}
