"""Makes the data, runs billtag and its peers in turn, compares the answers and writes what came out."""

from __future__ import annotations

import argparse
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import data
import report
from jobs import Figures, Job, Morning, jobs, large_jobs
from measure import Failed, Sample, run, warm

ROOT = Path(__file__).resolve().parent.parent
PEERS = ("chdb", "datafusion", "duckdb", "polars")
# Billtag's figures that the daily job is compared with.
FIGURES = (
    "spend_by_workload", "spend_by_team", "daily_spend", "anomalies", "token_volume", "spend_by_model_tier",
)  # fmt: skip


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    add = parser.add_argument
    add("--lines", type=int, help="lines of a bill; a stream has half as many records (2,000,000)")
    add("--shapes", type=lambda text: text.split(","), help="these jobs only, by name and separated by commas")
    add("--rounds", type=int, default=3, help="how often everything runs, one after the other (3)")
    add("--peers", type=lambda text: text.split(","), default=list(PEERS), help=f"of {','.join(PEERS)} (all)")
    add("--billtag", type=Path, help="the binary, beside `examples/fixtures` and `examples/floor` (built, release)")
    add("--data", type=Path, help="folder of the data, which is kept (target/bench/data)")
    add("--large", action="store_true", help="bills of 10 and 100 million lines too: 35 GB, an hour")
    add("--check", action="store_true", help="small sizes, one round, nothing but the answers")
    add("--out", type=Path, default=ROOT / "bench" / "RESULTS.md", help="where the results go (bench/RESULTS.md)")
    chosen = parser.parse_args()
    chosen.lines = chosen.lines or (20_000 if chosen.check else 2_000_000)
    if unknown := set(chosen.peers) - set(PEERS):
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    return chosen


def chosen_jobs(options: argparse.Namespace) -> list[Job | Figures | Morning]:
    every = jobs(options.lines) + (large_jobs() if options.large else [])
    if not options.shapes:
        return every
    if unknown := set(options.shapes) - {job.name for job in every}:
        raise Failed(f"no such shape: {', '.join(sorted(unknown))}; there are {', '.join(job.name for job in every)}")
    return [job for job in every if job.name in options.shapes]


class Bench:
    """Programs and folders of one comparison."""

    def __init__(self, options: argparse.Namespace, python: Path, target: Path) -> None:
        self.options, self.python = options, python
        self.billtag = (options.billtag or build()).resolve()
        self.generator, self.floor = (self.billtag.parent / "examples" / name for name in ("fixtures", "floor"))
        for program in (self.billtag, self.generator, self.floor):
            if not program.exists():
                raise Failed(f"{program} is missing; cargo build --bin billtag --examples, perhaps with --release")
        self.data = (options.data or target / "data").resolve() / data.version(ROOT / "fixtures" / "generator")
        self.scratch = self.data / "runs"
        self.differences: list[str] = []

    def programs(self, job: Job, bill: Path, stream: Path | None) -> dict[str, list[str | Path]]:
        """What runs, by name; billtag comes first."""
        folder = self.scratch / job.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        config = folder / "billtag.toml"
        config.write_text(job.config(bill, stream, folder / "store"))
        programs: dict[str, list[str | Path]] = {"billtag": [self.billtag, "-c", config, job.command]}
        for peer in (peer for peer in job.peers if peer in self.options.peers):
            program = ROOT / "bench" / "peers" / f"with_{peer}.py"
            answer = folder / f"{peer}.parquet"
            programs[peer] = [self.python, program, job.question, job.bill.layout, stream or bill, answer]
        if job.floor and not self.options.check:
            programs["floor"] = [self.floor, bill]
        return programs

    def measure(self, job: Job) -> report.Result:
        """Runs everything of a job, round by round."""
        bill = job.bill.make(self.generator, self.data)
        stream = job.stream.make(self.generator, self.data) if job.stream else None
        size = warm(stream or bill)
        programs = self.programs(job, bill, stream)
        samples: dict[str, list[Sample]] = defaultdict(list)
        for number in range(1 if self.options.check else self.options.rounds):
            for name, command in programs.items():
                if name == "billtag":
                    shutil.rmtree(self.scratch / job.name / "store", ignore_errors=True)
                samples[name].append(run(command, self.scratch / job.name / f"{name}.log"))
            if number == 0:
                self.check(job, programs)
        return report.Result(job, size, dict(samples))

    def check(self, job: Job, programs: dict[str, list[str | Path]]) -> None:
        """Compares the answers of a first round, which all later ones repeat."""
        folder = self.scratch / job.name
        ours = folder / "store"
        if job.question == "daily":
            ours = folder / "figures"
            self.write_figures(folder / "billtag.toml", ours)
        for peer in (name for name in programs if name in PEERS):
            program = ROOT / "bench" / "check.py"
            command = [self.python, program, job.question, ours, folder / f"{peer}.parquet"]
            said = subprocess.run(command, capture_output=True, text=True)
            if said.returncode != 0:
                self.differences.append(f"{job.name}, {peer}: {said.stdout}{said.stderr}")

    def write_figures(self, config: Path, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        for name in FIGURES:
            output = folder / f"{name}.csv"
            command = [self.billtag, "-c", config, "query", name, "--format", "csv", "-o", output]
            subprocess.run(command, check=True)

    def figures(self, job: Figures) -> report.FigureResult:
        """Times every figure over a store that is made once."""
        bill = job.bill.make(self.generator, self.data)
        ingest = Job(job.name, "a year", job.bill)
        command = self.programs(ingest, bill, None)["billtag"]
        log = self.scratch / job.name / "log"
        run(command, log)
        asked: list[str | Path] = [*command[:-1], "query", "--format", "csv"]
        run(asked, log)
        names = [line.split(",")[0] for line in log.read_text().splitlines()[1:]]
        samples: dict[str, list[Sample]] = defaultdict(list)
        for _ in range(1 if self.options.check else self.options.rounds):
            for name in names:
                samples[name].append(run([*asked, name], log))
        return report.FigureResult(job.bill, dict(samples))

    def morning(self, job: Morning) -> report.MorningResult:
        """Times the report over a store that is made once and that nobody was alerted on."""
        bill = job.bill.make(self.generator, self.data)
        command = self.programs(Job(job.name, "a year", job.bill), bill, None)["billtag"]
        log = self.scratch / job.name / "log"
        run(command, log)
        samples: dict[str, list[Sample]] = defaultdict(list)
        sizes: dict[str, int] = {}
        for _ in range(1 if self.options.check else self.options.rounds):
            for form in ("md", "html"):
                page = self.scratch / job.name / f"report.{form}"
                samples[form].append(run([*command[:-1], "report", "-o", page], log))
                sizes[form] = page.stat().st_size
        return report.MorningResult(job.bill, dict(samples), sizes)


def build() -> Path:
    """Builds what is needed; the folder is cargo's own choice."""
    command = "cargo build --release --locked --bin billtag --examples".split()
    subprocess.run(command, cwd=ROOT, check=True)
    metadata = "cargo metadata --format-version 1 --no-deps --locked".split()
    said = subprocess.run(metadata, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return Path(report.json_member(said, "target_directory")) / "release" / "billtag"


def compare(options: argparse.Namespace, python: Path, target: Path) -> int:
    results: list[report.Result | report.FigureResult | report.MorningResult] = []
    try:
        bench = Bench(options, python, target)
        for job in chosen_jobs(options):
            print(f"{job.name} …", flush=True)
            match job:
                case Figures():
                    result = bench.figures(job)
                case Morning():
                    result = bench.morning(job)
                case _:
                    result = bench.measure(job)
            results.append(result)
            if not options.check:
                print("\n".join(result.lines()), flush=True)
    except Failed as error:
        print(error)
        return 2
    if bench.differences:
        print("\n".join(["The answers differ:", *bench.differences]))
        return 1
    if not options.check:
        report.write(options.out, results, bench.billtag, python)
    print("All answers agree.")
    return 0
