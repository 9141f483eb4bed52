//! Sources: files in, raw columns out.
//!
//! A source promises whole billing periods: where a manifest exists, exactly the files it names; a
//! period is there or it is absent, and nothing is summed here.

pub mod bill;

pub mod cloudwatch;
