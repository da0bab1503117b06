//! Two states and the messages between them, turned into events.
//!
//! [`Differ`] visits only miners whose state changed, and of those only what differs. It works in three steps:
//! [`changes`] gathers what is not the same before and after; [`calls`] decodes what the tipset's successful
//! messages asked of which miner, and [`multisig_calls`] what multisigs asked in their place; [`miner_replay`] puts the two
//! together, and [`sector_replay`] does so for one sector: it walks through what ran (crons of the null rounds, messages, the
//! tipset's own cron) and lets each step do to the sector what the outcome allows, so that several changes in one
//! tipset come out as several events in order.

pub(crate) mod activations;
mod actor_rules;
mod calls;
mod changes;
mod deadline_ends;
mod inference;
mod miner_context;
mod miner_replay;
mod multisig_calls;
mod multisig_replay;
mod partition_change;
mod registries;
mod sector_replay;
pub(crate) mod status_sets;
mod steps;
pub(crate) mod terms;
mod transient_sectors;

use std::collections::BTreeMap;

use chain::state::{Actor, ActorCodes, Miner, StateTree};
use chain::{BlockStore, Cid, Epoch, Error, MinerId, Network, Result, SectorNumber, Transition};
use rayon::prelude::*;

use crate::event::Event;
use crate::opening::Opening;
use crate::receipts::ReceiptCounts;
use crate::tipset_events::TipsetEvents;
use activations::{Activations, TransitionEvents};
use calls::Calls;
use changes::MinerChanges;
use registries::{Registries, RegistryPair};

/// Turns the transitions of one chain, in order, into events; the miners of a transition are compared on all cores.
///
/// It keeps what no single state contains: the activations that a snap overwrote in actors v7 to v11, and the code
/// CIDs of the chain's manifests.
#[derive(Debug, Default)]
pub struct Differ {
    codes: ActorCodes,
    activations: Activations,
}

impl Differ {
    /// A differ that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A differ of a chain of that network, which has seen nothing yet.
    #[must_use]
    pub fn of(network: Option<Network>) -> Self {
        Self { codes: ActorCodes::of(network), ..Self::default() }
    }

    /// The code CIDs known so far.
    #[must_use]
    pub const fn codes(&self) -> &ActorCodes {
        &self.codes
    }

    /// Loads what resuming at a state that [`Differ::open`] has not seen needs: the code CIDs that its manifest
    /// names, and of `activations`, those first seen of sectors, the ones that the state shows no more.
    ///
    /// # Errors
    /// If the state does not read.
    pub fn resume_from(
        &mut self,
        store: &dyn BlockStore,
        state: &Cid,
        mut activations: Vec<(MinerId, SectorNumber, Epoch)>,
    ) -> Result<()> {
        let tree = StateTree::open(store, state)?;
        self.codes.add_manifest(&tree)?;
        activations.sort_unstable();
        for of_one in activations.chunk_by(|a, b| a.0 == b.0) {
            let Some((id, ..)) = of_one.first() else { continue };
            let Some(actor) = tree.actor(id.0)? else { continue };
            let Some(miner) = Miner::of(store, &actor, &self.codes)? else { continue };
            miner.for_each_sector(&mut |found| {
                let number = found.sector.number;
                if let Ok(at) = of_one.binary_search_by_key(&number, |(_, sector, _)| *sector)
                    && of_one[at].2 != found.sector.activation
                {
                    self.activations.note(*id, number, of_one[at].2);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// The events of the first readable state ([`Opening`]), all at once.
    ///
    /// # Errors
    /// If the state does not read.
    pub fn open(&mut self, store: &dyn BlockStore, state: &Cid, epoch: Epoch) -> Result<Vec<Event>> {
        Opening::of(store, state, epoch, &self.codes)?.all()
    }

    /// The events of one transition, in order of execution.
    ///
    /// # Errors
    /// If a block that is needed is missing or malformed.
    pub fn events(&mut self, store: &dyn BlockStore, transition: &Transition) -> Result<Vec<Event>> {
        Ok(self.restore_activations(self.compare(store, transition)?).events)
    }

    /// Compares the two states of a transition: all of deriving its events that does not depend on those before.
    pub(crate) fn compare(
        &self,
        store: &dyn BlockStore,
        transition: &Transition,
    ) -> Result<TransitionEvents> {
        let mut receipts = ReceiptCounts::of(&transition.messages);
        let inferred = receipts.tipsets_inferred > 0;
        if transition.before == transition.after && !inferred {
            return Ok(TransitionEvents { receipts, ..TransitionEvents::default() });
        }
        let before = StateTree::open(store, &transition.before)?;
        let after = StateTree::open(store, &transition.after)?;
        let miners = self.changed_miners(store, &before, &after, transition.height)?;
        if miners.is_empty() && !inferred {
            return Ok(TransitionEvents { receipts, ..TransitionEvents::default() });
        }
        let calls = Calls::of(&transition.messages, &before, &after, &self.codes)?;
        if inferred {
            self.count_calls_of_the_unchanged(&calls, &miners, &after, transition, &mut receipts)?;
        }
        let registries = RegistryPair { before: Registries::of(before), after: Registries::of(after) };
        let told = miners.par_iter().map(|(id, miner)| {
            let ChangedMiner { before, after, migrated } = miner;
            let changes = MinerChanges::between(before.as_ref(), after.as_ref(), *migrated, transition)?;
            let judged = inference::infer_calls(&changes, calls.to(*id))?;
            let mut told = miner_replay::replay(*id, &changes, &judged.calls, &registries, transition)?;
            let uncertain = inference::mark_uncertain(&mut told.steps, &judged)?;
            Ok((told, judged.counts(), uncertain))
        });
        let (mut steps, mut overwritten) = (Vec::new(), Vec::new());
        for (mut told, counts, uncertain) in told.collect::<Result<Vec<_>>>()? {
            receipts.add(&counts);
            receipts.events_uncertain += uncertain;
            steps.append(&mut told.steps);
            overwritten.append(&mut told.overwritten);
        }
        let events = steps::in_order(steps, transition.height, &transition.messages);
        Ok(TransitionEvents { events, receipts, overwritten })
    }

    /// Counts the calls to miners that are the same before and after: candidates that cause no event.
    fn count_calls_of_the_unchanged(
        &self,
        calls: &Calls,
        changed: &BTreeMap<MinerId, ChangedMiner<'_>>,
        state: &StateTree<'_>,
        transition: &Transition,
        receipts: &mut ReceiptCounts,
    ) -> Result<()> {
        for (receiver, calls) in calls.receivers().filter(|(receiver, _)| !changed.contains_key(receiver)) {
            let Some(actor) = state.actor(receiver.0)? else { continue };
            let Some(miner) = Miner::of(state.store(), &actor, &self.codes)? else { continue };
            let changes = MinerChanges::between(Some(&miner), Some(&miner), false, transition)?;
            receipts.add(&inference::infer_calls(&changes, calls)?.counts());
        }
        Ok(())
    }

    /// Finishes the events of a transition, now that those of all before it are finished.
    pub(crate) fn restore_activations(&mut self, transition: TransitionEvents) -> TipsetEvents {
        self.activations.restore(transition)
    }

    /// Miners whose state is not the same before and after. A new miner is compared with the empty one that it became
    /// first in no readable state.
    fn changed_miners<'s>(
        &self,
        store: &'s dyn BlockStore,
        before: &StateTree<'s>,
        after: &StateTree<'s>,
        height: Epoch,
    ) -> Result<BTreeMap<MinerId, ChangedMiner<'s>>> {
        let mut actors = Vec::new();
        after.diff(before, &mut |id, old, new| {
            actors.push((id, old, new));
            Ok(())
        })?;
        let unknown = |codes: &ActorCodes, actor: &Option<Actor>| -> Result<bool> {
            Ok(match actor {
                Some(actor) => codes.kind_of(&actor.code)?.is_none(),
                None => false,
            })
        };
        for (_, _, new) in &actors {
            if unknown(&self.codes, new)? {
                // A code never seen: an upgrade of the actors, which the new state's manifest names.
                self.codes.add_manifest_at(after, Some(height))?;
                break;
            }
        }
        // A miner that a migration removes cannot show the migration; the singleton actors can.
        let migration = actors.iter().any(|(id, old, new)| *id < FIRST_OF_MANY && has_other_code(old, new));
        let mut miners = BTreeMap::new();
        for (id, old, new) in actors {
            let migrated = has_other_code(&old, &new) || (new.is_none() && migration);
            let read = |actor: Option<&Actor>| {
                Ok::<_, Error>(actor.map(|actor| Miner::of(store, actor, &self.codes)).transpose()?.flatten())
            };
            // A message without a method, say, changes a balance and nothing of what the actor keeps.
            if old.as_ref().map(|actor| actor.head) == new.as_ref().map(|actor| actor.head) {
                continue;
            }
            let (before, after) = (read(old.as_ref())?, read(new.as_ref())?);
            if before.is_some() || after.is_some() {
                miners.insert(MinerId(id), ChangedMiner { before, after, migrated });
            }
        }
        Ok(miners)
    }
}

/// The lowest number of an actor that is one of many of its kind (`FirstNonSingletonActorId`); the numbers below are those
/// of the actors that a network has one of each.
const FIRST_OF_MANY: u64 = 100;

/// A miner before and after a tipset, one of which is there.
struct ChangedMiner<'s> {
    before: Option<Miner<'s>>,
    after: Option<Miner<'s>>,
    /// Whether a state migration came in between.
    migrated: bool,
}

/// Whether an actor runs another code than before, which only a migration does to a miner or to one that there is one of.
fn has_other_code(old: &Option<Actor>, new: &Option<Actor>) -> bool {
    old.as_ref().zip(new.as_ref()).is_some_and(|(old, new)| old.code != new.code)
}
