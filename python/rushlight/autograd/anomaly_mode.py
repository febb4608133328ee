"""Anomaly detection is accepted and does nothing: errors name the operation that changed a saved tensor."""

from __future__ import annotations

from .. import _settings

__all__ = ["detect_anomaly", "set_detect_anomaly"]


class set_detect_anomaly:
    """Accepted for compatibility; a context manager without effect."""

    def __init__(self, mode: bool = True, check_nan: bool = True) -> None:
        self._before = _settings.is_anomaly_enabled(), _settings.is_anomaly_check_nan_enabled()
        _settings.set_anomaly_enabled(mode, check_nan)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc_info) -> None:
        _settings.set_anomaly_enabled(*self._before)


class detect_anomaly(set_detect_anomaly):
    """Accepted for compatibility; a context manager without effect."""

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan

    def __enter__(self) -> None:
        super().__init__(True, self.check_nan)
