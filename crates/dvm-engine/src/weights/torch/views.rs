//! Tensors as a pickle describes them: views of storages.

use std::collections::BTreeMap;

use super::super::element::Element;
use super::super::inspection::{self, Objection};
use super::objects::{Node, Object, Objects, Place};

/// A tensor: some elements of a storage, in any order.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// The key of its storage.
    pub storage: String,
    pub element: Element,
    /// The first element.
    pub offset: u64,
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// The number of elements between neighbours along each dimension.
    pub strides: Vec<u64>,
}

/// Tensors that are described before the pickle of the weights.
#[derive(Default)]
pub(super) struct Described {
    /// Tensors by their persistent id in the pickle (tar archives).
    pub tensors: BTreeMap<String, View>,
}

/// Why a tensor is not read.
pub(super) enum Unreadable {
    Damaged(String),
    /// Elements of this type.
    Element(String),
    /// The number of dimensions, which is too large.
    Dimensions(usize),
    /// Its storage is not in the file: it was pickled without `torch.save`.
    Alone,
}

impl Described {
    /// The tensor at `place`, if it is one.
    pub fn tensor(&self, objects: &Objects, place: Place) -> Result<Option<View>, Unreadable> {
        match objects.node(place) {
            Node::Stored(id) => Ok(objects
                .key(*id)
                .and_then(|id| self.tensors.get(&id).cloned())),
            Node::Object(object) => self.rebuilt(objects, object, 0),
            _ => Ok(None),
        }
    }

    fn rebuilt(
        &self,
        objects: &Objects,
        object: &Object,
        depth: usize,
    ) -> Result<Option<View>, Unreadable> {
        let damaged =
            |what: &str| Unreadable::Damaged(format!("a tensor's description has {what}"));
        let Some(function) = objects.class(object.function) else {
            return Ok(None);
        };
        let Some(short) = function
            .strip_prefix("torch._utils.")
            .or_else(|| function.strip_prefix("torch._tensor."))
            .filter(|short| short.starts_with("_rebuild"))
        else {
            return Ok(None);
        };
        let arguments = objects.items(object.arguments);
        let arguments = arguments.ok_or_else(|| damaged("no list of arguments"))?;
        let nested = |place: Place| {
            if depth > 4 {
                return Err(damaged("too many nested tensors"));
            }
            match objects.node(place) {
                Node::Object(inner) => self.rebuilt(objects, inner, depth + 1),
                _ => self.tensor(objects, place),
            }
        };
        let (facts, dtype) = match (short, arguments) {
            ("_rebuild_tensor", [a, b, c, d, ..]) => ([*a, *b, *c, *d], None),
            ("_rebuild_tensor_v2", [a, b, c, d, _, _, ..]) => ([*a, *b, *c, *d], None),
            ("_rebuild_tensor_v3", [a, b, c, d, _, _, dtype, ..]) => {
                ([*a, *b, *c, *d], Some(*dtype))
            }
            ("_rebuild_parameter" | "_rebuild_parameter_with_state", [data, ..]) => {
                return nested(*data);
            }
            // `function(*arguments)` of a subclass of Tensor. If its state has tensors, too, the meaning of
            // the values is unknown.
            ("_rebuild_from_type_v2", [inner, class, inner_arguments, state, ..]) => {
                if self.holds_tensors(objects, *state, 0) {
                    return Err(Unreadable::Element(objects.type_name(*class)));
                }
                let inner = Object {
                    function: *inner,
                    arguments: *inner_arguments,
                    state: None,
                    entries: Vec::new(),
                };
                if depth > 4 {
                    return Err(damaged("too many nested tensors"));
                }
                return self.rebuilt(objects, &inner, depth + 1);
            }
            (
                "_rebuild_tensor"
                | "_rebuild_tensor_v2"
                | "_rebuild_tensor_v3"
                | "_rebuild_parameter"
                | "_rebuild_from_type_v2",
                _,
            ) => return Err(damaged("too few arguments")),
            ("_rebuild_qtensor", [storage, ..]) => {
                let class = self.storage_class(objects, *storage);
                return Err(Unreadable::Element(
                    class.unwrap_or_else(|| function.into()),
                ));
            }
            _ => return Err(Unreadable::Element(function.to_owned())),
        };
        self.view(objects, facts, dtype).map(Some)
    }

    /// A view of `storage` from `offset` on, of this shape and these strides.
    fn view(
        &self,
        objects: &Objects,
        [storage, offset, shape, strides]: [Place; 4],
        dtype: Option<Place>,
    ) -> Result<View, Unreadable> {
        let damaged =
            |what: &str| Unreadable::Damaged(format!("a tensor's description has {what}"));
        let Node::Stored(id) = objects.node(storage) else {
            return Err(Unreadable::Alone);
        };
        let (key, class, begin) = stored(objects, *id)?;
        let element = match dtype.map(|dtype| objects.class(dtype)) {
            Some(Some(dtype)) => element_of_dtype(dtype)?,
            Some(None) => return Err(damaged("no valid element type")),
            None => element_of_storage(&class)?,
        };
        let dimensions = objects.items(shape).map_or(0, <[Place]>::len);
        if dimensions > inspection::MOST_DIMENSIONS {
            return Err(Unreadable::Dimensions(dimensions));
        }
        let numbers = |place: Place| -> Option<Vec<u64>> {
            let items = objects.items(place)?.iter();
            items.map(|item| objects.count(*item)).collect()
        };
        let negative = || damaged("missing or negative numbers");
        let offset = objects.count(offset).ok_or_else(negative)?;
        let shape = numbers(shape).ok_or_else(negative)?;
        let strides = numbers(strides).ok_or_else(negative)?;
        if shape.len() != strides.len() {
            return Err(damaged("a different number of strides than dimensions"));
        }
        let shape: Result<Vec<usize>, _> = shape.into_iter().map(usize::try_from).collect();
        Ok(View {
            storage: key,
            element,
            offset: offset.saturating_add(begin),
            shape: shape.map_err(|_| damaged("a dimension that is too large"))?,
            strides,
        })
    }

    fn storage_class(&self, objects: &Objects, storage: Place) -> Option<String> {
        match objects.node(storage) {
            Node::Stored(id) => stored(objects, *id).ok().map(|(_, class, _)| class),
            _ => None,
        }
    }

    /// Whether a state holds tensors, in up to three levels of containers.
    fn holds_tensors(&self, objects: &Objects, place: Place, depth: usize) -> bool {
        if depth > 3 {
            return false;
        }
        match objects.node(place) {
            Node::Stored(_) => true,
            Node::Container(_, items) => {
                let mut items = items.iter().take(1000);
                items.any(|item| self.holds_tensors(objects, *item, depth + 1))
            }
            Node::Object(object) => {
                let function = objects.class(object.function).unwrap_or_default();
                function.contains("._rebuild")
            }
            _ => false,
        }
    }
}

/// Key, class and first element of a storage: `('storage', class, key, location, count, view)`.
fn stored(objects: &Objects, id: Place) -> Result<(String, String, u64), Unreadable> {
    let damaged = |what: &str| Unreadable::Damaged(format!("a storage's description has {what}"));
    let Some([tag, class, key, _, _, view @ ..]) = objects.items(id) else {
        return Err(damaged("too few fields"));
    };
    if objects.text(*tag) != Some("storage") {
        return Err(damaged("another type than `storage`"));
    }
    let class = objects.class(*class).or_else(|| objects.text(*class));
    let class = class.ok_or_else(|| damaged("no class"))?;
    let key = objects.key(*key).ok_or_else(|| damaged("no key"))?;
    // Early files described a part of another storage: (key, first element, count).
    let begin = match view.first().and_then(|view| objects.items(*view)) {
        Some([_, begin, _]) => objects
            .count(*begin)
            .ok_or_else(|| damaged("a negative number"))?,
        _ => 0,
    };
    Ok((key, class.to_owned(), begin))
}

/// Key and size in bytes of one element, for each storage that the pickle mentions.
pub(super) fn element_sizes(objects: &Objects) -> BTreeMap<String, u64> {
    let described = objects.stored_ids().filter_map(|id| {
        let (key, class, _) = stored(objects, id).ok()?;
        let size = if is_untyped(&class) {
            1
        } else {
            element_of_storage(&class)
                .ok()
                .map_or_else(|| foreign_size(&class), Element::size)
        };
        Some((key, size as u64))
    });
    described.collect()
}

fn is_untyped(class: &str) -> bool {
    class.ends_with("UntypedStorage")
}

/// Bytes per element of the types that have no f32 value.
fn foreign_size(class: &str) -> usize {
    match class.rsplit('.').next().unwrap_or(class) {
        "ComplexDoubleStorage" => 16,
        "ComplexFloatStorage" => 8,
        "QInt32Storage" => 4,
        _ => 1,
    }
}

/// The element type of a `torch.FloatStorage` and similar classes.
pub(super) fn element_of_storage(class: &str) -> Result<Element, Unreadable> {
    Ok(match class.rsplit('.').next().unwrap_or(class) {
        "DoubleStorage" => Element::F64,
        "FloatStorage" => Element::F32,
        "HalfStorage" => Element::F16,
        "BFloat16Storage" => Element::BF16,
        "LongStorage" => Element::I64,
        "IntStorage" => Element::I32,
        "ShortStorage" => Element::I16,
        "CharStorage" => Element::I8,
        "ByteStorage" => Element::U8,
        "BoolStorage" => Element::Bool,
        _ => return Err(Unreadable::Element(class.to_owned())),
    })
}

fn element_of_dtype(name: &str) -> Result<Element, Unreadable> {
    Ok(match name.strip_prefix("torch.").unwrap_or(name) {
        "float64" | "double" => Element::F64,
        "float32" | "float" => Element::F32,
        "float16" | "half" => Element::F16,
        "bfloat16" => Element::BF16,
        "int64" | "long" => Element::I64,
        "int32" | "int" => Element::I32,
        "int16" | "short" => Element::I16,
        "int8" => Element::I8,
        "uint64" => Element::U64,
        "uint32" => Element::U32,
        "uint16" => Element::U16,
        "uint8" => Element::U8,
        "bool" => Element::Bool,
        _ => return Err(Unreadable::Element(name.to_owned())),
    })
}

impl View {
    /// The number of elements; `None` if it does not fit in 64 bits.
    pub fn count(&self) -> Option<u64> {
        let mut shape = self.shape.iter();
        shape.try_fold(1u64, |all, &side| all.checked_mul(side as u64))
    }

    /// The memory that its values need, in bytes, at least four for each.
    pub fn bytes(&self) -> u64 {
        let each = self.element.size().max(size_of::<f32>()) as u64;
        self.count()
            .map_or(u64::MAX, |count| count.saturating_mul(each))
    }

    /// Its values, row-major, from the bytes of its storage.
    pub fn values(&self, name: &str, storage: &[u8]) -> Result<Vec<f32>, Objection> {
        let size = self.element.size();
        let count = self.count().unwrap_or(u64::MAX);
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut sides = self.shape.iter().zip(&self.strides);
        let end = sides.try_fold(self.offset, |end, (&side, &stride)| {
            end.checked_add((side as u64 - 1).checked_mul(stride)?)
        });
        let has = (storage.len() / size) as u64;
        let Some(end) = end.filter(|&last| last < has) else {
            return Err(Objection::Damaged(format!(
                "tensor '{name}' of shape {:?} with strides {:?} from element {} on extends beyond its \
                 storage '{}' of {has} elements",
                self.shape, self.strides, self.offset, self.storage
            )));
        };
        let (offset, end) = (self.offset as usize, end as usize);
        if self.is_in_order() {
            return Ok(self
                .element
                .values(&storage[offset * size..(end + 1) * size]));
        }
        inspection::rank(name, &self.shape)?;
        let mut bytes = Vec::with_capacity(count as usize * size);
        let mut index = vec![0usize; self.shape.len()];
        let mut at = offset;
        for _ in 0..count {
            bytes.extend_from_slice(&storage[at * size..(at + 1) * size]);
            for axis in (0..index.len()).rev() {
                let stride = self.strides[axis] as usize;
                index[axis] += 1;
                if index[axis] < self.shape[axis] {
                    at += stride;
                    break;
                }
                at -= (self.shape[axis] - 1) * stride;
                index[axis] = 0;
            }
        }
        Ok(self.element.values(&bytes))
    }

    /// Whether its elements are consecutive; strides of dimensions of one element do not matter.
    fn is_in_order(&self) -> bool {
        let mut expected = 1u64;
        for (&side, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if side > 1 && stride != expected {
                return false;
            }
            expected = expected.saturating_mul(side as u64);
        }
        true
    }
}
