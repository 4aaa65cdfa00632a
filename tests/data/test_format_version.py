"""Nodes of later releases are refused when their content is read; unnumbered ones are read."""

import pytest
from aiida.orm import QueryBuilder, load_node
from fake_nodes import LEVEL, frames

import aiida_insbench
from aiida_insbench.data import DatasetData, SpectrumData
from aiida_insbench.science.errors import DatasetError, InputError


def dataset():
    return DatasetData(frames(2), dft_level=LEVEL)


def spectrum():
    return SpectrumData(energy_transfer=[1.0, 2.0], total=[3.0, 4.0], instrument='TOSCA')


def stored(make, **attributes):
    """As another release would have stored it: None takes an attribute away."""
    node = make()
    for name, value in attributes.items():
        if value is None:
            node.base.attributes.delete(name)
        else:
            node.base.attributes.set(name, value)
    return load_node(node.store().pk)


READERS = [
    (dataset, lambda node: node.get_frames(), DatasetError),
    (dataset, lambda node: node.get_text(), DatasetError),
    (spectrum, lambda node: node.total, InputError),
    (spectrum, lambda node: node.get_array('energy_transfer'), InputError),
]


@pytest.mark.parametrize(('make', 'read', 'error'), READERS)
class TestReaders:
    def test_of_this_release(self, make, read, error):
        node = stored(make)
        assert node.base.attributes.get('format_version') == node.FORMAT_VERSION == 1
        assert node.base.attributes.get('written_by') == aiida_insbench.__version__
        assert len(read(node))

    def test_of_before_there_was_a_number(self, make, read, error):
        node = stored(make, format_version=None, written_by=None)
        assert 'format_version' not in node.base.attributes.all
        assert repr(read(node)) == repr(read(make()))

    def test_of_a_later_release(self, make, read, error):
        node = stored(make, format_version=2, written_by='7.1.0')
        with pytest.raises(error, match=r'has format 2, .* 7\.1\.0 wrote') as caught:
            read(node)
        message = str(caught.value)
        assert f'<{node.pk}>' in message
        assert f'{aiida_insbench.__version__}, installed here, reads formats up to 1' in message
        assert 'Install aiida-insbench 7.1.0 or later.' in message

    def test_of_a_release_that_does_not_say_its_name(self, make, read, error):
        node = stored(make, format_version=9, written_by=None)
        with pytest.raises(error, match='has format 9, which aiida-insbench of a later release'):
            read(node)

    def test_provenance_of_a_later_one_can_be_looked_through(self, make, read, error):
        """Attributes are there without the content: the graph stays open to queries."""
        node = stored(make, format_version=2, written_by='7.1.0')
        filters = {'attributes.format_version': {'>': 1}}
        found = QueryBuilder().append(type(node), filters=filters, project='id').all(flat=True)
        assert node.pk in found


@pytest.mark.parametrize('make', [dataset, spectrum])
def test_caching_does_not_tell_releases_apart(make):
    before = stored(make, format_version=None, written_by=None)
    now, later = stored(make), stored(make, written_by='0.2.0')
    hashes = {node.base.caching.get_hash() for node in (before, now, later)}
    assert len(hashes) == 1
    assert hashes != {None}
