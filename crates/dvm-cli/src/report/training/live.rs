//! Live curves at the bottom of a terminal, with messages scrolling above them.

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

/// Shortest time between two drawings.
const PAUSE: Duration = Duration::from_millis(200);

/// A view that is redrawn with each event.
///
/// The terminal stays in its normal mode, with the cursor on the empty line under the view. So nothing has to be
/// restored if the program ends, panics or is killed, and Ctrl-C sends a signal.
pub struct Live<W: Write> {
    terminal: Terminal<CrosstermBackend<W>>,
    history: History,
    drawn: Option<Duration>,
}

impl<W: Write> Live<W> {
    /// A view at the cursor; none if the terminal has too few lines or does not report its cursor.
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

    /// Shows an event, `now` after the start of the process.
    pub fn show(&mut self, event: &TrainingEvent, now: Duration) -> io::Result<()> {
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
    /// Moves the cursor to a new line under the view.
    fn drop(&mut self) {
        let backend = self.terminal.backend_mut();
        let _ = backend
            .write_all(b"\r\n")
            .and_then(|()| Write::flush(backend));
    }
}

/// Prints a line above the view.
fn say_above<B: Backend>(terminal: &mut Terminal<B>, text: &str) -> Result<(), B::Error> {
    let width = terminal.size()?.width.max(1);
    let line = Line::raw(text);
    // Wrapping at words may need one line more.
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
    fn messages_scroll_above_the_view() {
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
