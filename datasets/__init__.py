"""The data sets, one file each, read as they are distributed."""

if __name__ == "datasets":  # Found by the bare name, so this folder hides Hugging Face datasets.
    raise ImportError(
        "Import physioaffect.datasets, not datasets. If you want Hugging Face datasets, do not "
        "start Python in the repository root, or start it with python -P."
    )
