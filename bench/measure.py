"""Runs a program and says what it took."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


class Failed(Exception):
    """A program that ended with an error, and what it said."""


@dataclass(frozen=True)
class Sample:
    """What one run took."""

    seconds: float
    """From start to end; of a peer that tells it, without the start of Python and the imports."""
    whole: float
    """From start to end."""
    cpu: float
    """Of all threads, user and system."""
    peak: int
    """The most memory that it held at once, in bytes."""
    read: int
    """Bytes that it asked the system to read; what it maps into memory is not seen."""


def run(command: list[str | Path], log: Path) -> Sample:
    """Runs a command. Its output goes to `log`, where a peer's last line may tell its own seconds."""
    with open(log, "wb") as output:
        start = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        whole = time.monotonic() - start
        # Until it is waited for, the system still knows what it read.
        read = bytes_read(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    said = log.read_text(errors="replace")
    if process.returncode != 0:
        shown = " ".join(str(word) for word in command)
        raise Failed(f"{shown}\nended with {process.returncode}:\n{said[-4000:]}")
    return Sample(
        seconds=own_seconds(said) or whole,
        whole=whole,
        cpu=usage.ru_utime + usage.ru_stime,
        peak=usage.ru_maxrss * 1024,
        read=read,
    )


def bytes_read(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except OSError:
        return 0
    known = dict(line.split(": ") for line in lines)
    return int(known.get("rchar", 0))


def own_seconds(said: str) -> float | None:
    last = said.strip().rsplit("\n", 1)[-1].split()
    return float(last[1]) if len(last) == 2 and last[0] == "seconds" else None


def warm(folder: Path) -> int:
    """Reads all files below a folder, so that every program finds them in memory; returns their size."""
    size = 0
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with open(path, "rb") as file:
                while part := file.read(1 << 24):
                    size += len(part)
    return size
