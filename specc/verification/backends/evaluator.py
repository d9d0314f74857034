"""ONNX's reference evaluator: every operator as the standard's own Python code has it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.reference

from specc.files import UsageError
from specc.verification.inputs import Case

Array = np.ndarray[Any, Any]


def evaluate(model: onnx.ModelProto, cases: list[Case]) -> list[list[Array]]:
    """The outputs of a model for each case.

    Raises:
        UsageError: where the evaluator does not run it.
    """
    try:
        with np.errstate(all="ignore"):
            evaluator = onnx.reference.ReferenceEvaluator(model)
            return [
                [np.asarray(x) for x in evaluator.run(None, case.inputs)]  # type: ignore[arg-type]
                for case in cases
            ]
    except Exception as error:  # it raises whatever its operators run into
        lines = str(error).strip().splitlines()
        raise UsageError(
            f"the reference evaluator stops: {type(error).__name__}"
            + (f": {lines[0]}" if lines else "")
        ) from error
