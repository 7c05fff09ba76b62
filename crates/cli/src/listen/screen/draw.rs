//! The view on a frame.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Paragraph, Wrap},
};

use super::{detail, view::View};
use crate::{
    listen::{
        arrival::{Arrival, Fate, time_of_day},
        told::{forward_words, layers},
    },
    output::{Paint, Tone, cut, escape},
};

/// Rows of the list that stay above the pane.
const ROWS_BESIDE_PANE: u16 = 8;
/// Longest words of one layer in a row, in characters.
const LAYER_CHARS_MAX: usize = 60;
/// What the keys do.
const HELP: &str = "up/down move  enter/d details  r raw/pretty  f forward again  c copy as curl  / filter  q quit";

/// Draws it.
pub(super) fn draw(view: &View, frame: &mut Frame<'_>) {
    let pane = if view.detail { Constraint::Fill(1) } else { Constraint::Length(0) };
    let list = if view.detail { Constraint::Max(ROWS_BESIDE_PANE) } else { Constraint::Fill(1) };
    let parts = [Constraint::Length(1), list, pane, Constraint::Length(1), Constraint::Length(1)];
    let [title, list, pane, note, help] = Layout::vertical(parts).areas(frame.area());
    frame.render_widget(Paragraph::new(Span::styled(view.title.clone(), style(Tone::Strong))), title);
    rows(view, frame, list);
    if view.detail {
        detail_pane(view, frame, pane);
    }
    frame.render_widget(Paragraph::new(noted(view)), note);
    frame.render_widget(Paragraph::new(Span::styled(HELP, style(Tone::Dim))), help);
}

fn rows(view: &View, frame: &mut Frame<'_>, area: Rect) {
    let listed = view.listed();
    let height = usize::from(area.height);
    let place = view.place();
    // The marked row is always in sight.
    let first = place.saturating_sub(height.saturating_sub(1));
    let lines: Vec<Line<'_>> = listed
        .iter()
        .enumerate()
        .skip(first)
        .take(height)
        .map(|(at, arrival)| {
            let line = row(arrival);
            if at == place { line.style(Style::new().add_modifier(Modifier::REVERSED)) } else { line }
        })
        .collect();
    let lines = if lines.is_empty() { vec![Line::from(Span::styled(empty(view), style(Tone::Dim)))] } else { lines };
    frame.render_widget(Paragraph::new(lines), area);
}

fn empty(view: &View) -> &'static str {
    if view.filter.is_empty() { "nothing has arrived yet" } else { "nothing fits the filter" }
}

fn row(arrival: &Arrival) -> Line<'static> {
    let tone = match arrival.fate {
        Fate::Accepted => Tone::Good,
        Fate::Duplicate => Tone::Odd,
        Fate::Refused | Fate::NotTaken => Tone::Bad,
    };
    let envelope = arrival.envelope.map_or_else(|| "-".to_owned(), |envelope| envelope.to_string().chars().take(8).collect());
    let mut spans = vec![
        Span::styled(format!("{} ", time_of_day(arrival.at)), style(Tone::Dim)),
        Span::raw(format!("{:<24} {envelope:<8} ", escape(&cut(arrival.event.as_str(), 40)))),
        Span::styled(format!("{} {}", arrival.status, arrival.fate.as_str()), style(tone)),
    ];
    match &arrival.verdict {
        None => spans.push(Span::styled(" not verified", style(Tone::Odd))),
        Some(verdict) => {
            for layer in layers(verdict) {
                let words = cut(&escape(&layer.words), LAYER_CHARS_MAX);
                spans.push(Span::styled(format!("  {} {words}", layer.name), style(layer.tone)));
            }
        }
    }
    if let Some(last) = arrival.forwards.last() {
        let tone = if last.is_taken() { Tone::Good } else { Tone::Bad };
        spans.push(Span::styled(format!("  {}", forward_words(last, Paint::none())), style(tone)));
    }
    Line::from(spans)
}

fn detail_pane(view: &View, frame: &mut Frame<'_>, area: Rect) {
    let Some(arrival) = view.current() else { return };
    let lines = detail::lines(arrival, view.raw);
    let first = view.scroll.min(lines.len().saturating_sub(1));
    let lines: Vec<Line<'_>> = lines.into_iter().skip(first).map(|(tone, text)| Line::from(Span::styled(text, style(tone)))).collect();
    let block = Block::bordered().title(format!(" {} of {} ", view.place() + 1, view.listed().len()));
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }).block(block), area);
}

fn noted(view: &View) -> Line<'static> {
    let mut words = Vec::new();
    if view.typing || !view.filter.is_empty() {
        let cursor = if view.typing { "_" } else { "" };
        words.push(format!("filter: {}{cursor}", escape(&view.filter)));
    }
    if view.untold > 0 {
        words.push(format!("{} arrivals came too fast to be shown", view.untold));
    }
    if !view.note.is_empty() {
        words.push(view.note.clone());
    }
    Line::from(Span::styled(words.join("   "), style(Tone::Odd)))
}

fn style(tone: Tone) -> Style {
    match tone {
        Tone::Plain => Style::new(),
        Tone::Good => Style::new().fg(Color::Green),
        Tone::Odd => Style::new().fg(Color::Yellow),
        Tone::Bad => Style::new().fg(Color::Red),
        Tone::Dim => Style::new().add_modifier(Modifier::DIM),
        Tone::Strong => Style::new().add_modifier(Modifier::BOLD),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;
    use crate::listen::{
        outlet::Told,
        screen::view::{Key, tests::arrival},
    };

    fn drawn(view: &View) -> String {
        let mut terminal = Terminal::new(TestBackend::new(100, 30)).expect("a terminal in memory");
        terminal.draw(|frame| draw(view, frame)).expect("it draws");
        let buffer = terminal.backend().buffer().clone();
        let rows = buffer.content().chunks(100).map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>());
        rows.map(|row| row.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_list_shows_arrivals_and_the_keys() {
        let mut view = View::new("listening".into());
        assert!(drawn(&view).contains("nothing has arrived yet"));
        view.told(Told::Arrived(Box::new(arrival(1))));
        let text = drawn(&view);
        assert!(text.starts_with("listening\n18:29:29.736 event-1"), "{text}");
        assert!(text.contains("200 accepted not verified") && text.ends_with(HELP), "{text}");
    }

    #[test]
    fn tm_24_the_pane_shows_what_strangers_sent_and_obeys_none_of_it() {
        let mut view = View::new("listening".into());
        view.told(Told::Arrived(Box::new(arrival(1))));
        view.pressed(Key::Enter);
        let text = drawn(&view);
        assert!(text.contains("x-evil: \\u{1b}[2Jred"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.contains("  \"a\": 1"), "pretty: {text}");
        view.pressed(Key::Char('r'));
        assert!(drawn(&view).contains("{\"a\":1}"), "raw");
    }

    #[test]
    fn a_terminal_of_any_size_is_drawn_on() {
        let mut view = View::new("listening".into());
        (1..50).for_each(|number| view.told(Told::Arrived(Box::new(arrival(number)))));
        for detail in [false, true] {
            view.detail = detail;
            for (width, height) in [(1, 1), (3, 2), (10, 4), (300, 90)] {
                let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal in memory");
                terminal.draw(|frame| draw(&view, frame)).expect("it draws");
            }
        }
    }
}
