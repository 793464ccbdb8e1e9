"""Ctrl-C in the command ``ganprint``: one line and status 130, whenever it comes.

The package imports this first of all, and this imports next to nothing: until the command is at
work, no code of ours could catch a KeyboardInterrupt, so the process is then ended at once.
Programs that import the package are not concerned.
"""

import os
import signal
import sys

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


class Interruptible:
    """Context in which Ctrl-C raises KeyboardInterrupt in this process; in its workers, nothing.

    Workers inherit that the signal is blocked, from their first instruction on. A thread waits for
    it instead of the main one. Once the context is left, the process ends anyway.

    Parameters
    ----------
    has_workers : bool
        Whether there may be any.
    """

    def __init__(self, has_workers: bool) -> None:
        self.has_workers = has_workers
        self._pressed = False

    def __enter__(self) -> "Interruptible":
        """Begin to raise KeyboardInterrupt."""
        if IS_COMMAND:
            signal.signal(signal.SIGINT, self._raise)
            sys.unraisablehook = _raise_later
            self._block()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Ignore Ctrl-C: what is left takes no time, and has to be done."""
        if IS_COMMAND:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        if self._pressed and error is not None:  # some libraries make another error of it
            raise KeyboardInterrupt from error

    def _block(self) -> None:
        if not self.has_workers or sys.platform == "win32":
            return
        from multiprocessing import resource_tracker
        from threading import Thread

        # When it starts it unblocks the signal, up to Python 3.12.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        signal.signal(signal.SIGWINCH, lambda *_: None)  # wakes the main thread from waiting
        Thread(target=_pass_on, daemon=True).start()

    def _raise(self, *args: object) -> None:
        self._pressed = True
        raise KeyboardInterrupt


def end_with_parent(parent: int) -> None:
    """End this process, a worker, soon after its parent: one that was killed ends no worker.

    Workers that wait for their next batch would do so for ever.
    """
    from threading import Thread
    from time import sleep

    def watch() -> None:
        while os.getppid() == parent:
            sleep(0.5)
        os._exit(1)

    if sys.platform != "win32":
        Thread(target=watch, daemon=True).start()


def _pass_on() -> None:
    from _thread import interrupt_main
    from threading import main_thread

    while sys.platform != "win32":
        signal.sigwait({signal.SIGINT})
        interrupt_main()
        signal.pthread_kill(main_thread().ident or 0, signal.SIGWINCH)


def _raise_later(unraisable: "sys.UnraisableHookArgs") -> None:
    """Raise a KeyboardInterrupt again that came where Python can only print it."""
    if not isinstance(unraisable.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
        return
    from threading import Timer

    Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
