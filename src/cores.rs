//! Cores: the same work on many things, on every core; what is found comes in the order of the things.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What `work` finds of each of so many things, which whoever is free takes next.
///
/// # Panics
/// Where `work` does.
pub fn each<Found: Send>(things: usize, work: impl Fn(usize) -> Found + Sync) -> Vec<Found> {
    let workers = thread::available_parallelism().map_or(1, usize::from).min(things);
    if workers < 2 {
        return (0..things).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let take = || {
        let mut found = Vec::new();
        while let thing = next.fetch_add(1, Ordering::Relaxed)
            && thing < things
        {
            found.push((thing, work(thing)));
        }
        found
    };
    let mut found: Vec<(usize, Found)> = thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(take)).collect();
        running.into_iter().flat_map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    found.sort_unstable_by_key(|(thing, _)| *thing);
    found.into_iter().map(|(_, found)| found).collect()
}

/// Two pieces of work, side by side.
///
/// # Panics
/// Where one of them does.
pub fn both<One: Send, Other>(one: impl FnOnce() -> One + Send, other: impl FnOnce() -> Other) -> (One, Other) {
    thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        (one.join().unwrap_or_else(|panic| resume_unwind(panic)), other)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_comes_in_the_order_of_the_things() {
        assert_eq!(each(1_000, |thing| thing * 2), (0..1_000).map(|thing| thing * 2).collect::<Vec<_>>());
        assert_eq!(each(0, |thing| thing), Vec::<usize>::new());
        assert_eq!(both(|| 1, || 2), (1, 2));
    }
}
