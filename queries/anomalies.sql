-- question: whose spend jumped, against which day, and does it need a person now?
-- grain: day, workload, allocation, sub_account_id, billing_currency
-- cost: unblended_cost of Usage

-- A series is a workload and currency; what is unattributed is a series per account. Rules:
--   R1          at least ratio times the previous calendar day, which had spend
--   relabelled  no spend the day before, but at least half of today's was, on the same resource
--               or role, another owner's: moved_from is the owner that lost most
--   new         no spend on any earlier day, with at least 14 stored days before
--   returned    spend before the day before; at least ratio times the last day with spend
-- Without the previous calendar day in the store nothing is compared. Amounts are compared in
-- whole units of 1e-10, because engines differ in the scale of a product of decimals. System
-- ARNs of models serve everyone and are no carriers; a session counts as its role. The severity is
-- the most that a finding may be: note within what the same weekday spent in the four weeks before,
-- and up to a fifth of page_above; warn up to page_above, and for a day that is not complete.
with usage_lines as (
    select
        day,
        workload,
        sub_account_id,
        billing_currency,
        unblended_cost
    from cost_daily
    where
        charge_category = 'Usage'
        and grain <> 'month'
        and (workload is not null or coalesce(attribution_method, '') <> 'not_allocable')
),

-- A month's fees and taxes may be dated before anybody used anything.
first_use as (
    select min(day) as first_day
    from usage_lines
),

numbered_days as (
    select
        days.day,
        days.previous_day,
        days.is_complete,
        cast(days.day_of_month as bigint) as day_of_month,
        cast(substr(days.month, 1, 4) as bigint) as year_no,
        cast(substr(days.month, 6, 2) as bigint) as month_no,
        row_number() over (order by days.day) as days_stored,
        cast(params.ratio * 10000000000 as decimal(38, 0)) as ratio_units,
        case
            when days.day between params."from" and params."to" then 1
            else 0
        end as is_wanted
    from days
    cross join params
    cross join first_use
    where days.day >= first_use.first_day
),

-- Years begin in March here, so that a leap day is the last of its year.
shifted_days as (
    select
        day,
        previous_day,
        is_complete,
        day_of_month,
        days_stored,
        ratio_units,
        is_wanted,
        case when month_no <= 2 then year_no - 1 else year_no end as year_no,
        case when month_no <= 2 then month_no + 9 else month_no - 3 end as month_no
    from numbered_days
),

calendar as (
    select
        day,
        previous_day,
        is_complete,
        days_stored,
        ratio_units,
        is_wanted,
        365 * year_no + day_of_month + cast(
            floor(cast(year_no as double) / 4)
            - floor(cast(year_no as double) / 100)
            + floor(cast(year_no as double) / 400)
            + floor(cast(153 * month_no + 2 as double) / 5)
            as bigint
        ) as day_no
    from shifted_days
),

complete_days as (
    select day
    from days
    where is_complete
),

series_sums as (
    select
        day,
        workload,
        case when workload is null then sub_account_id end as sub_account_id,
        billing_currency,
        sum(unblended_cost) as cost
    from usage_lines
    group by
        day,
        workload,
        case when workload is null then sub_account_id end,
        billing_currency
),

-- The keys stand for null in joins, where null equals nothing.
series_days as (
    select
        day,
        coalesce(workload, 'unattributed') as workload,
        case when workload is null then 'unattributed' else 'allocated' end as allocation,
        sub_account_id,
        billing_currency,
        coalesce(sub_account_id, '') as account_key,
        coalesce(billing_currency, '') as currency_key,
        cost
    from series_sums
),

active_days as (
    select
        day,
        workload,
        allocation,
        sub_account_id,
        billing_currency,
        account_key,
        currency_key,
        cost,
        lag(day) over (
            partition by workload, allocation, account_key, currency_key order by day
        ) as last_day,
        lag(cost) over (
            partition by workload, allocation, account_key, currency_key order by day
        ) as last_cost
    from series_days
    where cost > 0
),

judged_days as (
    select
        active_days.day,
        active_days.workload,
        active_days.allocation,
        active_days.sub_account_id,
        active_days.billing_currency,
        active_days.account_key,
        active_days.currency_key,
        active_days.cost,
        active_days.last_day,
        active_days.last_cost,
        calendar.previous_day,
        calendar.is_complete,
        calendar.days_stored,
        calendar.day_no,
        case
            when active_days.last_day = calendar.previous_day then 1
            else 0
        end as has_previous,
        case
            when
                cast(active_days.cost * 10000000000 as decimal(38, 0)) * 10000000000
                >= cast(active_days.last_cost * 10000000000 as decimal(38, 0))
                * calendar.ratio_units
                then 1
            else 0
        end as is_over
    from active_days
    inner join calendar on active_days.day = calendar.day
    where
        calendar.is_wanted = 1
        and calendar.previous_day is not null
),

candidates as (
    select
        judged_days.day,
        judged_days.workload,
        judged_days.allocation,
        judged_days.sub_account_id,
        judged_days.billing_currency,
        judged_days.account_key,
        judged_days.currency_key,
        judged_days.cost,
        judged_days.last_day,
        judged_days.last_cost,
        judged_days.previous_day,
        judged_days.is_complete,
        judged_days.days_stored,
        judged_days.day_no,
        judged_days.has_previous,
        judged_days.is_over,
        case when complete_days.day is null then 0 else 1 end as last_is_complete
    from judged_days
    left join complete_days on judged_days.last_day = complete_days.day
    where
        judged_days.has_previous = 0
        or judged_days.is_over = 1
),

-- Who else paid for the resources and roles of a series that had nothing the day before.
appeared as (
    select
        day,
        workload,
        allocation,
        account_key,
        currency_key,
        cost,
        previous_day
    from candidates
    where has_previous = 0
),

wanted_days as (
    select
        day as charge_day,
        day,
        1 as is_today
    from appeared
    group by day
    union all
    select
        previous_day as charge_day,
        day,
        0 as is_today
    from appeared
    group by
        previous_day,
        day
),

charge_days as (
    select charge_day
    from wanted_days
    group by charge_day
),

fact_lines as (
    select
        cast(charge_period_start as date) as charge_day,
        workload,
        sub_account_id,
        billing_currency,
        resource_id,
        principal_arn,
        unblended_cost
    from cost_facts
    where
        charge_category = 'Usage'
        and grain <> 'month'
        and (workload is not null or coalesce(attribution_method, '') <> 'not_allocable')
        and (resource_id is not null or principal_arn is not null)
        and cast(charge_period_start as date) in (select charge_day from charge_days)
),

-- What a series that appeared was seen with; few of all lines are of these days and carriers.
appeared_workloads as (
    select
        day,
        workload
    from appeared
    where allocation = 'allocated'
    group by
        day,
        workload
),

appeared_accounts as (
    select
        day,
        account_key
    from appeared
    where allocation = 'unattributed'
    group by
        day,
        account_key
),

appeared_carriers as (
    select
        appeared_workloads.day,
        fact_lines.resource_id,
        fact_lines.principal_arn
    from fact_lines
    inner join appeared_workloads
        on
            fact_lines.charge_day = appeared_workloads.day
            and fact_lines.workload = appeared_workloads.workload
    union all
    select
        appeared_accounts.day,
        nameless_lines.resource_id,
        nameless_lines.principal_arn
    from (
        select
            charge_day,
            coalesce(sub_account_id, '') as account_key,
            resource_id,
            principal_arn
        from fact_lines
        where workload is null
    ) as nameless_lines
    inner join appeared_accounts
        on
            nameless_lines.charge_day = appeared_accounts.day
            and nameless_lines.account_key = appeared_accounts.account_key
),

appeared_resources as (
    select
        day,
        resource_id
    from appeared_carriers
    where
        resource_id is not null
        and resource_id not like '%:foundation-model/%'
        and resource_id not like '%:inference-profile/%'
    group by
        day,
        resource_id
),

principals as (
    select principal_arn
    from fact_lines
    where principal_arn is not null
    group by principal_arn
),

roles as (
    select
        principal_arn,
        case
            when principal_arn like '%:assumed-role/%'
                then concat(
                    split_part(principal_arn, '/', 1),
                    '/',
                    split_part(principal_arn, '/', 2)
                )
            else principal_arn
        end as role_arn
    from principals
),

appeared_principals as (
    select
        day,
        principal_arn
    from appeared_carriers
    where principal_arn is not null
    group by
        day,
        principal_arn
),

appeared_roles as (
    select
        appeared_principals.day,
        roles.role_arn
    from appeared_principals
    inner join roles on appeared_principals.principal_arn = roles.principal_arn
    group by
        appeared_principals.day,
        roles.role_arn
),

asked_resources as (
    select
        wanted_days.charge_day,
        appeared_resources.resource_id
    from appeared_resources
    inner join wanted_days on appeared_resources.day = wanted_days.day
    group by
        wanted_days.charge_day,
        appeared_resources.resource_id
),

asked_principals as (
    select
        wanted_days.charge_day,
        roles.principal_arn,
        roles.role_arn
    from appeared_roles
    inner join wanted_days on appeared_roles.day = wanted_days.day
    inner join roles on appeared_roles.role_arn = roles.role_arn
    group by
        wanted_days.charge_day,
        roles.principal_arn,
        roles.role_arn
),

carrier_lines as (
    select
        fact_lines.charge_day,
        fact_lines.workload,
        fact_lines.sub_account_id,
        fact_lines.billing_currency,
        'resource' as carrier_kind,
        fact_lines.resource_id as carrier,
        fact_lines.unblended_cost
    from fact_lines
    inner join asked_resources
        on
            fact_lines.charge_day = asked_resources.charge_day
            and fact_lines.resource_id = asked_resources.resource_id
    union all
    select
        fact_lines.charge_day,
        fact_lines.workload,
        fact_lines.sub_account_id,
        fact_lines.billing_currency,
        'principal' as carrier_kind,
        asked_principals.role_arn as carrier,
        fact_lines.unblended_cost
    from fact_lines
    inner join asked_principals
        on
            fact_lines.charge_day = asked_principals.charge_day
            and fact_lines.principal_arn = asked_principals.principal_arn
),

fact_sums as (
    select
        charge_day,
        workload,
        sub_account_id,
        billing_currency,
        carrier_kind,
        carrier,
        sum(unblended_cost) as cost
    from carrier_lines
    group by
        charge_day,
        workload,
        sub_account_id,
        billing_currency,
        carrier_kind,
        carrier
),

carrier_sums as (
    select
        charge_day,
        coalesce(workload, 'unattributed') as workload,
        case when workload is null then 'unattributed' else 'allocated' end as allocation,
        coalesce(sub_account_id, '') as carrier_account,
        coalesce(billing_currency, '') as currency_key,
        carrier_kind,
        carrier,
        cost
    from fact_sums
),

carrier_changes as (
    select
        wanted_days.day,
        carrier_sums.workload,
        carrier_sums.allocation,
        case
            when carrier_sums.allocation = 'unattributed' then carrier_sums.carrier_account
            else ''
        end as account_key,
        carrier_sums.currency_key,
        carrier_sums.carrier_account,
        carrier_sums.carrier_kind,
        carrier_sums.carrier,
        sum(case when wanted_days.is_today = 1 then carrier_sums.cost else 0 end) as cost_today,
        sum(case when wanted_days.is_today = 0 then carrier_sums.cost else 0 end) as cost_before
    from carrier_sums
    inner join wanted_days on carrier_sums.charge_day = wanted_days.charge_day
    group by
        wanted_days.day,
        carrier_sums.workload,
        carrier_sums.allocation,
        carrier_sums.currency_key,
        carrier_sums.carrier_account,
        carrier_sums.carrier_kind,
        carrier_sums.carrier
),

own_carriers as (
    select
        appeared.day,
        appeared.workload,
        appeared.allocation,
        appeared.account_key,
        appeared.currency_key,
        carrier_changes.carrier_account,
        carrier_changes.carrier_kind,
        carrier_changes.carrier,
        carrier_changes.cost_today
    from appeared
    inner join carrier_changes
        on
            appeared.day = carrier_changes.day
            and appeared.workload = carrier_changes.workload
            and appeared.allocation = carrier_changes.allocation
            and appeared.account_key = carrier_changes.account_key
            and appeared.currency_key = carrier_changes.currency_key
    where carrier_changes.cost_today > 0
),

other_owners as (
    select
        own_carriers.day,
        own_carriers.workload,
        own_carriers.allocation,
        own_carriers.account_key,
        own_carriers.currency_key,
        own_carriers.carrier_account,
        own_carriers.carrier_kind,
        own_carriers.carrier,
        own_carriers.cost_today as own_cost,
        carrier_changes.workload as other_workload,
        carrier_changes.cost_before - carrier_changes.cost_today as decrease
    from own_carriers
    inner join carrier_changes
        on
            own_carriers.day = carrier_changes.day
            and own_carriers.currency_key = carrier_changes.currency_key
            and own_carriers.carrier_account = carrier_changes.carrier_account
            and own_carriers.carrier_kind = carrier_changes.carrier_kind
            and own_carriers.carrier = carrier_changes.carrier
    where
        own_carriers.workload <> carrier_changes.workload
        or own_carriers.allocation <> carrier_changes.allocation
),

carriers_moved as (
    select
        day,
        workload,
        allocation,
        account_key,
        currency_key,
        carrier_kind,
        case when max(own_cost) < sum(decrease) then max(own_cost) else sum(decrease) end as moved
    from other_owners
    group by
        day,
        workload,
        allocation,
        account_key,
        currency_key,
        carrier_account,
        carrier_kind,
        carrier
    having sum(decrease) > 0
),

kinds_moved as (
    select
        day,
        workload,
        allocation,
        account_key,
        currency_key,
        carrier_kind,
        sum(moved) as moved
    from carriers_moved
    group by
        day,
        workload,
        allocation,
        account_key,
        currency_key,
        carrier_kind
),

moved_costs as (
    select
        day,
        workload,
        allocation,
        account_key,
        currency_key,
        max(moved) as moved
    from kinds_moved
    group by
        day,
        workload,
        allocation,
        account_key,
        currency_key
),

owners_lost as (
    select
        day,
        workload,
        allocation,
        account_key,
        currency_key,
        carrier_kind,
        other_workload,
        sum(decrease) as lost
    from other_owners
    where decrease > 0
    group by
        day,
        workload,
        allocation,
        account_key,
        currency_key,
        carrier_kind,
        other_workload
),

-- All keys descend, since engines differ in windows that mix directions.
owners_ranked as (
    select
        day,
        workload,
        allocation,
        account_key,
        currency_key,
        other_workload,
        row_number() over (
            partition by day, workload, allocation, account_key, currency_key
            order by lost desc, other_workload desc, carrier_kind desc
        ) as place
    from owners_lost
),

losers as (
    select
        day,
        workload,
        allocation,
        account_key,
        currency_key,
        other_workload
    from owners_ranked
    where place = 1
),

ruled as (
    select
        candidates.day,
        candidates.workload,
        candidates.allocation,
        candidates.sub_account_id,
        candidates.billing_currency,
        candidates.account_key,
        candidates.currency_key,
        candidates.cost,
        candidates.last_day,
        candidates.last_cost,
        candidates.is_complete,
        candidates.day_no,
        losers.other_workload,
        case
            when candidates.has_previous = 1 and candidates.last_is_complete = 1 then 'R1'
            when candidates.has_previous = 1 then null
            when moved_costs.moved + moved_costs.moved >= candidates.cost then 'relabelled'
            when candidates.last_day is null and candidates.days_stored > 14 then 'new'
            when candidates.is_over = 1 and candidates.last_is_complete = 1 then 'returned'
        end as rule
    from candidates
    left join moved_costs
        on
            candidates.day = moved_costs.day
            and candidates.workload = moved_costs.workload
            and candidates.allocation = moved_costs.allocation
            and candidates.account_key = moved_costs.account_key
            and candidates.currency_key = moved_costs.currency_key
    left join losers
        on
            candidates.day = losers.day
            and candidates.workload = losers.workload
            and candidates.allocation = losers.allocation
            and candidates.account_key = losers.account_key
            and candidates.currency_key = losers.currency_key
),

listed as (
    select
        day,
        workload,
        allocation,
        sub_account_id,
        billing_currency,
        account_key,
        currency_key,
        cost,
        case when rule in ('R1', 'returned') then last_day end as compared_day,
        case when rule in ('R1', 'returned') then last_cost end as compared_cost,
        is_complete,
        day_no,
        case when rule = 'relabelled' then other_workload end as moved_from,
        rule
    from ruled
    where rule is not null
),

weeks as (
    select 7 as days_back
    union all
    select 14 as days_back
    union all
    select 21 as days_back
    union all
    select 28 as days_back
),

same_weekdays as (
    select
        calendar.day as weekday_day,
        calendar.day_no + weeks.days_back as day_no
    from calendar
    cross join weeks
    where calendar.is_complete
),

weekday_costs as (
    select
        listed.day,
        listed.workload,
        listed.allocation,
        listed.account_key,
        listed.currency_key,
        same_weekdays.weekday_day
    from listed
    inner join same_weekdays on listed.day_no = same_weekdays.day_no
),

bands as (
    select
        weekday_costs.day,
        weekday_costs.workload,
        weekday_costs.allocation,
        weekday_costs.account_key,
        weekday_costs.currency_key,
        cast(count(*) as bigint) as weekday_count,
        min(coalesce(series_days.cost, 0)) as weekday_low,
        max(coalesce(series_days.cost, 0)) as weekday_high
    from weekday_costs
    left join series_days
        on
            weekday_costs.weekday_day = series_days.day
            and weekday_costs.workload = series_days.workload
            and weekday_costs.allocation = series_days.allocation
            and weekday_costs.account_key = series_days.account_key
            and weekday_costs.currency_key = series_days.currency_key
    group by
        weekday_costs.day,
        weekday_costs.workload,
        weekday_costs.allocation,
        weekday_costs.account_key,
        weekday_costs.currency_key
),

banded as (
    select
        listed.day,
        listed.workload,
        listed.allocation,
        listed.sub_account_id,
        listed.rule,
        listed.billing_currency,
        listed.cost,
        listed.compared_day,
        listed.compared_cost,
        listed.cost - coalesce(listed.compared_cost, 0) as increase,
        listed.moved_from,
        coalesce(bands.weekday_count, 0) as weekday_count,
        bands.weekday_low,
        bands.weekday_high,
        listed.is_complete
    from listed
    left join bands
        on
            listed.day = bands.day
            and listed.workload = bands.workload
            and listed.allocation = bands.allocation
            and listed.account_key = bands.account_key
            and listed.currency_key = bands.currency_key
),

anomalies as (
    select
        banded.day,
        banded.workload,
        banded.allocation,
        banded.sub_account_id,
        banded.rule,
        banded.billing_currency,
        banded.cost,
        banded.compared_day,
        banded.compared_cost,
        banded.increase,
        banded.moved_from,
        banded.weekday_count,
        banded.weekday_low,
        banded.weekday_high,
        case
            when banded.rule = 'relabelled' then 'note'
            when banded.weekday_count = 4 and banded.cost <= banded.weekday_high then 'note'
            when banded.increase + banded.increase + banded.increase + banded.increase + banded.increase
                <= params.page_above then 'note'
            when banded.increase <= params.page_above or not banded.is_complete then 'warn'
            else 'page'
        end as severity,
        banded.is_complete
    from banded
    cross join params
)

select
    day,
    workload,
    allocation,
    sub_account_id,
    rule,
    billing_currency,
    cost,
    compared_day,
    compared_cost,
    increase,
    cast(cost as double) / cast(compared_cost as double) as times,
    moved_from,
    weekday_count,
    weekday_low,
    weekday_high,
    severity,
    is_complete
from anomalies
order by
    day,
    allocation,
    workload,
    sub_account_id nulls last,
    billing_currency nulls last
