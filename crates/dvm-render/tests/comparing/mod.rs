//! Compares a drawing with its golden file.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use dvm_image::Picture;

/// Maximum difference of a channel. Drawing is scalar arithmetic, so pictures should be equal; one
/// unit is allowed for another compiler's rounding.
const TOLERANCE: u8 = 1;

/// Fails unless `actual` equals the golden picture `name`.
pub fn check(name: &str, actual: &Picture) {
    let golden = golden(&format!("{name}.png"));
    if is_blessing() {
        write(&golden, actual);
        return;
    }
    let expected = read(&golden);
    let sizes = [&expected, actual].map(|p| (p.height(), p.width()));
    let worst = if sizes[0] == sizes[1] {
        expected
            .rgb()
            .iter()
            .zip(actual.rgb())
            .map(|(a, b)| a.abs_diff(*b))
            .max()
    } else {
        None
    };
    if worst.is_some_and(|worst| worst <= TOLERANCE) {
        return;
    }
    let folder = folder();
    let file = |kind: &str| folder.join(format!("{name}.{kind}.png"));
    write(&file("expected"), &expected);
    write(&file("actual"), actual);
    match worst {
        None => panic!(
            "{name}: {:?} rows and columns expected, {:?} drawn; see {}",
            sizes[0],
            sizes[1],
            file("{expected,actual}").display()
        ),
        Some(worst) => {
            write(&file("difference"), &difference(&expected, actual));
            panic!(
                "{name}: a channel differs by {worst}, more than {TOLERANCE}; see {}",
                file("{expected,actual,difference}").display()
            );
        }
    }
}

/// Fails unless `actual` equals the golden text file `name`, byte for byte.
pub fn check_text(name: &str, actual: &str) {
    let golden = golden(name);
    if is_blessing() {
        fs::write(&golden, actual).unwrap();
        return;
    }
    let expected = fs::read_to_string(&golden)
        .unwrap_or_else(|e| panic!("{}: {e}; write it with DVM_BLESS=1", golden.display()));
    if expected == actual {
        return;
    }
    let folder = folder();
    let file = |kind: &str| folder.join(format!("{kind}.{name}"));
    fs::write(file("expected"), &expected).unwrap();
    fs::write(file("actual"), actual).unwrap();
    let differs = |(a, b): (&str, &str)| a != b;
    let line = expected.lines().zip(actual.lines()).position(differs);
    panic!(
        "{name}: line {} differs; see {}",
        line.map_or("at the end".into(), |line| (line + 1).to_string()),
        file("{expected,actual}").display()
    );
}

fn golden(file: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    folder.join(file)
}

fn is_blessing() -> bool {
    std::env::var_os("DVM_BLESS").is_some_and(|v| v == "1")
}

/// Where the files of a comparison that failed are written.
fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("golden");
    fs::create_dir_all(&folder).expect("the target folder is writable");
    folder
}

/// The difference of two pictures of the same size: black where they are equal.
fn difference(a: &Picture, b: &Picture) -> Picture {
    let rgb = a
        .rgb()
        .iter()
        .zip(b.rgb())
        .map(|(a, b)| match a.abs_diff(*b) {
            0 => 0,
            // A difference of one unit must be visible.
            d => 63 + d / 4 * 3,
        })
        .collect();
    Picture::new(a.height(), a.width(), rgb)
}

fn read(path: &Path) -> Picture {
    let file = File::open(path)
        .unwrap_or_else(|e| panic!("{}: {e}; draw it with DVM_BLESS=1", path.display()));
    let mut reader = png::Decoder::new(BufReader::new(file)).read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut rgb).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb, "{}", path.display());
    Picture::new(info.height as usize, info.width as usize, rgb)
}

fn write(path: &Path, picture: &Picture) {
    let file = BufWriter::new(File::create(path).unwrap());
    let mut encoder = png::Encoder::new(file, picture.width() as u32, picture.height() as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(picture.rgb()).unwrap();
    writer.finish().unwrap();
}
