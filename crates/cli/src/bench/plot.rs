//! The plot: a bar for each ratio and each time that has an aim, a line where the aim is. SVG written by hand, readable on light and
//! dark ground.

use std::fmt::Write as _;

use super::{
    aim::Bound,
    figure::Unit,
    report::{Judged, Report},
};

/// Width of the whole, in the units of the view box.
const WIDTH: f64 = 900.0;
/// Where bars begin: left of it stand the words.
const BARS_FROM: f64 = 460.0;
/// How wide the longest bar is: right of it stand the values.
const BARS_WIDTH: f64 = 330.0;
/// Height of a row.
const ROW: f64 = 24.0;
/// Height of a heading with the space above it.
const HEADING: f64 = 46.0;
/// Height of what stands above all.
const TOP: f64 = 48.0;
/// How much longer the scale is than the longest bar or aim.
const HEADROOM: f64 = 1.05;

/// One panel: figures of one unit on one scale.
struct Panel<'a> {
    heading: &'static str,
    unit: Unit,
    rows: Vec<(&'static str, Judged<'a>)>,
}

/// Draws reports as one picture.
pub(crate) fn svg(reports: &[Report]) -> String {
    let panels: Vec<Panel<'_>> = [
        ("Share of the raw limit: more is better", Unit::Share),
        ("Times the raw cost: less is better", Unit::Times),
        ("Milliseconds: less is better", Unit::Millis),
        ("Bytes on disk for an event: less is better", Unit::Bytes),
        ("MB of memory: less is better", Unit::Memory),
    ]
    .into_iter()
    .map(|(heading, unit)| Panel { heading, unit, rows: rows(reports, unit) })
    .filter(|panel| !panel.rows.is_empty())
    .collect();
    let height = panels.iter().fold(TOP, |height, panel| height + HEADING + ROW * panel.rows.len() as f64) + ROW;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\" \
         aria-label=\"Figures of countersign bench beside their aims\">\n{STYLE}\n<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n\
         <text class=\"faint\" x=\"20\" y=\"28\">countersign bench: bars are medians, lines are aims, \
         <tspan class=\"missed\">what misses its aim has this colour</tspan></text>\n"
    );
    let mut y = TOP;
    for panel in &panels {
        y = draw(&mut text, panel, y);
    }
    text.push_str("</svg>\n");
    text
}

/// Ratios all, the rest where there is an aim.
fn rows(reports: &[Report], unit: Unit) -> Vec<(&'static str, Judged<'_>)> {
    let wanted = |judged: &Judged<'_>| {
        judged.figure.unit == unit && judged.value.is_finite() && (judged.aim.is_some() || matches!(unit, Unit::Share | Unit::Times))
    };
    let of = |report: &Report| report.profile().name;
    reports.iter().flat_map(|report| report.judged().filter(wanted).map(move |judged| (of(report), judged))).collect()
}

fn draw(text: &mut String, panel: &Panel<'_>, top: f64) -> f64 {
    let longest = panel
        .rows
        .iter()
        .map(|(_, judged)| judged.aim.map_or(0.0, |aim| aim.bound.value()).max(judged.value))
        .fold(f64::MIN_POSITIVE, f64::max);
    let scale = BARS_WIDTH / (longest * HEADROOM);
    // Writing into a string does not fail.
    let _ = writeln!(text, "<text class=\"heading\" x=\"20\" y=\"{}\">{}</text>", top + HEADING - 16.0, panel.heading);
    let mut y = top + HEADING;
    for (profile, judged) in &panel.rows {
        let middle = y + ROW / 2.0;
        let holds = judged.aim.is_none_or(|aim| aim.holds(judged.value) != Some(false));
        let class = if holds { "bar" } else { "missed" };
        let (width, value) = (judged.value.max(0.0) * scale, panel.unit.digits(judged.value));
        let words = escaped(&format!("{profile}, {}: {}", judged.case.name, judged.figure.words));
        let _ = writeln!(text, "<text class=\"words\" x=\"{}\" y=\"{:.1}\">{words}</text>", BARS_FROM - 10.0, middle + 4.0);
        let _ = writeln!(
            text,
            "<rect class=\"{class}\" x=\"{BARS_FROM}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{}\"><title>{words} {value} {}</title></rect>",
            y + 5.0,
            ROW - 10.0,
            panel.unit.sign()
        );
        let mut end = BARS_FROM + width;
        if let Some(aim) = judged.aim {
            let at = BARS_FROM + aim.bound.value() * scale;
            end = end.max(at);
            let side = if matches!(aim.bound, Bound::AtLeast(_)) { "at least" } else { "at most" };
            let _ = writeln!(
                text,
                "<line class=\"aim\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"><title>aim: {side} {} {}</title></line>",
                y + 1.0,
                y + ROW - 1.0,
                panel.unit.digits(aim.bound.value()),
                panel.unit.sign()
            );
        }
        let _ = writeln!(text, "<text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">{value}{}</text>", end + 6.0, middle + 4.0, sign(panel.unit));
        y += ROW;
    }
    y
}

/// What stands behind a value; a multiple needs no word.
fn sign(unit: Unit) -> String {
    match unit {
        Unit::Times => "\u{d7}".to_owned(),
        unit => format!(" {}", unit.sign()),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const STYLE: &str = "<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.ground { fill: #ffffff } .faint { fill: #59636e } .heading { font-weight: 600; font-size: 14px } .words { text-anchor: end }
.value { font-variant-numeric: tabular-nums } .bar { fill: #2f6f9f } .missed { fill: #b35900 } .aim { stroke: #1f2328; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .ground { fill: #0d1117 } .faint { fill: #9198a1 }
.bar { fill: #5aa2d6 } .missed { fill: #e08a3c } .aim { stroke: #e6edf3 }
}
</style>";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::report;

    #[test]
    fn a_bar_stands_for_each_ratio_and_shows_whether_its_aim_holds() {
        let picture = svg(&[report()]);
        assert_eq!(picture.matches("<rect class=\"bar\"").count(), 3, "{picture}");
        assert_eq!(picture.matches("<rect class=\"missed\"").count(), 1);
        assert_eq!(picture.matches("<line class=\"aim\"").count(), 2);
        assert!(picture.contains("prefers-color-scheme: dark"));
    }

    #[test]
    fn the_picture_is_well_formed() {
        let picture = svg(&[report()]);
        let mut open = Vec::new();
        for tag in picture.split('<').skip(1) {
            let (tag, _) = tag.split_once('>').expect("a tag ends");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name), "{picture}");
            } else if !tag.ends_with('/') {
                open.push(tag.split_whitespace().next().expect("a name"));
            }
        }
        assert!(open.is_empty(), "{open:?}");
        assert_eq!(escaped("a<b>&c"), "a&lt;b&gt;&amp;c");
    }

    #[test]
    fn nothing_measured_is_an_empty_picture() {
        assert!(svg(&[]).ends_with("</svg>\n"));
    }
}
