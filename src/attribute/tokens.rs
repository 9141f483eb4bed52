//! Rung 5: measured tokens at the cell's own billed rate.
//!
//! A cell is hour (or day) × account × region × model × usage kind × cache TTL × routing × profile. An owner
//! claims what it is measured to have used, less what higher rungs already gave it in that cell and
//! day. The finest measurements claim first; a coarse one (a tier, no routing, cache writes without
//! TTL) spreads over the cells that it covers by their unclaimed tokens. Claims beyond what was
//! billed are scaled down and counted; what nobody claims stays unclaimed. Only whole tokens move.

use std::collections::BTreeMap;

use super::demand::{Demand, ModelMatch};
use super::owner::{KEYS, OwnerTexts};
use crate::clock;
use crate::money;
use crate::text::{Ranks, Text};

/// A billed row of tokens, as far as claims go.
#[derive(Debug, Clone)]
pub struct TokenRow {
    /// Start of the hour or day.
    pub start: i64,
    /// Whether the row speaks of a whole day.
    pub daily: bool,
    /// Account.
    pub account: Text,
    /// Region.
    pub region: Text,
    /// Model name.
    pub model: Text,
    /// Model tier.
    pub tier: Text,
    /// Usage kind, as an index into [`crate::classify::TOKEN_KINDS`].
    pub kind: usize,
    /// Cache TTL.
    pub ttl: Text,
    /// Routing.
    pub routing: Text,
    /// Short id of the application inference profile that was called, where one was.
    pub profile: Text,
    /// Whole tokens; a correction takes some back.
    pub tokens: i128,
    /// Who owns it by a higher rung; `None` where it can be claimed.
    pub given: Option<OwnerTexts>,
}

/// A share of a cell: who, by which namespace, how many tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who.
    pub owner: OwnerTexts,
    /// The measuring namespace.
    pub namespace: Text,
    /// Whole tokens.
    pub tokens: i128,
}

/// Claims on the cell of each row, and what could not be claimed.
#[derive(Debug, Default)]
pub struct Claims {
    /// By row: the number of its cell.
    pub cell_of: Vec<usize>,
    /// By cell: its claims, by owner.
    pub cells: Vec<Vec<Claim>>,
    /// By cell: tokens that nobody claims.
    pub unclaimed: Vec<i128>,
    /// Tokens measured beyond what was billed, by account and model (null for a tier or any model).
    pub beyond: BTreeMap<(Text, Text), i128>,
}

type CellKey = (i64, bool, [Text; 6], usize);
/// Account, region, kind and day: claims never cross them.
type Group = (u32, u32, usize, i32);
/// A claim's place in order: owner, then namespace.
type ClaimKey = ([u32; KEYS], u32);
/// A series' place in order: owner, model, routing, profile.
type SeriesKey = ([u32; KEYS], u32, u32, u32);

#[derive(Debug, Default)]
struct Cell {
    number: usize,
    start: i64,
    daily: bool,
    model: Text,
    tier: Text,
    routing: Text,
    profile: Text,
    unclaimed: i128,
    /// Tokens that higher rungs gave, by owner, in the owners' order.
    given: BTreeMap<[u32; KEYS], (OwnerTexts, i128)>,
    claims: BTreeMap<ClaimKey, Claim>,
}

/// One owner's measurement with one way of naming the model, over a day.
struct Series<'a> {
    demands: Vec<&'a Demand>,
    owner: OwnerTexts,
    model: ModelMatch,
    routing: Text,
    profile: Text,
}

/// Claims every demand on the rows.
pub fn claim(rows: &[TokenRow], demands: &[Demand], ranks: &Ranks) -> Claims {
    let mut claims = Claims { cell_of: Vec::with_capacity(rows.len()), ..Claims::default() };
    // Everything happens within account × region × kind × day.
    let mut groups: BTreeMap<Group, BTreeMap<[u32; 6], Cell>> = BTreeMap::new();
    let mut numbers: BTreeMap<CellKey, usize> = BTreeMap::new();
    for row in rows {
        let key: CellKey =
            (row.start, row.daily, [row.account, row.region, row.model, row.ttl, row.routing, row.profile], row.kind);
        let next = numbers.len();
        let number = *numbers.entry(key).or_insert(next);
        claims.cell_of.push(number);
        let group = (ranks.of(row.account), ranks.of(row.region), row.kind, clock::day_of(row.start));
        let within = row.start.rem_euclid(clock::DAY) as u32;
        let order = [
            within,
            u32::from(row.daily),
            ranks.of(row.model),
            ranks.of(row.ttl),
            ranks.of(row.routing),
            ranks.of(row.profile),
        ];
        let cell = groups.entry(group).or_default().entry(order).or_insert_with(|| Cell {
            number,
            start: row.start,
            daily: row.daily,
            model: row.model,
            tier: row.tier,
            routing: row.routing,
            profile: row.profile,
            ..Cell::default()
        });
        match row.given {
            None => cell.unclaimed += row.tokens,
            Some(owner) => {
                let rank = owner.map(|text| ranks.of(text));
                cell.given.entry(rank).or_insert((owner, 0)).1 += row.tokens;
            }
        }
    }
    // A correction takes tokens back from its cell; a cell never holds less than none.
    for cell in groups.values_mut().flat_map(BTreeMap::values_mut) {
        cell.unclaimed = cell.unclaimed.max(0);
        cell.given.values_mut().for_each(|(_, tokens)| *tokens = (*tokens).max(0));
    }
    claims.cells = vec![Vec::new(); numbers.len()];
    claims.unclaimed = vec![0; numbers.len()];
    let by_group = by_group(demands, ranks);
    for (group, cells) in groups {
        let mut cells: Vec<Cell> = cells.into_values().collect();
        if let Some(demands) = by_group.get(&group) {
            solve(&mut cells, demands, group.2, ranks, &mut claims.beyond);
        }
        for cell in cells {
            claims.unclaimed[cell.number] = cell.unclaimed;
            claims.cells[cell.number] = cell.claims.into_values().filter(|claim| claim.tokens > 0).collect();
        }
    }
    claims
}

fn by_group<'a>(demands: &'a [Demand], ranks: &Ranks) -> BTreeMap<Group, Vec<&'a Demand>> {
    let mut groups: BTreeMap<Group, Vec<&Demand>> = BTreeMap::new();
    for demand in demands {
        for (kind, tokens) in demand.tokens.iter().enumerate() {
            if tokens.is_some_and(|tokens| tokens > 0) {
                let day = clock::day_of(demand.start);
                groups.entry((ranks.of(demand.account), ranks.of(demand.region), kind, day)).or_default().push(demand);
            }
        }
    }
    groups
}

/// Finest first: a profile, a model with its routing, a model, a tier, anything.
fn coarseness(demand: &Demand, routing: Text) -> u8 {
    if !demand.profile.is_null() {
        return 0;
    }
    match demand.model {
        ModelMatch::Model(_) if !routing.is_null() => 1,
        ModelMatch::Model(_) => 2,
        ModelMatch::Tier(_) => 3,
        ModelMatch::Any => 4,
    }
}

fn solve(
    cells: &mut [Cell],
    demands: &[&Demand],
    kind: usize,
    ranks: &Ranks,
    beyond: &mut BTreeMap<(Text, Text), i128>,
) {
    let mut levels: BTreeMap<u8, BTreeMap<SeriesKey, Series<'_>>> = BTreeMap::new();
    for demand in demands {
        let named = match demand.model {
            ModelMatch::Model(named) | ModelMatch::Tier(named) => named,
            ModelMatch::Any => Text::NULL,
        };
        let routing = routing_here(cells, demand);
        let key =
            (demand.owner.map(|text| ranks.of(text)), ranks.of(named), ranks.of(routing), ranks.of(demand.profile));
        let level = levels.entry(coarseness(demand, routing)).or_default();
        let series = level.entry(key).or_insert_with(|| Series {
            demands: Vec::new(),
            owner: demand.owner,
            model: demand.model,
            routing,
            profile: demand.profile,
        });
        series.demands.push(demand);
    }
    for series in levels.into_values() {
        let mut wants: Vec<BTreeMap<ClaimKey, Claim>> = cells.iter().map(|_| BTreeMap::new()).collect();
        for series in series.into_values() {
            let claimed = less_given(cells, &series, kind);
            for (demand, tokens) in series.demands.iter().zip(claimed) {
                let missed = spread(cells, &series, demand, tokens, ranks, &mut wants);
                note_beyond(beyond, demand, missed);
            }
        }
        for (cell, wants) in cells.iter_mut().zip(wants) {
            let missed = settle(cell, wants);
            if missed > 0
                && let Some(demand) = demands.first()
            {
                *beyond.entry((demand.account, cell.model)).or_default() += missed;
            }
        }
    }
}

/// The routing that a demand speaks of. A model's own id means regional calls, unless the day has
/// none of that model: then it was only a name for it.
fn routing_here(cells: &[Cell], demand: &Demand) -> Text {
    let ModelMatch::Model(model) = demand.model else { return demand.routing };
    let is_billed = || cells.iter().any(|cell| cell.model == model && cell.routing == demand.routing);
    if demand.is_bare_id && !is_billed() { Text::NULL } else { demand.routing }
}

impl Series<'_> {
    /// Whether the series speaks of a cell's model and routing.
    fn speaks_of(&self, cell: &Cell) -> bool {
        let model = match self.model {
            ModelMatch::Model(model) => cell.model == model,
            ModelMatch::Tier(tier) => cell.tier == tier,
            ModelMatch::Any => true,
        };
        let profile = self.profile.is_null() || cell.profile == self.profile;
        model && profile && (self.routing.is_null() || cell.routing == self.routing)
    }

    /// Whether one of its demands covers a cell.
    fn covers(&self, demand: &Demand, cell: &Cell) -> bool {
        self.speaks_of(cell) && (cell.daily || demand.daily || cell.start == demand.start)
    }

    /// Whether tokens given to an owner may be those that this series measured: every key that both know agrees.
    fn may_be(&self, given: &OwnerTexts) -> bool {
        self.owner[0] == given[0]
            && self.owner.iter().zip(given).all(|(own, given)| own.is_null() || given.is_null() || own == given)
    }

    /// Takes up to `limit` given tokens out of a cell.
    fn take_given(&self, cell: &mut Cell, limit: i128) -> i128 {
        let mut taken = 0;
        for (owner, tokens) in cell.given.values_mut() {
            if self.may_be(owner) {
                let part = (*tokens).min(limit - taken);
                *tokens -= part;
                taken += part;
            }
        }
        taken
    }
}

/// What each demand of a series still asks for, less what higher rungs gave its owner in the cells
/// and in the whole day.
fn less_given(cells: &mut [Cell], series: &Series<'_>, kind: usize) -> Vec<i128> {
    let mut left: Vec<i128> =
        series.demands.iter().map(|demand| i128::from(demand.tokens[kind].unwrap_or(0))).collect();
    for (demand, left) in series.demands.iter().zip(&mut left) {
        for cell in cells.iter_mut().filter(|cell| series.covers(demand, cell)) {
            *left -= series.take_given(cell, *left);
        }
    }
    // Given in another hour of the day: the clocks of meter and bill differ, the tokens are the same.
    let total: i128 = left.iter().sum();
    let mut elsewhere = 0;
    for cell in cells.iter_mut().filter(|cell| series.speaks_of(cell)) {
        elsewhere += series.take_given(cell, total - elsewhere);
    }
    if elsewhere == 0 {
        return left;
    }
    let shares: Vec<(usize, i128)> = left.iter().copied().enumerate().collect();
    money::split(total - elsewhere, &shares).unwrap_or(left)
}

/// Spreads a demand over the cells that it covers by their unclaimed tokens; returns what found none.
fn spread(
    cells: &[Cell],
    series: &Series<'_>,
    demand: &Demand,
    tokens: i128,
    ranks: &Ranks,
    wants: &mut [BTreeMap<ClaimKey, Claim>],
) -> i128 {
    if tokens <= 0 {
        return 0;
    }
    let covered: Vec<usize> = (0..cells.len()).filter(|at| series.covers(demand, &cells[*at])).collect();
    let shares: Vec<(usize, i128)> = covered.iter().map(|at| (*at, cells[*at].unclaimed)).collect();
    let Some(parts) = money::split(tokens, &shares) else { return tokens };
    for (at, part) in covered.into_iter().zip(parts) {
        let key = (demand.owner.map(|text| ranks.of(text)), ranks.of(demand.namespace));
        let claim =
            wants[at].entry(key).or_insert(Claim { owner: demand.owner, namespace: demand.namespace, tokens: 0 });
        claim.tokens += part;
    }
    0
}

/// Grants wants out of a cell, scaled down where they exceed it; returns the excess.
fn settle(cell: &mut Cell, wants: BTreeMap<ClaimKey, Claim>) -> i128 {
    let total: i128 = wants.values().map(|claim| claim.tokens).sum();
    let granted = total.min(cell.unclaimed);
    let shares: Vec<(_, i128)> = wants.iter().map(|(key, claim)| (*key, claim.tokens)).collect();
    let Some(parts) = money::split(granted, &shares) else { return total };
    for ((key, mut claim), part) in wants.into_iter().zip(parts) {
        claim.tokens = part;
        cell.claims.entry(key).and_modify(|held| held.tokens += part).or_insert(claim);
    }
    cell.unclaimed -= granted;
    total - granted
}

fn note_beyond(beyond: &mut BTreeMap<(Text, Text), i128>, demand: &Demand, tokens: i128) {
    if tokens > 0 {
        let model = match demand.model {
            ModelMatch::Model(model) => model,
            ModelMatch::Tier(_) | ModelMatch::Any => Text::NULL,
        };
        *beyond.entry((demand.account, model)).or_default() += tokens;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Texts;

    struct World {
        texts: Texts,
    }

    impl World {
        fn owner(&mut self, workload: &str) -> OwnerTexts {
            let mut owner = [Text::NULL; KEYS];
            owner[0] = self.texts.intern(workload);
            owner
        }

        fn row(&mut self, hour: i64, model: &str, routing: &str, tokens: i128, given: Option<&str>) -> TokenRow {
            let given = given.map(|workload| self.owner(workload));
            TokenRow {
                start: hour * clock::HOUR,
                daily: false,
                account: self.texts.intern("1"),
                region: self.texts.intern("r"),
                model: self.texts.intern(model),
                tier: self.texts.intern("tier"),
                kind: 0,
                ttl: Text::NULL,
                routing: self.texts.intern(routing),
                profile: Text::NULL,
                tokens,
                given,
            }
        }

        fn demand(&mut self, hour: i64, workload: &str, model: ModelMatch, routing: &str, tokens: i64) -> Demand {
            Demand {
                owner: self.owner(workload),
                start: hour * clock::HOUR,
                daily: false,
                account: self.texts.intern("1"),
                region: self.texts.intern("r"),
                model,
                routing: self.texts.intern(routing),
                is_bare_id: false,
                profile: Text::NULL,
                namespace: self.texts.intern("n"),
                tokens: [Some(tokens), None, None, None],
            }
        }

        fn claimed(&self, claims: &Claims, row: usize) -> Vec<(String, i128)> {
            let cell = &claims.cells[claims.cell_of[row]];
            cell.iter().map(|claim| (self.texts.str(claim.owner[0]).to_string(), claim.tokens)).collect()
        }
    }

    fn world() -> World {
        World { texts: Texts::default() }
    }

    #[test]
    fn an_owner_claims_what_it_used_and_the_rest_stays() {
        let mut w = world();
        let m = ModelMatch::Model(w.texts.intern("m"));
        let rows = [w.row(1, "m", "regional", 1_000, None)];
        let demands = [w.demand(1, "a", m, "", 300), w.demand(1, "b", m, "regional", 200)];
        let claims = claim(&rows, &demands, &w.texts.ranks());
        assert_eq!(w.claimed(&claims, 0), [("a".into(), 300), ("b".into(), 200)]);
        assert_eq!(claims.unclaimed, [500]);
        assert!(claims.beyond.is_empty());
    }

    #[test]
    fn what_higher_rungs_gave_is_not_claimed_again() {
        let mut w = world();
        let m = ModelMatch::Model(w.texts.intern("m"));
        let rows = [w.row(1, "m", "regional", 600, Some("a")), w.row(1, "m", "regional", 1_000, None)];
        let demands = [w.demand(1, "a", m, "", 1_000)];
        let claims = claim(&rows, &demands, &w.texts.ranks());
        assert_eq!(w.claimed(&claims, 1), [("a".into(), 400)]);
    }

    #[test]
    fn what_was_given_in_another_hour_of_the_day_counts_too() {
        let mut w = world();
        let m = ModelMatch::Model(w.texts.intern("m"));
        let rows = [w.row(1, "m", "regional", 500, Some("a")), w.row(2, "m", "regional", 1_000, None)];
        let demands = [w.demand(1, "a", m, "", 300), w.demand(2, "a", m, "", 400)];
        let claims = claim(&rows, &demands, &w.texts.ranks());
        assert_eq!(w.claimed(&claims, 1), [("a".into(), 200)]);
    }

    #[test]
    fn claims_beyond_the_bill_are_scaled_down_and_counted() {
        let mut w = world();
        let m = ModelMatch::Model(w.texts.intern("m"));
        let rows = [w.row(1, "m", "regional", 100, None)];
        let demands = [w.demand(1, "a", m, "", 300), w.demand(1, "b", m, "", 100)];
        let claims = claim(&rows, &demands, &w.texts.ranks());
        assert_eq!(w.claimed(&claims, 0), [("a".into(), 75), ("b".into(), 25)]);
        assert_eq!(claims.unclaimed, [0]);
        assert_eq!(claims.beyond.values().sum::<i128>(), 300);
    }

    #[test]
    fn the_finest_measurement_claims_first_and_a_tier_spreads_over_what_is_left() {
        let mut w = world();
        let m = ModelMatch::Model(w.texts.intern("m"));
        let tier = ModelMatch::Tier(w.texts.intern("tier"));
        let rows = [
            w.row(1, "m", "regional", 100, None),
            w.row(1, "m", "global", 100, None),
            w.row(1, "n", "regional", 50, None),
        ];
        let demands = [w.demand(1, "t", tier, "", 70), w.demand(1, "g", m, "global", 80)];
        let claims = claim(&rows, &demands, &w.texts.ranks());
        // 100, 20 and 50 tokens are left for the tier's 70.
        assert_eq!(w.claimed(&claims, 0), [("t".into(), 41)]);
        assert_eq!(w.claimed(&claims, 1), [("g".into(), 80), ("t".into(), 8)]);
        assert_eq!(w.claimed(&claims, 2), [("t".into(), 21)]);
    }

    #[test]
    fn a_bare_id_means_regional_calls_unless_the_day_has_none() {
        let mut w = world();
        let m = ModelMatch::Model(w.texts.intern("m"));
        let bare = Demand { is_bare_id: true, ..w.demand(1, "a", m, "regional", 60) };
        let both = [w.row(1, "m", "regional", 100, None), w.row(1, "m", "global", 100, None)];
        let claims = claim(&both, std::slice::from_ref(&bare), &w.texts.ranks());
        assert_eq!(w.claimed(&claims, 0), [("a".into(), 60)]);
        let claims = claim(&both[1..], &[bare], &w.texts.ranks());
        assert_eq!(w.claimed(&claims, 0), [("a".into(), 60)]);
    }

    #[test]
    fn a_measurement_of_an_hour_that_was_not_billed_claims_nothing() {
        let mut w = world();
        let m = ModelMatch::Model(w.texts.intern("m"));
        let rows = [w.row(1, "m", "regional", 100, None)];
        let demands = [w.demand(5, "a", m, "", 60)];
        let claims = claim(&rows, &demands, &w.texts.ranks());
        assert!(w.claimed(&claims, 0).is_empty());
        assert_eq!(claims.beyond.values().sum::<i128>(), 60);
    }
}
