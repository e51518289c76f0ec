"""Files of JSON lines are read and appended to without loss."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from genbench.errors import InputError, InputWarning
from genbench.files.json_lines import append_json_line, read_json_lines


def append(path: Path, line: str) -> None:
    append_json_line(path, line, lambda value: value, advice="free some space")


def read(path: Path) -> list[Any]:
    return read_json_lines(path, lambda value: value, noun="a number", advice="look")


def test_only_a_newline_ends_a_line(tmp_path: Path) -> None:
    names = ["a\u2028b", "c\u0085d", "e\u000bf", "g\u001ch"]
    path = tmp_path / "x.jsonl"
    for name in names:
        append(path, f'"{name}"'.replace("\u000b", "\\u000b").replace("\u001c", "\\u001c"))
    assert read(path) == names


def test_byte_order_marks_carriage_returns_and_empty_lines_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b"\xef\xbb\xbf1\r\n\r\n\xef\xbb\xbf2\r\n")
    assert read(tmp_path / "x.jsonl") == [1, 2]


@pytest.mark.parametrize("torn", ['{"a": "b', '{"a": 1', '{"a": {"b": 1}', '{"a": "}', "{", '{"a": tr', '{"a": "\\u12'])
def test_an_incomplete_last_line_is_skipped_with_a_warning_and_replaced(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(f'{{"a": 0}}\n{torn}')
    with pytest.warns(InputWarning, match="line 2 is incomplete"):
        assert read(path) == [{"a": 0}]
    with pytest.warns(InputWarning, match="is replaced"):
        append(path, '{"a": 1}')
    assert path.read_text() == '{"a": 0}\n{"a": 1}\n'


def test_a_cut_character_and_zeros_at_the_end_are_an_incomplete_line(tmp_path: Path) -> None:
    for torn in ('{"a": "é'.encode()[:-1], b'{"a\0\0\0', b"\0\0"):
        (tmp_path / "x.jsonl").write_bytes(b"1\n" + torn)
        with pytest.warns(InputWarning, match="line 2"):
            assert read(tmp_path / "x.jsonl") == [1]


@pytest.mark.parametrize("line", ["hello", '{"a": x}', '{"a": 1, "a": 2}', "\xff{", '{"a": 1}}'])
def test_other_broken_lines_are_errors_and_stay_in_the_file(tmp_path: Path, line: str) -> None:
    path = tmp_path / "x.jsonl"
    content = f"1\n{line}".encode("latin-1")
    path.write_bytes(content)
    with pytest.raises(InputError, match="line 2 is not a number"):
        read(path)
    append(path, "2")
    assert path.read_bytes() == content + b"\n2\n"


def test_a_broken_line_in_the_middle_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"a": 0\n1\n')
    with pytest.raises(InputError, match="line 1"):
        read(tmp_path / "x.jsonl")


def test_a_line_starts_on_a_new_line(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("1")
    append(tmp_path / "x.jsonl", "2")
    assert read(tmp_path / "x.jsonl") == [1, 2]


FILL = """
import resource, sys
from pathlib import Path
from genbench.files.json_lines import append_json_line
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
append_json_line(Path(sys.argv[1]), '"' + 500 * 'a' + '"', str, advice='free some space')
"""


@pytest.mark.parametrize("before", ["1\n", "1"])
def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, before: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(before)
    done = subprocess.run([sys.executable, "-c", FILL, path], capture_output=True, text=True, check=False)
    assert "File too large" in done.stderr
    assert path.read_text() == before


def test_an_interruption_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def interrupted(handle: int, content: bytes) -> int:
        if len(content) < 50:
            raise KeyboardInterrupt
        return write(handle, content[:20])

    (tmp_path / "x.jsonl").write_text("1\n")
    monkeypatch.setattr(os, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        append(tmp_path / "x.jsonl", '"' + 60 * "a" + '"')
    assert (tmp_path / "x.jsonl").read_text() == "1\n"


APPEND = """
import sys
from pathlib import Path
from genbench.files.json_lines import append_json_line
for i in range(50):
    append_json_line(Path(sys.argv[1]), '"' + 20_000 * sys.argv[2] + '"', str, advice='')
"""


def test_lines_of_two_processes_do_not_mix(tmp_path: Path) -> None:
    command = [sys.executable, "-c", APPEND, str(tmp_path / "x.jsonl")]
    writers = [subprocess.Popen([*command, letter]) for letter in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert sorted(read(tmp_path / "x.jsonl")) == ["a" * 20_000] * 50 + ["b" * 20_000] * 50
