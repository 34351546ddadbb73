//! Colours and sizes that all pages share, in pixels.

/// The colour of frames and titles.
pub(crate) const INK: [u8; 3] = [38, 38, 38];
/// The colour of tick labels and notes.
pub(crate) const SOFT: [u8; 3] = [77, 77, 77];
pub(crate) const GRID: [u8; 3] = [232, 232, 232];
/// Thickness of frames and ticks.
pub(crate) const LINE: usize = 2;
/// Length of ticks.
pub(crate) const TICK: usize = 8;
/// From a tick to its label.
pub(crate) const TICK_GAP: usize = 6;
/// Text size of tick labels, bar labels and notes, in pixels per em.
pub(crate) const LABEL: f32 = 18.0;
/// Text size of the title of a chart or panel.
pub(crate) const TITLE: f32 = 23.0;
/// From the baseline of a title to what is below it.
pub(crate) const TITLE_GAP: usize = 16;
/// Height of a title.
pub(crate) const TITLE_ROOM: usize = TITLE as usize + TITLE_GAP;
/// The white border of a page.
pub(crate) const MARGIN: usize = 36;
/// Text size of the heading of a page.
pub(crate) const HEADING: f32 = 29.0;
/// Height of a heading.
pub(crate) const HEADING_ROOM: usize = 62;
/// From the border to the baseline of a heading.
pub(crate) const HEADING_BASELINE: usize = 25;
