//! Threads that change their namespace.
//!
//! A network namespace belongs to a thread. Short work runs in a fresh thread that moves there
//! and ends. Children that must die with this program need more: the kernel sends a child's
//! death signal when the *thread* that made it ends, so one thread that lives as long as the
//! program starts them all, and goes home after each so that it keeps no namespace alive.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Sender, SyncSender};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

struct Job {
    namespace: File,
    command: Command,
    reply: SyncSender<io::Result<Child>>,
}

/// Moves the calling thread for good.
pub(crate) fn move_into(namespace: impl AsFd) -> io::Result<()> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .map_err(Into::into)
}

/// Starts `command` in `namespace`.
pub(crate) fn spawn(namespace: File, command: Command) -> io::Result<Child> {
    static JOBS: OnceLock<Sender<Job>> = OnceLock::new();
    let jobs = JOBS.get_or_init(start_thread);
    let (reply, child) = mpsc::sync_channel(1);
    let gone = || io::Error::other("the spawner thread is gone");
    jobs.send(Job {
        namespace,
        command,
        reply,
    })
    .map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}

fn start_thread() -> Sender<Job> {
    let (jobs, inbox) = mpsc::channel::<Job>();
    thread::spawn(move || {
        for mut job in inbox {
            let child = away_and_back(&job.namespace, || job.command.spawn());
            // A caller that no longer listens gets no child: dropping it here would leak it,
            // but callers wait without time limit.
            let _ = job.reply.send(child);
        }
    });
    jobs
}

fn away_and_back<T>(namespace: &File, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let home = File::open("/proc/thread-self/ns/net")?;
    move_into(namespace)?;
    let result = work();
    move_into(home)?;
    result
}
