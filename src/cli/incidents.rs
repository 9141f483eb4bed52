//! `billtag incidents`: what is open, and what people say of it.

use std::sync::Arc;

use clap::Subcommand;

use super::commands::load_config;
use super::console::Console;
use super::{Common, Format, output};
use crate::alert::channel::Post;
use crate::alert::deliver::{self, Run};
use crate::alert::incident::{Incident, State};
use crate::alert::ledger::{self, Desk, Ledger};
use crate::alert::notice::Event;
use crate::aws::Aws;
use crate::clock;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::facts::store::Store;
use crate::metrics::{Cell, Grid};
use crate::money;
use crate::report::document::{column, text};
use crate::report::{Document, Look, Table, render};
use crate::watch::{Level, Message, Watch};

/// What is done with incidents.
#[derive(Debug, Subcommand)]
pub enum Incidents {
    /// What is not over, the worst first, and how right the rules were by what people said
    List {
        /// What is over, too
        #[arg(long)]
        all: bool,
    },
    /// All that is known of one
    Show {
        /// Its name, the beginning of it, or its workload
        incident: String,
    },
    /// Somebody looks after it: no repeat, unless it doubles
    Ack(Decision),
    /// It was meant: silent until the end of a day
    Planned {
        /// Which one, and why
        #[command(flatten)]
        decision: Decision,
        /// Last day on which it is meant, UTC
        #[arg(long, value_name = "DATE", value_parser = super::parse_day)]
        until: i32,
    },
    /// It was none: silent unless it doubles, and counted against the rules
    FalsePositive(Decision),
    /// It is over
    Resolve(Decision),
}

/// Which incident, and why.
#[derive(Debug, clap::Args)]
pub struct Decision {
    /// Its name, the beginning of it, or its workload
    pub incident: String,
    /// Why, for whoever reads it later
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub note: String,
}

/// Does it.
pub fn run(common: &Common, wanted: &Incidents) -> Result<u8> {
    let config = load_config(common)?;
    let aws = config.aws(common.profile.as_deref());
    let store = Store::open(&config, &aws);
    let at = common.as_of.or(config.as_of).unwrap_or_else(clock::now);
    let desk = Asked { common, config: &config, aws: &aws, store: &store, at };
    match wanted {
        Incidents::List { all } => desk.list(*all),
        Incidents::Show { incident } => desk.show(incident),
        Incidents::Ack(decision) => desk.decide(decision, State::Acknowledged),
        Incidents::Planned { until, .. } if *until < clock::day_of(at) => Err(Error::config(
            "--until",
            format!("{} is past", clock::day_text(*until)),
            "name the last day on which it is meant; what was meant and is over ends by itself",
        )),
        Incidents::Planned { decision, until } => desk.decide(decision, State::Planned { until: *until }),
        Incidents::FalsePositive(decision) => desk.decide(decision, State::FalsePositive),
        Incidents::Resolve(decision) => desk.decide(decision, State::Resolved),
    }
}

/// A command's surroundings.
struct Asked<'a> {
    common: &'a Common,
    config: &'a Config,
    aws: &'a Arc<Aws>,
    store: &'a Store,
    at: i64,
}

impl Asked<'_> {
    fn list(&self, all: bool) -> Result<u8> {
        let ledger = ledger::peek(self.store)?;
        let format = output::format(self.common)?;
        let text = match format {
            Format::Json | Format::Csv => render::answer(&grid(&ledger, all), format, None)?,
            Format::Table | Format::Md | Format::Html | Format::Xlsx => {
                render::documents(&[document(&ledger, all)], format, output::width(self.common))?
            }
        };
        output::write(self.common, &text)?;
        Ok(0)
    }

    fn show(&self, name: &str) -> Result<u8> {
        let mut ledger = ledger::peek(self.store)?;
        let incident = ledger.find(name)?;
        let format = output::format(self.common)?;
        let run = Run { at: self.at, until: self.at };
        let text = match format {
            Format::Json => {
                let body = deliver::notice(incident, Event::Trigger, self.config, run).body;
                let text = serde_json::to_string_pretty(&body);
                text.map_err(|error| Error::input("output", error.to_string(), "please report this"))? + "\n"
            }
            Format::Csv => render::answer(&story(incident, self.config, run), format, None)?,
            Format::Table | Format::Md | Format::Html | Format::Xlsx => {
                let mut document = Document { name: "incident", title: title(incident), blocks: Vec::new() };
                let columns = vec![column("what", "", Look::Plain), column("text", "", Look::Plain)];
                let mut table = Table::new("incident", incident.screen.summary.clone(), "", columns);
                table.rows = story(incident, self.config, run).rows;
                document.table(table);
                render::documents(&[document], format, output::width(self.common))?
            }
        };
        output::write(self.common, &text)?;
        Ok(0)
    }

    /// Keeps what somebody decided, and tells the channels that knew of the incident.
    fn decide(&self, decision: &Decision, state: State) -> Result<u8> {
        let desk = Desk::open(self.store)?;
        let mut ledger = desk.ledger()?;
        let incident = ledger.find(&decision.incident)?;
        if incident.is_over() && state != State::FalsePositive {
            let hint = "what is over can only be called a false positive; `billtag incidents list` shows what is not";
            return Err(Error::config(format!("incident {}", incident.id), "it is over", hint));
        }
        let was_over = incident.is_over();
        incident.decide(state, self.at, &decision.note);
        if was_over {
            // That it was none is told to the rules, and changes nothing else.
            incident.resolve(self.at, "it was over before");
        }
        let said = format!("{} is {} now", title(incident), state.as_str());
        desk.keep(&ledger)?;
        let console = Console::new(self.common);
        console.tells(&Message::new(Level::Info, said));
        let post = Post::new(self.aws, self.config);
        let run = Run { at: self.at, until: self.at + deliver::DAILY };
        let failures = deliver::answer(&desk, &mut ledger, &post, self.config, run)?;
        failures.iter().for_each(|failure| console.fails(failure));
        output::say(self.common, &console, &post.printed())?;
        Ok(if failures.is_empty() { 0 } else { super::commands::SOURCE_FAILED })
    }
}

fn title(incident: &Incident) -> String {
    format!("{} {}", incident.id, incident.scope.words())
}

/// What is known of an incident, line by line.
fn story(incident: &Incident, config: &Config, run: Run) -> Grid {
    let notice = deliver::notice(incident, Event::Trigger, config, run);
    let mut rows: Vec<Vec<Cell>> =
        notice.lines.into_iter().map(|(heading, line)| vec![text(heading), text(line)]).collect();
    rows.extend(notice.runbook.map(|runbook| vec![text("Runbook"), text(runbook)]));
    rows.push(vec![text("Key"), text(&incident.key)]);
    rows.extend(incident.log.iter().map(|entry| vec![text(clock::instant_text(entry.at)), text(&entry.what)]));
    for (channel, told) in &incident.told {
        let what = told.event.map_or("owed", Event::as_str);
        rows.push(vec![text(format!("Channel {channel}")), text(format!("{what}, {}", clock::instant_text(told.at)))]);
    }
    Grid { columns: ["what", "text"].map(String::from).to_vec(), rows }
}

const COLUMNS: [&str; 13] = [
    "incident",
    "state",
    "severity",
    "scope",
    "workload",
    "team",
    "billing_currency",
    "excess",
    "began",
    "last_day",
    "is_estimate",
    "rules",
    "summary",
];

/// The incidents that are listed, the worst first.
fn listed(ledger: &Ledger, all: bool) -> Vec<&Incident> {
    let mut listed: Vec<&Incident> = ledger.incidents.iter().filter(|incident| all || !incident.is_over()).collect();
    listed.sort_by_key(|incident| {
        (incident.is_over(), std::cmp::Reverse(incident.severity), std::cmp::Reverse(incident.last_day), &incident.id)
    });
    listed
}

fn cells(incident: &Incident) -> Vec<Cell> {
    let or_null = |value: Option<&str>| value.map_or(Cell::Null, text);
    vec![
        text(&incident.id),
        text(incident.state.as_str()),
        text(incident.severity.as_str()),
        text(incident.scope.kind()),
        or_null(incident.scope.workload()),
        or_null(incident.screen.labels.get("team").map(String::as_str)),
        or_null(Some(incident.currency.as_str()).filter(|currency| !currency.is_empty())),
        Cell::Decimal(incident.excess, money::SCALE),
        Cell::Time(incident.began * 1_000_000),
        Cell::Day(incident.last_day),
        Cell::Flag(incident.is_estimate),
        text(incident.rules.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
        text(&incident.screen.summary),
    ]
}

fn grid(ledger: &Ledger, all: bool) -> Grid {
    let rows = listed(ledger, all).into_iter().map(cells);
    Grid { columns: COLUMNS.map(String::from).to_vec(), rows: rows.collect() }
}

fn document(ledger: &Ledger, all: bool) -> Document {
    let open = ledger.incidents.iter().filter(|incident| !incident.is_over()).count();
    let title = format!("Incidents: {open} not over");
    let mut document = Document { name: "incidents", title, blocks: Vec::new() };
    let shown = [("incident", "Incident"), ("state", "State"), ("severity", ""), ("scope", "Whose")];
    let mut columns: Vec<_> = shown.iter().map(|(name, heading)| column(name, *heading, Look::Plain)).collect();
    columns.push(column("excess", "Beyond usual", Look::Money));
    columns.extend([("began", "Began"), ("summary", "What")].map(|(name, head)| column(name, head, Look::Plain)));
    let mut table = Table::new("incidents", "Incidents", "the most severe first", columns);
    for incident in listed(ledger, all) {
        table.rows.push(vec![
            text(&incident.id),
            text(incident.state.as_str()),
            text(incident.severity.as_str()),
            text(incident.scope.words()),
            Cell::Decimal(incident.excess, money::SCALE),
            Cell::Time(incident.began * 1_000_000),
            text(&incident.screen.summary),
        ]);
    }
    document.table(table);
    let feedback = ledger.feedback();
    document.say(match feedback.precision() {
        Some(precision) => format!(
            "Precision by what people said: {} of {} judged incidents were real ({:.0} %); {} not judged.",
            feedback.real,
            feedback.real + feedback.wrong,
            precision * 100.0,
            feedback.unjudged
        ),
        None => "Nobody has judged an incident yet: `billtag incidents ack` and `false-positive` do.".to_string(),
    });
    document
}
