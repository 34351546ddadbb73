//! Attention in windows that a file spells out, as the engine's own op.
//!
//! Exporters cut queries, keys and values out of a layer's features, bring them into order, multiply, add,
//! and put all together again, each in its own way; Swin's windows are cut out and put back, too. Which of
//! it was meant is read off where values come from ([`Moves`]): every query, key and value, every number
//! that is added to a score, and every place that the result is moved to has to be just the one that the
//! engine's op reads, adds and writes. Else the nodes stay as they are; so does attention of all tokens to
//! each other, whose softmax has a rule of its own in some methods (DeepLIFT).

mod windows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dvm_engine::ops::Op;
use dvm_engine::ops::batched_product::BatchedProduct;
use dvm_engine::ops::binary::{Binary, Function, Other};
use dvm_engine::ops::softmax::Softmax;
use dvm_engine::ops::tokens::{Grid, Tokens};
use dvm_engine::{Role, Tensor};

use super::array::Array;
use super::draft::{Draft, Made};
use super::moves::{Moves, factor, is_in_order, is_move};
use super::trouble::Trouble;

/// How far the product of all factors of the scores may be from 1 / √d, relative to it: rounding.
const SCALE_TOLERANCE: f64 = 4e-7;

/// Nodes behind an attention that may put its result together.
const FARTHEST: usize = 64;

/// An attention that was found.
struct Found {
    /// The node whose value it reads.
    source: usize,
    /// The node whose value it makes, with what comes before and behind.
    end: usize,
    op: Arc<dyn Op>,
    windows: Windows,
    /// What its node is called.
    name: String,
}

/// Where its windows lie, and what they have besides.
struct Windows {
    /// Rows and columns of the map.
    size: (usize, usize),
    /// Whether one window covers the map.
    is_only: bool,
    /// The bias of all pairs of pixels.
    table: Array,
    /// The layer that makes queries, keys and values, where windows are cut out before it.
    before: Option<usize>,
    /// The layer behind, where they are put together after it.
    behind: Option<usize>,
}

/// Scores and what is made of them.
struct Scores {
    /// Heads of all windows.
    count: usize,
    /// Queries and keys of each.
    tokens: usize,
    /// Features of each.
    width: usize,
    /// What is added to them, `[count, tokens, tokens]`.
    added: Vec<f32>,
    factor: f64,
    /// The product of queries and keys, and that of probabilities and values.
    products: [usize; 2],
}

/// Which token and which head each query is, `[count, tokens]` and `[count]`.
struct Layout {
    /// The node that queries, keys and values are cut out of.
    qkv: usize,
    features: usize,
    heads: usize,
    token: Vec<usize>,
    head: Vec<usize>,
}

/// The draft with attention as the engine's ops, as far as it is found; and the node of the output.
///
/// # Errors
/// Where the draft becomes too large.
pub(super) fn recognised(draft: &mut Draft, output: usize) -> Result<usize, Trouble> {
    let lives = draft.lives(output);
    let mut readers = vec![Vec::new(); draft.nodes.len()];
    for (node, made) in draft
        .nodes
        .iter()
        .enumerate()
        .filter(|&(node, _)| lives[node])
    {
        made.inputs
            .iter()
            .for_each(|&input| readers[input].push(node));
    }
    let mut found = BTreeMap::new();
    for node in 0..draft.nodes.len() {
        if lives[node]
            && draft.nodes[node].op_as::<BatchedProduct>().is_some()
            && let Some(one) = find(draft, &lives, &readers, node)
        {
            found.insert(one.end, one);
        }
    }
    // A single window is attention of all tokens to each other, which stays as it is, unless the network has
    // several windows elsewhere.
    if found.values().all(|found| found.windows.is_only) {
        return Ok(output);
    }
    rebuilt(draft, found, output)
}

/// The attention whose values `product` sums up.
fn find(
    draft: &mut Draft,
    lives: &[bool],
    readers: &[Vec<usize>],
    product: usize,
) -> Option<Found> {
    let scores = Scores::before(draft, product)?;
    let layout = Layout::of(draft, &scores)?;
    let name = &draft.nodes[layout.qkv].name;
    let name = match name.rsplit_once('.') {
        Some((path, _)) if !path.is_empty() => path.to_owned(),
        _ => format!("{name}.attention"),
    };
    let found = windows::windowed(draft, lives, &scores, &layout, &name)?;
    is_closed(draft, readers, &found).then_some(found)
}

impl Scores {
    fn before(draft: &mut Draft, product: usize) -> Option<Self> {
        let of_values = &draft.nodes[product];
        let softmax = draft.origin(of_values.inputs[0], false);
        let axis = draft.nodes[softmax].op_as::<Softmax>()?.axis;
        let probabilities = of_values.inputs[0];
        // What is done to the scores.
        let mut steps = Vec::new();
        let mut at = draft.nodes[softmax].inputs[0];
        while draft.nodes[at].op_as::<BatchedProduct>().is_none() {
            if steps.len() == FARTHEST || !changes_scores(&draft.nodes[at]) {
                return None;
            }
            steps.push(at);
            at = draft.nodes[at].inputs[0];
        }
        let shape = draft.nodes[at].shape.clone();
        let &[.., tokens, keys] = &shape[..] else {
            return None;
        };
        let queries = draft.nodes[draft.nodes[at].inputs[0]].shape.clone();
        let width = *queries.last()?;
        let len = draft.room_for_places(&shape, 2 * shape.iter().product::<usize>())?;
        let is_square = tokens == keys && tokens > 1;
        let made = &draft.nodes[softmax].shape;
        if !is_square || axis + 1 != made.len() || made[axis] != tokens {
            return None;
        }
        let mut moved = Moves::of_named(draft, softmax)?;
        let probabilities = moved.numbered(draft, probabilities)?;
        if !is_in_order(&probabilities.to_nchw()) || probabilities.shape().last() != Some(&tokens) {
            return None;
        }
        let places: Vec<f32> = (0..len).map(|place| place as f32).collect();
        let mut places = Tensor::from_nchw(&shape, &places);
        let mut added = Tensor::zeros(&shape);
        let mut product_of_factors = 1.0;
        for &step in steps.iter().rev() {
            added = draft.done(step, &[&added], 2 * len)?;
            match (is_move(&draft.nodes[step]), factor(&draft.nodes[step])) {
                (true, _) => places = draft.done(step, &[&places], 2 * len)?,
                (false, Some(factor)) => product_of_factors *= factor,
                (false, None) => {}
            }
            if added.shape() != places.shape() {
                return None;
            }
        }
        is_in_order(&places.to_nchw()).then(|| Self {
            count: len / (tokens * tokens),
            tokens,
            width,
            added: added.to_nchw(),
            factor: product_of_factors,
            products: [at, product],
        })
    }
}

/// Whether a node moves scores, multiplies all by one number, or adds what is known.
fn changes_scores(made: &Made) -> bool {
    let adds = made
        .op_as::<Binary>()
        .is_some_and(|binary| binary.function == Function::Add && binary.other != Other::Input);
    made.inputs.len() == 1 && (is_move(made) || factor(made).is_some() || adds)
}

/// Features of each pixel or token of a node's value.
fn features(draft: &Draft, node: usize) -> Option<usize> {
    match &draft.nodes[node].shape[..] {
        [_, channels, _, _] => Some(*channels),
        shape => shape.last().copied(),
    }
}

/// What a whole number says of a place: the rest is nothing.
fn place(number: f32) -> usize {
    number as usize
}

impl Layout {
    fn of(draft: &mut Draft, scores: &Scores) -> Option<Self> {
        let [of_keys, of_values] = scores.products.map(|node| draft.nodes[node].inputs.clone());
        let qkv = draft.origin(of_keys[0], true);
        let features = features(draft, qkv)?;
        let (all, tokens, width) = (features / 3, scores.tokens, scores.width);
        if features % 3 != 0 || width == 0 || all % width != 0 {
            return None;
        }
        let len = scores.count * tokens * width;
        let mut moves = Moves::of_stored(draft, qkv)?;
        let mut factors = 1.0;
        let mut read = |draft: &mut Draft, node: usize| -> Option<Vec<f32>> {
            let (numbers, factor) = moves.scaled(draft, node)?;
            factors *= factor;
            (numbers.len() == len).then(|| numbers.to_nchw())
        };
        let queries = read(draft, of_keys[0])?;
        let keys = read(draft, of_keys[1])?;
        let found = scores.factor * factors * (width as f64).sqrt();
        let values = {
            let (numbers, factor) = moves.scaled(draft, of_values[1])?;
            (numbers.len() == len && factor == 1.0).then(|| numbers.to_nchw())?
        };
        if (found - 1.0).abs() > SCALE_TOLERANCE {
            return None;
        }
        let (mut token, mut head) = (Vec::new(), Vec::new());
        for one in 0..scores.count {
            let first = place(queries[one * tokens * width]);
            let own = first % features / width;
            head.push(own);
            for at in 0..tokens {
                let row = (one * tokens + at) * width;
                let from = place(queries[row]) / features;
                for feature in 0..width {
                    let expected =
                        |part: usize| (from * features + part * all + own * width + feature) as f32;
                    let key = keys[(one * width + feature) * tokens + at];
                    let is_own = queries[row + feature] == expected(0)
                        && key == expected(1)
                        && values[row + feature] == expected(2);
                    if own * width >= all || !is_own {
                        return None;
                    }
                }
                token.push(from);
            }
        }
        Some(Self {
            qkv,
            features: all,
            heads: all / width,
            token,
            head,
        })
    }

    /// Where each value of the result belongs, if it is stored token by token, `place` telling which pixel a
    /// token is: for each value in row-major order. Every place is there once.
    fn results(&self, scores: &Scores, place: impl Fn(usize) -> usize) -> Option<Vec<usize>> {
        let len = scores.count * scores.tokens * scores.width;
        let mut results = Vec::with_capacity(len);
        for (row, &token) in self.token.iter().enumerate() {
            let first =
                place(token) * self.features + self.head[row / scores.tokens] * scores.width;
            results.extend(first..first + scores.width);
        }
        let mut seen = vec![false; len];
        for &at in &results {
            if std::mem::replace(seen.get_mut(at)?, true) {
                return None;
            }
        }
        Some(results)
    }
}

/// Whether values are stored in order, `to` telling where each belongs.
fn arrives(numbers: Option<&Tensor>, to: impl Fn(usize) -> usize) -> bool {
    let stored = numbers.map(|numbers| numbers.data());
    stored.is_some_and(|stored| {
        let mut stored = stored.iter().enumerate();
        stored.all(|(at, &number)| to(place(number)) == at)
    })
}

/// The first node behind `start`, or itself, that this holds for.
fn behind(
    draft: &mut Draft,
    lives: &[bool],
    start: usize,
    mut holds: impl FnMut(&mut Draft, usize) -> bool,
) -> Option<usize> {
    let last = (start + FARTHEST).min(draft.nodes.len() - 1);
    (start..=last).find(|&node| {
        let may_be = node == start || is_move(&draft.nodes[node]);
        lives[node] && may_be && holds(draft, node)
    })
}

/// Whether all that is computed between an attention's source and its end is read there alone.
fn is_closed(draft: &Draft, readers: &[Vec<usize>], found: &Found) -> bool {
    let mut open = BTreeSet::from([found.end]);
    let mut inside = BTreeSet::new();
    while let Some(node) = open.pop_last() {
        if node == found.source {
            continue;
        }
        let inputs = &draft.nodes[node].inputs;
        if node < found.source || inputs.is_empty() || inside.len() > 8 * FARTHEST {
            return false;
        }
        inside.insert(node);
        open.extend(inputs);
    }
    let mut between = inside.iter().filter(|&&node| node != found.end);
    between.all(|&node| readers[node].iter().all(|reader| inside.contains(reader)))
}

/// The nodes with what was found in the place of what it was found in.
fn rebuilt(
    draft: &mut Draft,
    mut found: BTreeMap<usize, Found>,
    output: usize,
) -> Result<usize, Trouble> {
    let nodes = std::mem::take(&mut draft.nodes);
    let mut now = Vec::with_capacity(nodes.len());
    for (id, mut made) in nodes.into_iter().enumerate() {
        match found.remove(&id) {
            Some(found) => {
                let at = written(draft, found, &now, &made)?;
                now.push(at);
            }
            None => {
                made.inputs
                    .iter_mut()
                    .for_each(|input| *input = now[*input]);
                draft.nodes.push(made);
                now.push(draft.nodes.len() - 1);
            }
        }
    }
    Ok(now[output])
}

/// Writes an attention down; `now` tells where nodes before it are.
fn written(draft: &mut Draft, found: Found, now: &[usize], end: &Made) -> Result<usize, Trouble> {
    let mut at = now[found.source];
    let name = draft.unique(&found.name);
    let windows = found.windows;
    let (rows, columns) = windows.size;
    if draft.nodes[at].shape.len() == 3 {
        let grid = draft.unique(&format!("{name}.grid"));
        at = draft.append(grid, Arc::new(Grid { rows, columns }), vec![at], Vec::new())?;
    }
    let layer = |draft: &mut Draft, layer: usize, at: usize| {
        let made = &draft.nodes[now[layer]];
        let (name, op) = (made.name.clone(), Arc::clone(&made.op));
        let parameters = made.parameters.clone();
        draft.append(name, op, vec![at], parameters)
    };
    if let Some(before) = windows.before {
        at = layer(draft, before, at)?;
    }
    let suffix = "relative_position_bias_table";
    let table = draft.parameter(&windows.table, &name, suffix, Role::Bias)?;
    at = draft.append(name.clone(), found.op, vec![at], vec![table])?;
    if let Some(behind) = windows.behind {
        at = layer(draft, behind, at)?;
    }
    if draft.nodes[at].shape != end.shape {
        at = as_tokens(draft, at, &name)?;
    }
    debug_assert_eq!(draft.nodes[at].shape, end.shape);
    Ok(at)
}

/// The tokens of a node behind which the node `name` is written; itself if it is no map.
fn as_tokens(draft: &mut Draft, node: usize, name: &str) -> Result<usize, Trouble> {
    if draft.nodes[node].shape.len() != 4 {
        return Ok(node);
    }
    let name = draft.unique(&format!("{name}.tokens"));
    draft.append(name, Arc::new(Tokens), vec![node], Vec::new())
}
