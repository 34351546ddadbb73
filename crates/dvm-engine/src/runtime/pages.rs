//! Long arrays in large pages.
//!
//! A processor caches the addresses of some thousand pages. With pages of 4 KiB that covers a few MiB,
//! so reading the weights of a network also waits for addresses. With pages of 2 MiB the same memory is
//! read up to twice as fast. Linux provides them on request (`madvise`).

use memmap2::{Advice, MmapMut, MmapOptions};

/// Bytes of a large page.
const PAGE: usize = 1 << 21;

/// Shorter arrays use normal memory: 1 MiB. An array between this and a page takes a whole page.
const SHORTEST: usize = 1 << 20;

/// An array of f32 in large pages, if the operating system has some; zeros at first.
pub(crate) struct Pages {
    map: MmapMut,
    /// Offset of the array in the mapping: pages begin at multiples of their size.
    start: usize,
    /// Bytes.
    len: usize,
}

impl Pages {
    /// `len` zeros; `None` if they are too few, or if the operating system refuses.
    pub fn zeros(len: usize) -> Option<Self> {
        let len = len.checked_mul(size_of::<f32>())?;
        if len < SHORTEST {
            return None;
        }
        let mut map = MmapOptions::new()
            .len(len.max(PAGE).checked_add(PAGE)?)
            .map_anon()
            .ok()?;
        let start = map.as_mut_ptr().align_offset(PAGE);
        // It works without large pages, too.
        let _ = map.advise_range(Advice::HugePage, start, len.max(PAGE));
        Some(Self { map, start, len })
    }

    pub fn values(&self) -> &[f32] {
        pulp::bytemuck::cast_slice(&self.map[self.start..][..self.len])
    }

    pub fn values_mut(&mut self) -> &mut [f32] {
        pulp::bytemuck::cast_slice_mut(&mut self.map[self.start..][..self.len])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_array_holds_zeros_then_what_is_written() {
        let len = PAGE / 2 + 3;
        let mut pages = Pages::zeros(len).unwrap();
        assert!(pages.values().iter().all(|&v| v == 0.0));
        assert_eq!(pages.values().as_ptr().align_offset(PAGE), 0);
        let numbers = (0..len).map(|i| i as f32);
        pages
            .values_mut()
            .iter_mut()
            .zip(numbers.clone())
            .for_each(|(v, i)| *v = i);
        assert!(pages.values().iter().copied().eq(numbers));
    }

    #[test]
    fn a_short_array_has_no_large_pages() {
        assert!(Pages::zeros(SHORTEST / size_of::<f32>() - 1).is_none());
        assert!(Pages::zeros(SHORTEST / size_of::<f32>()).is_some());
    }

    #[test]
    fn an_array_longer_than_memory_is_refused() {
        assert!(Pages::zeros(usize::MAX / 2).is_none());
        assert!(Pages::zeros(usize::MAX / 16).is_none());
    }
}
