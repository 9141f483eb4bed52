//! A shield against panics of the libraries that decode foreign bytes or run foreign SQL: what they
//! cannot handle is an error of the input, and must end neither the program nor another period.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static SHIELDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; what it panicked with, in its own words, is the error.
///
/// # Errors
/// The panic's message.
pub fn shielded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !SHIELDED.get() {
                usual(panic);
            }
        }));
    });
    let outer = SHIELDED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    SHIELDED.set(outer);
    result.map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(shielded(|| 1), Ok(1));
        assert_eq!(shielded(|| -> u8 { panic!("cannot read page {}", 7) }), Err("cannot read page 7".to_string()));
    }
}
