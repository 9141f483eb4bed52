-- The figures of a daily report straight from the bill, for one connection of DuckDB.
-- `lines` holds Bedrock's lines, which every figure reads. Each figure becomes a table; the last one, `answer`,
-- holds those that are compared with billtag's.

create temp table usage as
select
    cast(hour as date) as day,
    strftime(hour, '%Y-%m') as month,
    account, region, workload, team, environment, cost_center, model, resource, principal,
    case
        when usage_type ilike '%cache%read%' then 'cache_read'
        when usage_type ilike '%cache%write%' then 'cache_write'
        when usage_type ilike '%output%' then 'output'
        when usage_type ilike '%input%' then 'input'
    end as kind,
    case
        when model ilike '%haiku%' then 'haiku'
        when model ilike '%sonnet%' then 'sonnet'
        when model ilike '%opus%' then 'opus'
        when model ilike '% lite%' then 'lite'
        when model ilike '% micro%' then 'micro'
        when model ilike '% pro%' then 'pro'
        else 'none'
    end as tier,
    usage_type not ilike '%batch%' as is_real_time,
    quantity, cost
from lines;

create temp table by_workload as
select month, coalesce(workload, 'unattributed') as workload, sum(cost) as cost from usage group by all;

create temp table by_team as
select month, coalesce(team, 'unassigned') as team, sum(cost) as cost from usage group by all;

create temp table by_cost_center as
select month, coalesce(cost_center, 'unattributed') as cost_center, sum(cost) as cost from usage group by all;

-- This month against the same days of the one before.
create temp table to_same_days as
select
    coalesce(workload, 'unattributed') as workload,
    sum(cost) filter (where month = (select max(month) from usage)) as cost,
    sum(cost) filter (where month = strftime((select max(day) from usage) - interval 1 month, '%Y-%m')
        and day(day) <= (select day(max(day)) from usage)) as previous
from usage group by 1;

create temp table by_day as
select day, coalesce(workload, 'unattributed') as workload, sum(cost) as cost from usage group by all;

-- What nobody owns is a series for each account.
create temp table series as
select
    day, coalesce(workload, 'unattributed') as workload,
    case when workload is null then account end as account,
    sum(cost) as cost
from usage group by all having sum(cost) > 0;

create temp table jumps as
with compared as (
    select *,
        lag(day) over own as last_day, lag(cost) over own as last_cost,
        quantile_cont(cost, 0.5) over (own rows between 28 preceding and 1 preceding) as usual
    from series window own as (partition by workload, account order by day)
)
select * from compared where last_day = day - 1 and cost >= 3 * last_cost;

-- Those that had nothing for two weeks or never had anything.
create temp table appeared as
with compared as (
    select *, lag(day) over (partition by workload, account order by day) as last_day from series
)
select * from compared where last_day is null or last_day < day - 1;

create temp table tokens as
select day, coalesce(workload, 'unattributed') as workload, model, kind, sum(quantity) as tokens
from usage where kind is not null group by all;

create temp table cache as
select
    day, coalesce(workload, 'unattributed') as workload, model, region,
    sum(quantity) filter (where kind = 'cache_read') as reads,
    sum(quantity) filter (where kind in ('cache_read', 'cache_write', 'input')) as all_input
from usage where is_real_time and kind is not null group by all;

create temp table tiers as
select day, coalesce(workload, 'unattributed') as workload, tier, sum(cost) as cost, sum(quantity) as tokens
from usage group by all;

create temp table haiku_sonnet as
select
    day, coalesce(workload, 'unattributed') as workload,
    sum(cost) filter (where tier = 'haiku') as haiku, sum(cost) filter (where tier = 'sonnet') as sonnet
from usage group by all having haiku is not null or sonnet is not null;

create temp table unattributed as
select month, account, region, model, kind, sum(cost) as cost from usage where workload is null group by all;

-- The audit: which resources, principals and accounts spend without a full name in the last week.
create temp table debt as
with recent as (select * from usage where day > (select max(day) - 7 from usage))
select
    coalesce(resource, principal, account) as carrier, sum(cost) as cost,
    sum(cost) filter (where workload is null) as no_workload,
    sum(cost) filter (where team is null) as no_team,
    sum(cost) filter (where environment is null) as no_environment,
    sum(cost) filter (where cost_center is null) as no_cost_center
from recent group by 1 order by 2 desc;

create temp table coverage as
select
    month, sum(cost) as cost,
    sum(cost) filter (where workload is not null) as named,
    sum(cost) filter (where team is not null) as with_team,
    sum(cost) filter (where environment is not null) as with_environment
from usage group by 1;

create temp table answer as
select 'spend' as figure, month as period, workload, '' as key, cost as value from by_workload
union all
select 'team', month, team, '', cost from by_team
union all
select 'day', cast(day as varchar), workload, '', cost from by_day
union all
select 'jump', cast(day as varchar), workload, coalesce(account, ''), cost from jumps
union all
select 'tokens', cast(day as varchar), workload, concat(model, ' ', kind), tokens from tokens
union all
select 'tier', cast(day as varchar), workload, tier, cost from tiers;
