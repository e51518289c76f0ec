"""The command line: each verb parses, calls and prints; data goes to stdout, everything else to stderr."""

from __future__ import annotations

import warnings

import click

from genbench.cli.cache import cache
from genbench.cli.compare import compare
from genbench.cli.gate import gate
from genbench.cli.inspect import inspect
from genbench.cli.list import list_plugs
from genbench.cli.malloc import keep_pages
from genbench.cli.report import report
from genbench.cli.run import run
from genbench.cli.sample import sample
from genbench.cli.score import score_command
from genbench.cli.selftest import selftest
from genbench.cli.stats import stats_command
from genbench.cli.table import table
from genbench.cli.train import train
from genbench.cli.verbs import Verbs


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="genbench", message="%(prog)s %(version)s")
def main() -> None:
    """Measure generative models: every standard number, with its error and its provenance.

    \b
    genbench score --samples out/ --reference real/     a folder against a folder
    genbench score --sampler my_models:Blobs --benchmark digits
    genbench inspect out/                               look before you score
    """
    keep_pages()
    # Pillow's own two lines; an image that large is refused with its name
    warnings.filterwarnings("ignore", message=".*decompression bomb.*")


for verb in (
    score_command, stats_command, compare, gate, list_plugs, inspect, run, train, sample, table, report, cache,
    selftest,
):  # fmt: skip
    main.add_command(verb)
