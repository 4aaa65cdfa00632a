"""Headless Chromium, where it is installed."""

import shutil
import subprocess

import pytest

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason='Chromium is not installed')


def opened(page, *, profile, width, height=1200, words=(), fragment=''):
    """What came of loading a page: the document in `stdout`, the console in `stderr`."""
    return subprocess.run(
        [
            CHROMIUM,
            '--headless',
            '--no-sandbox',
            '--disable-gpu',
            '--disable-quic',
            '--no-first-run',
            '--disable-background-networking',
            '--disable-component-update',
            '--disable-sync',
            f'--user-data-dir={profile}',
            '--enable-logging=stderr',
            f'--window-size={width},{height}',
            *words,
            '--dump-dom',
            page.as_uri() + fragment,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
