"""Make the data of the examples from formulas that everyone can look up.

    python examples/make_data.py

writes `examples/data/reber.npz` and `examples/data/mackey_glass.npz`, the same numbers each time.

They are made by a script and not by a source of the language: a spec says what a model is and where
its data lie, and how data come about is a matter of Python, which any other data need as well.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).with_name("data")

GRAPH: tuple[tuple[tuple[str, int], ...], ...] = (
    (("B", 1),),
    (("T", 2), ("P", 3)),
    (("S", 2), ("X", 4)),
    (("T", 3), ("V", 5)),
    (("X", 3), ("S", 6)),
    (("P", 4), ("V", 6)),
    (("E", 7),),
)
"""Reber's grammar: from each state the symbols that may follow, and the states they lead to.

Source: A. S. Reber, Implicit learning of artificial grammars, 1967; its graph as in A. Cleeremans,
D. Servan-Schreiber and J. L. McClelland, Finite state automata and simple recurrent networks, 1989.
"""

SYMBOLS = "BEPSTVX"
"""Their numbers count from 1; 0 is padding."""


def reber_string(random: np.random.Generator) -> str:
    """A word of the grammar; each way on is as likely as the other."""
    state, word = 0, ""
    while state < len(GRAPH):
        symbol, state = GRAPH[state][random.integers(len(GRAPH[state]))]
        word += symbol
    return word


def is_reber(word: str) -> bool:
    """Whether a word is one of the grammar."""
    state = 0
    for symbol in word:
        following = dict(GRAPH[state]) if state < len(GRAPH) else {}
        if symbol not in following:
            return False
        state = following[symbol]
    return state == len(GRAPH)


def reber(count: int = 6_000, length: int = 24, seed: int = 1) -> dict[str, np.ndarray]:
    """Words of the grammar, and as many with one symbol changed so that they are none.

    Returns:
        x, uint8 [count, length]: the numbers of the symbols, and zeros behind them. y, uint8
        [count]: 1 for a word of the grammar.
    """
    random = np.random.default_rng(seed)
    x = np.zeros((count, length), np.uint8)
    y = np.zeros(count, np.uint8)
    for row in range(count):
        word = reber_string(random)
        while len(word) > length:
            word = reber_string(random)
        y[row] = row % 2
        changed = word
        while not y[row] and is_reber(changed):
            place = random.integers(len(word))
            changed = word[:place] + SYMBOLS[random.integers(len(SYMBOLS))] + word[place + 1 :]
        x[row, : len(word)] = [SYMBOLS.index(symbol) + 1 for symbol in changed]
    order = random.permutation(count)
    return {"x": x[order], "y": y[order]}


def mackey_glass(count: int, delay: int = 17, step: float = 0.1) -> np.ndarray:
    """The values of a chaotic series at whole times, behind its start.

    dx/dt = 0.2 x(t - delay) / (1 + x(t - delay)^10) - 0.1 x(t), by the method of Runge and Kutta
    of fourth order; between two steps the delayed value lies on a line.

    Source: M. C. Mackey and L. Glass, Oscillation and chaos in physiological control systems,
    1977.
    """
    each = round(1 / step)
    past = delay * each
    start = 300 * each
    values = np.full(past + start + count * each, 1.2)

    def change(x: float, late: float) -> float:
        return 0.2 * late / (1 + late**10) - 0.1 * x

    for now in range(past, len(values) - 1):
        x, late, later = values[now], values[now - past], values[now - past + 1]
        middle = (late + later) / 2
        k1 = change(x, late)
        k2 = change(x + step / 2 * k1, middle)
        k3 = change(x + step / 2 * k2, middle)
        k4 = change(x + step * k3, later)
        values[now + 1] = x + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return values[past + start :: each][:count]


def windows(series: np.ndarray, past: int = 32, ahead: int = 6) -> dict[str, np.ndarray]:
    """What was seen, float32 [samples, past, 1], and what comes `ahead` steps behind it."""
    count = len(series) - past - ahead + 1
    x = np.stack([series[start : start + past] for start in range(count)])
    return {
        "x": x[..., None].astype(np.float32),
        "y": series[past + ahead - 1 :].astype(np.float32),
    }


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    np.savez(FOLDER / "reber.npz", **reber())
    np.savez(FOLDER / "mackey_glass.npz", **windows(mackey_glass(5_000)))
    for path in sorted(FOLDER.glob("*.npz")):
        print(f"{path} written, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
