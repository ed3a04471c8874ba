//! Golden cases: what a configuration means, and what stock prints.
//!
//! `golden/config/<case>/conf` is a configuration file. Beside it stands what it leads to:
//! `printed` (the configuration in effect) and `warnings`, or `errors`; and `refused` if the
//! language allows it but the daemon does not. A file that should not be there is a failure too.
//!
//! `golden/stats/stock` is what stock 1.4.7 printed about a session; `golden/stats/distinct` the
//! same layouts with another number in each place.
//!
//! With `GOLDEN_WRITE=1` all but stock's are written anew, and the diff is to be reviewed.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::Path;

use conntrackd::config::{self, Warning};
use conntrackd::stats_text::{
    self, CacheStats, LinkRole, LinkStats, LinkStatus, LinkTraffic, MessageStats, QueueStats,
    ResendElement, RuntimeStats, Side, Traffic, Transport,
};

const NAME: &str = "conntrackd.conf";

#[test]
fn every_configuration_means_what_its_case_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config");
    let mut cases = 0;
    for entry in fs::read_dir(root).unwrap() {
        check(&entry.unwrap().path());
        cases += 1;
    }
    assert!(cases > 40, "only {cases} cases found");
}

/// The files `name` of all cases, or what is like one.
fn all(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config");
    let cases = fs::read_dir(root).unwrap();
    let read = |case: std::io::Result<fs::DirEntry>| fs::read(case.unwrap().path().join(name));
    let texts = cases.filter_map(|case| read(case).ok());
    texts
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .collect()
}

#[test]
fn every_keyword_has_a_case_in_which_it_is_understood() {
    // What is printed was understood; old spellings are not printed.
    let (files, printed) = (all("conf"), all("printed"));
    let has = |text: &str, word: &str| text.split([' ', '\t', '\n', '{', '}']).any(|it| it == word);
    for section in config::Section::ALL {
        for rule in section.rules() {
            let is_current = rule.key.word(section) == rule.word;
            let ignored = ["Nice", "Backlog", "IPv6_interface"].contains(&rule.word);
            let text = match is_current && !ignored {
                true => &printed,
                false => &files,
            };
            assert!(has(text, rule.word), "`{}` {}", rule.word, section.place());
        }
    }
}

#[test]
fn every_error_and_warning_has_a_case() {
    let errors = all("errors");
    for text in [
        "unknown keyword",
        " needs ",
        "is longer than",
        "is not absolute",
        "is never closed",
        "without a block that it could close",
        "without a keyword before it",
        "not closed on its line",
        "not UTF-8",
        "unknown TCP state",
        "unknown format",
        "is a number, but protocols are named",
        "is not a name",
        "unknown scheduler",
        "must be [0, 99]",
        "clause must be > 0",
        "cannot use both",
        "too many dedicated links",
        "with other dedicated link protocols!",
        "has no dedicated link",
        "link lacks",
        "has IPv4 and IPv6 addresses",
        "cannot be an interface name",
        "would replicate nothing",
        "unknown layer 3 protocol",
        "unknown layer 4 protocol",
        "Unknown `",
        "Unknown policy",
        "policy configuration empty",
        "longer than 16 characters",
        "more errors are not shown",
    ] {
        assert!(errors.contains(text), "no case for the error `{text}`");
    }
    assert!(all("refused").contains("which this version does not have"));
    let warnings = all("warnings");
    for text in [
        "deprecated nice",
        "deprecated unix backlog",
        "Now `nack' mode",
        "Now `persistent' mode",
        "No synchronization mode",
        "more than one `Mode' block",
        "is not a known syslog facility, ignoring",
        "conflicting Syslog facility",
        "getprotobyname()",
        "is not a valid network",
        "is not a valid IPv4, ignoring",
        "is not a valid IPv6, ignoring",
        "is repeated in the ignore pool",
        "is not a valid IPv4 address",
        "is not a valid IPv6 address",
        "`IPv6_interface' not required",
        "IPv4 but is binded to an IPv6",
        "IPv6 but is binded to an IPv4",
        "can't be combined with `DisableExternalCache'",
        "which starts a comment",
    ] {
        assert!(warnings.contains(text), "no case for the warning `{text}`");
    }
}

fn check(case: &Path) {
    let conf = fs::read(case.join("conf")).unwrap();
    let [mut printed, mut warnings, mut errors, mut refused] = [const { None }; 4];
    match config::parse_language(NAME, &conf) {
        Ok((found, noted)) => {
            let text = found.to_string();
            let (again, _) = config::parse_language(NAME, text.as_bytes())
                .unwrap_or_else(|errors| panic!("{}: {errors}", case.display()));
            assert_eq!(again, found, "{}: printing loses something", case.display());
            assert_eq!(
                again.to_string(),
                text,
                "{}: no fixed point",
                case.display()
            );
            printed = Some(text);
            warnings = (!noted.is_empty()).then(|| render(&noted));
            let daemon = config::parse(NAME, &conf);
            refused = daemon.err().map(|errors| format!("{errors}\n"));
        }
        Err(found) => errors = Some(format!("{found}\n")),
    }
    compare(&case.join("printed"), printed);
    compare(&case.join("warnings"), warnings);
    compare(&case.join("errors"), errors);
    compare(&case.join("refused"), refused);
}

fn render(warnings: &[Warning]) -> String {
    let line = |warning: &Warning| format!("{}: {warning}\n", warning.line);
    warnings.iter().map(line).collect()
}

fn compare(file: &Path, found: Option<String>) {
    if std::env::var_os("GOLDEN_WRITE").is_some() {
        match &found {
            Some(text) => fs::write(file, text).unwrap(),
            None if file.exists() => fs::remove_file(file).unwrap(),
            None => {}
        }
    }
    let expected = fs::read_to_string(file).ok();
    assert_eq!(found, expected, "{}", file.display());
}

/// Everything that the layouts show.
struct Numbers {
    internal: CacheStats,
    external: CacheStats,
    traffic: Traffic,
    link: LinkStats<'static>,
    messages: MessageStats,
    runtime: RuntimeStats,
    nodes: u64,
    queues: Vec<QueueStats>,
    resend_queue: Vec<ResendElement>,
}

#[test]
fn statistics_have_the_layout_of_stock() {
    let numbers = stock_session();
    for (name, text) in layouts(&numbers) {
        let file = stats_folder().join("stock").join(name);
        assert_eq!(text, fs::read_to_string(&file).unwrap(), "{name}");
    }
}

/// What stock printed without caches, and in statistics mode.
#[test]
fn statistics_of_other_modes_have_the_layout_of_stock() {
    let session = stock_session();
    let link = LinkStats {
        interface: "vda",
        sent: traffic(316, 7, 0),
        received: traffic(56, 7, 0),
        ..session.link
    };
    let sides = [
        Side::Bypass {
            new: 3,
            updated: 0,
            destroyed: 0,
        },
        Side::Inject {
            created: [0; 2],
            updated: [0; 2],
            destroyed: [0; 2],
        },
    ];
    let stats = CacheStats {
        name: "stats",
        live: 3,
        total: 3,
        objects: 3,
        created: 3,
        updated: 1,
        ..CacheStats::default()
    };
    let none = MessageStats::default();
    for (name, text) in [
        (
            "uncached",
            stats_text::general(&sides, Traffic::default(), &link, &none),
        ),
        ("uncached_cache", stats_text::cache(&sides)),
        ("recorded", stats_text::recorded(&stats, Traffic::default())),
        ("recorded_cache", stats_text::cache(&[Side::Cache(stats)])),
    ] {
        let file = stats_folder().join("stock").join(name);
        assert_eq!(text, fs::read_to_string(&file).unwrap(), "{name}");
    }
}

#[test]
fn each_number_of_other_modes_has_its_place() {
    let sides = [
        Side::Bypass {
            new: 1,
            updated: 2,
            destroyed: u64::MAX,
        },
        Side::Inject {
            created: [3, 4],
            updated: [5, 6],
            destroyed: [7, u64::MAX],
        },
    ];
    let session = distinct();
    let tcp = |server, client| LinkStats {
        transport: Transport::Tcp { server, client },
        ..session.link
    };
    let multicast = LinkStats {
        transport: Transport::Multicast,
        ..session.link
    };
    let text = [
        stats_text::cache(&sides),
        stats_text::general(
            &sides,
            session.traffic,
            &tcp(true, false),
            &session.messages,
        ),
        stats_text::network(&session.messages, &tcp(false, true)),
        stats_text::links(&[multicast, tcp(true, true)]),
    ];
    let file = stats_folder().join("distinct").join("other_modes");
    compare(&file, Some(text.concat()));
}

#[test]
fn each_number_has_its_place() {
    for (name, text) in layouts(&distinct()) {
        compare(&stats_folder().join("distinct").join(name), Some(text));
    }
}

fn stats_folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/stats")
}

fn layouts(numbers: &Numbers) -> [(&'static str, String); 7] {
    let caches = [numbers.internal, numbers.external].map(Side::Cache);
    let (link, messages) = (&numbers.link, &numbers.messages);
    let mut resend = stats_text::resend_queue(numbers.resend_queue.len() as u64);
    for element in &numbers.resend_queue {
        resend.push_str(&format!("{element}\n"));
    }
    [
        (
            "general",
            stats_text::general(&caches, numbers.traffic, link, messages),
        ),
        ("network", stats_text::network(messages, link)),
        ("cache", stats_text::cache(&caches)),
        ("runtime", stats_text::runtime(&numbers.runtime)),
        ("link", stats_text::links(&[*link])),
        ("queue", stats_text::queues(numbers.nodes, &numbers.queues)),
        ("rsqueue", resend),
    ]
}

/// A session in which a filter dropped ICMP, and a stranger sent 27 datagrams of rubbish.
fn stock_session() -> Numbers {
    Numbers {
        internal: CacheStats {
            name: "internal",
            created: 3,
            updated: 5,
            destroyed: 3,
            ..CacheStats::default()
        },
        external: CacheStats {
            name: "external",
            live: 1,
            total: 1,
            objects: 1,
            created: 2,
            updated: 3,
            destroyed: 1,
            ..CacheStats::default()
        },
        traffic: Traffic::default(),
        link: LinkStats {
            transport: Transport::Udp,
            interface: "vca",
            status: LinkStatus::Running,
            role: LinkRole::Active,
            sent: traffic(476, 8, 0),
            received: traffic(743, 38, 0),
        },
        messages: MessageStats {
            wrong_version: 3,
            malformed_payload: 1,
            truncated: 5,
            bad_size: 6,
            lost: 11,
            before: 15,
            ..MessageStats::default()
        },
        runtime: RuntimeStats {
            events: 12,
            events_filtered: 5,
            kernel_flushes: 1,
            kernel_resyncs: 2,
            event_buffer_len: 2_097_152,
            request_failed: 1,
            ..RuntimeStats::default()
        },
        nodes: 2,
        queues: vec![
            queue("txqueue", 0, 2_147_483_647, 0),
            queue("errorq", 0, 128, 0),
            queue("rsqueue", 2, 131_072, 0),
        ],
        resend_queue: vec![
            ResendElement::Control {
                seq: 1_795_251_095,
                flags: 8,
            },
            ResendElement::Control {
                seq: 1_795_251_096,
                flags: 4,
            },
        ],
    }
}

/// Another number in each place, the largest among them.
fn distinct() -> Numbers {
    let cache = |name, first| CacheStats {
        name,
        live: first,
        total: first + 1,
        objects: first + 2,
        created: first + 3,
        created_failed: first + 4,
        no_memory: first + 5,
        no_space: first + 6,
        updated: first + 7,
        destroyed: first + 8,
    };
    Numbers {
        internal: cache("internal", 10),
        external: cache("external", u64::MAX - 8),
        traffic: Traffic {
            bytes: 30,
            packets: u64::MAX,
        },
        link: LinkStats {
            transport: Transport::Udp,
            interface: "eth2",
            status: LinkStatus::NoCarrier,
            role: LinkRole::Backup,
            sent: traffic(31, 32, 33),
            received: traffic(34, 35, 36),
        },
        messages: MessageStats {
            wrong_version: 40,
            malformed_header: 41,
            malformed_payload: 42,
            bad_type: 43,
            truncated: 44,
            bad_size: 45,
            lost: 46,
            before: 47,
        },
        runtime: RuntimeStats {
            uptime: std::time::Duration::from_secs(((3 * 24 + 4) * 60 + 5) * 60),
            events: 50,
            events_filtered: 51,
            events_unknown: 52,
            events_failed: 53,
            dump_unknown: 54,
            overruns: 55,
            kernel_flushes: 56,
            kernel_resyncs: 57,
            event_buffer_len: 58,
            wait_failed: 59,
            request_failed: 60,
            request_unknown: 61,
        },
        nodes: 70,
        queues: vec![queue("txqueue", 71, 72, 73), queue("rsqueue", 74, 75, 76)],
        resend_queue: vec![
            ResendElement::Object { seq: u32::MAX },
            ResendElement::Control { seq: 0, flags: 255 },
        ],
    }
}

fn traffic(bytes: u64, packets: u64, errors: u64) -> LinkTraffic {
    LinkTraffic {
        bytes,
        packets,
        errors,
    }
}

fn queue(name: &'static str, len: u64, len_max: u64, no_space: u64) -> QueueStats {
    QueueStats {
        name,
        len,
        len_max,
        no_space,
    }
}
