"""Pages in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
                None)  # fmt: skip

SCREEN = 1280, 800

MEASURE = """
<script>
  // Where each text that is looked for ends on the page, as long as it is on the first screen.
  const found = {};
  for (const wanted of WANTED) {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const at = walker.currentNode.textContent.indexOf(wanted);
      if (at < 0 || walker.currentNode.parentElement.tagName === "SCRIPT") continue;
      const range = document.createRange();
      range.setStart(walker.currentNode, at);
      range.setEnd(walker.currentNode, at + wanted.length);
      const box = range.getBoundingClientRect();
      found[wanted] = [box.left, box.top, box.right, box.bottom];
      break;
    }
  }
  const measured = document.createElement("pre");
  measured.id = "measured";
  measured.textContent = JSON.stringify(
    {found, width: document.documentElement.scrollWidth, size: [innerWidth, innerHeight]});
  document.body.append(measured);
</script>
"""


def chromium(path: Path, *options: str) -> str:
    """What Chromium prints of a page."""
    assert CHROMIUM is not None
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        f"--window-size={SCREEN[0]},{SCREEN[1]}", *options, path.resolve().as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def laid_out(page: str, wanted: Sequence[str], folder: Path) -> Any:
    """Where texts stand as Chromium lays a page out, and how wide it is.

    Args:
        folder: where a copy may be written.
    """
    # The page's own policy lets no script run, so the measuring copy is without it.
    script = MEASURE.replace("WANTED", json.dumps(wanted))
    free = re.sub(r"<meta http-equiv=[^>]*>\n", "", page).replace("</main>", f"</main>{script}")
    measured = folder / "measured.html"
    measured.write_text(free, encoding="utf-8")
    shown = chromium(measured, "--dump-dom")
    found = re.search(r'<pre id="measured">(.*?)</pre>', shown, re.DOTALL)
    assert found is not None
    return json.loads(found[1].replace("&quot;", '"'))
