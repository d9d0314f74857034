"""The names that Keras 3.15 knows its activations, initializers, ... by; held equal by a test.

Left out are those that do not work by name: the activation `glu` halves an axis, which no
layer's shape in Keras reckons with; the activation `threshold` and the initializer `constant`
have arguments without defaults; the initializer `stft` needs scipy.
"""

ACTIVATIONS = (
    "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu",
    "hard_swish", "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish",
    "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softmax", "softplus",
    "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "swish", "tanh",
    "tanh_shrink",
)  # fmt: skip

NEEDS_SCIPY = "it needs scipy, which neither Keras nor specc installs"

REASONS = {
    "activation": {
        "glu": "it halves an axis, which no layer's shape reckons with: use `ops.glu`",
        "threshold": "it has arguments without defaults: use `ops.threshold`",
    },
    "initializer": {
        **dict.fromkeys(
            ("constant", "Constant"), "it has no default by name: write `Constant(0.5)`"
        ),
        **dict.fromkeys(("stft", "STFT", "STFTInitializer"), NEEDS_SCIPY),
    },
}
"""Why they are left out, by category."""

ACTIVATION_LAYERS = ("Activation", "ELU", "LeakyReLU", "ReLU", "Softmax")
"""The layers that can be the activation of another layer.

Not `PReLU`: its weights would appear in the other layer at its first run, or not at all.
"""

INITIALIZERS = (
    "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Identity",
    "IdentityInitializer", "LecunNormal", "LecunUniform", "Ones",
    "Orthogonal", "OrthogonalInitializer", "RandomNormal", "RandomUniform",
    "TruncatedNormal", "VarianceScaling", "Zeros",
    "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "identity",
    "lecun_normal", "lecun_uniform", "normal", "one", "ones", "orthogonal", "random_normal",
    "random_uniform", "truncated_normal", "uniform", "variance_scaling", "zero",
    "zeros",
)  # fmt: skip

REGULARIZERS = (
    "L1", "L1L2", "L2", "OrthogonalRegularizer", "l1", "l1l2", "l2",
    "orthogonal_regularizer",
)  # fmt: skip

CONSTRAINTS = (
    "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "max_norm",
    "min_max_norm", "non_neg", "unit_norm",
)  # fmt: skip

_IDENTITY = ("Identity", "IdentityInitializer", "identity")
_ORTHOGONAL = ("Orthogonal", "OrthogonalInitializer", "orthogonal")
_NORMS = ("max_norm", "MaxNorm", "min_max_norm", "MinMaxNorm", "unit_norm", "UnitNorm")
ORTHOGONAL_REGULARIZERS = ("OrthogonalRegularizer", "orthogonal_regularizer")

RANKS = {
    **dict.fromkeys(_IDENTITY, (2, 2)),
    **dict.fromkeys(_ORTHOGONAL, (2, None)),
    **dict.fromkeys(ORTHOGONAL_REGULARIZERS, (2, 2)),
    **dict.fromkeys(_NORMS, (1, None)),
}
"""The least and the most axes of a tensor that these can work on; the others work on any."""

DTYPES = {
    **dict.fromkeys(_ORTHOGONAL, ("float16", "float32", "float64")),
    **dict.fromkeys(ORTHOGONAL_REGULARIZERS, ("float32",)),
    # TensorFlow has no range of float16 in a graph.
    "sparsemax": ("bfloat16", "float32", "float64"),
}
"""The dtypes that these can work on; the others work on any float."""
