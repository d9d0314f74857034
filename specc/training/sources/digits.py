"""`digits()`: the scans that come with scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np

from specc.training.columns import Held
from specc.training.sources.base import Samples, Wanted, package


def read(source: Any, wanted: Wanted) -> Samples:  # noqa: ARG001
    """The images, uint8 [8, 8] from 0 to 16, and the digits from 0 to 9."""
    datasets = package("sklearn.datasets", "scikit-learn", "digits", "`digits()`")
    images, labels = datasets.load_digits(return_X_y=True)
    images = np.asarray(images, np.uint8).reshape(-1, 8, 8)
    return Samples([Held(images)], [Held(np.asarray(labels, np.uint8))], 10)
