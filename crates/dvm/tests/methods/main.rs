//! Methods on real architectures, against other tools and slow second implementations.

mod gradient;
