//! Files of filters: `--filter-file`.
//!
//! A line holds the conditions of one filter in the syntax of the command line, and nothing else. A
//! flow is wanted when a line wants it, so a line that would be understood by halves might delete
//! what nobody meant: a word that is no option, an option that is no condition or has no effect, and
//! a line without a condition are errors. A file without lines wants nothing.

use std::io::BufReader;

use flow::filter::{FilterSet, FlowFilter};

use super::batch::{Lines, Unreadable, is_skipped, words};
use super::error::Error;
use super::hiargs;
use super::lowargs::{Environment, LowArgs};
use crate::files;

/// Most filters in a file: they are kept in memory, a third of a kilobyte each.
const FILTERS_MAX: usize = 262_144;

/// Reads the file that a command line names; labels have the names of its `--labelmap`.
pub fn read(
    path: &str,
    args: &LowArgs,
    environment: &Environment<'_>,
    notices: &mut Vec<String>,
) -> Result<FilterSet, Error> {
    let unreadable = || Error::CannotOpen(path.into());
    let file = (environment.open)(path);
    let file = file.map_err(|error| unreadable().hinted(files::reason(&error)))?;
    let labels = |file: Option<&str>| (environment.labels)(file.or(args.labelmap()));
    let environment = Environment {
        labels: &labels,
        ..*environment
    };
    let at = |line, error| Error::InFile(path.into(), line, Box::new(error));
    let mut lines = Lines::new(BufReader::with_capacity(64 * 1024, file));
    let mut filters = Vec::new();
    loop {
        let (number, line) = match lines.next_line() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(Unreadable::Input) => return Err(unreadable()),
            Err(Unreadable::TooLong(number)) => return Err(at(number, Error::TooManyWords)),
        };
        // Files that were written elsewhere end their lines in two characters.
        let line = line.strip_suffix('\r').unwrap_or(&line);
        let filter = filter(line, &environment, notices).map_err(|error| at(number, error))?;
        filters.extend(filter);
        if filters.len() > FILTERS_MAX {
            return Err(at(number, Error::TooManyFilters(FILTERS_MAX)));
        }
    }
    if filters.is_empty() {
        notices.push(format!("WARNING: no filter in {path}, so nothing matches."));
    }
    Ok(FilterSet::new(filters))
}

/// The filter of a line, `None` for an empty one and a comment.
pub fn filter(
    line: &str,
    environment: &Environment<'_>,
    notices: &mut Vec<String>,
) -> Result<Option<FlowFilter>, Error> {
    if is_skipped(line) {
        return Ok(None);
    }
    let args = LowArgs::parse(&words(line)?, environment, notices)?;
    if let Some(verb) = args.verb {
        return Err(Error::CommandInFilter(verb.written()));
    }
    if let Some(word) = args.stray {
        return Err(Error::StrayWord(word));
    }
    if let Some(word) = args.ignored {
        return Err(Error::Ignored(word));
    }
    let filter = hiargs::filter(&args)?;
    if filter == FlowFilter::default() {
        return Err(Error::EmptyFilter);
    }
    Ok(Some(filter))
}
