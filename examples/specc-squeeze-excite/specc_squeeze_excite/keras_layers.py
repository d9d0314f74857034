"""The Keras layers. They are registered, so that a `.keras` file with them can be loaded."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="specc_squeeze_excite")
class LayerScale(keras.layers.Layer):
    def __init__(self, init_value: float = 1e-5, **common: Any) -> None:
        super().__init__(**common)
        self.init_value = init_value

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.gamma = self.add_weight(
            name="gamma",
            shape=input_shape[-1:],
            initializer=keras.initializers.Constant(self.init_value),
        )

    def call(self, inputs: Any) -> Any:
        return inputs * self.gamma

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "init_value": self.init_value}


@keras.saving.register_keras_serializable(package="specc_squeeze_excite")
class SqueezeExcite(keras.layers.Layer):
    def __init__(self, ratio: int = 16, activation: Any = "relu", **common: Any) -> None:
        super().__init__(**common)
        self.ratio = ratio
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = input_shape[-1]
        self.squeeze = keras.layers.Dense(
            max(1, channels // self.ratio),
            activation=self.activation,
            dtype=self.dtype_policy,
            name="squeeze",
        )
        self.excite = keras.layers.Dense(
            channels, activation="sigmoid", dtype=self.dtype_policy, name="excite"
        )
        self.squeeze.build((None, channels))
        self.excite.build((None, self.squeeze.units))

    def call(self, inputs: Any) -> Any:
        means = keras.ops.mean(inputs, axis=(1, 2))
        factors = self.excite(self.squeeze(means))
        return inputs * keras.ops.expand_dims(factors, (1, 2))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "ratio": self.ratio, "activation": activation}
