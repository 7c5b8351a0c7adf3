//! The progress bar: one line that is drawn over on a terminal, a new line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use super::report::grouped;

/// Cells of the bar.
const WIDTH: usize = 30;

/// On a terminal often enough to look alive, elsewhere seldom enough to be read.
const DRAW_EVERY: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(2)];

/// A bar over a number of rows.
pub struct Progress {
    total: u64,
    begun: Instant,
    drawn: Option<Instant>,
    on_terminal: bool,
}

impl Progress {
    /// A bar at nothing.
    pub fn new(total: u64) -> Progress {
        Progress { total, begun: Instant::now(), drawn: None, on_terminal: std::io::stdout().is_terminal() }
    }

    /// Draws it, if it is time.
    pub fn draw(&mut self, rows: u64, kills: u32) {
        let every = DRAW_EVERY[usize::from(!self.on_terminal)];
        if self.drawn.is_none_or(|drawn| drawn.elapsed() >= every) {
            self.drawn = Some(Instant::now());
            self.draw_now(rows, kills, "");
        }
    }

    /// Draws it with an event behind it, which stays on the terminal.
    pub fn event(&mut self, rows: u64, kills: u32, event: &str) {
        self.draw_now(rows, kills, event);
        if self.on_terminal {
            println!();
        }
    }

    fn draw_now(&self, rows: u64, kills: u32, event: &str) {
        let line = line(rows, self.total, kills, self.begun.elapsed().as_secs(), event);
        if self.on_terminal {
            print!("\r\x1b[K{line}");
            // A terminal that cannot be written to is no reason to stop.
            let _ = std::io::stdout().flush();
        } else {
            println!("{}", line.trim_end());
        }
    }
}

fn line(rows: u64, total: u64, kills: u32, seconds: u64, event: &str) -> String {
    let full = (rows.min(total) as usize * WIDTH) / (total.max(1) as usize);
    format!(
        "[{}{}] {:>7} of {} rows in the table, {seconds:>2} s, {kills} kills  {event}",
        "#".repeat(full),
        ".".repeat(WIDTH - full),
        grouped(rows),
        grouped(total),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_as_full_as_the_table() {
        assert_eq!(
            line(500, 1_000, 3, 12, "SIGKILL"),
            format!(
                "[{}{}]     500 of 1,000 rows in the table, 12 s, 3 kills  SIGKILL",
                "#".repeat(15),
                ".".repeat(15)
            )
        );
        assert!(line(2_000, 1_000, 0, 0, "").starts_with(&format!("[{}] ", "#".repeat(30))));
        assert!(line(0, 0, 0, 0, "").contains("of 0 rows"));
    }
}
