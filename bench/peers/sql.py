"""The questions as SQL, in the words that the engines share; where they differ, `Dialect` says how.

What is Bedrock's line is decided as billtag does: by product or service code, product family, the resource's ARN, or
the name of a Marketplace product. The map of product attributes is asked only where the rest does not tell.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dialect:
    """How an engine spells what is not the same in all of them."""

    starts: str = "starts_with"
    part: str = "split_part({text}, '{separator}', {number})"
    double: str = "double"

    def split(self, text: str, separator: str, number: int) -> str:
        return self.part.format(text=text, separator=separator, number=number)


@dataclass(frozen=True)
class Columns:
    """The columns of a layout."""

    principal: str
    product_name: str
    workload: str
    team: str
    caller_workload: str
    caller_team: str
    maps: tuple[str, ...]


CUR2 = Columns(
    principal="line_item_iam_principal",
    product_name="product['product_name']",
    workload="coalesce(resource_tags['user_workload'], tags['iamPrincipal/Workload'])",
    team="coalesce(resource_tags['user_team'], tags['iamPrincipal/Team'])",
    caller_workload="resource_tags['user_workload']",
    caller_team="resource_tags['user_team']",
    maps=("resource_tags", "tags", "product"),
)

# The legacy report knows neither principals nor their tags, and each key of a map is a column.
LEGACY = Columns(
    principal="nullif('', '')",
    product_name="product_product_name",
    workload="resource_tags_user_workload",
    team="resource_tags_user_team",
    caller_workload="resource_tags_user_workload",
    caller_team="resource_tags_user_team",
    maps=("resource_tags_user_workload", "resource_tags_user_team", "product_product_name"),
)


def columns_of(layout: str) -> Columns:
    return LEGACY if layout == "legacy" else CUR2


# What the questions need of a line.
PLAIN = (
    "line_item_usage_start_date",
    "line_item_usage_account_id",
    "line_item_usage_type",
    "line_item_operation",
    "line_item_resource_id",
    "line_item_unblended_cost",
    "line_item_usage_amount",
    "line_item_product_code",
    "pricing_unit",
    "bill_billing_entity",
    "product_servicecode",
    "product_product_family",
)


def needed(layout: str) -> tuple[str, ...]:
    columns = columns_of(layout)
    principal = () if layout == "legacy" else (columns.principal,)
    return PLAIN + principal + columns.maps


def certain(dialect: Dialect) -> str:
    """Lines that are Bedrock's by what a flat column says."""
    starts = dialect.starts
    return f"""(
        {starts}(line_item_product_code, 'AmazonBedrock')
        or {starts}(coalesce(product_servicecode, ''), 'AmazonBedrock')
        or coalesce(product_product_family, '') = 'Amazon Bedrock'
        or {starts}(coalesce(line_item_resource_id, ''), 'arn:aws:bedrock')
    )"""


MARKETPLACE = "bill_billing_entity = 'AWS Marketplace'"


def candidate(dialect: Dialect) -> str:
    """Lines that may be Bedrock's, as far as flat columns tell."""
    return f"({certain(dialect)} or {MARKETPLACE})"


def exact(dialect: Dialect, layout: str) -> str:
    """Bedrock's lines and no others."""
    name = columns_of(layout).product_name
    return f"({certain(dialect)} or ({MARKETPLACE} and lower({name}) like '%(amazon bedrock edition)%'))"


# Tokens are billed by the thousand or by the million.
QUANTITY = """line_item_usage_amount * case pricing_unit
        when '1K tokens' then 1000.0 when '1M tokens' then 1000000.0 when 'Units' then 1000000.0 else 1.0 end"""


def charges(source: str, where: str, layout: str) -> str:
    """Bedrock's cost by hour and by everything that tells who spent it."""
    columns = columns_of(layout)
    return f"""
    select
        line_item_usage_start_date as hour,
        line_item_usage_account_id as account,
        line_item_usage_type as usage_type,
        line_item_operation as operation,
        line_item_resource_id as resource,
        {columns.principal} as principal,
        {columns.workload} as workload,
        {columns.team} as team,
        sum(line_item_unblended_cost) as cost,
        sum({QUANTITY}) as quantity,
        count(*) as lines
    from {source}
    where {where}
    group by 1, 2, 3, 4, 5, 6, 7, 8
    """


def is_caller(dialect: Dialect) -> str:
    """Resources whose name can be that of a session."""
    starts = dialect.starts
    return f"""(
        {starts}(line_item_resource_id, 'i-')
        or {starts}(line_item_resource_id, 'arn:aws:lambda:')
        or {starts}(line_item_resource_id, 'arn:aws:ecs:')
    )"""


def callers(dialect: Dialect, source: str, layout: str) -> str:
    """Tagged functions, instances and tasks by the name that their session has."""
    columns = columns_of(layout)
    starts = dialect.starts
    return f"""
    select
        line_item_usage_account_id as account,
        case
            when {starts}(line_item_resource_id, 'i-') then line_item_resource_id
            when {starts}(line_item_resource_id, 'arn:aws:lambda:')
                then {dialect.split("line_item_resource_id", ":", 7)}
            else {dialect.split("line_item_resource_id", "/", 3)}
        end as session,
        min({columns.caller_workload}) as workload,
        min({columns.caller_team}) as team
    from {source}
    where {is_caller(dialect)} and {columns.caller_workload} is not null
    group by 1, 2
    """


def consumers(dialect: Dialect, lines: str, found: str) -> str:
    """Bedrock's cost, where lines without a workload take that of the caller whose name their session has.

    `lines` is the answer of `charges`, `found` that of `callers`.
    """
    return f"""
    select
        l.hour as hour, l.account as account, l.usage_type as usage_type, l.operation as operation,
        l.resource as resource, l.principal as principal,
        coalesce(l.workload, c.workload) as workload,
        coalesce(l.team, c.team) as team,
        sum(l.cost) as cost, sum(l.quantity) as quantity, sum(l.lines) as lines
    from {lines} l
    left join {found} c on l.account = c.account and {dialect.split("l.principal", "/", 3)} = c.session
    group by 1, 2, 3, 4, 5, 6, 7, 8
    """
