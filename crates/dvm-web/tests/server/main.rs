//! The server as its clients see it, over sockets, with the small network that comes with the program.

mod client;
mod gate;
mod kserve_v1;
mod kserve_v2;
mod limits;
mod queue;
mod shutdown;
