//! Enums whose values have one spelling each. [`strum`] derives the spellings from the declarations; here they get the
//! names under which the program uses them.

/// Gives enums that derive strum's `IntoStaticStr`, `EnumString` and `VariantArray` what their users call.
macro_rules! spelled {
    ($($name:ident),+) => {$(
        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

            /// The one spelling, used in tables, JSON, SQL and addresses.
            #[must_use]
            pub fn name(self) -> &'static str {
                self.into()
            }

            /// The value with that spelling; `None` if no value has it.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                name.parse().ok()
            }
        }
    )+};
}
pub(crate) use spelled;

#[cfg(test)]
mod tests {
    use crate::checks::Check;
    use crate::columns::{Endpoint, Unit};
    use crate::{Anomaly, Cause, Content, Kind, Receipts, Status};

    /// Spellings are contracts: they are in tables, in answers and in scripts.
    #[test]
    fn every_value_keeps_its_spelling() {
        macro_rules! assert_spelled {
            ($name:ident, $spellings:literal) => {
                let names: Vec<_> = $name::ALL.iter().map(|value| value.name()).collect();
                assert_eq!(names.join(" "), $spellings);
                for value in $name::ALL {
                    assert_eq!($name::from_name(value.name()), Some(*value));
                }
                assert_eq!($name::from_name(""), None);
            };
        }
        assert_spelled!(
            Kind,
            "precommit precommit_expired onboard proven snap extend fault recover terminate expire upgrade adjust opening"
        );
        assert_spelled!(
            Cause,
            "single batch non_interactive genesis declared skipped missed disputed active passive on_time replaced \
             extension migration other"
        );
        assert_spelled!(Status, "none unproven active faulty");
        assert_spelled!(Content, "cc deals verified full_quality");
        assert_spelled!(Receipts, "read inferred mixed");
        assert_spelled!(Anomaly, "claim_disputed_before_snap claim_dropped_by_failed_cron claim_left_twice");
        assert_spelled!(Check, "continuity messages transitions epochs sizes");
        assert_spelled!(
            Endpoint,
            "total commit_sector_count commit_sector_size terminate fault recover expire extend snap sector_duration"
        );
        assert_spelled!(Unit, "sectors messages bytes sectors per message days epochs epochs²");
        assert_eq!(format!("[{:>8}]", Kind::Snap), "[    snap]");
    }
}
