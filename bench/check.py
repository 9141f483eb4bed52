"""Compares a peer's answer with billtag's: the same keys, the same sums but for what floats lose.

`check.py KIND STORE ANSWER` prints what differs and ends with 1 where anything does. `STORE` is billtag's folder of
tables, or for `daily` a folder with its figures as CSV.
"""

from __future__ import annotations

import sys

import duckdb

# Billtag's sums are exact; those of doubles lose a few of their last digits.
RELATIVE, ABSOLUTE = 1e-9, 1e-6

KEYS = "hour, account, usage_type, operation, resource, principal, workload, team"

TAGS = """
    json_extract_string(tags, '$."resourceTags/user_{lower}"'), json_extract_string(tags, '$."iamPrincipal/{title}"')
"""


def tag(key: str) -> str:
    return f"coalesce({TAGS.format(lower=key, title=key.title())})"


def charges(store: str, table: str, workload: str, team: str) -> str:
    return f"""
    select
        epoch(charge_period_start) // 3600 as hour, sub_account_id as account, usage_type, operation,
        resource_id as resource, principal_arn as principal, {workload} as workload, {team} as team,
        sum(unblended_cost)::double as cost, sum(consumed_quantity)::double as quantity
    from '{store}/{table}/*/*.parquet' group by all
    """


def answered_charges(answer: str) -> str:
    texts = ", ".join(f"nullif({name}, '') as {name}" for name in KEYS.split(", ")[1:])
    return f"""
    select epoch(hour::timestamptz) // 3600 as hour, {texts}, sum(cost) as cost, sum(quantity) as quantity
    from '{answer}' group by all
    """


MEASURES = {
    "invocations": "Invocations",
    "input_tokens": "InputTokenCount",
    "output_tokens": "OutputTokenCount",
    "cache_read_tokens": "CacheReadInputTokenCount",
    "cache_write_tokens": "CacheWriteInputTokenCount",
}

SERIES = "hour, account, region, namespace, metric, model, workload, team, environment"


def usage(store: str) -> str:
    parts = [
        f"""
        select
            epoch(charge_period_start) // 3600 as hour, sub_account_id as account, region_id as region,
            case scope when 'native' then 'AWS/Bedrock' else 'Acme/GenAI' end as namespace, '{metric}' as metric,
            model_id as model, workload, team, environment, {column}::double as total
        from '{store}/usage/*/*.parquet' where {column} is not null
        """
        for column, metric in MEASURES.items()
    ]
    return " union all ".join(parts)


def answered_usage(answer: str) -> str:
    texts = ", ".join(f"nullif({name}, '') as {name}" for name in SERIES.split(", ")[1:])
    return f"select hour, {texts}, total::double as total from '{answer}'"


FIGURES = "figure, period, workload, key"


def figures(folder: str) -> str:
    def csv(name: str) -> str:
        return f"read_csv('{folder}/{name}.csv', all_varchar = true)"

    # Billtag shows a zero where a workload spent nothing in a month of the table; a group-by has no row there.
    return f"""
    from (
        select 'spend' as figure, month as period, workload, '' as key, cost::double as value
        from {csv("spend_by_workload")}
        union all
        select 'team', month, team, '', cost::double from {csv("spend_by_team")}
        union all
        select 'day', day, workload, '', cost::double from {csv("daily_spend")}
        union all
        select 'jump', day, workload, coalesce(sub_account_id, ''), cost::double
        from {csv("anomalies")} where rule = 'R1'
        union all
        select 'tokens', day, workload, concat(model_name, ' ', usage_kind), tokens::double
        from {csv("token_volume")}
        union all
        select 'tier', day, workload, coalesce(model_tier, ''), cost::double from {csv("spend_by_model_tier")}
    ) where value is distinct from 0
    """


def sides(kind: str, store: str, answer: str) -> tuple[str, str, str, tuple[str, ...]]:
    """Billtag's side, the peer's side, their keys and their values."""
    if kind in ("scan", "sparse"):
        ours = charges(store, "charges", tag("workload"), tag("team"))
        return ours, answered_charges(answer), KEYS, ("cost", "quantity")
    if kind == "consumers":
        ours = charges(store, "cost_facts", "workload", "team")
        return ours, answered_charges(answer), KEYS, ("cost", "quantity")
    if kind == "streams":
        return usage(store), answered_usage(answer), SERIES, ("total",)
    return figures(store), f"from '{answer}' where value is distinct from 0", FIGURES, ("value",)


def differences(kind: str, store: str, answer: str) -> list[str]:
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    ours, theirs, keys, values = sides(kind, store, answer)
    connection.execute(f"create table ours as select true as is_there, * from ({ours})")
    connection.execute(f"create table theirs as select true as is_there, * from ({theirs})")
    names = keys.split(", ")
    same = " and ".join(f"ours.{name} is not distinct from theirs.{name}" for name in names)
    close = " and ".join(
        f"""(ours.{value} is not distinct from theirs.{value}
            or abs(ours.{value} - theirs.{value}) <= greatest({ABSOLUTE}, {RELATIVE} * abs(ours.{value})))"""
        for value in values
    )
    shown = ", ".join(f"coalesce(ours.{name}, theirs.{name})" for name in names)
    pairs = ", ".join(f"ours.{value}, theirs.{value}" for value in values)
    rows = connection.execute(
        f"""select count(*) over (), {shown}, {pairs} from ours full join theirs on {same}
        where ours.is_there is null or theirs.is_there is null or not coalesce({close}, false) limit 5"""
    ).fetchall()
    size = connection.execute("select count(*) from ours").fetchone()
    if size == (0,):
        return ["billtag's answer is empty"]
    found = [f"{rows[0][0]} of {size[0]} rows differ, among them"] if rows else []
    return found + [f"  {row[1:]}" for row in rows]


if __name__ == "__main__":
    said = differences(*sys.argv[1:])
    print("\n".join(said))
    sys.exit(1 if said else 0)
