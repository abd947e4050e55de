#!/usr/bin/env python3
"""Runs a command and looks meanwhile at the arguments and the environment of every process that there is.

  secrets.py SECRET-FILE COMMAND...

Prints the programs that were seen since it began, one "NAME COUNT" a line, and "LEAK ..." for each that shows the secret.
Ends as the command does, and with 99 after a leak.
"""
import collections
import os
import subprocess
import sys
import threading

secret = open(sys.argv[1], 'rb').read().rstrip(b'\n')
seen, leaks = {}, set()


def processes():
    return {name for name in os.listdir('/proc') if name.isdigit()}


def look(pid):
    try:
        name = open(f'/proc/{pid}/comm').read().strip()
        for where in 'cmdline', 'environ':
            with open(f'/proc/{pid}/{where}', 'rb') as file:
                if secret in file.read():
                    leaks.add(f'LEAK {name} {where}')
    except OSError:
        return
    seen[pid, name] = True


def watch():
    while not ended.is_set():
        for pid in processes() - before:
            look(pid)


before, ended = processes(), threading.Event()
watcher = threading.Thread(target=watch)
watcher.start()
code = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL).returncode
ended.set()
watcher.join()
for name, count in sorted(collections.Counter(name for _, name in seen).items()):
    print(name, count)
print(*sorted(leaks), sep='\n')
sys.exit(99 if leaks else code)
