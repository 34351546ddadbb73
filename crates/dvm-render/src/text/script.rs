//! Preferred fonts for each script.

use unicode_script::{Script, UnicodeScript};

/// The region of a text with Chinese characters: they look different in each region, but have the
/// same code points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Region {
    Simplified,
    Traditional,
    Japan,
    Korea,
}

impl Region {
    /// The region, from letters of other scripts in `text`; simplified Chinese if there are none.
    pub fn of(text: &str) -> Self {
        for character in text.chars() {
            match character.script() {
                Script::Hiragana | Script::Katakana => return Self::Japan,
                Script::Hangul => return Self::Korea,
                Script::Bopomofo => return Self::Traditional,
                _ => {}
            }
        }
        Self::Simplified
    }
}

/// Whether `cluster` is an emoji.
pub(crate) fn is_emoji(cluster: &str) -> bool {
    cluster.contains('\u{fe0f}')
        || cluster
            .chars()
            .any(|c| matches!(c, '\u{1f000}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}'))
}

/// Preferred font families for `cluster`, best first.
pub(crate) fn preferred_families(cluster: &str, region: Region) -> &'static [&'static str] {
    if is_emoji(cluster) {
        return &[
            "Noto Color Emoji",
            "Apple Color Emoji",
            "Segoe UI Emoji",
            "Twemoji",
            "Noto Emoji",
        ];
    }
    if !cluster.chars().any(is_east_asian) {
        return &[];
    }
    match region {
        Region::Simplified => &[
            "Noto Sans CJK SC",
            "Noto Sans SC",
            "Source Han Sans SC",
            "PingFang SC",
            "Hiragino Sans GB",
            "Microsoft YaHei",
            "WenQuanYi Micro Hei",
            "WenQuanYi Zen Hei",
        ],
        Region::Traditional => &[
            "Noto Sans CJK TC",
            "Noto Sans TC",
            "Source Han Sans TC",
            "PingFang TC",
            "Microsoft JhengHei",
        ],
        Region::Japan => &[
            "Noto Sans CJK JP",
            "Noto Sans JP",
            "Source Han Sans",
            "Hiragino Sans",
            "Hiragino Kaku Gothic ProN",
            "Yu Gothic",
            "Meiryo",
            "IPAexGothic",
            "IPAGothic",
        ],
        Region::Korea => &[
            "Noto Sans CJK KR",
            "Noto Sans KR",
            "Source Han Sans K",
            "Apple SD Gothic Neo",
            "Malgun Gothic",
            "NanumGothic",
        ],
    }
}

/// Whether a character is Chinese, Japanese or Korean.
pub(crate) fn is_east_asian(character: char) -> bool {
    matches!(
        character.script(),
        Script::Han | Script::Hiragana | Script::Katakana | Script::Hangul | Script::Bopomofo
    ) || matches!(character, '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ffef}')
}

/// The name of the script of `character`, and a Debian package with fonts for it.
pub(crate) fn package(character: char) -> (&'static str, &'static str) {
    if is_emoji(character.encode_utf8(&mut [0; 4])) {
        ("emoji", "fonts-noto-color-emoji")
    } else if is_east_asian(character) {
        let name = match character.script() {
            Script::Hiragana | Script::Katakana => "Japanese",
            Script::Hangul => "Korean",
            _ => "Chinese",
        };
        (name, "fonts-noto-cjk")
    } else {
        match character.script() {
            Script::Common | Script::Inherited | Script::Unknown => ("symbols", "fonts-noto-core"),
            script => (script.full_name(), "fonts-noto-core"),
        }
    }
}
