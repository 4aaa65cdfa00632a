"""Longitudinal modes: closed forms, sums, and Euphonic against phonopy."""

from __future__ import annotations

import dataclasses
import functools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ins_crystals import MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, spring_crystal
from phonopy import Phonopy
from phonopy.physical_units import get_physical_units
from phonopy.structure.atoms import PhonopyAtoms
from phonopy.structure.symmetry import symmetrize_borns_and_epsilon

from aiida_insbench.science.gamma_modes import gamma_modes
from aiida_insbench.science.ins.mode_files import open_modes
from aiida_insbench.science.lo_to import AXES, OFF, ON, lo_to_splitting
from aiida_insbench.science.phonons import load_force_constants, save_force_constants

PER_FORCE = 521.4708983725064  # cm⁻¹ of 1 eV/(Å² u)
COULOMB = get_physical_units().Hartree * get_physical_units().Bohr  # e²/4πε₀ in eV Å
ROCKSALT = PhonopyAtoms(
    symbols=['Na', 'Cl'],
    cell=2.82 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]),
    scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]],
)
ROCKSALT_SPRINGS = {2.9: (1.5, 0.2), 4.1: (0.4, 0.05)}
CHARGE, DIELECTRIC = 1.1, 2.4


def with_charges(phonon, charges, dielectric):
    phonon.nac_params = {
        'born': np.array(charges, dtype=float),
        'dielectric': np.array(dielectric, dtype=float),
        'factor': COULOMB,
    }
    return phonon


@functools.cache
def constants(name):
    """Force constants of springs, which take a while."""
    if name == 'rocksalt':
        return spring_crystal(ROCKSALT, ROCKSALT_SPRINGS, supercell=(3, 3, 3)).force_constants
    springs = MAGNESIUM_HYDRIDE_SPRINGS
    return spring_crystal(MAGNESIUM_HYDRIDE, springs, supercell=(2, 2, 2)).force_constants


def crystal_of(cell, size, name):
    phonon = Phonopy(
        cell, supercell_matrix=size * np.eye(3), primitive_matrix=np.eye(3), is_symmetry=False
    )
    phonon.force_constants = constants(name)
    return phonon


def rocksalt(*, charged=True):
    phonon = crystal_of(ROCKSALT, 3, 'rocksalt')
    if charged:
        charges = [CHARGE * np.eye(3), -CHARGE * np.eye(3)]
        with_charges(phonon, charges, DIELECTRIC * np.eye(3))
    return phonon


def rutile(seed=0):
    """MgH2 with tensors of charge that the symmetry of their sites allows."""
    phonon = crystal_of(MAGNESIUM_HYDRIDE, 2, 'rutile')
    rng = np.random.default_rng(seed)
    charges = np.array([1.9 * np.eye(3)] * 2 + [-0.95 * np.eye(3)] * 4)
    charges += rng.normal(scale=0.3, size=charges.shape)
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='.*Born effective charge')  # that is meant
        charges, dielectric = symmetrize_borns_and_epsilon(
            charges - charges.mean(axis=0), np.diag([3.8, 3.8, 4.0]), phonon.primitive
        )
    assert np.abs(charges[2] - np.diag(np.diag(charges[2]))).max() > 1e-3
    return with_charges(phonon, charges, dielectric)


def springs_alone(phonon):
    phonon.nac_params = None
    return phonon


def test_the_diatomic_crystal_by_hand():
    """ω_LO² − ω_TO² = 4πe²Z²/(ε V μ), one of three modes, in every direction."""
    phonon = rocksalt()
    found = lo_to_splitting({'p_0000': phonon})
    assert found['lo_to_note'] == ON
    reduced = phonon.primitive.masses.prod() / phonon.primitive.masses.sum()
    (transverse,) = {round(value, 4) for value in gamma_modes(phonon=phonon).frequencies[3:]}
    square = 4 * np.pi * COULOMB * CHARGE**2 / (DIELECTRIC * phonon.primitive.volume * reduced)
    longitudinal = np.sqrt(transverse**2 + square * PER_FORCE**2)
    assert longitudinal > transverse + 50
    for axis in AXES:
        row = found['lo_to']['p_0000'][axis]
        assert row['to'] == pytest.approx([transverse] * 3, abs=1e-3)
        assert sorted(row['frequencies']) == pytest.approx(
            [transverse, transverse, longitudinal], abs=1e-3
        )
        assert sorted(row['split']) == pytest.approx([0, 0, longitudinal - transverse], abs=1e-3)


@settings(max_examples=10)
@given(seed=st.integers(0, 1000))
def test_squares_grow_by_the_trace_of_the_term(seed):
    """Σω² − Σω_TO² = 4πe²/(V q̂εq̂) Σ_i |q̂·Z_i|²/m_i, the acoustic modes staying at zero."""
    phonon = rutile(seed)
    found = lo_to_splitting({'p_0000': phonon})['lo_to']['p_0000']
    axes = np.linalg.inv(phonon.primitive.cell).T
    charges, dielectric = phonon.nac_params['born'], phonon.nac_params['dielectric']
    for (name, fractions), row in zip(AXES.items(), found.values(), strict=True):
        assert found[name] is row
        unit = np.array(fractions) @ axes
        unit /= np.linalg.norm(unit)
        pulls = np.einsum('a,iab->ib', unit, charges)
        term = 4 * np.pi * COULOMB / phonon.primitive.volume / (unit @ dielectric @ unit)
        trace = term * ((pulls**2).sum(axis=1) / phonon.primitive.masses).sum()
        grown = np.square(row['frequencies']).sum() - np.square(row['to']).sum()
        assert grown == pytest.approx(trace * PER_FORCE**2, rel=1e-4)
        assert np.array(row['frequencies']) - row['to'] == pytest.approx(row['split'])


def test_force_constants_are_total_ones_and_gamma_modes_transverse():
    """Without a direction charges change nothing at Γ: modes followed are transverse."""
    charged = gamma_modes(phonon=rocksalt()).frequencies
    assert charged == pytest.approx(gamma_modes(phonon=rocksalt(charged=False)).frequencies,
                                    abs=1e-3)  # fmt: skip


def test_no_charges_no_term():
    assert lo_to_splitting({'p_0000': rocksalt(charged=False)}) == {'lo_to': {}, 'lo_to_note': OFF}
    mixed = {'p_0000': rocksalt(), 'p_1000': rocksalt(charged=False)}
    found = lo_to_splitting(mixed)
    assert set(found['lo_to']) == {'p_0000'}
    assert found['lo_to_note'] == f'{ON}; off at p_1000 (no Born charges)'


@pytest.mark.parametrize(
    ('crystal', 'isotopes'),
    [(rocksalt, None), (rocksalt, {'Cl': '37Cl'}), (rutile, None), (rutile, {'H': '2H'})],
)
def test_euphonic_takes_charges_as_phonopy_does(tmp_path, crystal, isotopes):
    """Between commensurate points, on them, and at q → 0; twice the dipoles would be seen.

    On commensurate points the total force constants alone are exact: charges change nothing there.
    """
    phonon = crystal()
    path = tmp_path / 'charged.yaml'
    save_force_constants(phonon=phonon, path=path)
    again = load_force_constants(path)
    assert again.nac_params['born'] == pytest.approx(phonon.nac_params['born'], abs=1e-6)
    source = open_modes(path, mesh=(2, 2, 2), isotopes=isotopes)
    if isotopes:
        again.masses = source.masses
    size = 3 if crystal is rocksalt else 2
    on = np.array([[1 / size, 0, 0], [1 / size, 1 / size, 0], [1 / size, -1 / size, 1 / size]])
    between = np.array([[0.21, 0.13, 0.04], [-0.17, 0.4, 0.31]])
    near = 1e-3 * np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 2, 3]])
    # between them the two take bonds to the border of the supercell differently
    for points, tolerance in ((on, 0.002), (between, 0.2), (near, 0.01)):
        found = source.at(points).frequencies.to('1/cm').magnitude
        expected = again.run_qpoints(points).frequencies * get_physical_units().THzToCm
        assert np.sort(found) == pytest.approx(np.sort(expected), abs=tolerance)
    found = source.at(on).frequencies.to('1/cm').magnitude
    alone = springs_alone(again).run_qpoints(on).frequencies * get_physical_units().THzToCm
    assert np.sort(found) == pytest.approx(np.sort(alone), abs=0.002)
    bare = again.run_qpoints(between).frequencies * get_physical_units().THzToCm
    mixed = source.at(between).frequencies.to('1/cm').magnitude
    assert np.abs(np.sort(mixed) - np.sort(bare)).max() > 1


def test_dipoles_counted_twice_would_be_seen(tmp_path):
    """Euphonic wants short-ranged force constants; given total ones it adds dipoles to dipoles."""
    from euphonic import ForceConstants

    charged = open_modes(_saved(rocksalt(), tmp_path / 'on.yaml'), mesh=(2, 2, 2))
    bare = open_modes(_saved(rocksalt(charged=False), tmp_path / 'off.yaml'), mesh=(2, 2, 2))
    born = charged.force_constants.to_dict()
    keys = ('born', 'born_unit', 'dielectric', 'dielectric_unit')
    content = bare.force_constants.to_dict() | {key: born[key] for key in keys}
    trap = dataclasses.replace(bare, force_constants=ForceConstants.from_dict(content))
    points = np.array([[1 / 3, 0, 0]])
    right, wrong = (one.at(points).frequencies.to('1/cm').magnitude for one in (charged, trap))
    assert right == pytest.approx(bare.at(points).frequencies.to('1/cm').magnitude, abs=0.002)
    assert np.abs(wrong - right).max() > 5


def _saved(phonon, path):
    save_force_constants(phonon=phonon, path=path)
    return path


def test_limits_are_those_near_gamma(tmp_path):
    """q = 1e-4 along each axis in Euphonic against the limit of phonopy."""
    phonon = rutile()
    path = tmp_path / 'charged.yaml'
    save_force_constants(phonon=phonon, path=path)
    source = open_modes(path, mesh=(2, 2, 2))
    found = lo_to_splitting({'p_0000': phonon})['lo_to']['p_0000']
    for name, direction in AXES.items():
        near = source.at(1e-4 * np.array([direction], dtype=float)).frequencies
        values = np.sort(near.to('1/cm').magnitude[0])[3:]
        assert values == pytest.approx(np.sort(found[name]['frequencies']), abs=0.01)
