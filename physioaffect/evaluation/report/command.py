"""How a run is repeated: the command line if its options can say all of it, else Python."""

from __future__ import annotations

import json
import shlex
from typing import Any, NamedTuple

from physioaffect.datasets import DATASETS
from physioaffect.evaluation.models import MODELS
from physioaffect.features import LDS, MovingAverage, default_recipe
from physioaffect.features.defaults import usual_cleaning
from physioaffect.signals.eeg import EEGCleaning
from physioaffect.signals.quality import MarkQuality

__all__ = ["Repeat", "command_of", "repeat_of"]


class Repeat(NamedTuple):
    """What to type: the command, or Python where options do not say it all, and why."""

    text: str
    is_command: bool
    remark: str


def command_of(run: dict[str, Any]) -> str:
    """Write what repeats a run; its data are named PATH, its folder OUT."""
    return repeat_of(run).text


def repeat_of(run: dict[str, Any]) -> Repeat:
    """Find what repeats a run."""
    request = run["request"]
    if run["dataset"] is None or "dataset" not in request["data"]:
        return Repeat(_call(run), False, "The run was made from Python, with a feature table of its own.")
    custom = [name for name in request["models"] if name.rpartition("+")[2] not in MODELS]
    if custom:
        return Repeat(_call(run), False, f"{', '.join(custom)}: estimators of one’s own, made in Python.")
    if not _is_expressible(run):
        return Repeat(_call(run), False, "The recipe has settings that no option of the command line says.")
    return Repeat(_command(run), True, "PATH is the data set’s folder as distributed, OUT a new folder.")


def _command(run: dict[str, Any]) -> str:
    request = run["request"]
    recipe, windows = request["recipe"], request["recipe"]["windows"]
    parts = ["physioaffect", "evaluate", run["dataset"]["name"], "PATH"]
    parts += ["--task", request["task"], "--model", ",".join(request["models"])]
    parts += ["--protocol", ",".join(request["protocols"]), "--out", "OUT", "--seed", str(request["seed"])]
    parts += ["--features", ",".join(family["name"] for family in recipe["features"])]
    parts += ["--window", f"{windows['duration']:g}", "--step", f"{windows['step'] or windows['duration']:g}"]
    if _is_cleaned(recipe):
        parts.append("--clean")
    if recipe["baseline"]:
        parts += ["--baseline", recipe["baseline"]]
    if recipe["smoothing"]:
        parts += ["--smooth", _smoothing(recipe["smoothing"][0])[0]]
    if "permutations" in request:
        parts += ["--permutations", str(request["permutations"]), "--refit", request["refit"]]
    if request.get("missing", "leave_out") != "leave_out":
        parts += ["--missing", request["missing"]]
    if request["subjects"]:
        parts += ["--subjects", ",".join(request["subjects"])]
    if request["strict"]:
        parts.append("--strict")
    return shlex.join(parts)


def _is_cleaned(recipe: dict[str, Any]) -> bool:
    """Whether --clean is needed; beats are found without it, where a family is made of them."""
    return any(step["name"] in (EEGCleaning.name, MarkQuality.name) for step in recipe["cleaning"])


def _smoothing(step: dict[str, Any]) -> tuple[str, Any]:
    """What --smooth says for a step, and what it then makes."""
    settings = step["settings"]
    ending = "_causal" if settings.get("causal") else ""
    if step["name"] == "lds":
        return f"lds{ending}", LDS(causal=bool(settings.get("causal")))
    n = int(settings.get("n_windows", 5))
    return f"mean{ending}:{n}", MovingAverage(n_windows=n, causal=bool(settings.get("causal")))


def _is_expressible(run: dict[str, Any]) -> bool:
    """Whether the options make the very recipe of the run."""
    recipe, dataset = run["request"]["recipe"], DATASETS.get(run["dataset"]["name"])
    if dataset is None or recipe is None or len(recipe["smoothing"]) > 1:
        return False
    windows = recipe["windows"]
    try:
        made = default_recipe(
            dataset,
            families=[family["name"] for family in recipe["features"]],
            window=windows["duration"],
            step=windows["step"] or windows["duration"],
            cleaning=usual_cleaning(dataset) if _is_cleaned(recipe) else (),
            baseline=recipe["baseline"],
            smoothing=[_smoothing(step)[1] for step in recipe["smoothing"]],
        )
    except ValueError:
        return False
    again = json.loads(made.to_json())
    # Both say "no overlap".
    for one in (again, recipe := json.loads(json.dumps(recipe))):
        one["windows"]["step"] = one["windows"]["step"] or one["windows"]["duration"]
    return bool(again == recipe)


def _call(run: dict[str, Any]) -> str:
    request = run["request"]
    lines = ["from pathlib import Path", "from physioaffect.evaluation import evaluate"]
    dataset = run["dataset"] if "dataset" in request["data"] else None
    arguments = ["TABLE"] if dataset is None else [repr(dataset["name"]), '"PATH"']
    if request["recipe"]:
        lines += [
            "from physioaffect.features import Recipe",
            "",
            "# The recipe is printed below; keep it as recipe.json.",
            'recipe = Recipe.from_json(Path("recipe.json").read_text())',
        ]
    lines += ["", "evaluate("] + [f"    {argument}," for argument in arguments]
    known = [name for name in request["models"] if name.rpartition("+")[2] in MODELS]
    custom = [name for name in request["models"] if name not in known]
    models = [f"{name!r}: {name!r}" for name in known] + [f"{name!r}: ..." for name in custom]
    lines.append(f"    models={{{', '.join(models)}}}," + ("  # See “Models” below." if custom else ""))
    lines.append(f"    protocols={request['protocols']!r},")
    lines.append(f"    task={request['task']!r}," + ("  # Or one’s own Task." if dataset is None else ""))
    if request["recipe"]:
        lines.append("    recipe=recipe,")
    if request["subjects"]:
        lines.append(f"    subjects={request['subjects']!r},")
    lines.append(f"    seed={request['seed']},")
    if "permutations" in request:
        lines.append(f"    permutations={request['permutations']},")
        lines.append(f"    refit={request['refit']!r},")
    if request.get("missing", "leave_out") != "leave_out":
        lines.append(f"    missing={request['missing']!r},")
    if request["strict"]:
        lines.append("    strict=True,")
    return "\n".join([*lines, '    out="OUT",', ")"])
