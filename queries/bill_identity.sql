-- question: what is the bill made of, and does it add up?
-- grain: month, billing_currency
-- cost: billed_cost

-- The columns add up to cost, exactly; other_cost holds what is in none of the known categories.
with wanted_days as (
    select cost_days.day
    from (select day from cost_daily group by day) as cost_days
    cross join params
    where cost_days.day between params."from" and params."to"
),

lines as (
    select
        cost_daily.billing_period as month,
        cost_daily.charge_category,
        cost_daily.billing_currency,
        cost_daily.billed_cost
    from cost_daily
    where cost_daily.day in (select day from wanted_days)
),

bill as (
    select
        month,
        billing_currency,
        sum(case when charge_category = 'Usage' then billed_cost else 0 end)
            as usage_cost,
        sum(case when charge_category = 'Purchase' then billed_cost else 0 end)
            as purchase_cost,
        sum(case when charge_category = 'Tax' then billed_cost else 0 end)
            as tax_cost,
        sum(case when charge_category = 'Credit' then billed_cost else 0 end)
            as credit_cost,
        sum(case when charge_category = 'Adjustment' then billed_cost else 0 end)
            as adjustment_cost,
        sum(
            case
                when charge_category in ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment') then 0
                else billed_cost
            end
        ) as other_cost,
        sum(billed_cost) as cost
    from lines
    group by
        month,
        billing_currency
)

select
    month,
    billing_currency,
    usage_cost,
    purchase_cost,
    tax_cost,
    credit_cost,
    adjustment_cost,
    other_cost,
    cost
from bill
order by
    month desc,
    billing_currency nulls last
