"""Give functions of a loaded module the code that its file has now.

Only bodies of a module's functions and methods are swapped; a function keeps its identity, so
whoever has imported it runs the new body. Anything else that differs needs a fresh process.
"""

import ast
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

Function = ast.FunctionDef | ast.AsyncFunctionDef


class NeedsFreshProcess(Exception):
    """The files differ in more than bodies of functions that can be found."""


def swap(file: str, *, before: str, after: str) -> None:
    """Swap what differs. Raises NeedsFreshProcess, and then some functions may be swapped."""
    module = sys.modules.get(file.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    if module is None:
        return  # it will be read from its file
    old, new = _codes(before, file), _codes(after, file)
    for name in _changed(ast.parse(before), ast.parse(after)):
        function = _function(module, name)
        same_place = function.__code__.co_firstlineno == old[name].co_firstlineno
        if not same_place or function.__code__.co_freevars != new[name].co_freevars:
            raise NeedsFreshProcess(name)
        function.__code__ = new[name]


def _changed(old: ast.AST, new: ast.AST, prefix: str = "") -> Iterator[str]:
    """The qualified names of the functions whose bodies differ."""
    before, after = _body(old), _body(new)
    if len(before) != len(after):
        raise NeedsFreshProcess(prefix or "the module")
    for one, other in zip(before, after, strict=True):
        if ast.dump(one) == ast.dump(other):
            continue
        if isinstance(one, Function) and isinstance(other, Function) and _head(one) == _head(other):
            if _inner(one) != _inner(other):
                raise NeedsFreshProcess(f"{prefix}{one.name}")
            yield f"{prefix}{one.name}"
        elif isinstance(one, ast.ClassDef) and isinstance(other, ast.ClassDef):
            yield from _changed(one, other, f"{prefix}{one.name}.")
        else:
            raise NeedsFreshProcess(f"line {getattr(one, 'lineno', 0)}")


def _body(node: ast.AST) -> list[ast.stmt]:
    assert isinstance(node, ast.Module | ast.ClassDef)
    return node.body


def _head(function: Function) -> str:
    """All but the body."""
    decorators = [ast.dump(each) for each in function.decorator_list]
    return f"{function.name} {ast.dump(function.args)} {decorators}"


def _inner(function: Function) -> list[str]:
    """The functions inside of it, which may have been made already, when the module was loaded."""
    inner = (each for each in ast.walk(function) if isinstance(each, Function | ast.Lambda))
    return [ast.dump(each) for each in inner if each is not function]


def _codes(source: str, file: str) -> dict[str, CodeType]:
    """The code of each function and method by qualified name, without names defined twice."""
    codes: dict[str, CodeType] = {}
    twice: set[str] = set()
    waiting = [compile(source, file, "exec", dont_inherit=True)]
    while waiting:
        for code in waiting.pop().co_consts:
            if isinstance(code, CodeType):
                twice |= {code.co_qualname} & codes.keys()
                codes[code.co_qualname] = code
                waiting.append(code)
    return {name: code for name, code in codes.items() if name not in twice}


def _function(module: ModuleType, name: str) -> FunctionType:
    """The function behind whatever decorates it."""
    function: Any = module
    for part in name.split("."):
        function = vars(function).get(part)
    for inner in ("__func__", "fget", "func", "__wrapped__"):
        while not isinstance(function, FunctionType) or inner == "__wrapped__":
            if not hasattr(function, inner):
                break
            if hasattr(function, "cache_clear"):
                function.cache_clear()
            function = getattr(function, inner)
    if not isinstance(function, FunctionType) or function.__code__.co_qualname != name:
        raise NeedsFreshProcess(name)
    return function
