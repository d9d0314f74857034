"""Where a run begins: anew, at a checkpoint, or at its end."""

from __future__ import annotations

import json
from collections.abc import Callable

from specc.files import UsageError
from specc.records import record
from specc.training.checkpoint import Checkpoint, Checkpoints, decoded, encoded
from specc.training.distribution import Spread
from specc.training.identity import differences
from specc.training.outputs import Result
from specc.training.progress import Progress
from specc.training.settings import Settings


@record
class Start:
    """What there is of a run."""

    checkpoint: Checkpoint | None
    done: Result | None
    """Where nothing is to do."""


def earlier(
    checkpoints: Checkpoints, identity: dict[str, str], progress: Progress
) -> Checkpoint | None:
    """The checkpoint to go on from.

    Raises:
        UsageError: where it is of another run.
    """
    checkpoint, damaged = checkpoints.newest()
    for path in damaged:
        progress.note(f"`{path}` is damaged; the checkpoint before it is taken")
    if checkpoint is None:
        return None
    changed = differences(checkpoint.values["identity"], identity)
    if changed:
        raise UsageError(
            f"the checkpoints in `{checkpoints.folder}` are of another run: what has changed is "
            + ", ".join(changed),
            "start anew with --restart, write elsewhere with `-o DIR`, or undo the change",
        )
    return checkpoint


def require_checkpoint(folder: str) -> None:
    """Make sure that there is a checkpoint in a folder.

    Raises:
        UsageError: where there is none.
    """
    if not Checkpoints(folder).paths():
        raise UsageError(
            f"there is no checkpoint in `{folder}` to go on from", "start without --resume"
        )


def start_of(checkpoint: Checkpoint | None, done: Result | None, settings: Settings) -> Start:
    """Whether a result is what a checkpoint would lead to."""
    if checkpoint is None or done is None:
        return Start(checkpoint, None)
    over = checkpoint.values["stopped_early"] or checkpoint.epoch >= settings.epochs
    same = done.identity == checkpoint.values["identity"] and len(done.history) == checkpoint.epoch
    return Start(checkpoint, done if over and same else None)


def shared_start(spread: Spread, look: Callable[[], Start]) -> Start:
    """What the first process sees, on every one: the others need not have its files.

    Raises:
        UsageError: where the first one does.
    """
    if spread.alone:
        return look()

    def content() -> bytes:
        start = look()
        done = None if start.done is None else vars(start.done)
        text = json.dumps(done).encode()
        rest = b"" if start.checkpoint is None else encoded(start.checkpoint)
        return len(text).to_bytes(8, "little") + text + rest

    found = spread.share(content)
    end = 8 + int.from_bytes(found[:8], "little")
    done = json.loads(found[8:end])
    checkpoint = decoded(found[end:]) if found[end:] else None
    return Start(checkpoint, None if done is None else Result(**done))
