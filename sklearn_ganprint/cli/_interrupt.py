"""Ctrl-C in the command ``ganprint``: one line and status 130, whenever it comes.

This package imports this first of all, and this imports next to nothing: until the command is at
work, no code of ours could catch a KeyboardInterrupt, so the process is then ended at once.
Programs that import the package are not concerned.
"""

import os
import signal
import sys
from _thread import interrupt_main
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread, Timer, main_thread

STATUS = 130
WORD = "interrupted"


def _is_command(words: list[str]) -> bool:
    """Whether Python was started with these words to run the command, and nothing else."""
    for word, following in zip(words[1:], [*words[2:], ""], strict=True):
        if word == "-m":
            return following == "sklearn_ganprint"
        if not word.startswith("-"):
            return os.path.basename(word).removesuffix(".exe") == "ganprint"
    return False


def _end_at_once(*args: object) -> None:
    os.write(2, f"{WORD}\n".encode())
    os._exit(STATUS)


IS_COMMAND = _is_command(sys.orig_argv)
if IS_COMMAND:
    signal.signal(signal.SIGINT, _end_at_once)


@contextmanager
def interruptible(has_workers: bool) -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt in this process, and nothing in its workers, if any.

    Once the context is left, the process ends anyway: what is left takes no time, and has to be
    done, so that Ctrl-C is ignored.
    """
    pressed = False

    def press(*args: object) -> None:
        nonlocal pressed
        pressed = True
        raise KeyboardInterrupt

    try:
        if IS_COMMAND:
            signal.signal(signal.SIGINT, press)
            sys.unraisablehook = _raise_later
            if has_workers:
                _block()
        yield
    except BaseException as error:
        if pressed:  # some libraries make another error of it
            raise KeyboardInterrupt from error
        raise
    finally:
        if IS_COMMAND:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            # Python remembers that it came while a string was executed, as for a namedtuple, until
            # another is; at its end it would die of the signal, whatever has become of it.
            exec("")


def _block() -> None:
    """Let a thread wait for the signal: workers inherit, from the first, that it is blocked."""
    if sys.platform == "win32":
        return
    from sklearn_ganprint._compat import start_trackers  # only where there are workers

    start_trackers()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    signal.signal(signal.SIGWINCH, lambda *_: None)  # wakes the main thread from waiting
    Thread(target=_pass_on, daemon=True).start()


def _pass_on() -> None:
    while sys.platform != "win32":
        signal.sigwait({signal.SIGINT})
        interrupt_main()
        signal.pthread_kill(main_thread().ident or 0, signal.SIGWINCH)


def _raise_later(unraisable: "sys.UnraisableHookArgs") -> None:
    """Raise a KeyboardInterrupt again that came where Python can only print it."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
        Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(unraisable)
