//! The messages that two daemons exchange (docs/wire.md).
