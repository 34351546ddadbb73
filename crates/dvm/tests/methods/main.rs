//! Attribution methods on whole networks of the zoo and imported ones, against the field's own tools and slow
//! second implementations.

mod cam;
mod transformer;
