//! How figures go with the number of actors: a small plot each, ours and the best bare, both scales of powers of ten.
//! Not here: figures of one number (`dots`).
//! Layer: over `svg`.

use super::svg::{Anchor, Mark, Picture};
use super::{FAINT_INK, GRID, INK, OURS};
use crate::growth::Growth;
use crate::report::Series;

const BARE: &str = "#6e7781";
const ACROSS: usize = 3;
const WIDTH: f64 = 356.0;
const HEIGHT: f64 = 230.0;
/// Room for labels at the left, above, at the right and below.
const ROOM: (f64, f64, f64, f64) = (62.0, 44.0, 14.0, 34.0);

/// Draws from `top` on; gives where it ends.
pub fn draw(picture: &mut Picture, top: f64, growths: &[Growth]) -> f64 {
    picture.text((16.0, top + 16.0), 15.0, INK, Anchor::Start, "By the number of actors");
    let y = top + 12.0;
    picture.mark((230.0, y), Mark::Disc, OURS, "worker-core");
    picture.text(
        (240.0, y + 4.0),
        12.0,
        INK,
        Anchor::Start,
        "worker-core, from its least round to its largest",
    );
    picture.mark((550.0, y), Mark::Square, BARE, "bare");
    picture.text((560.0, y + 4.0), 12.0, INK, Anchor::Start, "as many bare processes, the best of each kind");
    let growths: Vec<&Growth> =
        growths.iter().filter(|growth| growth.points.iter().any(|point| !point.bare.is_empty())).collect();
    for (at, growth) in growths.iter().enumerate() {
        let corner = (16.0 + WIDTH * (at % ACROSS) as f64, top + 24.0 + HEIGHT * (at / ACROSS) as f64);
        plot(picture, corner, growth);
    }
    top + 40.0 + HEIGHT * growths.len().div_ceil(ACROSS) as f64
}

/// Least and most of what is drawn, in whole powers of ten.
fn decades(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    let (least, most) = numbers
        .filter(|number| *number > 0.0)
        .fold((f64::INFINITY, 0.0_f64), |(least, most), number| (least.min(number), most.max(number)));
    if most == 0.0 {
        return (0.0, 1.0);
    }
    let (low, high) = (least.log10().floor(), most.log10().ceil());
    (low, high.max(low + 1.0))
}

fn ends(series: &Series) -> (f64, f64) {
    series.0.iter().fold((f64::INFINITY, 0.0), |(least, most), &number| (least.min(number), most.max(number)))
}

fn plot(picture: &mut Picture, (x, y): (f64, f64), growth: &Growth) {
    let (left, above, right, below) = (x + ROOM.0, y + ROOM.1, x + WIDTH - ROOM.2, y + HEIGHT - ROOM.3);
    let all = growth.points.iter().flat_map(|point| {
        let bare = point.best_bare(growth.unit).map(|(_, number)| number);
        point.ours.0.iter().copied().chain(bare).collect::<Vec<_>>()
    });
    let (low, high) = decades(all);
    let most = growth.points.last().map_or(1.0, |point| point.actors as f64).log10().max(1.0);
    let across = |actors: usize| left + 6.0 + (actors as f64).log10() / most * (right - left - 12.0);
    let up = |number: f64| below - (number.log10() - low) / (high - low) * (below - above);

    let mut title = growth.figure;
    if let Some(at) = title.find(", ").filter(|_| title.len() > 52) {
        picture.text((x, y + 30.0), 11.0, FAINT_INK, Anchor::Start, title[at + 2..].trim());
        title = &title[..at];
    }
    picture.text((x, y + 16.0), 12.5, INK, Anchor::Start, title);
    let mut power = low;
    while power <= high {
        for step in [1.0, 2.0, 5.0] {
            let number = 10_f64.powf(power) * step;
            if step > 1.0 && power == high {
                continue;
            }
            let at = up(number);
            picture.line((left, at), (right, at), if step == 1.0 { 1.0 } else { 0.4 }, GRID);
            if step == 1.0 {
                let text = growth.unit.show_short(number);
                picture.text((left - 5.0, at + 4.0), 10.5, FAINT_INK, Anchor::End, &text);
            }
        }
        power += 1.0;
    }
    for point in &growth.points {
        let at = across(point.actors);
        picture.line((at, above), (at, below), 0.4, GRID);
        picture.text((at, below + 14.0), 10.5, FAINT_INK, Anchor::Middle, &point.actors.to_string());
    }
    let bare: Vec<(f64, f64)> = growth
        .points
        .iter()
        .filter_map(|point| Some((across(point.actors), up(point.best_bare(growth.unit)?.1))))
        .collect();
    let ours: Vec<(f64, f64)> =
        growth.points.iter().map(|point| (across(point.actors), up(point.ours.median()))).collect();
    for (places, colour) in [(&bare, BARE), (&ours, OURS)] {
        for pair in places.windows(2) {
            picture.line(pair[0], pair[1], 1.6, colour);
        }
    }
    for point in &growth.points {
        let at = across(point.actors);
        if let Some((name, number)) = point.best_bare(growth.unit) {
            let title = format!("{name}: {}", growth.unit.show(number));
            picture.mark((at, up(number)), Mark::Square, BARE, &title);
        }
        let (least, most) = ends(&point.ours);
        picture.line((at, up(least)), (at, up(most)), 1.2, OURS);
        let title =
            format!("worker-core, {} actors: {}", point.actors, growth.unit.show(point.ours.median()));
        picture.mark((at, up(point.ours.median())), Mark::Disc, OURS, &title);
    }
}
