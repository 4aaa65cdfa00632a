"""MACE's own ``.model`` files: pickled programs, read under guard and written for other tools.

Opening a pickle can run anything its author wrote. This module is therefore used in a child
process only, on a file whose SHA-256 is known or for which the user vouches; the latter is read
by torch's restricted unpickler, which may build what MACE models are made of and nothing else.
Part of a MACE model is Python text, the contractions of its products: it is compiled only if it
is nothing but sums of products of tensors. What is left unguarded is TorchScript, which e3nn
stores and torch opens.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiida_insbench.science.errors import PotentialError, format_error
from aiida_insbench.science.mace_models import building, mace_from_potential, mace_parts
from aiida_insbench.science.potential_files import Potential

#: Packages whose torch modules a model may consist of.
_MODULES_OF = ('mace.', 'e3nn.', 'torch.nn.')
#: What else a MACE model names; none of it does anything but hold or compute numbers.
_HARMLESS = frozenset(
    {
        'builtins.bytearray',
        'builtins.complex',
        'builtins.frozenset',
        'builtins.set',
        'builtins.slice',
        'collections.OrderedDict',
        'e3nn.o3._irreps.Irrep',
        'e3nn.o3._irreps.Irreps',
        'e3nn.o3._irreps._MulIr',
        'e3nn.o3._linear.Instruction',
        'e3nn.o3._tensor_product._instruction.Instruction',
        'numpy._core.multiarray._reconstruct',
        'numpy._core.multiarray.scalar',
        'numpy.core.multiarray._reconstruct',
        'numpy.core.multiarray.scalar',
        'numpy.dtype',
        'numpy.ndarray',
        'torch.abs',
        'torch.fx._symbolic_trace.Tracer',
        'torch.nn.functional.silu',
        'torch.tanh',
    }
)
#: What torch calls to compile the text of a traced module.
_COMPILES = 'torch.fx.graph_module.reduce_graph_module'
_CONTRACTIONS = frozenset(
    f'{module}.{name}'
    for module in ('torch', 'torch.functional')
    for name in ('einsum', 'tensordot')
)
_REARRANGEMENTS = frozenset({'permute', 'reshape', 'squeeze', 'transpose', 'unsqueeze', 'view'})


def read_model_file(path: Path, *, known: bool) -> Any:
    """Read a ``.model`` file; to be called in a child process.

    Parameters
    ----------
    path : Path
        A file that nothing else can change meanwhile.
    known : bool
        Whether its SHA-256 is that of a published model; else torch's restricted unpickler reads
        it.

    Returns
    -------
    torch.nn.Module
        On the CPU.

    Raises
    ------
    PotentialError
        If it is no file of torch, is cut short, names something no MACE model is made of, or holds
        no model.
    """
    torch = mace_parts()['torch']
    try:
        with warnings.catch_warnings(), _allowed(torch, path, known=known):
            warnings.simplefilter('ignore')
            model = torch.load(path, map_location='cpu', weights_only=not known)
    except PotentialError:
        raise
    except Exception as exc:
        raise PotentialError(
            format_error(
                f'{path.name} cannot be read as a model of MACE: {type(exc).__name__}: {exc}',
                fix='Fetch it again, or save the model anew with the installed MACE.',
            )
        ) from exc
    if not isinstance(model, torch.nn.Module):
        raise PotentialError(
            f'{path.name} holds a {type(model).__name__}, no model. Give the `.model` file that '
            'MACE writes at the end of a training.'
        )
    return model


def write_model_file(potential: Potential, path: Path, *, dtype: str = '') -> None:
    """Write a potential as a ``.model`` file of MACE, for ASE, janus or LAMMPS converters.

    Parameters
    ----------
    potential : Potential
        Of the flavour ``mace``.
    path : Path
        Is replaced only when the file is whole.
    dtype : str
        ``float64`` or ``float32``; empty for the potential's own.
    """
    torch = mace_parts()['torch']
    partial = path.with_name(path.name + '.part')
    with building(torch, dtype or potential.metadata.dtype):
        torch.save(mace_from_potential(potential, dtype=dtype), partial)
    partial.replace(path)


@contextlib.contextmanager
def _allowed(torch: Any, path: Path, *, known: bool) -> Iterator[None]:
    """Allow the restricted unpickler what the file names, if all of it is harmless."""
    if known:
        yield
        return
    names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    refused = sorted(name for name in names if _harmless(torch, name) is None)
    if refused:
        raise PotentialError(
            format_error(
                f'{path.name} names {", ".join(refused[:5])}.',
                reason='No MACE model is made of that; opening the file could run any program. It '
                'was not opened.',
                fix='If it is your own, save the model anew with the installed MACE.',
            )
        )
    with torch.serialization.safe_globals([(_harmless(torch, name), name) for name in names]):
        yield


def _harmless(torch: Any, name: str) -> Any:
    """Find what a file names, if it is on the list or a torch module of MACE's make; else None."""
    if name == _COMPILES:
        return _compile_contractions
    module, _, attribute = name.rpartition('.')
    if name not in _HARMLESS and not name.startswith(_MODULES_OF):
        return None
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError):
        return None
    if name in _HARMLESS or (isinstance(found, type) and issubclass(found, torch.nn.Module)):
        return found
    return None


def _compile_contractions(body: dict[str, Any], _imports: str) -> Any:
    """Stand in for torch's `reduce_graph_module`; the text must be nothing but contractions."""
    text = body.get('_code', '')
    if not isinstance(text, str) or not is_contraction(text):
        raise PotentialError(
            format_error(
                f'The file holds Python text that is no contraction of tensors: {text!r:.200}',
                reason='No MACE model has that; compiling it could run any program.',
            )
        )
    graph_module = importlib.import_module('torch.fx.graph_module')
    return graph_module.reduce_graph_module({**body, '_tracer_extras': {}}, 'import torch\n')


def is_contraction(text: str) -> bool:
    """Whether the text of a function does nothing but contract and rearrange tensors.

    Parameters
    ----------
    text : str
        As torch writes that of a traced module: one function ``forward``, whose lines give names
        to results of ``einsum`` and ``tensordot``, and its ``return``.
    """
    try:
        statements = ast.parse(text.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    if len(statements) != 1 or not isinstance(statements[0], ast.FunctionDef):
        return False
    function = statements[0]
    given = function.args
    bare = not (
        function.decorator_list
        or function.returns
        or given.defaults
        or given.kw_defaults
        or any(one.annotation for one in (*given.posonlyargs, *given.args, *given.kwonlyargs))
    )
    return bare and function.name == 'forward' and all(map(_is_step, function.body))


def _is_step(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assign):
        named = all(isinstance(target, ast.Name) for target in statement.targets)
        return named and _is_value(statement.value)
    return isinstance(statement, ast.Return) and _is_value(statement.value)


def _is_value(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call):
        arguments = [*value.args, *(keyword.value for keyword in value.keywords)]
        return _is_allowed_call(value.func) and all(map(_is_value, arguments))
    if isinstance(value, ast.Tuple | ast.List):
        return all(map(_is_value, value.elts))
    if isinstance(value, ast.UnaryOp):
        return isinstance(value.op, ast.USub) and isinstance(value.operand, ast.Constant)
    return isinstance(value, ast.Name | ast.Constant)


def _is_allowed_call(function: ast.expr) -> bool:
    if not isinstance(function, ast.Attribute):
        return False
    if ast.unparse(function) in _CONTRACTIONS:
        return True
    return isinstance(function.value, ast.Name) and function.attr in _REARRANGEMENTS
