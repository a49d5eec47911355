"""The commands for networks: fit one on a whole data set and save it, and use it on a recording."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from physioaffect.cli_options import (
    BaselineOption,
    CleanOption,
    DatasetArgument,
    FeaturesOption,
    FolderArgument,
    JobsOption,
    SmoothOption,
    StepOption,
    SubjectsOption,
    WindowOption,
    folder_of,
    names_or_all,
    recipe_of,
)
from physioaffect.cli_output import (
    OUT,
    bar,
    json_of_predictions,
    plain,
    plain_errors,
    print_left_out,
    print_predictions,
)

__all__ = ["predict", "train"]


def train(
    dataset: DatasetArgument,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The file: MODEL.safetensors, or MODEL.onnx to export it.")
    ],
    path: FolderArgument = None,
    model: Annotated[str, typer.Option(help="A network: dgcnn, eegnet, mlp, ...")] = "dgcnn",
    task: Annotated[str | None, typer.Option(help="What to predict. Default: the data set's first.")] = None,
    features: FeaturesOption = "de",
    window: WindowOption = None,
    step: StepOption = None,
    clean: CleanOption = False,
    baseline: BaselineOption = None,
    smooth: SmoothOption = None,
    subjects: SubjectsOption = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the windows. Default: the network's own.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    jobs: JobsOption = None,
    strict: Annotated[bool, typer.Option(help="Stop at the first broken subject.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Fit one network on all people of a data set and save it, with its recipe, for the command predict.

    It makes no claim of accuracy: nobody is held out. How well such a network does on people whom it has not
    seen, evaluate tells.
    """
    with plain_errors():
        from joblib import cpu_count  # noqa: PLC0415

        from physioaffect.datasets import get  # noqa: PLC0415
        from physioaffect.evaluation.fitted_on_all import fit_on_all, save_fitted, task_and_network  # noqa: PLC0415

        root = folder_of(dataset, path)
        known = get(dataset, root)
        chosen, network = task_and_network(known, task, model, out, epochs=epochs)
        recipe = recipe_of(
            known, features=features, window=window, step=step, clean=clean, baseline=baseline, smooth=smooth
        )
        with bar(not as_json) as tell:
            fitted = fit_on_all(
                known,
                root,
                network,
                recipe,
                task=chosen,
                subjects=names_or_all(subjects),
                seed=seed,
                strict=strict,
                n_jobs=jobs or cpu_count(),
                progress=tell,
            )
        save_fitted(fitted, out)
    if as_json:
        about: dict[str, Any] = {"out": str(out), "model": model, "dataset": known.name, "task": chosen.name}
        about |= {"classes": list(chosen.classes)}
        about |= {"n_subjects": fitted.n_subjects, "n_windows": fitted.n_windows}
        OUT.print_json(data=about | {"exclusions": [asdict(item) for item in fitted.exclusions]})
        return
    print_left_out(fitted.exclusions)
    OUT.print(
        plain(
            f"{model} learned {chosen.name} of {known.title} from {fitted.n_subjects} "
            f"{'person' if fitted.n_subjects == 1 else 'people'}, {fitted.n_windows} windows. This says "
            "nothing of others: evaluate does."
        )
    )
    OUT.print(plain(f"Network: {out}", style="bold"), soft_wrap=True)


def predict(
    model: Annotated[Path, typer.Argument(help="A network from train: MODEL.safetensors or MODEL.onnx.")],
    recording: Annotated[Path, typer.Argument(help="Continuous EEG: EDF, BDF, or what else mne reads.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write a table, too: PREDICTIONS.csv.")
    ] = None,
    rest: Annotated[
        float,
        typer.Option(
            min=0,
            help="Seconds of rest at the beginning, for a network trained with --baseline; not predicted.",
        ),
    ] = 0.0,
    resample: Annotated[
        bool, typer.Option("--resample", help="Bring a recording at a higher rate to the network's.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Predict a recording window by window, with a network that train saved.

    Electrodes are found by name. The recording has to be made and prepared like those of the training: no
    reference or filter is changed but by the network's own recipe.
    """
    with plain_errors():
        from physioaffect.evaluation.prediction import load_predictor, predict_recording  # noqa: PLC0415

        predictor = load_predictor(model)
        predictions = predict_recording(predictor, recording, resample=resample, rest=rest)
        if out is not None:
            predictions.windows.to_csv(out, index=False)
    if as_json:
        told = {"model": str(model), "recording": str(recording), "out": str(out) if out else None}
        OUT.print_json(data=told | json_of_predictions(predictions), allow_nan=False)
        return
    print_predictions(predictions)
    if out is not None:
        OUT.print(plain(f"Predictions: {out}", style="bold"), soft_wrap=True)
