# `just` alone is the quick check; `just --list` shows the rest.

# Format, lint and unit tests.
quick:
    cargo fmt --all --check
    cargo clippy --locked --all-targets -- -D warnings
    cargo test --locked --lib

# Everything that CI runs for a change.
all:
    .ci/run

# What CI runs at night; the head of the script lists it.
nightly:
    .ci/nightly

# Reads what is in deploy/ with the tools of those who will: promtool, systemd-analyze, Helm, the schemas of Kubernetes and compose, doctor.
deploy:
    cargo build --locked
    tests/deploy/check target/debug/mosip-gateway

# Makes what a release consists of; RELEASING.md has the rest.
release:
    deploy/release

# Fuzzes for so many seconds each, all targets or those that are named.
fuzz seconds="60" *targets:
    fuzz/smoke {{seconds}} {{targets}}

# Crashes the engine before and after each commit and each call, in so many random schedules.
simulate schedules="1000000":
    SIMULATION_SCHEDULES={{schedules}} cargo test --locked --release --lib queue::simulation

# Mutates `crypto/` and `mosip/`, the part of them that is named, such as 3/60, and lists the mutants that no unit test finds.
mutants part="0/1":
    .ci/mutants {{part}}

# The same of what the branch changed since `base`.
mutants-of-branch base="main":
    command -v cargo-mutants >/dev/null || cargo install --locked cargo-mutants
    mkdir -p target
    git diff {{base}}...HEAD > target/branch.diff
    cargo mutants --in-diff target/branch.diff -- --lib
