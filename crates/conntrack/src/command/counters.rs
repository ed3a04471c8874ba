//! Numbers for programs: JSON, and OpenMetrics for node_exporter's textfile collector.
//!
//! JSON has one object per line. In OpenMetrics each counter is a family with a sample per
//! processor; all names begin with `conntrack_`.

use flow::render::bytes;

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// A number, or one for each processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    pub name: String,
    pub kind: Kind,
    pub help: &'static str,
    /// Processors and values; no processor for a number of the whole system.
    pub samples: Vec<(Option<u32>, u64)>,
}

/// Writes a whole exposition.
pub fn openmetrics(out: &mut Vec<u8>, metrics: &[Metric]) {
    for Metric {
        name,
        kind,
        help,
        samples,
    } in metrics
    {
        let (kind, suffix) = match kind {
            Kind::Counter => ("counter", "_total"),
            Kind::Gauge => ("gauge", ""),
        };
        let head = format!("# TYPE conntrack_{name} {kind}\n# HELP conntrack_{name} {help}\n");
        out.extend_from_slice(head.as_bytes());
        for (cpu, value) in samples {
            let label = cpu.map(|cpu| format!("{{cpu=\"{cpu}\"}}"));
            let label = label.unwrap_or_default();
            let line = format!("conntrack_{name}{suffix}{label} {value}\n");
            out.extend_from_slice(line.as_bytes());
        }
    }
    out.extend_from_slice(b"# EOF\n");
}

/// Writes names and values as one object of JSON; the names are plain words.
pub fn json<'a>(out: &mut Vec<u8>, members: impl IntoIterator<Item = (&'a str, u64)>) {
    out.push(b'{');
    for (index, (name, value)) in members.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.push(b'"');
        bytes::escaped(out, name.as_bytes());
        out.extend_from_slice(b"\":");
        bytes::decimal(out, value);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_has_a_sample_for_each_processor() {
        let metrics = [
            Metric {
                name: "found".into(),
                kind: Kind::Counter,
                help: "Lookups.",
                samples: vec![(Some(0), 3), (Some(1), 4)],
            },
            Metric {
                name: "entries".into(),
                kind: Kind::Gauge,
                help: "Flows.",
                samples: vec![(None, 7)],
            },
        ];
        let mut out = Vec::new();
        openmetrics(&mut out, &metrics);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "# TYPE conntrack_found counter\n# HELP conntrack_found Lookups.\n\
             conntrack_found_total{cpu=\"0\"} 3\nconntrack_found_total{cpu=\"1\"} 4\n\
             # TYPE conntrack_entries gauge\n# HELP conntrack_entries Flows.\n\
             conntrack_entries 7\n# EOF\n"
        );
    }

    #[test]
    fn an_object_has_its_members_in_order() {
        let mut out = Vec::new();
        json(&mut out, [("b", 1), ("a", 2)]);
        assert_eq!(out, br#"{"b":1,"a":2}"#);
    }
}
