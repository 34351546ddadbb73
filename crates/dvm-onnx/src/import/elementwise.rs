//! Arithmetic on two values whose sides go together, whatever they are views of.

use dvm_engine::ops::add::Add;
use dvm_engine::ops::binary::{Binary, Function};
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::linear::Linear;
use dvm_engine::ops::mul::Mul;
use dvm_engine::ops::reshape::Reshape;
use dvm_engine::ops::scale::Scale;
use dvm_engine::{Role, Tensor};

use super::Import;
use super::array::{Array, Values};
use super::draft::{Awaits, Draft, is_made_up, run};
use super::integer::Integer;
use super::site::Value;
use super::trouble::{Trouble, invalid, unsupported};
use super::view::View;

/// One axis of the engine's value: which axis of the file's value it belongs to, and which part of it.
pub(crate) type Slot = (usize, usize);

/// Which parts each axis of the file's value is made of, of two values that go together.
pub(crate) struct Together {
    /// The views, with as many axes.
    pub views: [View; 2],
    /// For each axis its parts: whether it is the batch, and the side otherwise.
    pub parts: Vec<Vec<(bool, usize)>>,
}

impl Draft {
    fn parts(&self, view: &View) -> Vec<Vec<(bool, usize)>> {
        let shape = &self.nodes[view.node].shape;
        let part = |&axis: &usize| (axis == 0, if axis == 0 { 1 } else { shape[axis] });
        let parts = |group: &Vec<usize>| group.iter().map(part).collect();
        view.axes.iter().map(parts).collect()
    }

    /// Brings the stacks of two products together, of which only the axes before the matrices are given.
    ///
    /// # Errors
    /// Where their sides do not go together.
    pub fn stacked(&self, a: &View, b: &View) -> Result<Together, Trouble> {
        let rank = a.rank().max(b.rank());
        let views = [a, b].map(|view| filled(view, rank));
        let parts = self.joined(&views).ok_or_else(|| {
            let shown = [a, b].map(|view| self.sides_of_one(view));
            unsupported(format!(
                "multiplies stacks of {:?} and {:?} matrices",
                shown[0], shown[1]
            ))
        })?;
        Ok(Together { views, parts })
    }

    /// The parts of every axis of two views, if they are the same or one has none.
    fn joined(&self, views: &[View; 2]) -> Option<Vec<Vec<(bool, usize)>>> {
        let (first, second) = (self.parts(&views[0]), self.parts(&views[1]));
        let joined = first.iter().zip(&second).map(|(first, second)| {
            let same = first == second || second.is_empty();
            match (same, first.is_empty()) {
                (true, _) => Some(first.clone()),
                (false, true) => Some(second.clone()),
                (false, false) => None,
            }
        });
        joined.collect()
    }

    /// Brings two views together: the same parts for every axis, or none where a side is 1.
    ///
    /// # Errors
    /// Where their sides do not go together.
    pub fn together(&mut self, a: &View, b: &View, name: &str) -> Result<Together, Trouble> {
        let rank = a.rank().max(b.rank());
        let mut views = [filled(a, rank), filled(b, rank)];
        for attempt in 0..2 {
            if let Some(parts) = self.joined(&views) {
                return Ok(Together { views, parts });
            }
            if attempt == 0 {
                let is_map = |view: &View| view.axes == [[0], [2], [3], [1]];
                let beside_map = views.iter().any(is_map);
                for view in &mut views {
                    let is_whole = view.axes.iter().all(|group| group.len() < 2);
                    let has_all = view.axes[0] == [0] && view.axes.iter().all(|g| !g.is_empty());
                    if beside_map && !is_whole && has_all {
                        *view = self.mapped(view, name)?;
                    } else if !(beside_map && is_whole) {
                        *view = self.canonical(view, name)?;
                    }
                }
            }
        }
        let shown = [a, b].map(|view| self.sides_of_one(view));
        Err(unsupported(format!(
            "combines {:?} and {:?}, whose sides do not go together for every batch",
            shown[0], shown[1]
        )))
    }

    /// The engine's axes of a view in this order; sides of 1 where it has none.
    pub fn placed(&mut self, view: &View, slots: &[Slot], name: &str) -> Result<usize, Trouble> {
        let axes = slots
            .iter()
            .map(|&(axis, part)| view.axes[axis].get(part).copied());
        let axes: Vec<Option<usize>> = axes.collect();
        if axes.first() != Some(&Some(0)) {
            return Err(unsupported("mixes values of pictures with values of none"));
        }
        let merged = vec![1; axes.len()];
        self.arrange(view.node, axes, merged, name)
    }
}

/// A view with axes of side 1 in front, so that it has `rank` of them.
fn filled(view: &View, rank: usize) -> View {
    let missing = vec![Vec::new(); rank - view.rank()];
    View {
        node: view.node,
        axes: missing.into_iter().chain(view.axes.clone()).collect(),
    }
}

/// The engine's axes in the order of the file's, batch first.
pub(crate) fn in_order(parts: &[Vec<(bool, usize)>]) -> Vec<Slot> {
    let mut slots = Vec::new();
    for (axis, parts) in parts.iter().enumerate() {
        for (part, &(is_batch, _)) in parts.iter().enumerate() {
            match is_batch {
                true => slots.insert(0, (axis, part)),
                false => slots.push((axis, part)),
            }
        }
        if parts.is_empty() {
            slots.push((axis, 0));
        }
    }
    slots
}

/// The view of a value that has these slots.
pub(crate) fn viewed(rank: usize, slots: &[Slot], node: usize) -> View {
    let mut axes: Vec<Vec<(usize, usize)>> = vec![Vec::new(); rank];
    for (position, &(axis, part)) in slots.iter().enumerate() {
        axes[axis].push((part, position));
    }
    let sorted = axes.into_iter().map(|mut group| {
        group.sort_unstable();
        group.into_iter().map(|(_, position)| position).collect()
    });
    View {
        node,
        axes: sorted.collect(),
    }
}

impl Import<'_> {
    /// `function(a, b)`.
    ///
    /// # Errors
    /// Where the two do not go together.
    pub fn binary(
        &mut self,
        name: &str,
        function: Function,
        a: &Value,
        b: &Value,
    ) -> Result<Value, Trouble> {
        match (a, b) {
            (Value::Constant(a), Value::Constant(b)) => {
                self.of_constants(function, a, b).map(Value::Constant)
            }
            (Value::Computed(a), Value::Computed(b)) => {
                self.of_views(name, function, a, b).map(Value::Computed)
            }
            (Value::Computed(a), Value::Constant(b)) => {
                let made = self.with_constant(name, function, a, b, false)?;
                Ok(Value::Computed(made))
            }
            (Value::Constant(a), Value::Computed(b)) => {
                let made = self.with_constant(name, function, b, a, true)?;
                Ok(Value::Computed(made))
            }
            (Value::Counted(numbers), Value::Constant(array)) => {
                let swapped = false;
                let made = self.of_counted(function, numbers, array, swapped)?;
                Ok(Value::Counted(made))
            }
            (Value::Constant(array), Value::Counted(numbers)) => {
                let made = self.of_counted(function, numbers, array, true)?;
                Ok(Value::Counted(made))
            }
            _ => Err(unsupported("computes with truth values of the picture")),
        }
    }

    /// `function` of two constants.
    ///
    /// # Errors
    /// Where the two do not go together.
    pub fn of_constants(
        &mut self,
        function: Function,
        a: &Array,
        b: &Array,
    ) -> Result<Array, Trouble> {
        let shape = super::array::broadcast(&a.shape, &b.shape)?;
        self.draft.spend_on(&shape)?;
        let mut made = match (&a.values, &b.values) {
            (Values::Integers(_), Values::Integers(_)) => {
                let (a, b) = (a.spread(&shape)?, b.spread(&shape)?);
                let pairs = a.as_integers()?.iter().zip(b.as_integers()?.iter());
                let values = pairs.map(|(&a, &b)| of_integers(function, a, b));
                Array::integers(&shape, values.collect::<Result<_, _>>()?)
            }
            _ => {
                let rank = shape.len().max(1);
                let filled = |array: &Array| {
                    let ones = vec![1; rank - array.rank()];
                    array.reshaped(&[&ones[..], &array.shape].concat())
                };
                run(&Binary::inputs(function), &[&filled(a)?, &filled(b)?], &[])?
                    .reshaped(&shape)?
            }
        };
        made.repeated = a.repeated || b.repeated;
        Ok(made)
    }

    fn of_views(
        &mut self,
        name: &str,
        function: Function,
        a: &View,
        b: &View,
    ) -> Result<View, Trouble> {
        let Together { views, parts } = self.draft.together(a, b, name)?;
        let covers = |view: &View| {
            let mut pairs = view.axes.iter().zip(&parts);
            pairs.all(|(group, parts)| group.len() == parts.len())
        };
        // In the order of one that has all sides, if there is one.
        let reference = views.iter().find(|view| covers(view));
        let slots = match reference {
            Some(view) => self.own_slots(view),
            None => in_order(&parts),
        };
        let [a, b] = [&views[0], &views[1]].map(|view| self.draft.placed(view, &slots, name));
        let (a, b) = (a?, b?);
        let shapes = [a, b].map(|id| self.draft.nodes[id].shape.clone());
        let per_channel = |map: &[usize], scale: &[usize]| {
            map.len() == 4 && scale.len() == 4 && scale[2..] == [1, 1] && scale[1] == map[1]
        };
        let [first, second] = &shapes;
        let node = match function {
            Function::Add if first == second => self.draft.emit(name, Add, &[a, b], &[])?,
            Function::Mul
                if first == second || per_channel(first, second) || per_channel(second, first) =>
            {
                self.draft.emit(name, Mul, &[a, b], &[])?
            }
            Function::Div => match self.layer_norm_of(name, a, b)? {
                Some(node) => node,
                None => self
                    .draft
                    .emit(name, Binary::inputs(function), &[a, b], &[])?,
            },
            _ => self
                .draft
                .emit(name, Binary::inputs(function), &[a, b], &[])?,
        };
        let view = viewed(parts.len(), &slots, node);
        Ok(self.draft.tidy(view))
    }

    /// The engine's axes of a view in the engine's order.
    pub fn own_slots(&self, view: &View) -> Vec<Slot> {
        let rank = self.draft.nodes[view.node].shape.len();
        let place = |wanted: usize| {
            let mut groups = view.axes.iter().enumerate();
            groups.find_map(|(axis, group)| {
                let part = group.iter().position(|&own| own == wanted)?;
                Some((axis, part))
            })
        };
        // An axis of side 1 that no axis of the file's value stands for is any part that is not there.
        (0..rank)
            .map(|axis| place(axis).unwrap_or((0, usize::MAX)))
            .collect()
    }

    fn with_constant(
        &mut self,
        name: &str,
        function: Function,
        x: &View,
        constant: &Array,
        swapped: bool,
    ) -> Result<View, Trouble> {
        if matches!(constant.values, Values::Integers(_)) {
            return Err(invalid("combines floats with whole numbers"));
        }
        let is_scalar = constant.len() == 1;
        if let Values::Floats(values) = &constant.values
            && is_scalar
            && constant.rank() <= x.rank()
        {
            let value = values[0];
            let neutral = match function {
                Function::Add => value == 0.0,
                Function::Sub => value == 0.0 && !swapped,
                Function::Mul => value == 1.0,
                Function::Div | Function::Pow => value == 1.0 && !swapped,
                Function::Min | Function::Max => false,
            };
            if neutral {
                return Ok(x.clone());
            }
            let op = Binary {
                swapped,
                ..Binary::constant(function, Tensor::full(&[1], value))
            };
            let node = self.draft.emit(name, op, &[x.node], &[])?;
            return Ok(x.of(node));
        }
        if let Some(view) = self.taken_by_layer(function, x, constant)? {
            return Ok(view);
        }
        let (view, slots, array) = self.beside(x, constant, name)?;
        let shape = array.shape.clone();
        let is_learnt =
            self.is_learnt(constant) && matches!(function, Function::Add | Function::Mul);
        let is_absent = matches!(array.values, Values::Absent);
        if !is_learnt && !is_absent {
            let op = Binary {
                swapped,
                ..Binary::constant(function, array.tensor()?)
            };
            let node = self.draft.emit(name, op, &[view.node], &[])?;
            return Ok(self.draft.tidy(viewed(view.rank(), &slots, node)));
        }
        let is_per_channel = shape.len() == 4 && shape[2..] == [1, 1];
        let (op, array, role) = if function == Function::Mul && is_per_channel {
            (None, array.reshaped(&[shape[1], 1, 1])?, Role::Scale)
        } else {
            let op = Binary {
                swapped,
                ..Binary::parameter(function)
            };
            let role = match function {
                Function::Mul => Role::Scale,
                _ if shape.iter().filter(|&&side| side > 1).count() <= 1 => Role::Bias,
                _ => Role::Weight,
            };
            // One number per feature is a row, as state dicts have it.
            let last = shape.len() - 1;
            let is_row = shape.len() != 4 && shape[..last].iter().all(|&side| side == 1);
            let array = if is_row {
                array.reshaped(&shape[last..])?
            } else {
                array
            };
            (Some(op), array, role)
        };
        let parameter = self.draft.parameter(&array, name, "value", role)?;
        let node = match op {
            None => self.draft.emit(name, Scale, &[view.node], &[parameter])?,
            Some(op) => self.draft.emit(name, op, &[view.node], &[parameter])?,
        };
        Ok(self.draft.tidy(viewed(view.rank(), &slots, node)))
    }

    /// Whether a constant was learnt: an initializer of several numbers that has a name of its own,
    /// after the first layer. What comes before are the means and deviations of pictures.
    fn is_learnt(&self, constant: &Array) -> bool {
        let has_name = constant
            .name
            .as_deref()
            .is_some_and(|name| !is_made_up(name));
        has_name && constant.len() > 1 && self.has_layers()
    }

    /// A constant with the axes of a view: the view (with more axes, if the constant has more), the
    /// order of its engine's axes, and the constant in that order.
    pub fn beside(
        &mut self,
        x: &View,
        constant: &Array,
        name: &str,
    ) -> Result<(View, Vec<Slot>, Array), Trouble> {
        let rank = x.rank().max(constant.rank());
        let fill = |missing: usize| vec![Vec::new(); missing];
        let mut view = View {
            node: x.node,
            axes: [fill(rank - x.rank()), x.axes.clone()].concat(),
        };
        let shape = [&vec![1; rank - constant.rank()][..], &constant.shape].concat();
        let sides = self.draft.sides(&view);
        let grows = |(side, &own): (&Integer, &usize)| side.known() == Some(1) && own != 1;
        let mut slots = if sides.iter().zip(&shape).any(grows) {
            let canonical = self.draft.canonical(&view, name)?;
            let slots = in_order(&self.draft.parts(&canonical));
            let node = self.draft.placed(&canonical, &slots, name)?;
            view = viewed(rank, &slots, node);
            slots
        } else {
            self.own_slots(&view)
        };
        if slots.is_empty() {
            slots = vec![(0, 0)];
        }
        let sides = self.draft.nodes[view.node].shape.clone();
        // The constant with an axis for each of the engine's that it has a side along.
        let mut split = Vec::new();
        let mut place = vec![None; slots.len()];
        for (axis, &side) in shape.iter().enumerate() {
            let group = &view.axes[axis];
            let parts: Vec<usize> = group
                .iter()
                .map(|&own| if own == 0 { 1 } else { sides[own] })
                .collect();
            let whole: usize = parts.iter().product();
            let is_spread = side == 1;
            let grows = whole == 1 && !group.contains(&0);
            if !is_spread && side != whole && !grows {
                return Err(invalid(format!(
                    "combines {:?} with a constant of {:?}",
                    self.draft.sides_of_one(x),
                    constant.shape
                )));
            }
            if grows || group.is_empty() {
                let own = group.first().copied();
                let own =
                    own.or_else(|| slots.iter().position(|&(a, part)| (a, part) == (axis, 0)));
                if let Some(own) = own {
                    place[own] = Some(split.len());
                }
                split.push(side);
            } else {
                for (&own, &part) in group.iter().zip(&parts) {
                    place[own] = Some(split.len());
                    split.push(if is_spread { 1 } else { part });
                }
            }
        }
        let named = constant.name.clone();
        let array = constant.reshaped(&split)?;
        let listed: Vec<usize> = place.iter().copied().flatten().collect();
        let rest = (0..split.len()).filter(|axis| !listed.contains(axis));
        let order: Vec<usize> = listed.iter().copied().chain(rest).collect();
        let array = array.transposed(&order);
        let shape: Vec<usize> = place
            .iter()
            .map(|at| at.map_or(1, |at| split[at]))
            .collect();
        let array = Array {
            name: named,
            ..array.reshaped(&shape)?
        };
        Ok((view, slots, array))
    }

    /// A shift that the layer before has room for as its bias, a factor or shift that a layer norm
    /// still lacks.
    fn taken_by_layer(
        &mut self,
        function: Function,
        x: &View,
        constant: &Array,
    ) -> Result<Option<View>, Trouble> {
        let features = constant.len();
        // The only axis along which the constant has a side.
        let missing = match x.rank().checked_sub(constant.rank()) {
            Some(missing) => missing,
            None => return Ok(None),
        };
        let Some(axis) = constant.shape.iter().position(|&side| side == features) else {
            return Ok(None);
        };
        let &[own] = &x.axes[axis + missing][..] else {
            return Ok(None);
        };
        let made = &self.draft.nodes[x.node];
        let is_put_under = made.op_as::<Reshape>().is_some();
        let channels = if made.shape.len() == 4 && !is_put_under {
            1
        } else {
            made.shape.len() - 1
        };
        if features < 2 || own != channels || made.shape[own] != features {
            return Ok(None);
        }
        if function == Function::Add
            && is_put_under
            && let shape = made.shape.clone()
            && let layer = &self.draft.nodes[made.inputs[0]]
            && layer.op_as::<Linear>().is_some()
            && layer.shape.len() == 3
            && layer.shape[2] == features
            && let &[weight] = &layer.parameters[..]
        {
            // The places of a layer's features were put under other sides.
            let (at, name) = (made.inputs[0], layer.name.clone());
            let array = constant.reshaped(&[features])?;
            let bias = self.draft.parameter(&array, &name, "bias", Role::Bias)?;
            let parameters = vec![weight, bias];
            let node = self.draft.again(at, parameters, Awaits::Nothing, None)?;
            let node = self.draft.under(node, &shape, &name)?;
            return Ok(Some(x.of(node)));
        }
        let is_layer = made.op_as::<Linear>().is_some() || made.op_as::<Conv2d>().is_some();
        let array = constant.reshaped(&[features])?;
        if is_layer && function == Function::Add && made.parameters.len() == 1 {
            let weight = made.parameters[0];
            let name = made.name.clone();
            let bias = self.draft.parameter(&array, &name, "bias", Role::Bias)?;
            let node = self
                .draft
                .again(x.node, vec![weight, bias], Awaits::Nothing, None)?;
            return Ok(Some(x.of(node)));
        }
        let (slot, next, suffix, role) = match (made.awaits, function) {
            (Awaits::Scale, Function::Mul) => (0, Awaits::Bias, "weight", Role::Scale),
            (Awaits::Scale | Awaits::Bias, Function::Add) => {
                (1, Awaits::Nothing, "bias", Role::Bias)
            }
            _ => return Ok(None),
        };
        let mut parameters = made.parameters.clone();
        let layer = super::layer_of(&array);
        let name = layer.clone().unwrap_or_else(|| made.name.clone());
        parameters[slot] = self.draft.parameter(&array, &name, suffix, role)?;
        let node = self
            .draft
            .again(x.node, parameters, next, layer.as_deref())?;
        Ok(Some(x.of(node)))
    }
}

fn of_integers(function: Function, a: Integer, b: Integer) -> Result<Integer, Trouble> {
    let chosen = |is_first: fn(std::cmp::Ordering) -> bool| {
        a.compare(b)
            .map(|order| if is_first(order) { a } else { b })
    };
    let value = match function {
        Function::Add => a.plus(b),
        Function::Sub => a.minus(b),
        Function::Mul => a.times(b),
        Function::Div => a.quotient(b),
        Function::Min => chosen(std::cmp::Ordering::is_lt),
        Function::Max => chosen(std::cmp::Ordering::is_gt),
        Function::Pow => match (a.known(), b.known().and_then(|b| u32::try_from(b).ok())) {
            (Some(a), Some(b)) => a.checked_pow(b).map(Integer::from),
            _ => None,
        },
    };
    value.ok_or_else(|| {
        unsupported("computes whole numbers that overflow or depend on how many pictures there are")
    })
}
