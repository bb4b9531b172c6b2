"""Intake of submissions: reads what other people send and checks it against its board, without ever running it.

`manifest` reads `submission.toml`, `source_card` reads the parts that a source file registers, `names` and `soundness`
check one record, `eligibility` checks the records against the board, `folder` reads the files of a submission, and
`submission` puts all of it together.

Every byte that is read here may be hostile. So nothing is imported or executed, sizes are limited before a file is
parsed, and a mistake becomes a `Problem` of the folder, never an exception of the command that reads it.
Training a submitted method again is the work of `mtlbench verify --rerun`, in a confined process.
"""
