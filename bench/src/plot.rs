//! The ratios as a picture: a bar from nothing to the median, a line over the range of the rounds.

use crate::sample::{middle, range};

/// One bar: a name and the ratio of each round.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) ratios: Vec<f64>,
}

impl Bar {
    /// The ratio in the middle of the rounds.
    pub(crate) fn middle(&self) -> f64 {
        middle(&self.ratios)
    }
}

const WIDTH: f64 = 760.0;
const LEFT: f64 = 210.0;
const RIGHT: f64 = 60.0;
const TOP: f64 = 40.0;
const ROW: f64 = 28.0;

/// The picture as SVG; the scale doubles with each line, as the peers are far apart.
pub(crate) fn svg(title: &str, bars: &[Bar]) -> String {
    let most = bars
        .iter()
        .map(|bar| range(&bar.ratios).1)
        .fold(2.0, f64::max);
    let doublings = (most / 0.25).log2().ceil().max(1.0);
    let step = (WIDTH - LEFT - RIGHT) / doublings;
    let x = |ratio: f64| LEFT + (ratio.max(0.25) / 0.25).log2() * step;
    let rows: f64 = bars.iter().map(|_| ROW).sum();
    let height = TOP + rows + 30.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"10\" y=\"22\" font-weight=\"bold\">{title}</text>\n"
    );
    let mut mark = 0.25;
    while mark <= most {
        let (at, bottom) = (x(mark), TOP + rows);
        let colour = if (mark - 1.0_f64).abs() < 0.01 {
            "#888"
        } else {
            "#ddd"
        };
        let below = bottom + 18.0;
        let line = format!(
            "<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\" stroke=\"{colour}\"/>\n\
             <text x=\"{at:.1}\" y=\"{below:.1}\" text-anchor=\"middle\" fill=\"#555\">{mark}</text>\n"
        );
        svg += &line;
        mark *= 2.0;
    }
    let mut y = TOP + 4.0;
    for bar in bars {
        svg += &row(bar, y, &x);
        y += ROW;
    }
    svg + "</svg>\n"
}

fn row(bar: &Bar, y: f64, x: &dyn Fn(f64) -> f64) -> String {
    let (least, most) = range(&bar.ratios);
    let (middle, line) = (bar.middle(), y + 10.0);
    let colour = if bar.name.starts_with("ac-cred") {
        "#1769aa"
    } else {
        "#b0bec5"
    };
    let name = &bar.name;
    format!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>\n\
         <rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"20\" fill=\"{colour}\"/>\n\
         <line x1=\"{:.1}\" y1=\"{line:.1}\" x2=\"{:.1}\" y2=\"{line:.1}\" stroke=\"#222\"/>\n\
         <text x=\"{:.1}\" y=\"{:.1}\">{middle:.2}</text>\n",
        LEFT - 8.0,
        y + 15.0,
        x(middle) - LEFT,
        x(least),
        x(most),
        x(most) + 6.0,
        y + 15.0,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_is_named_and_tells_its_middle() {
        let bars = ["ac-cred get", "peer"].map(|name| Bar {
            name: name.to_owned(),
            ratios: vec![3.0, 0.5, 1.5],
        });
        let svg = svg("title", &bars);
        assert_eq!(svg.matches("<rect x=").count(), 2);
        assert!(
            svg.contains(">ac-cred get<") && svg.contains(">1.50<"),
            "{svg}"
        );
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    }
}
