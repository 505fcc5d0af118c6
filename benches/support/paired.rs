//! Measures two pieces of work in turns, so that other work on the machine affects both alike.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};

use super::{SIZES, Size};

/// How one operation compares with its primitives, over all sizes.
pub(crate) struct Comparison {
    name: &'static str,
    targets: bool,
    rows: Vec<Row>,
}

struct Row {
    size: Size,
    ours: Duration,
    bare: Duration,
    ratio: f64,
    pairs: usize,
}

impl Comparison {
    /// For every size: `prepare` makes the input, then `ours` and `bare` take turns on it. Criterion says when enough is measured
    /// and reports `ours`.
    pub(crate) fn run<I, A, B>(
        criterion: &mut Criterion,
        name: &'static str,
        prepare: impl Fn(usize) -> I,
        ours: impl Fn(&I) -> A,
        bare: impl Fn(&I) -> B,
    ) -> Self {
        let mut group = criterion.benchmark_group(name);
        group.sampling_mode(SamplingMode::Flat).warm_up_time(Duration::from_secs(1));
        let rows = SIZES
            .into_iter()
            .filter_map(|size| {
                let input = prepare(size.bytes);
                let pairs = measure(&mut group, size, || ours(&input), || bare(&input));
                Row::of(size, &pairs)
            })
            .collect();
        group.finish();
        Self { name, targets: true, rows }
    }

    /// For work without a target, because it necessarily does more than its primitives.
    pub(crate) fn without_targets(self) -> Self {
        Self { targets: false, ..self }
    }
}

/// One pair of times for each iteration; which of the two goes first alternates.
fn measure<A, B>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    size: Size,
    ours: impl Fn() -> A,
    bare: impl Fn() -> B,
) -> Vec<(Duration, Duration)> {
    let mut pairs = Vec::new();
    group.throughput(Throughput::Bytes(size.bytes as u64));
    group.bench_function(size.name, |bencher| {
        bencher.iter_custom(|iterations| {
            let mut total = Duration::ZERO;
            for _ in 0..iterations {
                let (ours, bare) = if pairs.len() % 2 == 0 {
                    let ours = time(&ours);
                    (ours, time(&bare))
                } else {
                    let bare = time(&bare);
                    (time(&ours), bare)
                };
                pairs.push((ours, bare));
                total += ours;
            }
            total
        });
    });
    pairs
}

/// Dropping the result is measured too, since wiping and freeing are part of the work.
fn time<T>(work: impl Fn() -> T) -> Duration {
    let start = Instant::now();
    drop(black_box(work()));
    start.elapsed()
}

impl Row {
    /// `None` where a filter on the command line left the size out.
    fn of(size: Size, pairs: &[(Duration, Duration)]) -> Option<Self> {
        Some(Self {
            size,
            ours: Duration::from_secs_f64(median(pairs.iter().map(|(ours, _)| ours.as_secs_f64()))?),
            bare: Duration::from_secs_f64(median(pairs.iter().map(|(_, bare)| bare.as_secs_f64()))?),
            ratio: median(pairs.iter().map(|(ours, bare)| ours.as_secs_f64() / bare.as_secs_f64()))?,
            pairs: pairs.len(),
        })
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        writeln!(f, "| {} | ours | primitives | ratio | wanted | pairs |", self.name)?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- |")?;
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        for Row { size, ours, bare, ratio, pairs } in &self.rows {
            let (ours, bare) = (micros(*ours), micros(*bare));
            let wanted = if self.targets { format!("≤ {:.2}", size.wanted) } else { "-".to_owned() };
            writeln!(f, "| {} | {ours:.0} µs | {bare:.0} µs | {ratio:.3} | {wanted} | {pairs} |", size.name)?;
        }
        Ok(())
    }
}
