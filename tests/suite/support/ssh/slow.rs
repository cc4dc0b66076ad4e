//! A link that is slow: connections to a port of this machine go on to a host, each byte some time later.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::host::dial;

/// Bytes, and when they may arrive; no bytes are the end.
type Late = (Instant, Vec<u8>);

pub(super) struct Slow {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    doorman: Option<JoinHandle<()>>,
}

impl Slow {
    /// Opens the port for the host of this keeper.
    pub(super) fn new(keeper: u32, delay: Duration) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let ended = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&ended);
        let doorman = std::thread::spawn(move || {
            for client in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(client) = client else { continue };
                // A host that refuses is one that closes at once.
                if let Ok(host) = dial(keeper, 22, "192.0.2.129") {
                    one_way(&client, &host, delay);
                    one_way(&host, &client, delay);
                }
            }
        });
        Self { address, ended, doorman: Some(doorman) }
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the doorman, who looks at the flag; open connections end with their two ends.
        let _ = TcpStream::connect(self.address);
        if let Some(doorman) = self.doorman.take() {
            let _ = doorman.join();
        }
    }
}

/// Passes on what `from` says to `to`: one thread notes when, another waits and writes.
fn one_way(from: &TcpStream, to: &TcpStream, delay: Duration) {
    let (sender, receiver) = channel();
    let from = from.try_clone().expect("a socket");
    let to = to.try_clone().expect("a socket");
    std::thread::spawn(move || listen(from, &sender, delay));
    std::thread::spawn(move || speak(to, &receiver));
}

fn listen(mut from: TcpStream, sender: &Sender<Late>, delay: Duration) {
    let mut buffer = vec![0; 65536];
    loop {
        let count = match from.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read.unwrap_or(0),
        };
        let late = (Instant::now() + delay, buffer[..count].to_vec());
        if sender.send(late).is_err() || count == 0 {
            return;
        }
    }
}

fn speak(mut to: TcpStream, receiver: &Receiver<Late>) {
    for (when, bytes) in receiver {
        std::thread::sleep(when.saturating_duration_since(Instant::now()));
        if bytes.is_empty() || to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
