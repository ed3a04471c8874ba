//! As much of SIP as makes the kernel's helper expect something: a registration, and an invitation
//! with a description of the sound to come. Nobody has to answer.

use std::fmt::Write;
use std::net::{SocketAddr, UdpSocket};

use testbed::{Error, Namespace, Result};

use crate::network::CLIENT;

/// A telephone.
pub struct Telephone {
    socket: UdpSocket,
    registrar: SocketAddr,
}

impl Telephone {
    /// One behind the firewall.
    pub fn new(client: &Namespace, registrar: SocketAddr) -> Result<Self> {
        let socket = client
            .enter(|| UdpSocket::bind((CLIENT, 5060)))?
            .map_err(Error::io("SIP"))?;
        Ok(Self { socket, registrar })
    }

    /// Says where it can be called: one expectation, inactive until the registrar agrees.
    pub fn register(&self) -> Result<()> {
        self.send("REGISTER", 1, "Expires: 3600\r\n", "")
    }

    /// Calls somebody and says where it wants to hear him: two expectations, of another class.
    pub fn invite(&self) -> Result<()> {
        let sound = format!(
            "v=0\r\no=a 1 1 IN IP4 {CLIENT}\r\ns=-\r\nc=IN IP4 {CLIENT}\r\nt=0 0\r\n\
             m=audio 4000 RTP/AVP 0\r\n"
        );
        self.send("INVITE", 2, "Content-Type: application/sdp\r\n", &sound)
    }

    fn send(&self, method: &str, number: u32, more: &str, body: &str) -> Result<()> {
        let domain = self.registrar.ip();
        let mut text = format!("{method} sip:{domain} SIP/2.0\r\n");
        let _ = write!(
            text,
            "Via: SIP/2.0/UDP {CLIENT}:5060;branch=z9hG4bK{number}\r\n\
             From: <sip:a@{domain}>;tag=1\r\nTo: <sip:a@{domain}>\r\n\
             Call-ID: {number}@{CLIENT}\r\nCSeq: {number} {method}\r\n\
             Contact: <sip:a@{CLIENT}:5060>\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.socket
            .send_to(text.as_bytes(), self.registrar)
            .map(drop)
            .map_err(Error::io(format!("sending {method}")))
    }
}
