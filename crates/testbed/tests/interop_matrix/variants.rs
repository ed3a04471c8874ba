//! Cells with options.
