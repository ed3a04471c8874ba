//! A session of FTP that outlives a failover, with Debian's client and server.
//!
//! In active mode the server opens the data connection, to the address that the client has
//! announced in its session. So the new primary has to know the session, to have the helper read
//! along, to rewrite the announcement and to shift the session's sequence numbers.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Mutex, PoisonError};

use testbed::{
    Command, Error, FailoverPair, Folder, Implementation, PATIENCE, Plan, Process, Result,
    wait_until,
};

/// The file's length; it has a data connection for some packets.
const LENGTH: usize = 300_000;

/// keepalived counts tenths of seconds: one pair of firewalls at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn a_session_fetches_files_before_and_after_a_failover_with_our_conntrackd() -> Result<()> {
    a_session_fetches_files_before_and_after_a_failover(Implementation::Ours)
}

#[test]
fn a_session_fetches_files_before_and_after_a_failover_with_stocks_conntrackd() -> Result<()> {
    a_session_fetches_files_before_and_after_a_failover(Implementation::Stock)
}

fn a_session_fetches_files_before_and_after_a_failover(
    implementation: Implementation,
) -> Result<()> {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut pair = FailoverPair::build(Plan::new(implementation))?;
    pair.boot()?;
    let files = Folder::new("ftp", false)?;
    let _server = serve(&pair, &files)?;
    wait_until("the fence to come down", PATIENCE, || {
        pair.firewalls[0].is_open(1)
    })?;
    let mut session = Session::open(&pair, &files)?;
    session.fetch("before")?;
    pair.wait_until_replicated(0, 1)?;
    pair.firewalls[0].cut_power()?;
    pair.firewalls[1].wait_until_primary()?;
    session.fetch("after")
}

/// Debian's server with one file in its folder.
fn serve(pair: &FailoverPair, files: &Folder) -> Result<Process> {
    let root = files.file("root");
    let failed = || Error::io("files for FTP");
    fs::create_dir(&root)
        .and_then(|()| fs::write(root.join("file"), vec![b'.'; LENGTH]))
        // The server's user reads what is below.
        .and_then(|()| fs::set_permissions(files.file(""), Permissions::from_mode(0o755)))
        .map_err(failed())?;
    let config = format!(
        "listen=YES\nbackground=NO\nanonymous_enable=YES\nanon_root={}\nport_enable=YES\n\
         connect_from_port_20=NO\nseccomp_sandbox=NO\nsecure_chroot_dir=/run\n\
         no_anon_password=YES\n",
        root.display()
    );
    let config = files.write("vsftpd.conf", &config)?;
    pair.server
        .spawn(Command::new("/usr/sbin/vsftpd").arg(config))
}

/// Debian's client, told by a pipe what to do.
struct Session<'a> {
    files: &'a Folder,
    orders: File,
    client: Process,
}

impl<'a> Session<'a> {
    fn open(pair: &FailoverPair, files: &'a Folder) -> Result<Self> {
        let pipe = files.file("orders");
        Command::new("mkfifo").arg(pipe.clone()).run()?;
        let script = format!("ftp -A -i -n -v < {}", pipe.display());
        let client = pair
            .client
            .spawn(Command::new("sh").args(["-c", &script]))?;
        let orders = File::options().write(true).open(pipe);
        let mut session = Self {
            files,
            orders: orders.map_err(Error::io("the orders"))?,
            client,
        };
        session.order("open 192.0.2.10\nuser anonymous nobody\nbinary\n")?;
        Ok(session)
    }

    /// Fetches the file under a new name.
    fn fetch(&mut self, name: &str) -> Result<()> {
        let copy = self.files.file(name);
        self.order(&format!("get file {}\n", copy.display()))?;
        let what = format!("the whole file ({name}); {:?}", self.client);
        wait_until(&what, PATIENCE, || {
            fs::metadata(&copy).is_ok_and(|copy| usize::try_from(copy.len()) == Ok(LENGTH))
        })
    }

    fn order(&mut self, orders: &str) -> Result<()> {
        self.orders
            .write_all(orders.as_bytes())
            .and_then(|()| self.orders.flush())
            .map_err(Error::io("an order"))
    }
}
