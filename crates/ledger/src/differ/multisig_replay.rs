//! One multisig in one tipset: what waits in it, and without receipts what its signers' calls come to.

use std::collections::HashMap;

use chain::state::{Actor, Multisig, MultisigCall, StateTree, Transaction};
use chain::{Address, Result, work};

/// A multisig, as the calls of a tipset go by.
pub(super) struct MultisigReplay<'s> {
    /// The state after.
    after: StateTree<'s>,
    number: u64,
    /// Its entry in the state before, unless it was created since.
    entry: Option<Actor>,
    version: u8,
    /// Its state before, once that is needed.
    before: Option<Multisig<'s>>,
    /// What the tipset's calls did to the transactions so far; `None` for what no longer waits.
    changed: HashMap<i64, Option<Transaction>>,
    /// Without receipts, what is taken for executed: the call that did it may have failed, and a later one done it.
    executed: HashMap<i64, Transaction>,
    /// Who signs, computed without receipts.
    signing: Option<Signers<'s>>,
}

/// Who signs by now.
struct Signers<'s> {
    signers: Vec<Address>,
    threshold: usize,
    /// The id of the tipset's first proposal, and of the next.
    first: i64,
    next: i64,
    /// Whose approvals count no more.
    purged: Vec<Address>,
    /// The multisig after the tipset.
    after: Multisig<'s>,
}

impl<'s> MultisigReplay<'s> {
    pub(super) fn of(after: StateTree<'s>, number: u64, entry: Option<Actor>, version: u8) -> Self {
        Self {
            after,
            number,
            entry,
            version,
            before: None,
            changed: HashMap::new(),
            executed: HashMap::new(),
            signing: None,
        }
    }

    /// Keeps a transaction that was proposed and waits for approvals.
    pub(super) fn keep(&mut self, id: i64, proposed: Transaction) {
        self.changed.insert(id, Some(proposed));
    }

    /// The transaction of that id, if it waits.
    pub(super) fn pending(&mut self, id: i64) -> Result<Option<Transaction>> {
        if let Some(changed) = self.changed.get(&id) {
            self.after.store().spend(changed.as_ref().map_or(0, Transaction::work))?;
            return Ok(changed.clone());
        }
        if self.before.is_none()
            && let Some(actor) = &self.entry
        {
            self.before = Some(Multisig::read(self.after.store(), actor)?);
        }
        self.before.as_ref().map_or(Ok(None), |before| before.pending(id))
    }

    /// What the caller's call leads to, by the signers and approvals so far: the transaction that is now executed.
    pub(super) fn run(&mut self, caller: u64, call: MultisigCall) -> Result<Option<Transaction>> {
        let caller = Address::id(caller);
        let store = self.after.store();
        let Some(signing) = self.signing()? else { return Ok(None) };
        store.spend(work::ITEM + work::LOOKUP * signing.signers.len() as u64)?;
        if !signing.signers.contains(&caller) {
            return Ok(None);
        }
        match call {
            MultisigCall::Propose(mut proposed) => {
                let id = signing.next;
                if signing.after.next <= id {
                    // More were proposed than came about. Where any did, the miner's outcome shows which.
                    let may_be_it = signing.first < signing.after.next && signing.threshold <= 1;
                    return Ok(may_be_it.then_some(proposed));
                }
                signing.next = id.saturating_add(1);
                proposed.approved = vec![caller];
                self.approved(id, proposed)
            }
            MultisigCall::Approve { id, hash } => {
                let threshold = signing.threshold;
                let Some(mut pending) = self.approvable(id, &hash)? else {
                    let executed = self.executed.get(&id);
                    let same = |executed: &&Transaction| {
                        hash.is_empty() || executed.hash().is_some_and(|found| found[..] == hash[..])
                    };
                    return Ok(executed.filter(same).cloned());
                };
                if pending.approved.len() < threshold {
                    if pending.approved.contains(&caller) {
                        return Ok(None);
                    }
                    pending.approved.push(caller);
                }
                self.approved(id, pending)
            }
            MultisigCall::Cancel { id, hash } => {
                let pending = self.approvable(id, &hash)?;
                if pending.is_some_and(|pending| pending.approved.first() == Some(&caller)) {
                    self.changed.insert(id, None);
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Lets a transaction wait on, or executes it if it has the approvals.
    fn approved(&mut self, id: i64, transaction: Transaction) -> Result<Option<Transaction>> {
        let Some(signing) = self.signing()? else { return Ok(None) };
        if transaction.approved.len() < signing.threshold {
            self.changed.insert(id, Some(transaction));
            return Ok(None);
        }
        // What was executed waits no more. Where it still does, the approval failed.
        if signing.after.pending(id)?.is_some() {
            return Ok(None);
        }
        self.changed.insert(id, None);
        self.executed.insert(id, transaction.clone());
        Ok(Some(transaction))
    }

    /// A transaction that waits and has that hash, if one is given.
    fn approvable(&mut self, id: i64, hash: &[u8]) -> Result<Option<Transaction>> {
        let Some(mut pending) = self.pending(id)? else { return Ok(None) };
        if !hash.is_empty() && pending.hash().is_none_or(|found| found != hash) {
            return Ok(None);
        }
        if let Some(signing) = &self.signing
            && !signing.purged.is_empty()
        {
            let looks = (pending.approved.len() as u64).saturating_mul(signing.purged.len() as u64);
            self.after.store().spend(work::LOOKUP.saturating_mul(looks))?;
            pending.approved.retain(|signer| !signing.purged.contains(signer));
        }
        Ok(Some(pending).filter(|pending| !pending.approved.is_empty()))
    }

    /// The multisig's call of itself, with signers by their numbers.
    pub(super) fn change_signers(&mut self, call: MultisigCall) -> Result<()> {
        // Approvals of who no longer signs are taken back from actors v2 on (`PurgeApprovals`).
        let purges = self.version >= 2;
        let Some(signing) = self.signing()? else { return Ok(()) };
        match call {
            MultisigCall::AddSigner { signer, raise } if !signing.signers.contains(&signer) => {
                signing.purged.retain(|purged| *purged != signer);
                signing.signers.push(signer);
                signing.threshold = signing.threshold.saturating_add(raise.into());
            }
            MultisigCall::RemoveSigner { signer, lower } => {
                signing.remove(signer, purges);
                signing.threshold = signing.threshold.saturating_sub(lower.into());
            }
            MultisigCall::SwapSigner { from, to } => {
                signing.remove(from, purges);
                signing.signers.push(to);
            }
            MultisigCall::ChangeThreshold(threshold) => {
                signing.threshold = usize::try_from(threshold).unwrap_or(usize::MAX);
            }
            _ => {}
        }
        Ok(())
    }

    /// Who signs by now: at first as in the state before. One that was created since is taken as the state after has it.
    /// `None` where the multisig's state is the same before and after: every call by a signer changes it, so all failed.
    fn signing(&mut self) -> Result<Option<&mut Signers<'s>>> {
        if self.signing.is_none() {
            let Some(actor) = self.after.actor(self.number)? else { return Ok(None) };
            if self.entry.as_ref().is_some_and(|before| before.head == actor.head) {
                return Ok(None);
            }
            let after = Multisig::read(self.after.store(), &actor)?;
            let before = self.entry.as_ref().map(|actor| Multisig::read(self.after.store(), actor));
            let before = before.transpose()?;
            let (earliest, next) = before.as_ref().map_or((&after, 0), |before| (before, before.next));
            let threshold = usize::try_from(earliest.threshold).unwrap_or(usize::MAX);
            let signers = earliest.signers.clone();
            self.signing = Some(Signers { signers, threshold, first: next, next, purged: Vec::new(), after });
            self.before = before;
        }
        Ok(self.signing.as_mut())
    }
}

impl Signers<'_> {
    fn remove(&mut self, signer: Address, purges: bool) {
        self.signers.retain(|other| *other != signer);
        if purges {
            self.purged.push(signer);
        }
    }
}
