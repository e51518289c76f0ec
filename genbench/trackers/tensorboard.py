"""Write results as event files of TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genbench.errors import InputError
from genbench.trackers.libraries import import_library


class TensorBoard:
    """TensorBoard: each run becomes a folder that contains its scalars, and its provenance as text."""

    def __init__(self, folder: str | Path = "runs/tensorboard") -> None:
        self._library = import_library("torch.utils.tensorboard", "SummaryWriter", extra="tensorboard")
        self._folder = Path(str(folder)).expanduser()
        self._writers: dict[str, Any] = {}
        # Create the folder now, so that a wrong path is an error before the long work.
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{folder} cannot be written ({error.strerror}); choose another with tensorboard,folder=PATH."
            ) from error

    def log(self, run: str, values: Mapping[str, float], *, step: int | None, about: Mapping[str, str]) -> None:
        """Add a value to each scalar of a run, and flush the file."""
        # The first numbers of a run: open its file, and add its provenance.
        if run not in self._writers:
            self._writers[run] = self._library.SummaryWriter(str(self._folder / run))
            self._writers[run].add_text("about", _markdown_table(about), step)
        for name, value in values.items():
            self._writers[run].add_scalar(name, value, step)
        self._writers[run].flush()

    def close(self) -> None:
        """Close the event files."""
        for writer in self._writers.values():
            writer.close()


def _markdown_table(about: Mapping[str, str]) -> str:
    # TensorBoard shows texts as Markdown
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in about.items())])
