"""The error of the command line, and its exit codes."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command (docs/cli/index.md)."""

    OK = 0
    NEGATIVE = 1
    """The answer is negative: refused, different, not ready."""
    USAGE = 2
    """Wrong arguments, or a file that cannot be read or parsed."""
    UNREACHABLE = 3
    """The API server cannot be reached, does not accept the login, or has no ModelServices."""
    NOT_FOUND = 4
    FORBIDDEN = 5
    INTERRUPTED = 130
    """Ctrl-C, as a shell reports SIGINT."""
    BROKEN_PIPE = 141
    """The reader of the output has ended, as a shell reports SIGPIPE."""


class CliError(Exception):
    """A command cannot continue. The message is one sentence: what failed, the object, the cause and what to do."""

    def __init__(self, message: str, code: ExitCode = ExitCode.NEGATIVE) -> None:
        super().__init__(message)
        self.code = code
