//! Ctrl-C as a condition.
//!
//! A program that calls [`catch_interrupts`] is not killed by SIGINT or SIGTERM; every wait of
//! this crate ends with `Error::Interrupted` instead, so the values that own namespaces and
//! processes are dropped in order. That takes a second or two; who has no patience can still send
//! SIGKILL. Tests do not call it: what a killed test leaves, the next one sweeps up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::{Error, Result};

static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Turns SIGINT, SIGTERM and SIGHUP into [`interrupted`].
pub fn catch_interrupts() -> Result<()> {
    let flag = FLAG.get_or_init(|| Arc::new(AtomicBool::new(false)));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, flag.clone())
            .map_err(Error::io("watching for signals"))?;
    }
    Ok(())
}

/// Whether one of the signals has arrived.
pub fn interrupted() -> bool {
    FLAG.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}
