"""Every mistake that specc knows, a function each: facts in, `Diagnostic` out.

These modules are the one place that holds the wording. A code belongs to one function and has a
page `explain/<code>.md`; a test keeps the two lists equal. The hundreds tell the stage:

    E01 syntax     E03 shapes       E05 expectations
    E02 names      E04 structure    E06 artifacts    E07 data, training
"""
