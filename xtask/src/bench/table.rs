//! The numbers for humans: medians, side by side, with the ratio of ours to stock.
//!
//! A row without a number of either is left out, and so is a table without rows.

use std::fmt::Write as _;

use testbed::Implementation;

use super::sample::{Format, Metric, Sample, Subject};

/// A table: its heading and its rows.
struct Table {
    heading: &'static str,
    rows: &'static [(Metric, &'static str)],
}

const TABLES: &[Table] = &[
    Table {
        heading: "conntrack -L",
        rows: &[
            (Metric::ListWall, "wall"),
            (Metric::ListUser, "user CPU"),
            (Metric::ListSystem, "system CPU"),
        ],
    },
    Table {
        heading: "conntrack -L -o (json beside stock's xml)",
        rows: &[
            (Metric::FormatWall(Format::Extended), "extended, wall"),
            (Metric::FormatCpu(Format::Extended), "extended, CPU"),
            (Metric::FormatWall(Format::Xml), "xml, wall"),
            (Metric::FormatCpu(Format::Xml), "xml, CPU"),
            (Metric::FormatWall(Format::Save), "save, wall"),
            (Metric::FormatCpu(Format::Save), "save, CPU"),
            (Metric::FormatWall(Format::Json), "json, wall"),
            (Metric::FormatCpu(Format::Json), "json, CPU"),
        ],
    },
    Table {
        heading: "conntrack -L of one flow by its port",
        rows: &[(Metric::FindWall, "wall"), (Metric::FindCpu, "CPU")],
    },
    Table {
        heading: "conntrack -R",
        rows: &[(Metric::LoadWall, "wall"), (Metric::LoadCpu, "CPU")],
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
pub fn render(samples: &[Sample], flows: u32) -> String {
    let mut text = String::new();
    for table in TABLES {
        let rows: String = table
            .rows
            .iter()
            .filter_map(|row| line(samples, *row))
            .collect();
        if !rows.is_empty() {
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
            metric: Metric::ListWall,
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
        assert_eq!(render(&[stock, ours, floor].concat(), 10), expected);
    }

    #[test]
    fn what_was_not_measured_is_a_dash() {
        let ours = samples(Subject::Program(Implementation::Ours), &[0.4]);
        let text = render(&ours, 10);
        assert!(
            text.ends_with("  wall                                 –     0.400 s       –\n"),
            "{text}"
        );
        assert_eq!(render(&[], 10), "");
    }
}
