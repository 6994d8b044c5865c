//! What a person sees of a run: five ticks with their milliseconds, a live table, and a summary.
//!
//! Everything here goes to the writer it is given (stderr in the binary), so that stdout stays data. On a
//! terminal the table is redrawn in place with plain ANSI; elsewhere, and with `NO_COLOR`, it falls back to a
//! line now and then. Verdicts carry a glyph and a word besides their colour. Nothing here changes a run.

use crate::report::{AttackReport, BenignReport, DecidedReport, DemoReport, Stop};
use std::io::{self, Write};
use std::time::Duration;

/// A part of the demo that came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Keys of the run and the manufacturer's roots.
    Keys,
    /// Who makes emulated TPMs.
    Chips,
    /// The control plane.
    Cloud,
    /// The gateway.
    Edge,
    /// The protected service.
    Shop,
    /// The devices.
    Fleet,
}

impl Part {
    /// The name on screen.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Chips => "tpm",
            Self::Cloud => "cloud",
            Self::Edge => "edge",
            Self::Shop => "shop",
            Self::Fleet => "fleet",
        }
    }
}

/// The numbers of the live table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Live {
    /// Time since the fleet began.
    pub elapsed: Duration,
    /// Benign actions so far.
    pub benign: BenignReport,
    /// Benign actions planned in this round.
    pub planned: u32,
    /// Verdicts so far, by zone; an action that is challenged and then passes has two.
    pub decided: DecidedReport,
    /// Added latency so far: half of the pairs at most this. Unit: microseconds.
    pub added_p50_us: i64,
    /// Attacks that ended, with the zone as far as refusals and counters tell; the report derives it from records.
    pub attacks: Vec<AttackReport>,
    /// The attack that runs now.
    pub attacking: Option<&'static str>,
}

/// Who watches a run.
pub trait Progress: Send {
    /// A part is up.
    fn tick(&mut self, part: Part, took: Duration, detail: &str);
    /// The console is up; this opens it, once.
    fn console(&mut self, link: &str);
    /// The numbers moved.
    fn live(&mut self, live: &Live);
    /// The run is over.
    fn done(&mut self, report: &DemoReport, took: Duration);
}

/// Watches nothing (`--headless`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn tick(&mut self, _: Part, _: Duration, _: &str) {}
    fn console(&mut self, _: &str) {}
    fn live(&mut self, _: &Live) {}
    fn done(&mut self, _: &DemoReport, _: Duration) {}
}

/// Draws for a person.
#[derive(Debug)]
pub struct Screen<W> {
    out: W,
    /// Redraws in place; else prints a line now and then.
    redraw: bool,
    colour: bool,
    /// Lines of the table now on screen.
    drawn: usize,
    /// When the last line was printed, where nothing is redrawn.
    last_line: Option<Duration>,
    failed: bool,
}

impl<W: Write + Send> Screen<W> {
    /// `tty`: whether `out` is a terminal that understands ANSI; `colour`: whether colour is wanted (`NO_COLOR`).
    pub const fn new(out: W, tty: bool, colour: bool) -> Self {
        Self { out, redraw: tty, colour: tty && colour, drawn: 0, last_line: None, failed: false }
    }

    fn print(&mut self, text: &str) {
        // A closed stderr ends the drawing, never the run.
        if !self.failed {
            self.failed = self.try_print(text).is_err();
        }
    }

    fn try_print(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn table(&self, live: &Live) -> Vec<String> {
        let bold = |text: &str| self.paint("1", text);
        let total = live.decided.total().max(1);
        let mut lines = vec![
            String::new(),
            format!("{}  {:>6.1} s", bold("Glacis demo"), live.elapsed.as_secs_f64()),
            format!(
                "  benign   {:>5} of {:<5}  {} {:<5} {} {:<4} {} {}",
                live.benign.requests,
                live.planned,
                self.verdict("allow"),
                live.benign.allowed,
                self.verdict("challenge"),
                live.benign.challenged,
                self.verdict("block"),
                live.benign.blocked,
            ),
            format!("  added    p50 {:.2} ms through the edge", micros_as_ms(live.added_p50_us)),
        ];
        let zones =
            [("device", live.decided.device), ("edge", live.decided.edge), ("cloud", live.decided.cloud)];
        for (name, count) in zones {
            lines.push(format!("  {name:<8} {count:>5} verdicts {}", bar(count, total)));
        }
        lines.push(format!(
            "  {:<20} {:<10} {:<22} {:>8} {:>8}",
            "attack", "zone", "ended in", "requests", "stopped"
        ));
        for attack in &live.attacks {
            lines.push(self.attack(attack));
        }
        if let Some(name) = live.attacking {
            lines.push(format!("  {name:<20} running"));
        }
        lines
    }

    fn attack(&self, attack: &AttackReport) -> String {
        let zone = attack.zone.map_or("-", Stop::name);
        let mark = if attack.held() { self.paint("36", "held") } else { self.paint("31;1", "NOT HELD") };
        let tools = attack.tools.as_ref().map_or_else(String::new, |tools| format!("  {tools}"));
        format!(
            "  {:<20} {zone:<10} {:<22} {:>8} {:>8}  {mark}{tools}",
            attack.name, attack.verdict, attack.requests, attack.stopped
        )
    }

    fn verdict(&self, verdict: &str) -> String {
        match verdict {
            "allow" => self.paint("34", "✓ allowed"),
            "challenge" => self.paint("33", "? challenged"),
            _ => self.paint("31", "✕ blocked"),
        }
    }

    fn summary(&self, report: &DemoReport, took: Duration) -> String {
        let mut text = String::from("\nWhat each zone stopped\n");
        for stop in Stop::ALL {
            let here: Vec<&AttackReport> =
                report.attacks.iter().filter(|attack| attack.zone == Some(stop)).collect();
            let stopped: u32 = here.iter().map(|attack| attack.stopped).sum();
            let names: Vec<&str> = here.iter().map(|attack| attack.name).collect();
            text.push_str(&format!("  {:<10} {stopped:>5}  {}\n", stop.name(), names.join(", ")));
        }
        let (benign, latency, equality) = (report.benign, report.latency_added_us, report.equality);
        text.push_str(&format!(
            "Benign users: {} actions, {} allowed at once, {} after a challenge, {} blocked\n",
            benign.requests, benign.allowed, benign.challenged, benign.blocked
        ));
        text.push_str(&format!(
            "The way through the edge added {:.2} ms (p50), {:.2} ms (p99) over {} pairs\n",
            micros_as_ms(latency.p50),
            micros_as_ms(latency.p99),
            latency.n
        ));
        text.push_str(&format!(
            "{} decisions compared with the whole policy on the full snapshot, {} differ\n",
            equality.checked, equality.diverged
        ));
        let families: Vec<String> =
            report.families.iter().map(|(family, count)| format!("{count} {family}")).collect();
        if !families.is_empty() {
            text.push_str(&format!("Devices by the family of their evidence: {}\n", families.join(", ")));
        }
        for fault in &report.faults {
            text.push_str(&format!("{} {fault}\n", self.paint("31;1", "FAULT")));
        }
        let end = if report.is_ok() { "Everything held." } else { "Not everything held." };
        text.push_str(&format!("{end} Seed {}, {:.1} s.\n", report.seed, took.as_secs_f64()));
        text
    }
}

impl<W: Write + Send> Progress for Screen<W> {
    fn tick(&mut self, part: Part, took: Duration, detail: &str) {
        let mark = self.paint("36", "✓");
        let ms = took.as_secs_f64() * 1_000.0;
        self.print(&format!("{mark} {:<6} {ms:>7.1} ms  {detail}\n", part.name()));
    }

    fn console(&mut self, link: &str) {
        let mark = self.paint("36", "→");
        self.print(&format!("{mark} console  open {link} (works once, for a quarter of an hour)\n"));
    }

    fn live(&mut self, live: &Live) {
        if self.redraw {
            let lines = self.table(live);
            let mut frame = String::new();
            if self.drawn > 0 {
                // Back to the table's first line, then overwrite and clear each line to its end.
                frame.push_str(&format!("\x1b[{}A", self.drawn));
            }
            for line in &lines {
                frame.push_str(line);
                frame.push_str("\x1b[K\n");
            }
            self.drawn = lines.len();
            self.print(&frame);
        } else if self.last_line.is_none_or(|last| live.elapsed.saturating_sub(last) >= LINE_EVERY) {
            self.last_line = Some(live.elapsed);
            let (benign, decided) = (live.benign, live.decided);
            self.print(&format!(
                "{:.1} s: {} of {} benign actions, {} blocked; verdicts device {} edge {} cloud {}; {} attacks ended\n",
                live.elapsed.as_secs_f64(),
                benign.requests,
                live.planned,
                benign.blocked,
                decided.device,
                decided.edge,
                decided.cloud,
                live.attacks.len(),
            ));
        }
    }

    fn done(&mut self, report: &DemoReport, took: Duration) {
        if !self.redraw {
            let lines: Vec<String> = report.attacks.iter().map(|attack| self.attack(attack) + "\n").collect();
            self.print(&lines.concat());
        }
        let text = self.summary(report, took);
        self.print(&text);
    }
}

/// Time between two lines where the table cannot be redrawn.
const LINE_EVERY: Duration = Duration::from_secs(2);

fn bar(count: u32, total: u32) -> String {
    let width = u64::from(count) * 40 / u64::from(total);
    "#".repeat(usize::try_from(width).unwrap_or(0))
}

#[expect(clippy::cast_precision_loss, reason = "a latency on screen has three digits")]
fn micros_as_ms(us: i64) -> f64 {
    us as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> Live {
        Live {
            elapsed: Duration::from_millis(1_500),
            planned: 10,
            decided: DecidedReport { device: 1, edge: 2, cloud: 1 },
            attacking: Some("mule"),
            ..Live::default()
        }
    }

    #[test]
    fn redraw_goes_back_over_its_own_lines_only() {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, true, true);
        screen.live(&live());
        let first = screen.drawn;
        screen.live(&live());
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches(&format!("\x1b[{first}A")).count(), 1);
        assert_eq!(text.matches('\n').count(), 2 * first);
    }

    #[test]
    fn without_a_terminal_no_escape_is_written_and_lines_are_rare() {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, false, true);
        screen.tick(Part::Keys, Duration::from_micros(1_250), "made for this run");
        screen.console("http://127.0.0.1:1/login#link=x");
        screen.live(&live());
        screen.live(&live());
        screen.live(&Live { elapsed: Duration::from_secs(4), ..live() });
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains('\x1b'), "{text}");
        assert!(text.starts_with("✓ keys       1.2 ms") || text.starts_with("✓ keys       1.3 ms"), "{text}");
        assert_eq!(text.lines().count(), 4);
    }
}
