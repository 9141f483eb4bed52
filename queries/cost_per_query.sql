-- question: what does one call of a workload cost?
-- grain: day, workload, allocation, billing_currency
-- cost: unblended_cost of Usage

-- The cost of the cells (account, region and model) with counted calls by those calls, over
-- real-time usage; covered_share says how much of the day's cost that is. Null, not 0, where
-- nothing was counted. Calls have no currency: a cell billed in two has a ratio in each, over the
-- same calls. A business metric has no model, so its unit stands against the whole day's cost.
--
-- Calls are measured twice: by AWS itself (scope native) and by the owners' own series (scope
-- owner). Both measure the same calls, so a workload takes the owner scope where it has one and
-- the native one elsewhere, and they are never added. What nobody owns is what the native series
-- without an owner count beyond the calls that owners measured outside their own native series.
-- An owner series that knows only the tier of the model is coarse: it stands for all models of
-- its tier, and what is left over for nobody is then unknown. The session's zone is UTC.
with wanted_days as (
    select cost_days.day
    from (select day from cost_daily group by day) as cost_days
    cross join params
    where cost_days.day between params."from" and params."to"
),

lines as (
    select
        coalesce(
            cost_daily.workload,
            case
                when cost_daily.attribution_method = 'not_allocable' then 'not_allocable'
                else 'unattributed'
            end
        ) as workload,
        case
            when cost_daily.workload is not null then 'allocated'
            when cost_daily.attribution_method = 'not_allocable' then 'not_allocable'
            else 'unattributed'
        end as allocation,
        cost_daily.day,
        cost_daily.sub_account_id,
        cost_daily.region_id,
        cost_daily.model_tier,
        cost_daily.model_name,
        cost_daily.billing_currency,
        sum(cost_daily.unblended_cost) as cost_total,
        sum(
            case
                when coalesce(cost_daily.pricing_model, '') = 'batch' then 0
                else cost_daily.unblended_cost
            end
        ) as cost_real_time,
        max(
            case when coalesce(cost_daily.pricing_model, '') = 'batch' then 0 else 1 end
        ) as is_real_time
    from cost_daily
    where
        cost_daily.day in (select day from wanted_days)
        and cost_daily.grain <> 'month'
        and cost_daily.charge_category = 'Usage'
    group by
        cost_daily.workload,
        cost_daily.attribution_method,
        cost_daily.day,
        cost_daily.sub_account_id,
        cost_daily.region_id,
        cost_daily.model_tier,
        cost_daily.model_name,
        cost_daily.billing_currency
),

measured as (
    select
        usage.workload,
        cast(usage.charge_period_start as date) as day,
        usage.sub_account_id,
        usage.region_id,
        usage.model_tier,
        usage.model_name,
        sum(case when usage.scope = 'owner' then usage.invocations end) as owner_calls,
        sum(case when usage.scope = 'native' then usage.invocations end) as native_calls
    from usage
    where cast(usage.charge_period_start as date) in (select day from wanted_days)
    group by
        usage.workload,
        cast(usage.charge_period_start as date),
        usage.sub_account_id,
        usage.region_id,
        usage.model_tier,
        usage.model_name
),

marked as (
    select
        workload,
        day,
        sub_account_id,
        region_id,
        model_tier,
        model_name,
        owner_calls,
        native_calls,
        case
            when model_name is null and model_tier is not null and owner_calls is not null then 1
            else 0
        end as is_coarse,
        case
            when workload is null or owner_calls is null then 0
            when owner_calls > coalesce(native_calls, 0)
                then owner_calls - coalesce(native_calls, 0)
            else 0
        end as calls_outside_native
    from measured
),

weighed as (
    select
        workload,
        day,
        sub_account_id,
        region_id,
        model_tier,
        model_name,
        owner_calls,
        native_calls,
        sum(is_coarse) over (
            partition by workload, day, sub_account_id, region_id, model_tier
        ) as coarse_series,
        sum(is_coarse) over (
            partition by day, sub_account_id, region_id, model_tier
        ) as coarse_in_tier,
        sum(calls_outside_native) over (
            partition by day, sub_account_id, region_id, model_tier, model_name
        ) as calls_owned
    from marked
),

counted as (
    select
        coalesce(workload, 'unattributed') as workload,
        case when workload is null then 'unattributed' else 'allocated' end as allocation,
        day,
        sub_account_id,
        region_id,
        model_tier,
        model_name,
        coarse_series,
        case
            when workload is null and native_calls is not null and coarse_in_tier > 0 then null
            when workload is null and native_calls > calls_owned then native_calls - calls_owned
            when workload is null and native_calls is not null then 0
            when owner_calls is not null then owner_calls
            when coarse_series = 0 then native_calls
        end as invocations
    from weighed
),

call_cells as (
    select
        workload,
        allocation,
        day,
        coalesce(sub_account_id, '') as account_key,
        coalesce(region_id, '') as region_key,
        coalesce(model_tier, '') as tier_key,
        case when coarse_series > 0 then '' else model_name end as model_key,
        max(case when coarse_series > 0 then 1 else 0 end) as is_coarse,
        sum(invocations) as invocations
    from counted
    where
        coarse_series > 0
        or model_name is not null
    group by
        workload,
        allocation,
        day,
        coalesce(sub_account_id, ''),
        coalesce(region_id, ''),
        coalesce(model_tier, ''),
        case when coarse_series > 0 then '' else model_name end
    having sum(invocations) > 0
),

coarse_cells as (
    select
        workload,
        allocation,
        day,
        account_key,
        region_key,
        tier_key,
        is_coarse
    from call_cells
    where is_coarse = 1
),

keyed_lines as (
    select
        lines.workload,
        lines.allocation,
        lines.day,
        coalesce(lines.sub_account_id, '') as account_key,
        coalesce(lines.region_id, '') as region_key,
        coalesce(lines.model_tier, '') as tier_key,
        lines.model_name,
        lines.billing_currency,
        lines.cost_total,
        lines.cost_real_time,
        lines.is_real_time
    from lines
),

cost_cells as (
    select
        keyed_lines.workload,
        keyed_lines.allocation,
        keyed_lines.day,
        keyed_lines.account_key,
        keyed_lines.region_key,
        keyed_lines.tier_key,
        case when coarse_cells.is_coarse = 1 then '' else keyed_lines.model_name end as model_key,
        keyed_lines.billing_currency,
        sum(keyed_lines.cost_total) as cost_total,
        sum(keyed_lines.cost_real_time) as cost_real_time,
        max(keyed_lines.is_real_time) as is_real_time
    from keyed_lines
    left join coarse_cells
        on
            keyed_lines.workload = coarse_cells.workload
            and keyed_lines.allocation = coarse_cells.allocation
            and keyed_lines.day = coarse_cells.day
            and keyed_lines.account_key = coarse_cells.account_key
            and keyed_lines.region_key = coarse_cells.region_key
            and keyed_lines.tier_key = coarse_cells.tier_key
    group by
        keyed_lines.workload,
        keyed_lines.allocation,
        keyed_lines.day,
        keyed_lines.account_key,
        keyed_lines.region_key,
        keyed_lines.tier_key,
        case when coarse_cells.is_coarse = 1 then '' else keyed_lines.model_name end,
        keyed_lines.billing_currency
),

covered_days as (
    select
        cost_cells.day,
        cost_cells.workload,
        cost_cells.allocation,
        cost_cells.billing_currency,
        sum(cost_cells.cost_total) as cost_total,
        sum(
            case
                when cost_cells.is_real_time = 1 and call_cells.invocations is not null
                    then cost_cells.cost_real_time
            end
        ) as cost_counted,
        sum(
            case when cost_cells.is_real_time = 1 then call_cells.invocations end
        ) as invocations
    from cost_cells
    left join call_cells
        on
            cost_cells.workload = call_cells.workload
            and cost_cells.allocation = call_cells.allocation
            and cost_cells.day = call_cells.day
            and cost_cells.account_key = call_cells.account_key
            and cost_cells.region_key = call_cells.region_key
            and cost_cells.tier_key = call_cells.tier_key
            and cost_cells.model_key = call_cells.model_key
    group by
        cost_cells.day,
        cost_cells.workload,
        cost_cells.allocation,
        cost_cells.billing_currency
),

units as (
    select
        coalesce(usage.workload, 'unattributed') as workload,
        case when usage.workload is null then 'unattributed' else 'allocated' end as allocation,
        cast(usage.charge_period_start as date) as day,
        sum(case when usage.scope = 'owner' then usage.business_units end) as owner_units,
        sum(case when usage.scope = 'native' then usage.business_units end) as native_units
    from usage
    where
        cast(usage.charge_period_start as date) in (select day from wanted_days)
        and usage.business_units is not null
    group by
        usage.workload,
        cast(usage.charge_period_start as date)
),

unit_costs as (
    select
        covered_days.day,
        covered_days.workload,
        covered_days.allocation,
        covered_days.billing_currency,
        covered_days.cost_counted,
        cast(covered_days.invocations as bigint) as invocations,
        covered_days.cost_total,
        cast(coalesce(units.owner_units, units.native_units) as bigint) as business_units
    from covered_days
    left join units
        on
            covered_days.day = units.day
            and covered_days.workload = units.workload
            and covered_days.allocation = units.allocation
)

select
    day,
    workload,
    allocation,
    billing_currency,
    coalesce(cost_counted, cast(0 as decimal(38, 10))) as cost_counted,
    invocations,
    cast(cost_counted as double) / cast(nullif(invocations, 0) as double)
        as cost_per_invocation,
    cost_total,
    cast(coalesce(cost_counted, cast(0 as decimal(38, 10))) as double)
    / cast(nullif(cost_total, 0) as double) as covered_share,
    business_units,
    cast(cost_total as double) / cast(nullif(business_units, 0) as double)
        as cost_per_business_unit
from unit_costs
order by
    day,
    allocation,
    workload,
    billing_currency nulls last
