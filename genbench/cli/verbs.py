"""A group of verbs that says what went wrong in one sentence, and knows what a mistyped verb meant."""

from __future__ import annotations

import errno
from typing import Any

import click

from genbench.cli.printing import visible
from genbench.errors import GenbenchError, did_you_mean


class Verbs(click.Group):
    """A group that turns what can go wrong into one sentence, and knows what a mistyped verb meant."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GenbenchError as error:
            raise refusal(str(error), error.exit_code) from error
        except KeyboardInterrupt:
            raise refusal("interrupted; what the store has is kept, the same command goes on from there.", 1) from None
        except MemoryError as error:
            raise refusal("out of memory; give a smaller --batch-size or --count.", 1) from error
        except SystemExit as error:  # click itself leaves in another way
            raise refusal(
                f"a guest's code called sys.exit({error.code!r}); let it raise an exception, or put what is a script "
                'under `if __name__ == "__main__":`.',
                1,
            ) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # `| head` has seen enough: click leaves in silence
                raise
            where = f"{error.filename}: " if error.filename else ""
            raise refusal(
                f"{where}{error.strerror or error}; check that path, its permissions and its disk.", 1
            ) from error

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        if command is None and not cmd_name.startswith("-"):
            raise refusal(f"no command is called {cmd_name!r}{did_you_mean(cmd_name, self.commands)}", 2)
        return command


def refusal(message: str, exit_code: int) -> click.ClickException:
    """Return what click prints as one sentence, on one line, before it leaves with that code."""
    message = visible(" ".join(line.strip() for line in message.splitlines()))
    return click.UsageError(message) if exit_code == 2 else click.ClickException(message)
