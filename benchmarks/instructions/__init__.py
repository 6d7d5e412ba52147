"""How many instructions the record layer spends on a record, counted by valgrind, here and at another commit.

Time is too noisy to hold a change to; a count of instructions is not. Counted are those of `tlsocket._record` itself
(exclusive cost): what the AEAD and the interpreter spend is not ours to change.
"""
