"""Anomaly detection: nodes remember where they were recorded, and gradients that are NaN raise."""

from __future__ import annotations

import traceback
import warnings

from .. import _C

__all__ = ["detect_anomaly", "set_detect_anomaly"]


class set_detect_anomaly:
    """Turn anomaly detection on or off; as a context manager, until the end of the block.

    mode: on or off. check_nan: raise RuntimeError where a derivative gives NaN. A derivative that fails warns with the
    traceback of the call that recorded it.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.before = (_C.is_anomaly_enabled(), _C.is_anomaly_check_nan_enabled())
        _C.set_anomaly_enabled(mode, check_nan)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc_info) -> None:
        _C.set_anomaly_enabled(*self.before)


class detect_anomaly:
    """``set_detect_anomaly(True)`` for a block. Slow: meant for debugging."""

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for "
            "debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self.before = (_C.is_anomaly_enabled(), _C.is_anomaly_check_nan_enabled())
        _C.set_anomaly_enabled(True, self.check_nan)

    def __exit__(self, *exc_info) -> None:
        _C.set_anomaly_enabled(*self.before)


def _recorded(node, parent) -> None:
    """Called for every node that is recorded; ``parent`` is the node whose derivative records it, or None."""
    node.metadata["traceback_"] = traceback.format_stack()[:-1]
    if parent is not None:
        node.metadata["parent_"] = parent


def _failed(node, _) -> None:
    """Warn with the places where a node that failed, and those that led to it, were recorded."""
    trace = node.metadata.get("traceback_")
    if trace is None:
        warnings.warn(
            f"Error detected in {node.name()}. No forward pass information available. Enable detect anomaly during "
            f"forward pass for more information.",
            stacklevel=2,
        )
    else:
        warnings.warn(
            f"Error detected in {node.name()}. Traceback of forward call that caused the error:\n{''.join(trace)}",
            stacklevel=2,
        )
    while (node := node.metadata.get("parent_")) is not None:
        trace = node.metadata.get("traceback_")
        where = (
            "No forward pass information available."
            if trace is None
            else f"Traceback of forward call that induced the previous calculation:\n{''.join(trace)}"
        )
        warnings.warn(f"\n\nPrevious calculation was induced by {node.name()}. {where}", stacklevel=2)
