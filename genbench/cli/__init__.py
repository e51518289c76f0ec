"""The command line: one module per verb. Data goes to stdout, everything else to stderr."""

from __future__ import annotations

import warnings

import click

from genbench.cli.audit import audit_command
from genbench.cli.cache import cache_group
from genbench.cli.ci import ci_group
from genbench.cli.command_group import Verbs
from genbench.cli.compare import compare_command
from genbench.cli.demo import demo_command
from genbench.cli.gate import gate_command
from genbench.cli.inspect import inspect_command
from genbench.cli.list import list_command
from genbench.cli.malloc import keep_pages
from genbench.cli.plan import plan_command
from genbench.cli.printing import say, warning_text
from genbench.cli.report import report_command
from genbench.cli.run import run_command
from genbench.cli.sample import sample_command
from genbench.cli.score import score_command
from genbench.cli.selftest import selftest_command
from genbench.cli.stats import stats_group
from genbench.cli.table import table_command
from genbench.cli.train import train_command

FIRST_COMMANDS = """\
genbench demo                          a tour with real images, offline
genbench score OUT/ REAL/              generated images against real ones
genbench run digits --budget quick     train small models, and rank them
genbench --help                        all commands"""


@click.group(
    cls=Verbs,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="genbench", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Measure generative models: all standard scores, with their errors and their provenance.

    \b
    genbench score out/ real/                           a folder against a folder
    genbench score --sampler my_models:Blobs --benchmark digits
    genbench inspect out/                               check samples before scoring
    """
    if ctx.invoked_subcommand is None:
        say(FIRST_COMMANDS)
        return
    keep_pages()
    warnings.formatwarning = warning_text
    # Pillow warns about huge images and damaged metadata without names; genbench refuses with names what it cannot use
    warnings.filterwarnings("ignore", module=r"PIL\.")


# the order of the verbs in the help of the program
for verb in (
    demo_command, score_command, stats_group, compare_command, gate_command, ci_group, plan_command, list_command,
    inspect_command, run_command, train_command, sample_command, table_command, report_command, cache_group,
    selftest_command, audit_command,
):  # fmt: skip
    main.add_command(verb)
