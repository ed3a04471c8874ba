//! The replication core, told anything in any order.
//!
//! The bytes are a script: settings first, then inputs, drawn one after the other until no bytes
//! are left. After each input the outputs are taken, whose number is bounded; in the end the kernel
//! and the link do what was asked of them, and the node has to come to rest.

mod draw;
mod world;

use draw::Draw;
use world::World;

/// Inputs in one script: more of them only take longer.
const INPUTS_MAX: usize = 600;

/// Plays a script.
pub fn run(bytes: &[u8]) {
    let mut draw = Draw(bytes);
    let mut world = World::new(&mut draw);
    for _ in 0..INPUTS_MAX {
        if draw.is_empty() {
            break;
        }
        world.step(&mut draw);
    }
    world.come_to_rest();
}
