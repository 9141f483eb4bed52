"""What every peer's program does: one question of one folder, the answer as Parquet, and the seconds that took."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

Question = Callable[[str, str, str], None]
"""Answers a question of a folder in a layout into a file."""

DIMENSIONS = ("ModelId", "Model", "Workload", "Team", "Environment")
METRICS = (
    "Invocations",
    "InputTokenCount",
    "OutputTokenCount",
    "CacheReadInputTokenCount",
    "CacheWriteInputTokenCount",
)
NAMESPACES = ("AWS/Bedrock", "Acme/GenAI")


def main(questions: dict[str, Question]) -> None:
    """`program QUESTION LAYOUT FOLDER ANSWER`. Python's start and the imports are not counted."""
    question, layout, folder, answer = sys.argv[1:]
    start = time.monotonic()
    questions[question](folder, layout, answer)
    print(f"seconds {time.monotonic() - start:.6f}")
