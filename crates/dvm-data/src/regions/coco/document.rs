//! The contents of a COCO file. Lists are limited while they are read, and errors name the element.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use super::Runs;
use crate::regions::Shape;

/// The file.
pub(super) struct Document {
    pub(super) images: List<Image>,
    pub(super) annotations: List<Annotation>,
    pub(super) categories: List<Category>,
}

#[derive(Deserialize)]
struct DocumentFields {
    images: List<Image>,
    annotations: List<Annotation>,
    #[serde(default)]
    categories: List<Category>,
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields: DocumentFields = object(deserializer)?;
        Ok(Self {
            images: fields.images,
            annotations: fields.annotations,
            categories: fields.categories,
        })
    }
}

/// A picture.
#[derive(Deserialize)]
pub(super) struct Image {
    pub(super) id: i64,
    pub(super) file_name: String,
    pub(super) height: Option<u32>,
    pub(super) width: Option<u32>,
}

/// A class.
#[derive(Deserialize)]
pub(super) struct Category {
    pub(super) id: i64,
    pub(super) name: String,
}

/// An object, or with `iscrowd` a group of objects.
#[derive(Deserialize)]
pub(super) struct Annotation {
    pub(super) image_id: i64,
    #[serde(default)]
    pub(super) category_id: Option<i64>,
    #[serde(default)]
    bbox: Option<[f64; 4]>,
    #[serde(default)]
    segmentation: Segmentation,
}

impl Annotation {
    /// Its outline or mask if it has one, else its box.
    pub(super) fn shape(self, size: Option<(usize, usize)>) -> Result<Shape, String> {
        if let Some([x, y, width, height]) = self.bbox
            && (width < 0.0 || height < 0.0)
        {
            return Err(format!(
                "has a box of negative size: [{x}, {y}, {width}, {height}] (left, top, width, height)"
            ));
        }
        match (self.segmentation, self.bbox) {
            (Segmentation::Polygons(outlines), _) => Ok(Shape::Polygons(outlines)),
            (Segmentation::Runs(runs), _) => match size.filter(|&size| size != runs.size()) {
                None => Ok(Shape::Runs(runs)),
                Some(size) => Err(format!(
                    "has a mask of {}×{} pixels (rows × columns), but its image has {}×{}",
                    runs.size().0,
                    runs.size().1,
                    size.0,
                    size.1
                )),
            },
            (Segmentation::None, Some([x, y, width, height])) => Ok(Shape::Box {
                rows: y..y + height,
                columns: x..x + width,
            }),
            (Segmentation::None, None) => Err("has neither `bbox` nor `segmentation`".into()),
        }
    }
}

/// An element of one of the file's lists.
pub(super) trait Element: for<'de> Deserialize<'de> {
    /// The name of the list.
    const LIST: &'static str;
    /// Most elements.
    const MOST: usize;

    /// Number of coordinates or run lengths of its outline or mask.
    fn numbers(&self) -> usize {
        0
    }
}

impl Element for Image {
    const LIST: &'static str = "images";
    const MOST: usize = 1_000_000;
}

impl Element for Category {
    const LIST: &'static str = "categories";
    const MOST: usize = 100_000;
}

impl Element for Annotation {
    const LIST: &'static str = "annotations";
    const MOST: usize = 2_000_000;

    fn numbers(&self) -> usize {
        match &self.segmentation {
            Segmentation::None => 0,
            Segmentation::Polygons(outlines) => outlines.iter().map(|o| 2 * o.len()).sum(),
            Segmentation::Runs(runs) => runs.count(),
        }
    }
}

/// Most coordinates and run lengths of a file; COCO's training pictures have 40 million.
const MOST_NUMBERS: usize = 100_000_000;

/// Most coordinates or run lengths of one object.
pub(super) const MOST_OF_ONE: usize = 500_000;

/// A list of objects of limited length.
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Element> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T>(PhantomData<T>);
        impl<'de, T: Element> Visitor<'de> for Elements<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "the list `{}`", T::LIST)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<T>, A::Error> {
                let (mut elements, mut numbers) = (Vec::new(), 0);
                loop {
                    let index = elements.len();
                    let next = list.next_element::<Object<T>>();
                    let next = next.map_err(|error| {
                        A::Error::custom(format_args!("{}[{index}]: {error}", T::LIST))
                    })?;
                    let Some(Object(element)) = next else {
                        return Ok(List(elements));
                    };
                    numbers += element.numbers();
                    if index >= T::MOST {
                        return Err(A::Error::custom(format_args!(
                            "`{}` has more than {} elements, the limit",
                            T::LIST,
                            T::MOST
                        )));
                    }
                    if numbers > MOST_NUMBERS {
                        return Err(A::Error::custom(format_args!(
                            "its outlines have more than {MOST_NUMBERS} numbers, the limit"
                        )));
                    }
                    elements.push(element);
                }
            }
        }
        deserializer.deserialize_seq(Elements(PhantomData))
    }
}

/// A JSON object. Serde would also accept a list with the fields in order.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer).map(Self)
    }
}

fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Fields<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_map(Fields(PhantomData))
}

/// The outline or mask of an object.
#[derive(Default)]
enum Segmentation {
    /// No outline or mask.
    #[default]
    None,
    /// Outlines, `x` and `y` of each corner.
    Polygons(Box<[Box<[[f32; 2]]>]>),
    /// A mask.
    Runs(Runs),
}

impl<'de> Deserialize<'de> for Segmentation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Segmentation;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str(
                    "`segmentation`: a list of outlines, or a mask with `size` and `counts`",
                )
            }

            fn visit_unit<E: de::Error>(self) -> Result<Segmentation, E> {
                Ok(Segmentation::None)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Segmentation, A::Error> {
                let (mut outlines, mut numbers) = (Vec::new(), 0);
                while let Some(Outline(outline)) = list.next_element()? {
                    numbers += 2 * outline.len();
                    if outline.len() < 3 {
                        return Err(A::Error::custom(format_args!(
                            "outline {} of `segmentation` has {} corners; an outline has 3 or more",
                            outlines.len(),
                            outline.len()
                        )));
                    }
                    if numbers > MOST_OF_ONE {
                        return Err(too_many(MOST_OF_ONE));
                    }
                    outlines.push(outline);
                }
                Ok(match outlines.is_empty() {
                    true => Segmentation::None,
                    false => Segmentation::Polygons(outlines.into()),
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Segmentation, A::Error> {
                let runs = Runs::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Segmentation::Runs(runs))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// The error for an object with too many numbers.
pub(super) fn too_many<E: de::Error>(most: usize) -> E {
    E::custom(format_args!(
        "`segmentation` has more than {most} numbers, the limit per object"
    ))
}

/// Corners of an outline.
struct Outline(Box<[[f32; 2]]>);

impl<'de> Deserialize<'de> for Outline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Corners;
        impl<'de> Visitor<'de> for Corners {
            type Value = Outline;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an outline of `segmentation`: a list of numbers x, y, x, y, …")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Outline, A::Error> {
                let mut corners = Vec::new();
                while let Some(x) = list.next_element::<f32>()? {
                    let y = list.next_element::<f32>()?;
                    let y = y.ok_or_else(|| {
                        A::Error::custom("an outline of `segmentation` ends with an x without a y")
                    })?;
                    if 2 * corners.len() >= MOST_OF_ONE {
                        return Err(too_many(MOST_OF_ONE));
                    }
                    corners.push([x, y]);
                }
                Ok(Outline(corners.into()))
            }
        }
        deserializer.deserialize_seq(Corners)
    }
}
