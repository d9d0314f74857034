"""Keras's CSV log, continued where a run is."""

from __future__ import annotations

import csv
import os
from typing import Any

from specc.files import replacing


def continue_log(callback: Any, epochs: int) -> None:
    """Have a `CSVLogger` go on behind so many epochs; rows of later ones will be written again."""
    if type(callback).__name__ != "CSVLogger" or not os.path.exists(callback.filename):
        return
    callback.append = True
    with open(callback.filename, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter=callback.sep))
    kept = [row for row in rows if row and (not row[0].isdecimal() or int(row[0]) < epochs)]
    with (
        replacing(callback.filename) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file, delimiter=callback.sep).writerows(kept)


def close_logs(callbacks: list[Any]) -> None:
    """Close the files of a training that does not come to its end."""
    for callback in callbacks:
        file = getattr(callback, "csv_file", None)
        if file is not None:
            file.close()
