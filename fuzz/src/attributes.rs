//! The attributes of a flow or an expectation, without a message around them.
//!
//! Whatever was understood can be written and understood again, and is the same: so a flow that
//! comes from a stranger's bytes holds no value that its encoder does not expect.

use nfnetlink::nl::AttrWriter;
use nfnetlink::{conntrack, expect};

/// Decodes, encodes and decodes again.
pub fn run(bytes: &[u8]) {
    if let Ok(decoded) = conntrack::decode(bytes) {
        assert!(usize::try_from(decoded.unknown).is_ok_and(|n| n <= bytes.len() / 4));
        let mut again = Vec::new();
        // Data of a helper may leave no room for the terminating zero of its name.
        if AttrWriter::bare(&mut again, |w| conntrack::encode(w, &decoded.value)).is_ok() {
            let second = conntrack::decode(&again).expect("what was encoded can be decoded");
            assert_eq!(second.value, decoded.value);
            assert_eq!(second.unknown, 0);
        }
    }
    if let Ok(decoded) = expect::decode(bytes) {
        let mut again = Vec::new();
        if AttrWriter::bare(&mut again, |w| expect::encode(w, &decoded.value)).is_ok() {
            let second = expect::decode(&again).expect("what was encoded can be decoded");
            assert_eq!(second.value, decoded.value);
        }
    }
}
