"""The operations of tensor expressions: those of `keras.ops` that specc knows, by name.

The index says in which module an operation lives, so that a spec pays only for the families it
uses; a test holds it equal to the classes that are there.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specc.ops.base import Operation

FAMILIES: dict[str, tuple[str, ...]] = {
    "activations": (
        "celu", "elu", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish",
        "hard_tanh", "leaky_relu", "log_sigmoid", "relu", "relu6", "selu", "sigmoid", "silu",
        "soft_shrink", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "squareplus",
        "swish", "tanh_shrink", "threshold",
    ),
    "binary": (
        "add", "arctan2", "bitwise_and", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift",
        "bitwise_xor", "divide", "divide_no_nan", "equal", "floor_divide", "fmax", "fmin", "fmod",
        "gcd", "greater", "greater_equal", "heaviside", "hypot", "isclose", "lcm", "ldexp",
        "left_shift", "less", "less_equal", "logaddexp", "logaddexp2", "logical_and", "logical_or",
        "logical_xor", "maximum", "minimum", "mod", "multiply", "nextafter", "not_equal", "power",
        "right_shift", "subtract", "true_divide", "where",
    ),
    "creation": (
        "arange", "array", "convert_to_tensor", "eye", "full", "identity", "linspace", "ones",
        "tri", "zeros",
    ),
    "indexing": (
        "argsort", "cumprod", "cumsum", "diff", "get_item", "nancumprod", "nancumsum", "one_hot",
        "sort", "take", "take_along_axis", "top_k",
    ),
    "joining": (
        "append", "array_split", "concatenate", "dstack", "hstack", "pad", "repeat", "split",
        "stack", "tile", "unstack",
    ),
    "linear": (
        "dot", "einsum", "inner", "matmul", "tensordot",
    ),
    "nn": (
        "average_pool", "conv", "depth_to_space", "depthwise_conv", "glu", "log_softmax",
        "max_pool", "normalize", "softmax", "space_to_depth", "sparsemax",
    ),
    "reductions": (
        "all", "amax", "amin", "any", "argmax", "argmin", "average", "count_nonzero", "logsumexp",
        "max", "mean", "median", "min", "moments", "nanargmax", "nanargmin", "nanmax", "nanmean",
        "nanmin", "nanprod", "nanstd", "nansum", "nanvar", "norm", "percentile", "prod", "ptp",
        "quantile", "std", "sum", "var",
    ),
    "shaping": (
        "broadcast_to", "diagonal", "expand_dims", "flip", "fliplr", "flipud", "moveaxis", "ravel",
        "reshape", "roll", "squeeze", "swapaxes", "trace", "transpose", "tril", "triu",
    ),
    "unary": (
        "abs", "absolute", "angle", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh",
        "bitwise_invert", "bitwise_not", "cast", "cbrt", "ceil", "clip", "conj", "conjugate",
        "copy", "cos", "cosh", "deg2rad", "erf", "erfc", "erfinv", "exp", "exp2", "expm1", "fabs",
        "floor", "full_like", "i0", "imag", "isfinite", "isinf", "isnan", "isneginf", "isposinf",
        "isreal", "log", "log10", "log1p", "log2", "logical_not", "nan_to_num", "negative",
        "ones_like", "rad2deg", "real", "reciprocal", "round", "rsqrt", "saturate_cast", "sign",
        "signbit", "sin", "sinc", "sinh", "sqrt", "square", "stop_gradient", "tan", "tanh", "trunc",
        "zeros_like",
    ),
}  # fmt: skip

OPERATION_NAMES = tuple(sorted(name for names in FAMILIES.values() for name in names))

OPERATORS = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "true_divide",
    "//": "floor_divide",
    "%": "mod",
    "**": "power",
    "@": "matmul",
    "==": "equal",
    "!=": "not_equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
}
"""The operation that each operator between tensors is, as Keras has it."""

UNARY_OPERATORS = {"-": "negative"}

_LEFT_OUT: dict[str, tuple[str, ...]] = {
    "not a node of a graph: the answer is known before it runs": (
        "dtype", "is_tensor", "ndim", "shape", "size",
    ),
    "takes a function": (
        "associative_scan", "cond", "custom_gradient", "fori_loop", "jvp", "map", "scan", "switch",
        "vectorize", "vectorized_map", "while_loop",
    ),
    "a module": (
        "image", "linalg", "nn", "numpy",
    ),
    "converts what a spec has no tensors of": (
        "convert_to_numpy",
    ),
    "linear algebra": (
        "cdist", "cholesky", "cholesky_inverse", "corrcoef", "det", "eig", "eigh", "inv", "logdet",
        "lstsq", "lu_factor", "matrix_rank", "pinv", "qr", "slogdet", "solve", "solve_triangular",
        "svd",
    ),
    "complex numbers and spectra": (
        "extract_sequences", "fft", "fft2", "ifft2", "irfft", "istft", "polar", "rfft", "stft",
        "view_as_complex", "view_as_real",
    ),
    "a loss, which training is told by name": (
        "binary_crossentropy", "categorical_crossentropy", "ctc_decode", "ctc_loss", "in_top_k",
        "psnr", "sparse_categorical_crossentropy",
    ),
    "how many results there are depends on the numbers": (
        "bincount", "histogram", "nonzero", "unique",
    ),
    "mixes the samples of a batch": (
        "diagflat", "kron", "meshgrid", "outer", "segment_max", "segment_min", "segment_prod",
        "segment_sum", "vdot", "vsplit", "vstack",
    ),
    "Keras says one thing of it and computes another, or cannot run it": (
        "argpartition", "nanmedian", "nanpercentile", "nanquantile", "rot90",
    ),
    "left out until it is asked for": (
        "adaptive_average_pool", "adaptive_max_pool", "allclose", "bartlett", "batch_normalization",
        "blackman", "conv_transpose", "correlate", "cross", "diag", "digitize",
        "dot_product_attention", "dsplit", "empty", "empty_like", "fold", "geomspace", "hamming",
        "hanning", "hsplit", "isin", "kaiser", "layer_normalization", "logspace", "multi_hot",
        "rearrange", "rms_normalization", "scatter", "scatter_update", "searchsorted", "select",
        "separable_conv", "slice", "slice_update", "trapezoid", "unfold", "unravel_index", "vander",
        "view",
    ),
}  # fmt: skip

NOT_OPERATIONS = {name: why for why, names in _LEFT_OUT.items() for name in names}
"""What else is in `keras.ops`, and why it is no operation here."""

_FAMILY_OF = {name: family for family, names in FAMILIES.items() for name in names}


@cache
def find_operation(name: str) -> type[Operation] | None:
    """The class of an operation, or None where there is no such operation."""
    family = _FAMILY_OF.get(name)
    if family is None:
        return None
    import_module(f"specc.ops.{family}")
    from specc.ops.base import REGISTRY

    return REGISTRY[name]
