-- question: how much of the spend has a name, for each tag key?
-- grain: month, billing_currency
-- cost: billed_cost

-- Over Usage and Purchase: taxes, credits and adjustments carry no owner and are no tag debt. The
-- Model tag is judged only on resources that serve one model, whose spend is one_model_cost; where
-- there are none, its share is null.
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

-- Days know no resource, so the carriers come from the facts: few resources on many lines.
resource_costs as (
    select
        cost_facts.billing_period as month,
        cost_facts.resource_id,
        cost_facts.model_tag,
        cost_facts.billing_currency,
        sum(cost_facts.billed_cost) as billed_cost
    from cost_facts
    where
        cast(cost_facts.charge_period_start as date) in (select day from wanted_days)
        and cost_facts.charge_category in ('Usage', 'Purchase')
        and cost_facts.resource_id is not null
    group by
        cost_facts.billing_period,
        cost_facts.resource_id,
        cost_facts.model_tag,
        cost_facts.billing_currency
),

one_model_lines as (
    select
        month,
        model_tag,
        billing_currency,
        billed_cost
    from resource_costs
    where
        resource_id like 'arn:%:bedrock:%:application-inference-profile/%'
        or resource_id like 'arn:%:bedrock:%:provisioned-model/%'
        or resource_id like 'arn:%:bedrock:%:custom-model/%'
        or resource_id like 'arn:%:bedrock:%:custom-model-deployment/%'
        or resource_id like 'arn:%:bedrock:%:imported-model/%'
),

key_costs as (
    select
        month,
        billing_currency,
        sum(billed_cost) as cost,
        sum(case when workload is null then 0 else billed_cost end) as workload_cost,
        sum(case when team is null then 0 else billed_cost end) as team_cost,
        sum(case when environment is null then 0 else billed_cost end) as environment_cost,
        sum(case when cost_center is null then 0 else billed_cost end) as cost_center_cost,
        cast(0 as decimal(38, 10)) as one_model_cost,
        cast(0 as decimal(38, 10)) as model_tag_cost
    from lines
    group by
        month,
        billing_currency
    union all
    select
        month,
        billing_currency,
        cast(0 as decimal(38, 10)) as cost,
        cast(0 as decimal(38, 10)) as workload_cost,
        cast(0 as decimal(38, 10)) as team_cost,
        cast(0 as decimal(38, 10)) as environment_cost,
        cast(0 as decimal(38, 10)) as cost_center_cost,
        sum(billed_cost) as one_model_cost,
        sum(case when model_tag is null then 0 else billed_cost end) as model_tag_cost
    from one_model_lines
    group by
        month,
        billing_currency
),

coverage as (
    select
        month,
        billing_currency,
        sum(cost) as cost,
        sum(workload_cost) as workload_cost,
        sum(team_cost) as team_cost,
        sum(environment_cost) as environment_cost,
        sum(cost_center_cost) as cost_center_cost,
        sum(one_model_cost) as one_model_cost,
        sum(model_tag_cost) as model_tag_cost
    from key_costs
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
        as cost_center_share,
    one_model_cost,
    model_tag_cost,
    cast(model_tag_cost as double) / cast(nullif(one_model_cost, 0) as double)
        as model_tag_share
from coverage
order by
    month desc,
    billing_currency nulls last
