"""Makes the small fonts of the tests from Noto fonts (SIL Open Font License 1.1).

Debian packages: fonts-noto-cjk, fonts-noto-core, fonts-noto-color-emoji; Python: fonttools.
Usage: python subset.py /usr/share/fonts
"""

import sys
from pathlib import Path

from fontTools import subset

FONTS = {
    # Name of the new file: the font, its index in a collection, the characters to keep.
    "cjk.otf": ("opentype/noto/NotoSansCJK-Regular.ttc", 2, "猫狗花园长名字的植物是一种很大はいぬとねこ고양이、。"),
    "devanagari.ttf": ("truetype/noto/NotoSansDevanagari-Regular.ttf", 0, "बिल्ली"),
    "thai.ttf": ("truetype/noto/NotoSansThai-Regular.ttf", 0, "แมวที่"),
    "emoji.ttf": ("truetype/noto/NotoColorEmoji.ttf", 0, "🐈"),
}

folder = Path(__file__).parent
for name, (source, index, characters) in FONTS.items():
    options = subset.Options(font_number=index, layout_features=["*"], hinting=False, name_IDs=[0, 1, 2, 13, 14])
    options.drop_tables += ["BASE", "VORG", "vhea", "vmtx"]
    font = subset.load_font(Path(sys.argv[1]) / source, options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=characters)
    subsetter.subset(font)
    subset.save_font(font, folder / name, options)
