//! What stock has and this version does not have yet.
//!
//! It is recognised and checked as stock does it, and then refused with a message that names it:
//! an option that is silently ignored could delete the wrong flows.

use super::error::Error;
use super::lowargs::{LowArgs, OutputWord};

/// What the batch mode is called, which is looked for before any option.
pub const LOAD_FILE: &str = "the command `--load-file'";

/// Refuses what this version does not have.
pub fn refuse(args: &LowArgs) -> Result<(), Error> {
    if args.output.contains(&OutputWord::Save) {
        return Err(Error::Later("the output `save'".into()));
    }
    Ok(())
}
