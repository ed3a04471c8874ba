//! Flows in the kernel's messages: everything below `NFNL_SUBSYS_CTNETLINK`.
//!
//! [`decode`] and [`encode`] turn the attributes of one message into a [`Flow`](::flow::Flow) and back;
//! [`request`] appends whole messages to a [`Builder`](crate::nl::Builder); [`RawFlow`] looks at a
//! few attributes before anything is decoded.

pub mod constants;
pub mod request;

mod filter;
mod flow;
mod nat;
mod protoinfo;
mod raw;
mod tuple;

pub use self::flow::{decode, encode};
pub use raw::RawFlow;
pub(crate) use tuple::{decode as decode_tuple, encode as encode_tuple};
