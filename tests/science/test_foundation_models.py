"""The table of published models: complete, consistent, and at the addresses MACE has."""

import re

import pytest

from aiida_insbench.science.errors import PotentialError
from aiida_insbench.science.foundation_models import (
    FOUNDATION_MODELS,
    foundation_model,
    model_of_file,
)

pytestmark = pytest.mark.filterwarnings('ignore')


@pytest.mark.parametrize('model', FOUNDATION_MODELS.values(), ids=lambda model: model.name)
def test_every_model_has_a_sum_a_level_and_a_licence(model):
    assert re.fullmatch(r'[0-9a-f]{64}', model.sha256)
    assert model.url.startswith('https://')
    assert model.file_name.endswith('.model')
    assert model.licence in ('MIT', 'ASL')
    assert model.provenance['dft_level']['functional']
    assert model_of_file(model.sha256) is model


def test_no_two_models_are_the_same_file():
    assert len({model.sha256 for model in FOUNDATION_MODELS.values()}) == len(FOUNDATION_MODELS)
    assert len({model.url for model in FOUNDATION_MODELS.values()}) == len(FOUNDATION_MODELS)


@pytest.mark.real
def test_what_mace_lists_is_in_the_table_at_the_same_address():
    from mace.calculators import foundations_models as mace

    here = {model.url for model in FOUNDATION_MODELS.values()}
    assert set(mace.mace_mp_urls.values()) <= here
    assert set(mace.mace_off_urls.values()) <= here


def test_capitals_do_not_matter():
    assert foundation_model('mace-mp-0B3-medium').name == 'MACE-MP-0b3-medium'


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(PotentialError, match=r"'mace-mp' is neither a file .* MACE-MPA-0-medium"):
        foundation_model('mace-mp')


def test_any_other_file_is_unknown():
    assert model_of_file('0' * 64) is None
