//! A multigrid preconditioner for equations between neighbours on a grid with some unknown pixels.
//!
//! Each level is a grid with half the rows and columns of the one before. Values between two pixels
//! of a coarse grid are their mean, and the equations of a coarse grid are those of the fine one
//! for such values (Galerkin), so that they keep their form: every pixel and its eight neighbours.
//! One cycle smooths the error once before the coarser grid, forwards, and once after it,
//! backwards, so that it is symmetric, as conjugate gradients need. Sums have a fixed order.

/// The values of `N` channels, which are solved together.
pub(super) type Values<const N: usize> = [f64; N];

/// Equations `d·x − Σ c·x' = b` for the pixels of a grid with a border of one known pixel.
struct Equations {
    /// Rows and columns, without the border.
    size: (usize, usize),
    /// The factor `d` of every pixel, border included; 0 for known pixels.
    own: Vec<f64>,
    /// The factors to the neighbours on the right, below to the left, below, and below to the right.
    ahead: [Vec<f64>; 4],
    /// The unknown pixels, row by row.
    unknown: Vec<usize>,
}

/// One grid with its working memory.
struct Level<const N: usize> {
    equations: Equations,
    /// The right side.
    wanted: Vec<Values<N>>,
    found: Vec<Values<N>>,
    rest: Vec<Values<N>>,
}

/// All grids, from the finest.
pub(super) struct Multigrid<const N: usize> {
    levels: Vec<Level<N>>,
}

impl Equations {
    fn empty((height, width): (usize, usize)) -> Self {
        let count = (height + 2) * (width + 2);
        Self {
            size: (height, width),
            own: vec![0.0; count],
            ahead: std::array::from_fn(|_| vec![0.0; count]),
            unknown: Vec::new(),
        }
    }

    /// The distance between rows.
    fn stride(&self) -> usize {
        self.size.1 + 2
    }

    /// The distance of the neighbours in `ahead`.
    fn steps(&self) -> [usize; 4] {
        let stride = self.stride();
        [1, stride - 1, stride, stride + 1]
    }

    fn list_unknown(&mut self) {
        let all = self.own.iter().enumerate();
        self.unknown = all
            .filter(|(_, own)| **own > 0.0)
            .map(|(at, _)| at)
            .collect();
    }

    /// `Σ c·x'` over the neighbours ahead.
    fn ahead<const N: usize>(&self, x: &[Values<N>], at: usize, steps: [usize; 4]) -> Values<N> {
        let mut sum = [0.0; N];
        for (factors, step) in self.ahead.iter().zip(steps) {
            add(&mut sum, factors[at], &x[at + step]);
        }
        sum
    }

    /// `Σ c·x'` over the neighbours behind.
    fn behind<const N: usize>(&self, x: &[Values<N>], at: usize, steps: [usize; 4]) -> Values<N> {
        let mut sum = [0.0; N];
        for (factors, step) in self.ahead.iter().zip(steps) {
            add(&mut sum, factors[at - step], &x[at - step]);
        }
        sum
    }

    /// The equations of the next coarser grid.
    fn coarser(&self) -> Self {
        let (height, width) = self.size;
        let mut coarse = Self::empty((height.div_ceil(2), width.div_ceil(2)));
        let (rows, columns) = (parents(height), parents(width));
        let (stride, coarse_stride) = (self.stride(), coarse.stride());
        let steps = self.steps();
        for &at in &self.unknown {
            let (y, x) = (at / stride - 1, at % stride - 1);
            // The part of this pixel's equation that belongs to each coarse pixel around: a window of 3 × 3.
            let first = (rows[y].0[0].max(1) - 1, columns[x].0[0].max(1) - 1);
            let mut window = [[0.0; 3]; 3];
            let mut see = |at: usize, factor: f64| {
                if factor == 0.0 {
                    return;
                }
                let (y, x) = (at / stride - 1, at % stride - 1);
                for (row, by_row) in rows[y].each() {
                    for (column, by_column) in columns[x].each() {
                        window[row - first.0][column - first.1] += factor * by_row * by_column;
                    }
                }
            };
            see(at, self.own[at]);
            for (factors, step) in self.ahead.iter().zip(steps) {
                see(at + step, -factors[at]);
                see(at - step, -factors[at - step]);
            }
            for (row, by_row) in rows[y].each() {
                for (column, by_column) in columns[x].each() {
                    let own = (row + 1) * coarse_stride + column + 1;
                    let share = by_row * by_column;
                    let take = |down: usize, across: usize| {
                        let at = (row + down).checked_sub(first.0);
                        let at = at.zip((column + across).checked_sub(first.1 + 1));
                        let factor = at.and_then(|(y, x)| window.get(y)?.get(x));
                        share * factor.copied().unwrap_or(0.0)
                    };
                    coarse.own[own] += take(0, 1);
                    coarse.ahead[0][own] -= take(0, 2);
                    coarse.ahead[1][own] -= take(1, 0);
                    coarse.ahead[2][own] -= take(1, 1);
                    coarse.ahead[3][own] -= take(1, 2);
                }
            }
        }
        coarse.list_unknown();
        coarse
    }
}

/// `sum += factor · x`
fn add<const N: usize>(sum: &mut Values<N>, factor: f64, x: &Values<N>) {
    for (sum, x) in sum.iter_mut().zip(x) {
        *sum += factor * x;
    }
}

/// The one or two rows (or columns) of the coarser grid that a row of this one is interpolated
/// from, with their weights.
struct Parents([usize; 2], [f64; 2]);

impl Parents {
    fn each(&self) -> impl Iterator<Item = (usize, f64)> {
        let all = self.0.into_iter().zip(self.1);
        all.filter(|&(_, share)| share > 0.0)
    }
}

/// The parents of all rows of a grid with this many rows. An even row is a row of the coarser grid, an odd row is the
/// mean of two. If the number of rows is even, the last one takes the value of the row before.
fn parents(rows: usize) -> Vec<Parents> {
    let coarse = rows.div_ceil(2);
    let of_row = |row: usize| match row % 2 == 1 && row / 2 + 1 < coarse {
        true => Parents([row / 2, row / 2 + 1], [0.5, 0.5]),
        false => Parents([row / 2, row / 2], [1.0, 0.0]),
    };
    (0..rows).map(of_row).collect()
}

/// Bytes per pixel of a grid with a border, all coarser grids included: the factors, the list of
/// unknown pixels, and three values per level, with those of conjugate gradients on the finest.
pub(super) const fn bytes_per_pixel(channels: usize) -> usize {
    ((5 + 1) * 8 + 3 * 8 * channels) * 4 / 3 + 4 * 8 * channels
}

impl<const N: usize> Multigrid<N> {
    /// For `[H, W]` pixels, some unknown. `weight(y, x)` is the weight of a neighbour that is `y` rows and `x`
    /// columns apart, each 0 or 1; every unknown pixel is the weighted mean of its neighbours.
    pub fn new(size: (usize, usize), unknown: &[bool], weight: fn(usize, usize) -> f64) -> Self {
        let (height, width) = size;
        let mut finest = Equations::empty(size);
        let stride = finest.stride();
        let is_unknown = |y: usize, x: usize| {
            // The border is included; `wrapping_sub` moves it outside of the picture.
            let (y, x) = (y.wrapping_sub(1), x.wrapping_sub(1));
            y < height && x < width && unknown[y * width + x]
        };
        for y in 1..=height {
            for x in (1..=width).filter(|&x| is_unknown(y, x)) {
                let at = y * stride + x;
                let mut own = 0.0;
                for (down, across) in neighbours() {
                    let (other_y, other_x) = (y + down - 1, x + across - 1);
                    if (1..=height).contains(&other_y) && (1..=width).contains(&other_x) {
                        own += weight(down.abs_diff(1), across.abs_diff(1));
                    }
                }
                finest.own[at] = own;
                let ahead = [(0, 2), (1, 0), (1, 1), (1, 2)];
                for (factors, (down, across)) in finest.ahead.iter_mut().zip(ahead) {
                    if is_unknown(y + down, x + across - 1) {
                        factors[at] = weight(down, usize::abs_diff(across, 1));
                    }
                }
            }
        }
        finest.list_unknown();
        let mut all = vec![finest];
        while let Some(last) = all.last().filter(|last| last.size != (1, 1)) {
            all.push(last.coarser());
        }
        let levels = all.into_iter().map(|equations| {
            let zeros = vec![[0.0; N]; equations.own.len()];
            Level {
                equations,
                wanted: zeros.clone(),
                found: zeros.clone(),
                rest: zeros,
            }
        });
        Self {
            levels: levels.collect(),
        }
    }

    /// The unknown pixels of the finest grid, border included: pixel `(y, x)` of a picture of
    /// `width` is `(y + 1) · (width + 2) + x + 1`.
    pub fn unknown(&self) -> &[usize] {
        &self.levels[0].equations.unknown
    }

    /// How many pixels the finest grid has with its border.
    pub fn len(&self) -> usize {
        self.levels[0].equations.own.len()
    }

    /// The left side of the equation of an unknown pixel.
    pub fn left(&self, x: &[Values<N>], at: usize) -> Values<N> {
        let equations = &self.levels[0].equations;
        let steps = equations.steps();
        let (ahead, behind) = (
            equations.ahead(x, at, steps),
            equations.behind(x, at, steps),
        );
        let own = equations.own[at];
        std::array::from_fn(|channel| own * x[at][channel] - ahead[channel] - behind[channel])
    }

    /// About what must be added to `x` when the residual is `rest`.
    pub fn correction(&mut self, rest: &[Values<N>]) -> &[Values<N>] {
        self.levels[0].wanted.copy_from_slice(rest);
        cycle(&mut self.levels);
        &self.levels[0].found
    }
}

/// The eight neighbours of a pixel, shifted by one so that none is negative.
fn neighbours() -> impl Iterator<Item = (usize, usize)> {
    let all = (0..3).flat_map(|down| (0..3).map(move |across| (down, across)));
    all.filter(|&place| place != (1, 1))
}

/// One cycle from this level down.
fn cycle<const N: usize>(levels: &mut [Level<N>]) {
    let Some((level, coarser)) = levels.split_first_mut() else {
        return;
    };
    let Level {
        equations,
        wanted,
        found,
        rest,
    } = level;
    let steps = equations.steps();
    // Forwards from zero: nothing ahead is known yet.
    found.fill([0.0; N]);
    for &at in &equations.unknown {
        let behind = equations.behind(found, at, steps);
        let own = equations.own[at];
        found[at] = std::array::from_fn(|c| (wanted[at][c] + behind[c]) / own);
    }
    let Some(next) = coarser.first_mut() else {
        return;
    };
    // The values ahead were taken as zero: this is their residual.
    for &at in &equations.unknown {
        rest[at] = equations.ahead(found, at, steps);
    }
    let (rows, columns) = (parents(equations.size.0), parents(equations.size.1));
    let stride = equations.stride();
    let coarse_stride = next.equations.stride();
    let coarse = |row: usize, column: usize| (row + 1) * coarse_stride + column + 1;
    next.wanted.fill([0.0; N]);
    for &at in &equations.unknown {
        let (y, x) = (at / stride - 1, at % stride - 1);
        for (row, by_row) in rows[y].each() {
            for (column, by_column) in columns[x].each() {
                let sum = &mut next.wanted[coarse(row, column)];
                add(sum, by_row * by_column, &rest[at]);
            }
        }
    }
    cycle(coarser);
    let next = &coarser[0];
    for &at in &equations.unknown {
        let (y, x) = (at / stride - 1, at % stride - 1);
        for (row, by_row) in rows[y].each() {
            for (column, by_column) in columns[x].each() {
                let value = &next.found[coarse(row, column)];
                add(&mut found[at], by_row * by_column, value);
            }
        }
    }
    for &at in equations.unknown.iter().rev() {
        let behind = equations.behind(found, at, steps);
        let ahead = equations.ahead(found, at, steps);
        let own = equations.own[at];
        found[at] = std::array::from_fn(|c| (wanted[at][c] + ahead[c] + behind[c]) / own);
    }
}
