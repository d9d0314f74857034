"""specc: neural networks as short, typed text.

Checked in milliseconds, built with Keras, exported to ONNX, verified to be the same.
"""

from specc._version import __version__
from specc.api import LayerInfo, Model, Port, Program, compile, compile_text, export, load, verify
from specc.diagnostics.diagnostic import Diagnostic, Label, SpecError
from specc.files import UsageError
from specc.graph import Params, Variable
from specc.types import TensorType

__all__ = [
    "Diagnostic",
    "Label",
    "LayerInfo",
    "Model",
    "Params",
    "Port",
    "Program",
    "SpecError",
    "TensorType",
    "UsageError",
    "Variable",
    "__version__",
    "compile",
    "compile_text",
    "export",
    "load",
    "verify",
]
