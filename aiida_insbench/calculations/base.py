"""What all CalcJobs on ``insbench-job STAGE job.json`` share: job file, command, exit codes."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from aiida.common.datastructures import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec
from aiida.orm import AbstractCode, ArrayData, Dict, FolderData, RemoteData

from aiida_insbench.data.potential import PotentialData
from aiida_insbench.jobs.program import ERROR_FILE, RESULT_FILE, SCHEMA_VERSION
from aiida_insbench.jobs.progress import PROGRESS_FILE

JOB_FILE = 'job.json'
REMOTE_FOLDER = 'remote_folder'


class UnreadableFileError(Exception):
    """A file that a job left is cut off or broken; the message names it."""


class InsbenchCalculation(CalcJob):
    """One stage of ``insbench-job``; subclasses name the stage and write its job file."""

    STAGE: ClassVar[str]
    CACHE_VERSION = 1

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        """Declare what every stage takes and how it can end."""
        super().define(spec)
        spec.input('code', valid_type=AbstractCode, help='The program insbench-job.')
        spec.inputs['metadata']['options']['parser_name'].default = f'insbench.{cls.STAGE}'
        spec.inputs['metadata']['options']['resources'].default = lambda: {
            'num_machines': 1,
            'num_mpiprocs_per_machine': 1,
        }
        spec.inputs['metadata']['options']['withmpi'].default = False
        spec.output(
            'output_parameters',
            valid_type=Dict,
            required=False,
            help='What the stage reports, with the versions of the packages that made it.',
        )
        spec.exit_code(210, 'ERROR_BAD_INPUT', message='The stage refused its input: {message}')
        # what comes from outside or from a fault says nothing of the inputs: never a cache
        spec.exit_code(
            310,
            'ERROR_JOB_FAULT',
            message='The stage has a fault: {message}',
            invalidates_cache=True,
        )
        spec.exit_code(
            410,
            'ERROR_INTERRUPTED',
            message='The stage was asked to end before it had finished: {message}',
            invalidates_cache=True,
        )
        spec.exit_code(
            411,
            'ERROR_NO_RESULT',
            message='The stage left neither a result nor an error: it was killed from outside.',
            invalidates_cache=True,
        )
        spec.exit_code(412, 'ERROR_COMPUTATION_FAILED', message='The stage failed: {message}')
        spec.exit_code(
            417,
            'ERROR_RESULT_UNREADABLE',
            message='Files of the result are cut off or broken: {files}',
            invalidates_cache=True,
        )
        spec.exit_code(418, 'ERROR_DISK_FULL', message='{message}', invalidates_cache=True)

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the job file and its companions into `folder`."""
        job = {'schema': SCHEMA_VERSION, 'stage': self.STAGE, **self.write_inputs(folder)}
        write_text(folder, JOB_FILE, json.dumps(job, indent=1))
        code_info = CodeInfo()
        code_info.code_uuid = self.inputs.code.uuid
        code_info.cmdline_params = [self.STAGE, JOB_FILE]
        code_info.stdout_name = 'insbench-job.out'
        calc_info = CalcInfo()
        calc_info.codes_info = [code_info]
        calc_info.retrieve_list = [
            RESULT_FILE,
            ERROR_FILE,
            PROGRESS_FILE,
            'insbench-job.out',
            *self.files_to_retrieve(),
        ]
        return calc_info

    def parse(self, *args: Any, **options: Any) -> Any:
        """Parse what was retrieved; first name the remote folder where that was forgotten.

        AiiDA 2.9 keeps it in the worker's memory from the upload to the next change of state: a
        worker killed in between leaves a job that runs on, without this output.
        """
        known = self.node.base.links.get_outgoing(link_label_filter=REMOTE_FOLDER).first()
        if known is None and REMOTE_FOLDER not in self.outputs:
            workdir = self.node.get_remote_workdir()
            if workdir is not None:
                remote = RemoteData(computer=self.node.computer, remote_path=workdir)
                self.out(REMOTE_FOLDER, remote)
        return super().parse(*args, **options)

    def write_inputs(self, folder: Folder) -> dict[str, Any]:
        """Write the files of the stage into `folder` and return the body of the job file."""
        raise NotImplementedError

    def files_to_retrieve(self) -> list[Any]:
        """Names or (pattern, '.', depth) of the stage's own results."""
        return []


def write_text(folder: Folder, name: str, text: str) -> None:
    """Write a text file into the sandbox folder."""
    with folder.open(name, 'w', encoding='utf8') as handle:
        handle.write(text)


def write_arrays(folder: Folder, name: str, arrays: Mapping[str, Any]) -> str:
    """Write arrays as NPZ into the sandbox folder; return the file's name."""
    with folder.open(name, 'wb') as handle:
        np.savez_compressed(handle, allow_pickle=False, **arrays)
    return name


def write_potential(folder: Folder, potential: PotentialData, prefix: str) -> str:
    """Write a potential as ``prefix.json`` and ``prefix.safetensors``; return the prefix."""
    write_text(folder, f'{prefix}.json', potential.get_metadata_text())
    with folder.open(f'{prefix}.safetensors', 'wb') as handle:
        handle.write(potential.get_weights())
    return prefix


def write_folder_data(folder: Folder, node: FolderData, place: str) -> None:
    """Write all files of a node, with their folders, below `place` of the sandbox folder."""
    for path, names in walk_files(node):
        target = folder.get_subfolder(str(Path(place) / path), create=True)
        for name in names:
            content = node.base.repository.get_object_content(str(path / name), mode='rb')
            target.create_file_from_filelike(io.BytesIO(content), name, mode='wb', encoding=None)


def retrieved_folder(retrieved: FolderData, place: str) -> FolderData:
    """Files retrieved below `place`, with their folders, as a node of their own; maybe empty."""
    found = FolderData()
    for path, names in walk_files(retrieved, place):
        for name in names:
            content = retrieved.base.repository.get_object_content(str(path / name), mode='rb')
            inner = str((path / name).relative_to(place))
            found.base.repository.put_object_from_filelike(io.BytesIO(content), inner)
    return found


def walk_files(node: FolderData, place: str = '') -> Iterator[tuple[Path, list[str]]]:
    """Folders of a node from `place` on, and the names of the files in each."""
    for path, _, names in node.base.repository.walk(place or None):
        yield Path(path), sorted(names)


def read_retrieved_json(retrieved: FolderData, name: str) -> dict[str, Any]:
    """Read a JSON file among the retrieved ones.

    Raises
    ------
    UnreadableFileError
        If it is cut off or broken.
    """
    try:
        data: dict[str, Any] = json.loads(retrieved.base.repository.get_object_content(name))
    except ValueError as exc:  # of JSON or of its encoding
        raise UnreadableFileError(f'{name}: {exc}.') from exc
    return data


def retrieved_arrays(retrieved: FolderData, name: str) -> dict[str, Any]:
    """Arrays of a retrieved NPZ file.

    Raises
    ------
    UnreadableFileError
        If it is cut off or broken.
    """
    content = io.BytesIO(retrieved.base.repository.get_object_content(name, mode='rb'))
    try:
        with np.load(content, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as exc:
        raise UnreadableFileError(f'{name}: {exc}.') from exc


def array_data(arrays: Mapping[str, Any], prefix: str = '') -> ArrayData:
    """Arrays whose names begin with `prefix`, without it, as a node."""
    node = ArrayData()
    for name, values in arrays.items():
        if name.startswith(prefix):
            node.set_array(name.removeprefix(prefix), values)
    return node
