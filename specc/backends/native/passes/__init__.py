"""Passes over the ONNX graph in the making, one a module, each with its contract.

What they are given is what `convert.lower` makes: weights are inputs still, so that what a pass
does to them, such as a transposition, is carried out once when the file is written. Each pass
takes and gives a graph that computes the same, and says what it changed.
"""
