//! Pools: sliding, adaptive, global.

use dvm_engine::ops::Mode;
use dvm_engine::ops::conv2d::Border;
use dvm_engine::ops::pool::{Pool, Reduction, Windows};

use crate::draw::Draw;
use crate::{alone, check, slow};

/// A pool with sliding windows, a padding that is less than the window, and a map that the window fits on.
fn any_sliding(draw: &mut Draw, reduction: Reduction) -> (Pool, [usize; 4]) {
    let kernel = draw.pair(1, 4);
    let padding = Border {
        top: draw.number(0, kernel.0 - 1),
        left: draw.number(0, kernel.1 - 1),
        bottom: draw.number(0, kernel.0 - 1),
        right: draw.number(0, kernel.1 - 1),
    };
    let windows = Windows::Sliding {
        kernel,
        stride: draw.pair(1, 3),
        padding,
        ceil: draw.flag(),
    };
    let shape = [
        draw.number(1, 2),
        draw.number(1, 3),
        kernel.0 + draw.number(0, 5),
        kernel.1 + draw.number(0, 5),
    ];
    (Pool { reduction, windows }, shape)
}

/// A single window, larger than the map.
fn hanging_over(draw: &mut Draw, reduction: Reduction) -> (Pool, [usize; 4]) {
    let (h, w) = draw.pair(1, 5);
    let kernel = (h + draw.number(1, 4), w + draw.number(1, 4));
    let windows = Windows::Sliding {
        kernel,
        stride: kernel,
        padding: Border::default(),
        ceil: true,
    };
    (Pool { reduction, windows }, [2, 3, h, w])
}

fn any_adaptive(draw: &mut Draw, reduction: Reduction) -> (Pool, [usize; 4]) {
    let windows = Windows::Adaptive {
        output: draw.pair(1, 5),
    };
    let shape = [
        draw.number(1, 2),
        draw.number(1, 3),
        draw.number(1, 8),
        draw.number(1, 8),
    ];
    (Pool { reduction, windows }, shape)
}

fn check_pool(draw: &mut Draw, (pool, shape): (Pool, [usize; 4])) {
    let x = draw.tensor_without_ties(&shape);
    let alone = alone(pool, Mode::Inference, vec![x], vec![]);
    check(&alone, &|inputs, _| slow::pool(&pool, &inputs[0]));
}

#[test]
fn windows_larger_than_the_map() {
    for round in 0..4 {
        let mut draw = Draw::new("a pool larger than the map", round);
        let count_padding = draw.flag();
        for reduction in [Reduction::Max, Reduction::Mean { count_padding }] {
            let pool = hanging_over(&mut draw, reduction);
            check_pool(&mut draw, pool);
        }
    }
}

#[test]
fn max_pools() {
    for round in 0..24 {
        let mut draw = Draw::new("max_pool", round);
        let pool = any_sliding(&mut draw, Reduction::Max);
        check_pool(&mut draw, pool);
        let pool = any_adaptive(&mut draw, Reduction::Max);
        check_pool(&mut draw, pool);
    }
}

#[test]
fn average_pools() {
    for round in 0..24 {
        let mut draw = Draw::new("avg_pool", round);
        let count_padding = draw.flag();
        let reduction = Reduction::Mean { count_padding };
        let pool = any_sliding(&mut draw, reduction);
        check_pool(&mut draw, pool);
        let pool = any_adaptive(&mut draw, reduction);
        check_pool(&mut draw, pool);
    }
}

#[test]
fn the_global_mean() {
    for round in 0..8 {
        let mut draw = Draw::new("global mean", round);
        let shape = draw.feature_map();
        check_pool(&mut draw, (Pool::global_mean(), shape));
    }
}
