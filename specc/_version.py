"""The version, as a plain string: `importlib.metadata` takes longer than a whole check."""

__version__ = "0.1.0"
