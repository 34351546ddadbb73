//! `dvm train`: from a folder of pictures to a network that has learnt them.

mod settings;
