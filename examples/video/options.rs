//! What the command line asks for.
//! Not here: opening the file (`source`).

use std::path::PathBuf;

const USAGE: &str =
    "usage: video [--seconds N] [--rate N] [--pictures FOLDER] [FILE.y4m | FILE WIDTHxHEIGHT]";

/// The options.
pub(crate) struct Options {
    pub(crate) seconds: u64,
    pub(crate) rate: u32,
    pub(crate) file: Option<File>,
    /// Where pictures are kept; without it they are not.
    pub(crate) pictures: Option<PathBuf>,
}

/// A file to play.
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// Width and height of raw frames; a Y4M file tells its own.
    pub(crate) size: Option<[usize; 2]>,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { seconds: 6, rate: 30, file: None, pictures: None };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--seconds" => options.seconds = number(arguments.next())?,
                "--rate" => options.rate = number(arguments.next())?,
                "--pictures" => {
                    let folder = arguments.next().ok_or_else(|| format!("a folder is missing; {USAGE}"))?;
                    options.pictures = Some(folder.into());
                }
                option if option.starts_with('-') => return Err(format!("no option {option}; {USAGE}")),
                path => {
                    let size = arguments.next().map(|size| parse_size(&size)).transpose()?;
                    options.file = Some(File { path: path.into(), size });
                }
            }
        }
        if options.rate == 0 {
            return Err(format!("at least one frame a second; {USAGE}"));
        }
        Ok(options)
    }
}

fn number<T: std::str::FromStr>(argument: Option<String>) -> Result<T, String> {
    argument.and_then(|text| text.parse().ok()).ok_or_else(|| format!("a number is missing; {USAGE}"))
}

fn parse_size(text: &str) -> Result<[usize; 2], String> {
    let size =
        text.split_once('x').and_then(|(width, height)| Some([width.parse().ok()?, height.parse().ok()?]));
    size.ok_or_else(|| format!("`{text}` is no size such as 1920x1080; {USAGE}"))
}
