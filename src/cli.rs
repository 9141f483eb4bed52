//! The command line: what was typed, and the calls that follow from it.

mod channels;
mod commands;
mod console;
mod html;
mod incidents;
mod output;
mod setup;
mod xlsx;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use commands::execute;
pub use incidents::Incidents;

/// Puts names on the Amazon Bedrock bill: who spent what, true to the cent.
#[derive(Debug, Parser)]
#[command(name = "billtag", version, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub common: Common,
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Common {
    /// Config file [default: billtag.toml, then the one in the user's config folder]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// First day, UTC
    #[arg(long, global = true, value_name = "DATE", value_parser = parse_day)]
    pub from: Option<i32>,
    /// Last day, UTC, included
    #[arg(long, global = true, value_name = "DATE", value_parser = parse_day)]
    pub to: Option<i32>,
    /// The clock: what counts as now; it never restores an old bill
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_time)]
    pub as_of: Option<i64>,
    /// Show what the last run of that day (or up to that time) showed
    #[arg(long, global = true, value_name = "DATE", value_parser = parse_until)]
    pub as_seen: Option<i64>,
    /// Output format [default: by the extension of -o, else table]
    #[arg(long, global = true, value_enum, ignore_case = true)]
    pub format: Option<Format>,
    /// Write the output to a file
    #[arg(short, long, global = true, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What spend is grouped by in the report
    #[arg(long, global = true, value_enum)]
    pub by: Option<By>,
    /// Cost basis to read in place of each figure's own; alerts and the audit keep theirs
    #[arg(long, global = true, value_enum, value_name = "BASIS")]
    pub cost: Option<Basis>,
    /// Profile of the AWS config files
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Exit with 3 when there are findings
    #[arg(long, global = true)]
    pub fail_on_findings: bool,
    /// How messages on standard error are written [default: text]
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Say only what failed
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more: every warning in full
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// No colour, as with NO_COLOR
    #[arg(long, global = true)]
    pub no_color: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The daily job: ingest, attribute, report, alert, audit
    Run,
    /// Bring facts up to date
    Ingest,
    /// The daily report
    Report {
        /// A team's own page, with nobody else's spend (--format html)
        #[arg(long, value_name = "NAME", conflicts_with = "split_by")]
        team: Option<String>,
        /// A page for each, and an index, into the folder of -o (--format html)
        #[arg(long, value_enum, value_name = "WHAT")]
        split_by: Option<Split>,
    },
    /// The morning in less than a screen, as channels are told of it
    Digest {
        /// Tell a channel of the config now, whatever it was told before
        #[arg(long, value_name = "CHANNEL")]
        send: Option<String>,
    },
    /// The month to date beside the months before, what it will have cost at its end, and budgets
    Forecast {
        /// How often past months ended within their intervals
        #[arg(long)]
        backtest: bool,
    },
    /// A month's bill by team and cost center
    Showback {
        /// The month, YYYY-MM [default: the one that the report leads with]
        #[arg(long, value_name = "MONTH")]
        month: Option<String>,
    },
    /// Anomalies of every complete day since the last run
    Alert {
        /// Keep no note of this run, so that the next one looks at the same days
        #[arg(long)]
        dry_run: bool,
        /// Look at the token metrics since the last run in place of the bill: for every few minutes
        #[arg(long)]
        fast: bool,
        /// Send a test notice to a channel of the config, and nothing else
        #[arg(long, value_name = "CHANNEL", conflicts_with_all = ["dry_run", "fast"])]
        test: Option<String>,
    },
    /// What is open, and what people say of it
    #[command(subcommand)]
    Incidents(Incidents),
    /// How well every rule would have found labelled incidents, beside rules that others publish
    Backtest {
        /// JSON array of {workload, start, end, kind}
        #[arg(long, value_name = "FILE")]
        labels: PathBuf,
    },
    /// The tagging audit: what spends without a name, by money, with the fix
    Audit {
        /// Write the fixes as a script to review, which prints and runs nothing by itself; - for standard output
        #[arg(long, value_name = "FILE")]
        fix_script: Option<PathBuf>,
        /// One table of the audit in place of all: items, keys, compliance, trend, findings or mended
        #[arg(long, value_name = "NAME", value_parser = crate::audit::PARTS)]
        part: Option<String>,
    },
    /// A named query, a .sql file, or -e SQL, over the facts
    ///
    /// The tables are charges, usage, cost_facts, cost_daily, days, models and params.
    Query {
        /// Name of a query or path of a .sql file; without one, the names are listed
        name: Option<String>,
        /// SQL text
        #[arg(short, long, value_name = "SQL", conflicts_with = "name")]
        execute: Option<String>,
    },
    /// The bill against Cost Explorer, and its tokens against CloudWatch's, with the cause of each gap
    Reconcile {
        /// Ask Cost Explorer again, although it was asked today ($0.01 a page)
        #[arg(long)]
        refresh: bool,
    },
    /// Write a commented config from what can be seen here, or at the paths given
    Init(Init),
    /// Check credentials, rights, exports, tags, metrics, unknown strings, clock and store, each with its fix
    Doctor {
        /// Also try what costs a cent: one answer of Cost Explorer
        #[arg(long)]
        paid: bool,
    },
    /// The least IAM policy that the config needs, as JSON
    IamPolicy(IamPolicy),
    /// Why does this workload cost this
    Explain {
        /// The workload, or `unattributed`, or `not_allocable`
        workload: String,
        /// One day, UTC
        #[arg(long, value_name = "DATE", value_parser = parse_day)]
        day: Option<i32>,
    },
}

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line, for schedulers.
    Json,
}

/// What `init` looks at.
#[derive(Debug, Args)]
pub struct Init {
    /// Folders or s3:// addresses of exports and metrics [default: this folder and those below it]
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// Replace a config that is there already
    #[arg(long)]
    pub force: bool,
}

/// Whose policy `iam-policy` prints.
#[derive(Debug, Args)]
pub struct IamPolicy {
    /// Features beyond those of the config
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FEATURE")]
    pub with: Vec<Feature>,
    /// The policy of a role of the config, in place of that of the credentials that billtag runs with
    #[arg(long, value_name = "ARN", conflicts_with = "trust")]
    pub role: Option<String>,
    /// The trust policy of a role of the config
    #[arg(long, value_name = "ARN")]
    pub trust: Option<String>,
}

/// Features that a config does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Feature {
    /// Compare the bill with Cost Explorer.
    Reconcile,
    /// Ask which cost allocation tags are activated.
    Doctor,
}

/// Output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns for a terminal.
    Table,
    /// Markdown.
    Md,
    /// JSON; decimals are strings.
    Json,
    /// Comma-separated values.
    Csv,
    /// One self-contained page with charts; of the report alone.
    Html,
    /// A workbook with a sheet for each figure; of the report alone.
    Xlsx,
}

/// What a report is split by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Split {
    /// A page for each team.
    Team,
}

/// What spend is grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the column of that name")]
pub enum By {
    Workload,
    Team,
    CostCenter,
    Environment,
    Account,
    Region,
    Model,
}

/// Cost bases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Basis {
    /// Net of private discounts.
    #[value(alias = "billed_cost")]
    Billed,
    /// Before private discounts.
    #[value(alias = "unblended_cost")]
    Unblended,
    /// Amortised.
    #[value(alias = "effective_cost")]
    Effective,
    /// At public prices.
    #[value(alias = "list_cost")]
    List,
}

impl Basis {
    /// The column.
    pub fn column(self) -> &'static str {
        match self {
            Self::Billed => "billed_cost",
            Self::Unblended => "unblended_cost",
            Self::Effective => "effective_cost",
            Self::List => "list_cost",
        }
    }
}

fn parse_day(text: &str) -> Result<i32, String> {
    crate::clock::parse(text).map(crate::clock::day_of)
}

/// A day means its end.
fn parse_until(text: &str) -> Result<i64, String> {
    let time = crate::clock::parse(text)?;
    let is_day = text.len() == "2026-11-20".len();
    Ok(if is_day { time + crate::clock::DAY - 1 } else { time })
}

fn parse_time(text: &str) -> Result<i64, String> {
    crate::clock::parse(text)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn no_two_options_have_one_name() {
        super::Cli::command().debug_assert();
    }
}
