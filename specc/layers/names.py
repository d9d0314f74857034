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

INITIALIZER_RANKS = {
    **dict.fromkeys(("Identity", "IdentityInitializer", "identity"), (2, 2)),
    **dict.fromkeys(("Orthogonal", "OrthogonalInitializer", "orthogonal"), (2, None)),
}
"""The least and the most axes of a weight that these can fill; the others fill any."""

REGULARIZERS = (
    "L1", "L1L2", "L2", "OrthogonalRegularizer", "l1", "l1l2", "l2",
    "orthogonal_regularizer",
)  # fmt: skip

MATRIX_REGULARIZERS = ("OrthogonalRegularizer", "orthogonal_regularizer")
"""Those that take nothing but matrices."""

CONSTRAINTS = (
    "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "max_norm",
    "min_max_norm", "non_neg", "unit_norm",
)  # fmt: skip
