//! The form of a message's body.

use serde::{Deserialize, Serialize};

/// The form of the body.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageShape {
    /// One JSON message per event (Connect: `deliveryMode` SIM, `restv2.1`).
    JsonSim,
    /// One JSON message per change, the envelope at the top (Connect: aggregate, `restv2.1`).
    JsonAggregate,
    /// One XML message per change (Connect: aggregate without a version).
    XmlAggregate,
    /// One XML message per event (deprecated by Connect).
    XmlSim,
    /// The bytes of a posted event as they came in, with the headers they came with: what a listener passes on to the application
    /// behind it, signatures intact.
    AsReceived,
}

impl MessageShape {
    /// One message for all events of a change, showing the state committed there.
    #[must_use]
    pub fn aggregates(self) -> bool {
        matches!(self, Self::JsonAggregate | Self::XmlAggregate)
    }

    /// The number stored in a delivery's row; never reused.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::JsonSim => 1,
            Self::JsonAggregate => 2,
            Self::XmlAggregate => 3,
            Self::XmlSim => 4,
            Self::AsReceived => 5,
        }
    }

    /// The shape of a stored number; `None` when a newer version wrote it.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::JsonSim, Self::JsonAggregate, Self::XmlAggregate, Self::XmlSim, Self::AsReceived]
            .into_iter()
            .find(|shape| shape.code() == code)
    }
}
