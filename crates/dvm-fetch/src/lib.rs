//! Downloads published weights into a cache on this machine.
//!
//! A [`Fetcher`] downloads the file of an [`Address`]. It follows a limited number of redirects, resumes
//! an interrupted download and checks the SHA-256 before the file gets its final name. A [`Cache`] knows
//! the files' paths and recorded checksums. This crate knows no networks, and no other crate sends HTTP
//! requests.
//!
//! ```
//! let address = dvm_fetch::Address::Torchvision { file: "resnet18-f37072fd.pth" };
//! assert_eq!(
//!     address.url(None),
//!     "https://download.pytorch.org/models/resnet18-f37072fd.pth"
//! );
//! assert_eq!(address.digits(), Some("f37072fd"));
//! ```

mod address;

mod bounds;
mod cache;
mod certificates;
mod error;
mod fetcher;
mod location;
mod part;
mod proxies;
mod response;
mod sha256;
mod transfer;

pub use address::Address;
pub use bounds::Bounds;
pub use cache::{CACHE_VARIABLE, Cache, Cached};
pub use error::FetchError;
pub use fetcher::{
    BASE_URL_VARIABLE, Checked, Event, FetchOutcome, Fetched, Fetcher, OFFLINE_VARIABLE,
};
pub use proxies::Proxies;
pub use sha256::{sha256_of, sha256_of_bytes};
