//! Attribution methods on whole networks of the zoo and imported ones, against the field's own tools.

mod cam;
