//! `-S`: shows what each processor has counted.
//!
//! Users without rights may read the same numbers in /proc, under its own names (compat: cli-27).

use std::fs;

use flow::render::bytes;
use linux::table::Table;
use nfnetlink::Subsystem;

use super::counters::{self, Kind, Metric};
use super::{Console, Done, Failure};
use crate::cli::hiargs::CounterFormat;

/// Where anybody may read the counters: a line of names, then a line of hexadecimal numbers for
/// each processor.
const PROC: &str = "/proc/net/stat/nf_conntrack";

/// A counter of a processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    pub name: String,
    pub value: u64,
}

/// The counters of a processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpu {
    pub number: u32,
    pub counters: Vec<Counter>,
}

pub fn run(
    subsystem: Subsystem,
    format: CounterFormat,
    console: &mut Console<'_>,
) -> Result<Done, Failure> {
    let cpus = read(subsystem)?;
    let out = console.out.buffer();
    match format {
        CounterFormat::Text => text(out, &cpus),
        CounterFormat::Json => json(out, &cpus),
        CounterFormat::OpenMetrics => counters::openmetrics(out, &metrics(&cpus)),
    }
    Ok(Done::SILENT)
}

/// An object for each processor.
fn json(out: &mut Vec<u8>, cpus: &[Cpu]) {
    for cpu in cpus {
        let number = std::iter::once(("cpu", u64::from(cpu.number)));
        let counters = cpu.counters.iter();
        let counters = counters.map(|counter| (&*counter.name, counter.value));
        counters::json(out, number.chain(counters));
        out.push(b'\n');
    }
}

/// A family for each counter.
fn metrics(cpus: &[Cpu]) -> Vec<Metric> {
    let Some(first) = cpus.first() else {
        return Vec::new();
    };
    let family = |(index, counter): (usize, &Counter)| {
        let value = |cpu: &Cpu| {
            let counter = cpu.counters.get(index).map(|counter| counter.value);
            (Some(cpu.number), counter.unwrap_or(0))
        };
        Metric {
            name: counter.name.clone(),
            kind: Kind::Counter,
            help: "See conntrack -S.",
            samples: cpus.iter().map(value).collect(),
        }
    };
    // In /proc the size of the table stands beside each processor's counters; its sum would be wrong,
    // and `-C` has the number.
    let counters = first.counters.iter().enumerate();
    let counters = counters.filter(|(_, counter)| counter.name != "entries");
    counters.map(family).collect()
}

fn read(subsystem: Subsystem) -> Result<Vec<Cpu>, Failure> {
    let error = match ask(subsystem) {
        Ok(cpus) => return Ok(cpus),
        Err(error) => error,
    };
    let text = fs::read_to_string(PROC).unwrap_or_default();
    match parse(&text, subsystem) {
        cpus if cpus.is_empty() => Err(error.into()),
        cpus => Ok(cpus),
    }
}

fn ask(subsystem: Subsystem) -> linux::table::Result<Vec<Cpu>> {
    let mut cpus = Vec::new();
    Table::open()?.cpu_stats(subsystem, |stats| {
        let named = match subsystem {
            Subsystem::Conntrack => CONNTRACK_NAMED,
            Subsystem::Expect => EXPECT_NAMED,
        };
        let counters = stats.counters().map(|counter| Counter {
            name: match counter.name {
                Some(name) => name.into(),
                None => format!("unknown{}", counter.number.saturating_sub(named)),
            },
            value: counter.value.into(),
        });
        cpus.push(Cpu {
            number: stats.cpu.into(),
            counters: counters.collect(),
        });
    })?;
    Ok(cpus)
}

/// Counters that have a name: younger ones are numbered from there on.
const CONNTRACK_NAMED: u16 = 15;
const EXPECT_NAMED: u16 = 3;

/// The counters of a table in the text of [`PROC`], where both stand side by side.
fn parse(text: &str, subsystem: Subsystem) -> Vec<Cpu> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let is_wanted = |name: &str| match subsystem {
        Subsystem::Conntrack => true,
        Subsystem::Expect => name.starts_with("expect_"),
    };
    let cpu = |(number, line): (u32, &str)| Cpu {
        number,
        counters: names
            .iter()
            .zip(line.split_whitespace())
            .filter(|(name, _)| is_wanted(name))
            .map(|(name, value)| Counter {
                name: (*name).into(),
                value: u64::from_str_radix(value, 16).unwrap_or(0),
            })
            .collect(),
    };
    (0..).zip(lines).map(cpu).collect()
}

/// A line for each processor; the blank at its end is stock's.
fn text(out: &mut Vec<u8>, cpus: &[Cpu]) {
    for cpu in cpus {
        out.extend_from_slice(b"cpu=");
        let number = cpu.number.to_string();
        bytes::left(out, &number, 4);
        out.push(b'\t');
        for Counter { name, value } in &cpu.counters {
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            bytes::decimal(out, *value);
            out.push(b' ');
        }
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "\
entries  found expect_new  expect_create
00000003  0000000a 00000000  00000002
00000003  00000001 00000001  00000000
";

    fn shown(subsystem: Subsystem) -> String {
        let mut out = Vec::new();
        text(&mut out, &parse(STAT, subsystem));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_everybody_may_read_has_the_same_form() {
        assert_eq!(
            shown(Subsystem::Conntrack),
            "cpu=0   \tentries=3 found=10 expect_new=0 expect_create=2 \n\
             cpu=1   \tentries=3 found=1 expect_new=1 expect_create=0 \n"
        );
        assert_eq!(
            shown(Subsystem::Expect),
            "cpu=0   \texpect_new=0 expect_create=2 \ncpu=1   \texpect_new=1 expect_create=0 \n"
        );
        assert_eq!(parse("", Subsystem::Conntrack), []);
    }

    #[test]
    fn programs_get_each_processor_by_name() {
        let cpus = parse(STAT, Subsystem::Expect);
        let mut out = Vec::new();
        json(&mut out, &cpus);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"cpu\":0,\"expect_new\":0,\"expect_create\":2}\n\
             {\"cpu\":1,\"expect_new\":1,\"expect_create\":0}\n"
        );
        let families = metrics(&cpus);
        assert_eq!(families[1].name, "expect_create");
        assert_eq!(families[1].samples, [(Some(0), 2), (Some(1), 0)]);
        assert_eq!(metrics(&[]), []);
        // The size of the table is no counter of a processor.
        let families = metrics(&parse(STAT, Subsystem::Conntrack));
        assert_eq!(families[0].name, "found");
    }
}
