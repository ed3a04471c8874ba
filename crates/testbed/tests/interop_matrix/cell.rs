//! One cell: two daemons, both with flows, from the first flow to the commit.
//!
//! | step | what happens on both nodes | what must hold then |
//! |---|---|---|
//! | new | flows of all kinds | each external cache shows what the other's internal one shows |
//! | update | marks, states, status bits | the same |
//! | destroy | some flows end | the same |
//! | bulk | the peer forgets; `-B` | the same again |
//! | resync | it forgets; `-n` | the same again |
//! | commit | `-c` | both kernels hold the flows of both, with their timeouts |
//!
//! ALARM has neither bulk nor resync: both commands are taken without a word, as stock does
//! (conntrackd.md 2), and the periodic refresh is what brings the flows back.

use std::time::Duration;

use testbed::{
    Conntrackd, Error, Implementation, Mode, PATIENCE, Progress, Result, Setup, SyncPair,
    difference, wait_for, wait_until,
};

use super::flows::{self, KernelTable};

/// Between two looks at the caches.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// ALARM's default of a minute is too long for a test.
pub const ALARM_TIMES: &str = "RefreshTime 1\nCacheTimeout 180";

/// A pair of daemons in one place of the matrix.
pub struct Cell {
    pub network: SyncPair,
    pub a: Conntrackd,
    pub b: Conntrackd,
    pub mode: Mode,
}

type Step = fn(&Cell) -> Result<()>;

/// The life of a pair. A failed cell is shown by the name of its step.
const LIFE: &[(&str, Step)] = &[
    ("new", Cell::new_flows),
    ("update", Cell::updates),
    ("destroy", Cell::ends),
    ("bulk", Cell::bulk),
    ("resync", Cell::resync),
    ("commit", Cell::commit),
];

/// Goes through the life of a pair.
pub fn check(a: Implementation, b: Implementation, setup: &Setup<'_>) -> Result<()> {
    let cell = named("start", Cell::start(a, b, setup))?;
    LIFE.iter()
        .try_for_each(|(name, step)| named(name, step(&cell)))
}

/// Puts the name of a step before what went wrong in it; `cargo xtask test` reads it there.
pub fn named<T>(step: &str, result: Result<T>) -> Result<T> {
    result.map_err(|error| Error::Unexpected(format!("at step `{step}`: {error}")))
}

impl Cell {
    pub fn start(a: Implementation, b: Implementation, setup: &Setup<'_>) -> Result<Self> {
        let mut setup = *setup;
        if setup.mode == Mode::Alarm && setup.in_mode.is_empty() {
            setup.in_mode = ALARM_TIMES;
        }
        let network = SyncPair::new()?;
        let [config_a, config_b] = setup.configs();
        Ok(Self {
            a: Conntrackd::start(&network.a, a, &config_a)?,
            b: Conntrackd::start(&network.b, b, &config_b)?,
            network,
            mode: setup.mode,
        })
    }

    pub fn new_flows(&self) -> Result<()> {
        flows::create(&self.network.a, 1)?;
        flows::create(&self.network.b, 2)?;
        self.wait_until_equal(flows::CREATED)
    }

    pub fn updates(&self) -> Result<()> {
        flows::change(&self.network.a, 1)?;
        flows::change(&self.network.b, 2)?;
        self.wait_until_equal(flows::CREATED)
    }

    pub fn ends(&self) -> Result<()> {
        flows::end(&self.network.a, 1)?;
        flows::end(&self.network.b, 2)?;
        self.wait_until_equal(flows::LEFT)
    }

    pub fn bulk(&self) -> Result<()> {
        self.forget()?;
        ask(&self.a, "-B")?;
        ask(&self.b, "-B")?;
        self.wait_until_equal(flows::LEFT)?;
        self.check_log("sending bulk update")
    }

    fn resync(&self) -> Result<()> {
        self.forget()?;
        ask(&self.a, "-n")?;
        ask(&self.b, "-n")?;
        self.wait_until_equal(flows::LEFT)?;
        self.check_log("resync requested by other node")
    }

    pub fn commit(&self) -> Result<()> {
        let mut wanted = flows::kernel_table(&self.network.a)?;
        wanted.append(&mut flows::kernel_table(&self.network.b)?);
        assert_eq!(wanted.len(), 2 * flows::LEFT);
        ask(&self.b, "-c")?;
        ask(&self.a, "-c")?;
        self.wait_for_tables(&wanted)
    }

    pub fn wait_for_tables(&self, wanted: &KernelTable) -> Result<()> {
        wait_for("both kernels to hold all flows", PATIENCE, || {
            for node in [&self.network.a, &self.network.b] {
                let found = flows::kernel_table(node)?;
                if let Some(difference) = flows::table_difference(wanted, &found) {
                    return Ok(Progress::Waiting(format!("{}: {difference}", node.label())));
                }
            }
            Ok(Progress::Done(()))
        })
    }

    /// Empties both external caches.
    fn forget(&self) -> Result<()> {
        ask(&self.a, "-f external")?;
        ask(&self.b, "-f external")
    }

    /// ALARM says nothing of what it does not do.
    fn check_log(&self, line: &str) -> Result<()> {
        for daemon in [&self.a, &self.b] {
            let said = || daemon.log().find(Default::default(), line).is_some();
            match self.mode {
                Mode::Ftfw | Mode::Notrack => {
                    wait_until(&format!("`{line}` in the log"), PATIENCE, said)?;
                }
                Mode::Alarm => assert!(!said(), "ALARM does not do that: {line}"),
            }
        }
        Ok(())
    }

    fn wait_until_equal(&self, count: usize) -> Result<()> {
        wait_until_equal(&self.a, &self.b, count)?;
        wait_until_equal(&self.b, &self.a, count)
    }
}

/// Waits until the internal cache of one daemon and the external one of the other show the same
/// `count` flows.
pub fn wait_until_equal(owner: &Conntrackd, peer: &Conntrackd, count: usize) -> Result<()> {
    let what = format!("{:?} and {:?} to agree", owner.process(), peer.process());
    wait_for(&what, PATIENCE, || {
        let (internal, external) = (owner.internal()?, peer.external()?);
        if internal.len() == count && internal == external {
            return Ok(Progress::Done(()));
        }
        std::thread::sleep(LOOK_INTERVAL);
        let sides = difference(("internal", &internal), ("external", &external));
        Ok(Progress::Waiting(format!("{count} are wanted; {sides}")))
    })
}

/// Asks a daemon for something; the client must be content.
pub fn ask(daemon: &Conntrackd, request: &str) -> Result<()> {
    let output = daemon.client(request)?;
    match output.code() {
        0 => Ok(()),
        code => Err(Error::Unexpected(format!(
            "{request} of {:?}: {code}, {}",
            daemon.process(),
            output.stderr
        ))),
    }
}
