"""The script that docs/howto/datasets.md opens with runs as it stands."""

import re

import pytest
from aiida.orm import QueryBuilder

from aiida_insbench.data import DatasetData
from aiida_insbench.science.frames import read_frames


@pytest.mark.usefixtures('aiida_profile_clean')
def test_script(repository, tmp_path, monkeypatch, capsys):
    page = (repository / 'docs' / 'howto' / 'datasets.md').read_text(encoding='utf-8')
    script = re.search(r'^```python\n(.*?)^```', page, flags=re.MULTILINE | re.DOTALL).group(1)
    assert page.partition('```python')[0].strip().count('\n') == 0  # the page opens with it
    monkeypatch.chdir(tmp_path)
    exec(compile(script, 'datasets.md', 'exec'), {})  # noqa: S102
    printed = capsys.readouterr().out.splitlines()
    assert len(read_frames((tmp_path / 'ours.extxyz').read_text())) == 21
    parts = "{'training': (13, [0.0, 1.0]), 'validation': (3, [0.0, 1.0]), 'test': (8, [2.0])}"
    assert parts in printed
    filters = {'attributes.split': 'test', 'attributes.vdw': 'D3(BJ)'}
    found = QueryBuilder().append(DatasetData, filters=filters, project='id').one()
    assert f'[[{found[0]}, 8]]' in printed
