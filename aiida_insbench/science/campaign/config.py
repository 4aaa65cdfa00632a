"""The file a campaign is started from: what it may hold, and all that is wrong with it at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from aiida_insbench.science.campaign.stopping import StoppingRules
from aiida_insbench.science.errors import InputError, InsbenchError, format_error
from aiida_insbench.science.pressure import check_pressures
from aiida_insbench.science.safe_yaml import load_yaml

EXAMPLE = """\
# A campaign: from a crystal and measured spectra to a verdict. Lengths in Å, pressures in GPa.
structure: crystal.cif         # CIF or what ASE reads; beside this file unless absolute
formula: C6H14                 # of the compound: missing hydrogens are found; null: not checked
formula_units: 1               # of them in the cell; null: any number
pressures: [0, 1.5]            # at which potentials are judged; positive is compression

measured: {}                   # imported spectra by name: label, PK or UUID of each
  # ambient: hexane-tfxa       # see `aiida-insbench spectrum import --help`
band_shifts: {}                # imported tables of measured shifts by name: label, PK or UUID
blind: []                      # of `measured`, ones that are ranked apart

start: null                    # label, PK or UUID of a potential; null: from random weights
continue: null                 # PK or UUID of an earlier campaign, to go on from

pseudo_family: SSSP/1.3/PBE/efficiency
cutoffs: null                  # [wave functions, density] in Ry; null: what the family recommends
codes: null                    # {pw: pw@computer, job: insbench-job@computer}; null: those set up

protocol: balanced             # fast, balanced or stringent
seed: 1                        # all random numbers follow from it
committee: 3                   # potentials trained alike, from other random weights
stopping:
  tolerance_shift: 5.0         # cm⁻¹: how far two members' spectra may be apart
  tolerance_area: 10.0         # per cent of the area that they may not share
  most_rounds: 6
  most_frames: 400             # labelled by DFT; null: no limit
  most_core_hours: null
reference_pressures: null      # of phonons by DFT; null: the first and the last; []: none
validate: true                 # molecular dynamics of the last potential
relaxation_ranks: 1            # MPI ranks of the first relaxation, on which everything waits
overrides: {}                  # laid over the protocol; keys as in its YAML file
"""


class Codes(BaseModel):
    """Labels of the two programs."""

    model_config = ConfigDict(extra='forbid')

    pw: str
    job: str


class CampaignConfig(BaseModel):
    """What a campaign's file holds; see `EXAMPLE` for what each entry means."""

    model_config = ConfigDict(extra='forbid', populate_by_name=True)

    structure: str
    formula: str | None = None
    formula_units: Annotated[int, Field(ge=1)] | None = None
    pressures: Annotated[list[float], Field(min_length=1)]
    measured: dict[str, str | int] = {}
    band_shifts: dict[str, str | int] = {}
    blind: list[str] = []
    start: str | int | None = None
    continue_from: Annotated[str | int | None, Field(alias='continue')] = None
    pseudo_family: str
    cutoffs: tuple[float, float] | None = None
    codes: Codes | None = None
    protocol: Literal['fast', 'balanced', 'stringent'] = 'balanced'
    seed: Annotated[int, Field(ge=0)] = 1
    committee: Annotated[int, Field(ge=1, le=10)] | None = None
    stopping: dict[str, Any] = {}
    reference_pressures: list[float] | None = None
    validate_last: Annotated[bool | None, Field(alias='validate')] = None
    relaxation_ranks: Annotated[int, Field(ge=1)] = 1
    overrides: dict[str, Any] = {}

    @field_validator('pressures', 'reference_pressures')
    @classmethod
    def _pressures_are_sound(cls, value: list[float] | None) -> list[float] | None:
        if not value:
            return value
        try:
            return list(check_pressures(value))
        except InsbenchError as exc:
            raise ValueError(str(exc)) from exc

    @field_validator('stopping')
    @classmethod
    def _can_stop(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            StoppingRules.from_dict(value)
        except (InsbenchError, TypeError) as exc:
            raise ValueError(str(exc)) from exc
        return value

    @field_validator('blind')
    @classmethod
    def _blind_are_listed(cls, value: list[str], info: Any) -> list[str]:
        unknown = sorted(set(value) - set(info.data.get('measured') or {}))
        if unknown:
            raise ValueError(f'{", ".join(unknown)} is not among `measured`')
        return value

    @property
    def protocol_overrides(self) -> dict[str, Any]:
        """What is laid over the protocol."""
        given: dict[str, Any] = {'stopping': self.stopping} if self.stopping else {}
        others = {'committee': self.committee, 'validate': self.validate_last}
        given |= {name: value for name, value in others.items() if value is not None}
        return {**self.overrides, **given}


def read_config(path: Path) -> CampaignConfig:
    """Read and check a campaign's file.

    Raises
    ------
    InputError
        With every problem, one a line, if it is no YAML or does not fit.
    """
    try:
        given = load_yaml(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise InputError(f'{path.name} cannot be read: {exc}') from exc
    if not isinstance(given, dict):
        raise InputError(f'{path.name} must hold names and values; `--example` writes one.')
    return checked_config(given, name=path.name)


def checked_config(given: dict[str, Any], *, name: str) -> CampaignConfig:
    """Check what a campaign's file holds; raises `InputError` with every problem, one a line."""
    try:
        return CampaignConfig.model_validate(given)
    except ValidationError as exc:
        raise InputError(
            format_error(f'{name} does not fit:\n{problems(exc)}', fix='`--example` writes one.')
        ) from exc


def problems(error: ValidationError) -> str:
    """Every problem on a line of its own: where, and what."""
    return '\n'.join(
        f'- `{".".join(map(str, one["loc"])) or "file"}`: '
        f'{one["msg"].removeprefix("Value error, ")}'
        for one in error.errors()
    )
