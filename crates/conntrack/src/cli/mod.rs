//! The command line: from words to a job.
//!
//! [`scan`] finds the options, [`lowargs`] reads their values, [`matrix`] checks them against the
//! command, [`hiargs`] says what they mean. What exists is data: [`options`] and
//! [`protocols`]. No step does I/O, so any line can be tested.

pub mod batch;
pub mod error;
pub mod help;
pub mod hiargs;
pub mod labels;
pub mod lowargs;
pub mod matrix;
pub mod options;
pub mod protocols;
pub mod restored;
pub mod scan;
#[cfg(test)]
mod tests;
pub mod value;

pub use error::Error;
pub use hiargs::Job;
pub use lowargs::{Environment, LowArgs};

/// The job that a command line asks for; `words` come without the program's name, warnings go
/// to `notices`.
pub fn parse(
    words: &[String],
    environment: &Environment<'_>,
    notices: &mut Vec<String>,
) -> Result<Job, Error> {
    // The batch mode is looked for before any option, as in stock.
    if let [first, path, ..] = words {
        if first == "-R" || first == "--load-file" {
            return Ok(Job::Load(path.clone()));
        }
    }
    Job::new(&LowArgs::parse(words, environment, notices)?)
}
