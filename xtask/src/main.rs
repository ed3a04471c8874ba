//! The project's own commands: `cargo xtask` lists them.
//!
//! A command is one row of [`VERBS`] and one module with a `run`. The modules say what they do
//! on standard output; an error is printed here, once, and ends with status 1.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program whose modules talk to the user"
)]

mod bench;
mod cargo;
mod ci;
mod completions;
mod demo;
mod deny;
mod golden;
mod prepare;
mod sim;
mod test;
mod tidy;

use std::process::ExitCode;

/// One command.
struct Verb {
    name: &'static str,
    /// What may follow the name.
    arguments: &'static str,
    /// One line for the list.
    about: &'static str,
    run: fn(&[String]) -> testbed::Result<()>,
}

const VERBS: &[Verb] = &[
    Verb {
        name: "demo",
        arguments: "[--mode MODE] [--transport WHAT] [--topology WHICH] [--daemon ours|stock] [--flows N] [--keep]",
        about: "a firewall dies, its connections live on",
        run: demo::run,
    },
    Verb {
        name: "test",
        arguments: "[KIND…]",
        about: "every test; the counts per kind",
        run: test::run,
    },
    Verb {
        name: "ci",
        arguments: "",
        about: "the gate: fmt, clippy, docs, tidy, deny, test",
        run: ci::run,
    },
    Verb {
        name: "sim",
        arguments: "[--scenario NAME|all] [--seeds N] [--from S] [--seed S [--trace]] [--mode MODE] [--peers N] …",
        about: "random worlds for the replication core",
        run: sim::run,
    },
    Verb {
        name: "bench",
        arguments: "[cli|sync|all] [--flows N] [--runs N] [--only ours|stock] [--json]",
        about: "ours beside stock, as ratios",
        run: bench::run,
    },
    Verb {
        name: "tidy",
        arguments: "",
        about: "the house rules that no compiler checks",
        run: tidy::run,
    },
    Verb {
        name: "completions",
        arguments: "",
        about: "write the completions of bash, zsh and fish anew",
        run: completions::run,
    },
    Verb {
        name: "golden",
        arguments: "",
        about: "write the golden files anew; review the diff",
        run: golden::run,
    },
];

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let name = words.next().unwrap_or_default();
    let Some(verb) = VERBS.iter().find(|verb| verb.name == name) else {
        return usage(&name);
    };
    match (verb.run)(&words.collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        // Who interrupted it knows.
        Err(testbed::Error::Interrupted) => ExitCode::from(130),
        Err(error) => {
            eprintln!("xtask {name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The list of commands: asked for on standard output, after a wrong word on standard error.
fn usage(wrong: &str) -> ExitCode {
    let rows = VERBS.iter().map(|verb| {
        let arguments = match verb.arguments {
            "" => String::new(),
            arguments => format!("{:14}{arguments}\n", ""),
        };
        format!("  {:<12}{}\n{arguments}", verb.name, verb.about)
    });
    let list = format!("cargo xtask COMMAND\n\n{}", rows.collect::<String>());
    if matches!(wrong, "" | "help" | "-h" | "--help") {
        print!("{list}");
        return ExitCode::SUCCESS;
    }
    eprintln!("xtask: there is no command `{wrong}`\n{list}");
    ExitCode::from(2)
}
