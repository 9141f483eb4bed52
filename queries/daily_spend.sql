-- question: what did each workload spend, day by day?
-- grain: day, workload, allocation, billing_currency
-- cost: billed_cost

-- The cost is every charge category; usage_cost is the unblended cost of Usage, which movers and
-- alerts read. Lines that the bill keeps by month have no day and are not here.
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
        cost_daily.billing_currency,
        cost_daily.billed_cost,
        case
            when cost_daily.charge_category = 'Usage' then cost_daily.unblended_cost
            else 0
        end as usage_cost
    from cost_daily
    where
        cost_daily.day in (select day from wanted_days)
        and cost_daily.grain <> 'month'
),

sums as (
    select
        day,
        workload,
        allocation,
        billing_currency,
        sum(billed_cost) as cost,
        sum(usage_cost) as usage_cost
    from lines
    group by
        day,
        workload,
        allocation,
        billing_currency
),

daily as (
    select
        sums.day,
        sums.workload,
        sums.allocation,
        sums.billing_currency,
        sums.cost,
        sums.usage_cost,
        coalesce(days.is_complete, false) as is_complete
    from sums
    left join days on sums.day = days.day
)

select
    day,
    workload,
    allocation,
    billing_currency,
    cost,
    usage_cost,
    is_complete
from daily
order by
    day,
    allocation,
    workload,
    billing_currency nulls last
