"""The graph straight to ONNX: each layer lowers itself, in its own class."""
