"""Version strings that compare as versions, as torch.torch_version does."""

from __future__ import annotations

import re

# The version of PyTorch whose interface this package has.
TORCH_API = "2.13.0"

_PRE = {"dev": -4, "a": -3, "alpha": -3, "b": -2, "beta": -2, "rc": -1}


def _key(version: object) -> tuple:
    """Release numbers without trailing zeros, then what precedes a release. Local parts (+...) do not count."""
    if isinstance(version, (tuple, list)):
        version = ".".join(str(part) for part in version)
    text = str(version)
    match = re.match(r"v?(\d+(?:\.\d+)*)[-_.]?(?:(dev|alpha|beta|a|b|rc)[-_.]?(\d*))?", text)
    if not match:
        raise ValueError(f"invalid version: '{text}'")
    release = [int(part) for part in match[1].split(".")]
    while release and release[-1] == 0:
        release.pop()
    return tuple(release), _PRE.get(match[2], 0), int(match[3] or 0)


class TorchVersion(str):
    """A str that compares with strings, tuples and packaging versions by number: "2.13" > (2, 9)."""

    def __lt__(self, other: object) -> bool:
        return _key(self) < _key(other)

    def __le__(self, other: object) -> bool:
        return _key(self) <= _key(other)

    def __gt__(self, other: object) -> bool:
        return _key(self) > _key(other)

    def __ge__(self, other: object) -> bool:
        return _key(self) >= _key(other)

    def __eq__(self, other: object) -> bool:
        try:
            return str.__eq__(self, other) is True or _key(self) == _key(other)
        except ValueError:
            return False

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__
