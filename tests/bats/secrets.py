#!/usr/bin/env python3
"""Runs a command and looks meanwhile at the arguments and the environment of every process that there is.

  secrets.py SECRET-FILE COMMAND...

Once before it does anything, however busy the machine is; then as often as it can, and after a leak it ends the command.
Prints the programs that the command was seen to be or to start, one "NAME COUNT" a line, and "LEAK ..." for each process
on the machine that began meanwhile and shows the secret: no other test may have the same one.  Ends as the command does,
and with 99 after a leak.
"""
import collections
import ctypes
import os
import subprocess
import sys
import threading

secret = open(sys.argv[1], 'rb').read().rstrip(b'\n')
seen, mine, leaks = {}, set(), set()


def processes():
    return {name for name in os.listdir('/proc') if name.isdigit()}


def look(pid):
    try:
        with open(f'/proc/{pid}/stat', encoding='latin-1') as file:
            head, _, tail = file.read().rpartition(')')
        name = head.partition('(')[2]
        if tail.split()[1] in mine:
            mine.add(pid)
        for where in 'cmdline', 'environ':
            with open(f'/proc/{pid}/{where}', 'rb') as file:
                if secret in file.read():
                    leaks.add(f'LEAK {name} {where}')
    except OSError:
        return
    if pid in mine:
        seen[pid, name] = True


def watch():
    while not ended.is_set():
        # A parent before its children.
        for pid in sorted(processes() - before, key=int):
            look(pid)
        if leaks:
            command.kill()


ptrace = ctypes.CDLL(None).ptrace
TRACEME, DETACH = 0, 17
before, ended = processes(), threading.Event()
watcher = threading.Thread(target=watch)
# Who is traced stops before the first instruction of his new program.
with subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, preexec_fn=lambda: ptrace(TRACEME, 0, None, None)) as command:
    mine.add(str(command.pid))
    os.waitid(os.P_PID, command.pid, os.WSTOPPED)
    look(str(command.pid))
    ptrace(DETACH, command.pid, None, None)
    watcher.start()
    code = command.wait()
    ended.set()
    watcher.join()
for name, count in sorted(collections.Counter(name for _, name in seen).items()):
    print(name, count)
print(*sorted(leaks), sep='\n')
sys.exit(99 if leaks else code)
