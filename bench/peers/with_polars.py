"""Polars, streaming. Predicates are decided before the other columns are decoded, and the map of products, which is
most of what there is to decode, is asked only for the lines that the flat columns leave open."""

from __future__ import annotations

import polars as pl
import sql
from common import DIMENSIONS, METRICS, NAMESPACES, main
from polars import col

ENGINE = "streaming"


def bill(folder: str) -> pl.LazyFrame:
    return pl.scan_parquet(f"{folder}/**/*.parquet", parallel="prefiltered", hive_partitioning=False)


def text(name: str, layout: str) -> pl.Expr:
    """A column, or the value of a map's key: `map/key`."""
    if "/" not in name:
        return col(name)
    source, key = name.split("/", 1)
    return col(f"{source}_{key}") if layout == "legacy" else col(source).map.get(key)


def owner(key: str, layout: str) -> pl.Expr:
    resource = text(f"resource_tags/user_{key}", layout)
    return resource if layout == "legacy" else pl.coalesce(resource, text(f"tags/iamPrincipal/{key.title()}", layout))


def certain() -> pl.Expr:
    tests = [
        col("line_item_product_code").str.starts_with("AmazonBedrock"),
        col("product_servicecode").str.starts_with("AmazonBedrock"),
        col("product_product_family") == "Amazon Bedrock",
        col("line_item_resource_id").str.starts_with("arn:aws:bedrock"),
    ]
    return pl.any_horizontal(test.fill_null(False) for test in tests)


def charges(folder: str, layout: str) -> pl.LazyFrame:
    candidate = certain() | (col("bill_billing_entity") == "AWS Marketplace")
    lines = bill(folder).filter(candidate).select(sql.needed(layout)).collect(engine=ENGINE)
    name = text("product/product_name", layout) if layout == "cur2" else col("product_product_name")
    edition = name.str.to_lowercase().str.contains("(amazon bedrock edition)", literal=True).fill_null(False)
    unit = col("pricing_unit")
    scale = pl.when(unit == "1K tokens").then(1e3).when(unit.is_in(["1M tokens", "Units"])).then(1e6).otherwise(1.0)
    nobody = pl.lit(None, dtype=pl.String)
    keys = {
        "hour": col("line_item_usage_start_date"),
        "account": col("line_item_usage_account_id"),
        "usage_type": col("line_item_usage_type"),
        "operation": col("line_item_operation"),
        "resource": col("line_item_resource_id"),
        "principal": nobody if layout == "legacy" else col("line_item_iam_principal"),
        "workload": owner("workload", layout),
        "team": owner("team", layout),
    }
    return (
        lines.lazy()
        .filter(certain() | edition)
        .group_by(**keys)
        .agg(
            cost=col("line_item_unblended_cost").sum(),
            quantity=(col("line_item_usage_amount") * scale).sum(),
            lines=pl.len(),
        )
    )


def scan(folder: str, layout: str, answer: str) -> None:
    charges(folder, layout).collect(engine=ENGINE).write_parquet(answer)


def consumers(folder: str, layout: str, answer: str) -> None:
    resource = col("line_item_resource_id")
    workload = text("resource_tags/user_workload", layout)
    starts = ("i-", "arn:aws:lambda:", "arn:aws:ecs:")
    callers = (
        bill(folder)
        .filter(pl.any_horizontal(resource.str.starts_with(start) for start in starts))
        .select("line_item_usage_account_id", "line_item_resource_id", "resource_tags")
        .filter(workload.is_not_null())
        .select(
            account="line_item_usage_account_id",
            # An instance is its id, a function the last part of its ARN, a task that of its path.
            session=resource.str.split("/").list.last().str.split(":").list.last(),
            caller_workload=workload,
            caller_team=text("resource_tags/user_team", layout),
        )
        .group_by("account", "session")
        .agg(col("caller_workload", "caller_team").min())
    )
    lines = charges(folder, layout).with_columns(session=col("principal").str.split("/").list.get(2, null_on_oob=True))
    keys = ["hour", "account", "usage_type", "operation", "resource", "principal", "workload", "team"]
    named = (
        lines.join(callers, on=["account", "session"], how="left")
        .with_columns(
            workload=pl.coalesce("workload", "caller_workload"),
            team=pl.coalesce("team", "caller_team"),
        )
        .group_by(keys)
        .agg(col("cost", "quantity", "lines").sum())
    )
    named.collect(engine=ENGINE).write_parquet(answer)


def streams(folder: str, layout: str, answer: str) -> None:
    schema = {
        "account_id": pl.String,
        "region": pl.String,
        "namespace": pl.String,
        "metric_name": pl.String,
        "dimensions": pl.Struct(dict.fromkeys(DIMENSIONS, pl.String)),
        "timestamp": pl.Int64,
        "value": pl.Struct({"sum": pl.Float64, "count": pl.Float64}),
    }
    dimension = col("dimensions").struct.field
    wanted = col("namespace").is_in(NAMESPACES) & col("metric_name").is_in(METRICS)
    (
        pl.scan_ndjson(f"{folder}/**/*.gz", schema=schema)
        .filter(wanted)
        .group_by(
            "region",
            "namespace",
            hour=col("timestamp") // 3_600_000,
            account=col("account_id"),
            metric=col("metric_name"),
            model=pl.coalesce(dimension("ModelId"), dimension("Model")),
            workload=dimension("Workload"),
            team=dimension("Team"),
            environment=dimension("Environment"),
        )
        .agg(total=col("value").struct.field("sum").sum(), samples=col("value").struct.field("count").sum())
        .collect(engine=ENGINE)
        .write_parquet(answer)
    )


if __name__ == "__main__":
    main({"scan": scan, "sparse": scan, "consumers": consumers, "streams": streams})
