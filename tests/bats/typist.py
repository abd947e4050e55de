#!/usr/bin/env python3
"""Runs a command on a terminal of its own and types there: typist.py [PROMPT ANSWER]... -- COMMAND...

Each answer is typed once its prompt is the last thing that was shown, the pairs in their order: what is typed before a
program has asked it may throw away.  Prints all that was shown and ends as the command does; with 98 after two minutes.
"""
import os
import pty
import signal
import sys

given = sys.argv[1:sys.argv.index('--')]
pairs = list(zip(given[::2], given[1::2]))
command = sys.argv[sys.argv.index('--') + 1:]

child, terminal = pty.fork()
if child == 0:
    os.execvp(command[0], command)


def give_up(*_):
    os.kill(child, signal.SIGKILL)
    sys.stdout.write(shown.decode(errors='replace'))
    sys.stdout.flush()
    os._exit(98)


shown = b''
signal.signal(signal.SIGALRM, give_up)
signal.alarm(120)
while True:
    try:
        got = os.read(terminal, 4096)
    except OSError:
        break
    if not got:
        break
    shown += got
    if pairs and shown.endswith(pairs[0][0].encode()):
        os.write(terminal, pairs.pop(0)[1].encode() + b'\n')
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.stdout.write(shown.decode(errors='replace'))
sys.exit(code if code >= 0 else 128 - code)
