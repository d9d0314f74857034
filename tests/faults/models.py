"""Small models of every family, whose files are spoilt."""

from __future__ import annotations

MODELS = {
    "dense": """
    input x: float32[6]

    BatchNormalization
    Dense(5, activation="elu")
    BatchNormalization
    Dense(4, use_bias=False)
    BatchNormalization
    Activation("selu")
    Dense(3, activation="softmax")
""",
    "activations": """
    input x: float32[6]

    a = x -> Dense(4) -> LeakyReLU(negative_slope=0.2)
    b = x -> Dense(4, activation="hard_sigmoid")
    c = x -> Dense(4) -> PReLU
    d = x -> Dense(4, activation="gelu") -> Softmax(axis=-1)
    [a, b, c, d] -> Concatenate -> Dense(2, activation="tanh")
""",
    "convolution": """
    input image: float32[9, 8, 3]

    Conv2D(4, 3, strides=2, padding="same", use_bias=False)
    BatchNormalization
    ReLU
    MaxPooling2D(2, padding="same")
    Conv2D(6, 2, dilation_rate=2, padding="same", groups=2, activation="relu")
    GlobalAveragePooling2D
    Dense(3)
""",
    "depthwise": """
    input image: float32[8, 8, 3]

    ZeroPadding2D(((0, 1), (1, 0)))
    DepthwiseConv2D(3, strides=2, use_bias=False)
    BatchNormalization
    ReLU(max_value=6)
    SeparableConv2D(4, 3, padding="same", activation="swish")
    AveragePooling2D(2)
    Flatten
    Dense(2, activation="sigmoid")
""",
    "transposed": """
    input image: float32[4, 5, 2]

    Conv2DTranspose(3, 3, strides=2, padding="same")
    ReLU
    UpSampling2D(2)
    Cropping2D(((1, 0), (0, 2)))
    Conv2D(1, 1, activation="sigmoid")
""",
    "one_dimension": """
    input x: float32[12, 3]

    Conv1D(4, 3, padding="causal", dilation_rate=2, activation="tanh")
    LayerNormalization
    MaxPooling1D(3)
    GlobalMaxPooling1D
    Dense(2)
""",
    "residual": """
    input x: float32[6, 6, 4]

    h = x -> Conv2D(4, 3, padding="same") -> GroupNormalization(groups=2) -> ReLU
    s = [h, x] -> Add -> Conv2D(4, 1)
    gate = s -> GlobalAveragePooling2D -> Dense(4, activation="sigmoid") -> Reshape((1, 1, 4))
    [s, gate] -> Multiply -> Flatten -> Dense(3, activation="softmax")
""",
    "lstm": """
    input x: float32[7, 3]

    LSTM(4, return_sequences=True)
    LSTM(3, go_backwards=True)
    Dense(2)
""",
    "gru": """
    input words: int32[time]

    Embedding(20, 4, mask_zero=True)
    Bidirectional(GRU(3, return_sequences=True))
    GRU(3, reset_after=False)
    Dense(1, activation="sigmoid")
""",
    "simple_rnn": """
    input x: float32[5, 3]

    SimpleRNN(4, return_sequences=True)
    TimeDistributed(Dense(3, activation="relu"))
    SimpleRNN(2)
""",
    "attention": """
    input x: float32[6, 8]

    a = x -> MultiHeadAttention(2, 4)(value=x)
    b = [x, a] -> Add -> LayerNormalization(epsilon=0.001)
    f = b -> Dense(8, activation="relu") -> Dense(8)
    [b, f] -> Add -> RMSNormalization -> GlobalAveragePooling1D -> Dense(3)
""",
    "expressions": """
    input x: float32[5]
    input y: float32[5]

    d = x - 2 * y
    e = ops.where(d > 0, d, 0.5 * d)
    z = ops.concatenate([e, ops.abs(x)], axis=-1) -> Dense(4)
    ops.sum(z * z, axis=-1, keepdims=True) / 3
""",
}


def text_of(name: str) -> str:
    return f"model {name} {{{MODELS[name]}}}\n"
