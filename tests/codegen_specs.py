"""Specs for the tests of `specc codegen`: one for each thing the language can say."""

from __future__ import annotations

RESIDUAL = """\
# Two convolutions beside a shortcut.
block residual(filters, strides=1) {
    input x
    shortcut = x
    if strides > 1 {
        shortcut = x -> Conv2D(filters, 1, strides=strides, use_bias=False) -> BatchNormalization
    }
    main = x
        -> Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)
        -> BatchNormalization
        -> ReLU
        -> Conv2D(filters, 3, padding="same", use_bias=False)
        -> BatchNormalization
    [main, shortcut] -> Add -> ReLU
}

# As deep as it is well known.
model resnet34 {
    param classes: int = 10
    input image: float32[64, 64, 3]

    Conv2D(64, 7, strides=2, padding="same", use_bias=False)
    BatchNormalization
    ReLU
    MaxPooling2D(3, strides=2, padding="same")
    for i, filters in enumerate([64] * 3 + [128] * 4 + [256] * 6 + [512] * 3) {
        residual(filters, strides=2 if i in [3, 7, 13] else 1)
    }
    GlobalAveragePooling2D
    Dense(classes, activation="softmax")
}
"""

STRUCTURED: dict[str, str] = {
    "resnet34": RESIDUAL,
    "shared_layer": """\
model shared_layer {
    input query: int32[n]
    input answer: int32[n]
    layer embed = Embedding(100, 8)
    layer head = Dense(4, name="the_head")

    a = query -> embed -> GlobalAveragePooling1D -> head
    b = answer -> embed -> GlobalMaxPooling1D -> head
    output a, b
}
""",
    "call_arguments": """\
model call_arguments {
    input x: float32[6, 8]
    input memory: float32[5, 8]
    input keep: bool[5]
    attended = x -> MultiHeadAttention(2, 4)(value=memory, use_causal_mask=True)
    sequence, h, c = attended -> LSTM(8, return_sequences=True, return_state=True)
    again = sequence -> LSTM(8)(initial_state=[h, c])
    states = memory -> GRU(8, return_state=True)
    other = memory -> GRU(8)(initial_state=states[1], mask=keep)
    [again, other] -> Average
    Dropout(0.5)(training=False)
}
""",
    "operators": """\
model operators {
    input x: float32[4, 6]
    input n: int32[4]
    y = x * 0.5 + 1
    z = -y ** 2 / (y - 3)
    w = z @ ops.transpose(x, (0, 2, 1))
    first = x[:, 0]
    some = x[:, 1:3, ...]
    every = x[:, ::2, None]
    mask = ops.cast(first > 0, "float32")
    summed = ops.sum(w, axis=[1, 2]) + ops.sum(every, axis=(1, 2, 3)) + ops.max(some, axis=[1, 2])
    joined = [mask, first * x.shape[-1]] -> ops.concatenate(axis=-1)
    also = ops.concatenate([mask, first], axis=1) -> ops.relu
    also += joined
    counted = ops.cast(n, "float32") -> ops.softmax(axis=-1)
    result = [also, counted] -> Concatenate
    scale = ops.expand_dims(summed, -1)
    output result * scale
}
""",
    "merges_and_operations": """\
model merges_and_operations {
    input x: float32[4]
    y = x + 1
    z = [x, y] -> Add
    a = x - 2
    [a, y, z + 1] -> Maximum -> Dense(3, name="add_3")
    ops.relu
    Dense(2)
}
""",
    "choices": """\
model choices {
    param size: str in ["small", "large"] = "small"
    param normalize: bool = True
    param dropout: float = 0.25
    input x: float32[8]
    units = {"small"} if False else 3
}
""",
    "flow": """\
model flow {
    param normalize: bool = True
    param depth: int = 3
    param kind: str in ["gelu", "relu"] = "relu"
    input x: float32[8]
    if normalize {
        BatchNormalization
    }
    Dense(8)
    for i in range(depth) {
        if i % 2 == 0 {
            LayerNormalization
        } else {
            Dense(8, activation=kind)
        }
    }
    BatchNormalization if kind == "gelu" else LayerNormalization
    Dense(4)
}
""",
    "flow_through_names": """\
model flow_through_names {
    input image: float32[8]
    param deep: bool = True
    if deep {
        hidden = image -> Dense(8)
    } elif image.shape[-1] == 8 {
        Dense(8)
    } else {
        Dense(7)
    }
    BatchNormalization
    for width in [8, 8] {
        Dense(width)
        if deep { LayerNormalization } else { ops.relu }
        if width > 8 { ReLU } elif deep { Dense(8) }
    }
    Dense(1)
}
""",
    "names_around_loops": """\
model names_around_loops {
    input image: float32[8]
    layer wide = Dense(8)
    kept = ops.relu(image)
    for width in [8, 8] {
        kept = [kept, image] -> Add
        kept = kept -> wide
    }
    Dense(8) if image.shape[-1] > 8 else LayerNormalization
    Dense(2) -> Dense(3) if kept.shape[-1] > 8 else ops.tanh
}
""",
    "lists": """\
model lists {
    input x: float32[8]
    sizes = [8, 4] + [2] * 2
    doubled = [2 * n for n in sizes if n > 2]
    heads = [x -> Dense(n) for n in sizes]
    features = []
    for n, (index, name) in zip(doubled, enumerate(["a", "b"])) {
        made = x -> Dense(n + index, name=f"head_{name}_{index}")
        features += [made]
    }
    first, *rest = sizes
    total = sum(rest) + len(sizes) + max(sizes) + min(1, 2) + sizes[0] + rest[-1]
    tower = heads[0] -> Dense(total) -> Dense(first)
    joined = features + [tower] + heads
    joined -> Concatenate
    pair = (3, 3)[0]
    for k in reversed(range(2)) { Dense(k + 1) }
    Reshape([1] + [1, pair // 3])
    Flatten
}
""",
    "numbers": """\
model numbers {
    input x: float32[8, 8, 3]
    layer conv = Conv2D(filters=4, kernel_size=[3, 3], strides=(1, 1))
    x -> conv
    Conv2D(2, (3, 3), dilation_rate=2, kernel_regularizer=L2(1e-3), bias_initializer=Constant(.5))
    LeakyReLU(1_0.5E-1)
    Dense(4, activation=LeakyReLU(0.1), kernel_initializer=HeNormal(seed=1), trainable=False)
    Dense(4, kernel_initializer=Orthogonal, kernel_constraint=MaxNorm(2.), dtype="float32")
    Permute((3, 1, 2))
    TimeDistributed(Flatten)
    Bidirectional(LSTM(3, return_sequences=True), merge_mode="sum")
    RNN([LSTMCell(3), GRUCell(2)])
    k = 2
    n = 2 if 1 < k <= 3 and not k is None else 3
    Dense(n ** 2 // 3 + -1 + (7 - (2 - 1)) % 4)
    Rescaling(1. / 255, offset=-1)
    Activation("tanh")
}
""",
    "blocks": """\
block twice(units, inner=units * 2, activation="relu") {
    input x
    Dense(inner, activation=activation)
    Dense(units)
}

block both(width) {
    input a: float32[n]
    input b: float32[..., m]
    low = a -> twice(width, name="low")
    high = b -> twice(width, 5, activation=None)
    deep = [low, high] -> Add -> Dense(n + m, name="wide")
    output deep, low
}

block gate {
    input x
    input by
    weighted = by -> Dense(x.shape[-1], activation="sigmoid")
    [x, weighted] -> Multiply
}

model blocks {
    input x: float32[4]
    input y: float32[6]
    p, q = [x, y] -> both(3)
    layer shared = twice(units=7)
    r = p -> shared
    s = q -> gate(name="my_gate")(by=r)
    t = [s, p] -> gate
    t -> twice(2, trainable=False)
}
""",
    "nested_models": """\
model encoder {
    param width: int = 3
    param hidden: int = width * 2
    input words: float32[5]
    Dense(hidden, activation="relu")
    Dense(width)
}

model pair {
    input left: float32[5]
    input right: float32[5]
    a = left -> encoder
    b = right -> encoder
    c = right -> encoder(width=4)
    layer own = encoder(width=2)
    d = left -> own
    for other in [right] {
        e = other -> encoder
    }
    [a, b, c, d, e] -> Concatenate -> Dense(1)
}
""",
    "own_layers": """\
# A dense layer of two thin matrices.
block low_rank(units, rank=2, use_bias=True) {
    input x: float32[..., n]
    thin = rank * 1
    weight down: float32[n, thin] = "he_normal", regularizer=L2(0.01)
    weight up: float32[thin, units]
    if use_bias {
        weight bias: float32[units] = "zeros", trainable=False
    }
    y = x @ down @ up
    if use_bias {
        y = y + bias
    }
    y -> LayerNormalization -> ops.relu
}

block mix {
    input a: float32[n]
    input b: float32[n]
    weight share: float32[n] = "ones"
    a * share + b * (1 - share)
}

model own_layers {
    input x: float32[8]
    input y: float32[8]
    [x, y] -> mix
    low_rank(6)
    low_rank(4, rank=3, use_bias=False)
    low_rank(3, name="last")
    for n in [5, 6] { low_rank(n) }
}
""",
    "definitions_as_arguments": """\
model step {
    param units: int = 2
    input x: float32[4]
    Dense(units)
}

block scaled(by=1.0) {
    input x: float32[..., n]
    weight factor: float32[n] = Constant(2.)
    x * factor * by
}

block plain(units) {
    input x
    Dense(units, activation="relu") -> LayerNormalization
}

model definitions_as_arguments {
    input x: float32[3, 4]
    TimeDistributed(step(units=5))
    TimeDistributed(scaled(by=.5))
    TimeDistributed(plain(4))
    scaled
}
""",
    "tied_weights": """\
block tied(source, bias=True) {
    input x: float32[n]
    weight table = source.embeddings
    if bias {
        weight offset: float32[10] = "zeros"
    }
    y = x @ ops.transpose(table)
    if bias { y = y + offset }
    output y
}

model tied_weights {
    input words: int32[5]
    layer embed = Embedding(10, 4)
    words -> embed -> GlobalAveragePooling1D
    tied(embed)
}
""",
    "standard_blocks": """\
import "std/resnet"
import "std/transformer"
import "std/mlp"
import "std/unet"

model translator {
    input source: int32[6]
    input target: int32[5]
    memory = source -> token_and_position_embedding(50, 8) -> transformer_encoder(2, 4, 16)
    first = memory -> transformer_encoder(2, 4, 16, norm_first=True)
    y = target -> Embedding(50, 8) -> position_embedding(initializer="uniform")
    y = y -> transformer_decoder(2, 4, 16)(memory=first)
    y = y -> gated_mlp(16, 8)
    y -> Flatten -> mlp([8, 4], dropout=0.1)
}

model pictures {
    input image: float32[64, 64, 3]
    a = image -> resnet_backbone([1, 2], bottleneck=False, filters=4)
    b = image -> unet_backbone([4, 8, 16])
    c = image -> patch_embedding(16, 8)
    output a, b, c
}
""",
    "words": """\
model words {
    input lambda: float32[4]
    input list: float32[4]
    layers = 3
    class = lambda -> Dense(layers)
    sum = list -> Dense(layers)
    keras = [class, sum] -> Add
    ops.relu(keras) -> Dense(2, name="l") -> Activation("tanh", name='it-s')
}
""",
    "tensors_as_lists": """\
model tensors_as_lists {
    input x: float32[4]
    input y: float32[4]
    pair = [x, y]
    one = pair -> Add
    many = [pair[0], one]
    a, b = many
    c = [a] -> Dense(4)
    d = x -> Concatenate
    e = [a, b] -> Concatenate
    both = ops.stack([a, b, c, d], axis=1)
    every = [both, e]
    output every
}
""",
    "outputs": """\
model outputs {
    param heads: int = 2
    input x: float32[4]
    for i in range(heads) {
        head = x -> Dense(i + 1)
        output head * 2
    }
}
""",
    "dtypes": """\
model dtypes {
    input x: float16[4], batch_size=3
    input n: int64[time]
    a = x -> Dense(4, dtype="float16")
    b = n -> Embedding(10, 4) -> GlobalAveragePooling1D
    output a, b
}
""",
    "layers_as_values": """\
block normed(units, norm, act=ReLU()) {
    input x
    Dense(units)
    norm
    act
    Dense(units)
    norm
}

model layers_as_values {
    input x: float32[4]
    normed(3, LayerNormalization)
    normed(3, BatchNormalization(momentum=0.9), act=LeakyReLU(0.1))
    normed(3, norm=LayerNormalization(epsilon=1e-5), act=ReLU)
}
""",
    "recursive": """\
block tree(depth) {
    input x
    if depth == 0 {
        Dense(2)
    } else {
        left = x -> tree(depth - 1, name="left")
        right = x -> tree(depth - 1)
        [left, right] -> Concatenate
    }
}

model recursive {
    input x: float32[4]
    tree(2)
}
""",
    "nested_chains": """\
model nested_chains {
    input x: float32[4]
    y = (x -> Dense(4) -> ReLU) + (x -> Dense(4)) * 2
    for i in range(2) {
        y = (y -> Dense(4) -> ReLU) + y
        y = [y -> Dense(4), y -> Dense(4) -> ReLU] -> Average
    }
    [y -> Dense(3), y] -> Concatenate
    long = "a rather long text that goes on for quite a while" + " and on and on and on and on"
    Dense(3 if long == "a rather long text that goes on for quite a while and on and on" else 4)
}
""",
}
del STRUCTURED["choices"]

EXPANDED: dict[str, str] = {
    "shared_block": """\
block twice(units) {
    input x
    Dense(units)
    ops.relu
    Dense(units)
}

model shared_block {
    input x: float32[4]
    input y: float32[4]
    layer both = twice(3)
    a = x -> both
    b = y -> both
    [a, b] -> Concatenate
}
""",
    "numbers_shared_with_operations": """\
model numbers_shared_with_operations {
    input x: float32[4]
    for i in range(2) {
        y = x + i
        x = [x, y] -> Add
    }
    Dense(2)
}
""",
    "own_layer_with_loop": """\
block stack(n) {
    input x
    weight scale: float32[4] = "ones"
    y = x * scale
    for i in range(n) {
        y = y -> Dense(4)
    }
    output y
}

model own_layer_with_loop {
    input x: float32[4]
    stack(2)
    stack(1, name="other")
}
""",
}
