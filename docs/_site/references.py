"""The reference: every name that a module calls public, found in the package, never listed by hand.

A name that a package's face hands on (`physioaffect.evaluation.evaluate`) is documented under the face, on
a page of its own. What only a module has is documented on the module's page.
"""

import importlib
import inspect
import pkgutil
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

FACES = ("physioaffect", "physioaffect.graphs", "physioaffect.pinn", "physioaffect.datasets")
_SHOWN = 40  # Entries of a table of names; longer ones are counted.


class Name(NamedTuple):
    """A public name: where it is documented, and what it is."""

    module: str
    name: str
    value: Any

    @property
    def path(self) -> str:
        """What one imports."""
        return f"{self.module}.{self.name}"

    @property
    def page(self) -> str:
        """Its page's name, apart from others also where files are told apart by their letters' case alone."""
        if _n_alike()[self.path.lower()] == 1:
            return self.path
        kind = "class" if inspect.isclass(self.value) else "function" if self.is_documented_itself else "data"
        return f"{self.path}-{kind}"

    @property
    def is_documented_itself(self) -> bool:
        """Whether it is a class or a function, which carries its own docstring."""
        return inspect.isclass(self.value) or inspect.isroutine(self.value)


@cache
def modules() -> dict[str, ModuleType]:
    """Every public module that says what is public, by name."""
    names = set(FACES)
    for face in FACES:
        path = importlib.import_module(face).__path__
        names |= {module.name for module in pkgutil.walk_packages(path, f"{face}.")}
    public = sorted(name for name in names if not any(part.startswith("_") for part in name.split(".")))
    return {name: importlib.import_module(name) for name in public}


def public_names(module: ModuleType) -> tuple[str, ...]:
    """What a module says is public."""
    return tuple(getattr(module, "__all__", ()))


def _identity(name: str, value: Any) -> tuple[object, object]:
    """What two import paths of one thing have in common."""
    if inspect.isclass(value) or inspect.isroutine(value):
        return value.__module__, value.__qualname__
    return name, id(value)


def _rank(module: str) -> tuple[bool, int, str]:
    """Faces of packages before modules, short paths before long ones."""
    return not hasattr(modules()[module], "__path__"), module.count("."), module


@cache
def documented() -> dict[tuple[object, object], Name]:
    """Each public thing once, under the path by which it should be imported."""
    found: dict[tuple[object, object], Name] = {}
    for module in sorted(modules(), key=_rank):
        for name in public_names(modules()[module]):
            value = getattr(modules()[module], name)
            if isinstance(value, ModuleType) or name.startswith("__"):
                continue  # A module has its own page.
            found.setdefault(_identity(name, value), Name(module, name, value))
    return found


@cache
def _n_alike() -> Counter[str]:
    """How many modules and public things have a path, in small letters."""
    return Counter(path.lower() for path in (*modules(), *(thing.path for thing in documented().values())))


@cache
def names() -> dict[str, set[str]]:
    """Names by which public things are called, and the paths of those that are called so."""
    found: dict[str, set[str]] = {}
    for thing in documented().values():
        found.setdefault(thing.name, set()).add(thing.path)
    return found


def where(module: str, name: str) -> str:
    """Path under which a public name is documented."""
    value = getattr(modules()[module], name)
    if isinstance(value, ModuleType):
        return value.__name__
    if name.startswith("__"):
        return f"{module}.{name}"
    return documented()[_identity(name, value)].path


def _comment_above(thing: Name) -> str:
    """The comment directly above the assignment of a constant, in the module that makes it."""
    for source in _makers(thing):
        lines = inspect.getsource(source).splitlines()
        row = next(
            (i for i, line in enumerate(lines) if line.split(":")[0].split(" ")[0] == thing.name), None
        )
        if row is None:
            continue
        above = []
        while row and lines[row - 1].startswith("#"):
            row -= 1
            above.append(lines[row].lstrip("#: "))
        return " ".join(reversed(above))
    return ""


def _makers(thing: Name) -> Iterator[ModuleType]:
    """Modules below the face that hold the same value under the same name."""
    root = (
        thing.module.rsplit(".", 1)[0] if not hasattr(modules()[thing.module], "__path__") else thing.module
    )
    for name in sorted(modules(), key=lambda name: (name != thing.module, name)):
        if name.startswith(root) and modules()[name].__dict__.get(thing.name) is thing.value:
            yield modules()[name]


def _value_in_words(value: Any) -> str:
    """What a constant is: short values as they are, tables by their keys."""
    if isinstance(value, Mapping):
        keys = [f"``{key!r}``" for key in value]
        shown = ", ".join(keys[:_SHOWN]) + (f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else "")
        return f"A table with {len(keys)} entries: {shown}."
    text = " ".join(repr(value).split())
    if len(text) <= 400 and "<function" not in text and " at 0x" not in text:
        return f"``{text}``"
    return f"A value of :py:class:`~{_path_of(type(value))}`."


def _path_of(kind: type) -> str:
    """Where a class is documented, or, of another package, defined."""
    known = documented().get(_identity(kind.__name__, kind))
    return known.path if known else f"{kind.__module__}.{kind.__qualname__}"


def _own_words(value: Any) -> str:
    """What a value says of itself: a data set's title, a protocol's claim."""
    told = [getattr(value, part, None) for part in ("title", "description", "shares", "claim")]
    return " ".join(
        text if text.endswith(".") else f"{text}." for text in told if isinstance(text, str) and text
    )


def _constant(thing: Name) -> list[str]:
    """A constant's entry, which autodoc would give the docstring of its class."""
    kind = type(thing.value)
    said = [_comment_above(thing), _own_words(thing.value), _value_in_words(thing.value)]
    lines = [f".. py:data:: {thing.name}", f"   :module: {thing.module}"]
    if kind.__module__ not in {"typing", "types", "collections.abc"}:
        lines.append(f"   :type: {kind.__qualname__ if kind.__module__ == 'builtins' else _path_of(kind)}")
    lines.append("")
    for sentence in said:
        if sentence:
            lines += [f"   {sentence}", ""]
    return lines


def _entry(thing: Name) -> list[str]:
    if inspect.isclass(thing.value):
        bases = [] if thing.value.__bases__ == (object,) else ["   :show-inheritance:"]
        return [f".. autoclass:: {thing.path}", "   :members:", *bases, ""]
    if thing.is_documented_itself:
        return [f".. autofunction:: {thing.path}", ""]
    return _constant(thing)


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").strip().split("\n\n")[0].replace("\n", " ")


def _summary(thing: Name) -> str:
    if thing.is_documented_itself:
        return _first_line(thing.value)
    return _comment_above(thing) or _own_words(thing.value) or _value_in_words(thing.value)


def _table(rows: list[tuple[str, str]]) -> list[str]:
    lines = [".. list-table::", "   :widths: 35 65", "   :class: names", ""]
    for left, right in rows:
        lines += [f"   * - {left}", f"     - {right}"]
    return [*lines, ""]


def _title(text: str, line: str = "=") -> list[str]:
    return [text, line * len(text), ""]


def _of_module(module: str) -> list[Name]:
    return sorted(
        (thing for thing in documented().values() if thing.module == module), key=lambda t: t.name.lower()
    )


def _handed_on(module: str) -> list[tuple[str, str]]:
    """Names of a module that are documented elsewhere: rows of a table."""
    rows = []
    for name in public_names(modules()[module]):
        path = where(module, name)
        if path != f"{module}.{name}":
            rows.append((f":py:obj:`{name} <{path}>`", f"as ``{path}``"))
    return rows


def _children(module: str) -> list[str]:
    """Modules directly below a package, or below the whole package, that have a page."""
    depth = module.count(".") + 1
    found = [
        name
        for name in modules()
        if name.startswith(f"{module}.") and name.count(".") == depth and has_page(name)
    ]
    # Packages first, and last the commands, which have a page of their own.
    return sorted(found, key=lambda name: (".cli" in name, not hasattr(modules()[name], "__path__"), name))


@cache
def has_page(module: str) -> bool:
    """Whether a module has a page: packages do, and modules with names that no package hands on."""
    return bool(_of_module(module)) or hasattr(modules()[module], "__path__")


def page_of_module(module: str) -> str:
    """The page of a module, or of the package around it."""
    while not has_page(module):
        module = module.rpartition(".")[0]
    return f"{module}-module" if _is_shadowed(module) else module


def _is_shadowed(module: str) -> bool:
    """Whether the package hands on a function of the module's own name."""
    return module in {thing.path for thing in documented().values()}


def _module_page(module: str) -> str:
    found = modules()[module]
    is_face = hasattr(found, "__path__")
    things = _of_module(module)
    lines = [":html_theme.sidebar_secondary.remove: true", ""] if is_face and not things else []
    lines += [*_title(module), f".. automodule:: {module}"]
    if _is_shadowed(module):
        lines.append("   :no-index:")
    lines += ["", f".. py:currentmodule:: {module}", ""]
    if module == "physioaffect":
        lines += [".. py:data:: __version__", "   :type: str", "", "   Version of the installed package.", ""]
    if is_face and things:
        lines += _table([(f":py:obj:`{t.name} <{t.path}>`", _summary(t)) for t in things])
        lines += [".. toctree::", "   :hidden:", "", *(f"   {t.page}" for t in things), ""]
    else:
        for thing in things:
            lines += _entry(thing)
    if handed := _handed_on(module):
        lines += _title("Also public here", "-") + _table(handed)
    if is_face and (children := _children(module)):
        lines += _title("Modules", "-")
        lines += _table(
            [(f":doc:`{name} <{page_of_module(name)}>`", _first_line(modules()[name])) for name in children]
        )
        lines += [".. toctree::", "   :hidden:", "", *(f"   {page_of_module(name)}" for name in children), ""]
    return "\n".join(lines) + "\n"


@cache
def pages() -> dict[str, str]:
    """Every page of the reference: file name to reStructuredText."""
    made = {f"{page_of_module(name)}.rst": _module_page(name) for name in modules() if has_page(name)}
    for thing in documented().values():
        if hasattr(modules()[thing.module], "__path__"):
            lines = [*_title(thing.name), f".. py:currentmodule:: {thing.module}", "", *_entry(thing)]
            made[f"{thing.page}.rst"] = "\n".join(lines)
    return made
