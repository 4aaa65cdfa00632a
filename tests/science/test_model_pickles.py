"""The Python text inside a model's file: contractions pass, anything else does not."""

import pytest

from aiida_insbench.science.model_pickles import is_contraction

CONTRACTION = """


def forward(self, x, y, z):
    tensordot = torch.functional.tensordot(z, y, dims = ((1,), (0,)), out = None);  z = y = None
    moved = tensordot.permute((0, -1, 1));  tensordot = None
    einsum = torch.functional.einsum('abc,abc->ab', moved, x);  moved = x = None
    return einsum
"""


def test_contractions_pass():
    assert is_contraction(CONTRACTION)


@pytest.mark.parametrize(
    'text',
    [
        '',
        'import os',
        'def forward(self, x):\n    import os\n    return x',
        'def forward(self, x):\n    return open("/tmp/x", "w")',
        'def forward(self, x):\n    return __import__("os").system("true")',
        'def forward(self, x):\n    return torch.load("x")',
        'def forward(self, x):\n    return torch.hub.load("x")',
        'def forward(self, x):\n    return x.__class__',
        'def forward(self, x):\n    return x.apply_(print)',
        'def forward(self, x):\n    torch.einsum = x\n    return x',
        'def forward(self, x):\n    return torch.einsum(torch.load("x"))',
        'def forward(self, x=print("now")):\n    return x',
        'def forward(self, *, x=print("now")):\n    return x',
        'def forward(self, x: print("now")):\n    return x',
        'def forward(self, x) -> print("now"):\n    return x',
        '@print\ndef forward(self, x):\n    return x',
        'def forward(self, x):\n    return x\nprint("now")',
        'def forward(self, x):\n    return [print(y) for y in x]',
        'def forward(self, x):\n    return (lambda: x)()',
        'def forward(self, x):\n    return f"{print(x)}"',
        'def forward(self, x):\n    while True: pass',
        'def backward(self, x):\n    return x',
        'class forward: pass',
        'def forward(self, x):\n    return x[print("now")]',
        '(' * 500,
    ],
)
def test_anything_else_is_refused(text):
    assert not is_contraction(text)
