//! What stock has and this version does not have yet.

/// What the batch mode is called, which is looked for before any option.
pub const LOAD_FILE: &str = "the command `--load-file'";
