//! From a message to a multisig to the call of a miner that it leads to.
//!
//! A proposal carries a call, an approval names one that waits; once enough signers want it the multisig makes it, and
//! it may be to another multisig. So a message leads to one call of a miner at most, at whatever depth. Receipts hold
//! the answers of all multisigs on the way, one in another. Without receipts [`MultisigReplay`] computes what each did.

use std::collections::HashMap;

use chain::state::{ActorCodes, MinerCall, Multisig, MultisigCall, MultisigReturn, StateTree, Transaction};
use chain::{Address, ExecutedMessage, Message, Result, work};

use super::multisig_replay::MultisigReplay;

const PROPOSE: u64 = 2;
const APPROVE: u64 = 3;
const CANCEL: u64 = 4;
/// Calls within each other: as many as the virtual machine allows (`max_call_depth` of the FVM).
const MAX_DEPTH: usize = 1024;
/// Bytes of parameters of a tipset's calls from inside that are read, and what each call counts for beside them. A
/// tipset's gas pays for less.
const MAX_READ: usize = 1 << 28;
const CALL: usize = 1 << 12;

/// A call that a message leads to.
pub(super) struct InnerCall {
    /// Whom it is to.
    pub(super) to: u64,
    /// Its method.
    pub(super) method: u64,
    /// What it asks of a miner.
    pub(super) op: MinerCall,
}

/// What a method of a miner was asked with these parameters; `None` if that is nothing to do with sectors.
pub(super) fn miner_call(method: u64, params: &[u8], returned: &[u8]) -> Option<MinerCall> {
    match MinerCall::decode(method, params, returned) {
        Ok(MinerCall::Other) => None,
        Ok(op) => Some(op),
        // The method numbers of other actors' calls overlap the miner's; their parameters do not.
        Err(error) => {
            tracing::debug!(method, %error, "not the parameters of a miner's method");
            None
        }
    }
}

/// The multisigs of a tipset, as its messages go by.
pub(super) struct MultisigCalls<'a, 's> {
    before: &'a StateTree<'s>,
    after: &'a StateTree<'s>,
    codes: &'a ActorCodes,
    /// Those met so far; `None` for another actor.
    met: HashMap<u64, Option<MultisigReplay<'s>>>,
    left: usize,
}

impl<'a, 's> MultisigCalls<'a, 's> {
    pub(super) fn of(before: &'a StateTree<'s>, after: &'a StateTree<'s>, codes: &'a ActorCodes) -> Self {
        Self { before, after, codes, met: HashMap::new(), left: MAX_READ }
    }

    /// The number of the actor with that address, in the state before or else after.
    pub(super) fn resolve(&self, address: &Address) -> Result<Option<u64>> {
        match self.before.resolve(address)? {
            None => self.after.resolve(address),
            found => Ok(found),
        }
    }

    /// The call of a miner that a message to a multisig led to, or without receipts may have led to. The messages must
    /// come in order of execution.
    pub(super) fn follow(&mut self, executed: &ExecutedMessage) -> Result<Option<InnerCall>> {
        let message = &executed.message;
        let returned = executed.returned().len() as u64;
        self.before.store().spend(work::ITEM + work::BITFIELD_BYTE * returned)?;
        match &executed.receipt {
            Some(receipt) if receipt.exit_code == 0 => self.by_receipt(message, &receipt.returned),
            Some(_) => Ok(None),
            None => self.by_replay(message),
        }
    }

    /// By what the multisigs by_receipt.
    fn by_receipt(&mut self, message: &Message, mut returned: &[u8]) -> Result<Option<InnerCall>> {
        let mut to = message.to.clone();
        let mut call = multisig_call(message.method, &message.params);
        for _ in 0..MAX_DEPTH {
            let (transaction, answer) = match call {
                Some(MultisigCall::Propose(proposed)) if may_reach_miner(&proposed) => {
                    let Ok(answer) = MultisigReturn::decode(PROPOSE, returned) else { return Ok(None) };
                    if answer.applied && answer.exit_code != 0 {
                        return Ok(None);
                    }
                    let (Some(members), Some(id)) = (self.multisig_at(&to)?, answer.id) else {
                        return Ok(None);
                    };
                    if !answer.applied {
                        members.keep(id, proposed);
                        return Ok(None);
                    }
                    (proposed, answer)
                }
                Some(MultisigCall::Approve { id, .. }) => {
                    let Ok(answer) = MultisigReturn::decode(APPROVE, returned) else { return Ok(None) };
                    if !answer.applied || answer.exit_code != 0 {
                        return Ok(None);
                    }
                    let Some(members) = self.multisig_at(&to)? else { return Ok(None) };
                    let Some(pending) = members.pending(id)? else { return Ok(None) };
                    (pending, answer)
                }
                _ => return Ok(None),
            };
            if !self.reads(&transaction)? {
                return Ok(None);
            }
            if let Some(op) = miner_call(transaction.method, transaction.params(), answer.returned) {
                let to = self.resolve(&transaction.to)?;
                return Ok(to.map(|to| InnerCall { to, method: transaction.method, op }));
            }
            call = multisig_call(transaction.method, transaction.params());
            to = transaction.to;
            returned = answer.returned;
        }
        Ok(None)
    }

    /// By what the states and the messages so far show.
    fn by_replay(&mut self, message: &Message) -> Result<Option<InnerCall>> {
        let Some(mut call) = multisig_call(message.method, &message.params) else { return Ok(None) };
        let (Some(mut to), Some(mut caller)) = (self.resolve(&message.to)?, self.resolve(&message.from)?)
        else {
            return Ok(None);
        };
        for _ in 0..MAX_DEPTH {
            let Some(members) = self.multisig(to)? else { return Ok(None) };
            let Some(transaction) = members.run(caller, call)? else { return Ok(None) };
            if !self.reads(&transaction)? {
                return Ok(None);
            }
            let Some(next) = self.resolve(&transaction.to)? else { return Ok(None) };
            let (method, params) = (transaction.method, transaction.params());
            if next == to {
                self.change_signers(to, method, params)?;
            }
            if let Some(op) = miner_call(method, params, &[]) {
                return Ok(Some(InnerCall { to: next, method, op }));
            }
            let Some(inner) = multisig_call(method, params) else { return Ok(None) };
            (caller, to, call) = (to, next, inner);
        }
        Ok(None)
    }

    /// A multisig's call of itself that changes who its signers are, or how many must approve.
    fn change_signers(&mut self, multisig: u64, method: u64, params: &[u8]) -> Result<()> {
        let Ok(Some(call)) = MultisigCall::decode(method, params) else { return Ok(()) };
        let by_number = |address: &mut Address| -> Result<()> {
            if let Some(number) = self.resolve(address)? {
                *address = Address::id(number);
            }
            Ok(())
        };
        let call = match call {
            MultisigCall::AddSigner { mut signer, raise } => {
                by_number(&mut signer)?;
                MultisigCall::AddSigner { signer, raise }
            }
            MultisigCall::RemoveSigner { mut signer, lower } => {
                by_number(&mut signer)?;
                MultisigCall::RemoveSigner { signer, lower }
            }
            MultisigCall::SwapSigner { mut from, mut to } => {
                by_number(&mut from)?;
                by_number(&mut to)?;
                MultisigCall::SwapSigner { from, to }
            }
            call @ MultisigCall::ChangeThreshold(_) => call,
            // Its own signers, but never itself.
            MultisigCall::Propose(_) | MultisigCall::Approve { .. } | MultisigCall::Cancel { .. } => {
                return Ok(());
            }
        };
        match self.multisig(multisig)? {
            Some(members) => members.change_signers(call),
            None => Ok(()),
        }
    }

    fn multisig_at(&mut self, address: &Address) -> Result<Option<&mut MultisigReplay<'s>>> {
        match self.resolve(address)? {
            Some(number) => self.multisig(number),
            None => Ok(None),
        }
    }

    /// The multisig of that number.
    fn multisig(&mut self, number: u64) -> Result<Option<&mut MultisigReplay<'s>>> {
        if !self.met.contains_key(&number) {
            let before = self.before.actor(number)?;
            let actor = match &before {
                None => self.after.actor(number)?,
                Some(_) => before.clone(),
            };
            let multisig = match actor {
                Some(actor) => Multisig::version(&actor, self.codes)?,
                None => None,
            };
            let members =
                multisig.map(|version| MultisigReplay::of(self.after.clone(), number, before, version));
            self.met.insert(number, members);
        }
        Ok(self.met.get_mut(&number).and_then(Option::as_mut))
    }

    /// Counts a call that is read; `false` once that is more than a tipset can hold.
    fn reads(&mut self, transaction: &Transaction) -> Result<bool> {
        self.before.store().spend(transaction.work())?;
        let left = self.left.checked_sub(transaction.params().len() + CALL);
        self.left = left.unwrap_or(0);
        Ok(left.is_some())
    }
}

/// A call by which signers use their multisig.
fn multisig_call(method: u64, params: &[u8]) -> Option<MultisigCall> {
    match method {
        PROPOSE | APPROVE | CANCEL => MultisigCall::decode(method, params).ok().flatten(),
        _ => None,
    }
}

/// Whether a transaction may lead to a call that concerns sectors.
fn may_reach_miner(transaction: &Transaction) -> bool {
    matches!(transaction.method, PROPOSE | APPROVE)
        || miner_call(transaction.method, transaction.params(), &[]).is_some()
}
