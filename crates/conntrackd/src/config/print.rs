//! A configuration as a file again: every option with the value that is in effect.
//!
//! Reading what is printed gives the same configuration, so printing is a fixed point.

use std::fmt;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use flow::Family;
use flow::filter::{Network, Policy};

use super::grammar::{Key, Section};
use super::lower::STATES;
use super::model::{
    Config, EventDelivery, ExpectationSync, ExternalCache, Facility, Filter, FilterPlace,
    FilterState, General, Helpers, InternalCache, Links, LogFormat, Mode, MulticastLink, Operation,
    SchedulerPolicy, SocketOptions, Stats, Sync, UnicastLink,
};
use super::protocols;

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printer = Printer {
            out: String::new(),
            sections: vec![Section::File],
        };
        printer.general(&self.general);
        match &self.operation {
            Operation::Idle => {}
            Operation::Sync(sync) => printer.sync(sync),
            Operation::Stats(stats) => printer.stats(stats),
        }
        if let Some(helpers) = &self.helpers {
            printer.helpers(helpers);
        }
        f.write_str(&printer.out)
    }
}

/// The text so far, and the blocks that are open.
struct Printer {
    out: String,
    sections: Vec<Section>,
}

impl Printer {
    fn section(&self) -> Section {
        self.sections.last().copied().unwrap_or(Section::File)
    }

    fn indent(&mut self) {
        for _ in 1..self.sections.len() {
            self.out.push('\t');
        }
    }

    fn line(&mut self, text: &str) {
        self.indent();
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// A keyword of the current section and its value.
    fn item(&mut self, key: Key, value: impl fmt::Display) {
        let word = key.word(self.section());
        self.indent();
        // Writing to a string cannot fail.
        let _ = writeln!(self.out, "{word} {value}");
    }

    fn switch(&mut self, key: Key, on: bool) {
        self.item(key, if on { "on" } else { "off" });
    }

    fn seconds(&mut self, key: Key, duration: Duration) {
        self.item(key, duration.as_secs());
    }

    /// A block of the current section, with what stands between keyword and brace.
    fn block(&mut self, key: Key, head: &str, section: Section, content: impl FnOnce(&mut Self)) {
        let space = if head.is_empty() { "" } else { " " };
        self.item(key, format_args!("{head}{space}{{"));
        self.sections.push(section);
        content(self);
        self.sections.pop();
        self.line("}");
    }

    fn general(&mut self, general: &General) {
        self.block(Key::General, "", Section::General, |p| {
            p.item(Key::HashSize, general.hash_size);
            p.item(Key::HashLimit, general.hash_limit);
            p.log(general.log_file.as_deref(), general.syslog);
            p.item(Key::LockFile, quote(&general.lock_file.to_string_lossy()));
            if let Some(path) = &general.unix_path {
                p.block(Key::Unix, "", Section::Unix, |p| {
                    p.item(Key::Path, quote(&path.to_string_lossy()));
                });
            }
            p.netlink(general);
            if let Some(scheduler) = general.scheduler {
                p.block(Key::Scheduler, "", Section::Scheduler, |p| {
                    let policy = match scheduler.policy {
                        SchedulerPolicy::Rr => "RR",
                        SchedulerPolicy::Fifo => "FIFO",
                    };
                    p.item(Key::Type, policy);
                    p.item(Key::Priority, scheduler.priority);
                });
            }
            p.switch(Key::Systemd, general.systemd);
            match &general.user {
                Some(name) => p.item(Key::User, quote(name)),
                None => p.switch(Key::User, false),
            }
            if let Some(filter) = &general.filter {
                p.filter(filter);
            }
        });
    }

    fn netlink(&mut self, general: &General) {
        if general.netlink_buffer_size != 0 {
            self.item(Key::NetlinkBufferSize, general.netlink_buffer_size);
        }
        if general.netlink_buffer_size_max != 0 {
            self.item(
                Key::NetlinkBufferSizeMaxGrowth,
                general.netlink_buffer_size_max,
            );
        }
        match general.overrun_resync {
            Some(delay) => self.seconds(Key::NetlinkOverrunResync, delay),
            None => self.switch(Key::NetlinkOverrunResync, false),
        }
        let reliable = general.event_delivery == EventDelivery::Reliable;
        self.switch(Key::NetlinkEventsReliable, reliable);
        self.switch(Key::NetlinkEventsAllFlows, general.events_of_all_flows);
        self.item(Key::EventIterationLimit, general.event_iteration_limit);
        if let Some(period) = general.poll {
            self.seconds(Key::PollSecs, period);
        }
    }

    fn log(&mut self, file: Option<&Path>, syslog: Option<Facility>) {
        match file {
            Some(path) => self.item(Key::LogFile, quote(&path.to_string_lossy())),
            None => self.switch(Key::LogFile, false),
        }
        match syslog {
            Some(Facility::Daemon) => self.item(Key::Syslog, "daemon"),
            Some(Facility::Local(number)) => self.item(Key::Syslog, format_args!("local{number}")),
            None => self.switch(Key::Syslog, false),
        }
    }

    fn filter(&mut self, filter: &Filter) {
        let place = match filter.place {
            FilterPlace::Userspace => "From Userspace",
            FilterPlace::Kernelspace => "From Kernelspace",
        };
        self.block(Key::Filter, place, Section::Filter, |p| {
            if let Some((policy, list)) = &filter.protocols {
                p.block(Key::Protocol, word(*policy), Section::FilterProtocol, |p| {
                    for protocol in list {
                        p.line(protocols::name(*protocol));
                    }
                });
            }
            if let Some((policy, list)) = &filter.addresses {
                p.block(Key::Address, word(*policy), Section::FilterAddress, |p| {
                    for network in list {
                        let key = by_family(network.addr(), Key::Ipv4Address, Key::Ipv6Address);
                        let (addr, prefix) = (network.addr(), network.prefix());
                        p.item(key, format_args!("{addr}/{prefix}"));
                    }
                });
            }
            if let Some((policy, list)) = &filter.states {
                p.block(Key::State, word(*policy), Section::FilterState, |p| {
                    for (name, protocol) in list.iter().filter_map(state_name) {
                        p.line(&format!("{name} for {protocol}"));
                    }
                });
            }
        });
    }

    fn sync(&mut self, sync: &Sync) {
        self.block(Key::Sync, "", Section::Sync, |p| {
            p.mode(sync);
            p.links(&sync.links);
            p.block(Key::Options, "", Section::Options, |p| {
                p.switch(Key::TcpWindowTracking, sync.tcp_window_tracking);
                match &sync.expectation_sync {
                    ExpectationSync::Off => p.switch(Key::ExpectationSync, false),
                    ExpectationSync::All => p.switch(Key::ExpectationSync, true),
                    ExpectationSync::Helpers(names) => {
                        p.block(Key::ExpectationSync, "", Section::ExpectationSync, |p| {
                            names.iter().for_each(|name| p.line(&quote(name)));
                        });
                    }
                }
            });
        });
    }

    fn mode(&mut self, sync: &Sync) {
        let (name, section) = match &sync.mode {
            Mode::Ftfw(_) => ("FTFW", Section::ModeFtfw),
            Mode::Alarm(_) => ("ALARM", Section::ModeAlarm),
            Mode::Notrack(_) => ("NOTRACK", Section::ModeNotrack),
        };
        self.block(Key::Mode, name, section, |p| {
            match &sync.mode {
                Mode::Ftfw(ftfw) => {
                    p.item(Key::ResendQueueSize, ftfw.resend_queue_len_max);
                    p.item(Key::AckWindowSize, ftfw.ack_window);
                    p.external_cache(ftfw.external_cache);
                    p.switch(Key::StartupResync, ftfw.startup_resync);
                }
                Mode::Alarm(alarm) => {
                    p.seconds(Key::RefreshTime, alarm.refresh_time);
                    p.seconds(Key::CacheTimeout, alarm.cache_timeout);
                }
                Mode::Notrack(notrack) => {
                    let bypass = notrack.internal_cache == InternalCache::Bypass;
                    p.switch(Key::DisableInternalCache, bypass);
                    p.external_cache(notrack.external_cache);
                    p.switch(Key::StartupResync, notrack.startup_resync);
                }
            }
            if let Some(timeout) = sync.commit_timeout {
                p.seconds(Key::CommitTimeout, timeout);
            }
            p.seconds(Key::PurgeTimeout, sync.purge_timeout);
        });
    }

    fn external_cache(&mut self, cache: ExternalCache) {
        self.switch(Key::DisableExternalCache, cache == ExternalCache::Inject);
    }

    fn links(&mut self, links: &Links) {
        match links {
            Links::Udp(links) => {
                for (at, link) in links.all.iter().enumerate() {
                    self.block(Key::Udp, default(at == links.initial), Section::Udp, |p| {
                        p.unicast(link);
                    });
                }
            }
            Links::Tcp {
                links,
                error_queue_len,
            } => {
                for (at, link) in links.all.iter().enumerate() {
                    self.block(Key::Tcp, default(at == links.initial), Section::Tcp, |p| {
                        p.unicast(link);
                        p.item(Key::ErrorQueueLength, error_queue_len);
                    });
                }
            }
            Links::Multicast(links) => {
                for (at, link) in links.all.iter().enumerate() {
                    let head = default(at == links.initial);
                    self.block(Key::Multicast, head, Section::Multicast, |p| {
                        p.multicast(link);
                    });
                }
            }
        }
    }

    fn unicast(&mut self, link: &UnicastLink) {
        let local = by_family(link.local, Key::Ipv4Address, Key::Ipv6Address);
        let peer = by_family(link.peer, Key::Ipv4Destination, Key::Ipv6Destination);
        self.item(local, link.local);
        self.item(peer, link.peer);
        self.item(Key::Port, link.port);
        self.item(Key::Interface, quote(&link.interface));
        self.socket(link.socket);
        self.accept_from(&link.accept_from);
    }

    fn multicast(&mut self, link: &MulticastLink) {
        let group = by_family(link.group, Key::Ipv4Address, Key::Ipv6Address);
        self.item(group, link.group);
        if let Some(addr) = link.interface_addr {
            self.item(Key::Ipv4Interface, addr);
        }
        self.item(Key::Port, link.port);
        self.item(Key::Interface, quote(&link.interface));
        self.socket(link.socket);
        self.accept_from(&link.accept_from);
    }

    fn accept_from(&mut self, networks: &[Network]) {
        for network in networks {
            match network.is_host() {
                true => self.item(Key::AcceptFrom, network.addr()),
                false => {
                    let (addr, prefix) = (network.addr(), network.prefix());
                    self.item(Key::AcceptFrom, format_args!("{addr}/{prefix}"));
                }
            }
        }
    }

    fn socket(&mut self, socket: SocketOptions) {
        if let Some(bytes) = socket.send_buffer {
            self.item(Key::SndSocketBuffer, bytes);
        }
        if let Some(bytes) = socket.receive_buffer {
            self.item(Key::RcvSocketBuffer, bytes);
        }
        self.switch(Key::Checksum, socket.checksum);
    }

    fn stats(&mut self, stats: &Stats) {
        self.block(Key::Stats, "", Section::Stats, |p| {
            p.log(stats.log_file.as_deref(), stats.syslog);
            p.item(
                Key::LogFormat,
                match stats.log_format {
                    LogFormat::Text => "text",
                    LogFormat::Json => "json",
                },
            );
        });
    }

    fn helpers(&mut self, helpers: &Helpers) {
        self.block(Key::Helper, "", Section::Helper, |p| {
            p.switch(Key::Setup, helpers.setup);
            for helper in &helpers.helpers {
                let kind = helper.kind;
                let family = match helper.family {
                    Family::Ipv4 => "inet",
                    Family::Ipv6 => "inet6",
                };
                let head = format!("{} {family} {}", kind.name, kind.protocol);
                p.block(Key::Type, &head, Section::HelperType, |p| {
                    p.item(Key::QueueNum, helper.queue_num);
                    p.item(Key::QueueLen, helper.queue_len);
                    p.block(Key::Policy, kind.name, Section::HelperPolicy, |p| {
                        p.item(Key::ExpectMax, helper.expect_max);
                        p.item(Key::ExpectTimeout, helper.expect_timeout);
                    });
                });
            }
        });
    }
}

const fn by_family(addr: IpAddr, v4: Key, v6: Key) -> Key {
    match addr {
        IpAddr::V4(_) => v4,
        IpAddr::V6(_) => v6,
    }
}

const fn default(initial: bool) -> &'static str {
    if initial { "Default" } else { "" }
}

const fn word(policy: Policy) -> &'static str {
    match policy {
        Policy::Accept => "Accept",
        Policy::Ignore => "Ignore",
    }
}

/// A word as it has to be written to be read as one.
fn quote(word: &str) -> String {
    let special = |char: char| char.is_ascii_whitespace() || matches!(char, '{' | '}' | '#');
    if word.is_empty() || word.contains(special) {
        format!("\"{word}\"")
    } else {
        word.to_owned()
    }
}

/// A state and its protocol, as the configuration names them.
fn state_name(state: &FilterState) -> Option<(&'static str, &'static str)> {
    Some(match state {
        FilterState::Tcp(state) => {
            let known = STATES.iter().find(|(_, known)| known == state);
            (known?.0, "TCP")
        }
        FilterState::Sctp(state) => (state.name()?, "SCTP"),
        FilterState::Dccp(state) => (state.name()?, "DCCP"),
    })
}
