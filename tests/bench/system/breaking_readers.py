"""Functions that break the process that they run in, each in its own way; for tests of `bench.system.reading`."""

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from bench.errors import DataMissing
from bench.system.reading.values import Value


def give(path: str) -> Value:
    """Every kind of value."""
    matrix = np.arange(6.0).reshape(2, 3)
    return {
        "path": path,
        "cells": [matrix, np.asfortranarray(matrix), [np.array(True), np.zeros((0, 4), np.int8)]],
        "big": np.arange(3, dtype=">i4"),
        "half": np.float16([1.5]),
        "plain": [None, True, 3, 1.5, "a\x1b\udc80"],
    }


def pid(path: str) -> int:
    """Of the reader."""
    return os.getpid()


def refuse(path: str) -> Value:
    """As a reader that knows what is wrong."""
    raise DataMissing("`a.mat` should be\x1b[2J another.")


def break_down(path: str) -> Value:
    """As any line of a reader."""
    raise UnboundLocalError("cannot access local variable 'x'")


def crash(path: str) -> Value:
    """As a reader in C."""
    return ctypes.string_at(1)


def leave(path: str) -> Value:
    """Without a word."""
    os._exit(3)


def be_killed(path: str) -> Value:
    """As by a system without memory."""
    os.kill(os.getpid(), signal.SIGKILL)
    return None


def eat(path: str) -> Value:
    """Memory."""
    return np.ones(1 << 33, np.uint8)


def answer_much(path: str) -> Value:
    """More than is taken."""
    return np.ones(3 << 20, np.uint8)


def wait(path: str) -> Value:
    """For ever."""
    time.sleep(1000)
    return None


def chatter(path: str) -> Value:
    """On the streams that a library may print to."""
    print("noise")
    print("noise", file=sys.stderr)
    os.write(1, b"noise")
    return "answer"


def write(path: str) -> Value:
    """Where it has no business."""
    try:
        Path(path).with_name("stray").write_bytes(b"stray")
    except OSError:
        return "refused"
    return "written"


def answer_objects(path: str) -> Value:
    """Of a type that could run code where it is read."""
    return np.array([{}], dtype=object)
