"""The catalogue against the names of `keras.layers`: all of them are known."""

from __future__ import annotations

import keras
import pytest

import specc
from specc.layers import ALIASES, LAYER_NAMES
from specc.layers.audio import SCIPY_WINDOWS
from specc.layers.refused import REFUSED


def public_names() -> set[str]:
    """What `keras.layers` offers; modules and private names left out."""
    found = vars(keras.layers)
    return {name for name in found if not name.startswith("_") and callable(found[name])}


def test_every_name_of_keras_is_known() -> None:
    known = [*LAYER_NAMES, *ALIASES, *REFUSED]
    assert len(known) == len(set(known))
    assert set(known) == public_names()


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_with_a_reason(name: str) -> None:
    with pytest.raises(specc.SpecError) as raised:
        specc.compile_text(f"model m {{\n    input x: float32[4]\n\n    x -> {name}(3)\n}}\n")
    (diagnostic,) = raised.value.diagnostics
    assert diagnostic.code == "E0253"
    assert diagnostic.help == REFUSED[name].instead


def test_windows_are_those_of_scipy() -> None:
    from scipy.signal import get_window
    from scipy.signal.windows import _windows

    names = _windows._WIN_FUNCS
    assert set(SCIPY_WINDOWS) == {name for name, (_, needs) in names.items() if needs is not True}
    for name in SCIPY_WINDOWS:
        get_window(name, 4)
