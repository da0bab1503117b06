//! `sectorscope car verify`: checks every hash, and reads everything that deriving events reads.

use anyhow::bail;
use chain::{CarStore, Chain, ChainSegment, Epoch, ProgressSink, ProgressUnit};
use ledger::{ChainPowers, EventReader, MinerSummary};
use serde::Serialize;

use super::super::state_at::StateAt;
use super::super::{warn_if_ahead, with_file_context};
use super::coverage::no_receipts;
use crate::cli::{CarInput, ReportFormat, StateSelector};
use crate::output;
use crate::progress_bar::ProgressBars;

/// Problems listed in full; the rest is counted.
const MAX_LISTED: usize = 20;

/// What was found.
#[derive(Default, Serialize)]
struct Findings {
    blocks: u64,
    tipsets: usize,
    problems: Vec<VerifyProblem>,
    /// What is no problem, and good to know.
    remarks: Vec<String>,
    #[serde(skip)]
    without_receipts: usize,
    /// Whether the files ask for more work than they can need.
    #[serde(skip)]
    too_much: bool,
}

/// Something that does not read, and where that was met.
#[derive(Serialize)]
struct VerifyProblem {
    problem: String,
    /// First and last height at which it was met; `None` in a bare state.
    heights: Option<[i64; 2]>,
    times: usize,
}

pub(super) fn run(look: &CarInput) -> anyhow::Result<()> {
    let bars = ProgressBars::default();
    let cars = CarStore::open_uncached(&look.files, &look.data.cache()?, &bars)?;
    let mut findings = Findings { blocks: cars.blocks(), ..Findings::default() };
    with_file_context(check_state(&cars, &look.at, &mut findings, &bars), &look.files)?;
    findings.remarks.extend(no_receipts(findings.without_receipts));
    match look.format {
        ReportFormat::Json => output::json(&findings)?,
        ReportFormat::Table => print(&findings),
    }
    if !findings.problems.is_empty() {
        bail!("{} problems: what hangs from them does not read", findings.problems.len());
    }
    Ok(())
}

/// Reads everything at or below what is looked at; what should be between and is missing is a problem.
fn check_state(
    cars: &CarStore,
    at: &StateSelector,
    findings: &mut Findings,
    bars: &ProgressBars,
) -> chain::Result<()> {
    if at.state_root.is_some() {
        check_miners(&StateAt::open(cars, at)?, findings);
        return Ok(());
    }
    let stretches = Chain::segments(cars, cars.roots(), at.way())?;
    if let Some(ChainSegment { chain, .. }) = stretches.first() {
        warn_if_ahead(chain);
    }
    // What is missing between comes first: without it, states above are not whole either.
    for ChainSegment { missing: hole, .. } in stretches.iter().rev() {
        if let Some((hole, gap)) = hole.as_ref().and_then(|hole| Some((hole.to_string(), hole.gap()?))) {
            let heights = Some([gap.first.0, gap.last.0]);
            findings.problems.push(VerifyProblem { problem: hole, heights, times: 1 });
        }
    }
    for ChainSegment { chain, .. } in stretches.iter().rev() {
        check_chain(chain, findings, bars);
    }
    Ok(())
}

/// Reads every state and every transition of a chain.
fn check_chain(chain: &Chain<'_>, findings: &mut Findings, bars: &ProgressBars) {
    let tipsets = chain.tipsets();
    findings.tipsets += tipsets.len();
    bars.begin("following links".to_owned(), tipsets.len() as u64, ProgressUnit::Tipsets);
    let Some(first) = tipsets.first() else { return };
    let mut reading = match EventReader::open(chain, 0) {
        Ok((opening, reading)) => {
            for batch in opening {
                batch.map(drop).unwrap_or_else(|error| findings.note(Some(first.height), &error));
            }
            if findings.too_much {
                return;
            }
            reading
        }
        Err(error) => {
            findings.note(Some(first.height), &error);
            match EventReader::resume(chain, 0, Vec::new()) {
                Ok(reading) => reading,
                Err(error) => return findings.note(Some(first.height), &error),
            }
        }
    };
    let mut powers = ChainPowers::default();
    for (done, tipset) in (1..).zip(tipsets) {
        if let Err(error) = powers.advance(chain.store(), &tipset.parent_state_root, reading.codes()) {
            findings.note(Some(tipset.height), &error);
        }
        match reading.next() {
            Some(Ok(read)) => findings.without_receipts += usize::from(read.receipts.tipsets_inferred > 0),
            Some(Err(error)) => findings.note(Some(tipset.height), &error),
            None => {}
        }
        bars.at(done);
        // From then on nothing is read any more.
        if findings.too_much {
            break;
        }
    }
    bars.end();
}

/// Reads everything of a single state.
fn check_miners(state: &StateAt<'_>, findings: &mut Findings) {
    match state.miners() {
        Ok(miners) => {
            for (_, miner) in miners {
                if let Err(error) = MinerSummary::of(&miner) {
                    findings.note(None, &error);
                }
            }
        }
        Err(error) => findings.note(None, &error),
    }
}

impl Findings {
    fn note(&mut self, height: Option<Epoch>, error: &chain::Error) {
        self.too_much |= matches!(error, chain::Error::TooMuchWork { .. });
        let problem = error.to_string();
        let height = height.map(|height| height.0);
        if let Some(known) = self.problems.iter_mut().find(|known| known.problem == problem) {
            known.times += 1;
            known.heights = known.heights.zip(height).map(|([first, _], height)| [first, height]);
        } else {
            self.problems.push(VerifyProblem { problem, heights: height.map(|at| [at, at]), times: 1 });
        }
    }
}

fn print(findings: &Findings) {
    for problem in findings.problems.iter().take(MAX_LISTED) {
        let at = match problem.heights {
            Some([first, last]) if first == last => format!("height {first}: "),
            Some([first, last]) if problem.times == 1 => format!("heights {first} to {last}: "),
            Some([first, last]) => format!("heights {first} to {last}, {} times: ", problem.times),
            None => String::new(),
        };
        output::print_line(format_args!("{at}{}", problem.problem));
    }
    let more = findings.problems.len().saturating_sub(MAX_LISTED);
    if more > 0 {
        output::print_line(format_args!("… and {more} more"));
    }
    if findings.problems.is_empty() {
        let links = match findings.tipsets {
            0 => "every link of the state there".to_owned(),
            1 => "1 tipset, every link there".to_owned(),
            tipsets => format!("{tipsets} tipsets, every link there"),
        };
        output::print_line(format_args!("{} blocks, every hash good; {links}", findings.blocks));
    }
    for remark in &findings.remarks {
        output::print_line(remark);
    }
}
