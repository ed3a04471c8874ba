//! Whose change an event tells of.

use flow::Origin;

/// The port ids of our own sockets.
///
/// Few entries, looked up for each event: a list is faster than anything clever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    ours: Vec<(u32, Origin)>,
}

impl Origins {
    /// Knows no socket yet.
    pub const fn new() -> Self {
        Self { ours: Vec::new() }
    }

    /// What the socket with this port id changes has this origin from now on.
    pub fn register(&mut self, port_id: u32, origin: Origin) {
        self.forget(port_id);
        self.ours.push((port_id, origin));
    }

    /// The socket with this port id is closed; the kernel may give its number to a stranger.
    pub fn forget(&mut self, port_id: u32) {
        self.ours.retain(|(known, _)| *known != port_id);
    }

    /// The origin of a change through the socket with this port id, 0 for none.
    pub fn of(&self, port_id: u32) -> Origin {
        if port_id == 0 {
            return Origin::Traffic;
        }
        let known = self.ours.iter().find(|(known, _)| *known == port_id);
        known.map_or(Origin::Other(port_id), |(_, origin)| *origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_id_tells_whose_change_it_is() {
        let mut origins = Origins::new();
        origins.register(7, Origin::Commit);
        origins.register(8, Origin::Inject);
        origins.register(7, Origin::Flush);
        origins.forget(8);
        // Nobody can take over what packets do.
        origins.register(0, Origin::Resync);
        let cases = [
            (0, Origin::Traffic),
            (7, Origin::Flush),
            (8, Origin::Other(8)),
            (9, Origin::Other(9)),
        ];
        for (port_id, origin) in cases {
            assert_eq!(origins.of(port_id), origin);
        }
    }
}
