"""DuckDB, whose scans take projection, filters and all cores by themselves."""

from __future__ import annotations

from pathlib import Path

import duckdb
import sql
from common import DIMENSIONS, METRICS, NAMESPACES, main

DIALECT = sql.Dialect()


def connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    # The order of lines means nothing here, and keeping it costs time and memory.
    connection.execute("set preserve_insertion_order = false; set timezone = 'UTC'")
    return connection


def bill(folder: str) -> str:
    return f"read_parquet('{folder}/**/*.parquet', hive_partitioning = false)"


def write(connection: duckdb.DuckDBPyConnection, query: str, answer: str) -> None:
    connection.execute(f"copy ({query}) to '{answer}' (format parquet)")


def scan(folder: str, layout: str, answer: str) -> None:
    write(connect(), sql.charges(bill(folder), sql.exact(DIALECT, layout), layout), answer)


def consumers(folder: str, layout: str, answer: str) -> None:
    connection = connect()
    lines = sql.charges(bill(folder), sql.exact(DIALECT, layout), layout)
    connection.execute(f"create temp table lines as {lines}")
    connection.execute(f"create temp table callers as {sql.callers(DIALECT, bill(folder), layout)}")
    write(connection, sql.consumers(DIALECT, "lines", "callers"), answer)


def streams(folder: str, layout: str, answer: str) -> None:
    members = ", ".join(f"{name} varchar" for name in DIMENSIONS)
    source = f"""read_ndjson('{folder}/**/*.gz', compression = 'gzip', columns = {{
        account_id: 'varchar', region: 'varchar', namespace: 'varchar', metric_name: 'varchar',
        dimensions: 'struct({members})', "timestamp": 'bigint', value: 'struct(sum double, count double)'}})"""
    query = f"""
    select
        "timestamp" // 3600000 as hour, account_id as account, region, namespace, metric_name as metric,
        coalesce(dimensions.ModelId, dimensions.Model) as model, dimensions.Workload as workload,
        dimensions.Team as team, dimensions.Environment as environment,
        sum(value.sum) as total, sum(value.count) as samples
    from {source}
    where namespace in {NAMESPACES} and metric_name in {METRICS}
    group by all
    """
    write(connect(), query, answer)


def daily(folder: str, layout: str, answer: str) -> None:
    connection = connect()
    lines = f"""
    select
        line_item_usage_start_date as hour,
        line_item_usage_account_id as account,
        product_region_code as region,
        line_item_usage_type as usage_type,
        line_item_resource_id as resource,
        line_item_iam_principal as principal,
        {sql.CUR2.workload} as workload,
        {sql.CUR2.team} as team,
        coalesce(resource_tags['user_environment'], tags['iamPrincipal/Environment']) as environment,
        tags['accountTag/CostCenter'] as cost_center,
        product['model'] as model,
        {sql.QUANTITY} as quantity,
        line_item_unblended_cost as cost
    from {bill(folder)}
    where {sql.exact(DIALECT, layout)}
    """
    connection.execute(f"create temp table lines as {lines}")
    connection.execute((Path(__file__).parent / "daily.sql").read_text())
    write(connection, "from answer", answer)


if __name__ == "__main__":
    main({"scan": scan, "sparse": scan, "consumers": consumers, "streams": streams, "daily": daily})
