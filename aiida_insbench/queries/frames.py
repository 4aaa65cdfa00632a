"""Which pw.x calculation labelled which frame of a dataset."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from aiida.orm import CalcJobNode, CalculationNode, Data, QueryBuilder
from ase.io.extxyz import key_val_str_to_dict

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.queries.graph import ancestors, these
from aiida_insbench.queries.lineage import PW_PROCESS
from aiida_insbench.science.dataset_merge import renamed
from aiida_insbench.science.frames import split_frames

#: As it is written, without quotes: a letter first.
_FRAME_ID = re.compile(r'(?:^|\s)frame_id=([A-Za-z]\w*)(?=\s)')


def calculations_of_dataset(node: DatasetData) -> dict[str, CalcJobNode]:
    """The pw.x run that labelled each frame of a dataset, through merges, splits and filters.

    Other than `pw_calculations_behind` it leaves out what labelled frames that were split off or
    filtered, and what the sampling needed.

    Returns
    -------
    dict
        ``frame_id`` to PwCalculation, in the order of the frames; frames labelled elsewhere
        (imported, or by another function) are not in it.
    """
    found = runs_of_frames(node)
    if not found:
        return {}
    query = QueryBuilder().append(CalcJobNode, filters=these(found.values()))
    runs = {run.pk: run for run in query.all(flat=True)}
    return {name: runs[pk] for name, pk in found.items()}


def runs_of_frames(node: DatasetData) -> dict[str, int]:
    """Identifiers of the runs that `calculations_of_dataset` gives."""
    names = frame_ids(node.get_text(), count=node.n_frames) if node.labelled else []
    found = _History(node.pk).runs_of(node.pk, set(names)) if names else {}
    return {name: found[name] for name in names if name in found}


class _History:
    """The datasets that one was made of, over all levels, and the runs that labelled each."""

    def __init__(self, pk: int) -> None:
        history = {pk, *ancestors([pk])}
        self._parents = _parents(history)
        everything = {pk, *(one for found in self._parents.values() for one in found.values())}
        self._runs = _runs_behind(everything)
        merged = {one for made in self._parents.values() if len(made) > 1 for one in made.values()}
        self._names = _names_of(merged)

    def runs_of(self, pk: int, names: set[str]) -> dict[str, int]:
        """Runs by frame, of some frames of one dataset."""
        found = {name: run for name, run in self._runs.get(pk, {}).items() if name in names}
        if found or not names:
            return found
        parents = self._parents.get(pk, {})
        for label, asked in self._names_in_parents(parents, names).items():
            runs = self.runs_of(parents[label], set(asked))
            found |= {asked[name]: run for name, run in runs.items()}
        return found

    def _names_in_parents(
        self, parents: Mapping[str, int], names: set[str]
    ) -> dict[str, dict[str, str]]:
        """By parent: a frame's name there to its name in what was made; merges rename some."""
        if len(parents) == 1:
            return {label: {name: name for name in names} for label in parents}
        taken: set[str] = set()
        asked: dict[str, dict[str, str]] = {}
        for label in sorted(parents):
            for own in self._names[parents[label]]:
                name = renamed(label, own) if own in taken else own
                taken.add(name)
                if name in names:
                    asked.setdefault(label, {})[own] = name
        return asked


def _parents(history: Iterable[int]) -> dict[int, dict[str, int]]:
    """Labelled datasets that each dataset was made of, by the label they went by."""
    query = QueryBuilder()
    query.append(DatasetData, filters=these(history), tag='made', project='id')
    query.append(CalculationNode, with_outgoing='made', tag='maker')
    query.append(
        DatasetData,
        with_outgoing='maker',
        filters={'attributes.labelled': True},
        edge_tag='as',
        edge_project='label',
        tag='parent',
        project='id',
    )
    found: dict[int, dict[str, int]] = {}
    for row in query.dict():
        found.setdefault(row['made']['id'], {})[row['as']['label']] = row['parent']['id']
    return found


def _runs_behind(datasets: Iterable[int]) -> dict[int, dict[str, int]]:
    """By dataset: pw.x runs that made inputs of its maker, by what stands behind ``__``."""
    query = QueryBuilder()
    query.append(DatasetData, filters=these(datasets), tag='made', project='id')
    query.append(CalculationNode, with_outgoing='made', tag='maker')
    query.append(Data, with_outgoing='maker', edge_tag='as', edge_project='label', tag='input')
    query.append(
        CalcJobNode,
        with_outgoing='input',
        filters={'process_type': {'like': PW_PROCESS}},
        tag='run',
        project='id',
    )
    found: dict[int, dict[str, int]] = {}
    for row in query.distinct().dict():
        name = row['as']['label'].partition('__')[2]
        found.setdefault(row['made']['id'], {})[name] = row['run']['id']
    return found


def _names_of(pks: Iterable[int]) -> dict[int, list[str]]:
    """Identities of the frames of several datasets, whose files are read in one go."""
    nodes = QueryBuilder().append(DatasetData, filters=these(pks)).all(flat=True)
    if not nodes:
        return {}
    keys = {node.pk: node.base.repository.get_object(DatasetData.FILENAME).key for node in nodes}
    repository = nodes[0].backend.get_repository()
    texts = {
        key: stream.read().decode()
        for key, stream in repository.iter_object_streams(sorted(set(keys.values())))
    }
    return {node.pk: frame_ids(texts[keys[node.pk]], count=node.n_frames) for node in nodes}


def frame_ids(text: str, *, count: int) -> list[str]:
    """Identities of frames in extended XYZ text, in order; positions are not read.

    Parameters
    ----------
    text : str
        Of a dataset.
    count : int
        How many frames it holds.
    """
    found: list[str] = _FRAME_ID.findall(text)
    if len(found) == count:
        return found
    # named in other properties, too: ASE's own reading is sure, and a hundred times as slow
    return [
        str(key_val_str_to_dict(frame.split('\n', 2)[1])['frame_id'])
        for frame in split_frames(text)
    ]
