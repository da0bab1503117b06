//! Panics of this program or of a library.
//!
//! Whoever waits for the work that panicked says so, in an error of one line or an answer. So the panic itself prints
//! nothing but a log line.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};

/// Logs panics from now on. What `serves` has a log as its only witness; else who waits says it.
pub(crate) fn install_hook(serves: bool) {
    panic::set_hook(Box::new(move |panic| {
        let what = message(panic.payload());
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let current = std::thread::current();
        let thread = current.name().unwrap_or_default();
        if serves {
            tracing::error!(thread, place, "panicked: {what}");
        } else {
            tracing::debug!(thread, place, "panicked: {what}");
        }
    }));
}

/// Does the work; a panic in it is an error.
pub(crate) fn catch<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let what = message(payload.as_ref());
        Err(anyhow::anyhow!("a mistake of this program broke it off: {what}; report it, with what -vv says"))
    })
}

/// What a panic says.
fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no word of what")
}

#[cfg(test)]
mod tests {
    use super::catch;

    #[test]
    fn a_panic_is_an_error_in_a_line() {
        let error = catch(|| -> anyhow::Result<()> { panic!("{} too many", 3) }).expect_err("it panicked");
        assert!(error.to_string().contains(": 3 too many; report it"), "{error}");
        assert_eq!(catch(|| Ok(7)).expect("no panic"), 7);
    }
}
