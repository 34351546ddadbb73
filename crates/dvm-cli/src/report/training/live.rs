//! Live curves at the bottom of a terminal, above which messages scroll away as usual.

use std::io::{self, Write};
use std::time::Duration;

use dvm::training::TrainingEvent;
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Widget, Wrap};
use ratatui::{Terminal, TerminalOptions, Viewport};

use super::History;
use super::lines::line;
use super::view::{HEIGHT, draw};

/// Between two drawings: five a second are enough.
const PAUSE: Duration = Duration::from_millis(200);

/// A view that is drawn anew as things happen.
///
/// The terminal is left in its usual mode, its cursor in sight, on the empty line under the view.
/// Nothing has to be put back, then, whether the training ends, fails, panics or is killed; and
/// Ctrl-C reaches the program as a signal, like anywhere else.
pub struct Live<W: Write> {
    terminal: Terminal<CrosstermBackend<W>>,
    history: History,
    drawn: Option<Duration>,
}

impl<W: Write> Live<W> {
    /// A view at the cursor; none if the terminal is too low, or does not say where its cursor is.
    pub fn begin(out: W) -> Option<Self> {
        let backend = CrosstermBackend::new(out);
        if backend.size().ok()?.height <= HEIGHT {
            return None;
        }
        let options = TerminalOptions {
            viewport: Viewport::Inline(HEIGHT),
        };
        Some(Self {
            terminal: Terminal::with_options(backend, options).ok()?,
            history: History::new(),
            drawn: None,
        })
    }

    /// Shows what happened, `now` after the process began.
    pub fn see(&mut self, event: &TrainingEvent, now: Duration) -> io::Result<()> {
        let before = self.history.estimate.work;
        self.history.take(event, now);
        let moves = matches!(
            event,
            TrainingEvent::Step { .. } | TrainingEvent::Phase { .. }
        );
        if !moves {
            say_above(&mut self.terminal, &line(event, &self.history))?;
        } else if before == self.history.estimate.work
            && self.drawn.is_some_and(|drawn| now < drawn + PAUSE)
        {
            return Ok(());
        }
        self.drawn = Some(now);
        let history = &self.history;
        self.terminal.draw(|frame| draw(frame, history, now))?;
        Ok(())
    }
}

impl<W: Write> Drop for Live<W> {
    /// What is printed next begins on a line of its own, under the view.
    fn drop(&mut self) {
        let backend = self.terminal.backend_mut();
        let _ = backend
            .write_all(b"\r\n")
            .and_then(|()| Write::flush(backend));
    }
}

/// Puts a line above the view, where it becomes part of what the terminal scrolls.
fn say_above<B: Backend>(terminal: &mut Terminal<B>, text: &str) -> Result<(), B::Error> {
    let width = terminal.size()?.width.max(1);
    let line = Line::raw(text);
    // Words that move to the next line leave room behind them: hence one line more than they fill.
    let full = line.width().div_ceil(usize::from(width));
    let height = if full > 1 { full + 1 } else { 1 };
    let text = Paragraph::new(line).wrap(Wrap { trim: true });
    terminal.insert_before(height.min(20) as u16, |buffer| {
        text.render(buffer.area, buffer);
    })
}

#[cfg(test)]
mod tests {
    use super::super::history::tests::{record, started, step};
    use super::*;
    use ratatui::backend::TestBackend;

    #[test]
    fn messages_scroll_away_above_the_view() {
        let options = TerminalOptions {
            viewport: Viewport::Inline(HEIGHT),
        };
        let mut terminal = Terminal::with_options(TestBackend::new(80, 24), options).unwrap();
        let mut history = History::new();
        let mut shown = Vec::new();
        for event in [started(), step(1, 1), TrainingEvent::Epoch(record(1))] {
            history.take(&event, Duration::ZERO);
            if !matches!(event, TrainingEvent::Step { .. }) {
                let text = line(&event, &history);
                say_above(&mut terminal, &text).unwrap();
                shown.push(text);
            }
            terminal
                .draw(|frame| draw(frame, &history, Duration::ZERO))
                .unwrap();
        }
        let screen: Vec<String> = {
            let cells = terminal.backend().buffer().content();
            let rows = cells.chunks(80);
            rows.map(|row| row.iter().map(|cell| cell.symbol()).collect())
                .collect()
        };
        let above = screen[..24 - usize::from(HEIGHT)].join(" ");
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for text in shown {
            assert!(words(&above).contains(&words(&text)), "{above}");
        }
    }
}
