"""Type aliases for NumPy arrays of one dtype."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

# any dtype
Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
