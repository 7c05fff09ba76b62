//! A body is read as a message or refused; what was read can be written, and is then read as the same kind of message about the same
//! envelope. (Numbers beyond 64 bits may lose a digit on the way, so that the rest is not compared.)

#![no_main]

use countersign_listener::{ReplayKey, message::Message};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let _ = ReplayKey::of_body(body);
    let written = match Message::try_read(body) {
        Ok(Message::Event(message)) => serde_json::to_vec(&message),
        Ok(Message::Aggregate(envelope)) => serde_json::to_vec(&envelope),
        Ok(message) => {
            let _ = message.envelope_id();
            return;
        }
        Err(_) => return,
    };
    let written = written.expect("what was read can be written");
    let first = Message::try_read(body).expect("it was read before");
    let again = Message::try_read(&written).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&written)));
    assert_eq!(std::mem::discriminant(&first), std::mem::discriminant(&again));
    assert_eq!(first.envelope_id(), again.envelope_id());
});
