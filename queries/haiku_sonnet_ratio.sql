-- question: how much Haiku does a workload use for each Sonnet, day by day?
-- grain: day, workload, allocation, billing_currency
-- cost: billed_cost of Usage

-- Haiku divided by Sonnet, of Anthropic's models; null where Sonnet is 0. Calls are null where a
-- tier is billed but not measured, and 0 where there is nothing to measure. A series that names
-- the bare tier has no publisher and counts, since these tiers are Anthropic's alone. Lines of
-- routers are left out, and so are the calls of a cell that has such lines, since metrics cannot
-- tell them apart. Calls have no currency: where a workload is billed in two, each stands beside
-- the same calls.
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
        and cost_daily.publisher_name = 'Anthropic'
        and cost_daily.model_tier in ('haiku', 'sonnet')
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
    where
        cast(usage.charge_period_start as date) in (select day from wanted_days)
        and (
            usage.publisher_name = 'Anthropic'
            or (usage.publisher_name is null and usage.model_name is null)
        )
        and usage.model_tier in ('haiku', 'sonnet')
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

costs as (
    select
        day,
        workload,
        allocation,
        billing_currency,
        sum(case when model_tier = 'haiku' then billed_cost else 0 end) as haiku_cost,
        sum(case when model_tier = 'sonnet' then billed_cost else 0 end) as sonnet_cost,
        sum(case when model_tier = 'haiku' then tokens else 0 end) as haiku_tokens,
        sum(case when model_tier = 'sonnet' then tokens else 0 end) as sonnet_tokens,
        sum(case when model_tier = 'haiku' then 1 else 0 end) as haiku_lines,
        sum(case when model_tier = 'sonnet' then 1 else 0 end) as sonnet_lines
    from lines
    where not is_router
    group by
        day,
        workload,
        allocation,
        billing_currency
),

calls as (
    select
        day,
        workload,
        allocation,
        sum(case when model_tier = 'haiku' then invocations end) as haiku_calls,
        sum(case when model_tier = 'sonnet' then invocations end) as sonnet_calls
    from routed_calls
    group by
        day,
        workload,
        allocation
),

pairs as (
    select
        costs.day,
        costs.workload,
        costs.allocation,
        costs.billing_currency,
        costs.haiku_cost,
        costs.sonnet_cost,
        cast(costs.haiku_tokens as decimal(38, 0)) as haiku_tokens,
        cast(costs.sonnet_tokens as decimal(38, 0)) as sonnet_tokens,
        cast(
            case
                when calls.haiku_calls is null and costs.haiku_lines = 0 then 0
                else calls.haiku_calls
            end as bigint
        ) as haiku_invocations,
        cast(
            case
                when calls.sonnet_calls is null and costs.sonnet_lines = 0 then 0
                else calls.sonnet_calls
            end as bigint
        ) as sonnet_invocations
    from costs
    left join calls
        on
            costs.day = calls.day
            and costs.workload = calls.workload
            and costs.allocation = calls.allocation
)

select
    day,
    workload,
    allocation,
    billing_currency,
    haiku_cost,
    sonnet_cost,
    cast(haiku_cost as double) / cast(nullif(sonnet_cost, 0) as double)
        as ratio_by_cost,
    haiku_tokens,
    sonnet_tokens,
    cast(haiku_tokens as double) / cast(nullif(sonnet_tokens, 0) as double)
        as ratio_by_tokens,
    haiku_invocations,
    sonnet_invocations,
    cast(haiku_invocations as double) / cast(nullif(sonnet_invocations, 0) as double)
        as ratio_by_invocations
from pairs
order by
    day,
    allocation,
    workload,
    billing_currency nulls last
