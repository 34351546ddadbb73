//! Attention in windows.

use dvm_engine::ops::window_attention::{UNSEEN, WindowAttention};

use super::Purpose;
use super::attention::Heads;
use super::attribute::{int, ints};
use super::writer::{ExportContext, Writer, Written};

/// The order of the axes of `[N, H/m, m, W/m, m, C]` that makes windows contiguous. It is its own inverse.
const BY_WINDOW: [usize; 6] = [0, 1, 3, 2, 4, 5];

pub(super) fn write(writer: &mut Writer, ctx: &ExportContext) -> Written {
    let Some(attention) = ctx.node.op_as::<WindowAttention>() else {
        return Ok(None);
    };
    if writer.purpose == Purpose::Structure {
        let numbers = [
            ("heads", attention.heads),
            ("window", attention.window),
            ("shift", attention.shift),
        ];
        let numbers = numbers.map(|(name, number)| int(name, number as i64));
        let inputs = [ctx.inputs[0], ctx.parameters[0]];
        let value = writer.last(ctx, "WindowAttention", &inputs, numbers.into());
        writer.own();
        return value;
    }
    let [_, c, h, w] = ctx.output_map()?;
    let windows = Windows {
        side: attention.window,
        shift: [h, w].map(|length| {
            if length <= attention.window {
                0
            } else {
                attention.shift
            }
        }),
        size: [h, w],
    };
    let m = attention.window;
    let tokens = m * m;
    let x = writer.transpose(ctx, "channels_last", ctx.inputs[0], &[0, 2, 3, 1]);
    let x = windows.rolled(writer, ctx, "shifted", x, false);
    let x = windows.reshaped(writer, ctx, "cut", &x, 3 * c);
    let x = writer.transpose(ctx, "windows", &x, &BY_WINDOW);
    let sides = [-1, tokens as i64, 3 * c as i64];
    let x = writer.reshape(ctx, "window_tokens", &x, &sides);

    let heads = Heads {
        heads: attention.heads,
        tokens,
        width: c,
    };
    let [q, k, v] = heads.split(writer, ctx, &x);
    let scores = heads.scores(writer, ctx, &q, &k);
    let bias = bias(writer, ctx, attention);
    let mut scores = writer.step(ctx, "biased", "Add", &[&scores, &bias], vec![]);
    if windows.shift != [0, 0] {
        scores = windows.masked(writer, ctx, &scores, attention);
    }
    let x = heads.attended(writer, ctx, &scores, &v);

    let [rows, columns] = windows.counts();
    let sides = [rows, columns, m, m, c].map(|side| side as i64);
    let x = writer.reshape(ctx, "found_windows", &x, &[&[-1], &sides[..]].concat());
    let x = writer.transpose(ctx, "joined", &x, &BY_WINDOW);
    let x = writer.reshape(ctx, "whole", &x, &[-1, h as i64, w as i64, c as i64]);
    let x = windows.rolled(writer, ctx, "back", x, true);
    writer.last(ctx, "Transpose", &[&x], vec![ints("perm", &[0, 3, 1, 2])])
}

/// The relative position bias, `[1, heads, T, T]`.
fn bias(writer: &mut Writer, ctx: &ExportContext, attention: &WindowAttention) -> String {
    let tokens = attention.window * attention.window;
    let row = |from: usize, to: usize| attention.table_row(from, to) as i64;
    let pairs = (0..tokens).flat_map(|from| (0..tokens).map(move |to| row(from, to)));
    let pairs = writer.integers(&pairs.collect::<Vec<i64>>());
    let axis = vec![int("axis", 0)];
    let bias = writer.step(ctx, "pairs", "Gather", &[ctx.parameters[0], &pairs], axis);
    let (tokens, heads) = (tokens as i64, attention.heads as i64);
    let bias = writer.reshape(ctx, "pair_table", &bias, &[1, tokens, tokens, heads]);
    writer.transpose(ctx, "bias", &bias, &[0, 3, 1, 2])
}

/// The windows of a feature map.
struct Windows {
    side: usize,
    /// Rows and columns that they are shifted by.
    shift: [usize; 2],
    /// Rows and columns of the map.
    size: [usize; 2],
}

impl Windows {
    /// Rows and columns of windows.
    fn counts(&self) -> [usize; 2] {
        self.size.map(|length| length / self.side)
    }

    /// The map `[N, H, W, C]` rolled up and to the left by the shift, or back.
    fn rolled(
        &self,
        writer: &mut Writer,
        ctx: &ExportContext,
        step: &str,
        mut x: String,
        back: bool,
    ) -> String {
        for (axis, (&shift, &length)) in self.shift.iter().zip(&self.size).enumerate() {
            if shift == 0 {
                continue;
            }
            let axis = axis + 1;
            let first = if back { length - shift } else { shift } as i64;
            let axes = writer.integers(&[axis as i64]);
            let (zero, first) = (writer.integers(&[0]), writer.integers(&[first]));
            let end = writer.integers(&[length as i64]);
            let name = |part: &str| format!("{step}{axis}_{part}");
            let after = [&x[..], &first, &end, &axes];
            let after = writer.step(ctx, &name("after"), "Slice", &after, vec![]);
            let before = [&x[..], &zero, &first, &axes];
            let before = writer.step(ctx, &name("before"), "Slice", &before, vec![]);
            let along = vec![int("axis", axis as i64)];
            x = writer.step(ctx, &name("joined"), "Concat", &[&after, &before], along);
        }
        x
    }

    /// `[N, H, W, channels]` as `[N, H/m, m, W/m, m, channels]`.
    fn reshaped(
        &self,
        writer: &mut Writer,
        ctx: &ExportContext,
        step: &str,
        x: &str,
        channels: usize,
    ) -> String {
        let [rows, columns] = self.counts();
        let sides = [rows, self.side, columns, self.side, channels].map(|side| side as i64);
        writer.reshape(ctx, step, x, &[&[-1], &sides[..]].concat())
    }

    /// The scores minus 100 where two pixels of a window are not adjacent regions of the map, as in torchvision.
    fn masked(
        &self,
        writer: &mut Writer,
        ctx: &ExportContext,
        scores: &str,
        attention: &WindowAttention,
    ) -> String {
        let windows = attention.windows(self.size[0], self.size[1]);
        let (count, tokens, heads) = (windows.len(), windows[0].regions.len(), attention.heads);
        let mut mask = Vec::with_capacity(count * tokens * tokens);
        for window in &windows {
            for from in &window.regions {
                let seen = window.regions.iter().map(|to| from == to);
                mask.extend(seen.map(|is_seen| if is_seen { 0.0 } else { UNSEEN }));
            }
        }
        let mask = writer.floats(&[1, count, 1, tokens, tokens], &mask);
        let sides = [count, heads, tokens, tokens].map(|side| side as i64);
        let split = writer.reshape(ctx, "by_window", scores, &[&[-1], &sides[..]].concat());
        let masked = writer.step(ctx, "masked", "Add", &[&split, &mask], vec![]);
        writer.reshape(ctx, "of_windows", &masked, &[&[-1], &sides[1..]].concat())
    }
}
