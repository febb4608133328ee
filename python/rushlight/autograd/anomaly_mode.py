"""Anomaly detection is accepted and does nothing: errors name the operation that changed a saved tensor."""

from __future__ import annotations

__all__ = ["detect_anomaly", "set_detect_anomaly"]


class set_detect_anomaly:
    """Accepted for compatibility; a context manager without effect."""

    def __init__(self, mode: bool = True, check_nan: bool = True) -> None:
        self.mode = mode
        self.check_nan = check_nan

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc_info) -> None:
        return None


class detect_anomaly(set_detect_anomaly):
    """Accepted for compatibility; a context manager without effect."""

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__(True, check_nan)
