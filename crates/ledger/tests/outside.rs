//! A test that lacks what it needs is skipped, unless the environment requires it.

#[path = "common/outside.rs"]
mod outside;

use outside::Kind::{Data, Mounts, Programs};

#[test]
fn only_the_kinds_that_the_variable_names_are_required() {
    for kind in [Data, Programs, Mounts] {
        assert!(!kind.is_required(""));
        assert!(kind.is_required("all"));
        assert_eq!(kind.is_required("programs"), kind == Programs);
        assert_eq!(kind.is_required("data, mounts"), kind != Programs);
    }
}

#[test]
#[should_panic(expected = "has \"program\"")]
fn a_misspelled_kind_fails_instead_of_requiring_nothing() {
    Data.is_required("program");
}
