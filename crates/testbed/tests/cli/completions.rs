//! The completions of the shells, tried in the shells themselves.
//!
//! That each option is in each file, and that they are what the tables say, is for the command that
//! writes them to test.

use testbed::{Command, ensure_packages};

fn path(name: &str) -> String {
    format!("{}/../../completions/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The words that bash proposes for the last word of a line.
fn bash(words: &[&str]) -> Vec<String> {
    let script = r#"
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_conntrack
printf '%s\n' "${COMPREPLY[@]}"
"#;
    let file = path("conntrack.bash");
    let args = ["-c", script, "complete", &file, "conntrack"];
    let command = Command::new("bash").args(args).args(words.iter().copied());
    let output = command.output().unwrap();
    assert_eq!((output.code(), &*output.stderr), (0, ""));
    let lines = output.stdout.lines().filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

#[test]
fn bash_completes_words() {
    let cases: [(&[&str], &[&str]); 13] = [
        (&["--du"], &["--dump"]),
        (&["--filter"], &["--filter-file"]),
        (&["-L", "ex"], &["expect"]),
        (&["-D", "dy"], &[]),
        (&["-L", "-p", "ud"], &["udp", "udplite"]),
        (&["-L", "-f", ""], &["ipv4", "ipv6"]),
        (&["-L", "--family", "=", "ipv6"], &["ipv6"]),
        (&["-E", "-e", "NEW,D"], &["NEW,DESTROY"]),
        (&["-L", "-o", "xml,e"], &["xml,extended"]),
        (
            &["-L", "-p", "tcp", "--state", "SYN_S"],
            &["SYN_SENT", "SYN_SENT2"],
        ),
        (&["-L", "--spo"], &[]),
        (&["-L", "-p", "17", "--spo"], &["--sport"]),
        (&["--help", "fil"], &["filters", "files"]),
    ];
    for (words, expected) in cases {
        assert_eq!(bash(words), expected, "{words:?}");
    }
    assert_eq!(
        bash(&["-L", "--labelmap", "/etc/debian_v"]),
        ["/etc/debian_version"]
    );
    assert!(bash(&["-L", "-s", ""]).is_empty());
    assert!(bash(&["-L", ""]).len() > 50);
}

#[test]
fn zsh_and_fish_understand_their_files() {
    ensure_packages(&["zsh", "fish"], |_| ()).unwrap();
    for (shell, file) in [
        ("zsh", "_conntrack"),
        ("fish", "conntrack.fish"),
        ("bash", "conntrack.bash"),
    ] {
        let output = Command::new(shell)
            .arg("-n")
            .arg(path(file))
            .output()
            .unwrap();
        assert_eq!((output.code(), &*output.stderr), (0, ""), "{shell}");
    }
    let fish = |line: &str| {
        let script = format!("source {}; complete -C '{line}'", path("conntrack.fish"));
        let output = Command::new("fish")
            .args(["-N", "-c", &script])
            .output()
            .unwrap();
        let words = output
            .stdout
            .lines()
            .map(|line| line.split('\t').next().unwrap_or_default());
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(fish("conntrack -L -p ud"), ["udp", "udplite"]);
    assert_eq!(fish("conntrack -L -p tcp --spo"), ["--sport"]);
    assert_eq!(fish("conntrack -L -p icmp --spo"), [""; 0]);
    assert_eq!(fish("conntrack -E -e NEW,D"), ["NEW,DESTROY"]);
}
