"""Walltime, memory, cores and GPU of all jobs of a builder; see ``docs/topics/resources.md``."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from aiida.orm import AbstractCode, Computer, Dict
from aiida.schedulers.datastructures import NodeNumberJobResource

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.job_estimates import GUESS, JobEstimate
from aiida_insbench.science.job_requests import WantedOptions, read_options, request_for

#: Stages that compute on a GPU where there is one.
ON_GPU = ('train', 'evaluate', 'phonons', 'md')
_GUESSED = ('sample', 'select', 'fit', 'ins', 'analyse', 'validate')
STAGES = (*ON_GPU, *_GUESSED, 'pw')
ALL = 'all'
#: Starts jobs at once and heeds neither walltime nor cores.
DIRECT = 'core.direct'
#: pw.x is told its walltime by an input, `max_seconds`: steps so long that it seldom changes.
_WALLTIME_STEPS = {'pw': 4 * 3600}


def request_resources(
    builder: Any,
    options: Mapping[str, Any] | None,
    estimates: Mapping[str, JobEstimate | None] | None = None,
) -> None:
    """Fill ``metadata.options`` of every job of a builder that has none yet.

    Parameters
    ----------
    builder : ProcessBuilder
        Filled but for them.
    options : mapping
        Of a protocol: by stage or for ``all``, what a user wants; it wins.
    estimates : mapping
        By stage, or by namespace and stage as ``validation.md``, which goes before.

    Raises
    ------
    InputError
        If a stage, an option or a value is none, or a job cannot begin with what it gets.
    """
    wanted = _by_stage(options or {})
    for path, job in _jobs(builder, ()):
        estimate = _estimate_at(path, estimates or {})
        _request(job, path[-1], wanted[path[-1]], estimate)


def _by_stage(options: Mapping[str, Any]) -> dict[str, WantedOptions]:
    for where, value in {'options': options, **_entries(options)}.items():
        if not isinstance(value, Mapping):
            raise InputError(f'`{where}` is {value!r}; give names and values.')
    unknown = sorted(set(options) - {ALL, *STAGES})
    if unknown:
        raise InputError(
            format_error(
                f'`options` names {", ".join(unknown)}, no stage.',
                fix=f'Give {ALL} or one of {", ".join(STAGES)}.',
            )
        )
    wanted = {}
    for stage in STAGES:
        common, own = dict(options.get(ALL) or {}), dict(options.get(stage) or {})
        if stage not in ON_GPU:
            common.pop('gpus', None)
            if own.get('gpus'):
                raise InputError(
                    format_error(
                        f'`options.{stage}.gpus`: this stage uses no GPU of its own accord.',
                        fix=f'Those that do: {", ".join(ON_GPU)}.',
                    )
                )
        wanted[stage] = read_options({**common, **own}, where=f'options.{stage}')
    return wanted


def _entries(options: Any) -> dict[str, Any]:
    """Values by stage, with their place; those that are left empty are none."""
    found = options.items() if isinstance(options, Mapping) else ()
    return {f'options.{stage}': value for stage, value in found if value is not None}


def _jobs(inputs: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Namespaces of jobs, with where they are."""
    if not isinstance(inputs, Mapping):
        return
    if isinstance(inputs.get('code'), AbstractCode):
        if path and path[-1] in STAGES:
            yield path, inputs
        return
    for name, inner in list(inputs.items()):
        yield from _jobs(inner, (*path, name))


def _estimate_at(
    path: tuple[str, ...], estimates: Mapping[str, JobEstimate | None]
) -> JobEstimate | None:
    """Of the longest key all of whose words are on the way."""
    fitting = [key for key in estimates if set(key.split('.')) <= set(path)]
    of_stage = [key for key in fitting if key.split('.')[-1] == path[-1]]
    if of_stage:
        return estimates[max(of_stage, key=len)]
    return GUESS if path[-1] in _GUESSED else None


def _request(job: Any, stage: str, wanted: WantedOptions, estimate: JobEstimate | None) -> None:
    computer, options = job['code'].computer, job['metadata']['options']
    queued = computer is not None and computer.scheduler_type != DIRECT
    steps = {'walltime_step': _WALLTIME_STEPS[stage]} if stage in _WALLTIME_STEPS else {}
    request = request_for(
        estimate if queued else None,
        wanted,
        stage=stage,
        most_memory=computer.get_default_memory_per_machine() if queued else None,
        **steps,
    )
    for text in request.warnings:
        warnings.warn(text, stacklevel=4)
    found = {'max_wallclock_seconds': request.walltime, 'max_memory_kb': request.memory}
    made = {name: value for name, value in found.items() if value and name not in options}
    if queued:
        made |= _cores(computer, options)
    if wanted.gpus:
        made |= _gpu(computer, wanted, stage)
        _compute_on_gpu(job, stage)
    _set(options, {**made, **_over(wanted, made, options)}, stage)


def _over(
    wanted: WantedOptions, made: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """What a user says by AiiDA's names: laid over variables, added to commands."""
    given = dict(wanted.others)
    if isinstance(given.get('environment_variables'), Mapping):
        given['environment_variables'] = {
            **(options.get('environment_variables') or {}),
            **given['environment_variables'],
        }
    if 'custom_scheduler_commands' in given and 'custom_scheduler_commands' in made:
        given['custom_scheduler_commands'] = (
            f'{given["custom_scheduler_commands"]}\n{made["custom_scheduler_commands"]}'
        )
    return given


def _cores(computer: Computer, options: Mapping[str, Any]) -> dict[str, Any]:
    """As many cores as threads, where the scheduler counts them by machine and process."""
    threads = int((options.get('environment_variables') or {}).get('OMP_NUM_THREADS', 1))
    resources = options.get('resources') or {}
    if threads == 1 or 'num_cores_per_mpiproc' in resources:
        return {}
    if not issubclass(computer.get_scheduler().job_resource_class, NodeNumberJobResource):
        return {}
    return {'resources': {**resources, 'num_cores_per_mpiproc': threads}}


def _gpu(computer: Computer | None, wanted: WantedOptions, stage: str) -> dict[str, Any]:
    kind = computer.scheduler_type if computer is not None else DIRECT
    if kind == 'core.slurm':
        return {'custom_scheduler_commands': '#SBATCH --gres=gpu:1'}
    if kind == DIRECT or 'custom_scheduler_commands' in wanted.others:
        return {}
    raise InputError(
        format_error(
            f'`options.{stage}.gpus`: how {kind} is asked for a GPU is not known.',
            fix='Give its line in `custom_scheduler_commands` beside `gpus`.',
        )
    )


def _compute_on_gpu(job: Any, stage: str) -> None:
    settings = job['settings'].get_dict() if job.get('settings') is not None else {}
    if settings.setdefault('device', 'cuda') == 'cpu':
        raise InputError(
            format_error(
                f'`options.{stage}` asks for a GPU, but `device` of the settings is cpu.',
                fix='Remove one of them.',
            )
        )
    job['settings'] = Dict(settings)


def _set(options: Any, values: Mapping[str, Any], stage: str) -> None:
    for name, value in values.items():
        try:
            options[name] = value
        except (AttributeError, ValueError, TypeError) as exc:
            raise InputError(f'`options.{stage}.{name}`: {exc}.') from exc
