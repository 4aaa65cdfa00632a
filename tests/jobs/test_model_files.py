"""Models of MACE in and out: what is opened, what is refused unopened, what comes back."""

import functools
import hashlib
import http.server
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from ase.spacegroup import crystal
from small_mace import mace_model

from aiida_insbench.jobs.model_files import (
    export_potential,
    import_foundation,
    import_potential,
)
from aiida_insbench.science import foundation_models
from aiida_insbench.science.errors import PotentialError
from aiida_insbench.science.foundation_models import FoundationModel
from aiida_insbench.science.potentials import (
    Potential,
    calculator,
    potential_from_ase,
    potential_from_mace,
)

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings('ignore')]


class Evil:
    """What a stranger's file may hold: opening it makes a file (harmless here)."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.fixture(scope='module')
def potential():
    return potential_from_mace(mace_model(), provenance={'dft_level': {'functional': 'LDA'}})


@pytest.fixture(scope='module')
def model_file(potential, tmp_path_factory):
    """The potential as MACE's own file."""
    path = tmp_path_factory.mktemp('models') / 'small.model'
    assert export_potential(potential, path) == [path]
    return path


def rutile():
    atoms = crystal(
        ['Mg', 'H'],
        [(0, 0, 0), (0.304, 0.304, 0)],
        spacegroup=136,
        cellpar=[4.5, 4.5, 3.0, 90, 90, 90],
    )
    atoms.rattle(0.05, seed=1)
    return atoms


def results(engine):
    atoms = rutile()
    atoms.calc = engine
    return atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()


def sum_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def published(model_file, monkeypatch):
    """The small model, as if it had been published; MACE's folder of downloads is empty."""
    model = FoundationModel(
        'MACE-TEST-small',
        'http://127.0.0.1:9/small.model',
        sum_of(model_file),
        'PBE',
        'ASL',
        'none',
    )
    monkeypatch.setitem(foundation_models._BY_SHA256, model.sha256, model)
    return model


# ---- round trip ------------------------------------------------------------------------------


def test_exported_model_has_the_forces_of_the_potential(potential, model_file):
    """MACE's calculator on the exported file, as ASE, janus and others use it."""
    from mace.calculators import MACECalculator

    there = MACECalculator(model_paths=str(model_file), device='cpu', default_dtype='float64')
    for mine, theirs in zip(results(calculator(potential)), results(there), strict=True):
        assert mine == pytest.approx(theirs, rel=1e-12, abs=1e-12)


def test_exported_model_is_taken_by_the_converter_for_lammps(model_file, tmp_path):
    copy = tmp_path / 'small.model'
    copy.write_bytes(model_file.read_bytes())
    subprocess.run(
        [sys.executable, '-W', 'ignore', '-m', 'mace.cli.create_lammps_model', str(copy)],
        check=True,
        capture_output=True,
    )
    assert (tmp_path / 'small.model-lammps.pt').stat().st_size > 10_000


def test_what_was_exported_comes_back_to_the_byte(potential, model_file):
    again = import_potential(model_file, trust=True, provenance={'licence': 'MIT'})
    assert again.weights == potential.weights
    assert again.metadata.hyperparameters == potential.metadata.hyperparameters
    assert again.metadata.isolated_atom_energies == potential.metadata.isolated_atom_energies
    assert again.metadata.provenance == {
        'licence': 'MIT',
        'source': {'file': 'small.model', 'sha256': sum_of(model_file)},
    }


def test_pair_of_files_comes_back_without_being_trusted(potential, tmp_path):
    written = export_potential(potential, tmp_path / 'pair.json')
    assert [path.name for path in written] == ['pair.json', 'pair.safetensors']
    assert import_potential(tmp_path / 'pair.json') == potential


def test_model_can_be_written_in_single_precision(potential, tmp_path):
    export_potential(potential, tmp_path / 'single.model', dtype='float32')
    single = import_potential(tmp_path / 'single.model', trust=True)
    assert single.metadata.dtype == 'float32'
    there = results(calculator(single))[1]
    assert there == pytest.approx(results(calculator(potential))[1], abs=1e-4)


def test_one_of_several_heads_can_be_kept(tmp_path):
    energies = np.array([[-13.0, -1.5], [-14.0, -2.5]])
    model = mace_model(
        heads=['lda', 'pbe'],
        atomic_energies=energies,
        atomic_inter_scale=[0.7, 0.7],
        atomic_inter_shift=[0.1, 0.2],
    )
    both = potential_from_mace(model, provenance={})
    export_potential(both, tmp_path / 'both.model')
    kept = import_potential(tmp_path / 'both.model', trust=True, head='pbe')
    assert kept.metadata.heads == ('pbe',)
    expected = results(calculator(both, head='pbe'))
    for mine, theirs in zip(results(calculator(kept)), expected, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-12, abs=1e-12)
    with pytest.raises(PotentialError, match="has the heads lda, pbe, no 'scan'"):
        import_potential(tmp_path / 'both.model', trust=True, head='scan')


# ---- what is not opened ----------------------------------------------------------------------


@pytest.mark.parametrize('trust', [False, True])
@pytest.mark.parametrize('kind', ['pickle', 'torch', 'state', 'text'])
def test_file_that_runs_code_is_refused_and_runs_nothing(tmp_path, potential, kind, trust):
    marker = tmp_path / 'marker'
    path = tmp_path / 'evil.model'
    write_evil(path, kind, marker, potential)
    with pytest.raises(PotentialError) as refusal:
        import_potential(path, trust=trust)
    assert not marker.exists()
    assert 'evil.model' in str(refusal.value) or 'Python text' in str(refusal.value)
    assert ('say --trust' in str(refusal.value)) is not trust


def write_evil(path, kind, marker, potential):
    import torch

    from aiida_insbench.science.potentials import mace_from_potential

    if kind == 'pickle':
        path.write_bytes(pickle.dumps(Evil(marker)))
        # the marker is written by whoever opens the file without guard
        pickle.loads(path.read_bytes())  # noqa: S301 - our own, and that is the point
        marker.rmdir()
        return
    if kind == 'torch':
        torch.save(Evil(marker), path)
        return
    model = mace_from_potential(potential)
    if kind == 'state':
        model.surprise = Evil(marker)
    else:
        traced = model.products[0].symmetric_contractions.contractions[0].graph_opt_main
        traced._code = traced._code.replace(
            'return', f'__import__("os").mkdir({str(marker)!r})\n    return', 1
        )
    torch.save(model, path)


def test_file_that_nobody_vouches_for_is_not_opened(model_file):
    with pytest.raises(PotentialError, match=r'is no published model .* say --trust'):
        import_potential(model_file)


def test_file_that_is_cut_short_is_refused(model_file, tmp_path):
    cut = tmp_path / 'cut.model'
    cut.write_bytes(model_file.read_bytes()[:-1000])
    with pytest.raises(PotentialError, match=r'cut\.model cannot be read as a model of MACE'):
        import_potential(cut, trust=True)


def test_file_that_holds_no_model_is_refused(potential, tmp_path):
    import torch

    torch.save({'weights': torch.zeros(3)}, tmp_path / 'weights.model')
    with pytest.raises(PotentialError, match=r'weights\.model holds a dict, no model'):
        import_potential(tmp_path / 'weights.model', trust=True)


def test_pair_that_was_tampered_with_is_refused(potential, tmp_path):
    export_potential(potential, tmp_path / 'pair.json')
    weights = tmp_path / 'pair.safetensors'
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(bytes(changed))
    with pytest.raises(PotentialError, match='are not those of the metadata'):
        import_potential(tmp_path / 'pair.json')


@pytest.mark.parametrize(
    ('source', 'named'),
    [
        ('nowhere.model', r'nowhere\.model: no such file'),
        ('folder/nowhere', 'no such file'),
        ('MACE-XL', "'MACE-XL' is neither a file nor the name of a foundation model"),
    ],
)
def test_source_that_is_not_there_is_named(source, named):
    with pytest.raises(PotentialError, match=named):
        import_potential(source)


@pytest.mark.parametrize(
    ('make', 'target', 'named'),
    [
        (None, 'model.pt', 'ends neither in .model nor in .json'),
        (None, 'nowhere/m.model', 'There is no folder'),
        ('emt', 'm.model', "flavour 'ase' has no weights to write"),
    ],
)
def test_export_that_makes_no_sense_is_refused(potential, tmp_path, make, target, named):
    chosen: Potential = potential_from_ase(make) if make else potential
    with pytest.raises(PotentialError, match=named):
        export_potential(chosen, tmp_path / target)
    assert list(tmp_path.iterdir()) == []


# ---- published models ------------------------------------------------------------------------


def test_published_file_is_known_by_its_sum(published, model_file, potential, tmp_path):
    renamed = tmp_path / 'from_a_colleague.model'
    renamed.write_bytes(model_file.read_bytes())
    found = import_potential(renamed)
    assert found.weights == potential.weights
    assert found.metadata.provenance['licence'] == 'ASL'
    assert found.metadata.provenance['dft_level']['functional'] == 'PBE'
    assert found.metadata.provenance['source'] == {
        'file': 'from_a_colleague.model',
        'sha256': published.sha256,
        'name': 'MACE-TEST-small',
        'url': published.url,
    }


@pytest.fixture
def server(model_file):
    """Serves the folder of the model on this machine."""
    quiet = type(
        'Quiet', (http.server.SimpleHTTPRequestHandler,), {'log_message': lambda *_words: None}
    )
    handler = functools.partial(quiet, directory=str(model_file.parent))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{running.server_port}'
        running.shutdown()


def test_published_model_is_downloaded_by_mace_and_kept(
    server, published, potential, tmp_path, monkeypatch
):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    model = FoundationModel(**{**vars(published), 'url': f'{server}/small.model'})
    assert import_foundation(model).weights == potential.weights
    assert [path.name for path in (tmp_path / 'mace').iterdir()] == ['smallmodel']
    elsewhere = FoundationModel(**{**vars(published), 'url': 'http://127.0.0.1:9/small.model'})
    assert import_foundation(elsewhere).weights == potential.weights


def test_download_that_is_not_what_was_published_is_not_opened(
    server, published, tmp_path, monkeypatch
):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    wrong = {**vars(published), 'url': f'{server}/small.model', 'sha256': 'f' * 64}
    with pytest.raises(PotentialError, match=r'that of MACE-TEST-small is f{64}.*not opened'):
        import_foundation(FoundationModel(**wrong))


def test_without_a_network_the_remedy_is_named(published, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    with pytest.raises(PotentialError, match=r'could not be downloaded.*import it by its path'):
        import_foundation(published)


def test_file_is_found_under_the_name_it_is_published_by(
    published, model_file, potential, tmp_path, monkeypatch
):
    """MACE keeps models of the MACE-OFF family so."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    (tmp_path / 'mace').mkdir()
    (tmp_path / 'mace' / 'small.model').write_bytes(model_file.read_bytes())
    assert import_foundation(published).weights == potential.weights
