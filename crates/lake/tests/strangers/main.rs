//! Lakes and copies of strangers: three hundred ways to alter a log, a list or what lies in the place of a file, each of
//! them tried with every command. What is outside stays unread and as it is, nothing panics, and a refusal names the file.

#[path = "../common/mod.rs"]
mod common;

#[cfg(unix)]
mod altered;
#[cfg(unix)]
mod checkpoints;
#[cfg(unix)]
mod commands;
#[cfg(unix)]
mod sandbox;

#[cfg(unix)]
mod tried {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crate::altered::{Alteration, Refused, of_copies, of_lakes};
    use crate::commands::{Said, all, into_older, put_back};
    use crate::sandbox::Sandbox;

    /// How many panics there were, in whatever thread.
    static PANICS: AtomicUsize = AtomicUsize::new(0);

    fn watch_panics() {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            before(panic);
        }));
    }

    /// What is wrong with how commands took an alteration.
    fn wrong(sandbox: &Sandbox, of: &Alteration, said: &[(&str, Said)]) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut must = |right: bool, what: String| {
            if !right {
                wrong.push(format!("{}: {what}", of.name));
            }
        };
        must(sandbox.outside_now() == sandbox.outside, "what is outside has changed".to_owned());
        must(sandbox.strays().is_empty(), format!("{:?} were written outside", sandbox.strays()));
        must(sandbox.visits() == 0, "something was fetched from an address".to_owned());
        must(PANICS.swap(0, Ordering::Relaxed) == 0, "something panicked".to_owned());
        let copied = sandbox.canary_in_results();
        must(copied.is_none(), format!("what is outside was copied to {copied:?}"));
        for (command, said) in said {
            let found = sandbox.canary_in(said.text());
            must(found.is_none(), format!("{command} tells of what is outside: {said:?}"));
            match said {
                Said::Refused(error) => {
                    must(of.names(error), format!("{command} does not name the file: {error}"));
                    must(of.refused != Refused::Nowhere, format!("{command} refuses it: {error}"));
                }
                Said::Done(_) => must(of.refused != Refused::ByAll, format!("{command} takes it")),
            }
        }
        let refused = said.iter().any(|(_, said)| matches!(said, Said::Refused(_)));
        must(refused || of.refused != Refused::Somewhere, "nobody refuses it".to_owned());
        wrong
    }

    /// How many sandboxes there are at once.
    const AT_ONCE: usize = 2;

    /// Tries each of the alterations whose number leaves that remainder, and says what is wrong with how they were taken.
    async fn try_part(part: usize) -> Vec<String> {
        let sandbox = Sandbox::new().await;
        let (lakes, copies) = (of_lakes(&sandbox), of_copies(&sandbox));
        assert!(lakes.len() + copies.len() >= 300, "{} and {} alterations", lakes.len(), copies.len());
        let mut all_wrong = Vec::new();
        for of in lakes.iter().skip(part).step_by(AT_ONCE) {
            sandbox.begin(of.many);
            (of.alter)(&sandbox.lake());
            all_wrong.extend(wrong(&sandbox, of, &all(&sandbox).await));
        }
        for of in copies.iter().skip(part).step_by(AT_ONCE) {
            sandbox.begin(of.many);
            sandbox.lake_is_copy();
            (of.alter)(&sandbox.lake());
            let said = [("restore", put_back(&sandbox).await), ("backup", into_older(&sandbox).await)];
            all_wrong.extend(wrong(&sandbox, of, &said));
        }
        all_wrong
    }

    #[test]
    fn no_alteration_of_a_lake_or_a_copy_leads_out_of_it() {
        watch_panics();
        let all_wrong: Vec<String> = std::thread::scope(|scope| {
            let parts: Vec<_> = (0..AT_ONCE)
                .map(|part| {
                    scope.spawn(move || {
                        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
                        runtime.block_on(try_part(part))
                    })
                })
                .collect();
            parts.into_iter().flat_map(|part| part.join().expect("it ends")).collect()
        });
        assert!(all_wrong.is_empty(), "{}", all_wrong.join("\n"));
    }
}
