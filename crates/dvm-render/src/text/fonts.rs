//! Selects the font of each character. DejaVu Sans is embedded and comes first, so text that it
//! covers looks the same on every machine. For other characters the fonts of [`add_font`] are
//! tried, then the installed ones, in an order that depends only on their names and styles.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use fontdb::{Database, FaceInfo, Stretch, Style};
use harfrust::Font;
use read_fonts::{FontRef, TableProvider};

use super::script::{Region, preferred_families};

/// A font file cannot be used.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("it is not a TrueType or OpenType font, or it is damaged")]
pub struct FontError;

/// A font. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Face {
    /// An id; 0 is the embedded font.
    pub id: usize,
    pub font: Arc<Font>,
    /// Font units per em.
    pub units: f32,
}

impl Face {
    fn new(id: usize, font: Font) -> Self {
        let units = f32::from(font.units_per_em().max(1));
        Self {
            id,
            font: Arc::new(font),
            units,
        }
    }

    /// Whether the font has a glyph for each visible character of `cluster`.
    pub fn covers(&self, cluster: &str) -> bool {
        let map = self.font.charmap();
        visible(cluster).all(|c| map.map_unicode(c).is_some_and(|glyph| glyph.to_u32() != 0))
    }
}

/// The characters of `cluster` that need a glyph, without joiners and variation selectors.
pub(crate) fn visible(cluster: &str) -> impl Iterator<Item = char> {
    cluster.chars().filter(|&c| {
        !matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e01ef}')
    })
}

static EMBEDDED: LazyLock<Face> = LazyLock::new(|| {
    let bytes: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans.ttf");
    let font = Font::new(bytes, 0).expect("the embedded font is a valid TrueType file");
    Face::new(0, font)
});

/// DejaVu Sans.
pub(crate) fn embedded() -> &'static Face {
    &EMBEDDED
}

static OTHERS: LazyLock<Mutex<OtherFonts>> = LazyLock::new(|| Mutex::new(OtherFonts::new()));

/// All other fonts.
struct OtherFonts {
    given: Vec<Face>,
    system: bool,
    installed: Option<Installed>,
    /// Number of faces so far.
    count: usize,
    chosen: HashMap<(String, Region), Option<Face>>,
}

/// The installed fonts.
struct Installed {
    database: Database,
    loaded: HashMap<fontdb::ID, Option<Face>>,
}

/// Adds the fonts of a font file (TrueType, OpenType, or a collection). They are used for
/// characters that the embedded font lacks, before installed fonts.
///
/// # Errors
/// [`FontError`] if the bytes are not a font.
pub fn add_font(bytes: Vec<u8>) -> Result<(), FontError> {
    let bytes: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::new(bytes);
    let mut others = OTHERS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut index = 0;
    while let Some(font) = Font::new(bytes.clone(), index) {
        others.count += 1;
        let face = Face::new(others.count, font);
        others.given.push(face);
        index += 1;
    }
    others.chosen.clear();
    if index == 0 { Err(FontError) } else { Ok(()) }
}

/// Disables installed fonts: pictures then depend only on the embedded font and on those of
/// [`add_font`].
pub fn without_installed_fonts() {
    let mut others = OTHERS.lock().unwrap_or_else(PoisonError::into_inner);
    others.system = false;
    others.installed = None;
    others.chosen.clear();
}

/// The first other font that covers `cluster`, a character with its marks.
pub(crate) fn other_for(cluster: &str, region: Region) -> Option<Face> {
    let mut others = OTHERS.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (cluster.to_owned(), region);
    if let Some(known) = others.chosen.get(&key) {
        return known.clone();
    }
    let found = others.find(cluster, region);
    others.chosen.insert(key, found.clone());
    found
}

impl OtherFonts {
    fn new() -> Self {
        Self {
            given: Vec::new(),
            // Unit tests use no installed fonts.
            system: !cfg!(test),
            installed: None,
            count: 0,
            chosen: HashMap::new(),
        }
    }

    fn find(&mut self, cluster: &str, region: Region) -> Option<Face> {
        if let Some(face) = self.given.iter().find(|face| face.covers(cluster)) {
            return Some(face.clone());
        }
        if !self.system {
            return None;
        }
        let installed = self.installed.get_or_insert_with(|| {
            let mut database = Database::new();
            database.load_system_fonts();
            Installed {
                database,
                loaded: HashMap::new(),
            }
        });
        installed.find(cluster, region, &mut self.count)
    }
}

impl Installed {
    fn find(&mut self, cluster: &str, region: Region, count: &mut usize) -> Option<Face> {
        let preferred = preferred_families(cluster, region);
        let mut faces: Vec<&FaceInfo> = self.database.faces().collect();
        faces.sort_by_cached_key(|face| rank(face, preferred));
        let ids: Vec<fontdb::ID> = faces
            .iter()
            .filter(|face| !stands_for_missing(family(face)))
            .map(|face| face.id)
            .collect();
        for id in ids {
            let covers = |bytes: &[u8], index: u32| {
                let Ok(font) = FontRef::from_index(bytes, index) else {
                    return false;
                };
                let Ok(cmap) = font.cmap() else {
                    return false;
                };
                visible(cluster).all(|c| cmap.map_codepoint(c).is_some_and(|g| g.to_u32() != 0))
            };
            if self.database.with_face_data(id, covers) != Some(true) {
                continue;
            }
            let database = &self.database;
            let loaded = self.loaded.entry(id).or_insert_with(|| {
                let font = database.with_face_data(id, |bytes, index| {
                    // A copy, because a mapped file could change.
                    Font::new(bytes.to_vec(), index)
                })??;
                *count += 1;
                Some(Face::new(*count, font))
            });
            if let Some(face) = loaded.as_ref().filter(|face| can_draw(face, cluster)) {
                return Some(face.clone());
            }
        }
        None
    }
}

/// Whether the glyph of each visible character of `cluster` can be drawn.
fn can_draw(face: &Face, cluster: &str) -> bool {
    let map = face.font.charmap();
    visible(cluster).filter(|c| !c.is_whitespace()).all(|c| {
        let glyph = map.map_unicode(c);
        glyph.is_some_and(|glyph| !super::glyph_shape::of(face, glyph).is_empty())
    })
}

fn family(face: &FaceInfo) -> &str {
    face.families.first().map_or("", |(name, _)| name)
}

/// Fallback fonts that have a box or nothing for every character.
fn stands_for_missing(family: &str) -> bool {
    ["LastResort", "Last Resort", "Adobe Blank", "Adobe NotDef"]
        .iter()
        .any(|name| family.contains(name))
}

type Rank = (
    usize,
    bool,
    bool,
    bool,
    u16,
    bool,
    bool,
    String,
    String,
    u32,
);

/// The order of installed fonts: preferred fonts of the script, then upright sans-serif fonts of
/// regular weight and width, then all others.
fn rank(face: &FaceInfo, preferred: &[&str]) -> Rank {
    let name = family(face);
    let place = preferred.iter().position(|family| *family == name);
    let bitmap_like = ["Unifont", "Fixed", "Symbols"]
        .iter()
        .any(|word| name.contains(word));
    (
        place.unwrap_or(preferred.len()),
        bitmap_like,
        !name.starts_with("Noto Sans"),
        face.style != Style::Normal,
        face.weight.0.abs_diff(400),
        face.stretch != Stretch::Normal,
        face.monospaced || name.contains("Serif") || name.contains("Mono"),
        name.to_owned(),
        face.post_script_name.clone(),
        face.index,
    )
}
