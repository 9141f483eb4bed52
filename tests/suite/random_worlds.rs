//! Random worlds: whatever the bill, no unit is lost between its lines, the charges and the facts.

use billtag::facts::store::Store;
use proptest::prelude::*;

use crate::world::{Shape, World};
use crate::{harness, truth};

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_unit_is_lost_and_every_unit_has_its_owner(
        seed in any::<u64>(),
        months in 1_u32..3,
        workloads in 1_u32..14,
        with_principals: bool,
        with_metrics: bool,
        currencies in 1_u32..3,
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let shape = Shape { with_principals, with_metrics, currencies, ..Shape::small(months, workloads) };
        World::generate(seed, &shape).write(folder.path()).expect("written");
        harness::ingest_folder(folder.path());
        truth::assert_equal(&truth::stored(folder.path()), &truth::known(folder.path()));
        for record in Store::new(folder.path().join(".billtag")).records().expect("records") {
            prop_assert!(record.trust.unit_doubts.is_empty(), "{:?}", record.trust.unit_doubts);
        }
        for column in ["billed_cost", "unblended_cost", "effective_cost", "list_cost", "consumed_quantity"] {
            let sums = |table: &str| {
                let sql = format!(
                    "select billing_period, sub_account_id, billing_currency, sum({column}) as cost from {table} \
                     group by 1, 2, 3 order by 1, 2, 3"
                );
                harness::sql(folder.path(), &sql).rows
            };
            prop_assert_eq!(sums("charges"), sums("cost_facts"), "{}", column);
            prop_assert_eq!(sums("cost_facts"), sums("cost_daily"), "{}", column);
        }
    }
}
