//! Measures two pieces of work in turns, so that other work on the machine affects both alike.

use std::fmt;
use std::hint::black_box;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};

use super::SIZES;
use super::process::own_cpu_time;

/// How one operation compares with its primitives, over all sizes or cases.
pub(crate) struct Comparison {
    name: &'static str,
    rows: Vec<Row>,
}

struct Row {
    name: &'static str,
    ours: Duration,
    bare: Duration,
    ratio: f64,
    pairs: usize,
    /// `None`: there is no target, because it necessarily does more than its primitives.
    wanted: Option<f64>,
}

/// A case of an operation, and what its primitives are.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) ours: Box<dyn Fn()>,
    pub(crate) bare: Box<dyn Fn()>,
}

/// How the time of work is taken.
#[derive(Clone, Copy)]
struct Meter {
    now: fn() -> Duration,
    /// How often the work is done in one turn.
    times: u32,
}

impl Meter {
    /// For work of the thread that waits for it.
    const WALL: Self = Self { now: wall, times: 1 };

    /// For work that several threads share: what one of them does after its answer falls into few of many.
    const CPU: Self = Self { now: own_cpu_time, times: 10 };
}

fn wall() -> Duration {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGUN.elapsed()
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
                group.throughput(Throughput::Bytes(size.bytes as u64));
                let pairs = measure(&mut group, size.name, Meter::WALL, || ours(&input), || bare(&input));
                Row::of(size.name, size.wanted, &pairs)
            })
            .collect();
        group.finish();
        Self { name, rows }
    }

    /// For every case: `ours` and `bare` take turns, each ten times in one, and what counts is the CPU time of this process.
    pub(crate) fn of_cases(
        criterion: &mut Criterion,
        name: &'static str,
        wanted: f64,
        cases: impl IntoIterator<Item = Case>,
    ) -> Self {
        let mut group = criterion.benchmark_group(name);
        group.sampling_mode(SamplingMode::Flat).warm_up_time(Duration::from_secs(1));
        let rows = cases
            .into_iter()
            .filter_map(|case| {
                let pairs = measure(&mut group, case.name, Meter::CPU, &case.ours, &case.bare);
                Row::of(case.name, wanted, &pairs)
            })
            .collect();
        group.finish();
        Self { name, rows }
    }

    /// For work without a target, because it necessarily does more than its primitives.
    pub(crate) fn without_targets(mut self) -> Self {
        self.rows.iter_mut().for_each(|row| row.wanted = None);
        self
    }

    /// Whether everything that was measured keeps its limit.
    pub(crate) fn is_kept(&self) -> bool {
        self.rows.iter().all(|row| row.wanted.is_none_or(|wanted| row.ratio <= wanted))
    }
}

/// One pair of times for each iteration; which of the two goes first alternates.
fn measure<A, B>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &'static str,
    meter: Meter,
    ours: impl Fn() -> A,
    bare: impl Fn() -> B,
) -> Vec<(Duration, Duration)> {
    let mut pairs = Vec::new();
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let mut total = Duration::ZERO;
            for _ in 0..iterations {
                let (ours, bare) = if pairs.len() % 2 == 0 {
                    let ours = time(meter, &ours);
                    (ours, time(meter, &bare))
                } else {
                    let bare = time(meter, &bare);
                    (time(meter, &ours), bare)
                };
                pairs.push((ours / meter.times, bare / meter.times));
                total += ours;
            }
            total
        });
    });
    pairs
}

/// Dropping the result is measured too, since wiping and freeing are part of the work.
fn time<T>(Meter { now, times }: Meter, work: impl Fn() -> T) -> Duration {
    let start = now();
    for _ in 0..times {
        drop(black_box(work()));
    }
    now() - start
}

impl Row {
    /// `None` where a filter on the command line left it out.
    fn of(name: &'static str, wanted: f64, pairs: &[(Duration, Duration)]) -> Option<Self> {
        Some(Self {
            name,
            wanted: Some(wanted),
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
        for Row { name, ours, bare, ratio, pairs, wanted } in &self.rows {
            let (ours, bare) = (micros(*ours), micros(*bare));
            let wanted = wanted.map_or_else(|| "-".to_owned(), |wanted| format!("≤ {wanted:.2}"));
            writeln!(f, "| {name} | {ours:.0} µs | {bare:.0} µs | {ratio:.3} | {wanted} | {pairs} |")?;
        }
        Ok(())
    }
}
