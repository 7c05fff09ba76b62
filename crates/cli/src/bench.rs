//! Measuring: a server as a child process, a sink and a load generator here, and the raw limit beside them in the same run: the
//! bare client, a bare handler, or the disk.
//!
//! Figures of one machine mean little on another; the ratios to the raw limit of the same run mean more. The load generator, the
//! sink and the server share the machine's cores, as the bare client and the sink do.
//!
//! A [`profile`] is a value: what it does, its aims, and the function that measures. Most are a table of [`scene::Course`]s, which
//! [`course`] runs round by round. What comes out is [`reading`]s; [`report`] and [`plot`] show them.

pub(crate) mod aim;
pub(crate) mod bare;
pub(crate) mod bare_handler;
mod bare_tls;
pub(crate) mod child;
pub(crate) mod course;
pub(crate) mod figure;
mod fsync;
pub(crate) mod load;
pub(crate) mod own_process;
pub(crate) mod payload;
pub(crate) mod plot;
mod postgres;
pub(crate) mod process_figures;
pub(crate) mod profile;
pub(crate) mod profiles;
pub(crate) mod progress;
pub(crate) mod quantile;
pub(crate) mod reading;
pub(crate) mod report;
pub(crate) mod scene;
mod seed;
pub(crate) mod sink;
