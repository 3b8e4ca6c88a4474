"""Processes of tests that do one thing of a module."""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import ForkServerContext


def forks(module: str) -> ForkServerContext:
    """Return what starts processes that run functions of `module`. They are forked from one that has loaded it, which
    each that is spawned would do anew; no thread of the tests is in them, either."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module])
    return context
