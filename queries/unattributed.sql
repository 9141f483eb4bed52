-- question: which spend has no name, and where does it come from?
-- grain: month, sub_account_id, region_id, model_name, usage_kind, method, billing_currency
-- cost: billed_cost

with wanted_days as (
    select cost_days.day
    from (select day from cost_daily group by day) as cost_days
    cross join params
    where cost_days.day between params."from" and params."to"
),

lines as (
    select
        cost_daily.billing_period as month,
        cost_daily.sub_account_id,
        cost_daily.region_id,
        cost_daily.model_name,
        cost_daily.usage_kind,
        cost_daily.attribution_method as method,
        cost_daily.billing_currency,
        cost_daily.billed_cost
    from cost_daily
    where
        cost_daily.day in (select day from wanted_days)
        and cost_daily.workload is null
),

nameless as (
    select
        month,
        sub_account_id,
        region_id,
        model_name,
        usage_kind,
        method,
        billing_currency,
        sum(billed_cost) as cost
    from lines
    group by
        month,
        sub_account_id,
        region_id,
        model_name,
        usage_kind,
        method,
        billing_currency
)

select
    month,
    sub_account_id,
    region_id,
    model_name,
    usage_kind,
    method,
    billing_currency,
    cost
from nameless
order by
    month desc,
    billing_currency nulls last,
    cost desc,
    method nulls last,
    sub_account_id nulls last,
    region_id nulls last,
    model_name nulls last,
    usage_kind nulls last
