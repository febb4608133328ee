"""Functions that run under a grad mode."""

from __future__ import annotations

import functools
import inspect
import sys
import warnings


def decorate(mode, func):
    """Return ``func`` wrapped so that every call runs inside ``mode.clone()``.

    Generators and coroutines are in the mode only while they run. A class gets its constructor wrapped.
    """
    if inspect.isclass(func):
        warnings.warn(
            "Decorating classes is deprecated and will be disabled in future versions. You should only decorate "
            "functions or methods. To preserve the current behavior of class decoration, you can directly decorate the "
            "`__init__` method and nothing else.",
            FutureWarning,
            stacklevel=3,
        )
        func.__init__ = decorate(mode, func.__init__)
        return func
    if not callable(func):
        raise TypeError(f"a grad mode decorates functions, not {type(func).__name__}")
    if inspect.isgeneratorfunction(func):
        return _generator(mode, func)
    if inspect.iscoroutinefunction(func):

        @functools.wraps(func)
        async def run_async(*args, **kwargs):
            with mode.clone():
                return await func(*args, **kwargs)

        return run_async

    @functools.wraps(func)
    def run(*args, **kwargs):
        with mode.clone():
            return func(*args, **kwargs)

    return run


def _generator(mode, func):
    @functools.wraps(func)
    def run(*args, **kwargs):
        generator = func(*args, **kwargs)
        # The mode holds only between two yields: the caller's code in between keeps its own.
        try:
            with mode.clone():
                item = generator.send(None)
            while True:
                try:
                    request = yield item
                except GeneratorExit:
                    with mode.clone():
                        generator.close()
                    raise
                except BaseException:
                    with mode.clone():
                        item = generator.throw(sys.exc_info()[1])
                else:
                    with mode.clone():
                        item = generator.send(request)
        except StopIteration as stop:
            return stop.value

    return run
