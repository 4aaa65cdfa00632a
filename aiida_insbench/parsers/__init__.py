"""Parsers: attach what a job has finished, then say what is missing."""
