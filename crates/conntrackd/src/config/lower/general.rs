//! Section `General`: sizes, files, the control socket, the scheduler.
//!
//! Blocks may be repeated, so each one changes what the ones before it have left.

use super::super::ast::{Item, Value};
use super::super::error::ErrorKind;
use super::super::grammar::Key;
use super::super::model::{
    EventDelivery, Facility, General, OVERRUN_RESYNC, Scheduler, SchedulerPolicy,
};
use super::super::warning::WarningKind;
use super::{Notes, facility, filter, or_default, seconds, seconds_or_unset};

/// Who `User on` means.
const DEFAULT_USER: &str = "conntrackd";

/// Adds one block to what is known; `stats_syslog` is the facility of section `Stats` so far.
pub fn lower(
    items: &[Item<'_>],
    general: &mut General,
    stats_syslog: Option<Facility>,
    notes: &mut Notes,
) {
    let defaults = General::default();
    for item in items {
        let number = item.number();
        match item.key {
            Key::HashSize => general.hash_size = or_default(number, defaults.hash_size),
            Key::HashLimit => general.hash_limit = or_default(number, defaults.hash_limit),
            Key::LogFile => match &item.value {
                Value::Bool(true) => general.log_file = Some("/var/log/conntrackd.log".into()),
                Value::Text(path) => general.log_file = Some(path.text.into()),
                // `off` does not undo an earlier path, as in stock.
                Value::Bool(false) | Value::Number(_) | Value::Block(_) => {}
            },
            Key::Syslog => {
                let unknown = WarningKind::UnknownFacility;
                general.syslog = facility(item, general.syslog, stats_syslog, unknown, notes);
            }
            Key::LockFile => general.lock_file = item.word().text.into(),
            Key::Unix => unix(item, general, notes),
            Key::NetlinkBufferSize => general.netlink_buffer_size = number,
            Key::NetlinkBufferSizeMaxGrowth => general.netlink_buffer_size_max = number,
            Key::NetlinkOverrunResync => {
                general.overrun_resync = match item.value {
                    Value::Bool(false) => None,
                    Value::Number(1..) => Some(seconds(number)),
                    _ => Some(OVERRUN_RESYNC),
                }
            }
            Key::NetlinkEventsReliable => {
                general.event_delivery = if item.is_on() {
                    EventDelivery::Reliable
                } else {
                    EventDelivery::BestEffort
                }
            }
            Key::NetlinkEventsAllFlows => general.events_of_all_flows = item.is_on(),
            Key::EventIterationLimit => {
                general.event_iteration_limit = or_default(number, defaults.event_iteration_limit);
            }
            Key::PollSecs => {
                general.poll = seconds_or_unset(number);
                if number == 0 {
                    notes.fault(item.keyword.span, ErrorKind::PollSecsZero);
                }
            }
            Key::Nice => notes.warn(item.keyword.span, WarningKind::DeprecatedNice),
            Key::Scheduler => scheduler(item, general, notes),
            Key::Systemd => general.systemd = item.is_on(),
            Key::User => {
                general.user = match &item.value {
                    Value::Text(name) => Some(name.text.to_owned()),
                    Value::Bool(true) => Some(DEFAULT_USER.to_owned()),
                    Value::Bool(false) | Value::Number(_) | Value::Block(_) => None,
                }
            }
            Key::Filter => filter::lower(item, &mut general.filter, notes),
            _ => {}
        }
    }
}

fn unix(item: &Item<'_>, general: &mut General, notes: &mut Notes) {
    for item in item.block().map(|block| &block.items).into_iter().flatten() {
        match item.key {
            Key::Path => general.unix_path = Some(item.word().text.into()),
            Key::Backlog => notes.warn(item.keyword.span, WarningKind::DeprecatedBacklog),
            _ => {}
        }
    }
}

fn scheduler(item: &Item<'_>, general: &mut General, notes: &mut Notes) {
    let before = general.scheduler;
    let mut policy = before.map(|before| before.policy);
    let mut priority = before.map_or(0, |before| before.priority);
    for item in item.block().map(|block| &block.items).into_iter().flatten() {
        match item.key {
            Key::Type => {
                let word = item.word();
                policy = match word.text.to_ascii_lowercase().as_str() {
                    "rr" => Some(SchedulerPolicy::Rr),
                    "fifo" => Some(SchedulerPolicy::Fifo),
                    _ => {
                        let kind = ErrorKind::UnknownScheduler(word.text.to_owned());
                        notes.fault(word.span, kind);
                        policy
                    }
                };
            }
            Key::Priority => {
                priority = item.number();
                if priority > 99 {
                    notes.fault(item.keyword.span, ErrorKind::PriorityRange);
                }
            }
            _ => {}
        }
    }
    // A priority without a type has no effect, as in stock.
    general.scheduler = policy.map(|policy| Scheduler { policy, priority });
}
