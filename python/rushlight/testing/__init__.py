"""Comparison of tensors in tests, and random tensors for them."""

from .._missing import missing
from ._comparison import assert_allclose, assert_close
from ._creation import make_tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]

missing(__name__)
