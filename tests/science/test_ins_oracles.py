"""Spectra against other programs, whose numbers the scripts in ``tests/oracles`` have written."""

import numpy as np
import pytest
from ins_crystals import (
    MAGNESIUM_HYDRIDE,
    MAGNESIUM_HYDRIDE_SPRINGS,
    save_crystal,
    spring_crystal,
)
from ins_references import (
    ALMOST_ISOTROPIC,
    ETHANOL,
    GRAPHITE,
    abinslib_differences,
    graphite_modes,
    irma_differences,
    read_reference,
)

from aiida_insbench.science.ins.mode_files import read_modes
from aiida_insbench.science.ins.modes import PhononModes
from aiida_insbench.science.ins.units import MEV_TO_WAVENUMBER


@pytest.fixture(scope='module')
def abinslib(shared_data):
    return abinslib_differences(read_modes(shared_data / ETHANOL, mesh=None))


@pytest.fixture(scope='module')
def springs(tmp_path_factory):
    """Modes of magnesium hydride held together by springs."""
    crystal = spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS)
    path = save_crystal(crystal, tmp_path_factory.mktemp('springs') / 'springs.yaml')
    mesh = read_reference('irma_magnesium_hydride')['mesh']
    return read_modes(path, mesh=mesh, shift=(0.5, 0.5, 0.5))


@pytest.fixture(scope='module')
def graphite_folder(tmp_path_factory):
    return tmp_path_factory.mktemp('graphite')


@pytest.fixture(scope='module')
def graphite(shared_data, graphite_folder):
    """Modes of graphite by VASP."""
    if not (shared_data / GRAPHITE).is_dir():
        pytest.skip(f'there is no {GRAPHITE} in the shared data')
    return graphite_modes(
        shared_data, graphite_folder, mesh=read_reference('irma_graphite')['mesh']
    )


@pytest.fixture
def lines_to_nearest_bin(monkeypatch):
    """Put lines into the nearest bin, where the kernel shares them between two."""

    def nearest(frequencies, *, bin_width):
        bins = np.floor(frequencies / bin_width + 0.5).astype(np.int64)
        shares = np.ones(len(frequencies))
        return np.concatenate((bins, bins)), np.concatenate((shares, 0 * shares))

    monkeypatch.setattr('aiida_insbench.science.ins.density.share_between_bins', nearest)


class TestAbinslib:
    """The almost-isotropic kernel on ethanol, Γ and two more q-points, per bin of the maximum."""

    @pytest.mark.parametrize('part', ['H_1', 'C_1', 'O_1', 'H_2', 'C_2', 'O_2'])
    def test_every_bin_agrees(self, abinslib, part):
        """Found: 0.14 % and less."""
        assert abinslib[part] < 0.005


class TestIrmaMagnesiumHydride:
    """The exact kernel on springs, at fixed Q and 300 K, per bin of each order's maximum."""

    reference = read_reference('irma_magnesium_hydride')

    def test_every_bin_of_every_order_agrees(self, springs):
        """Found: 0.6 %, all of it from the bins IRMA puts lines into."""
        differences = irma_differences(springs, self.reference)
        assert len(differences) == 16
        assert max(differences.values()) < 0.01

    def test_nothing_is_left_with_the_same_bins(self, springs, lines_to_nearest_bin):
        """Found: 4e-5."""
        assert max(irma_differences(springs, self.reference).values()) < 2e-4


class TestIrmaGraphite:
    """The same on graphite: an atom moves 6.7 times as far (squared) across the layers as along."""

    reference = read_reference('irma_graphite')

    def test_every_bin_of_every_order_agrees(self, graphite):
        """Found: 0.45 %; wanted are 2 %."""
        differences = irma_differences(graphite, self.reference)
        assert len(differences) == 15
        assert max(differences.values()) < 0.01

    def test_nothing_is_left_with_the_same_modes_and_bins(
        self, graphite, graphite_folder, lines_to_nearest_bin
    ):
        """Found: 1.4e-5, with phonopy's modes, which differ from Euphonic's by up to 0.6 cm⁻¹.

        64 pairs of atoms have two images at distances equal to 0.01 Å: phonopy takes the nearer,
        Euphonic both.
        """
        same = phonopy_modes(graphite_folder / 'phonopy_params.yaml', mesh=self.reference['mesh'])
        # Euphonic's are of one of each pair q and −q
        apart = np.sort(same.frequencies, axis=None)[::2] - np.sort(graphite.frequencies, axis=None)
        assert np.abs(apart).max() < 0.7
        assert max(irma_differences(same, self.reference).values()) < 2e-4

    def test_the_approximation_makes_the_difference(self, graphite):
        """Almost isotropic: order 1 off by 2 % at Q = 8 Å⁻¹ and by 9 % at 12, order 2 by 73 %."""
        differences = irma_differences(graphite, self.reference, kernel=ALMOST_ISOTROPIC)
        assert differences['C', 8.0, '1'] == pytest.approx(0.020, abs=0.005)
        assert differences['C', 12.0, '1'] == pytest.approx(0.090, abs=0.01)
        assert differences['C', 12.0, '2'] == pytest.approx(0.73, abs=0.05)


def phonopy_modes(path, *, mesh):
    """Modes by phonopy on its Monkhorst-Pack mesh, which is shifted where divisions are even."""
    import phonopy

    phonon = phonopy.load(
        path, force_sets_filename=path.parent / 'FORCE_SETS', symmetrize_fc=True, log_level=0
    )
    phonon.run_mesh(mesh, is_mesh_symmetry=False, with_eigenvectors=True)
    found, cell = phonon.mesh, phonon.primitive
    n_modes = 3 * len(cell)
    return PhononModes(
        frequencies=found.frequencies * 4.135667697 * MEV_TO_WAVENUMBER,
        eigenvectors=found.eigenvectors.transpose(0, 2, 1).reshape(-1, n_modes, len(cell), 3),
        weights=found.weights / found.weights.sum(),
        masses=np.array(cell.masses),
        symbols=tuple(cell.symbols),
    )
