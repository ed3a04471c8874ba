//! A network namespace: made, used, and gone when dropped.
//!
//! Its name is `ctrs-PID-N-LABEL`: `ip netns exec` reaches it by hand, no two tests share one,
//! and the owner's pid in it lets [`sweep`](crate::sweep()) find what a killed test left behind.
//! A kept namespace is called `ctrk-…` and stays, with its processes, until
//! [`remove_kept`](crate::remove_kept).

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use crate::{Command, Error, Output, Process, Result, spawner, sweep};

/// Where iproute2 keeps the names.
pub(crate) const FOLDER: &str = "/run/netns";
/// Begins the names of namespaces that go away with their owner.
pub(crate) const PREFIX: &str = "ctrs-";
/// Begins the names of namespaces that stay.
pub(crate) const PREFIX_KEPT: &str = "ctrk-";

/// A network namespace of our own.
pub struct Namespace {
    name: String,
    label: String,
    kept: bool,
}

impl Namespace {
    /// Makes a namespace whose loopback interface is up. The label is for humans: `fw1`.
    pub fn new(label: &str) -> Result<Self> {
        Self::create(label, false)
    }

    /// Makes a namespace that outlives this program if [`Namespace::keep`] is called.
    /// Its processes do not die with this program either.
    pub fn new_keepable(label: &str) -> Result<Self> {
        Self::create(label, true)
    }

    fn create(label: &str, kept: bool) -> Result<Self> {
        static SWEPT: Once = Once::new();
        static COUNT: AtomicU32 = AtomicU32::new(0);
        SWEPT.call_once(sweep);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let prefix = if kept { PREFIX_KEPT } else { PREFIX };
        let name = format!("{prefix}{}-{count}-{label}", std::process::id());
        Command::from(format!("ip netns add {name}")).run()?;
        let namespace = Self {
            name,
            label: label.into(),
            kept,
        };
        namespace.run("ip link set lo up")?;
        Ok(namespace)
    }

    /// The full name, for `ip netns exec`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The label given to [`Namespace::new`].
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Runs a command in the namespace and waits for its end; a status other than 0 is an error.
    pub fn run(&self, command: impl Into<Command>) -> Result<Output> {
        let command = command.into();
        self.enter(|| command.run())?
    }

    /// Runs a command in the namespace and waits for its end, whatever its status.
    pub fn output(&self, command: impl Into<Command>) -> Result<Output> {
        let command = command.into();
        self.enter(|| command.output())?
    }

    /// Starts a program in the namespace.
    pub fn spawn(&self, command: impl Into<Command>) -> Result<Process> {
        let command = command.into();
        let program = command.to_string();
        let program = program.split_whitespace().next().unwrap_or_default();
        let program = program.rsplit('/').next().unwrap_or_default();
        let name = format!("{program} on {}", self.label);
        Process::start(name, self.file()?, &command, self.kept)
    }

    /// Calls `work` in a fresh thread that has moved into the namespace. A socket made there
    /// stays in the namespace wherever it is used later (and keeps it alive while open).
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        enter(&self.name, work)
    }

    /// Sets a kernel parameter of the namespace: `net.ipv4.ip_forward`.
    pub fn sysctl(&self, name: &str, value: impl fmt::Display) -> Result<()> {
        let value = value.to_string();
        let path = sysctl_path(name);
        self.enter(|| fs::write(&path, &value))?
            .map_err(Error::io(format!(
                "setting {name} to {value} in {}",
                self.label
            )))
    }

    /// Reads a kernel parameter of the namespace.
    pub fn sysctl_value(&self, name: &str) -> Result<String> {
        let path = sysctl_path(name);
        let value = self
            .enter(|| fs::read_to_string(&path))?
            .map_err(Error::io(format!("reading {name} in {}", self.label)))?;
        Ok(value.trim_end().to_owned())
    }

    /// How many flows the kernel tracks in this namespace.
    pub fn flow_count(&self) -> Result<usize> {
        let count = self.sysctl_value("net.netfilter.nf_conntrack_count")?;
        count
            .parse()
            .map_err(|_| Error::Unexpected(format!("nf_conntrack_count is `{count}`")))
    }

    /// Loads rules in nft's language.
    pub fn nft(&self, rules: &str) -> Result<()> {
        self.run(Command::from("nft -f -").stdin(rules)).map(drop)
    }

    /// Leaves the namespace and what runs in it behind. Only for [`Namespace::new_keepable`].
    pub fn keep(self) {
        assert!(self.kept, "{} was not made to be kept", self.name);
        std::mem::forget(self);
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.kept
    }

    fn file(&self) -> Result<File> {
        open(&self.name).map_err(Error::io(format!("opening namespace {}", self.name)))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        sweep::remove(&self.name);
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Whether this program runs as root, without which there are no namespaces.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// [`Namespace::enter`] by name, for values that outlive their borrow of the namespace.
pub(crate) fn enter<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> Result<T> {
    let failed = || Error::io(format!("entering namespace {name}"));
    let file = open(name).map_err(failed())?;
    let enter = || spawner::move_into(file).map(|()| work());
    match thread::scope(|scope| scope.spawn(enter).join()) {
        Ok(result) => result.map_err(failed()),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn open(name: &str) -> io::Result<File> {
    File::open(format!("{FOLDER}/{name}"))
}

fn sysctl_path(name: &str) -> String {
    format!("/proc/sys/{}", name.replace('.', "/"))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::{PATIENCE, veth, wait_until};

    #[test]
    fn a_namespace_is_gone_after_a_panic_and_so_are_its_processes() {
        let (name, pid) = std::panic::catch_unwind(|| {
            let namespace = Namespace::new("panic").unwrap();
            let process = namespace.spawn("sleep 600").unwrap();
            assert!(process.is_running());
            std::panic::panic_any((namespace.name().to_owned(), process.pid()));
        })
        .unwrap_err()
        .downcast_ref::<(String, i32)>()
        .cloned()
        .unwrap();
        assert!(open(&name).is_err());
        assert!(!fs::exists(format!("/proc/{pid}")).unwrap());
    }

    #[test]
    fn a_stray_process_is_killed_with_its_namespace() {
        let namespace = Namespace::new("stray").unwrap();
        let script = "setsid sleep 600 >/dev/null 2>&1 & echo $!";
        let stray = namespace
            .run(Command::new("sh").args(["-c", script]))
            .unwrap()
            .stdout;
        drop(namespace);
        let proc = format!("/proc/{}/exe", stray.trim());
        wait_until("the stray's end", PATIENCE, || {
            fs::read_link(&proc).is_err()
        })
        .unwrap();
    }

    #[test]
    fn sockets_made_inside_work_outside() {
        let (a, b) = (Namespace::new("a").unwrap(), Namespace::new("b").unwrap());
        veth(&a, "eth0", &b, "eth0").unwrap();
        a.run("ip address add 10.0.0.1/24 dev eth0").unwrap();
        b.run("ip address add 10.0.0.2/24 dev eth0").unwrap();
        let listener = b
            .enter(|| TcpListener::bind("10.0.0.2:7"))
            .unwrap()
            .unwrap();
        let stream = a
            .enter(|| TcpStream::connect("10.0.0.2:7"))
            .unwrap()
            .unwrap();
        let (_, peer) = listener.accept().unwrap();
        assert_eq!(stream.local_addr().unwrap(), peer);
        let elsewhere = Namespace::new("elsewhere").unwrap();
        assert!(
            elsewhere
                .enter(|| TcpStream::connect("10.0.0.2:7"))
                .unwrap()
                .is_err()
        );
    }

    #[test]
    fn parameters_are_those_of_the_namespace() {
        let namespace = Namespace::new("sysctl").unwrap();
        let outside = fs::read_to_string("/proc/sys/net/ipv4/ip_default_ttl").unwrap();
        namespace.sysctl("net.ipv4.ip_default_ttl", 77).unwrap();
        assert_eq!(
            namespace.sysctl_value("net.ipv4.ip_default_ttl").unwrap(),
            "77"
        );
        assert_eq!(
            fs::read_to_string("/proc/sys/net/ipv4/ip_default_ttl").unwrap(),
            outside
        );
    }
}
