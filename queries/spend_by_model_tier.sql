-- question: how do cost, tokens and calls divide among the model tiers of a workload?
-- grain: day, workload, allocation, model_tier, billing_currency
-- cost: billed_cost of Usage

-- The shares of a workload's day add up to 1 in each currency; null where there is nothing to
-- share. The tier none holds what has no tier. Lines of routers are left out, and so are the
-- calls of a cell that has such lines, since metrics cannot tell them apart. Calls have no
-- currency: where a workload is billed in two, each stands beside the same calls.
--
-- Calls are measured twice: by AWS itself (scope native) and by the owners' own series (scope
-- owner). Both measure the same calls, so a workload takes the owner scope where it has one and
-- the native one elsewhere, and they are never added. What nobody owns is what the native series
-- without an owner count beyond the calls that owners measured outside their own native series.
-- An owner series that knows only the tier of the model is coarse: it stands for all models of
-- its tier, and what is left over for nobody is then unknown. An owner series without any model
-- cannot be divided among tiers at all: the calls of such a workload's day are null, and so are
-- their shares, in every tier. The session's zone is UTC.
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
        cost_daily.publisher_name,
        cost_daily.model_tier,
        cost_daily.model_name,
        coalesce(cost_daily.is_router, false) as is_router,
        cost_daily.billing_currency,
        cost_daily.billed_cost,
        case
            when cost_daily.consumed_unit = 'tokens' then cost_daily.consumed_quantity
            else 0
        end as tokens
    from cost_daily
    where
        cost_daily.day in (select day from wanted_days)
        and cost_daily.grain <> 'month'
        and cost_daily.charge_category = 'Usage'
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
        sum(
            case
                when usage.scope = 'owner' and usage.model_id is null then usage.invocations
            end
        ) as nameless_calls,
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
            when model_name is null and model_tier is null and nameless_calls is not null then 1
            else 0
        end as is_without_model,
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
        sum(is_without_model) over (partition by workload, day) as series_without_model,
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
            when series_without_model > 0 then null
            when workload is null and native_calls is not null and coarse_in_tier > 0 then null
            when workload is null and native_calls > calls_owned then native_calls - calls_owned
            when workload is null and native_calls is not null then 0
            when owner_calls is not null then owner_calls
            when coarse_series = 0 then native_calls
        end as invocations
    from weighed
),

routed_calls as (
    select
        workload,
        allocation,
        day,
        sub_account_id,
        region_id,
        model_name,
        model_tier,
        sum(invocations) as invocations
    from (
        select
            workload,
            allocation,
            day,
            sub_account_id,
            region_id,
            model_name,
            model_tier,
            invocations,
            0 as router_lines
        from counted
        where invocations is not null
        union all
        select
            workload,
            allocation,
            day,
            sub_account_id,
            region_id,
            model_name,
            model_tier,
            0 as invocations,
            1 as router_lines
        from lines
        where is_router
    ) as cells
    group by
        workload,
        allocation,
        day,
        sub_account_id,
        region_id,
        model_name,
        model_tier
    having sum(router_lines) = 0
),

tier_costs as (
    select
        day,
        workload,
        allocation,
        coalesce(model_tier, 'none') as model_tier,
        billing_currency,
        sum(billed_cost) as cost,
        sum(tokens) as tokens
    from lines
    where not is_router
    group by
        day,
        workload,
        allocation,
        coalesce(model_tier, 'none'),
        billing_currency
),

tier_calls as (
    select
        day,
        workload,
        allocation,
        coalesce(model_tier, 'none') as model_tier,
        sum(invocations) as invocations
    from routed_calls
    group by
        day,
        workload,
        allocation,
        coalesce(model_tier, 'none')
),

billed_in as (
    select
        day,
        workload,
        allocation,
        billing_currency
    from tier_costs
    group by
        day,
        workload,
        allocation,
        billing_currency
),

costs_and_calls as (
    select
        day,
        workload,
        allocation,
        model_tier,
        billing_currency,
        cost,
        tokens,
        cast(null as bigint) as invocations
    from tier_costs
    union all
    select
        tier_calls.day,
        tier_calls.workload,
        tier_calls.allocation,
        tier_calls.model_tier,
        billed_in.billing_currency,
        cast(0 as decimal(38, 10)) as cost,
        cast(0 as decimal(38, 10)) as tokens,
        cast(tier_calls.invocations as bigint) as invocations
    from tier_calls
    inner join billed_in
        on
            tier_calls.day = billed_in.day
            and tier_calls.workload = billed_in.workload
            and tier_calls.allocation = billed_in.allocation
),

tiers as (
    select
        day,
        workload,
        allocation,
        model_tier,
        billing_currency,
        sum(cost) as cost,
        cast(sum(tokens) as decimal(38, 0)) as tokens,
        cast(sum(invocations) as bigint) as invocations
    from costs_and_calls
    group by
        day,
        workload,
        allocation,
        model_tier,
        billing_currency
),

tiers_of_all as (
    select
        day,
        workload,
        allocation,
        model_tier,
        billing_currency,
        cost,
        tokens,
        invocations,
        sum(cost) over (
            partition by day, workload, allocation, billing_currency
        ) as cost_of_all,
        sum(tokens) over (
            partition by day, workload, allocation, billing_currency
        ) as tokens_of_all,
        sum(invocations) over (
            partition by day, workload, allocation, billing_currency
        ) as invocations_of_all
    from tiers
)

select
    day,
    workload,
    allocation,
    model_tier,
    billing_currency,
    cost,
    cast(cost as double) / cast(nullif(cost_of_all, 0) as double) as share_of_cost,
    tokens,
    cast(tokens as double) / cast(nullif(tokens_of_all, 0) as double)
        as share_of_tokens,
    invocations,
    cast(invocations as double) / cast(nullif(invocations_of_all, 0) as double)
        as share_of_invocations
from tiers_of_all
order by
    day,
    allocation,
    workload,
    billing_currency nulls last,
    model_tier
