//! Lists: anomalies, incidents and tag debt, whose rows say by which filters they are hidden.

use super::cube::{CURRENCY, ENVIRONMENT, MODEL, WORKLOAD};
use super::figures::Page;
use super::markup::{Attributes, Markup};
use super::scope::Scope;
use super::sections::team_number;
use super::{Report, text_or_null};
use crate::alert::finding::Finding;
use crate::alert::incident::Incident;
use crate::alert::rules::Severity;
use crate::alert::screen;
use crate::audit::{self, Item};
use crate::clock;
use crate::metrics::Cell;
use crate::report::daily::finding_cells;
use crate::report::document::{column, first_of_each, money, text};
use crate::report::{Look, Table};

/// Findings, incidents and debts of a page, in each currency.
const SHOWN: usize = 200;
/// Days for which an incident is shown that is over.
const RESOLVED: i32 = 90;

/// The most severe that is listed or still open.
pub fn worst(report: &Report<'_>, scope: &Scope) -> Option<Severity> {
    let open = incidents(report, scope).into_iter().filter(|incident| !incident.is_over());
    let open = open.map(|incident| incident.severity);
    findings(report, scope).into_iter().map(|finding| finding.severity).chain(open).max()
}

/// Findings of a scope.
pub fn count(report: &Report<'_>, scope: &Scope) -> usize {
    findings(report, scope).len()
}

fn findings<'a>(report: &Report<'a>, scope: &Scope) -> Vec<&'a Finding> {
    let all = report.sources.looked.alerts.findings.iter();
    all.filter(|finding| scope.holds_team(&finding.owner[0], &report.cube)).collect()
}

fn incidents<'a>(report: &Report<'a>, scope: &Scope) -> Vec<&'a Incident> {
    let today = clock::day_of(report.sources.engine.as_of);
    let is_recent = |incident: &&Incident| incident.resolved.is_none_or(|at| clock::day_of(at) > today - RESOLVED);
    let team = |incident: &Incident| incident.screen.labels.get("team").cloned().unwrap_or_default();
    let all = report.sources.ledger.incidents.iter().filter(is_recent);
    let mut shown: Vec<&Incident> = all.filter(|one| scope.holds_team(&team(one), &report.cube)).collect();
    shown.sort_by(|a, b| {
        let order = (a.is_over(), b.severity, b.last_day, &a.id);
        order.cmp(&(b.is_over(), a.severity, a.last_day, &b.id))
    });
    shown
}

/// Incidents that are open or were resolved, and what was found since the last run.
pub fn anomalies(report: &Report<'_>, page: &Page<'_>, out: &mut Markup) {
    let incidents = first_of_each(incidents(report, page.scope), SHOWN, |incident| &incident.currency);
    out.element("h3", &[], "Open and resolved");
    if report.sources.ledger.through.is_none() {
        out.element(
            "p",
            &[("class", "note")],
            if report.sources.is_past {
                "Incidents are kept as they are now, and not shown beside facts of a past day."
            } else {
                "No incident is kept yet: `billtag run` and `billtag alert` open and resolve them."
            },
        );
    } else {
        out.table(&incident_table(&incidents), |row| incident_attributes(incidents[row], page));
    }
    let all = findings(report, page.scope);
    let found = all.len();
    let shown = first_of_each(all, SHOWN, |finding| &finding.currency);
    let span = report.sources.looked.alerts.from.zip(report.sources.looked.alerts.to);
    let mut note = span.map_or(String::new(), |(from, to)| {
        format!("{} to {}; unblended cost of Usage", clock::day_text(from), clock::day_text(to))
    });
    if report.sources.looked.alerts.is_part {
        note.push_str("; earlier days with `billtag alert --from DATE`");
    }
    if found > shown.len() {
        note.push_str(&format!("; {} more in `billtag alert`", found - shown.len()));
    }
    out.element("h3", &[], "Found since the last run");
    out.table(&finding_table(&shown, note), |row| finding_attributes(shown[row], page));
}

fn finding_table(findings: &[&Finding], note: String) -> Table {
    let columns = vec![
        column("severity", "", Look::Plain),
        column("day", "Day", Look::Plain),
        column("workload", "Workload", Look::Plain),
        column("owner", "Owner", Look::Plain),
        column("rule", "Rule", Look::Plain),
        column("increase", "Increase", Look::Change),
        column("billing_currency", "", Look::Plain),
        column("what", "", Look::Plain),
        column("why", "Why", Look::Plain),
    ];
    let mut table = Table::new("findings", "Found since the last run", note, columns);
    for finding in findings {
        let causes = finding.causes.map(|causes| screen::why(&causes)).unwrap_or_default();
        let mut row = finding_cells(finding);
        row.push(text_or_null(if causes.is_empty() { &finding.moved_from } else { &causes }));
        table.rows.push(row);
    }
    table
}

fn incident_table(incidents: &[&Incident]) -> Table {
    let columns = vec![
        column("severity", "", Look::Plain),
        column("state", "State", Look::Plain),
        column("id", "Incident", Look::Plain),
        column("workload", "Scope", Look::Plain),
        column("opened", "Opened", Look::Plain),
        column("last_day", "Last day", Look::Plain),
        column("excess", "Beyond the usual", Look::Money),
        column("billing_currency", "", Look::Plain),
        column("summary", "Summary", Look::Plain),
    ];
    let mut table = Table::new("incidents", "Open and resolved", "", columns);
    for incident in incidents {
        table.rows.push(vec![
            text(incident.severity.as_str()),
            text(incident.state.as_str()),
            text(&incident.id),
            text(incident.scope.words()),
            Cell::Day(clock::day_of(incident.opened)),
            Cell::Day(incident.last_day),
            money(incident.excess),
            text(&incident.currency),
            text(&incident.screen.summary),
        ]);
    }
    table
}

/// What spends without a full name, the most money first.
pub fn debt(report: &Report<'_>, page: &Page<'_>, out: &mut Markup) {
    let audit = report.sources.audit;
    let is_its = |item: &&Item| item.is_debt() && page.scope.holds_team(&item.owner[1], &report.cube);
    let wrong: Vec<&Item> = audit.items.iter().filter(is_its).collect();
    let found = wrong.len();
    let shown = first_of_each(wrong, SHOWN, |item| &item.currency);
    let mut note = audit.window.map_or(String::new(), |(from, to)| {
        format!("{} to {}, billed cost of Usage and Purchase", clock::day_text(from), clock::day_text(to))
    });
    if found > shown.len() {
        note.push_str(&format!("; {} more in `billtag audit`", found - shown.len()));
    }
    let columns = vec![
        column("cost", "Not compliant", Look::Money),
        column("billing_currency", "", Look::Plain),
        column("carrier", "Carrier", Look::Plain),
        column("id", "Id", Look::Plain),
        column("faults", "Fault", Look::Plain),
        column("owner", "Likely owner", Look::Plain),
        column("fix", "Fix", Look::Plain),
    ];
    let mut table = Table::new("debt", "What spends without a full name", note, columns);
    for item in &shown {
        let likely = item.likely.as_ref().map(audit::likely).unwrap_or_default();
        let lead = if item.fix.is_open { "fill in or confirm first: " } else { "" };
        let fix = Some(item.fix.text()).filter(|fix| !fix.is_empty()).map(|fix| format!("{lead}{fix}"));
        table.rows.push(vec![
            money(item.days.debt()),
            text(&item.currency),
            text(item.carrier.name()),
            text(&item.id),
            text(audit::faults(item)),
            text_or_null(&likely),
            text_or_null(&fix.unwrap_or_default()),
        ]);
    }
    out.table(&table, |row| {
        let item = shown[row];
        let [workload, team, environment, _] = item.owner.each_ref().map(String::as_str);
        attributes(page, &item.currency, [workload, team, environment], item.models.iter().map(String::as_str), None)
    });
}

fn finding_attributes(finding: &Finding, page: &Page<'_>) -> Attributes {
    let [team, environment, _] = finding.owner.each_ref().map(String::as_str);
    let workload = finding.scope.workload().unwrap_or_default();
    let models = finding.lines.iter().map(|line| line.what[2].as_str());
    attributes(page, &finding.currency, [workload, team, environment], models, Some((finding.day, finding.day)))
}

fn incident_attributes(incident: &Incident, page: &Page<'_>) -> Attributes {
    let label = |name: &str| incident.screen.labels.get(name).map_or("", String::as_str);
    let workload = incident.scope.workload().unwrap_or_default();
    let days = (clock::day_of(incident.began), incident.last_day);
    attributes(
        page,
        &incident.currency,
        [workload, label("team"), label("environment")],
        [label("model")].into_iter().filter(|model| !model.is_empty()),
        Some(days),
    )
}

/// By which filters a row is hidden: the page's numbers of what it is about; what has no name is nobody's.
fn attributes<'a>(
    page: &Page<'_>,
    currency: &str,
    [workload, team, environment]: [&str; 3],
    models: impl Iterator<Item = &'a str>,
    days: Option<(i32, i32)>,
) -> Attributes {
    let names = &page.dictionary.names;
    let found = |number: Option<u32>| number.map_or("-".to_string(), |number| number.to_string());
    let or_nobody = |at: usize, name: &str| if name.is_empty() { Some(0) } else { names[at].find(name) };
    let models: Vec<String> = models.map(|model| found(names[MODEL].find(model))).collect();
    let team = if team.is_empty() { Some(0) } else { team_number(page, team) };
    let mut attributes = vec![
        ("data-currency", found(names[CURRENCY].find(currency))),
        ("data-workload", found(or_nobody(WORKLOAD, workload))),
        ("data-team", found(team)),
        ("data-environment", found(or_nobody(ENVIRONMENT, environment))),
        ("data-model", models.join(" ")),
    ];
    if let Some((from, to)) = days {
        attributes.extend([("data-from", from.to_string()), ("data-to", to.to_string())]);
    }
    attributes
}
