//! `net.netfilter.nf_conntrack_events`: whether the kernel tells of its flows.
//!
//! Its default, 2, equips a flow for events only if somebody on the host listened when the flow was
//! made; a flow without that never produces an event, not even at its end. So flows that are older
//! than the daemon would stay as they were for ever, here and at the peer. The daemon sets it to 1
//! unless it is told not to (compat: daemon-106). What was made before stays silent, and nothing is restored at
//! the end: flows made while no daemon runs are to be known by the next one.
//!
//! The setting exists only while the kernel has its module for tracking, which may come with the first request.

use std::fs;
use std::io;
use std::path::Path;

use linux::SystemError;
use linux::table::Table;

use crate::daemon::report::Report;

/// The setting of this network namespace.
pub const PATH: &str = "/proc/sys/net/netfilter/nf_conntrack_events";

/// Of which flows the kernel tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// 0: of none.
    Off,
    /// 1: of all that were made since it was set.
    All,
    /// 2: of those that were made while somebody listened.
    OnDemand,
}

impl Setting {
    /// What is set; `None` for a kernel that has no such setting, or another one.
    pub fn read() -> Option<Self> {
        match fs::read_to_string(PATH).ok()?.trim() {
            "0" => Some(Self::Off),
            "1" => Some(Self::All),
            "2" => Some(Self::OnDemand),
            _ => None,
        }
    }

    /// The number that stands for it.
    pub const fn number(self) -> u8 {
        match self {
            Self::Off => 0,
            Self::All => 1,
            Self::OnDemand => 2,
        }
    }
}

/// Sees to it that the kernel tells of all flows, if that is `wanted`; what there is to say.
pub fn ask_for_all_flows(wanted: bool) -> Option<Report> {
    let before = Setting::read().or_else(|| {
        load_tracking();
        Setting::read()
    })?;
    if before == Setting::All {
        return None;
    }
    if !wanted {
        return Some(Report::EventsNotAsked(before));
    }
    Some(match set(Path::new(PATH)) {
        Ok(()) => Report::EventsSet(before),
        Err(error) => Report::EventsNotSet(before, error),
    })
}

/// Any request makes the kernel load its modules. Its failure is told by what asks next.
fn load_tracking() {
    drop(Table::open().and_then(|mut table| table.count()));
}

fn set(path: &Path) -> Result<(), SystemError> {
    let error = |error: io::Error| SystemError::from_io("set to 1", &error).on(path.display());
    fs::write(path, "1\n").map_err(error)
}
