"""The page of all commands and their options, read from the command line itself."""

import inspect
from typing import Any

import typer.main

from physioaffect.cli import app


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def _default(parameter: Any) -> str:
    value = parameter.default
    if value is None or value is False or callable(value) or value == "":
        return ""
    return f" Default: `{value}`."


def _rows(command: Any) -> list[str]:
    rows = []
    for parameter in command.params:
        if getattr(parameter, "hidden", False):
            continue
        if parameter.param_type_name == "argument":
            name = f"`{(parameter.metavar or parameter.name).upper()}`"
        else:
            name = ", ".join(f"`{spelt}`" for spelt in (*parameter.opts, *parameter.secondary_opts))
        about = getattr(parameter, "help", "") or ""
        rows.append(f"| {name} | {_cell(about)}{_cell(_default(parameter))} |")
    return rows


def _section(name: str, command: Any, level: int) -> list[str]:
    about = inspect.cleandoc(command.help or "")
    lines = [f"{'#' * level} {name}", "", about, ""]
    if rows := _rows(command):
        lines += ["| argument or option | what it does |", "| --- | --- |", *rows, ""]
    for below, one in sorted(getattr(command, "commands", {}).items()):
        if not one.hidden:
            lines += _section(f"{name} {below}", one, level + 1)
    return lines


def page() -> str:
    """Every command of `physioaffect` with every argument and option, as Markdown."""
    lines = [
        "# All commands",
        "",
        "As `physioaffect --help` and `physioaffect COMMAND --help` tell them; "
        "exit codes and JSON: [commands](../../cli.md).",
        "",
    ]
    command = typer.main.get_command(app)
    for name, one in sorted(command.commands.items()):  # type: ignore[attr-defined]
        if not one.hidden:
            lines += _section(f"physioaffect {name}", one, 2)
    return "\n".join(lines) + "\n"
