"""Loads Keras without the log lines that TensorFlow writes past Python, straight to the terminal.

    from course_utils.quietly import keras

In a notebook they would stand under the first cell, and differ on every machine. Python's own
warnings and errors are shown as ever; how often TensorFlow traces a model (lesson 08 makes many) is
no news.
"""

import logging
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for what comes after loading
_terminal = os.dup(2)
with open(os.devnull, "w") as _nowhere:
    os.dup2(_nowhere.fileno(), 2)
try:
    import keras
finally:
    os.dup2(_terminal, 2)
    os.close(_terminal)
logging.getLogger("tensorflow").setLevel(logging.ERROR)

__all__ = ["keras"]
