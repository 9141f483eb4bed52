//! Columns: which ones a bill's file has, under which name and at which place.

use arrow::datatypes::Schema;

/// A column name as every layout spells it: the rule by which AWS derives Athena names from
/// `category/Name`: an underscore before each capital, lower case, the rest to single underscores.
pub fn canonical_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    // A name without a lower-case letter is upper-cased as a whole, as warehouses do.
    let snake = !name.chars().any(|c| c == '/' || c == ':' || c.is_ascii_uppercase())
        || !name.chars().any(|c| c.is_ascii_lowercase());
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake {
            out.push('_');
        }
        out.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
    }
    let parts: Vec<&str> = out.split('_').filter(|part| !part.is_empty()).collect();
    parts.join("_")
}

macro_rules! columns {
    ($(#[$doc:meta])* $name:ident { $($variant:ident => $names:expr),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(usize)]
        #[expect(missing_docs, reason = "each is the bill's column of that name")]
        pub enum $name { $($variant),+ }

        impl $name {
            /// Every column with the canonical names it goes by, the preferred first.
            pub const ALL: &[(Self, &[&str])] = &[$((Self::$variant, &$names)),+];
        }
    };
}

columns! {
    /// Text columns of a bill line.
    TextColumn {
        ProductCode => ["line_item_product_code"],
        BillingEntity => ["bill_billing_entity"],
        PayerAccount => ["bill_payer_account_id"],
        InvoiceId => ["bill_invoice_id"],
        InvoicingEntity => ["bill_invoicing_entity", "line_item_legal_entity"],
        UsageAccount => ["line_item_usage_account_id"],
        UsageAccountName => ["line_item_usage_account_name"],
        LineItemType => ["line_item_line_item_type"],
        UsageType => ["line_item_usage_type"],
        Operation => ["line_item_operation"],
        ResourceId => ["line_item_resource_id"],
        Currency => ["line_item_currency_code", "pricing_currency"],
        Description => ["line_item_line_item_description"],
        Principal => ["line_item_iam_principal"],
        PricingUnit => ["pricing_unit"],
        ProductFamily => ["product_product_family", "product_family"],
        ServiceCode => ["product_servicecode", "servicecode"],
        ProductName => ["product_product_name", "product_name"],
        ProductModel => ["product_model", "model"],
        ProductProvider => ["product_provider", "provider"],
        RegionCode => ["product_region_code", "region_code"],
        ProductRegion => ["product_region"],
        TimeInterval => ["identity_time_interval"],
        ReservationArn => ["reservation_reservation_a_r_n", "reservation_reservation_arn"],
    }
}

columns! {
    /// Time columns of a bill line.
    TimeColumn {
        PeriodStart => ["bill_billing_period_start_date"],
        UsageStart => ["line_item_usage_start_date"],
        UsageEnd => ["line_item_usage_end_date"],
    }
}

columns! {
    /// Number columns of a bill line.
    AmountColumn {
        UsageAmount => ["line_item_usage_amount"],
        UnblendedCost => ["line_item_unblended_cost"],
        UnblendedRate => ["line_item_unblended_rate"],
        NetUnblendedCost => ["line_item_net_unblended_cost"],
        ListCost => ["pricing_public_on_demand_cost"],
        ReservationEffective => ["reservation_effective_cost"],
        ReservationNetEffective => ["reservation_net_effective_cost"],
        UnusedUpfront => ["reservation_unused_amortized_upfront_fee_for_billing_period"],
        UnusedRecurring => ["reservation_unused_recurring_fee"],
        SavingsPlanEffective => ["savings_plan_savings_plan_effective_cost"],
        SavingsPlanNetEffective => ["savings_plan_net_savings_plan_effective_cost"],
        CommitmentToDate => ["savings_plan_total_commitment_to_date"],
        UsedCommitment => ["savings_plan_used_commitment"],
    }
}

/// Where a tag came from; written before its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PairSource {
    /// `product`: attributes, not tags.
    Product,
    /// `resource_tags`.
    ResourceTags,
    /// `tags`, whose keys name their carrier themselves.
    Tags,
    /// `cost_category`.
    CostCategory,
}

/// Flattened tag columns: prefix of the canonical name, what they belong to, carrier to write.
const FLAT_TAGS: [(&str, PairSource, &str); 10] = [
    ("resource_tags_", PairSource::ResourceTags, ""),
    ("tags_iam_principal_", PairSource::Tags, "iamPrincipal/"),
    ("tags_account_tag_", PairSource::Tags, "accountTag/"),
    ("tags_resource_tags_", PairSource::Tags, "resourceTags/"),
    ("tags_user_attribute_", PairSource::Tags, "userAttribute/"),
    ("iam_principal_", PairSource::Tags, "iamPrincipal/"),
    ("account_tag_", PairSource::Tags, "accountTag/"),
    ("user_attribute_", PairSource::Tags, "userAttribute/"),
    ("user_", PairSource::ResourceTags, "user_"),
    ("cost_category_", PairSource::CostCategory, ""),
];

/// The wanted columns of one file, as positions among its top-level fields.
#[derive(Debug, Clone, Default)]
pub struct Positions {
    texts: Vec<(TextColumn, usize)>,
    times: Vec<(TimeColumn, usize)>,
    amounts: Vec<(AmountColumn, usize)>,
    maps: Vec<(PairSource, usize)>,
    flat: Vec<(PairSource, String, usize)>,
}

impl Positions {
    /// Finds the wanted columns of a file.
    pub fn of(schema: &Schema) -> Self {
        let names: Vec<String> = schema.fields().iter().map(|field| canonical_name(field.name())).collect();
        let position = |wanted: &[&str]| wanted.iter().find_map(|wanted| names.iter().position(|name| name == wanted));
        let mut found = Self::default();
        for (column, wanted) in TextColumn::ALL {
            found.texts.extend(position(wanted).map(|at| (*column, at)));
        }
        for (column, wanted) in TimeColumn::ALL {
            found.times.extend(position(wanted).map(|at| (*column, at)));
        }
        for (column, wanted) in AmountColumn::ALL {
            found.amounts.extend(position(wanted).map(|at| (*column, at)));
        }
        for (at, name) in names.iter().enumerate() {
            let source = match name.as_str() {
                "product" => Some(PairSource::Product),
                "resource_tags" => Some(PairSource::ResourceTags),
                "tags" => Some(PairSource::Tags),
                "cost_category" | "cost_categories" => Some(PairSource::CostCategory),
                _ => None,
            };
            if let Some(source) = source {
                found.maps.push((source, at));
            } else if let Some((prefix, source, carrier)) =
                FLAT_TAGS.iter().find(|(prefix, ..)| name.starts_with(prefix))
            {
                found.flat.push((*source, format!("{carrier}{}", &name[prefix.len()..]), at));
            }
        }
        found
    }

    /// Position of a text column.
    pub fn text(&self, column: TextColumn) -> Option<usize> {
        self.texts.iter().find(|(known, _)| *known == column).map(|(_, at)| *at)
    }

    /// Position of a time column.
    pub fn time(&self, column: TimeColumn) -> Option<usize> {
        self.times.iter().find(|(known, _)| *known == column).map(|(_, at)| *at)
    }

    /// Position of a number column.
    pub fn amount(&self, column: AmountColumn) -> Option<usize> {
        self.amounts.iter().find(|(known, _)| *known == column).map(|(_, at)| *at)
    }

    /// Position of a map column.
    pub fn map(&self, source: PairSource) -> Option<usize> {
        self.maps.iter().find(|(known, _)| *known == source).map(|(_, at)| *at)
    }

    /// Every wanted position, sorted, each once.
    pub fn all(&self) -> Vec<usize> {
        let mut all: Vec<usize> = self.texts.iter().map(|(_, at)| *at).collect();
        all.extend(self.times.iter().map(|(_, at)| *at));
        all.extend(self.amounts.iter().map(|(_, at)| *at));
        all.extend(self.maps.iter().map(|(_, at)| *at));
        all.extend(self.flat.iter().map(|(_, _, at)| *at));
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether a column is there that can hold tags of principals, as `tags` can and `resource_tags` cannot.
    pub fn can_hold_principal_tags(&self) -> bool {
        let flat = self.flat.iter().any(|(source, ..)| *source == PairSource::Tags);
        flat || self.map(PairSource::Tags).is_some()
    }

    /// The positions that hold tags.
    pub fn tags(&self) -> Vec<usize> {
        let tag = |source: &PairSource| matches!(source, PairSource::ResourceTags | PairSource::Tags);
        let maps = self.maps.iter().filter(|(source, _)| tag(source)).map(|(_, at)| *at);
        maps.chain(self.flat.iter().filter(|(source, ..)| tag(source)).map(|(_, _, at)| *at)).collect()
    }

    /// Text columns and where they are.
    pub fn texts(&self) -> impl Iterator<Item = (TextColumn, usize)> {
        self.texts.iter().copied()
    }

    /// Time columns and where they are.
    pub fn times(&self) -> impl Iterator<Item = (TimeColumn, usize)> {
        self.times.iter().copied()
    }

    /// Number columns and where they are.
    pub fn amounts(&self) -> impl Iterator<Item = (AmountColumn, usize)> {
        self.amounts.iter().copied()
    }

    /// The map column of each source and the flattened columns, which have one key each.
    pub fn pairs(&self) -> impl Iterator<Item = (PairSource, Option<&str>, usize)> {
        let maps = self.maps.iter().map(|(source, at)| (*source, None, *at));
        maps.chain(self.flat.iter().map(|(source, key, at)| (*source, Some(key.as_str()), *at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_column_has_one_name() {
        for name in ["line_item_usage_type", "lineItem/UsageType", "LINE_ITEM_USAGE_TYPE"] {
            assert_eq!(canonical_name(name), "line_item_usage_type");
        }
        assert_eq!(canonical_name("resourceTags/user:Team"), "resource_tags_user_team");
        assert_eq!(canonical_name("savingsPlan/SavingsPlanARN"), "savings_plan_savings_plan_a_r_n");
        assert_eq!(canonical_name("product"), "product");
    }
}
