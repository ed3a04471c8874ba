//! `-I` and `-A`: creates a flow, or updates the one there is.
//!
//! The requests and the words for their refusals are those of a file of command lines too, which
//! makes many flows at once.

use flow::Flow;
use linux::Errno;
use linux::table::{Error, Request, Table};

use super::{Done, Failure, worded};

/// What both commands say.
const WORDS: [(Errno, &str); 4] = [
    (Errno::EXIST, "Such conntrack exists, try -U to update"),
    (Errno::NOENT, "such conntrack doesn't exist"),
    (Errno::NOMEM, "not enough memory"),
    (Errno::TIME, "conntrack has expired"),
];

/// `-A` says in the C library's words what is wrong with the parameters (compat: cli-36).
const INVALID_FOR_ADD: &str = "Invalid argument";
const INVALID: &str = "invalid parameters";

pub fn run(flow: Option<&Flow<'_>>, or_update: bool) -> Result<Done, Failure> {
    let Some(flow) = flow else {
        return Err(without_reply(or_update));
    };
    let result = Table::open().and_then(|mut table| table.execute(&request(flow, or_update)));
    result.map_err(|error| failure(error, or_update))?;
    Ok(Done::counted(
        1,
        if or_update {
            "flow entries have been added"
        } else {
            "flow entries have been created"
        },
    ))
}

/// What is asked of the kernel.
pub const fn request<'a, 'b>(flow: &'a Flow<'b>, or_update: bool) -> Request<'a, 'b> {
    if or_update {
        Request::CreateOrUpdate(flow)
    } else {
        Request::Create(flow)
    }
}

/// An ICMP type that has no answer: the kernel would say the same.
pub const fn without_reply(or_update: bool) -> Failure {
    Failure::Worded(invalid(or_update))
}

/// A refusal of the kernel's, in words.
pub fn failure(error: Error, or_update: bool) -> Failure {
    match error.errno() {
        Errno::INVAL => without_reply(or_update),
        _ => worded(error, &WORDS),
    }
}

const fn invalid(or_update: bool) -> &'static str {
    if or_update { INVALID_FOR_ADD } else { INVALID }
}
