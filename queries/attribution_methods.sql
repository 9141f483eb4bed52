-- question: which evidence names the spend?
-- grain: month, attribution_method, billing_currency
-- cost: billed_cost

-- Shares are of the whole bill of the month, so they include what cannot be allocated.
with wanted_days as (
    select cost_days.day
    from (select day from cost_daily group by day) as cost_days
    cross join params
    where cost_days.day between params."from" and params."to"
),

lines as (
    select
        cost_daily.billing_period as month,
        cost_daily.attribution_method,
        cost_daily.billing_currency,
        cost_daily.billed_cost
    from cost_daily
    where cost_daily.day in (select day from wanted_days)
),

methods as (
    select
        month,
        attribution_method,
        billing_currency,
        sum(billed_cost) as cost
    from lines
    group by
        month,
        attribution_method,
        billing_currency
),

methods_of_all as (
    select
        month,
        attribution_method,
        billing_currency,
        cost,
        sum(cost) over (partition by month, billing_currency) as cost_of_all
    from methods
)

select
    month,
    attribution_method,
    billing_currency,
    cost,
    cast(cost as double) / cast(nullif(cost_of_all, 0) as double) as share_of_cost
from methods_of_all
order by
    month desc,
    billing_currency nulls last,
    attribution_method nulls last
