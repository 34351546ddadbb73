//! The server over sockets, with the small embedded network.

mod client;
mod gate;
mod kserve_v1;
mod kserve_v2;
mod limits;
mod queue;
mod shutdown;
