-- question: what did each team spend this month and in the three months before?
-- grain: month, team, allocation, billing_currency
-- cost: billed_cost

-- The cost of a month is the whole bill of that month, every charge category. Beside it stands
-- the cost of its first days_compared days: as many as the latest month has complete, so that a
-- month to date is compared with the same days of the months before. Lines that the bill keeps
-- by month have no day and stay out of that comparison; null means that it cannot be made. A
-- stored month with days but without a line of Bedrock has cost 0 and is compared as such. Who
-- has a line in the month before and none in a stored month stands there with cost 0, so that
-- the comparison adds up to the same total by every owner.
with wanted_days as (
    select cost_days.day
    from (select day from cost_daily group by day) as cost_days
    cross join params
    where cost_days.day between params."from" and params."to"
),

lines as (
    select
        cost_daily.billing_period as month,
        cost_daily.day,
        cost_daily.grain,
        coalesce(cost_daily.team, 'unassigned') as team,
        case
            when cost_daily.team is not null then 'allocated'
            when cost_daily.attribution_method = 'not_allocable' then 'not_allocable'
            else 'unattributed'
        end as allocation,
        cost_daily.billing_currency,
        cost_daily.billed_cost
    from cost_daily
    where cost_daily.day in (select day from wanted_days)
),

known_days as (
    select
        days.day,
        days.month,
        days.day_of_month,
        days.is_complete
    from days
    cross join params
    where days.day between params."from" and params."to"
),

month_states as (
    select
        month,
        max(has_days) as has_days
    from (
        select
            month,
            case when grain <> 'month' then 1 else 0 end as has_days
        from lines
        union all
        select
            month,
            1 as has_days
        from known_days
    ) as seen
    group by month
),

months as (
    select
        month,
        has_days,
        cast(substr(month, 1, 4) as bigint) * 12 + cast(substr(month, 6, 2) as bigint) as month_no
    from month_states
),

latest as (
    select
        max(month) as month,
        max(month_no) as month_no
    from months
),

complete as (
    select coalesce(max(known_days.day_of_month), 0) as days_compared
    from known_days
    inner join latest on known_days.month = latest.month
    where known_days.is_complete
),

compared_days as (
    select
        known_days.day,
        known_days.month as compared_month
    from known_days
    cross join complete
    where known_days.day_of_month <= complete.days_compared
),

recent as (
    select
        months.month,
        months.month_no,
        months.has_days
    from months
    cross join latest
    where months.month_no between latest.month_no - 3 and latest.month_no
),

following as (
    select
        month_no + 1 as month_no,
        has_days as previous_has_days
    from months
),

owner_months as (
    select
        lines.month,
        lines.team,
        lines.allocation,
        lines.billing_currency,
        sum(lines.billed_cost) as cost,
        sum(
            case
                when lines.grain <> 'month' and compared_days.compared_month = lines.month
                    then lines.billed_cost
                else 0
            end
        ) as cost_same_days
    from lines
    left join compared_days on lines.day = compared_days.day
    group by
        lines.month,
        lines.team,
        lines.allocation,
        lines.billing_currency
),

own_and_previous as (
    select
        months.month_no,
        owner_months.team,
        owner_months.allocation,
        owner_months.billing_currency,
        owner_months.cost,
        owner_months.cost_same_days,
        0 as previous_cost_same_days
    from owner_months
    inner join months on owner_months.month = months.month
    union all
    select
        months.month_no + 1 as month_no,
        owner_months.team,
        owner_months.allocation,
        owner_months.billing_currency,
        0 as cost,
        0 as cost_same_days,
        owner_months.cost_same_days as previous_cost_same_days
    from owner_months
    inner join months on owner_months.month = months.month
),

paired as (
    select
        month_no,
        team,
        allocation,
        billing_currency,
        sum(cost) as cost,
        sum(cost_same_days) as cost_same_days,
        sum(previous_cost_same_days) as previous_cost_same_days
    from own_and_previous
    group by
        month_no,
        team,
        allocation,
        billing_currency
),

spend as (
    select
        recent.month,
        paired.team,
        paired.allocation,
        paired.billing_currency,
        paired.cost,
        case when recent.has_days = 1 then paired.cost_same_days end as cost_same_days,
        complete.days_compared,
        case
            when following.previous_has_days = 1 then paired.previous_cost_same_days
        end as previous_month_cost_same_days
    from paired
    inner join recent on paired.month_no = recent.month_no
    left join following on recent.month_no = following.month_no
    cross join complete
)

select
    month,
    team,
    allocation,
    billing_currency,
    cost,
    cost_same_days,
    days_compared,
    previous_month_cost_same_days
from spend
order by
    month desc,
    allocation,
    team,
    billing_currency nulls last
