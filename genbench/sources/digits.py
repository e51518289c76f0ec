"""scikit-learn's 1,797 real 8x8 digits: images that need no download."""

from __future__ import annotations

import numpy as np

from genbench.errors import UsageError, did_you_mean
from genbench.sources.memory import ArraySource

DIGITS_SPLITS = ("all", "train", "test", "fit", "validation")


def digits(split: str = "all") -> ArraySource:
    """Return the digits (Alpaydin and Kaynak 1998, UCI Optical Recognition) as uint8 [N, 3, 8, 8] with their class.

    Levels 0..16 become ``round(v * 255 / 16)``; gray is replicated to three channels. ``train`` (898) and ``test``
    (899) are the halves of one stratified split with a fixed seed, each in the order of the data. ``train`` is split
    again into ``fit`` (718) and ``validation`` (180). Raises UsageError for an unknown split.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    if split not in DIGITS_SPLITS:
        raise UsageError(f"digits has no split {split!r}{did_you_mean(str(split), DIGITS_SPLITS)}")
    data = load_digits()
    # these two random splits must not change, because published results depend on them
    rows = np.arange(len(data.target))
    train, test = train_test_split(rows, test_size=0.5, stratify=data.target, random_state=0)
    fit, validation = train_test_split(train, test_size=0.2, stratify=data.target[train], random_state=0)
    splits = {"all": rows, "train": train, "test": test, "fit": fit, "validation": validation}
    chosen = np.sort(splits[split])
    images = np.rint(data.images[chosen] * 255 / 16).astype(np.uint8)
    source = ArraySource(images, labels=data.target[chosen], name=f"digits,split={split}")
    source.class_names = tuple("0123456789")
    return source
