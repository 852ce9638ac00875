//! What the log says of a panic; alone in its process, as a panic hook is the process's.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use ac_credd::harden;

/// A log that can be read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().expect("no writer panics");
        log.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_log_names_the_place_of_a_panic_and_nothing_of_its_message() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .init();
    harden::tell_panics_by_place();
    let ended = std::thread::spawn(|| panic!("the credential is {}", "ac-marker-secret")).join();
    assert!(ended.is_err());
    let told = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(told.contains("panic_message.rs:"), "{told}");
    assert!(!told.contains("credential"), "{told}");
}
