//! How the two nodes keep their messages in step: one module per mode.

pub(crate) mod ftfw;
