//! Where pictures come from: made up, or from a file of raw or Y4M frames.
//! Not here: when they are taken (`camera`).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::options;

const MADE_UP_WIDTH: usize = 1920;
const MADE_UP_HEIGHT: usize = 1080;
const BLOCK: usize = 200;

/// A source of RGB pictures; it opens its file in the process that plays it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Source {
    width: usize,
    height: usize,
    kind: Kind,
    #[serde(skip)]
    reader: Option<BufReader<File>>,
    number: usize,
}

#[derive(Debug, Serialize, Deserialize)]
enum Kind {
    MadeUp,
    Raw(PathBuf),
    /// With the size of a colour plane.
    Y4m(PathBuf, [usize; 2]),
}

impl Source {
    /// The pictures of a file, or made-up ones.
    pub(crate) fn open(file: Option<&options::File>) -> Result<Self, String> {
        let Some(file) = file else {
            return Ok(Self::of(Kind::MadeUp, MADE_UP_WIDTH, MADE_UP_HEIGHT));
        };
        let in_file = |error: &dyn std::fmt::Display| format!("{}: {error}", file.path.display());
        let opened = File::open(&file.path).map_err(|error| in_file(&error))?;
        if let Some([width, height]) = file.size {
            let length = opened.metadata().map_err(|error| in_file(&error))?.len();
            let frame = width as u64 * height as u64 * 3;
            if frame == 0 || length < frame {
                return Err(in_file(&format!(
                    "{length} bytes, and a frame of {width}x{height} RGB has {frame}"
                )));
            }
            return Ok(Self::of(Kind::Raw(file.path.clone()), width, height));
        }
        let mut head = String::new();
        BufReader::new(opened).take(1024).read_line(&mut head).map_err(|error| in_file(&error))?;
        let (width, height, planes) = parse_y4m(&head)
            .ok_or_else(|| in_file(&"neither Y4M in 8-bit 4:2:0 or 4:4:4, nor given a size"))?;
        Ok(Self::of(Kind::Y4m(file.path.clone(), planes), width, height))
    }

    fn of(kind: Kind, width: usize, height: usize) -> Self {
        Self { width, height, kind, reader: None, number: 0 }
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn height(&self) -> usize {
        self.height
    }

    /// Fills a frame; `false` once there are no more.
    pub(crate) fn next_into(&mut self, frame: &mut [u8]) -> bool {
        self.number += 1;
        match &self.kind {
            Kind::MadeUp => {
                make_up(frame, self.number);
                true
            }
            Kind::Raw(_) | Kind::Y4m(..) => self.read_into(frame).is_ok(),
        }
    }

    fn read_into(&mut self, frame: &mut [u8]) -> io::Result<()> {
        let mut line = Vec::new();
        let (path, planes) = match &self.kind {
            Kind::Raw(path) => (path, None),
            Kind::Y4m(path, planes) => (path, Some(*planes)),
            Kind::MadeUp => return Ok(()),
        };
        if self.reader.is_none() {
            let mut reader = BufReader::with_capacity(1 << 20, File::open(path)?);
            if planes.is_some() {
                reader.read_until(b'\n', &mut line)?;
            }
            self.reader = Some(reader);
        }
        let Some(reader) = &mut self.reader else { return Ok(()) };
        let Some([plane_width, plane_height]) = planes else { return reader.read_exact(frame) };
        reader.read_until(b'\n', &mut line)?;
        let mut luma = vec![0; self.width * self.height];
        let mut blue = vec![0; plane_width * plane_height];
        let mut red = blue.clone();
        for plane in [&mut luma, &mut blue, &mut red] {
            reader.read_exact(plane)?;
        }
        let (across, down) = (self.width.div_ceil(plane_width), self.height.div_ceil(plane_height));
        for (place, pixel) in frame.chunks_exact_mut(3).enumerate() {
            let colour = (place / self.width / down) * plane_width + place % self.width / across;
            pixel.copy_from_slice(&to_rgb(luma[place], blue[colour], red[colour]));
        }
        Ok(())
    }
}

/// A slanted gradient that drifts, and a block that moves over it.
fn make_up(frame: &mut [u8], number: usize) {
    let pixel = |x: usize| [low_byte(x / 8), low_byte(x / 5), 96];
    let stripe: Vec<u8> = (0..MADE_UP_WIDTH + MADE_UP_HEIGHT).flat_map(|x| pixel(x + number)).collect();
    let left = number * 12 % (MADE_UP_WIDTH - BLOCK);
    for (y, row) in frame.chunks_exact_mut(MADE_UP_WIDTH * 3).enumerate() {
        row.copy_from_slice(&stripe[y * 3..(y + MADE_UP_WIDTH) * 3]);
        if (400..400 + BLOCK).contains(&y) {
            row[left * 3..(left + BLOCK) * 3].fill(230);
        }
    }
}

fn low_byte(number: usize) -> u8 {
    number.to_le_bytes()[0]
}

/// ITU-R BT.601 with limited range, in 256ths.
fn to_rgb(luma: u8, blue: u8, red: u8) -> [u8; 3] {
    let light = 298 * (i32::from(luma) - 16);
    let (blue, red) = (i32::from(blue) - 128, i32::from(red) - 128);
    let channels = [light + 409 * red, light - 100 * blue - 208 * red, light + 516 * blue];
    channels.map(|channel| u8::try_from(((channel + 128) >> 8).clamp(0, 255)).unwrap_or(0))
}

/// Width, height and size of a colour plane, from the first line of a Y4M file.
fn parse_y4m(head: &str) -> Option<(usize, usize, [usize; 2])> {
    let mut words = head.trim_end().split(' ');
    if words.next() != Some("YUV4MPEG2") {
        return None;
    }
    let (mut width, mut height, mut colours) = (None, None, "420");
    for word in words {
        match word.split_at_checked(1)? {
            ("W", number) => width = number.parse::<usize>().ok(),
            ("H", number) => height = number.parse::<usize>().ok(),
            ("C", name) => colours = name,
            _ => {}
        }
    }
    let (width, height) = (width?, height?);
    let planes = match colours {
        "444" => [width, height],
        "420" | "420jpeg" | "420mpeg2" | "420paldv" => [width.div_ceil(2), height.div_ceil(2)],
        _ => return None,
    };
    Some((width, height, planes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is gone when the value is.
    struct Temporary(options::File);

    impl Temporary {
        fn new(name: &str, size: Option<[usize; 2]>, bytes: &[u8]) -> Self {
            let path = std::env::temp_dir().join(format!("worker-video-{}-{name}", std::process::id()));
            std::fs::write(&path, bytes).expect("a temporary file");
            Self(options::File { path, size })
        }

        /// Every frame of it.
        fn play(&self) -> Vec<Vec<u8>> {
            let mut source = Source::open(Some(&self.0)).expect("a film");
            let mut frame = vec![0; source.width() * source.height() * 3];
            std::iter::from_fn(|| source.next_into(&mut frame).then(|| frame.clone())).collect()
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0.path);
        }
    }

    #[test]
    fn raw_frames_are_played_as_they_are_and_what_is_left_over_is_no_frame() {
        let bytes: Vec<u8> = (0..2 * 2 * 3 * 2 + 5).collect();
        let film = Temporary::new("raw", Some([2, 2]), &bytes);
        assert_eq!(film.play(), [&bytes[..12], &bytes[12..24]]);
    }

    #[test]
    fn y4m_is_played_in_its_colours() {
        // Black, white; and red, the colours of which are shared by four pixels in the one, by none in the other.
        let small = b"YUV4MPEG2 W2 H2 F25:1 Ip A1:1 C420jpeg\nFRAME\n\x10\xeb\x10\xeb\x80\x80FRAME Xa=b\n\x51\x51\x51\x51\x5a\xf0";
        let (black, white) = ([0; 3], [255; 3]);
        let red = [[255, 0, 0]; 4].concat();
        let film = Temporary::new("420", None, small);
        assert_eq!(film.play(), [[black, white, black, white].concat(), red.clone()]);
        let full = [&b"YUV4MPEG2 W2 H2 C444\nFRAME\n"[..], &[0x51; 4], &[0x5a; 4], &[0xf0; 4]].concat();
        assert_eq!(Temporary::new("444", None, &full).play(), [red]);
    }

    #[test]
    fn what_is_no_film_is_refused_with_the_reason() {
        for (name, size, bytes, reason) in [
            ("short", Some([2, 2]), &[0; 11][..], "11 bytes, and a frame of 2x2 RGB has 12"),
            ("none", Some([0, 2]), &[0; 11], "a frame of 0x2"),
            ("text", None, b"no film", "neither Y4M"),
            ("deep", None, b"YUV4MPEG2 W2 H2 C420p10\n", "neither Y4M in 8-bit"),
        ] {
            let error = Source::open(Some(&Temporary::new(name, size, bytes).0)).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        let missing = options::File { path: "/nowhere/film.y4m".into(), size: None };
        assert!(Source::open(Some(&missing)).unwrap_err().contains("No such file"));
    }
}
