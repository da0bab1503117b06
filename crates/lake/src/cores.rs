//! Work that is shared out over a few cores, for an answer that somebody waits for.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::Result;

/// Most threads for one answer: others want theirs.
const MOST: usize = 8;

/// Cores that one answer may take. Asking the operating system takes longer than some of the work.
static CORES: LazyLock<usize> =
    LazyLock::new(|| thread::available_parallelism().map_or(1, usize::from).min(MOST));

/// Does the work for each of the items, each as soon as a core is free; gives what came of them in their order. Blocks:
/// do it on a thread that may. Where no thread is to be had, the caller's own does it all.
pub(crate) fn each<I: Sync, T: Send>(items: &[I], work: impl Fn(&I) -> Result<T> + Sync) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let some = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return Ok(done) };
            // One that fails is the end of all: nobody wants the others.
            let result = work(item).inspect_err(|_| next.store(items.len(), Ordering::Relaxed));
            done.push((at, result?));
        }
    };
    let mut done = thread::scope(|scope| {
        let helper = |_| thread::Builder::new().name("reading".to_owned()).spawn_scoped(scope, some).ok();
        let helpers: Vec<_> = (1..(*CORES).min(items.len())).filter_map(helper).collect();
        let mut done = some();
        for helper in helpers {
            let theirs = helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            done = done.and_then(|mut done: Vec<(usize, T)>| {
                done.extend(theirs?);
                Ok(done)
            });
        }
        done
    })?;
    done.sort_unstable_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn what_comes_of_the_items_stands_in_their_order() {
        let items: Vec<usize> = (0..1000).collect();
        assert_eq!(
            each(&items, |item| Ok(item * 2)).expect("it works"),
            (0..2000).step_by(2).collect::<Vec<_>>()
        );
        assert!(each(&[] as &[usize], |item| Ok(*item)).expect("nothing to do").is_empty());
    }

    #[test]
    fn one_that_fails_is_what_comes_of_all() {
        let items: Vec<usize> = (0..1000).collect();
        let failed = each(&items, |item| match item {
            7 => Err(Error::Registry { what: "seven".to_owned() }),
            _ => Ok(()),
        });
        assert!(matches!(failed, Err(Error::Registry { what }) if what == "seven"));
    }
}
