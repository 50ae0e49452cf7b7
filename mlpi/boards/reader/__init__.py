"""Reads TensorBoard event files without TensorFlow, a chunk at a time.

`run.RunReader` follows one run's folder. Below it: `files` follows one file, `framing` finds the
records in a chunk, `batches` decodes many records of one shape at once, `events` decodes any single
record exactly, `wire` and `crc` know the encodings. `columns` keeps what was read.

It is made for threads of the service, not for a worker process: a refresh that finds nothing costs
a `scandir` and a `stat` a file, one that finds points a few milliseconds, nearly all inside NumPy;
columns that a worker had read would have to be sent back and held here all the same. NumPy is
imported when the first record is read, never when the service starts.
"""
