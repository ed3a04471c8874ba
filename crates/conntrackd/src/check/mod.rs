//! `conntrackd --check`: would this configuration do what it looks like on this machine?
//!
//! ```text
//! Config ──┐
//!          ├─▶ pitfalls ─▶ warnings, each with what to do
//! Machine ─┘
//! ```
//!
//! What is wrong whatever the machine is an error of the configuration, and found while it is
//! read. Here are things that start and then surprise. The configuration in effect is printed, with
//! all defaults; the exit status is 0 without and 2 with warnings.

pub mod machine;
pub mod pitfall;

use std::io::Write;
use std::net::IpAddr;

use flow::{Addrs, Flow, L4, Ports, Tuple};

use crate::config::{
    Alarm, Config, EventDelivery, ExternalCache, Ftfw, General, InternalCache, Links, Mode,
    MulticastLink, Notrack, Operation, SocketOptions, Stats, Sync, UnicastLink,
};
use crate::log::{Level, Log};

use machine::{ACCT, EVENTS, LIBERAL, LOOSE, MAX, Machine, RMEM_DEFAULT, RMEM_MAX, WMEM_DEFAULT};
use pitfall::Pitfall;

/// Exit status of a check that found nothing.
const FINE: u8 = 0;
/// Exit status of a check with warnings.
const WARNED: u8 = 2;

/// An event buffer below this is small on any machine.
const EVENT_BUFFER_SMALL: u64 = 2 * 1024 * 1024;

/// Prints the configuration in effect and warns of its pitfalls; the exit status. `warned` says
/// that reading the file has brought warnings already.
pub fn report(config: &Config, warned: bool, log: &mut Log, out: &mut impl Write) -> u8 {
    // A terminal that is gone cannot be told so.
    let _ = write!(out, "{config}").and_then(|()| out.flush());
    let pitfalls = pitfalls(config, &Machine::look(config));
    for pitfall in &pitfalls {
        log.write(Level::Warning, pitfall);
    }
    if warned || !pitfalls.is_empty() {
        WARNED
    } else {
        FINE
    }
}

/// What may surprise, in the order of the configuration.
pub fn pitfalls(config: &Config, machine: &Machine) -> Vec<Pitfall> {
    let mut check = Check {
        config,
        machine,
        found: Vec::new(),
    };
    check.general(&config.general);
    match &config.operation {
        Operation::Idle => check.add(Pitfall::Idle),
        Operation::Sync(sync) => check.sync(sync),
        Operation::Stats(stats) => check.stats(stats),
    }
    check.found
}

struct Check<'a> {
    config: &'a Config,
    machine: &'a Machine,
    found: Vec<Pitfall>,
}

impl Check<'_> {
    fn add(&mut self, pitfall: Pitfall) {
        self.found.push(pitfall);
    }

    fn add_if(&mut self, is_so: bool, pitfall: Pitfall) {
        if is_so {
            self.add(pitfall);
        }
    }

    fn general(&mut self, general: &General) {
        let has_work = self.config.operation != Operation::Idle;
        self.files(general);
        let refused = general.scheduler.is_some_and(|it| it.priority == 0);
        self.add_if(refused, Pitfall::SchedulerRefused);
        if has_work {
            self.kernel(general);
        }
    }

    fn files(&mut self, general: &General) {
        let silent = general.log_file.is_none() && general.syslog.is_none();
        self.add_if(silent, Pitfall::NoLog);
        self.add_if(general.unix_path.is_none(), Pitfall::NoControl);
        for (keyword, path) in self.config.files() {
            let Some(folder) = path.parent() else {
                continue;
            };
            let folder = folder.to_owned();
            let is_missing = !self.machine.folders.contains(&folder);
            self.add_if(is_missing, Pitfall::NoFolder { keyword, folder });
        }
        if let Some(user) = &general.user {
            self.add_if(!self.machine.has_user, Pitfall::NoUser(user.clone()));
        }
    }

    fn kernel(&mut self, general: &General) {
        let Some(table) = self.machine.setting(MAX) else {
            return self.add(Pitfall::NoConntrack);
        };
        let limit = general.hash_limit;
        let is_low = u64::from(limit) < table;
        self.add_if(is_low, Pitfall::HashLimitLow { limit, table });
        match general.poll {
            Some(_) => {
                let reliable = general.event_delivery == EventDelivery::Reliable;
                self.add_if(reliable, Pitfall::ReliableWithoutEvents);
            }
            None => self.events(general),
        }
    }

    fn events(&mut self, general: &General) {
        let (size, max) = (general.netlink_buffer_size, general.netlink_buffer_size_max);
        match general.netlink_buffer() {
            None => self.add_if(size > 0, Pitfall::EventBufferIgnored { size, max }),
            Some(size) => {
                let rmem_max = self.machine.setting(RMEM_MAX).unwrap_or(0);
                let usual = rmem_max.max(EVENT_BUFFER_SMALL);
                let is_small = u64::from(size) < usual;
                self.add_if(is_small, Pitfall::EventBufferSmall { size, usual });
            }
        }
        let number = self.machine.setting(EVENTS).unwrap_or(1);
        let is_set = general.events_of_all_flows;
        let is_replicated = matches!(self.config.operation, Operation::Sync(_));
        self.add_if(
            number != 1,
            Pitfall::EventsOnDemand {
                number,
                is_set,
                is_replicated,
            },
        );
    }

    fn sync(&mut self, sync: &Sync) {
        let is_on = |name| self.machine.setting(name).is_some_and(|value| value != 0);
        let (loose, liberal) = (is_on(LOOSE), is_on(LIBERAL));
        self.add_if(loose, Pitfall::TcpLoose);
        let tracks_windows = sync.tcp_window_tracking;
        self.add_if(liberal, Pitfall::TcpLiberal { tracks_windows });
        self.mode(&sync.mode);
        match &sync.links {
            Links::Udp(links) => {
                for link in &links.all {
                    self.unicast(link);
                    self.checksum(&link.interface, link.socket);
                }
            }
            Links::Tcp { links, .. } => links.all.iter().for_each(|link| self.unicast(link)),
            Links::Multicast(links) => links.all.iter().for_each(|link| {
                self.multicast(link);
                self.checksum(&link.interface, link.socket);
            }),
        }
        self.interfaces();
    }

    fn mode(&mut self, mode: &Mode) {
        let mut bypasses = false;
        let external_cache = match mode {
            Mode::Ftfw(Ftfw {
                ack_window,
                resend_queue_len_max,
                external_cache,
                ..
            }) => {
                let (window, queue) = (*ack_window, *resend_queue_len_max);
                let is_large = window > queue;
                self.add_if(is_large, Pitfall::AckWindowLarge { window, queue });
                *external_cache
            }
            Mode::Notrack(Notrack {
                external_cache,
                internal_cache,
                ..
            }) => {
                bypasses = *internal_cache == InternalCache::Bypass;
                *external_cache
            }
            Mode::Alarm(Alarm {
                refresh_time,
                cache_timeout,
            }) => {
                let (cache, refresh) = (cache_timeout.as_secs(), refresh_time.as_secs());
                let is_short = cache <= refresh;
                self.add_if(is_short, Pitfall::CacheTimeoutShort { cache, refresh });
                ExternalCache::Keep
            }
        };
        let limit = self.config.general.hash_limit;
        if let (ExternalCache::Inject, Some(table)) = (external_cache, self.machine.setting(MAX)) {
            let is_low = table < u64::from(limit) * 2;
            self.add_if(is_low, Pitfall::InjectionNeedsRoom { limit, table });
        }
        if external_cache == ExternalCache::Inject {
            let polls = self.config.general.poll.is_some();
            for (is_so, keyword) in [(polls, "PollSecs"), (bypasses, "DisableInternalCache")] {
                self.add_if(is_so, Pitfall::InjectionIsReadBack { keyword });
            }
        }
    }

    fn interfaces(&mut self) {
        let names = self.config.interfaces();
        for (at, name) in names.iter().enumerate() {
            let before = names.get(..at).unwrap_or_default();
            if before.contains(name) {
                self.add(Pitfall::SharedInterface((*name).to_owned()));
                continue;
            }
            match self.machine.interfaces.get(*name) {
                None => self.add(Pitfall::NoInterface((*name).to_owned())),
                Some(false) => self.add(Pitfall::InterfaceDown((*name).to_owned())),
                Some(true) => {}
            }
        }
    }

    fn unicast(&mut self, link: &UnicastLink) {
        let UnicastLink {
            local,
            peer,
            interface,
            ..
        } = link;
        let has = |addr: &IpAddr| self.machine.addresses.contains(addr);
        let (has_local, has_peer) = (has(local), has(peer));
        let (addr, name) = (*local, interface.clone());
        self.add_if(
            !has_local,
            Pitfall::NotOurAddress {
                addr,
                interface: name,
            },
        );
        self.add_if(has_peer, Pitfall::PeerIsUs(*peer));
        self.own_traffic(interface, *local, *peer);
        self.buffers(interface, link.socket);
    }

    fn multicast(&mut self, link: &MulticastLink) {
        let MulticastLink {
            group, interface, ..
        } = link;
        self.add_if(!group.is_multicast(), Pitfall::NoGroup(*group));
        if let Some(addr) = link.interface_addr {
            let is_ours = self.machine.addresses.contains(&addr);
            let interface = interface.clone();
            self.add_if(!is_ours, Pitfall::NotOurAddress { addr, interface });
            self.own_traffic(&link.interface, addr, *group);
        }
        self.buffers(&link.interface, link.socket);
    }

    fn checksum(&mut self, interface: &str, socket: SocketOptions) {
        self.add_if(!socket.checksum, Pitfall::ChecksumOff(interface.to_owned()));
    }

    fn buffers(&mut self, interface: &str, socket: SocketOptions) {
        for (keyword, size, setting) in [
            ("SndSocketBuffer", socket.send_buffer, WMEM_DEFAULT),
            ("RcvSocketBuffer", socket.receive_buffer, RMEM_DEFAULT),
        ] {
            if let (Some(size), Some(usual)) = (size, self.machine.setting(setting)) {
                let interface = interface.to_owned();
                let is_small = u64::from(size) < usual;
                self.add_if(
                    is_small,
                    Pitfall::LinkBufferSmall {
                        interface,
                        keyword,
                        size,
                        usual,
                    },
                );
            }
        }
    }

    /// Whether a link's own datagrams make a flow that is replicated.
    fn own_traffic(&mut self, interface: &str, local: IpAddr, peer: IpAddr) {
        let Some(addrs) = Addrs::new(local, peer) else {
            return;
        };
        let ports = Ports {
            src: 40_000,
            dst: 3780,
        };
        let passes = [L4::Udp(ports), L4::Tcp(ports)].into_iter().any(|l4| {
            let orig = Tuple::new(addrs, l4);
            let mut flow = Flow::new(orig);
            flow.reply = orig.inverse();
            self.config.general.event_filter().passes(&flow)
        });
        let pitfall = Pitfall::LinkIsReplicated(interface.to_owned());
        if passes && !self.found.contains(&pitfall) {
            self.add(pitfall);
        }
    }

    fn stats(&mut self, stats: &Stats) {
        let nowhere = stats.log_file.is_none() && stats.syslog.is_none();
        self.add_if(nowhere, Pitfall::EndsNowhere);
        let uncounted = self.machine.setting(ACCT) == Some(0);
        self.add_if(uncounted && !nowhere, Pitfall::NoCounters);
    }
}

#[cfg(test)]
mod tests;
