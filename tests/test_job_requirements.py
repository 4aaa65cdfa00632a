"""``requirements-job.txt`` holds what a job imports, at the versions of ``pyproject.toml``."""

import ast
import re
import sys
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from aiida_insbench.jobs.self_test_packages import PACKAGES

#: Imported, and brought by a package of the list.
BROUGHT = {'spglib': 'phonopy', 'e3nn': 'mace-torch', 'packaging': 'euphonic'}
#: Imported only by what a compute node does not do, or where the user wants more.
OPTIONAL = {
    'chgnet': 'a potential of another package, chosen by the user',
    'dscribe': 'SOAP descriptors, chosen by the user',
    'matplotlib': '`insbench-job ins --plot`; ASE, MACE and phonopy bring it',
    'pydantic': 'the configuration file of a campaign, read where AiiDA is',
}


def name_of(requirement):
    return requirement.name.lower()


@pytest.fixture(scope='module')
def listed(repository):
    """Requirements by name, in the order of the file."""
    lines = (repository / 'requirements-job.txt').read_text(encoding='utf-8').splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith('#')]
    assert len({name_of(one) for one in found}) == len(found)
    return {name_of(one): one for one in found}


@pytest.fixture(scope='module')
def project(repository):
    return tomllib.loads((repository / 'pyproject.toml').read_text(encoding='utf-8'))['project']


def test_versions_are_those_of_pyproject(listed, project):
    asked = {name_of(one): one for one in map(Requirement, project['dependencies'])}
    ours = {name: one for name, one in listed.items() if name != 'torch'}
    assert {name: str(one) for name, one in ours.items()} == {
        name: str(asked[name]) for name in ours if name in asked
    }


def test_torch_comes_first_at_the_version_of_the_makefile(listed, repository):
    makefile = (repository / 'Makefile').read_text(encoding='utf-8')
    version = re.search(r'^TORCH_VERSION := (\S+)$', makefile, flags=re.MULTILINE)[1]
    assert next(iter(listed)) == 'torch'
    assert str(listed['torch'].specifier) == f'=={version}'


def test_self_test_looks_at_every_package(listed):
    assert set(PACKAGES) == set(listed)


def test_nothing_of_aiida_is_listed(listed):
    assert not [name for name in listed if name.startswith('aiida')]
    assert set(listed).isdisjoint({'click', 'jinja2', 'matplotlib', 'pgsu'})


def imports_of(path):
    """Modules that a file imports, at its top, in functions and by `import_module`."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f'{node.module}.{alias.name}' for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, 'attr', '') == 'import_module':
            yield from (one.value for one in node.args if isinstance(one, ast.Constant))


@pytest.fixture(scope='module')
def modules(repository):
    """Our modules by name."""
    paths = (repository / 'aiida_insbench').rglob('*.py')
    names = {'.'.join(p.relative_to(repository).with_suffix('').parts): p for p in paths}
    return {name.removesuffix('.__init__'): path for name, path in names.items()}


def reached(modules, start):
    """Our modules that begin with one of `start`, and all that they import of ours."""
    todo, found = [name for name in modules if name.startswith(start)], set()
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += [one for one in imports_of(modules[name]) if one in modules]
    return found


def others(modules, start):
    """Distributions imported by what is reached from `start`."""
    tops = {
        one.partition('.')[0]
        for name in reached(modules, start)
        for one in imports_of(modules[name])
    }
    known = metadata.packages_distributions()
    return {
        known.get(top, [top])[0].lower()
        for top in tops - set(sys.stdlib_module_names) - {'aiida_insbench'}
    }


def test_every_import_of_science_and_jobs_is_listed(modules, listed):
    imported = others(modules, ('aiida_insbench.jobs', 'aiida_insbench.science'))
    assert {'numpy', 'mace-torch', 'pyyaml'} <= imported
    assert imported - set(listed) == set(BROUGHT) | set(OPTIONAL)


def test_what_others_bring_is_named_by_them():
    for name, bringer in BROUGHT.items():
        asked = [Requirement(line) for line in metadata.requires(bringer)]
        assert name in {name_of(one) for one in asked if one.marker is None}


def test_jobs_reach_nothing_that_only_campaigns_need(modules):
    assert 'pydantic' not in others(modules, ('aiida_insbench.jobs',))


def test_options_of_the_howto_are_those_of_the_command(repository):
    from aiida_insbench.cli.setup_codes import cmd_setup_codes

    page = (repository / 'docs' / 'howto' / 'cluster.md').read_text(encoding='utf-8')
    calls = re.findall(r'^    aiida-insbench setup codes ((?:.*\\\n)*.*)', page, re.MULTILINE)
    used = {word for call in calls for word in re.findall(r'--[a-z-]+', call)}
    assert {'--computer', '--insbench-job', '--prepend-text'} <= used
    assert used <= {option for one in cmd_setup_codes.params for option in one.opts}
