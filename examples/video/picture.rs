//! A frame as a PNG file.
//! Not here: which frames are written.

use std::error::Error;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use worker_core::frames::Frame;

/// Writes a frame of shape `[height, width, 3]`, straight from where it lies; gives the path.
pub(crate) fn write(folder: &Path, frame: &Frame<'_, u8>) -> Result<PathBuf, Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let path = folder.join(format!("frame-{:06}.png", frame.sequence()));
    let (height, width) = (u32::try_from(frame.shape()[0])?, u32::try_from(frame.shape()[1])?);
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(&path)?), width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Fast);
    encoder.write_header()?.write_image_data(frame)?;
    Ok(path)
}
