//! The audit in tables.

use super::cover::{self, Scope};
use super::owners::Likely;
use super::state::{Carrier, STATES, State};
use super::{Audit, Fault, Item};
use crate::clock;
use crate::config::{Config, OWNER_NAMES};
use crate::metrics::{Cell, Grid};
use crate::report::document::{column, first_of_each, money, text};
use crate::report::{Block, Column, Document, Look, Table, words};

/// Rows of each currency shown to people; data formats hold all.
const SHOWN: usize = 25;

/// Faults of an item that are named.
const FAULTS: usize = 6;

/// Places among [`STATES`] of money whose tag is there, right or wrong, and of money that no tag is asked of.
const THERE: [usize; 3] = [0, 2, 5];
const NOT_APPLICABLE: usize = 6;

/// Tables that can be asked for one by one.
pub const PARTS: [&str; 6] = ["items", "keys", "compliance", "trend", "findings", "mended"];

/// One table of the audit, whole.
pub fn part(audit: &Audit, name: &str) -> Grid {
    let table = match name {
        "keys" => keys(audit),
        "compliance" => compliance(audit),
        "trend" => trend(audit),
        "findings" => findings(audit),
        "mended" => mended(audit),
        _ => return grid(audit),
    };
    Grid { columns: table.columns.iter().map(|column| column.name.to_string()).collect(), rows: table.rows }
}

/// The audit for people.
pub fn document(audit: &Audit, config: &Config) -> Document {
    let Some((first, last)) = audit.window else {
        let title = "Tagging audit: no complete day to judge".into();
        return Document { name: "audit", title, blocks: Vec::new() };
    };
    let title = format!("Tagging audit, {} to {}, UTC", clock::day_text(first), clock::day_text(last));
    let mut document = Document { name: "audit", title, blocks: Vec::new() };
    document.say(format!(
        "Required on everything that costs money: {}. Billed cost of Usage and Purchase.",
        config.tags.required.join(", ")
    ));
    sentences(audit, &mut document);
    let commands = commands(audit);
    document.table(debt(audit));
    if !commands.is_empty() {
        document.blocks.push(Block::Commands(commands));
    }
    let whole = [findings(audit), mended(audit), fixes(audit)];
    let mut tables = vec![keys(audit), shortened(compliance(audit)), of_all(trend(audit))];
    tables.extend(whole.into_iter().map(shortened));
    tables.into_iter().filter(|table| !table.rows.is_empty()).for_each(|table| document.table(table));
    document
}

/// What is to be said before the tables.
fn sentences(audit: &Audit, document: &mut Document) {
    for (currency, sum) in audit.totals() {
        let share = words::share(sum.compliant, sum.judged()).map_or(words::UNKNOWN.into(), words::percent);
        let currency = words::currency(currency);
        let (judged, debt) = (words::amount(sum.judged()), words::amount(sum.debt()));
        let exempt = match sum.exempt {
            0 => String::new(),
            exempt => format!(" {} {currency} beside that is exempt.", words::amount(exempt)),
        };
        document.say(format!("{share} of {judged} {currency} is fully tagged; {debt} {currency} is not.{exempt}"));
    }
    if !audit.unseen.is_empty() {
        document.say(format!(
            "No line has a tag for {}, in any spelling: never used, or not activated as a cost allocation tag. \
             `billtag doctor` asks AWS which.",
            audit.unseen.join(", ")
        ));
    }
    for (currency, cost) in &audit.hidden {
        document.say(format!(
            "Of {} {} the bill cannot show how the principal is tagged, and none is accused: {}.",
            words::amount(*cost),
            words::currency(currency),
            super::fix::HIDDEN
        ));
    }
    for (currency, cost) in &audit.unknown {
        document.say(format!(
            "Of {} {} a policy can say nothing: its environment or routing is unknown. Geo profiles are billed as \
             regional, and only a profile's id shows them.",
            words::amount(*cost),
            words::currency(currency)
        ));
    }
}

/// A table with the first rows alone, which says so.
fn shortened(mut table: Table) -> Table {
    let all = table.rows.len();
    if all > SHOWN {
        table.rows.truncate(SHOWN);
        table.note = format!("{}; the first {SHOWN} of {all}, `--part {}` has all", table.note, table.name);
    }
    table
}

/// A table's rows about everybody alone, which says so.
fn of_all(mut table: Table) -> Table {
    table.rows.retain(|row| row.first().is_some_and(|scope| scope.as_text() == "all"));
    table.note = format!("{}; `--part {}` has teams and accounts", table.note, table.name);
    table
}

/// Who probably owns something, in words.
pub fn likely(likely: &Likely) -> String {
    let who = match (likely.workload.as_str(), likely.team.as_str()) {
        ("", team) => format!("team {team}"),
        (workload, "") => workload.to_string(),
        (workload, team) => format!("{workload} of {team}"),
    };
    format!("{who} ({}: {})", likely.confidence.name(), likely.reason)
}

/// Money by key and state, carrier by carrier.
fn keys(audit: &Audit) -> Table {
    let mut columns = vec![
        column("carrier", "Carrier", Look::Plain),
        column("key", "Key", Look::Plain),
        column("billing_currency", "", Look::Plain),
        column("cost", "Cost", Look::Money),
    ];
    columns.extend(STATES.map(|state| column(state, state.replace('_', " "), Look::Money)));
    columns.push(column("coverage", "Coverage", Look::Percent));
    columns.push(column("compliance", "Compliance", Look::Percent));
    let note = "each carrier judged alone, `any` whichever has the key first; coverage counts tags that are there, \
                compliance those that are right, of what could have them";
    let mut table = Table::new("keys", "Money by key and state", note, columns);
    for (currency, carriers) in &audit.cover.keys {
        for (carrier, keys) in cover::carrier_names().into_iter().zip(carriers) {
            for (key, sums) in OWNER_NAMES.iter().zip(keys) {
                let cost: i128 = sums.iter().sum();
                let judged = cost - sums[NOT_APPLICABLE];
                // Of a carrier that no line has there is nothing to tell.
                if carrier != "any" && sums.iter().enumerate().all(|(at, sum)| *sum == 0 || at == NOT_APPLICABLE) {
                    continue;
                }
                let there: i128 = THERE.map(|at| sums[at]).iter().sum();
                let mut row = vec![text(carrier), text(*key), or_null(currency), money(cost)];
                row.extend(sums.map(money));
                row.push(share(there, judged));
                row.push(share(sums[0], judged));
                table.rows.push(row);
            }
        }
    }
    table
}

fn share(part: i128, whole: i128) -> Cell {
    words::share(part, whole).map_or(Cell::Null, Cell::Float)
}

fn or_null(value: &str) -> Cell {
    if value.is_empty() { Cell::Null } else { text(value) }
}

fn scope_cells(scope: &Scope) -> [Cell; 2] {
    match scope {
        Scope::All => [text("all"), Cell::Null],
        Scope::Team(team) => [text("team"), team.as_ref().map_or(Cell::Null, text)],
        Scope::Account(account) => [text("account"), or_null(account)],
    }
}

/// Columns of money and what of it is as it should be.
fn money_columns() -> Vec<Column> {
    vec![
        column("billing_currency", "", Look::Plain),
        column("cost", "Cost", Look::Money),
        column("compliant_cost", "Compliant", Look::Money),
        column("exempt_cost", "Exempt", Look::Money),
        column("debt", "Not compliant", Look::Money),
        column("compliance", "Compliance", Look::Percent),
    ]
}

fn money_cells(currency: &str, sum: &cover::Money) -> [Cell; 6] {
    let compliance = share(sum.compliant, sum.judged());
    let [cost, compliant, exempt, debt] = [sum.cost, sum.compliant, sum.exempt, sum.debt()].map(money);
    [or_null(currency), cost, compliant, exempt, debt, compliance]
}

/// How much is fully tagged, of all and by team and account, beside weeks before.
fn compliance(audit: &Audit) -> Table {
    let mut columns = vec![column("scope", "Of", Look::Plain), column("name", "Name", Look::Plain)];
    columns.extend(money_columns());
    columns.push(column("compliance_1_week_before", "Week before", Look::Percent));
    columns.push(column("compliance_4_weeks_before", "4 weeks before", Look::Percent));
    let note = "share of what is not exempt with every required tag right; seven days each before";
    let mut table = Table::new("compliance", "Compliance by team and account", note, columns);
    let mut scopes: Vec<_> = audit.cover.scopes.iter().collect();
    let kind = |scope: &Scope| match scope {
        Scope::All => 0,
        Scope::Team(_) => 1,
        Scope::Account(_) => 2,
    };
    scopes.sort_by(|((a, in_a), sum_a), ((b, in_b), sum_b)| {
        (kind(a), in_a, sum_b.debt(), a).cmp(&(kind(b), in_b, sum_a.debt(), b))
    });
    for (key, sum) in scopes {
        let mut row = scope_cells(&key.0).to_vec();
        row.extend(money_cells(&key.1, sum));
        for ago in [1, 4] {
            let week = audit.cover.weeks.get(key).and_then(|weeks| weeks.get(&ago));
            row.push(week.map_or(Cell::Null, |week| share(week.compliant, week.judged())));
        }
        table.rows.push(row);
    }
    table
}

/// How much was fully tagged, week by week.
fn trend(audit: &Audit) -> Table {
    let mut columns = vec![
        column("scope", "Of", Look::Plain),
        column("name", "Name", Look::Plain),
        column("first_day", "From", Look::Plain),
        column("last_day", "To", Look::Plain),
    ];
    columns.extend(money_columns());
    let note = format!("{} weeks that end with the last judged day", cover::WEEKS);
    let mut table = Table::new("trend", "Compliance by week", note, columns);
    let Some((_, last)) = audit.window else { return table };
    for ((scope, currency), weeks) in &audit.cover.weeks {
        for (ago, sum) in weeks.iter().rev() {
            let end = last - ago * cover::WEEK;
            let mut row = scope_cells(scope).to_vec();
            row.extend([Cell::Day(end - cover::WEEK + 1), Cell::Day(end)]);
            row.extend(money_cells(currency, sum));
            table.rows.push(row);
        }
    }
    table
}

/// What is found beside tags.
fn findings(audit: &Audit) -> Table {
    let columns = vec![
        column("kind", "Finding", Look::Plain),
        column("cost", "Cost", Look::Money),
        column("billing_currency", "", Look::Plain),
        column("sub_account_id", "Account", Look::Plain),
        column("carrier", "What", Look::Plain),
        column("id", "Id", Look::Plain),
        column("detail", "Why", Look::Plain),
    ];
    let note = "billed cost of the judged days; a dollar may be in findings of several kinds";
    let mut table = Table::new("findings", "Findings beside tags", note, columns);
    for finding in &audit.findings {
        let (carrier, id) =
            finding.on.as_ref().map_or((Cell::Null, Cell::Null), |(carrier, id)| (text(carrier.name()), text(id)));
        table.rows.push(vec![
            text(finding.kind.name()),
            money(finding.cost),
            or_null(&finding.currency),
            or_null(&finding.account),
            carrier,
            id,
            text(&finding.words),
        ]);
    }
    table
}

/// What is fixed since the last audit.
fn mended(audit: &Audit) -> Table {
    let columns = vec![
        column("cost", "Cost", Look::Money),
        column("billing_currency", "", Look::Plain),
        column("carrier", "What", Look::Plain),
        column("id", "Id", Look::Plain),
        column("faults", "Was", Look::Plain),
        column("since", "Audit to", Look::Plain),
        column("rules", "Rules", Look::Plain),
    ];
    let note = match audit.mended.first() {
        Some(mended) if mended.by_other_rules => {
            "wrong at the last audit, right now; the config's rules of owners are others since, which may be all that changed"
        }
        _ => "wrong at the last audit, right now",
    };
    let mut table = Table::new("mended", "Fixed since the last audit", note, columns);
    for mended in &audit.mended {
        let item = &audit.items[mended.item];
        table.rows.push(vec![
            money(item.days.cost),
            or_null(&item.currency),
            text(item.carrier.name()),
            text(&item.id),
            text(&mended.faults),
            Cell::Day(mended.since),
            text(if mended.by_other_rules { "changed" } else { "same" }),
        ]);
    }
    table
}

fn debt(audit: &Audit) -> Table {
    let columns = vec![
        column("number", "#", Look::Plain),
        column("cost", window(audit), Look::Money),
        column("untagged", "Not compliant", Look::Money),
        column("month_cost", "Month", Look::Money),
        column("billing_currency", "", Look::Plain),
        column("carrier", "What", Look::Plain),
        column("id", "Id", Look::Plain),
        column("faults", "Fault", Look::Plain),
        column("likely_owner", "Likely owner", Look::Plain),
    ];
    let wrong: Vec<&Item> = audit.open_items().collect();
    let shown = shown(audit);
    let note = if wrong.len() > shown.len() {
        format!("the {} dearest of {}; --format csv or json has all", shown.len(), wrong.len())
    } else {
        String::new()
    };
    let mut table = Table::new("debt", "Spends without a full name, by money", note, columns);
    for (at, item) in shown.into_iter().enumerate() {
        table.rows.push(vec![
            Cell::Count(at as i128 + 1),
            money(item.days.cost),
            money(item.days.debt()),
            money(item.month.cost),
            text(&item.currency),
            text(item.carrier.name()),
            text(&item.id),
            text(faults(item)),
            item.likely.as_ref().map_or(Cell::Null, |owner| text(likely(owner))),
        ]);
    }
    table
}

/// How long the judged days are.
pub fn window(audit: &Audit) -> String {
    match audit.window.map_or(0, |(first, last)| last - first + 1) {
        1 => "1 day".into(),
        days => format!("{days} days"),
    }
}

/// What is wrong and shown.
fn shown(audit: &Audit) -> Vec<&Item> {
    first_of_each(audit.open_items(), SHOWN, |item| &item.currency)
}

/// The fix of each shown fault, numbered as the table is.
fn commands(audit: &Audit) -> Vec<String> {
    let shown = shown(audit).into_iter().enumerate();
    let fixes = shown.map(|(at, item)| (at + 1, item.fix.text()));
    fixes.filter(|(_, fix)| !fix.is_empty()).map(|(number, fix)| format!("{fix} # {number}")).collect()
}

/// What is fixed within the days that the facts show.
fn fixes(audit: &Audit) -> Table {
    let columns = vec![
        column("month_cost", "Month", Look::Money),
        column("untagged", "Not compliant before", Look::Money),
        column("billing_currency", "", Look::Plain),
        column("carrier", "What", Look::Plain),
        column("id", "Id", Look::Plain),
    ];
    let mut table =
        Table::new("fixed", "Fixed since", "wrong earlier in these days or this month, right on its last day", columns);
    for item in audit.items.iter().filter(|item| item.is_fixed()) {
        table.rows.push(vec![
            money(item.month.cost),
            money(item.wrong),
            text(&item.currency),
            text(item.carrier.name()),
            text(&item.id),
        ]);
    }
    table
}

/// What is wrong with an item, in words; where its lines differ, the dearest faults, each with its money.
pub fn faults(item: &Item) -> String {
    let of = |fault: &Fault| {
        let cost = fault
            .cost
            .map_or(String::new(), |cost| format!(" ({} {})", words::amount(cost), words::currency(&item.currency)));
        format!("{} {}{cost}", OWNER_NAMES[fault.key], fault.state.words())
    };
    let mut said: Vec<String> = item.faults.iter().take(FAULTS).map(of).collect();
    if item.faults.len() > FAULTS {
        said.push(format!("and {} more", item.faults.len() - FAULTS));
    }
    said.join("; ")
}

/// The audit as a plain table: everything that pays, a column for each key.
pub fn grid(audit: &Audit) -> Grid {
    let mut columns: Vec<String> = [
        "carrier",
        "id",
        "sub_account_id",
        "billing_currency",
        "cost",
        "compliant_cost",
        "month_cost",
        "month_compliant_cost",
        "is_compliant",
        "is_fixed",
    ]
    .map(String::from)
    .to_vec();
    columns.extend(OWNER_NAMES.iter().map(|name| format!("{name}_tag")));
    columns.extend(["workload", "team", "environment", "cost_center", "models", "fix"].map(String::from));
    columns.extend(OWNER_NAMES.iter().flat_map(|name| [format!("{name}_state"), format!("{name}_why")]));
    columns.extend(Carrier::ALL.map(|carrier| format!("on_{}", carrier.name())));
    columns.extend(
        [
            "debt",
            "exempt_cost",
            "month_exempt_cost",
            "exempt_reason",
            "likely_workload",
            "likely_team",
            "owner_confidence",
            "owner_reason",
            "terraform",
            "faults",
        ]
        .map(String::from),
    );
    Grid { columns, rows: audit.items.iter().map(item_cells).collect() }
}

fn item_cells(item: &Item) -> Vec<Cell> {
    let mut row = vec![
        text(item.carrier.name()),
        text(&item.id),
        or_null(&item.account),
        or_null(&item.currency),
        money(item.days.cost),
        money(item.days.compliant),
        money(item.month.cost),
        money(item.month.compliant),
        Cell::Flag(item.is_compliant()),
        Cell::Flag(item.is_fixed()),
    ];
    row.extend(item.states.iter().map(|state| text(state.words())));
    row.extend(item.owner.iter().map(|owner| or_null(owner)));
    row.push(or_null(&item.models.join(", ")));
    row.push(or_null(&item.fix.text()));
    row.extend(item.states.iter().flat_map(|state| [text(state.name()), or_null(state.why())]));
    row.extend(item.by_carrier.iter().map(|states| or_null(&carrier_words(states))));
    row.extend([item.days.debt(), item.days.exempt, item.month.exempt].map(money));
    let likely = item.likely.as_ref();
    row.push(item.exemption.as_deref().map_or(Cell::Null, or_null));
    row.push(likely.map_or(Cell::Null, |likely| or_null(&likely.workload)));
    row.push(likely.map_or(Cell::Null, |likely| or_null(&likely.team)));
    row.push(likely.map_or(Cell::Null, |likely| text(likely.confidence.name())));
    row.push(likely.map_or(Cell::Null, |likely| text(&likely.reason)));
    row.push(or_null(&item.fix.terraform));
    row.push(or_null(&faults(item)));
    row
}

/// How the required keys stand on one carrier; empty where the line has no such carrier.
fn carrier_words(states: &super::States) -> String {
    let said = OWNER_NAMES.iter().zip(states).filter(|(_, state)| **state != State::NotApplicable);
    said.map(|(name, state)| format!("{name} {}", state.words())).collect::<Vec<_>>().join("; ")
}
