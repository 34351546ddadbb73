//! `Einsum` of two inputs.

use dvm_engine::ops::binary::Function;

use super::{Operator, computed};
use crate::import::{
    Import, NodeContext, NodeError, Result, SymInt, Value, View, invalid, unsupported,
};

pub(super) const TABLE: &[(&str, Operator)] = &[("Einsum", einsum)];

/// The label of an axis: a letter, or the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    Batch,
    Letter(char),
}

/// The letters of both inputs and of the output.
fn letters(equation: &str) -> Result<([Vec<char>; 2], Vec<char>)> {
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (inputs, output) = equation
        .split_once("->")
        .ok_or_else(|| unsupported(format!("has no output in its equation `{equation}`")))?;
    let terms: Vec<Vec<char>> = inputs.split(',').map(|t| t.chars().collect()).collect();
    let output: Vec<char> = output.chars().collect();
    let is_once = |term: &Vec<char>| {
        let mut seen = term.clone();
        seen.sort_unstable();
        seen.dedup();
        seen.len() == term.len() && term.iter().all(char::is_ascii_alphabetic)
    };
    if !terms.iter().all(is_once) || !is_once(&output) {
        return Err(unsupported(format!(
            "repeats a letter, or has other characters, in its equation `{equation}`"
        )));
    }
    let terms: Result<[Vec<char>; 2], _> = terms.try_into();
    let terms = terms.map_err(|_| {
        unsupported(format!(
            "needs two inputs, but its equation is `{equation}`"
        ))
    })?;
    Ok((terms, output))
}

/// A computed value with the label of each axis; the batch is a separate axis.
struct Labelled {
    node: usize,
    axes: Vec<(Label, Vec<usize>)>,
}

impl Labelled {
    /// Labels the axes of a value; also the letter of the axis that holds the batch.
    fn new(view: &View, letters: &[char]) -> Result<(Self, char)> {
        if view.rank() != letters.len() {
            return Err(wrong_rank(view.rank(), letters.len()));
        }
        let mut axes = Vec::new();
        let mut of_batch = None;
        for (group, &letter) in view.axes.iter().zip(letters) {
            match group.split_first() {
                Some((0, rest)) => {
                    axes.push((Label::Batch, vec![0]));
                    if !rest.is_empty() {
                        axes.push((Label::Letter(letter), rest.to_vec()));
                    }
                    of_batch = Some(letter);
                }
                _ if group.contains(&0) => {
                    return Err(unsupported("multiplies across the pictures of a batch"));
                }
                _ => axes.push((Label::Letter(letter), group.clone())),
            }
        }
        let letter = of_batch.ok_or_else(|| unsupported("has an input without a batch"))?;
        let node = view.node;
        Ok((Self { node, axes }, letter))
    }

    fn has(&self, label: Label) -> bool {
        self.axes.iter().any(|&(own, _)| own == label)
    }

    /// The axes of several labels, merged.
    fn merged(&self, labels: &[Label]) -> Vec<usize> {
        let group = |label: &Label| {
            let found = self.axes.iter().find(|(own, _)| own == label);
            found.map_or(Vec::new(), |(_, group)| group.clone())
        };
        labels.iter().flat_map(group).collect()
    }

    /// The length of a label's axis, if the value has one.
    fn side(&self, import: &Import, label: Label) -> Option<SymInt> {
        let found = self.axes.iter().find(|&&(own, _)| own == label)?;
        let shape = &import.graph.nodes[self.node].shape;
        Some(match label {
            Label::Batch => SymInt::batch(1),
            Label::Letter(_) => {
                let side: usize = found.1.iter().map(|&axis| shape[axis]).product();
                SymInt::from(side as i64)
            }
        })
    }
}

fn einsum(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let equation = ctx
        .text("equation")
        .ok_or_else(|| invalid("has no equation"))?;
    let (terms, output) = letters(equation)?;
    let values = [ctx.value(0)?.clone(), ctx.value(1)?.clone()];
    // Computed inputs first: a constant is repeated for each of their pictures.
    let mut of_batch = None;
    let mut labelled = [None, None];
    for (index, value) in values.iter().enumerate() {
        if let Value::Computed(view) = value {
            let (value, letter) = Labelled::new(view, &terms[index])?;
            if *of_batch.get_or_insert(letter) != letter {
                return Err(unsupported("multiplies across the pictures of a batch"));
            }
            labelled[index] = Some(value);
        }
    }
    let of_batch = of_batch.ok_or_else(|| unsupported("has constant inputs only"))?;
    for (index, value) in values.iter().enumerate() {
        let Value::Constant(array) = value else {
            continue;
        };
        let mut letters = terms[index].clone();
        if array.rank() != letters.len() {
            return Err(wrong_rank(array.rank(), letters.len()));
        }
        let mut shape = array.shape.clone();
        if let Some(at) = letters.iter().position(|&letter| letter == of_batch) {
            if shape[at] != 1 {
                return Err(unsupported(
                    "multiplies the pictures of a batch by different constants",
                ));
            }
            letters.remove(at);
            shape.remove(at);
        }
        let array = array.reshaped(&shape)?;
        let node = import.repeat_per_picture(&array, &format!("{}.{index}", ctx.name))?;
        let own = letters.into_iter().enumerate();
        let own = own.map(|(at, letter)| (Label::Letter(letter), vec![at + 1]));
        let axes = std::iter::once((Label::Batch, vec![0])).chain(own);
        let axes = axes.collect();
        labelled[index] = Some(Labelled { node, axes });
    }
    let [Some(a), Some(b)] = labelled else {
        return Err(unsupported("multiplies booleans"));
    };
    let mut made: Vec<Label> = Vec::new();
    for &letter in &output {
        if letter == of_batch {
            made.push(Label::Batch);
        }
        let label = Label::Letter(letter);
        if a.has(label) || b.has(label) {
            made.push(label);
        } else if letter != of_batch {
            return Err(invalid(format!(
                "has the letter `{letter}` in its output, but in no input"
            )));
        }
    }
    let view = summed(import, &a, &b, &made, ctx.name)?;
    // The batch and the rest of its axis are merged again.
    let mut axes: Vec<Vec<usize>> = Vec::new();
    for (index, group) in view.axes.iter().enumerate() {
        let goes_on =
            index > 0 && made[index - 1] == Label::Batch && made[index] == Label::Letter(of_batch);
        match axes.last_mut() {
            Some(last) if goes_on => last.extend(group),
            _ => axes.push(group.clone()),
        }
    }
    computed(View::new(view.node, axes))
}

fn wrong_rank(rank: usize, letters: usize) -> NodeError {
    invalid(format!("has {letters} letters for an input of {rank} axes"))
}

/// The products of both, summed over the labels that are not `made`.
fn summed(
    import: &mut Import,
    a: &Labelled,
    b: &Labelled,
    made: &[Label],
    name: &str,
) -> Result<View> {
    let of = |value: &Labelled, other: Option<&Labelled>, is_made: bool| -> Vec<Label> {
        let labels = value.axes.iter().map(|&(label, _)| label);
        let fits = |label: &Label| {
            let is_shared = other.is_none_or(|other| other.has(*label));
            is_shared && made.contains(label) == is_made
        };
        labels.filter(fits).collect()
    };
    let stack = of(a, Some(b), true);
    let sums = of(a, Some(b), false);
    if !stack.contains(&Label::Batch) {
        return Err(unsupported("works across the pictures of a batch"));
    }
    for (value, other) in [(a, b), (b, a)] {
        let alone = of(value, None, false);
        if alone.iter().any(|&label| !other.has(label)) {
            return Err(unsupported("sums over an axis that only one input has"));
        }
    }
    if sums.is_empty() {
        let [a, b] = [a, b].map(|value| {
            let axes = made.iter().map(|&label| value.merged(&[label]));
            Value::Computed(View::new(value.node, axes))
        });
        return match import.binary(name, Function::Mul, &a, &b)? {
            Value::Computed(view) => Ok(view),
            _ => Err(unsupported("multiplies booleans")),
        };
    }
    let alone = |value: &Labelled, other: &Labelled| -> Vec<Label> {
        let labels = of(value, None, true);
        labels.into_iter().filter(|&l| !other.has(l)).collect()
    };
    let (rows, columns) = (alone(a, b), alone(b, a));
    let stacked = |value: &Labelled, last: [&[Label]; 2]| {
        let outer = stack.iter().map(|&label| value.merged(&[label]));
        let matrix = last.map(|labels| value.merged(labels));
        View::new(value.node, outer.chain(matrix))
    };
    let (first, second) = (stacked(a, [&rows, &sums]), stacked(b, [&sums, &columns]));
    let product = import.product(&first, &second, name)?;
    let order: Vec<Label> = stack.iter().chain(&rows).chain(&columns).copied().collect();
    // If one has length 1, it is broadcast to the other's length.
    let side = |&label: &Label| {
        let sides = [a, b].map(|value| value.side(import, label));
        let mut both = sides.into_iter().flatten();
        let first = both.next().expect("one of them has it");
        both.find(|_| first.known() == Some(1)).unwrap_or(first)
    };
    let sides: Vec<SymInt> = order.iter().map(side).collect();
    let product = import.graph.reshape(&product, &sides, name)?;
    let place = |label: &Label| order.iter().position(|own| own == label);
    let places: Option<Vec<usize>> = made.iter().map(place).collect();
    let places = places.expect("all that is made is among them");
    Ok(product.transposed(&places))
}
