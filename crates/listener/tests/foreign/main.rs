//! Programs of others as judges: authorization servers whose tokens the layer verifies, and signers whose messages it accepts.

mod program;
mod servers;
mod signers;
