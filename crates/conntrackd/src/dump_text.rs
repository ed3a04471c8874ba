//! The lines that `conntrackd -i` and `-e` show, and the line that names a flow in the log.
//!
//! `flow::render` knows what a flow looks like; the daemon adds how long the flow has been in its
//! cache, and leaves out the remaining life, which a cache does not know.

use std::io::Write;
use std::time::Duration;

use ctsync::Instant;
use flow::render::{self, Record, Show};
use flow::{Expectation, Flow, Object};

use crate::control::{Cache, Format};

/// A listing of a cache.
#[derive(Clone, Copy, Debug)]
pub struct Dump {
    /// Which cache.
    pub cache: Cache,
    /// How each flow is written.
    pub format: Format,
    /// The moment of the listing.
    pub now: Instant,
    /// How long an entry lives without being told again (ALARM); `None` for ever.
    pub life: Option<Duration>,
}

/// Since when an entry has been in its cache, and when that was last told of it.
#[derive(Clone, Copy, Debug)]
pub struct Ages {
    /// When it entered.
    pub created: Instant,
    /// When it was last told of.
    pub updated: Instant,
}

impl Dump {
    /// Writes a flow, with its line's end.
    pub fn write(&self, flow: &Flow<'_>, ages: Ages, out: &mut Vec<u8>) {
        match self.format {
            Format::Text => {
                render::text(out, &Record::listed(flow, 0), &Show::CACHE);
                self.write_ages(ages, out);
            }
            Format::Xml => {
                let show = Show {
                    // What the peer's kernel called the flow means nothing here.
                    id: self.cache == Cache::Internal,
                    ..Show::CACHE
                };
                render::xml(out, &Record::listed(flow, 0), &show);
            }
        }
        out.push(b'\n');
    }

    /// Writes an expectation, with its line's end.
    pub fn write_expectation(&self, expectation: &Expectation<'_>, ages: Ages, out: &mut Vec<u8>) {
        let timeless = Expectation {
            timeout: None,
            ..expectation.clone()
        };
        let record = Record::listed(&timeless, 0);
        match self.format {
            Format::Text => {
                render::Format::Text.expectation(out, &record, &Show::CACHE);
                self.write_ages(ages, out);
            }
            Format::Xml => render::Format::Xml.expectation(out, &record, &Show::CACHE),
        }
        out.push(b'\n');
    }

    fn write_ages(&self, ages: Ages, out: &mut Vec<u8>) {
        let Ages { created, updated } = ages;
        if let Some(life) = self.life {
            let left = life.saturating_sub(self.now.since(updated)).as_secs();
            // Writing to a vector cannot fail.
            let _ = write!(out, " [expires in {left}s]");
        }
        let age = self.now.seconds().saturating_sub(created.seconds());
        // Writing to a vector cannot fail.
        let _ = write!(out, " [active since {age}s]");
    }
}

/// A flow as one line for the log, without the line's end.
pub fn flow_line(flow: &Flow<'_>) -> String {
    let mut out = Vec::new();
    render::text(&mut out, &Record::listed(flow, 0), &Show::TABLE);
    String::from_utf8_lossy(&out).into_owned()
}

/// A flow or an expectation as one line for the log, without the line's end.
pub fn line(object: &Object<'_>) -> String {
    match object {
        Object::Flow(flow) => flow_line(flow),
        Object::Expectation(expectation) => {
            let (mut out, record) = (Vec::new(), Record::listed(expectation, 0));
            render::Format::Text.expectation(&mut out, &record, &Show::TABLE);
            String::from_utf8_lossy(&out).into_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::{Addrs, L4, Mark, Ports, ProtoInfo, Status, TcpInfo, TcpState, Tuple};

    /// A flow of a session whose listings by stock 1.4.7 are the expected texts below.
    fn flow() -> Flow<'static> {
        let addrs = Addrs::new([10, 1, 1, 3].into(), [192, 0, 2, 2].into()).unwrap();
        let orig = Tuple::new(addrs, L4::Tcp(Ports { src: 13, dst: 20 }));
        let mut flow = Flow::new(orig);
        flow.reply = orig.inverse();
        flow.status = Some(Status::CONFIRMED | Status::SEEN_REPLY | Status::ASSURED);
        flow.timeout = Some(99);
        flow.protoinfo = Some(ProtoInfo::Tcp(TcpInfo {
            state: Some(TcpState::ESTABLISHED),
            ..TcpInfo::default()
        }));
        flow.mark = Some(Mark(7));
        flow.id = Some(3_284_810_200);
        flow
    }

    fn check(cache: Cache, format: Format, expected: &str) {
        check_alarm(cache, format, None, expected);
    }

    fn check_alarm(cache: Cache, format: Format, life: Option<u64>, expected: &str) {
        let mut flow = flow();
        if cache == Cache::External {
            flow.reply = None;
        }
        let now = Instant(90_000_000_000);
        let dump = Dump {
            cache,
            format,
            now,
            life: life.map(Duration::from_secs),
        };
        let ages = Ages {
            created: Instant(3_999_999_999),
            updated: Instant(50_000_000_000),
        };
        let mut out = Vec::new();
        dump.write(&flow, ages, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), format!("{expected}\n"));
    }

    #[test]
    fn listings_are_those_of_stock() {
        check(
            Cache::Internal,
            Format::Text,
            "tcp      6 ESTABLISHED src=10.1.1.3 dst=192.0.2.2 sport=13 dport=20 src=192.0.2.2 \
             dst=10.1.1.3 sport=20 dport=13 [ASSURED] mark=7 [active since 87s]",
        );
        check(
            Cache::External,
            Format::Text,
            "tcp      6 ESTABLISHED src=10.1.1.3 dst=192.0.2.2 sport=13 dport=20 [ASSURED] \
             mark=7 [active since 87s]",
        );
        check(
            Cache::Internal,
            Format::Xml,
            "<flow><meta direction=\"original\"><layer3 protonum=\"2\" protoname=\"ipv4\">\
             <src>10.1.1.3</src><dst>192.0.2.2</dst></layer3><layer4 protonum=\"6\" \
             protoname=\"tcp\"><sport>13</sport><dport>20</dport></layer4></meta><meta \
             direction=\"reply\"><layer3 protonum=\"2\" protoname=\"ipv4\"><src>192.0.2.2</src>\
             <dst>10.1.1.3</dst></layer3><layer4 protonum=\"6\" protoname=\"tcp\"><sport>20\
             </sport><dport>13</dport></layer4></meta><meta direction=\"independent\"><state>\
             ESTABLISHED</state><mark>7</mark><id>3284810200</id><assured/></meta></flow>",
        );
        check(
            Cache::External,
            Format::Xml,
            "<flow><meta direction=\"original\"><layer3 protonum=\"2\" protoname=\"ipv4\">\
             <src>10.1.1.3</src><dst>192.0.2.2</dst></layer3><layer4 protonum=\"6\" \
             protoname=\"tcp\"><sport>13</sport><dport>20</dport></layer4></meta><meta \
             direction=\"reply\"><layer3 protonum=\"0\" protoname=\"unknown\"><src></src><dst>\
             </dst></layer3><layer4 protonum=\"0\" protoname=\"unknown\"></layer4></meta><meta \
             direction=\"independent\"><state>ESTABLISHED</state><mark>7</mark><assured/></meta>\
             </flow>",
        );
    }

    #[test]
    fn what_alarm_will_forget_says_when() {
        for (life, left) in [(180, 140), (40, 0), (1, 0)] {
            let line = format!(
                "tcp      6 ESTABLISHED src=10.1.1.3 dst=192.0.2.2 sport=13 dport=20 [ASSURED] \
                 mark=7 [expires in {left}s] [active since 87s]"
            );
            check_alarm(Cache::External, Format::Text, Some(life), &line);
        }
    }

    #[test]
    fn a_line_is_as_long_as_it_has_to_be() {
        // Stock has 1024 bytes for a line (compat: daemon-52).
        let context = "c".repeat(5_000);
        let mut flow = flow();
        flow.secctx = Some(flow::Name::new(context.as_bytes()));
        let line = flow_line(&flow);
        assert!(line.contains(&context), "{} bytes", line.len());
    }

    #[test]
    fn the_log_names_a_flow_with_its_life() {
        let line = flow_line(&flow());
        assert!(line.starts_with("tcp      6 99 ESTABLISHED src=10.1.1.3 "));
        assert!(line.ends_with(" [ASSURED] mark=7"), "{line}");
    }
}
