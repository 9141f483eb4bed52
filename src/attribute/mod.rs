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
use consumers::{Consumers, Match, Wanted};
use demand::{Profiles, TOKEN_KINDS};
use owner::{KEYS, OwnerTexts, Vocabulary, WORKLOAD};
use rules::Rules;
use tokens::{Claims, TokenRow};

use crate::clock;
use crate::config::{Config, OWNER_NAMES};
use crate::money;
use crate::normalise::trust::Trust;
use crate::normalise::{Amounts, Charge, Charges, QUANTITY, UNBLENDED};
use crate::schema::ChargeText;
use crate::sources::cloudwatch::HourSample;
use crate::text::{Text, Texts};

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
    /// Workload, team, environment, cost center and `Model` tag.
    pub owner: OwnerTexts,
    /// Which rung gave the workload.
    pub method: Method,
    /// `key=rung:id` for every key that has a value.
    pub evidence: Text,
    /// Whether the traffic decides between models.
    pub is_router: bool,
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
    for charge in &charges.rows {
        let carriers = reader.read(charge.text(ChargeText::Tags), &mut charges.texts);
        let named = carriers.resource[WORKLOAD].or(carriers.principal[WORKLOAD]);
        let arn = charges.texts.str(charge.text(ChargeText::PrincipalArn));
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
}

impl<'a> Ladder<'a> {
    /// Builds the ladder for the charges of a stretch of time.
    pub fn new(config: &'a Config, vocabulary: &'a Vocabulary, consumers: &'a Consumers, texts: &mut Texts) -> Self {
        let rules = Rules::new(config, vocabulary, texts);
        Self { config, vocabulary, rules, consumers, reader: TagReader::new(vocabulary) }
    }

    /// Splits every charge by owner. The charges stay as they are.
    pub fn attribute(
        mut self,
        charges: &mut Charges,
        samples: &[&HourSample],
        profiles: &Profiles,
        trust: &mut Trust,
    ) -> Vec<Fact> {
        let mut standings = Vec::with_capacity(charges.rows.len());
        for charge in &charges.rows {
            standings.push(self.upper_rungs(charge, &mut charges.texts, trust));
        }
        let (rows, claims) = self.claims(charges, &standings, samples, profiles, trust);
        let mut facts = Vec::with_capacity(charges.rows.len());
        let mut evidence = Evidence::default();
        let ranks = rows.iter().any(Option::is_some).then(|| charges.texts.ranks());
        for (at, charge) in charges.rows.iter().enumerate() {
            let texts = &mut charges.texts;
            let is_router = self.rules.is_router(charge, texts);
            if !is_allocable(texts.str(charge.text(ChargeText::ChargeCategory))) {
                facts.push(Fact {
                    charge: charge.clone(),
                    owner: OwnerTexts::default(),
                    method: Method::NotAllocable,
                    evidence: Text::NULL,
                    is_router,
                });
                continue;
            }
            let parts = match (rows[at], &ranks) {
                (Some(row), Some(ranks)) => parts(charge, &claims, claims.cell_of[row], standings[at], ranks),
                _ => vec![(standings[at], charge.amounts)],
            };
            for (mut standing, amounts) in parts {
                self.account_rung(charge, &mut standing, texts);
                facts.push(Fact {
                    charge: Charge { amounts, ..charge.clone() },
                    owner: standing.owner,
                    method: standing.method(),
                    evidence: evidence.text(&standing, texts),
                    is_router,
                });
            }
        }
        facts
    }

    /// Rungs 1 to 4.
    fn upper_rungs(&mut self, charge: &Charge, texts: &mut Texts, trust: &mut Trust) -> Standing {
        let mut standing = Standing::default();
        if !is_allocable(texts.str(charge.text(ChargeText::ChargeCategory))) {
            return standing;
        }
        let tags: Carriers = self.reader.read(charge.text(ChargeText::Tags), texts);
        self.count_typos(charge, texts, trust);
        standing.fill(Method::ResourceTag, tags.resource, charge.text(ChargeText::ResourceId));
        let shown = self.shown_principal(charge, texts);
        standing.fill(Method::PrincipalTag, tags.principal, shown);
        if standing.owner.iter().any(|value| value.is_null()) {
            self.consumer_rung(charge, &mut standing, texts, trust);
            for (key, (value, rule)) in self.rules.owner(charge, texts).into_iter().enumerate() {
                standing.fill_key(key, Method::OwnerRule, value, rule);
            }
        }
        standing
    }

    /// Counts what spends under a tag key that is probably a typo: no rung reads it.
    fn count_typos(&mut self, charge: &Charge, texts: &Texts, trust: &mut Trust) {
        for key in self.reader.typos(charge.text(ChargeText::Tags), texts) {
            let currency = texts.str(charge.text(ChargeText::BillingCurrency));
            let tally = trust.mistyped_keys.entry(key.clone()).or_default();
            tally.add(currency, charge.amounts[UNBLENDED].unwrap_or(0));
        }
    }

    fn consumer_rung(&self, charge: &Charge, standing: &mut Standing, texts: &mut Texts, trust: &mut Trust) {
        // The second pass looked only for sessions without a workload, so only those are asked.
        if !standing.owner[WORKLOAD].is_null() {
            return;
        }
        let Some(session) = principal::session(texts.str(charge.text(ChargeText::PrincipalArn))) else { return };
        let account = texts.str(charge.text(ChargeText::SubAccountId));
        let region = texts.str(charge.text(ChargeText::RegionId));
        match self.consumers.find(account, session, region, clock::day_of(charge.start)) {
            Match::None => {}
            Match::Ambiguous => {
                let name = format!("{session} in {account}");
                let currency = texts.str(charge.text(ChargeText::BillingCurrency));
                let tally = trust.ambiguous_consumers.entry(name).or_default();
                tally.add(currency, charge.amounts[UNBLENDED].unwrap_or(0));
            }
            Match::Owner(resource, owner) => {
                let id = texts.intern(&resource);
                let owner = owner.map(|text| texts.intern_opt(self.consumers.text(text)));
                standing.fill(Method::ConsumerTag, owner, id);
            }
        }
    }

    /// Rung 6.
    fn account_rung(&mut self, charge: &Charge, standing: &mut Standing, texts: &mut Texts) {
        let account = charge.text(ChargeText::SubAccountId);
        let tags = self.reader.read(charge.text(ChargeText::Tags), texts);
        standing.fill(Method::AccountTag, tags.account, account);
        standing.fill(Method::AccountTag, self.rules.account(texts.str(account)), account);
    }

    /// The principal as outputs show it.
    fn shown_principal(&self, charge: &Charge, texts: &mut Texts) -> Text {
        shown_principal(charge.text(ChargeText::PrincipalArn), self.config.privacy.sessions, texts)
    }

    /// Rung 5: which charges are rows of a cell, and who claims what of it.
    fn claims(
        &self,
        charges: &mut Charges,
        standings: &[Standing],
        samples: &[&HourSample],
        profiles: &Profiles,
        trust: &mut Trust,
    ) -> (Vec<Option<usize>>, Claims) {
        let demands = demand::demands(samples, profiles, self.vocabulary, charges, trust);
        if demands.is_empty() {
            return (vec![None; charges.rows.len()], Claims::default());
        }
        let mut rows = Vec::new();
        let mut row_of = Vec::with_capacity(charges.rows.len());
        for (charge, standing) in charges.rows.iter().zip(standings) {
            let row = token_row(charge, standing, &charges.texts);
            // Only rows without a workload are split; the others count as given.
            let splits = row.as_ref().is_some_and(|row| row.given.is_none());
            row_of.push(splits.then_some(rows.len()));
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

/// A charge as a row of tokens that metrics can see: real-time usage by the hour or day.
fn token_row(charge: &Charge, standing: &Standing, texts: &Texts) -> Option<TokenRow> {
    let text = |column| texts.str(charge.text(column));
    let kind = TOKEN_KINDS.iter().position(|kind| *kind == text(ChargeText::UsageKind))?;
    let real_time = !matches!(text(ChargeText::PricingModel), "batch" | "provisioned" | "reserved");
    if text(ChargeText::ChargeCategory) != "Usage"
        || text(ChargeText::ConsumedUnit) != "tokens"
        || text(ChargeText::Grain) == "month"
        || !real_time
    {
        return None;
    }
    let named = !standing.owner[WORKLOAD].is_null();
    Some(TokenRow {
        start: charge.start,
        daily: text(ChargeText::Grain) == "day",
        account: charge.text(ChargeText::SubAccountId),
        region: charge.text(ChargeText::RegionId),
        model: charge.text(ChargeText::ModelName),
        tier: charge.text(ChargeText::ModelTier),
        kind,
        ttl: charge.text(ChargeText::CacheTtl),
        routing: charge.text(ChargeText::Routing),
        profile: texts.find(demand::profile_id(text(ChargeText::ResourceId)).unwrap_or("")),
        tokens: money::to_whole(charge.amounts[QUANTITY].unwrap_or(0)),
        given: named.then_some(standing.owner),
    })
}

/// A share's place in order: what nobody claims comes last, else by owner and namespace.
type ShareKey = (bool, [u32; KEYS], u32);

/// Splits a row by the claims on its cell; the last part is what nobody claims.
fn parts(
    charge: &Charge,
    claims: &Claims,
    cell: usize,
    standing: Standing,
    ranks: &crate::text::Ranks,
) -> Vec<(Standing, Amounts)> {
    let held = &claims.cells[cell];
    if held.is_empty() {
        return vec![(standing, charge.amounts)];
    }
    let order = |owner: &OwnerTexts| owner.map(|text| rank(ranks, text));
    let mut shares: Vec<(ShareKey, i128)> =
        held.iter().map(|claim| ((false, order(&claim.owner), rank(ranks, claim.namespace)), claim.tokens)).collect();
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

fn rank(ranks: &crate::text::Ranks, text: Text) -> u32 {
    ranks.of(text)
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
