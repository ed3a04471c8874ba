//! Which crate may know which, and what the pure ones may not do.
//!
//! The table of arrows is the drawing in `ARCHITECTURE.md`. Dependencies are read from the
//! manifests as they are written here: a section in brackets, then one line per crate.

use super::{Complaints, File, Tree};

/// A crate and the crates of this repository that it may depend on.
struct Arrows {
    name: &'static str,
    to: &'static [&'static str],
    /// For its tests besides.
    tests: &'static [&'static str],
}

const ARROWS: &[Arrows] = &[
    row("flow", &[], &[]),
    row("nfnetlink", &["flow"], &[]),
    row("ctsync", &["flow"], &[]),
    row("linux", &["flow", "nfnetlink"], &[]),
    row("conntrack", &["flow", "nfnetlink", "linux"], &[]),
    row("conntrackd", &["flow", "nfnetlink", "linux", "ctsync"], &[]),
    row("sim", &["flow", "ctsync"], &[]),
    // It knows the programs as processes only; its tests also try the kernel codec.
    row("testbed", &[], &["flow", "nfnetlink", "linux"]),
    // It measures what the kernel needs, and writes completions from the table of options.
    row(
        "xtask",
        &["flow", "nfnetlink", "linux", "testbed", "sim", "conntrack"],
        &[],
    ),
    row(
        "fuzz",
        &[
            "flow",
            "linux",
            "nfnetlink",
            "ctsync",
            "conntrack",
            "conntrackd",
            "sim",
        ],
        &[],
    ),
];

const fn row(
    name: &'static str,
    to: &'static [&'static str],
    tests: &'static [&'static str],
) -> Arrows {
    Arrows { name, to, tests }
}

/// Crates that know no system, and the foreign crates they may use: those know none either.
const PURE: &[&str] = &["flow", "nfnetlink", "ctsync"];
const PURE_MAY_USE: &[&str] = &["hashbrown", "zerocopy"];
/// By these the compiler proves it.
const PURE_SAY: &[&str] = &["#![no_std]", "#![forbid(unsafe_code)]"];

/// The only folder with unsafe code.
const UNSAFE: &str = "crates/linux/src/sys";

/// Arrows between crates never point back; a new crate is entered in the table.
pub fn arrows(tree: &Tree) -> Complaints {
    let mut complaints = Vec::new();
    for (file, name) in manifests(tree) {
        let Some(row) = ARROWS.iter().find(|row| row.name == name) else {
            complaints.push(file.complaint(1, "the table of arrows does not know this crate"));
            continue;
        };
        let is_ours = |name: &str| ARROWS.iter().any(|row| row.name == name);
        for dependency in dependencies(file).filter(|dependency| is_ours(dependency.name)) {
            let for_tests = dependency.is_dev && row.tests.contains(&dependency.name);
            if !for_tests && !row.to.contains(&dependency.name) {
                let what = format!("{name} must not know {}", dependency.name);
                complaints.push(file.complaint(dependency.line, &what));
            }
        }
    }
    complaints
}

/// The pure crates let the compiler prove that they are.
pub fn pure(tree: &Tree) -> Complaints {
    let mut complaints = Vec::new();
    for name in PURE {
        let Some(lib) = tree.file(&format!("crates/{name}/src/lib.rs")) else {
            complaints.push(format!("crates/{name}/src/lib.rs:1: is missing"));
            continue;
        };
        let says = |what: &str| lib.lines().any(|(_, line)| line == what);
        let missing = PURE_SAY.iter().filter(|what| !says(what));
        complaints.extend(missing.map(|what| lib.complaint(1, &format!("`{what}` is missing"))));
    }
    for (file, name) in manifests(tree).filter(|(_, name)| PURE.contains(name)) {
        let may_use = |used: &str| PURE.contains(&used) || PURE_MAY_USE.contains(&used);
        // What is optional is for the tests of others: no program asks for it.
        let product = dependencies(file).filter(|d| !d.is_dev && !d.is_optional);
        let foreign = product.filter(|dependency| !may_use(dependency.name));
        complaints.extend(foreign.map(|dependency| {
            let what = format!("{name} is pure and must not use {}", dependency.name);
            file.complaint(dependency.line, &what)
        }));
    }
    complaints
}

/// Unsafe code is in one folder.
pub fn unsafe_code(tree: &Tree) -> Complaints {
    let mut complaints = Vec::new();
    let outside = |file: &&File| !file.path.starts_with(UNSAFE);
    for file in tree.sources().filter(outside) {
        let is_unsafe = |line: &str| {
            let code = line.split("//").next().unwrap_or_default();
            let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
            !code.contains('"') && words.any(|word| word == concat!("uns", "afe"))
        };
        for (number, _) in file.lines().filter(|(_, line)| is_unsafe(line)) {
            complaints.push(file.complaint(number, &format!("unsafe code outside of {UNSAFE}")));
        }
    }
    complaints
}

/// A crate named in a manifest.
struct Dependency<'a> {
    name: &'a str,
    line: usize,
    is_dev: bool,
    is_optional: bool,
}

/// The manifests of the crates, with the crates' names.
fn manifests(tree: &Tree) -> impl Iterator<Item = (&File, &str)> {
    tree.files.iter().filter_map(|file| {
        let folder = file.path.strip_suffix("/Cargo.toml")?;
        Some((file, folder.rsplit('/').next()?))
    })
}

fn dependencies(manifest: &File) -> impl Iterator<Item = Dependency<'_>> {
    let mut section = "";
    manifest.lines().filter_map(move |(line, text)| {
        if let Some(header) = text.strip_prefix('[') {
            section = header.trim_end_matches(']');
            return None;
        }
        let is_list = section.ends_with("dependencies");
        let name = text.split(['.', ' ', '=']).next()?;
        let is_name = is_list && !name.is_empty() && !name.starts_with('#');
        is_name.then_some(Dependency {
            name,
            line,
            is_dev: section.ends_with("dev-dependencies"),
            is_optional: text.contains("optional = true"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::tree;
    use super::*;

    fn arrows_of(path: &str, manifest: &str) -> Complaints {
        arrows(&tree(&[(path, manifest)]))
    }

    #[test]
    fn arrows_never_point_back() {
        let back = "[package]\nname = \"flow\"\n[dependencies]\nlinux.workspace = true\n";
        let expected = ["crates/flow/Cargo.toml:4: flow must not know linux"];
        assert_eq!(arrows_of("crates/flow/Cargo.toml", back), expected);
        let good = "[dependencies]\nflow.workspace = true\nlibc = \"0.2\"\n";
        assert!(arrows_of("crates/linux/Cargo.toml", good).is_empty());
        let two_codecs = "[dependencies]\nnfnetlink = { path = \"x\" }\n";
        assert_eq!(arrows_of("crates/ctsync/Cargo.toml", two_codecs).len(), 1);
        assert_eq!(arrows_of("crates/new/Cargo.toml", good).len(), 1);
    }

    #[test]
    fn the_testbed_knows_products_in_its_tests_only() {
        let path = "crates/testbed/Cargo.toml";
        let test = "[dev-dependencies]\nlinux.workspace = true\n";
        assert!(arrows_of(path, test).is_empty());
        let product = "[dependencies]\nlinux.workspace = true\n";
        assert_eq!(arrows_of(path, product).len(), 1);
    }

    #[test]
    fn a_pure_crate_says_so_and_uses_pure_crates() {
        let says = "//! x\n#![no_std]\n#![forbid(unsafe_code)]\n";
        let libs = |flow: &'static str| {
            [
                ("crates/flow/src/lib.rs", flow),
                ("crates/nfnetlink/src/lib.rs", says),
                ("crates/ctsync/src/lib.rs", says),
            ]
        };
        assert!(pure(&tree(&libs(says))).is_empty());
        assert_eq!(pure(&tree(&libs("//! x\n#![no_std]\n"))).len(), 1);
        let manifest =
            "[dependencies]\nlibc = \"1\"\nhashbrown = \"1\"\n[dev-dependencies]\nx = \"1\"";
        let mut files = libs(says).to_vec();
        files.push(("crates/flow/Cargo.toml", manifest));
        let expected = ["crates/flow/Cargo.toml:2: flow is pure and must not use libc"];
        assert_eq!(pure(&tree(&files)), expected);
    }

    #[test]
    fn unsafe_code_stays_in_its_folder() {
        let code = concat!("// uns", "afe in words\nlet a = uns", "afe { b() };\n");
        let inside = format!("{UNSAFE}/socket.rs");
        let outside = "crates/linux/src/netlink.rs";
        let complaints = unsafe_code(&tree(&[(&inside, code), (outside, code)]));
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].starts_with("crates/linux/src/netlink.rs:2: "));
    }
}
