//! What the service manager is told, if one started us: that the daemon is ready, still alive, and
//! about to end. Nobody is left to tell when telling fails, so failures are passed over: what is
//! not heard the service manager notices by itself.

use std::time::Duration;

use ctsync::Instant;
use linux::process::{self, Notifier};

/// The connection to the service manager; silent without one.
pub struct Service {
    notifier: Option<Notifier>,
    said_alive: Instant,
}

impl Service {
    /// Finds the service manager, if the configuration wants one to be told.
    pub fn find(wanted: bool, now: Instant) -> Self {
        let found = if wanted {
            Notifier::from_environment()
        } else {
            Ok(None)
        };
        // An odd address of the service manager must not keep a firewall from starting.
        Self {
            notifier: found.unwrap_or(None),
            said_alive: now,
        }
    }

    /// The daemon is ready.
    pub fn ready(&self) {
        if let Some(notifier) = &self.notifier {
            let _ = notifier.ready(process::id());
        }
    }

    /// The daemon ends.
    pub fn stopping(&self) {
        if let Some(notifier) = &self.notifier {
            let _ = notifier.stopping();
        }
    }

    /// How often the watchdog wants to hear from us: half of what it grants.
    pub fn interval(&self) -> Option<Duration> {
        self.notifier
            .as_ref()
            .and_then(Notifier::watchdog)
            .map(|granted| granted / 2)
    }

    /// Feeds the watchdog when it is time.
    pub fn keep_alive(&mut self, now: Instant) {
        let due = self
            .interval()
            .is_some_and(|interval| now.since(self.said_alive) >= interval);
        if let (Some(notifier), true) = (&self.notifier, due) {
            let _ = notifier.alive();
            self.said_alive = now;
        }
    }
}
