"""Metadata and documentation agree with each other and with the code."""

import ast
import importlib.util
import inspect
import json
import re
import shutil
import subprocess
from importlib.metadata import distribution

import pytest
import yaml

ALLOWED = {
    '.ci',
    '.github',
    '.gitignore',
    '.pre-commit-config.yaml',
    'CHANGELOG.md',
    'CITATION.cff',
    'CONTRIBUTING.md',
    'LICENSE',
    'Makefile',
    'README.md',
    'aiida_insbench',
    'benchmarks.json',
    'docs',
    'examples',
    'pyproject.toml',
    'requirements-job.txt',
    'setup.json',
    'tests',
}
ENTRY_POINTS = sorted(
    distribution('aiida-insbench').entry_points, key=lambda entry: (entry.group, entry.name)
)
PROCESSES = [
    entry for entry in ENTRY_POINTS if entry.group in ('aiida.calculations', 'aiida.workflows')
]


def entry_point_id(entry):
    return f'{entry.group}:{entry.name}'


@pytest.fixture(scope='module')
def maker(repository):
    spec = importlib.util.spec_from_file_location(
        'make_setup_json', repository / 'docs' / 'make_setup_json.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_setup_json_is_in_step_with_pyproject(repository, maker):
    written = (repository / 'setup.json').read_text(encoding='utf-8')
    assert written == maker.setup_json_text(), 'run: python docs/make_setup_json.py'


def test_setup_json_knows_the_entry_points(repository):
    """The form the AiiDA registry reads: lists of 'name = module:attribute'."""
    listed = json.loads((repository / 'setup.json').read_text(encoding='utf-8'))['entry_points']
    assert (
        'insbench.ins = aiida_insbench.calculations.ins:InsCalculation'
        in (listed['aiida.calculations'])
    )
    assert {f'{e.group}: {e.name} = {e.value}' for e in ENTRY_POINTS} == {
        f'{group}: {line}' for group, lines in listed.items() for line in lines
    }, 'the installed package is older than pyproject.toml: make env'


def test_version_is_that_of_the_package(maker):
    import aiida_insbench

    assert maker.read_version() == aiida_insbench.__version__


@pytest.mark.parametrize('entry', ENTRY_POINTS, ids=entry_point_id)
def test_entry_point_loads(entry):
    assert callable(entry.load())


@pytest.mark.parametrize(
    'entry', [e for e in ENTRY_POINTS if e.name.startswith('insbench')], ids=entry_point_id
)
def test_entry_point_is_documented(repository, entry):
    page = repository / 'docs' / 'reference' / 'entry_points.md'
    assert f'`{entry.name}`' in page.read_text(encoding='utf-8')


@pytest.mark.parametrize('entry', [e for e in PROCESSES if e.attr[0].isupper()], ids=entry_point_id)
def test_ports_are_listed_on_the_page_of_its_group(repository, entry):
    pages = {'aiida.calculations': 'calculations.md', 'aiida.workflows': 'work_chains.md'}
    page = repository / 'docs' / 'reference' / pages[entry.group]
    text = page.read_text(encoding='utf-8')
    assert f':: {entry.attr}\n   :module: {entry.module}\n' in text


def test_citation_names_the_version(repository, maker):
    cited = yaml.safe_load((repository / 'CITATION.cff').read_text(encoding='utf-8'))
    assert cited['version'] == maker.read_version()
    assert cited['title'] == 'aiida-insbench'


@pytest.mark.parametrize('entry', PROCESSES, ids=entry_point_id)
def test_inputs_and_outputs_explain_themselves(entry):
    """Every port declared by this package has a help text."""
    spec = entry.load().spec()
    own = [
        (name, port)
        for ports in (spec.inputs, spec.outputs)
        for name, port in ports.items()
        if name not in ('metadata', 'monitors', 'remote_folder', 'retrieved', 'remote_stash')
    ]
    assert own
    silent = [name for name, port in own if not hasattr(port, 'items') and not port.help]
    assert not silent


@pytest.mark.parametrize('entry', PROCESSES, ids=entry_point_id)
def test_exit_codes_are_documented(repository, entry):
    """Every exit code of this package's own stands on the page with its process."""
    page = (repository / 'docs' / 'reference' / 'exit_codes.md').read_text(encoding='utf-8')
    rows = set(re.findall(r'^\| (\d+) \| `(\w+)` \|', page, flags=re.MULTILINE))
    assert f'`{entry.name}`' in page
    codes = entry.load().spec().exit_codes
    missing = {
        (str(code.status), name) for name, code in codes.items() if code.status >= 200
    } - rows
    assert not missing


@pytest.mark.parametrize('page', ['README.md', 'docs/howto/own_crystal.md', 'docs/howto/query.md'])
def test_examples_import_what_exists(repository, page):
    text = (repository / page).read_text(encoding='utf-8')
    examples = re.findall(r'^```python\n(.*?)^```', text, flags=re.MULTILINE | re.DOTALL)
    assert examples
    for example in examples:
        for statement in ast.parse(example).body:
            if isinstance(statement, ast.ImportFrom):
                module = importlib.import_module(statement.module)
                assert [a.name for a in statement.names if not hasattr(module, a.name)] == []


@pytest.mark.parametrize('page', ['README.md', 'docs/howto/own_crystal.md'])
def test_example_of_a_campaign_names_its_arguments(repository, page):
    from aiida_insbench.workflows.campaign import CampaignWorkChain

    text = (repository / page).read_text(encoding='utf-8')
    call = text.partition('CampaignWorkChain.get_builder_from_protocol')[2].partition('\n)')[0]
    named = set(re.findall(r'^    (\w+)=', call, flags=re.MULTILINE))
    known = inspect.signature(CampaignWorkChain.get_builder_from_protocol).parameters
    required = {name for name, one in known.items() if one.default is inspect.Parameter.empty}
    assert required <= named <= set(known)


def test_top_level_holds_nothing_else(repository):
    if not (repository / '.git').exists() or shutil.which('git') is None:
        pytest.skip('not a git checkout')
    listing = subprocess.run(
        ['git', '-C', str(repository), 'ls-files'], capture_output=True, text=True, check=True
    )
    assert {line.partition('/')[0] for line in listing.stdout.splitlines()} <= ALLOWED


def test_no_line_of_the_documentation_is_taken_for_a_comment(repository):
    """MyST hides lines that begin with a per cent sign."""
    hidden = [
        f'{page.name}:{number}'
        for page in sorted((repository / 'docs').rglob('*.md'))
        if '_build' not in page.parts
        for number, line in enumerate(page.read_text(encoding='utf-8').splitlines(), start=1)
        if line.startswith('%')
    ]
    assert not hidden
