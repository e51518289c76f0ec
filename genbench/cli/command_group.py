"""The group of verbs: report errors in one sentence, and suggest the nearest verb for a mistyped one."""

from __future__ import annotations

import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import click

from genbench.cli.printing import reserved_stdout, show_warnings
from genbench.cli.process_end import end_without_destructors
from genbench.errors import GenbenchError, InputWarning, did_you_mean
from genbench.tables.escapes import terminal_safe

ERROR_CODES = {"gate": 4}
"""Exit codes of errors in verbs whose exit code 1 is an outcome."""


class OtherCode(click.ClickException):
    """An error with its own exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click declares it for the class only


class Verbs(click.Group):
    """A click group that reports errors in one sentence, without a traceback, and suggests verbs."""

    def main(self, *args: Any, **options: Any) -> Any:
        # the process ends after a standalone call; other callers keep their stdout
        standalone = options.get("standalone_mode", True)
        try:
            with reserved_stdout() if standalone else nullcontext():
                return super().main(*args, **options)
        finally:
            # a test calls this with arguments, and its process goes on
            if standalone and not args and options.get("args") is None:
                end_without_destructors()

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return self._invoke(ctx)
        except click.ClickException as error:
            # a pipeline can tell that the verb broke from what the verb decided
            if error.exit_code == 1 and ctx.invoked_subcommand in ERROR_CODES:
                raise OtherCode(error.message, ERROR_CODES[ctx.invoked_subcommand]) from error
            raise

    def _invoke(self, ctx: click.Context) -> Any:
        """Run a verb; errors become exceptions that click prints."""
        try:
            # everything that a verb does happens in this call
            with _own_warnings_in_one_line():
                return super().invoke(ctx)
        except GenbenchError as error:
            raise refusal(str(error), error.exit_code, error.example) from error
        except KeyboardInterrupt:
            raise refusal("interrupted; stored features are kept; run the same command again to continue.", 1) from None
        except MemoryError as error:
            raise refusal("out of memory; give a smaller --batch-size or --count.", 1) from error
        except SystemExit as error:
            # click raises click.exceptions.Exit instead, so this comes from a guest
            raise refusal(
                f"a guest's code called sys.exit({error.code!r}); let it raise an exception, or put the code of a "
                'script under `if __name__ == "__main__":`.',
                1,
            ) from error
        except OSError as error:
            # the reader of a pipe, such as `head`, has closed it: click exits silently
            if error.errno == errno.EPIPE:
                raise
            # other errors of files are reported with the path
            where = f"{error.filename}: " if error.filename else ""
            raise refusal(
                f"{where}{error.strerror or error}; check the path, its permissions and the disk.", 1
            ) from error

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        # click itself would not suggest the nearest verb
        if command is None and not cmd_name.startswith("-"):
            raise refusal(f"no command is called {cmd_name!r}{did_you_mean(cmd_name, self.commands)}", 2)
        return command


@contextmanager
def _own_warnings_in_one_line() -> Iterator[None]:
    """Print an InputWarning like the warnings of a result, without the line of code that gave it."""
    with warnings.catch_warnings():
        # warnings of other libraries are printed as before
        show = warnings.showwarning

        def showwarning(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, InputWarning):
                show_warnings([str(message)])
            else:
                show(message, category, *place, **more)

        warnings.showwarning = showwarning
        yield


def refusal(message: str, exit_code: int, example: str = "") -> click.ClickException:
    """Return an exception that makes click print a message on one line and exit with a code.

    ``example`` is code at the end of the message, whose lines stay lines.
    """
    # several lines become one, and control characters are escaped
    message = " ".join(line.strip() for line in message.removesuffix(example).splitlines())
    message = "\n".join(terminal_safe(line) for line in (message, *example.splitlines()) if line)
    return click.UsageError(message) if exit_code == 2 else click.ClickException(message)
