"""Files from others, read in a process of its own: what crashes, stalls or floods its reader becomes one sentence.

Readers of HDF5, images and MATLAB files are C libraries, which a damaged file can crash. `process` starts
and watches the child and is all that callers need; `child` runs in it, and `values` is the format of answers.
"""
