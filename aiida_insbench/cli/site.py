"""Computer with slots, codes and pseudopotentials: what a campaign on this machine needs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiida.common.exceptions import NotExistent

from aiida_insbench.science.errors import InputError, format_error

COMPUTER = 'insbench-local'
#: Property of computers, extra of codes and families: made by `setup`, which may remove them again.
MADE_BY_SETUP = 'insbench_setup'
#: Codes by label, and the calculation each is for.
PLUGINS = {'pw': 'quantumespresso.pw', 'insbench-job': 'insbench.phonons'}
_SLOTS_SCRIPT = """\
# Jobs submitted to core.direct start at once; each waits here for as many of the {slots} slots of
# this computer as it needs (INSBENCH_SLOTS). A slot is a locked file, free when its job has ended,
# however it ended. Jobs queue for one ticket, whose holder alone looks for free slots. Those of
# INSBENCH_QUEUE=background start only while no other job waits, and run at low priority.
insbench_take_slots() {{
  local folder={folder} needed=${{INSBENCH_SLOTS:-1}} ticket waiting handle
  local held=()
  mkdir -p "$folder"
  if [ "$needed" -gt {slots} ]; then needed={slots}; fi
  exec {{ticket}}>"$folder/ticket" {{waiting}}>"$folder/waiting"
  if [ "${{INSBENCH_QUEUE:-}}" = background ]; then
    renice -n 10 -p $BASHPID > /dev/null || true
    until flock -n "$ticket" && flock -n "$waiting" && insbench_look_for_slots; do
      for handle in "${{held[@]}}"; do exec {{handle}}>&-; done
      held=()
      flock -u "$waiting"
      flock -u "$ticket"
      sleep 0.5
    done
  else
    flock -s "$waiting"
    flock "$ticket"
    until insbench_look_for_slots; do sleep 0.2; done
  fi
  exec {{ticket}}>&- {{waiting}}>&-
}}
# Lock slots that are free, up to `needed`; what was locked stays so in `held`.
insbench_look_for_slots() {{
  local number handle
  for (( number = 1; number <= {slots} && ${{#held[@]}} < needed; number++ )); do
    exec {{handle}}>"$folder/slot_$number"
    if flock -n "$handle"; then held+=("$handle"); else exec {{handle}}>&-; fi
  done
  [ "${{#held[@]}}" -eq "$needed" ]
}}
insbench_take_slots
"""
PSEUDO_FOLDERS = ('/usr/share/espresso/pseudo', '/usr/local/share/espresso/pseudo')


def prepare_computer(work_folder: Path, *, label: str = COMPUTER, slots: int | None = None) -> Any:
    """Load or make the computer: this machine, core.direct, with one slot per core.

    Parameters
    ----------
    work_folder : Path
        Where jobs run and slots are kept.
    label : str
        Label of the computer.
    slots : int, optional
        How many single-core jobs run at once; by default one per core.

    Returns
    -------
    Computer
        Stored and configured.
    """
    from aiida.orm import Computer, User

    try:
        return Computer.collection.get(label=label)
    except NotExistent:
        pass
    slots = slots or os.cpu_count() or 1
    folder = work_folder.resolve()
    computer = Computer(
        label=label,
        hostname='localhost',
        description=f'This machine, {slots} jobs at once',
        transport_type='core.local',
        scheduler_type='core.direct',
        workdir=str(folder / 'jobs'),
    )
    computer.set_prepend_text(_SLOTS_SCRIPT.format(folder=f'"{folder / "slots"}"', slots=slots))
    computer.set_mpirun_command(['mpirun', '-np', '{tot_num_mpiprocs}'])
    computer.set_default_mpiprocs_per_machine(1)
    # Each poll writes to the database for every job that waits: at 1 s that took half a core.
    computer.set_minimum_job_poll_interval(2.0)
    computer.set_property(MADE_BY_SETUP, True)
    computer.store()
    computer.configure(user=User.collection.get_default(), safe_interval=0.0, use_login_shell=False)
    return computer


def prepare_codes(computer: Any) -> tuple[Any, Any]:
    """Load or make the codes ``pw`` and ``insbench-job`` on `computer`.

    Raises
    ------
    InputError
        If a program is not there; the message says how to install it.
    """
    pw = prepare_code(
        computer, 'pw', find_pw(), prepend_text=environment_of_pw(root=os.geteuid() == 0)
    )
    return pw, prepare_code(computer, 'insbench-job', find_job_program())


def environment_of_pw(*, root: bool) -> str:
    """What Open MPI wants before it runs as root; nothing for others."""
    if not root:
        return ''
    return 'export OMPI_ALLOW_RUN_AS_ROOT=1\nexport OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1\n'


def find_pw() -> str:
    """Path of pw.x.

    Raises
    ------
    InputError
        If it is not on PATH.
    """
    path = shutil.which('pw.x')
    if path is None:
        raise InputError(
            format_error(
                'pw.x of Quantum ESPRESSO was not found on PATH.',
                fix='On Debian: apt-get install quantum-espresso quantum-espresso-data '
                'libopenblas0-serial.',
            )
        )
    return path


def find_job_program() -> str:
    """Path of ``insbench-job`` beside the running Python.

    Raises
    ------
    InputError
        If it is not there.
    """
    beside = Path(sys.executable).with_name('insbench-job')
    path = str(beside) if beside.exists() else shutil.which('insbench-job')
    if path is None:
        raise InputError(
            'insbench-job was not found; install the package: pip install aiida-insbench.'
        )
    return path


def find_pseudos(filenames: Sequence[str], *, folder: Path | None = None) -> list[Path]:
    """Paths of pseudopotential files in `folder`, $ESPRESSO_PSEUDO or Debian's folder.

    Raises
    ------
    InputError
        If one is in none of them.
    """
    candidates = [folder] if folder else []
    if os.environ.get('ESPRESSO_PSEUDO'):
        candidates.append(Path(os.environ['ESPRESSO_PSEUDO']))
    candidates.extend(Path(name) for name in PSEUDO_FOLDERS)
    found = []
    for filename in filenames:
        paths = [place / filename for place in candidates if (place / filename).is_file()]
        if not paths:
            raise InputError(
                format_error(
                    f'The pseudopotential {filename} was not found in '
                    f'{", ".join(str(place) for place in candidates)}.',
                    fix='On Debian: apt-get install quantum-espresso-data; or set ESPRESSO_PSEUDO.',
                )
            )
        found.append(paths[0])
    return found


def prepare_pseudos(paths: Sequence[Path]) -> dict[str, Any]:
    """Load or store pseudopotential nodes; the same file is stored once.

    Returns
    -------
    dict
        Element to `UpfData`.
    """
    from aiida_pseudo.data.pseudo import UpfData

    nodes = {}
    for path in paths:
        with path.open('rb') as handle:
            node = UpfData.get_or_create(handle, filename=path.name)
        nodes[node.element] = node if node.is_stored else node.store()
    return nodes


def prepare_code(computer: Any, label: str, path: str, *, prepend_text: str = '') -> Any:
    """Load or make the code `label`, of `PLUGINS`, on `computer`."""
    from aiida.orm import InstalledCode, load_code

    try:
        return load_code(f'{label}@{computer.label}')
    except NotExistent:
        code = InstalledCode(
            label=label,
            computer=computer,
            filepath_executable=path,
            default_calc_job_plugin=PLUGINS[label],
            prepend_text=prepend_text,
        ).store()
    code.base.extras.set(MADE_BY_SETUP, True)
    return code


def remove_nodes(nodes: Sequence[Any]) -> None:
    """Remove nodes that nothing depends on, without a word."""
    import logging

    from aiida.tools import delete_nodes

    log = logging.getLogger('aiida.delete')
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        delete_nodes([node.pk for node in nodes], dry_run=False)
    finally:
        log.setLevel(level)
