"""The settings of torch.save and torch.load, in `config`."""

from . import config as config
