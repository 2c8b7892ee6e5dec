"""Finding an app by ``MODULE:APP``."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from types import ModuleType
from typing import Any

from holdfast.errors import UsageError
from holdfast.runtime import App


def load(place: str) -> App[Any]:
    """The app that ``module:attribute`` names; modules of the working directory are found too.

    Raises:
        UsageError: there is no such module or attribute, it is no App, or the module cannot be imported.
    """
    module_name, colon, attribute = place.partition(":")
    if not (module_name and colon and attribute):
        raise UsageError(f"{place!r} names no app: write MODULE:APP, such as claims.agent:app")
    if (here := os.getcwd()) not in sys.path:
        sys.path.insert(0, here)
    found: Any = _imported(module_name)
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise UsageError(f"module {module_name} has no {attribute!r}{_suggestion(module_name)}")
        found = getattr(found, name)
    if not isinstance(found, App):
        raise UsageError(f"{place} is no App but of type {type(found).__name__}{_suggestion(module_name)}")
    return found


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UsageError(f"no module named {name!r} in {os.getcwd()} or on the Python path") from error
        raise _failed(name, error) from error
    except (Exception, SystemExit) as error:  # modules are user code
        raise _failed(name, error) from error


def _failed(name: str, error: BaseException) -> UsageError:
    if isinstance(error, SyntaxError):
        place = f" ({error.filename}, line {error.lineno})"
    else:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f" ({last.filename}, line {last.lineno})"
    return UsageError(f"module {name} cannot be imported: {type(error).__name__}: {error}{place}")


def _suggestion(module_name: str) -> str:
    apps = [name for name, value in vars(sys.modules[module_name]).items() if isinstance(value, App)]
    return f"; apps there: {', '.join(f'{module_name}:{name}' for name in apps)}" if apps else "; it defines no App"
