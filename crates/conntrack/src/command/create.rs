//! `-I` and `-A`: creates a flow, or updates the one there is.

use flow::Flow;
use linux::Errno;
use linux::table::{Request, Table};

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
    let invalid = if or_update { INVALID_FOR_ADD } else { INVALID };
    let Some(flow) = flow else {
        // An ICMP type that has no answer: the kernel would say the same.
        return Err(Failure::Worded(invalid));
    };
    let request = if or_update {
        Request::CreateOrUpdate(flow)
    } else {
        Request::Create(flow)
    };
    let result = Table::open().and_then(|mut table| table.execute(&request));
    result.map_err(|error| match error.errno() {
        Errno::INVAL => Failure::Worded(invalid),
        _ => worded(error, &WORDS),
    })?;
    Ok(Done::counted(
        1,
        if or_update {
            "flow entries have been added"
        } else {
            "flow entries have been created"
        },
    ))
}
