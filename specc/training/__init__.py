"""Data and training: what the `data` and `train` blocks of a spec say, done."""
