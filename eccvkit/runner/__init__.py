"""The runner: executes notebooks with papermill and keeps what they tell.

From the ground up::

    grid      KEY=VALUE texts -> every combination of parameters
    notebook  reads a notebook file and its parameters
    spec      one RunSpec per combination; refuses whatever cannot work, before anything starts
    process   the kernel's process tree: peak memory, and its end
    engine    the papermill engine: one notebook executed in one kernel
    record    what a run leaves behind (record.json), written so that it is whole or absent
    execute   one RunSpec -> one Record
    pool      many of them, N at once, with progress
    page      the HTML page of a run;  mathml  its formulas;  report  the index of many runs
    slides    a reveal.js deck from a stored notebook;  handout  one page of it
    clean     what may go into a stored notebook;  doctor  what this machine has

Nothing here imports torch or a paper.
"""
