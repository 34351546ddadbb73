//! Deep Vision Mask in a browser: a report that is one file, a page that explains, a server that other systems call.

pub mod api;
pub mod kserve;
pub mod models;
pub mod options;
pub mod report;
pub mod server;
pub mod view;
