"""How far records can be believed: checks inside one, between several, and by runs that are made again.

`ranges` and `consistency` check one record by itself; `copies` and `gaps` compare records; `reruns` judges cells that
were trained again, by `paired_tests`, and `reproduction` whole tables (`agreement` has what both share); `ledger` keeps
what all of them say.

Checks that read only return sentences, and raise nothing for a record whose scores follow from its statistics. None of
them proves that a run was made: they make numbers hard to invent, and `docs/security.md` says what remains.
"""
