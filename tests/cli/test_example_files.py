"""Campaign files of the examples pass the same checks as a user's."""

import importlib.util
import io
import shutil

import ase.io
import numpy as np
import pytest
from aiida.orm import Dict, SinglefileData, load_group
from aiida_pseudo.groups.family import CutoffsPseudoPotentialFamily
from click.testing import CliRunner
from fake_nodes import code, pseudo, pw_code

from aiida_insbench.calculations.measured import import_spectrum
from aiida_insbench.cli import cmd_root

pytestmark = [pytest.mark.filterwarnings('ignore'), pytest.mark.usefixtures('aiida_profile')]
FAMILY = 'SSSP/1.3/PBE/efficiency'


@pytest.fixture(scope='module', autouse=True)
def site():
    """What `setup` would have made."""
    made = CutoffsPseudoPotentialFamily(label=FAMILY).store()
    elements = ('H', 'C', 'S', 'I')
    made.add_nodes([pseudo(element).store() for element in elements])
    cutoffs = {element: {'cutoff_wfc': 50.0, 'cutoff_rho': 400.0} for element in elements}
    made.set_cutoffs(cutoffs, 'normal', unit='Ry')
    assert load_group(FAMILY).get_pseudos(elements=('I',))


@pytest.fixture
def folder(repository, tmp_path):
    """A copy of an example, into which a user puts a crystal."""

    def copy(name):
        return shutil.copytree(repository / 'examples' / name, tmp_path / name)

    return copy


def script(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measured_spectrum(label, **conditions):
    energies = np.arange(20.0, 1200.0, 4.0)
    rows = '\n'.join(f'{energy} {10 + energy % 100} 1' for energy in energies)
    settings = {
        'instrument': 'TOSCA', 'temperature': 10.0, 'pressure': 0.0, 'unit': 'cm-1',
        'sample': '2,5-diiodothiophene', 'counts_per_bin': False, **conditions,
    }  # fmt: skip
    content = SinglefileData(io.BytesIO(f'# X (cm-1) , Y , E\n{rows}'.encode()), 'spectrum.dat')
    import_spectrum(content, Dict(settings)).label = label


def dry_run(path):
    words = ['launch', 'campaign', '--config', str(path / 'campaign.yaml'), '--dry-run']
    codes = ['--codes', pw_code().store().full_label, code().store().full_label]
    return CliRunner().invoke(cmd_root, [*words, *codes])


def test_diiodothiophene_with_a_crystal_of_its_composition(folder, monkeypatch):
    path = folder('diiodothiophene')
    monkeypatch.syspath_prepend(path)
    crystal = script(path / 'hypothetical.py').hypothetical()
    ase.io.write(path / 'crystal.cif', crystal)
    measured_spectrum('diiodothiophene-0')
    measured_spectrum('diiodothiophene-1.5', pressure=1.5, pressure_error=0.1)
    done = dry_run(path)
    assert done.exit_code == 0, done.output
    assert 'The campaign can be submitted.' in done.output
    del crystal[[atom.index for atom in crystal if atom.symbol == 'H'][:2]]
    ase.io.write(path / 'crystal.cif', crystal)
    assert 'ydrogen' in dry_run(path).output


def test_hexane(folder):
    path = folder('n_hexane')
    measured_spectrum('hexane-tfxa', instrument='TFXA', temperature=20.0, sample='n-hexane')
    done = dry_run(path)
    assert done.exit_code == 0, done.output
    assert 'The campaign can be submitted.' in done.output


def test_hypothetical_packing_has_no_close_contacts(folder, monkeypatch):
    path = folder('diiodothiophene')
    monkeypatch.syspath_prepend(path)
    crystal = script(path / 'hypothetical.py').hypothetical()
    assert crystal.get_chemical_formula() == 'C8H4I4S2'
    first = np.arange(len(crystal)) < 9
    apart = crystal.get_all_distances(mic=True)[first][:, ~first]
    assert apart.min() > 2.4
    density = crystal.get_masses().sum() * 1.66054 / crystal.get_volume()
    assert 2.4 < density < 2.9  # g/cm³


def test_molecule_is_planar_and_its_bonds_are_usual(folder):
    molecule = script(folder('diiodothiophene') / 'molecule.py').molecule()
    assert np.ptp(molecule.positions[:, 2]) == 0
    apart = molecule.get_all_distances()
    symbols = np.array(molecule.get_chemical_symbols())
    iodine = apart[symbols == 'I'][:, symbols == 'C'].min(axis=1)
    hydrogen = apart[symbols == 'H'][:, symbols == 'C'].min(axis=1)
    assert iodine == pytest.approx(2.07)
    assert hydrogen == pytest.approx(1.08)
