"""Results as TensorBoard's event files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genbench.errors import InputError
from genbench.trackers.libraries import library


class TensorBoard:
    """TensorBoard: each run's scalars, and a text that says what decides them, in a folder of its own."""

    def __init__(self, folder: str | Path = "runs/tensorboard") -> None:
        self._library = library("torch.utils.tensorboard", "SummaryWriter", extra="tensorboard")
        self._folder = Path(str(folder)).expanduser()
        self._writers: dict[str, Any] = {}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{folder} cannot be written ({error.strerror}); choose another with tensorboard,folder=PATH."
            ) from error

    def log(self, run: str, values: Mapping[str, float], *, step: int | None, about: Mapping[str, str]) -> None:
        """Add a point to each scalar of a run, and write it out."""
        if run not in self._writers:
            self._writers[run] = self._library.SummaryWriter(str(self._folder / run))
            self._writers[run].add_text("about", _table(about), step)
        for name, value in values.items():
            self._writers[run].add_scalar(name, value, step)
        self._writers[run].flush()

    def close(self) -> None:
        """End the event files."""
        for writer in self._writers.values():
            writer.close()


def _table(about: Mapping[str, str]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in about.items())])
