//! Frames as PNG files, in a folder that is kept or not.
//! Not here: which frames are written.

use std::error::Error;
use std::fmt;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::PathBuf;

use worker_core::frames::Frame;

/// The folder, and how many pictures are in it.
pub(crate) struct Pictures {
    folder: PathBuf,
    is_kept: bool,
    count: u32,
}

impl Pictures {
    /// Pictures in `folder`, or in a temporary one that is removed when this value is dropped.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        let is_kept = folder.is_some();
        let temporary = || std::env::temp_dir().join(format!("worker-video-{}", std::process::id()));
        Self { folder: folder.unwrap_or_else(temporary), is_kept, count: 0 }
    }

    /// Writes a frame of shape `[height, width, 3]`, straight from where it lies; gives the path.
    pub(crate) fn write(&mut self, frame: &Frame<'_, u8>) -> Result<PathBuf, Box<dyn Error>> {
        fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(format!("frame-{:06}.png", frame.sequence()));
        let (height, width) = (u32::try_from(frame.shape()[0])?, u32::try_from(frame.shape()[1])?);
        let mut encoder = png::Encoder::new(BufWriter::new(File::create(&path)?), width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::Fast);
        encoder.write_header()?.write_image_data(frame)?;
        self.count += 1;
        Ok(path)
    }
}

impl fmt::Display for Pictures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, is_kept, count } = self;
        if *is_kept {
            write!(formatter, "{count} in {}", folder.display())
        } else {
            write!(formatter, "{count} written, and removed again; `--pictures FOLDER` keeps them")
        }
    }
}

impl Drop for Pictures {
    fn drop(&mut self) {
        if !self.is_kept && self.count > 0 {
            // Left behind, it is in the folder for temporary files.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}
