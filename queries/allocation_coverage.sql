-- question: how much of the spend has a name, for each tag key?
-- grain: month, billing_currency
-- cost: billed_cost

-- Over Usage and Purchase: taxes, credits and adjustments carry no owner and are no tag debt.
with wanted_days as (
    select cost_days.day
    from (select day from cost_daily group by day) as cost_days
    cross join params
    where cost_days.day between params."from" and params."to"
),

lines as (
    select
        cost_daily.billing_period as month,
        cost_daily.workload,
        cost_daily.team,
        cost_daily.environment,
        cost_daily.cost_center,
        cost_daily.billing_currency,
        cost_daily.billed_cost
    from cost_daily
    where
        cost_daily.day in (select day from wanted_days)
        and cost_daily.charge_category in ('Usage', 'Purchase')
),

coverage as (
    select
        month,
        billing_currency,
        sum(billed_cost) as cost,
        sum(case when workload is null then 0 else billed_cost end) as workload_cost,
        sum(case when team is null then 0 else billed_cost end) as team_cost,
        sum(case when environment is null then 0 else billed_cost end) as environment_cost,
        sum(case when cost_center is null then 0 else billed_cost end) as cost_center_cost
    from lines
    group by
        month,
        billing_currency
)

select
    month,
    billing_currency,
    cost,
    workload_cost,
    cast(workload_cost as double) / cast(nullif(cost, 0) as double)
        as workload_share,
    team_cost,
    cast(team_cost as double) / cast(nullif(cost, 0) as double)
        as team_share,
    environment_cost,
    cast(environment_cost as double) / cast(nullif(cost, 0) as double)
        as environment_share,
    cost_center_cost,
    cast(cost_center_cost as double) / cast(nullif(cost, 0) as double)
        as cost_center_share
from coverage
order by
    month desc,
    billing_currency nulls last
