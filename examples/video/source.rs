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
        if let Some([width, height]) = file.size {
            return Ok(Self::of(Kind::Raw(file.path.clone()), width, height));
        }
        let in_file = |error: &dyn std::fmt::Display| format!("{}: {error}", file.path.display());
        let mut head = String::new();
        let opened = File::open(&file.path).map_err(|error| in_file(&error))?;
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
