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

    fn check(sandbox: &Sandbox, of: &Alteration, said: &[(&str, Said)]) {
        let name = &of.name;
        assert_eq!(sandbox.outside_now(), sandbox.outside, "{name}: what is outside has changed");
        assert_eq!(sandbox.strays(), Vec::<String>::new(), "{name}: something was written outside");
        assert_eq!(sandbox.visits(), 0, "{name}: something was fetched from an address");
        for (command, said) in said {
            if let Some(found) = sandbox.canary_in(said.text()) {
                panic!("{name}: {command} tells of what is outside: {found}");
            }
            match (said, of.refused) {
                (Said::Refused(error), _) => {
                    assert!(of.names(error), "{name}: {command} does not name the file: {error}");
                }
                (Said::Done(_), Refused::ByAll) => panic!("{name}: {command} takes it"),
                (Said::Done(_), _) => {}
            }
        }
        let refused = said.iter().any(|(_, said)| matches!(said, Said::Refused(_)));
        assert!(refused || of.refused != Refused::Somewhere, "{name}: nobody refuses it: {said:?}");
        assert!(!refused || of.refused != Refused::Nowhere, "{name}: it is refused: {said:?}");
        assert_eq!(sandbox.canary_in_results(), None, "{name}: what is outside was copied");
        assert_eq!(PANICS.load(Ordering::Relaxed), 0, "{name}: something panicked");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn no_alteration_of_a_lake_or_a_copy_leads_out_of_it() {
        let sandbox = Sandbox::new().await;
        watch_panics();
        let (lakes, copies) = (of_lakes(&sandbox), of_copies(&sandbox));
        assert!(lakes.len() + copies.len() >= 300, "{} and {} alterations", lakes.len(), copies.len());
        for of in &lakes {
            sandbox.begin(of.many);
            (of.alter)(&sandbox.lake());
            check(&sandbox, of, &all(&sandbox).await);
        }
        for of in &copies {
            sandbox.begin(of.many);
            sandbox.lake_is_copy();
            (of.alter)(&sandbox.lake());
            let said = [("restore", put_back(&sandbox).await), ("backup", into_older(&sandbox).await)];
            check(&sandbox, of, &said);
        }
    }
}
