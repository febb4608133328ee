"""Optimizer: parameter groups, per-parameter state, saving and loading."""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy

import rushlight as rl
from rushlight.nn.modules.module import clear_grad
from rushlight.utils.hooks import RemovableHandle
from rushlight.utils.naming import typename

TYPE_CHECKING = False  # spares the import of typing
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    ParamsT: TypeAlias = Iterable[rl.Tensor | tuple[str, rl.Tensor] | dict[str, Any]]

__all__ = ["Optimizer", "register_optimizer_step_post_hook", "register_optimizer_step_pre_hook"]


def _number(value) -> float:
    """A hyperparameter as a Python number; it may be given as a one-element tensor."""
    return value.item() if isinstance(value, rl.Tensor) else value


def _check_not_negative(**values) -> None:
    """Raise ValueError for a negative value; ``learning_rate=-1`` reads "Invalid learning rate: -1"."""
    for name, value in values.items():
        if not 0.0 <= _number(value):
            raise ValueError(f"Invalid {name.replace('__', ' ')}: {value}")


_HOOKS = (
    "_optimizer_step_pre_hooks",
    "_optimizer_step_post_hooks",
    "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)
_global_optimizer_pre_hooks: OrderedDict = OrderedDict()
_global_optimizer_post_hooks: OrderedDict = OrderedDict()


def _add_hook(hooks: OrderedDict, hook, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` before every optimizer's ``step``, before the hooks of its own."""
    return _add_hook(_global_optimizer_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` after every optimizer's ``step``, after the hooks of its own."""
    return _add_hook(_global_optimizer_post_hooks, hook)


class Optimizer:
    """Base class. ``params``: tensors, ``(name, tensor)`` pairs, or dicts with "params" and own options.

    A subclass implements ``step(closure=None)`` and returns what the closure returned.
    """

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        if isinstance(params, rl.Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {typename(params)}"
            )
        self.defaults = defaults
        self.state: defaultdict[rl.Tensor, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._init_hooks()

        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _init_hooks(self) -> None:
        for name in _HOOKS:
            setattr(self, name, OrderedDict())

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.step)

    # ---- parameter groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a dict with "params" (a tensor or an ordered iterable) and options that override the defaults."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, rl.Tensor):
            params = [params]
        elif isinstance(params, (set, frozenset)):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in "
                "sets will change between runs. Please use a list instead."
            )
        else:
            params = list(params)

        group = {**param_group}
        named = [isinstance(param, tuple) for param in params]
        if any(named):
            if not all(named):
                raise ValueError("all optimizer params should be with/without names. Some param names are missing")
            group["param_names"] = [name for name, _ in params]
            params = [param for _, param in params]
        group["params"] = params

        for param in params:
            if not isinstance(param, rl.Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {typename(param)}")
            if not param.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            group.setdefault(name, default)

        ids = {id(param) for param in params}
        if len(ids) < len(params):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error",
                stacklevel=3,
            )
        if any(id(param) in ids for other in self.param_groups for param in other["params"]):
            raise ValueError("some parameters appear in more than one parameter group")
        if self.param_groups and ("param_names" in group) != ("param_names" in self.param_groups[0]):
            raise ValueError("all optimizer param groups should be with/without names.")
        self.param_groups.append(group)

    def _all_params(self) -> list[rl.Tensor]:
        return [param for group in self.param_groups for param in group["params"]]

    # ---- stepping

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with zeros."""
        for group in self.param_groups:
            for param in group["params"]:
                clear_grad(param, set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters by their gradients. ``closure`` computes the loss and the gradients anew."""
        raise NotImplementedError

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before ``step``; a result replaces ``(args, kwargs)``.

        args: those of ``step``, the optimizer first.
        """
        return _add_hook(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after ``step``."""
        return _add_hook(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` before ``state_dict``. prepend: before the hooks that are there."""
        return _add_hook(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` after ``state_dict``; a result replaces the dict."""
        return _add_hook(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` before ``load_state_dict`` with a shallow copy; a result replaces it."""
        return _add_hook(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` after ``load_state_dict``."""
        return _add_hook(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    # ---- saving and loading

    def state_dict(self) -> dict[str, Any]:
        """``{"state": {index: dict}, "param_groups": [...]}`` with parameters replaced by running indices."""
        for hook in tuple(self._optimizer_state_dict_pre_hooks.values()):
            hook(self)
        params = self._all_params()
        index = {}
        for param in params:
            index.setdefault(id(param), len(index))
        groups = []
        for group in self.param_groups:
            packed = {name: value for name, value in group.items() if name != "params"}
            packed["params"] = [index[id(param)] for param in group["params"]]
            groups.append(packed)
        state = {index[id(key)] if isinstance(key, rl.Tensor) else key: entry for key, entry in self.state.items()}
        result = {"state": state, "param_groups": groups}
        for hook in tuple(self._optimizer_state_dict_post_hooks.values()):
            changed = hook(self, result)
            if changed is not None:
                result = changed
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take options and state from ``state_dict()`` of an optimizer with groups of the same sizes.

        State tensors are copied, and cast to the dtype and device of their parameter.
        """
        state_dict = state_dict.copy()
        for hook in tuple(self._optimizer_load_state_dict_pre_hooks.values()):
            changed = hook(self, state_dict)
            if changed is not None:
                state_dict = changed
        saved_groups = state_dict["param_groups"]
        if len(saved_groups) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        for saved, group in zip(saved_groups, self.param_groups):
            if len(saved["params"]) != len(group["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
                )

        saved_indices = [index for group in saved_groups for index in group["params"]]
        param_of = dict(zip(saved_indices, self._all_params()))
        state = defaultdict(dict)
        for key, entry in state_dict["state"].items():
            param = param_of.get(key)
            if param is None:
                state[key] = deepcopy(entry)
            else:
                state[param] = {name: _cast_state(value, name, param) for name, value in entry.items()}

        groups = []
        for saved, group in zip(saved_groups, self.param_groups):
            loaded = {name: deepcopy(value) for name, value in saved.items() if name != "params"}
            if "param_names" in group and "param_names" not in loaded:
                loaded["param_names"] = group["param_names"]
            loaded["params"] = group["params"]
            groups.append(loaded)
        self.__setstate__({"state": state, "param_groups": groups})
        for hook in tuple(self._optimizer_load_state_dict_post_hooks.values()):
            hook(self)

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in _HOOKS:
            self.__dict__.setdefault(name, OrderedDict())
        for group in self.param_groups:  # options unknown when the state was saved
            for name, default in self.defaults.items():
                group.setdefault(name, default)

    def __repr__(self) -> str:
        text = type(self).__name__ + " ("
        for i, group in enumerate(self.param_groups):
            options = "".join(f"    {name}: {group[name]}\n" for name in sorted(group) if name != "params")
            text += f"\nParameter Group {i}\n{options}"
        return text + ")"


def _cast_state(value, name: str, param):
    """A copy of a state entry for ``param``. "step" keeps its dtype: low precision cannot count far."""
    if isinstance(value, rl.Tensor):
        if name == "step":
            return value.detach().clone()
        dtype = param.dtype if param.is_floating_point() else value.dtype
        return value.detach().to(device=param.device, dtype=dtype, copy=True)
    if isinstance(value, Mapping):
        return {k: _cast_state(v, name, param) for k, v in value.items()}
    return deepcopy(value)


def _with_hooks(step):
    """``step`` with its hooks called around it."""
    if getattr(step, "_calls_hooks", False):
        return step

    @functools.wraps(step)
    def hooked_step(*args, **kwargs):
        self = args[0]
        self._opt_called = True  # lr_scheduler warns where it is stepped first
        before, after = self._optimizer_step_pre_hooks, self._optimizer_step_post_hooks
        if not (before or after or _global_optimizer_pre_hooks or _global_optimizer_post_hooks):
            return step(*args, **kwargs)
        for hook in (*_global_optimizer_pre_hooks.values(), *before.values()):
            changed = hook(self, args, kwargs)
            if changed is not None:
                if not isinstance(changed, tuple) or len(changed) != 2:
                    raise RuntimeError(
                        f"{step} must return None or a tuple of (new_args, new_kwargs), but got {changed}."
                    )
                args, kwargs = changed
        result = step(*args, **kwargs)
        for hook in (*after.values(), *_global_optimizer_post_hooks.values()):
            hook(self, args, kwargs)
        return result

    hooked_step._calls_hooks = True
    return hooked_step


def evaluate_closure(closure):
    """The closure's loss, computed with gradients on; None without a closure."""
    if closure is None:
        return None
    with rl.enable_grad():
        return closure()
