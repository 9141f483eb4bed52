"""ClickHouse-local as a library. `prewhere` decides on the flat columns before the others are decoded."""

from __future__ import annotations

import sql
from chdb import session
from common import DIMENSIONS, METRICS, NAMESPACES, main

DIALECT = sql.Dialect(starts="startsWith", part="splitByString('{separator}', coalesce({text}, ''))[{number}]")


def write(query: str, answer: str) -> None:
    session.Session().query(f"{query} into outfile '{answer}' truncate format Parquet")


def bill(folder: str) -> str:
    return f"file('{folder}/**/*.parquet', 'Parquet')"


def charges(folder: str, layout: str) -> str:
    where = f"1 prewhere {sql.candidate(DIALECT)} where {sql.exact(DIALECT, layout)}"
    return sql.charges(bill(folder), where, layout).replace("where 1 prewhere", "prewhere")


def scan(folder: str, layout: str, answer: str) -> None:
    write(charges(folder, layout), answer)


def consumers(folder: str, layout: str, answer: str) -> None:
    callers = sql.callers(DIALECT, bill(folder), layout)
    write(sql.consumers(DIALECT, f"({charges(folder, layout)})", f"({callers})"), answer)


def streams(folder: str, layout: str, answer: str) -> None:
    members = ", ".join(f"{name} Nullable(String)" for name in DIMENSIONS)
    structure = f"""account_id String, region String, namespace String, metric_name String,
        dimensions Tuple({members}), timestamp Int64, value Tuple(sum Float64, count Float64)"""
    query = f"""
    select
        intDiv(timestamp, 3600000) as hour, account_id as account, region, namespace, metric_name as metric,
        coalesce(dimensions.ModelId, dimensions.Model) as model, dimensions.Workload as workload,
        dimensions.Team as team, dimensions.Environment as environment,
        sum(value.sum) as total, sum(value.count) as samples
    from file('{folder}/**/*.gz', 'JSONEachRow', '{structure}')
    where namespace in {NAMESPACES} and metric_name in {METRICS}
    group by all
    """
    write(query, answer)


if __name__ == "__main__":
    main({"scan": scan, "sparse": scan, "consumers": consumers, "streams": streams})
