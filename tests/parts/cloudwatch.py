"""Starts ministack with what its CloudWatch lacks, as AWS documents it. Otherwise it is emulator.py.

    python cloudwatch.py [--auth] [--page-metrics N] [--page-points N] [--throttle N] [--linked]

* ListMetrics and GetMetricData answer in pages, ended by NextToken; a query whose points go on in the
  next page is PartialData.
* A metric whose dimension value is `no-answer` stays PartialData, `broken` is an InternalError.
* Points are merged with age: none of a finer period than CloudWatch still keeps.
* What AWS refuses is refused: over 500 queries, an id twice, a start not before its end, an odd period.
* With --auth policies hold for CloudWatch's own protocol, too, which ministack lets pass unchecked.
* With --throttle N every Nth request is refused as too fast.
* With --linked every account sees all others, as a monitoring account does, where it asks to.
"""

import argparse
import itertools
import sys
import time

import emulator

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--auth", action="store_true")
parser.add_argument("--page-metrics", type=int, default=500)
parser.add_argument("--page-points", type=int, default=100_800)
parser.add_argument("--throttle", type=int, default=0)
parser.add_argument("--linked", action="store_true")
args = parser.parse_args()

DAY = 86_400


class Refusal(Exception):
    pass


def patch() -> None:
    """Puts the functions below before those of ministack, once it is loaded."""
    import cbor2
    import ministack.core.iam_actions as iam_actions
    import ministack.services.cloudwatch as cloudwatch
    from ministack.core.responses import get_account_id, get_region, request_scope

    list_metrics, get_metric_data = cloudwatch._list_metrics, cloudwatch._get_metric_data
    match_rest_action, json_field = iam_actions._match_rest_action, iam_actions._safe_json_field
    numbers = itertools.count(1)

    def action(service, method, path, query_params=None):
        if service == "monitoring" and "/operation/" in path:
            return path.rsplit("/", 1)[-1]
        return match_rest_action(service, method, path, query_params)

    def field(body, *names):
        try:
            return json_field(body, *names)
        except UnicodeDecodeError:  # CBOR
            return ""

    def ask(handler, data, account):
        with request_scope(account, get_region()):
            status, _, body = handler({}, data, True, False)
        if status != 200:
            raise Refusal(f"ministack answered {status}")
        return cbor2.loads(body)

    def accounts(data):
        own = get_account_id()
        if not (args.linked and data.get("IncludeLinkedAccounts")):
            return [own]
        others = {account for account, region, _ in cloudwatch._metrics._data if region == get_region()}
        return [own, *sorted(others - {own})]

    def page(rows, data, size):
        start = int(data.get("NextToken") or 0)
        if data.get("NextToken") and not 0 < start < len(rows):
            raise Refusal("a token that nobody gave")
        end = start + size
        return rows[start:end], {"NextToken": str(end)} if end < len(rows) else {}

    def listed(data):
        rows = [
            (metric, account)
            for account in accounts(data)
            for metric in ask(list_metrics, data, account).get("Metrics", [])
        ]
        rows, more = page(rows, data, args.page_metrics)
        owners = {"OwningAccounts": [owner for _, owner in rows]} if data.get("IncludeLinkedAccounts") else {}
        return {"Metrics": [metric for metric, _ in rows], **owners, **more}

    def check(data, queries):
        start, end = (cloudwatch._parse_ts(data.get(key)) for key in ("StartTime", "EndTime"))
        ids = {query["Id"] for query in queries}
        periods = {query["MetricStat"]["Period"] for query in queries}
        if not 0 < len(queries) <= 500 or len(ids) != len(queries) or start >= end:
            raise Refusal("the queries or the window are not valid")
        if any(period % 60 or start % period or end % period for period in periods):
            raise Refusal("a period or the window's ends are not aligned")
        if data.get("ScanBy") != "TimestampAscending":
            raise Refusal("the order is not asked for")

    def kept(age):
        return 3600 if age > 63 * DAY else 300 if age > 15 * DAY else 60

    def points(query):
        """One query's points that are kept so finely, and its status when all are given."""
        account = query.get("AccountId") if args.linked else None
        result = ask(get_metric_data, {**query["request"], "MetricDataQueries": [query]}, account or get_account_id())
        result = result["MetricDataResults"][0]
        period, now = query["MetricStat"]["Period"], time.time()
        found = [
            (stamp, value)
            for stamp, value in zip(result["Timestamps"], result["Values"])
            if period >= kept(now - stamp.timestamp())
        ]
        values = {dimension["Value"] for dimension in query["MetricStat"]["Metric"].get("Dimensions", [])}
        status = "PartialData" if "no-answer" in values else "InternalError" if "broken" in values else "Complete"
        return found, status

    def got(data):
        queries = data.get("MetricDataQueries", [])
        check(data, queries)
        request = {key: data[key] for key in ("StartTime", "EndTime")}
        answers = {query["Id"]: points({**query, "request": request}) for query in queries}
        # A query without points has one row all the same, so that its status is told.
        rows = [(id, point) for id, (found, _) in answers.items() for point in found or [None]]
        last = {id: position for position, (id, _) in enumerate(rows)}
        start = int(data.get("NextToken") or 0)
        some, more = page(rows, data, args.page_points)
        results = []
        for id, group in itertools.groupby(some, key=lambda row: row[0]):
            given = [point for _, point in group if point]
            ended = last[id] < start + len(some)
            results.append({
                "Id": id,
                "Label": id,
                "Timestamps": [cbor2.CBORTag(1, int(stamp.timestamp())) for stamp, _ in given],
                "Values": [value for _, value in given],
                "StatusCode": answers[id][1] if ended else "PartialData",
            })
        return {"MetricDataResults": results, **more}

    def answering(handler):
        def answer(params, data, is_cbor, is_json=False):
            if args.throttle and next(numbers) % args.throttle == 0:
                return cloudwatch._error("ThrottlingException", "Rate exceeded", 400, use_cbor=True)
            try:
                return cloudwatch._cbor_ok(handler(data))
            except Refusal as refusal:
                return cloudwatch._error("ValidationError", str(refusal), 400, use_cbor=True)
        return answer

    iam_actions._match_rest_action, iam_actions._safe_json_field = action, field
    cloudwatch._list_metrics, cloudwatch._get_metric_data = answering(listed), answering(got)


announce = emulator.announce


def patch_and_announce(address: str, path: str) -> None:
    patch()
    announce(address, path)


emulator.announce = patch_and_announce
sys.argv = ["emulator.py", "ministack", *(["--auth"] if args.auth else [])]
emulator.main()
