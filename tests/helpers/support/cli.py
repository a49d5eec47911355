"""The command line, called as a function."""

from typer.testing import CliRunner

from physioaffect.cli import app

_runner = CliRunner()


def call(*arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output, standard error with its line breaks folded."""
    outcome = _runner.invoke(app, [str(argument) for argument in arguments])
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
    return outcome.exit_code, outcome.stdout, " ".join(outcome.stderr.split())
