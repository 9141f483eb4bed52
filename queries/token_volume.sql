-- question: how many tokens of which model and kind does each workload use, day by day?
-- grain: day, workload, allocation, model_name, usage_kind
-- cost: none

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
        cost_daily.model_name,
        cost_daily.usage_kind,
        cost_daily.consumed_quantity
    from cost_daily
    where
        cost_daily.day in (select day from wanted_days)
        and cost_daily.grain <> 'month'
        and cost_daily.charge_category = 'Usage'
        and cost_daily.consumed_unit = 'tokens'
),

volumes as (
    select
        day,
        workload,
        allocation,
        model_name,
        usage_kind,
        cast(sum(consumed_quantity) as decimal(38, 0)) as tokens
    from lines
    group by
        day,
        workload,
        allocation,
        model_name,
        usage_kind
)

select
    day,
    workload,
    allocation,
    model_name,
    usage_kind,
    tokens
from volumes
order by
    day,
    allocation,
    workload,
    model_name nulls last,
    usage_kind nulls last
