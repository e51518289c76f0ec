"""Say in plain words why the header of an array in .npy format cannot be read."""

from __future__ import annotations

import re
from tokenize import TokenError

from genbench.errors import described

_OF_THE_PARSER = (SyntaxError, TokenError)
"""What Python's parser raises for the text of a damaged header."""


def header_fault(error: BaseException) -> str:
    """Return what numpy raised for a damaged header, without the objects and options of its parser."""
    text = described(error)
    # a header of more than 10,000 letters, for which numpy advises to trust pickles
    if "allow_pickle" in text:
        return "its header is longer than that of any array"
    # expressions that are no plain values are shown as addresses of syntax trees
    if isinstance(error, _OF_THE_PARSER) or re.search(r" at 0x[0-9a-fA-F]+", text):
        return "its header is not that of an array"
    return text
