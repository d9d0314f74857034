"""SqueezeExcite and LayerScale for specc.

`layers` is what `specc check` reads, in milliseconds; `keras_layers` is what computes, and is
imported where a Keras model is built.
"""
