//! Convolutions, and borders around feature maps.

use dvm_engine::Role;
use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::pad::{Amount, Pad};
use dvm_engine::ops::slice::Slice;

use super::super::Import;
use super::super::integer::Integer;
use super::super::site::{Site, Value};
use super::super::trouble::{Trouble, invalid, unsupported};
use super::super::view::View;
use super::{Operator, computed};

pub(super) const TABLE: &[(&str, Operator)] = &[("Conv", conv)];

/// The largest window, step or border that makes sense.
const LARGEST: i64 = 1 << 14;

/// A view of a feature map: of `[N, C, H, W]`, or of a row `[N, C, L]` as a map of one row, and whether
/// it is that.
///
/// # Errors
/// For values of other ranks.
pub(super) fn as_map(view: &View) -> Result<(View, bool), Trouble> {
    let mut view = view.clone();
    match view.rank() {
        4 => Ok((view, false)),
        3 => {
            view.axes.insert(2, Vec::new());
            Ok((view, true))
        }
        rank => Err(unsupported(format!(
            "works on values of {rank} axes, and only maps [N, C, H, W] and rows [N, C, L] are taken"
        ))),
    }
}

/// Maps of one picture that may be taken for pictures of their own.
const MOST_MAPS: usize = 64;

impl Import<'_> {
    /// What an operator makes of maps: of what [`as_map`] made of a view, and back. Where the file takes
    /// several maps of a picture for pictures (windows, heads), the operator works on one after the other.
    ///
    /// # Errors
    /// Those of the operator, and for views that mix pictures.
    pub fn of_maps(
        &mut self,
        (view, is_row): (&View, bool),
        name: &str,
        mut operator: impl FnMut(&mut Self, usize) -> Result<usize, Trouble>,
    ) -> Result<View, Trouble> {
        let mut made = match self.draft.plain(view, name) {
            Ok(node) => {
                let node = operator(self, node)?;
                self.draft.whole(node)
            }
            Err(trouble) => {
                let is_several = matches!(view.axes[0][..], [0, _, ..]);
                if !is_several {
                    return Err(trouble);
                }
                self.map_by_map(view, name, operator)?
            }
        };
        if is_row {
            made.axes.remove(2);
        }
        Ok(made)
    }

    fn map_by_map(
        &mut self,
        view: &View,
        name: &str,
        mut operator: impl FnMut(&mut Self, usize) -> Result<usize, Trouble>,
    ) -> Result<View, Trouble> {
        let sides = self.draft.sides(view);
        let known: Option<Vec<usize>> = sides[1..]
            .iter()
            .map(|side| usize::try_from(side.known()?).ok())
            .collect();
        let (Some(map), Ok(count)) = (known, usize::try_from(sides[0].per)) else {
            return Err(unsupported("works across the pictures of a batch"));
        };
        if count > MOST_MAPS {
            return Err(unsupported(format!(
                "takes {count} maps of a picture for pictures"
            )));
        }
        // [N, maps, C, H, W]
        let mut split = vec![Integer::pictures(1), Integer::from(count as i64)];
        split.extend(&sides[1..]);
        let maps = self.draft.reshape(view, &split, name)?;
        let maps = self.draft.canonical(&maps, name)?;
        let shape = [&[1, count], &map[..]].concat();
        let all = self.draft.under(maps.node, &shape, name)?;
        let mut parts = Vec::new();
        for index in 0..count {
            let part = Slice {
                axis: 1,
                start: index,
                step: 1,
                count: Some(1),
            };
            let part = self.draft.emit(&format!("{name}.map"), part, &[all], &[])?;
            let one = [&[1], &map[..]].concat();
            let one = self.draft.under(part, &one, name)?;
            let made = operator(self, one)?;
            let shape = self.draft.nodes[made].shape.clone();
            let back = [&[1, 1], &shape[1..]].concat();
            parts.push(self.draft.under(made, &back, name)?);
        }
        let node = self
            .draft
            .emit(&format!("{name}.maps"), Concat { axis: 1 }, &parts, &[])?;
        let rank = self.draft.nodes[node].shape.len();
        let axes = std::iter::once(vec![0, 1]).chain((2..rank).map(|axis| vec![axis]));
        let axes = axes.collect();
        Ok(self.draft.tidy(View { node, axes }))
    }
}

/// A pair of numbers for rows and columns; one number is for columns.
///
/// # Errors
/// If there are not two, or they are out of range.
pub(super) fn pair(
    site: &Site,
    attribute: &str,
    default: Option<usize>,
) -> Result<(usize, usize), Trouble> {
    let Some(given) = site.ints(attribute) else {
        let default = default.ok_or_else(|| invalid(format!("lacks its `{attribute}`")))?;
        return Ok((default, default));
    };
    match *given {
        [rows, columns] if (1..=LARGEST).contains(&rows) && (1..=LARGEST).contains(&columns) => {
            Ok((rows as usize, columns as usize))
        }
        [columns] if (1..=LARGEST).contains(&columns) => Ok((1, columns as usize)),
        [_, _] | [_] => Err(invalid(format!("has `{attribute}` of {given:?}"))),
        _ => Err(unsupported(format!(
            "works along {} axes, and only maps of two are taken",
            given.len()
        ))),
    }
}

/// The border that `pads` and `auto_pad` ask for; nothing for TensorFlow's SAME.
///
/// # Errors
/// For what is negative or unknown.
pub(super) fn padding(
    site: &Site,
    (height, width): (usize, usize),
    kernel: (usize, usize),
    stride: (usize, usize),
    dilation: (usize, usize),
) -> Result<Padding, Trouble> {
    let along = |length: usize, kernel: usize, stride: usize, dilation: usize| {
        let reach = (kernel - 1) * dilation + 1;
        let needed =
            (length.div_ceil(stride).saturating_sub(1) * stride + reach).saturating_sub(length);
        // The odd pixel before.
        (needed.div_ceil(2), needed / 2)
    };
    match site.text("auto_pad").unwrap_or("NOTSET") {
        "SAME_UPPER" => Ok(Padding::Same),
        "SAME_LOWER" => {
            let (top, bottom) = along(height, kernel.0, stride.0, dilation.0);
            let (left, right) = along(width, kernel.1, stride.1, dilation.1);
            Ok(Padding::Fixed(Border {
                top,
                left,
                bottom,
                right,
            }))
        }
        "VALID" => Ok(Padding::Fixed(Border::default())),
        "NOTSET" | "" => {
            let pads = site.ints("pads").unwrap_or(&[0, 0, 0, 0]);
            let (top, left, bottom, right) = match *pads {
                [top, left, bottom, right] => (top, left, bottom, right),
                [left, right] => (0, left, 0, right),
                _ => return Err(invalid(format!("has `pads` of {pads:?}"))),
            };
            if !pads.iter().all(|pad| (0..=LARGEST).contains(pad)) {
                return Err(unsupported(format!("has `pads` of {pads:?}")));
            }
            Ok(Padding::Fixed(Border {
                top: top as usize,
                left: left as usize,
                bottom: bottom as usize,
                right: right as usize,
            }))
        }
        other => Err(invalid(format!("has an `auto_pad` of {other}"))),
    }
}

/// What a border of zeros before a node adds to the node's own: the value before it, and the sum.
pub(super) fn with_border_before(
    import: &Import,
    node: usize,
    padding: Border,
    value: impl Fn(f32, usize) -> bool,
) -> (usize, Border) {
    let made = &import.draft.nodes[node];
    match made.op_as::<Pad>() {
        Some(Pad {
            amount: Amount::Fixed(before),
            value: with,
        }) if value(*with, made.inputs[0]) => {
            let sum = Border {
                top: padding.top + before.top,
                left: padding.left + before.left,
                bottom: padding.bottom + before.bottom,
                right: padding.right + before.right,
            };
            (made.inputs[0], sum)
        }
        _ => (node, padding),
    }
}

fn conv(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let (view, is_row) = as_map(site.view(0)?)?;
    let weight = match (is_row, site.constant(1)?) {
        (true, weight) if weight.rank() == 3 => {
            let shape = &weight.shape;
            weight.reshaped(&[shape[0], shape[1], 1, shape[2]])?
        }
        (_, weight) => weight.clone(),
    };
    let bias = site.optional_constant(2)?.cloned();
    let &[outputs, per_group, kh, kw] = &weight.shape[..] else {
        return Err(invalid(format!(
            "has weights of the shape {:?}",
            weight.shape
        )));
    };
    let groups = site.int("group", 1);
    let groups = usize::try_from(groups)
        .ok()
        .filter(|&g| g > 0 && outputs.is_multiple_of(g));
    let groups = groups.ok_or_else(|| invalid("has an impossible number of groups"))?;
    if kh * kw * outputs * per_group == 0 || kh.max(kw) as i64 > LARGEST {
        return Err(invalid(format!(
            "has weights of the shape {:?}",
            weight.shape
        )));
    }
    let kernel = (kh, kw);
    let stride = pair(site, "strides", Some(1))?;
    let dilation = pair(site, "dilations", Some(1))?;
    let name = import.layer_name(site, &weight);
    let mut parameters = vec![
        import
            .draft
            .parameter(&weight, &name, "weight", Role::Weight)?,
    ];
    if let Some(bias) = bias {
        let bias = bias.reshaped(&[outputs])?;
        parameters.push(import.draft.parameter(&bias, &name, "bias", Role::Bias)?);
    }
    let convolved = |import: &mut Import, mut node: usize| {
        let shape = &import.draft.nodes[node].shape;
        let mut padding = padding(site, (shape[2], shape[3]), kernel, stride, dilation)?;
        if let Padding::Fixed(own) = padding {
            let (before, border) = with_border_before(import, node, own, |value, _| value == 0.0);
            (node, padding) = (before, Padding::Fixed(border));
        }
        let op = Conv2d {
            kernel,
            stride,
            padding,
            dilation,
            groups,
            residual: false,
            activation: None,
        };
        import.draft.emit(&name, op, &[node], &parameters)
    };
    computed(import.of_maps((&view, is_row), site.name, convolved)?)
}
