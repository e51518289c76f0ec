"""``python -m genbench``: the same as the command ``genbench``."""

from genbench.cli import main

main(prog_name="genbench")
