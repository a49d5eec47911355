"""The commands from brain to face: prototypes of EEG, a student that needs none, scores, predictions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table

from physioaffect.cli_options import (
    FolderArgument,
    JobsOption,
    SubjectsOption,
    folder_of,
    names_or_all,
)
from physioaffect.cli_output import OUT, bar, plain, plain_errors

if TYPE_CHECKING:
    from physioaffect.data_set import Exclusion
    from physioaffect.distill.faces_table import FaceTable

__all__ = ["distill"]

distill = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Prototypes of valence and arousal from EEG, distilled into a face model that needs no EEG.",
)

StudentArgument = Annotated[Path, typer.Argument(help="A student from train: STUDENT.safetensors.")]
FacesArgument = Annotated[str, typer.Argument(help="A set of faces: ferplus, affectnet or ckplus.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
DeviceOption = Annotated[str, typer.Option(help="Where to compute: auto, cpu or cuda.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@contextmanager
def _extras() -> Iterator[None]:
    """Say plainly what is wrong with settings, and which extra is missing."""
    with plain_errors():
        from physioaffect.errors import DataError, PhysioaffectError, ProtocolError  # noqa: PLC0415

        try:
            yield
        except ImportError as error:
            if error.name not in ("torch", "transformers"):
                raise
            raise DataError(
                f"This needs {error.name}, which is not installed: pip install 'physioaffect[face]'"
            ) from error
        except PhysioaffectError:
            raise
        except ValueError as error:
            raise ProtocolError(str(error)) from None


@distill.command()
def prototypes(
    dataset: Annotated[str, typer.Argument(help="EEG rated for valence and arousal: dreamer, deap, mahnob.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file: PROTOTYPES.safetensors.")],
    path: FolderArgument = None,
    k: Annotated[int, typer.Option(min=2, max=50, help="Cells along each axis of the grid.")] = 5,
    window: Annotated[float | None, typer.Option(min=0.5, help="Seconds. Default: the data set's.")] = None,
    subjects: SubjectsOption = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of the teacher, at most. Default: 60.")] = None,
    dims: Annotated[int, typer.Option(min=8, help="Length of a prototype.")] = 256,
    seed: SeedOption = 0,
    jobs: JobsOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Train a teacher on maps of the head, and average what it sees in people it was not trained on."""
    with _extras():
        from joblib import cpu_count  # noqa: PLC0415

        from physioaffect.datasets import get  # noqa: PLC0415
        from physioaffect.distill.from_eeg import eeg_prototypes  # noqa: PLC0415
        from physioaffect.distill.prototype_files import save_prototypes  # noqa: PLC0415
        from physioaffect.distill.teacher import MapTeacher  # noqa: PLC0415

        root = folder_of(dataset, path)
        teacher = MapTeacher(n_dims=dims)
        if epochs is not None:
            teacher.set_params(epochs=epochs)
        with bar(not as_json) as tell:
            made = eeg_prototypes(
                get(dataset, root),
                root,
                out=out.with_suffix(".features"),
                k=k,
                window=window,
                teacher=teacher,
                subjects=names_or_all(subjects),
                seed=seed,
                n_jobs=jobs or cpu_count(),
                device=device,  # type: ignore[arg-type]  # The teacher refuses what it does not know.
                progress=tell,
            )
        save_prototypes(made.prototypes, out)
    if as_json:
        told = {"out": str(out), "ccc_valence": made.ccc[0], "ccc_arousal": made.ccc[1]}
        OUT.print_json(data=told | made.prototypes.to_json())
        return
    OUT.print(plain(made.sentence()))
    OUT.print(plain(f"Features, kept for another run: {out.with_suffix('.features')}"), soft_wrap=True)
    OUT.print(plain(f"Prototypes: {out}", style="bold"), soft_wrap=True)


@distill.command()
def train(
    faces: FacesArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file: STUDENT.safetensors.")],
    path: FolderArgument = None,
    prototypes: Annotated[
        Path | None, typer.Option(help="Prototypes from the command prototypes. Default: none.")
    ] = None,
    control: Annotated[
        str | None, typer.Option(help="In their place: random, shuffled or one_hot, drawn with the seed.")
    ] = None,
    targeting: Annotated[
        str, typer.Option(help="Cell of a face: anchors, similarity, 'own anchors' or 'own similarity'.")
    ] = "anchors",
    teacher: Annotated[
        Path | None, typer.Option(help="A student whose logits are distilled, the image teacher.")
    ] = None,
    backbone: Annotated[str, typer.Option(help="resnet18, resnet50, resnet_tiny, vit, ...")] = "resnet18",
    size: Annotated[int, typer.Option(min=8, max=512, help="Side of the images in pixels.")] = 48,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes. Default: 100.")] = None,
    geometry: Annotated[bool, typer.Option(help="Whether D-Geo is on.")] = True,
    rate: Annotated[float | None, typer.Option(min=0, help="Learning rate. Default: 0.0002.")] = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Train a face model, choose its epoch by the validation split, and write a model card beside it.

    It opens no test: evaluate does. Whether prototypes help is told by reproduce neurogaze, with controls.
    """
    with _extras():
        from physioaffect.datasets import get_faces  # noqa: PLC0415
        from physioaffect.distill.training_one import TrainOne, train_one  # noqa: PLC0415

        faceset, root = get_faces(faces), folder_of(faces, path)
        left_out: list[Exclusion] = []
        with bar(not as_json) as tell:
            made = train_one(
                TrainOne(
                    faceset=faceset,
                    root=root,
                    out=out,
                    prototypes=prototypes,
                    control=control,
                    targeting=targeting,
                    teacher=teacher,
                    backbone=backbone,
                    size=size,
                    epochs=epochs,
                    has_geometry=geometry,
                    learning_rate=rate,
                    seed=seed,
                    device=device,
                ),
                report=left_out.append,
                progress=tell,
            )
    told = {"out": str(out), "card": str(made.card), "best_epoch": made.student.best_epoch + 1}
    told |= {"digest": made.student.digest, "n_train": made.n_train, "n_validation": made.n_validation}
    told |= {"exclusions": dict(made.exclusions), "validation": made.scores.to_json()}
    if as_json:
        OUT.print_json(data=told)
        return
    _print_exclusions(made.exclusions)
    OUT.print(
        plain(
            f"Learned from {made.n_train} faces; epoch {told['best_epoch']} was chosen by "
            f"{made.n_validation} others, on which macro-F1 is {100 * made.scores.macro_f1:.1f} %: too good, "
            "as it was chosen by."
        )
    )
    OUT.print(plain(f"Student: {out}\nModel card: {made.card}", style="bold"), soft_wrap=True)


@distill.command()
def evaluate(
    student: StudentArgument,
    faces: FacesArgument,
    path: FolderArgument = None,
    split: Annotated[
        str | None, typer.Option(help="One of the set's splits. Default: the last, or all if it has none.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score a student on faces it was not trained on: all classes, and those that are there only."""
    with _extras():
        from physioaffect.datasets import get_faces  # noqa: PLC0415
        from physioaffect.distill.faces_table import face_table  # noqa: PLC0415
        from physioaffect.distill.model_card import in_percent  # noqa: PLC0415
        from physioaffect.distill.scores import MEASURES  # noqa: PLC0415
        from physioaffect.distill.student_files import load_student  # noqa: PLC0415
        from physioaffect.distill.verdict import score_intervals  # noqa: PLC0415

        known, model = get_faces(faces), load_student(student)
        left_out: list[Exclusion] = []
        table = face_table(
            known,
            folder_of(faces, path),
            size=model.settings.image_size,
            classes=model.classes,
            grey=model.n_channels == 1,
            report=left_out.append,
        )
        chosen = split if split is not None else list(known.splits)[-1]
        table = table.split(chosen)
        logits = model.logits(table.images)[None]
        intervals = {
            way: score_intervals(logits, table.targets, table.identities, present_only=way == "present-only")
            for way in (f"{len(model.classes)}-way", "present-only")
        }
    about = {"student": str(student), "faces": faces, "split": chosen, "n": len(table)}
    about |= {"exclusions": dict(table.exclusions), "missing": _missing(table)}
    if as_json:
        scores = {way: {name: one._asdict() for name, one in own.items()} for way, own in intervals.items()}
        OUT.print_json(data=about | {"scores": scores})
        return
    _print_exclusions(table.exclusions)
    shown = Table(
        title=plain(f"{student.name} on {known.title} {chosen}: {len(table)} faces", style="table.title"),
        caption="per cent, 95 % interval over identities; one training, so nothing of other seeds",
        box=box.SIMPLE_HEAD,
    )
    shown.add_column("")
    for name in MEASURES.values():
        shown.add_column(name, justify="right")
    for way, own in intervals.items():
        shown.add_row(way, *(in_percent(own[name]) for name in MEASURES))
    OUT.print(shown)
    if about["missing"]:
        OUT.print(plain(f"No face of {', '.join(_missing(table))}.", style="yellow"))


@distill.command()
def export(
    student: StudentArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file: STUDENT.onnx.")],
    as_json: JsonOption = False,
) -> None:
    """Write a student as ONNX, check that it computes the same, and time it."""
    with _extras():
        from physioaffect.distill.exporting import check_export, export_student, time_export  # noqa: PLC0415
        from physioaffect.distill.student_files import load_student  # noqa: PLC0415

        model = load_student(student)
        export_student(model, out)
        difference, timing = check_export(model, out), time_export(out)
    if as_json:
        told = {"out": str(out), "difference": difference, "images_per_second": timing.images_per_second}
        OUT.print_json(data=told)
        return
    OUT.print(
        plain(
            f"onnxruntime differs from torch by at most {difference:.1g}; one image at a time it does "
            f"{timing.images_per_second:.0f} a second on one thread."
        )
    )
    OUT.print(plain(f"Exported: {out}", style="bold"), soft_wrap=True)


@distill.command()
def predict(
    student: StudentArgument,
    folder: Annotated[
        Path, typer.Argument(help="Pictures of faces: PNG, JPEG or BMP, the face filling each.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The table: PREDICTIONS.csv.")],
    as_json: JsonOption = False,
) -> None:
    """Predict a folder of pictures. It says what annotators would call them, not what anybody feels."""
    with _extras():
        from physioaffect.distill.predicting import predict_folder  # noqa: PLC0415
        from physioaffect.distill.student_files import load_student  # noqa: PLC0415

        table = predict_folder(load_student(student), folder)
        table.to_csv(out, index=False)
    broken = table[table["problem"] != ""]
    if as_json:
        OUT.print_json(data={"out": str(out), "n": len(table), "n_left_out": len(broken)})
        return
    for row in broken.to_dict("records"):
        OUT.print(plain(f"Left out: {row['problem']}", style="yellow"))
    OUT.print(
        plain(f"{len(table) - len(broken)} of {len(table)} pictures. They name a picture, nobody's mood.")
    )
    OUT.print(plain(f"Predictions: {out}", style="bold"), soft_wrap=True)


def _missing(table: FaceTable) -> list[str]:
    there = set(table.labels.tolist())
    return [name for place, name in enumerate(table.classes) if place not in there]


def _print_exclusions(exclusions: Any) -> None:
    for reason, count in exclusions.items():
        OUT.print(plain(f"Left out: {count} x {reason}", style="yellow"))
