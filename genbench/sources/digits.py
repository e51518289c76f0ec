"""scikit-learn's 1,797 real 8 x 8 digits: images that are there without a download."""

from __future__ import annotations

import numpy as np

from genbench.errors import UsageError, did_you_mean
from genbench.sources.memory import ArraySource

SPLITS = ("all", "train", "test", "fit", "validation")


def digits(split: str = "all") -> ArraySource:
    """Return the digits (Alpaydin and Kaynak 1998, UCI Optical Recognition) as uint8 [N, 3, 8, 8] with their class.

    Levels 0..16 become ``round(v * 255 / 16)``, gray is replicated. ``train`` (898) and ``test`` (899) are the halves
    of one stratified split with a fixed seed, each in the data's own order; ``fit`` (718) and ``validation`` (180) are
    parts of ``train``, split likewise. Raises UsageError for another split.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    if split not in SPLITS:
        raise UsageError(f"digits has no split {split!r}{did_you_mean(str(split), SPLITS)}")
    found = load_digits()
    rows = np.arange(len(found.target))
    train, test = train_test_split(rows, test_size=0.5, stratify=found.target, random_state=0)
    fit, validation = train_test_split(train, test_size=0.2, stratify=found.target[train], random_state=0)
    parts = {"all": rows, "train": train, "test": test, "fit": fit, "validation": validation}
    chosen = np.sort(parts[split])
    images = np.rint(found.images[chosen] * 255 / 16).astype(np.uint8)
    return ArraySource(images, labels=found.target[chosen], name=f"digits,split={split}")
