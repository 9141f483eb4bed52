"""The results as a page: what was measured, on which machine, with which versions."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from data import Data
from jobs import Job
from measure import Sample

ROOT = Path(__file__).resolve().parent.parent
NOTES = Path(__file__).resolve().parent / "NOTES.md"


def json_member(text: str, name: str) -> str:
    return str(json.loads(text)[name])


def median(samples: list[Sample], name: str) -> float:
    return float(statistics.median(getattr(sample, name) for sample in samples))


def mega(size: float) -> str:
    return f"{size / 1e6:,.0f}"


def verdict(met: bool | None) -> str:
    return "not measured" if met is None else "met" if met else "missed"


@dataclass(frozen=True)
class Result:
    """What the programs of a job took."""

    job: Job
    size: int
    """Bytes of the data."""
    samples: dict[str, list[Sample]]

    def seconds(self, name: str) -> float:
        return median(self.samples[name], "seconds")

    def ratio(self, name: str) -> float:
        return self.seconds(name) / self.seconds("billtag")

    def fastest(self) -> str | None:
        peers = [name for name in self.samples if name not in ("billtag", "floor")]
        return min(peers, key=self.seconds, default=None)

    def summary(self) -> str:
        fastest = self.fastest()
        against = f"{self.ratio(fastest):.2f} ({fastest})" if fastest else ""
        floor = f"{1 / self.ratio('floor'):.2f}" if "floor" in self.samples else ""
        peak = mega(median(self.samples["billtag"], "peak"))
        seconds = self.seconds("billtag")
        return f"| {self.job.name} | {seconds:.2f} | {against} | {floor} | {peak} | {'; '.join(self.goals())} |"

    def goals(self) -> list[str]:
        """What was to be reached, and whether it was."""
        job, fastest = self.job, self.fastest()
        peak = median(self.samples["billtag"], "peak") / 2**20
        faster = self.ratio(fastest) >= job.faster if fastest else None
        floors = 1 / self.ratio("floor") <= job.floors if "floor" in self.samples else None
        goals = (
            (job.faster, f"{job.faster:g} × faster", faster),
            (job.floors, f"{job.floors:g} × the floor", floors),
            (job.peak, f"{job.peak:g} MiB", peak <= job.peak),
        )
        return [f"{words}: {verdict(met)}" for asked, words, met in goals if asked]

    def lines(self) -> list[str]:
        stream = self.job.stream
        months = self.job.bill.months
        what = f"{stream.lines:,} records" if stream else f"{self.job.bill.lines * months:,} lines"
        head = [f"## {self.job.name}: {self.job.title}", "", f"{what}, {mega(self.size)} MB."]
        table = [
            "| program | seconds | least – most | of billtag's | whole process | CPU seconds | peak MB | read MB |",
            "|---|--:|--:|--:|--:|--:|--:|--:|",
        ]
        return [*head, "", *table, *(self.row(name) for name in self.samples), ""]

    def row(self, name: str) -> str:
        samples = self.samples[name]
        taken = [sample.seconds for sample in samples]
        cells = [
            name,
            f"{self.seconds(name):.2f}",
            f"{min(taken):.2f} – {max(taken):.2f}",
            f"{self.ratio(name):.2f} ×",
            f"{median(samples, 'whole'):.2f}",
            f"{median(samples, 'cpu'):.2f}",
            mega(median(samples, "peak")),
            mega(median(samples, "read")),
        ]
        return f"| {' | '.join(cells)} |"


@dataclass(frozen=True)
class FigureResult:
    """What each figure took."""

    bill: Data
    samples: dict[str, list[Sample]]

    def summary(self) -> str:
        slowest = max(self.samples, key=lambda name: median(self.samples[name], "seconds"))
        seconds = median(self.samples[slowest], "seconds")
        peak = mega(max(median(samples, "peak") for samples in self.samples.values()))
        met = verdict(seconds < 0.5)
        return f"| figures, the slowest: {slowest} | {seconds:.2f} | | | {peak} | 0.5 s each: {met} |"

    def lines(self) -> list[str]:
        rows = [
            f"| {name} | {median(samples, 'seconds'):.2f} | {mega(median(samples, 'peak'))} |"
            for name, samples in self.samples.items()
        ]
        head = f"## figures: `billtag query` over a year of days of {self.bill.lines * self.bill.months:,} lines"
        return [head, "", "| query | seconds | peak MB |", "|---|--:|--:|", *rows, ""]


@dataclass
class MorningResult:
    """What the report took, by its form, and how large it is in bytes."""

    bill: Data
    samples: dict[str, list[Sample]]
    sizes: dict[str, int]

    def summary(self) -> str:
        slowest = max(self.samples, key=lambda form: median(self.samples[form], "seconds"))
        seconds = median(self.samples[slowest], "seconds")
        peak = mega(max(median(samples, "peak") for samples in self.samples.values()))
        goals = f"2 s: {verdict(seconds < 2)}; a page of 3 MB: {verdict(self.sizes['html'] < 3_000_000)}"
        return f"| morning, the slowest form: {slowest} | {seconds:.2f} | | | {peak} | {goals} |"

    def lines(self) -> list[str]:
        rows = [
            f"| {form} | {median(samples, 'seconds'):.2f} | {median(samples, 'cpu'):.2f} | {mega(median(samples, 'peak'))}"
            f" | {self.sizes[form] / 1e6:.2f} |"
            for form, samples in self.samples.items()
        ]
        head = f"## morning: `billtag report` over a year of days of {self.bill.lines * self.bill.months:,} lines"
        return [head, "", "| form | seconds | CPU seconds | peak MB | MB |", "|---|--:|--:|--:|--:|", *rows, ""]


def write(
    path: Path, results: list[Result | FigureResult | MorningResult], billtag: Path, python: Path
) -> None:
    """Writes the page."""
    words = " ".join(["bench/run", *asked(sys.argv[1:])])
    text = [
        "# Results",
        "",
        f"Written by `{words}`, which measures everything anew; see the README. Seconds are medians. Of a peer they",
        "are those of the question and of writing the answer, without the start of Python and its imports, which",
        "“whole process” has too; of billtag they are the whole process, which stores five tables. All answers were",
        "the same, but for what floats lose. Data lay in the system's page cache. What a program maps into memory is",
        "not in “read MB”.",
        "",
        *machine(),
        *versions(billtag, python),
        "",
        "| job | billtag, seconds | times faster than the fastest peer | times the floor | peak MB | goal |",
        "|---|--:|--:|--:|--:|---|",
        *(result.summary() for result in results),
        *growth(results),
        "",
    ]
    for result in results:
        text += result.lines()
    # What no measurement says by itself is said of a run of all jobs.
    if all(not word.startswith("--shapes") for word in sys.argv):
        text += NOTES.read_text().splitlines()
    path.write_text("\n".join(text).rstrip() + "\n")


def asked(arguments: list[str]) -> list[str]:
    """The options that decide what is measured; folders of this machine mean nothing elsewhere."""
    folders = ("--billtag", "--data", "--out")
    pairs = zip(["", *arguments], arguments, strict=False)
    return [word for before, word in pairs if before not in folders and not word.startswith(folders)]


def growth(results: list[Result | FigureResult | MorningResult]) -> list[str]:
    known = {result.job.name: result for result in results if isinstance(result, Result)}
    if "dense-10M" not in known or "dense-100M" not in known:
        return []
    ratio = known["dense-100M"].seconds("billtag") / known["dense-10M"].seconds("billtag")
    goal = f"at most 15 % more than ten times: {verdict(ratio <= 11.5)}"
    return ["", f"From 10 to 100 million lines billtag takes {ratio:.2f} × as long ({goal})."]


def first(path: str, start: str) -> str:
    """What follows a word at the start of a line of one of the system's files."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(start)), "unknown")


def machine() -> list[str]:
    cores = len(os.sched_getaffinity(0))
    memory = int(first("/proc/meminfo", "MemTotal").split()[0]) / 2**20
    return [
        f"- Machine: {first('/proc/cpuinfo', 'model name')}, {cores} cores, {memory:.0f} GiB,"
        f" {platform.system()} {platform.release()}"
    ]


def versions(billtag: Path, python: Path) -> list[str]:
    def said(*command: str | Path) -> str:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()

    packages = said(
        python,
        "-c",
        "import importlib.metadata as m; print(*sorted(f'{d.name} {d.version}' for d in m.distributions()))",
    )
    words = packages.split()
    pairs = [f"{name} {version}" for name, version in zip(words[::2], words[1::2], strict=True)]
    engines = [pair for pair in pairs if pair.split()[0] in ("chdb", "chdb-core", "datafusion", "duckdb", "polars")]
    changed = " with changes" if said("git", "status", "--porcelain", "--untracked-files=no") else ""
    return [
        f"- {said(billtag, '--version')} at {said('git', 'rev-parse', '--short', 'HEAD')}{changed};"
        f" {', '.join(engines)}; Python {platform.python_version()}"
    ]
