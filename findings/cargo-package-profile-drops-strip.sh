#!/usr/bin/env bash
# cargo 1.95.0: a release profile with `strip = "symbols"`, and a block for the program's own package that sets something else
# (here `opt-level`). `strip` itself may not be set in the block of a package.
#
# Expected: the block changes `opt-level` and leaves `strip` as the profile has it, as it leaves `lto`.
# Seen:     the linker is told `strip=debuginfo`, and the program keeps its symbol table. The same block for all
#           dependencies ("*") leaves `strip` as it is.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cargo --version
mkdir src
echo 'fn main() { println!("hello"); }' > src/main.rs

# What the compiler is told about symbols, when this is in the manifest beside the profile.
stripped() {
    printf '[package]\nname = "hello"\nversion = "0.1.0"\nedition = "2024"\n' > Cargo.toml
    printf '[profile.release]\nlto = "thin"\nstrip = "symbols"\n%s\n' "$1" >> Cargo.toml
    touch src/main.rs
    CARGO_TARGET_DIR="$folder/target" cargo build --release --offline -v 2>&1 | grep -oE 'strip=[a-z]+|lto=[a-z]+' | paste -sd' '
}

plain=$(stripped '')
dependencies=$(stripped $'[profile.release.package."*"]\nopt-level = 1')
own=$(stripped $'[profile.release.package.hello]\nopt-level = 1')
echo "no block:                $plain"
echo "block for dependencies:  $dependencies"
echo "block for the package:   $own (expected: $plain)"
[ "$plain" = "lto=thin strip=symbols" ] && [ "$dependencies" = "$plain" ]
[ "$own" = "lto=thin strip=debuginfo" ] || { echo "the behaviour has changed"; exit 1; }
