"""DataFusion, in two steps: the lines that flat columns leave open, then what the map of products says of them."""

from __future__ import annotations

import os

import pyarrow as pa
import sql
from common import DIMENSIONS, METRICS, NAMESPACES, main
from datafusion import SessionConfig, SessionContext

DIALECT = sql.Dialect()


def context(is_sparse: bool = False) -> SessionContext:
    """Filters pushed into the decoder pay where few pages hold what is wanted, and cost where most do."""
    config = SessionConfig().with_target_partitions(os.cpu_count() or 1)
    config = config.set("datafusion.execution.listing_table_ignore_subdirectory", "false")
    for name in ("pushdown_filters", "reorder_filters"):
        config = config.set(f"datafusion.execution.parquet.{name}", str(is_sparse).lower())
    return SessionContext(config)


def write(session: SessionContext, query: str, answer: str) -> None:
    session.sql(f"copy ({query}) to '{answer}' stored as parquet").collect()


def candidates(session: SessionContext, folder: str, layout: str) -> None:
    """Makes the tables `bill`, and `candidates` in memory."""
    session.register_parquet("bill", folder)
    needed = ", ".join(sql.needed(layout))
    found = session.sql(f"select {needed} from bill where {sql.candidate(DIALECT)}")
    session.register_table("candidates", found.cache())


def scan(folder: str, layout: str, answer: str, is_sparse: bool = False) -> None:
    session = context(is_sparse)
    candidates(session, folder, layout)
    write(session, sql.charges("candidates", sql.exact(DIALECT, layout), layout), answer)


def sparse(folder: str, layout: str, answer: str) -> None:
    scan(folder, layout, answer, is_sparse=True)


def consumers(folder: str, layout: str, answer: str) -> None:
    session = context()
    candidates(session, folder, layout)
    lines = sql.charges("candidates", sql.exact(DIALECT, layout), layout)
    callers = sql.callers(DIALECT, "bill", layout)
    write(session, sql.consumers(DIALECT, f"({lines})", f"({callers})"), answer)


def streams(folder: str, layout: str, answer: str) -> None:
    schema = pa.schema(
        [
            *((name, pa.string()) for name in ("account_id", "region", "namespace", "metric_name")),
            ("dimensions", pa.struct([(name, pa.string()) for name in DIMENSIONS])),
            ("timestamp", pa.int64()),
            ("value", pa.struct([("sum", pa.float64()), ("count", pa.float64())])),
        ]
    )
    session = context()
    session.register_json("records", folder, schema=schema, file_extension=".gz", file_compression_type="gzip")
    query = f"""
    select
        "timestamp" / 3600000 as hour, account_id as account, region, namespace, metric_name as metric,
        coalesce(dimensions['ModelId'], dimensions['Model']) as model, dimensions['Workload'] as workload,
        dimensions['Team'] as team, dimensions['Environment'] as environment,
        sum(value['sum']) as total, sum(value['count']) as samples
    from records
    where namespace in {NAMESPACES} and metric_name in {METRICS}
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
    """
    write(session, query, answer)


if __name__ == "__main__":
    main({"scan": scan, "sparse": sparse, "consumers": consumers, "streams": streams})
