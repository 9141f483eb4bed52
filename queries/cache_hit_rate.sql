-- question: does prompt caching pay, and where is it missing?
-- grain: day, workload, allocation, model_name, region_id, billing_currency
-- cost: unblended_cost of Usage

-- The hit rate is reads by all tokens sent (reads, writes and plain input), over real-time tokens.
-- Which models can cache is in the table models; others have no rate (null), and one that can but
-- does not has the rate 0.
-- The net saving is what the cached tokens would have cost as plain input, less what they did
-- cost: reads x (input - read rate) - writes x (write - input rate). The input rate is the one
-- of the same day, account, region, model, pricing model, routing, context and currency, whoever
-- used it; without plain input that day, the billing period's; without either, null. The cost of
-- reads and writes is the line's own, so each TTL of a write enters at its own rate.
with wanted_days as (
    select cost_days.day
    from (select day from cost_daily group by day) as cost_days
    cross join params
    where cost_days.day between params."from" and params."to"
),

cells as (
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
        cost_daily.billing_period,
        cost_daily.day,
        cost_daily.sub_account_id,
        cost_daily.region_id,
        cost_daily.model_name,
        cost_daily.pricing_model,
        cost_daily.routing,
        cost_daily.context,
        cost_daily.billing_currency,
        sum(
            case when cost_daily.usage_kind = 'input' then cost_daily.consumed_quantity else 0 end
        ) as input_tokens,
        sum(
            case when cost_daily.usage_kind = 'input' then cost_daily.unblended_cost else 0 end
        ) as input_cost,
        sum(
            case
                when cost_daily.usage_kind = 'cache_read' then cost_daily.consumed_quantity
                else 0
            end
        ) as cache_read_tokens,
        sum(
            case
                when cost_daily.usage_kind = 'cache_write' then cost_daily.consumed_quantity
                else 0
            end
        ) as cache_write_tokens,
        sum(
            case when cost_daily.usage_kind = 'input' then 0 else cost_daily.unblended_cost end
        ) as cache_cost
    from cost_daily
    where
        cost_daily.grain <> 'month'
        and cost_daily.charge_category = 'Usage'
        and cost_daily.usage_kind in ('input', 'cache_read', 'cache_write')
        and cost_daily.consumed_unit = 'tokens'
        and cost_daily.consumed_quantity is not null
        and coalesce(cost_daily.pricing_model, '') <> 'batch'
    group by
        cost_daily.workload,
        cost_daily.attribution_method,
        cost_daily.billing_period,
        cost_daily.day,
        cost_daily.sub_account_id,
        cost_daily.region_id,
        cost_daily.model_name,
        cost_daily.pricing_model,
        cost_daily.routing,
        cost_daily.context,
        cost_daily.billing_currency
),

priced as (
    select
        workload,
        allocation,
        day,
        region_id,
        model_name,
        billing_currency,
        input_tokens,
        cache_read_tokens,
        cache_write_tokens,
        cache_cost,
        sum(input_tokens) over (
            partition by day, sub_account_id, region_id, model_name, pricing_model,
                routing, context, billing_currency
        ) as day_tokens,
        sum(input_cost) over (
            partition by day, sub_account_id, region_id, model_name, pricing_model,
                routing, context, billing_currency
        ) as day_cost,
        sum(input_tokens) over (
            partition by billing_period, sub_account_id, region_id, model_name, pricing_model,
                routing, context, billing_currency
        ) as period_tokens,
        sum(input_cost) over (
            partition by billing_period, sub_account_id, region_id, model_name, pricing_model,
                routing, context, billing_currency
        ) as period_cost
    from cells
),

as_input as (
    select
        priced.workload,
        priced.allocation,
        priced.day,
        priced.region_id,
        priced.model_name,
        priced.billing_currency,
        priced.input_tokens,
        priced.cache_read_tokens,
        priced.cache_write_tokens,
        priced.cache_cost,
        case
            when priced.cache_read_tokens + priced.cache_write_tokens = 0
                then cast(0 as decimal(38, 10))
            when priced.day_tokens > 0
                then cast(
                    round(
                        cast(priced.cache_read_tokens + priced.cache_write_tokens as double)
                        * cast(priced.day_cost as double)
                        / cast(nullif(priced.day_tokens, 0) as double),
                        10
                    ) as decimal(38, 10)
                )
            when priced.period_tokens > 0
                then cast(
                    round(
                        cast(priced.cache_read_tokens + priced.cache_write_tokens as double)
                        * cast(priced.period_cost as double)
                        / cast(nullif(priced.period_tokens, 0) as double),
                        10
                    ) as decimal(38, 10)
                )
        end as cost_as_input
    from priced
    where priced.day in (select day from wanted_days)
),

caches as (
    select
        day,
        workload,
        allocation,
        model_name,
        region_id,
        billing_currency,
        cast(sum(cache_read_tokens) as decimal(38, 0)) as cache_read_tokens,
        cast(sum(cache_write_tokens) as decimal(38, 0)) as cache_write_tokens,
        cast(sum(input_tokens) as decimal(38, 0)) as input_tokens,
        cast(
            sum(cache_read_tokens + cache_write_tokens + input_tokens) as decimal(38, 0)
        ) as sent_tokens,
        case
            when sum(case when cost_as_input is null then 1 else 0 end) = 0
                then sum(cost_as_input) - sum(cache_cost)
        end as net_saving
    from as_input
    group by
        day,
        workload,
        allocation,
        model_name,
        region_id,
        billing_currency
),

judged as (
    select
        caches.day,
        caches.workload,
        caches.allocation,
        caches.model_name,
        caches.region_id,
        caches.billing_currency,
        caches.cache_read_tokens,
        caches.cache_write_tokens,
        caches.input_tokens,
        case
            when models.can_cache and caches.sent_tokens > 0
                then caches.sent_tokens
        end as rated_tokens,
        case
            when models.can_cache and caches.sent_tokens > 0
                then
                    caches.cache_read_tokens * 10000000000
                    < caches.sent_tokens
                    * cast(params.cache_hit_floor * 10000000000 as decimal(38, 0))
            else false
        end as below_floor,
        case when models.can_cache then caches.net_saving end as net_saving
    from caches
    cross join params
    left join models on caches.model_name = models.model_name
)

select
    day,
    workload,
    allocation,
    model_name,
    region_id,
    billing_currency,
    cache_read_tokens,
    cache_write_tokens,
    input_tokens,
    cast(cache_read_tokens as double) / cast(rated_tokens as double) as hit_rate,
    below_floor,
    net_saving
from judged
order by
    below_floor desc,
    billing_currency nulls last,
    net_saving nulls last,
    day,
    allocation,
    workload,
    model_name nulls last,
    region_id nulls last
