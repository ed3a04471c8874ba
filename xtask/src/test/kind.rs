//! Which kind a test is of: decided by where it stands, so that nobody keeps a list.
//!
//! The table is the one of `docs/testing.md`. A program has one kind for all of its tests,
//! except that modules named `property` and `golden` are told apart inside of it.

use testbed::{Error, Result};

use crate::cargo::TestProgram;

/// The kinds, in the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Edges of one structure.
    Unit,
    /// Laws, on random values.
    Property,
    /// Forms written down in files.
    Golden,
    /// Examples in the documentation.
    Doc,
    /// Two nodes in a simulated world.
    Simulation,
    /// The programs on a real kernel.
    Namespaces,
    /// Ours and stock as peers.
    Interop,
    /// Bytes of no meaning.
    Fuzz,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Unit,
        Self::Property,
        Self::Golden,
        Self::Doc,
        Self::Simulation,
        Self::Namespaces,
        Self::Interop,
        Self::Fuzz,
    ];

    /// As it is shown and typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Property => "property",
            Self::Golden => "golden",
            Self::Doc => "doc",
            Self::Simulation => "simulation",
            Self::Namespaces => "namespaces",
            Self::Interop => "interop",
            Self::Fuzz => "fuzz",
        }
    }
}

/// The kinds named by the arguments; all if there are none.
pub fn parse(args: &[String]) -> Result<Vec<Kind>> {
    if args.is_empty() {
        return Ok(Kind::ALL.to_vec());
    }
    let find = |word: &String| Kind::ALL.into_iter().find(|kind| kind.name() == word);
    args.iter()
        .map(|word| {
            find(word).ok_or_else(|| {
                let names = Kind::ALL.map(Kind::name).join(", ");
                Error::Unexpected(format!("no kind of tests is called `{word}`: {names}"))
            })
        })
        .collect()
}

/// The kind of a program's tests, as far as the program decides it.
pub fn of_program(package: &str, target: &str, is_integration: bool) -> Kind {
    match (package, is_integration) {
        ("fuzz", _) => Kind::Fuzz,
        ("sim", _) => Kind::Simulation,
        ("testbed", true) if target.starts_with("interop") => Kind::Interop,
        ("testbed", _) => Kind::Namespaces,
        (_, true) if target.starts_with("property") => Kind::Property,
        (_, true) if target == "golden" => Kind::Golden,
        _ => Kind::Unit,
    }
}

/// The kind of one test of a program of that kind, by the modules on its path.
pub fn of_test(program: Kind, path: &str) -> Kind {
    if program != Kind::Unit {
        return program;
    }
    let has = |names: &[&str]| path.split("::").any(|module| names.contains(&module));
    match () {
        () if has(&["property", "properties"]) => Kind::Property,
        () if has(&["golden"]) => Kind::Golden,
        () => Kind::Unit,
    }
}

/// Whether the program may have tests of one of the kinds.
pub fn may_hold(program: &TestProgram, wanted: &[Kind]) -> bool {
    let kind = of_program(&program.package, &program.target, program.is_integration);
    let inside = [Kind::Property, Kind::Golden];
    wanted.contains(&kind) || kind == Kind::Unit && inside.iter().any(|k| wanted.contains(k))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_test_is_its_kind() {
        let cases = [
            ("flow", "flow", false, "tuple::tests::a_port", Kind::Unit),
            (
                "flow",
                "flow",
                false,
                "tuple::property::round",
                Kind::Property,
            ),
            (
                "ctsync",
                "ctsync",
                false,
                "wire::golden::file",
                Kind::Golden,
            ),
            ("flow", "golden", true, "every_case", Kind::Golden),
            ("ctsync", "property_queue", true, "model", Kind::Property),
            ("ctsync", "vectors", true, "captures", Kind::Unit),
            ("sim", "sim", false, "clock::tests::x", Kind::Simulation),
            ("sim", "seeds", true, "property::x", Kind::Simulation),
            (
                "testbed",
                "testbed",
                false,
                "link::tests::x",
                Kind::Namespaces,
            ),
            ("testbed", "failover", true, "x", Kind::Namespaces),
            ("testbed", "interop_ftfw", true, "x", Kind::Interop),
            ("fuzz", "fuzz", false, "decode", Kind::Fuzz),
        ];
        for (package, target, is_integration, path, kind) in cases {
            let program = of_program(package, target, is_integration);
            assert_eq!(of_test(program, path), kind, "{package} {target} {path}");
        }
    }

    #[test]
    fn an_unknown_kind_is_named_with_the_known_ones() {
        let error = parse(&["units".into()]).unwrap_err().to_string();
        assert!(error.contains("`units`") && error.contains("unit, property"));
        assert_eq!(parse(&[]).unwrap(), Kind::ALL);
        assert_eq!(parse(&["fuzz".into()]).unwrap(), [Kind::Fuzz]);
    }
}
