//! `--watch`: a list again and again.

use std::process::ExitCode;
use std::time::Duration;

use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::units;

#[derive(clap::Args)]
pub struct Watch {
    /// Show it again every so often, until interrupted [1s if no time is given]
    #[arg(short, long, value_name = "TIME", value_parser = units::duration)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "1s")]
    watch: Option<Duration>,
}

/// A list of what a bus has.
#[derive(clap::Args)]
pub struct List {
    /// Name of the bus [default: --bus, then $SWARMBUS]
    bus: Option<String>,

    #[command(flatten)]
    watch: Watch,
}

impl List {
    /// Prints what `list` prints of the bus, once or again and again.
    pub fn show(&self, output: &Output, list: impl Fn(&str) -> Result<(), Failure>) -> Result<ExitCode, Failure> {
        let bus = output.bus(self.bus.as_deref())?;
        self.watch.show(output, || list(&bus))
    }
}

/// Clears the rest of a line, and the rest of the screen.
const REST_OF_LINE: &str = "\x1b[K";
const REST_OF_SCREEN: &str = "\x1b[J";
const HOME: &str = "\x1b[H";

impl Watch {
    /// Shows something once, or as often as the option says: on a terminal in place, elsewhere one after the other.
    pub fn show(&self, output: &Output, show: impl Fn() -> Result<(), Failure>) -> Result<ExitCode, Failure> {
        let Some(every) = self.watch else {
            show()?;
            return Ok(ExitCode::SUCCESS);
        };
        let interrupt = Interrupt::install()?;
        let mut first = true;
        loop {
            match output.size().filter(|_| !output.is_json()) {
                Some((_, height)) => {
                    let text = output.collect(&show)?;
                    output.bytes(screen(&text, usize::from(height), first).as_bytes())?;
                }
                None => {
                    if !first && !output.is_json() {
                        output.line("")?;
                    }
                    show()?;
                }
            }
            first = false;
            interrupt.sleep(every.max(Duration::from_millis(10)))?;
        }
    }
}

/// What paints a screen of so many lines over the one before; its first lines, if there are more.
fn screen(text: &str, height: usize, clear: bool) -> String {
    let lines: Vec<&str> = text.lines().collect();
    // The last line of the screen is the cursor's.
    let room = height.saturating_sub(2).max(1);
    let mut painted = String::from(HOME);
    if clear {
        painted.push_str(REST_OF_SCREEN);
    }
    for line in lines.iter().take(room) {
        painted.push_str(line);
        painted.push_str(REST_OF_LINE);
        painted.push('\n');
    }
    if let more @ 1.. = lines.len().saturating_sub(room) {
        painted.push_str(&format!("… {more} more lines{REST_OF_LINE}\n"));
    }
    painted.push_str(REST_OF_SCREEN);
    painted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_is_painted_over_and_cut_to_the_terminal() {
        assert_eq!(screen("a\nb\n", 10, false), "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J");
        assert!(screen("a\n", 10, true).starts_with("\x1b[H\x1b[J"));
        let cut = screen(&"x\n".repeat(50), 12, false);
        assert_eq!(cut.matches("x\x1b[K").count(), 10);
        assert!(cut.contains("… 40 more lines"), "{cut}");
    }
}
