//! Changes of a sector's terms: snaps, extensions and upgrades of quality.
//!
//! What is between two of them is computed from what the messages ask ([`ActorRules`]); the last one leaves what the state
//! after has.

use chain::state::{Extension, MinerCall, QualityUpgrade, ReplicaUpdate};
use chain::{Epoch, Result};

use super::super::actor_rules::ActorRules;
use super::super::calls::Call;
use super::super::steps::Stage;
use super::super::terms::{Terms, Weights};
use super::{INSIDE, SectorReplay};
use crate::event::{Cause, Kind};

/// Expiration, sealed CID and flag of full quality that a change is to leave.
type Asked<'t> = (Epoch, &'t [u8], bool);

impl SectorReplay<'_, '_> {
    const fn rules(&self) -> ActorRules {
        ActorRules { version: self.context.changes.version(), now: self.context.height }
    }

    /// The terms that a change leaves by the outcome: if it is the last one, and they are what it asked for. Else they must
    /// be computed.
    fn final_terms_of(&self, call: &Call, (expiration, sealed, full_quality): Asked<'_>) -> Option<Terms> {
        let fits = |settled: &&Terms| {
            (settled.expiration, &settled.sealed[..], settled.full_quality)
                == (expiration, sealed, full_quality)
        };
        let settled = self.final_terms.as_ref().filter(fits)?;
        (!self.later(call).any(|later| self.amends(later))).then(|| settled.clone())
    }

    /// The calls after one.
    fn later(&self, call: &Call) -> impl Iterator<Item = &Call> {
        self.context.calls.iter().filter(move |later| later.index > call.index)
    }

    /// Whether a call changes the sector's terms.
    fn amends(&self, call: &Call) -> bool {
        match &call.op {
            MinerCall::Update(updates) => {
                updates.iter().any(|update| update.sector == self.sector && !self.repeats(call, update))
            }
            MinerCall::Extend(extensions) => extensions.iter().any(|one| one.sectors.contains(self.sector.0)),
            MinerCall::UpgradeQuality(upgrades) => {
                upgrades.iter().any(|one| one.sectors.contains(self.sector.0))
            }
            _ => false,
        }
    }

    /// Whether a call before asks for the same snap: of two, not known to have succeeded, one failed.
    fn repeats(&self, call: &Call, update: &ReplicaUpdate) -> bool {
        let asks = |earlier: &Call| {
            matches!(&earlier.op, MinerCall::Update(updates)
            if updates.iter().any(|one| (one.sector, &one.sealed) == (update.sector, &update.sealed)))
        };
        !call.certain && self.context.calls.iter().any(|earlier| earlier.index < call.index && asks(earlier))
    }

    /// Whether the outcome allows that the sector was to expire then: expirations never fall.
    fn may_expire_at(&self, expiration: Epoch) -> bool {
        self.final_terms.as_ref().is_none_or(|settled| settled.expiration >= expiration)
    }

    pub(super) fn snap(&mut self, updates: &[ReplicaUpdate], call: &Call) -> Result<()> {
        let Some(update) = updates.iter().find(|update| update.sector == self.sector) else { return Ok(()) };
        let outcome = self.final_terms.as_ref().map(|settled| &settled.sealed);
        let Some(sealed) = Some(&update.sealed).filter(|asked| !asked.is_empty()).or(outcome).cloned() else {
            return Ok(());
        };
        let again =
            self.later(call).any(|later| matches!(later.op, MinerCall::Update(_)) && self.amends(later));
        let undone = !again && outcome == Some(&self.terms.sealed);
        if !self.is_live() || sealed == self.terms.sealed || undone {
            return Ok(());
        }
        let rules = self.rules();
        let full_quality = self.terms.full_quality || rules.snaps_to_full_quality();
        let terms = match self.final_terms_of(call, (self.terms.expiration, &sealed, full_quality)) {
            Some(settled) => settled,
            None => {
                let weights = self.filled(update, &sealed, call)?;
                rules.snapped(self.sector, &self.terms, sealed, weights)?
            }
        };
        self.add((Stage::Message(call.index), 0), Kind::Snap, None, self.status, Some(terms), Some(call));
        Ok(())
    }

    /// What the sector weighs after a snap: by the outcome where later extensions left its quality as it is, else by what
    /// the message says of the data.
    fn filled(&self, update: &ReplicaUpdate, sealed: &[u8], call: &Call) -> Result<Weights> {
        let expiration = self.terms.expiration;
        let requalifies = |later: &Call| match &later.op {
            MinerCall::Extend(extensions) => {
                extensions.iter().any(|one| one.drops_claims.contains(self.sector.0))
            }
            _ => self.amends(later),
        };
        let kept = self.final_terms.as_ref().filter(|settled| settled.sealed == sealed);
        if let Some(settled) = kept
            && !self.later(call).any(requalifies)
            && let Some(weights) = self.rules().snapped_weights(settled, expiration)
        {
            return Ok(weights);
        }
        let ActorRules { version, now } = self.rules();
        let told = self.context.registries.filling(&update.data, (now, expiration), version)?;
        Ok(told.unwrap_or_default())
    }

    /// A message may declare several extensions of the sector, which are one.
    pub(super) fn extend(&mut self, extensions: &[Extension], call: &Call) -> Result<()> {
        let sector = self.sector;
        let declared = || extensions.iter().filter(move |one| one.sectors.contains(sector.0));
        if !self.is_live() || declared().next().is_none() {
            return Ok(());
        }
        let dates = || declared().map(|one| one.expiration);
        let falls = |(date, next): (Epoch, Epoch)| next < date;
        let (first, last) = (dates().next(), dates().next_back().unwrap_or(self.terms.expiration));
        if first < Some(self.terms.expiration)
            || dates().zip(dates().skip(1)).any(falls)
            || !self.may_expire_at(last)
        {
            return Ok(());
        }
        let asked = (last, &self.terms.sealed[..], self.terms.full_quality);
        let terms = match self.final_terms_of(call, asked) {
            Some(settled) => settled,
            None => self.extended(declared())?,
        };
        let (kind, cause) = if terms.expiration > self.terms.expiration {
            (Kind::Extend, None)
        } else {
            (Kind::Adjust, Some(Cause::Extension))
        };
        self.amend((Stage::Message(call.index), 0), kind, cause, terms, Some(call));
        Ok(())
    }

    /// The sector's terms after the extensions that one message declares of it, in their order.
    fn extended<'e>(&self, declared: impl Iterator<Item = &'e Extension> + Clone) -> Result<Terms> {
        let (context, sector) = (self.context, self.sector);
        let claims = declared.clone().flat_map(|one| &one.dropped).filter(|(of, _)| *of == sector);
        let mut dropped = context.registries.claimed(context.miner, claims.map(|(_, claim)| *claim))?;
        let mut terms = self.terms.clone();
        for one in declared {
            terms = self.rules().extended(sector, &terms, one.expiration, dropped)?;
            dropped = 0;
        }
        Ok(terms)
    }

    /// An upgrade to full quality, with an extension behind it if the date is to move, too. A sector that has full quality
    /// is left as it is, but for its date.
    pub(super) fn upgrade(&mut self, upgrades: &[QualityUpgrade], call: &Call) -> Result<()> {
        let named = || upgrades.iter().filter(|one| one.sectors.contains(self.sector.0));
        if !self.is_live() || named().next().is_none() {
            return Ok(());
        }
        let expiration = named().filter_map(|one| one.expiration).max().unwrap_or(self.terms.expiration);
        // Full quality is never lost.
        let lacks = self.final_terms.as_ref().is_some_and(|settled| !settled.full_quality);
        if lacks || expiration < self.terms.expiration || !self.may_expire_at(expiration) {
            return Ok(());
        }
        let terms = match self.final_terms_of(call, (expiration, &self.terms.sealed, true)) {
            Some(settled) => settled,
            None => {
                let upgraded = Terms { full_quality: true, ..self.terms.clone() }.valued(self.sector)?;
                if expiration > self.terms.expiration {
                    self.rules().extended(self.sector, &upgraded, expiration, 0)?
                } else {
                    upgraded
                }
            }
        };
        self.upgrade_to(terms, (Stage::Message(call.index), 0), Some(call))
    }

    /// Upgrades and extends the sector to terms that have full quality.
    fn upgrade_to(&mut self, terms: Terms, at: (Stage, u64), call: Option<&Call>) -> Result<()> {
        if !self.terms.full_quality {
            // What is pledged and paid goes with quality.
            let (expiration, power_base) = (self.terms.expiration, self.terms.power_base);
            let (weights, sealed) = (self.terms.weights, self.terms.sealed.clone());
            let upgraded = Terms { expiration, power_base, weights, sealed, ..terms.clone() };
            self.add(at, Kind::Upgrade, None, self.status, Some(upgraded.valued(self.sector)?), call);
        }
        let (kind, cause) = match terms.expiration > self.terms.expiration {
            true => (Kind::Extend, None),
            false => (Kind::Adjust, Some(Cause::Other)),
        };
        self.amend(at, kind, cause, terms, call);
        Ok(())
    }

    /// Changes the terms, which is an event if the date or QAP is another.
    fn amend(
        &mut self,
        at: (Stage, u64),
        kind: Kind,
        cause: Option<Cause>,
        terms: Terms,
        call: Option<&Call>,
    ) {
        if (terms.expiration, terms.qap) == (self.terms.expiration, self.terms.qap) {
            // What is pledged and paid may have changed all the same: an event before it shows where that ends.
            if let Some(step) = self.steps.last_mut() {
                let (event, _) = step.caused();
                event.backing_after = event.backing_after.map(|_| terms.backing);
            }
            self.terms = terms;
        } else {
            self.add(at, kind, cause, self.status, Some(terms), call);
        }
    }

    /// Snaps, upgrades and extensions that no message shows, and changes that are none of them.
    pub(super) fn reconcile_terms(&mut self) -> Result<()> {
        let Some(settled) = self.final_terms.clone().filter(|_| self.is_live()) else { return Ok(()) };
        let migrated = self.context.changes.migrated;
        if settled.sealed != self.terms.sealed {
            let weights = self.rules().snapped_weights(&settled, self.terms.expiration);
            let weights = weights.unwrap_or(settled.weights);
            let sealed = settled.sealed.clone();
            let mut terms = self.rules().snapped(self.sector, &self.terms, sealed, weights)?;
            if settled.expiration == terms.expiration {
                terms = settled.clone();
            }
            self.add(INSIDE, Kind::Snap, None, self.status, Some(terms), None);
        }
        if settled.full_quality && !self.terms.full_quality && !migrated {
            return self.upgrade_to(settled, INSIDE, None);
        }
        let (kind, cause) = match settled.expiration > self.terms.expiration {
            true => (Kind::Extend, None),
            false if migrated => (Kind::Adjust, Some(Cause::Migration)),
            false => (Kind::Adjust, Some(Cause::Other)),
        };
        self.amend(INSIDE, kind, cause, settled, None);
        Ok(())
    }
}
