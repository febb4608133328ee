"""Functions called before and after a module's forward."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable

from rushlight.utils.hooks import RemovableHandle

TYPE_CHECKING = False  # spares the import of typing
if TYPE_CHECKING:
    from typing import Any


class ForwardHooksMixin:
    """The part of Module that registers forward hooks and calls them."""

    def _call_with_hooks(self, args, kwargs):
        for hook_id, hook in tuple(self._forward_pre_hooks.items()):
            if hook_id in self._forward_pre_hooks_with_kwargs:
                changed = hook(self, args, kwargs)
                if changed is not None:
                    if not isinstance(changed, tuple) or len(changed) != 2:
                        raise RuntimeError(
                            "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                            f"but got {changed}."
                        )
                    args, kwargs = changed
            else:
                changed = hook(self, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)

        pending = OrderedDict(self._forward_hooks)
        try:
            result = self.forward(*args, **kwargs)
            while pending:
                hook_id, hook = pending.popitem(last=False)
                changed = self._call_forward_hook(hook_id, hook, args, kwargs, result)
                if changed is not None:
                    result = changed
            return result
        except Exception:
            for hook_id, hook in pending.items():
                if hook_id in self._forward_hooks_always_called:
                    try:
                        self._call_forward_hook(hook_id, hook, args, kwargs, None)
                    except Exception as error:
                        warnings.warn(
                            f"module forward hook with ``always_call=True`` raised {error!r}, which was silenced "
                            "because another error was raised before",
                            stacklevel=2,
                        )
            raise

    def _call_forward_hook(self, hook_id, hook, args, kwargs, result):
        if hook_id in self._forward_hooks_with_kwargs:
            return hook(self, args, kwargs, result)
        return hook(self, args, result)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before ``forward``; a result other than None replaces the arguments.

        With ``with_kwargs`` it is ``hook(module, args, kwargs)``, returning None or ``(args, kwargs)``.
        """
        options = self._forward_pre_hooks_with_kwargs
        handle = RemovableHandle(self._forward_pre_hooks, extra_dict=options)
        self._forward_pre_hooks[handle.id] = hook
        if with_kwargs:
            options[handle.id] = True
        if prepend:
            self._forward_pre_hooks.move_to_end(handle.id, last=False)
        return handle

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after ``forward``; a result other than None replaces the output.

        With ``with_kwargs`` it is ``hook(module, args, kwargs, output)``. With ``always_call`` it also runs,
        with output None, when ``forward`` raised.
        """
        kwargs_option, always_option = self._forward_hooks_with_kwargs, self._forward_hooks_always_called
        handle = RemovableHandle(self._forward_hooks, extra_dict=(kwargs_option, always_option))
        self._forward_hooks[handle.id] = hook
        if with_kwargs:
            kwargs_option[handle.id] = True
        if always_call:
            always_option[handle.id] = True
        if prepend:
            self._forward_hooks.move_to_end(handle.id, last=False)
        return handle
