//! Attribute: charges and demand in, `cost_facts` out: every dollar with the evidence that named its
//! owner, and what no evidence reaches as a row of its own.
//!
//! The ladder, highest rung first: tags on the line's resource, tags on its principal, tags of the
//! resource that called, the user's rules, measured tokens, tags or map of the account. A rung wins
//! by giving the workload; the other owner keys may fall through to lower rungs. Tax, credits,
//! refunds and discounts carry no owner.

pub mod carriers;
pub mod consumers;
pub mod demand;
pub mod owner;
pub mod principal;
pub mod rules;
pub mod shared;
pub mod tokens;

use std::collections::HashMap;

use carriers::{Carriers, TagReader};
use consumers::{Consumers, Found, Match, Wanted};
use demand::Profiles;
use owner::{KEYS, OwnerTexts, Vocabulary, WORKLOAD};
use rules::Rules;
use tokens::{Claims, TokenRow};

use crate::classify::TOKEN_KINDS;
use crate::clock;
use crate::config::{Config, OWNER_NAMES};
use crate::distinct::Distinct;
use crate::money;
use crate::normalise::trust::Trust;
use crate::normalise::{Amounts, Charge, Charges, Dimensions, QUANTITY, UNBLENDED};
use crate::schema::ChargeText;
use crate::sources::cloudwatch::HourSample;
use crate::text::{Ranks, Text, Texts};

/// A rung of the ladder, or the lack of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Rung 1.
    ResourceTag,
    /// Rung 2.
    PrincipalTag,
    /// Rung 3.
    ConsumerTag,
    /// Rung 4.
    OwnerRule,
    /// Rung 5.
    TokenMetric,
    /// Rung 6.
    AccountTag,
    /// No rung gives a workload.
    Unattributed,
    /// Tax, credit, refund or discount.
    NotAllocable,
    /// A not allocable charge spread by the config's policy.
    ProRata,
}

impl Method {
    /// The name in `attribution_method`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ResourceTag => "resource_tag",
            Self::PrincipalTag => "principal_tag",
            Self::ConsumerTag => "consumer_tag",
            Self::OwnerRule => "owner_rule",
            Self::TokenMetric => "token_metric",
            Self::AccountTag => "account_tag",
            Self::Unattributed => "unattributed",
            Self::NotAllocable => "not_allocable",
            Self::ProRata => "pro_rata",
        }
    }
}

/// A row of `cost_facts`: a charge, or a part of one, with its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The charge, with the part's amounts.
    pub charge: Charge,
    /// Number of its ownership.
    pub ownership: u32,
}

/// Who owns a part of a charge, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ownership {
    /// Workload, team, environment, cost center and `Model` tag.
    pub owner: OwnerTexts,
    /// Which rung gave the workload.
    pub method: Method,
    /// `key=rung:id` for every key that has a value.
    pub evidence: Text,
    /// Whether the traffic decides between models.
    pub is_router: bool,
}

/// The facts of some charges, whose texts and dimensions are the charges'.
#[derive(Debug, Default)]
pub struct Facts {
    /// Every ownership of the rows.
    pub ownerships: Distinct<Ownership>,
    /// The rows.
    pub rows: Vec<Fact>,
}

/// Who owns a row so far, and by which evidence.
#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    owner: OwnerTexts,
    by: [Option<(Method, Text)>; KEYS],
}

impl Standing {
    /// Lets a rung fill the keys that higher rungs left open.
    fn fill(&mut self, rung: Method, values: OwnerTexts, id: Text) {
        for (key, value) in values.into_iter().enumerate() {
            self.fill_key(key, rung, value, id);
        }
    }

    fn fill_key(&mut self, key: usize, rung: Method, value: Text, id: Text) {
        if self.owner[key].is_null() && !value.is_null() {
            self.owner[key] = value;
            self.by[key] = Some((rung, id));
        }
    }

    fn method(&self) -> Method {
        self.by[WORKLOAD].map_or(Method::Unattributed, |(rung, _)| rung)
    }
}

/// Whether a category can have an owner.
pub fn is_allocable(category: &str) -> bool {
    matches!(category, "Usage" | "Purchase")
}

/// Adds the sessions that rungs 1 and 2 leave without a workload: what the second pass looks for.
pub fn add_unnamed_sessions(charges: &mut Charges, vocabulary: &Vocabulary, wanted: &mut Wanted) {
    let mut reader = TagReader::new(vocabulary);
    for set in charges.dimensions.all() {
        let carriers = reader.read(set[ChargeText::Tags as usize], &mut charges.texts);
        let named = carriers.resource[WORKLOAD].or(carriers.principal[WORKLOAD]);
        let arn = charges.texts.str(set[ChargeText::PrincipalArn as usize]);
        if let (true, Some(session)) = (named.is_null(), principal::session(arn)) {
            wanted.add(session);
        }
    }
}

/// Everything that the ladder asks.
#[derive(Debug)]
pub struct Ladder<'a> {
    config: &'a Config,
    vocabulary: &'a Vocabulary,
    rules: Rules,
    consumers: &'a Consumers,
    reader: TagReader<'a>,
    /// By dimensions, turn of the rules, and the day where callers may be known by their tags.
    known: HashMap<(u32, usize, i32), usize>,
    named: Vec<Named>,
    evidence: Evidence,
    ownerships: Distinct<Ownership>,
}

/// What the rungs that need no measurement say of charges with the same dimensions.
#[derive(Debug, Default)]
struct Named {
    /// Rungs 1 to 4.
    standing: Standing,
    /// With rung 6 beneath them.
    ownership: u32,
    is_router: bool,
    /// Tag keys that are probably typos: no rung reads them.
    typos: Vec<String>,
    /// A session name that several resources have.
    ambiguous: Option<String>,
    /// The resource that called, where its tags name an owner: since when it has them, and they.
    caller: Option<(String, i32, String)>,
}

impl<'a> Ladder<'a> {
    /// Builds the ladder for the charges of a stretch of time.
    pub fn new(config: &'a Config, vocabulary: &'a Vocabulary, consumers: &'a Consumers, texts: &mut Texts) -> Self {
        Self {
            config,
            vocabulary,
            rules: Rules::new(config, vocabulary, texts),
            consumers,
            reader: TagReader::new(vocabulary),
            known: HashMap::new(),
            named: Vec::new(),
            evidence: Evidence::default(),
            ownerships: Distinct::default(),
        }
    }

    /// Splits every charge by owner. The charges stay as they are.
    pub fn attribute(
        mut self,
        charges: &mut Charges,
        samples: &[&HourSample],
        profiles: &Profiles,
        trust: &mut Trust,
    ) -> Facts {
        let Charges { texts, dimensions, rows: charged } = charges;
        let mut named = Vec::with_capacity(charged.len());
        for charge in charged {
            let at = self.named(charge, dimensions, texts);
            self.named[at].count(charge, dimensions, texts, trust);
            named.push(at);
        }
        for (resource, since, tags) in self.named.iter().filter_map(|named| named.caller.as_ref()) {
            trust.consumer_tags.entry(resource.clone()).or_default().insert(*since, tags.clone());
        }
        let (rows, claims) = self.claims(charges, &named, samples, profiles, trust);
        let mut facts = Vec::with_capacity(charges.rows.len());
        let ranks = rows.iter().any(Option::is_some).then(|| charges.texts.ranks());
        for (at, charge) in charges.rows.iter().enumerate() {
            let named = &self.named[named[at]];
            let (Some(Some(row)), Some(ranks)) = (rows.get(at), &ranks) else {
                facts.push(Fact { charge: charge.clone(), ownership: named.ownership });
                continue;
            };
            let is_router = named.is_router;
            for (standing, amounts) in parts(charge, &claims, claims.cell_of[*row], named.standing, ranks) {
                let set = charges.dimensions.get(charge.dimensions);
                let ownership = self.ownership(set, standing, is_router, &mut charges.texts);
                facts.push(Fact { charge: Charge { amounts, ..charge.clone() }, ownership });
            }
        }
        Facts { ownerships: self.ownerships, rows: facts }
    }

    /// What is said of a charge without measurements.
    fn named(&mut self, charge: &Charge, dimensions: &Distinct<Dimensions>, texts: &mut Texts) -> usize {
        let day = if self.consumers.is_empty() { 0 } else { clock::day_of(charge.start) };
        let key = (charge.dimensions, self.rules.turn(charge.start), day);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let set = dimensions.get(charge.dimensions);
        let mut named = self.upper_rungs(set, charge.start, texts);
        named.ownership = self.ownership(set, named.standing, named.is_router, texts);
        self.named.push(named);
        self.known.insert(key, self.named.len() - 1);
        self.named.len() - 1
    }

    /// Rungs 1 to 4.
    fn upper_rungs(&mut self, set: &Dimensions, time: i64, texts: &mut Texts) -> Named {
        let is_router = self.rules.is_router(set, texts);
        let mut named = Named { is_router, ..Named::default() };
        if !is_allocable(texts.str(set[ChargeText::ChargeCategory as usize])) {
            return named;
        }
        let tags = set[ChargeText::Tags as usize];
        let carriers: Carriers = self.reader.read(tags, texts);
        named.typos = self.reader.typos(tags, texts).to_vec();
        let standing = &mut named.standing;
        standing.fill(Method::ResourceTag, carriers.resource, set[ChargeText::ResourceId as usize]);
        let principal = set[ChargeText::PrincipalArn as usize];
        let shown = shown_principal(principal, self.config.privacy.sessions, texts);
        standing.fill(Method::PrincipalTag, carriers.principal, shown);
        if standing.owner.iter().any(|value| value.is_null()) {
            match self.consumer(set, clock::day_of(time), standing, texts) {
                Ok(None) => (),
                Ok(Some(found)) => named.caller = Some(self.consumer_rung(found, standing, texts)),
                Err(ambiguous) => named.ambiguous = Some(ambiguous),
            }
            for (key, (value, rule)) in self.rules.owner(set, time, texts).into_iter().enumerate() {
                standing.fill_key(key, Method::OwnerRule, value, rule);
            }
        }
        named
    }

    /// The tagged resource that called; an error is a session name that several resources have.
    fn consumer(
        &self,
        set: &Dimensions,
        day: i32,
        standing: &Standing,
        texts: &Texts,
    ) -> Result<Option<Found>, String> {
        // The second pass looked only for sessions without a workload, so only those are asked.
        if !standing.owner[WORKLOAD].is_null() {
            return Ok(None);
        }
        let text = |column: ChargeText| texts.str(set[column as usize]);
        let Some(session) = principal::session(text(ChargeText::PrincipalArn)) else { return Ok(None) };
        let account = text(ChargeText::SubAccountId);
        match self.consumers.find(account, session, text(ChargeText::RegionId), day) {
            Match::None => Ok(None),
            Match::Ambiguous => Err(format!("{session} in {account}")),
            Match::Owner(found) => Ok(Some(found)),
        }
    }

    /// Rung 3; returns the resource, since when it has its tags, and they.
    fn consumer_rung(&self, found: Found, standing: &mut Standing, texts: &mut Texts) -> (String, i32, String) {
        let id = texts.intern(&found.resource);
        let owner = found.owner.map(|text| texts.intern_opt(self.consumers.text(text)));
        standing.fill(Method::ConsumerTag, owner, id);
        let tags = self.consumers.text(found.tags).unwrap_or_default();
        (found.resource, found.since, self.vocabulary.owner_tags(tags))
    }

    /// The number of the ownership that a standing comes to, with rung 6 beneath it.
    fn ownership(&mut self, set: &Dimensions, mut standing: Standing, is_router: bool, texts: &mut Texts) -> u32 {
        if !is_allocable(texts.str(set[ChargeText::ChargeCategory as usize])) {
            let (owner, method, evidence) = (OwnerTexts::default(), Method::NotAllocable, Text::NULL);
            return self.ownerships.number(Ownership { owner, method, evidence, is_router });
        }
        let account = set[ChargeText::SubAccountId as usize];
        let tags = self.reader.read(set[ChargeText::Tags as usize], texts);
        standing.fill(Method::AccountTag, tags.account, account);
        standing.fill(Method::AccountTag, self.rules.account(texts.str(account)), account);
        let (owner, method) = (standing.owner, standing.method());
        let evidence = self.evidence.text(&standing, texts);
        self.ownerships.number(Ownership { owner, method, evidence, is_router })
    }

    /// Rung 5: which charges are rows of a cell, and who claims what of it.
    fn claims(
        &self,
        charges: &mut Charges,
        named: &[usize],
        samples: &[&HourSample],
        profiles: &Profiles,
        trust: &mut Trust,
    ) -> (Vec<Option<usize>>, Claims) {
        let demands = demand::demands(samples, profiles, self.vocabulary, &mut charges.texts, trust);
        if demands.is_empty() {
            return (Vec::new(), Claims::default());
        }
        let metered: Vec<Option<TokenRow>> =
            charges.dimensions.all().iter().map(|set| token_row(set, &charges.texts)).collect();
        let mut rows = Vec::new();
        let mut row_of = Vec::with_capacity(charges.rows.len());
        for (charge, named) in charges.rows.iter().zip(named) {
            let owner = self.named[*named].standing.owner;
            let given = (!owner[WORKLOAD].is_null()).then_some(owner);
            let tokens = money::to_whole(charge.amounts[QUANTITY].unwrap_or(0));
            let row = metered[charge.dimensions as usize].as_ref();
            let row = row.map(|row| TokenRow { start: charge.start, tokens, given, ..row.clone() });
            // Only rows without a workload are split; the others count as given.
            row_of.push(row.as_ref().filter(|row| row.given.is_none()).map(|_| rows.len()));
            rows.extend(row);
        }
        let claims = tokens::claim(&rows, &demands, &charges.texts.ranks());
        for ((account, model), tokens) in &claims.beyond {
            let model = charges.texts.get(*model).unwrap_or("any model");
            let name = format!("{} {model}", charges.texts.str(*account));
            let sum = trust.measured_beyond_billed.entry(name).or_default();
            *sum = sum.saturating_add(i64::try_from(*tokens).unwrap_or(i64::MAX));
        }
        (row_of, claims)
    }
}

impl Named {
    /// Counts what a reader must know of a charge.
    fn count(&self, charge: &Charge, dimensions: &Distinct<Dimensions>, texts: &Texts, trust: &mut Trust) {
        if self.typos.is_empty() && self.ambiguous.is_none() {
            return;
        }
        let currency = texts.str(dimensions.get(charge.dimensions)[ChargeText::BillingCurrency as usize]);
        let cost = charge.amounts[UNBLENDED].unwrap_or(0);
        for key in &self.typos {
            trust.mistyped_keys.entry(key.clone()).or_default().add(currency, cost);
        }
        if let Some(name) = &self.ambiguous {
            trust.ambiguous_consumers.entry(name.clone()).or_default().add(currency, cost);
        }
    }
}

/// Charges as rows of tokens that metrics can see, but for their time, tokens and owner: real-time usage
/// by the hour or day.
fn token_row(set: &Dimensions, texts: &Texts) -> Option<TokenRow> {
    let of = |column: ChargeText| set[column as usize];
    let text = |column| texts.str(of(column));
    let kind = TOKEN_KINDS.iter().position(|kind| *kind == text(ChargeText::UsageKind))?;
    let real_time = !matches!(text(ChargeText::PricingModel), "batch" | "provisioned" | "reserved");
    if text(ChargeText::ChargeCategory) != "Usage"
        || text(ChargeText::ConsumedUnit) != "tokens"
        || text(ChargeText::Grain) == "month"
        || !real_time
    {
        return None;
    }
    Some(TokenRow {
        start: 0,
        daily: text(ChargeText::Grain) == "day",
        account: of(ChargeText::SubAccountId),
        region: of(ChargeText::RegionId),
        model: of(ChargeText::ModelName),
        tier: of(ChargeText::ModelTier),
        kind,
        ttl: of(ChargeText::CacheTtl),
        routing: of(ChargeText::Routing),
        profile: texts.find(demand::profile_id(text(ChargeText::ResourceId)).unwrap_or("")),
        tokens: 0,
        given: None,
    })
}

/// A share's place in order: what nobody claims comes last, else by owner and namespace.
type ShareKey = (bool, [u32; KEYS], u32);

/// Splits a row by the claims on its cell; the last part is what nobody claims.
fn parts(charge: &Charge, claims: &Claims, cell: usize, standing: Standing, ranks: &Ranks) -> Vec<(Standing, Amounts)> {
    let held = &claims.cells[cell];
    if held.is_empty() {
        return vec![(standing, charge.amounts)];
    }
    let order = |owner: &OwnerTexts| owner.map(|text| ranks.of(text));
    let mut shares: Vec<(ShareKey, i128)> =
        held.iter().map(|claim| ((false, order(&claim.owner), ranks.of(claim.namespace)), claim.tokens)).collect();
    shares.push(((true, [0; KEYS], 0), claims.unclaimed[cell]));
    let split: Vec<Option<Vec<i128>>> =
        charge.amounts.iter().map(|amount| amount.and_then(|amount| money::split(amount, &shares))).collect();
    let mut parts = Vec::with_capacity(shares.len());
    for at in 0..shares.len() {
        if shares[at].1 <= 0 {
            continue;
        }
        let mut standing = standing;
        if let Some(claim) = held.get(at) {
            standing.fill(Method::TokenMetric, claim.owner, claim.namespace);
        }
        let mut amounts = Amounts::default();
        for (amount, split) in amounts.iter_mut().zip(&split) {
            *amount = split.as_ref().map(|parts| parts[at]);
        }
        parts.push((standing, amounts));
    }
    parts
}

/// The principal's text as outputs show it: without its session unless the config allows it.
pub fn shown_principal(arn: Text, sessions: bool, texts: &mut Texts) -> Text {
    if sessions || arn.is_null() {
        return arn;
    }
    let shown = principal::without_session(texts.str(arn)).to_string();
    texts.intern(&shown)
}

/// Evidence texts, each distinct one built once.
#[derive(Debug, Default)]
struct Evidence {
    known: HashMap<[Option<(Method, Text)>; KEYS], Text>,
}

impl Evidence {
    fn text(&mut self, standing: &Standing, texts: &mut Texts) -> Text {
        if let Some(known) = self.known.get(&standing.by) {
            return *known;
        }
        let keys = standing.by.iter().zip(OWNER_NAMES);
        let listed =
            keys.filter_map(|(by, name)| by.map(|(rung, id)| format!("{name}={}:{}", rung.name(), texts.str(id))));
        let listed = listed.collect::<Vec<_>>().join("; ");
        let text = texts.intern(&listed);
        self.known.insert(standing.by, text);
        text
    }
}
