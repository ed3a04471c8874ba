//! As much of FTP as a session needs that fetches one file, with the commands of IPv4 or of IPv6.
//!
//! The kernel's helper reads a command only when it has seen the line before it end, so a session
//! logs in before it asks.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use testbed::{Error, Namespace, PATIENCE, Result};

use crate::network::{client_beside, unexpected};

/// Who opens the data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opens {
    /// The client, to where the server says: passive mode.
    Client,
    /// The server, to where the client says: active mode.
    Server,
}

/// The file that is fetched.
fn file() -> Vec<u8> {
    (0..100_000_u32).flat_map(u32::to_be_bytes).collect()
}

/// Serves one session, until its client is gone.
pub fn serve(namespace: &Namespace) -> Result<()> {
    // A thread that is started in the namespace stays there.
    namespace
        .enter(|| {
            // Of both families.
            let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 21))?;
            thread::spawn(move || {
                let control = listener.accept().map(|(stream, _)| stream);
                // What goes wrong here, the client misses.
                let _ = control.and_then(converse);
            });
            Ok(())
        })?
        .map_err(Error::io("serving FTP"))
}

/// Where the data goes.
enum Data {
    Nowhere,
    Offered(TcpListener),
    Asked(SocketAddr),
}

fn converse(control: TcpStream) -> std::io::Result<()> {
    let own = control.local_addr()?.ip().to_canonical();
    let mut say = control.try_clone()?;
    let mut data = Data::Nowhere;
    say.write_all(b"220 here\r\n")?;
    for line in BufReader::new(control).lines() {
        let line = line?;
        let (command, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let answer = match command {
            "PASV" => {
                let listener = TcpListener::bind((own, 0))?;
                let place = numbers(own, listener.local_addr()?.port());
                data = Data::Offered(listener);
                format!("227 Entering Passive Mode ({place}).")
            }
            "EPSV" => {
                let listener = TcpListener::bind((own, 0))?;
                let port = listener.local_addr()?.port();
                data = Data::Offered(listener);
                format!("229 Entering Extended Passive Mode (|||{port}|)")
            }
            "EPRT" => {
                data = extended(argument).map_or(Data::Nowhere, Data::Asked);
                "200 EPRT command successful.".into()
            }
            "PORT" => {
                data = address(argument).map_or(Data::Nowhere, |it| Data::Asked(it.into()));
                "200 PORT command successful.".into()
            }
            "RETR" => {
                say.write_all(b"150 here it comes\r\n")?;
                let mut stream = match &data {
                    Data::Offered(listener) => listener.accept()?.0,
                    Data::Asked(address) => TcpStream::connect_timeout(address, PATIENCE)?,
                    Data::Nowhere => return Ok(()),
                };
                stream.write_all(&file())?;
                "226 done".into()
            }
            _ => "331 go on".into(),
        };
        say.write_all(format!("{answer}\r\n").as_bytes())?;
    }
    Ok(())
}

/// A session whose data connection is announced and not open yet.
pub struct Session<'a> {
    client: &'a Namespace,
    control: BufReader<TcpStream>,
    data: Data,
}

impl<'a> Session<'a> {
    /// Logs in and announces the data connection.
    pub fn open(client: &'a Namespace, server: SocketAddr, opens: Opens) -> Result<Self> {
        let control = connect(client, server, PATIENCE)?;
        let mut session = Self {
            client,
            control: BufReader::new(control),
            data: Data::Nowhere,
        };
        session.hear("220")?;
        session.say("USER somebody")?;
        session.hear("331")?;
        session.data = match (opens, server) {
            (Opens::Client, SocketAddr::V6(server)) => {
                session.say("EPSV")?;
                let answer = session.hear("229")?;
                let port = answer.split('|').nth(3).and_then(|port| port.parse().ok());
                let port: u16 = port.ok_or_else(|| unexpected(answer))?;
                Data::Asked((*server.ip(), port).into())
            }
            (Opens::Client, SocketAddr::V4(_)) => {
                session.say("PASV")?;
                let answer = session.hear("227")?;
                let place = answer.split(['(', ')']).nth(1).and_then(address);
                let place = place.ok_or_else(|| unexpected(answer))?;
                Data::Asked(place.into())
            }
            (Opens::Server, _) => {
                let own = client_beside(server.ip());
                let listener = client
                    .enter(|| TcpListener::bind((own, 0)))?
                    .map_err(Error::io("waiting for data"))?;
                let port = listener.local_addr().map_err(Error::io("own port"))?.port();
                session.say(&match own {
                    IpAddr::V4(_) => format!("PORT {}", numbers(own, port)),
                    IpAddr::V6(own) => format!("EPRT |2|{own}|{port}|"),
                })?;
                session.hear("200")?;
                Data::Offered(listener)
            }
        };
        // Each end has now acknowledged what the other one announced: it is not said again.
        session.say("NOOP")?;
        session.hear("331")?;
        Ok(session)
    }

    /// Fetches the file, with so much patience for each answer and for the data connection; whether
    /// all of it came.
    pub fn fetch(&mut self, patience: Duration) -> Result<bool> {
        let limited = self.control.get_ref().set_read_timeout(Some(patience));
        limited.map_err(Error::io("a time limit"))?;
        self.say("RETR file")?;
        self.hear("150")?;
        let mut data = match &self.data {
            Data::Asked(address) => connect(self.client, *address, patience)?,
            Data::Offered(listener) => accept(listener, patience)?,
            Data::Nowhere => return Ok(false),
        };
        let mut received = Vec::new();
        data.read_to_end(&mut received)
            .map_err(Error::io("reading data"))?;
        self.hear("226")?;
        Ok(received == file())
    }

    fn say(&mut self, line: &str) -> Result<()> {
        let line = format!("{line}\r\n");
        let stream = self.control.get_mut();
        stream
            .write_all(line.as_bytes())
            .map_err(Error::io(format!("saying {line}")))
    }

    fn hear(&mut self, code: &str) -> Result<String> {
        let mut line = String::new();
        self.control
            .read_line(&mut line)
            .map_err(Error::io(format!("waiting for {code}")))?;
        match line.starts_with(code) {
            true => Ok(line),
            false => Err(unexpected(format!("`{line}` instead of {code}"))),
        }
    }
}

fn connect(client: &Namespace, address: SocketAddr, patience: Duration) -> Result<TcpStream> {
    client
        .enter(|| {
            let stream = TcpStream::connect_timeout(&address, patience)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(stream)
        })?
        .map_err(Error::io(format!("connecting to {address}")))
}

fn accept(listener: &TcpListener, patience: Duration) -> Result<TcpStream> {
    let failed = || Error::io("waiting for data");
    listener.set_nonblocking(true).map_err(failed())?;
    let mut accepted = None;
    testbed::wait_until("the data connection", patience, || {
        accepted = listener.accept().ok();
        accepted.is_some()
    })?;
    let (stream, _) = accepted.ok_or_else(|| unexpected("no data connection"))?;
    stream.set_nonblocking(false).map_err(failed())?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed())?;
    Ok(stream)
}

/// An address and a port as FTP writes them.
fn numbers(address: IpAddr, port: u16) -> String {
    let [high, low] = port.to_be_bytes();
    let address = address.to_string().replace('.', ",");
    format!("{address},{high},{low}")
}

/// What the command of IPv6 says: `|2|ADDRESS|PORT|`.
fn extended(argument: &str) -> Option<SocketAddr> {
    let mut words = argument.split('|').skip(2);
    let address: IpAddr = words.next()?.parse().ok()?;
    Some((address, words.next()?.parse().ok()?).into())
}

fn address(numbers: &str) -> Option<SocketAddrV4> {
    let numbers: Vec<u8> = numbers
        .split(',')
        .map(|number| number.trim().parse().ok())
        .collect::<Option<_>>()?;
    let [a, b, c, d, high, low] = numbers.try_into().ok()?;
    let port = u16::from_be_bytes([high, low]);
    Some(SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), port))
}
