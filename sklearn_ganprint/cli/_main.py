"""The command line itself: arguments, exit status, and what becomes of errors."""

import argparse
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import sklearn_ganprint
from sklearn_ganprint._output import NAMES, as_name, printable, without_secrets
from sklearn_ganprint.cli._console import CommandError, one_line, plain_warnings
from sklearn_ganprint.cli._interrupt import STATUS, WORD, interruptible

#: Commands and what they are for. Each is a module of this package, which is imported once the
#: command is chosen: it takes seconds to import what they need.
_COMMANDS = {
    "demo": "try it on the bundled images",
    "audit": "tell what beside their traces tells sources apart, before a figure is believed",
    "fit": "learn the traces of sources from labelled images",
    "predict": "attribute images to the sources of a model, or to none",
    "verify": "test whether images are from a source that is claimed",
    "replay": "judge a case of predict or verify again, and tell what has changed",
    "evaluate": "tell how often a model is right about labelled images",
    "inspect": "show what image files are, and what they say of themselves",
    "info": "show what a model was made of",
    "cluster": "sort unlabelled images by their source",
    "localize": "find the parts of images that come from elsewhere",
    "compare": "tell whether two collections of images share a source",
    "reproduce": "every figure and table of the paper, for your own images",
    "simulate": "make images of simulated generators and cameras",
}

_EPILOG = """\
exit status:
  0    all went well
  1    files could not be used; each is named on stderr with its reason, all others were done
  2    wrong use, or nothing could be done; stderr says why
  70   a fault of the program (--debug shows where)
  130  interrupted
  141  whoever read the results stopped reading

Results go to stdout; progress, warnings and errors to stderr.
"""

_DEBUG = "show tracebacks of errors"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments without the name of the program; None takes those of the process.

    Returns
    -------
    int
        Exit status: 0 all went well, 1 some files could not be used, 2 wrong use.

    Examples
    --------
    >>> from sklearn_ganprint.cli import main
    >>> main(["--version"])
    ganprint 0.1.0
    0
    """
    try:
        with plain_warnings():
            args = _parser().parse_args(argv)
        words = sys.argv[1:] if argv is None else argv
        args.words = [without_secrets(as_name(word)) for word in words]
    except SystemExit as stop:  # argparse has said what is wrong, or shown the help
        return _flush(int(stop.code or 0))
    # File names may hold letters that the encoding does not have, and bytes that are no letters.
    for stream, errors in ((sys.stdout, NAMES), (sys.stderr, "backslashreplace")):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=errors)
    return _run(args)


def _run(args: argparse.Namespace) -> int:
    """Run one command; whatever goes wrong becomes one line and an exit status."""
    from sklearn_ganprint._batches import workers_of_this_process  # not for --help

    has_workers = getattr(args, "jobs", 1) != 1
    try:
        with interruptible(has_workers), workers_of_this_process(), plain_warnings():
            _require(args.requires)
            status: int = args.run(args)
            sys.stdout.flush()
            return status
    except KeyboardInterrupt:
        return _stop(WORD, STATUS, args.debug)
    except BrokenPipeError:
        _discard_stdout()
        return 141
    # An ImportError is of an extra that is needed, and says how it is installed.
    except (CommandError, ValueError, OSError, MemoryError, ImportError) as error:
        return _stop(f"error: {one_line(str(error) or type(error).__name__)}", 2, args.debug)
    except Exception as error:
        text = f"error: unexpected {type(error).__name__}: {one_line(str(error))}"
        return _stop(f"{text} (--debug shows where)", 70, args.debug)


def _stop(message: str, status: int, debug: bool) -> int:
    if debug:
        for line in traceback.format_exc().splitlines():
            print(printable(line), file=sys.stderr)
    print(message, file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # where it goes is full, which may be what the message is about
        _discard_stdout()
    return status


def _flush(status: int) -> int:
    """Write out what was printed, and tell if that fails: at its end Python only could."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_stdout()
        return 141
    except OSError as error:
        return _stop(f"error: {error}", 2, debug=False)
    return status


def _require(modules: Sequence[str]) -> None:
    """Refuse before any work is done, not after it."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise CommandError(
            f"this command needs {', '.join(missing)}: pip install 'sklearn_ganprint[cli]'"
        )


def _discard_stdout() -> None:
    """Keep Python from trying once more, at its end, to write what no one reads."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError:  # stdout is no file, so there is nothing that would be tried
        pass


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are of the command that was called, in words fit for a terminal."""

    def parse_known_args(self, *args: Any, **kwargs: Any) -> Any:
        # Left to the parser of all commands, an unknown option would print the usage of that.
        namespace, unknown = super().parse_known_args(*args, **kwargs)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return namespace, unknown

    def error(self, message: str) -> NoReturn:
        super().error(one_line(message))


class _Command(_Parser):
    """The parser of one command, whose arguments come with its module when it is chosen."""

    def parse_known_args(self, *args: Any, **kwargs: Any) -> Any:
        name = self.prog.rpartition(" ")[2]
        module = importlib.import_module(f"sklearn_ganprint.cli._{name}")
        self.description = module.DESCRIPTION
        module.add_arguments(self)
        # SUPPRESS: a default here would undo --debug given before the command.
        self.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=_DEBUG)
        self.set_defaults(run=module.run, requires=module.REQUIRES)
        return super().parse_known_args(*args, **kwargs)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ganprint",
        description="Which generator or camera made this image?",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    version = f"ganprint {sklearn_ganprint.__version__}"
    parser.add_argument("--version", action="version", version=version)
    parser.add_argument("--debug", action="store_true", help=_DEBUG)
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=_Command
    )
    for name, purpose in _COMMANDS.items():
        commands.add_parser(name, help=purpose)
    return parser
