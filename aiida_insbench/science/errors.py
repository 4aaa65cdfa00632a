"""The one tree of exceptions, each saying what was wrong, where, and what to do.

.. code-block:: text

    InsbenchError
    ├── InputError                  what was given is wrong: nothing was computed
    │   ├── StructureError          crystal structure unreadable or unphysical
    │   ├── PressureError           pressures not numbers, colliding, unordered
    │   ├── DatasetError            labelled frames missing, mixed or not finite
    │   ├── PotentialError          potential unreadable, tampered or unfit for the crystal
    │   ├── InstrumentError         instrument unknown or range outside it
    │   └── JobFileError            job file unreadable or of another schema
    └── ComputationError            the input was sound, the computation was not
        ├── ConvergenceError        relaxation, fit or quadrature did not converge
        ├── ImaginaryModeError      imaginary modes where real ones are needed
        ├── TrainingError           the training program failed or left no model
        │   ├── DivergedError       the loss is not finite, or far above where it began
        │   └── ZeroLossError       nothing is learned: the labels were not read
        ├── OutOfMemoryError        memory of the device or of the machine is spent
        └── DiskFullError           no room is left where the job writes
    InterruptedJobError             SIGTERM; apart, as KeyboardInterrupt is: no handler of errors,
                                    of a library's either, may take it for one
"""

from __future__ import annotations

import re

#: Letters of a message; what is longer quotes a file at length and is cut in its middle.
_LONGEST = 2500
#: What would steer a terminal, turn the direction of text or cannot be written at all.
_UNPRINTABLE = re.compile('[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]')


class InsbenchError(Exception):
    """Root of every exception raised on purpose by this package.

    Its message may quote a file of anybody: it comes out without control characters and never
    longer than a screen.
    """

    def __str__(self) -> str:
        return readable(super().__str__())


class InputError(InsbenchError, ValueError):
    """Something given by the user is wrong; nothing expensive has started."""


class StructureError(InputError):
    """A crystal structure is unreadable or unphysical."""


class PressureError(InputError):
    """A pressure is not a finite number, or two share one label."""


class DatasetError(InputError):
    """Frames lack labels, mix levels of theory or hold values that are not finite."""


class PotentialError(InputError):
    """A potential is unreadable, tampered with or does not fit the crystal."""


class InstrumentError(InputError):
    """An instrument is unknown or does not reach the range asked for."""


class JobFileError(InputError):
    """A job file is unreadable, incomplete or of another schema version."""


class ComputationError(InsbenchError, RuntimeError):
    """The input was sound, but the computation failed."""


class ConvergenceError(ComputationError):
    """A relaxation, fit or quadrature did not reach its tolerance."""


class ImaginaryModeError(ComputationError):
    """Imaginary modes where only real ones have a meaning."""


class TrainingError(ComputationError):
    """The training program failed, diverged or left no model."""


class DivergedError(TrainingError):
    """The loss of a training is not finite, or far above where it began."""


class ZeroLossError(TrainingError):
    """The loss of a head is zero: its labels were not read, so nothing is learned."""


class OutOfMemoryError(ComputationError):
    """The memory of the device or of the machine is spent; smaller batches may fit."""


class DiskFullError(ComputationError):
    """No room is left where the job writes; what it had finished is kept."""


class InterruptedJobError(BaseException):
    """The job was asked to end; what it had finished is on disk."""


def readable(text: str) -> str:
    """Text that a terminal shows as it is: control characters as escapes, the middle of much cut.

    Parameters
    ----------
    text : str
        Of a message, perhaps with words from a file.
    """
    shown = _UNPRINTABLE.sub(lambda match: match[0].encode('unicode_escape').decode(), text)
    if len(shown) <= _LONGEST:
        return shown
    half = _LONGEST // 2
    return f'{shown[:half]} … {shown[-half:]}'


def format_error(summary: str, *, reason: str = '', fix: str = '') -> str:
    """Compose a message that says what was wrong, why, and what to do.

    Parameters
    ----------
    summary : str
        What was wrong and where.
    reason : str
        Why that is a problem.
    fix : str
        What the user can do about it.

    Returns
    -------
    str
        One paragraph, each part a sentence.
    """
    return ' '.join(part.strip() for part in (summary, reason, fix) if part.strip())
