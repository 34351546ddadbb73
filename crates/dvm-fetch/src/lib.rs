//! Published weights, brought from where their publishers have them into a cache on this machine.
//!
//! A [`Fetcher`] brings one file: it asks an [`Address`], follows redirects within bounds, goes on
//! with what an interrupted attempt left, checks the SHA-256 and gives the file its final name only
//! then. A [`Cache`] knows where files lie and with which checksum they came. This crate knows
//! nothing of networks, and no other crate speaks HTTP.
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
mod answer;
mod bounds;
mod cache;
mod certificates;
mod error;
mod fetcher;
mod location;
mod part;
mod proxies;
mod sha256;
mod transfer;

pub use address::Address;
pub use bounds::Bounds;
pub use cache::{CACHE_VARIABLE, Cache, Cached};
pub use error::FetchError;
pub use fetcher::{BASE_URL_VARIABLE, Checked, Event, Fetched, Fetcher, OFFLINE_VARIABLE, Outcome};
pub use proxies::Proxies;
pub use sha256::{sha256_of, sha256_of_bytes};
