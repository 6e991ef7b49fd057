"""The runner: executes notebooks with papermill, here or on a cluster, and keeps what they tell.

From the ground up::

    grid         KEY=VALUE texts -> every combination of parameters;  sweepfile  the same from TOML
    notebook     reads a notebook file and its parameters;  fingerprint  hashes of what it runs
    spec         one RunSpec per combination; refuses whatever cannot work, before anything starts
    process      the kernel's process tree: peak memory, and its end;  keeper  its end in any case
    engine       the papermill engine: one notebook executed in one kernel
    record       what a run leaves behind (record.json), written so that it is whole or absent
    store        where runs are kept: a folder;  remote  a URL
    execute      one RunSpec -> one Record in a store
    work         one job on a worker of the cluster: look, hold, execute
    cluster      Dask, inside this process or running already
    pool         many jobs over the cluster: retried, marked failed, interrupted
    sweep        what is asked for, what is there, what is missing;  progress  what people see
    page         the HTML page of a run;  mathml  its formulas
    report       the page of many runs;  results  their table;  curves, compare  what they show
    slides       a reveal.js deck from a stored notebook;  handout  one page of it
    exercises    what a notebook asks;  leaks  where answers show;  labs, grading  for nbgrader
    clean        what may go into a stored notebook
    doctor       what this machine has;  probe  how fast it is
    commands     run, sweep, report, results, doctor on the command line

Nothing here imports torch or a paper.
"""
