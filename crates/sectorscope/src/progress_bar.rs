//! ProgressSink bars, on stderr and only on a terminal.

use std::fmt::Write;
use std::io::{IsTerminal, stderr};
use std::sync::Mutex;

use chain::{ProgressSink, ProgressUnit};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::sanitize::sanitize;

const BYTES: &str =
    "{msg:32!} {wide_bar:.cyan/blue} {bytes:>10}/{total_bytes} {bytes_per_sec:>12} {eta:>4} left";
const TIPSETS: &str =
    "{msg:32!} {wide_bar:.cyan/blue} {human_pos:>7}/{human_len} tipsets {rate:>10} {eta:>4} left";
const DAYS: &str = "{msg:32!} {wide_bar:.cyan/blue} {human_pos:>7}/{human_len} days {rate:>10} {eta:>4} left";

/// One bar at a time, for whatever long work goes on.
#[derive(Default)]
pub(crate) struct ProgressBars {
    bar: Mutex<Option<ProgressBar>>,
}

impl ProgressBars {
    fn with(&self, act: impl FnOnce(&mut Option<ProgressBar>)) {
        if let Ok(mut bar) = self.bar.lock() {
            act(&mut bar);
        }
    }
}

impl ProgressSink for ProgressBars {
    fn begin(&self, task: String, total: u64, unit: ProgressUnit) {
        let target =
            if stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let template = match unit {
            ProgressUnit::Bytes => BYTES,
            ProgressUnit::Tipsets => TIPSETS,
            ProgressUnit::Days => DAYS,
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let style = style.with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
            let _ = write!(out, "{:.0}/s", state.per_sec());
        });
        let bar = ProgressBar::with_draw_target(Some(total), target).with_style(style);
        let bar = bar.with_message(sanitize(&task).into_owned());
        self.with(|current| *current = Some(bar));
    }

    fn at(&self, done: u64) {
        self.with(|bar| {
            if let Some(bar) = bar {
                bar.set_position(done);
            }
        });
    }

    fn end(&self) {
        self.with(|bar| {
            if let Some(bar) = bar.take() {
                bar.finish_and_clear();
            }
        });
    }
}
