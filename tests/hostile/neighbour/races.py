"""Exchanges of what root reads or writes, without a pause, while it does."""
import mmap
import os
import struct
import subprocess
import time

from attacks import file_make
from judge import Planted
from world import CLIENT, GENERIC, HSM, OLD_GROUP

# Pairs: a name that root may take, and what changes places with it.  They are made where the world has none.
IN_DATA = [('data/sub', 'link to directory'), ('data/state', 'link to secret'), ('data/other', 'hard link')]
PAIRS = {
    'nobody': [(f'{CLIENT}/{name}', what) for name, what in IN_DATA],
    'oracle': [(f'{CLIENT}/{name}', what) for name, what in IN_DATA] + [
        (f'{CLIENT}/cert/client', 'link to directory'), (f'{CLIENT}/cert/server/CAFile.pem', 'hard link'),
        (f'{CLIENT}/configData/token/001/token.db', 'link to secret'), (f'{GENERIC}/okv_hsm_env', 'link to secret'),
        (f'{GENERIC}/okv_hsm.conf', 'hard link'), (f'{HSM}/hsmbundle', 'link to secret')],
    'support': [('tmp/in', 'link to secret'), ('tmp/carried', 'link to directory'), ('home/support/sub', 'link to directory'),
                ('tmp/out', 'link to nothing')],
}
# Of OKV's user the directory itself.
WHOLE = {'oracle': [(GENERIC, 'link to directory'), (f'{HSM}/hsmbundle', 'hard link')]}


class Race:
    def __init__(self, world, actor, pairs, exchange):
        self.world, self.actor, self.exchange = world, actor, exchange
        self.paths, self.planted, self.count, self.begun, self.done = [], [], None, 0, 0
        for name, what in pairs:
            self.pair(world.path(name), what)

    def pair(self, path, what):
        other = f'{os.path.dirname(path)}/x{os.path.basename(path)}'
        world, actor = self.world, self.actor
        if not os.path.lexists(path):
            if what == 'link to directory':
                os.mkdir(path, 0o777)
                file_make(f'{path}/file', b'mine\n')
                file_make(f'{path}/hsmbundle', b'mine\n')
                for made in (path, f'{path}/file', f'{path}/hsmbundle'):
                    os.chown(made, actor.uid, actor.gid)
            else:
                file_make(path, b'mine\n')
                os.chown(path, actor.uid, actor.gid)
                self.planted.append(Planted(path))
        elif path.startswith(world.path('tmp/')):
            os.chown(path, actor.uid, actor.gid)
        up = '../' * os.path.relpath(path, world.root).count('/')
        if what == 'hard link':
            os.link(world.path('etc/shadow'), other)
        else:
            os.symlink(up + {'link to directory': 'var/lib/neighbour/inner', 'link to secret': 'etc/shadow',
                             'link to nothing': 'etc/cron.d/mine'}[what], other)
            os.lchown(other, actor.uid, actor.gid)
        self.paths += [path, other]

    def run(self):
        """The command, while the names change places; `done` is how often they did while it ran, and no more."""
        counter = f'{self.world.root}-counter'
        with open(counter, 'w+b') as file:
            file.write(bytes(mmap.PAGESIZE))
            file.flush()
            self.count = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        # Where a directory is closed to him today, root takes his part, which is stronger than any user could be.
        able = self.actor.does(lambda: [os.rename(path, path) for path in self.paths]) == 0 and self.writable()
        uid, groups = (self.actor.uid, self.actor.groups) if able else (0, [0])
        with subprocess.Popen([self.exchange, counter, str(uid), ','.join(map(str, groups)), *self.paths]) as process:
            while self.counted() == 0 and process.poll() is None:
                time.sleep(0.001)
            run = self.world.run(self.begins)
            self.done = self.counted() - self.begun
            process.kill()
        return run

    def begins(self):
        self.begun = self.counted()

    def writable(self):
        def look():
            for path in self.paths:
                if not os.access(os.path.dirname(path), os.W_OK, effective_ids=True):
                    raise PermissionError(13, path)
        return self.actor.does(look) == 0

    def counted(self):
        return struct.unpack_from('Q', self.count)[0]

    def close(self):
        for planted in self.planted:
            planted.close()
