//! Deep Vision Mask in a browser: reports as one HTML file, the page, and a server for other systems.

pub mod api;
pub mod kserve;
pub mod models;
pub mod options;
pub mod report;
pub mod server;
pub mod view;
