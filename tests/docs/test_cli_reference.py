"""docs/cli.md is what --help says, and every command on every page has only options that exist."""

from __future__ import annotations

import shlex

import click
import pytest

from genbench.cli import main
from tests.docs.cli_reference import PAGE, cli_reference
from tests.docs.pages import PAGES, examples

COMMANDS = [
    (path.name, command)
    for path in PAGES
    for example in examples(path.read_text(encoding="utf-8"))
    if example.language in ("sh", "yaml")
    for command in example.commands
    if "genbench " in command
]


def test_the_command_reference_is_what_help_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == cli_reference(), "run: python -m tests.docs.cli_reference"


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_every_command_and_option_on_the_pages_exists(page: str, command: str) -> None:
    words = shlex.split(command.replace("- run:", ""), comments=True)
    for start, word in enumerate(words):
        if word != "genbench" or words[start - 1] == "install":
            continue
        arguments = words[start + 1 : words.index("&&", start) if "&&" in words[start:] else None]
        verb: click.Command = main
        while isinstance(verb, click.Group):
            # genbench stats real/ means genbench stats make real/
            name, *arguments = arguments if arguments[0] in verb.commands else ["make", *arguments]
            verb = verb.commands[name]
        context = click.Context(verb, help_option_names=["-h", "--help"])
        verb.make_parser(context).parse_args(arguments)
