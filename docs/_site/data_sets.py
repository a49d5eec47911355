"""A page for each data set, made from the value that the package itself goes by."""

import re
from collections.abc import Iterator

from physioaffect.data_set import DataSet, Task
from physioaffect.datasets import DATASETS, FACE_SETS
from physioaffect.evaluation.protocols.recommended import RECOMMENDED, recommended
from physioaffect.faces import FaceSet
from physioaffect.features import default_recipe


def _table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> list[str]:
    if not rows:
        return []
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    lines += [
        "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in row) + " |"
        for row in rows
    ]
    return [*lines, ""]


def _number(value: float) -> str:
    return f"{value:g}"


def _task(task: Task) -> tuple[object, ...]:
    return f"`{task.name}`", task.kind, ", ".join(task.classes) or "a number", task.source, task.description


def _doi(doi: str) -> str:
    return f"[doi:{doi}](https://doi.org/{doi})" if doi.startswith("10.") else doi or "none"


def _linked(text: str) -> str:
    """Addresses as links."""
    return re.sub(r"(https?://[^\s,;)]*[^\s,;.:)])", r"<\1>", text)


def _signals(data: DataSet) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for name, rate in data.sfreqs.items():
        channels = data.ch_names.get(name, ())
        shown = (
            ", ".join(channels) if len(channels) <= 6 else f"{len(channels)}: {', '.join(channels[:6])}, ..."
        )
        rows.append((f"`{name}`", f"{_number(rate)} Hz", shown or "as in the file"))
    return rows


def _protocols(name: str) -> list[str]:
    if name not in RECOMMENDED:
        return []
    told = recommended(name)
    others = ", ".join(f"`{protocol}`" for protocol in told.secondary)
    return ["## Protocols", "", f"First `{told.primary}`, then {others}. {told.note}", ""]


def _page(data: DataSet) -> str:
    recipe = default_recipe(data)
    families = ", ".join(f"`{family.name}`" for family in recipe.features)
    made = ", ".join(
        what for what, there in (("`download`", data.download), ("`simulate`", data.simulate)) if there
    )
    lines = [f"# {data.name}: {data.title}", ""]
    facts: list[tuple[object, ...]] = [
        ("people", data.n_subjects),
        ("trials of a complete person", data.n_trials or "differ"),
        ("paper", _doi(data.doi)),
        ("licence", _linked(data.licence)),
        ("how to get it", _linked(data.how_to_get)),
        ("expected on disk", data.layout),
        (
            "EEG that it still holds",
            f"{_number(data.passband[0])}-{_number(data.passband[1])} Hz"
            if data.passband
            else "no EEG, or not stated",
        ),
        (
            "usual windows",
            f"{_number(data.window)} s every {_number(data.step)} s"
            + (f", of the last {_number(data.last)} s" if data.last else ""),
        ),
        ("usual features", families),
        ("commands besides `check` and `evaluate`", made or "none"),
    ]
    lines += _table(("", data.title), facts)
    lines += ["## Signals", "", *_table(("signal", "rate", "channels"), _signals(data))]
    lines += [
        "## Tasks",
        "",
        *_table(("task", "kind", "classes", "from", "what it says"), [_task(t) for t in data.tasks.values()]),
    ]
    scales: list[tuple[object, ...]] = [
        (f"`{name}`", _number(low), _number(high)) for name, (low, high) in data.ratings.items()
    ]
    if scales:
        lines += ["## Ratings", "", *_table(("rating", "lowest", "highest"), scales)]
    lines += _protocols(data.name)
    lines += [
        "What was decided where the files are silent, and what to look out for: "
        "[all data sets](../../datasets.md).",
        "",
    ]
    return "\n".join(lines)


def _face_page(data: FaceSet) -> str:
    facts: list[tuple[object, ...]] = [
        ("people", data.n_subjects or "not told"),
        ("classes", ", ".join(data.classes)),
        ("paper", _doi(data.doi)),
        ("licence", _linked(data.licence)),
        ("how to get it", _linked(data.how_to_get)),
        ("expected on disk", data.layout),
    ]
    told = ["For training a face model, not for `evaluate`: [all data sets](../../datasets.md).", ""]
    return "\n".join([f"# {data.name}: {data.title}", "", *_table(("", data.title), facts), *told])


def pages() -> Iterator[tuple[str, str]]:
    """File name and Markdown of each data set's page, and of the index that lists them."""
    for data in DATASETS.values():
        yield f"{data.name}.md", _page(data)
    for faces in FACE_SETS.values():
        yield f"{faces.name}.md", _face_page(faces)
