//! The numbers for humans: medians, side by side, with the ratio of ours to stock.
//!
//! A row without a number of either is left out, and so is a table without rows.

use std::fmt::Write as _;

use testbed::Implementation;

use super::sample::{Job, Metric, Quantity, Sample, Subject};

/// A table: its heading and its rows.
struct Table {
    heading: &'static str,
    rows: &'static [(Metric, &'static str)],
}

/// The rows of a command line.
const fn rows(job: Job) -> [(Metric, &'static str); 3] {
    [
        (Metric::Command(job, Quantity::Wall), "wall"),
        (Metric::Command(job, Quantity::Cpu), "CPU"),
        (
            Metric::Command(job, Quantity::Memory),
            "peak memory (floor: -V)",
        ),
    ]
}

const TABLES: &[Table] = &[
    Table {
        heading: "conntrack -L",
        rows: &[
            (Metric::Command(Job::List, Quantity::Wall), "wall"),
            (Metric::Command(Job::List, Quantity::User), "user CPU"),
            (Metric::Command(Job::List, Quantity::System), "system CPU"),
            (
                Metric::Command(Job::List, Quantity::Memory),
                "peak memory (floor: -V)",
            ),
        ],
    },
    Table {
        heading: "conntrack -L -o extended",
        rows: &rows(Job::Extended),
    },
    Table {
        heading: "conntrack -L -o xml",
        rows: &rows(Job::Xml),
    },
    Table {
        heading: "conntrack -L -o save",
        rows: &rows(Job::Save),
    },
    Table {
        heading: "conntrack -L -o json (stock: xml)",
        rows: &rows(Job::Json),
    },
    Table {
        heading: "conntrack -L of one flow in each 50,000, by its port",
        rows: &rows(Job::Find),
    },
    Table {
        heading: "conntrack -D of one flow in a hundred, by port",
        rows: &rows(Job::Delete),
    },
    Table {
        heading: "conntrack -R",
        rows: &rows(Job::Load),
    },
    Table {
        heading: "conntrack -E, new flows at full rate",
        rows: &[
            (Metric::EventCpu, "CPU per event"),
            (Metric::EventsLost, "events lost"),
            (Metric::EventMemory, "peak memory (floor: -V)"),
        ],
    },
    Table {
        heading: "replication, FT-FW over UDP",
        rows: &[
            (Metric::SenderCpu, "sender CPU per flow"),
            (Metric::ReceiverCpu, "receiver CPU per flow"),
            (Metric::SenderMemory, "sender memory per flow"),
            (Metric::ReceiverMemory, "receiver memory per flow"),
            (Metric::FlowsPerDatagram, "flows per datagram"),
            (Metric::BytesPerFlow, "bytes on the link per flow"),
            (Metric::Overruns, "event overruns"),
        ],
    },
    Table {
        heading: "commit",
        rows: &[
            (Metric::CommitWall, "wall"),
            (Metric::CommitCpu, "daemon's CPU"),
        ],
    },
];

/// The tables for which there are samples.
pub fn render(samples: &[Sample]) -> String {
    let mut text = String::new();
    for table in TABLES {
        let rows: String = table
            .rows
            .iter()
            .filter_map(|row| line(samples, *row))
            .collect();
        let is_here = |sample: &&Sample| table.rows.iter().any(|(of, _)| *of == sample.metric);
        if let Some(Sample { flows, .. }) = samples.iter().find(is_here) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "\n{}: {flows} flows", table.heading);
            let head = ["stock", "ours", "ratio", "floor"];
            let _ = writeln!(
                text,
                "{:28}{:>12}{:>12}{:>8}{:>12}",
                "", head[0], head[1], head[2], head[3]
            );
            text += &rows;
        }
    }
    text
}

fn line(samples: &[Sample], (metric, label): (Metric, &str)) -> Option<String> {
    let of = |subject| {
        median(
            samples
                .iter()
                .filter(|s| s.metric == metric && s.subject == subject),
        )
    };
    let stock = of(Subject::Program(Implementation::Stock));
    let ours = of(Subject::Program(Implementation::Ours));
    let floor = of(Subject::Floor);
    stock.or(ours)?;
    let show = |value: Option<f64>| value.map_or("–".into(), |value| quantity(value, metric));
    let ratio = match (ours, stock) {
        (Some(ours), Some(stock)) if stock > 0.0 => format!("{:.2}", ours / stock),
        _ => "–".into(),
    };
    let floor = floor.map_or(String::new(), |value| quantity(value, metric));
    let line = format!(
        "  {label:<26}{:>12}{:>12}{ratio:>8}{floor:>12}",
        show(stock),
        show(ours)
    );
    Some(line.trim_end().to_owned() + "\n")
}

/// A number with its unit.
fn quantity(value: f64, metric: Metric) -> String {
    match metric.unit() {
        "s" => format!("{value:.3} s"),
        "us" => format!("{value:.2} µs"),
        "B" => format!("{value:.0} B"),
        "MiB" => format!("{value:.1} MiB"),
        _ => format!("{value:.1}"),
    }
}

fn median<'a>(samples: impl Iterator<Item = &'a Sample>) -> Option<f64> {
    let mut values: Vec<f64> = samples.map(|sample| sample.value).collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    match values.len() % 2 {
        1 => Some(upper),
        _ => values
            .get(values.len() / 2 - 1)
            .map(|lower| (lower + upper) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(subject: Subject, values: &[f64]) -> Vec<Sample> {
        let sample = |value: &f64| Sample {
            metric: Metric::Command(Job::List, Quantity::Wall),
            subject,
            run: 1,
            flows: 10,
            value: *value,
        };
        values.iter().map(sample).collect()
    }

    #[test]
    fn medians_stand_side_by_side() {
        let stock = samples(Subject::Program(Implementation::Stock), &[0.9, 0.8, 7.0]);
        let ours = samples(Subject::Program(Implementation::Ours), &[0.4, 0.5]);
        let floor = samples(Subject::Floor, &[0.4]);
        let expected = "
conntrack -L: 10 flows
                                   stock        ours   ratio       floor
  wall                           0.900 s     0.450 s    0.50     0.400 s
";
        assert_eq!(render(&[stock, ours, floor].concat()), expected);
    }

    #[test]
    fn what_was_not_measured_is_a_dash() {
        let ours = samples(Subject::Program(Implementation::Ours), &[0.4]);
        let text = render(&ours);
        assert!(
            text.ends_with("  wall                                 –     0.400 s       –\n"),
            "{text}"
        );
        assert_eq!(render(&[]), "");
    }
}
