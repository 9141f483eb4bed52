"""The data: what is made for each shape, once for each set of parameters."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path


def version(generator: Path) -> str:
    """A name for what the generator writes, so that data of an older one is not taken for its own."""
    text = b"".join(path.read_bytes() for path in sorted(generator.rglob("*.rs")))
    return hashlib.sha256(text).hexdigest()[:8]


@dataclass(frozen=True)
class Data:
    """A folder that the generator writes."""

    lines: int
    """Lines of a month, or records of a stream."""
    share: float = 0.02
    """The part of them that is Bedrock's."""
    options: tuple[str, ...] = field(default=())
    """As the generator takes them."""
    is_stream: bool = False

    @property
    def name(self) -> str:
        if self.is_stream:
            return f"streams-{self.lines}"
        words = [option.removeprefix("--") for option in self.options]
        return "-".join(["bill", str(self.lines), f"{self.share:g}", *words])

    @property
    def layout(self) -> str:
        return "legacy" if "legacy" in self.options else "cur2"

    @property
    def months(self) -> int:
        return int(self.options[self.options.index("--months") + 1]) if "--months" in self.options else 1

    def make(self, generator: Path, folder: Path) -> Path:
        """The folder with the data, which is made where it is not there yet."""
        path = folder / self.name
        if path.exists():
            return path
        made = folder / f"{self.name}.part"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        command: list[str | Path]
        if self.is_stream:
            command = [generator, "streams", made, str(self.lines)]
        else:
            command = [generator, "bulk", made, str(self.lines), str(self.share), *self.options]
        subprocess.run(command, check=True)
        made.rename(path)
        return path
