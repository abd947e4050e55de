"""Exchanges that come at the worst moment: when a system call of root's begins, whatever it looked at before."""
import os
import shutil

from attacks import file_make
from judge import Planted
from world import CLIENT

# KIND and TARGET of `moment`, and what they stand for.
AT_A_CALL = {
    'a FIFO': ('fifo', '-'),
    'a link to a secret file': ('link', 'etc/shadow'),
    'a link to a neighbour\'s directory': ('link', 'var/lib/neighbour/inner'),
    'a link to a file that is not there': ('link', 'etc/cron.d/mine'),
    'a second name of the shadow file': ('name', 'etc/shadow'),
    'a second name of the shadow file, for good,': ('kept', 'etc/shadow'),
    'a program of his own': ('own', None),
}


class Moment:
    """An exchange at the call that has this number; 0: none.  Then `calls` says how many there are, `done` which it was."""

    def __init__(self, world, actor, what, number, program):
        self.world, self.actor, self.calls, self.done = world, actor, 0, ''
        self.report = f'{world.root}-moment'
        kind, target = AT_A_CALL[what]
        self.program = f'{world.root}-own'
        groups = ','.join(map(str, actor.groups))
        self.prefix = [program, self.report, str(actor.uid), groups, world.root, kind, target or self.program, str(number)]
        self.own = self.own_make()
        shutil.copy(f'{world.work}/helper', self.program)
        os.chown(self.program, actor.uid, actor.gid)
        os.chmod(self.program, 0o777)
        self.planted = [Planted(f'{self.own}/file'), Planted(self.program)]

    def own_make(self):
        """Something of his where everybody may write for the time of an upgrade; and what root was given is from him."""
        own = self.world.path(f'{CLIENT}/data/sub')
        os.mkdir(own, 0o777)
        file_make(f'{own}/file', b'mine\n')
        for path in (own, f'{own}/file'):
            os.chown(path, self.actor.uid, self.actor.gid)
        os.chmod(own, 0o777)
        brought = self.world.path('tmp/in')
        if os.path.exists(brought):
            os.chown(brought, self.actor.uid, self.actor.gid)
        return own

    def run(self):
        # A call that does not end leaves none behind.
        with open(self.report, 'w', encoding='utf-8') as file:
            file.write('0\n')
        run = self.world.run(prefix=self.prefix)
        with open(self.report, encoding='utf-8', errors='backslashreplace') as file:
            self.calls, self.done = int(file.readline()), file.readline().strip()
        return run

    def gift(self):
        return next(filter(None, (planted.gift(self.actor) for planted in self.planted)), None)

    def close(self):
        for planted in self.planted:
            planted.close()
