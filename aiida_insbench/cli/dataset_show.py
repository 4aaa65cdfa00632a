"""Tables of ``aiida-insbench dataset list`` and ``show``, and the level that ``import`` takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiida.orm import QueryBuilder

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.queries import calculations_of_dataset
from aiida_insbench.science.dataset_summary import frame_counts, label_statistics
from aiida_insbench.science.dft_levels import functional_of
from aiida_insbench.science.dft_settings import level_in_words
from aiida_insbench.science.errors import DatasetError
from aiida_insbench.science.safe_json import load_json

#: Failed frames that the text names one by one.
_MOST_FAILED = 10


def list_lines(
    *,
    elements: str | None = None,
    functional: str | None = None,
    vdw: str | None = None,
    pressure: float | None = None,
    method: str | None = None,
    split: str | None = None,
    labelled: bool | None = None,
) -> list[str]:
    """One line a dataset under a head, the oldest first; empty if there is none."""
    asked = {'split': split, 'labelled': labelled}
    filters = {f'attributes.{key}': value for key, value in asked.items() if value is not None}
    query = QueryBuilder().append(DatasetData, filters=filters, tag='dataset')
    query.order_by({'dataset': {'id': 'asc'}})
    wanted = {one.strip() for one in (elements or '').split(',') if one.strip()}
    # nodes of earlier versions say the rest by their properties only
    nodes = [
        node
        for (node,) in query.iterall()
        if (not wanted or wanted == {*node.elements})
        and (functional is None or node.functional == functional.upper())
        and (vdw is None or node.vdw == vdw.upper())
        and (pressure is None or any(abs(p - pressure) < 5e-4 for p in node.target_pressures))
        and (method is None or method in node.methods)
    ]
    if not nodes:
        return []
    head = (
        f'{"PK":>7}  {"label":<20} {"frames":>6} {"failed":>6}  {"elements":<12} '
        f'{"pressures (GPa)":<18} {"split":<10} {"labels":<14} from'
    )
    return [head, *(_row(node) for node in nodes)]


def describe_dataset(node: DatasetData) -> dict[str, Any]:
    """All that is on record of a dataset, as plain values."""
    frames = node.get_frames()
    counts = frame_counts(frames)
    return {
        'pk': node.pk,
        'uuid': str(node.uuid),
        'label': node.label,
        'frames': node.n_frames,
        'atoms': node.n_atoms,
        'gas-phase frames': node.n_gas_phase,
        'elements': ' '.join(node.elements),
        'level': level_in_words(node.dft_level),
        'differences of level': list(node.dft_level.get('differences', [])),
        'split': node.split or 'none',
        'made by': _origin(node),
        'frames labelled by pw.x in this profile': len(calculations_of_dataset(node)),
        'frames by method and target pressure (GPa)': [
            {'method': method, 'pressure': pressure, 'frames': count}
            for (method, pressure), count in counts.items()
        ],
        'labels': label_statistics(frames),
        'failed': node.failed,
    }


def show_lines(found: Mapping[str, Any]) -> list[str]:
    """Lines of a description by `describe_dataset`."""
    lines = [
        f'{key:<40} {value}'
        for key, value in found.items()
        if isinstance(value, str | int) and value != ''
    ]
    lines += [f'different level: {line}' for line in found['differences of level']]
    lines.append(f'{"method":<20} {"pressure (GPa)":>14} {"frames":>7}')
    for row in found['frames by method and target pressure (GPa)']:
        pressure = '–' if row['pressure'] is None else f'{row["pressure"]:g}'
        lines.append(f'{row["method"]:<20} {pressure:>14} {row["frames"]:>7}')
    lines += _label_lines(found['labels'])
    failed = found['failed']
    lines.append(f'{len(failed)} frames could not be labelled')
    lines += [f'    {name:<16} {why}' for name, why in list(failed.items())[:_MOST_FAILED]]
    if len(failed) > _MOST_FAILED:
        lines.append(f'    and {len(failed) - _MOST_FAILED} more: --format json names all')
    return lines


def read_frames_file(path: Path) -> str:
    """Text of a file of frames.

    Raises
    ------
    DatasetError
        If it cannot be read or is no text.
    """
    try:
        return path.read_text(encoding='utf-8')
    except UnicodeDecodeError as exc:
        raise DatasetError(
            f'{path.name} is no text in UTF-8: {exc}. Extended XYZ is; was it copied completely?'
        ) from exc
    except OSError as exc:
        raise DatasetError(f'{path.name} cannot be read: {exc.strerror}.') from exc


def read_level(path: Path | None, *, functional: str | None, code: str) -> dict[str, Any]:
    """Level of theory of a JSON file, or of the name of a functional.

    Raises
    ------
    DatasetError
        If neither or both are given, or the file holds no JSON object.
    """
    if (path is None) == (functional is None):
        raise DatasetError('Say what made the labels: --functional or --level, one of them.')
    if path is None:
        return {'functional': str(functional), **({'code': code} if code else {})}
    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as exc:
        raise DatasetError(f'{path} cannot be read: {exc}.') from exc
    level = load_json(text, name=str(path), error=DatasetError)
    if not isinstance(level, dict):
        raise DatasetError(f'{path} holds no JSON object.')
    return level


def _label_lines(labels: Mapping[str, Any]) -> list[str]:
    lines = []
    if 'rms_force' in labels:
        lines.append(
            f'forces: {labels["rms_force"]:.3f} eV/Å root mean square, largest '
            f'{labels["max_force"]:.2f}'
        )
    if 'pressure' in labels:
        low, mean, high = labels['pressure']
        lines.append(f'pressure of the labels: {low:.2f} to {high:.2f} GPa, mean {mean:.2f}')
    for formula, spread in labels.get('energy_spread', {}).items():
        lines.append(f'energies of {formula}: within {1000 * spread:.1f} meV/atom')
    return lines


def _row(node: DatasetData) -> str:
    pressures = ' '.join(f'{value:g}' for value in node.target_pressures)
    level = functional_of(node.dft_level) or 'unknown' if node.labelled else 'none'
    return (
        f'{node.pk:>7}  {node.label[:20]:<20} {node.n_frames:>6} {node.n_failed:>6}  '
        f'{" ".join(node.elements)[:12]:<12} {pressures[:18]:<18} {node.split:<10} '
        f'{level[:14]:<14} {_origin(node)}'
    )


def _origin(node: DatasetData) -> str:
    if node.creator is None:
        return node.source or 'unknown'
    made = f'{node.creator.process_label}<{node.creator.pk}>'
    return f'{made} of {node.source}' if node.source else made
