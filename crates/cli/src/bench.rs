//! Measuring: a server as a child process, a sink and a load generator here, and the bare client beside them in the same run.
//!
//! Figures of one machine mean little on another; the ratios to the bare client of the same run mean more. The load
//! generator, the sink and the server share the machine's cores, as the bare client and the sink do.

pub(crate) mod backlog;
pub(crate) mod bare;
pub(crate) mod child;
pub(crate) mod deliveries;
pub(crate) mod isolation;
pub(crate) mod listen;
pub(crate) mod payload;
pub(crate) mod process_figures;
pub(crate) mod quantile;
pub(crate) mod sink;
