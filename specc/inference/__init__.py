"""Exported files at work: predictions, the files they are read from and written to, timings."""
