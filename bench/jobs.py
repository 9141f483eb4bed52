"""The jobs that are compared: which data, what billtag is told, what the peers are asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from data import Data

# The generator's month is over for all of them.
AS_OF = "2026-11-05T00:00:00Z"


@dataclass(frozen=True)
class Job:
    """One comparison."""

    name: str
    title: str
    bill: Data
    stream: Data | None = None
    command: str = "ingest"
    """Of billtag, into an empty store."""
    question: str = "scan"
    """Of the peers, see `peers`; `sparse` is `scan` where they may choose other settings for lines in few places."""
    peers: tuple[str, ...] = ("chdb", "datafusion", "duckdb", "polars")
    floor: bool = False
    faster: float = 0
    """How many times faster than the fastest peer it shall be."""
    floors: float = 0
    """How many times the floor it may take."""
    peak: float = 0
    """How many MiB it may take."""

    def config(self, bill: Path, stream: Path | None, store: Path) -> str:
        """Billtag's config for the job."""
        lines = [f'as_of = "{AS_OF}"', "[[bill]]", f'path = "{bill}"', "[store]", f'path = "{store}"']
        # Peers group by the whole principal, so billtag keeps it too.
        lines += ["[privacy]", "sessions = true"]
        if stream:
            dimensions = ", ".join(f'{key} = "{key.title()}"' for key in ("workload", "team", "environment", "model"))
            lines += [
                "[[metrics]]",
                f'path = "{stream}"',
                'namespace = "Acme/GenAI"',
                f"dimensions = {{ {dimensions} }}",
            ]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Figures:
    """Every figure over a year of daily costs."""

    name: str = "figures"
    bill: Data = field(default_factory=lambda: year(1000))


@dataclass(frozen=True)
class Morning:
    """The report over a year of daily costs, as text and as a page, by who has never run it before."""

    name: str = "morning"
    bill: Data = field(default_factory=lambda: year(1000))


def bill(lines: int, groups: int, *options: str, share: float = 0.02) -> Data:
    """A bill whose row groups are as many as said, or of half a million lines where that makes more."""
    rows = min(500_000, max(1, lines // groups))
    return Data(lines, share, (*options, "--group-rows", str(rows)))


def year(workloads: int) -> Data:
    """A year in which every workload buys four usage types a day, and nothing else is on the bill."""
    lines = workloads * 4 * 30
    return Data(lines, 1.0, ("--months", "12", "--workloads", str(workloads), "--daily"))


def jobs(lines: int) -> list[Job | Figures | Morning]:
    """All jobs but the large ones."""
    by_code = ("--spread", "sorted")
    # In a small bill fewer workloads, so that each has some lines a day.
    workloads = max(20, min(1000, lines // 2000))
    return [
        Job("dense", "2 % Bedrock, everywhere", bill(lines, 8), floor=True, faster=2.5, floors=2),
        Job(
            "sparse",
            "2 % Bedrock, in one row group of twenty",
            bill(lines, 40, "--spread", "few"),
            question="sparse",
            floor=True,
            faster=10,
            floors=2,
        ),
        Job("sorted", "sorted by product code", bill(lines, 40, *by_code), question="sparse", floor=True),
        Job("indexed", "the same with page indexes", bill(lines, 40, *by_code, "--page-index"), question="sparse"),
        Job("small", "two hundred files", bill(lines, 8, "--files", "200"), floor=True),
        Job("huge", "two files", bill(lines, 4, "--files", "2"), floor=True),
        Job("legacy", "flat columns of the legacy report", bill(lines, 8, "--layout", "legacy"), floor=True),
        Job(
            "streams",
            "a metric stream, JSON as gzip",
            bill(1000, 1),
            stream=Data(lines // 2, is_stream=True),
            question="streams",
            faster=3,
        ),
        Job(
            "consumers",
            "callers known by the tags of their function, instance or task",
            bill(lines, 8, "--consumers"),
            question="consumers",
        ),
        Job(
            "daily",
            "ingest, report, alerts and audit of three months",
            bill(lines // 2, 4, "--months", "3", "--workloads", str(workloads), share=0.1),
            command="run",
            question="daily",
            peers=("duckdb",),
            faster=3,
        ),
        Figures(bill=year(workloads)),
        Morning(bill=year(workloads)),
    ]


def large_jobs() -> list[Job]:
    """What shows growth: ten times the lines, and lines that have nothing in common."""
    hundred = 100_000_000
    stream = Data(10_000_000, is_stream=True)
    return [
        Job("dense-10M", "10 million lines", bill(10_000_000, 8), floor=True),
        Job("dense-100M", "100 million lines", bill(hundred, 8), floor=True),
        Job("distinct-100M", "100 million lines, 2 million keys", bill(hundred, 8, "--distinct"), peak=256),
        Job(
            "streams-10M", "10 million records", bill(1000, 1), stream=stream, question="streams", faster=3
        ),
    ]
