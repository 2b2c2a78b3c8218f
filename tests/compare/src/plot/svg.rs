//! The few elements of SVG that the picture is made of.
//! Not here: what is drawn with them.
//! Layer: bottom.

use std::fmt::{self, Display, Write as _};

/// A picture on a ground of its own, so that it can be read on a dark page too.
pub struct Picture {
    elements: String,
    width: f64,
}

/// How text stands to its place.
#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// What a number is drawn as.
#[derive(Clone, Copy)]
pub enum Mark {
    Disc,
    Ring,
    Square,
    HollowSquare,
}

impl Picture {
    pub fn new(width: f64) -> Self {
        Self { elements: String::new(), width }
    }

    fn add(&mut self, element: fmt::Arguments<'_>) {
        // A string takes everything.
        let _ = writeln!(self.elements, "{element}");
    }

    pub fn text(&mut self, at: (f64, f64), size: f64, colour: &str, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let ((x, y), text) = (at, Escaped(text));
        self.add(format_args!(
            r#"<text x="{x:.1}" y="{y:.1}" font-size="{size}" fill="{colour}" text-anchor="{anchor}">{text}</text>"#
        ));
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), width: f64, colour: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.add(format_args!(
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{colour}" stroke-width="{width}"/>"#
        ));
    }

    pub fn rectangle(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        let ((x, y), (width, height)) = (from, (to.0 - from.0, to.1 - from.1));
        self.add(format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"/>"#
        ));
    }

    /// A mark, with what a pointer over it is told.
    pub fn mark(&mut self, (x, y): (f64, f64), mark: Mark, colour: &str, title: &str) {
        let title = Escaped(title);
        let (inside, border) = match mark {
            Mark::Disc | Mark::Square => (colour, "#ffffff"),
            Mark::Ring | Mark::HollowSquare => ("#ffffff", colour),
        };
        let style = format!(
            r#"fill="{inside}" stroke="{border}" stroke-width="{}""#,
            if inside == colour { 0.8 } else { 1.8 }
        );
        match mark {
            Mark::Disc | Mark::Ring => self.add(format_args!(
                r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" {style}><title>{title}</title></circle>"#
            )),
            Mark::Square | Mark::HollowSquare => {
                let (x, y) = (x - 3.5, y - 3.5);
                self.add(format_args!(
                    r#"<rect x="{x:.1}" y="{y:.1}" width="7" height="7" {style}><title>{title}</title></rect>"#
                ));
            }
        }
    }

    /// The whole file, so high.
    pub fn finish(self, height: f64) -> String {
        let Self { elements, width } = self;
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:.0}" viewBox="0 0 {width} {height:.0}" font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif">
<rect width="100%" height="100%" rx="6" fill="#ffffff"/>
{elements}</svg>
"##
        )
    }
}

struct Escaped<'text>(&'text str);

impl Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '&' => formatter.write_str("&amp;"),
            '<' => formatter.write_str("&lt;"),
            '>' => formatter.write_str("&gt;"),
            '"' => formatter.write_str("&quot;"),
            other => formatter.write_char(other),
        })
    }
}
