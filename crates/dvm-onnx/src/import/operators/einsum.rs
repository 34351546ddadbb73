//! Sums of products over letters, as NumPy's and PyTorch's `einsum`.

use dvm_engine::ops::binary::Function;

use super::super::Import;
use super::super::integer::Integer;
use super::super::site::{Site, Value};
use super::super::trouble::{Trouble, invalid, unsupported};
use super::super::view::View;
use super::{Operator, computed};

pub(super) const TABLE: &[(&str, Operator)] = &[("Einsum", einsum)];

/// What an axis is called: by a letter, or as that of the pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    Pictures,
    Letter(char),
}

/// The letters of both inputs and of the output.
fn letters(equation: &str) -> Result<([Vec<char>; 2], Vec<char>), Trouble> {
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (inputs, output) = equation
        .split_once("->")
        .ok_or_else(|| unsupported(format!("leaves open what it makes: {equation}")))?;
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
            "has letters twice, or others than letters: {equation}"
        )));
    }
    let terms: Result<[Vec<char>; 2], _> = terms.try_into();
    let terms = terms.map_err(|_| unsupported(format!("multiplies other than two: {equation}")))?;
    Ok((terms, output))
}

/// A computed value with what each of its axes is called, that of the pictures being one of its own.
struct Labelled {
    node: usize,
    axes: Vec<(Label, Vec<usize>)>,
}

impl Labelled {
    /// Of a value whose axes have letters; and the letter whose axis holds the pictures.
    fn new(view: &View, letters: &[char]) -> Result<(Self, char), Trouble> {
        if view.rank() != letters.len() {
            return Err(invalid(format!(
                "calls {} axes by {} letters",
                view.rank(),
                letters.len()
            )));
        }
        let mut axes = Vec::new();
        let mut of_pictures = None;
        for (group, &letter) in view.axes.iter().zip(letters) {
            match group.split_first() {
                Some((0, rest)) => {
                    axes.push((Label::Pictures, vec![0]));
                    if !rest.is_empty() {
                        axes.push((Label::Letter(letter), rest.to_vec()));
                    }
                    of_pictures = Some(letter);
                }
                _ if group.contains(&0) => {
                    return Err(unsupported("multiplies across the pictures of a batch"));
                }
                _ => axes.push((Label::Letter(letter), group.clone())),
            }
        }
        let letter = of_pictures.ok_or_else(|| unsupported("has lost the axis of the pictures"))?;
        let node = view.node;
        Ok((Self { node, axes }, letter))
    }

    fn has(&self, label: Label) -> bool {
        self.axes.iter().any(|&(own, _)| own == label)
    }

    /// The axes of some labels as one.
    fn merged(&self, labels: &[Label]) -> Vec<usize> {
        let group = |label: &Label| {
            let found = self.axes.iter().find(|(own, _)| own == label);
            found.map_or(Vec::new(), |(_, group)| group.clone())
        };
        labels.iter().flat_map(group).collect()
    }

    /// The side of a label, if it has one here.
    fn side(&self, import: &Import, label: Label) -> Option<Integer> {
        let found = self.axes.iter().find(|&&(own, _)| own == label)?;
        let shape = &import.draft.nodes[self.node].shape;
        Some(match label {
            Label::Pictures => Integer::pictures(1),
            Label::Letter(_) => {
                let side: usize = found.1.iter().map(|&axis| shape[axis]).product();
                Integer::from(side as i64)
            }
        })
    }
}

fn einsum(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let equation = site
        .text("equation")
        .ok_or_else(|| invalid("lacks its equation"))?;
    let (terms, output) = letters(equation)?;
    let values = [site.value(0)?.clone(), site.value(1)?.clone()];
    // What is computed first: a constant is there for each of its pictures.
    let mut of_pictures = None;
    let mut labelled = [None, None];
    for (index, value) in values.iter().enumerate() {
        if let Value::Computed(view) = value {
            let (value, letter) = Labelled::new(view, &terms[index])?;
            if *of_pictures.get_or_insert(letter) != letter {
                return Err(unsupported("multiplies pictures by other pictures"));
            }
            labelled[index] = Some(value);
        }
    }
    let of_pictures = of_pictures.ok_or_else(|| unsupported("its input 0 is no computed value"))?;
    for (index, value) in values.iter().enumerate() {
        let Value::Constant(array) = value else {
            continue;
        };
        let mut letters = terms[index].clone();
        if array.rank() != letters.len() {
            return Err(invalid("calls axes by letters that are not as many"));
        }
        let mut shape = array.shape.clone();
        if let Some(at) = letters.iter().position(|&letter| letter == of_pictures) {
            if shape[at] != 1 {
                return Err(unsupported("multiplies pictures by a constant for each"));
            }
            letters.remove(at);
            shape.remove(at);
        }
        let array = array.reshaped(&shape)?;
        let node = import.for_each_picture(&array, &format!("{}.{index}", site.name))?;
        let own = letters.into_iter().enumerate();
        let own = own.map(|(at, letter)| (Label::Letter(letter), vec![at + 1]));
        let axes = std::iter::once((Label::Pictures, vec![0])).chain(own);
        let axes = axes.collect();
        labelled[index] = Some(Labelled { node, axes });
    }
    let [Some(a), Some(b)] = labelled else {
        return Err(unsupported("multiplies truth values"));
    };
    let mut made: Vec<Label> = Vec::new();
    for &letter in &output {
        if letter == of_pictures {
            made.push(Label::Pictures);
        }
        let label = Label::Letter(letter);
        if a.has(label) || b.has(label) {
            made.push(label);
        } else if letter != of_pictures {
            return Err(invalid(format!("makes `{letter}` of nothing")));
        }
    }
    let view = summed(import, &a, &b, &made, site.name)?;
    // What was two of an axis is one again.
    let mut axes: Vec<Vec<usize>> = Vec::new();
    for (index, group) in view.axes.iter().enumerate() {
        let goes_on = index > 0
            && made[index - 1] == Label::Pictures
            && made[index] == Label::Letter(of_pictures);
        match axes.last_mut() {
            Some(last) if goes_on => last.extend(group),
            _ => axes.push(group.clone()),
        }
    }
    computed(View {
        node: view.node,
        axes,
    })
}

/// The products of both, summed over what is not `made`.
fn summed(
    import: &mut Import,
    a: &Labelled,
    b: &Labelled,
    made: &[Label],
    name: &str,
) -> Result<View, Trouble> {
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
    if !stack.contains(&Label::Pictures) {
        return Err(unsupported("sums over the pictures of a batch"));
    }
    for (value, other) in [(a, b), (b, a)] {
        let alone = of(value, None, false);
        if alone.iter().any(|&label| !other.has(label)) {
            return Err(unsupported("sums over an axis of one input alone"));
        }
    }
    if sums.is_empty() {
        let [a, b] = [a, b].map(|value| {
            let axes = made.iter().map(|&label| value.merged(&[label]));
            Value::Computed(View {
                node: value.node,
                axes: axes.collect(),
            })
        });
        return match import.binary(name, Function::Mul, &a, &b)? {
            Value::Computed(view) => Ok(view),
            _ => Err(unsupported("multiplies truth values")),
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
        View {
            node: value.node,
            axes: outer.chain(matrix).collect(),
        }
    };
    let (first, second) = (stacked(a, [&rows, &sums]), stacked(b, [&sums, &columns]));
    let product = import.product(&first, &second, name)?;
    let order: Vec<Label> = stack.iter().chain(&rows).chain(&columns).copied().collect();
    // Where one has a side of 1, the other's counts.
    let side = |&label: &Label| {
        let sides = [a, b].map(|value| value.side(import, label));
        let mut both = sides.into_iter().flatten();
        let first = both.next().expect("one of them has it");
        both.find(|_| first.known() == Some(1)).unwrap_or(first)
    };
    let sides: Vec<Integer> = order.iter().map(side).collect();
    let product = import.draft.reshape(&product, &sides, name)?;
    let place = |label: &Label| order.iter().position(|own| own == label);
    let places: Option<Vec<usize>> = made.iter().map(place).collect();
    let places = places.expect("all that is made is among them");
    Ok(product.transposed(&places))
}
