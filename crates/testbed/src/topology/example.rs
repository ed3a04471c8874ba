//! The files of `examples/`, as the firewalls of a topology get them: the very text, with the
//! numbers and paths of one node put in.
//!
//! A word to be replaced must be there: who changes an example learns from the tests what else
//! depended on it.

use crate::{Error, Mode, Result, Transport};

pub(super) const SYSCTL: &str = include_str!("../../../../examples/sysctl.conf");
pub(super) const PRIMARY_BACKUP: &str = include_str!("../../../../examples/primary-backup.sh");

pub(super) mod active_backup {
    pub const KEEPALIVED: &str = include_str!("../../../../examples/active-backup/keepalived.conf");
    pub const NFTABLES: &str = include_str!("../../../../examples/active-backup/nftables.conf");
}

pub(super) mod active_active {
    pub const KEEPALIVED: &str = include_str!("../../../../examples/active-active/keepalived.conf");
    pub const NFTABLES: &str = include_str!("../../../../examples/active-active/nftables.conf");
    pub const GROUPS: &str = include_str!("../../../../examples/active-active/groups");
}

pub(super) mod multi_primary {
    pub const CONNTRACKD: &str = include_str!("../../../../examples/multi-primary/conntrackd.conf");
    pub const KEEPALIVED: &str = include_str!("../../../../examples/multi-primary/keepalived.conf");
    pub const NFTABLES: &str = include_str!("../../../../examples/multi-primary/nftables.conf");
    pub const SHARE: &str = include_str!("../../../../examples/multi-primary/share.sh");
    pub const SYSCTL: &str = include_str!("../../../../examples/multi-primary/sysctl.conf");
}

const FTFW_UDP: &str = include_str!("../../../../examples/conntrackd/ftfw-udp.conf");
const NOTRACK_TCP: &str = include_str!("../../../../examples/conntrackd/notrack-tcp.conf");
const ALARM_MULTICAST: &str = include_str!("../../../../examples/conntrackd/alarm-multicast.conf");

/// A file with words replaced, wherever they occur.
pub(super) fn replaced(text: &str, replacements: &[(&str, &str)]) -> Result<String> {
    replacements
        .iter()
        .try_fold(text.to_owned(), |text, (old, new)| {
            if text.contains(old) {
                return Ok(text.replace(old, new));
            }
            Err(Error::Unexpected(format!(
                "the example has no `{old}` to replace"
            )))
        })
}

/// conntrackd's configuration on firewall `own` of the pair. Each mode and each transport stands
/// in one of the examples; what has no example of its own is put together from two.
pub(super) fn conntrackd(mode: Mode, transport: Transport, own: u8) -> Result<String> {
    let whose_mode = match mode {
        Mode::Ftfw => FTFW_UDP,
        Mode::Notrack => NOTRACK_TCP,
        Mode::Alarm => ALARM_MULTICAST,
    };
    let whose_link = match transport {
        Transport::Udp => FTFW_UDP,
        Transport::Multicast => ALARM_MULTICAST,
        Transport::Tcp => NOTRACK_TCP,
    };
    let link = block(whose_link, transport.keyword())?;
    let (own, peer) = (
        format!("192.168.100.{own}"),
        format!("192.168.100.{}", 3 - own),
    );
    let link = match transport {
        Transport::Multicast => replaced(&link, &[("192.168.100.1", &own)])?,
        Transport::Udp | Transport::Tcp => replaced(
            &link,
            &[
                ("192.168.100.2", "PEER"),
                ("192.168.100.1", &own),
                ("PEER", &peer),
            ],
        )?,
    };
    let mode = block(whose_mode, "Mode")?;
    let (old_mode, old_link) = (block(FTFW_UDP, "Mode")?, block(FTFW_UDP, "UDP")?);
    replaced(FTFW_UDP, &[(&old_mode, &mode), (&old_link, &link)])
}

/// The block of a Sync section that begins with this word, indented by one step.
fn block(text: &str, head: &str) -> Result<String> {
    let head = format!("\n\t{head} ");
    let found = text.split_once(&head).and_then(|(_, rest)| {
        let (inside, _) = rest.split_once("\n\t}\n")?;
        Some(format!("{}{inside}\n\t}}\n", &head[1..]))
    });
    found.ok_or_else(|| Error::Unexpected(format!("the example has no block `{}`", head.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_goes_with_every_transport() {
        for mode in [Mode::Ftfw, Mode::Notrack, Mode::Alarm] {
            for transport in [Transport::Udp, Transport::Multicast, Transport::Tcp] {
                let text = conntrackd(mode, transport, 2).unwrap();
                for word in [
                    format!("\tMode {} {{\n", mode.keyword()),
                    format!("\t{} {{\n", transport.keyword()),
                    "192.168.100.2\n".into(),
                ] {
                    assert_eq!(text.matches(&word).count(), 1, "`{word}` in\n{text}");
                }
                let peer = usize::from(transport != Transport::Multicast);
                assert_eq!(text.matches("192.168.100.1\n").count(), peer, "{text}");
            }
        }
    }
}
