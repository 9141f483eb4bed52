//! `billtag` puts names on the Amazon Bedrock bill: it joins the Cost and Usage Report with CloudWatch
//! token metrics and says who spent what, by which evidence, what one call costs, whether the cache
//! pays, what jumped, and which resources spend without a name.
//!
//! ```text
//!  sources ──► normalise ──► attribute ──► facts ──► metrics ──► report
//!   bill        charges       cost_facts    parquet   queries/     alert
//!   metrics     usage         cost_daily    by period   *.sql      audit, explain, reconcile
//! ```
//!
//! | stage | in → out | holds afterwards |
//! |---|---|---|
//! | [`sources`] | files → raw columns, streamed | only files the manifest names, where there is one; a period is whole or absent |
//! | [`classify`] | texts of a line → meter, unit, model | exact grammars, never likeness; what is not known is `None` |
//! | [`normalise`] | raw → `charges` | one vocabulary (FOCUS terms), base units, `Decimal(38,10)`, UTC |
//! | [`attribute`] | charges × demand × rules → `cost_facts` | each part says which evidence named its owner |
//! | [`facts`] | `cost_facts` ↔ Parquet by billing period | the law; a period is replaced whole and atomically |
//! | [`metrics`] | facts → small tables | every figure is one SQL file that an analyst can read and change |
//! | [`report`], [`alert`], [`audit`], [`explain`], [`reconcile`] | tables → people | the only places that round or format |
//!
//! [`ingest`] calls the stages up to the facts, [`cli`] the rest. Around the first run stand [`init`],
//! which writes a config, [`policy`], which derives its rights, and [`doctor`], which tries everything.
//! [`config`], [`schema`], [`money`], [`text`], [`distinct`], [`cores`], [`spelling`] and [`clock`] are the words that all share.
//!
//! # The law
//!
//! For each billing period, account and currency, and for each amount column, the sum of `cost_facts`
//! equals the sum of `charges` equals the sum of the selected bill lines, exactly. [`facts::law`]
//! asserts it where facts are made, [`metrics::Engine`] again where they are read; a breach is an error.
//!
//! # What is true throughout
//!
//! * Money is an integer of 1e-10 from the moment a line is read ([`money`]); a float never holds it in
//!   a stored table, and no unit rate is ever stored.
//! * Unknown is null and is counted ([`normalise::trust`]), never zero and never skipped.
//! * Currencies are never added.
//! * Same input, same bytes: rows are sorted by their texts, the clock is an argument, and no stored
//!   file holds a path or time of the machine.
//! * Only [`aws`], [`place`], [`sources`], [`facts`], [`ingest`], [`init`], [`doctor`], [`cli`], [`alert::channel`], [`audit::note`]
//!   and the edge of [`reconcile`] touch the world; [`normalise`], [`attribute`] and [`classify`] are functions of their arguments.
//! * Whoever adds a figure adds one file to `queries/`; whoever adds a source adds one module to
//!   [`sources`]; nothing else should need to know.
//!
//! # The page
//!
//! [`report::html`] writes the report as one file: sums by day, owner, model and currency that the page's own script
//! filters and adds exactly, texts that cannot become markup, and a policy that lets nothing else run or load.
//!
//! # The workbook
//!
//! [`report::xlsx`] writes the report for spreadsheets: each figure's rows as they are, in doubles nearest to the exact
//! amounts; totals as formulas in one currency; and bill, charges, facts and figures beside one another.
//!
//! # How one run goes
//!
//! [`ingest::ingest`] takes the store's lock ([`facts::lock`]) and finishes what a killed run left; reads
//! the metric sources that have a path; and finds each export's periods ([`sources::bill::layout`]). For
//! each period it asks CloudWatch for what is open, where that is a source, in the accounts and regions
//! of the bill, and compares the fingerprint with the stored one. If anything differs, the files are
//! scanned ([`sources::bill::scan`]), lines become charges ([`normalise::lines`]) and are gathered
//! ([`normalise::gathered`]). Then one stretch of time after the other, a day most often, is attributed
//! ([`attribute::Ladder`]), the law is checked, and what was written stretch by stretch replaces the old
//! five Parquet files ([`facts::store`]), which are kept for as long as a run that saw them
//! ([`facts::history`]).
//! [`metrics::Engine`] then registers a snapshot of the tables for SQL. What takes rows as they are and adds them reads
//! [`metrics::Lines`] instead: alerts, audit, forecast and the page's sums.
//!
//! # What makes it fast, and keeps it small
//!
//! * A row group is read only where its dictionaries can hold a candidate ([`sources::bill::prune`]).
//! * Wanted lines are taken straight from the pages ([`sources::bill::pages`]): of a page the indices of
//!   wanted lines, of a dictionary the values that they point to, of a map the entries of wanted lines.
//!   What is written in a rarer way goes through the `parquet` crate's reader ([`sources::bill::take`]).
//! * A column chunk is read at once, and what was decoded to test a column is kept for taking its values.
//! * What follows from a value is found once a batch ([`normalise::known`]), from a line's texts once a kind
//!   ([`normalise::kinds`]), from a charge's dimensions once a set ([`attribute::Ladder`]), since a bill repeats itself:
//!   rows hold numbers ([`distinct`], [`text`]).
//! * A report reads `cost_daily` once, by numbers and on every core ([`metrics::lines`]), asserts the law on what it
//!   reads, and gives a query the files of the months that say anything to it ([`metrics::Part`]). What it is made of is
//!   found side by side ([`cores`]).
//! * Stored columns are written from those numbers ([`facts::parquet`]): a text is looked up once, not once a row.
//! * `[limits] memory_mib` is kept at any number of lines: what was gathered beyond its share goes to a
//!   nameless temporary file, by numbers while its names are few, and comes back in stretches of hours or days. A
//!   day of a DAILY export, and one in which owners' metrics claim, is not cut.
//!
//! # Where things lie
//!
//! [`place`] is a folder, on this machine or in S3; [`aws`] is the one door to AWS: credentials, retries,
//! and what a refusal means. A bill's file is read through [`sources::bill::chunks`]: a decoder asks for
//! bytes, and of a remote file gets the few ranges that were loaded beforehand. [`sources::bill::prune`] asks the
//! dictionaries of a row group whether it can hold a candidate, [`sources::bill::reach`] how far the
//! skipped ones reach. What changes seldom is known by its ETag ([`sources::bill::known`]); points that
//! came over the network are kept in the store ([`facts::points`]).
//!
//! ```text
//!  periods/YYYY-MM.json                        a period's record: replacing it is the commit
//!  <table>/billing_period=YYYY-MM/             what readers and other engines read
//!  history/, runs/                             replaced versions, and what each run saw
//!  points/<source>/, known.json                what was read over the network
//!  cost_explorer/, alert.json, .lock           Cost Explorer's answers, the last alert, the lock
//!  alerts/                                     incidents and mornings, and what channels were told of them; the fast clock
//!  audit.json, cost_allocation_tags.json       the last audit's findings, AWS's list of tag keys as `doctor` saw it
//! ```

pub mod error;

pub mod clock;

pub mod money;

pub mod text;

pub mod distinct;

pub mod cores;

pub mod spelling;

pub mod schema;

pub mod shield;

pub mod watch;

pub mod aws;

pub mod place;

pub mod config;

pub mod policy;

pub mod sources;

pub mod classify;

pub mod normalise;

pub mod attribute;

pub mod facts;

pub mod ingest;

pub mod metrics;

pub mod report;

pub mod alert;

pub mod audit;

pub mod explain;

pub mod reconcile;

pub mod init;

pub mod doctor;

pub mod cli;
