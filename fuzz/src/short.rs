//! The short run: a fixed number of mutations of the seeds, the same every time.
//!
//! It finds the crude mistakes on every `cargo test`, on a stable toolchain. The search for the
//! subtle ones is libFuzzer's.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use crate::{TARGETS, Target};

/// Longest input: larger ones only take longer.
const LEN_MAX: usize = 4_096;

/// Values at which lengths and counters tend to go wrong.
const EDGES: [u8; 10] = [0, 1, 3, 4, 0x0f, 0x10, 0x7f, 0x80, 0xfe, 0xff];

/// Runs the target of this name.
pub fn check(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let seeds = read_seeds(target);
    assert!(!seeds.is_empty(), "no seeds for {name}");
    for seed in &seeds {
        feed(target, seed);
    }
    let mut random = Random::new(name);
    for _ in 0..target.short_runs {
        let input = mutate(&seeds, &mut random);
        feed(target, &input);
    }
}

fn feed(target: &Target, input: &[u8]) {
    if catch_unwind(|| (target.run)(input)).is_err() {
        let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        panic!("target {} fails on {hex}", target.name);
    }
}

fn folder(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target.name)
}

/// The seeds in the order of their names: the order of a folder is up to the file system.
fn read_seeds(target: &Target) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder(target)).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// One to eight changes to a seed.
fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len() + 1);
        match random.below(7) {
            0 => flip(&mut bytes, at, random),
            1 => set(&mut bytes, at, EDGES[random.below(EDGES.len())]),
            2 => set(&mut bytes, at, random.byte()),
            3 => bytes.truncate(at),
            4 => bytes.insert(at, random.byte()),
            5 => repeat(&mut bytes, at, random),
            _ => splice(&mut bytes, at, &seeds[random.below(seeds.len())], random),
        }
        bytes.truncate(LEN_MAX);
    }
    bytes
}

fn set(bytes: &mut [u8], at: usize, value: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = value;
    }
}

fn flip(bytes: &mut [u8], at: usize, random: &mut Random) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}

/// Doubles some bytes, at most 64.
fn repeat(bytes: &mut Vec<u8>, at: usize, random: &mut Random) {
    let end = bytes.len().min(at + random.below(64));
    let piece = bytes[at..end].to_vec();
    bytes.splice(at..at, piece);
}

/// Goes on with the rest of another seed.
fn splice(bytes: &mut Vec<u8>, at: usize, other: &[u8], random: &mut Random) {
    bytes.truncate(at);
    bytes.extend_from_slice(&other[random.below(other.len() + 1)..]);
}

/// A small generator (xorshift64*): the same name gives the same inputs on every machine.
struct Random(u64);

impl Random {
    fn new(name: &str) -> Self {
        let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325, fold))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[7]
    }

    /// A number below this one, which is not zero.
    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap();
        usize::try_from((self.next() >> 16) % limit).unwrap()
    }
}

#[test]
fn every_target_has_its_file_and_seeds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for target in TARGETS {
        let file = format!("fuzz_targets/{}.rs", target.name);
        let source = fs::read_to_string(root.join(&file)).unwrap();
        assert!(
            source.contains(&format!("fuzz::{}::run", target.name)),
            "{file}"
        );
        assert!(manifest.contains(&format!("path = \"{file}\"")), "{file}");
        assert!(!read_seeds(target).is_empty(), "{}", target.name);
    }
    let files = fs::read_dir(root.join("fuzz_targets")).unwrap().count();
    assert_eq!(files, TARGETS.len());
}

#[test]
fn mutations_are_the_same_every_time_and_reach_every_length() {
    let seeds = [vec![1; 40], vec![2; 8]];
    let draw = || {
        let mut random = Random::new("x");
        (0..1_000)
            .map(|_| mutate(&seeds, &mut random))
            .collect::<Vec<_>>()
    };
    let inputs = draw();
    assert_eq!(inputs, draw());
    assert!(inputs.iter().any(Vec::is_empty));
    assert!(inputs.iter().any(|input| input.len() > 60));
}

#[test]
#[should_panic(expected = "target broken fails on 0102")]
fn a_failure_names_the_target_and_the_input() {
    let broken = Target {
        name: "broken",
        run: |bytes| assert!(bytes.is_empty(), "not empty"),
        short_runs: 0,
    };
    feed(&broken, &[]);
    feed(&broken, &[1, 2]);
}
