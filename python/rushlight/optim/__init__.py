"""Optimizers and learning-rate schedules; the names are those of torch.optim."""

from .._missing import missing
from . import lr_scheduler
from .adam import Adam, AdamW
from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["Adam", "AdamW", "Optimizer", "SGD", "lr_scheduler"]

missing(__name__)
