"""The names that Keras gives to layers without one."""

from __future__ import annotations

import re
from functools import cache


@cache
def snake_case(class_name: str) -> str:
    """`BatchNormalization` -> `batch_normalization`, by the two substitutions Keras makes."""
    name = re.sub(r"\W+", "", class_name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
