//! What passes in the formats other than the default line: XML, saved flows, times.

/// Elements whose content is taken out.
const ELEMENTS: [&str; 7] = ["timeout", "use", "id", "deltatime", "start", "stop", "when"];

/// A line without what passes.
pub fn taken_out(line: &str) -> String {
    let mut line = line.to_owned();
    for element in ELEMENTS {
        // The id of ICMP has to be equal: it stands before the end of layer 4.
        let from = match element {
            "id" => line.rfind("</layer4>").unwrap_or(0),
            _ => 0,
        };
        let (start, end) = (format!("<{element}>"), format!("</{element}>"));
        line = between(&line, from, &start, &end);
    }
    line = between(&line, 0, "[start=", "]");
    line = between(&line, 0, "[stop=", "]");
    // Behind the command of a saved flow.
    for command in ["-A", "-U", "-D"] {
        if line.starts_with(&format!("{command} -t ")) {
            line = between(&line, 0, "-t ", " ");
        }
    }
    line
}

/// A dot for what stands between the first two of these marks.
fn between(line: &str, from: usize, start: &str, end: &str) -> String {
    let found = line[from..].split_once(start).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(end)?;
        Some(format!("{}{before}{start}.{end}{after}", &line[..from]))
    });
    found.unwrap_or_else(|| line.to_owned())
}

#[test]
fn only_what_passes_is_taken_out() {
    for (line, expected) in [
        (
            "<layer4><id>77</id></layer4><timeout>5</timeout><id>8</id><assured/>",
            "<layer4><id>77</id></layer4><timeout>.</timeout><id>.</id><assured/>",
        ),
        ("[start=Sat Nov 21 07:00:54 2026] use=N", "[start=.] use=N"),
        ("-A -t 5 -u UNSET", "-A -t . -u UNSET"),
        ("udp -t 5", "udp -t 5"),
    ] {
        assert_eq!(taken_out(line), expected);
    }
}
