"""Calcfunctions on datasets: merge, split, filter, strip labels, import from a file."""

from __future__ import annotations

from collections import Counter
from typing import Any

from aiida.engine import calcfunction
from aiida.orm import Bool, Dict, Float, Int, Node, SinglefileData
from ase import Atoms

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.science.dataset_filter import filter_frames, frame_filter
from aiida_insbench.science.dataset_import import import_frames
from aiida_insbench.science.dataset_merge import merge_frames, merge_levels
from aiida_insbench.science.dataset_split import split_frames
from aiida_insbench.science.errors import DatasetError
from aiida_insbench.science.frames import ENERGY_KEY, FORCES_KEY, STRESS_KEY
from aiida_insbench.science.import_settings import import_settings

#: Settings of `split_dataset`.
SPLIT_SETTINGS = ('test', 'held_out_pressures', 'stratify')


@calcfunction  # type: ignore[untyped-decorator]
def merge_datasets(
    allow_different_levels: Bool | None = None,
    rename_repeated: Bool | None = None,
    **datasets: Node,
) -> DatasetData:
    """Join datasets in the order of their names.

    Parameters
    ----------
    allow_different_levels : Bool, optional
        Whether levels of theory may differ; the level on record then lists the differences.
    rename_repeated : Bool, optional
        Whether a frame whose ``frame_id`` is taken gets the name of its dataset in front.
    datasets : DatasetData
        By name; all labelled or none.

    Raises
    ------
    DatasetError
        If levels differ or a frame is repeated, unless allowed.
    """
    return merged_dataset(
        datasets,
        allow_different_levels=bool(allow_different_levels and allow_different_levels.value),
        rename_repeated=bool(rename_repeated and rename_repeated.value),
    )


def merged_dataset(
    datasets: dict[str, Any], *, allow_different_levels: bool = False, rename_repeated: bool = False
) -> DatasetData:
    """Joined dataset, not stored; see `merge_datasets`."""
    if not datasets:
        raise DatasetError('Give at least one dataset to merge.')
    others = sorted(name for name, node in datasets.items() if not isinstance(node, DatasetData))
    if others:
        raise DatasetError(f'No DatasetData: {", ".join(others)}.')
    nodes = {name: datasets[name] for name in sorted(datasets)}
    labelled = {name: node for name, node in nodes.items() if node.labelled}
    if labelled and len(labelled) < len(nodes):
        bare = ', '.join(f'`{name}`' for name in nodes if name not in labelled)
        raise DatasetError(f'{bare} has no labels, the others do. Label it first (insbench.label).')
    level = merge_levels(
        {name: node.dft_level for name, node in nodes.items()},
        allow_different=allow_different_levels,
    )
    frames = merge_frames(
        {name: node.get_frames() for name, node in nodes.items()}, rename_repeated=rename_repeated
    )
    splits = {node.split for node in nodes.values()}
    return DatasetData(
        frames,
        dft_level=level,
        failed={key: why for node in nodes.values() for key, why in node.failed.items()},
        split=splits.pop() if len(splits) == 1 else '',
        source='; '.join(dict.fromkeys(node.source for node in nodes.values() if node.source)),
    )


@calcfunction  # type: ignore[untyped-decorator]
def split_dataset(
    dataset: DatasetData, validation: Int | Float, seed: Int, settings: Dict | None = None
) -> dict[str, Any]:
    """Split into ``training``, ``validation`` and ``test`` datasets.

    Parameters
    ----------
    dataset : DatasetData
        What to split.
    validation : Int or Float
        Frames held out to watch: a count, or a share between 0 and 1.
    seed : Int
        Of the draw.
    settings : Dict, optional
        ``test``: count or share; ``held_out_pressures``: GPa, all of whose frames go to the test
        part; ``stratify``: any of ``pressure``, ``method``.

    Returns
    -------
    dict
        A dataset for each part that has frames.

    Raises
    ------
    DatasetError
        As `aiida_insbench.science.dataset_split.split_frames`.
    """
    given = settings.get_dict() if settings is not None else {}
    unknown = sorted({*given} - {*SPLIT_SETTINGS})
    if unknown:
        raise DatasetError(f'Unknown: {", ".join(unknown)}; known are {", ".join(SPLIT_SETTINGS)}.')
    parts = split_frames(
        dataset.get_frames(), seed=seed.value, validation=validation.value, **given
    )
    return {name: _derived(dataset, frames, split=name) for name, frames in parts.items()}


@calcfunction  # type: ignore[untyped-decorator]
def filter_dataset(dataset: DatasetData, settings: Dict) -> dict[str, Any]:
    """Keep the frames that pass; ``report`` says why the others went.

    Parameters
    ----------
    dataset : DatasetData
        What to filter.
    settings : Dict
        As the attributes of `aiida_insbench.science.dataset_filter.FrameFilter`.

    Returns
    -------
    dict
        ``dataset``; ``report``: a Dict of ``kept``, ``removed`` (``frame_id`` to reasons).

    Raises
    ------
    DatasetError
        If a setting is unknown, or no frame passes.
    """
    kept, removed = filter_frames(dataset.get_frames(), frame_filter(settings.get_dict()))
    return {
        'dataset': _derived(dataset, kept, split=dataset.split),
        'report': Dict({'kept': len(kept), 'n_removed': len(removed), 'removed': removed}),
    }


@calcfunction  # type: ignore[untyped-decorator]
def strip_labels(dataset: DatasetData) -> DatasetData:
    """The same frames as a pool, to be labelled again, for example with another functional.

    Parameters
    ----------
    dataset : DatasetData
        Labelled frames.
    """
    return DatasetData(
        [bare_frame(frame) for frame in dataset.get_frames()],
        split=dataset.split,
        source=dataset.source,
    )


def bare_frame(frame: Atoms) -> Atoms:
    """Copy of a frame without its labels."""
    bare = frame.copy()
    for key in (ENERGY_KEY, STRESS_KEY):
        bare.info.pop(key, None)
    bare.arrays.pop(FORCES_KEY, None)
    return bare


@calcfunction  # type: ignore[untyped-decorator]
def import_dataset(file: SinglefileData, settings: Dict, dft_level: Dict) -> dict[str, Any]:
    """Take labelled frames from an extended XYZ file.

    Parameters
    ----------
    file : SinglefileData
        The file.
    settings : Dict
        Keys and units: see `aiida_insbench.science.import_settings.ImportSettings`.
    dft_level : Dict
        Level of theory of the labels; at least ``functional``.

    Returns
    -------
    dict
        ``dataset``; ``report``: a Dict of the unit check and of what of the file was not kept.

    Raises
    ------
    DatasetError
        Naming file, frame and remedy.
    """
    return imported_dataset(
        file.get_content(),
        name=file.filename,
        settings=settings.get_dict(),
        dft_level=dft_level.get_dict(),
    )


def imported_dataset(
    text: str, *, name: str, settings: dict[str, Any], dft_level: dict[str, Any]
) -> dict[str, Any]:
    """Dataset and report of a file, not stored; see `import_dataset`."""
    if not dft_level.get('functional'):
        raise DatasetError(
            f'{name}: say what made the labels, at least `functional`, such as PBE-D3(BJ).'
        )
    found = import_frames(text, name=name, settings=import_settings(settings))
    return {
        'dataset': DatasetData(found.frames, dft_level=dft_level, source=name),
        'report': Dict(
            {
                'n_frames': len(found.frames),
                'methods': dict(Counter(str(f.info['method']) for f in found.frames)),
                **found.report,
            }
        ),
    }


def _derived(dataset: DatasetData, frames: list[Atoms], *, split: str) -> DatasetData:
    """Some of the frames of a dataset, with what is known of them."""
    return DatasetData(frames, dft_level=dataset.dft_level, split=split, source=dataset.source)
