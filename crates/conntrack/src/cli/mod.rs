//! The command line: from words to a job.
//!
//! [`scan`] finds the options, [`lowargs`] reads their values, [`matrix`] checks them against the
//! command, [`hiargs`] says what they mean, [`hint`] guesses what wrong words were to mean. What exists
//! is data: [`options`] and [`protocols`]. What lies in files comes through the [`Environment`], so any
//! line can be tested.

pub mod batch;
pub mod error;
pub mod filters;
pub mod help;
pub mod hiargs;
pub mod hint;
pub mod labels;
pub mod lowargs;
pub mod matrix;
pub mod options;
pub mod protocols;
mod quick;
pub mod restored;
pub mod scan;
#[cfg(test)]
mod tests;
pub mod topics;
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
    let args = LowArgs::parse(words, environment, notices)?;
    let mut job = Job::new(&args)?;
    if let (Some(word), true) = (&args.stray, job.is_dangerous()) {
        notices.push(format!(
            "WARNING: ignoring `{word}', which is no option and no value of one."
        ));
    }
    if let Some(path) = &args.filter_file {
        job.select_any_of(filters::read(path, &args, environment, notices)?);
    }
    Ok(job)
}
