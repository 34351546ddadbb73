//! Deep Vision Mask in a browser: a report that is one file, a page that explains, a server that other systems call.

pub mod view;
