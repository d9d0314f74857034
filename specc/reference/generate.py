"""Write docs/layers.md anew: `python -m specc.reference.generate`, in a checkout."""

from __future__ import annotations

from pathlib import Path

from specc.reference.markdown import layers_page

PAGE = Path(__file__).parent.parent.parent / "docs" / "layers.md"


def main() -> None:
    PAGE.write_text(layers_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
