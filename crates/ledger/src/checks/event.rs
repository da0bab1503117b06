//! What holds of one event by itself, and of an event and the one before it.

use std::fmt;

use chain::{Bytes, Epoch, MinerId};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::event::{Cause, Event, Kind, Status};
use crate::spelled::spelled;

/// What is checked. Each has a name that stays.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Check {
    /// A sector's event begins where its previous one ended and not before it, and no event is repeated.
    Continuity,
    /// A message changed as many sectors as it says, all of one miner, by one method, at one epoch.
    Messages,
    /// Where the sector stood and stands, its terms, the cause and the method fit the kind.
    Transitions,
    /// An event is in its day.
    Epochs,
    /// All of a miner's sectors are of one size, and of a quality from 1 to 10.
    Sizes,
}

spelled!(Check);

/// A check that the events of a miner fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The miner.
    pub miner: MinerId,
    /// The check.
    pub check: Check,
    /// How often it fails.
    pub times: usize,
    /// The first failure, in a sentence.
    pub example: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.miner, self.check.name(), self.example)?;
        if self.times > 1 {
            write!(f, " (and {} more)", self.times - 1)?;
        }
        Ok(())
    }
}

/// `size` is that of the miner's other sectors.
pub(super) fn oversized(event: &Event, size: Bytes) -> Option<String> {
    if event.sector_size != size || size.0 <= 0 {
        return Some(format!("{} bytes, other sectors have {size}", event.sector_size));
    }
    let most = Bytes(size.0.saturating_mul(10));
    let beyond = |qap: &Bytes| !(size..=most).contains(qap);
    let qap = event.qap_before.filter(beyond).or(event.qap_after.filter(beyond))?;
    Some(format!("a QAP of {qap} is not 1 to 10 times {size} bytes"))
}

/// Where an event leaves a sector.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastState {
    kind: Kind,
    epoch: Epoch,
    status: Status,
    size: Bytes,
    qap: Option<Bytes>,
    activation: Option<Epoch>,
    expiration: Option<Epoch>,
}

impl LastState {
    pub(super) const fn of(event: &Event) -> Self {
        Self {
            kind: event.kind,
            epoch: event.epoch,
            status: event.status_after,
            size: event.sector_size,
            qap: event.qap_after,
            activation: event.activation,
            expiration: event.expiration_after,
        }
    }

    pub(super) const fn is_live(&self) -> bool {
        !matches!(self.status, Status::None)
    }
}

/// Why an event cannot be the next one of a sector after `before`.
pub(super) fn broken(before: &LastState, event: &Event) -> Option<String> {
    if before.size != event.sector_size {
        return Some(format!("{} bytes, {} before", event.sector_size, before.size));
    }
    let (was, is) = (before.kind, event.kind);
    if before.epoch > event.epoch {
        return Some(format!("it comes after a {was} at epoch {}", before.epoch));
    }
    if !before.is_live() {
        let follows = match was {
            Kind::Precommit => {
                is == Kind::PrecommitExpired
                    || (is == Kind::Onboard && matches!(event.cause, Some(Cause::Single | Cause::Batch)))
            }
            Kind::PrecommitExpired => is == Kind::Precommit,
            _ => false,
        };
        // What a pre-commit weighs may change with the market's deals, its expiration does not.
        let kept = is != Kind::PrecommitExpired || before.expiration == event.expiration_before;
        return (!(follows && kept)).then(|| format!("it follows a {was}"));
    }
    let fields = [
        ("status", before.status == event.status_before),
        ("QAP", before.qap == event.qap_before),
        ("expiration", before.expiration == event.expiration_before),
        ("activation", before.activation == event.activation),
    ];
    let (field, _) = fields.into_iter().find(|(_, same)| !same)?;
    Some(format!("its {field} is not what the {was} before it left"))
}

/// Ten times its size: QAP that no sector exceeds.
fn full_quality(event: &Event) -> Option<Bytes> {
    event.sector_size.0.checked_mul(10).map(Bytes)
}

/// Why the kind does not fit the rest of the event.
pub(super) fn misfit(event: &Event) -> Option<&'static str> {
    if !has_terms(event) {
        return Some("terms without a sector, or a sector without terms");
    }
    if !fits_statuses(event) {
        return Some("where it stood and stands, and its terms, do not fit the kind");
    }
    (!fits_cause(event)).then_some("its cause does not fit the kind, or its method the cause")
}

/// Whether the sector was and is live.
fn lives(event: &Event) -> (bool, bool) {
    (event.status_before != Status::None, event.status_after != Status::None)
}

fn keeps_dates(event: &Event) -> bool {
    event.expiration_before == event.expiration_after
}

/// Whether the event has QAP and expiration exactly where there is a sector or a pre-commit, and an activation of a sector
/// alone.
fn has_terms(event: &Event) -> bool {
    let committed = matches!(event.kind, Kind::Precommit | Kind::PrecommitExpired);
    let (knew, knows) = match event.kind {
        Kind::Precommit => (false, true),
        Kind::PrecommitExpired => (true, false),
        _ => lives(event),
    };
    let terms = |known, qap: Option<Bytes>, expiration: Option<Epoch>| {
        (qap.is_some(), expiration.is_some()) == (known, known)
    };
    terms(knew, event.qap_before, event.expiration_before)
        && terms(knows, event.qap_after, event.expiration_after)
        && event.activation.is_none() == committed
}

/// Whether the kind fits where the sector stood and stands, and what changed in its terms.
fn fits_statuses(event: &Event) -> bool {
    let (before, after) = (event.status_before, event.status_after);
    let (was, is) = lives(event);
    let same_dates = keeps_dates(event);
    let same_terms = same_dates && event.qap_before == event.qap_after;
    match event.kind {
        Kind::Precommit | Kind::PrecommitExpired => !was && !is,
        Kind::Onboard if event.cause == Some(Cause::Genesis) => !was && is,
        Kind::Onboard => !was && after == Status::Unproven && event.activation == Some(event.epoch),
        Kind::Opening => !was && is,
        Kind::Proven => (before, after) == (Status::Unproven, Status::Active) && same_terms,
        Kind::Recover => (before, after) == (Status::Faulty, Status::Active) && same_terms,
        Kind::Fault => {
            matches!(before, Status::Active | Status::Unproven) && after == Status::Faulty && same_terms
        }
        Kind::Snap => was && before == after && same_dates,
        Kind::Upgrade => was && before == after && same_dates && event.qap_after == full_quality(event),
        Kind::Extend => was && before == after && event.expiration_after > event.expiration_before,
        // A migration may take sectors away.
        Kind::Adjust => was && (is || event.cause == Some(Cause::Migration)),
        Kind::Terminate | Kind::Expire => was && !is,
    }
}

/// Whether the kind has the cause, and the cause the method.
fn fits_cause(event: &Event) -> bool {
    use Cause::{Active, Batch, Declared, Disputed, Extension, Genesis, Migration, Missed, NonInteractive};
    use Cause::{OnTime, Other, Passive, Replaced, Single, Skipped};
    let (before, after) = (event.status_before, event.status_after);
    let method = event.message.as_ref().map(|message| message.method);
    // A call that no message explains shows none.
    let by = |methods: &[u64]| method.is_none_or(|method| methods.contains(&method));
    let sent_by = |of: u64| method == Some(of);
    let cron = method.is_none();
    match (event.kind, event.cause) {
        (Kind::Precommit, Some(Single)) => by(&[6]),
        (Kind::Precommit, Some(Batch)) => by(&[25, 28]),
        (Kind::Onboard, Some(Single)) => by(&[7]),
        (Kind::Onboard, Some(Batch)) => by(&[26, 34]),
        (Kind::Onboard, Some(NonInteractive)) => by(&[36]),
        // In actors v1 together with onboard.
        (Kind::Proven, None) => by(&[5, 7]),
        (Kind::Recover, None) => by(&[5]),
        (Kind::Snap, None) => by(&[27, 29, 35]),
        (Kind::Extend, None) => by(&[8, 32, 37]),
        (Kind::Upgrade, None) => by(&[37]),
        (Kind::Adjust, Some(Extension)) => by(&[8, 32]) && keeps_dates(event) && before == after,
        (Kind::Fault, Some(Declared)) => by(&[10]),
        (Kind::Fault, Some(Skipped)) => sent_by(5),
        (Kind::Fault, Some(Disputed)) => sent_by(24),
        // A consensus fault deletes a miner of actors v1.
        (Kind::Terminate, Some(Active)) => by(&[9, 15]),
        (Kind::Terminate, Some(Passive)) => cron && before == Status::Faulty,
        (Kind::Expire, Some(OnTime)) => cron && event.expiration_before <= Some(event.epoch),
        (Kind::Expire, Some(Replaced)) => cron && event.expiration_before > Some(event.epoch),
        (Kind::Onboard, Some(Genesis))
        | (Kind::Fault, Some(Missed))
        | (Kind::Adjust, Some(Migration | Other))
        | (Kind::Opening | Kind::PrecommitExpired, None) => cron,
        _ => false,
    }
}
